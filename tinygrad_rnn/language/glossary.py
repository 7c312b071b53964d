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
    Term(
        "time step",
        "时刻",
        also=("步",),
        nndl="t = 1, ..., T",
        d2l="t = 1, ..., T",
        cs224n="(t)",
        pytorch="x[t]",
        here="t = 0, ..., T-1",
    ),
    Term("step", "时刻", also=("步",)),
    Term("sequence", "序列"),
    Term("batch", "批量", also=("小批量", "批次", "批")),
    Term("state", "状态"),
    Term("hidden state", "隐状态", nndl="h_t", d2l="H_t", cs224n="h^(t)", pytorch="h_t", here="h"),
    Term("external state", "外部状态"),
    Term("internal state", "内部状态", nndl="c_t", d2l="C_t", cs224n="c^(t)", pytorch="c_t", here="c"),
    Term("initial state", "初始状态"),
    Term("candidate state", "候选状态", nndl="c̃_t", d2l="C̃_t", cs224n="c̃^(t)", pytorch="g_t", here="g"),
    Term(
        "candidate state of the GRU", "GRU 的候选状态", nndl="h̃_t", d2l="H̃_t", cs224n="h̃^(t)", pytorch="n_t", here="n"
    ),
    Term("last state", "最后的状态", also=("最后状态", "末状态")),
    Term("net input", "净输入", nndl="z_t", here="z"),
    Term("weight", "权重"),
    Term(
        "weight on the input",
        "状态-输入权重矩阵",
        nndl="W",
        d2l="W_xh",
        cs224n="W_e, W_x, U",
        pytorch="weight_ih",
        here="W, weight_ih",
    ),
    Term(
        "weight on the state",
        "状态-状态权重矩阵",
        nndl="U",
        d2l="W_hh",
        cs224n="W_h, W",
        pytorch="weight_hh",
        here="U, weight_hh",
    ),
    Term(
        "weight of the output",
        "输出层的权重矩阵",
        nndl="V",
        d2l="W_hq, W_qh",
        cs224n="U",
        pytorch="Linear.weight",
        here="readout",
    ),
    Term(
        "bias",
        "偏置",
        also=("偏差",),
        other=("biases",),
        nndl="b",
        d2l="b_h",
        cs224n="b_1, b",
        pytorch="bias_ih + bias_hh",
        here="b_ih + b_hh",
    ),
    Term("parameter", "参数"),
    Term("layer", "层"),
    Term("gate", "门"),
    Term("gating", "门控"),
    Term("forget gate", "遗忘门", nndl="f_t", d2l="F_t", cs224n="f^(t)", pytorch="f_t", here="f"),
    Term("input gate", "输入门", nndl="i_t", d2l="I_t", cs224n="i^(t)", pytorch="i_t", here="i"),
    Term("output gate", "输出门", nndl="o_t", d2l="O_t", cs224n="o^(t)", pytorch="o_t", here="o"),
    Term("update gate", "更新门", nndl="z_t", d2l="Z_t", cs224n="u^(t) = 1 - z_t", pytorch="z_t", here="z"),
    Term(
        "reset gate",
        "重置门",
        nndl="U (r_t ⊙ h)",
        d2l="(R_t ⊙ H) W_hh",
        cs224n="W_h (r^(t) ∘ h)",
        pytorch="r_t ⊙ (weight_hh h + bias_hh)",
        here="r",
    ),
    Term("activation function", "激活函数", nndl="f", d2l="φ", cs224n="σ", pytorch="nonlinearity", here="tanh, relu"),
    Term("nonlinearity", "非线性"),
    # The gradient
    Term(
        "loss",
        "损失",
        nndl="L = Σ_t L_t",
        d2l="L = 1/T Σ_t l(o_t, y_t)",
        cs224n="J(θ) = 1/T Σ_t J^(t)(θ)",
        pytorch="reduction='mean'",
        here="sum(losses)",
    ),
    Term("loss of a step", "一个时刻的损失", nndl="L_t", d2l="l(o_t, y_t)", cs224n="J^(t)(θ)", here="L_t"),
    Term("gradient", "梯度"),
    Term("derivative", "导数", also=("求导",)),
    Term("error term", "误差项", nndl="δ_{t,k}", here="bptt.deltas"),
    Term("upstream gradient", "上游梯度"),
    Term("cotangent", "余切"),
    Term(
        "Jacobian",
        "雅可比矩阵",
        also=("雅可比",),
        nndl="∂z/∂h = Uᵀ",
        cs224n="∂z/∂h = W_h",
        pytorch="jacrev",
        here="∂z/∂h = U",
    ),
    Term("forward pass", "前向传播"),
    Term("backward pass", "反向传播"),
    Term("backpropagation", "反向传播"),
    Term("backpropagation through time", "随时间反向传播"),
    Term("truncated", "截断"),
    Term("truncation", "截断"),
    Term("vanish", "消失"),
    Term("explode", "爆炸"),
    Term(
        "gradient clipping",
        "梯度裁剪",
        also=("梯度截断",),
        d2l="g ← min(1, θ/‖g‖) g",
        cs224n="ĝ ← threshold/‖ĝ‖ ĝ",
        pytorch="clip_grad_norm_",
        here="clip_by_norm",
    ),
    Term("clipped", "裁剪"),
    Term("clipping", "裁剪"),
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
    Term("mean", "平均", also=("均值",)),
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
    Term("epoch", "回合"),
    Term("perplexity", "困惑度"),
    Term("language model", "语言模型"),
    Term("character", "字符", also=("字",)),
    Term("worksheet", "练习单"),
)
"""All terms."""
