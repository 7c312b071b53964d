"""grad, vjp, jvp and the rest: values against closed forms, trees, nesting, and programs that confuse perturbations."""

import itertools

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.transforms.numerical import central_differences

RNG = np.random.default_rng(0)
A = RNG.standard_normal((3, 3))
X = RNG.standard_normal(3)


def quadratic(x, A):
    return x @ A @ x


def test_grad_of_a_quadratic():
    np.testing.assert_allclose(tg.grad(quadratic)(X, A), (A + A.T) @ X, rtol=1e-14)
    by_x, by_A = tg.grad(quadratic, argnums=(0, 1))(X, A)
    np.testing.assert_allclose(by_x, (A + A.T) @ X, rtol=1e-14)
    np.testing.assert_allclose(by_A, np.outer(X, X), rtol=1e-14)
    np.testing.assert_allclose(tg.grad(quadratic, argnums=-1)(X, A), np.outer(X, X), rtol=1e-14)
    value, gradient = tg.value_and_grad(quadratic)(X, A)
    assert type(value) is type(gradient) is np.ndarray
    assert value == pytest.approx(X @ A @ X, rel=1e-14)


def test_trees_and_arguments_that_may_be_anything():
    def f(tree, how, *, scale):
        assert how == "gently"
        return (tree["W"] @ tree["state"][0]).sum() * scale + tree["state"][1] ** 2

    tree = {"W": A, "state": (X, 3.0)}
    found = tg.grad(f)(tree, "gently", scale=2.0)
    assert list(found) == ["W", "state"]
    assert type(found["state"]) is tuple
    np.testing.assert_allclose(found["W"], 2 * np.ones((3, 1)) * X, rtol=1e-15)
    np.testing.assert_allclose(found["state"][0], 2 * A.sum(axis=0), rtol=1e-14)
    assert found["state"][1] == 6


def test_aux_leaves_as_arrays_outside_and_as_tensors_inside():
    def f(x):
        y = x * x
        return y.sum(), {"y": y, "note": "kept"}

    (value, aux), gradient = tg.value_and_grad(f, has_aux=True)(X)
    np.testing.assert_allclose(aux["y"], X * X)
    assert type(aux["y"]) is np.ndarray
    assert aux["note"] == "kept"
    assert value == pytest.approx((X * X).sum())
    again, aux = tg.grad(f, has_aux=True)(X)
    np.testing.assert_array_equal(again, gradient)
    with tg.Tape():
        (value, aux), gradient = tg.value_and_grad(f, has_aux=True)(tg.Tensor(X))
        assert type(aux["y"]) is type(value) is type(gradient) is tg.Tensor


def reverse(f):
    return tg.grad(f)


def forward(f):
    return lambda x: tg.jvp(f, (x,), (1.0,))[1]


@pytest.mark.parametrize(
    ("f", "third"),
    [
        (np.tanh, lambda x: -2 * (1 - np.tanh(x) ** 2) * (1 - 3 * np.tanh(x) ** 2)),
        (np.exp, np.exp),
        (lambda x: x**3, lambda x: 6.0),
    ],
)
def test_third_derivatives(f, third):
    for x in (-0.7, 0.3, 1.9):
        assert tg.grad(tg.grad(tg.grad(f)))(x) == pytest.approx(third(x), rel=1e-13)

        assert forward(forward(forward(f)))(x) == pytest.approx(third(x), rel=1e-13)
        assert reverse(forward(reverse(f)))(x) == pytest.approx(third(x), rel=1e-13)


