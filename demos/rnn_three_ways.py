"""The same RNN three ways: derived by hand in NumPy, on the tape, and (where it is installed) in PyTorch.

T = 3 steps, a batch of 3, 4 inputs, 5 hidden units, float64, and an arbitrary upstream gradient of every hidden state.
"""

import numpy as np

from tinygrad_rnn import bptt, nn

rng = np.random.default_rng(1)
params = nn.init.rnn(rng, input_size=4, hidden_size=5)
xs = rng.standard_normal((3, 3, 4))
dhs = rng.standard_normal((3, 3, 5))

report = bptt.compare(nn.rnn, params, xs, by_hand=bptt.by_hand.rnn, dhs=dhs, exhaustive=True)
print(report.check())
