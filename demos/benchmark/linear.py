"""Cells that are linear in their state, compiled: beside NumPy by hand, PyTorch, and JAX's associative scan.

    OMP_NUM_THREADS=1 python demos/benchmark/linear.py [--quick] [--seconds 10]

A step is the loss and all its gradients. All run in turns on one thread. A column has the median of the ratios within
a round, and in brackets the range of its middle half; below 1 the compiled step is faster. PyTorch (eager: products
before the loop, the recurrence as a loop) and JAX (`associative_scan`, under jit) are left out where they are not
installed. By hand: linear_by_hand.py.
"""

import argparse
import importlib.util
import os

import linear_by_hand
import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.bench.competitor import what_is_wrong
from tinygrad_rnn.bench.measure import measured

SIZES = {"small": (50, 16, 64, 64), "medium": (64, 32, 64, 128)}
STATES = 16
"""The states of each channel of the state space model, in the place of H: the N of its paper."""


def problem(name, sizes, dtype):
    """Return leaves and targets."""
    T, B, I, H = sizes
    rng = np.random.default_rng(0)
    leaves = nn.weights.arrays(getattr(nn.init, name)(rng, I, H, dtype))
    leaves["x"] = rng.standard_normal((T, B, I)).astype(dtype)
    width = H if name == "min_gru" else I
    return leaves, (0.5 * rng.standard_normal((T, B, width))).astype(dtype)


def ours(name, leaves, targets):
    """Compute the loss in ordinary forward code."""
    hs, _ = nn.unroll(getattr(nn, name), leaves, leaves["x"])
    return nn.mse(hs, targets)


def of_torch(name, leaves, targets):
    """Return the step in PyTorch."""
    import torch

    torch.set_num_threads(1)
    given = {k: torch.tensor(v, requires_grad=True) for k, v in leaves.items()}
    right = torch.tensor(targets)

    def loop(A, b, h):
        hs = []
        for a, u in zip(A, b, strict=True):
            h = a * h + u
            hs.append(h)
        return torch.stack(hs)

    def step():
        p, x = given, given["x"]
        if name == "min_gru":
            z, n = (x @ p["weight_ih"].T + p["bias_ih"]).chunk(2, -1)
            z = torch.sigmoid(z)
            y = loop((1 - z).unbind(0), (z * n).unbind(0), torch.zeros_like(n[0]))
        elif name == "lru":
            lam = torch.exp(torch.complex(-torch.exp(p["nu_log"]), torch.exp(p["theta_log"])))
            gamma = torch.exp(p["gamma_log"])
            u = torch.complex(gamma * (x @ p["B_re"].T), gamma * (x @ p["B_im"].T))
            hs = loop([lam] * len(x), u.unbind(0), torch.zeros_like(u[0]))
            y = hs.real @ p["C_re"].T - hs.imag @ p["C_im"].T + p["D"] * x
        else:
            delta = torch.nn.functional.softplus(x @ p["weight_delta"].T + p["bias_delta"])
            B, C = x @ p["weight_B"].T, x @ p["weight_C"].T
            A = torch.exp(delta[..., None] * -torch.exp(p["A_log"]))
            b = (delta * x)[..., None] * B[..., None, :]
            hs = loop(A.unbind(0), b.unbind(0), torch.zeros_like(b[0]))
            y = (hs @ C[..., None])[..., 0] + p["D"] * x
        loss = torch.nn.functional.mse_loss(y, right)
        return loss, torch.autograd.grad(loss, list(given.values()))

    def read(made):
        return made[0].item(), {k: g.numpy() for k, g in zip(given, made[1], strict=True)}

    return step, read


