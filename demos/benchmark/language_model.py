"""Seconds for an epoch of a character GRU: compiled and recorded here, as operations in PyTorch, and as its nn.GRU.

    OMP_NUM_THREADS=1 python demos/benchmark/language_model.py [--quick]

One window is a step of training in D2L's setting (hidden 256, window 35, batch 32, float32, SGD, norm clipped at 1); an
epoch of the whole *Time Machine* is 155 of them, of its first 10,000 characters 8.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import compile, nn
from tinygrad_rnn.bench.measure import measured
from tinygrad_rnn.lm import text
from tinygrad_rnn.lm.language_model import SYMBOLS
from tinygrad_rnn.nn.optim import SGD, clip_by_norm

T, B, H = 35, 32, 256
THREADS = int(os.environ.get("OMP_NUM_THREADS", "1"))


def ours(hidden: int, transform: Callable[..., Any]) -> Callable[[np.ndarray], None]:
    """Return a step of training with the tape; transform: `value_and_grad`, or the one that compiles."""
    layer, head, sgd = nn.GRU(SYMBOLS, hidden), nn.Linear(hidden, SYMBOLS), SGD(rate=1.0)
    rng = np.random.default_rng(0)
    params = nn.weights.arrays({**layer.init(rng, np.float32), **head.init(rng, np.float32)})

    def loss(params, x, targets, h):
        hs, last = layer({name: params[name] for name in layer.shapes()}, x, h)
        return nn.cross_entropy(head({name: params[name] for name in head.shapes()}, hs), targets), last

    both = transform(loss, has_aux=True)
    held = {"params": params, "state": sgd.init(params), "h": np.zeros((1, B, hidden), np.float32)}

    def step(window):
        x = text.one_hot(window[:-1], SYMBOLS, np.float32)
        (_, held["h"]), gradients = both(held["params"], x, window[1:], held["h"])
        gradients, _ = clip_by_norm(gradients, 1.0)
        held["params"], held["state"] = sgd.step(held["params"], gradients, held["state"])

    return step


def theirs(hidden: int, fused: bool) -> Callable[[np.ndarray], None]:
    """Return the same step with PyTorch: nn.GRU, or its operations one by one."""
    import torch

    torch.set_num_threads(THREADS)
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
    hidden, seconds = (8, 0.1) if quick else (H, 8)
    steps = {"compiled": ours(hidden, compile), "eager": ours(hidden, tg.value_and_grad)}
    if importlib.util.find_spec("torch"):
        steps |= {"torch eager": theirs(hidden, fused=False), "torch nn.GRU": theirs(hidden, fused=True)}
    window = np.random.default_rng(0).integers(0, len(text.ALPHABET), (T + 1, B))
    calls = {name: partial(step, window) for name, step in steps.items()}
    times = measured(calls, seconds, threads=THREADS)
    print(f"{'':14}{'ms a window':>12}{'s an epoch (155)':>18}{'ours / it':>11}")
    for name in sorted(steps, key=times.seconds):
        each = times.seconds(name)
        print(f"{name:14}{each * 1e3:12.1f}{each * 155:18.2f}{times.ratio('compiled', name):11.2f}")
