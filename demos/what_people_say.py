"""What people say about backpropagation through time, put to the test: a claim, a verdict, the number behind it.

    python demos/what_people_say.py                      # all, in about a minute
    python demos/what_people_say.py a_gate_of_zero ...   # some, by name

An experiment is a function of at most twelve lines. Its docstring is the claim, its result is the verdict.
"""

import functools
import sys
import time
import tracemalloc

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn
from tinygrad_rnn.lm import text
from tinygrad_rnn.nn.optim import SGD, Adam, clip_by_norm


def draw(seed, *shape):
    """Draw from the normal distribution."""
    return np.random.default_rng(seed).standard_normal(shape)


def record(cell, params, xs):
    """Record a cell over xs (T, B, I). Return the tape, the hidden states, and the parameters as leaves."""
    leaves = {name: tg.Tensor(value, name=name) for name, value in nn.weights.arrays(params).items()}
    with tg.Tape() as tape:
        hs, _ = nn.unroll(cell, leaves, xs)
    return tape, hs, leaves


def listed(numbers, form):
    """Write numbers and what they belong to, `1 (a), 2 (b)`."""
    return ", ".join(f"{format(number, form)} ({key})" for key, number in numbers.items())


# The path of the gradient


def one_walk():
    """The error terms of one step add up: delta_k = sum_t delta_{t,k}. So one walk back is enough."""
    tape, hs, _ = record(nn.rnn, nn.init.rnn(np.random.default_rng(0), 3, 4), draw(1, 6, 1, 3))
    with tape:
        losses = [(h**2).sum() / 2 for h in hs]
        loss = sum(losses)
    delta = bptt.deltas(tape, losses, "z")  # delta[t, k]: one walk for each loss
    walk = [tape.gradient(loss, tape.find("z", t=k)) for k in range(6)]  # of the sum: one walk
    off = np.abs(delta.sum(axis=0) - walk).max()
    assert off < 1e-14 < np.abs(walk).max()
    return "True. Over 6 steps, the sum of the 21 error terms and the one walk differ by less than 1e-14."


def the_parameter_gradient():
    """The gradient of the parameters vanishes."""
    tape, hs, _ = record(nn.rnn, nn.init.rnn(np.random.default_rng(0), 4, 32), draw(1, 100, 1, 4))
    with tape:
        loss = (hs[-1] ** 2).sum()
    report = bptt.flow(tape, loss)
    state, far, near = report.norms[0], report.contributions[0], report.contributions[-1]
    assert state < -20 and far < -20 and abs(report.gradient - near) < 0.5
    return (
        f"False: dL_T/dh_k vanishes, 10^{state:.0f} over 99 steps. dL_T/dU is a sum over the steps: its first term is "
        f"10^{far:.0f}, its last one 10^{near:.1f}, and the sum 10^{report.gradient:.1f}."
    )


def eigenvalue_below_one():
    """If the largest eigenvalue of U is below 1, the gradient vanishes."""
    U = 0.8 * np.eye(10) + np.diag(np.full(9, 1.5), 1)  # all eigenvalues are 0.8
    tape, _, _ = record(nn.rnn, {"weight_hh": U, "weight_ih": draw(0, 10, 2)}, 1e-9 * draw(1, 201, 1, 2))
    J = bptt.step_jacobians(tape)
    log10 = {gap: bptt.log10_product(J, 0, gap)[0] for gap in (1, 10, 40, 100, 200)}
    assert np.allclose(J[0, 0], U) and log10[40] > 6 and log10[200] < 0
    return (
        f"In the end, not before. The eigenvalues are 0.8, the norm of U is {np.linalg.norm(U, 2):.1f}; "
        f"log10 |dh_t/dh_k| by the gap is {listed(log10, '+.1f')}."
    )


def eigenvalue_above_one():
    """If the largest eigenvalue of U is above 1, the gradient explodes."""
    U, log10 = 2 * np.linalg.qr(draw(0, 10, 10))[0], {}  # all eigenvalues have the modulus 2
    for size in (1e-12, 1, 5):
        tape, _, _ = record(nn.rnn, {"weight_hh": U, "weight_ih": draw(1, 10, 2)}, size * draw(2, 41, 1, 2))
        log10[size] = bptt.log10_product(bptt.step_jacobians(tape))[0]
    assert log10[1e-12] > 10 and log10[5] < -5
    return f"It depends on tanh'. log10 |dh_40/dh_0| by the size of the inputs is {listed(log10, '+.1f')}."


