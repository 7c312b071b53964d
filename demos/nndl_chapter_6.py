r"""NNDL, chapter 6: both sides of each formula from (6.5) to (6.69), computed on a tape and compared.

A formula is a comment, in LaTeX; the line under it holds both of its sides. `docs/nndl.md` is made from this file.
"""

# ---- the network
from functools import reduce

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn, sigmoid

rng = np.random.default_rng(6)
T, M, D = 4, 2, 3  # steps, inputs, units of the hidden layer
shapes = {"U": (D, D), "W": (D, M), "b": (D,)}
U, W, b = (tg.Tensor(0.6 * rng.standard_normal(shape), name=name) for name, shape in shapes.items())
x = {t: tg.Tensor(rng.standard_normal(M), name="x") for t in range(1, T + 1)}
y = {t: rng.standard_normal(D) for t in range(1, T + 1)}

z, h, L = {}, {0: tg.Tensor(np.zeros(D), name="h0")}, {}
with tg.Tape() as tape:
    for t in range(1, T + 1):
        with tg.scope(t=t):
            z[t] = tg.named("z", U @ h[t - 1] + W @ x[t] + b)
            h[t] = tg.named("h", np.tanh(z[t]))
            L[t] = tg.named("L", ((h[t] - y[t]) ** 2).sum() / 2)
    loss = sum(L.values())

grad, direct, whole = tape.gradient, bptt.immediate, bptt.total
delta = bptt.deltas(tape, L, "z")  # delta[t, k] = dL_t/dz_k
slope = {k: 1 - h[k].data ** 2 for k in h}  # f'(z_k), for f = tanh


def same(*sides):
    """Return whether all sides are the same numbers."""
    return all(np.allclose(sides[0], side, rtol=0, atol=1e-12) for side in sides[1:])


# ---- the simple recurrent network
for t in range(1, T + 1):
    # (6.5) z_t = U h_{t-1} + W x_t + b
    assert same(z[t], U.data @ h[t - 1].data + W.data @ x[t].data + b.data)
    # (6.6) h_t = f(z_t)
    assert same(h[t], np.tanh(z[t].data))
    # (6.7) h_t = f(U h_{t-1} + W x_t + b)
    assert same(h[t], np.tanh(U.data @ h[t - 1].data + W.data @ x[t].data + b.data))
    # (6.28) \mathcal{L}_t = \mathcal{L}(y_t, g(h_t))
    assert same(L[t], np.sum((h[t].data - y[t]) ** 2) / 2)
# (6.29) \mathcal{L} = \sum_{t=1}^{T} \mathcal{L}_t
assert same(loss, sum(L[t].data for t in L))
# (6.30) \frac{\partial\mathcal{L}}{\partial U} = \sum_{t=1}^{T} \frac{\partial\mathcal{L}_t}{\partial U}
assert same(grad(loss, U), sum(grad(L[t], U) for t in L))

# ---- backpropagation through time
i, j = 1, 2
for t in range(1, T + 1):
    dz = {k: direct(tape, z[k], U)[:, i, j] for k in range(1, t + 1)}  # of all entries of z_k, by u_ij
    # (6.31) \frac{\partial\mathcal{L}_t}{\partial u_{ij}}
    #   = \sum_{k=1}^{t} \frac{\partial^{+} z_k}{\partial u_{ij}} \frac{\partial\mathcal{L}_t}{\partial z_k}
    assert same(grad(L[t], U)[i, j], sum(dz[k] @ grad(L[t], z[k]) for k in dz))
    for k in range(1, t + 1):
        # (6.32)-(6.33) \frac{\partial^{+} z_k}{\partial u_{ij}} = [0, \cdots, [h_{k-1}]_j, \cdots, 0]
        #   = \mathbb{I}_i([h_{k-1}]_j)
        assert same(dz[k], np.eye(D)[i] * h[k - 1].data[j])
        # (6.34) \delta_{t,k} = \frac{\partial\mathcal{L}_t}{\partial z_k}
        assert same(delta[t, k], grad(L[t], z[k]))
    for k in range(1, t):
        # (6.35) \delta_{t,k} = \frac{\partial h_k}{\partial z_k} \frac{\partial z_{k+1}}{\partial h_k}
        #   \frac{\partial\mathcal{L}_t}{\partial z_{k+1}}
        assert same(delta[t, k], direct(tape, h[k], z[k]).T @ direct(tape, z[k + 1], h[k]).T @ grad(L[t], z[k + 1]))
        # (6.36) \delta_{t,k} = \operatorname{diag}(f'(z_k)) U^{\top} \delta_{t,k+1}
        assert same(delta[t, k], np.diag(slope[k]) @ U.data.T @ delta[t, k + 1])
    # (6.37) \frac{\partial\mathcal{L}_t}{\partial u_{ij}} = \sum_{k=1}^{t} [\delta_{t,k}]_i [h_{k-1}]_j
    assert same(grad(L[t], U)[i, j], sum(delta[t, k][i] * h[k - 1].data[j] for k in range(1, t + 1)))
    # (6.38) \frac{\partial\mathcal{L}_t}{\partial U} = \sum_{k=1}^{t} \delta_{t,k} h_{k-1}^{\top}
    assert same(grad(L[t], U), sum(np.outer(delta[t, k], h[k - 1].data) for k in range(1, t + 1)))
