"""What the player of a scan says, in Chinese."""

SCAN_PLAYER = {
    "The walk: no product": "逐步反向：没有乘积",
    "The walk: {n} product": "逐步反向：{n} 次乘积",
    "The walk: {n} products, one after another": "逐步反向：{n} 次乘积，一次接一次",
    "The scan": "扫描",
    "The work-efficient scan": "省工扫描",
    "{n} round": "{n} 轮",
    "{n} rounds": "{n} 轮",
    "round {n}": "第 {n} 轮",
    "round {n} of {depth}": "第 {n} 轮，共 {depth} 轮",
    "Round {n} of {depth}": "第 {n} 轮，共 {depth} 轮",
    "Up-sweep, round {n} of {depth}": "向上扫，第 {n} 轮，共 {depth} 轮",
    "Down-sweep, round {n} of {depth}": "向下扫，第 {n} 轮，共 {depth} 轮",
    "chain {n} of {count}": "第 {n} 条链，共 {count} 条",
    "chain of {states}": "{states} 的链",
    "pairs": "各对",
    "The pairs": "各对 (A, b)",
    "pair {steps}": "{steps} 这一对",
    "{n} number": "{n} 个数",
    "{n} numbers": "{n} 个数",
    "{steps}; rounds of the walk {walk}, of the scan {scan}, of the work-efficient scan {lean}": (
        "{steps}；轮数：逐步反向 {walk}，扫描 {scan}，省工扫描 {lean}"
    ),
    # The start
    "{g} is short for {gradients}: {size} for an example.": "{g} 是 {gradients} 的简写：每个样本 {size}。",
    "{rule}, where {A} is the step Jacobian of step {last}, transposed, and {b} is what reaches the state of step "
    "{step} past the next state. So each step is a pair (A, b).": (
        "{rule}，其中 {A} 是时刻 {last} 的单步雅可比矩阵的转置，{b} 是绕过下一个状态而到达时刻 {step} 的状态的部分。"
        "所以每个时刻是一对 (A, b)。"
    ),
    "Nothing comes after the last step: {rule} is known.": "最后一个时刻之后没有别的时刻：{rule} 已知。",
    "A box {steps} holds the pair of these steps: {rule}.": "方框 {steps} 是这些时刻合成的一对：{rule}。",
    "The walk makes one cotangent after another. A scan combines pairs next to each other, many at once.": (
        "逐步反向一个接一个地算出余切；扫描把相邻的对合成起来，同时合成许多对。"
    ),
    "The Jacobians are diagonal: A is a vector, and a product goes entry by entry.": (
        "雅可比矩阵是对角矩阵：A 是一个向量，乘积按元素进行。"
    ),
    "The Jacobians are diagonal: each place of the state has a matrix A of its own, {m}×{m}.": (
        "雅可比矩阵是对角的：状态的每个位置有自己的 {m}×{m} 矩阵 A。"
    ),
    "The state has {count} rows that do not meet. The numbers are those of the first.": (
        "状态有 {count} 个互不影响的行，显示的是第一行的数。"
    ),
    "The numbers are those of the first of {count} examples.": "显示的是 {count} 个样本中第一个的数。",
    "A has {size:,} numbers, too many to be read: only its shape and its norm are shown.": (
        "A 有 {size:,} 个数，多得无法阅读：只显示它的形状和范数。"
    ),
    "One step": "一个时刻",
    "one step": "一个时刻",
    "One step hands on nothing, so there is nothing to combine: the walk within the step is all.": (
        "只有一个时刻时没有状态传给下一时刻，所以没有什么可合成：在这个时刻之内反向就够了。"
    ),
    # A round
    "The up-sweep joins neighbours to blocks of twice as many steps.": "向上扫把相邻的块合成时刻多一倍的块。",
    "The down-sweep gives blocks in between the cotangent that they lack.": "向下扫把中间各块所缺的余切交给它们。",
    "{n} product": "{n} 次乘积",
    "{n} products at once": "同时 {n} 次乘积",
    "{products}: {rule}.": "{products}：{rule}。",
    "Now {known} of {T} cotangents are known; the walk, with a product in each round, knows {walk}.": (
        "到此 {T} 个余切中已知 {known} 个；逐步反向每轮一次乘积，已知 {walk} 个。"
    ),
    "All {T} cotangents are known after {rounds}; the walk needs {walk}.": (
        "经过 {rounds}，{T} 个余切全部已知；逐步反向需要 {walk}。"
    ),
    "The depth is log2 {T}, rounded up: {depth}.": "深度是 log2 {T} 向上取整：{depth}。",
    "pair {own} and {g} give {result}": "{own} 这一对与 {g} 合成 {result}",
    "pair {own} and pair {other} give pair {whole}": "{own} 与 {other} 两对合成 {whole} 这一对",
    # The gradient
    "From the cotangent of each state the walk goes on within its step, and the terms of all steps add up.": (
        "从每个状态的余切出发，在它的时刻之内继续反向；各时刻的项相加。"
    ),
    "The gradient": "梯度",
    "the gradient": "梯度",
    "It is the gradient of the walk, to the last digit.": "它与逐步反向的梯度完全相同，直到最后一位。",
    "It is the gradient of the walk: apart by at most {apart} of the largest entry, which is rounding.": (
        "它就是逐步反向的梯度：最多相差最大元素的 {apart}，这是舍入误差。"
    ),
    "The gradients of scan and walk are apart by {apart} of the largest entry: products of Jacobians lost digits.": (
        "扫描与逐步反向的梯度相差最大元素的 {apart}：雅可比矩阵的乘积损失了有效数字。"
    ),
    "Some entries are not finite, so the gradient cannot be compared with that of the walk.": (
        "有些元素不是有限数，所以无法与逐步反向的梯度比较。"
    ),
    # The page
    "{cell}: BPTT as an associative scan": "{cell}：作为结合扫描的随时间反向传播",
    "The fewest rounds (l)": "轮数最少（l）",
    "Scan": "扫描",
    "Few products: an up-sweep and a down-sweep (l)": "乘积少：先向上扫，再向下扫（l）",
    "Work-efficient scan": "省工扫描",
    "Scripts are off, so these are the pictures alone. With scripts the scan plays, round by round.": (
        "脚本已禁用，所以这里只有图。启用脚本后，扫描一轮一轮地播放。"
    ),
    "The walk, and the tree of the scan": "逐步反向，以及扫描的树",
    "The round of the scan": "扫描的轮次",
    "Speed, in rounds a second": "速度：每秒几轮",
    "Rounds so far": "到此为止的轮数",
    "Rounds of the walk and of the scan": "逐步反向与扫描的轮数",
    "The box": "方框",
    "Box": "方框",
    "Box: {name}": "方框：{name}",
    "What the box holds": "方框的内容",
    "one round back, on": "后退、前进一轮",
    "next, previous chain": "后一条、前一条链",
    "the other scan": "另一种扫描",
    ": ": "：",
    "made of": "由以下部分合成",
    "norm, scan": "范数，扫描",
    "norm, walk": "范数，逐步反向",
    "apart": "相差",
    "by the scan": "扫描所得",
    "by the walk": "逐步反向所得",
    "{name}: {done} of {all} rounds; {work} multiply-adds in all": "{name}：{all} 轮中的 {done} 轮；共 {work} 次乘加",
}
"""English template -> Chinese template."""
