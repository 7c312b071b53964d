"""How PyTorch's operations are written in NumPy's functions, as a user writes them: a function by each name of `op_db`.

Each takes torch's arguments, arrays or Tensors for torch's tensors; it raises Left for what this project does not have.
"""

import math

import numpy as np
from torch_samples import Left

import tinygrad_rnn as tg
from tinygrad_rnn import nn


def axes(dim):
    """Torch's `dim`: a number, several, or none of them, which is all."""
    return None if dim is None or (isinstance(dim, list | tuple) and not dim) else tuple(np.atleast_1d(dim).tolist())


def reduction(function):
    def reduce(x, dim=None, keepdim=False, *, dtype=None):
        x = x if dtype is None else x.astype(dtype)
        return function(x, axis=axes(dim) if x.ndim else None, keepdims=keepdim)

    return reduce


def spread(function):
    def reduce(x, dim=None, unbiased=True, keepdim=False, *, correction=None):
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        axis = axes(dim) if x.ndim else None
        count = math.prod(x.shape[a] for a in (range(x.ndim) if axis is None else axis))
        less = correction if correction is not None else int(bool(unbiased))
        if count - less <= 0:
            raise Left("a variance of nothing")
        return function(x, axis=axis, keepdims=keepdim, ddof=less)

    return reduce


def one_axis(function, picked):
    def reduce(x, dim, keepdim=False):
        if not x.ndim:
            return x, np.int64(0)
        return function(x, axis=dim, keepdims=keepdim), index_of(picked, x, dim, keepdim)

    return reduce


def along(function):
    def cumulate(x, dim, *, dtype=None):
        x = x if dtype is None else x.astype(dtype)
        return function(x, axis=dim) if x.ndim else x

    return cumulate


def softmax(function, sign=1):
    def over(x, dim, dtype=None, **_):
        x = sign * x if dtype is None else (sign * x).astype(dtype)
        return function(x, dim) if x.ndim else function(x.reshape(1), 0).reshape(())

    return over


def clamp(x, min=None, max=None):
    if any(getattr(bound, "dtype", x.dtype) != x.dtype for bound in (min, max)):
        raise Left("whole numbers, with which NumPy's float32 becomes float64")
    return np.minimum(np.maximum(x, min if min is not None else -np.inf), max if max is not None else np.inf)


def add_product(product):
    def combine(x, a, b, *, beta=1, alpha=1, **_):
        return beta * x + alpha * product(a, b)

    return combine


def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None):
    x, axis = x if dtype is None else x.astype(dtype), axes(dim) if x.ndim else None
    if ord not in (1, 2, math.inf, -math.inf):
        raise Left("another order")
    return np.linalg.vector_norm(x, ord=ord, axis=axis, keepdims=keepdim)


def transpose(x, a, b):
    return np.swapaxes(x, a, b) if x.ndim else x


def permute(x, dims):
    return np.transpose(x, dims)


def squeeze(x, dim=None):
    if dim is None:
        return np.squeeze(x)
    picked = [d % x.ndim for d in np.atleast_1d(dim).tolist()] if x.ndim else []
    return np.squeeze(x, axis=tuple(d for d in picked if x.shape[d] == 1))


def flatten(x, start_dim=0, end_dim=-1):
    if not x.ndim:
        return x.reshape(1)
    start, end = start_dim % x.ndim, end_dim % x.ndim
    return x.reshape(*x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :])


def unflatten(x, dim, sizes):
    dim %= x.ndim
    known = -math.prod(sizes) if -1 in sizes else 1
    sizes = [x.shape[dim] // known if s == -1 else s for s in sizes]
    return x.reshape(*x.shape[:dim], *sizes, *x.shape[dim + 1 :])


def spread_to(x, *shape):
    shape = shape[0] if len(shape) == 1 and isinstance(shape[0], list | tuple) else shape
    lead = len(shape) - x.ndim
    return np.broadcast_to(x, tuple(x.shape[k - lead] if n == -1 else n for k, n in enumerate(shape)))


def repeat(x, *sizes):
    sizes = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], list | tuple) else sizes
    if 0 in sizes:
        raise Left("no copies")
    return np.tile(x, tuple(sizes))


def tile(x, dims):
    return repeat(x, dims) if len(dims) else x


def repeat_interleave(x, repeats, dim=None, **_):
    return np.repeat(x if x.ndim else x.reshape(1), repeats, axis=dim)


