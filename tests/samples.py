"""For every primitive some calls, and what they must give: NumPy's function of that name, or the definition."""

import math
from itertools import product

import numpy as np

from tinygrad_rnn.core.table import PRIMITIVES, TABLE, Primitive

RNG = np.random.default_rng(0)
A, B, COLUMN, ROW = (RNG.uniform(0.3, 2, shape) for shape in ((3, 4), (3, 4), (3, 1), (4,)))
SIGNED = A * np.where(RNG.random((3, 4)) < 0.5, -1, 1)
MASK = RNG.random((3, 4)) < 0.5
CUBE = RNG.standard_normal((2, 3, 4))
WITH_ZEROS = A * [[1, 0, 1, 1], [0, 1, 0, 1], [1, 1, 1, 1]]
SQUARES = RNG.standard_normal((2, 3, 3)) + 2 * np.eye(3)
KEEP = {"keepdims": True}
REDUCTIONS = [
    ((CUBE,), dict(zip(("axis", "keepdims"), o, strict=True))) for o in product((None, 0, -1, (0, 2)), (False, True))
]
REDUCTIONS += [((A,), {"axis": (-1, -2)}), ((np.array(0.7),), {})]
ELEMENTWISE = [((A,), {}), ((np.array(0.7),), {}), ((np.ones((0, 3)),), {})]
PAIRS = [
    ((A, B), {}),
    ((COLUMN, ROW), {}),
    ((A, 1.5), {}),
    ((1.5, A), {}),
    ((np.array(0.7), A), {}),
    ((ROW, CUBE + 3), {}),
]

