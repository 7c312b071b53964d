"""Every function of the table against NumPy's own, for Tensors of each dtype: values, dtypes, shapes, refusals."""

import warnings

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.core.table import TABLE, Primitive

DTYPES = (np.float64, np.float32, np.int64, np.bool_)
SHAPES = ((3, 4), (1, 1), (4,), (1,), (2, 3, 4), (), (3, 3), (2, 1, 3), (0, 3))


def numbers(rng, shape, dtype):
    x = rng.uniform(-3, 3, shape)
    return np.asarray(x > 0) if dtype is np.bool_ else np.asarray(np.rint(x) if dtype is np.int64 else x, dtype)


def axis(rng, x):
    """An axis that x has, or, rarely, one that it has not."""
    return int(rng.integers(-x.ndim - (rng.random() < 0.05), x.ndim or 1))


def axes(rng, x):
    options = [None, axis(rng, x), np.int64(axis(rng, x)), (axis(rng, x),)]
    if x.ndim > 1:
        options += [(0, 1), (-1, 0)]
    return options[rng.integers(len(options))]


def some(rng, **options):
    """Each keyword in half of the calls."""
    return {key: value for key, value in options.items() if rng.random() < 0.5}


def flag(rng):
    return bool(rng.random() < 0.5)


def reduced(rng, x):
    return (x,), some(rng, axis=axes(rng, x), keepdims=flag(rng))


def spread_out(rng, x):
    extra = ("ddof", "correction")[rng.integers(2)]
    return (x,), some(rng, axis=axes(rng, x), keepdims=flag(rng), **{extra: (0, 1, 0.5)[rng.integers(3)]})


def along(rng, x):
    return (x,), some(rng, axis=axis(rng, x))


def along_or_flat(rng, x):
    return (x,), some(rng, axis=(axis(rng, x), None)[rng.integers(2)])


def by_place(rng, x):
    return (x, axis(rng, x), None), {}


def alone(rng, x):
    return (x,), {}


def pair(rng, x):
    other = numbers(rng, (x.shape, (), x.shape[-1:])[rng.integers(3)], DTYPES[rng.integers(4)])
    return ((x, other), (other, x))[rng.integers(2)], {}


def with_number(rng, x):
    number = (2, 0.5, -1.5, 3, True)[rng.integers(5)]
    return ((x, number), (number, x))[rng.integers(2)], {}


def joined(rng, x):
    xs = [x, numbers(rng, x.shape, DTYPES[rng.integers(4)])]
    return (xs if flag(rng) else tuple(xs),), {}


def joined_along(rng, x):
    return (joined(rng, x)[0][0],), some(rng, axis=axis(rng, x), out=None, dtype=None)


def in_parts(rng, x):
    cuts = (2, 3, [1, 2], np.array([1]), [0, -1], [])[rng.integers(6)]
    return (x, cuts), {}


def in_parts_along(rng, x):
    return in_parts(rng, x)[0], some(rng, axis=axis(rng, x))


def weighted(rng, x):
    shape = (x.shape, x.shape[-1:], x.shape[:1])[rng.integers(3)]
    weights = np.abs(numbers(rng, shape, DTYPES[rng.integers(4)]).astype(float)) + 0.5
    options = some(rng, axis=(axis(rng, x), -1, 0, None)[rng.integers(4)], keepdims=flag(rng), returned=flag(rng))
    kinds = (weights, weights.astype(np.float32), np.ones(shape, int))
    return (x,), {**options, **some(rng, weights=kinds[rng.integers(3)])}


def differences(rng, x):
    edge = numbers(rng, (), x.dtype.type)
    return (x,), some(rng, n=int(rng.integers(0, 3)), axis=axis(rng, x), prepend=edge, append=edge)


def appended(rng, x):
    other = numbers(rng, x.shape, DTYPES[rng.integers(4)])
    return (x, (other, 2.5, [1, 2])[rng.integers(3)]), some(rng, axis=axis(rng, x))


def turned(rng, x):
    return (x,), some(rng, k=int(rng.integers(-5, 6)), axes=((0, 1), (1, 0), (-1, -2))[rng.integers(3)])


def rolled(rng, x):
    options = ((1, None), (-2, axis(rng, x)), ((1, 1), (0, 0)), ((1, 2), (0, -1)), (2, (0, -1)), (1, np.int64(0)))
    shift, at = options[rng.integers(len(options))]
    return (x, shift), {} if at is None else {"axis": at}


def bounded(rng, x):
    return (x, (-1, 0.5, None)[rng.integers(3)], (1, 1.5)[rng.integers(2)]), {}


