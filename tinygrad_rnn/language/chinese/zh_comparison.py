"""The reports of `compare`, in Chinese."""

COMPARISON = {
    # The table
    "HAND": "手工",
    "NUMERIC": "数值",
    "complex step": "复步",
    "differences": "差分",
    "WRONG: {against}": "不一致：{against}",
    "NOT FINITE": "不是有限数",
    "ok": "一致",
    "cannot be judged": "无法判断",
    "verdict": "结论",
    "shape": "形状",
    "hand: abs": "手工：绝对",
    "rel": "相对",
    "at": "位置",
    "{who}: rel": "{who}：相对",
    "not given": "没有给出",
    "all of it": "全部",
    "shape {shape}": "形状 {shape}",
    "{cell}: T={T} B={B} {dtype}, tape against {other}": "{cell}：T={T} B={B} {dtype}，磁带对照{other}",
    "the derivation by hand": "手工推导",
    "a numerical derivative": "数值导数",
    "<Report: {title}: {result}>": "<报告：{title}：{result}>",
    # The result below it
    "{outcome} ({tolerance})": "{outcome}（{tolerance}）",
    "all agree": "全部一致",
    "{n} of {all} gradients do not agree": "{all} 个梯度中有 {n} 个不一致",
    "{n} of {all} gradients on the tape are not finite: nothing to compare with": (
        "磁带上的 {all} 个梯度中有 {n} 个不是有限数：没有可以比较的值"
    ),
    "{n} of {all} gradients cannot be judged here, no other disagrees": (
        "{all} 个梯度中有 {n} 个在这里无法判断，其余都一致"
    ),
    "tolerance {rtol:.0e} relative": "相对容差 {rtol:.0e}",
    ", or rounding where that is more": "，舍入更大时以舍入为准",
    # Notes
    "{name}: {notes}": "{name}：{notes}",
    "{name}: the tape's gradient holds NaN or infinity, so nothing can be compared. {call} says where it comes from.": (
        "{name}：磁带的梯度中有 NaN 或无穷大，无法比较。{call} 会指出它从哪里来。"
    ),
    "as small as rounding (entries of at most {largest:.1e}, rounding makes {rounding:.1e}): "
    "a wrong factor cannot be seen here.": (
        "与舍入误差一样小（元素最大为 {largest:.1e}，舍入误差为 {rounding:.1e}）：在这里看不出倍数的错误。"
    ),
    "cannot be judged here: rounding alone moves it by {part:.1e} of its largest entry. "
    "Compare at fewer steps, smaller weights or in float64.": (
        "在这里无法判断：仅舍入误差就有最大元素的 {part:.1e}。请减少时刻数、减小权重，或者用 float64 再比较。"
    ),
    "a corner (of relu, maximum, abs) lies at these values, or nearer than a step: the numerical "
    "derivative does not tell which slope is right.": (
        "这些数值处于拐点（relu、maximum、abs 的拐点），或者离拐点不到一个步长：数值导数不能说明哪一个斜率是对的。"
    ),
    "Tolerances here, in parts of the largest entry, since rounding alone makes that much: {each}.": (
        "这里的容差（以最大元素为单位），因为仅舍入误差就有这么大：{each}。"
    ),
    # Where a derivation goes wrong first
    "at {at} by hand {hand}, on the tape {tape}": "在 {at} 处，手工算得 {hand}，磁带上是 {tape}",
    "{name}: with an upstream gradient at step {s} alone, {first}": "{name}：只有时刻 {s} 有上游梯度时，{first}",
    "{name}: with the last state's gradient alone, {first}": "{name}：只有最后的状态有梯度时，{first}",
    "{what} of step {k} is the first that is wrong{where}: {numbers}.": (
        "首先出错的是时刻 {k} 的 {what}{where}：{numbers}。"
    ),
    "the contribution": "贡献",
    ", in the sequence that begins at step {begun} with zeros": "（在从时刻 {begun} 以零状态开始的序列中）",
    "the gradient of the initial state is the first that is wrong: {numbers}.": (
        "首先出错的是初始状态的梯度：{numbers}。"
    ),
    "it is wrong: {numbers}; in a term of step {last} or of one before. "
    "Which it is, other lengths would tell, for which the derivation fails: {error}.": (
        "它有错：{numbers}；错在时刻 {last} 或更早时刻的某一项。"
        "要用别的长度才能确定是哪一项，而这份推导在那些长度上出错：{error}。"
    ),
    "it is wrong: {numbers}; in a term of step {last} or of one before. The derivation begins at zeros, "
    "and fails for other lengths, which would tell which: {error}.": (
        "它有错：{numbers}；错在时刻 {last} 或更早时刻的某一项。"
        "这份推导从零状态开始，要用别的长度才能确定是哪一项，而它在那些长度上出错：{error}。"
    ),
    "it is wrong as a whole: each contribution of the steps up to {last} is right by itself.": (
        "它整体有错：时刻 {last} 为止每一项贡献单独看都正确。"
    ),
    "{name}: the derivation by hand gave {fault}, the parameter has {shape}.": (
        "{name}：手工推导给出的是{fault}，参数的形状是 {shape}。"
    ),
    "{name}: right for an upstream gradient at {at} alone; wrong only where several steps have one.": (
        "{name}：只有{at}有上游梯度时正确；几个时刻都有上游梯度时才出错。"
    ),
    "any one step": "任意一个时刻",
    "each of {n} steps that were tried": "试过的 {n} 个时刻中任意一个",
    "{call} names the mistake.": "{call} 会指出是哪一种错误。",
    # Conventions
    "convention: it does not read {what}, so {what} is zero here": ("约定：它没有用到 {what}，所以这里的 {what} 是零"),
    "precision: it computes in float32 somewhere, and is judged at that": (
        "精度：它的计算在某处用了 float32，因此按 float32 的精度判断"
    ),
}
