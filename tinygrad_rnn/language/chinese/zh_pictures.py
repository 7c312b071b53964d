"""The words in pictures, in Chinese."""

PICTURES = {
    "The unrolled graph of a tape": "磁带展开后的计算图",
    "the graph of a tape": "磁带的计算图",
    # Which inputs a prediction leans on
    "no prediction": "没有预测",
    "read →": "读到 →",
    "predicted ↓": "预测 ↓",
    "0 to the largest of its row": "从 0 到本行的最大值",
    "0 to the largest": "从 0 到最大值",
    "What each prediction leans on: |dL/dx|": "每个预测依靠哪些字符：|dL/dx|",
    "What the prediction of {name} leans on: |dL/dx|": "对 {name} 的预测依靠哪些字符：|dL/dx|",
    "the prediction of {name} leans on": "对 {name} 的预测依靠",
    # Under and around the boxes
    "every step t": "每个时刻 t",
    "every t": "每个 t",
    "cut": "截断",
    "layer {value}": "第 {value} 层",
    "forward": "前向",
    "reverse": "逆向",
    "… {n:,} step …": "… {n:,} 个时刻 …",
    "… {n:,} steps …": "… {n:,} 个时刻 …",
    "… {n:,} entry …": "… {n:,} 个条目 …",
    "… {n:,} entries …": "… {n:,} 个条目 …",
    "gradient coming back, log10 of its norm:": "反向传来的梯度，范数的 log10：",
    "not finite": "非有限",
    "{n} parameters": "{n} 个参数",
    "scalar": "标量",
    "adds {part}": "贡献 {part}",
    # The sums below the steps
    "{name} = sum of": "{name} = 各项之和",
    "Each step adds to the gradient of a shared parameter.": "共享参数的梯度由各个时刻的贡献相加而成。",
    "Each use adds to the gradient of a shared parameter.": "共享参数的梯度由每次使用的贡献相加而成。",
    "Of an array, the norm is written.": "数组只写出范数。",
    "and {more} more parameters": "另有 {more} 个参数",
    "sum of {n} uses = {total}": "{n} 次使用之和 = {total}",
    "norm of the sum: {total}": "和的范数：{total}",
    "norm of the sum of {n} uses: {total}": "{n} 次使用之和的范数：{total}",
    "the other steps": "其他时刻",
    "outside of the steps": "时刻之外",
    # The legend
    "name | data": "名称 | 值",
    " | grad": " | 梯度",
    "Once for all steps": "所有时刻共用一次",
    "The same at every step: {names}.": "各个时刻都相同：{names}。",
    "So dL/d{name} is the sum of what each step adds to it.": "所以 dL/d{name} 是各个时刻的贡献之和。",
    "{what}: {names}.": "{what}：{names}。",
    "Left out: {n:,} box outside of the steps.": "省略了时刻之外的 {n:,} 个方框。",
    "Left out: {n:,} boxes outside of the steps.": "省略了时刻之外的 {n:,} 个方框。",
    # Notes
    "the gradient is cut before t = {steps}: nothing comes back across a cut": (
        "梯度在 t = {steps} 之前截断：没有梯度越过截断处传回"
    ),
    "among the steps left out, and so not drawn: the cut before t = {steps}": (
        "t = {steps} 之前的截断位于省略的时刻之中，因此没有画出"
    ),
    "the only step, t = {here}: nothing is carried from step to step": (
        "只有一个时刻 t = {here}：没有状态在时刻之间传递"
    ),
    "all {count} steps are alike": "全部 {count} 个时刻都相同",
    "{same} of the other {others} steps are like it": "其余 {others} 个时刻中有 {same} 个与它相同",
    "drawn: t = {here}; {like}": "画出的是 t = {here}；{like}",
    "t = {t} reads the initial state {state}": "t = {t} 读取初始状态 {state}",
    "not alike: t = {t}: {words}": "不相同：t = {t}：{words}",
    "and {more} more steps differ": "另有 {more} 个时刻不同",
    "{name} reads {value} at {steps} alone": "只有在 {steps} 时，{name} 才读取 {value}",
    "of the steps {steps} alone reads {name}": "只有时刻 {steps} 读取 {name}",
    "{first} and {more} more": "{first} 等，另有 {more} 个",
    # Other drawings
    "losses a walk starts from": "反向传播的起点（损失）",
    "how much further back it goes": "继续往回走的时刻",
    "loss": "损失",
    "{name}: {out} of {all} points lie outside of the map": "{name}：{all} 个点中有 {out} 个在图外",
    "(a) gradient of the state": "(a) 状态的梯度",
    "distance from the loss in steps": "与损失相隔的时刻数",
    "(b) contributions to dL$_T$/dW": "(b) 对 dL$_T$/dW 的贡献",
    "|term of step k|": "|时刻 k 的项|",
    "loss at step t": "时刻 t 的损失",
}
"""English template -> Chinese template."""
