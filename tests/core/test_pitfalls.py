"""Numbers that were once wrong in silence, or could be: each against differences, a closed form, or NumPy."""

import gc
import weakref

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.transforms.numerical import central_differences

RNG = np.random.default_rng(0)


def test_one_vector_solved_with_a_batch_of_matrices():
    for batch in (2, 3):
        a, b = RNG.standard_normal((batch, 2, 2)) + 3 * np.eye(2), RNG.standard_normal(2)
        weight = RNG.standard_normal((batch, 2))
        tg.check_grads(lambda a, b, w=weight: np.linalg.solve(a, b) * w, (a, b))


def test_mixed_derivatives_of_a_power_where_the_exponent_is_zero():
    a, b = 2.0, 0.0
    exact = [[0, 1 / a], [1 / a, np.log(a) ** 2]]
    np.testing.assert_allclose(tg.hessian(lambda p: p[0] ** p[1])(np.array([a, b])), exact, rtol=1e-13, atol=1e-15)
    third = tg.grad(lambda b: tg.grad(tg.grad(lambda a: a**b))(2.0))(1.0)
    assert third == pytest.approx(0.5, rel=1e-14)  # (2b - 1) a^(b - 2) + b (b - 1) a^(b - 2) log a, at b = 1


def test_a_hook_sees_the_complete_cotangent_whatever_is_asked_for():
    u, w, three = tg.Tensor(1.0, name="u"), tg.Tensor(1.0, name="w"), tg.Tensor(3.0)
    with tg.Tape() as tape:
        z = tg.named("z", three * 2)
        loss = (z * 5.0 + z * u + z * 3.0) * w
    seen = []
    tape.hook(lambda entry, g: seen.append(g.item()), "z")
    tape.gradient(loss, [w, three])
    tape.gradient(loss, [w, u, three])
    assert seen == [9, 9]
    tape.gradient(loss, w)
    assert seen == [9, 9]  # z does not lead to w


def test_add_at_promotes_as_numpy_does():
    assert tg.add_at(tg.Tensor([1, 2, 3]), 0, 1.5).data.tolist() == [2.5, 2, 3]
    single = tg.Tensor(np.ones(3, np.float32))
    assert tg.add_at(single, 0, np.float64(1.0) * np.ones(())).dtype == np.float64
    assert tg.add_at(single, 0, 1.0).dtype == np.float32
    assert tg.set_at(tg.Tensor([1, 2, 3]), 0, 1.5).data.tolist() == [1.5, 2, 3]
    assert tg.grad(lambda v: tg.add_at(tg.Tensor([1, 2]), 0, v).sum())(0.5) == 1


@pytest.mark.parametrize("update", [tg.set_at, tg.add_at])
def test_a_value_with_leading_ones_goes_where_numpy_lets_it(update):
    value = RNG.standard_normal((1, 3))
    found = update(tg.Tensor(np.zeros((2, 3))), 0, tg.Tensor(value))
    np.testing.assert_array_equal(found.data, [value[0], np.zeros(3)])
    tg.check_grads(lambda x, v: update(x, 0, v), (np.ones((2, 3)), value))


def test_tuples_and_lists_are_operands_like_arrays():
    x = np.array([0.0, 3.0])
    assert tg.grad(lambda x: (x ** (0, 2)).sum())(x).tolist() == [0, 6]
    np.testing.assert_allclose(tg.grad(lambda x: ((0.0, 2.0) ** x).sum())(np.array([2.0, 3.0])), [0, 8 * np.log(2)])
    tg.check_grads(lambda x: x @ (1.0, 2.0), (x,))
    tg.check_grads(lambda x: np.concatenate([x, (1.0, 2.0)]), (x,))
    tg.check_grads(lambda x: np.stack([x, (1.0, 2.0)]), (x,))
    tg.check_grads(lambda x: np.expand_dims(x, [0, 1]), (x,))
    leaf = tg.Tensor(x)
    with tg.Tape() as tape:
        y = np.expand_dims(leaf, [0, 1])
    assert tape.rerun({leaf: x + 1})[1][y].shape == (1, 1, 2)


