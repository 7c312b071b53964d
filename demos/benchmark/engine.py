"""What recording costs: a chain of small operations, an LSTM, and how time and memory grow with the length of a tape.

    OMP_NUM_THREADS=1 python demos/benchmark/engine.py [--quick]

Times are CPU times of one thread, medians over rounds in which the competitors take turns; what counts are the ratios.
PyTorch is compared with where it is installed. "NumPy" is the same arithmetic by hand, without any tape: the floor.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import os
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_rnn as tg

Step = tuple[Callable[[], Any], Callable[[Any], Any]]  # forward, and backward from what it returned


def rotate(y, a, b, tanh, n):
    """N operations: y a, + b, tanh, - b, and again."""
    for _ in range(n // 4):
        y = tanh(y * a + b) - b
    return y


def chain(n: int) -> dict[str, Step]:
    """Return a step of each engine: the chain on (4, 5) float64, with the gradients of all three inputs."""
    values = [np.full((4, 5), value) for value in (0.5, 0.9, 0.1)]
    leaves = [tg.Tensor(value) for value in values]

    def forward():
        with tg.Tape() as tape:
            loss = rotate(*leaves, np.tanh, n).sum()
        return tape, loss

    def by_hand():
        y, a, b = values
        kept = []
        for _ in range(n // 4):
            x, y = y, np.tanh(y * a + b)
            kept.append((x, y))
            y = y - b
        return kept

    def back_by_hand(kept):
        _, a, b = values
        one = np.ones(())
        g, to_a, to_b = np.ones_like(a), np.zeros_like(a), np.zeros_like(b)
        for x, tanh in reversed(kept):
            to_b = to_b - g
            g = g * (one - tanh * tanh)
            to_b = to_b + g
            to_a = to_a + g * x
            g = g * a
        return g, to_a, to_b

    steps: dict[str, Step] = {
        "tinygrad_rnn": (forward, lambda made: made[0].gradient(made[1], leaves)),
        "NumPy": (by_hand, back_by_hand),
    }
    if importlib.util.find_spec("torch"):
        import torch

        theirs = [torch.tensor(value, requires_grad=True) for value in values]
        steps["torch eager"] = (
            lambda: rotate(*theirs, torch.tanh, n).sum(),
            lambda loss: torch.autograd.grad(loss, theirs),
        )
    return steps


def lstm_cell(x, h, c, W, U, b, sigmoid, tanh, quarters):
    """One step, written alike for both: gates i, f, g, o side by side."""
    i, f, g, o = quarters(x @ W + h @ U + b)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


def lstm(T: int = 32, B: int = 16, size: int = 32, H: int = 64) -> dict[str, Step]:
    """Return a step of each engine: an LSTM as forward code, float32, squared loss of all states, all gradients."""
    rng = np.random.default_rng(0)
    shapes = {"W": (size, 4 * H), "U": (H, 4 * H), "b": (4 * H,), "x": (T, B, size), "h": (B, H), "c": (B, H)}
    values = {name: (0.1 * rng.standard_normal(shape)).astype(np.float32) for name, shape in shapes.items()}
    leaves = {name: tg.Tensor(value, name=name) for name, value in values.items()}

    def run(p, sigmoid, tanh, quarters, stack):
        h, c, hs = p["h"], p["c"], []
        for t in range(T):
            h, c = lstm_cell(p["x"][t], h, c, p["W"], p["U"], p["b"], sigmoid, tanh, quarters)
            hs.append(h)
        states = stack(hs)
        return (states * states).sum()

    def forward():
        with tg.Tape() as tape:
            loss = run(leaves, tg.sigmoid, np.tanh, lambda z: np.split(z, 4, axis=-1), np.stack)
        return tape, loss

    steps: dict[str, Step] = {"tinygrad_rnn": (forward, lambda made: made[0].gradient(made[1], leaves))}
    if importlib.util.find_spec("torch"):
        import torch

        theirs = {name: torch.tensor(value, requires_grad=True) for name, value in values.items()}
        steps["torch eager"] = (
            lambda: run(theirs, torch.sigmoid, torch.tanh, lambda z: torch.chunk(z, 4, dim=-1), torch.stack),
            lambda loss: torch.autograd.grad(loss, list(theirs.values())),
        )
    return steps


def measured(steps: dict[str, Step], rounds: int) -> dict[str, tuple[float, float]]:
    """Milliseconds forward and backward of each competitor: medians over rounds in which all take turns."""
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in steps}
    for forward, backward in steps.values():
        backward(forward())
    gc.collect()
    gc.freeze()
    for _ in range(rounds):
        for name, (forward, backward) in steps.items():
            start = time.process_time()
            made = forward()
            middle = time.process_time()
            backward(made)
            times[name][0].append(middle - start)
            times[name][1].append(time.process_time() - middle)
            del made
    gc.unfreeze()
    return {name: (float(np.median(f)) * 1e3, float(np.median(b)) * 1e3) for name, (f, b) in times.items()}


def show(title: str, found: dict[str, tuple[float, float]]) -> None:
    """Print a table of the times, with the ratio of ours to each."""
    ours = sum(found["tinygrad_rnn"])
    print(f"\n{title}\n{'':14}{'forward ms':>12}{'backward ms':>13}{'sum':>9}{'ours / it':>11}")
    for name, (f, b) in sorted(found.items(), key=lambda item: sum(item[1])):
        print(f"{name:14}{f:12.3f}{b:13.3f}{f + b:9.3f}{ours / (f + b):11.2f}")


def growth(lengths: list[int]) -> None:
    """Time and memory for each operation of chains of growing length."""
    print(f"\nlength of the tape\n{'operations':>12}{'us each':>10}{'bytes each':>12}{'of them data':>14}")
    for n in lengths:
        forward, backward = chain(n)["tinygrad_rnn"]
        start = time.process_time()
        backward(forward())
        each = (time.process_time() - start) / n
        tracemalloc.start()
        tape, _ = forward()
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        print(f"{n:12,}{each * 1e6:10.2f}{held / n:12.0f}{tape.nbytes / n:14.0f}")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--quick", action="store_true", help="few rounds and short tapes: only to see that it runs")
    quick = options.parse_args().quick
    if os.environ.get("OMP_NUM_THREADS") != "1":
        print("more than one thread may run: set OMP_NUM_THREADS=1 before Python starts")
    show("a chain of 1,000 operations, (4, 5) float64", measured(chain(1_000), 3 if quick else 300))
    show("an LSTM, T=32 B=16 I=32 H=64 float32", measured(lstm(), 2 if quick else 100))
    growth([1_000, 10_000] if quick else [1_000, 10_000, 100_000, 1_000_000])
