"""A tape read as a recurrence: runs of steps that are alike become loops, everything else stays a list of calls.

`alike_steps` finds the runs. An argument that comes from outside and differs from step to step becomes a row of one
array with a time axis: x[t] a row of x, a mask a row of all masks.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from tinygrad_rnn.core.tensor import Line, Tensor
from tinygrad_rnn.graph.alike_steps import AlikeSteps, Visit, stride
from tinygrad_rnn.graph.graph import Argument, Carry, Graph, Loop, Node, Value, op
from tinygrad_rnn.graph.outside_values import OutsideValues, Places
from tinygrad_rnn.tape.compare_steps import labels as without_step


class _NotAlike(Exception):  # noqa: N818 - not an error: the steps stay as they are
    """Steps of a run differ in something that cannot be written as rows of an array."""


def roll(
    lines: Sequence[Line],
    inputs: Sequence[Tensor],
    results: Sequence[Tensor],
    places: Places | None = None,
    left_out: Mapping[int, bool] = MappingProxyType({}),
) -> Graph:
    """Return the graph of a tape's lines, from `inputs` to `results`. Leaves that are not inputs are constants.

    Loops are found by the label `t` of the scopes, in time linear in the tape; without one there are no loops.
    `places` is filled with the places of the Tensors in the loops. `left_out` says by ids of Tensors what the walk back
    leaves out, as `passed_over` does: steps of one loop are alike in that as well.
    """
    rolling = _Rolling(lines, inputs, left_out)
    graph = rolling.graph(results)
    if places is not None:
        places.update(rolling.outside.places)
    return graph


class _Rolling:
    def __init__(self, lines: Sequence[Line], inputs: Sequence[Tensor], left_out: Mapping[int, bool]) -> None:
        self.lines = lines
        self.steps = AlikeSteps(lines, left_out)
        self.outside = OutsideValues()
        self.items = self.outside.items
        self.inputs = [self.outside.leaf(x) for x in inputs]
        for v in self.inputs:
            v.constant = None

    def graph(self, results: Sequence[Tensor]) -> Graph:
        visits = self.steps.visits()
        free = 0
        k = 0
        while k < len(visits):
            run = self.steps.run(visits, k, free)
            self._calls(free, run[0].start)
            if len(run) == 1 or not self._looped(run):
                self._calls(run[0].start, run[-1].stop)
            free = run[-1].stop
            k += len(run)
        self._calls(free, len(self.lines))
        return Graph(self.inputs, self.items, [self.outside.value(y) for y in results])

    def _calls(self, start: int, stop: int) -> None:
        """Append these lines as calls outside of time."""
        for operation, args, kwargs, out, labels in self.lines[start:stop]:
            made = None
            if operation.name == "stack" and kwargs["axis"] == 0:
                made = self.outside.stacked(args)
            if operation.name == "positive":
                made = self.outside.value(args[0])  # a transform marks its arguments and results so
            if made is None:
                values = tuple(self.outside.argument(a) for a in args)
                made = Value(out.shape, out.dtype, out.name, example=out.data)
                self.items.append(Node(operation, values, made, kwargs, labels))
            if made.example is None:
                made.name, made.example = out.name or made.name, out.data
            self.outside.values[id(out)] = made

    # ------------------------------------------------------------------------------------------ loops

    def _looped(self, visits: list[Visit]) -> bool:
        """Make these visits a loop; return False where they differ in something that no loop can express."""
        try:
            loop, places = self._loop(visits)
        except _NotAlike:
            return False
        self.items.append(loop)
        self.outside.places.update(places)
        return True

    def _loop(self, visits: list[Visit]) -> tuple[Loop, Places]:
        """Return the loop of these visits and the places of their Tensors; append the calls that it needs."""
        places: Places = {}
        direction = -1 if stride(visits, 0) == -1 else 1
        in_time = visits if direction > 0 else visits[::-1]
        t = in_time[0].t
        loop = Loop(len(visits), direction, first=int(t) if isinstance(t, int | np.integer) else 0)
        reference = visits[1]
        made: dict[int, Value] = {}  # by place in the step
        carries: dict[int, list[Carry]] = {}  # by the place in the step before
        here = self.steps.made(reference)
        before = self.steps.made(visits[0])
        for place in range(reference.stop - reference.start):
            operation, args, kwargs, out, labels = self.lines[reference.start + place]
            across = list(zip(*(self._args(v, place) for v in in_time), strict=True))
            if operation.name == "getitem" and any(type(a) is int for a in args[1:]):
                found = self._indexed(loop, args, across)
                if found is not None:
                    base, args = found
                    if not args:
                        made[place] = base
                        places |= self._noted(loop, base, place, in_time)
                        continue
                    args = (base, *args)
                    across = [(a,) * loop.length for a in args]
            values: list[Argument] = []
            for k, (a, every) in enumerate(zip(args, across, strict=True)):
                if type(a) is Tensor and id(a) in here:
                    values.append(made[here[id(a)]])
                elif type(a) is Tensor and id(a) in before:
                    init = self.outside.argument(self._args(visits[0], place)[k])
                    values.append(_carry(carries.setdefault(before[id(a)], []), a, init).before)
                elif type(a) is Tensor or isinstance(a, np.ndarray):
                    values.append(self._from_outside(loop, every))
                elif type(a) is float and any(x.hex() != a.hex() for x in every):
                    values.append(self._from_outside(loop, [np.asarray(x, out.dtype) for x in every]))
                else:
                    values.append(a)
            made[place] = Value(out.shape, out.dtype, out.name, example=out.data)
            loop.body.append(Node(operation, tuple(values), made[place], kwargs, without_step(labels)))
            places |= self._noted(loop, made[place], place, in_time)
        for place, handed in carries.items():
            for carry in handed:
                carry.after = made[place]
            loop.carries += handed
        return loop, places

    def _args(self, visit: Visit, place: int) -> tuple[Argument, ...]:
        _, args, _, _, _ = self.lines[visit.start + place]
        return args

    def _noted(self, loop: Loop, inner: Value, place: int, in_time: list[Visit]) -> Places:
        """Return the places of one call's results in all steps, and name the Value like the first of them."""
        outs = [out for _, _, _, out, _ in (self.lines[visit.start + place] for visit in in_time)]
        inner.name = inner.name or outs[0].name
        return {id(out): (loop, inner, k) for k, out in enumerate(outs)}

    def _from_outside(self, loop: Loop, every: Sequence[Argument]) -> Value:
        """Return a Tensor or array that each step reads: one for all, or one row for each."""
        first = every[0]
        if all(a is first for a in every):
            return self.outside.argument(first)  # type: ignore[no-any-return]  # a Value for a Tensor or an array
        if type(first) is Tensor:
            outer = self.outside.stacked(tuple(every))
            if outer is None:
                rows = tuple(self.outside.value(a) for a in every)
                outer = Value((loop.length, *first.shape), first.dtype)
                self.items.append(Node(op("stack"), rows, outer, {"axis": 0}))
        elif all(np.array_equal(a, first) for a in every[1:]):
            return Value(first.shape, first.dtype, constant=first)
        else:
            arrays = np.stack(every)
            outer = Value(arrays.shape, arrays.dtype, constant=arrays)
        return loop.row_of(outer)

    def _indexed(
        self, loop: Loop, args: tuple[Argument, ...], across: Sequence[Sequence[Argument]]
    ) -> tuple[Value, tuple[Argument, ...]] | None:
        """Return x[..., t, ...] as a row of x: the row, and the rest of the index. None where no index changes."""
        varying = [k for k in range(1, len(args)) if any(a != across[k][0] for a in across[k] if type(a) is int)]
        if not varying:
            return None
        base, axis = args[0], varying[0] - 1
        before = args[1 : 1 + axis]
        if len(varying) > 1 or any(not _whole(part) for part in before):
            raise _NotAlike
        if any(x is not base for x in across[0]) or id(base) in self.outside.places:
            raise _NotAlike
        outer = self.outside.value(base)
        if axis:
            order = (axis, *(k for k in range(outer.ndim) if k != axis))
            moved = Value(tuple(outer.shape[k] for k in order), outer.dtype)
            self.items.append(Node(op("transpose"), (outer,), moved, {"axes": order}))
            outer = moved
        outer, offset = self._in_order(loop, outer, [a % outer.shape[0] for a in across[varying[0]]])
        row = loop.row_of(outer, offset)
        rest = (*before, *args[2 + axis :])
        return row, (() if all(_whole(part) for part in rest) else rest)

    def _in_order(self, loop: Loop, outer: Value, places: list[int]) -> tuple[Value, int]:
        """Return an array whose row offset + k is row places[k] of `outer`, and the offset."""
        strides = {b - a for a, b in itertools.pairwise(places)}
        if strides == {1}:
            return outer, places[0]
        index: Argument
        if len(strides) == 1 and (each := strides.pop()):
            end = places[-1] + (1 if each > 0 else -1)
            index = slice(places[0], end if end >= 0 else None, each)
        else:
            chosen = np.array(places)
            index = Value(chosen.shape, chosen.dtype, constant=chosen)
        picked = Value((loop.length, *outer.shape[1:]), outer.dtype)
        self.items.append(Node(op("getitem"), (outer, index), picked))
        return picked, 0


def _carry(handed: list[Carry], a: Tensor, init: Value) -> Carry:
    """Return the carry with that first value, which may be a constant, written once for each reading."""
    for carry in handed:
        known = carry.init.constant
        same = known is not None and init.constant is not None and np.array_equal(known, init.constant)
        if carry.init is init or same:
            return carry
    inner = Value(a.shape, a.dtype, a.name, example=a.data)
    handed.append(Carry(inner, init, inner))
    return handed[-1]


def _whole(part: Argument) -> bool:
    return isinstance(part, slice) and part == slice(None)
