"""The uses that one step, drawn for all, cannot show by itself: readers of other steps, and values they read.

A loss may read the last state, all steps a key that the first one made, and the first step a context from outside of
time. Such an arrow starts or ends at the twin of what it reads: the entry of the same place in the drawn step. A value
without a twin, or one that all steps read of one step, is drawn as a small box.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.draw.views.drawn_tape import Reading, Time


class Use(NamedTuple):
    """Entry `reader` reads, as the argument of that place, what entry `maker` made."""

    reader: int
    position: int
    maker: int


@dataclass
class Elsewhere:
    """The uses that the drawn step `here` lacks, in the order of the tape."""

    reading: Reading
    here: Time
    twin: dict[int, int] = field(default_factory=dict)
    """For an entry of any step, the entry of the same place in the drawn one."""
    fixed: list[Use] = field(default_factory=list)
    """The drawn step reads a value that one step made for all."""
    carried: list[Use] = field(default_factory=list)
    """The drawn step reads a value of another one, at a distance that is the same for all steps."""
    after: list[Use] = field(default_factory=list)
    """An entry outside of time reads steps, and not the drawn one."""
    before: list[Use] = field(default_factory=list)
    """Other steps read values made outside of time."""

    def __post_init__(self) -> None:
        self._find_twins()
        shared = self._shared()
        by_reader: dict[int, list[Use]] = {}
        for use in self._uses():
            s, t = self._times(use)
            if t == self.here:
                place = self.place[use.reader], use.position
                (self.fixed if len(shared.get((place, use.maker), ())) > 1 else self.carried).append(use)
            elif t is None:
                by_reader.setdefault(use.reader, []).append(use)
            elif s is None:
                self.before.append(use)
        for uses in by_reader.values():
            drawn = {use.maker for use in uses if self._times(use)[0] == self.here}
            self.after += [use for use in uses if use.maker not in drawn and self.twin.get(use.maker) not in drawn]

    def _find_twins(self) -> None:
        """Give each entry its place: its name or its operation, and its number among those alike in its step."""
        reading = self.reading
        self.place: dict[int, tuple[Hashable, int]] = {}
        count: dict[Hashable, int] = {}
        for k, entry in enumerate(reading.entries):
            t = reading.time[k]
            if t is None or k in reading.views:
                continue
            what = reading.band(k), entry.out.name or (entry.op.name,)
            self.place[k] = (what, count.get((t, what), 0))
            count[t, what] = self.place[k][1] + 1
        mine = {place: k for k, place in self.place.items() if reading.time[k] == self.here}
        self.twin = {k: mine[place] for k, place in self.place.items() if place in mine}

    def _uses(self) -> Iterator[Use]:
        """Yield all uses across steps, or into and out of them."""
        reading = self.reading
        for k, entry in enumerate(reading.entries):
            if k in reading.views:
                continue
            for position, a in enumerate(entry.args):
                maker = reading.maker(a) if isinstance(a, Tensor) else None
                if maker is not None and reading.time[maker] != reading.time[k]:
                    yield Use(k, position, maker)

    def _shared(self) -> dict[Hashable, set[Time]]:
        """Return, for each place in the steps and each value read there, the steps that read it across steps."""
        found: dict[Hashable, set[Time]] = {}
        for use in self._uses():
            s, t = self._times(use)
            if s is not None and t is not None:
                found.setdefault(((self.place[use.reader], use.position), use.maker), set()).add(t)
        return found

    def _times(self, use: Use) -> tuple[Time, Time]:
        return self.reading.time[use.maker], self.reading.time[use.reader]
