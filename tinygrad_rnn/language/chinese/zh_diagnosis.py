"""The doctor's verdicts, symptoms and remarks, in Chinese."""

DIAGNOSIS = {
    "{name}, BPTT of {cell}": "{name}，{cell} 的 BPTT",
    "WRONG": "有错",
    "right at T = {lengths}; no answer at T = {silent}": "T = {lengths} 时正确；T = {silent} 时没有给出答案",
    "<Diagnosis of {title}: {verdict}>": "<诊断：{title}：{verdict}>",
    # What was tried
    "T = {lengths}; batch {batches}; {seeds} seeds; upstream gradients at every step, at one alone, "
    "and large ones; {what}": (
        "T = {lengths}；批量 {batches}；{seeds} 个随机种子；上游梯度在每个时刻、只在一个时刻、特别大；{what}"
    ),
    "{tried}; not given: {missing}": "{tried}；没有给出：{missing}",
    "nothing, for it returned no gradient": "什么也没有比较，因为它没有返回梯度",
    # Where it is wrong
    "wrong: {names}, {where}": "有错：{names}，{where}",
    "at T = {lengths}": "T = {lengths} 时",
    "no answer at T = {lengths}": "T = {lengths} 时没有给出答案",
    "{where} ({rest})": "{where}（{rest}）",
    "{where}, batch {batch} only": "{where}，只在批量为 {batch} 时",
    "where the upstream gradients are large (right where they are not)": "上游梯度特别大时（不大时正确）",
    "somewhere in {symptom}": "出错之处：{symptom}",
    "{place} at step {k}, of T = {T} steps{alone}: {detail}": "时刻 {k} 的 {place}，共 T = {T} 步{alone}：{detail}",
    "{quantity} as it is handed to step t-1": "{quantity}（传给时刻 t-1 的值）",
    "{quantity}, or in what is made of it,": "{quantity}，或者由它算出的量",
    ", with an upstream gradient at step {s} alone": "，只有时刻 {s} 有上游梯度",
    ", with the last state's gradient alone": "，只有最后的状态有梯度",
    "{where} is {hand} by hand and {true} on the tape": "{where} 手工算得 {hand}，磁带上是 {true}",
    "{text}; by hand it is {ratio:.6g} times the tape's wherever it is wrong": (
        "{text}；凡出错之处，手工算得的都是磁带上的 {ratio:.6g} 倍"
    ),
    "its shape is {shape}, and should be {right}": "它的形状是 {shape}，应当是 {right}",
    "its shape is {shape}, and should be that of {name}": "它的形状是 {shape}，应当与 {name} 的形状相同",
    # The mistakes
    "and then: {mistake}": "此外：{mistake}",
    "this explains every gradient on every problem, to rounding": "这解释了所有问题上的所有梯度（只差舍入误差）",
    "both together explain every gradient on every problem, to rounding": (
        "两者合起来解释了所有问题上的所有梯度（只差舍入误差）"
    ),
    "all together explain every gradient on every problem, to rounding": (
        "这些合起来解释了所有问题上的所有梯度（只差舍入误差）"
    ),
    "this explains the first symptom, not everything: correct it and run the doctor again": (
        "这只解释了最先出现的问题，没有解释全部：请先改正它，再检查一次"
    ),
    "none of {n} known mistakes gives these numbers; term by term:": (
        "{n} 种已知的错误都得不出这些数值；下面逐项列出："
    ),
    "  {above}, {term}: {cells}": "  {above}，{term}：{cells}",
    "upstream at step {s}": "只有时刻 {s} 有上游梯度",
    "dlast alone": "只有 dlast",
    "term of step {k}": "时刻 {k} 的项",
    "all terms": "所有的项",
    "{name} shape {shape}": "{name} 的形状是 {shape}",
    "  ... and {n} more": "  ……还有 {n} 项",
    "  each term by itself is right: only several together are wrong, as where gradients are clipped": (
        "  每一项单独看都正确：几项合在一起才出错，例如梯度经过裁剪"
    ),
    "  no terms: the derivation fails on shorter sequences ({error})": (
        "  没有各项：这份推导在更短的序列上出错（{error}）"
    ),
    # Conventions
    ", {said}": "，{said}",
    "; {said}": "；{said}",
    "for an initial state of zero": "初始状态为零",
    "for one bias": "只有一个偏置",
    ", if the truncation is meant": "，如果本来就要截断",
    "; gradients are clipped": "；梯度经过裁剪",
    "gradients of parameters": "参数的梯度",
    "convention: {said}, where a sum was asked for": "约定：{said}，而要求的是和",
    "a mean over {axes}": "对 {axes} 的平均",
    "a sum over {axes}, the loss is a mean": "对 {axes} 的和，而损失是平均",
    "{mean}; {total}": "{mean}；{total}",
    "the batch": "批量",
    "half of the loss's: those of a loss with a factor 1/2": "损失的梯度的一半，即带因子 1/2 的损失的梯度",
    "twice the loss's: those of a loss without its factor 1/2": "损失的梯度的两倍，即不带因子 1/2 的损失的梯度",
    "{half}; {over}": "{half}；{over}",
    "convention: {said}; if that is meant, say {code}": ("约定：{said}；如果本来就要这样，请写明 {code}"),
    "this is BPTT truncated to windows of {k}": "这是截断到窗口长度 {k} 的 BPTT",
    "this is BPTT truncated to chunks of {k}": "这是按长度 {k} 分块截断的 BPTT",
    "this is BPTT truncated by {way!r}": "这是用 {way!r} 截断的 BPTT",
    "gradients are clipped to values between -{bound:g} and {bound:g}": "梯度裁剪到 -{bound:g} 与 {bound:g} 之间",
    "{what}: clipped to values between -{bound:g} and {bound:g}": "{what}：裁剪到 -{bound:g} 与 {bound:g} 之间",
    "{what}: scaled down to a norm of at most {norm:g} (gradient clipping)": (
        "{what}：缩小到范数至多为 {norm:g}（梯度裁剪）"
    ),
    "{what}: each scaled down to a norm of at most {norm:g} (gradient clipping)": (
        "{what}：各自缩小到范数至多为 {norm:g}（梯度裁剪）"
    ),
    # Remarks
    "note: example(rng, T, B) gave a batch of {batches} where B = {asked} was asked for, "
    "so what shows at another batch size was not tried, such as a mean over the batch": (
        "注意：`example(rng, T, B)` 给出的批量是 {batches}，而要求的是 B = {asked}，"
        "所以没有检查只在别的批量大小下才出现的错误，例如对批量取了平均"
    ),
    "habit: it changes its argument {names} in place, so later code gets other numbers; work on a copy. "
    "(It was given copies here, on which its gradients are {rest}.)": (
        "习惯：它原地修改了传入的 {names}，后面的代码会得到别的数值；请在副本上计算。"
        "（这里给它的是副本，在副本上它的梯度{rest}。）"
    ),
    "wrong as said above": "如上所述有错",
    "right by themselves": "本身是正确的",
    "habit: it gives two answers to one problem: it uses a value of an earlier call again, such as an array "
    "made outside of the function or a changed default argument": (
        "习惯：对同一个问题，它两次给出不同的答案：它又用到了上一次调用留下的值，"
        "例如在函数之外建立的数组，或者被修改的默认参数"
    ),
    "precision: it computes in float32 somewhere, so it agrees to about 6 digits at best and was judged at "
    "that; float64 shows smaller errors": (
        "精度：它的计算在某处用了 float32，所以最多约有 6 位数字一致，并按这个精度判断；用 float64 能看到更小的错误"
    ),
    "convention: it does not read {what}, so {what} was zero on all problems": (
        "约定：它没有用到 {what}，所以在所有问题上 {what} 都是零"
    ),
    "note: {what} is zero on every problem, so comparing it tests little": (
        "注意：{what} 在每个问题上都是零，所以比较它说明不了什么"
    ),
    "note: {what} was not judged: on every problem rounding alone makes errors as large as it is": (
        "注意：没有判断 {what}：在每个问题上，仅舍入误差就与它一样大"
    ),
    "failure: it fails on {problems}, (T, batch) = {sizes}; first: {error}": (
        "运行失败：它在{problems}上出错，（T，批量）为 {sizes}；第一个：{error}"
    ),
    "{n:,} problem": "{n:,} 个问题",
    "{n:,} problems": "{n:,} 个问题",
}
