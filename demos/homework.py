"""A hand-written BPTT with one mistake, to start your own from: a cell, its derivation, and a problem to try them on.

    tinygrad-rnn doctor demos/homework.py:my_bptt --cell cell

The doctor runs `my_bptt` on problems of several lengths and names the mistake. Correct it, and ask again.
"""

import numpy as np

from tinygrad_rnn import bptt, named


def cell(params, x, h):
    """Compute one step: h_t = tanh(x_t W + h_{t-1} U + b)."""
    z = named("z", x @ params["W"] + h @ params["U"] + params["b"])  # the doctor then speaks of z
    return np.tanh(z)


def my_bptt(params, xs, state, dhs):
    """Return the gradients of sum(dhs * hs), derived by hand."""
    W, U, b = params["W"], params["U"], params["b"]
    hs = [state[0]]  # hs[t + 1] is h_t
    for x in xs:
        hs.append(np.tanh(x @ W + hs[-1] @ U + b))
    dW, dU, db, dh = np.zeros_like(W), np.zeros_like(U), np.zeros_like(b), 0
    for t in reversed(range(len(xs))):
        dz = (dhs[t] + dh) * (1 - hs[t + 1] ** 2)
        dW += xs[t].T @ dz
        dU += hs[t + 1].T @ dz
        db += dz.sum(axis=0)
        dh = dz @ U.T
    return {"W": dW, "U": dU, "b": db}


def example(rng, T, B):
    """Return params, xs (T, B, 3) and the initial state (B, 4)."""
    params = {"W": rng.standard_normal((3, 4)), "U": rng.standard_normal((4, 4)), "b": rng.standard_normal(4)}
    return params, rng.standard_normal((T, B, 3)), rng.standard_normal((B, 4))


if __name__ == "__main__":
    print(bptt.doctor(cell, my_bptt, example=example))