@pytest.mark.parametrize(("outer", "inner"), list(itertools.product((reverse, forward), repeat=2)))
def test_perturbations_are_not_confused(outer, inner):
    # d/dx [x d/dy (x + y) at y = 1] = d/dx [x] = 1: confused, it is 2.
    assert outer(lambda x: x * inner(lambda y: x + y)(1.0))(1.0) == 1
    # d/dx [x d/dy (x y) at y = x] = d/dx [x^2] = 2x: as if y were x itself, it is 12 at 3.
    assert outer(lambda x: x * inner(lambda y: x * y)(x))(3.0) == 6
    # d/dx [d/dy (x^2 y^3) at y = x] = d/dx [3 x^4] = 12 x^3
    assert outer(lambda x: inner(lambda y: x * x * y * y * y)(x))(2.0) == 96
    # A closure over the outer x, three deep.
    found = outer(lambda x: inner(lambda y: outer(lambda z: x * y * z * z)(y))(x))(3.0)
    assert found == pytest.approx(4 * 2 * 3.0)  # d/dz: 2xyz at z=y: 2xy^2; d/dy: 4xy at y=x: 4x^2; d/dx: 8x


def test_hessians_of_functions_with_known_ones():
    np.testing.assert_allclose(tg.hessian(quadratic)(X, A), A + A.T, rtol=1e-13)

    def rosenbrock(x):
        return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2

    a, b = 0.4, -1.3
    exact = [[2 - 400 * (b - 3 * a * a), -400 * a], [-400 * a, 200]]
    np.testing.assert_allclose(tg.hessian(rosenbrock)(np.array([a, b])), exact, rtol=1e-13)
    p = np.exp(X) / np.exp(X).sum()
    np.testing.assert_allclose(tg.hessian(tg.logsumexp)(X), np.diag(p) - np.outer(p, p), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(tg.hessian(lambda x: np.prod(x))(np.zeros(2)), [[0, 1], [1, 0]], atol=0)
    S = A @ A.T + np.eye(3)
    inverse = np.linalg.inv(S)
    exact = -np.einsum("jk,li->ijkl", inverse, inverse)  # d2 log det / dS_ij dS_kl = -S^-1_jk S^-1_li
    np.testing.assert_allclose(tg.hessian(lambda S: np.linalg.slogdet(S)[1])(S), exact, rtol=1e-11, atol=1e-13)


def test_hvp_is_the_hessian_times_v():
    v = RNG.standard_normal(3)
    S = tg.hessian(quadratic)(X, A)
    np.testing.assert_allclose(tg.hvp(quadratic, (X, A), v), S @ v, rtol=1e-13)

    def f(tree):
        return (np.tanh(tree["W"] @ tree["x"]) ** 2).sum()

    tree, v = {"W": A, "x": X}, {"W": RNG.standard_normal((3, 3)), "x": RNG.standard_normal(3)}
    found = tg.hvp(f, (tree,), v)

    def slope(e):
        g = tg.grad(f)({key: tree[key] + e * v[key] for key in tree})
        return sum((g[key] * v[key]).sum() for key in tree)

    exact = central_differences(slope, np.array(0.0), np.array(1.0)).value
    assert sum((found[key] * v[key]).sum() for key in tree) == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (), (1,), (0,)])
def test_the_jacobian_by_rows_and_by_columns(shape):
    """More results than inputs: by columns; fewer: by rows. Both are the derivative."""
    x = RNG.standard_normal(shape)
    for n in (1, 5):
        M = RNG.standard_normal((n, x.size))

        def f(x, M=M):
            return np.tanh(M @ x.reshape(-1))

        exact = ((1 - np.tanh(M @ x.ravel()) ** 2)[:, None] * M).reshape(n, *shape)
        np.testing.assert_allclose(tg.jacobian(f)(x), exact, rtol=1e-13)


def test_the_jacobian_of_trees():
    def f(tree):
        return {"sum": tree["a"] + tree["b"], "product": (tree["a"] * tree["b"],)}

    a, b = RNG.standard_normal(2), RNG.standard_normal(2)
    found = tg.jacobian(f)({"a": a, "b": b})
    np.testing.assert_allclose(found["sum"]["a"], np.eye(2))
    np.testing.assert_allclose(found["product"][0]["b"], np.diag(a))
    whole, aux = tg.jacobian(lambda x: (x * x, "note"), has_aux=True)(a)
    np.testing.assert_allclose(whole, 2 * np.diag(a))
    assert aux == "note"


