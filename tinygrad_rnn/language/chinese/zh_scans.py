"""What bptt/scans says, in Chinese."""

SCANS = {
    "BPTT as an associative scan": "作为结合扫描的随时间反向传播",
    "round {n}: {count} products at once": "第 {n} 轮：同时 {count} 次乘积",
    "a pair (A, b) for each step": "每个时刻一对 (A, b)",
    "way": "方法",
    "multiply-adds": "乘加次数",
    "rounds": "轮数",
    "numbers held": "保存的数",
    "walk": "逐步反向",
    "scan": "扫描",
    "work-efficient scan": "省工扫描",
    "faster from": "何时更快",
    "{P} processors": "{P} 个处理器",
    "{P} processors, states of this size: a scan is never faster": "{P} 个处理器、状态为这一大小时，扫描总不会更快",
    "{P} processors, states of this size: a scan is faster from {T} steps on": (
        "{P} 个处理器、状态为这一大小时，扫描从 {T} 个时刻起更快"
    ),
    "the two paths agree at all {T} steps: at most {most} apart": "两种算法在全部 {T} 个时刻一致：最多相差 {most}",
    "the two paths part at step {t} of {T}, counted from 0: the outputs differ by {by}, rounding explains "
    "{explained}": (
        "两种算法从时刻 {t} 起分开（共 {T} 个时刻，从 0 数起）：输出相差 {by}，舍入误差只能解释 {explained}"
    ),
    "the outputs of the two paths agree, and their gradients do not": "两种算法的输出一致，梯度却不一致",
    "first": "第一种",
    "second": "第二种",
    "the outputs of the {which} path are not finite from step {t} on: it computes by way of numbers that overflow, "
    "such as exponentials or quotients of products": (
        "{which}算法的输出从时刻 {t} 起不是有限数：它的中间结果溢出，例如指数或连乘积之商"
    ),
    "the derivatives of the {which} path are not finite, though its outputs are: look for a root, a logarithm or a "
    "quotient at zero": "{which}算法的输出是有限数，导数却不是：请检查在零处的开方、对数或除法",
    "it is rounding: in float64 the two paths agree": "这是舍入误差：用 float64 计算时两种算法一致",
    "of {count} terms d(output t)/d(x k), {wrong} differ, first t = {t}, k = {k}: {one} and {other}": (
        "在 {count} 项 d(输出 t)/d(x k) 中有 {wrong} 项不同，首先是 t = {t}、k = {k}：{one} 与 {other}"
    ),
    "the gradients of {names} differ": "{names} 的梯度不同",
    "no term differs: look at the initial state, or at a constant that is added": (
        "没有一项不同：请检查初始状态，或者所加的常数"
    ),
    "rounding costs the first path {one} digits, the second {other}: it computes by way of larger numbers, such as "
    "exponentials or quotients of products": (
        "舍入误差使第一种算法损失 {one} 位有效数字，第二种损失 {other} 位：它的中间结果更大，例如指数或连乘积之商"
    ),
    "the second path lets a step read the input of a later step: it is not causal": (
        "第二种算法让一个时刻读到了后面时刻的输入：它不满足因果性"
    ),
    "the second path carries the state past step {r}, at which the first one begins anew": (
        "第一种算法在时刻 {r} 重新开始，第二种却让状态越过了这个时刻"
    ),
    "the first path carries the state past step {r}, at which the second one begins anew": (
        "第二种算法在时刻 {r} 重新开始，第一种却让状态越过了这个时刻"
    ),
    "the first step differs: look at b, what a step adds, and at the initial state": (
        "第一个时刻就不同：请检查 b（一个时刻所加的部分）和初始状态"
    ),
    "the first step is right, so b is: look at A, what a step keeps of the state before": (
        "第一个时刻正确，因此 b 正确：请检查 A（一个时刻保留的前一状态）"
    ),
    "the steps before {t} are right, so A and b are, if they are computed alike at each step: look at the associative "
    "operator, (A2, b2) after (A1, b1) = (A2 A1, A2 b1 + b2)": (
        "时刻 {t} 之前都正确，所以只要各时刻的算法相同，A 与 b 就正确：请检查满足结合律的运算，"
        "(A2, b2) 接在 (A1, b1) 之后等于 (A2 A1, A2 b1 + b2)"
    ),
}
"""English template -> Chinese template."""
