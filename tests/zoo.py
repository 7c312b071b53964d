"""Hand-written backward passes, right ones in several styles and wrong ones with one mistake each (or two).

Each `my_...` is right with mistake="". `ZOO` says for every mistake what the doctor must answer.
"""

from functools import partial

import numpy as np

from tinygrad_rnn import nn


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# ------------------------------------------------------------------------------------------------ the simple RNN

KEPT_BETWEEN_CALLS = {}


def my_rnn(params, xs, state, dhs, dlast=None, *, mistake=""):
    """Lists, one bias, everything returned."""
    mistakes = mistake.split(" + ")
    W, U, b = params["weight_ih"], params["weight_hh"], params["bias_ih"] + params["bias_hh"]
    T, B = len(xs), len(state[0])
    h, hs, zs = state[0].copy(), [state[0]], []
    for x in xs:
        zs.append(x @ W.T + h @ U.T + b)
        if "one array for all states" in mistakes:
            h[:] = np.tanh(zs[-1])
        else:
            h = np.tanh(zs[-1])
        hs.append(h)
    if "one array for all states" in mistakes:
        hs[0] = h
    dW, dU, db, dxs = np.zeros_like(W), np.zeros_like(U), np.zeros_like(b), np.zeros_like(xs)
    if "sums kept between calls" in mistakes:
        dU = KEPT_BETWEEN_CALLS.setdefault(U.shape, dU)
    dh_next = np.zeros_like(h) if dlast is None or "dlast ignored" in mistakes else dlast[0]
    for t in range(T) if "loop forward" in mistakes else reversed(range(T)):
        if "writes into dhs" in mistakes:
            dhs[t] += dh_next
            dh = dhs[t]
        elif "upstream at the last step only" in mistakes:
            dh = dh_next + (dhs[t] if t == T - 1 else 0)
        elif "carry for upstream" in mistakes:
            dh = dh_next if t < T - 1 else dhs[t] + dh_next
        elif "no carry" in mistakes:
            dh = dhs[t]
        else:
            dh = dhs[t] + dh_next
        slope = 1 - hs[t + 1] ** 2
        if "no derivative" in mistakes:
            slope = 1
        if "derivative at z" in mistakes:
            slope = 1 - zs[t] ** 2
        if "derivative of a sigmoid" in mistakes:
            slope = hs[t + 1] * (1 - hs[t + 1])
        if "derivative twice" in mistakes:
            slope = slope * slope
        dz = dh * slope
        dW += dz.T @ (xs[t - 1] if "x of step t-1" in mistakes else xs[t])
        term = dz.T @ (hs[t + 1] if "h_t for h_{t-1}" in mistakes else hs[t])
        if "= for +=" in mistakes:
            dU = term
        elif "last step only" not in mistakes or t == T - 1:
            dU += term
        if "batch averaged" in mistakes:
            db += dz.mean(axis=0)
        elif "batch not summed" in mistakes:
            db = db + dz
        else:
            db += dz.sum(axis=0)
        dxs[T - 1 - t if "dx in the loop's order" in mistakes else t] = dz @ W
        before, dh_next = dh, dz @ (U.T if "U for its transpose" in mistakes else U)
    if "h0 not passed on" in mistakes:
        dh_next = before
    answer = {"weight_ih": dW, "weight_hh": dU, "bias_ih": db, "bias_hh": db, "x": dxs, "h0": dh_next}
    if "dW transposed" in mistakes:
        answer["weight_ih"] = dW.T
    if "dU transposed" in mistakes:
        answer["weight_hh"] = dU.T
    factor = {"1/T": 1 / T, "1/B": 1 / B, "a factor 2": 2, "sign": -1}.get(mistake, 1)
    return {name: factor * g for name, g in answer.items()} if factor != 1 else answer


# ------------------------------------------------------------------------------------------------ the LSTM


