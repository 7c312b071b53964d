"""The mistakes that the doctor knows, in Chinese."""

MISTAKES = {
    # All gradients, or one of them
    "every gradient": "所有梯度",
    "every gradient: {how}": "所有梯度：{how}",
    "every parameter's gradient: {how}": "每个参数的梯度：{how}",
    "the gradient of every parameter: {how}": "每个参数的梯度：{how}",
    "{what}: {how}": "{what}：{how}",
    "{what} {how}": "{what} {how}",
    "the wrong sign": "符号错了",
    "divided by the number of steps T": "多除了时刻数 T",
    "multiplied by the number of steps T": "多乘了时刻数 T",
    "divided by the batch size B (a mean over the batch where there should be a sum)": (
        "多除了批量大小 B（对批量应当求和，却取了平均）"
    ),
    "multiplied by the batch size B": "多乘了批量大小 B",
    "divided by T * B (a mean where there should be a sum)": "多除了 T * B（应当求和，却取了平均）",
    "multiplied by T * B": "多乘了 T * B",
    "a factor 2 too many": "多了因子 2",
    "a factor 1/2 too many": "多了因子 1/2",
    "never filled in (all zero)": "没有填入（全为零）",
    "what comes through the steps is missing": "缺少经过各时刻传来的部分",
    "{what} is transposed": "{what} 转置了",
    "{of} and {to} are exchanged": "{of} 和 {to} 交换了",
    "{of} is given as {to} too": "把 {of} 也当作 {to} 给出了",
    "{of} is added to {to}": "把 {of} 加到了 {to} 上",
    "{what} is the gradient of the state after step 0: the way back through step 0 is missing": (
        "{what} 是时刻 0 之后的状态的梯度：缺少反向经过时刻 0 的一步"
    ),
    "{what} holds what comes from above at step 0 as well": "{what} 中多出了时刻 0 来自上方的梯度",
    "dx {how}": "dx {how}",
    "of step t-1 stands at step t": "在时刻 t 放了时刻 t-1 的值",
    "of step t+1 stands at step t": "在时刻 t 放了时刻 t+1 的值",
    "is in the order of the backward loop: step T-1 comes first": "按反向循环的次序排列：时刻 T-1 在最前面",
    "is filled in at the last step only": "只填了最后一个时刻",
    "is filled in at the first step only": "只填了第一个时刻",
    "is the same at every step: that of the first": "在每个时刻都相同，都是第一个时刻的值",
    "is added up over the steps": "沿时刻累加了",
    "the gates' blocks of every parameter's gradient": "每个参数的梯度中各个门的块",
    "the gates' blocks of {what}": "{what} 中各个门的块",
    "{what} are in another order than the parameters': block {given} stands in the place of {meant}": (
        "{what}与参数中的次序不同：排成了 {given}，应当是 {meant}"
    ),
    "{what} is transposed: its shape is that of {what}.T": "{what} 转置了：它的形状是 {what}.T 的形状",
    "{what} is not summed over the batch: it has a row for each example": ("{what} 没有对批量求和：每个样本各占一行"),
    "the axes of {what} are in another order: {given} for {meant}": "{what} 的轴次序不对：是 {given}，应当是 {meant}",
    "the shape of {what} is {given} in the place of {meant}": "{what} 的形状是 {given}，应当是 {meant}",
    "it returns integers: {each}": "它返回了整数：{each}",
    "{dtype} for {name}": "{name} 为 {dtype}",
    # Upstream
    "the upstream gradient dhs {how}": "上游梯度 dhs {how}",
    "the last state's gradient dlast ({what}) {how}": "最后的状态的梯度 dlast（{what}）{how}",
    "is used at the last step only: that of the other steps is not added": (
        "只在最后一个时刻用到：其他时刻的没有加进去"
    ),
    "is used at the first step only": "只在第一个时刻用到",
    "of step t-1 is used at step t": "在时刻 t 用了时刻 t-1 的值",
    "of step t+1 is used at step t": "在时刻 t 用了时刻 t+1 的值",
    "is used in the wrong order: that of step T-1-t at step t": "次序反了：在时刻 t 用了时刻 T-1-t 的值",
    "of the last step is used at every step": "在每个时刻都用了最后一个时刻的值",
    "of the first step is used at every step": "在每个时刻都用了第一个时刻的值",
    "is counted twice": "算了两次",
    "has the wrong sign": "符号错了",
    "is halved": "只有一半",
    "is not used": "没有用到",
    "is averaged over the steps": "对各时刻取了平均",
    "is added up over the steps, and used at every step": "对各时刻求了和，再用在每个时刻",
    "is added up over the steps, and used at the last step": "对各时刻求了和，再用在最后一个时刻",
    # What one step hands to the step before
    "the carry of {what} from step t+1 {how}{also}": "从时刻 t+1 传回的 {what} {how}{also}",
    " (dlast too)": "（dlast 也是）",
    "is missing: nothing comes back from later steps": "缺失了：后面的时刻没有传回任何东西",
    "the carry of {what} is not updated: every step adds dlast again": (
        "传回的 {what} 没有更新：每个时刻都把 dlast 又加了一次"
    ),
    "the carry of {what} adds up over the steps (`+=` for `=`)": (
        "传回的 {what} 沿时刻累加了（应当用 `=`，却用了 `+=`）"
    ),
    "the carries of {what} are exchanged": "传回的 {what} 交换了",
    "the carry of {what} begins with {given}, in the place of zeros": ("传回的 {what} 以 {given} 开始，应当以零开始"),
    "ones": "全 1",
    "{state}, the last state itself": "{state}（最后的状态本身）",
    "the upstream gradient of the last step, which is added there too": (
        "最后一个时刻的上游梯度（它在那里还要再加一次）"
    ),
    "the loop leaves step 0 out, the first": "循环漏掉了时刻 0，即第一个时刻",
    "the loop leaves step T-1 out, the last": "循环漏掉了时刻 T-1，即最后一个时刻",
    "the loop runs from the first step to the last: BPTT runs backward": (
        "循环从第一个时刻走到最后一个时刻：BPTT 应当反着走"
    ),
    "{what} is handed to step t-1 as it is: the way back through the step is missing": (
        "{what} 原样传给了时刻 t-1：缺少反向经过这一时刻的一步"
    ),
    "what step t+1 hands back to {what} overwrites what comes to it in step t (`=` for `+=`)": (
        "时刻 t+1 传回 {what} 的部分覆盖了时刻 t 的部分（应当用 `+=`，却用了 `=`）"
    ),
    "in {to}, what comes back from step t+1 is added after the derivative of {of}, not before": (
        "{to} 中，从时刻 t+1 传回的部分应当在乘 {of} 的导数之前相加，却在之后才加上"
    ),
    "in {to}, what comes back from step t+1 ({carry}) is added after the derivative of {of}, "
    "not before: a bracket is missing": (
        "{to} 中，从时刻 t+1 传回的部分（{carry}）应当在乘 {of} 的导数之前相加，却在之后才加上：少了一对括号"
    ),
    "in {to}, the matrix comes before the derivative of {of}: Jacobians in the order of time": (
        "{to} 中，先乘了矩阵，后乘 {of} 的导数：雅可比矩阵按时间的次序相乘了"
    ),
    "{what} is clipped to [-{bound:.6g}, {bound:.6g}] at every step, inside of the loop": (
        "{what} 在循环之内每个时刻都裁剪到 [-{bound:.6g}, {bound:.6g}]"
    ),
    "{quantity}, as it is handed to step t-1,": "传给时刻 t-1 的 {quantity}",
    # Sums over the steps
    "only the first step counts (`=` for `+=`)": "只有第一个时刻的项（应当用 `+=`，却用了 `=`）",
    "only the last step counts": "只有最后一个时刻的项",
    "the first step is left out": "漏掉了第一个时刻的项",
    "the last step is left out": "漏掉了最后一个时刻的项",
    "the last step counts twice": "最后一个时刻的项算了两次",
    "subtracted step by step (`-=` for `+=`)": "各时刻的项是减去的（应当用 `+=`，却用了 `-=`）",
    # A single rule
    "in {to}, {given} stands in the place of {meant}": "{to} 中用了 {given}，应当用 {meant}",
    "in {to} at step 0, {given} stands in the place of {meant}": "时刻 0 的 {to} 中用了 {given}，应当用 {meant}",
    "{given} stands in the place of {meant}": "用了 {given}，应当用 {meant}",
    "in {to}, the path {path} {how}": "{to} 中，{path} 这一项{how}",
    "is forgotten": "漏掉了",
    "{path} (back through {value})": "{path}（反向经过 {value}）",
    "in {to}, the factor {factor} is missing": "{to} 中缺少因子 {factor}",
    "{value} is held constant: nothing goes back through it": "{value} 被当作常数：没有梯度经过它反向传播",
    "in {to}, the paths {paths} are forgotten": "{to} 中漏掉了 {paths} 这几项",
    "in {to}, the paths {paths} have the wrong sign": "{to} 中，{paths} 这几项的符号错了",
    "in {to} alone, the path {path} is forgotten": "只在 {to} 中漏掉了 {path} 这一项",
    "in {to} alone, the path {path} has the wrong sign": "只在 {to} 中，{path} 这一项的符号错了",
    "in {to} alone, {given} stands in the place of {meant}": "只在 {to} 中用了 {given}，应当用 {meant}",
    "in {to} alone, {given} does not belong there": "只在 {to} 中用了 {given}，它不应当在那里",
    "in {to}, on the path {path} alone, {given} stands in the place of {meant}": (
        "{to} 中，只在 {path} 这一项里用了 {given}，应当用 {meant}"
    ),
    "in {to}, on the path {path} alone, {given} does not belong there": (
        "{to} 中，只在 {path} 这一项里用了 {given}，它不应当在那里"
    ),
    "in {to}, {given} stand in the place of {meant}": "{to} 中用了 {given}，应当分别用 {meant}",
    "in {to}, {given} do not belong there": "{to} 中用了 {given}，它们不应当在那里",
    "backward reads {value} with the wrong sign": "反向传播读取 {value} 时符号错了",
    "in {what}, there is a factor {given}, though no nonlinearity made {value}": (
        "{what} 中多了因子 {given}：{value} 不是由非线性函数算出的"
    ),
    "the derivative of {value}": "{value} 的导数",
    "the carry of {what} is missing, and that of the initial state is zero": (
        "缺少从时刻 t+1 传回的 {what}，初始状态的梯度也是零"
    ),
    "{a} and {b} are exchanged, the gradients of the factors of {product}": (
        "{product} 的两个因子的梯度 {a} 和 {b} 交换了"
    ),
    "{to} is averaged over the batch where it should be summed": "{to} 对批量应当求和，却取了平均",
    "{to} is taken from the last example only, where it should be summed over the batch": (
        "{to} 应当对批量求和，却只取了最后一个样本"
    ),
    "{to} is taken from the first example only, where it should be summed over the batch": (
        "{to} 应当对批量求和，却只取了第一个样本"
    ),
    "in {to}, rows that a batch reads twice are added once: `+=` at an array of indices, for np.add.at": (
        "{to} 中，一个批量两次读到的行只加了一次：对下标数组用了 `+=`，应当用 `np.add.at`"
    ),
    "is divided by T": "多除了 T",
    "is multiplied by T": "多乘了 T",
    "is divided by B": "多除了 B",
    "is multiplied by B": "多乘了 B",
    "{state} (the last state: index -1)": "{state}（最后的状态：下标是 -1）",
    # The gates
    "in {to}, the part of {name} is forgotten": "{to} 中漏掉了 {name} 的部分",
    "in {to}, the gates are put together in another order: {given} in the place of {meant}": (
        "{to} 中，各个门拼接的次序不对：用了 {given}，应当用 {meant}"
    ),
    "the gates are read in another order than the parameters have them: {given} where {meant} stand": (
        "读取各个门的次序与参数中的不同：读作 {given}，实际是 {meant}"
    ),
    "in {to}, entries {given} of {whole} stand in the place of {meant}, as if it were [{joined}]{of}": (
        "{to} 中用了 {whole} 的第 {given} 个元素，应当用第 {meant} 个，好像它是 [{joined}]{of}"
    ),
    " (columns {given} of {matrix} for columns {meant})": "（用了 {matrix} 的 {given} 列，应当用 {meant} 列）",
    " (rows {given} of {matrix} for rows {meant})": "（用了 {matrix} 的 {given} 行，应当用 {meant} 行）",
    # Slopes
    "in {to}, {what} is {how}": "{to} 中，{what}{how}",
    "the derivative of {of}": "{of} 的导数",
    "the derivative of {kind} in all of {names}": "{names} 中所有 {kind} 的导数",
    "the derivative of the nonlinearity in each of {names}": "{names} 中每个非线性函数的导数",
    "the derivative of every nonlinearity ({names})": "每个非线性函数（{names}）的导数",
    "missing": "漏乘了",
    "taken twice": "乘了两次",
    "taken as {given}": "写成了 {given}",
    "taken as {given}: {why}": "写成了 {given}：{why}",
    "{formula} with {where}": "{formula}（其中 {where}）",
    "at the output, once more": "对输出又套了一次函数",
    "that is the derivative of tanh": "那是 tanh 的导数",
    "that is the derivative of a sigmoid": "那是 sigmoid 的导数",
    "that is the derivative of relu": "那是 relu 的导数",
    "the output itself": "那是输出本身",
    "the input itself": "那是输入本身",
    "the sign": "符号错了",
    "the 1 is missing": "缺少 1",
    "the square is missing": "缺少平方",
    "the wrong side": "取错了一边",
    "a power of two is no product with two": "平方不是乘以 2",
    "that has a square too many": "多了一个平方",
    "the factor {y} is missing": "缺少因子 {y}",
    "the factor 1 - {y} is missing": "缺少因子 1 - {y}",
    "at the input of tanh, in the place of its output": "代入了 tanh 的输入，应当代入它的输出",
    "at the input of the sigmoid, in the place of its output": "代入了 sigmoid 的输入，应当代入它的输出",
    "taken at the output, once more: s * (1 - s) with s = sigmoid(y), and 1 - tanh(y)**2": (
        "对输出又套了一次函数：s * (1 - s)（其中 s = sigmoid(y)）和 1 - tanh(y)**2"
    ),
    "taken at the input: x * (1 - x), and 1 - x**2": "代入了输入：x * (1 - x) 和 1 - x**2",
    "taken as the output itself": "写成了输出本身",
    "taken as that of tanh": "写成了 tanh 的导数",
    "taken as that of a sigmoid": "写成了 sigmoid 的导数",
    # Values of another step, or of another cell
    "backward reads the value of {what} that belongs to {step}": "反向传播时用了 {what} 在{step}的值",
    "{names} and all else that is kept": "{names} 以及保存的其他量",
    "{name}, wherever it stands,": "{name}（凡出现之处）",
    "step t-1": "时刻 t-1",
    "step t+1": "时刻 t+1",
    "the last step, at every step (one array was overwritten, not kept)": (
        "最后一个时刻（每个时刻都如此：同一个数组被覆盖了，没有逐个时刻保存）"
    ),
    "the first step, at every step": "第一个时刻（每个时刻都如此）",
    "backward reads {given} at step 0, in the place of {meant}": "反向传播在时刻 0 用了 {given}，应当用 {meant}",
    "backward uses {given} in the place of {meant}": "反向传播用了 {given}，应当用 {meant}",
    "forward {name}": "前向传播的 {name}",
    "forward it": "前向传播的结果",
    "the forward pass computes {given} in the place of {meant}{more}": "前向传播{more}算了 {given}，应当算 {meant}",
    " for {name}": "对 {name}",
    "{said} (backward has it right)": "{said}（反向传播用的是对的）",
    "the forward pass computes the cell without {what}": "前向传播计算循环单元时漏掉了 {what}",
    "the forward pass computes the cell with the wrong sign of {what}": "前向传播计算循环单元时 {what} 的符号错了",
    "the forward pass computes the cell with twice {what}": "前向传播计算循环单元时用了 {what} 的两倍",
    "{said} (if that is meant: {option})": "{said}（如果本来就是这样：用 {option}）",
    # Another cell
    "the cell": "循环单元",
    "this is right for another cell: {cell}": "对另一种循环单元是正确的：{cell}",
    "{cell}, whose reset gate acts after the matrix": "{cell}，它的重置门作用在矩阵之后",
    "{cell}, whose reset gate acts before the matrix": "{cell}，它的重置门作用在矩阵之前",
    "{cell} with its update gate the other way round, h[t] = z * n + (1 - z) * h[t-1] (Chung et al., 2014)": (
        "{cell}，但更新门的方向相反：h[t] = z * n + (1 - z) * h[t-1]（Chung et al., 2014）"
    ),
    "{cell} with {option}": "用 {option} 的 {cell}",
}
