"""NumPy's functions that are made of primitives: values and derivatives are NumPy's."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.engine.check import central_differences, random_direction
from tinygrad_rnn.engine.tensor import TABLE, Primitive

RNG = np.random.default_rng(0)
A, B, ROW, CUBE = (RNG.standard_normal(shape) for shape in ((3, 4), (3, 4), (4,), (2, 3, 4)))

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
]


def leaves(args):
    return [a for arg in args for a in (arg if isinstance(arg, list) else [arg]) if isinstance(a, np.ndarray)]


def mapped(args, new):
    """The arguments with each array replaced by the next of `new`."""
    new = iter(new)

    def one(a):
        return next(new) if isinstance(a, np.ndarray) else a

    return [[one(a) for a in arg] if isinstance(arg, list) else one(arg) for arg in args]


@pytest.mark.parametrize(("function", "args", "kwargs"), CALLS, ids=lambda v: getattr(v, "__name__", ""))
def test_value_and_derivative(function, args, kwargs):
    arrays = leaves(args)
    xs = [tg.Tensor(a) for a in arrays]
    expected = np.array(function(*args, **kwargs))
    seed = np.random.default_rng(1).standard_normal(expected.shape)
    with tg.Tape() as tape:
        result = function(*mapped(args, xs), **kwargs)
        y = np.stack(result) if isinstance(result, list) else result
    assert type(y) is tg.Tensor
    np.testing.assert_allclose(y.data, expected, rtol=1e-14, atol=1e-15)
    for k, (x, gradient) in enumerate(zip(xs, tape.gradient(y, xs, seed=seed), strict=True)):
        v = random_direction(np.random.default_rng(2), x.shape)

        def loss(value, k=k):
            return np.sum(np.array(function(*mapped(args, [*arrays[:k], value, *arrays[k + 1 :]]), **kwargs)) * seed)

        numeric = central_differences(loss, x.data, v, 1e-3)
        assert np.sum(gradient * v) == pytest.approx(numeric.value, rel=1e-9, abs=1e-9)


def test_every_function_of_the_table_that_is_no_primitive_is_tested_here_or_gives_plain_values():
    plain = {np.shape, np.ndim, np.size, np.zeros_like, np.ones_like, np.empty_like, np.full_like}
    composite = {function for function, ours in TABLE.items() if not isinstance(ours, Primitive)}
    assert composite - plain == {function for function, _, _ in CALLS}


def test_a_product_of_batches_is_left_to_matmul():
    with pytest.raises(ValueError, match="more than two axes\nuse a @ b"):
        np.dot(tg.Tensor(CUBE), CUBE)
