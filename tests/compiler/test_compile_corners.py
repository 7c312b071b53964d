"""Corners of the compiler: small programs that every pass, and every layout of memory, must leave as they are."""

import copy
import pickle
import sys

import numpy as np
import pytest
from agreement import require_agreement

import tinygrad_rnn as tg
from tinygrad_rnn import compiler, nn
from tinygrad_rnn.graph.graph import Node

RNG = np.random.default_rng(0)
T, B, H = 4, 2, 3
XS = RNG.standard_normal((T, B, H))
A, C, U = RNG.standard_normal((H, H)), RNG.standard_normal((H, H)), RNG.standard_normal((H, 3 * H))
BIAS = RNG.standard_normal(3 * H)
ALL = compiler.PASSES
CHOICES = [ALL, (), *(tuple(p for p in ALL if p != name) for name in ALL)]


def agree(f, *args, argnums=0, has_aux=False):
    """With every pass, with none and with all but each, f compiled and then run again is f."""
    expected = tg.value_and_grad(f, argnums, has_aux)(*args)
    for passes in CHOICES:
        fast = tg.compile(f, argnums, has_aux, passes)
        for _ in range(2):
            require_agreement(fast(*args), expected)


def steps(step, *states):
    """The states after T steps, and those after each: `step(t, *states)` gives the next ones as a tuple."""
    every = []
    for t in range(T):
        with tg.scope(t=t):
            states = step(t, *states)
            every.append(states)
    return states, every


# ---------------------------------------------------------------------------------------------- sums and constants


def test_a_sum_over_leading_axes_in_a_recurrence():
    def f(w, xs):
        (h,), _ = steps(lambda t, h: (np.tanh(xs[t] * w + h).sum(axis=0),), np.zeros(H))
        return h.sum()

    agree(f, A[0], XS)


def test_a_sum_over_the_batch_in_each_step_of_the_backward_pass():
    """The gradient of the bias of an LSTM with peepholes, which without `defer` is summed step by step."""

    def cell(p, x, h, c):
        z_i, z_f, z_g, z_o = np.split(x @ p["W"] + h @ p["U"] + p["b"], 4, axis=-1)
        i, f = tg.sigmoid(z_i + p["p_i"] * c), tg.sigmoid(z_f + p["p_f"] * c)
        c = f * c + i * np.tanh(z_g)
        return tg.sigmoid(z_o + p["p_o"] * c) * np.tanh(c), c

    def f(p, xs):
        return np.sum(nn.unroll(cell, p, xs, (np.zeros((B, H)), np.zeros((B, H))))[0] ** 2)

    rng = np.random.default_rng(1)
    p = {name: rng.standard_normal((H, 4 * H)) for name in "WU"} | {"b": rng.standard_normal(4 * H)}
    agree(f, p | {name: rng.standard_normal(H) for name in ("p_i", "p_f", "p_o")}, XS)


@pytest.mark.parametrize("join", [np.stack, np.concatenate])
def test_a_sum_over_values_that_were_joined_in_the_step(join):
    """The walk back spreads a cotangent, and the parts of what is spread lie where the cotangent was written."""

    def f(w, xs):
        h = np.zeros((B, H))
        for t in range(T):
            with tg.scope(t=t):
                joined = join([xs[t] @ w, h])
                h = (joined if join is np.stack else joined.reshape(2, B, H)).sum(axis=0) * 0.5
        return h.sum()

    agree(f, A, XS)
    agree(f, A, XS, argnums=(0, 1))


def test_integers_and_booleans_compared_with_numbers():
    agree(lambda w, ids: np.sum(w * (ids == 2)), np.ones(4), np.arange(4))
    agree(lambda w, mask: np.sum(w * (mask == True) + w**2 * (mask < 1)), np.ones(2), np.array([True, False]))  # noqa: E712


def test_lengths_compared_with_the_step():
    def f(w, xs, lengths):
        def step(t, h):
            return (np.where((t < lengths)[:, None], np.tanh(xs[t] * w + h), h),)

        (h,), _ = steps(step, np.zeros((B, H)))
        return np.sum(h * h)

    agree(f, A[0], XS, np.array([2, 4]))


def test_a_number_of_numpy_beside_float32():
    # 0.1 is rounded to float32 once, where NumPy does it
    agree(lambda w: np.sum((w * np.float64(0.1) - np.float32(0.1)) * 1e6), np.array([1.0, 2.0], np.float32))


def test_a_number_that_differs_by_step():
    def f(w, xs):
        (h,), _ = steps(lambda t, h: (np.tanh(xs[t] @ w * 0.9**t + h),), np.zeros((B, H)))
        return h.sum()

    agree(f, A, XS)
    assert len(tg.compile(f).program(A, XS).graph.loops()) == 2
    dw, dh = np.zeros_like(A), np.ones((B, H))
    hs = [np.zeros((B, H))]
    for t in range(T):
        hs.append(np.tanh(XS[t] @ A * 0.9**t + hs[-1]))
    for t in reversed(range(T)):
        dh = dh * (1 - hs[t + 1] ** 2)
        dw += XS[t].T @ dh * 0.9**t
    require_agreement(tg.compile(f)(A, XS), (hs[-1].sum(), dw))


