"""Every primitive over generated shapes: broadcasting, 0-d, empty, axes of length 1, negative axes; two dtypes.

For each: the value, by NumPy or the definition; the first and second derivatives in both modes, by `check_grads`; the
dot product <u, J v> = <J^T u, v>; dtype and shape of everything.
"""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from samples import BY_DEFINITION, EXPECTED, NO_GRADIENT, OURS

import tinygrad_rnn as tg
from tinygrad_rnn.core.table import PRIMITIVES
from tinygrad_rnn.transforms.forward import pushforward

SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
FULL = hnp.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=3)
WITH_AXES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=3)
SEEDS = st.integers(0, 10**6)

POSITIVE, ABOVE_ONE, WITHIN_ONE, SIGNED = "0.3 to 2", "1.3 to 3", "-0.8 to 0.8", "-2 to -0.3 and 0.3 to 2"
DOMAIN = {
    **dict.fromkeys(("log", "log2", "log10", "log1p", "sqrt", "power", "divide", "reciprocal"), POSITIVE),
    **dict.fromkeys(("arcsin", "arccos", "arctanh", "tan"), WITHIN_ONE),
    "arccosh": ABOVE_ONE,
}


def drawn(draw, shape, domain=SIGNED):
    """Entries in general position: no two alike, none at a corner of any operation."""
    rng = np.random.default_rng(draw(SEEDS))
    if domain == SIGNED:
        return np.asarray(rng.uniform(0.3, 2, shape) * rng.choice([-1, 1], shape))
    low, high = {POSITIVE: (0.3, 2), ABOVE_ONE: (1.3, 3), WITHIN_ONE: (-0.8, 0.8)}[domain]
    return np.asarray(rng.uniform(low, high, shape))


def axis_of(draw, ndim):
    return draw(st.integers(-ndim, ndim - 1))


def elementwise(count):
    def calls(draw, name):
        shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=count, max_dims=3, min_side=0, max_side=3))
        return [drawn(draw, shape, DOMAIN.get(name, SIGNED)) for shape in shapes.input_shapes], {}

    return calls


def reduction(shapes):
    def calls(draw, name):
        shape = draw(shapes)
        axes = st.none()
        if shape:
            axes = axes | st.integers(-len(shape), len(shape) - 1) | hnp.valid_tuple_axes(len(shape), min_size=1)
        return [drawn(draw, shape)], {"axis": draw(axes), "keepdims": draw(st.booleans())}

    return calls


def along_an_axis(draw, name):
    shape = draw(WITH_AXES)
    return [drawn(draw, shape)], {"axis": axis_of(draw, len(shape))}


def bare(draw, name):
    return [drawn(draw, draw(SHAPES), DOMAIN.get(name, SIGNED))], {}


def of_logic(count):
    def calls(draw, name):
        args, _ = elementwise(count)(draw, name)
        return [a > 0 for a in args], {}

    return calls


def chosen_where(draw, name):
    (condition, a, b), _ = elementwise(3)(draw, name)
    return [condition > 0, a, b], {}


def with_alpha(draw, name):
    return [drawn(draw, draw(SHAPES))], {"alpha": draw(st.floats(0.1, 2))}


def bounded(draw, name):
    return [drawn(draw, draw(SHAPES))], {"low": -9, "high": 9, "refusal": "{} to {}"}


def cast(draw, name):
    return [drawn(draw, draw(SHAPES))], {"dtype": np.dtype(float)}


def reshaped(draw, name):
    x = drawn(draw, draw(SHAPES))
    return [x, draw(st.permutations([*x.shape, 1]).map(tuple) | st.just((x.size,)))], {}


def transposed(draw, name):
    x = drawn(draw, draw(SHAPES))
    order = draw(st.permutations(range(x.ndim)))
    return [x, draw(st.sampled_from([tuple(order), tuple(k - x.ndim for k in order), None]))], {}


def two_axes(draw, name):
    shape = draw(WITH_AXES)
    return [drawn(draw, shape), axis_of(draw, len(shape)), axis_of(draw, len(shape))], {}