def my_lstm(params, xs, state, dhs, dlast=None, *, mistake=""):
    """A matrix for each gate, as on the blackboard; put together at the end."""
    mistakes = mistake.split(" + ")
    W, U = (dict(zip("ifgo", np.split(params[name], 4), strict=True)) for name in ("weight_ih", "weight_hh"))
    b = dict(zip("ifgo", np.split(params["bias_ih"] + params["bias_hh"], 4), strict=True))
    h, c = state
    kept = []
    for x in xs:
        z = {k: x @ W[k].T + h @ U[k].T + b[k] for k in "ifgo"}
        gates = {k: np.tanh(z[k]) if k == "g" else sigmoid(z[k]) for k in "ifgo"}
        c_before, h_before = c, h
        c = gates["f"] * c + gates["i"] * gates["g"]
        h = gates["o"] * np.tanh(c)
        kept.append((x, h_before, c_before, c, gates, z))
    dW, dU, db = ({k: np.zeros_like(v) for k, v in p.items()} for p in (W, U, b))
    dxs = np.zeros_like(xs)
    dh_next, dc_next = dlast or (np.zeros_like(h), np.zeros_like(c))
    for t in reversed(range(len(xs))):
        x, h_before, c_before, c, gates, z = kept[t]
        i, f, g, o = gates["i"], gates["f"], gates["g"], gates["o"]
        y = np.tanh(c_before if "tanh(c) of the step before" in mistakes else c)
        dh = dhs[t] + (0 if "no dh carry" in mistakes else dh_next)
        dc = dh * o * (1 if "no tanh' of c" in mistakes else 1 - y**2)
        if "no path through tanh(c)" in mistakes:
            dc = np.zeros_like(c)
        if "no output gate in dc" in mistakes:
            dc = dh * (1 - y**2)
        if "no dc carry" not in mistakes:
            dc = dc + dc_next
        d = {"i": dc * g, "f": dc * c_before, "g": dc * i, "o": dh * y}
        if "c_t for c_{t-1}" in mistakes:
            d["f"] = dc * c
        if "no factor in df" in mistakes:
            d["f"] = dc
        if "i and g exchanged" in mistakes:
            d["i"], d["g"] = dc * i, dc * g
        slope = {k: 1 - g**2 if k == "g" else gates[k] * (1 - gates[k]) for k in "ifgo"}
        if "no sigmoid' at o" in mistakes:
            slope["o"] = 1
        if "no sigmoid' anywhere" in mistakes:
            slope.update(i=1, f=1, o=1)
        if "no derivative anywhere" in mistakes:
            slope = dict.fromkeys("ifgo", 1)
        if "tanh' at f" in mistakes:
            slope["f"] = 1 - f**2
        if "1 - i missing" in mistakes:
            slope["i"] = i
        dz = {k: d[k] * slope[k] for k in "ifgo"}
        for k in "ifgo":
            dW[k] += dz[k].T @ x
            dU[k] += dz[k].T @ h_before
            db[k] += dz[k].sum(axis=0)
        dxs[t] = sum(dz[k] @ W[k] for k in "ifgo")
        through = "ifg" if "dh_{t-1} without gate o" in mistakes else "ifgo"
        dh_next = sum(dz[k] @ U[k] for k in through)
        dc_next = dc if "dc carried without f" in mistakes else dc * f
    order = "ifog" if "gates returned in another order" in mistakes else "ifgo"
    put = {"weight_ih": dW, "weight_hh": dU, "bias_ih": db, "bias_hh": db}
    answer = {name: np.concatenate([p[k] for k in order]) for name, p in put.items()}
    return {**answer, "x": dxs, "h0": dh_next, "c0": dc_next}


# ------------------------------------------------------------------------------------------------ the GRU


