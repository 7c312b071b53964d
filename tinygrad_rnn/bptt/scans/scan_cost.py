"""What the walk and the scan cost, counted: multiply-adds, rounds one after another, and numbers held."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tinygrad_rnn.bptt.scans.state_chains import Chain
from tinygrad_rnn.language.saying import Words, say, sentence
from tinygrad_rnn.nn.associative import lean_rounds, rounds
from tinygrad_rnn.text_tables import aligned


class Way(NamedTuple):
    """One way: multiply-adds in all, rounds one after another, numbers held at once; `each` are those of each round."""

    name: Words
    work: int
    depth: int
    held: int
    each: tuple[int, ...]

    def time(self, processors: int) -> int:
        """Return the multiply-adds one after another, where each round is shared by this many processors."""
        return sum(math.ceil(work / processors) for work in self.each)


@dataclass(frozen=True)
class Cost:
    """The ways in which the cotangents of the states come from the Jacobians of the steps."""

    ways: tuple[Way, ...]

    @property
    def pays_from(self) -> int | None:
        """The smallest power of two of processors with which the scan takes less time than the walk, or None."""
        walk, scan = self.ways[0], self.ways[1]
        each = (2**k for k in range(41))
        return next((P for P in each if scan.time(P) < walk.time(P)), None)

    def __str__(self) -> str:
        head = (say("way"), say("multiply-adds"), say("rounds"), say("numbers held"))
        rows = [(str(way.name), f"{way.work:,}", f"{way.depth:,}", f"{way.held:,}") for way in self.ways]
        table = "\n".join(aligned([head, *rows], right=[1, 2, 3]))
        if self.pays_from is None:
            return table + "\n" + say("The scan takes no less time with any number of processors.")
        return table + "\n" + say("The scan takes less time from {P} processors on.", P=f"{self.pays_from:,}")


def cost_of(chains: Sequence[Chain]) -> Cost:
    """Return the cost of the walk and of two scans, for all chains together, given the Jacobians.

    The walk multiplies each cotangent by one Jacobian: m^2 multiply-adds, T rounds. A product of two Jacobians takes
    m^3, so a scan does more work in fewer rounds: Sklansky's in log2 T, with T/2 products in each; a work-efficient one
    (Brent and Kung 1982) in up to 2 log2 T, with fewer than 2 T products in all.
    """
    walks: list[int] = []
    fast: list[int] = []
    lean: list[int] = []
    held = [0, 0, 0]
    for chain in chains:
        T, m, width = len(chain.states), chain.size, chain.width
        step, product = width * m * m, width * m * m * (m + 1)
        walks += [step] * (T - 1)
        fast += [len(i) * product for i, _ in rounds(T)]
        lean += [len(i) * product for i, _ in lean_rounds(T)]
        held = [held[0] + 2 * width * m, held[1] + T * width * m * (m + 1), held[2] + T * width * m * (m + 1)]
    ways = zip(
        (sentence("walk"), sentence("scan"), sentence("work-efficient scan")), (walks, fast, lean), held, strict=True
    )
    return Cost(tuple(Way(name, sum(each), len(each), numbers, tuple(each)) for name, each, numbers in ways))