def bounded_states():
    """The states of a tanh network lie between -1 and 1, so its gradients are bounded too."""
    norms = {}
    for gain in (0.5, 1, 2, 4):
        params = {"weight_ih": draw(11, 64, 2), "weight_hh": gain * draw(12, 64, 64) / 8}
        tape, hs, leaves = record(nn.rnn, params, draw(13, 100, 1, 2))
        with tape:
            loss = hs[-1].sum()
        norms[gain] = bptt.log10_norm(tape.gradient(loss, leaves["weight_hh"]))
        assert np.abs(hs.data).max() <= 1
    assert norms[1] < 2 and norms[4] > 12
    return f"False. Over 100 steps, log10 |dL/dU| by the size of U is {listed(norms, '.1f')}; |h| stays below 1."


def an_lstm_cannot_explode():
    """The gates are below 1, so the gradient of an LSTM cannot explode."""
    log10 = {}
    for scale in (1, 5, 10, 20):
        params = nn.weights.arrays(nn.init.lstm(np.random.default_rng(1), 2, 50))
        tape, hs, _ = record(nn.lstm, {**params, "weight_hh": scale * params["weight_hh"]}, draw(2, 100, 1, 2))
        with tape:
            loss = hs[-1].sum()
        first, last = tape.gradient(loss, [tape.find("h", t=0), tape.find("h", t=99)])
        log10[scale] = bptt.log10_norm(first) - bptt.log10_norm(last)
    assert log10[1] < -15 and log10[20] > 15
    return f"False. log10 of |dL/dh_0| / |dL/dh_99| by the factor of U is {listed(log10, '+.1f')}."


# Gates and states


def between_two_cell_states():
    """Only f_t stands between c_{t-1} and c_t."""
    tape, _, _ = record(nn.lstm, nn.init.lstm(np.random.default_rng(0), 3, 4), draw(1, 3, 1, 3))
    before, c, f = tape.find("c", t=1), tape.find("c", t=2), np.diag(tape.find("f", t=2).data[0])
    whole = bptt.total(tape, c, before).reshape(4, 4)
    through_h = bptt.total(tape, c, tape.find("h", t=1)).reshape(4, 4)  # h_1 = o_1 * tanh(c_1)
    dh_dc = tape.find("o", t=1).data[0] * (1 - np.tanh(before.data[0]) ** 2)
    assert np.allclose(whole, f + through_h * dh_dc, rtol=0, atol=1e-14)
    off = np.abs(whole - f).max()
    assert off > 0.1
    return f"False. dc_t/dc_(t-1) and diag(f_t) differ by up to {off:.3f}: h_(t-1) and the gates are a way as well."


def a_gate_of_zero():
    """If the forget gate is 0, the past has no influence."""
    params = nn.weights.arrays(nn.init.lstm(np.random.default_rng(0), 3, 4))
    params["bias_ih"] = params["bias_ih"] - 700 * np.repeat([0.0, 1, 0, 0], 4)  # f is the second of i, f, g, o
    tape, _, _ = record(nn.lstm, params, draw(1, 3, 1, 3))
    f, c, before = tape.find("f", t=2), tape.find("c", t=2), tape.find("c", t=1)
    parts = bptt.paths(tape, c, before, seed=np.ones((1, 4)))
    norms = {gate: np.linalg.norm(part) for gate, part in parts.items() if gate in ("i", "g")}
    assert max(f.data.max(), np.abs(parts[None]).max()) < 1e-300 < 0.01 < min(norms.values())
    return f"False. With f = 0, the norm of dc_t/dc_(t-1) through h_(t-1) is, by the gate, {listed(norms, '.3f')}."