pairs = [(t, k) for t in range(1, T + 1) for k in range(1, t + 1)]
# (6.39) \frac{\partial\mathcal{L}}{\partial U} = \sum_{t=1}^{T} \sum_{k=1}^{t} \delta_{t,k} h_{k-1}^{\top}
assert same(grad(loss, U), sum(np.outer(delta[t, k], h[k - 1].data) for t, k in pairs))
# (6.40) \frac{\partial\mathcal{L}}{\partial W} = \sum_{t=1}^{T} \sum_{k=1}^{t} \delta_{t,k} x_k^{\top}
assert same(grad(loss, W), sum(np.outer(delta[t, k], x[k].data) for t, k in pairs))
# (6.41) \frac{\partial\mathcal{L}}{\partial b} = \sum_{t=1}^{T} \sum_{k=1}^{t} \delta_{t,k}
assert same(grad(loss, b), sum(delta[t, k] for t, k in pairs))
terms = bptt.contributions(tape, L, U)  # the terms of (6.39), with the keys of the book
assert all(same(terms[t, k], np.outer(delta[t, k], h[k - 1].data)) for t, k in pairs)

# ---- real-time recurrent learning
dh = {0: np.zeros(D), **{t: whole(tape, h[t], U)[:, i, j] for t in range(1, T + 1)}}  # of h_t, by u_ij
for t in range(T):
    dz_next = direct(tape, z[t + 1], U)[:, i, j]
    # (6.42) h_{t+1} = f(z_{t+1}) = f(U h_t + W x_{t+1} + b)
    assert same(h[t + 1], np.tanh(z[t + 1].data), np.tanh(U.data @ h[t].data + W.data @ x[t + 1].data + b.data))
    # (6.43) \frac{\partial h_{t+1}}{\partial u_{ij}}
    #   = \left(\frac{\partial^{+} z_{t+1}}{\partial u_{ij}} + \frac{\partial h_t}{\partial u_{ij}} U^{\top}\right)
    #   \frac{\partial h_{t+1}}{\partial z_{t+1}}
    assert same(dh[t + 1], (dz_next + dh[t] @ U.data.T) @ direct(tape, h[t + 1], z[t + 1]).T)
    # (6.44) \frac{\partial h_{t+1}}{\partial u_{ij}}
    #   = \left(\mathbb{I}_i([h_t]_j) + \frac{\partial h_t}{\partial u_{ij}} U^{\top}\right)
    #   \operatorname{diag}(f'(z_{t+1}))
    assert same(dh[t + 1], (np.eye(D)[i] * h[t].data[j] + dh[t] @ U.data.T) @ np.diag(slope[t + 1]))
    # (6.45) \frac{\partial h_{t+1}}{\partial u_{ij}}
    #   = \left(\mathbb{I}_i([h_t]_j) + \frac{\partial h_t}{\partial u_{ij}} U^{\top}\right) \odot (f'(z_{t+1}))^{\top}
    assert same(dh[t + 1], (np.eye(D)[i] * h[t].data[j] + dh[t] @ U.data.T) * slope[t + 1])
for t in range(1, T + 1):
    # (6.46) \frac{\partial\mathcal{L}_t}{\partial u_{ij}}
    #   = \frac{\partial h_t}{\partial u_{ij}} \frac{\partial\mathcal{L}_t}{\partial h_t}
    assert same(grad(L[t], U)[i, j], dh[t] @ grad(L[t], h[t]))

