"""Three ways to compute the gradient of a long sequence: the full sum, regular truncation, randomized truncation.

Of the path from L_t back to z_k what passes from step s + 1 to step s is multiplied by xi_s. The full sum: every xi is
1. Regular truncation after tau steps: xi is 0 at every tau-th step. Randomized: xi is 0 with probability 1 - pi, else
1/pi; its expectation is 1, so that of the estimate is the full gradient.

python demos/exercise_09_three_ways_to_truncate.py out timemachine.txt      (any UTF-8 text: D2L takes this novel)

Without a file the text is Python's own help, which every Python has. The text changes the numbers, not what they say.
"""

import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn
from tinygrad_rnn.draw import truncation_bars as cuts
from tinygrad_rnn.lm import text

T, H, TAU, PI = 36, 8, 6, 5 / 6
book = sys.argv[2] if len(sys.argv) > 2 else None
whole_text = text.load(book)
if len(whole_text) <= 10 * T:
    sys.exit(
        f"{book}: {len(whole_text)} letters and spaces\ngive a text of more than {10 * T} (a to z and spaces count)"
    )
source = whole_text[: T + 1]
characters = text.indices(source)
print("the text:", Path(book).name if book else "Python's own help; give a file as second argument for another")
xs, targets, V = text.one_hot(characters[:-1]), text.one_hot(characters[1:]), len(text.ALPHABET)

rng = np.random.default_rng(9)
p = {"weight_ih": rng.standard_normal((H, V)), "weight_hh": 1.2 * np.linalg.qr(rng.standard_normal((H, H)))[0]}
readout = rng.standard_normal((V, H))
leaves = {name: tg.Tensor(value, name=name) for name, value in p.items()}


def loss_of(h, target):
    """Compute the cross entropy of the next character."""
    return -(target * tg.log_softmax(readout @ h)).sum()


def record(steps):
    """Record a character model over a number of steps. Return the tape, and the losses by step."""
    with tg.Tape() as tape:
        hs, _ = nn.unroll(nn.rnn, leaves, xs[:steps], np.zeros(H))
        losses = {t: loss_of(hs[t], targets[t]) for t in range(steps)}
    return tape, losses


def by_hand(xi):
    """dL/dU with these factors between the steps: xi[s] between s and s + 1."""
    U, W = p["weight_hh"], p["weight_ih"]
    h, dU = [np.zeros(H)], np.zeros_like(U)  # h[t + 1] is the state of step t
    for t in range(len(xi) + 1):
        h.append(np.tanh(U @ h[t] + W @ xs[t]))
        y = np.exp(readout @ h[t + 1])
        delta = (1 - h[t + 1] ** 2) * (readout.T @ (y / y.sum() - targets[t]))  # delta_{t,t}
        for k in range(t, -1, -1):
            dU += np.outer(delta, h[k])
            delta = xi[k - 1] * (1 - h[k] ** 2) * (U.T @ delta)  # delta_{t,k-1}; after k = 0 it is not used
    return dU


tape, losses = record(T)
U = leaves["weight_hh"]
randomized, regular = bptt.Randomized(PI), bptt.Chunked(TAU)
drawing = randomized.draw(np.random.default_rng(2), T)
factors = {
    bptt.Full(): np.ones(T - 1),
    regular: np.array([0.0 if (s + 1) % TAU == 0 else 1.0 for s in range(T - 1)]),
    drawing: np.array(drawing.factors),
}
for how, xi in factors.items():
    dU = bptt.truncated_gradient(tape, losses, U, how)
    assert np.allclose(dU, by_hand(xi), rtol=0, atol=1e-12 * np.abs(dU).max())
print("full, regular, randomized: dL/dU agrees with the derivation by hand to 1e-12\n")

ways = {"full": bptt.Full(), f"regular, tau = {TAU}": regular, f"randomized, pi = {PI:.2f}": randomized}
walks = {name: (drawing if how is randomized else how).spans(T) for name, how in ways.items()}
for name, spans in walks.items():
    print(f"{name}\n{cuts.as_text(source[:T], spans)}\n")

print(f"way                     |E dU - dU| / |dU|   standard deviation / |dU|   steps held, of {T}")
for name, how in ways.items():
    found = bptt.bias_and_variance(tape, losses, U, how, rng=np.random.default_rng(9), draws=200)
    held = max(span.stop - span.start for span in walks[name])
    print(f"{name:<24}{found.relative:18.3f}   {found.spread:25.3f}   {held:10}")
print("(the randomized gradient is the mean of 200, and its steps are those of one drawing)\n")

# Without any sampling: the expectation over all 2^5 drawings of six steps.
few, their_losses = record(6)
exact = bptt.bias_and_variance(few, their_losses, U, randomized, exact=True)
cut = bptt.bias_and_variance(few, their_losses, U, bptt.Chunked(2))
print(f"six steps, all 32 drawings by their probability: bias {exact.relative:.3f}, of regular ones {cut.relative:.3f}")
assert exact.relative < 1e-12 < 0.01 < cut.relative

# What it is for: a tape no longer than the gradient reaches, on ten times the text.
long = text.indices(whole_text[: 10 * T + 1])
inputs, answers = text.one_hot(long[:-1]), text.one_hot(long[1:])
for name, how in ways.items():
    tracemalloc.start()
    begin = time.perf_counter()
    bptt.truncated_bptt(nn.rnn, leaves, inputs, lambda t, h: loss_of(h, answers[t]), how, np.zeros(H), rng=rng)
    seconds, peak = time.perf_counter() - begin, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(f"measured on {10 * T} characters, {name}: {seconds:.3f} s, peak memory {peak / 1e3:.0f} kB")

out = Path(sys.argv[1] if len(sys.argv) > 1 else "out")
out.mkdir(parents=True, exist_ok=True)
picture = cuts.svg("Three ways of cutting a text", source[:T], walks)
(out / "exercise_09.svg").write_text(picture, encoding="utf-8", newline="\n")