def gru_gates_at_their_limits():
    """A GRU with z = 0 and r = 1 is the simple RNN; with z = 1 it copies its state."""
    params, off = nn.weights.arrays(nn.init.gru_textbook(np.random.default_rng(0), 3, 4)), {}
    x, h = draw(1, 2, 3), draw(2, 2, 4)
    simple = nn.rnn({name: p[8:] for name, p in params.items()}, x, h)  # the rows of the candidate
    for name, r, z, wanted in (("simple RNN", 700, -700, simple), ("copy", 0, 700, h)):
        bias = np.repeat([r, z, 0.0], 4)  # the order r, z, n
        changed = {**params, "bias_ih": params["bias_ih"] + bias}
        off[name] = np.abs(nn.gru_textbook(changed, x, h) - wanted).max()
    assert max(off.values()) < 1e-14
    return "True. Both differ by less than 1e-14."


def z_or_one_minus_z():
    """The books disagree about the GRU: z h_{t-1} + (1 - z) h~ in one, (1 - u) h_{t-1} + u h~ in the other."""
    tape, hs, _ = record(nn.gru_textbook, nn.init.gru_textbook(np.random.default_rng(0), 3, 4), draw(1, 2, 2, 3))
    before, n, z, net = hs[0].data, *(tape.find(name, t=1).data for name in ("n", "z", "z_z"))
    assert np.allclose(hs[1].data, z * before + (1 - z) * n, rtol=0, atol=1e-14)  # as NNDL, D2L and PyTorch write it
    u = tg.sigmoid(-net)  # the same network, with the signs of W_z, U_z and b_z turned
    off = np.abs(hs[1].data - ((1 - u) * before + u * n)).max()  # as CS224n writes it
    assert off < 1e-14
    return "True, in the letter alone: u is 1 - z. With the signs of its weights turned, both give one h, to 1e-14."


def residual_memory():
    """With h_t = h_{t-1} + g, only the gradient is in danger."""
    largest, late = [], []
    for seed in range(5):
        U, net, h = draw(seed, 4, 4), draw(seed + 10, 100, 4), np.zeros(4)
        for t in range(100):
            g = tg.sigmoid(U @ h + net[t])
            h, late = h + g, late + [g * (1 - g)] * (t >= 50)
        largest.append(h.max())
    saturated = np.mean(np.array(late) < 0.01)
    assert min(largest) > 50 and saturated > 0.95
    return f"False. After 100 steps max h is {min(largest):.0f} or more; {saturated:.0%} of later slopes are < 0.01."


def gru_is_an_lstm_with_less():
    """A GRU is an LSTM with fewer parameters, and equally strong."""
    ab = np.repeat([1.0, -1], [30, 20]).reshape(-1, 1, 1)  # 30 times a, 20 times b
    lstm = {"weight_ih": 50 * np.eye(4)[:, 2:3], "weight_hh": np.zeros((4, 1)), "bias_ih": 50 * np.array([1, 1, 0, 1])}
    count, largest = record(nn.lstm, lstm, ab)[0].find("c", t=49).data.item(), 0
    for seed in range(5):
        for scale in (1, 20):
            gru = nn.weights.arrays(nn.init.gru(np.random.default_rng(seed), 1, 8))
            hs = record(nn.gru, {name: scale * p for name, p in gru.items()}, ab)[1]
            largest = max(largest, np.abs(hs.data).max())
    assert abs(count - 10) < 1e-12 and largest <= 1
    return (
        f"False. An LSTM counts: c = 30 - 20 = {count:.0f}. A GRU takes means: ten of them reach {largest:.2f} at most."
    )


# How it is written


def layout():
    """The derivative dz_t/dh_{t-1} is U^T, not U."""
    U, W, x, h, delta = draw(0, 4, 4), draw(1, 4, 3), draw(2, 3), draw(3, 4), draw(4, 4)
    J = tg.jacobian(lambda h: U @ h + W @ x)(h)  # J[i, j] = dz_i/dh_j, the numerator layout
    dh = tg.vjp(lambda h: U @ h + W @ x, h)[1](delta)[0]
    assert np.array_equal(J, U) and np.allclose(dh, U.T @ delta, rtol=0, atol=1e-14)
    return "Both, by the layout. dz_i/dh_j is U[i, j]; NNDL puts j before i: U^T. In both, dL/dh is U^T delta."


