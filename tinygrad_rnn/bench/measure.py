"""The time of a step: competitors run in turns, in another order each round, so a slow moment slows all of them."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

SAMPLE = 0.01
"""The least seconds of one sample: short steps are repeated, so the cost of the clock does not count."""
LEAST_ROUNDS, MOST_ROUNDS = 3, 200
REST = 0.03
"""Seconds after which idle worker threads sleep: those of one competitor would slow the next."""


@dataclass(frozen=True)
class Times:
    """Seconds of a step: one number a round for each competitor, in the same order of rounds."""

    rounds: Mapping[str, list[float]]

    def seconds(self, name: str) -> float:
        """Return the median time of a competitor."""
        return float(np.median(self.rounds[name]))

    def ratio(self, name: str, other: str) -> float:
        """Return the median of the ratios within a round: other programs slow both competitors of a round."""
        return float(np.median(np.divide(self.rounds[name], self.rounds[other])))


def clock(threads: int) -> tuple[str, Callable[[], float]]:
    """Return the name of a clock, and the clock: CPU time with one thread, which other programs hardly change.

    With more threads it is wall time, and also where CPU time has coarse steps (Windows: 1/64 s).
    """
    if threads == 1 and time.get_clock_info("process_time").resolution <= SAMPLE / 1000:
        return "CPU time", time.process_time
    return "wall time", time.perf_counter


def measured(
    steps: Mapping[str, Callable[[], object]], seconds: float, rounds: int | None = None, threads: int = 1
) -> Times:
    """Run the steps in turns, for about `seconds` in all, or for `rounds` rounds."""
    _, now = clock(threads)
    names, repeats, cost = list(steps), {}, 0.0
    for name, step in steps.items():
        step()
        started = time.perf_counter()
        step()
        one = time.perf_counter() - started
        repeats[name] = max(1, round(SAMPLE / max(one, 1e-7)))
        cost += one * repeats[name]
    if rounds is None:
        rounds = int(min(max(seconds / cost, LEAST_ROUNDS), MOST_ROUNDS))
    found: dict[str, list[float]] = {name: [] for name in names}
    rng = np.random.default_rng(0)
    gc.collect()
    gc.freeze()  # the collector would look through older objects again and again
    try:
        for _ in range(rounds):
            for k in rng.permutation(len(names)):
                name, step = names[k], steps[names[k]]
                if threads > 1:
                    time.sleep(REST)
                if threads > 1 or repeats[name] > 1:
                    step()  # not timed: it warms up the caches and wakes the threads
                started = now()
                for _ in range(repeats[name]):
                    step()
                found[name].append((now() - started) / repeats[name])
    finally:
        gc.unfreeze()
    return Times(found)
