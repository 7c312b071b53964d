"""What compiling costs and gives where no library has the network: beside eager recording and NumPy by hand.

    OMP_NUM_THREADS=1 python demos/benchmark/compiled.py [--quick]

Speed: a GRU of two layers in both directions, and a cell of one's own (own_cell_by_hand.py). Memory: what is held at
the highest point of a step, without the arrays that are given. Compiling: the first call, which records, compiles and
makes a step, in seconds and in steps of eager recording. RNN, LSTM and GRU against the libraries: `tinygrad-rnn bench`;
the language model: language_model.py.
"""

import argparse
import gc
import os
import time
import tracemalloc

import gru_by_hand
import numpy as np
import own_cell_by_hand

import tinygrad_rnn as tg
from tinygrad_rnn import compile
from tinygrad_rnn.bench import expert
from tinygrad_rnn.bench.competitor import what_is_wrong
from tinygrad_rnn.bench.measure import measured
from tinygrad_rnn.bench.problem import CELLS, SIZES, problem

NETWORKS = {"two-layer bidirectional GRU": gru_by_hand, "own cell, two layers": own_cell_by_hand}
LONG = (10_000, 1, 8, 32)


def speed(sizes, dtype, seconds):
    """Print a line for each network: milliseconds compiled, and the ratios."""
    rng = np.random.default_rng(0)
    for name, network in NETWORKS.items():
        leaves = network.leaves(sizes, dtype, rng)
        targets = rng.standard_normal(network.outputs(sizes)).astype(dtype)
        by_hand = network.ByHand(sizes, dtype)

        def loss(leaves, network=network, targets=targets):
            return network.loss(leaves, targets)

        eager, fast = tg.value_and_grad(loss), compile(loss)
        wide = {key: value.astype(np.float64) for key, value in leaves.items()}
        right = tg.value_and_grad(lambda leaves: network.loss(leaves, targets.astype(np.float64)))(wide)  # noqa: B023
        for what, found in (("eager", eager(leaves)), ("compiled", fast(leaves)), ("hand", by_hand(leaves, targets))):
            wrong = what_is_wrong(found, right, dtype)
            assert not wrong, f"{name}, {what}: {wrong}"
        steps = {
            "compiled": lambda: fast(leaves),  # noqa: B023 - they are run here
            "eager": lambda: eager(leaves),  # noqa: B023
            "hand": lambda: by_hand(leaves, targets),  # noqa: B023
        }
        times = measured(steps, seconds)
        yield (
            f"{name:28} {dtype:8}{times.seconds('compiled') * 1e3:10.3f}"
            f"{times.ratio('compiled', 'eager'):14.2f}{times.ratio('compiled', 'hand'):12.2f}"
        )


def peak(step):
    """Bytes held at the highest point of a step, with all that it keeps from one to the next."""
    tracemalloc.start()
    try:
        call = step()
        call()
        gc.collect()  # what the first call has left behind is not held
        tracemalloc.reset_peak()
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def memory(sizes, dtype):
    """Print a line for each cell: megabytes eager, compiled and by hand."""
    for cell in CELLS:
        given = problem(cell, sizes, dtype)

        def compiled(given=given):
            step = compile(given.loss)
            return lambda: step(given.leaves)

        def recorded(given=given):
            step = tg.value_and_grad(given.loss)
            return lambda: step(given.leaves)

        def by_hand(given=given, cell=cell):
            step = expert.CELLS[cell](given.sizes, given.dtype)
            return lambda: step(given.leaves, given.targets)

        eager, ours, theirs = (peak(make) / 1e6 for make in (recorded, compiled, by_hand))
        yield f"{cell:5} {':'.join(map(str, sizes)):>16}{ours:12.2f}{ours / eager:14.2f}{ours / theirs:12.2f}"


def compiling(sizes, dtype, rounds):
    """Print a line for each cell: the seconds of the first call, and their number of eager steps; medians."""
    for cell in CELLS:
        given = problem(cell, sizes, dtype)
        eager, times = tg.value_and_grad(given.loss), []
        eager(given.leaves)
        for _ in range(rounds):
            started = time.perf_counter()
            eager(given.leaves)
            middle = time.perf_counter()
            compile(given.loss)(given.leaves)
            times.append((time.perf_counter() - middle, middle - started))
        first, step = np.median(times, axis=0)
        steps = np.median([a / b for a, b in times])
        yield f"{cell:5} {':'.join(map(str, sizes)):>16}{first:12.3f}{step:14.3f}{steps:12.1f}"


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small networks and few rounds: only to see that it runs")
    quick = parser.parse_args().quick
    if os.environ.get("OMP_NUM_THREADS") != "1":
        print("more than one thread may run: set OMP_NUM_THREADS=1 before Python starts")
    tiny = (4, 2, 3, 5)
    print(f"{'ours / it':37}{'ours, ms':>10}{'/ eager':>14}{'/ by hand':>12}")
    for sizes in [tiny] if quick else [SIZES["small"], SIZES["medium"]]:
        print(f"T={sizes[0]} B={sizes[1]} I={sizes[2]} H={sizes[3]}")
        for dtype in ("float32", "float64"):
            for line in speed(sizes, dtype, 0.05 if quick else 5):
                print(line, flush=True)
    print(f"\n{'memory, float32':22}{'ours, MB':>12}{'/ eager':>14}{'/ by hand':>12}")
    for sizes in [tiny] if quick else [SIZES["small"], SIZES["medium"], SIZES["large"]]:
        for line in memory(sizes, "float32"):
            print(line, flush=True)
    print(f"\n{'compiling, float32':22}{'first call, s':>12}{'eager step, s':>14}{'in steps':>11}")
    for sizes, rounds in [(tiny, 1)] if quick else [(SIZES["small"], 9), (SIZES["large"], 3), (LONG, 3)]:
        for line in compiling(sizes, "float32", rounds):
            print(line, flush=True)


if __name__ == "__main__":
    main()