def by_a_matrix():
    """The derivative dz_t/dU is h_{t-1}^T."""
    tape, hs, leaves = record(nn.rnn, nn.init.rnn(np.random.default_rng(0), 3, 4), draw(1, 3, 1, 3))
    z, U, h = tape.find("z", t=2), leaves["weight_hh"], hs[1].data[0]
    J = bptt.immediate(tape, z, U)[0]  # J[i, j, k] = dz_i/dU_jk, with h_1 as a constant
    delta = draw(2, 4)
    assert J.shape == (4, 4, 4) and np.array_equal(J, np.eye(4)[:, :, None] * h)
    assert np.allclose(np.tensordot(delta, J, 1), np.outer(delta, h), rtol=0, atol=1e-14)
    return f"Loosely said: {J.size} entries, {np.count_nonzero(J)} of them not 0. With delta they make delta h^T."


def parameters_of_the_course():
    """Draw the parameters of the cells below, under the names of the course: n_a = 4, n_x = 3, n_y = 2."""
    shapes = {"Wax": (4, 3), "Waa": (4, 4), "Wya": (2, 4), "ba": (4, 1), "by": (2, 1)}
    shapes |= {"W" + gate: (4, 7) for gate in "fioc"} | {"b" + gate: (4, 1) for gate in "fioc"}
    return {name: draw(seed, *shape) for seed, (name, shape) in enumerate(shapes.items())}


def lstm_cell_forward(xt, a_prev, c_prev, parameters):
    """Compute an LSTM cell as a course's listing does: the joined input is an array that is filled in place."""
    n_a, m = a_prev.shape
    concat = np.zeros((n_a + xt.shape[0], m))
    concat[:n_a, :] = a_prev
    concat[n_a:, :] = xt
    ft, it, ot = (tg.sigmoid(np.dot(parameters["W" + k], concat) + parameters["b" + k]) for k in "fio")
    c_next = ft * c_prev + it * np.tanh(np.dot(parameters["Wc"], concat) + parameters["bc"])
    return ot * np.tanh(c_next), c_next


def rnn_cell_forward(xt, a_prev, parameters):
    """Compute a cell of the simple RNN as a course's listing does."""
    Wax, Waa, Wya = parameters["Wax"], parameters["Waa"], parameters["Wya"]
    a_next = np.tanh(np.dot(Wax, xt) + np.dot(Waa, a_prev) + parameters["ba"])
    e_y = np.exp(np.dot(Wya, a_next) + parameters["by"])
    return a_next, e_y / e_y.sum(axis=0), (a_next, a_prev, xt, parameters)


def rnn_forward(x, a0, parameters):
    """Run the cell over time, x (n_x, m, T), and collect the states in an array that is filled in place."""
    a, a_next, caches = np.zeros((*a0.shape, x.shape[2])), a0, []
    for t in range(x.shape[2]):
        a_next, _, cache = rnn_cell_forward(x[:, :, t], a_next, parameters)
        a[:, :, t] = a_next
        caches.append(cache)
    return a, (caches, x)


def rnn_backward(da, caches):
    """Go back over time as a course's listing does, from da (n_a, m, T)."""
    (caches, x), da_prevt = caches, np.zeros(da.shape[:2])
    gradients = {"dx": np.zeros(x.shape), "dWax": 0, "dWaa": 0, "dba": 0}
    for t in reversed(range(da.shape[2])):
        a_next, a_prev, xt, parameters = caches[t]
        dtanh = (1 - a_next**2) * (da[:, :, t] + da_prevt)
        gradients["dx"][:, :, t] = np.dot(parameters["Wax"].T, dtanh)
        gradients["dWax"] += np.dot(dtanh, xt.T)
        gradients["dWaa"] += np.dot(dtanh, a_prev.T)
        gradients["dba"] += np.sum(dtanh, axis=1, keepdims=True)
        da_prevt = np.dot(parameters["Waa"].T, dtanh)
    return {**gradients, "da0": da_prevt}


