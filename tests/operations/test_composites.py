"""NumPy's functions that are made of primitives: values and derivatives are NumPy's."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.core.table import TABLE, Primitive
from tinygrad_rnn.transforms.numerical import central_differences, random_direction

RNG = np.random.default_rng(0)
A, B, ROW, CUBE = (RNG.standard_normal(shape) for shape in ((3, 4), (3, 4), (4,), (2, 3, 4)))
SQUARE, SQUARE4 = RNG.standard_normal((3, 3)), RNG.standard_normal((4, 4))
ZEROS = A * [[1, 0, 1, 1], [0, 1, 0, 1], [1, 1, 1, 0]]

CALLS = [
    (np.ravel, (A,), {}),
    (np.moveaxis, (CUBE, 0, -1), {}),
    (np.moveaxis, (CUBE, -1, 1), {}),
    (np.flip, (A,), {}),
    (np.flip, (CUBE,), {"axis": (0, -1)}),
    (np.flip, (CUBE, 1), {}),
    (np.roll, (A, 1), {"axis": 0}),
    (np.roll, (CUBE, -5, 2), {}),
    (np.repeat, (A, 3), {"axis": 1}),
    (np.var, (A,), {}),
    (np.var, (CUBE,), {"axis": (0, 2), "keepdims": True}),
    (np.std, (CUBE,), {"axis": 1}),
    (np.clip, (A, -0.5, 0.7), {}),
    (np.outer, (ROW, A[:, 0]), {}),
    (np.dot, (A, ROW), {}),
    (np.dot, (ROW, ROW), {}),
    (np.dot, (A, B.T), {}),
    (np.dot, (A, 2.0), {}),
    (np.stack, ([A, B],), {"axis": 1}),
    (np.concatenate, ([A, B],), {"axis": None}),
    (np.hstack, ([A, B],), {}),
    (np.hstack, ([ROW, ROW],), {}),
    (np.vstack, ([A, ROW],), {}),
    (np.split, (A, 2), {"axis": 1}),
    (np.moveaxis, (CUBE, (0, 2), (1, 0)), {}),
    (np.moveaxis, (CUBE, (0, -1), (-1, -2)), {}),
    (np.roll, (CUBE, 5), {}),
    (np.roll, (CUBE, (1, -2)), {"axis": (0, 2)}),
    (np.repeat, (A, 2), {}),
    (np.repeat, (A, [0, 2, 1]), {"axis": 0}),
    (np.tile, (A, 2), {}),
    (np.tile, (CUBE, (3, 1, 2, 1)), {}),
    (np.tile, (CUBE, (2, 2)), {}),
    (np.atleast_1d, (np.array(0.7),), {}),
    (np.atleast_1d, (A,), {}),
    (np.atleast_2d, (ROW,), {}),
    (np.atleast_2d, (CUBE,), {}),
    (np.cumsum, (A,), {}),
    (np.cumsum, (CUBE, 1), {}),
    (np.cumprod, (A,), {}),
    (np.cumprod, (CUBE, -2), {}),
    (np.cumprod, (ZEROS,), {"axis": 1}),
    (np.linalg.norm, (A,), {}),
    (np.linalg.norm, (A, "fro"), {}),
    (np.linalg.norm, (CUBE,), {"axis": -1, "keepdims": True}),
    (np.linalg.norm, (CUBE,), {"axis": (0, 2)}),
    (np.linalg.norm, (ROW, 2), {}),
    (np.linalg.norm, (ROW, 1), {}),
    (np.linalg.norm, (A, np.inf), {"axis": 1}),
    (np.clip, (A, None, 0.7), {}),
    (np.outer, (A, ROW), {}),
    (np.dot, (CUBE, CUBE.swapaxes(1, 2)), {}),
    (np.dot, (ROW, CUBE.swapaxes(1, 2)), {}),
    (np.dot, (CUBE, ROW), {}),
    (np.inner, (A, B), {}),
    (np.inner, (ROW, CUBE), {}),
    (np.inner, (A, 2.0), {}),
    (np.tensordot, (A, B.T), {"axes": 1}),
    (np.tensordot, (A, B), {}),
    (np.tensordot, (CUBE, A, ([1, 2], [0, 1])), {}),
    (np.tensordot, (CUBE, A, (2, -1)), {}),
    (np.tensordot, (ROW, ROW), {"axes": 0}),
    (np.diagonal, (A,), {}),
    (np.diagonal, (CUBE, 1, 2, 0), {}),
    (np.diagonal, (A, -2), {}),
    (np.trace, (A,), {"offset": 1}),
    (np.trace, (CUBE,), {"axis1": 1, "axis2": 2}),
    (np.diag, (ROW,), {}),
    (np.diag, (ROW, -2), {}),
    (np.diag, (ROW, 1), {}),
    (np.diag, (A, 1), {}),
    (np.tril, (CUBE,), {}),
    (np.tril, (A, 1), {}),
    (np.triu, (CUBE, -1), {}),
    (np.take, (A, [0, 5, 5]), {}),
    (np.take, (CUBE, [[0, 2], [2, 2]]), {"axis": 1}),
    (np.take, (CUBE, 1, -1), {}),
    (np.take_along_axis, (A, np.argsort(A, axis=1)), {"axis": 1}),
    (np.take_along_axis, (CUBE, np.array([[[1, 1, 0, 2]]])), {"axis": 1}),
    (np.take_along_axis, (A, np.array([3, 3, 1])), {"axis": None}),
    (np.sort, (A,), {}),
    (np.sort, (CUBE,), {"axis": 0}),
    (np.sort, (CUBE,), {"axis": None}),
    (np.pad, (A, 1), {}),
    (np.pad, (A, (1, 2)), {"constant_values": 3.0}),
    (np.pad, (CUBE, ((0, 1), (2, 0), (1, 1))), {"mode": "constant"}),
    (np.einsum, ("ij,kj->ik", A, B), {}),
    (np.einsum, ("ij , jk", A, B.T), {}),
    (np.einsum, ("ij->", A), {}),
    (np.einsum, ("ba", A), {}),
    (np.einsum, ("ii->i", SQUARE), {}),
    (np.einsum, ("ii", SQUARE), {}),
    (np.einsum, ("iij,j->ij", CUBE[:, :2], ROW), {}),
    (np.einsum, ("iii->", np.stack([SQUARE] * 3)), {}),
    (np.einsum, ("i,j,k->kij", ROW, A[0], B[1]), {}),
    (np.einsum, ("...i,i->...", CUBE, ROW), {}),
    (np.einsum, ("...ij,...kj", CUBE, A), {}),
    (np.einsum, ("tbi,ij,tbj->", CUBE, SQUARE4, CUBE), {}),
    (np.einsum, ("ij,ij->j", A, B[:1]), {}),
    (np.einsum, ("ij,ij->j", A[:, :1], B), {}),
    (np.einsum, ("ij,j->", A, ROW[:1]), {}),
    (np.einsum, (",ij->ji", np.array(2.0), A), {}),
    (np.linalg.slogdet, (SQUARE,), {}),
    (np.var, (CUBE,), {"axis": (0, 2), "ddof": 1}),
    (np.var, (CUBE,), {"axis": 1, "correction": 0.5, "keepdims": True}),
    (np.std, (CUBE,), {"axis": 0, "ddof": 1}),
    (np.std, (ROW,), {}),
    (np.average, (A,), {}),
    (np.average, (A,), {"axis": 1, "weights": np.exp(ROW)}),
    (np.average, (CUBE,), {"axis": (2, 0), "weights": np.exp(CUBE[:, 0].T), "keepdims": True}),
    (np.average, (CUBE,), {"weights": np.exp(CUBE)}),
    (np.copy, (A,), {}),
    (np.column_stack, ([A, ROW[:3], A[:, :1]],), {}),
    (np.dstack, ([A, B],), {}),
    (np.dstack, ([ROW, A[0]],), {}),
    (np.dstack, ([CUBE, CUBE[..., :1]],), {}),
    (np.hstack, ([np.array(0.3), ROW, np.array(0.7)],), {}),
    (np.append, (A, ROW), {}),
    (np.append, (A, B[:1]), {"axis": 0}),
    (np.array_split, (ROW, 3), {}),
    (np.array_split, (A, 2), {"axis": 1}),
    (np.hsplit, (A, 2), {}),
    (np.hsplit, (ROW, [2]), {}),
    (np.vsplit, (A, 3), {}),
    (np.dsplit, (CUBE, 2), {}),
    (np.flipud, (A,), {}),
    (np.fliplr, (CUBE,), {}),
    *[(np.rot90, (CUBE, k), {"axes": axes}) for k in (-1, 0, 1, 2, 3) for axes in ((0, 1), (2, 1))],
    (np.diff, (A,), {}),
    (np.diff, (CUBE, 2), {"axis": 1}),
    (np.diff, (A,), {"axis": 0, "prepend": 0.3, "append": ROW[None]}),
    (np.diff, (A,), {"n": 0}),
    (np.fmax, (A, B), {}),
    (np.fmax, (A, np.where(B > 0, np.nan, B)[:1].tolist()[0]), {}),
    (np.fmin, (A, ROW), {}),
    (np.float_power, (np.exp(A), ROW), {}),
    (np.divmod, (A, 0.3), {}),
    (np.divmod, (A, np.exp(B)), {}),
    (np.roll, (A, (1, 1)), {"axis": (0, 0)}),
    (np.atleast_3d, (A,), {}),
    (np.atleast_3d, (ROW,), {}),
    (np.linalg.norm, (A,), {"ord": 2, "axis": (0,)}),
    (np.linalg.norm, (A,), {"ord": 1, "axis": np.int64(0)}),
    (np.linalg.norm, (A,), {"ord": -np.inf, "axis": 1}),
    (np.linalg.vector_norm, (CUBE,), {"axis": (0, 2)}),
    (np.linalg.vector_norm, (CUBE,), {"ord": 1, "keepdims": True}),
    (np.linalg.matrix_norm, (CUBE,), {}),
    (np.linalg.diagonal, (CUBE,), {"offset": 1}),
    (np.linalg.trace, (CUBE,), {}),
    (np.linalg.outer, (ROW, A[:, 0]), {}),
    (np.linalg.tensordot, (A, B), {}),
    (np.linalg.vecdot, (CUBE, A), {}),
    (np.vecdot, (CUBE, ROW), {}),
    (np.linalg.matrix_transpose, (CUBE,), {}),
    (np.matrix_transpose, (CUBE,), {}),
    (np.pad, (np.array(0.7), 0), {}),
    (np.tril, (ROW,), {}),
    (np.einsum, ("ij,jk,kl->il", A, A.T, B), {"optimize": True}),
    (np.sort, (A,), {"kind": "stable"}),
]

BOOLEAN = {np.any, np.all, np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert}
"""Functions that give booleans, which have no gradient."""


def is_input(a):
    return isinstance(a, np.ndarray) and a.dtype.kind == "f"


def leaves(args):
    return [a for arg in args for a in (arg if isinstance(arg, list) else [arg]) if is_input(a)]


def mapped(args, new):
    """The arguments with each array replaced by the next of `new`."""
    new = iter(new)

    def one(a):
        return next(new) if is_input(a) else a

    return [[one(a) for a in arg] if isinstance(arg, list) else one(arg) for arg in args]


def as_one(result):
    """The parts of a split as one array."""
    if not isinstance(result, list):
        return np.array(result)
    return np.concatenate([np.reshape(part, (-1,)) for part in result])


@pytest.mark.parametrize(("function", "args", "kwargs"), CALLS, ids=lambda v: getattr(v, "__name__", ""))
def test_value_and_derivative(function, args, kwargs):
    arrays = leaves(args)
    xs = [tg.Tensor(a) for a in arrays]
    pick = (lambda result: result[1]) if function in (np.linalg.slogdet, np.divmod) else lambda result: result
    expected = as_one(pick(function(*args, **kwargs)))
    seed = np.random.default_rng(1).standard_normal(expected.shape)
    with tg.Tape() as tape:
        result = pick(function(*mapped(args, xs), **kwargs))
        y = as_one(result) if isinstance(result, list) else 1.0 * result  # some give x itself
    assert type(y) is tg.Tensor
    np.testing.assert_allclose(y.data, expected, rtol=1e-13, atol=1e-14)
    for k, (x, gradient) in enumerate(zip(xs, tape.gradient(y, xs, seed=seed), strict=True)):
        v = random_direction(np.random.default_rng(2), x.shape)

        def loss(value, k=k):
            changed = mapped(args, [*arrays[:k], value, *arrays[k + 1 :]])
            return np.sum(as_one(pick(function(*changed, **kwargs))) * seed)

        numeric = central_differences(loss, x.data, v, 1e-3)
        assert np.sum(gradient * v) == pytest.approx(numeric.value, rel=1e-9, abs=1e-9)


def test_every_function_of_the_table_that_is_no_primitive_is_tested_here_or_gives_plain_values():
    plain = {np.shape, np.ndim, np.size, np.zeros_like, np.ones_like, np.empty_like, np.full_like}
    composite = {function for function, ours in TABLE.items() if not isinstance(ours, Primitive)}
    assert composite - plain - BOOLEAN == {function for function, _, _ in CALLS}
