"""The verdict of `flow`, in Chinese."""

FLOW = {
    "<Flow of {cell}, T={T}: {words}>": "<梯度流：{cell}，T={T}：{words}>",
    "{cell}: T={T} {dtype}, {of}; W: all parameters": "{cell}：T={T} {dtype}，{of}；W 表示所有参数",
    "the loss at step {t}": "时刻 {t} 的损失",
    "the loss {name}": "损失 {name}",
    "the loss": "损失",
    "the sum of {n} losses": "{n} 个损失之和",
    "distance": "距离",
    "norms": "范数",
    "term in {gradient}": "在 {gradient} 中的项",
    "the state's gradient {norm}": "状态的梯度 {norm}",
    "step k's term in {gradient}": "时刻 k 在 {gradient} 中的项",
    "Broken: the state is not finite (NaN or infinity) from step {t} on, and no gradient is.\n"
    "{call} finds the operation; smaller weights or steps, or a bounded activation, help.": (
        "中断：从时刻 {t} 起状态不是有限数（NaN 或无穷大），梯度也都不是。\n"
        "{call} 会找出是哪一步运算；减小权重、缩小每一步，或者用有界的激活函数会有帮助。"
    ),
    "State: one step, so there is no distance over which its gradient could vanish.": (
        "状态：只有一个时刻，没有可以让梯度消失的距离。"
    ),
    "State: its gradient is NaN or infinite from step {t} back: a derivative there is not finite.": (
        "状态：从时刻 {t} 往回，梯度是 NaN 或无穷大：那里有一个导数不是有限数。"
    ),
    "State: its gradient is exactly 0 from step {t} back, and not because far steps underflow: it "
    "became 0 within one step (a relu that is off, a gate or a tanh saturated until its derivative rounds "
    "to 0, a state not read, or a factor so small that it underflows there).": (
        "状态：从时刻 {t} 往回，梯度正好是 0，原因不是距离太远而下溢：它在一个时刻之内变成了 0"
        "（relu 处于关闭状态、门或 tanh 饱和到导数舍入为 0、状态没有被用到，或者某个因子小到在那里下溢）。"
    ),
    "{norm} goes from {near} at distance 0 to {far} at distance {distance}, a factor of {factor} a step.": (
        "{norm} 从距离 0 处的 {near} 变到距离 {distance} 处的 {far}，平均每个时刻乘以因子 {factor}。"
    ),
    "State: its gradient VANISHES": "状态：梯度消失",
    "State: its gradient EXPLODES": "状态：梯度爆炸",
    "State: its gradient survives {steps}": "状态：梯度经过{steps}仍然保留",
    "{said}: {fact}": "{said}：{fact}",
    "{fact} {more}": "{fact}{more}",
    "It is less than a thousandth of that from step {t} back.": "从时刻 {t} 往回，它不到原来的千分之一。",
    "Loss: it reads {n} steps directly, so {norm} holds what each step adds itself. What "
    "comes from far shows where the loss is one step's own: {call}.": (
        "损失：它直接读到 {n} 个时刻，所以 {norm} 中包含每个时刻自己加入的部分。"
        "要看从远处传来的部分，请用单个时刻的损失：{call}。"
    ),
    "Parameters: {norm} = {size}.": "参数：{norm} = {size}。",
    "Parameters: {norm} = {size}: no term arrives.": "参数：{norm} = {size}：没有任何一项传到。",
    "Parameters: {norm} = {size}, of one term.": "参数：{norm} = {size}，只有一项。",
    "Parameters: their gradient does NOT vanish, {norm} = {size}, since the near terms stay: the "
    "nearest {near} of {T} steps make 99 % of the sum of the terms' norms. But it says nothing of far "
    "steps: the term of step 0 is {far} of the largest.": (
        "参数：参数的梯度没有消失，{norm} = {size}，因为近处的项还在："
        "{T} 个时刻中最近的 {near} 个占各项范数之和的 99%。但它没有反映远处的时刻：时刻 0 的项只是最大项的 {far}。"
    ),
    "Parameters: their gradient explodes with it, {norm} = {size}: the largest term is that of step {t}. "
    "Clip it by its norm ({module}).": (
        "参数：参数的梯度也随之爆炸，{norm} = {size}：最大的是时刻 {t} 的项。请按范数裁剪梯度（{module}）。"
    ),
    "Parameters: {norm} = {size}; the nearest {near} of {T} steps make 99 % of the sum of the terms' norms, "
    "and the term of step 0 is {far} of the largest.": (
        "参数：{norm} = {size}；{T} 个时刻中最近的 {near} 个占各项范数之和的 99%，时刻 0 的项是最大项的 {far}。"
    ),
    "no gate {share:.2g}": "不经过门 {share:.2g}",
    "Paths: of what one step passes back, by the last gate on the way (median): {each}. Over all {steps}, "
    "the path that passes no gate brings {direct} of {all} in all.": (
        "路径：一个时刻往回传的梯度，按路上最后经过的门划分（中位数）：{each}。"
        "经过全部{steps}，不经过任何门的路径传到 {direct}，总共是 {all}。"
    ),
    "Range: {dtype} has overflowed: from step {t} back it holds infinity or NaN. "
    "The norms above are those of scaled products{offer}.": (
        "范围：{dtype} 上溢：从时刻 {t} 往回是无穷大或 NaN。上面的范数是经过缩放的乘积的范数{offer}。"
    ),
    "Range: {dtype} has underflowed: {said}. The norms above are those of scaled products{offer}.": (
        "范围：{dtype} 下溢：{said}。上面的范数是经过缩放的乘积的范数{offer}。"
    ),
    "from step {t} back its numbers are subnormal, with digits lost": "从时刻 {t} 往回是次正规数，丢失了有效数字",
    "from step {t} back it holds 0": "从时刻 {t} 往回是 0",
    ", and ": "，并且",
    "; {wider} would hold them: ask again with {wider}": "；{wider} 可以容纳它们：请改用 {wider} 再算一次",
    # The command
    "{norm} by distance, from {low} (no bar) to {high} (full), logarithmic:": (
        "{norm} 随距离的变化，从 {low}（空）到 {high}（满），对数刻度："
    ),
    "{name}, read as {kind}: {shapes}": "{name}，按 {kind} 读取：{shapes}",
    "the figure": "图",
}