def taken(rng, x):
    places = (0, [0, -1], np.array([[0], [0]]), np.array([], int))
    return (x, places[rng.integers(4)]), some(rng, axis=axis(rng, x), mode="raise")


def in_order(rng, x):
    return (x,), {"kind": "stable", **some(rng, axis=axis(rng, x))}


def offset(rng, x):
    return (x,), some(rng, offset=int(rng.integers(-2, 3)))


def framed(rng, x):
    widths = (0, 1, (1, 2), ((1, 0),), [(1, 2)] * max(x.ndim, 1))[rng.integers(5)]
    return (x, widths), some(rng, mode="constant", constant_values=(0, 2)[rng.integers(2)])


def repeated(rng, x):
    return (x, (2, 0, [2])[rng.integers(3)]), some(rng, axis=axis(rng, x))


def tiled(rng, x):
    return (x, (2, (2,), (1, 2), (2, 1, 2), np.int64(3), np.array([2, 1]))[rng.integers(6)]), {}


def normed(rng, x):
    order = (None, 1, 2, np.inf, -np.inf, "fro")[rng.integers(6)]
    return (x,), some(rng, ord=order, axis=axes(rng, x), keepdims=flag(rng))


def matrix_normed(rng, x):
    return (x,), some(rng, ord="fro", keepdims=flag(rng))


def product_of(rng, x):
    shapes = [x.shape, x.shape[-1:], x.shape[::-1]]
    return (x, numbers(rng, shapes[rng.integers(3)], DTYPES[rng.integers(4)])), {}


def contracted(rng, x):
    return (x, x), {"axes": int(rng.integers(3))}


def moved(rng, x):
    return (x, axis(rng, x), axis(rng, x)), {}


def shaped(rng, x):
    return (x, ((-1,), -1, (x.size,), (1, x.size), np.array([x.size, 1]))[rng.integers(5)]), some(rng, order="C")


def decided(rng, x):
    return (x != 0, x, numbers(rng, x.shape, DTYPES[rng.integers(4)])), {}


WAYS = {
    **dict.fromkeys((np.sum, np.mean, np.prod, np.max, np.min, np.amax, np.amin, np.any, np.all), (reduced, by_place)),
    **dict.fromkeys((np.var, np.std), (spread_out, by_place)),
    np.average: (weighted,),
    **dict.fromkeys((np.cumsum, np.cumprod, np.argmax, np.argmin), (along_or_flat, by_place)),
    np.flip: (along_or_flat,),
    **dict.fromkeys((np.sort, np.argsort), (in_order,)),
    **dict.fromkeys((np.fmax, np.fmin, np.maximum, np.minimum, np.remainder, np.floor_divide), (pair, with_number)),
    **dict.fromkeys((np.add, np.subtract, np.multiply, np.divide, np.power, np.divmod), (pair, with_number)),
    **dict.fromkeys((np.float_power, np.logaddexp, np.hypot), (pair, with_number)),
    **dict.fromkeys((np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.logical_and, np.logical_xor), (pair,)),
    **dict.fromkeys((np.flipud, np.fliplr, np.copy, np.ravel, np.transpose, np.atleast_1d, np.atleast_2d), (alone,)),
    **dict.fromkeys((np.atleast_3d, np.invert, np.squeeze, np.matrix_transpose, np.linalg.matrix_transpose), (alone,)),
    **dict.fromkeys((np.isnan, np.isinf, np.isfinite, np.sign, np.floor, np.sqrt, np.tanh, np.exp), (alone,)),
    **dict.fromkeys((np.absolute, np.negative, np.square, np.ceil, np.rint, np.trunc, np.cbrt, np.arctan), (alone,)),
    **dict.fromkeys((np.round, np.around), (alone, lambda rng, x: ((x, 1), {}))),
    **dict.fromkeys((np.hstack, np.vstack, np.dstack, np.column_stack), (joined,)),
    **dict.fromkeys((np.stack, np.concatenate), (joined, joined_along)),
    **dict.fromkeys((np.split, np.array_split), (in_parts, in_parts_along)),
    **dict.fromkeys((np.hsplit, np.vsplit, np.dsplit), (in_parts,)),
    np.append: (appended,),
    np.diff: (differences,),
    np.rot90: (turned,),
    np.roll: (rolled,),
    np.clip: (bounded,),
    np.take: (taken,),
    **dict.fromkeys((np.diagonal, np.trace, np.linalg.diagonal, np.linalg.trace), (offset,)),
    **dict.fromkeys((np.tril, np.triu, np.diag), (alone, lambda rng, x: ((x, int(rng.integers(-2, 3))), {}))),
    np.pad: (framed,),
    np.repeat: (repeated,),
    np.tile: (tiled,),
    **dict.fromkeys((np.linalg.norm, np.linalg.vector_norm), (normed,)),
    np.linalg.matrix_norm: (matrix_normed,),
    **dict.fromkeys((np.dot, np.inner, np.outer, np.matmul, np.linalg.matmul, np.linalg.outer), (product_of,)),
    **dict.fromkeys((np.vecdot, np.linalg.vecdot), (product_of,)),
    **dict.fromkeys((np.tensordot, np.linalg.tensordot), (product_of, contracted)),
    **dict.fromkeys((np.moveaxis, np.swapaxes), (moved,)),
    np.expand_dims: (along,),
    np.reshape: (shaped,),
    np.where: (decided,),
    **dict.fromkeys((np.shape, np.ndim, np.size, np.zeros_like, np.ones_like), (alone,)),
}

