"""What several rooms say, in Chinese."""

COMMON = {
    " ": "",
    ", ": "、",
    " and ": " 和 ",
    "; ": "；",
    "right": "正确",
    "batch": "批量",
    "gradient": "梯度",
    "gradients": "梯度",
    "rounding": "舍入",
    "convention: {said}": "约定：{said}",
    "first: {symptom}": "首先出错：{symptom}",
    "mistake: {mistake}": "错误：{mistake}",
    "right at T = {lengths}": "T = {lengths} 时正确",
    "tried: {what}": "检查范围：{what}",
    "wrote {path}{more}": "已写入：{path}{more}",
    " (drawn by {engine})": "（用 {engine} 绘制）",
    "{title}: {verdict}": "{title}：{verdict}",
    "{what} are {scale}": "{what}是{scale}",
    "gradients are clipped to [-{bound:.6g}, {bound:.6g}]": "梯度裁剪到 [-{bound:.6g}, {bound:.6g}]",
    "gradients are scaled down to a norm of {norm:.6g} at most": "梯度缩小到范数至多为 {norm:.6g}",
}