def test_a_matrix_is_an_array_and_a_masked_array_is_refused():
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.matrix([[1.0, 2.0], [3.0, 4.0]])
    seed = np.array([[1.0, 10.0], [100.0, 1000.0]])
    x = tg.Tensor(np.ones((2, 2)))
    with tg.Tape() as tape:
        y = x * matrix
    np.testing.assert_array_equal(tape.gradient(y, x, seed=seed), seed * np.asarray(matrix))
    with pytest.raises(TypeError, match="masked"):
        x * np.ma.masked_less(np.ones((2, 2)), 2)


def test_small_types_do_not_wrap_around():
    assert np.linalg.norm(tg.Tensor(np.array([100, 100], np.int8))).item() == pytest.approx(np.sqrt(20000))
    many = np.ones(70_000, np.float16)
    np.testing.assert_allclose(tg.grad(np.mean)(many), 1 / 70_000, rtol=1e-2)
    np.testing.assert_allclose(tg.grad(np.max)(many), 1 / 70_000, rtol=1e-2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_tail_of_a_sigmoid_is_exact(dtype):
    x = np.array([-80.0, -40, -33, -17, -15, -1, 0, 1, 15, 40], dtype)
    exact = np.array([float(1 / (1 + np.exp(-np.longdouble(v)))) for v in x])
    np.testing.assert_allclose(tg.sigmoid(x), exact, rtol=4 * np.finfo(dtype).eps)
    slope = np.array([float(1 / (1 + np.exp(-np.longdouble(v)))) for v in x])
    np.testing.assert_allclose(tg.grad(lambda x: tg.softplus(x).sum())(x), slope, rtol=4 * np.finfo(dtype).eps)
    np.testing.assert_allclose(tg.grad(lambda x: np.log(tg.sigmoid(x)).sum())(x[:5]), 1, rtol=1e-4)
    assert tg.sigmoid(dtype(-1e4)) == 0
    np.testing.assert_allclose(tg.grad(lambda x: np.expm1(x).sum())(x[:5]), np.exp(x[:5]), rtol=1e-6)


def test_axes_that_are_not_there_are_refused():
    x = tg.Tensor(np.ones((2, 3)))
    for call in (
        lambda: np.cumsum(x, axis=7),
        lambda: np.cumprod(x, axis=-3),
        lambda: np.flip(x, 2),
        lambda: np.take(x, [0], axis=5),
        lambda: np.moveaxis(x, 7, 0),
        lambda: np.tensordot(x, x, axes=([5], [0])),
        lambda: np.roll(x, 1, axis=9),
        lambda: np.repeat(x, 2, axis=9),
        lambda: np.cumsum(tg.Tensor(1.0), axis=1),
        lambda: np.moveaxis(tg.Tensor(1.0), 0, 0),
        lambda: np.repeat(x, [1, 2, 3], axis=0),
        lambda: np.moveaxis(x, (0, 1), 0),
    ):
        with pytest.raises((ValueError, IndexError), match=r"\w+: .*\n"):
            call()


def test_empty_indices_and_tuples_of_them():
    x = tg.Tensor([1.0, 2.0, 3.0])
    assert x[[]].shape == (0,)
    assert tg.set_at(x, [], np.zeros(0)).data.tolist() == [1, 2, 3]
    assert np.take(x, (2,)).shape == (1,)
    assert np.take(x, (2, 0, 2)).data.tolist() == [3, 1, 3]


def test_the_mean_over_nothing_has_a_gradient_of_nothing():
    assert tg.grad(lambda x: x.mean(axis=1).sum())(np.ones((0, 3))).shape == (0, 3)


def test_backward_leaves_alone_what_the_loss_does_not_depend_on():
    x, other = tg.Tensor(2.0), tg.Tensor(3.0)
    with tg.Tape() as tape:
        loss = x * x
        other * 2
    loss.backward()
    assert len(tape) == 2
    assert x.grad == 4
    assert other.grad is None


def test_a_jacobian_has_one_dtype_however_it_was_made():
    x = np.ones(3, np.float32)
    for rows in (1, 2, 6):
        assert tg.jacobian(lambda x, n=rows: np.ones((n, 3)) @ x)(x).dtype == np.float32


def test_a_cotangent_may_come_in_another_order_of_keys():
    _, back = tg.vjp(lambda x: {"a": x, "b": 2 * x}, 1.0)
    assert back({"b": 1.0, "a": 10.0})[0] == 12


def test_the_inner_of_two_scopes_counts():
    from tinygrad_rnn.tape.steps import steps

    x = tg.Tensor(1.0)
    with tg.Tape() as tape, tg.scope(t=0), tg.scope(t=1):
        tg.named("y", x * 2)
    assert steps(tape) == {1: [0]}
    assert tape.find("y", t=1).item() == 2


@pytest.mark.parametrize("options", [{}, {"lines": True}, {"check_finite": True}])
def test_a_tape_is_freed_at_once(options):
    gc.disable()
    try:
        x = tg.Tensor(1.0)
        with tg.Tape(**options) as tape:
            y = x * 2
        kept = weakref.ref(tape)
        del tape
        assert kept() is None
        assert y.item() == 2
    finally:
        gc.enable()


def test_what_nobody_asked_for_does_not_stop_a_watched_walk():
    x, n = tg.Tensor([-1.0, 2.0]), tg.Tensor([2, 3])
    with tg.Tape(check_finite=True) as tape:
        loss = (x**n).sum()
    np.testing.assert_array_equal(tape.gradient(loss, x), [-2, 12])
    with tg.Tape(check_finite=True) as tape:
        loss = (x ** tg.Tensor([2.0, 3.0])).sum()
    np.testing.assert_array_equal(tape.gradient(loss, x), [-2, 12])


def test_a_bad_seed_is_said_to_have_come_in():
    x = tg.Tensor([1.0, 2.0])
    with tg.Tape(check_finite=True) as tape:
        y = x * 2
    with pytest.raises(FloatingPointError, match=r"it came in with the cotangent, an array .*: look at the seed"):
        tape.gradient(y, x, seed=np.array([np.nan, 1]))


def test_logic_on_booleans_by_operators():
    x = tg.Tensor([-1.0, 0.5, 2.0])
    assert ((x > 0) & (x < 1)).data.tolist() == [False, True, False]
    assert ((x < 0) | (x > 1)).data.tolist() == [True, False, True]
    assert ((x > 0) ^ np.array([True, True, False])).data.tolist() == [True, False, True]
    assert (~(x > 0)).data.tolist() == [True, False, False]
    assert x.clip(min=0, max=1).data.tolist() == [0, 0.5, 1]


# ---------------------------------------------------------------------------------------------- the checker


def wrong(name, function, vjp):
    return tg.primitive(function, vjp, name=f"test_pitfall_{name}")


INFINITE = wrong("infinite", lambda x: x**2, lambda g, y, x: g * np.inf)
HALF = wrong("half", lambda x: x**2, lambda g, y, x: g * x)


@pytest.mark.parametrize(
    "f",
    [
        INFINITE,
        lambda x: 1e13 + HALF(x),
        lambda x: (HALF(x), x * 1e14),
    ],
)
def test_the_checker_sees_what_is_infinite_or_hidden_by_a_large_value(f):
    with pytest.raises(AssertionError, match="the tape gives"):
        tg.check_grads(f, (0.3,), order=1)


@pytest.mark.parametrize("seed", range(8))
def test_the_checker_raises_no_false_alarm_near_corners_and_where_things_saturate(seed):
    rng = np.random.default_rng(seed)
    tg.check_grads(np.sort, (rng.standard_normal(60),), seed=seed)
    tg.check_grads(tg.relu, (rng.standard_normal(100),), seed=seed)
    tg.check_grads(tg.softmax, (30 * rng.standard_normal(6),), seed=seed)
    tg.check_grads(np.tanh, (30 * rng.standard_normal(6),), seed=seed)


def test_a_derivative_in_the_middle_of_a_long_chain_is_that_of_differences():
    x = RNG.standard_normal(4)

    def f(x):
        for _ in range(5):
            x = np.sin(x) + tg.sigmoid(x) * x[::-1]
        return (x * x).sum()

    v = RNG.standard_normal(4)
    assert tg.jvp(f, (x,), (v,))[1] == pytest.approx(central_differences(f, x, v).value, rel=1e-8)
