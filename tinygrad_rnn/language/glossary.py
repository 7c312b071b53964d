"""The terms of the field in both languages, and the symbols that books and libraries have for them.

This is the one place of terms: the catalogues of `chinese/` are tested against it, and docs/vocabulary.md shows it. The
Chinese terms are those of Qiu Xipeng's book (NNDL), or the usual ones where the book has none. The symbols are text, as
one would write them in a line; an empty one says that the book or library has none.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """A term: English and Chinese, and its symbols in NNDL, D2L, CS224n, PyTorch and here.

    also: further Chinese words for it that a sentence may use. other: further English forms, such as an odd plural.
    """

    english: str
    chinese: str
    nndl: str = ""
    d2l: str = ""
    cs224n: str = ""
    pytorch: str = ""
    here: str = ""
    also: tuple[str, ...] = ()
    other: tuple[str, ...] = ()


TERMS = (
    # The network
    Term("recurrent neural network", "循环神经网络"),
    Term("cell", "循环单元", also=("单元",)),
    Term("time step", "时刻", also=("步",)),
    Term("step", "时刻", also=("步",)),
    Term("sequence", "序列"),
    Term("batch", "批次", also=("小批量", "批量", "批")),
    Term("hidden state", "隐状态"),
    Term("external state", "外部状态"),
    Term("internal state", "内部状态"),
    Term("initial state", "初始状态"),
    Term("candidate state", "候选状态"),
    Term("last state", "最后的状态", also=("最后状态", "末状态")),
    Term("net input", "净输入"),
    Term("weight", "权重"),
    Term("bias", "偏置", also=("偏差",), other=("biases",)),
    Term("parameter", "参数"),
    Term("layer", "层"),
    Term("gate", "门"),
    Term("gating", "门控"),
    Term("forget gate", "遗忘门"),
    Term("input gate", "输入门"),
    Term("output gate", "输出门"),
    Term("update gate", "更新门"),
    Term("reset gate", "重置门"),
    Term("activation function", "激活函数"),
    Term("nonlinearity", "非线性"),
    # The gradient
    Term("loss", "损失"),
    Term("gradient", "梯度"),
    Term("derivative", "导数", also=("求导",)),
    Term("error term", "误差项"),
    Term("upstream gradient", "上游梯度"),
    Term("cotangent", "余切"),
    Term("Jacobian", "雅可比矩阵"),
    Term("forward pass", "前向传播"),
    Term("backward pass", "反向传播"),
    Term("backpropagation", "反向传播"),
    Term("backpropagation through time", "随时间反向传播"),
    Term("truncated", "截断"),
    Term("truncation", "截断"),
    Term("vanish", "消失"),
    Term("explode", "爆炸"),
    Term("gradient clipping", "梯度截断"),
    Term("clipped", "裁剪"),
    Term("real-time recurrent learning", "实时循环学习"),
    Term("memory capacity", "记忆容量"),
    # The calculation
    Term("tape", "磁带"),
    Term("computational graph", "计算图"),
    Term("derivative rule", "求导规则"),
    Term("rounding", "舍入"),
    Term("tolerance", "容差"),
    Term("shape", "形状"),
    Term("entry", "元素", also=("条目",), other=("entries",)),
    Term("transposed", "转置"),
    Term("factor", "因子", also=("倍",)),
    Term("sum", "和", also=("求和", "相加", "总和")),
    Term("mean", "平均"),
    Term("average", "平均"),
    Term("averaged", "平均"),
    Term("norm", "范数"),
    Term("eigenvalue", "特征值"),
    Term("spectral radius", "谱半径"),
    # The checks
    Term("mistake", "错误"),
    Term("derivation", "推导"),
    Term("by hand", "手工", also=("手写", "手算")),
    Term("convention", "约定"),
    Term("difference", "差", also=("差分",)),
    Term("perplexity", "困惑度"),
    Term("language model", "语言模型"),
    Term("character", "字符", also=("字",)),
    Term("worksheet", "练习单"),
)
"""All terms."""
