"""Bidirectional and multi-layer RNN: passes over the sequence whose outputs are joined, one below another.

Forward in time h_t = tanh(W x_t + U h_{t-1} + b), backward in time h'_t = tanh(W' x_t + U' h'_{t+1} + b'), and the
output [h_t; h'_t]; the next layer reads these. By hand, BPTT of one layer hands dL/dx to the layer below.
"""

import sys
from pathlib import Path

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, draw, nn

rng = np.random.default_rng(13)
T, B, I, H, LAYERS = 4, 2, 3, 5, 2
layer = nn.RNN(I, H, num_layers=LAYERS, bidirectional=True)
params = layer.init(rng)
xs, dhs = rng.standard_normal((T, B, I)), rng.standard_normal((T, B, 2 * H))
x = tg.Tensor(xs, name="x")
with tg.Tape() as tape:
    output, _ = layer(params, x)
tape_says = tape.gradient(output, {**params, "x": x}, seed=dhs)


def own(number, direction):
    """Return the arrays of one layer and direction, by the names that a cell has."""
    suffix = f"_l{number}{direction}"
    return {name.removesuffix(suffix): p.data for name, p in params.items() if name.endswith(suffix)}


def one_pass(p, xs):
    """Run the simple RNN over a sequence, from h_0 = 0, in NumPy."""
    h, hs = np.zeros((B, H)), []
    for x in xs:
        h = np.tanh(x @ p["weight_ih"].T + p["bias_ih"] + h @ p["weight_hh"].T + p["bias_hh"])
        hs.append(h)
    return np.stack(hs)


# Forward by hand: the pass backward in time is the same pass over the reversed sequence, reversed again.
inputs = [xs]
for number in range(LAYERS):
    below = inputs[-1]
    joined = [one_pass(own(number, ""), below), one_pass(own(number, "_reverse"), below[::-1])[::-1]]
    inputs.append(np.concatenate(joined, axis=2))
assert np.allclose(inputs[-1], output.data, rtol=0, atol=1e-12)

# Backward by hand: from the top layer down; each gives dL/dx, which is the layer below's dL/dh.
hand, upstream, h0 = {}, dhs, (np.zeros((B, H)),)
for number in reversed(range(LAYERS)):
    forward = bptt.by_hand.rnn(own(number, ""), inputs[number], h0, upstream[:, :, :H])
    reverse = bptt.by_hand.rnn(own(number, "_reverse"), inputs[number][::-1], h0, upstream[::-1, :, H:])
    upstream = forward["x"] + reverse["x"][::-1]
    for direction, found in (("", forward), ("_reverse", reverse)):
        hand.update({f"{name}_l{number}{direction}": found[name] for name in own(number, direction)})
report = bptt.compare_gradients("RNN", tape_says, {**hand, "x": upstream}).check()
print(f"{LAYERS} layers, two directions: {len(report.rows)} gradients agree with the derivation by hand to 1e-12")

# The first output depends on the last input in both directions only: the whole sequence is needed.
print("\nnorm of d(sum of the output at step t)/dx_k, k = 0 ... 3")
for kind in (nn.RNN(I, H), nn.RNN(I, H, bidirectional=True)):
    with tg.Tape() as tape:
        output, _ = kind(kind.init(np.random.default_rng(0)), x)
        sums = [output[t].sum() for t in range(T)]
    print("two directions" if kind.bidirectional else "one direction")
    for t in range(T):
        norms = np.sqrt((tape.gradient(sums[t], x) ** 2).sum(axis=(1, 2)))
        assert all(norms[: t + 1] > 0)
        assert all(norms[t + 1 :] > 0) if kind.bidirectional else not any(norms[t + 1 :])
        print(f"  t = {t}: " + "  ".join(f"{norm:.4f}" for norm in norms))

out = Path(sys.argv[1] if len(sys.argv) > 1 else "out")
out.mkdir(parents=True, exist_ok=True)
drawn = nn.RNN(I, H, bias=False, bidirectional=True)
with tg.Tape() as tape:
    drawn(drawn.init(rng), xs[:2])
draw.render(tape, out / "exercise_13.svg", engine="grid")
