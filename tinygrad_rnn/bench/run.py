"""The whole measurement: for each problem, check every competitor, and time the right ones in turns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tinygrad_rnn.bench.competitor import what_is_wrong
from tinygrad_rnn.bench.machine import Facts
from tinygrad_rnn.bench.measure import Times, measured
from tinygrad_rnn.bench.peers import OURS, PEERS
from tinygrad_rnn.bench.problem import Problem, Sizes, problem


@dataclass(frozen=True)
class Settings:
    """The settings of a measurement, as plain data.

    sizes: (name, (T, B, I, H)). seconds: of timing, for all problems together.
    """

    cells: list[str]
    sizes: list[tuple[str, Sizes]]
    dtypes: list[str]
    peers: list[str]
    threads: int = 1
    seconds: float = 12.0
    rounds: int | None = None


@dataclass(frozen=True)
class Row:
    """The measurement of one problem. wrong: why a competitor was not timed, in words."""

    problem: Problem
    times: Times
    wrong: dict[str, str] = field(default_factory=dict)

    def data(self) -> Facts:
        """Return the row as plain data: milliseconds, and ours over each, by the names of the competitors."""
        timed = list(self.times.rounds)
        return {
            "cell": self.problem.cell,
            "size": self.problem.size,
            **dict(zip("TBIH", self.problem.sizes, strict=True)),
            "dtype": self.problem.dtype.name,
            "milliseconds": {name: 1e3 * self.times.seconds(name) for name in timed},
            "ours_over_it": {name: self.times.ratio(OURS, name) for name in timed},
            "rounds": len(self.times.rounds[OURS]) if timed else 0,
            "wrong": self.wrong,
        }


def rows(settings: Settings, dtype: str) -> Iterator[Row]:
    """Measure each problem of one dtype in turn, when it is asked for."""
    share = settings.seconds / (len(settings.cells) * len(settings.sizes) * len(settings.dtypes))
    for cell in settings.cells:
        for name, sizes in settings.sizes:
            yield row(problem(cell, sizes, dtype, name), settings, share)


def row(given: Problem, settings: Settings, seconds: float) -> Row:
    """Check every competitor against the answer, and time the right ones; time none where ours is wrong."""
    answer, steps, wrong = given.answer(), {}, {}
    for name in settings.peers:
        try:
            competitor = PEERS[name].make(given, settings.threads)
            for _ in range(2):  # the second step is like those that are timed: all is compiled
                words = what_is_wrong(competitor.read(competitor.step()), answer, given.dtype)
                if words:
                    break
        except Exception as error:  # a competitor that fails is a finding, and the others go on
            words = f"{type(error).__name__}: {error}".splitlines()[0]
        if words:
            wrong[name] = words
        else:
            steps[name] = competitor.step
    if OURS not in steps:
        return Row(given, Times({}), wrong)
    return Row(given, measured(steps, seconds, settings.rounds, settings.threads), wrong)
