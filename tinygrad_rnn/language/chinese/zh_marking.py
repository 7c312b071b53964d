"""The marks of a class, and what students are told, in Chinese."""

MARKING = {
    # What a student is told
    "incomplete": "不完整",
    "wrong": "有错",
    "{question}: {line}": "{question}：{line}",
    "not given: {names}": "没有给出：{names}",
    "missing: {names}": "缺少：{names}",
    ", first at step {step} of T = {steps} steps": "，首先出错在时刻 {step}（共 T = {steps} 步）",
    "the first wrong quantity: {quantity}": "首先出错的量：{quantity}",
    "{quantity}, or what is made of it": "{quantity}，或者由它算出的量",
    # A mistake without what belongs there
    "in {to}, {given} does not belong there": "{to} 中不应当出现 {given}",
    "in {to} at step 0, {given} does not belong there": "时刻 0 的 {to} 中不应当出现 {given}",
    "{given} does not belong there": "不应当用 {given}",
    "{what} are in another order than the parameters': block {given} does not belong there": (
        "{what}与参数中的次序不同：不应当排成 {given}"
    ),
    "in {to}, entries {given} of {whole} do not belong there": "{to} 中不应当用 {whole} 的第 {given} 个元素",
    "in {to}, the gates are put together in another order: {given}, which does not belong there": (
        "{to} 中，各个门拼接的次序不对：不应当用 {given}"
    ),
    "the gates are read in another order than the parameters have them: {given}": (
        "读取各个门的次序与参数中的不同：读作 {given}"
    ),
    "the carry of {what} begins with {given}, which does not belong there": "传回的 {what} 不应当以 {given} 开始",
    "backward reads {given} at step 0, which does not belong there": "反向传播在时刻 0 不应当用 {given}",
    "backward uses {given}, which does not belong there": "反向传播不应当用 {given}",
    "the forward pass computes {given}, which does not belong there": "前向传播不应当算 {given}",
    "at the input of tanh, which does not belong there": "不应当代入 tanh 的输入",
    "at the input of the sigmoid, which does not belong there": "不应当代入 sigmoid 的输入",
    "the shape of {what} is {given}, which does not belong there": "{what} 的形状不应当是 {given}",
    "the axes of {what} are in another order: {given}": "{what} 的轴次序不对：是 {given}",
    # Counts
    "in {to}: {given} for {meant}": "{to} 中用了 {given}，应当用 {meant}",
    "could not be run": "无法运行",
    "no known mistake: {names}": "不属于已知的错误：{names}",
    "fails, or has a bad habit; no gradient that it gives is wrong": ("运行失败，或者有不好的习惯；给出的梯度没有错"),
    "{count:4} of {all}: {words}": "{count:4}/{all}：{words}",
    # A process that gives no answer
    "no answer within {seconds:g} s{where}": "{seconds:g} 秒之内没有结果{where}",
    "; it was at line {line}": "；当时运行到第 {line} 行",
    "; it was at cell {cell}, line {line}": "；当时运行到第 {cell} 格第 {line} 行",
    "its process ended by {how}, without an answer": "进程以 {how} 结束，没有给出结果",
    "status {n}": "状态 {n}",
    "signal {n}": "信号 {n}",
    "its result could not be read": "无法读取它的结果",
    # The page
    "Marks: {task}": "成绩：{task}",
    "{all} submissions: {right} right, {wrong} wrong, {silent} without an answer. Points: {points}.": (
        "{all} 份作业：{right} 份正确，{wrong} 份有错，{silent} 份没有结果。分值：{points}。"
    ),
    "none": "无",
    "What happened how often": "各种情况出现的次数",
    "How many": "次数",
    "What": "情况",
    "Students": "学生",
    "Student": "学生",
    "Points": "得分",
    "Told to the student": "给学生的提示",
    "Mistake": "错误",
    "{count} of {all}": "{count}/{all}",
    # While it runs
    "mark: points of {names}: no submission has that gradient": "mark：{names} 有分值，但没有一份作业给出这个梯度",
    "mark: {n} of {all} results are there from an earlier run": "mark：{all} 个结果中有 {n} 个是以前运行时保留的",
    "stopped, {n} of {all} results are kept: the same command goes on from there": (
        "已停止，{all} 个结果中保留了 {n} 个：再次运行同一命令会从这里继续"
    ),
    "{time} left": "剩余 {time}",
    "{n} mistakes tried": "已试过 {n} 种错误",
}
