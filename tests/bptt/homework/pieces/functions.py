"""Functions of (parameters, data): parameters as a list, a tuple, a named tuple, a dataclass; results in all orders."""

import functools
from collections import namedtuple
from dataclasses import dataclass

import numpy as np

from tinygrad_rnn import bptt

rng = np.random.default_rng(0)
W, U, b = rng.normal(0, 0.5, (4, 3)), rng.normal(0, 0.5, (4, 4)), rng.normal(0, 0.5, 4)
V, c = rng.normal(0, 0.5, (2, 4)), rng.normal(0, 0.5, 2)
xs, ys = rng.normal(size=(7, 3)), rng.normal(size=(7, 2))


def in_a_list(params, inputs, targets, state):
    """Parameters and gradients as lists in the same order; batches of rows; a mean over batch and time."""
    W_xh, W_hh, b_h, W_hq, b_q = params
    (H,) = state
    outputs, states = [], [H]
    for X in inputs:
        H = np.tanh(np.matmul(X, W_xh) + np.matmul(H, W_hh) + b_h)
        states.append(H)
        outputs.append(np.matmul(H, W_hq) + b_q)
    out = np.concatenate(outputs, axis=0)
    y = targets.T.reshape(-1)
    out = out - out.max(axis=1, keepdims=True)
    p = np.exp(out) / np.exp(out).sum(axis=1, keepdims=True)
    loss = -np.log(p[range(len(y)), y]).mean()
    d = p.copy()
    d[range(len(y)), y] -= 1
    d = np.split(d / len(y), len(inputs))
    grads = [np.zeros_like(p) for p in params]
    dH = 0
    for t in reversed(range(len(inputs))):
        grads[3] += states[t + 1].T @ d[t]
        grads[4] += d[t].sum(0)
        dZ = (d[t] @ W_hq.T + dH) * (1 - states[t + 1] ** 2)
        grads[0] += inputs[t].T @ dZ
        grads[1] += states[t].T @ dZ
        grads[2] += dZ.sum(0)
        dH = dZ @ W_hh.T
    return loss, grads


def examine_list():
    X = np.eye(5)[np.random.default_rng(1).integers(0, 5, (2, 4))]  # (batch, steps, vocabulary)
    Y = np.random.default_rng(2).integers(0, 5, (2, 4))
    params = [rng.normal(0, 0.5, s) for s in ((5, 6), (6, 6), (6,), (6, 5), (5,))]
    return bptt.examine(in_a_list, params, X.swapaxes(0, 1), Y, (np.zeros((2, 6)),))


def in_a_tuple(params, xs, ys):
    """A tuple of parameters; the gradients first, then the loss."""
    W, U, b, V, c = params
    hs, errors = [np.zeros(len(b))], []
    for x, y in zip(xs, ys):
        hs.append(np.tanh(W @ x + U @ hs[-1] + b))
        errors.append(V @ hs[-1] + c - y)
    loss = sum(0.5 * e @ e for e in errors)
    dW = dU = db = dV = dc = 0
    carry = 0
    for t in range(len(xs))[::-1]:
        dV, dc = dV + np.outer(errors[t], hs[t + 1]), dc + errors[t]
        dz = (V.T @ errors[t] + carry) * (1 - hs[t + 1] ** 2)
        dW, dU, db = dW + np.outer(dz, xs[t]), dU + np.outer(dz, hs[t]), db + dz
        carry = U.T @ dz
    return (dW, dU, db, dV, dc), loss


def examine_tuple():
    return bptt.examine(in_a_tuple, (W, U, b, V, c), xs, ys)


Params = namedtuple("Params", "W U b V c")


def named(params: Params, xs, ys):
    (dW, dU, db, dV, dc), loss = in_a_tuple(params, xs, ys)
    return loss, Params(dW, dU, db, dV, dc)


def examine_namedtuple():
    return bptt.examine(named, Params(W, U, b, V, c), xs, ys)


@dataclass
class Weights:
    W: np.ndarray
    U: np.ndarray
    b: np.ndarray
    V: np.ndarray
    c: np.ndarray


def of_a_dataclass(weights, xs, ys):
    grads, loss = in_a_tuple((weights.W, weights.U, weights.b, weights.V, weights.c), xs, ys)
    return loss, Weights(*grads)


def examine_dataclass():
    return bptt.examine(of_a_dataclass, Weights(W, U, b, V, c), xs, ys)


def one_by_one(W, U, b, V, c, xs, ys):
    """Each array an argument; a dict with the loss in it."""
    (dW, dU, db, dV, dc), loss = in_a_tuple((W, U, b, V, c), xs, ys)
    return {"loss": loss, "gW": dW, "gU": dU, "gb": db, "gV": dV, "gc": dc}


