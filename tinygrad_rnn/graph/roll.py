"""A tape read as a recurrence: runs of steps that are alike become loops, everything else stays a list of calls.

Two steps in a row are alike where they make the same calls, under the same labels, on arguments of the same shape and
origin: from the same place of their own step, from the same place of the step before, or from outside. What comes from
outside and differs from step to step is a row of one array with a time axis: x[t] of x, a mask of all masks.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from tinygrad_rnn.core.recording import Scope
from tinygrad_rnn.core.tensor import Line, Tensor
from tinygrad_rnn.graph.graph import Carry, Graph, Loop, Node, Out, Value, op
from tinygrad_rnn.tape.compare_steps import labels as without_step
from tinygrad_rnn.tape.steps import time_of


@dataclass(slots=True)
class _Visit:
    """The lines of one step, which stand together on the tape: start ... stop - 1."""

    t: Any
    start: int
    stop: int


class _NotAlike(Exception):  # noqa: N818 - not an error: the steps stay as they are
    """What differs between the steps of a run cannot be written as rows of an array."""


Places = dict[int, tuple[Loop, Value, int]]
"""By the id of a Tensor that a step of a loop made: the loop, the Value, and the place in time."""


def roll(
    lines: Sequence[Line],
    inputs: Sequence[Tensor],
    results: Sequence[Tensor],
    places: Places | None = None,
    left_out: Mapping[int, bool] = MappingProxyType({}),
) -> Graph:
    """The graph of a tape's lines, from `inputs` to `results`. Leaves that are not inputs are constants.

    Loops are found by the label `t` of the scopes, in time linear in the tape; without one there are no loops.
    `places` is filled with where the Tensors of the loops went. `left_out` says by ids of Tensors what the walk back
    leaves out, as `passed_over` does: steps of one loop are alike in that as well.
    """
    rolling = _Rolling(lines, inputs, left_out)
    graph = rolling.graph(results)
    if places is not None:
        places.update(rolling.places)
    return graph


class _Rolling:
    def __init__(self, lines: Sequence[Line], inputs: Sequence[Tensor], left_out: Mapping[int, bool]) -> None:
        self.lines = lines
        self.left_out = left_out
        self.values: dict[int, Value] = {}  # by the id of a Tensor: the tape keeps it
        self.places: Places = {}
        self.items: list[Node | Loop] = []
        self.inputs = [self._leaf(x) for x in inputs]
        for v in self.inputs:
            v.constant = None
        self._labels: dict[Scope, tuple[Any, Scope]] = {}

    def graph(self, results: Sequence[Tensor]) -> Graph:
        visits = self._visits()
        number = 0
        k = 0
        while k < len(visits):
            run = self._run(visits, k, number)
            self._calls(number, run[0].start)
            if len(run) == 1 or not self._looped(run):
                self._calls(run[0].start, run[-1].stop)
            number = run[-1].stop
            k += len(run)
        self._calls(number, len(self.lines))
        return Graph(self.inputs, self.items, [self._value(y) for y in results])

    # -------------------------------------------------------------------------------- steps that are alike

    def _split(self, labels: Scope) -> tuple[Any, Scope]:
        found = self._labels.get(labels)
        if found is None:
            found = self._labels[labels] = (time_of(labels), without_step(labels))
        return found

    def _visits(self) -> list[_Visit]:
        visits: list[_Visit] = []
        t_before = None
        for number, line in enumerate(self.lines):
            t = self._split(line[4])[0]
            if t is not None and t_before is not None and t == t_before:
                visits[-1].stop = number + 1
            elif t is not None:
                visits.append(_Visit(t, number, number + 1))
            t_before = t
        return visits

    def _run(self, visits: list[_Visit], k: int, number: int) -> list[_Visit]:
        """The visits from k on that are alike and follow each other in time.

        Calls without a step between two visits (`for x in xs:` reads x before the step's label is set) belong to the
        later one, if they are there in all. `number` is the first line that is free.
        """
        alone = [visits[k]]
        if k + 1 == len(visits) or abs(stride := _stride(visits, k)) != 1:
            return alone
        ahead = visits[k + 1].start - visits[k].stop
        if visits[k].start - ahead < number:
            return alone
        run = [_Visit(v.t, v.start - ahead, v.stop) for v in visits[k : k + 2]]
        made: dict[int, Any] = {}
        first = self._signature(run[0], {}, made)
        before = self._made(run[0])
        made.update(dict.fromkeys(before))
        reference = self._signature(run[1], before, made)
        if len(first) != len(reference) or not all(map(_begins, first, reference)):
            return alone
        for j in range(k + 2, len(visits)):
            visit = _Visit(visits[j].t, visits[j].start - ahead, visits[j].stop)
            if _stride(visits, j - 1) != stride or visit.start != run[-1].stop:
                break
            before = self._made(run[-1])
            made.update(dict.fromkeys(before))
            if self._signature(visit, before, made) != reference:
                break
            run.append(visit)
        return run

    def _made(self, visit: _Visit) -> dict[int, int]:
        return {id(self.lines[visit.start + k][3]): k for k in range(visit.stop - visit.start)}

    def _signature(self, visit: _Visit, before: dict[int, int], made: dict[int, Any]) -> list[Any]:
        """What must be equal in steps that are alike, call by call."""
        here: dict[int, int] = {}
        found = []
        for place, (operation, args, kwargs, out, labels) in enumerate(self.lines[visit.start : visit.stop]):
            given: list[Any] = []
            indexed = operation.name == "getitem"
            for a in args:
                kind = type(a)
                if kind is Tensor:
                    key = id(a)
                    if key in here:
                        given.append(here[key])
                    elif key in before:
                        given.append(("before", before[key], a._data.shape, a._data.dtype))
                    elif key in made:
                        given.append(object())  # of a step further back: these steps are not alike
                    else:
                        given.append(("outside", a._data.shape, a._data.dtype))
                elif kind is np.ndarray:
                    given.append(("array", a.shape, a.dtype))
                elif indexed and kind is int:
                    given.append("place")
                elif kind is slice:
                    given.append(("slice", a.start, a.stop, a.step))
                elif kind is float and not indexed:
                    given.append("number")  # which may differ: 0.9**t
                else:
                    given.append((kind, a))
            options: Any = tuple(kwargs.items())
            if any(isinstance(value, np.ndarray) for value in kwargs.values()):
                options = object()
            alike = operation, self._split(labels)[1], out._data.shape, out._data.dtype, given, options
            found.append((*alike, self.left_out.get(id(out))))
            here[id(out)] = place
        return found

    # ------------------------------------------------------------------------------------------ calls

    def _calls(self, start: int, stop: int) -> None:
        for operation, args, kwargs, out, labels in self.lines[start:stop]:
            joined = self._joined(operation, args, kwargs)
            if operation.name == "positive":
                joined = self._value(args[0])  # the same value: what a transform does to its arguments and results
            if joined is None:
                values = tuple(self._argument(a) for a in args)
                made = Value(out.shape, out.dtype, out.name, example=out._data)
                self.items.append(Node(operation, values, made, kwargs, labels))
                joined = made
            if joined.example is None:
                joined.name, joined.example = out.name or joined.name, out._data
            self.values[id(out)] = joined

    def _argument(self, a: Any) -> Any:
        if type(a) is Tensor:
            return self._value(a)
        if isinstance(a, np.ndarray):
            return Value(a.shape, a.dtype, constant=a)
        return a

    def _value(self, a: Tensor) -> Value:
        """The Value outside of time that a Tensor is."""
        found = self.values.get(id(a))
        if found is None and id(a) in self.places:
            found = self.values[id(a)] = self._picked(a)
        return found if found is not None else self._leaf(a)

    def _leaf(self, a: Tensor) -> Value:
        found = self.values[id(a)] = Value(a.shape, a.dtype, a.name, constant=a._data, example=a._data)
        return found

    def _picked(self, a: Tensor) -> Value:
        """One step's value of a loop: what it carried out of the last step, or a row of all of them."""
        loop, inner, place = self.places[id(a)]
        last = loop.length - 1 if loop.direction > 0 else 0
        if place == last and any(c.after is inner for c in loop.carries):
            for out in loop.lasts:
                if out.inner is inner:
                    return out.outer
            outer = Value(inner.shape, inner.dtype, inner.name, example=a._data)
            loop.lasts.append(Out(inner, outer))
            return outer
        made = Value(inner.shape, inner.dtype, inner.name, example=a._data)
        self.items.append(Node(op("getitem"), (loop.stack_of(inner), place), made))
        return made

    def _joined(self, operation: Any, args: tuple[Any, ...], kwargs: Any) -> Value | None:
        """np.stack of a loop's steps along the first axis: the array that the loop gives, or parts of such arrays."""
        if operation.name != "stack" or kwargs["axis"] != 0 or not all(type(a) is Tensor for a in args):
            return None
        pieces = list(self._pieces(args))
        if len(pieces) > 2 + len(args) // 4:
            return None
        parts = [self._part(*piece) for piece in pieces]
        if len(parts) == 1:
            return parts[0]
        made = Value((len(args), *parts[0].shape[1:]), parts[0].dtype)
        self.items.append(Node(op("concatenate"), tuple(parts), made, {"axis": 0}))
        return made

    def _pieces(self, args: tuple[Any, ...]) -> Iterator[tuple[Any, int, int]]:
        """The arguments in pieces: consecutive places of one loop, first to last, or one Tensor."""
        start = 0
        while start < len(args):
            loop, inner, place = self.places.get(id(args[start]), (None, None, 0))
            first, stop, stride = place, start + 1, 0
            while loop is not None and stop < len(args):
                other, same, following = self.places.get(id(args[stop]), (None, None, 0))
                step = following - place
                if other is not loop or same is not inner or abs(step) != 1 or (stride and step != stride):
                    break
                stride, place, stop = step, following, stop + 1
            yield args[start], first, place
            start = stop

    def _part(self, a: Tensor, first: int, last: int) -> Value:
        """A piece as an array with a time axis."""
        if id(a) not in self.places:
            source, made = self._value(a), Value((1, *a.shape), a.dtype)
            self.items.append(Node(op("expand_dims"), (source,), made, {"axis": 0}))
            return made
        loop, inner, _ = self.places[id(a)]
        whole = loop.stack_of(inner)
        if (first, last) == (0, loop.length - 1):
            return whole
        index = slice(first, last + 1) if last >= first else slice(first, last - 1 if last else None, -1)
        made = Value((abs(last - first) + 1, *inner.shape), inner.dtype)
        self.items.append(Node(op("getitem"), (whole, index), made))
        return made

    # ------------------------------------------------------------------------------------------ loops

    def _looped(self, visits: list[_Visit]) -> bool:
        """Make these visits a loop; False where they differ by more than a loop can say."""
        try:
            loop, places = self._loop(visits)
        except _NotAlike:
            return False
        self.items.append(loop)
        self.places |= places
        return True

    def _loop(self, visits: list[_Visit]) -> tuple[Loop, dict[int, tuple[Loop, Value, int]]]:
        """The loop that these visits are, and where each of their Tensors is found; what it reads goes before it."""
        places: dict[int, tuple[Loop, Value, int]] = {}
        first = visits[0].t
        direction = -1 if _stride(visits, 0) == -1 else 1
        in_time = visits if direction > 0 else visits[::-1]
        loop = Loop(len(visits), direction, first=in_time[0].t if isinstance(first, int | np.integer) else 0)
        reference = visits[1]
        made: dict[int, Value] = {}  # by place in the step
        carries: dict[int, list[Carry]] = {}  # by the place in the step before
        here = self._made(reference)
        before = self._made(visits[0])
        for place in range(reference.stop - reference.start):
            operation, args, kwargs, out, labels = self.lines[reference.start + place]
            across = [[self.lines[v.start + place][1][k] for v in in_time] for k in range(len(args))]
            if operation.name == "getitem" and any(type(a) is int for a in args[1:]):
                found = self._indexed(loop, args, across)
                if found is not None:
                    base, args = found
                    if not args:
                        made[place] = base
                        places |= self._noted(loop, base, place, in_time)
                        continue
                    args = (base, *args)
                    across = [[a] * loop.length for a in args]
            values: list[Any] = []
            for a, every in zip(args, across, strict=True):
                if type(a) is Tensor and id(a) in here:
                    values.append(made[here[id(a)]])
                elif type(a) is Tensor and id(a) in before:
                    init = self._argument(self.lines[visits[0].start + place][1][len(values)])
                    values.append(_carry(carries.setdefault(before[id(a)], []), a, init).before)
                elif type(a) is Tensor or isinstance(a, np.ndarray):
                    values.append(self._from_outside(loop, every))
                elif type(a) is float and any(x.hex() != a.hex() for x in every):
                    values.append(self._from_outside(loop, [np.asarray(x, out.dtype) for x in every]))
                else:
                    values.append(a)
            made[place] = Value(out.shape, out.dtype, out.name, example=out._data)
            loop.body.append(Node(operation, tuple(values), made[place], kwargs, without_step(labels)))
            places |= self._noted(loop, made[place], place, in_time)
        for place, handed in carries.items():
            for carry in handed:
                carry.after = made[place]
            loop.carries += handed
        return loop, places

    def _noted(self, loop: Loop, inner: Value, place: int, in_time: list[_Visit]) -> dict[int, tuple[Loop, Value, int]]:
        outs = [self.lines[visit.start + place][3] for visit in in_time]
        inner.name = inner.name or outs[0].name
        return {id(out): (loop, inner, k) for k, out in enumerate(outs)}

    def _from_outside(self, loop: Loop, every: list[Any]) -> Value:
        """A Tensor or array that each step reads: one for all, or one row for each."""
        first = every[0]
        if all(a is first for a in every):
            return self._argument(first)  # type: ignore[no-any-return]
        if type(first) is Tensor:
            outer = self._joined(op("stack"), tuple(every), {"axis": 0})
            if outer is None:
                rows = tuple(self._value(a) for a in every)
                outer = Value((loop.length, *first.shape), first.dtype)
                self.items.append(Node(op("stack"), rows, outer, {"axis": 0}))
        elif all(np.array_equal(a, first) for a in every[1:]):
            return Value(first.shape, first.dtype, constant=first)
        else:
            arrays = np.stack(every)
            outer = Value(arrays.shape, arrays.dtype, constant=arrays)
        return loop.row_of(outer)

    def _indexed(
        self, loop: Loop, args: tuple[Any, ...], across: list[list[Any]]
    ) -> tuple[Value, tuple[Any, ...]] | None:
        """x[..., t, ...] as a row of x: the row, and what is left of the index. None where the index stays as it is."""
        varying = [k for k in range(1, len(args)) if any(a != across[k][0] for a in across[k] if type(a) is int)]
        if not varying:
            return None
        base, axis = args[0], varying[0] - 1
        before = args[1 : 1 + axis]
        if len(varying) > 1 or any(not _whole(part) for part in before):
            raise _NotAlike
        if any(x is not base for x in across[0]):
            raise _NotAlike
        outer = self._value(base) if id(base) not in self.places else None
        if outer is None:
            raise _NotAlike
        if axis:
            order = (axis, *(k for k in range(outer.ndim) if k != axis))
            moved = Value(tuple(outer.shape[k] for k in order), outer.dtype)
            self.items.append(Node(op("transpose"), (outer,), moved, {"axes": order}))
            outer = moved
        places = [a % outer.shape[0] for a in across[varying[0]]]
        strides = {b - a for a, b in itertools.pairwise(places)}
        offset = places[0]
        if strides != {1}:
            chosen: Any = np.array(places)
            if len(strides) == 1 and (stride := strides.pop()):
                end = places[-1] + (1 if stride > 0 else -1)
                chosen = slice(places[0], end if end >= 0 else None, stride)
            picked = Value((loop.length, *outer.shape[1:]), outer.dtype)
            index = chosen if isinstance(chosen, slice) else Value(chosen.shape, chosen.dtype, constant=chosen)
            self.items.append(Node(op("getitem"), (outer, index), picked))
            outer, offset = picked, 0
        row = loop.row_of(outer, offset)
        rest = (*before, *args[2 + axis :])
        return row, (() if all(_whole(part) for part in rest) else rest)


def _carry(handed: list[Carry], a: Tensor, init: Value) -> Carry:
    """The carry with that first value, which may be a constant, written once for each reading."""
    for carry in handed:
        known = carry.init.constant
        same = known is not None and init.constant is not None and np.array_equal(known, init.constant)
        if carry.init is init or same:
            return carry
    inner = Value(a.shape, a.dtype, a.name, example=a._data)
    handed.append(Carry(inner, init, inner))
    return handed[-1]


def _whole(part: Any) -> bool:
    return isinstance(part, slice) and part == slice(None)


def _stride(visits: list[_Visit], k: int) -> int:
    """How many steps of time lie between visit k and the next: as the labels count, or 1 where they are no numbers."""
    t, s = visits[k].t, visits[k + 1].t
    return int(s - t) if isinstance(t, int | np.integer) and isinstance(s, int | np.integer) else 1


def _begins(mine: Any, reference: Any) -> bool:
    """Is this call of a first step like that of the second, but for reading from outside what that one was handed?"""
    if mine[:4] != reference[:4] or mine[5] != reference[5] or len(mine[4]) != len(reference[4]):
        return False
    if mine[6] is not None and mine[6] != reference[6]:
        return False
    for x, y in zip(mine[4], reference[4], strict=True):
        if x == y:
            continue
        from_before = isinstance(y, tuple) and y[0] == "before" and isinstance(x, tuple)
        if not (from_before and x[0] in ("outside", "array") and x[1:] == y[2:]):
            return False
    return True
