"""A derivation with a mistake that no test at T = 1 can see, and what the comparison says of it.

The LSTM's cell state hands its gradient on, dc_{t-1} = dc_t * f_t. Here it is forgotten.
"""

import numpy as np

from tinygrad_rnn import bptt, nn


def my_lstm_bptt(params, xs, state, dhs):
    """BPTT of the LSTM, but for the carry of the cell state."""
    W, U, b = params["weight_ih"], params["weight_hh"], params["bias_ih"] + params["bias_hh"]
    h, c = state
    kept = []
    for x in xs:
        z_i, z_f, z_g, z_o = np.split(x @ W.T + h @ U.T + b, 4, axis=1)
        i, f, o = (1 / (1 + np.exp(-z)) for z in (z_i, z_f, z_o))
        g = np.tanh(z_g)
        kept.append((x, h, c, i, f, g, o))
        c = f * c + i * g
        h = o * np.tanh(c)
    dW, dU, dh_next = np.zeros_like(W), np.zeros_like(U), 0
    for t in reversed(range(len(xs))):
        x, h_before, c_before, i, f, g, o = kept[t]
        tanh_c = np.tanh(f * c_before + i * g)
        dh = dhs[t] + dh_next
        dc = dh * o * (1 - tanh_c**2)  # the mistake: + dc_{t+1} * f_{t+1} is missing
        dz = np.concatenate(
            [dc * g * i * (1 - i), dc * c_before * f * (1 - f), dc * i * (1 - g**2), dh * tanh_c * o * (1 - o)], axis=1
        )
        dW += dz.T @ x
        dU += dz.T @ h_before
        dh_next = dz @ U
    return {"weight_ih": dW, "weight_hh": dU}


rng = np.random.default_rng(0)
params = nn.init.lstm(rng, input_size=4, hidden_size=5)

at_one_step = bptt.compare(nn.lstm, params, rng.standard_normal((1, 3, 4)), by_hand=my_lstm_bptt)
print(at_one_step, "\n")
assert at_one_step  # one step has nothing to carry: the mistake does not show

report = bptt.compare(nn.lstm, params, rng.standard_normal((4, 3, 4)), by_hand=my_lstm_bptt)
print(report)
assert not report
assert any("an upstream gradient at step 1 alone, the contribution of step 0" in line for line in report.findings)
