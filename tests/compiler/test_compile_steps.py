"""Loops of compiled programs: every step is walked back over, and none from which nothing comes back."""

import numpy as np
import pytest
from agreement import require_agreement

import tinygrad_rnn as tg
from tinygrad_rnn import compiler, nn
from tinygrad_rnn.compiler import codegen, loop_placement

ALL = compiler.PASSES
CHOICES = {
    "all": ALL,
    "none": (),
    **{f"{name} alone": (name,) for name in ALL},
    **{f"all but {name}": tuple(p for p in ALL if p != name) for name in ALL},
}


CHUNKED = ["all", "factors alone", "all but gates", "all but defer"]
"""Without `factors` there is nothing that is made ahead of a chunk of steps."""


def agree(f, *args, argnums=0, has_aux=False, choices=tuple(CHOICES)):
    """With every choice of passes, f compiled and then run again is f."""
    expected = tg.value_and_grad(f, argnums, has_aux)(*args)
    for passes in map(CHOICES.get, choices):
        fast = tg.compile(f, argnums, has_aux, passes)
        for _ in range(2):
            require_agreement(fast(*args), expected)


# ---------------------------------------------------------------------------------------------- chunks of steps


def heads(T, B, n, d, seed=0):
    """A linear recurrence of n heads, and its gradient by hand: dA = sum over t of h_{t-1}^T g_t, g_{t-1} = g_t A^T."""
    rng = np.random.default_rng(seed)
    A, x = rng.standard_normal((n, d, d)) / np.sqrt(d), 0.3 * rng.standard_normal((T, B, n, 1, d))

    def f(A, x):
        h = np.zeros((B, n, 1, d))
        for t in range(T):
            with tg.scope(t=t):
                h = h @ A + x[t]
        return (h * h).mean()

    states = [np.zeros((B, n, 1, d))]
    for t in range(T):
        states.append(states[-1] @ A + x[t])
    g, dA, dx = 2 * states[-1] / states[-1].size, np.zeros_like(A), np.zeros_like(x)
    for t in range(T - 1, -1, -1):
        dA, dx[t] = dA + np.einsum("bnij,bnik->njk", states[t], g), g
        g = g @ np.swapaxes(A, -1, -2)
    return f, (A, x), (dA, dx)


@pytest.mark.parametrize("size", [(1, 1, 1, 1), (2, 1, 3, 2), (3, 3, 1, 5), (7, 2, 2, 3), (30, 32, 4, 32)], ids=str)
@pytest.mark.parametrize("chunk", [1, 100, 10**3, loop_placement.CHUNK])
def test_states_with_heads(size, chunk, monkeypatch):
    monkeypatch.setattr(loop_placement, "CHUNK", chunk)
    f, arguments, by_hand = heads(*size)
    for passes in map(CHOICES.get, CHUNKED):
        _, found = tg.compile(f, (0, 1), passes=passes)(*arguments)
        require_agreement(found, by_hand)


@pytest.mark.parametrize("size", [(5, 2, 4), (3, 1, 1), (9, 16, 64)], ids=str)
@pytest.mark.parametrize("chunk", [1, 300, loop_placement.CHUNK])
def test_a_matrix_state_with_a_delta_rule(size, chunk, monkeypatch):
    monkeypatch.setattr(loop_placement, "CHUNK", chunk)
    T, B, H = size
    rng = np.random.default_rng(1)
    p = {k: rng.standard_normal((H, H)) / np.sqrt(H) for k in ("Wk", "Wv", "Wq")}

    def f(p, x):
        S, out = np.zeros((B, H, H)), 0.0
        for t in range(T):
            with tg.scope(t=t):
                k, v = x[t] @ p["Wk"], x[t] @ p["Wv"]
                S = S + (v - (k[:, None, :] @ S)[:, 0])[:, None, :] * k[:, :, None]
            out = out + ((x[t] @ p["Wq"])[:, None, :] @ S).sum()
        return out / B

    agree(f, p, 0.1 * rng.standard_normal((T, B, H)), argnums=(0, 1), choices=CHUNKED)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm", "layer_norm_lstm"])
@pytest.mark.parametrize("chunk", [1, 200])
@pytest.mark.parametrize("many", [0, 2048])
def test_a_chunk_of_any_number_of_steps(cell, chunk, many, monkeypatch):
    monkeypatch.setattr(loop_placement, "CHUNK", chunk)
    monkeypatch.setattr(codegen, "MANY", many)
    rng = np.random.default_rng(2)
    params = {k: v.data for k, v in getattr(nn.init, cell)(rng, 2, 3).items()}

    def f(p, x, y):
        return nn.mse(nn.unroll(getattr(nn, cell), p, x)[0], y)

    for T in (1, 2, 7):
        x, y = rng.standard_normal((T, 2, 2)), rng.standard_normal((T, 2, 3))
        agree(f, params, x, y, argnums=(0, 1), choices=CHUNKED)


# ---------------------------------------------------------------------------------------------- one column


