"""How numbers are kept: float32, columns, matrices, Python floats, einsum, preallocated arrays; conventions of size."""

import math

import numpy as np

from tinygrad_rnn import bptt

rng = np.random.default_rng(0)


def preallocated(params, x, y):
    """States and gradients of all steps in arrays; (B, T, I); half the squared error, a mean over the batch."""
    Wx, Wh, b = params["Wx"], params["Wh"], params["b"]
    B, T, _ = x.shape
    hs = np.zeros((T + 1, B, len(b)))
    for t in range(T):
        hs[t + 1] = np.tanh(x[:, t] @ Wx + hs[t] @ Wh + b)
    h = hs[1:].transpose(1, 0, 2)
    loss = 0.5 * ((h - y) ** 2).sum() / B
    dz = np.zeros((T + 1, B, len(b)))
    for t in reversed(range(T)):
        dz[t] = ((h[:, t] - y[:, t]) / B + dz[t + 1] @ Wh.T) * (1 - hs[t + 1] ** 2)
    return loss, {
        "Wx": np.einsum("bti,tbh->ih", x, dz[:-1]),
        "Wh": np.einsum("tbi,tbh->ih", hs[:-1], dz[:-1]),
        "b": dz.sum(axis=(0, 1)),
    }


def weights(dtype=np.float64):
    rng = np.random.default_rng(3)
    shapes = {"Wx": (3, 4), "Wh": (4, 4), "b": (4,)}
    return {name: rng.normal(0, 0.5, shape).astype(dtype) for name, shape in shapes.items()}


def examine_preallocated():
    return bptt.examine(preallocated, weights(), rng.normal(size=(3, 7, 3)), rng.normal(size=(3, 7, 4)))


def examine_preallocated_one_example():
    return bptt.examine(preallocated, weights(), rng.normal(size=(1, 5, 3)), rng.normal(size=(1, 5, 4)))


def time_first(params, xs, h0, targets):
    """(T, B, I); the arrays are float32, if they come so."""
    hs = [h0]
    for x in xs:
        hs.append(np.tanh(x @ params["Wx"] + hs[-1] @ params["Wh"] + params["b"]))
    out = np.stack(hs[1:])
    loss = np.mean((out - targets) ** 2)
    grads = {name: np.zeros_like(p) for name, p in params.items()}
    dh = np.zeros_like(h0)
    for t in range(len(xs) - 1, -1, -1):
        dz = (2 * (hs[t + 1] - targets[t]) / out.size + dh) * (1 - hs[t + 1] ** 2)
        grads["Wx"] += xs[t].T @ dz
        grads["Wh"] += hs[t].T @ dz
        grads["b"] += dz.sum(axis=0)
        dh = dz @ params["Wh"].T
    return loss, grads


def examine_time_first():
    return bptt.examine(
        time_first, weights(), rng.normal(size=(5, 3, 3)), rng.normal(size=(3, 4)), rng.normal(size=(5, 3, 4))
    )


def examine_float32():
    data = [rng.normal(size=s).astype(np.float32) for s in ((5, 3, 3), (3, 4), (5, 3, 4))]
    return bptt.examine(time_first, weights(np.float32), *data)


def float32_inside(params, xs, h0, targets):
    params = {name: p.astype(np.float32) for name, p in params.items()}
    loss, grads = time_first(params, *(a.astype(np.float32) for a in (xs, h0, targets)))
    return float(loss), {name: g.astype(np.float64) for name, g in grads.items()}


def examine_float32_inside():
    return bptt.examine(
        float32_inside, weights(), rng.normal(size=(5, 3, 3)), rng.normal(size=(3, 4)), rng.normal(size=(5, 3, 4))
    )


def scaled(params, xs, h0, targets, by="time"):
    """The gradients of a sum, handed in as a mean over the steps, the examples, or both."""
    loss, grads = time_first(params, xs, h0, targets)
    size = targets.size
    over = {"time": len(xs), "batch": xs.shape[1], "both": len(xs) * xs.shape[1]}[by]
    return loss * size, {name: g * size / over for name, g in grads.items()}


def examine_mean_over_time():
    return bptt.examine(
        scaled, weights(), rng.normal(size=(5, 3, 3)), rng.normal(size=(3, 4)), rng.normal(size=(5, 3, 4))
    )


def examine_mean_over_the_batch():
    return bptt.examine(
        scaled, weights(), rng.normal(size=(5, 3, 3)), rng.normal(size=(3, 4)), rng.normal(size=(5, 3, 4)), "batch"
    )


def examine_mean_over_both():
    return bptt.examine(
        scaled, weights(), rng.normal(size=(5, 3, 3)), rng.normal(size=(3, 4)), rng.normal(size=(5, 3, 4)), "both"
    )


def clipped_by_norm(params, xs, h0, targets, max_norm=0.5):
    loss, grads = scaled(params, xs, h0, targets, "batch")
    total = math.sqrt(sum(float((g**2).sum()) for g in grads.values()))
    if total > max_norm:
        for g in grads.values():
            g *= max_norm / total
    return loss / xs.shape[1], grads


def examine_clipped_by_norm():
    return bptt.examine(
        clipped_by_norm, weights(), rng.normal(size=(5, 3, 3)), rng.normal(size=(3, 4)), rng.normal(size=(5, 3, 4))
    )


def clipped_entries(params, xs, h0, targets):
    loss, grads = scaled(params, xs, h0, targets, "batch")
    return loss / xs.shape[1], {name: np.clip(g, -0.25, 0.25) for name, g in grads.items()}


def examine_clipped_entries():
    return bptt.examine(
        clipped_entries, weights(), rng.normal(size=(5, 3, 3)), rng.normal(size=(3, 4)), rng.normal(size=(5, 3, 4))
    )