def broadcast(draw, name):
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=3))
    return [drawn(draw, shapes.input_shapes[0]), shapes.result_shape], {}


def expanded(draw, name):
    x = drawn(draw, draw(SHAPES))
    return [x, draw(st.integers(-x.ndim - 1, x.ndim) | st.just((0, -1)))], {}


def squeezed(draw, name):
    x = drawn(draw, draw(SHAPES))
    ones = [k for k, n in enumerate(x.shape) if n == 1]
    axes = [None, tuple(ones), *ones, *(k - x.ndim for k in ones)]
    return [x], {"axis": draw(st.sampled_from(axes))}


def stacked(draw, name):
    shape = draw(SHAPES)
    count = draw(st.integers(1, 3))
    return [drawn(draw, shape) for _ in range(count)], {"axis": axis_of(draw, len(shape) + 1)}


def joined(draw, name):
    shape = draw(WITH_AXES)
    axis = axis_of(draw, len(shape))
    lengths = draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    before, after = shape[: axis % len(shape)], shape[axis % len(shape) + 1 :]
    return [drawn(draw, (*before, n, *after)) for n in lengths], {"axis": axis}


def an_index(draw, shape):
    basic = hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True).map(
        lambda index: index if isinstance(index, tuple) else (index,)
    )
    kinds = [basic]
    if shape and 0 not in shape:
        places = hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(max_dims=2, max_side=3))
        kinds += [places, hnp.arrays(bool, shape).map(lambda mask: (mask,))]
    return draw(st.one_of(kinds))


def indexed(draw, name):
    x = drawn(draw, draw(SHAPES))
    return [x, *an_index(draw, x.shape)], {}


def assigned(draw, name):
    x = drawn(draw, draw(SHAPES))
    index = draw(hnp.basic_indices(x.shape, allow_newaxis=True, allow_ellipsis=True))
    index = index if isinstance(index, tuple) else (index,)
    part = np.shape(x[index])
    value = drawn(draw, draw(st.sampled_from([part, part[1:], ()])))
    return [x, value, *index], {}


def scattered(draw, name):
    shape = draw(SHAPES)
    args, lengths = [], []
    for _ in range(draw(st.integers(1, 2))):
        index = an_index(draw, shape)
        args += [drawn(draw, np.shape(np.zeros(shape)[index])), *index]
        lengths.append(len(index))
    return args, {"lengths": tuple(lengths), "shape": shape, "dtype": np.dtype(float)}


def matrices(draw, name):
    shapes = hnp.mutually_broadcastable_shapes(signature=np.matmul.signature, max_dims=1, min_side=0, max_side=3)
    return [drawn(draw, shape) for shape in draw(shapes).input_shapes], {}


def pairs_of_reals(draw, name):
    shapes = hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=2, min_side=0, max_side=3)
    return [drawn(draw, (*shape, 2)) for shape in draw(shapes).input_shapes], {}


def by_letters(draw, name):
    """Terms of up to three letters, repeated ones too, and a result of some of them."""
    length = {letter: draw(st.integers(0, 3)) for letter in "ijk"}
    terms = draw(st.lists(st.text("ijk", max_size=3), min_size=1, max_size=3))
    result = draw(
        st.permutations(sorted(set("".join(terms)))).flatmap(lambda p: st.integers(0, len(p)).map(lambda n: p[:n]))
    )
    args = [drawn(draw, tuple(length[c] for c in term)) for term in terms]
    return args, {"subscripts": f"{','.join(terms)}->{''.join(result)}"}


def square(draw, name):
    n = draw(st.integers(1, 3))
    batch = draw(hnp.array_shapes(min_dims=0, max_dims=1, min_side=0, max_side=2))
    return [drawn(draw, (*batch, n, n)) + 4 * np.eye(n)], {}


def system(draw, name):
    (a,), _ = square(draw, name)
    n = a.shape[-1]
    shapes = [(n, 2), (n, 1)] if a.ndim > 2 else [(n,), (n, 2), (2, n, 2)]
    return [a, drawn(draw, draw(st.sampled_from(shapes)))], {}


