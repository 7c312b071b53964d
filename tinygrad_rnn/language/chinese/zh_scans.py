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
    "the first step is right, so b is: look at A, what a step keeps of the state before, and at the associative "
    "operator, (A2, b2) after (A1, b1) = (A2 A1, A2 b1 + b2)": (
        "第一个时刻正确，因此 b 正确：请检查 A（一个时刻保留的前一状态），以及满足结合律的运算，"
        "(A2, b2) 接在 (A1, b1) 之后等于 (A2 A1, A2 b1 + b2)"
    ),
    "the outputs agree, so the second path takes the state before step {r} off the tape": (
        "输出一致，所以第二种算法把时刻 {r} 之前的状态从磁带上断开了"
    ),
    "the outputs agree: a part of step {t} is taken off the tape, or counted twice": (
        "输出一致：时刻 {t} 的一部分从磁带上断开了，或者算了两次"
    ),
    "the initial state is missing: the second path begins with zeros": "缺少初始状态：第二种算法从零开始",
    "an exclusive scan stands in the place of an inclusive one: step t has the output of step t-1": (
        "应当用包含当前项的扫描，却用了不包含的：时刻 t 的输出是时刻 t-1 的"
    ),
    "the second path runs from the last step to the first": "第二种算法从最后一个时刻算到第一个时刻",
    "the outputs of the second path are in the reverse order": "第二种算法的输出次序颠倒了",
    "the decay is shifted: at step t stands A of step t+1": "衰减错了一位：时刻 t 用了时刻 t+1 的 A",
    "the decay is shifted: at step t stands A of step t-1": "衰减错了一位：时刻 t 用了时刻 t-1 的 A",
    "1 - A stands in the place of A": "用了 1 - A，应当用 A",
    "A is missing: a step keeps all of the state before": "缺少 A：一个时刻保留了前一状态的全部",
    "b is added before the product with A: A (h + b) stands in the place of A h + b": (
        "b 在乘 A 之前就加上了：用了 A (h + b)，应当用 A h + b"
    ),
    "b of step t-1 stands at step t": "时刻 t 用了时刻 t-1 的 b",
    "the initial state is added to every output, without the product of the A": (
        "初始状态加到了每个输出上，却没有乘各个 A 的连乘积"
    ),
    "the initial state is in the first output alone": "初始状态只出现在第一个输出中",
    "the initial state lacks the first A: it is multiplied by A of one step too few": (
        "初始状态缺少第一个 A：连乘积少了一个时刻的 A"
    ),
    "in the associative operator, {given} stands in the place of {meant}, for (A2, b2) after (A1, b1)": (
        "满足结合律的运算中，(A2, b2) 接在 (A1, b1) 之后用了 {given}，应当用 {meant}"
    ),
    "the steps before {t} are right, so A and b are, if they are computed alike at each step: look at the associative "
    "operator, (A2, b2) after (A1, b1) = (A2 A1, A2 b1 + b2)": (
        "时刻 {t} 之前都正确，所以只要各时刻的算法相同，A 与 b 就正确：请检查满足结合律的运算，"
        "(A2, b2) 接在 (A1, b1) 之后等于 (A2 A1, A2 b1 + b2)"
    ),
}
"""English template -> Chinese template."""
