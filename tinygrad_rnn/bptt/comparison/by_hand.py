"""BPTT derived by hand, in NumPy alone, so that agreement with the tape means something.

Each function has the form that the comparison takes:

    f(params, xs, state, dhs, dlast=None) -> {"weight_ih": dL/dW, ..., "x": dL/dxs, "h0": dL/dh_0, ...}

params: arrays in PyTorch's layout, as in `nn.cells`; xs (T, B, I); state: a tuple of (B, H), h_0 (and c_0);
dhs (T, B, H): the upstream gradient dL/dh_t of every hidden state, from whatever stands behind it, *not* counting what
h_t does to later steps; dlast: a tuple of (B, H), the same for the last state (it adds to dhs[-1]).

The scheme is one for all cells. Examples are rows, so for z = x Wᵀ: dL/dW = dzᵀ x, dL/dx = dz W. Written dv for
dL/dv. Going forward, keep what backward needs; going backward, for t = T, ..., 1,

    dh_t = dhs_t + (what h_t contributes to dL through step t+1)

and every parameter's gradient is the *sum* over t of one contribution from each step: NNDL (6.39)-(6.41),
Werbos, "Backpropagation through time: what it does and how to do it", 1990. The gates' formulas: Greff et al.,
"LSTM: a search space odyssey", 2015, appendix A; and the chain rule, as each docstring writes it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
State = tuple[Array, ...]


def rnn(
    params: Mapping[str, Array],
    xs: Array,
    state: State,
    dhs: Array,
    dlast: State | None = None,
    nonlinearity: str = "tanh",
) -> dict[str, Array]:
    """z_t = W x_t + b_ih + U h_{t-1} + b_hh,  h_t = f(z_t).

    dz_t = dh_t * f'(z_t), with f' = 1 - h_t^2 for tanh, [h_t > 0] for relu
    dW = sum_t dz_tᵀ x_t,  dU = sum_t dz_tᵀ h_{t-1},  db_ih = db_hh = sum_t dz_t (summed over the batch)
    dx_t = dz_t W,  dh_{t-1} = dhs_{t-1} + dz_t U          (NNDL (6.36): the error term runs back through U)
    """
    W, U, b = params["weight_ih"], params["weight_hh"], params["bias_ih"] + params["bias_hh"]
    hs = [state[0]]
    for x in xs:
        z = x @ W.T + hs[-1] @ U.T + b
        hs.append(np.tanh(z) if nonlinearity == "tanh" else np.maximum(z, 0))
    dW, dU, db, dxs = np.zeros_like(W), np.zeros_like(U), np.zeros_like(b), np.zeros_like(xs)
    carry = np.zeros_like(state[0]) if dlast is None else dlast[0]
    for t in reversed(range(len(xs))):
        h, h_before = hs[t + 1], hs[t]
        dh = dhs[t] + carry
        dz = dh * (1 - h * h) if nonlinearity == "tanh" else dh * (h > 0)
        dW += dz.T @ xs[t]
        dU += dz.T @ h_before
        db += dz.sum(axis=0)
        dxs[t] = dz @ W
        carry = dz @ U
    return {"weight_ih": dW, "weight_hh": dU, "bias_ih": db, "bias_hh": db.copy(), "x": dxs, "h0": carry}


def residual_rnn(
    params: Mapping[str, Array], xs: Array, state: State, dhs: Array, dlast: State | None = None
) -> dict[str, Array]:
    """z_t = W x_t + b_ih + U h_{t-1} + b_hh,  g_t = tanh(z_t),  h_t = h_{t-1} + g_t.

    dz_t = dh_t * (1 - g_t^2)
    dW, dU, db, dx_t from dz_t as in `rnn`
    dh_{t-1} = dhs_{t-1} + dh_t + dz_t U          (the path around the nonlinearity, and the one through it)
    """
    W, U, b = params["weight_ih"], params["weight_hh"], params["bias_ih"] + params["bias_hh"]
    hs, gs = [state[0]], []
    for x in xs:
        gs.append(np.tanh(x @ W.T + hs[-1] @ U.T + b))
        hs.append(hs[-1] + gs[-1])
    dW, dU, db, dxs = np.zeros_like(W), np.zeros_like(U), np.zeros_like(b), np.zeros_like(xs)
    carry = np.zeros_like(state[0]) if dlast is None else dlast[0]
    for t in reversed(range(len(xs))):
        dh = dhs[t] + carry
        dz = dh * (1 - gs[t] * gs[t])
        dW += dz.T @ xs[t]
        dU += dz.T @ hs[t]
        db += dz.sum(axis=0)
        dxs[t] = dz @ W
        carry = dh + dz @ U
    return {"weight_ih": dW, "weight_hh": dU, "bias_ih": db, "bias_hh": db.copy(), "x": dxs, "h0": carry}


def lstm(
    params: Mapping[str, Array], xs: Array, state: State, dhs: Array, dlast: State | None = None
) -> dict[str, Array]:
    """Z = W x_t + b_ih + U h_{t-1} + b_hh, cut into z_i, z_f, z_g, z_o;  c_t = f c_{t-1} + i g,  h_t = o tanh(c_t).

    do = dh_t * tanh(c_t)
    dc_t = (what comes from step t+1) + dh_t * o * (1 - tanh(c_t)^2)
    di = dc_t * g,  df = dc_t * c_{t-1},  dg = dc_t * i
    dz_k = dk * k * (1 - k) for the sigmoid gates k = i, f, o;  dz_g = dg * (1 - g^2)
    dW = sum_t dzᵀ x_t,  dU = sum_t dzᵀ h_{t-1},  db_ih = db_hh = sum_t dz,  dx_t = dz W
    to step t-1:  dz U for h_{t-1},  dc_t * f for c_{t-1}          (no matrix and no tanh' on the cell's path)
    """
    W, U, b = params["weight_ih"], params["weight_hh"], params["bias_ih"] + params["bias_hh"]
    hs, cs, gates = [state[0]], [state[1]], []
    for x in xs:
        z_i, z_f, z_g, z_o = np.split(x @ W.T + hs[-1] @ U.T + b, 4, axis=1)
        i, f, g, o = _sigmoid(z_i), _sigmoid(z_f), np.tanh(z_g), _sigmoid(z_o)
        gates.append((i, f, g, o))
        cs.append(f * cs[-1] + i * g)
        hs.append(o * np.tanh(cs[-1]))
    dW, dU, db, dxs = np.zeros_like(W), np.zeros_like(U), np.zeros_like(b), np.zeros_like(xs)
    dh_carry, dc_carry = (np.zeros_like(state[0]), np.zeros_like(state[1])) if dlast is None else dlast
    for t in reversed(range(len(xs))):
        i, f, g, o = gates[t]
        tanh_c = np.tanh(cs[t + 1])
        dh = dhs[t] + dh_carry
        dc = dc_carry + dh * o * (1 - tanh_c * tanh_c)
        dz_i = dc * g * i * (1 - i)
        dz_f = dc * cs[t] * f * (1 - f)
        dz_g = dc * i * (1 - g * g)
        dz_o = dh * tanh_c * o * (1 - o)
        dz = np.concatenate([dz_i, dz_f, dz_g, dz_o], axis=1)
        dW += dz.T @ xs[t]
        dU += dz.T @ hs[t]
        db += dz.sum(axis=0)
        dxs[t] = dz @ W
        dh_carry = dz @ U
        dc_carry = dc * f
    return {
        "weight_ih": dW,
        "weight_hh": dU,
        "bias_ih": db,
        "bias_hh": db.copy(),
        "x": dxs,
        "h0": dh_carry,
        "c0": dc_carry,
    }


def gru(
    params: Mapping[str, Array], xs: Array, state: State, dhs: Array, dlast: State | None = None
) -> dict[str, Array]:
    """PyTorch's GRU: a = W x_t + b_ih and v = U h_{t-1} + b_hh, each cut into r, z, n.

    r = sigmoid(a_r + v_r),  z = sigmoid(a_z + v_z),  n = tanh(a_n + r v_n),  h_t = (1 - z) n + z h_{t-1}

    dn = dh_t * (1 - z),  dz = dh_t * (h_{t-1} - n)
    da_n = dn * (1 - n^2),  dr = da_n * v_n,  dv_n = da_n * r          (the reset gate stands after the matrix)
    da_r = dv_r = dr * r * (1 - r),  da_z = dv_z = dz * z * (1 - z)
    dW = sum_t daᵀ x_t,  db_ih = sum_t da,  dx_t = da W;  dU = sum_t dvᵀ h_{t-1},  db_hh = sum_t dv
    to step t-1:  dh_t * z + dv U
    """
    W, U, b_ih, b_hh = (params[name] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    hs, kept = [state[0]], []
    for x in xs:
        a_r, a_z, a_n = np.split(x @ W.T + b_ih, 3, axis=1)
        v_r, v_z, v_n = np.split(hs[-1] @ U.T + b_hh, 3, axis=1)
        r, z = _sigmoid(a_r + v_r), _sigmoid(a_z + v_z)
        n = np.tanh(a_n + r * v_n)
        kept.append((r, z, n, v_n))
        hs.append((1 - z) * n + z * hs[-1])
    dW, dU, db_ih, db_hh = (np.zeros_like(p) for p in (W, U, b_ih, b_hh))
    dxs = np.zeros_like(xs)
    carry = np.zeros_like(state[0]) if dlast is None else dlast[0]
    for t in reversed(range(len(xs))):
        r, z, n, v_n = kept[t]
        dh = dhs[t] + carry
        da_n = dh * (1 - z) * (1 - n * n)
        da_r = da_n * v_n * r * (1 - r)
        da_z = dh * (hs[t] - n) * z * (1 - z)
        da = np.concatenate([da_r, da_z, da_n], axis=1)
        dv = np.concatenate([da_r, da_z, da_n * r], axis=1)
        dW += da.T @ xs[t]
        dU += dv.T @ hs[t]
        db_ih += da.sum(axis=0)
        db_hh += dv.sum(axis=0)
        dxs[t] = da @ W
        carry = dh * z + dv @ U
    return {"weight_ih": dW, "weight_hh": dU, "bias_ih": db_ih, "bias_hh": db_hh, "x": dxs, "h0": carry}


def gru_textbook(
    params: Mapping[str, Array], xs: Array, state: State, dhs: Array, dlast: State | None = None
) -> dict[str, Array]:
    """Compute the textbook's GRU: a = W x_t + b_ih + b_hh, cut into r, z, n; the reset gate acts before U_n.

    r = sigmoid(a_r + U_r h_{t-1}),  z = sigmoid(a_z + U_z h_{t-1}),  s = r h_{t-1},  n = tanh(a_n + U_n s)
    h_t = (1 - z) n + z h_{t-1}

    da_n = dh_t * (1 - z) * (1 - n^2),  ds = da_n U_n,  dr = ds * h_{t-1}
    da_r = dr * r * (1 - r),  da_z = dh_t * (h_{t-1} - n) * z * (1 - z)
    dW = sum_t daᵀ x_t,  db_ih = db_hh = sum_t da,  dx_t = da W
    dU_r = sum_t da_rᵀ h_{t-1},  dU_z = sum_t da_zᵀ h_{t-1},  dU_n = sum_t da_nᵀ s
    to step t-1:  dh_t * z + ds * r + da_r U_r + da_z U_z
    """
    W, U, b = params["weight_ih"], params["weight_hh"], params["bias_ih"] + params["bias_hh"]
    U_r, U_z, U_n = np.split(U, 3)
    hs, kept = [state[0]], []
    for x in xs:
        h = hs[-1]
        a_r, a_z, a_n = np.split(x @ W.T + b, 3, axis=1)
        r, z = _sigmoid(a_r + h @ U_r.T), _sigmoid(a_z + h @ U_z.T)
        n = np.tanh(a_n + (r * h) @ U_n.T)
        kept.append((r, z, n))
        hs.append((1 - z) * n + z * h)
    dW, dU, db, dxs = np.zeros_like(W), np.zeros_like(U), np.zeros_like(b), np.zeros_like(xs)
    carry = np.zeros_like(state[0]) if dlast is None else dlast[0]
    for t in reversed(range(len(xs))):
        r, z, n = kept[t]
        h = hs[t]
        dh = dhs[t] + carry
        da_n = dh * (1 - z) * (1 - n * n)
        ds = da_n @ U_n
        da_r = ds * h * r * (1 - r)
        da_z = dh * (h - n) * z * (1 - z)
        da = np.concatenate([da_r, da_z, da_n], axis=1)
        dW += da.T @ xs[t]
        dU += np.concatenate([da_r.T @ h, da_z.T @ h, da_n.T @ (r * h)])
        db += da.sum(axis=0)
        dxs[t] = da @ W
        carry = dh * z + ds * r + da_r @ U_r + da_z @ U_z
    return {"weight_ih": dW, "weight_hh": dU, "bias_ih": db, "bias_hh": db.copy(), "x": dxs, "h0": carry}


def softmax_readout(V: Array, c: Array, hs: Array, targets: Array) -> tuple[Any, dict[str, Array]]:
    """y_t = softmax(V h_t + c), L = -mean log y_t[target] over all N = T*B positions: L, and dL by V, c and hs.

    dlogits_t = (y_t - onehot(target_t)) / N,  dV = sum_t dlogits_tᵀ h_t,  dc = sum_t dlogits_t,  dhs_t = dlogits_t V

    V (K, H), c (K,), hs (T, B, H), targets (T, B) integer classes below K. The answer's "hs" is the cells' `dhs`.
    """
    logits = hs @ V.T + c
    logits = logits - logits.max(axis=-1, keepdims=True)
    log_y = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    onehot = np.eye(len(c), dtype=hs.dtype)[targets]
    loss = -(onehot * log_y).sum() / targets.size
    dlogits = (np.exp(log_y) - onehot) / targets.size
    dV = np.einsum("tbk,tbh->kh", dlogits, hs)
    return loss, {"V": dV, "c": dlogits.sum(axis=(0, 1)), "hs": dlogits @ V}


def _sigmoid(z: Array) -> Array:
    return np.asarray(np.exp(-np.logaddexp(0, -z)))  # 1 / (1 + exp(-z)), without overflow
