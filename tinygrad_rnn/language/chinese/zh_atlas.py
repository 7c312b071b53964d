"""The pages and the table of the atlas, in Chinese."""

ATLAS = {
    "The cells compared": "循环单元的比较",
    "cell": "循环单元",
    "year": "年份",
    "state": "状态",
    "parameters": "参数个数",
    "serial multiply-adds": "其中必须逐步计算的乘加",
    "other serial operations": "必须逐步计算的其他运算",
    "linear in its state": "对状态是否线性",
    "norm of the step Jacobian": "单步雅可比矩阵的范数",
    "10 steps back": "往回 10 步",
    "50 steps back": "往回 50 步",
    "200 steps back": "往回 200 步",
    "yes, by entry": "是，逐元素",
    "yes, mixed": "是，有混合",
    "no": "否",
    "All numbers are at I = 10 inputs and H = 32 units, of one step of one example, counted off the tape; the norm "
    "of the step Jacobian is at H = 16. Serial is what leads from the old state to the new one: it must wait for "
    "the step before. A cell that is linear by entry runs in `nn.scan`; in a mixed one, an entry is made of several "
    "old ones. N steps back is log10 `|dL/ds_k|` at the initial parameters, N steps before a loss whose gradient by "
    "the last output has the norm 1.": (
        "所有数字都在输入 I = 10、隐状态 H = 32、一个样本的一个时刻从磁带上数出；单步雅可比矩阵的范数在 H = 16 时计"
        "算。从旧状态到新状态的运算必须等上一个时刻算完，只能逐步进行。逐元素线性的循环单元可以用 `nn.scan` 计算；“"
        "有混合”是指新状态的一个元素由旧状态的几个元素组成。“往回 N 步”是初始参数下的 log10 `|dL/ds_k|`：k 比损失早 "
        "N 步，损失对最后一个输出的梯度的范数为 1。"
    ),
    "entries of the state": "状态的元素个数",
    "paper": "论文",
    "what differs from the paper": "与论文的不同",
    "`{call}`; initial parameters: `nn.init.{name}`.": "`{call}`；初始参数：`nn.init.{name}`。",
    "Source: {paper}": "出处：{paper}",
    "I is the number of inputs, H the number of hidden units. Costs are those of one example, counted off the tape; "
    "only what leads from the old state to the new one must wait for the step before.": (
        "I 是输入个数，H 是隐状态的单元个数。计算量都是一个样本的，从磁带上数出；只有从旧状态到新状态的运算必须等上"
        "一个时刻算完。"
    ),
    "The new state is not linear in the old one. So the steps cannot run as a scan.": (
        "新状态不是旧状态的线性函数，所以各时刻不能用扫描计算。"
    ),
    "At I = 3 and H = 4, {full} of the {all} entries of `ds_t/ds_{{t-1}}` are not zero. A row is an entry of the "
    "new state, a column an entry of the old one.": (
        "I = 3、H = 4 时，`ds_t/ds_{{t-1}}` 的 {all} 个元素中有 {full} 个不为零。一行是新状态的一个元素，一列是旧状"
        "态的一个元素。"
    ),
    "The whole state is s = ({letters}).": "整个状态是 s = ({letters})。",
    "{title}: the entries of the step Jacobian that are not zero": "{title}：单步雅可比矩阵中不为零的元素",
    "{title}: the norm of the gradient of the state over 200 steps": "{title}：状态的梯度在 200 步中的范数",
    "The new state is linear in the old one, entry by entry. So `nn.scan` computes what `nn.unroll` computes, in "
    "log2 T rounds.": (
        "新状态逐元素地是旧状态的线性函数。所以 `nn.scan` 与 `nn.unroll` 算出同样的结果，只要 log2 T 轮。"
    ),
    "The new state is linear in the old one, but its entries mix. A scan would need products of whole matrices: "
    "`nn.scan` refuses the cell.": (
        "新状态是旧状态的线性函数，但各元素互相混合。扫描要把整个矩阵相乘：`nn.scan` 不接受这个循环单元。"
    ),
    "There: {at}.": "见{at}。",
    "bytes of the state in float64": "状态的字节数（float64）",
    "multiply-adds of matrix products, a step": "每步矩阵乘法的乘加次数",
    "other operations, a step": "每步其他运算的次数",
    "of these from the old state to the new one: multiply-adds": "其中从旧状态到新状态：乘加",
    "of these from the old state to the new one: others": "其中从旧状态到新状态：其他运算",
    "Sizes and cost": "大小和计算量",
    "Picture": "图",
    "One step, from below: x at the bottom, a box for each gate and each named value with its shape, for 2 examples "
    "at I = 3 and H = 4. States are blue, and so are the arrows to the next step.": (
        "一个时刻，从下往上：x 在最下面，每个门和每个有名字的值各有一个框，框里写着形状，两个样本，I = 3，H = 4。状"
        "态是蓝色的，通往下一时刻的箭头也是。"
    ),
    "{title}: one step": "{title}：一个时刻",
    "Formulas": "公式",
    "The Jacobian of a step": "单步雅可比矩阵",
    "The spectral norm of this Jacobian is the largest factor by which one step back can multiply the norm of a "
    "gradient. At the initial parameters it is {norm} (I = 10, H = 16, from the fourth step of a random sequence to "
    "the fifth).": (
        "这个雅可比矩阵的谱范数，是往回一步最多能把梯度的范数乘上的倍数。在初始参数下它是 {norm}（I = 10，H = 16，随"
        "机序列的第四个时刻到第五个时刻）。"
    ),
    "How a gradient fares over 200 steps": "梯度往回 200 步的变化",
    "The backward in NumPy": "用 NumPy 写出的反向传播",
    "The gradients of the tape agree with a complex step, or with differences where an operation is not analytic, "
    "by each parameter, input and initial state. So does the Jacobian, and so does the curve at 10 steps back. Each "
    "size is counted at nine pairs of I and H, and its formula gives each of them.": (
        "磁带上的梯度与复数步长法一致，运算不解析时与差分一致，对每个参数、输入和初始状态都是如此。雅可比矩阵和往回 "
        "10 步处的曲线也是。每个大小都在 I 和 H 的九组取值下数过，公式给出同样的数。"
    ),
    "*For anyone who looks up a cell. To look things up.*": "*读者：要查找循环单元的人。供查阅。*",
    "formula": "公式",
    "parameter": "参数",
    "in the formulas": "公式中的记号",
    "`derive` does not write down this cell: {refusal}. So its error terms are not on this page. The forward pass, "
    "as the cell's docstring has it:": (
        "`derive` 没有写出这个循环单元：{refusal}。所以这一页没有它的误差项。前向传播见它的文档字符串："
    ),
    "The norms of its blocks, a row for each new state, a column for each old one:": (
        "各块的范数，一行对应一个新状态，一列对应一个旧状态："
    ),
    "steps back": "往回的步数",
    "log10 of the norm of dL/ds_k": "dL/ds_k 的范数的 log10",
    "`derive` does not write it: {refusal}.": "`derive` 没有写出它：{refusal}。",
    "`bptt.derive` wrote this file and compared it with the tape, for several lengths and batch sizes. "
    "`tinygrad-rnn atlas {name}` prints this page.": (
        "`bptt.derive` 写出了这个文件，并在几种长度和批量大小下与磁带对照过。`tinygrad-rnn atlas {name}` 打印这一页。"
    ),
    "Before that, the first two steps back multiply it once by {into}, on the way from {output} into {memory}.": (
        "在那之前，往回的头两步把它一次性地乘以 {into}，这是从 {output} 进入 {memory} 的路上。"
    ),
    "At each step {memory} is multiplied by {factor}: by {mean} on average here, and by {best} in the entry that "
    "keeps most. {steps} steps, those from 10 to 200 steps back, multiply that entry by {left}.": (
        "每一步 {memory} 都乘以 {factor}：这里平均为 {mean}，在保留最多的那个元素上为 {best}。往回 10 步到 200 步之"
        "间的 {steps} 步，把那个元素乘以 {left}。"
    ),
    "From 10 to 200 steps back the gradient is multiplied by {change}: this factor loses it.": (
        "往回 10 步到 200 步之间，梯度乘以 {change}：梯度就是被这个因子丢掉的。"
    ),
    "{memory} keeps no part of itself: the old one comes to the new one through the matrix U and the nonlinearity "
    "alone.": "{memory} 不直接保留旧值：旧值只经过矩阵 U 和非线性函数到达新值。",
    "{memory} keeps all of itself at each step.": "每一步 {memory} 都完整保留。",
    "At each step {memory} is multiplied by {factor} = {value}. {steps} steps, those from 10 to 200 steps back, "
    "multiply it by {left}.": (
        "每一步 {memory} 都乘以 {factor} = {value}。往回 10 步到 200 步之间的 {steps} 步，把它乘以 {left}。"
    ),
    "At each step {memory} is multiplied by {factor}, one number for all entries: by {mean} on average here. "
    "{steps} steps, those from 10 to 200 steps back, multiply it by {left}.": (
        "每一步 {memory} 都乘以 {factor}，所有元素用同一个数：这里平均为 {mean}。往回 10 步到 200 步之间的 {steps} "
        "步，把它乘以 {left}。"
    ),
    "From 10 to 200 steps back the gradient is multiplied by {change}, which is {ratio} a step.": (
        "往回 10 步到 200 步之间，梯度乘以 {change}，即每步 {ratio}。"
    ),
    "From 10 to 200 steps back the gradient is multiplied by {change}, which is more: other ways from the old state "
    "to the new one carry the rest.": (
        "往回 10 步到 200 步之间，梯度乘以 {change}，比这更多：其余的经过从旧状态到新状态的其他路径传回来。"
    ),
    "From 10 to 200 steps back the gradient is multiplied by {change}: this factor keeps it.": (
        "往回 10 步到 200 步之间，梯度乘以 {change}：梯度就是被这个因子保住的。"
    ),
    "published code that agrees": "一致的已发布代码",
    "What differs from the paper: {differs}": "与论文的不同：{differs}",
    "Outputs, last states and all gradients agree to 1e-12 with code that others published, run in float64 at T = "
    "1, 2, 3 and 7 with one and three sequences: {published}": (
        "输出、最后的状态和所有梯度与他人发布的代码一致到 1e-12，以 float64 在 T = 1、2、3、7、一个和三个序列下运行"
        "：{published}"
    ),
    "The loss reads the last {output} alone, and its gradient there has the norm 1. The curve is "
    "`|dL/ds_k|`{together}: 0 to 200 steps back, at the initial parameters, for I = {I}, H = {H} and 4 sequences of "
    "normal inputs.": (
        "损失只读最后的 {output}，那里的梯度的范数为 1。曲线是 `|dL/ds_k|`{together}：往回 0 到 200 步，初始参数，I "
        "= {I}，H = {H}，4 个输入为正态分布的序列。"
    ),
    ", the norm of {terms} together": "，即 {terms} 合在一起的范数",
    "{memory}, at a right angle to the key,": "{memory} 在与键垂直的方向上",
    "In NNDL: {equations}.": "在 NNDL 中：{equations}。",
}