def examine_arguments():
    return bptt.examine(one_by_one, W, U, b, V, c, xs, ys)


def into_a_dict(params, xs, ys, grads):
    """The gradients are written into a dict that is passed in."""
    found, loss = in_a_tuple(tuple(params.values()), xs, ys)
    for name, g in zip(params, found):
        grads[name][:] = g
    return loss


def examine_into_a_dict():
    params = dict(W=W, U=U, b=b, V=V, c=c)
    return bptt.examine(into_a_dict, params, xs, ys, {name: np.zeros_like(p) for name, p in params.items()})


def closure():
    """Arrays of an enclosing function."""
    W = rng.normal(0, 0.5, (3, 2))
    U = rng.normal(0, 0.5, (3, 3))

    def loss_and_grad(x, y):
        h, hs = np.zeros(3), [np.zeros(3)]
        for t in range(len(x)):
            h = np.tanh(W @ x[t] + U @ h)
            hs.append(h)
        loss = np.sum((h - y) ** 2)
        dh = 2 * (h - y)
        dW, dU = np.zeros_like(W), np.zeros_like(U)
        for t in reversed(range(len(x))):
            dz = dh * (1 - hs[t + 1] ** 2)
            dW += np.outer(dz, x[t])
            dU += np.outer(dz, hs[t])
            dh = U.T @ dz
        return loss, dW, dU

    return loss_and_grad


def examine_closure():
    return bptt.examine(closure(), rng.normal(size=(4, 2)), rng.normal(size=3))


def examine_partial():
    params = dict(W=W, U=U, b=b, V=V, c=c)

    def loss_and_gradients(verbose, params, xs, ys):
        found, loss = in_a_tuple(tuple(params.values()), xs, ys)
        if verbose:
            print("loss:", loss)
        return loss, {"d" + name: g for name, g in zip(params, found)}

    return bptt.examine(functools.partial(loss_and_gradients, True), params, xs, ys)


def examine_partial_with_the_parameters_inside():
    return bptt.examine(functools.partial(in_a_tuple, (W, U, b, V, c)), xs, ys)


cache = {}


def second_call_fails(params, xs, ys):
    """A cache that is left behind."""
    if cache:
        raise RuntimeError("call reset() first")
    cache["answer"] = in_a_tuple(params, xs, ys)
    return cache["answer"][1], cache["answer"][0]


def examine_second_call():
    return bptt.examine(second_call_fails, (W, U, b, V, c), xs, ys)


def with_dropout(params, xs, ys, p_drop=0.3):
    """Random numbers, from the global generator."""
    W, U, b, V, c = params
    h, kept, loss = np.zeros(len(b)), [], 0.0
    for x, y in zip(xs, ys):
        before = h
        h = np.tanh(W @ x + U @ before + b)
        mask = (np.random.rand(*h.shape) > p_drop) / (1 - p_drop)
        e = V @ (h * mask) + c - y
        loss += (e**2).sum()
        kept.append((x, before, h, mask, 2 * e))
    grads = {name: 0 for name in "WUbVc"}
    carry = 0
    for x, before, h, mask, dy in reversed(kept):
        dz = ((V.T @ dy) * mask + carry) * (1 - h**2)
        carry = U.T @ dz
        parts = {"W": np.outer(dz, x), "U": np.outer(dz, before), "b": dz, "V": np.outer(dy, h * mask), "c": dy}
        for name in grads:
            grads[name] = grads[name] + parts[name]
    return loss, grads


def examine_dropout():
    return bptt.examine(with_dropout, Params(W, U, b, V, c), xs, ys)


def three_steps(W, U, x, target):
    """A fixed number of steps, written out."""
    h1 = np.tanh(W @ x[0])
    h2 = np.tanh(W @ x[1] + U @ h1)
    h3 = np.tanh(W @ x[2] + U @ h2)
    loss = 0.5 * np.sum((h3 - target) ** 2)
    d3 = (h3 - target) * (1 - h3**2)
    d2 = (U.T @ d3) * (1 - h2**2)
    d1 = (U.T @ d2) * (1 - h1**2)
    dW = np.outer(d3, x[2]) + np.outer(d2, x[1]) + np.outer(d1, x[0])
    dU = np.outer(d3, h2) + np.outer(d2, h1)
    return loss, dW, dU


def examine_three_steps():
    return bptt.examine(three_steps, W, U, xs[:3], rng.normal(size=4))