def a_tape_and_the_listings():
    """A tape records the listings of a course as they stand."""
    leaves = {name: tg.Tensor(value, name=name) for name, value in parameters_of_the_course().items()}
    with tg.Tape() as tape:
        a_next, _, _ = rnn_cell_forward(draw(20, 3, 5), draw(21, 4, 5), leaves)
        count = len(tape)
        try:
            lstm_cell_forward(draw(20, 3, 5), a_next, draw(22, 4, 5), leaves)
        except TypeError as refusal:
            said, remedy = str(refusal).splitlines()
    assert count == 10 and "concat[:n_a, :] = a_prev" in said and "np.concatenate(parts)" in remedy
    said = said.split(", at ")[0]
    return f"In part. rnn_cell_forward makes {count} lines. concat[:n_a, :] = a_prev is refused:\n{said}\n{remedy}"


def a_check_and_the_listings():
    """A listing that fills its arrays in place must be rewritten before it can be checked."""
    parameters = {name: p for name, p in parameters_of_the_course().items() if len(name) == 3 or name in ("ba", "by")}
    x, a0 = draw(20, 3, 5, 4), draw(21, 4, 5)
    found = bptt.examine((rnn_forward, rnn_backward), x, a0, parameters)
    assert found and found.verdict == "right"
    return f"False. bptt.examine takes the listing as it stands.\n{found}"


# Remedies


def clipping_keeps_weights_small():
    """Clipping keeps the weights small."""
    x, size = draw(0, 20, 2), {}
    y = np.sign(x @ np.array([1.0, 2.0]))  # two classes that a line separates
    loss = tg.compile(lambda w: np.log(1 + np.exp(-y * (x @ w))).mean())
    for name, theta, l2 in (("neither", np.inf, 0), ("clipped at 0.1", 0.1, 0), ("weight decay", np.inf, 0.05)):
        sgd, w = SGD(rate=1.0, l2=l2), np.zeros(2)
        for _ in range(500):
            w, _ = sgd.step(w, clip_by_norm(loss(w)[1], theta)[0], sgd.init(w))
        size[name] = np.linalg.norm(w)
    assert size["clipped at 0.1"] > 0.95 * size["neither"] > 3 * size["weight decay"]
    return f"False: clipping bounds the step. |w| after 500 updates is {listed(size, '.1f')}."


def cliff(p):
    """Compute the losses (sigmoid(h_50) - 0.7)^2 of h_t = w sigmoid(h_{t-1}) + b, for columns p of w and b."""
    h = 0.5 * np.ones(p.shape[1])
    for t in range(50):
        with tg.scope(t=t):
            h = p[0] * tg.sigmoid(h) + p[1]
    return (tg.sigmoid(h) - 0.7) ** 2


def clipping_and_the_cliff():
    """Clipping saves training from the cliff."""
    starts = np.stack(np.meshgrid(np.linspace(4, 6, 9), np.linspace(-3, -2, 9))).reshape(2, -1)  # columns (w, b)
    step, longest, solved = tg.compile(lambda p: cliff(p).sum()), {}, {}
    for name, theta in (("plain", np.inf), ("clipped", 0.1)):
        p, moves = starts, []
        for _ in range(100):
            gradient = step(p)[1]
            moves.append(0.5 * gradient * np.minimum(1, theta / np.linalg.norm(gradient, axis=0)))
            p = p - moves[-1]
        longest[name], solved[name] = np.linalg.norm(moves, axis=1).max(), np.mean(cliff(p) < 0.01)
    assert longest["plain"] > 100 > 0.051 > longest["clipped"] and solved["clipped"] > solved["plain"] + 0.2
    return f"It bounds the step: {listed(longest, '.2f')}. Of 81 starts, a loss below 0.01: {listed(solved, '.0%')}."


# What training shows


def fit(loss, params, batch, updates, rate=0.02):
    """Train on loss(params, *batch()), with Adam and clipped gradients. Yield the parameters after each update."""
    step, adam = tg.compile(loss), Adam(rate=rate)
    state = adam.init(params)
    for _ in range(updates):
        gradients, _ = clip_by_norm(step(params, *batch())[1], 1.0)
        params, state = adam.step(params, gradients, state)
        yield params


def start(layer, seed, keep=0.0):
    """Draw the parameters of a layer and a readout V, and a generator. `keep` opens the GRU's z or the LSTM's f."""
    rng, H = np.random.default_rng(seed), layer.hidden_size
    params = {**nn.weights.arrays(layer.init(rng)), "V": 0.3 * rng.standard_normal((1, H))}
    params["bias_ih_l0"] = params["bias_ih_l0"] + keep * np.repeat(np.arange(layer.gates) == 1, H)
    return params, rng


