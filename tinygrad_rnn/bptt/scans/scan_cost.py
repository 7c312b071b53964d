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

PROCESSORS = 64, 1024, 16384
"""The machines for which a cost says from how many steps on a scan pays."""
LONGEST = 2**14
"""The longest sequence that is tried for this."""

Size = tuple[int, int, int]
"""Of a chain: T, the size m of a Jacobian, and how many Jacobians a step has."""


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

    def faster_from(self, other: Way) -> int | None:
        """Return the smallest power of two of processors from which on this takes less time than another way."""
        most = max((*self.each, *other.each), default=0)
        found = None
        for processors in (2**k for k in reversed(range(most.bit_length() + 1))):  # with more, no time changes
            if self.time(processors) >= other.time(processors):
                break
            found = processors
        return found


@dataclass(frozen=True)
class Cost:
    """The ways in which the cotangents of the states come from the Jacobians of the steps: the walk, and two scans.

    sizes: T, m and the number of Jacobians of a step, for each chain.
    """

    ways: tuple[Way, ...]
    sizes: tuple[Size, ...] = ()

    @property
    def pays_from(self) -> int | None:
        """The smallest power of two of processors from which on the scan takes less time than the walk, or None."""
        return self.ways[1].faster_from(self.ways[0])

    def steps_from(self, processors: int) -> int | None:
        """Return the smallest power of two of steps with which a scan takes less time than the walk, or None.

        States are as large as these; the scan is the faster of the two. None where no sequence of up to 2^14 steps is
        long enough.
        """
        T = 2
        while self.sizes and T <= LONGEST:
            walk, *scans = _ways([(T, m, width) for _, m, width in self.sizes])
            if min(scan.time(processors) for scan in scans) < walk.time(processors):
                return T
            T *= 2
        return None

    def __str__(self) -> str:
        head = [say("way"), say("multiply-adds"), say("rounds"), say("numbers held"), say("faster from")]
        rows = []
        for way in self.ways:
            fewest = way.faster_from(self.ways[0])
            faster = "-" if fewest is None else say("{P} processors", P=f"{fewest:,}")
            rows.append([str(way.name), f"{way.work:,}", f"{way.depth:,}", f"{way.held:,}", faster])
        lines = aligned([head, *rows], right=[1, 2, 3, 4])
        lines += [self._from_steps(P) for P in PROCESSORS if self.sizes]
        return "\n".join(lines)

    def _from_steps(self, processors: int) -> str:
        steps, P = self.steps_from(processors), f"{processors:,}"
        if steps is None:
            return say("{P} processors, states of this size: a scan is never faster", P=P)
        return say("{P} processors, states of this size: a scan is faster from {T} steps on", P=P, T=f"{steps:,}")


def cost_of(chains: Sequence[Chain]) -> Cost:
    """Return the cost of the walk and of two scans, for all chains together, given the Jacobians.

    The walk multiplies each cotangent by one Jacobian: m^2 multiply-adds, T - 1 rounds. A product of two Jacobians
    takes m^3, so a scan does more work in fewer rounds: Sklansky's in log2 T, with T/2 products in each; a
    work-efficient one (Brent and Kung 1982) in up to 2 log2 T, with fewer than 2 T products in all.
    """
    sizes = tuple((len(chain.states), chain.size, chain.width) for chain in chains)
    return Cost(_ways(sizes), sizes)


def _ways(sizes: Sequence[Size]) -> tuple[Way, ...]:
    walks: list[int] = []
    fast: list[int] = []
    lean: list[int] = []
    held = [0, 0, 0]
    for T, m, width in sizes:
        step, product = width * m * m, width * m * m * (m + 1)
        walks += [step] * (T - 1)
        fast += [len(i) * product for i, _ in rounds(T)]
        lean += [len(i) * product for i, _ in lean_rounds(T)]
        held = [held[0] + 2 * width * m, held[1] + T * width * m * (m + 1), held[2] + T * width * m * (m + 1)]
    ways = zip(
        (sentence("walk"), sentence("scan"), sentence("work-efficient scan")), (walks, fast, lean), held, strict=True
    )
    return tuple(Way(name, sum(each), len(each), numbers, tuple(each)) for name, each, numbers in ways)
