"""The cells of the atlas, how they differ from their papers, and published code, in Chinese."""

CELLS = {
    "The units of the paper lie between 0 and 1; tanh and two biases are PyTorch's. The paper trains one step back: "
    "BPTT is not part of it.": (
        "论文中单元的值在 0 和 1 之间；tanh 和两个偏置是 PyTorch 的写法。论文训练时只往回传一个时刻，没有用 BPTT。"
    ),
    "The paper has one bias; both are zero at the start. W begins with a standard deviation of 0.001.": (
        "论文只有一个偏置；这里有两个，开始时都为零。W 的初始标准差为 0.001。"
    ),
    "g is any function in the book. Here it is the layer tanh(W x_t + U h_{{t-1}} + b).": (
        "书中的 g 可以是任何函数，这里是 tanh(W x_t + U h_{{t-1}} + b) 这一层。"
    ),
    "Step, time constant and leaking rate of the paper are one number here, `rate`, 0.2 if not given. An echo state "
    "network leaves W and U as they were drawn; here they have gradients.": (
        "论文中的步长、时间常数和泄漏率在这里合成一个数 `rate`，默认为 0.2。回声状态网络不训练 W 和 U；这里它们都有梯"
        "度。"
    ),
    "In the paper the candidate lies between -2 and 2, and the gradient is cut at the gates; tanh, two biases and "
    "the whole gradient are PyTorch's. There are no peepholes.": (
        "论文中候选值在 -2 和 2 之间，梯度在门处截断；tanh、两个偏置和完整的梯度是 PyTorch 的写法。没有窥视孔连接。"
    ),
    "The places of the peepholes are the paper's: i and f see c_{{t-1}}, o sees c_t. The paper cuts the gradient at "
    "the gates; here it is whole.": (
        "窥视孔的位置与论文相同：i 和 f 读 c_{{t-1}}，o 读 c_t。论文在门处截断梯度；这里的梯度是完整的。"
    ),
    "The paper computes i and takes f = 1 - i; here f is computed, and i = 1 - f: the same cell with other signs of "
    "one block. The LSTM of the paper has peepholes; here there are none.": (
        "论文计算 i，取 f = 1 - i；这里计算 f，取 i = 1 - f：是同一个循环单元，只是一块参数的正负号相反。论文的 LSTM "
        "有窥视孔，这里没有。"
    ),
    "The two offsets and b of the paper add up to two biases here. 1e-5 stands under each root. The blocks stand in "
    "the order i, f, g, o; in the paper it is f, i, o, g.": (
        "论文中的两个平移和 b 在这里合成两个偏置。每个根号下都加了 1e-5。各块的顺序是 i、f、g、o，论文中是 f、i、o、g。"
    ),
    "The paper has the reset gate before the matrix, as `gru_textbook`. PyTorch and cuDNN have it after, with the "
    "bias b_hn under the gate. The paper has no biases.": (
        "论文的重置门在矩阵之前，即 `gru_textbook`。PyTorch 和 cuDNN 的重置门在矩阵之后，偏置 b_hn 也受它控制。论文没"
        "有偏置。"
    ),
    "The paper has no biases. z keeps the old state, as in the paper; in many texts z and 1 - z change places.": (
        "论文没有偏置。z 保留旧状态，与论文相同；许多书中 z 和 1 - z 互换。"
    ),
    "The paper has one bias for each block; here there are two, whose sum counts.": (
        "论文中每一块有一个偏置；这里有两个，起作用的是它们的和。"
    ),
    "The paper also bounds u, so that u^T stays in a range; here u is free. u begins uniform in (0, 1), as in the "
    "code of the authors.": (
        "论文还限制 u 的大小，使 u^T 保持在一定范围内；这里的 u 没有限制。u 的初值均匀分布在 (0, 1) 上，与作者的代码"
        "相同。"
    ),
    "The convolution has a width of 1; the paper uses 2 and more. f keeps the old state, as in the paper; in the "
    "code of the authors F is 1 - f.": (
        "卷积的宽度为 1；论文用 2 或更宽。f 保留旧状态，与论文相同；作者代码中的 F 是 1 - f。"
    ),
    "The paper multiplies x in the highway by sqrt(1 + 2 exp(b)), with b the initial bias of r; here the factor is "
    "1. The authors draw W and v from other ranges.": (
        "论文在旁路上把 x 乘以 sqrt(1 + 2 exp(b))，b 是 r 的初始偏置；这里的因子是 1。作者为 W 和 v 取的初值范围也不"
        "同。"
    ),
    "There is one head, so U is full. f is a sigmoid, as in the code of the authors; the paper has exp too. Two "
    "biases take the place of one. At the first step the authors set m to the net input of i: c and n are scaled "
    "otherwise then, h is the same. Biases of f begin between 3 and 6.": (
        "只有一个头，所以 U 是满矩阵。f 是 sigmoid，与作者的代码相同；论文也允许 exp。两个偏置代替一个偏置。在第一个"
        "时刻，作者把 m 设为 i 的净输入：这时 c 和 n 的缩放不同，h 相同。f 的偏置的初值在 3 和 6 之间。"
    ),
    "There is one head, and no bias in q, k and v. The paper divides by max(|n^T q|, 1) before memory and normalizer "
    "are scaled by exp(-m), so here 1 becomes exp(-m). In the code of the authors the gates read q, k and v, the "
    "denominator has 1e-6 more, and the memory is transposed.": (
        "只有一个头，q、k、v 没有偏置。论文在记忆和归一化项乘以 exp(-m) 之前除以 max(|n^T q|, 1)，所以这里的 1 变成 "
        "exp(-m)。在作者的代码中，门读 q、k、v，分母多加 1e-6，记忆是转置的。"
    ),
    "The layer f_l and the residual path of equation 20 are left out. There is no 1/sqrt(d) in the paper either. The "
    "code of the authors adds 1e-6 to the denominator.": (
        "没有公式 20 中的 f_l 层和残差连接。论文中也没有 1/sqrt(d)。作者的代码在分母上加 1e-6。"
    ),
    "There is one head with a square memory. Short convolutions and SiLU before q, k and v, and normalization and "
    "gate behind the output are left out. The code of the authors multiplies q by 1/sqrt(d) too, and begins with "
    "other decays: exp(log_decay) below 16, steps between 0.001 and 0.1.": (
        "只有一个头，记忆是方阵。没有 q、k、v 之前的短卷积和 SiLU，也没有输出之后的归一化和门。作者的代码还把 q 乘以 "
        "1/sqrt(d)，衰减的初值也不同：exp(log_decay) 小于 16，步长在 0.001 和 0.1 之间。"
    ),
    "The complex state is two real ones. gamma begins with sqrt(1 - |lambda|^2) and is trained, as in the paper. "
    "The ring of |lambda| goes from 0.4 to 1 here; in the paper its radii and the largest angle are chosen for each "
    "task.": (
        "复数状态由两个实数状态表示。gamma 的初值是 sqrt(1 - |lambda|^2)，并且参加训练，与论文相同。这里 |lambda| 所"
        "在的圆环从 0.4 到 1；论文按任务选择半径和最大的角度。"
    ),
    "A is discretized by a zero-order hold, exp(delta A), and B by Euler's rule, delta B, as in the code of the "
    "authors; equation 4 of the paper has a zero-order hold for B too. W_delta has full rank; in the paper it is a "
    "product of two thin matrices. Convolution, SiLU, gate and projections around it are left out.": (
        "A 用零阶保持离散化，即 exp(delta A)，B 用欧拉法，即 delta B，与作者的代码相同；论文的公式 4 对 B 也用零阶保"
        "持。W_delta 是满秩的；论文中它是两个窄矩阵的乘积。没有它周围的卷积、SiLU、门和投影。"
    ),
    "section {number}": "第 {number} 节",
    "equations {first} to {last}": "公式 {first} 到 {last}",
    "equation {number}": "公式 {number}",
    "H is the number N of complex states. The output y has I entries.": "H 是复数状态的个数 N。输出 y 有 I 个元素。",
    "H is the number N of states of each channel. The output y has I entries.": (
        "H 是每个通道的状态个数 N。输出 y 有 I 个元素。"
    ),
    "The parameters are those for I unlike H: with I = H there is no `weight_p`.": (
        "这里的参数是 I 不等于 H 时的参数：I = H 时没有 `weight_p`。"
    ),
    "Simple RNN": "简单循环网络",
    "One matrix on the state, and tanh.": "状态乘以一个矩阵，再取 tanh。",
    "The simple RNN with relu, which begins with U = I.": "用 relu 的简单循环网络，开始时 U = I。",
    "section 3, the initialization trick": "第 3 节，初始化方法",
    "Residual RNN": "残差循环网络",
    "The simple RNN adds to its old state.": "简单循环网络的输出加到旧状态上。",
    "Leaky RNN": "泄漏循环网络",
    "The state is a running mean of tanh units: an Euler step in time.": (
        "状态是 tanh 单元的滑动平均：时间上的一步欧拉法。"
    ),
    "An internal state c behind an input, a forget and an output gate.": "内部状态 c，有输入门、遗忘门和输出门。",
    "LSTM with peepholes": "带窥视孔的 LSTM",
    "The gates of an LSTM read the internal state too.": "LSTM 的门也读内部状态。",
    "LSTM with coupled gates": "门耦合的 LSTM",
    "An LSTM whose input gate is 1 - f.": "输入门为 1 - f 的 LSTM。",
    "the variant CIFG": "变体 CIFG",
    "LSTM with layer normalization": "带层归一化的 LSTM",
    "Net inputs and internal state of an LSTM are normalized over the units.": (
        "LSTM 的净输入和内部状态在各单元上归一化。"
    ),
    "A reset gate after the matrix and an update gate, as in PyTorch.": (
        "矩阵之后的重置门和一个更新门，与 PyTorch 相同。"
    ),
    "GRU of textbooks": "教材中的 GRU",
    "A reset gate before the matrix and an update gate.": "矩阵之前的重置门和一个更新门。",
    "Minimal gated unit": "最小门控单元",
    "A GRU whose two gates are one.": "两个门合为一个的 GRU。",
    "Each unit reads its own past alone, through relu.": "每个单元只读自己的过去，经过 relu。",
    "A GRU whose gate reads the input alone.": "门只读输入的 GRU。",
    "An LSTM whose gates read the input alone, scaled to a sum of 1.": "门只读输入的 LSTM，两个门除以二者之和。",
    "The pooling f, o of a convolution of width 1.": "宽度为 1 的卷积之后的 f、o 池化。",
    "Gates that read their own unit's past, and a highway to the output.": "门读自己单元的过去，并有一条到输出的旁路。",
    "An LSTM with exponential gates, a normalizer and a stabilizer.": "带指数门、归一化项和稳定项的 LSTM。",
    "A matrix as memory, with exponential gates.": "以矩阵为记忆，带指数门。",
    "Linear attention": "线性注意力",
    "A matrix as memory that keeps all: the sum of k v^T.": "以矩阵为记忆，全部保留：k v^T 之和。",
    "A matrix as memory that is corrected at a key.": "以矩阵为记忆，在键的方向上更正。",
    "A diagonal linear recurrence of complex numbers, as pairs of reals.": "复数的对角线性递归，用实数对表示。",
    "appendix {letter}": "附录 {letter}",
    "A diagonal linear recurrence whose step size, input and output depend on x.": (
        "对角线性递归，步长、输入和输出都取决于 x。"
    ),
    "algorithm {number}": "算法 {number}",
    "the supplementary material": "补充材料",
    "This is the loop of the paper. For its parallel form the paper passes n through a positive function and works "
    "with logarithms; here n is linear, and `nn.scan` works with the numbers themselves.": (
        "这是论文中的逐步形式。论文的并行形式让 n 经过一个取正值的函数，并在对数上计算；这里的 n 是线性的，`nn.scan` "
        "直接对数值计算。"
    ),
    "This is the form whose f and i are divided by their sum. As for `min_gru`, n is linear here; in the parallel "
    "form of the paper it is positive.": (
        "这是 f 和 i 除以二者之和的形式。与 `min_gru` 一样，这里的 n 是线性的；论文的并行形式中它取正值。"
    ),
    "Its two biases are one.": "它的两个偏置合为一个。",
    "Its candidate is g(W x), as in the paper's appendix B: W x + 1/2 for positive W x, compared there.": (
        "它的候选值是 g(W x)，见论文附录 B：W x 为正时是 W x + 1/2，在那里对照。"
    ),
    "With `nonlinearity='relu'`.": "取 `nonlinearity='relu'`。",
    "Its two factors are set to 1.": "它的两个因子设为 1。",
    "Its two factors are set to `rate` and 1 - `rate`.": "它的两个因子设为 `rate` 和 1 - `rate`。",
    "Its input gate has the rows of the forget gate with the other sign, so i = 1 - f.": (
        "它的输入门用遗忘门的行，取相反的正负号，于是 i = 1 - f。"
    ),
    "Its build needs CUDA; the Python code of its source distribution was run.": (
        "它的编译需要 CUDA；运行的是源码包中的 Python 代码。"
    ),
    "Its update gate is 1 - z.": "它的更新门是 1 - z。",
    "Its second bias is set to 0.": "它的第二个偏置设为 0。",
    "Step by step, and all steps at once in log space.": "逐步计算，以及在对数空间中一次算出所有时刻。",
    "Step by step, and from zeros all steps at once in log space.": (
        "逐步计算，以及从零状态开始在对数空间中一次算出所有时刻。"
    ),
    "Its f is 1 - f.": "它的 f 是 1 - f。",
    "The authors' code. With `rescale=False`: else x_t has a constant factor in h_t.": (
        "作者的代码。取 `rescale=False`：否则 h_t 中的 x_t 带有一个常数因子。"
    ),
    "The authors' code. Its two biases are one. From n_0 = 0 its m_1 is another one; h does not depend on it.": (
        "作者的代码。它的两个偏置合为一个。从 n_0 = 0 开始时它的 m_1 不同；h 与 m_1 无关。"
    ),
    "The authors' code; from zeros also `parallel_stabilized_simple`. With `eps=0`: else 1e-6 is added to the "
    "denominator. Its C is the transpose. It takes q, k, v and the net inputs of the gates.": (
        "作者的代码；从零状态开始时还有 `parallel_stabilized_simple`。取 `eps=0`：否则分母要加 1e-6。它的 C 是转置。"
        "它的输入是 q、k、v 和门的净输入。"
    ),
    "With `normalize=True`, and a large `scale`, which cancels: so the 1e-10 in the denominator does not count. It "
    "takes q, k and v.": (
        "取 `normalize=True` 和一个很大的 `scale`，它会约去：这样分母中的 1e-10 就不起作用。它的输入是 q、k、v。"
    ),
    "The first author's code; also `naive_chunk_gated_delta_rule`. With `scale=1`: else q is divided by sqrt(H). Its "
    "S is the transpose. It takes q, k, v and beta; alpha is from `naive_gdn_gate`.": (
        "第一作者的代码；还有 `naive_chunk_gated_delta_rule`。取 `scale=1`：否则 q 要除以 sqrt(H)。它的 S 是转置。它"
        "的输入是 q、k、v 和 beta；alpha 来自 `naive_gdn_gate`。"
    ),
    "Its D is a whole matrix, here a diagonal one.": "它的 D 是满矩阵，这里取对角矩阵。",
    "From zeros also `MambaBlock.ssm`, a parallel scan with a backward of its own. Its delta has full rank here.": (
        "从零状态开始时还有 `MambaBlock.ssm`，一个带自己的反向传播的并行扫描。它的 delta 在这里是满秩的。"
    ),
    "{name}.": "{name}。",
}