UFUNCS = {name: PRIMITIVES[name].function for name in OURS if isinstance(PRIMITIVES[name].function, np.ufunc)}
CALLS = {
    **{name: bare if ufunc.nin == 1 else elementwise(2) for name, ufunc in UFUNCS.items()},
    **dict.fromkeys(("normal_cdf", "normal_pdf", "sigmoid", "relu", "softplus", "round", "detach"), bare),
    **dict.fromkeys(("logical_and", "logical_or", "logical_xor"), of_logic(2)),
    "logical_not": of_logic(1),
    "where": chosen_where,
    "elu": with_alpha,
    "in_range": bounded,
    "astype": cast,
    **dict.fromkeys(("sum", "prod", "norm"), reduction(SHAPES)),
    **dict.fromkeys(("mean", "max", "min", "logsumexp"), reduction(FULL)),
    **dict.fromkeys(("softmax", "log_softmax", "cumsum", "argsort", "argmax", "argmin"), along_an_axis),
    "reshape": reshaped,
    "transpose": transposed,
    "swapaxes": two_axes,
    "broadcast_to": broadcast,
    "expand_dims": expanded,
    "squeeze": squeezed,
    "stack": stacked,
    "concatenate": joined,
    "getitem": indexed,
    "set_at": assigned,
    "scatter": scattered,
    "matmul": matrices,
    "complex_multiply": pairs_of_reals,
    "einsum": by_letters,
    **dict.fromkeys(("inv", "det", "logabsdet", "sign_of_det"), square),
    "solve": system,
}


def test_every_primitive_is_generated():
    assert set(CALLS) == set(OURS)


@pytest.mark.parametrize("name", OURS)
@given(data=st.data())
@settings(max_examples=15, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_value_derivatives_modes_and_dtypes(name, data):
    op = PRIMITIVES[name]
    args, kwargs = CALLS[name](data.draw, name)
    where = [k for k, a in enumerate(args) if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
    expected = np.asarray({**EXPECTED, **BY_DEFINITION}[name](*args, **kwargs))

    def f(*xs):
        every = list(args)
        for k, x in zip(where, xs, strict=True):
            every[k] = x
        return op(*every, **kwargs)

    xs = [tg.Tensor(args[k]) for k in where]
    with tg.Tape() as tape:
        y = op(*args, **kwargs) if not xs else f(*xs)
    if not xs:
        np.testing.assert_array_equal(y, expected)
        return
    np.testing.assert_allclose(y.data, expected, rtol=1e-12, atol=1e-13)
    assert (y.shape, y.dtype, type(y.data)) == (expected.shape, expected.dtype, np.ndarray)
    if y.dtype.kind != "f":
        return

    rng = np.random.default_rng(0)
    u, v = rng.standard_normal(y.shape), {x: rng.standard_normal(x.shape) for x in xs}
    gradients = tape.gradient(y, xs, seed=u)
    (moved,) = pushforward(tape, v, [y])
    assert moved.shape == y.shape
    assert [g.shape for g in gradients] == [x.shape for x in xs]
    back = sum(np.sum(g * v[x]) for g, x in zip(gradients, xs, strict=True))
    size = sum(np.sum(np.abs(g * v[x])) for g, x in zip(gradients, xs, strict=True)) + np.sum(np.abs(u * moved))
    assert abs(np.sum(u * moved) - back) <= 1e-13 * size

    if name not in NO_GRADIENT:
        tg.check_grads(f, [args[k] for k in where])

    single = [tg.Tensor(args[k].astype(np.float32)) for k in where]
    kwargs = {**kwargs, "dtype": np.dtype(np.float32)} if "dtype" in kwargs else kwargs
    with tg.Tape() as tape:
        y = f(*single)
    assert y.dtype == np.float32
    assert {g.dtype for g in tape.gradient(y, single, seed=u)} == {np.dtype(np.float32)}
    (moved,) = pushforward(tape, {x: rng.standard_normal(x.shape) for x in single}, [y])
    assert moved.dtype == np.float32
