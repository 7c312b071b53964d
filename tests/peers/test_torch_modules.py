"""PyTorch's own module samples (`module_db`): our layers, cells, losses and activations give its values and gradients.

A layer of ours stands where there is one. The other modules are written in NumPy, as a user would, on the tape.
"""

import math

import numpy as np
import pytest
from torch_samples import Left, require_count, require_the_same, torch_testing

import tinygrad_rnn as tg
from tinygrad_rnn import nn

pytestmark = [
    pytest.mark.needs_torch,
    pytest.mark.slow,  # the test tools alone take seconds to import
    pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN:UserWarning"),  # slower there
    pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning"),  # KLDivLoss, whose mean may change
]


def recurrent(layer, *names):
    def run(m, params, x, state=None):
        sizes = {"input_size": m.input_size, "hidden_size": m.hidden_size, "num_layers": m.num_layers}
        options = {name: getattr(m, name) for name in ("bias", "batch_first", "bidirectional", *names)}
        return layer(**sizes, **options)(params, x, state)

    return run


def cell(function):
    def run(m, params, x, state=None):
        options = {"nonlinearity": m.nonlinearity} if hasattr(m, "nonlinearity") else {}
        states = state if isinstance(state, tuple) else () if state is None else (state,)
        return function(params, x, *states, **options)

    return run


def layer_norm(m, params, x):
    if len(m.normalized_shape) > 1 or not m.elementwise_affine or m.bias is None:
        raise Left("several axes, or no weight or bias")
    return nn.LayerNorm(m.normalized_shape[0], m.eps)(params, x)


def reduced(m, each):
    return {"mean": np.mean, "sum": np.sum, "none": lambda x: x}[m.reduction](each)


def weighted(m, each):
    return each if m.weight is None else each * m.weight.numpy()


def with_logits(m, params, x, target):
    if m.weight is None:
        return nn.binary_cross_entropy(x, target, reduction=m.reduction)
    return reduced(m, weighted(m, nn.binary_cross_entropy(x, target, reduction="none")))


def cross_entropy(m, params, x, target):
    if target.dtype.kind == "f":
        raise Left("targets that are probabilities")
    options = {"weight": None if m.weight is None else m.weight.numpy(), "label_smoothing": m.label_smoothing}
    if m.reduction == "mean" and not np.any(target != m.ignore_index):
        raise Left("the mean over nothing, which ours refuses")
    logits = np.moveaxis(x, 1, -1) if x.ndim > 1 else x
    return nn.cross_entropy(logits, target, mask=target != m.ignore_index, reduction=m.reduction, **options)


def nll(m, params, x, target):
    counts = target != m.ignore_index
    weights = np.where(counts, np.ones(x.shape[1], x.dtype)[target * counts], 0)
    if m.weight is not None:
        weights = weights * m.weight.numpy()[target * counts]
    rows = np.moveaxis(x, 1, -1)
    each = -np.take_along_axis(rows, (target * counts)[..., None], -1)[..., 0] * weights
    return each.sum() / weights.sum() if m.reduction == "mean" else reduced(m, each)


def huber(m, params, x, target):
    size = abs(x - target)
    return reduced(m, np.where(size < m.delta, 0.5 * size * size, m.delta * (size - 0.5 * m.delta)))


def smooth_l1(m, params, x, target):
    size = abs(x - target)
    return reduced(m, np.where(size < m.beta, 0.5 * size * size / m.beta if m.beta else size, size - 0.5 * m.beta))


def kl_divergence(m, params, x, target):
    each = np.exp(target) * (target - x) if m.log_target else target * (np.log(target) - x)
    return each.sum() / (len(x) if x.ndim else 1) if m.reduction == "batchmean" else reduced(m, each)


def bce(m, params, x, target):
    return reduced(m, weighted(m, -(target * np.log(x) + (1 - target) * np.log(1 - x))))


def poisson(m, params, x, target):
    each = np.exp(x) - target * x if m.log_input else x - target * np.log(x + m.eps)
    if m.full:
        above = np.where(target > 1, target, 1)
        each = each + np.where(target > 1, above * np.log(above) - above + 0.5 * np.log(2 * math.pi * above), 0)
    return reduced(m, each)


def gaussian(m, params, x, target, var):
    if m.full:
        raise Left("the constant term")
    if np.shape(var) != np.shape(x) and np.ndim(var) < np.ndim(x):
        var = var[..., None]
    return reduced(m, 0.5 * (np.log(var) + (x - target) ** 2 / var))


def hinge(m, params, x, target):
    return reduced(m, np.where(target == 1, x, np.maximum(0, m.margin - x)))


def bilinear(m, params, a, b):
    y = np.einsum("...i,oij,...j->...o", a, params["weight"], b)
    return y if m.bias is None else y + params["bias"]


def softplus(m, params, x):
    return np.where(m.beta * x > m.threshold, x, tg.softplus(m.beta * x) / m.beta)


def hard_sigmoid(x):
    return np.clip(x + 3, 0, 6) / 6


def selu(x):
    return 1.0507009873554805 * tg.elu(x, 1.6732632423543772)


def glu(m, params, x):
    left, right = np.split(x, 2, axis=m.dim)
    return left * tg.sigmoid(right)


def prelu(m, params, x):
    weight = params["weight"]
    return np.where(x > 0, x, x * (weight.reshape((-1,) + (1,) * (x.ndim - 2)) if x.ndim > 1 else weight[0]))


