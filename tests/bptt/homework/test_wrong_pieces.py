"""Wrong code in as many styles: one slip each, the gradients that it spoils, and the shortest length that shows it."""

import pytest
from people import assert_said_in_chinese, examined

SLIPS = [
    # piece, what stands there, the slip, the gradients that are wrong, from which length on
    ("min_char.lossFun", "dhnext = np.dot(Whh.T, dhraw)", "dhnext = np.dot(Whh, dhraw)", "Wxh Whh bh", 2),
    ("min_char.lossFun", "dWhh += np.dot(dhraw, hs[t - 1].T)", "dWhh += np.dot(dhraw, hs[t].T)", "Whh", 1),
    ("min_char.lossFun", "dh = np.dot(Why.T, dy) + dhnext", "dh = np.dot(Why.T, dy)", "Wxh Whh bh", 2),
    ("min_char.forward_backward", "df = dC * C_prev", "df = dC * C", "W_f b_f W_i b_i W_C b_C W_o b_o", 1),
    ("min_char.forward_backward", "dC_prev = f * dC", "dC_prev = dC", "W_f b_f W_i b_i W_C b_C W_o b_o", 2),
    ("min_char.gru_loss", "+ dhr * rs[t] +", "+ dhr +", "Wz Wr Wh", 2),
    (
        "wildml.OneSentence",
        "dLdW += np.outer(delta_t, s[bptt_step - 1])",
        "dLdW += np.outer(delta_t, s[bptt_step])",
        "W",
        1,
    ),
    ("wildml.GRUNumpy", "dz = dh * (h[t - 1] - c[t])", "dz = dh * (c[t] - h[t - 1])", "Wz bz Uz Wr Ur br Wh Uh bh", 1),
    (
        "coursera.rnn_cell",
        "dtanh = (1 - a_next**2) * da_next",
        "dtanh = (1 - a_next) ** 2 * da_next",
        "xt a_prev Wax Waa ba",
        0,
    ),
    (
        "coursera.rnn",
        "rnn_cell_backward(da[:, :, t] + da_prevt,",
        "rnn_cell_backward(da[:, :, t],",
        "x a0 Wax Waa ba",
        2,
    ),
    ("coursera.rnn", "dba += dbat", "dba = dbat", "ba", 2),
    (
        "coursera.lstm_cell",
        "dot = da_next * np.tanh(c_next) * ot * (1 - ot)",
        "dot = da_next * c_next * ot * (1 - ot)",
        "xt a_prev Wo bo",
        0,
    ),
    ("coursera.lstm", 'dc_prevt = gradients["dc_prev"]', "pass", "x a0 Wf bf Wi bi Wc bc Wo bo", 2),
    ("coursera.dino", "daraw = (1 - a * a) * da", "daraw = (1 - a) * da", "Wax Waa b", 1),
    ("cs231n.rnn_step", "db = np.sum(dz, axis=0)", "db = np.mean(dz, axis=0)", "b", 0),
    ("cs231n.rnn", "dh[:, t, :] + dh0, cache[t]", "dh[:, t, :], cache[t]", "x h0 Wx Wh b", 2),
    (
        "cs231n.lstm",
        "df * f * (1 - f), do * o * (1 - o), dg",
        "do * o * (1 - o), df * f * (1 - f), dg",
        "x h0 Wx Wh b",
        1,
    ),
    ("cs231n.captioning", "np.add.at(dW, x, dout)", "dW[x] += dout", "W_embed", 3),
    ("from_scratch.TimeRNN", "layer.backward(dhs[:, t, :] + dh)", "layer.backward(dhs[:, t, :])", "xs Wx Wh b", 2),
    ("networks.GRU", "dcr[:n] * r +", "dcr[:n] * z +", "Wz Wr Wh bz br bh", 2),
    ("networks.GRU", "dy = 2 * e / T", "dy = e / T", "", 0),
    ("networks.many_to_one", 'dh = dz @ p["U"].T', 'dh = dh @ p["U"].T', "W U b", 2),
    ("networks.trains", "self.b -= lr * db", "self.b += lr * db", "b", 1),
    ("networks.nested", "dh = self.h2h.backward(dz)", "dh = self.h2h.backward(dh)", "h2h.W h2h.b i2h.W i2h.b", 1),
    ("networks.slots", "dout = 2 * (predictions - ys) / predictions.size", "dout = (ys - predictions)", "Wx Wh Wo", 1),
    ("networks.static", 'grads["U"] += hs[t].T @ dz', 'grads["U"] = hs[t].T @ dz', "U", 2),
    ("functions.closure", "dh = U.T @ dz", "dh = U.T @ dh", "W U", 2),
    ("functions.three_steps", "np.outer(d2, x[1])", "np.outer(d2, x[0])", "W", 0),
    ("functions.dropout", "((V.T @ dy) * mask + carry)", "(V.T @ dy + carry)", "W U b", 1),
    ("number_kinds.floats", "carry = [sum(U[j][k]", "carry = [sum(U[k][j]", "W U", 2),
    ("number_kinds.matrices", "carry = U.T * dz", "carry = U * dz", "W U b", 2),
    (
        "number_kinds.preallocated",
        "(h[:, t] - y[:, t]) / B + dz[t + 1] @ Wh.T",
        "(h[:, t] - y[:, t]) / B + dz[t] @ Wh.T",
        "Wx Wh b",
        2,
    ),
    (
        "number_kinds.float32",
        "2 * (hs[t + 1] - targets[t]) / out.size + dh)",
        "2 * (hs[t + 1] - targets[t]) / out.size)",
        "Wx Wh b",
        2,
    ),
    ("deeper.two_layers", 'd2, d1 = p["U2"].T @ z2, p["U1"].T @ z1', 'd2, d1 = p["U2"].T @ z2, 0', "W1 U1 b1", 2),
    (
        "deeper.bidirectional",
        "self.dUb += np.outer(self.b[t + 1], dz)",
        "self.dUb += np.outer(self.b[t - 1], dz)",
        "Ub",
        3,
    ),
    ("deeper.seq2seq", 'g["E"][k] += We.T @ dz', 'g["E"][k] = We.T @ dz', "E", 1),
    ("deeper.layer_norm", "- hat * (dhat * hat).mean(-1, keepdims=True)", "", "W U gain", 1),
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize(
    ("piece", "there", "slip", "wrong", "shortest"),
    [pytest.param(*slip, marks=[pytest.mark.slow] if k % 6 else []) for k, slip in enumerate(SLIPS)],
)
def test_a_slip_is_found_where_it_is(piece, there, slip, wrong, shortest):
    found = examined(piece, there, slip)
    assert set(found.wrong) == set(wrong.split()), str(found)
    lengths = {T for where in found.wrong.values() for T, _, _ in where if T is not None}
    assert min(lengths, default=0) == shortest, str(found)
    assert not found.missing
    assert bool(found) == (not wrong)
    assert_said_in_chinese(found)
