"""What bptt/online says, in Chinese."""

ONLINE = {
    "A gradient forward in time: the loss is {value}": "沿时间向前的梯度：损失为 {value}",
    "{count} numbers are held from step to step, for one example": "对每个样本，各时刻之间保存 {count} 个数",
    "its gradients": "梯度",
    "full gradient": "完整梯度",
    "10^-3 and less": "10^-3 及以下",
    "largest term": "最大的项",
    "what the method changes, the larger the more; framed: the first": "方法改变的项，越大改变越多；加框：最先改变的项",
    "what a step holds and computes at most, for an example, once it has its Jacobians": (
        "一个时刻最多保存多少、计算多少：对每个样本，从有了雅可比矩阵之后算起"
    ),
    "Measured here, all methods on dense arrays: {times}": "在这里实测，所有方法都用稠密数组：{times}",
    "The terms (t, k) of the gradient": "梯度的各项 (t, k)",
    "method": "方法",
    "bias": "偏差",
    "deviation": "标准差",
    "cosine": "余弦",
    "lag {lag}": "相隔 {lag}",
    "first term lost": "最先丢失的项",
    "not defined for this cell": "对这个循环单元没有定义",
    "bias |E G - g| / |g|, deviation sqrt(E |G - E G|^2) / |g|, cosine of E G and g; steps count from 0": (
        "偏差为 |E G - g| / |g|，标准差为 sqrt(E |G - E G|^2) / |g|，余弦为 E G 与 g 的夹角余弦；时刻从 0 数起"
    ),
    "Methods forward in time, beside the full gradient": "沿时间向前的各种方法与完整梯度的比较",
}
"""English template -> Chinese template."""