@pytest.mark.parametrize("cell", ["rnn", "gru", "gru_textbook", "lstm", "peephole_lstm", "coupled_lstm", "mgu"])
@pytest.mark.parametrize("features", [1, 2])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_state_of_one_unit(cell, features, batch):
    rng = np.random.default_rng(3)
    params = {k: rng.standard_normal(v.shape) for k, v in getattr(nn.init, cell)(rng, features, 1).items()}
    x = rng.standard_normal((4, batch, features))
    few = ["all", "gates alone", "all but hoist", "all but constants", "all but siblings"]
    agree(lambda p, x: (nn.unroll(getattr(nn, cell), p, x)[0] ** 2).sum(), params, x, argnums=(0, 1), choices=few)


def test_two_columns_of_a_product_with_a_bias_each():
    rng = np.random.default_rng(4)
    X, Y = rng.standard_normal((4, 3)), rng.standard_normal((4, 1))
    p = {"W": rng.standard_normal((3, 2)), "b": np.array([1.0]), "c": np.array([-2.0])}

    def f(p):
        m, s = np.split(X @ p["W"], 2, axis=-1)
        m, s = m + p["b"], s + p["c"]
        return (s + (Y - m) ** 2 / np.exp(s)).mean()

    m, s = X @ p["W"][:, :1] + 1.0, X @ p["W"][:, 1:] - 2.0
    dm, ds = -2 * (Y - m) / np.exp(s) / 4, (1 - (Y - m) ** 2 / np.exp(s)) / 4
    by_hand = {"W": X.T @ np.concatenate([dm, ds], axis=1), "b": dm.sum(axis=0), "c": ds.sum(axis=0)}
    for passes in CHOICES.values():
        require_agreement(tg.compile(f, passes=passes)(p), ((s + (Y - m) ** 2 / np.exp(s)).mean(), by_hand))


def test_a_column_that_scales_two_columns():
    rng = np.random.default_rng(5)
    p = {"W": rng.standard_normal((3, 2)), "k": np.array([1.5]), "s": rng.standard_normal((4, 1))}

    def f(p, X):
        a, b = np.split(X @ p["W"], 2, axis=-1)
        return (np.tanh(a * p["k"]) * np.tanh(b * p["k"]) + (a * p["s"]) * (b * p["s"])).sum()

    agree(f, p, rng.standard_normal((4, 3)))


# ---------------------------------------------------------------------------------------------- steps that nobody reads

PADDING = [np.nan, np.inf, -np.inf]


@pytest.mark.parametrize("what", PADDING, ids=str)
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_padding_behind_the_last_step_that_the_loss_reads(cell, what):
    rng = np.random.default_rng(6)
    params = {k: v.data for k, v in getattr(nn.init, cell)(rng, 3, 4).items()}
    x = rng.standard_normal((7, 2, 3))
    x[4:] = what

    def f(p, x):
        state, out = (np.zeros((2, 4)),) * (2 if cell == "lstm" else 1), []
        for t in range(7):
            with tg.scope(t=t):
                state = getattr(nn, cell)(p, x[t], *state)
                state = state if isinstance(state, tuple) else (state,)
            out.append(state[0])
        return (out[3] ** 2).sum() + out[1].sum(), out[3]

    _, gradients = tg.value_and_grad(f, (0, 1), has_aux=True)(params, x)
    assert all(np.isfinite(g).all() for g in (*gradients[0].values(), gradients[1]))
    assert not gradients[1][4:].any()
    agree(f, params, x, argnums=(0, 1), has_aux=True)


@pytest.mark.parametrize("what", PADDING, ids=str)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_outputs_of_some_steps_alone(what):
    """dW = sum of x_t^T over the steps that are read: the others have no part in it, whatever stands in them."""
    rng = np.random.default_rng(7)
    x, W = rng.standard_normal((9, 2, 3)), rng.standard_normal((3, 4))
    read = [0, 2, 3, 7]
    x[[t for t in range(9) if t not in read]] = what

    def f(W, x):
        out = []
        for t in range(9):
            with tg.scope(t=t):
                out.append(x[t] @ W)
        return sum(out[t].sum() for t in read)

    dW = x[read].sum(axis=(0, 1))[:, None] * np.ones(4)
    for passes in CHOICES.values():
        require_agreement(tg.compile(f, passes=passes)(W, x), (np.asarray((x[read] @ W).sum()), dW))


def test_padding_that_is_read_as_a_result_alone():
    rng = np.random.default_rng(8)
    x, U = rng.standard_normal((5, 2, 3)), rng.standard_normal((3, 3))
    x[3:] = np.nan

    def f(U, x):
        h, out = np.ones((2, 3)), []
        for t in range(5):
            with tg.scope(t=t):
                h = np.tanh(h @ U + x[t])
            out.append(h)
        return (out[2] ** 2).sum(), np.stack(out)

    agree(f, U, x, argnums=(0, 1), has_aux=True)


