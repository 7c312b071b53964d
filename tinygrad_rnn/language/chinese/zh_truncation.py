"""What bptt/truncation and the command truncate say, in Chinese."""

TRUNCATION = {
    "How BPTT cuts {what}": "BPTT 怎样截断{what}",
    "a text of {n} characters": "{n} 个字符的文本",
    "[--===: a walk that starts from the losses of the steps = and goes back to [; the state before is a constant.": (
        "[--===：一次反向传播，从时刻 = 的损失出发，往回走到 [；在它之前的状态是常数。"
    ),
    "The first {shown} of {all} characters.": "{all} 个字符中的前 {shown} 个。",
    "{words}; random ways: {n} draws.": "{words}；随机方法：抽样 {n} 次。",
    "{cell}, {hidden} units, {size:,} parameters, mean cross entropy of the next of {steps} characters": (
        "{cell}，{hidden} 个单元，{size:,} 个参数，损失是 {steps} 个字符中下一个字符的平均交叉熵"
    ),
    "{cell}, {size:,} parameters, on its example, mean squared distance of its state to random targets over {steps}": (
        "{cell}，{size:,} 个参数，输入取自它的例子，损失是 {steps}的状态与随机目标的平方距离的平均"
    ),
    "error: |E G - g| / |g|, G the truncated and g the full gradient; deviation: sqrt(E |G - E G|^2) / |g|": (
        "误差：|E G - g| / |g|，G 是截断的梯度，g 是完整的梯度；标准差：sqrt(E |G - E G|^2) / |g|"
    ),
    "(a random way is unbiased: its error here is what a mean of so many draws leaves, deviation / sqrt(draws));": (
        "（随机方法是无偏的：它在这里的误差是这么多次抽样的平均留下的，即标准差 / sqrt（次数））；"
    ),
    "memory: at its highest, with a tape for each walk that is dropped after it.": (
        "内存：取峰值，每次反向传播各有一条磁带，用完就丢弃。"
    ),
    "error": "误差",
    "seconds": "秒",
    "kilobytes": "千字节",
    "full": "完整",
    "chunks of {k}": "每块 {k} 个",
    "every step, {k} back": "每个时刻，往回 {k} 个",
    "every {j} steps, {k} back": "每 {j} 个时刻，往回 {k} 个",
    "a window of {k} for each loss": "每个损失一个窗口，{k} 个",
    "randomized, pi = {pi:.3g}": "随机截断，pi = {pi:.3g}",
    "random chunks of {k}, power 4": "随机的块，平均 {k} 个，幂 4",
    "checkpointed, every sqrt(T) steps": "检查点，每 sqrt(T) 个时刻",
    "checkpointed, recursively": "检查点，递归",
    "real-time recurrent learning": "实时循环学习",
    # The report
    "A truncated gradient G against the full one, g": "截断的梯度 G 与完整的梯度 g",
    "norm of the full gradient g": "完整梯度 g 的范数",
    "bias |E G - g|": "偏差 |E G - g|",
    "the bias over |g|": "偏差除以 |g|",
    "cosine of the angle between E G and g": "E G 与 g 夹角的余弦",
    "variance E |G - E G|²": "方差 E |G - E G|²",
    "its root over |g|": "它的平方根除以 |g|",
    "drawings": "抽样",
    "all, with their probabilities": "全部，按概率加权",
    "standard error of the bias": "偏差的标准误",
    "bias {bias:.3g} of the full gradient's norm, cosine {cosine:.4f}": (
        "偏差是完整梯度范数的 {bias:.3g}，余弦 {cosine:.4f}"
    ),
    "{n} draws": "抽样 {n} 次",
    "all drawings": "全部抽样",
    "{text}, standard deviation {spread:.3g} of it ({kind})": "{text}，标准差是它的 {spread:.3g}（{kind}）",
    "The cost of real-time recurrent learning": "实时循环学习的代价",
    "{tangents:,} tangents, {operations:,} operations, {nbytes:,} bytes held between steps, {seconds:.3g} s": (
        "{tangents:,} 个切向量，{operations:,} 次运算，时刻之间保存 {nbytes:,} 字节，{seconds:.3g} 秒"
    ),
    "Real-time recurrent learning: the loss is {loss:.6g}": "实时循环学习：损失为 {loss:.6g}",
}
"""English template -> Chinese template."""