# ---------------------------------------------------------------------------------------------- gates and cuts


def test_two_parts_of_one_product_in_one_sum():
    def f(u, x):
        def step(t, h):
            q = h @ u
            return (tg.sigmoid(q[:, :H] + q[:, H:]),)

        (h,), _ = steps(step, x)
        return h.sum()

    agree(f, U[:, : 2 * H], XS[0], argnums=(0, 1))


def test_a_gate_of_two_products_of_one_state():
    def f(a, c, x):
        (h,), _ = steps(lambda t, h: (tg.sigmoid(h @ a + h @ c),), x)
        return h.sum()

    agree(f, A, C, XS[0], argnums=(0, 1, 2))


def test_gates_cut_from_two_products_of_one_state():
    def f(a, c, x):
        def step(t, h):
            z = h @ a + h @ c
            return (tg.sigmoid(z[:, :H]) * np.tanh(z[:, H:]),)

        (h,), _ = steps(step, x)
        return h.sum()

    agree(f, U[:, : 2 * H], U[:, H:], XS[0], argnums=(0, 1, 2))


def test_three_cuts_and_one_more_gate():
    def f(u, bias, a, x):
        def step(t, h):
            q = h @ u + bias
            return (np.tanh(q[:, :H]) * tg.sigmoid(q[:, H : 2 * H]) + q[:, 2 * H :] + tg.sigmoid(h @ a),)

        (h,), _ = steps(step, x)
        return h.sum()

    agree(f, U, BIAS, A, np.zeros((B, H)), argnums=(0, 1, 2))
    agree(f, U, BIAS, A, XS[0], argnums=(0, 1, 2, 3))


@pytest.mark.parametrize("of", [lambda y: -np.log(y), lambda y: 1 / y], ids=["logarithm", "reciprocal"])
def test_a_sigmoid_close_to_zero_keeps_its_digits(of):
    def f(v, xs):
        def step(t, h, loss):
            h = np.tanh(h + xs[t])
            return h, loss + of(tg.sigmoid(h @ v)).sum()

        (_, loss), _ = steps(step, np.zeros((B, H)), 0.0)
        return loss

    agree(f, np.full((H, 2), -15.0), np.abs(XS))
    agree(f, np.full((H, 2), -15.0, np.float32), np.abs(XS).astype(np.float32))


# ---------------------------------------------------------------------------------------------- states


def test_two_states_that_hold_the_same_value():
    def f(a, first, xs):
        h, k, read = np.zeros((B, H)), first, []
        for t in range(T):
            with tg.scope(t=t):
                read.append(xs[t] * h + k * k)
                z = xs[t] * a
                h, k = np.tanh(z), np.tanh(z)
        return np.stack(read).sum() + h.sum() + 2 * k.sum()

    agree(f, A[0], XS[0], XS, argnums=(0, 1, 2))
    agree(lambda a, xs: f(a, np.zeros((B, H)), xs), A[0], XS, argnums=(0, 1))


def test_two_equal_states_that_are_read_one_step_later():
    def f(a, xs):
        h = k = np.zeros((B, H))
        read = []
        for t in range(T):
            with tg.scope(t=t):
                read += [xs[t] - h, xs[t] - 2 * k]
                h, k = np.tanh(xs[t] * a), np.tanh(xs[t] * a)
        return h.sum(), read

    agree(f, A[0], XS, has_aux=True)


def test_a_last_state_that_is_stacked_outside():
    def f(p, x):
        def step(t, k, z):
            return np.tanh(p), k * p

        (k, z), every = steps(step, x, x)
        return (z + k).sum() + np.stack([k for k, _ in every]).sum()

    agree(f, A, C, argnums=(0, 1))


def test_states_without_axes():
    def f(w, xs):
        (h,), _ = steps(lambda t, h: (np.tanh(h * xs[t]),), w * 1.0)
        return h * 1.0

    agree(f, np.array(0.5), XS[:, 0, 0], argnums=(0, 1))


def test_a_state_of_three_axes_times_a_matrix():
    def f(w, xs):
        (h,), _ = steps(lambda t, h: (np.tanh(xs[t] + h @ w),), xs[0])
        return h.sum()

    agree(f, A, RNG.standard_normal((T, 2, 5, H)), argnums=(0, 1))


def test_a_first_state_made_inside_belongs_to_the_loop():
    def f(w, xs):
        (h,), _ = steps(lambda t, h: (np.tanh(xs[t] + h @ w),), np.zeros((B, H)))
        return h.sum()

    agree(f, A, XS)
    graph = tg.compile(f).program(A, XS).graph
    assert [loop.length for loop in graph.loops()] == [T, T]
    outside = [item.op.name for item in graph.items if isinstance(item, Node)]
    assert "tanh" not in outside


def test_a_value_that_is_the_same_in_all_steps_is_kept_and_joined():
    def f(a, u, xs):
        h, kept = np.zeros((B, H)), []
        for t in range(T):
            with tg.scope(t=t):
                same = np.ones((B, H)) @ a
                kept.append((same, np.concatenate([same, h], axis=1) @ u))
                h = np.tanh(xs[t])
        return h.sum(), kept

    agree(f, A, RNG.standard_normal((2 * H, H)), XS, argnums=(0, 1, 2), has_aux=True)