def test_products_of_one_matrix_with_what_is_read_and_what_is_not():
    """dW = 1 x_0^T, whatever x_1 is: the two products are not made one."""
    rng = np.random.default_rng(14)
    W, x = rng.standard_normal((2, 3)), rng.standard_normal((2, 3, 4))
    x[1] = np.nan

    def f(W, x):
        return (W @ x[0]).sum(), W @ x[1]

    for passes in CHOICES.values():
        (_, _), gradient = tg.compile(f, has_aux=True, passes=passes)(W, x)
        require_agreement(gradient, np.ones((2, 1)) * x[0].sum(axis=1))


def test_a_gate_that_is_a_result_alone_has_no_part_in_a_gradient():
    rng = np.random.default_rng(15)
    p, x = {k: rng.standard_normal((3, 3)) for k in "UVW"}, rng.standard_normal((4, 2, 3))
    p["V"] = np.full((3, 3), np.inf)

    def f(p, x):
        h, seen = np.ones((2, 3)), []
        for t in range(4):
            with tg.scope(t=t):
                z, g = h @ p["U"], h @ p["V"]
                h = np.tanh(z + x[t] @ p["W"])
            seen.append(g)
        return (h * h).sum(), seen

    with np.errstate(invalid="ignore"):
        agree(f, p, x, argnums=(0, 1), has_aux=True)


def test_a_state_that_is_chosen_at_its_end_stays_one_loop():
    """Of a cotangent of 0, `where` makes 0: the last state of a padded batch, which nobody reads, does no harm."""
    rng = np.random.default_rng(9)
    layer = nn.GRU(2, 3)
    params = {k: v.data for k, v in layer.init(rng).items()}
    x = rng.standard_normal((6, 3, 2))
    fast = tg.compile(lambda p, x: (layer(p, x, lengths=(6, 2, 4))[0] ** 2).sum())
    assert [loop.length for loop in fast.program(params, x).graph.loops()] == [2, 4, 4, 2]


# ---------------------------------------------------------------------------------------------- what is handed on


def over(T, step, *states):
    for t in range(T):
        with tg.scope(t=t):
            states = step(t, *states)
    return states


@pytest.mark.parametrize("T", [1, 2, 3, 7])
def test_a_state_that_is_a_view_of_what_is_outside(T):
    rng = np.random.default_rng(10)
    a, h0 = rng.standard_normal((2, 3)), rng.standard_normal((2, 3))

    def f(a, h0):
        h, v = over(T, lambda t, h, v: (a.T.T, np.tanh(h)), h0, h0)
        return 2 * h.sum() + v.sum()

    agree(f, a, h0, argnums=(0, 1))
    da, dh = tg.compile(f, (0, 1), passes=())(a, h0)[1]
    require_agreement(da, 2 + (1 - np.tanh(a) ** 2 if T > 1 else np.zeros((2, 3))))
    require_agreement(dh, 1 - np.tanh(h0) ** 2 if T == 1 else np.zeros((2, 3)))


@pytest.mark.parametrize("T", [1, 2, 3, 4, 7])
def test_states_that_change_places_by_views(T):
    rng = np.random.default_rng(11)
    w, h0, c0 = rng.standard_normal((3, 2, 3))

    def f(w, h0, c0):
        h, c, seen = h0, c0, 0.0
        for t in range(T):
            with tg.scope(t=t):
                h, c = c.T.T, h.T.T
                seen = seen + (w * h).sum()
        return (h * w**2).sum() + seen, (h, c)

    odd, even = (T + 1) // 2, T // 2  # after step t, counted from 1, h is c0 where t is odd
    expected = w * (odd * c0 + even * h0) + w**2 * (c0 if T % 2 else h0)
    require_agreement(tg.value_and_grad(f, has_aux=True)(w, h0, c0)[0][0], expected.sum())
    agree(f, w, h0, c0, argnums=(0, 1, 2), has_aux=True)


def test_what_is_the_same_in_all_steps_beside_a_state():
    rng = np.random.default_rng(12)
    H = 3
    p, x, h0 = (
        {"W": rng.standard_normal((2 * H, H)), "s": np.array(0.5)},
        rng.standard_normal((4, 2, H)),
        np.ones((2, H)),
    )

    def f(p, x, h0):
        s = x[0]
        for t in range(2):
            with tg.scope(t=t):
                first = x[0]
                v = np.concatenate([first, s], axis=-1) @ p["W"]
                _ = (v * p["s"] + first) * v[:, :1]
        return h0.sum() + v.sum()

    agree(f, p, x, h0, argnums=(0, 1, 2))


def test_zeros_of_both_signs_are_two_numbers():
    def f(w, x):
        h = w
        for t in range(3):
            with tg.scope(t=t):
                h = h + np.arctan2(x[t] * 0.0, x[t]) * w + np.arctan2(x[t] * -0.0, x[t]) * 2 * w
        return h.sum()

    agree(f, np.array([0.5, 1.0]), -np.ones((3, 2)))
