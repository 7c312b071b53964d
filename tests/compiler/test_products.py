"""Sums of products as matrix products, signs in sums, joined products; cells that are linear in their state."""

import itertools

import numpy as np
import pytest
from agreement import require_agreement

import tinygrad_rnn as tg
from tinygrad_rnn import compiler, nn

T, B, I, H = 5, 3, 6, 7


def program_of(f, *arrays):
    return tg.compile(f, argnums=tuple(range(len(arrays)))).program(*arrays)


def names_of(program):
    return [k.call.split(" = ")[1].split("(")[0] for k in program.instructions]


def require_right(f, *arrays):
    """The compiled program gives what the tape gives; return the program."""
    fast = tg.compile(f, argnums=tuple(range(len(arrays))))
    right, exact = tg.value_and_grad(f, argnums=tuple(range(len(arrays))))(*arrays)
    for _ in range(2):
        value, found = fast(*arrays)
        assert float(value) == pytest.approx(float(right), rel=1e-12, abs=1e-12)
        for mine, theirs in zip(found, exact, strict=True):
            assert np.abs(mine - theirs).max() <= 1e-12 * (1 + np.abs(theirs).max())
    return fast.program(*arrays)


SUMS = {
    "rows of a batch": ((4, 8, 16, 9), (4, 8, 1, 9), (3,)),
    "columns of a batch": ((4, 8, 16, 9), (4, 8, 16, 1), (2,)),
    "a matrix for all": ((4, 8, 16, 9), (16, 9), (3,)),
    "over the batch": ((4, 8, 16, 9), (4, 8, 16, 1), (0, 1)),
    "all": ((4, 8, 16), (4, 8, 16), (0, 1, 2)),
    "two free sides": ((6, 1, 20), (1, 7, 20), (2,)),
    "the second one is larger": ((16, 9), (4, 8, 16, 9), (-1,)),
    "axes of length 1 within": ((4, 1, 8, 1, 16), (4, 1, 8, 5, 1), (2,)),
}


@pytest.mark.parametrize("name", SUMS)
def test_a_sum_of_products_is_a_matrix_product(name):
    left, right, axes = SUMS[name]
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal(left), rng.standard_normal(right)

    def f(a, b):
        return ((a * b).sum(axis=axes) ** 3).sum()

    program = require_right(f, a, b)
    made = [k for k in program.instructions if k.by == "products"]
    assert any(k.call.split(" = ")[1].startswith(("matmul", "dot")) for k in made)


@pytest.mark.slow
def test_sums_of_all_kinds_of_products_stay_right():
    """Shapes that broadcast at each place or not, every choice of axes, of which some are contractions."""
    rng = np.random.default_rng(1)
    sizes, kinds = (3, 8, 9), list(itertools.product([True, False], repeat=3))
    for left, right in itertools.product(kinds, repeat=2):
        a, b = (
            rng.standard_normal([n if keep else 1 for n, keep in zip(sizes, k, strict=True)]) for k in (left, right)
        )
        axes = tuple(k for k in range(3) if rng.random() < 0.5) or (1,)

        def f(a, b, axes=axes):
            return ((a * b).sum(axis=axes) ** 2).sum()

        fast = tg.compile(f)
        value, found = fast(a, b)
        right_value, exact = tg.value_and_grad(f)(a, b)
        assert float(value) == pytest.approx(float(right_value), rel=1e-12)
        assert np.abs(found - exact).max() <= 1e-12 * np.abs(exact).max(), (a.shape, b.shape, axes)


@pytest.mark.parametrize("name", ["small", "kept", "read twice", "two dtypes"])
def test_what_is_no_gain_stays_a_sum(name):
    rng = np.random.default_rng(2)
    n = 2 if name == "small" else 40
    a, b = rng.standard_normal((n, 5)), rng.standard_normal((n, 5))
    if name == "two dtypes":
        b = b.astype(np.float32)

    def f(a, b):
        product = a * b
        total = product.sum(axis=-1, keepdims=name == "kept")
        return (total**3).sum() + (product.max() if name == "read twice" else 0)

    program = require_right(f, a, b) if name != "two dtypes" else program_of(f, a, b)
    assert "sum" in names_of(program)


def test_a_column_times_a_row_is_a_multiplication():
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((4, 5, 1)), rng.standard_normal((4, 1, 6))
    program = program_of(lambda a, b: ((a @ b) ** 3).sum(), a, b)
    assert "matmul" not in names_of(program)[:2]
    require_right(lambda a, b: ((a @ b) ** 3).sum(), a, b)


