"""Which steps of a tape are alike: the runs of steps that one loop can stand for.

Two steps in a row are alike where they make the same calls, under the same labels, on arguments of the same shape and
origin: from the same place of their own step, from the same place of the step before, or from outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tinygrad_rnn.core.recording import Scope
from tinygrad_rnn.core.table import Primitive
from tinygrad_rnn.core.tensor import Line, Tensor
from tinygrad_rnn.tape.compare_steps import labels as without_step
from tinygrad_rnn.tape.steps import time_of


@dataclass(slots=True)
class Visit:
    """The lines of one step, which stand together on the tape: start ... stop - 1."""

    t: object
    start: int
    stop: int


CallSignature = tuple[object, ...]
"""(operation, labels, shape, dtype, origins of the arguments, options, left out): equal in steps that are alike."""


class AlikeSteps:
    """Finds runs of steps that are alike.

    `left_out` says by ids of Tensors which the walk back leaves out: steps that are alike agree in that as well.
    """

    def __init__(self, lines: Sequence[Line], left_out: Mapping[int, bool]) -> None:
        self.lines = lines
        self.left_out = left_out
        self._labels: dict[Scope, tuple[object, Scope]] = {}

    def visits(self) -> list[Visit]:
        """Return the lines of each step, in the order of the tape."""
        visits: list[Visit] = []
        t_before = None
        for number, (_, _, _, _, labels) in enumerate(self.lines):
            t, _ = self._split(labels)
            if t is not None and t_before is not None and t == t_before:
                visits[-1].stop = number + 1
            elif t is not None:
                visits.append(Visit(t, number, number + 1))
            t_before = t
        return visits

    def run(self, visits: list[Visit], k: int, free: int) -> list[Visit]:
        """Return the visits from k on that are alike and follow each other in time.

        Calls without a step between two visits (`for x in xs:` reads x before the step's label is set) belong to the
        later one, if all steps have them. `free` is the first line that belongs to no loop.
        """
        alone = [visits[k]]
        if k + 1 == len(visits) or abs(each := stride(visits, k)) != 1:
            return alone
        ahead = visits[k + 1].start - visits[k].stop
        if visits[k].start - ahead < free:
            return alone
        run = [Visit(v.t, v.start - ahead, v.stop) for v in visits[k : k + 2]]
        earlier: set[int] = set()  # the ids of all that the steps of the run have made so far
        first = self._signature(run[0], {}, earlier)
        before = self.made(run[0])
        earlier.update(before)
        reference = self._signature(run[1], before, earlier)
        if len(first) != len(reference) or not all(map(_begins, first, reference)):
            return alone
        for j in range(k + 2, len(visits)):
            visit = Visit(visits[j].t, visits[j].start - ahead, visits[j].stop)
            if stride(visits, j - 1) != each or visit.start != run[-1].stop:
                break
            before = self.made(run[-1])
            earlier.update(before)
            if self._signature(visit, before, earlier) != reference:
                break
            run.append(visit)
        return run

    def made(self, visit: Visit) -> dict[int, int]:
        """Return the place in the step of each result, by its id."""
        return {id(out): k for k, (_, _, _, out, _) in enumerate(self.lines[visit.start : visit.stop])}

    def _split(self, labels: Scope) -> tuple[object, Scope]:
        """Return the step of a scope, and its other labels."""
        found = self._labels.get(labels)
        if found is None:
            found = self._labels[labels] = (time_of(labels), without_step(labels))
        return found

    def _signature(self, visit: Visit, before: dict[int, int], earlier: set[int]) -> list[CallSignature]:
        """Return the signature of each call of a step: steps with equal signatures are alike."""
        here: dict[int, int] = {}
        found: list[CallSignature] = []
        for place, (operation, args, kwargs, out, labels) in enumerate(self.lines[visit.start : visit.stop]):
            given = [self._origin(a, operation, here, before, earlier) for a in args]
            options: object = tuple(kwargs.items())
            if any(isinstance(value, np.ndarray) for value in kwargs.values()):
                options = object()
            _, other_labels = self._split(labels)
            found.append((operation, other_labels, out.shape, out.dtype, given, options, self.left_out.get(id(out))))
            here[id(out)] = place
        return found

    def _origin(
        self, a: object, operation: Primitive, here: dict[int, int], before: dict[int, int], earlier: set[int]
    ) -> object:
        """Return the origin of an argument, which is equal in steps that are alike."""
        if type(a) is Tensor:
            key = id(a)
            if key in here:
                return here[key]
            if key in before:
                return "before", before[key], a.shape, a.dtype
            if key in earlier:
                return object()  # of a step further back: these steps are not alike
            return "outside", a.shape, a.dtype
        if type(a) is np.ndarray:
            return "array", a.shape, a.dtype
        if type(a) is slice:
            return "slice", a.start, a.stop, a.step
        if type(a) is int and operation.name == "getitem":
            return "place"
        if type(a) is float and operation.name != "getitem":
            return "number"  # which may differ: 0.9**t
        return type(a), a


def stride(visits: list[Visit], k: int) -> int:
    """Return how many steps of time lie between visit k and the next: 1 where their labels are no numbers."""
    t, s = visits[k].t, visits[k + 1].t
    return int(s - t) if isinstance(t, int | np.integer) and isinstance(s, int | np.integer) else 1


def _begins(first: CallSignature, second: CallSignature) -> bool:
    """Is a call of the first step like that of the second?

    It may read from outside what the second step is handed by the first.
    """
    *call, given, options, left_out = first
    *other_call, other_given, other_options, other_left_out = second
    assert isinstance(given, list)
    assert isinstance(other_given, list)
    if call != other_call or options != other_options or len(given) != len(other_given):
        return False
    if left_out is not None and left_out != other_left_out:
        return False
    for x, y in zip(given, other_given, strict=True):
        if x == y:
            continue
        from_before = isinstance(y, tuple) and y[0] == "before" and isinstance(x, tuple)
        if not (from_before and x[0] in ("outside", "array") and x[1:] == y[2:]):
            return False
    return True
