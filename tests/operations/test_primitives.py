"""Every primitive is tested by being registered: its value, its first and its second derivative."""

import numpy as np
import pytest
from samples import BY_DEFINITION, CUBE, EXPECTED, NO_GRADIENT, OURS, SAMPLES, floats

import tinygrad_rnn as tg
from tinygrad_rnn.core.table import PRIMITIVES
from tinygrad_rnn.operations.activations import log_softmax, softmax
from tinygrad_rnn.transforms.numerical import central_differences, complex_step, random_direction

CALLS = [pytest.param(n, *call, id=f"{n}-{k}") for n in OURS for k, call in enumerate(SAMPLES.get(n, ()))]


@pytest.mark.parametrize(("name", "args", "kwargs"), CALLS)
def test_a_primitive_computes_what_numpy_or_its_definition_says(name, args, kwargs):
    expected = {**EXPECTED, **BY_DEFINITION}[name](*args, **kwargs)
    tensors = [tg.Tensor(a) if isinstance(a, np.ndarray) else a for a in args]
    found = [PRIMITIVES[name](*tensors, **kwargs), PRIMITIVES[name](*args, **kwargs)]
    if name in EXPECTED:
        found.append(EXPECTED[name](*tensors, **kwargs))
        assert type(found[-1]) is tg.Tensor
    for value in found:
        np.testing.assert_allclose(np.asarray(value), expected, rtol=1e-13, atol=1e-15)
        assert value.dtype == expected.dtype
        assert value.shape == expected.shape


@pytest.mark.parametrize(("name", "args", "kwargs"), [c for c in CALLS if c.values[0] not in NO_GRADIENT])
def test_the_second_derivative_in_all_arguments_and_the_seed_together(name, args, kwargs):
    op, rng, where = PRIMITIVES[name], np.random.default_rng(3), floats(args)
    seed = rng.standard_normal(np.shape(op.function(*args, **kwargs)))
    values = [*(args[k] for k in where), seed]
    v = [random_direction(rng, value.shape) for value in values[:-1]]
    w = [random_direction(rng, value.shape) for value in values]

    def slope(xs):
        all_args = list(args)
        for k, x in zip(where, xs, strict=False):
            all_args[k] = x
        with tg.Tape() as tape:
            y = op(*all_args, **kwargs)
        found = tape.gradient(y, xs[:-1], seed=xs[-1])
        return sum((g * d).sum() for g, d in zip(found, v, strict=True))

    xs = [tg.Tensor(value) for value in values]
    with tg.Tape() as outer:
        total = slope(xs)
    second = sum(np.sum(g * d) for g, d in zip(outer.gradient(total, xs), w, strict=True))

    def along(e):
        return slope([tg.Tensor(value + e * d) for value, d in zip(values, w, strict=True)])

    numeric = central_differences(along, np.array(0.0), np.array(1.0), 1e-3)
    assert second == pytest.approx(numeric.value, rel=1e-7, abs=1e-7)


def test_every_primitive_has_a_sample_and_every_sample_a_primitive():
    assert set(SAMPLES) == set(OURS)


def replaced(args, k, value):
    return [value if j == k else a for j, a in enumerate(args)]


