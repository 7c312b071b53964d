"""What a derivation says in words, in Chinese."""

DERIVATION = {
    "BPTT of {title}": "{title} 的 BPTT 推导",
    "{heading}.": "{heading}。",
    "{heading}. {note}": "{heading}。{note}",
    "entry {n}": "条目 {n}",
    "entries {numbers}": "条目 {numbers}",
    # Headings
    "Forward pass, for t = {first}, ..., {last}": "前向传播，t = {first}, ..., {last}",
    "Local derivatives, from the last line to the first": "局部导数，从最后一行到第一行",
    "From one step to the next": "从一个时刻到下一个时刻",
    "Error terms, for t = {last}, ..., {first}": "误差项，t = {last}, ..., {first}",
    "Error terms of the loss L_t, for k = t, ..., {first}": "损失 L_t 的误差项，k = t, ..., {first}",
    "Gradients": "梯度",
    "Chains": "链式乘积",
    # What the letters mean
    "Each quantity is a column vector, for one example. L is the sum of the losses L_t.": (
        "每个量都是一个样本的列向量。L 是各时刻损失 L_t 的总和。"
    ),
    "Each quantity is a number, a column vector or a matrix, for one example. L is the sum of the losses L_t.": (
        "每个量都是一个样本的数、列向量或矩阵。L 是各时刻损失 L_t 的总和。"
    ),
    "The letter d before a quantity stands for the derivative of L with respect to it; for a net input this derivative "
    "is delta.": "量前面的字母 d 表示 L 对它的导数；对净输入的导数写作 delta。",
    "The letter d before a quantity stands for the derivative of L_t with respect to it; for a net input this "
    "derivative is delta. Its first index is the step of the loss, its last one that of the quantity.": (
        "量前面的字母 d 表示 L_t 对它的导数；对净输入的导数写作 delta。"
        "第一个下标是损失所在的时刻，最后一个下标是该量所在的时刻。"
    ),
    "The derivative of a vector by a vector has a row for each entry of the vector below (denominator layout): a chain "
    "is read from left to right, from the earlier quantity to the loss.": (
        "向量对向量的导数采用分母布局：分母上向量的每个元素对应一行。链式乘积从左往右读，从较早的量一直到损失。"
    ),
    "The derivative of a vector by a vector has a row for each entry of the vector above (numerator layout).": (
        "向量对向量的导数采用分子布局：分子上向量的每个元素对应一行。"
    ),
    # Notes
    "Every term of step {after} is zero.": "时刻 {after} 的各项都为零。",
    "Every term of a step after t is zero: the loss of step t does not depend on it.": (
        "t 之后各时刻的项都为零：时刻 t 的损失与它们无关。"
    ),
    "Those of parameters are sums over time, and over the examples of a batch.": (
        "参数的梯度是对各时刻求和，也对批量中的各个样本求和。"
    ),
    "Lines that do not reach the loss are left out: {names}.": "到不了损失的行没有写出：{names}。",
    "Lines that do not reach a state are left out: {names}.": "到不了状态的行没有写出：{names}。",
    "Lines that do not reach the loss are left out.": "到不了损失的行没有写出。",
    "Lines that do not reach a state are left out.": "到不了状态的行没有写出。",
    "x holds indices: e with an index is the column that is 1 there and 0 elsewhere.": (
        "x 的内容是下标：带下标的 e 是一列，在该处为 1，其余为 0。"
    ),
    "A 1 that multiplies a matrix or a vector is the column of ones that fits.": (
        "与矩阵或向量相乘的 1 是大小合适的全 1 列向量。"
    ),
    "sg(v), for stop_gradient, is v with its path cut: its derivative is 0.": (
        "sg(v)（stop_gradient）就是路径被切断的 v：它的导数为 0。"
    ),
    "{one} is through that line alone. In the next section, {whole} is through all lines of the step.": (
        "{one} 只经过这一行；下一节的 {whole} 经过该时刻的所有行。"
    ),
    "A derivative of a matrix, or by one, such as {one}, is a linear map and no matrix: the arrow leads from a small "
    "change of the quantity below to what it makes of the quantity above.": (
        "矩阵的导数，或对矩阵的导数，例如 {one}，是一个线性映射，而不是矩阵："
        "箭头从分母上的量的微小改变，指向它引起的分子上的量的改变。"
    ),
    "In each block the other states of step t-1 are held.": "求每一块时，时刻 t-1 的其他状态保持不变。",
    "An index in brackets stands for the part of a matrix that makes the part of that name.": (
        "括号中的下标表示矩阵的一块，它算出同名的那一部分。"
    ),
    "{block} has no short formula: bptt.step_jacobians gives the numbers.": (
        "{block} 没有简短的公式：数值可用 bptt.step_jacobians 求得。"
    ),
    "{blocks} have no short formula: bptt.step_jacobians gives the numbers.": (
        "{blocks} 没有简短的公式：数值可用 bptt.step_jacobians 求得。"
    ),
    "Over the unrolled net, the total derivative {total} also runs through {state}.": (
        "在按时间展开的网络中，全导数 {total} 还经过 {state}。"
    ),
    # Reasons
    "The net input.": "净输入。",
    "The activation function, entry by entry.": "逐元素的激活函数。",
    "A product, entry by entry.": "逐元素相乘。",
    "The new state.": "新的状态。",
    # Worksheets
    "{title}: answers": "{title}：答案",
    "Worksheet: fill in {blanks}": "练习单：填写 {blanks}",
    "answers": "答案",
    "Its parts.": "它的各部分。",
    "The path from {below} is cut.": "从 {below} 出发的路径被切断。",
    "{above} has {below} as a term: the identity.": "{below} 是 {above} 中的一项，所以是单位矩阵。",
    "{above} reads {below} entry by entry: a diagonal matrix.": "{above} 逐元素地用到 {below}，所以是对角矩阵。",
    "{above} multiplies {below} entry by entry: the other factor stands on the diagonal.": (
        "{above} 中 {below} 与另一个因子逐元素相乘，所以那个因子排在对角线上。"
    ),
    "{above} is linear in {below}: the matrix before it, transposed.": (
        "{above} 对 {below} 是线性的，所以是它前面矩阵的转置。"
    ),
    "{above} is linear in {below}: the matrix before it.": "{above} 对 {below} 是线性的，所以是它前面的矩阵。",
    "The chain rule within the line of {above}.": "在 {above} 这一行内用链式法则。",
    "No path leads there within the step.": "在一个时刻之内没有路径通到那里。",
    "{above} reads {below} in its own line alone.": "{above} 只在自己这一行用到 {below}。",
    "The chain rule: every path from {below} to {above} is through {through}.": (
        "链式法则：从 {below} 到 {above} 的路径都经过 {through}。"
    ),
    "The sum over the paths from {below} to {above}: {through} read {below}.": (
        "对从 {below} 到 {above} 的各条路径求和：{through} 都用到 {below}。"
    ),
    "{value} is read by {readers} alone.": "用到 {value} 的只有 {readers}。",
    "{value} is read by {readers}: one term for each.": "用到 {value} 的有 {readers}，每处贡献一项。",
    "{value} is cut into {parts}: their gradients, one below the other.": (
        "{value} 被切分成 {parts}：把它们的梯度上下拼接起来。"
    ),
    "No loss depends on it.": "没有损失依赖于它。",
    "Every step reads {value}, in the line of {readers}: a sum over the losses t, and over the steps k until t that "
    "read it.": (
        "每个时刻都在 {readers} 这一行用到 {value}：对各时刻 t 的损失求和，再对用到它的时刻 k（不晚于 t）求和。"
    ),
    "Every step reads {value}, in the line of {readers}: the sum over the steps.": (
        "每个时刻都在 {readers} 这一行用到 {value}，所以对各时刻求和。"
    ),
    "Only the first step reads it, in the line of {readers}.": "只有第一个时刻用到它，在 {readers} 这一行。",
    "{value} is read by {readers}.": "用到 {value} 的是 {readers}。",
}