@pytest.mark.parametrize("beside", ["a number", "a sum", "a broadcast"])
def test_a_sum_of_a_sum_is_one_sum(beside):
    a, b = np.random.default_rng(5).standard_normal((2, 4, 5, 6))

    def f(a, b):
        other = {"a number": 2.0, "a sum": (b * b).sum(axis=1), "a broadcast": (b * b).sum(axis=(0, 1))}[beside]
        return (((a * b).sum(axis=1) - other).sum(axis=0) ** 2).sum()

    program = require_right(f, a, b)
    assert sum(k.shape == (4, 6) for k in program.instructions) == (0 if beside == "a sum" else 2)


def test_signs_go_into_sums():
    rng = np.random.default_rng(4)
    arrays = [rng.standard_normal((4, 5)) for _ in range(3)]
    program = require_right(lambda a, b, c: ((1 - a) * b + a * c).sum() - (a * a * b).sum(), *arrays)
    assert "negative" not in names_of(program)[:-3]
    for f in (lambda a, b, c: (a - b).sum() - (c - a).sum(), lambda a, b, c: (-(a - b * c)).sum() + (a - a).sum()):
        require_right(f, *arrays)


def unrolled(name, dtype=np.float64, steps=T):
    rng = np.random.default_rng(0)
    arrays = nn.weights.arrays(getattr(nn.init, name)(rng, I, I if name == "sru" else H, dtype))
    return arrays, rng.standard_normal((steps, B, I)).astype(dtype)


def cubes(name):
    return lambda params, xs: (nn.unroll(getattr(nn, name), params, xs)[0] ** 3).sum()


TODAY = ["ind_rnn", "min_gru", "min_lstm", "qrnn", "sru", "slstm", "mlstm", "linear_attention", "gated_delta_net"]
TODAY += ["lru", "selective_ssm"]


@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("name", TODAY)
def test_cells_of_today_are_compiled_right(name, steps):
    arrays, xs = unrolled(name, steps=steps)
    value, found = tg.compile(cubes(name), argnums=(0, 1))(arrays, xs)
    right, exact = tg.value_and_grad(cubes(name), argnums=(0, 1))(arrays, xs)
    assert float(value) == pytest.approx(float(right), rel=1e-12)
    largest = max(np.abs(g).max() for g in exact[0].values())
    for mine, theirs in ((found[0][k], exact[0][k]) for k in arrays):
        assert np.abs(mine - theirs).max() <= 1e-12 * largest
    assert np.abs(found[1] - exact[1]).max() <= 1e-12 * np.abs(exact[1]).max()


@pytest.mark.parametrize("name", ["min_gru", "selective_ssm", "lru"])
def test_a_step_of_a_linear_recurrence_is_two_calls_each_way(name):
    arrays, xs = unrolled(name)
    program = tg.compile(cubes(name)).program(arrays, xs)
    for loop in program.loops:
        lines = loop.text.splitlines()
        start = next(k for k, line in enumerate(lines) if line.lstrip().startswith("for "))
        assert [line.split("(")[0].strip() for line in lines[start + 1 :]] in (["multiply", "add"], ["add", "multiply"])
    assert "scatter" not in names_of(program)


def test_products_of_a_state_with_transposed_matrices_are_joined():
    """Those of an input are not: each is made for all steps at once, and its result lies without gaps."""
    rng = np.random.default_rng(7)
    W, V, U, R = (rng.standard_normal((H, n)) for n in (I, I, H, H))
    xs = rng.standard_normal((T, B, I))

    def f(W, V, U, R, xs):
        h = np.zeros((B, H))
        for t in range(T):
            with tg.scope(t=t):
                z = tg.sigmoid(xs[t] @ W.T + h @ U.T)
                h = z * np.tanh(xs[t] @ V.T + h @ R.T)
        return (h * h).sum()

    program = require_right(f, W, V, U, R, xs)
    products = [(k.t is None, k.shape) for k in program.instructions if " = dot(" in k.call]
    assert products.count((True, (T * B, H))) == 2
    assert products.count((False, (B, 2 * H))) == T


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_sigmoid_outside_of_loops_is_exact_to_its_own_digits(dtype):
    x = np.asarray([-1000, -80, -30, -3, 0, 3, 80, 1000], dtype)
    value, _ = tg.compile(lambda x: (np.asarray(2, dtype) * tg.sigmoid(x)).sum())(x[1:3])
    wanted = 2 * np.sum(1 / (1 + np.exp(-x[1:3].astype(np.float64))))
    assert float(value) == pytest.approx(wanted, rel=float(4 * np.finfo(dtype).eps))
    _, found = tg.compile(lambda x: tg.sigmoid(x).sum())(x)
    _, exact = tg.value_and_grad(lambda x: tg.sigmoid(x).sum())(x)
    np.testing.assert_array_equal(found, exact)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gates_that_need_no_state_are_computed_by_tanh_in_float32(dtype):
    """There it takes less time than exp and a quotient."""
    arrays, xs = unrolled("min_gru", dtype)
    fast = tg.compile(cubes("min_gru"), argnums=(0, 1))
    names = names_of(fast.program(arrays, xs))
    assert ("sigmoid" in names, names.count("tanh")) == ((False, 1) if dtype == np.float32 else (True, 0))
    require_agreement(fast(arrays, xs), tg.value_and_grad(cubes("min_gru"), argnums=(0, 1))(arrays, xs))