@pytest.mark.parametrize(("name", "args", "kwargs"), CALLS)
def test_value_first_and_second_derivative(name, args, kwargs):
    op = PRIMITIVES[name]
    expected = op.function(*args, **kwargs)
    seed, rng = np.random.default_rng(1).standard_normal(np.shape(expected)), np.random.default_rng(2)
    for k in floats(args):
        x, v = tg.Tensor(args[k], name="x"), random_direction(rng, args[k].shape)
        all_tensors = [tg.Tensor(a) if isinstance(a, np.ndarray) else a for a in args]
        with tg.Tape() as outer:
            with tg.Tape() as tape:
                y = op(*replaced(all_tensors, k, x), **kwargs)
            np.testing.assert_array_equal(y.data, expected)
            assert type(y.data) is np.ndarray
            if y.dtype.kind != "f":
                break
            first = tape.gradient(y, x, seed=seed)
            slope = (first * v).sum()
        assert first.shape == x.shape

        def loss(value, k=k):
            return np.sum(op.function(*replaced(args, k, value), **kwargs) * seed)

        def slope_at(value, k=k, v=v):
            z = tg.Tensor(value)
            with tg.Tape() as inner:
                y = op(*replaced(args, k, z), **kwargs)
            return np.sum(inner.gradient(y, z, seed=seed) * v)

        if name in NO_GRADIENT:
            assert not first.data.any()
            continue
        exact = op.analytic and args[k].size
        numeric = complex_step(loss, args[k], v) if exact else central_differences(loss, args[k], v, 1e-3)
        scale = np.abs(first.data * v).sum() + 1e-300
        assert abs(slope.item() - numeric.value) <= (1e-13 if exact else 1e-8) * max(scale, 1)
        w = random_direction(rng, args[k].shape)
        second = np.sum(outer.gradient(slope, x) * w)
        numeric = central_differences(slope_at, args[k], w, 1e-3)
        assert second == pytest.approx(numeric.value, rel=1e-7, abs=1e-7)


@pytest.mark.parametrize(("name", "args", "kwargs"), CALLS)
def test_float32_in_float32_out_and_float32_back(name, args, kwargs):
    kwargs = {**kwargs, "dtype": np.dtype(np.float32)} if "dtype" in kwargs else kwargs
    single = [a.astype(np.float32) if k in floats(args) else a for k, a in enumerate(args)]
    for k in floats(args):
        x = tg.Tensor(single[k])
        with tg.Tape() as tape:
            y = PRIMITIVES[name](*replaced(single, k, x), **kwargs)
        if y.dtype.kind == "f":
            assert y.dtype == np.float32
            seed = np.ones(y.shape)
            assert tape.gradient(y, x, seed=seed).dtype == np.float32
            with tg.Tape():
                assert tape.gradient(y, x, seed=seed).dtype == np.float32


def gradient(f, *values):
    xs = [tg.Tensor(v) for v in values]
    with tg.Tape() as tape:
        y = f(*xs)
    found = tape.gradient(y, xs, seed=np.ones(y.shape))
    return found[0] if len(xs) == 1 else found


def test_ties_are_shared():
    a, b = gradient(np.maximum, [1.0, 2.0, 3.0], [1.0, 5.0, 0.0])
    assert a.tolist() == [0.5, 0, 1]
    assert b.tolist() == [0.5, 1, 0]
    a, b = gradient(np.minimum, [1.0, 2.0, 3.0], [1.0, 5.0, 0.0])
    assert a.tolist() == [0.5, 1, 0]
    assert b.tolist() == [0.5, 0, 1]
    assert gradient(lambda x: x.max(), [2.0, 5.0, 5.0]).tolist() == [0, 0.5, 0.5]
    assert gradient(tg.relu, [-1.0, 0.0, 2.0]).tolist() == [0, 0, 1]
    assert gradient(np.abs, [-1.0, 0.0, 2.0]).tolist() == [-1, 0, 1]


def test_powers_of_zero():
    assert gradient(lambda x: x**0, [0.0, 2.0]).tolist() == [0, 0]
    assert gradient(lambda x: x**1, [0.0, 2.0]).tolist() == [1, 1]
    assert gradient(lambda x: x**2, [0.0, 2.0]).tolist() == [0, 4]
    assert gradient(lambda b: 0.0**b, [2.0]).tolist() == [0]
    assert gradient(lambda b: 2.0**b, [3.0]) == pytest.approx(8 * np.log(2), rel=1e-15)