def test_states_stacked_beside_what_a_step_forgets():
    """The stack of three states, of which the loop makes two, has as many bytes as what one step cuts in three."""

    def f(u, bias, xs):
        h, k, loss, every = np.zeros((B, H)), np.zeros((B, H)), 0.0, []
        for t in range(3):
            with tg.scope(t=t):
                q = xs[t] @ u + bias
                n = q[:, :H] * q[:, H : 2 * H] + q[:, 2 * H :]
                h, k = np.tanh(n + k), np.tanh(n)
                every.append(h)
                loss = loss + k.sum() + h.mean()
        return loss + np.tanh(np.stack(every)).sum(), every

    agree(f, U, BIAS, XS, argnums=(0, 1, 2), has_aux=True)


def test_a_long_chain_without_labels():
    def f(x):
        h = x
        for _ in range(750):
            h = np.tanh(h) * 0.999
        return h.sum()

    x = np.array([0.5, -1.0, 2.0])
    require_agreement(tg.compile(f)(x), tg.value_and_grad(f)(x))


# ---------------------------------------------------------------------------------------------- which program it is


def each_in_turn(f, *calls):
    """One compiled function, called with each of these arguments in turn and back, is f each time."""
    fast = tg.compile(f)
    for args in (*calls, *reversed(calls)):
        with np.errstate(divide="ignore"):
            require_agreement(fast(*args), tg.value_and_grad(f)(*args))


def test_where_a_list_ends_tells_programs_apart():
    def f(p, *rest):
        return sum((x**2).sum() * (k + 1) for k, x in enumerate(p if isinstance(p, list) else [p]))

    a, b = np.ones(2), np.full(2, 3.0)
    fast = tg.compile(f)
    require_agreement(fast(a, [b]), tg.value_and_grad(f)(a, [b]))
    require_agreement(fast([a, b]), tg.value_and_grad(f)([a, b]))


def test_zero_and_minus_zero_are_two_numbers():
    each_in_turn(lambda x, c: np.sum(x / c), (np.ones(2), 0.0), (np.ones(2), -0.0))


def test_nan_is_one_number():
    runs = []

    def f(x, c):
        runs.append(c)
        return np.sum(x * c)

    fast = tg.compile(f)
    for _ in range(3):
        value, gradient = fast(np.ones(2), float("nan"))
        assert np.isnan(value)
        assert np.isnan(gradient).all()
    assert len(runs) == 2  # it is recorded twice and then run as a program


def test_masked_arrays_are_refused_at_each_call():
    fast = tg.compile(lambda x: np.sum(x * x))
    fast(np.ones(2))
    for _ in range(2):
        with pytest.raises(TypeError, match="masked"):
            fast(np.ma.array([1.0, 2.0], mask=[False, True]))


# ---------------------------------------------------------------------------------------------- copies and threads


def squares(x):
    return np.sum(x * x)


@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, lambda fast: pickle.loads(pickle.dumps(fast))])
def test_copies_have_programs_of_their_own(copied):
    fast, x = tg.compile(squares), np.array([1.0, 2.0, 4.0])
    fast(x)
    other = copied(fast)
    require_agreement(other(x + 1), (np.sum((x + 1) ** 2), 2 * (x + 1)))
    require_agreement(fast(x), (np.sum(x**2), 2 * x))
    assert other.program(x) is not fast.program(x)


def test_a_program_that_is_running_is_not_run_by_another_thread():
    fast, x = tg.compile(squares), np.array([1.0, 2.0])
    program = fast.program(x)
    with program._lock:  # as while another thread runs it
        with pytest.raises(RuntimeError, match="another thread\ncompile the function once for each thread"):
            fast(x)
    require_agreement(fast(x), (np.array(5.0), 2 * x))


def test_the_work_of_compiling_grows_with_the_length_where_a_state_is_read_two_steps_later():
    """Such steps make a loop for every pair of them, and each loop asks for the names of its memory."""
    rng = np.random.default_rng(0)
    params = {k: v.data for k, v in nn.init.rnn(rng, 2, 3).items()}

    def f(params, xs):
        hs = [np.zeros((1, 3)), np.zeros((1, 3))]
        for t, x in enumerate(xs):
            with tg.scope(t=t):
                hs.append(nn.rnn(params, x, hs[-1] + 0.5 * hs[-2]))
        return np.sum(hs[-1] * hs[-1])

    def calls(T):
        xs, made = rng.standard_normal((T, 1, 2)), [0]

        def count(frame, event, argument):
            made[0] += 1

        sys.setprofile(count)
        try:
            found = tg.compile(f)(params, xs)
        finally:
            sys.setprofile(None)
        require_agreement(found, tg.value_and_grad(f)(params, xs))
        return made[0]

    calls(3)
    short, middle, long = (calls(T) for T in (40, 80, 160))
    assert long - middle < 2.3 * (middle - short)