def my_gru(params, xs, state, dhs, dlast=None, *, mistake=""):
    """PyTorch's GRU, fused."""
    mistakes = mistake.split(" + ")
    W, U, b, v = (params[name] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    H = U.shape[1]
    h, kept = state[0], []
    for x in xs:
        a, q = x @ W.T + b, h @ U.T + v
        r, z = sigmoid(a[:, :H] + q[:, :H]), sigmoid(a[:, H : 2 * H] + q[:, H : 2 * H])
        n = np.tanh(a[:, 2 * H :] + r * q[:, 2 * H :])
        kept.append((x, h, r, z, n, q[:, 2 * H :]))
        h = (1 - z) * n + z * h
    dW, dU, db, dv = (np.zeros_like(p) for p in (W, U, b, v))
    carry = np.zeros_like(h) if dlast is None else dlast[0]
    dxs = np.empty_like(xs)
    for t in range(len(xs) - 1, -1, -1):
        x, h, r, z, n, q_n = kept[t]
        dh = dhs[t] + carry
        dn = dh * (z if "z for 1-z" in mistakes else 1 - z) * (1 - n**2)
        dz = dh * ((n - h) if "sign of dz" in mistakes else (h - n)) * z * (1 - z)
        if "no factor in dz" in mistakes:
            dz = dh * z * (1 - z)
        dr = dn * (h if "h for U_n h" in mistakes else q_n) * r * (1 - r)
        da = np.hstack([dr, dz, dn])
        dq = np.hstack([dr, dz, dn if "no reset gate in dq_n" in mistakes else dn * r])
        dW += da.T @ x
        dU += dq.T @ h
        db += da.sum(0)
        dv += (da if "one bias for both" in mistakes else dq).sum(0)
        dxs[t] = da @ W
        carry = dq @ U
        if "no z path" not in mistakes:
            carry = carry + dh * z
    return {"weight_ih": dW, "weight_hh": dU, "bias_ih": db, "bias_hh": dv, "x": dxs, "h0": carry}


# ------------------------------------------------------------------------------------------------ a cell of one's own


def column_cell(params, x, y, a):
    """The column layout: x (I, B), a (H, B); y = Wya a + by is the first state, so that it has an upstream gradient."""
    a = np.tanh(params["Wax"] @ x + params["Waa"] @ a + params["ba"])
    return params["Wya"] @ a + params["by"], a


def column_example(rng, T, B):
    shapes = {"Wax": (4, 2), "Waa": (4, 4), "ba": (4, 1), "Wya": (4, 4), "by": (4, 1)}
    params = {name: rng.normal(0, 0.6, shape) for name, shape in shapes.items()}
    return params, rng.standard_normal((2, B, T)), (np.zeros((4, B)), rng.standard_normal((4, B)))


def my_columns(params, x, state, dy, *, mistake=""):
    """Everything in columns, time last, with the readout's gradient."""
    Wax, Waa, ba, Wya = (params[name] for name in ("Wax", "Waa", "ba", "Wya"))
    T = x.shape[2]
    a = [state[1]]
    for t in range(T):
        a.append(np.tanh(Wax @ x[:, :, t] + Waa @ a[t] + ba))
    grads = {f"d{name}": np.zeros_like(p) for name, p in params.items()}
    dx, da_next = np.zeros_like(x), 0
    for t in reversed(range(T)):
        if mistake != "readout's gradient missing":
            grads["dWya"] += dy[:, :, t] @ a[t + 1].T
            grads["dby"] += dy[:, :, t].sum(axis=1, keepdims=True)
        da = (dy[:, :, t] if mistake == "not through the readout" else Wya.T @ dy[:, :, t]) + da_next
        dz = (1 - a[t + 1] ** 2) * da
        grads["dWax"] += dz @ x[:, :, t].T
        grads["dWaa"] += dz @ a[t].T
        grads["dba"] += dz.sum(axis=1, keepdims=True)
        dx[:, :, t] = Wax.T @ dz
        da_next = (Waa if mistake == "U for its transpose" else Waa.T) @ dz
    return {**grads, "dx": dx, "da0": da_next}


# Of each mistake: cell, function, mistake, a part of what the doctor says, a part of the first wrong quantity, its step
# (counted from the last of the shortest sequence that is wrong: -1 the last, -2 the one before).
ZOO = [
    (nn.rnn, my_rnn, "no carry", "the carry of dh from step t+1 is missing", "dh", -1),
    (nn.rnn, my_rnn, "last step only", "dweight_hh: only the last step counts", "dweight_hh", -2),
    (nn.rnn, my_rnn, "= for +=", "dweight_hh: only the first step counts (`=` for `+=`)", "dweight_hh", -2),
    (nn.rnn, my_rnn, "h_t for h_{t-1}", "dz[t].T @ h[t] stands in the place of dz[t].T @ h[t-1]", "dweight_hh", -1),
    (nn.rnn, my_rnn, "x of step t-1", "dz[t].T @ x[t-1] stands in the place of dz[t].T @ x[t]", "dweight_ih", -1),
    (nn.rnn, my_rnn, "U for its transpose", "stands in the place of dz[t] @ weight_hh", "dh", -1),
    (nn.rnn, my_rnn, "no derivative", "the derivative of h[t] is missing", "dz", -1),
    (nn.rnn, my_rnn, "derivative at z", "taken as 1 - z[t]**2: at the input of tanh", "dz", -1),
    (nn.rnn, my_rnn, "derivative of a sigmoid", "the derivative of a sigmoid", "dz", -1),
    (nn.rnn, my_rnn, "derivative twice", "taken twice", "dz", -1),
    (
        nn.rnn,
        my_rnn,
        "batch averaged",
        "dbias_ih and dbias_hh: divided by the batch size B (a mean over the batch",
        "dbias",
        -1,
    ),
    (nn.rnn, my_rnn, "batch not summed", "not summed over the batch", "dbias", -1),
    (nn.rnn, my_rnn, "a factor 2", "every gradient: a factor 2 too many", "", -1),
    (nn.rnn, my_rnn, "sign", "every gradient: the wrong sign", "", -1),
    (nn.rnn, my_rnn, "dW transposed", "dweight_ih is transposed", "dweight_ih", -1),
    (nn.rnn, my_rnn, "dU transposed", "dweight_hh is transposed", "dweight_hh", -1),
    (nn.rnn, my_rnn, "upstream at the last step only", "is used at the last step only", "dh", -2),
    (nn.rnn, my_rnn, "carry for upstream", "is used at the last step only", "dh", -2),
    (nn.rnn, my_rnn, "loop forward", "the loop runs from the first step to the last", "dh", None),
    (nn.rnn, my_rnn, "dlast ignored", "dlast (dh) is not used", "dh", -1),
    (nn.rnn, my_rnn, "dx in the loop's order", "dx is in the order of the backward loop", "dx", None),
    (nn.rnn, my_rnn, "h0 not passed on", "the way back through step 0 is missing", "dh", -1),
    (nn.rnn, my_rnn, "one array for all states", "the last step, at every step", "", None),
    (nn.lstm, my_lstm, "no dh carry", "the carry of dh from step t+1 is missing", "dh", -1),
    (nn.lstm, my_lstm, "no dc carry", "the carry of dc from step t+1 is missing", "dc", -1),
    (nn.lstm, my_lstm, "no dh carry + no dc carry", "the carry of dh and dc from step t+1 is missing", "dh", -1),
    (nn.lstm, my_lstm, "c_t for c_{t-1}", "dc[t] * c[t] stands in the place of dc[t] * c[t-1]", "df", -1),
    (nn.lstm, my_lstm, "no factor in df", "dc[t] stands in the place of dc[t] * c[t-1]", "df", -1),
    (nn.lstm, my_lstm, "no sigmoid' at o", "the derivative of o[t] is missing", "dz_o", -1),
    (nn.lstm, my_lstm, "no sigmoid' anywhere", "the derivative of sigmoid in all of", "dz_o", -1),
    (nn.lstm, my_lstm, "no derivative anywhere", "the derivative of the nonlinearity in each of", "dz_o", -1),
    (nn.lstm, my_lstm, "no path through tanh(c)", "dh[t] * o[t] is forgotten", "d(tanh(c))", -1),
    (nn.lstm, my_lstm, "no tanh' of c", "the derivative of tanh(c[t]) is missing", "dc", -1),
    (nn.lstm, my_lstm, "tanh(c) of the step before", "tanh(c[t-1]) in the place of tanh(c[t])", "dc", -1),
    (nn.lstm, my_lstm, "no output gate in dc", "dh[t] stands in the place of dh[t] * o[t]", "d(tanh(c))", -1),
    (nn.lstm, my_lstm, "i and g exchanged", "di and dg are exchanged", "dg", -1),
    (nn.lstm, my_lstm, "tanh' at f", "the derivative of tanh", "dz_f", -1),
    (nn.lstm, my_lstm, "1 - i missing", "the factor 1 - i[t] is missing", "dz_i", -1),
    (nn.lstm, my_lstm, "dh_{t-1} without gate o", "in dh, the part of dz_o is forgotten", "dh as it is handed", -1),
    (nn.lstm, my_lstm, "dc carried without f", "dc[t] stands in the place of dc[t] * f[t]", "dc", -1),
    (nn.lstm, my_lstm, "gates returned in another order", "block 0, 1, 3, 2 stands in the place of", "", -1),
    (nn.gru, my_gru, "one bias for both", "dbias_ih is given as dbias_hh too", "dbias_hh", -1),
    (nn.gru, my_gru, "no reset gate in dq_n", "dz_n[t] stands in the place of dz_n[t] * r[t]", "", -1),
    (nn.gru, my_gru, "no z path", "dh[t] * z[t] is forgotten", "dh", -1),
    (nn.gru, my_gru, "z for 1-z", "stands in the place of dh[t] * (1 - z[t])", "dn", -1),
    (nn.gru, my_gru, "sign of dz", "has the wrong sign", "dz", -1),
    (nn.gru, my_gru, "no factor in dz", "stands in the place of dz[t] * (z[t] - z[t] * z[t])", "dz", -1),
    (nn.gru, my_gru, "h for U_n h", "dz_n[t] * h[t-1] stands in the place of", "dr", -1),
    (column_cell, my_columns, "readout's gradient missing", "never filled in", "dWya", -1),
    (column_cell, my_columns, "not through the readout", "dy[t] stands in the place of Wya.T @ dy[t]", "da", -1),
    (column_cell, my_columns, "U for its transpose", "in the place of Waa.T @", "da as it is handed", -1),
]

# What is wrong whatever the numbers are.
HABITS = [
    (my_rnn, "writes into dhs", "changes its argument dhs in place"),
    (my_rnn, "sums kept between calls", "two answers to one problem"),
]

# What is no mistake: what the doctor says besides "right".
CONVENTIONS = [
    (my_rnn, "1/T", "gradients are a mean over T"),
    (my_rnn, "1/B", "gradients are a mean over the batch"),
]

PAIRS = [
    (nn.rnn, my_rnn, "no carry + no derivative", "the carry of dh", "the derivative of h[t] is missing"),
    (nn.rnn, my_rnn, "h_t for h_{t-1} + batch averaged", "", ""),
    (nn.lstm, my_lstm, "c_t for c_{t-1} + no dc carry", "the carry of dc", "dc[t] * c[t] stands"),
    (nn.gru, my_gru, "no z path + one bias for both", "", ""),
]


def with_mistake(function, mistake):
    """The function as somebody would hand it in."""
    given = partial(function, mistake=mistake)
    given.__name__ = function.__name__
    return given
