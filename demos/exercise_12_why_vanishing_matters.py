"""Why a vanishing gradient matters: a language model that must close the bracket that it opened a long gap ago.

A text is an opening bracket of four kinds, a gap of letters, a full stop, and the bracket that closes it: "(abba.)".
The model reads a character at a time; trained and counted is the last one that it predicts. Guessing gives a quarter.
The simple RNN runs twice: with PyTorch's initial weights, and with an orthogonal U and small W, which keep lengths.
"""

import sys
from pathlib import Path

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.lm import curve
from tinygrad_rnn.nn.optim import Adam, clip_by_norm

OPEN, CLOSE, LETTERS, STOP = "([{<", ")]}>", "ab", "."
ALPHABET = OPEN + CLOSE + LETTERS + STOP
HIDDEN, BATCH, UPDATES = 16, 16, 100


def texts(rng, gap, count=BATCH):
    """Draw indices (gap + 3, count): the opening bracket, the letters, the stop, the closing bracket."""
    kind = rng.integers(0, len(OPEN), count)
    letters = ALPHABET.index("a") + rng.integers(0, len(LETTERS), (gap, count))
    stop = np.full(count, ALPHABET.index(STOP))
    return np.concatenate([kind[None], letters, stop[None], len(OPEN) + kind[None]])


def init(layer, rng, orthogonal):
    """Draw parameters. Gates begin so that they keep the state, as is usual where a gap is long."""
    params = {**layer.init(rng), "V": tg.Tensor(0.3 * rng.standard_normal((len(ALPHABET), HIDDEN)), name="V")}
    if layer.gates > 1:
        bias = params["bias_ih_l0"].data.copy()
        bias[HIDDEN : 2 * HIDDEN] = 3  # the forget gate of the LSTM (i, f, g, o), the update gate of the GRU (r, z, n)
        if layer.gates == 4:
            bias[:HIDDEN] = -2  # the LSTM's input gate
        params["bias_ih_l0"] = tg.Tensor(bias, name="bias_ih_l0")
    if orthogonal:
        # U^T U = I, and |z| is small: dh_t/dh_{t-1} = diag(1 - h_t^2) U nearly keeps lengths.
        U = np.linalg.qr(rng.standard_normal((HIDDEN, HIDDEN)))[0]
        assert np.allclose(U.T @ U, np.eye(HIDDEN), rtol=0, atol=1e-12)
        W, zeros = 0.3 * params["weight_ih_l0"].data, np.zeros(HIDDEN)
        own = {"weight_hh_l0": U, "weight_ih_l0": W, "bias_ih_l0": zeros, "bias_hh_l0": zeros}
        params |= {name: tg.Tensor(value, name=name) for name, value in own.items()}
    return params


def last_scores(layer, params, text):
    """Compute the scores of the last character from all those before it."""
    hs, _ = layer(params, np.eye(len(ALPHABET))[text[:-1]])
    return hs[-1] @ params["V"].T


def learn(layer, gap, orthogonal):
    """Train. Return the share of new texts closed right, and, from before, |dL/dh_t| / |dL/dh_last|, t downwards."""
    rng = np.random.default_rng(3)
    params = init(layer, rng, orthogonal)
    adam = Adam(rate=0.02)
    state = adam.init(params)
    for update in range(UPDATES):
        text = texts(rng, gap)
        with tg.Tape() as tape:
            loss = nn.cross_entropy(last_scores(layer, params, text), text[-1])
        if not update:
            dhs = tape.gradient(loss, [tape.find("h", t=t) for t in reversed(range(gap + 2))])
            norms = [np.linalg.norm(dh) for dh in dhs]
        gradients, _ = clip_by_norm(tape.gradient(loss, params), 1.0)
        params, state = adam.step(params, gradients, state)
    new = texts(rng, gap, 200)
    right = np.mean(last_scores(layer, params, new).data.argmax(axis=-1) == new[-1])
    return right, np.array(norms) / norms[0]


print(f"a text with a gap of 8: {''.join(ALPHABET[k] for k in texts(np.random.default_rng(0), 8)[:, 0])}")
print("closed right after training, and before it |dL/dh_first| / |dL/dh_last|\n")
GAPS = (1, 5, 10, 20)
print("gap             " + "".join(f"{gap:17}" for gap in GAPS))
right, norms = {}, {}
for name, kind in (("RNN", nn.RNN), ("RNN, orthogonal", nn.RNN), ("GRU", nn.GRU), ("LSTM", nn.LSTM)):
    layer, orthogonal = kind(len(ALPHABET), HIDDEN), name == "RNN, orthogonal"
    right[name], by_gap = zip(*[learn(layer, gap, orthogonal) for gap in GAPS], strict=True)
    print(f"{name:<16}" + "".join(f"{r:8.0%}  {n[-1]:.1e}" for r, n in zip(right[name], by_gap, strict=True)))
    norms[name] = by_gap[-1]
assert all(right[name][0] == 1 for name in right)
assert right["RNN"][-1] < 0.6 < 0.9 < min(right[name][-1] for name in right if name != "RNN")
assert norms["RNN"][-1] < 1e-4 < 0.1 < norms["RNN, orthogonal"][-1]

out = Path(sys.argv[1] if len(sys.argv) > 1 else "out")
out.mkdir(parents=True, exist_ok=True)
norms = {name.replace("RNN, ", ""): each for name, each in norms.items()}  # short names fit beside the curves
picture = curve.svg("|dL/dh_t| / |dL/dh_last| before training, gap 20", norms, x_label="steps from the end of the text")
(out / "exercise_12.svg").write_text(picture, encoding="utf-8", newline="\n")
