"""The table of the atlas, in Chinese."""

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
    "All numbers are at I = 10 inputs and H = 32 units, of one step of one example, counted off the tape; the norm of "
    "the step Jacobian is at H = 16. Serial is what leads from the old state to the new one: it must wait for the step "
    "before. A cell that is linear by entry runs in `nn.scan`; in a mixed one, an entry is made of several old ones. N "
    "steps back is log10 `|dL/ds_k|` at the initial parameters, N steps before a loss whose gradient by the last "
    "output has the norm 1.": (
        "所有数字都在输入 I = 10、隐状态 H = 32、一个样本的一个时刻从磁带上数出；单步雅可比矩阵的范数在 H = 16 时计算。"
        "从旧状态到新状态的运算必须等上一个时刻算完，只能逐步进行。逐元素线性的循环单元可以用 `nn.scan` 计算；"
        "“有混合”是指新状态的一个元素由旧状态的几个元素组成。“往回 N 步”是初始参数下的 log10 `|dL/ds_k|`："
        "k 比损失早 N 步，损失对最后一个输出的梯度的范数为 1。"
    ),
}