# ---- long-term dependencies
factor = {k: np.diag(slope[k]) @ U.data.T for k in range(1, T + 1)}
gamma = max(np.linalg.norm(factor[k], 2) for k in factor)
for t, k in pairs:
    # (6.47) \delta_{t,k} = \prod_{\tau=k}^{t-1} \left(\operatorname{diag}(f'(z_\tau)) U^{\top}\right) \delta_{t,t}
    assert same(delta[t, k], reduce(np.matmul, (factor[tau] for tau in range(k, t)), np.eye(D)) @ delta[t, t])
    # (6.48) \delta_{t,k} \cong \gamma^{t-k} \delta_{t,t}
    assert np.linalg.norm(delta[t, k]) <= gamma ** (t - k) * np.linalg.norm(delta[t, t]) * (1 + 1e-12)
h_before = tg.Tensor(rng.standard_normal(D))
with tg.Tape() as one_step:
    linear = h_before + np.tanh(W @ x[1] + b)
    residual = h_before + np.tanh(U @ h_before + W @ x[1] + b)
g_slope = 1 - (residual.data - h_before.data) ** 2  # g'(z_t), for g = tanh
# (6.49) h_t = h_{t-1} + g(x_t; \theta), \quad \frac{\partial h_t}{\partial h_{t-1}} = I
assert same(whole(one_step, linear, h_before), np.eye(D))
# (6.50) h_t = h_{t-1} + g(x_t, h_{t-1}; \theta), \quad \frac{\partial h_t}{\partial h_{t-1}}
#   = I + U^{\top} \operatorname{diag}(g'(z_t))
assert same(whole(one_step, residual, h_before).T, np.eye(D) + U.data.T @ np.diag(g_slope))


# ---- LSTM
def run(cell, gates, states=2):
    """Run a cell of nn for T steps from random states: the values by name and step, and W, U, b by gate."""
    params = {key: rng.standard_normal(p.shape) for key, p in getattr(nn.init, cell.__name__)(rng, M, D).items()}
    rows = [np.split(params[key], len(gates)) for key in ("weight_ih", "weight_hh")]
    bias = np.split(params["bias_ih"] + params["bias_hh"], len(gates))  # the book has one bias
    names, state = ["h", "c"][:states], [tg.Tensor(rng.standard_normal((1, D))) for _ in range(states)]
    v = {(name, 0): s.data[0] for name, s in zip(names, state, strict=True)}
    with tg.Tape() as recorded:
        for t in range(1, T + 1):
            with tg.scope(t=t):
                new = cell(params, x[t].reshape(1, M), *state)
                state = list(new) if states > 1 else [new]
    v |= {(e.out.name, dict(e.scope)["t"]): e.out.data[0] for e in recorded if e.out.name}
    W, U, b = (dict(zip(gates, block, strict=True)) for block in (*rows, bias))
    return v, W, U, b, params


X = {t: x[t].data for t in x}
v, W_, U_, b_, _ = run(nn.lstm, "ifgo")  # the candidate c~ is g here
for t in range(1, T + 1):
    # (6.51) c_t = f_t \odot c_{t-1} + i_t \odot \tilde{c}_t
    assert same(v["c", t], v["f", t] * v["c", t - 1] + v["i", t] * v["g", t])
    # (6.52) h_t = o_t \odot \tanh(c_t)
    assert same(v["h", t], v["o", t] * np.tanh(v["c", t]))
    # (6.53) \tilde{c}_t = \tanh(W_c x_t + U_c h_{t-1} + b_c)
    assert same(v["g", t], np.tanh(W_["g"] @ X[t] + U_["g"] @ v["h", t - 1] + b_["g"]))
    # (6.54) i_t = \sigma(W_i x_t + U_i h_{t-1} + b_i)
    assert same(v["i", t], sigmoid(W_["i"] @ X[t] + U_["i"] @ v["h", t - 1] + b_["i"]))
    # (6.55) f_t = \sigma(W_f x_t + U_f h_{t-1} + b_f)
    assert same(v["f", t], sigmoid(W_["f"] @ X[t] + U_["f"] @ v["h", t - 1] + b_["f"]))
    # (6.56) o_t = \sigma(W_o x_t + U_o h_{t-1} + b_o)
    assert same(v["o", t], sigmoid(W_["o"] @ X[t] + U_["o"] @ v["h", t - 1] + b_["o"]))
    one = np.vstack([np.hstack([W_[gate], U_[gate]]) for gate in "goif"])  # one matrix, on [x_t; h_{t-1}]
    net = np.split(one @ np.hstack([X[t], v["h", t - 1]]) + np.hstack([b_[gate] for gate in "goif"]), 4)
    # (6.57) [\tilde{c}_t; o_t; i_t; f_t] = [\tanh; \sigma; \sigma; \sigma] \left(W [x_t; h_{t-1}] + b\right)
    assert same([v[gate, t] for gate in "goif"], [np.tanh(net[0]), *(sigmoid(part) for part in net[1:])])
    # (6.58) c_t = f_t \odot c_{t-1} + i_t \odot \tilde{c}_t
    assert same(v["c", t], sigmoid(net[3]) * v["c", t - 1] + sigmoid(net[2]) * np.tanh(net[0]))
    # (6.59) h_t = o_t \odot \tanh(c_t)
    assert same(v["h", t], sigmoid(net[1]) * np.tanh(v["c", t]))
