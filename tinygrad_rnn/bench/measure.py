"""Competitors in turns, in another order each round: what slows the machine for a while slows all of them."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

SAMPLE = 0.01
"""Seconds that one sample takes at least: short steps are repeated, so that the clock's own cost does not count."""
LEAST_ROUNDS, MOST_ROUNDS = 3, 200
REST = 0.03
"""Seconds after which idle worker threads have gone to sleep: the pool of the one before would slow the next."""


@dataclass(frozen=True)
class Times:
    """Seconds of a step: one number a round for each competitor, in the same order of rounds."""

    rounds: Mapping[str, list[float]]

    def seconds(self, name: str) -> float:
        """The median."""
        return float(np.median(self.rounds[name]))

    def ratio(self, name: str, other: str) -> float:
        """The median of the ratios within a round: whatever else runs here has slowed both."""
        return float(np.median(np.divide(self.rounds[name], self.rounds[other])))


def clock(threads: int) -> tuple[str, Callable[[], float]]:
    """With one thread the CPU time of this process, which a neighbour hardly changes; with more, wall time.

    Where CPU time comes in coarse steps (Windows: 1/64 s), wall time as well.
    """
    if threads == 1 and time.get_clock_info("process_time").resolution <= SAMPLE / 1000:
        return "CPU time", time.process_time
    return "wall time", time.perf_counter


def measured(
    steps: Mapping[str, Callable[[], Any]], seconds: float, rounds: int | None = None, threads: int = 1
) -> Times:
    """Run the steps in turns, for about so many seconds in all, or for so many rounds."""
    now, names, repeats, cost = clock(threads)[1], list(steps), {}, 0.0
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
    gc.freeze()  # what stands in memory from before is no garbage to look through again and again
    try:
        for _ in range(rounds):
            for k in rng.permutation(len(names)):
                name, step = names[k], steps[names[k]]
                if threads > 1:
                    time.sleep(REST)
                if threads > 1 or repeats[name] > 1:
                    step()  # what the one before has left in the caches, and asleep, is not counted
                started = now()
                for _ in range(repeats[name]):
                    step()
                found[name].append((now() - started) / repeats[name])
    finally:
        gc.unfreeze()
    return Times(found)