# What NumPy takes, and we refuse: it has no derivative, or none that is written here.
REFUSED = ("cannot be recorded", "has no derivative rule", "are for booleans", "of a 0-d Tensor", "has 0 axes")
# What NumPy refuses, and we take: nothing is lost.
TAKEN = {
    np.linalg.norm: "any number of axes",
    np.linalg.vector_norm: "the largest of no entries is 0, which NumPy 2.0 does not know",
    np.linalg.outer: "any number of axes",
}


def wrapped(tree):
    if isinstance(tree, list | tuple) and any(isinstance(a, np.ndarray) for a in tree):
        return type(tree)(wrapped(a) for a in tree)
    return tg.Tensor(tree) if isinstance(tree, np.ndarray) else tree


def what_comes(function, args, kwargs):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return function(*args, **kwargs)
        except (TypeError, ValueError, IndexError, ZeroDivisionError) as error:
            return error


def assert_alike(ours, theirs, call):
    if isinstance(theirs, tuple | list):
        assert isinstance(ours, tuple | list), call
        assert len(ours) == len(theirs), call
        for a, b in zip(ours, theirs, strict=True):
            assert_alike(a, b, call)
        return
    value = np.asarray(getattr(ours, "data", ours))
    theirs = np.asarray(theirs)
    assert (value.dtype, value.shape) == (theirs.dtype, theirs.shape), call
    close = {"f": 4e-6 if theirs.dtype == np.float32 else 1e-13}.get(theirs.dtype.kind, 0)
    size = 1 + np.max(np.abs(theirs[np.isfinite(theirs)]), initial=0) if theirs.dtype.kind == "f" else 0
    np.testing.assert_allclose(value, theirs, rtol=close, atol=close * size, err_msg=call)


def where_it_is(function):
    return f"linalg.{function.__name__}" if "linalg" in str(getattr(function, "__module__", "")) else function.__name__


@pytest.mark.parametrize("function", WAYS, ids=where_it_is)
def test_a_function_of_tensors_gives_what_numpy_gives_of_arrays(function):
    rng = np.random.default_rng(0)
    compared = 0
    for _ in range(250):
        x = numbers(rng, SHAPES[rng.integers(len(SHAPES))], DTYPES[rng.integers(len(DTYPES))])
        ways = WAYS[function]
        args, kwargs = ways[rng.integers(len(ways))](rng, x)
        call = f"{function.__name__}(*{args}, **{kwargs})"
        theirs = what_comes(function, args, kwargs)
        first = args[0]
        tensors = (wrapped(first) if isinstance(first, np.ndarray | list | tuple) else first, *map(wrapped, args[1:2]))
        tensors = (*tensors, *args[2:]) if function is not np.where else tuple(map(wrapped, args))
        ours = what_comes(function, tensors, kwargs)
        if isinstance(ours, Exception):
            assert "\n" in str(ours) or isinstance(theirs, Exception), f"{call}: {ours}"
            if not isinstance(theirs, Exception):
                assert any(words in str(ours) for words in REFUSED), f"{call}: {ours}, and NumPy gives {theirs}"
            continue
        if isinstance(theirs, Exception):
            assert function in TAKEN, f"{call} gives {ours}, and NumPy says {theirs}"
            continue
        assert_alike(ours, theirs, call)
        compared += 1
    assert compared > 10


# Compared elsewhere: functions of one array are primitives, and these have calls of their own in test_composites.
ELSEWHERE = {np.take_along_axis, np.einsum, np.linalg.slogdet, np.linalg.inv, np.linalg.solve, np.linalg.det}


def test_every_function_that_is_made_of_others_is_compared():
    composite = {f for f, ours in TABLE.items() if not isinstance(ours, Primitive)}
    assert composite - set(WAYS) - ELSEWHERE == {np.full_like, np.empty_like}