@pytest.mark.parametrize("big", [1e4, -1e4])
def test_softmax_and_its_relatives_are_exact_at_large_logits(big):
    logits = np.array([[big, 0.0, big - 1], [0.0, big, big]])
    exact = np.array([[np.exp(-1)], [1.0]])
    p = np.hstack([1 / (1 + exact), exact / (1 + exact)])
    if big > 0:
        np.testing.assert_allclose(softmax(logits)[0, [0, 2]], p[0], rtol=1e-15)
        np.testing.assert_allclose(log_softmax(logits)[0, [0, 2]], np.log(p[0]), rtol=1e-14)
        assert tg.logsumexp(logits, axis=-1)[1] == pytest.approx(big + np.log(2), rel=1e-15)
    for f in (softmax, log_softmax, tg.logsumexp):
        assert np.isfinite(f(logits)).all()
        assert np.isfinite(gradient(lambda x, f=f: f(x, axis=-1), logits)).all()
    assert tg.sigmoid(np.array([-1e4, 0, 1e4])).tolist() == [0, 0.5, 1]
    assert tg.logsumexp(np.array([-np.inf, -np.inf])) == -np.inf if big > 0 else True


def test_repeated_indices_add_up():
    assert gradient(lambda x: x[np.array([0, 2, 0, 0])], [1.0, 2.0, 3.0]).tolist() == [3, 0, 1]
    assert gradient(lambda x: x[[0, 2, 0, 0]], [1.0, 2.0, 3.0]).tolist() == [3, 0, 1]


def test_an_index_may_be_a_tensor_and_is_an_input_of_its_own():
    x, k = tg.Tensor([1.0, 2.0, 3.0]), tg.Tensor([0, 2, 0])
    with tg.Tape() as tape:
        y = x[k] * 2
    assert y.data.tolist() == [2, 6, 2]
    assert tape.gradient(y, x, seed=np.ones(3)).tolist() == [4, 0, 2]
    again, new = tape.rerun({k: [1, 1, 1]})
    assert new[y].data.tolist() == [4, 4, 4]
    assert again.gradient(new[y], x, seed=np.ones(3)).tolist() == [0, 6, 0]


def test_split_gives_the_parts_that_numpy_gives():
    x = tg.Tensor(CUBE)
    for cuts, axis in ((2, 0), (3, 1), ([1, 3], -1), ([2], 2)):
        for ours, theirs in zip(np.split(x, cuts, axis), np.split(CUBE, cuts, axis), strict=True):
            np.testing.assert_array_equal(ours.data, theirs)


def test_comparisons_are_recorded_so_that_a_rerun_makes_the_mask_anew():
    x = tg.Tensor([1.0, -2.0])
    with tg.Tape() as tape:
        y = (np.where(x > 0, x * x, -x)).sum()
    assert tape.gradient(y, x).tolist() == [2, -1]
    again, new = tape.rerun({x: [-3.0, 4.0]})
    assert new[y].item() == 3 + 16
    assert again.gradient(new[y], new[x]).tolist() == [-1, 8]


def test_a_primitive_of_ones_own_in_one_statement():
    cube = tg.primitive(lambda x: x**3, lambda g, y, x: g * (3 * x * x), name="test_cube")
    x = tg.Tensor([2.0])
    with tg.Tape() as outer:
        with tg.Tape() as tape:
            y = cube(x)
        first = tape.gradient(y, x)
    assert first.data.tolist() == [12]
    assert outer.gradient(first, x).tolist() == [12]
    assert cube(np.array(2.0)) == 8
    with pytest.raises(ValueError, match="the name 'test_cube' is taken"):
        tg.primitive(lambda x: x, name="test_cube")


@pytest.mark.parametrize("shift", [1e4, -1e4])
def test_softmax_and_its_relatives_do_not_see_a_shift_of_the_logits(shift):
    z = np.array([[0.0, 1.0, -2.0], [3.0, 3.0, -1.0]])
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(softmax(z + shift), p, rtol=1e-14)
    np.testing.assert_allclose(log_softmax(z + shift), np.log(p), rtol=1e-13)
    np.testing.assert_allclose(tg.logsumexp(z + shift, axis=1), shift + np.log(np.exp(z).sum(axis=1)), rtol=1e-15)
    np.testing.assert_allclose(gradient(lambda x: tg.logsumexp(x, axis=1), z + shift), p, rtol=1e-11)
    np.testing.assert_allclose(gradient(lambda x: log_softmax(x)[:, 0], z + shift), np.eye(3)[[0, 0]] - p, rtol=1e-11)
    np.testing.assert_allclose(
        gradient(lambda x: softmax(x)[:, 1], z + shift), p[:, 1:2] * (np.eye(3)[[1, 1]] - p), rtol=1e-11
    )


