"""Values and derivatives at the corners of operations: equal entries, large numbers, infinities, nothing at all."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn

KINDS = (np.float64, np.float32)


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("ddof", [0, 1])
def test_the_slope_of_a_deviation_is_0_where_all_entries_are_equal(dtype, ddof):
    x = np.array([[1, 2, 4], [3, 3, 3], [0, 0, 0]], dtype)
    found = tg.grad(lambda x: np.std(x, axis=1, ddof=ddof).sum())(x)
    first = (x[0] - x[0].mean()) / ((3 - ddof) * x[0].std(ddof=ddof))
    np.testing.assert_allclose(found, [first, [0, 0, 0], [0, 0, 0]], rtol=4 * np.finfo(dtype).eps)
    assert found.dtype == dtype
    assert tg.grad(np.std)(3.5) == 0
    assert tg.grad(lambda x: x.std())(np.ones(1)).tolist() == [0]
    assert (tg.hessian(np.std)(np.ones(3)) == 0).all()
    assert (tg.jvp(np.std, (np.ones(3),), (np.arange(3.0),))[1] == 0).all()
    assert (tg.compile(lambda x: x.std())(np.ones(3))[1] == 0).all()


@pytest.mark.parametrize("size", [0, 1, -1, -3e3, 1e5, -1e16])
@pytest.mark.parametrize("dtype", KINDS)
def test_the_slopes_of_a_sum_of_exponentials_do_not_depend_on_the_size_of_the_logarithms(dtype, size):
    apart = np.array([0.0, -0.5, 1.25])
    x = (size + apart).astype(dtype)
    exact = x.astype(float) - x.astype(float).max()
    exact = np.exp(exact) / np.exp(exact).sum()
    np.testing.assert_allclose(tg.grad(tg.logsumexp)(x), exact, rtol=8 * np.finfo(dtype).eps)
    a, b = tg.grad(lambda a, b: np.logaddexp(a, b), argnums=(0, 1))(x[0], x[1])
    two = 1 / (1 + np.exp(-(float(x[0]) - float(x[1]))))
    np.testing.assert_allclose([a, b], [two, 1 - two], rtol=8 * np.finfo(dtype).eps)
    second = tg.hessian(tg.logsumexp)(x)
    np.testing.assert_allclose(second, np.diag(exact) - np.outer(exact, exact), atol=8 * np.finfo(dtype).eps)


def test_the_slope_of_a_sum_of_exponentials_at_infinity():
    for x, slope in ((np.inf, 1), (-np.inf, 0)):
        assert tg.grad(lambda x: np.logaddexp(x, 0.0))(x) == slope


@pytest.mark.parametrize("shape", [(2, 0), (0,), (0, 3)])
def test_softmax_and_its_relatives_of_nothing(shape):
    x = tg.Tensor(np.zeros(shape), name="x")
    with tg.Tape() as tape:
        values = [f(x, axis=-1) for f in (tg.softmax, tg.log_softmax)]
        total = tg.logsumexp(x, axis=-1)
    assert [y.shape for y in values] == [shape, shape]
    assert total.shape == shape[:-1]
    assert (total.data == -np.inf).all() if shape[-1] == 0 else total.size == 0
    for y in (*values, total):
        assert tape.gradient(y, x, seed=np.ones(y.shape)).shape == shape


def test_powers_whose_exponent_is_0():
    assert tg.grad(lambda x: np.power(x, np.array([0], np.uint8)).sum())(np.array([1e3])).tolist() == [0]
    assert tg.grad(lambda x: (x ** np.array([2, 0, 200], np.uint8)).sum())(np.array([3.0, 0, 1])).tolist() == [
        6,
        0,
        200,
    ]
    assert tg.grad(lambda x: (x ** np.array([-128], np.int8)).sum())(np.array([1.0])).tolist() == [-128]
    for power in (0, 0.0, np.array(0), np.float64(0)):
        assert tg.grad(tg.grad(lambda x, k=power: x**k))(1e-160) == 0
    slope = tg.grad(lambda b: tg.grad(lambda a: a**b)(tg.Tensor(0.5)))(0.0)
    assert slope == pytest.approx(2)  # d/db of b a^(b - 1) at b = 0: 1 / a


@pytest.mark.parametrize("dtype", KINDS)
def test_set_at_keeps_the_dtype_of_floats_as_assignment_does(dtype):
    x = tg.Tensor(np.ones(3, dtype))
    for value in (2, 2.0, np.float64(2), np.float32(2), [2.0], tg.Tensor(2.0)):
        with tg.Tape() as tape:
            y = tg.set_at(x, 0, value)
        assert y.dtype == dtype
        assert y.data.tolist() == [2, 1, 1]
        assert tape.gradient(y, x, seed=np.ones(3)).tolist() == [0, 1, 1]
    assert tg.set_at(tg.Tensor([1, 2]), 0, 0.5).data.tolist() == [0.5, 2]
    assert tg.add_at(x, [0, 0], [1.0, 2.0]).data.tolist() == [4, 1, 1]


def test_a_table_that_is_an_array_is_read_at_places_that_are_tensors():
    table = np.arange(6.0).reshape(3, 2)
    ids, w = tg.Tensor([0, 2, 0], name="ids"), tg.Tensor([1.0, 2.0], name="w")
    for read in (
        lambda: tg.Tensor(table)[ids],
        lambda: np.take(tg.Tensor(table), ids, axis=0),
        lambda: nn.Embedding(3, 2)({"weight": table}, ids),
        lambda: np.take_along_axis(table, ids.reshape(3, 1) % 2, axis=1) * np.ones(2),
    ):
        with tg.Tape() as outer:
            with tg.Tape() as tape:
                rows = read()
                loss = (rows * w * w).sum()
            slope = tape.gradient(loss, w).sum()
        np.testing.assert_array_equal(tape.gradient(loss, w), (rows.data * 2 * w.data).sum(0))
        np.testing.assert_array_equal(outer.gradient(slope, w), 2 * rows.data.sum(0))
    for take in (lambda: table[ids], lambda: np.take(table, ids, axis=0)):
        with tg.Tape(), pytest.raises(TypeError, match=r"make it a Tensor, tg.Tensor\(array\)\[x\]"):
            take()


def test_a_table_of_an_embedding_may_be_an_array():
    table = np.arange(6.0).reshape(3, 2)
    ids, w = tg.Tensor([0, 2, 0], name="ids"), tg.Tensor([1.0, 2.0], name="w")

    def f(w, ids):
        return (nn.Embedding(3, 2)({"weight": table}, ids) * w).sum()

    np.testing.assert_array_equal(tg.jvp(f, (w.data, ids), (np.ones(2), None))[1], table[[0, 2, 0]].sum())
    np.testing.assert_array_equal(tg.compile(f)(w.data, np.array([0, 2, 0]))[1], table[[0, 2, 0]].sum(0))


def test_remainders_and_whole_quotients_are_those_of_python():
    x, y = np.array([5.5, -5.5, 5.5, -5.5]), np.array([2.0, 2.0, -2.0, -2.0])
    a, b = tg.Tensor(x), tg.Tensor(y)
    with tg.Tape() as tape:
        found = [a % b, a // b, a % 2, 7.5 % b, 7.5 // b, *divmod(a, b), *divmod(7.5, b)]
    expected = [x % y, x // y, x % 2, 7.5 % y, 7.5 // y, *divmod(x, y), *divmod(7.5, y)]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours.data, theirs)
    ones = np.ones(4)
    assert tape.gradient(found[0], a, seed=ones).tolist() == [1, 1, 1, 1]
    assert tape.gradient(found[0], b, seed=ones).tolist() == [-2, 3, 3, -2]
    assert tape.gradient(found[1], b, seed=ones).tolist() == [0, 0, 0, 0]
    value, gradient = tg.compile(lambda b: ((7.5 % b) * (7.5 // b)).sum())(y)
    assert value == np.sum((7.5 % y) * (7.5 // y))
    np.testing.assert_array_equal(gradient, -((7.5 // y) ** 2))


# x, x Phi(x) and its derivative, to 17 digits, computed with mpmath at 200 bits.
GELU = [
    (-30.0, -1.472014178144456e-196, -4.416031690708495e-195),
    (-8.0, -4.976768459417427e-15, -3.979607261086796e-14),
    (-2.5, -0.015524163314440337, -0.03761108590814521),
    (-1.0, -0.15865525393145705, -0.0833154705876863),
    (-0.001, -0.000499601057786089, 0.4992021157051586),
    (0.0, 0.0, 0.5),
    (0.5, 0.34573123063700656, 0.8674951246561629),
    (1.7, 1.6242387133104768, 1.1153179687821648),
    (3.0, 2.99595030590511, 1.011945647204184),
]


@pytest.mark.parametrize(("x", "value", "slope"), GELU)
def test_gelu_is_exact_to_rounding_far_out_too(x, value, slope):
    assert tg.gelu(np.float64(x)) == pytest.approx(value, rel=5e-16, abs=0)
    assert tg.grad(tg.gelu)(x) == pytest.approx(slope, rel=1e-15, abs=0)
    assert tg.jvp(tg.gelu, (x,), (1.0,))[1] == pytest.approx(slope, rel=1e-15, abs=0)
    density = np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
    assert tg.grad(tg.grad(tg.gelu))(x) == pytest.approx(density * (2 - x * x), rel=1e-13, abs=0)
    single = np.float32(x)
    assert tg.gelu(single).dtype == np.float32
    assert tg.gelu(single) == pytest.approx(value, rel=2e-7 * max(1, x * x))
    compiled, gradient = tg.compile(lambda x: tg.gelu(x).sum())(np.array([x, 1.0]))
    assert compiled == pytest.approx(value + tg.gelu(np.float64(1.0)))
    assert gradient[0] == pytest.approx(slope, rel=1e-15, abs=0)


def test_gelu_of_large_and_of_no_numbers():
    assert tg.gelu(np.array([50.0, -50.0, 1e300])).tolist() == [50, 0, 1e300]
    assert np.isnan(tg.gelu(np.array(np.nan)))
    assert tg.gelu(np.zeros((0, 2))).shape == (0, 2)
    assert tg.gelu(2) == tg.gelu(2.0)


def test_a_copy_is_a_tensor_of_its_own_through_which_gradients_flow():
    x = tg.Tensor([1.0, 2.0], name="x")
    with tg.Tape() as tape:
        copies = [x.copy(), np.copy(x), x.copy(order="K")]
        y = sum((c * c).sum() for c in copies)
    assert tape.gradient(y, x).tolist() == [6, 12]
    assert all(c is not x and c.name is None for c in copies)
    mask = (x > 1).copy()
    assert mask.data.tolist() == [False, True]


def test_booleans_beside_floats_and_alone():
    x = np.array([1.0, -2.0])
    (doubled, mask), _ = tg.vjp(lambda x: (x * 2, x > 0), x)
    assert doubled.tolist() == [2, -4]
    assert mask.tolist() == [True, False]
    assert mask.dtype == bool
    (_, mask), (moved, still) = tg.jvp(lambda x: (x * 2, x > 0), (x,), (x,))
    assert moved.tolist() == [2, -4]
    assert not still.any()
    _, back = tg.vjp(lambda x: (x * x, x > 0, np.argmax(x)), x)
    assert back((np.ones(2), np.ones(2, bool), 1))[0].tolist() == [2, -4]
    for call in (tg.jacobian(lambda x: x > 0), tg.grad(lambda x: (x > 0).any()), tg.compile(lambda x: (x > 0).all())):
        with pytest.raises(TypeError, match="is bool\nonly floats have a gradient"):
            call(x)


def test_numbers_and_arrays_side_by_side():
    one, two = tg.Tensor(1.0), tg.Tensor([2.0, 3.0])
    for join, values in (
        (np.hstack, ([one, one], [one, two], [two, 4.0], two)),
        (np.vstack, ([one, one], [two, two], two)),
        (np.column_stack, ([one, one], [two, two], two)),
        (np.dstack, ([one, one], [two, two])),
    ):
        for xs in values:
            plain = [getattr(x, "data", x) for x in xs]
            np.testing.assert_array_equal(join(xs).data, join(plain))


def test_a_value_leaves_a_transform_as_an_array_that_may_be_written():
    x = np.ones(2)
    value, _ = tg.value_and_grad(np.sum)(x)
    value += 1
    assert value == 3
    for found in (tg.vjp(np.tanh, x)[0], tg.jvp(np.tanh, (x,), (x,))[0]):
        found[:] = 0
    assert x.tolist() == [1, 1]


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("distance", [0.25, 1e-3, 1e-5])
@pytest.mark.parametrize("name", ["arcsin", "arccos", "arctanh", "arccosh"])
def test_the_slopes_of_inverse_functions_keep_their_digits_beside_1(name, distance, dtype):
    for side in (1, -1) if name != "arccosh" else (-1,):
        x = dtype(side * (1 - distance)) if name != "arccosh" else dtype(1 + distance)
        exact = np.longdouble(x)
        inside = (1 - exact) * (1 + exact)
        slopes = {"arcsin": 1 / np.sqrt(abs(inside)), "arctanh": 1 / inside}
        slopes |= {"arccos": -slopes["arcsin"], "arccosh": slopes["arcsin"]}
        found = tg.grad(getattr(np, name))(x)
        np.testing.assert_allclose(found, float(slopes[name]), rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize(("dtype", "sizes"), [(np.float64, (1e-200, 1.0, 1e200)), (np.float32, (1e-25, 1.0, 1e25))])
def test_the_slopes_of_an_angle_do_not_depend_on_the_size_of_the_vector(dtype, sizes):
    for size in sizes:
        a, b = dtype(3 * size), dtype(4 * size)
        found = tg.grad(np.arctan2, argnums=(0, 1))(a, b)
        square = np.longdouble(a) ** 2 + np.longdouble(b) ** 2
        right = [float(b / square), float(-a / square)]
        np.testing.assert_allclose(found, right, rtol=8 * np.finfo(dtype).eps)


def test_a_number_is_reduced_over_an_axis_as_numpy_does():
    for axis in (0, -1):
        for reduce in (np.prod, np.sum, np.max, np.min):
            assert tg.grad(lambda x, axis=axis, reduce=reduce: reduce(x, axis=axis))(3.0) == 1


def test_elu_takes_a_list():
    np.testing.assert_array_equal(tg.elu([-1.0, 2.0]), [np.expm1(-1.0), 2.0])


@pytest.mark.parametrize("order", ["C", "A", "K"])
def test_a_copy_in_an_order_that_asks_for_nothing_else(order):
    x = tg.Tensor(np.arange(6.0).reshape(2, 3), name="x")
    with tg.Tape() as tape:
        y = np.copy(x, order=order) * x.copy(order)
    assert tape.gradient(y, x, seed=np.ones((2, 3))).tolist() == (2 * x.data).tolist()