# For each primitive some calls: the positional arguments, of which the float arrays are differentiated, and the others.
SAMPLES = {
    **dict.fromkeys(("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "reciprocal"), ELEMENTWISE),
    **{key: [((SIGNED,), {})] for key in ("cbrt", "arctan", "sinh", "cosh", "arcsinh")},
    **{key: [((SIGNED / 3,), {})] for key in ("tan", "arcsin", "arccos", "arctanh")},
    **{key: [((SIGNED, B), {}), ((COLUMN, -ROW), {})] for key in ("logaddexp", "hypot", "arctan2")},
    **{key: [((SIGNED,), {})] for key in ("floor", "ceil", "rint", "isfinite", "isnan")},
    **{key: [((SIGNED,), {})] for key in ("positive", "softplus", "trunc", "isinf", "round")},
    **{key: [((3 * SIGNED,), {}), ((np.array(0.7),), {})] for key in ("normal_cdf", "normal_pdf")},
    **{key: [((SIGNED, B), {}), ((COLUMN, -ROW), {}), ((SIGNED, 0.7), {})] for key in ("remainder", "floor_divide")},
    "elu": [((SIGNED,), {"alpha": 1.0}), ((SIGNED,), {"alpha": 0.3})],
    "argsort": [((SIGNED,), {}), ((CUBE,), {"axis": 0})],
    "prod": [*REDUCTIONS, ((WITH_ZEROS,), {"axis": 1}), ((WITH_ZEROS,), {})],
    "norm": [(args, {"axis": None, "keepdims": False, **kwargs}) for args, kwargs in REDUCTIONS],
    "einsum": [
        ((A, B), {"subscripts": "ij,kj->ik"}),
        ((CUBE, A, B), {"subscripts": "tij,ij,kj->tk"}),
        ((SQUARES,), {"subscripts": "bii->b"}),
    ],
    "complex_multiply": [
        ((CUBE[..., :2], CUBE[..., 2:]), {}),
        ((A[:, :2], CUBE[..., 1:3]), {}),
        ((A[:, :2], ROW[:2]), {}),
    ],
    "inv": [((SQUARES,), {}), ((SQUARES[0],), {})],
    "det": [((SQUARES,), {}), ((SQUARES[0],), {})],
    "logabsdet": [((SQUARES,), {})],
    "sign_of_det": [((SQUARES,), {})],
    "solve": [((SQUARES[0], A), {}), ((SQUARES[0], A[:, 0]), {}), ((SQUARES, A), {}), ((SQUARES[0], SQUARES), {})],
    "set_at": [
        ((A, ROW, 1), {}),
        ((A, np.array(0.7), slice(None), slice(0, 4, 2)), {}),
        ((CUBE, A[:2, :2], 1, slice(0, 2), np.array([3, 0])), {}),
        ((A, B[MASK], MASK), {}),
        ((A, np.array(0.7), 0, 2), {}),
    ],
    "arccosh": [((A + 1,), {})],
    "argmin": [((A,), {}), ((A,), {"axis": 1})],
    **{name: [((SIGNED,), {})] for name in ("negative", "square", "tanh", "sin", "cos", "absolute", "sigmoid", "relu")},
    **dict.fromkeys(("add", "subtract", "multiply", "divide", "power", "maximum", "minimum"), PAIRS),
    **dict.fromkeys(("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"), PAIRS[:2]),
    **{name: [((MASK, ~MASK), {})] for name in ("logical_and", "logical_or", "logical_xor")},
    "logical_not": [((MASK,), {})],
    "sign": [((SIGNED,), {})],
    "argmax": [((A,), {}), ((A,), {"axis": 1})],
    "detach": [((A,), {})],
    "in_range": [((A,), {"low": 0, "high": 9, "refusal": "{} to {}"})],
    "cumsum": [((CUBE,), {"axis": k}) for k in (0, -1)],
    "min": REDUCTIONS,
    "where": [((MASK, A, B), {}), ((MASK, ROW, 0.5), {}), ((MASK, COLUMN, ROW), {})],
    "astype": [((A,), {"dtype": np.dtype(np.float64)})],
    "reshape": [((A, (2, 6)), {}), ((A, -1), {}), ((A, (1, 12)), {})],
    "transpose": [((A,), {}), ((CUBE, (2, 0, 1)), {}), ((CUBE, (-1, 0, 1)), {})],
    "swapaxes": [((CUBE, 0, -1), {})],
    "broadcast_to": [((ROW, (3, 4)), {}), ((COLUMN, (2, 3, 4)), {})],
    "expand_dims": [((A, 1), {}), ((A, (0, -1)), {})],
    "squeeze": [((COLUMN,), {}), ((COLUMN[None],), {"axis": 0})],
    "stack": [((A, B), {"axis": 0}), ((A, B), {"axis": -1}), ((A, B, A), {"axis": 1})],
    "concatenate": [((A, B[:1]), {"axis": 0}), ((COLUMN, A), {"axis": -1})],
    "sum": REDUCTIONS,
    "mean": REDUCTIONS,
    "max": REDUCTIONS,
    "logsumexp": REDUCTIONS,
    "softmax": [((CUBE,), {"axis": k}) for k in (0, 1, -1)],
    "log_softmax": [((CUBE,), {"axis": k}) for k in (0, 1, -1)],
    "matmul": [
        ((a, b), {})
        for a, b in (
            (A, A.T),
            (ROW, ROW),
            (A, ROW),
            (ROW, A.T),
            (CUBE, ROW),
            (CUBE, A.T),
            (ROW, CUBE.swapaxes(1, 2)),
            (CUBE, CUBE.swapaxes(1, 2)),
            (A, CUBE.swapaxes(1, 2)),
            (CUBE[:, None], CUBE.swapaxes(1, 2)),
        )
    ],
    "getitem": [
        ((CUBE, *index), {})
        for index in (
            (1,),
            (slice(None), -1),
            (slice(None, None, -1), slice(0, 3, 2)),
            (Ellipsis, 2),
            (None, 0, None),
            (np.array([0, 1, 1, 0, 0]),),
            (np.array([[0], [1]]), np.array([2, 2])),
            (CUBE > 0,),
            (slice(None), np.array([True, False, True])),
            (np.array(1), None, slice(2)),
            ((0, 1, 0),),
            (),
        )
    ],
    "scatter": [
        ((A, 1, B, slice(0, 1)), {"lengths": (1, 1), "shape": (2, 3, 4), "dtype": np.dtype(float)}),
        ((ROW, np.array([1, 1, 0, 1])), {"lengths": (1,), "shape": (3,), "dtype": np.dtype(float)}),
    ],
}
NO_GRADIENT = {n for n, op in PRIMITIVES.items() if not op.variadic and not any(op.vjps)}
OURS = [name for name in PRIMITIVES if not name.startswith(("doctest_", "test_"))]


def added_up(*args, lengths, shape, dtype):
    out = np.zeros(shape, dtype)
    numbers = np.arange(out.size).reshape(shape)
    args = list(args)
    for length in lengths:
        g, index, args = args[0], tuple(args[1 : 1 + length]), args[1 + length :]
        for number, value in zip(numbers[index].ravel(), g.ravel(), strict=True):
            out.flat[number] += value
    return out


def as_pairs(z):
    return np.stack([z.real, z.imag], axis=-1)


def assigned(x, value, *index):
    out = x.copy()
    out[index] = value
    return out


# What each primitive must compute: NumPy's function, or its definition.
EXPECTED = {op.name: function for function, op in TABLE.items() if isinstance(op, Primitive)}
BY_DEFINITION = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "relu": lambda x: np.where(x > 0, x, 0),
    "softmax": lambda x, axis: np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True),
    "log_softmax": lambda x, axis: x - np.log(np.exp(x).sum(axis=axis, keepdims=True)),
    "logsumexp": lambda x, axis=None, keepdims=False: np.log(np.exp(x).sum(axis=axis, keepdims=keepdims)),
    "stack": lambda *xs, axis: np.stack(xs, axis),
    "concatenate": lambda *xs, axis: np.concatenate(xs, axis),
    "getitem": lambda x, *index: x[index],
    "cumsum": np.cumsum,
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "elu": lambda x, alpha: np.where(x > 0, x, alpha * (np.exp(x) - 1)),
    "normal_cdf": lambda x: np.vectorize(math.erfc, otypes=[float])(-x / math.sqrt(2)) / 2,
    "normal_pdf": lambda x: np.exp(-x * x / 2) / math.sqrt(2 * math.pi),
    "norm": lambda x, axis, keepdims: np.sqrt((x * x).sum(axis=axis, keepdims=keepdims)),
    "einsum": lambda *operands, subscripts: np.einsum(subscripts, *operands),
    "complex_multiply": lambda a, b: as_pairs((a[..., 0] + 1j * a[..., 1]) * (b[..., 0] + 1j * b[..., 1])),
    "logabsdet": lambda x: np.log(np.abs(np.linalg.det(x))),
    "sign_of_det": lambda x: np.sign(np.linalg.det(x)),
    "set_at": assigned,
    "scatter": added_up,
    "astype": lambda x, dtype: np.array(x, dtype),
    "detach": np.array,
    "in_range": lambda x, low, high, refusal: np.array(x),
}


def floats(args):
    """Which of the positional arguments are differentiated: the arrays of floats."""
    return [k for k, a in enumerate(args) if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