def rms_norm(m, params, x):
    axes = tuple(range(-len(m.normalized_shape), 0))
    eps = np.finfo(x.dtype).eps if m.eps is None else m.eps
    y = x / np.sqrt((x * x).mean(axis=axes, keepdims=True) + eps)
    return y * params["weight"] if "weight" in params else y


def gelu(m, params, x):
    return tg.gelu(x) if m.approximate == "none" else tg.gelu_tanh(x)


MODULES = {
    "RNN": (recurrent(nn.RNN, "nonlinearity"), 32),
    "LSTM": (recurrent(nn.LSTM, "proj_size"), 32),
    "GRU": (recurrent(nn.GRU), 16),
    "RNNCell": (cell(nn.rnn), 3),
    "LSTMCell": (cell(nn.lstm), 2),
    "GRUCell": (cell(nn.gru), 2),
    "Linear": (lambda m, p, input: nn.Linear(m.in_features, m.out_features, m.bias is not None)(p, input), 3),
    "Embedding": (lambda m, p, x: nn.Embedding(m.num_embeddings, m.embedding_dim)(p, x), 2),
    "LayerNorm": (layer_norm, 3),
    "MSELoss": (lambda m, p, x, target: nn.mse(x, target, reduction=m.reduction), 8),
    "BCEWithLogitsLoss": (with_logits, 6),
    "CrossEntropyLoss": (cross_entropy, 68),
    "NLLLoss": (nll, 28),
    "BCELoss": (bce, 6),
    "L1Loss": (lambda m, p, x, target: reduced(m, abs(x - target)), 5),
    "SmoothL1Loss": (smooth_l1, 8),
    "HuberLoss": (huber, 4),
    "KLDivLoss": (kl_divergence, 10),
    "SoftMarginLoss": (lambda m, p, x, target: reduced(m, tg.softplus(-target * x)), 4),
    "PoissonNLLLoss": (poisson, 7),
    "GaussianNLLLoss": (gaussian, 5),
    "HingeEmbeddingLoss": (hinge, 10),
    "Bilinear": (bilinear, 3),
    "RMSNorm": (rms_norm, 6),
    "Sigmoid": (lambda m, p, x: tg.sigmoid(x), 4),
    "Tanh": (lambda m, p, x: np.tanh(x), 3),
    "ReLU": (lambda m, p, x: tg.relu(x), 4),
    "ELU": (lambda m, p, x: tg.elu(x, m.alpha), 4),
    "GELU": (gelu, 3),
    "Softplus": (softplus, 5),
    "Softmax": (lambda m, p, x: tg.softmax(x, m.dim), 3),
    "Softmax2d": (lambda m, p, x: tg.softmax(x, -3), 2),
    "LogSoftmax": (lambda m, p, x: tg.log_softmax(x, m.dim), 4),
    "Softmin": (lambda m, p, x: tg.softmax(-x, m.dim), 4),
    "LogSigmoid": (lambda m, p, x: -tg.softplus(-x), 3),
    "SiLU": (lambda m, p, x: x * tg.sigmoid(x), 3),
    "Mish": (lambda m, p, x: x * np.tanh(tg.softplus(x)), 3),
    "Softsign": (lambda m, p, x: x / (1 + abs(x)), 3),
    "Tanhshrink": (lambda m, p, x: x - np.tanh(x), 3),
    "Hardtanh": (lambda m, p, x: np.clip(x, m.min_val, m.max_val), 3),
    "ReLU6": (lambda m, p, x: np.clip(x, 0, 6), 4),
    "Hardswish": (lambda m, p, x: x * hard_sigmoid(x), 2),
    "Hardshrink": (lambda m, p, x: np.where(abs(x) > m.lambd, x, 0), 3),
    "Softshrink": (lambda m, p, x: np.sign(x) * np.maximum(abs(x) - m.lambd, 0), 4),
    "Threshold": (lambda m, p, x: np.where(x > m.threshold, x, m.value), 4),
    "LeakyReLU": (lambda m, p, x: np.where(x >= 0, x, m.negative_slope * x), 5),
    "CELU": (lambda m, p, x: m.alpha * tg.elu(x / m.alpha), 3),
    "SELU": (lambda m, p, x: selu(x), 3),
    "PReLU": (prelu, 8),
    "GLU": (glu, 3),
}
"""For each module our function `f(module, params, *inputs)`, and how many of PyTorch's samples run through it."""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MODULES)
def test_samples_of_a_module(name, dtype):
    torch, tools = torch_testing("common_modules")
    function, count = MODULES[name]
    (info,) = [info for info in tools.module_db if info.name == f"nn.{name}"]
    ran = 0
    for sample in info.module_inputs_func(
        info, device="cpu", dtype=getattr(torch, dtype), requires_grad=True, training=False
    ):
        given, inputs = sample.constructor_input, sample.forward_input
        module = info.module_cls(*given.args, **given.kwargs).to(getattr(torch, dtype))
        if name == "CrossEntropyLoss" and module.weight is not None:
            module.weight.abs_()  # ours refuses negative ones
        try:
            require_the_same(
                torch,
                lambda params, *args, module=module, **named: module(*args, **named),
                lambda params, *args, module=module, **named: function(module, params, *args, **named),
                (dict(module.named_parameters()), *inputs.args),
                inputs.kwargs,
            )
        except Left:
            continue
        ran += 1
    require_count(torch, ran, count)