def of_jax(name, leaves, targets):
    """Return the step in JAX, with an associative scan over the steps."""
    import jax

    jax.config.update("jax_enable_x64", True)
    np_, targets = jax.numpy, jax.numpy.asarray(targets)

    def joined(left, right):
        return left[0] * right[0], right[0] * left[1] + right[1]

    def loss(p):
        x = p["x"]
        if name == "min_gru":
            z, n = np_.split(x @ p["weight_ih"].T + p["bias_ih"], 2, -1)
            z = jax.nn.sigmoid(z)
            y = jax.lax.associative_scan(joined, (1 - z, z * n))[1]
        elif name == "lru":
            lam = np_.exp(-np_.exp(p["nu_log"]) + 1j * np_.exp(p["theta_log"]))
            gamma = np_.exp(p["gamma_log"])
            u = gamma * (x @ p["B_re"].T) + 1j * (gamma * (x @ p["B_im"].T))
            hs = jax.lax.associative_scan(joined, (np_.broadcast_to(lam, u.shape), u))[1]
            y = hs.real @ p["C_re"].T - hs.imag @ p["C_im"].T + p["D"] * x
        else:
            delta = jax.nn.softplus(x @ p["weight_delta"].T + p["bias_delta"])
            B, C = x @ p["weight_B"].T, x @ p["weight_C"].T
            A = np_.exp(delta[..., None] * -np_.exp(p["A_log"]))
            b = (delta * x)[..., None] * B[..., None, :]
            hs = jax.lax.associative_scan(joined, (A, b))[1]
            y = (hs @ C[..., None])[..., 0] + p["D"] * x
        return ((y - targets) ** 2).mean()

    compiled = jax.jit(jax.value_and_grad(loss))
    given = {k: np_.asarray(v) for k, v in leaves.items()}

    def read(made):
        return float(made[0]), {k: np.asarray(g) for k, g in made[1].items()}

    return lambda: jax.block_until_ready(compiled(given)), read


COPIES = 3
"""Programs of each kind that are measured: a program keeps its memory, and where it lies is worth some percent."""

PEERS = {"torch": of_torch, "jax": of_jax}


def ratios(name, sizes, dtype, seconds):
    """Return a line: the milliseconds of the compiled step, and its ratio to each other one."""
    if name == "selective_ssm":
        sizes = (*sizes[:3], min(STATES, sizes[3]))
    leaves, targets = problem(name, sizes, dtype)
    wide = {k: v.astype(np.float64) for k, v in leaves.items()}
    right = tg.value_and_grad(lambda p: ours(name, p, targets.astype(np.float64)))(wide)
    peers = {peer: make(name, leaves, targets) for peer, make in PEERS.items() if importlib.util.find_spec(peer)}
    rounds = {}
    for _ in range(COPIES):
        fast = tg.compile(lambda p: ours(name, p, targets))
        by_hand = linear_by_hand.CELLS[name](sizes, dtype)
        steps = {"ours": lambda fast=fast: fast(leaves), "hand": lambda by_hand=by_hand: by_hand(leaves, targets)}
        steps |= {peer: step for peer, (step, _) in peers.items()}
        for what, step in steps.items():
            read = peers[what][1] if what in peers else lambda made: made
            wrong = what_is_wrong(read(step()), right, dtype)
            assert not wrong, f"{name}, {what}: {wrong}"
        for what, times in measured(steps, seconds / COPIES).rounds.items():
            rounds.setdefault(what, []).extend(times)
    line = f"{name:14}{dtype:8}{np.median(rounds['ours']) * 1e3:9.3f}"
    for other in ("hand", *PEERS):
        if other in rounds:
            each = np.divide(rounds["ours"], rounds[other])
            low, middle, high = np.quantile(each, [0.25, 0.5, 0.75])
            line += f"{middle:8.2f} ({low:.2f} to {high:.2f})"
        else:
            line += f"{'-':>8}"
    return line


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small networks and few rounds: only to see that it runs")
    parser.add_argument("--seconds", type=float, default=10, help="for each line")
    parser.add_argument("--cells", nargs="+", default=list(linear_by_hand.CELLS))
    parser.add_argument("--sizes", nargs="+", default=list(SIZES))
    parser.add_argument("--dtypes", nargs="+", default=["float32", "float64"])
    given = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != "1":
        print("more than one thread may run: set OMP_NUM_THREADS=1 before Python starts")
    print(f"{'ours / it':22}{'ours, ms':>9}{'/ hand':>8}{'/ torch':>24}{'/ jax':>24}")
    for size in ["tiny"] if given.quick else given.sizes:
        sizes = (4, 2, 3, 5) if given.quick else SIZES[size]
        print(f"T={sizes[0]} B={sizes[1]} I={sizes[2]} H={sizes[3]}")
        for name in given.cells:
            for dtype in given.dtypes:
                print(ratios(name, sizes, dtype, 0.05 if given.quick else given.seconds), flush=True)


if __name__ == "__main__":
    main()