def error(layer, params, xs, targets):
    """Compute the mean squared error of V h_T."""
    return nn.mse(layer(params, xs)[0][-1] @ params["V"].T, targets)


def learn(layer, task, seed, updates, keep=0.0):
    """Train a layer on a task. Return the parameters, and the error on new examples divided by their variance."""
    params, rng = start(layer, seed, keep)
    *_, params = fit(functools.partial(error, layer), params, lambda: task(rng, 32), updates)
    xs, targets = task(np.random.default_rng(99), 500)
    return params, float(error(layer, params, xs, targets)) / targets.var()


def adding(rng, count, T=12):
    """Draw numbers, two of them marked, xs (T, count, 2), and the sum of these two (less its mean)."""
    xs, each = np.zeros((T, count, 2)), np.arange(count)
    first, second = rng.integers(0, T // 2, count), rng.integers(T // 2, T, count)
    xs[:, :, 0] = rng.uniform(size=(T, count))
    xs[first, each, 1] = xs[second, each, 1] = 1
    return xs, (xs[first, each, 0] + xs[second, each, 0])[:, None] - 1


def recall(rng, count, T=16, back=16):
    """Draw signs, xs (T, count, 2), and one of them, to be told at the end: that of so many steps back."""
    xs = rng.choice([-1.0, 1.0], (T, count, 2))
    return xs, xs[-back, :, :1]


def unrelated(rng, count):
    """Draw the same inputs, and a sign that has nothing to do with them."""
    return recall(rng, count)[0], rng.choice([-1.0, 1.0], (count, 1))


def a_gate_is_0_or_1():
    """A gate is 0 or 1."""
    layer, shares = nn.LSTM(2, 12), {}
    for name, p in (("before training", start(layer, 0)[0]), ("after it", learn(layer, adding, 0, 1000)[0])):
        with tg.Tape() as tape:
            layer({key: tg.Tensor(value) for key, value in p.items()}, adding(np.random.default_rng(1), 100)[0])
        gates = np.array([tape.find(gate, t=t).data for gate in "ifo" for t in range(12)])
        shares[name] = np.mean((gates < 0.1) | (gates > 0.9))
    assert shares["before training"] == 0 < shares["after it"] < 0.7
    return f"False. Within 0.1 of 0 or 1 lie {listed(shares, '.1%')}, of the values of an LSTM's gates."


def thousand_steps():
    """Backpropagation through 1,000 steps is infeasible."""
    params, xs, begin = nn.init.rnn(np.random.default_rng(0), 16, 256), draw(1, 1000, 1, 16), time.perf_counter()
    tracemalloc.start()
    with tg.Tape() as tape:
        loss = (nn.unroll(nn.rnn, params, xs)[1] ** 2).sum()
    tape.gradient(loss, params)
    seconds, mebibytes = time.perf_counter() - begin, tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    assert mebibytes < 64 and len(tape) < 10 * 1000
    return f"False. A simple RNN of 256 units takes {len(tape)} lines, {mebibytes:.0f} MiB and {seconds:.1f} s here."


def better_and_faster():
    """LSTM is better, GRU is faster."""
    errors, seconds = {adding: {}, recall: {}}, {}
    for kind in (nn.RNN, nn.GRU, nn.LSTM):
        name, begin = kind.__name__, time.perf_counter()
        for task, found in errors.items():
            found[name] = np.median([learn(kind(2, 12), task, seed, 200)[1] for seed in range(5)])
        seconds[name] = time.perf_counter() - begin
    sums, first = (listed(found, ".3f") for found in errors.values())
    assert max(errors[adding]["LSTM"], errors[adding]["GRU"]) < 0.1 < 0.5 < errors[adding]["RNN"]
    assert errors[recall]["LSTM"] > 0.9 > 0.5 > min(errors[recall]["RNN"], errors[recall]["GRU"])
    return f"It depends. Error, adding: {sums}; error, recall: {first}; seconds here: {listed(seconds, '.1f')}."


def agreement(rng, count, same):
    """Draw phrases "noun of noun of noun of noun", (7, count, 3), and the number of the first noun, -1 or 1.

    Each other noun has the same number with the probability `same`.
    """
    first = rng.integers(0, 2, count)
    words = np.full((7, count), 2)
    words[::2] = first, *np.where(rng.uniform(size=(3, count)) < same, first, 1 - first)
    return np.eye(3)[words], 2.0 * first[:, None] - 1


def logistic(layer, params, xs, number):
    """Compute the logistic loss of V h_T for a number of -1 or 1."""
    return np.log(1 + np.exp(-number * (layer(params, xs)[0][-1] @ params["V"].T))).mean()


def recency():
    """A recurrent network listens to the last noun, not to the one that the syntax asks for."""
    layer, wrong, (xs, number) = nn.RNN(3, 12), [], agreement(np.random.default_rng(9), 500, 0)  # all others differ
    for seed in range(3):
        params, rng = start(layer, seed)
        trained = fit(functools.partial(logistic, layer), params, functools.partial(agreement, rng, 32, 0.9), 60, 0.01)
        wrong.append([np.mean(number * (layer(p, xs)[0][-1] @ p["V"].T) < 0) for p in trained])
    early, late = np.mean(wrong, axis=0)[[9, 59]]
    assert early > 0.8 and late < 0.1
    return f"At first. Three nouns mislead it in {early:.0%} of the phrases after 10 updates, in {late:.0%} after 60."


def no_dependency_or_wrong_parameters():
    """If a gradient vanishes, one cannot know: is there no dependency, or are the parameters wrong?"""
    reach, errors = {}, {}
    for task in (recall, unrelated):
        params, rng = start(nn.RNN(2, 12), 0)
        with tg.Tape() as tape:
            loss = error(nn.RNN(2, 12), {name: tg.Tensor(p) for name, p in params.items()}, *task(rng, 32))
        dhs = tape.gradient(loss, [tape.find("h", t=t) for t in (0, 15)])
        reach[task.__name__] = np.linalg.norm(dhs[0]) / np.linalg.norm(dhs[1])
        errors[task.__name__] = max(learn(nn.GRU(2, 12), task, seed, 150, keep=4.0)[1] for seed in range(3))
    assert max(reach.values()) < 1e-3 and errors["recall"] < 0.1 and errors["unrelated"] > 0.9
    ratios, found = listed(reach, ".0e"), listed(errors, ".2f")
    return f"One can. |dL/dh_1| / |dL/dh_16| does not tell: {ratios}. Errors of a GRU with open gates do: {found}."


def nowhere(rng, T):
    """Cut nowhere: every xi is 1."""
    return np.ones(T)


def regularly(rng, T):
    """Cut at every fourth step: there xi is 0."""
    return (np.arange(T) % 4 != 0) * 1.0


def by_chance(rng, T):
    """Cut with the probability 1/4, so after four steps in the mean; else xi is 4/3, and the gradient has no bias."""
    return (rng.uniform(size=T) < 0.75) / 0.75


def run(params, xs, xi):
    """Run a simple RNN. What goes back from step t to step t-1 is multiplied by xi_t."""
    h, hs = np.zeros((xs.shape[1], params["V"].shape[1])), []
    for t in range(len(xs)):
        with tg.scope(t=t):
            h = nn.rnn(params, xs[t], xi[t] * h + tg.stop_gradient((1 - xi[t]) * h))
            hs.append(h)
    return np.stack(hs)


def windows(rng, part, count, T=24):
    """Draw windows of a text, one-hot (T, count, 27), and the next characters (T, count)."""
    drawn = part[rng.integers(0, len(part) - T, count) + np.arange(T + 1)[:, None]]
    return text.one_hot(drawn[:-1]), drawn[1:]


@functools.cache
def language_model(way, seed):
    """Train a character model, truncated in this way. Return the losses on its text and on the next one, (20, 2)."""
    source, rng = text.indices(text.load()[:4000]), np.random.default_rng(seed)
    params = {**nn.weights.arrays(nn.init.rnn(rng, 27, 32)), "V": 0.3 * rng.standard_normal((27, 32))}
    tests = [windows(np.random.default_rng(5), part, 100) for part in (source[:2000], source[2000:])]

    def loss(params, xs, targets, xi):
        return nn.cross_entropy(run(params, xs, xi) @ params["V"].T, targets)

    trained = fit(loss, params, lambda: (*windows(rng, source[:2000], 16), way(rng, 24)), 400, rate=0.01)
    kept = [p for update, p in enumerate(trained) if update % 20 == 19]
    return np.array([[float(loss(p, *test, np.ones(24))) for test in tests] for p in kept])


def truncation_regularises():
    """Truncation regularises."""
    losses = {way.__name__: np.array([language_model(way, seed) for seed in range(3)]) for way in (nowhere, regularly)}
    training = {way: found[:, -1, 0].mean() for way, found in losses.items()}
    held_out = {way: found[:, -1, 1].mean() for way, found in losses.items()}
    best = {way: found[:, :, 1].min(axis=1) for way, found in losses.items()}
    means = {way: found.mean() for way, found in best.items()}
    assert held_out["regularly"] < held_out["nowhere"] and means["regularly"] < means["nowhere"]
    wins = np.sum(best["regularly"] < best["nowhere"])
    return (
        f"True here, a little. Training: {listed(training, '.2f')}; held out: {listed(held_out, '.2f')}; "
        f"at its best: {listed(means, '.2f')}, lower with cuts in {wins} of 3 seeds."
    )


def recalled(params, xs, targets, xi):
    """Compute the mean squared error of V h_T, where the gradient is truncated by xi."""
    return nn.mse(run(params, xs, xi)[-1] @ params["V"].T, targets)


def six_steps_back(way, seed):
    """Train a simple RNN, truncated in this way, to tell the sign of six steps back. Return the error on new signs."""
    params, rng = start(nn.RNN(2, 12), seed)
    params, task = {name.removesuffix("_l0"): p for name, p in params.items()}, functools.partial(recall, T=12, back=6)
    *_, params = fit(recalled, params, lambda: (*task(rng, 32), way(rng, 12)), 400, rate=0.01)
    return float(recalled(params, *task(np.random.default_rng(9), 500), np.ones(12)))


def random_truncation():
    """Random truncation is no better than regular truncation."""
    held_out, errors = {}, {}
    for way in (regularly, by_chance):
        held_out[way.__name__] = np.mean([language_model(way, seed)[:, 1].min() for seed in range(3)])
        errors[way.__name__] = [six_steps_back(way, seed) for seed in range(3)]
    assert held_out["by_chance"] > held_out["regularly"] - 0.05
    assert max(errors["by_chance"]) < 0.1 < 0.8 < min(errors["regularly"])
    worst = {way: max(found) for way, found in errors.items()}
    return (
        f"It depends. Text, held out: {listed(held_out, '.2f')}. A sign six steps back, error: {listed(worst, '.2f')}."
    )


FAST = (
    one_walk,
    the_parameter_gradient,
    eigenvalue_below_one,
    eigenvalue_above_one,
    bounded_states,
    an_lstm_cannot_explode,
    between_two_cell_states,
    a_gate_of_zero,
    gru_gates_at_their_limits,
    residual_memory,
    gru_is_an_lstm_with_less,
    layout,
    by_a_matrix,
    z_or_one_minus_z,
    a_tape_and_the_listings,
    a_check_and_the_listings,
    clipping_keeps_weights_small,
    clipping_and_the_cliff,
)
SLOW = (
    thousand_steps,
    a_gate_is_0_or_1,
    better_and_faster,
    recency,
    no_dependency_or_wrong_parameters,
    truncation_regularises,
    random_truncation,
)
EXPERIMENTS = {experiment.__name__: experiment for experiment in (*FAST, *SLOW)}


def main(names):
    """Print the claims of these names, or all, and what comes out."""
    unknown = [name for name in names if name not in EXPERIMENTS]
    if unknown:
        sys.exit(f"no experiment of this name: {', '.join(unknown)}\nthere are {', '.join(EXPERIMENTS)}")
    for name in names or EXPERIMENTS:
        print(f"{EXPERIMENTS[name].__doc__}\n    " + EXPERIMENTS[name]().replace("\n", "\n    "), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