def test_vjp_and_jvp_agree_and_run_again():
    def f(x, A):
        return np.tanh(A @ x), x.sum()

    (y, _), back = tg.vjp(f, X, A)
    assert y.shape == (3,)
    u, v = (RNG.standard_normal(3), np.array(0.7)), (RNG.standard_normal(3), RNG.standard_normal((3, 3)))
    _, moved = tg.jvp(f, (X, A), v)
    for _ in range(2):
        by_x, by_A = back(u)
        left = (u[0] * moved[0]).sum() + u[1] * moved[1]
        assert (by_x * v[0]).sum() + (by_A * v[1]).sum() == pytest.approx(left, rel=1e-14)
    _, back = tg.vjp(f, X, A, argnums=1)
    assert back(u).shape == (3, 3)
    _, (along_x, _) = tg.jvp(f, (X, A), (v[0], None))
    np.testing.assert_allclose(along_x, (1 - y**2) * (A @ v[0]), rtol=1e-13)


def test_a_function_that_does_not_use_its_argument_or_gives_it_back():
    assert tg.grad(lambda x, y: y * 2)(1.0, tg.Tensor(3.0)) == 0
    assert tg.grad(lambda x: x)(2.0) == 1
    assert tg.grad(tg.grad(lambda x: 3 * x))(2.0) == 0
    assert tg.jvp(lambda x: x, (2.0,), (5.0,))[1] == 5
    assert tg.jvp(lambda x, y: y * y, (tg.Tensor(1.0), tg.Tensor(1.0)), (1.0, None))[1] == 0
    assert tg.hessian(lambda x: x.sum())(X).tolist() == np.zeros((3, 3)).tolist()


def test_float32_stays_float32_and_an_lstm_is_differentiated_twice():
    params = nn.init.lstm(np.random.default_rng(1), 2, 3, dtype=np.float32)
    params = {name: np.asarray(value) for name, value in params.items()}
    xs = RNG.standard_normal((5, 2, 2)).astype(np.float32)

    def loss(params):
        hs, _ = nn.unroll(nn.lstm, params, xs)
        return (hs * hs).sum()

    value, gradients = tg.value_and_grad(loss)(params)
    assert value.dtype == np.float32
    assert {g.dtype for g in gradients.values()} == {np.dtype(np.float32)}
    doubled = {name: p.astype(float) for name, p in params.items()}
    xs = xs.astype(float)
    v = {name: RNG.standard_normal(p.shape) for name, p in doubled.items()}
    along = tg.hvp(loss, (doubled,), v)

    def slope(e):
        g = tg.grad(loss)({name: p + e * v[name] for name, p in doubled.items()})
        return sum((g[name] * v[name]).sum() for name in g)

    exact = central_differences(slope, np.array(0.0), np.array(1.0), 1e-2)
    assert sum((along[name] * v[name]).sum() for name in v) == pytest.approx(exact.value, rel=1e-9)


def test_a_list_comes_back_as_a_list_and_a_named_tuple_as_its_kind():
    from collections import namedtuple

    State = namedtuple("State", "h c")
    found = tg.grad(lambda s: (s[0].h * s[0].c).sum() + s[1])([State(X, X + 1), 2.0])
    assert type(found) is list
    assert type(found[0]) is State
    np.testing.assert_allclose(found[0].h, X + 1)


def test_a_tensor_inside_an_open_tape_keeps_its_history():
    x = tg.Tensor(2.0, name="x")
    with tg.Tape() as tape:
        y = x * x
        slope = tg.grad(lambda z: z * z * z)(y)  # 3 y^2 = 3 x^4
    assert tape.gradient(slope, x) == pytest.approx(12 * 8)
    assert type(tg.grad(lambda z: z * z)(x)) is np.ndarray


def test_the_recorded_derivatives_stand_under_their_order():
    x = tg.Tensor(2.0)
    with tg.Tape() as tape, tg.scope(t=1):
        tg.grad(np.sin)(x)
        tg.jvp(np.sin, (x,), (1.0,))
    orders = {e.scope for e in tape}
    assert (("t", 1),) in orders
    assert (("grad", 1), ("t", 1)) in orders
    assert (("jvp", 1), ("t", 1)) in orders