def pieces(x, size, dim=0):
    """Parts of so many rows, the last one of what is left; or of the sizes that are given."""
    if isinstance(size, list | tuple):
        return np.split(x, np.cumsum(size)[:-1].tolist(), axis=dim)
    return np.split(x, list(range(size, x.shape[dim], size)), axis=dim) if x.shape[dim] else [x]


def chunk(x, chunks, dim=0):
    return pieces(x, -(-x.shape[dim] // chunks), dim)


def unbind(x, dim=0):
    return [np.take(x, k, axis=dim) for k in range(x.shape[dim])]


def narrow(x, dim, start, length):
    start = int(start) % x.shape[dim] if int(start) < 0 else int(start)
    return np.take(x, np.arange(start, start + length), axis=dim)


def sliced(x, dim=0, start=None, end=None, step=1):
    return x[(slice(None),) * (dim % x.ndim) + (slice(start, end, step),)]


def index_at(x, dim, index):
    return (slice(None),) * (dim % x.ndim) + (index,)


def gather(x, dim, index, **_):
    if x.ndim and not index.size and index.ndim != x.ndim:
        raise Left("nothing, of another number of axes")
    if not x.ndim:
        return x if not index.ndim else np.broadcast_to(x, index.shape)
    if not index.ndim:
        index = index.reshape(1)
        return x[index].reshape(())
    where = list(np.indices(index.shape))
    where[dim] = index
    return x[tuple(where)]


def scatter_add(x, dim, index, source):
    if not (x.ndim and index.ndim):
        raise Left("numbers")
    where = list(np.indices(index.shape))
    where[dim] = index
    return tg.add_at(x, tuple(where), source[tuple(slice(n) for n in index.shape)])


def index_add(x, dim, index, source, *, alpha=1):
    if not x.ndim:
        return x + alpha * source.reshape(())
    return tg.add_at(x, index_at(x, dim, np.atleast_1d(index)), alpha * source)


def index_copy(x, dim, index, source):
    if not x.ndim:
        return x * 0 + source.reshape(())
    return tg.set_at(x, index_at(x, dim, np.atleast_1d(index)), source)


def index_fill(x, dim, index, value):
    if not x.ndim:
        return x * 0 + value
    filled = np.isin(np.arange(x.shape[dim]), index)
    return np.where(np.expand_dims(filled, [k for k in range(x.ndim) if k != dim % x.ndim]), value, x)


def take_along(x, indices, dim=None):
    if dim is None:
        return x.reshape(-1)[indices.reshape(-1)]
    dim %= x.ndim
    shape = np.broadcast_shapes(*([n for k, n in enumerate(a.shape) if k != dim] for a in (x, indices)))
    shapes = [(*shape[:dim], a.shape[dim], *shape[dim:]) for a in (x, indices)]
    return np.take_along_axis(np.broadcast_to(x, shapes[0]), np.broadcast_to(indices, shapes[1]), dim)


def sort(x, dim=-1, descending=False, *, stable=False):
    if not x.ndim:
        return x, np.int64(0)
    order = np.argsort(-x if descending else x, axis=dim)
    return np.take_along_axis(x, order, dim), order


def pad(x, pads, mode="constant", value=0):
    widths = [(0, 0)] * (x.ndim - len(pads) // 2) + [(pads[k], pads[k + 1]) for k in range(len(pads) - 2, -1, -2)]
    if any(n < 0 for width in widths for n in width):
        raise Left("cutting off")
    return np.pad(x, widths, constant_values=value or 0)


def layer_norm(x, shape, weight=None, bias=None, eps=1e-5):
    if math.prod(shape) <= 2:
        raise Left("one entry or two, which norm to 0 or to 1 and -1: the gradients are rounding")
    over = tuple(range(-len(shape), 0))
    y = (x - x.mean(axis=over, keepdims=True)) / np.sqrt(np.var(x, axis=over, keepdims=True) + eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def loss(each, reduction="mean"):
    return {"mean": np.mean, "sum": np.sum, "none": lambda x: x}[reduction](each)


def cross_entropy(x, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    if target.dtype.kind == "f":
        raise Left("targets that are probabilities")
    logits = np.moveaxis(x, 1, -1) if x.ndim > 1 else x
    return nn.cross_entropy(
        logits,
        target,
        mask=target != ignore_index,
        reduction=reduction,
        weight=weight,
        label_smoothing=label_smoothing,
    )


def with_logits(x, target, weight=None, reduction="mean", pos_weight=None):
    if pos_weight is not None:
        each = (1 - target) * x + (1 + (pos_weight - 1) * target) * tg.softplus(-x)
    else:
        each = nn.binary_cross_entropy(x, target, reduction="none")
    return loss(each if weight is None else each * weight, reduction)


def huber(x, target, reduction="mean", delta=1.0):
    size = abs(x - target)
    return loss(np.where(size < delta, 0.5 * size * size, delta * (size - 0.5 * delta)), reduction)


def smooth_l1(x, target, reduction="mean", beta=1.0):
    size = abs(x - target)
    return loss(np.where(size < beta, 0.5 * size * size / beta if beta else size, size - 0.5 * beta), reduction)


def embedding(weight, index, padding_idx=None, max_norm=None, **options):
    if padding_idx is not None or max_norm is not None or options.get("scale_grad_by_freq"):
        raise Left("padding_idx, max_norm")
    return nn.Embedding(*weight.shape)({"weight": weight}, index)


def softplus(x, beta=1, threshold=20):
    return np.where(beta * x > threshold, x, tg.softplus(beta * x) / beta)


def tensordot(a, b, dims=2):
    if not isinstance(dims, int) and any(a.shape[i] != b.shape[j] for i, j in zip(*dims, strict=True)):
        raise Left("lengths that are broadcast")
    return np.tensordot(a, b, dims)


def einsum(operands, equation):
    if "..." in equation and "..." not in equation.partition("->")[2]:
        raise Left("a sum over an ellipsis")
    return np.einsum(equation, *operands)


def slogdet(x):
    return tuple(np.linalg.slogdet(x))


def power(x, exponent):
    return x**exponent


def logit(x, eps):
    x = x if eps is None else np.clip(x, eps, 1 - eps)
    return np.log(x / (1 - x))


def index_of(function, x, dim, keepdim):
    if not x.ndim:
        return np.int64(0)
    found = function(x, axis=dim)
    if not keepdim:
        return found
    return np.reshape(found, (1,) * x.ndim) if dim is None else np.expand_dims(found, dim)


def solve(a, b, left):
    if b.ndim > 1 and b.shape == a.shape[:-1]:  # to torch these are vectors, to NumPy a matrix
        return np.linalg.solve(a, b[..., None])[..., 0]
    if not left:
        return np.swapaxes(np.linalg.solve(np.swapaxes(a, -1, -2), np.swapaxes(b, -1, -2)), -1, -2)
    return np.linalg.solve(a, b)


def multiplied(arrays):
    product = arrays[0]
    for x in arrays[1:]:
        product = product @ x
    return product


def bilinear(a, b, w, bias):
    y = np.einsum("...i,oij,...j->...o", a, w, b)
    return y if bias is None else y + bias


def concatenate(arrays, dim):
    return np.concatenate([x for x in arrays if x.shape != (0,)] or arrays, axis=dim)


def tensor_split(x, parts, dim):
    parts = parts.tolist() if isinstance(parts, np.ndarray) else parts
    return np.array_split(x, list(parts) if isinstance(parts, tuple) else parts, axis=dim)


def each_of(function, xs):
    if len(xs) == 1 and isinstance(xs[0], list | tuple):
        xs = xs[0]
    return tuple(function(x) for x in xs)


def difference(x, n, dim, prepend, append):
    given = {name: value for name, value in (("prepend", prepend), ("append", append)) if value is not None}
    return np.diff(x, n, axis=dim, **given)


def together(function, x, *args, **options):
    means = {name: value for name, value in options.items() if name in ("dim", "keepdim")}
    if args and not isinstance(args[0], bool):
        means["dim"] = args[0]
    return spread(function)(x, *args, **options), reduction(np.mean)(x, **means)


def glu(a, b):
    return a * tg.sigmoid(b)


ELEMENTWISE = {
    "abs": abs,
    "acos": np.arccos,
    "acosh": np.arccosh,
    "asin": np.arcsin,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "ceil": np.ceil,
    "clone": lambda x, **_: np.copy(x),
    "cos": np.cos,
    "cosh": np.cosh,
    "deg2rad": lambda x: x * (math.pi / 180),
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "floor": np.floor,
    "frac": lambda x: x - np.trunc(x),
    "isfinite": np.isfinite,
    "isinf": np.isinf,
    "isnan": np.isnan,
    "log": np.log,
    "log10": np.log10,
    "log1p": np.log1p,
    "log2": np.log2,
    "logit": lambda x, eps=None: logit(x, eps),
    "neg": np.negative,
    "positive": np.positive,
    "rad2deg": lambda x: x * (180 / math.pi),
    "reciprocal": np.reciprocal,
    "round": np.round,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sgn": np.sign,
    "sigmoid": tg.sigmoid,
    "sign": np.sign,
    "sin": np.sin,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "square": np.square,
    "tan": np.tan,
    "tanh": np.tanh,
    "trunc": np.trunc,
    "nn.functional.celu": lambda x, alpha=1.0: alpha * tg.elu(x / alpha),
    "nn.functional.elu": lambda x, alpha=1.0: tg.elu(x, alpha),
    "nn.functional.gelu": lambda x, approximate="none": (tg.gelu if approximate == "none" else tg.gelu_tanh)(x),
    "nn.functional.hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "nn.functional.leaky_relu": lambda x, negative_slope=0.01: np.where(x >= 0, x, negative_slope * x),
    "nn.functional.logsigmoid": lambda x: -tg.softplus(-x),
    "nn.functional.mish": lambda x: x * np.tanh(tg.softplus(x)),
    "nn.functional.relu": tg.relu,
    "nn.functional.selu": lambda x: 1.0507009873554805 * tg.elu(x, 1.6732632423543772),
    "nn.functional.silu": lambda x: x * tg.sigmoid(x),
    "nn.functional.softplus": softplus,
    "nn.functional.softsign": lambda x: x / (1 + abs(x)),
    "nn.functional.tanhshrink": lambda x: x - np.tanh(x),
    "nn.functional.threshold": lambda x, threshold, value: np.where(x > threshold, x, value),
    "logical_not": np.logical_not,
    "round/decimals_0": lambda x, decimals: np.round(x, decimals),
    "round/decimals_3": lambda x, decimals: np.round(x, decimals),
    "round/decimals_neg_3": lambda x, decimals: np.round(x, decimals),
    "nn.functional.hardtanh": lambda x, min_val=-1.0, max_val=1.0: np.clip(x, min_val, max_val),
    "nn.functional.relu6": lambda x: np.clip(x, 0, 6),
    "nn.functional.softshrink": lambda x, lambd=0.5: np.sign(x) * np.maximum(abs(x) - lambd, 0),
    "nn.functional.hardshrink": lambda x, lambd=0.5: np.where(abs(x) > lambd, x, 0),
    "nn.functional.glu": lambda x, dim=-1: glu(*np.split(x, 2, axis=dim)),
}

PAIRS = {
    "add": lambda a, b, *, alpha=1: a + alpha * b,
    "sub": lambda a, b, *, alpha=1: a - alpha * b,
    "rsub": lambda a, b, *, alpha=1: b - alpha * a,
    "mul": np.multiply,
    "div/no_rounding_mode": np.divide,
    "true_divide": np.divide,
    "__radd__": lambda a, b: b + a,
    "__rsub__": lambda a, b: b - a,
    "__rmul__": lambda a, b: b * a,
    "__rdiv__": lambda a, b: b / a,
    "__rpow__": lambda a, b: b**a,
    "pow": power,
    "float_power": np.float_power,
    "atan2": np.arctan2,
    "hypot": np.hypot,
    "logaddexp": np.logaddexp,
    "logaddexp2": lambda a, b: np.logaddexp(a * math.log(2), b * math.log(2)) / math.log(2),
    "maximum": np.maximum,
    "minimum": np.minimum,
    "fmax": np.fmax,
    "fmin": np.fmin,
    "remainder": lambda a, b: a % b,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "lerp": lambda a, b, weight: a + weight * (b - a),
    "addcmul": lambda x, a, b, *, value=1: x + value * a * b,
    "addcdiv": lambda x, a, b, *, value=1: x + value * a / b,
    "clamp": clamp,
    "clamp_min": np.maximum,
    "clamp_max": np.minimum,
    "where": lambda condition_of, x, other: np.where(x, condition_of, other),
    "max/binary": np.maximum,
    "min/binary": np.minimum,
    "masked_fill": lambda x, mask, value: np.where(mask, value, x),
    "floor_divide": lambda a, b: a // b,
    "div/floor_rounding": lambda a, b, rounding_mode: a // b,
    "div/trunc_rounding": lambda a, b, rounding_mode: np.trunc(a / b),
    "fmod": lambda a, b: a - b * np.trunc(a / b),
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}

REDUCTIONS = {
    "sum": reduction(np.sum),
    "mean": reduction(np.mean),
    "amax": reduction(np.max),
    "amin": reduction(np.min),
    "max/reduction_no_dim": np.max,
    "min/reduction_no_dim": np.min,
    "logsumexp": reduction(tg.logsumexp),
    "prod": reduction(np.prod),
    "var": spread(np.var),
    "var/unbiased": spread(np.var),
    "std": spread(np.std),
    "std/unbiased": spread(np.std),
    "argmax": lambda x, dim=None, keepdim=False: index_of(np.argmax, x, dim, keepdim),
    "argmin": lambda x, dim=None, keepdim=False: index_of(np.argmin, x, dim, keepdim),
    "cumsum": along(np.cumsum),
    "cumprod": along(np.cumprod),
    "linalg.vector_norm": vector_norm,
    "trace": np.trace,
    "dist": lambda x, y, p=2: vector_norm(x - y, p),
    "softmax": softmax(tg.softmax),
    "softmax/with_dtype": softmax(tg.softmax),
    "log_softmax": softmax(tg.log_softmax),
    "log_softmax/with_dtype": softmax(tg.log_softmax),
    "nn.functional.softmin": softmax(tg.softmax, -1),
    "nn.functional.softmin/with_dtype": softmax(tg.softmax, -1),
    "max/reduction_with_dim": one_axis(np.max, np.argmax),
    "min/reduction_with_dim": one_axis(np.min, np.argmin),
    "var_mean": lambda x, *args, **options: together(np.var, x, *args, **options),
    "std_mean": lambda x, *args, **options: together(np.std, x, *args, **options),
    "all": reduction(np.all),
    "any": reduction(np.any),
}

MATRICES = {
    "mm": np.matmul,
    "matmul": np.matmul,
    "__rmatmul__": lambda a, b: b @ a,
    "bmm": np.matmul,
    "mv": np.matmul,
    "dot": np.dot,
    "vdot": np.dot,
    "inner": np.inner,
    "outer": np.outer,
    "addmm": add_product(np.matmul),
    "addmm/decomposed": add_product(np.matmul),
    "addmv": add_product(np.matmul),
    "addr": add_product(np.outer),
    "baddbmm": add_product(np.matmul),
    "addbmm": add_product(lambda a, b: (a @ b).sum(axis=0)),
    "tensordot": tensordot,
    "einsum": einsum,
    "linalg.inv": np.linalg.inv,
    "linalg.det": np.linalg.det,
    "linalg.slogdet": slogdet,
    "logdet": lambda x: np.linalg.slogdet(x)[1],
    "linalg.solve": lambda a, b, *, left=True: solve(a, b, left),
    "linalg.multi_dot": lambda arrays: multiplied(arrays),
    "linalg.vecdot": lambda a, b, *, dim=-1: (a * b).sum(axis=dim),
    "nn.functional.linear": lambda x, w, b=None: x @ w.T if b is None else x @ w.T + b,
    "nn.functional.bilinear": lambda a, b, w, bias=None: bilinear(a, b, w, bias),
    "diag": lambda x, diagonal=0: np.diag(x, diagonal),
    "diagonal": lambda x, offset=0, dim1=0, dim2=1: np.diagonal(x, offset, dim1, dim2),
    "linalg.diagonal": lambda x, *, offset=0, dim1=-2, dim2=-1: np.diagonal(x, offset, dim1, dim2),
    "tril": lambda x, diagonal=0: np.tril(x, diagonal),
    "triu": lambda x, diagonal=0: np.triu(x, diagonal),
}

SHAPES = {
    "reshape": np.reshape,
    "view": np.reshape,
    "reshape_as": lambda x, other: np.reshape(x, other.shape),
    "view_as": lambda x, other: np.reshape(x, other.shape),
    "transpose": transpose,
    "permute": permute,
    "T": lambda x: x.T,
    "t": lambda x: x.T,
    "mT": lambda x: np.swapaxes(x, -1, -2),
    "movedim": np.moveaxis,
    "squeeze": squeeze,
    "squeeze/multiple": squeeze,
    "unsqueeze": np.expand_dims,
    "flatten": flatten,
    "unflatten": unflatten,
    "ravel": np.ravel,
    "expand": spread_to,
    "expand_as": lambda x, other: np.broadcast_to(x, other.shape),
    "broadcast_to": np.broadcast_to,
    "flip": lambda x, dims: np.flip(x, tuple(dims)) if x.ndim else x,
    "fliplr": np.fliplr,
    "flipud": np.flipud,
    "roll": lambda x, shifts, dims=None: np.roll(x, shifts, dims) if x.ndim else x,
    "rot90": lambda x, k=1, dims=(0, 1): np.rot90(x, k, dims),
    "repeat": repeat,
    "tile": tile,
    "repeat_interleave": repeat_interleave,
    "stack": lambda arrays, dim=0: np.stack(arrays, axis=dim),
    "cat": lambda arrays, dim=0: concatenate(arrays, dim),
    "hstack": np.hstack,
    "vstack": np.vstack,
    "dstack": np.dstack,
    "column_stack": np.column_stack,
    "split": pieces,
    "split/list_args": pieces,
    "split_with_sizes": pieces,
    "chunk": chunk,
    "tensor_split": lambda x, parts, dim=0: tensor_split(x, parts, dim),
    "hsplit": lambda x, parts: np.hsplit(x, parts),
    "vsplit": lambda x, parts: np.vsplit(x, parts),
    "unbind": unbind,
    "atleast_1d": lambda *xs: each_of(np.atleast_1d, xs),
    "atleast_3d": lambda *xs: each_of(np.atleast_3d, xs),
    "dsplit": lambda x, parts: np.dsplit(x, parts),
    "atleast_2d": lambda *xs: each_of(np.atleast_2d, xs),
    "narrow": narrow,
    "select": lambda x, dim, index: np.take(x, index, axis=dim),
    "slice": sliced,
    "nn.functional.pad/constant": pad,
    "constant_pad_nd": lambda x, pads, value=0: pad(x, pads, value=value),
    "diff": lambda x, n=1, dim=-1, prepend=None, append=None: difference(x, n, dim, prepend, append),
    "zeros_like": lambda x, dtype=None, **_: np.zeros_like(x, dtype),
    "ones_like": lambda x, dtype=None, **_: np.ones_like(x, dtype),
}

INDEXING = {
    "__getitem__": lambda x, index: x[index],
    "index_select": lambda x, dim, index: x[index_at(x, dim, np.atleast_1d(index))] if x.ndim else x,
    "gather": gather,
    "take": lambda x, index: x.reshape(-1)[index],
    "take_along_dim": take_along,
    "index_add": index_add,
    "index_copy": index_copy,
    "index_fill": index_fill,
    "scatter_add": scatter_add,
    "sort": sort,
    "msort": lambda x: np.sort(x, axis=0) if x.ndim else x,
    "masked_select": lambda x, mask: np.broadcast_to(x, np.broadcast_shapes(x.shape, mask.shape))[
        np.broadcast_to(mask, np.broadcast_shapes(x.shape, mask.shape))
    ],
    "nn.functional.embedding": embedding,
    "argsort": lambda x, dim=-1, descending=False, stable=False: sort(x, dim, descending)[1],
    "select_scatter": lambda x, source, dim, index: tg.set_at(x, index_at(x, dim, index), source),
    "slice_scatter": lambda x, source, dim=0, start=None, end=None, step=1: tg.set_at(
        x, index_at(x, dim, slice(start, end, step)), source
    ),
}

LOSSES = {
    "nn.functional.cross_entropy": cross_entropy,
    "nn.functional.binary_cross_entropy_with_logits": with_logits,
    "nn.functional.mse_loss": lambda x, target, reduction="mean": nn.mse(x, target, reduction=reduction),
    "nn.functional.l1_loss": lambda x, target, reduction="mean": loss(abs(x - target), reduction),
    "nn.functional.smooth_l1_loss": smooth_l1,
    "nn.functional.huber_loss": huber,
    "nn.functional.layer_norm": layer_norm,
}

OPERATIONS = ELEMENTWISE | PAIRS | REDUCTIONS | MATRICES | SHAPES | INDEXING | LOSSES