def test_equal_maxima_along_an_axis_share():
    x = [[1.0, 4.0, 4.0], [7.0, 4.0, 2.0]]
    assert gradient(lambda x: x.max(axis=0), x).tolist() == [[0, 0.5, 1], [1, 0.5, 0]]
    assert gradient(lambda x: x.max(axis=1, keepdims=True), x).tolist() == [[0, 0.5, 0.5], [1, 0, 0]]
    assert gradient(lambda x: x.max(), [[2.0, 2.0], [2.0, 2.0]]).tolist() == [[0.25, 0.25], [0.25, 0.25]]


def test_a_power_of_nothing():
    a, b = gradient(np.power, [0.0, 0.0, 2.0], [0.0, 3.0, 0.0])
    assert a.tolist() == [0, 0, 0]
    assert b.tolist() == [0, 0, np.log(2)]


@pytest.mark.parametrize("index", [((0, 2, 0, 0),), (range(3),), ([True, False, True],), ([0, 0], [1, 1])])
def test_an_index_may_be_any_sequence_that_numpy_takes(index):
    x, g = np.arange(9.0).reshape(3, 3), np.zeros((3, 3))
    seed = 1 + np.arange(float(x[index].size)).reshape(x[index].shape)
    np.add.at(g, index, seed)
    t = tg.Tensor(x)
    with tg.Tape() as tape:
        y = t[index]
    np.testing.assert_array_equal(y.data, x[index])
    np.testing.assert_array_equal(tape.gradient(y, t, seed=seed), g)


def test_a_mask_that_is_a_tensor_is_made_anew_by_a_rerun():
    x = tg.Tensor([1.0, -2.0, 3.0])
    with tg.Tape() as tape:
        y = (x[x > 0] ** 2).sum()
    assert tape.gradient(y, x).tolist() == [2, 0, 6]
    again, new = tape.rerun({x: [-1.0, 5.0, -3.0]})
    assert new[y].item() == 25
    assert again.gradient(new[y], new[x]).tolist() == [0, 10, 0]


@pytest.mark.parametrize(("cuts", "axis"), [(2, 0), (3, 1), ([1, 3], -1), ([2], 2), ([-1], 1)])
def test_the_parts_of_a_split_send_their_gradients_to_where_they_were(cuts, axis):
    weights = np.random.default_rng(4).standard_normal(CUBE.shape)
    x = tg.Tensor(CUBE)
    with tg.Tape() as tape:
        parts = np.split(x, cuts, axis)
        y = sum((part * w).sum() for part, w in zip(parts, np.split(weights, cuts, axis), strict=True))
    np.testing.assert_array_equal(tape.gradient(y, x), weights)


def test_concatenate_without_an_axis_joins_flat():
    a, b = tg.Tensor([[1.0, 2.0], [3.0, 4.0]]), tg.Tensor([5.0])
    seed = np.array([6.0, 7.0, 8.0, 9.0, 10.0])
    with tg.Tape() as tape:
        y = np.concatenate([a, b], axis=None)
    assert y.data.tolist() == [1, 2, 3, 4, 5]
    found = tape.gradient(y, [a, b], seed=seed)
    assert [g.tolist() for g in found] == [[[6, 7], [8, 9]], [10]]


@pytest.mark.parametrize("compare", [np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal])
def test_a_comparison_is_a_bool_tensor_without_gradient_that_a_rerun_makes_anew(compare):
    first, second = np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])
    x = tg.Tensor(first)
    with tg.Tape() as tape:
        mask = compare(x, 2.0)
        y = (mask * x).sum()
    assert type(mask) is tg.Tensor
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask.data, compare(first, 2.0))
    np.testing.assert_array_equal(tape.gradient(y, x), compare(first, 2.0).astype(float))
    again, new = tape.rerun({x: second})
    np.testing.assert_array_equal(new[mask].data, compare(second, 2.0))
    np.testing.assert_array_equal(again.gradient(new[y], new[x]), compare(second, 2.0).astype(float))