c_before, i_gate, candidate = (tg.Tensor(rng.standard_normal(D)) for _ in range(3))
with tg.Tape() as no_forget_gate:
    c_after = c_before + i_gate * candidate
# (6.60) c_t = c_{t-1} + i_t \odot \tilde{c}_t, \quad \frac{\partial c_t}{\partial c_{t-1}} = I
assert same(whole(no_forget_gate, c_after, c_before), np.eye(D))
v, W_, U_, b_, params = run(nn.peephole_lstm, "ifgo")
V = {gate: np.diag(params[f"weight_c{gate}"]) for gate in "ifo"}  # diagonal matrices
for t in range(1, T + 1):
    # (6.61) i_t = \sigma(W_i x_t + U_i h_{t-1} + V_i c_{t-1} + b_i)
    assert same(v["i", t], sigmoid(W_["i"] @ X[t] + U_["i"] @ v["h", t - 1] + V["i"] @ v["c", t - 1] + b_["i"]))
    # (6.62) f_t = \sigma(W_f x_t + U_f h_{t-1} + V_f c_{t-1} + b_f)
    assert same(v["f", t], sigmoid(W_["f"] @ X[t] + U_["f"] @ v["h", t - 1] + V["f"] @ v["c", t - 1] + b_["f"]))
    # (6.63) o_t = \sigma(W_o x_t + U_o h_{t-1} + V_o c_t + b_o)
    assert same(v["o", t], sigmoid(W_["o"] @ X[t] + U_["o"] @ v["h", t - 1] + V["o"] @ v["c", t] + b_["o"]))
v, *_ = run(nn.coupled_lstm, "fgo")
for t in range(1, T + 1):
    i_t = 1 - v["f", t]  # here the gate is f, and i = 1 - f: the same cell
    # (6.64) c_t = (1 - i_t) \odot c_{t-1} + i_t \odot \tilde{c}_t
    assert same(v["c", t], (1 - i_t) * v["c", t - 1] + i_t * v["g", t])

# ---- GRU
v, W_, U_, b_, _ = run(nn.gru_textbook, "rzn", states=1)  # the candidate h~ is n here
for t in range(1, T + 1):
    reset = v["r", t] * v["h", t - 1]
    # (6.65) h_t = z_t \odot h_{t-1} + (1 - z_t) \odot g(x_t, h_{t-1}; \theta)
    assert same(v["h", t], v["z", t] * v["h", t - 1] + (1 - v["z", t]) * np.tanh(v["z_n", t]))
    # (6.66) z_t = \sigma(W_z x_t + U_z h_{t-1} + b_z)
    assert same(v["z", t], sigmoid(W_["z"] @ X[t] + U_["z"] @ v["h", t - 1] + b_["z"]))
    # (6.67) \tilde{h}_t = \tanh(W_h x_t + U_h (r_t \odot h_{t-1}) + b_h)
    assert same(v["n", t], np.tanh(W_["n"] @ X[t] + U_["n"] @ reset + b_["n"]))
    # (6.68) r_t = \sigma(W_r x_t + U_r h_{t-1} + b_r)
    assert same(v["r", t], sigmoid(W_["r"] @ X[t] + U_["r"] @ v["h", t - 1] + b_["r"]))
    # (6.69) h_t = z_t \odot h_{t-1} + (1 - z_t) \odot \tilde{h}_t
    assert same(v["h", t], v["z", t] * v["h", t - 1] + (1 - v["z", t]) * v["n", t])

print("both sides of (6.5) to (6.7) and of (6.28) to (6.69) are the same numbers, to 1e-12")