def mean_and_clipped(params, xs, h0, targets):
    loss, grads = scaled(params, xs, h0, targets, "batch")
    return loss, {name: np.clip(g, -0.25, 0.25) for name, g in grads.items()}


def examine_mean_and_clipped():
    return bptt.examine(
        mean_and_clipped, weights(), rng.normal(size=(5, 3, 3)), rng.normal(size=(3, 4)), rng.normal(size=(5, 3, 4))
    )


def columns(W, U, b, xs, ys):
    """A list of column vectors for each step."""
    h, states, loss = np.zeros_like(b), [np.zeros_like(b)], 0
    for x, y in zip(xs, ys):
        h = np.tanh(W.dot(x) + U.dot(h) + b)
        states.append(h)
        loss += float(((h - y) ** 2).sum()) if not np.iscomplexobj(h) else ((h - y) ** 2).sum()
    gW, gU, gb, carry = np.zeros_like(W), np.zeros_like(U), np.zeros_like(b), np.zeros_like(b)
    for t in range(len(xs) - 1, -1, -1):
        dz = (2 * (states[t + 1] - ys[t]) + carry) * (1 - states[t + 1] ** 2)
        gW += dz.dot(xs[t].T)
        gU += dz.dot(states[t].T)
        gb += dz
        carry = U.T.dot(dz)
    return loss, gW, gU, gb


def column_arrays(make=np.array):
    rng = np.random.default_rng(5)
    W, U, b = make(rng.normal(0, 0.5, (4, 3))), make(rng.normal(0, 0.5, (4, 4))), make(rng.normal(0, 0.5, (4, 1)))
    xs = [make(rng.normal(size=(3, 1))) for _ in range(6)]
    ys = [make(rng.normal(size=(4, 1))) for _ in range(6)]
    return W, U, b, xs, ys


def examine_columns():
    return bptt.examine(columns, *column_arrays())


def of_matrices(W, U, b, xs, ys):
    """np.matrix, where * is the product of matrices."""
    h, states, loss = np.matrix(np.zeros((4, 1))), [np.matrix(np.zeros((4, 1)))], 0.0
    for x, y in zip(xs, ys):
        h = np.tanh(W * x + U * h + b)
        states.append(h)
        loss += 0.5 * float(((h - y).T * (h - y))[0, 0])
    dW, dU, db, carry = 0 * W, 0 * U, 0 * b, 0 * b
    for t in range(len(xs) - 1, -1, -1):
        dz = np.multiply(states[t + 1] - ys[t] + carry, 1 - np.power(states[t + 1], 2))
        dW, dU, db = dW + dz * xs[t].T, dU + dz * states[t].T, db + dz
        carry = U.T * dz
    return loss, dW, dU, db


def examine_matrices():
    return bptt.examine(of_matrices, *column_arrays(np.matrix))


def floats(W, U, x, y):
    """Loops over units, and Python's floats."""
    H, T = len(U), len(x)
    h = [[0.0] * H]
    loss = 0.0
    for t in range(T):
        row = []
        for j in range(H):
            s = 0.0
            for i in range(len(x[t])):
                s += W[j][i] * x[t][i]
            for k in range(H):
                s += U[j][k] * h[t][k]
            row.append(math.tanh(s))
        h.append(row)
        for j in range(H):
            loss += 0.5 * (row[j] - y[t][j]) ** 2
    dW = [[0.0] * len(x[0]) for _ in range(H)]
    dU = [[0.0] * H for _ in range(H)]
    carry = [0.0] * H
    for t in reversed(range(T)):
        dz = [(h[t + 1][j] - y[t][j] + carry[j]) * (1 - h[t + 1][j] ** 2) for j in range(H)]
        for j in range(H):
            for i in range(len(x[t])):
                dW[j][i] += dz[j] * x[t][i]
            for k in range(H):
                dU[j][k] += dz[j] * h[t][k]
        carry = [sum(U[j][k] * dz[j] for j in range(H)) for k in range(H)]
    return loss, dW, dU


def examine_floats():
    rng = np.random.default_rng(6)
    return bptt.examine(
        floats,
        rng.normal(0, 0.5, (3, 2)).tolist(),
        rng.normal(0, 0.5, (3, 3)).tolist(),
        rng.normal(size=(4, 2)).tolist(),
        rng.normal(size=(4, 3)).tolist(),
    )


def features_first(x, h0, params):
    """(I, B, T), with the loss outside."""
    h, hs, T = h0, [h0], x.shape[2]
    for t in range(T):
        h = np.tanh(params["W"] @ x[:, :, t] + params["U"] @ h + params["b"])
        hs.append(h)
    return np.stack(hs[1:], axis=-1), (x, hs, params)


def features_first_backward(dh, cache):
    x, hs, params = cache
    dW, dU, db, back = 0, 0, 0, 0
    dx = np.zeros_like(x)
    for t in range(x.shape[2] - 1, -1, -1):
        dz = (dh[:, :, t] + back) * (1 - hs[t + 1] ** 2)
        dW, dU, db = dW + dz @ x[:, :, t].T, dU + dz @ hs[t].T, db + dz.sum(axis=1, keepdims=True)
        back = params["U"].T @ dz
        dx[:, :, t] = params["W"].T @ dz
    return {"dW": dW, "dU": dU, "db": db, "dx": dx, "dh0": back}


def examine_features_first():
    params = {"W": rng.normal(0, 0.5, (4, 3)), "U": rng.normal(0, 0.5, (4, 4)), "b": rng.normal(0, 0.5, (4, 1))}
    pair = (features_first, features_first_backward)
    return bptt.examine(pair, rng.normal(size=(3, 2, 5)), rng.normal(size=(4, 2)), params)