def test_the_pass_alone_keeps_the_numbers():
    arrays, xs = unrolled("selective_ssm")
    right, exact = tg.value_and_grad(cubes("selective_ssm"))(arrays, xs)
    for passes in (("products",), tuple(p for p in compiler.PASSES if p != "products")):
        value, found = tg.compile(cubes("selective_ssm"), passes=passes)(arrays, xs)
        assert float(value) == pytest.approx(float(right), rel=1e-12)
        largest = max(np.abs(g).max() for g in exact.values())
        assert all(np.abs(found[k] - exact[k]).max() <= 1e-12 * largest for k in arrays)


def test_vectors_are_spread_to_the_shape_of_a_step():
    arrays, xs = unrolled("lru")
    program = tg.compile(cubes("lru")).program(arrays, xs)
    spread = [k for k in program.instructions if k.by == "spread"]
    assert {k.t for k in spread} == {None}
    assert {k.shape for k in spread} >= {(B, H, 2), (B, I)}
    in_steps = [k for k in program.instructions if isinstance(k.t, int)]
    shapes = {a.shape for k in in_steps for a in k.arguments if isinstance(a, np.ndarray)}
    assert shapes == {(B, H), (B, H, 2)}


@pytest.mark.parametrize("shape", [(1,), (4,), (3, 1), (1, 4), (3, 4)])
def test_spread_vectors_keep_every_number(shape):
    """Also -0.0 and what is not finite; a vector that is large stays one."""
    rng = np.random.default_rng(6)
    v, xs = rng.standard_normal(shape), rng.standard_normal((5, 3, 4))
    v.flat[0] = -0.0

    def f(v, xs):
        h = xs[0]
        for t in range(5):
            with tg.scope(t=t):
                h = np.tanh(v * h + xs[t])
        return (h * h).sum() + (v * xs**2).sum()

    require_right(f, v, xs)
    with np.errstate(all="ignore"):
        value, _ = tg.compile(f)(np.full(shape, np.inf), xs)
        assert np.array_equal(value, tg.value_and_grad(f)(np.full(shape, np.inf), xs)[0], equal_nan=True)


@pytest.mark.parametrize("shape", [(4, 5), (5, 5), (1, 5), (4, 1), (1, 1)], ids=str)
@pytest.mark.parametrize("axes", [None, (1, 0), (0, 1), (-1, -2)], ids=str)
def test_a_transposed_product_is_the_product_of_the_transposed(shape, axes):
    rng = np.random.default_rng(8)
    a, b = rng.standard_normal((shape[0], 3)), rng.standard_normal((3, shape[1]))
    require_right(lambda a, b: (np.transpose(a @ b, axes) ** 3).sum(), a, b)
    c, d = rng.standard_normal((3, 3)), rng.standard_normal((3, shape[1]))
    require_right(lambda c, d: (np.transpose(np.transpose(c, axes) @ d) ** 3).sum(), c, d)


def test_the_gradient_of_a_matrix_that_was_transposed_is_a_product_without_a_copy():
    rng = np.random.default_rng(9)
    W, xs = rng.standard_normal((4, 6)), rng.standard_normal((5, 6))
    program = require_right(lambda W, xs: ((xs @ W.T) ** 3).sum(), W, xs)
    made = [k for k in program.instructions if k.shape == (4, 6)]
    assert [k.call.split(" = ")[1].split("(")[0] for k in made] == ["dot"]
