"""The findings of `examine`, in Chinese."""

HOMEWORK = {
    "WRONG from T = {T} on (right at T = {right})": "从 T = {T} 起有错（T = {right} 时正确）",
    "INCOMPLETE: right so far, without {names}": "不完整：给出的都正确，缺少 {names}",
    "<Examination of {name}: {verdict}>": "<检查：{name}：{verdict}>",
    "could not be run at {where}": "{where} 时无法运行",
    "not judged at {where}": "{where} 时没有判断",
    ", where {conventions}": "，其中{conventions}",
    # What was tried
    "batch {batches}": "批量 {batches}",
    "{n} sets of values": "{n} 组数值",
    "the values given": "所给的数值",
    "against the tape of the same forward pass, and differences": "对照同一前向传播的磁带和差分",
    "against the complex step of the same loss, and differences": "对照同一损失的复步导数和差分",
    "against differences of the same loss, along random directions": "对照同一损失沿随机方向的差分",
    # Where it is wrong
    "right: {names}": "正确：{names}",
    "wrong: {names}{where}": "有错：{names}{where}",
    ", at T = {lengths}": "，T = {lengths} 时",
    " (right at T = {lengths})": "（T = {lengths} 时正确）",
    ", with a batch of {n} only": "，只在批量为 {n} 时",
    "  {name}: {seen}": "  {name}：{seen}",
    "it has shape {given}, the array {right}": "它的形状是 {given}，数组的形状是 {right}",
    "it has NaN or infinity": "其中有 NaN 或无穷大",
    "it is zero": "它是零",
    "it is {factor} times the true one": "它是正确值的 {factor} 倍",
    "missing: {names}, though the loss depends on it": "缺少：{names}，而损失与它有关",
    "and: {mistake}": "以及：{mistake}",
    # Conventions
    "it computes in {dtype}, and is judged at that": "它用 {dtype} 计算，按这个精度判断",
    "each gradient is scaled down to a norm of {norm:.6g} at most": "每个梯度各自缩小到范数至多为 {norm:.6g}",
    "parameters move by {rate:.4g} times the gradient": "参数移动的量是梯度的 {rate:.4g} 倍",
    # Where gradients part
    "somewhere in {place} at step 0, of T = 1 steps: {detail}": "T = 1 时，在时刻 0 的 {place} 中：{detail}",
    "somewhere in {place}, from T = {T} steps on, in what comes back from step t+1 or what reads the state of step "
    "t-1: {detail}": ("从 T = {T} 起，在 {place} 中，即从时刻 t+1 传回的部分，或者读取时刻 t-1 状态的部分：{detail}"),
    "with T = {T} steps, {place} is {given}, and should be {meant}": (
        "共 T = {T} 个时刻时，{place} 是 {given}，应当是 {meant}"
    ),
    "{place} is {given}, and should be {meant}": "{place} 是 {given}，应当是 {meant}",
    # Remarks
    "all values": "所有数值",
    "batch = {n}": "批量 = {n}",
    "note: not compared, since no array of floats has that name: {names}": (
        "注意：没有比较 {names}，因为没有这个名称的浮点数组"
    ),
    "note: one length alone was tried: no axis of time was found that can be cut": (
        "注意：只检查了一种长度：没有找到可以截短的时间轴"
    ),
    "could not be run at {sizes}: {error}; it was called with {arguments}": (
        "{sizes} 时无法运行：{error}；调用时的参数是 {arguments}"
    ),
    "note: not judged at {sizes}: the true gradient is not known well enough there, "
    "by rounding or by clipping; give smaller parameters or data": (
        "注意：{sizes} 时没有判断：由于舍入或裁剪，那里的正确梯度不够精确；请给出更小的参数或数据"
    ),
    "note: at {sizes}, cut from the data, a gradient is not that of the loss, though "
    "it is on the data as given: the parts may not belong together; give shorter data to judge them": (
        "注意：{sizes} 的数据是从所给数据中截取的，在它上面梯度不是损失的梯度，而在所给数据上是："
        "截取的各部分可能不相配；要判断它们，请给出更短的数据"
    ),
}
