"""Seconds for an epoch of a character GRU: recorded here, as the same operations in PyTorch, and as its nn.GRU.

    OMP_NUM_THREADS=1 python demos/benchmark/language_model.py [--quick]

One window is a step of training in D2L's setting (hidden 256, window 35, batch 32, float32, SGD, norm clipped at 1); an
epoch of the whole *Time Machine* is 155 of them, of its first 10,000 characters 8.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import time
from collections.abc import Callable

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn.lm import text
from tinygrad_rnn.lm.model import SYMBOLS, Model
from tinygrad_rnn.nn.optim import SGD, clip_by_norm

T, B, H = 35, 32, 256


def ours(hidden: int) -> Callable[[np.ndarray], None]:
    """A step of training with the tape."""
    model, sgd = Model("gru", hidden), SGD(rate=1.0)
    params = model.init(np.random.default_rng(0))
    held = {"params": params, "state": sgd.init(params), "h": None}

    def step(window):
        with tg.Tape() as tape:
            loss, last = model.loss(held["params"], window, held["h"])
        gradients, _ = clip_by_norm(tape.gradient(loss, held["params"]), 1.0)
        held["params"], held["state"] = sgd.step(held["params"], gradients, held["state"])
        held["h"] = last.data

    return step


def theirs(hidden: int, fused: bool) -> Callable[[np.ndarray], None]:
    """The same with PyTorch: nn.GRU, or its operations one by one."""
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    layer, head = torch.nn.GRU(SYMBOLS, hidden), torch.nn.Linear(hidden, SYMBOLS)
    params = [*layer.parameters(), *head.parameters()]
    held = {"h": torch.zeros(1, B, hidden)}

    def by_steps(x, h):
        W, U, b, c = layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0, layer.bias_hh_l0
        h, hs = h[0], []
        for t in range(len(x)):
            x_r, x_z, x_n = (x[t] @ W.T + b).chunk(3, -1)
            h_r, h_z, h_n = (h @ U.T + c).chunk(3, -1)
            r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
            n = torch.tanh(x_n + r * h_n)
            h = (1 - z) * n + z * h
            hs.append(h)
        return torch.stack(hs), h[None]

    def step(window):
        x = torch.from_numpy(text.one_hot(window[:-1], SYMBOLS, np.float32))
        hs, last = (layer if fused else by_steps)(x, held["h"])
        targets = torch.from_numpy(window[1:]).reshape(-1)
        loss = torch.nn.functional.cross_entropy(head(hs).reshape(-1, SYMBOLS), targets)
        for p in params:
            p.grad = None
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        with torch.no_grad():
            for p in params:
                p -= p.grad
        held["h"] = last.detach()

    return step


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--quick", action="store_true", help="a small network, twice: only to see that it runs")
    quick = options.parse_args().quick
    hidden, rounds = (8, 2) if quick else (H, 20)
    steps = {"tinygrad_rnn": ours(hidden)}
    if importlib.util.find_spec("torch"):
        steps |= {"torch eager": theirs(hidden, fused=False), "torch nn.GRU": theirs(hidden, fused=True)}
    window = np.random.default_rng(0).integers(0, len(text.ALPHABET), (T + 1, B))
    times: dict[str, list[float]] = {name: [] for name in steps}
    for k in range(rounds + 1):
        for name, step in steps.items():
            start = time.perf_counter()
            step(window)
            if k:
                times[name].append(time.perf_counter() - start)
    medians = {name: float(np.median(found)) for name, found in times.items()}
    print(f"{'':14}{'ms a window':>12}{'s an epoch (155)':>18}{'ours / it':>11}")
    for name, seconds in sorted(medians.items(), key=lambda item: item[1]):
        ratio = medians["tinygrad_rnn"] / seconds
        print(f"{name:14}{seconds * 1e3:12.1f}{seconds * 155:18.2f}{ratio:11.2f}")
