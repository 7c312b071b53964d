"""Where each value of a graph lies, and the calls that fill it: the graph with its memory.

A view costs nothing: it is taken once, here. The parts of a concatenation are computed where they belong in the whole
(`alias`): the gradient of a cut is written, gate by gate, into the array that the next product reads. The states of a
loop lie in one array with one place more than there are steps, so h_{t-1} and h_t are rows of the same memory. What
nobody reads any more is written over (`reuse`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.replay.batching import elementwise, is_view, option
from tinygrad_rnn.replay.graph import Graph, Loop, Node, Value
from tinygrad_rnn.replay.lowering import Call, copied, lowered
from tinygrad_rnn.replay.memory import Memory

Array = NDArray[Any]
CHUNK = 256 * 1024
"""Bytes of the largest value of a chunk of steps: what is computed ahead of them is still in the cache."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a value of a loop lies: one array for all steps, or (`timed`) a row of an array with a time axis.

    `ahead`: that array has the places of one chunk of steps.
    """

    array: Array
    timed: bool = False
    ahead: bool = False

    @property
    def key(self) -> Any:
        """The same for two Slots that read the same memory in the same way."""
        a = self.array
        return a.__array_interface__["data"][0], a.shape, a.strides, a.dtype.char, self.timed


@dataclass(slots=True)
class StepCall:
    """A call of each step: its form, for the arrays of some step, and where its operands and its result lie."""

    call: Call
    operands: tuple[Slot, ...]
    out: Slot
    node: Node | None


@dataclass(slots=True)
class LoopCalls:
    """A loop with its memory: calls before it, for each chunk of steps, for each step, and after it."""

    loop: Loop
    chunk: int
    begin: list[tuple[Call, Node | None]] = field(default_factory=list)
    prelude: list[StepCall] = field(default_factory=list)
    body: list[StepCall] = field(default_factory=list)
    end: list[tuple[Call, Node | None]] = field(default_factory=list)
    named: dict[Any, str] = field(default_factory=dict)

    def for_chunk(self, step: StepCall, start: int, stop: int) -> Call:
        """A call ahead of one chunk of steps."""

        def array(slot: Slot) -> Array:
            if not slot.timed:
                return slot.array
            return slot.array[: stop - start] if slot.ahead else slot.array[start:stop]

        return replace(step.call, operands=tuple(map(array, step.operands)), out=array(step.out))

    def for_step(self, step: StepCall, k: int, start: int) -> Call:
        """A call of the step at place k, in the chunk that begins at `start`."""

        def array(slot: Slot) -> Array:
            return slot.array[k - start if slot.ahead else k, ...] if slot.timed else slot.array

        return replace(step.call, operands=tuple(map(array, step.operands)), out=array(step.out))

    def chunks(self) -> Iterator[tuple[int, int]]:
        """The places of each chunk, start and stop, in the order in which they run."""
        starts = range(0, self.loop.length, self.chunk)
        for start in starts if self.loop.direction > 0 else reversed(starts):
            yield start, min(start + self.chunk, self.loop.length)


@dataclass(slots=True)
class Layout:
    """The whole program with its memory."""

    memory: Memory
    inputs: list[Array]
    calls: list[tuple[Call, Node | None] | LoopCalls]
    results: list[Array]
    arrays: dict[Value, Array] = field(default_factory=dict)


def laid_out(graph: Graph, alias: bool = True, reuse: bool = True) -> Layout:
    """Give every value of a graph its place."""
    return _Planner(graph, alias, reuse).layout()


class _Planner:
    def __init__(self, graph: Graph, alias: bool, reuse: bool) -> None:
        self.graph = graph
        self.reuse = reuse
        self.memory = Memory(reuse)
        self.arrays: dict[Value, Array] = {}
        self.homes = _homes(graph) if alias else {}
        self.owner: dict[Value, Value] = {}  # whose memory an outer value lies in
        self.raw: dict[Value, Any] = {}
        self.fixed: set[Value] = set()  # known before the program runs
        self.calls: list[tuple[Call, Node | None] | LoopCalls] = []
        self.last_read: dict[Value, int] = {}
        self.unread: list[Value] = []

    def layout(self) -> Layout:
        graph = self.graph
        inputs = []
        for v in graph.inputs:
            self.arrays[v], _ = self.memory.array(v.shape, v.dtype)
            inputs.append(self.arrays[v])
        self._find_last_reads()
        for index, item in enumerate(graph.items):
            if isinstance(item, Node):
                self._node(item, index)
            else:
                self._loop(item, index)
            self._release(index)
        return Layout(self.memory, inputs, self.calls, [self.array(v) for v in graph.results], self.arrays)

    def array(self, v: Any) -> Any:
        """The array of an outer value; other arguments as they stand."""
        if not isinstance(v, Value):
            return v
        if v not in self.arrays and v.constant is not None:
            self.arrays[v] = v.constant
            self.fixed.add(v)
        return self.arrays[v]

    # ------------------------------------------------------------------------------------ lives of outer values

    def _root(self, v: Value) -> Value:
        while v in self.owner:
            v = self.owner[v]
        return v

    def _find_last_reads(self) -> None:
        """Who lies in whose memory, and when each memory is read for the last time."""
        for v, home in self.homes.items():
            self.owner[v] = home.whole
        for item in self.graph.items:
            if isinstance(item, Node):
                if is_view(item) and isinstance(item.args[0], Value) and item.out not in self.owner:
                    self.owner[item.out] = item.args[0]
            else:
                for stack in item.stacks:
                    for carry in item.carries:
                        if stack.inner is carry.before:
                            after = next((o.outer for o in item.stacks if o.inner is carry.after), None)
                            if after is not None and stack.outer not in self.owner:
                                self.owner[stack.outer] = after
                for last in item.lasts:
                    whole = next((o.outer for o in item.stacks if o.inner is last.inner), None)
                    if whole is not None:
                        self.owner[last.outer] = whole
        self._note_last_reads()

    def _note_last_reads(self) -> None:
        self.last_read.clear()
        for index, item in enumerate(self.graph.items):
            for v in item.reads():
                self.last_read[self._root(v)] = index
        for v in self.graph.results:
            self.last_read[self._root(v)] = len(self.graph.items)
        self.ending: dict[int, list[Value]] = {}
        for root, index in self.last_read.items():
            self.ending.setdefault(index, []).append(root)

    def _release(self, index: int) -> None:
        for root in [*self.ending.pop(index, ()), *self.unread]:
            if root in self.raw:
                self.memory.back(self.raw.pop(root))
        self.unread.clear()

    def _new(self, v: Value) -> Array:
        """Memory for an outer value that an operation or a loop fills."""
        if v in self.arrays:
            return self.arrays[v]
        if v in self.homes:
            home = self.homes[v]
            self.arrays[v] = home.within(self._new(home.whole), v.shape)
        else:
            self.arrays[v], self.raw[v] = self.memory.array(v.shape, v.dtype)
            if v not in self.last_read:
                self.unread.append(v)
        return self.arrays[v]

    # ------------------------------------------------------------------------------------ calls outside of time

    def _node(self, node: Node, index: int) -> None:
        operands = [self.array(a) for a in node.args]
        if all(not isinstance(a, Value) or a in self.fixed for a in node.args):
            with np.errstate(all="ignore"):
                value = np.asarray(node.op.function(*operands, **node.kwargs))
            value.setflags(write=False)
            self.arrays[node.out] = value
            self.fixed.add(node.out)
            return
        if is_view(node):
            view = node.op.function(*operands, **node.kwargs)
            if isinstance(view, np.ndarray) and np.may_share_memory(view, operands[0]):
                self.arrays[node.out] = view
                return
            self.owner.pop(node.out, None)  # a copy after all
            self._note_last_reads()
        if self.reuse and elementwise(node):
            self._free_operands(node, index)
        out = self._new(node.out)
        if node.op.name == "concatenate":
            self._concatenate(node, operands, out)
            return
        operands = [_without_axes(a, operands, out) if elementwise(node) else a for a in operands]
        self.calls.append((lowered(node, operands, out, self.reuse), node))

    def _free_operands(self, node: Node, index: int) -> None:
        """An elementwise call may write over an operand that it is the last to read."""
        if node.out in self.homes or not isinstance(node.op.function, np.ufunc):
            return
        for a in dict.fromkeys(node.reads()):
            same = a in self.raw and a.shape == node.out.shape and a.dtype == node.out.dtype
            if same and self.last_read.get(a, index) <= index:
                self.memory.back(self.raw.pop(a))

    def _concatenate(self, node: Node, operands: Sequence[Array], out: Array) -> None:
        axis = option(node, "axis", len(node.args), 0) % out.ndim
        for part, place in zip(operands, _places(operands, axis), strict=True):
            target = out[(slice(None),) * axis + (place,)]
            if not (part.shape == target.shape and _same_memory(part, target)):
                self.calls.append((copied(part, target), node))

    # ------------------------------------------------------------------------------------ loops

    def _loop(self, loop: Loop, index: int) -> None:
        self.calls.append(_LoopPlanner(self, loop).planned())


class _LoopPlanner:
    """The memory of one loop: what is kept for other loops, what is carried, and what a step forgets."""

    def __init__(self, outer: _Planner, loop: Loop) -> None:
        self.outer = outer
        self.loop = loop
        self.slots: dict[Value, Slot] = {}
        self.memory = outer.memory
        self.raw: dict[Value, Any] = {}
        self.owner: dict[Value, Value] = {}
        self.calls = LoopCalls(loop, self._chunk())
        self.homes = outer.homes

    def _chunk(self) -> int:
        if not self.loop.prelude:
            return self.loop.length
        most = max(node.out.nbytes for node in self.loop.prelude) // self.loop.length
        return max(1, min(self.loop.length, CHUNK // max(most, 1)))

    def planned(self) -> LoopCalls:
        loop = self.loop
        self.stacked = {out.inner: out.outer for out in loop.stacks}
        self._carried()
        self._kept()
        self._prelude()
        for row in loop.rows:
            if row.outer in self.slots:
                self.slots[row.inner] = self.slots[row.outer]
            else:
                rows = self.outer.array(row.outer)[row.offset : row.offset + loop.length]
                self.slots[row.inner] = Slot(rows, timed=True)
        self._body()
        self._results()
        for held in self.raw.values():
            self.memory.back(held)
        for v, slot in self.slots.items():
            if v.name:
                self.calls.named.setdefault(slot.key, v.name)
        for step in [*self.calls.prelude, *self.calls.body]:
            for slot in [*step.operands, step.out]:
                number = self.memory.number(slot.array)
                self.calls.named.setdefault(slot.key, "constant" if number is None else f"b{number}")
        return self.calls

    def slot(self, v: Any) -> Any:
        """Where an argument of a step's call lies; numbers and the like as they stand."""
        if not isinstance(v, Value):
            return v
        if v not in self.slots:
            self.slots[v] = Slot(self.outer.array(v))
        return self.slots[v]

    # -------------------------------------------------------------------------------- ahead of a chunk

    def _prelude(self) -> None:
        loop, n = self.loop, self.calls.chunk
        read_by_steps = {row.outer for row in loop.rows}
        ends: dict[Value, int] = {}
        nodes = loop.prelude
        for k, node in enumerate(nodes):
            for v in node.reads():
                ends[v] = k
        for v, home in self.homes.items():
            ends[home.whole] = max(ends.get(v, 0), ends.get(home.whole, 0))
        for k, node in enumerate(nodes):
            operands = [self._ahead(a) for a in node.args]
            if is_view(node):
                whole = operands[0]
                view = node.op.function(whole.array, *node.args[1:], **node.kwargs) if not whole.ahead else None
                if view is None:
                    shape = (n, *node.out.shape[1:])
                    view = (
                        whole.array.reshape(shape)
                        if node.op.name == "reshape"
                        else node.op.function(whole.array, *node.args[1:], **node.kwargs)
                    )
                if np.may_share_memory(view, whole.array):
                    self.slots[node.out] = Slot(view, True, whole.ahead)
                    root = node.args[0]
                    while root in self.owner:
                        root = self.owner[root]
                    self.owner[node.out] = root
                    if node.out in read_by_steps or ends.get(node.out, k) > ends.get(root, k):
                        ends[root] = len(nodes) if node.out in read_by_steps else ends[node.out]
                    continue
            if self.outer.reuse and elementwise(node) and isinstance(node.op.function, np.ufunc):
                for a in dict.fromkeys(node.reads()):
                    mine = a in self.raw and a.shape == node.out.shape and a.dtype == node.out.dtype
                    if mine and ends.get(a, k) <= k and a not in read_by_steps and node.out not in self.homes:
                        self.memory.back(self.raw.pop(a))
            out = self._new_ahead(node.out, n)
            if node.op.name == "concatenate":
                self._side_by_side(self.calls.prelude, node, operands, out, axis_shift=0)
            else:
                self._add(self.calls.prelude, node, operands, out)
            for a in dict.fromkeys(node.reads()):
                if a in self.raw and ends.get(a, k) <= k and a not in read_by_steps:
                    self.memory.back(self.raw.pop(a))

    def _ahead(self, a: Any) -> Any:
        if not isinstance(a, Value):
            return a
        if a in self.slots:
            return self.slots[a]
        slot = Slot(self.outer.array(a), timed=a in self.loop.timed)
        if a.name:
            self.calls.named.setdefault(slot.key, a.name)
        return slot

    def _new_ahead(self, v: Value, n: int) -> Slot:
        if v in self.slots:
            return self.slots[v]
        if v in self.homes:
            home = self.homes[v]
            array = home.within(self._new_ahead(home.whole, n).array, (n, *v.shape[1:]))
        else:
            array, self.raw[v] = self.memory.array((n, *v.shape[1:]), v.dtype)
        self.slots[v] = Slot(array, timed=True, ahead=True)
        return self.slots[v]

    # -------------------------------------------------------------------------------- from step to step

    def _carried(self) -> None:
        """A state that is kept lies in one array with its first value; one that is not is written over."""
        loop = self.loop
        for carry in loop.carries:
            start = self.outer.array(carry.init)
            kept = self.stacked.get(carry.after)
            kept_before = self.stacked.get(carry.before)
            simple = any(node.out is carry.after for node in loop.body) and carry.after not in self.slots
            if (kept is None and kept_before is None) or not simple:
                self._handed_over(carry, start)
                continue
            shape = (loop.length + 1, *carry.before.shape)
            array, raw = self.memory.array(shape, carry.before.dtype)
            first, rest = (array[:-1], array[1:]) if loop.direction > 0 else (array[1:], array[:-1])
            for outer, part in ((kept, rest), (kept_before, first)):
                if outer is not None and outer not in self.outer.arrays:
                    self.outer.arrays[outer] = part
            root = kept if kept is not None else kept_before
            assert root is not None
            self.outer.raw[self.outer._root(root)] = raw
            self.slots[carry.before] = Slot(first, timed=True)
            self.slots[carry.after] = Slot(rest, timed=True)
            place = array[0] if loop.direction > 0 else array[-1]
            self.calls.begin.append((copied(start, place), None))

    def _kept(self) -> None:
        """What outlives the loop has memory before any step's own is given out: steps use theirs again and again."""
        for out in self.loop.outs():
            if out.outer not in self.outer.arrays and out.outer not in self.outer.owner:
                self.outer._new(out.outer)

    def _handed_over(self, carry: Any, start: Array) -> None:
        array, raw = self.memory.array(carry.before.shape, carry.before.dtype)
        self.raw[carry.before] = raw
        self.slots[carry.before] = Slot(array)
        self.calls.begin.append((copied(start, array), None))

    # -------------------------------------------------------------------------------- in a step

    def _body(self) -> None:
        loop, body = self.loop, self.loop.body
        ends: dict[Value, int] = {}
        for k, node in enumerate(body):
            for v in node.reads():
                ends[v] = k
        stays = {out.inner for out in loop.outs()} | {carry.after for carry in loop.carries}
        for v in stays:
            ends[v] = len(body)
        for k in range(len(body) - 1, -1, -1):
            node = body[k]
            if is_view(node) and isinstance(node.args[0], Value):
                ends[node.args[0]] = max(ends.get(node.args[0], k), ends.get(node.out, k))
        for v, home in self.homes.items():
            ends[home.whole] = max(ends.get(v, 0), ends.get(home.whole, 0))
        handed = {c.after: c for c in loop.carries if c.before in self.raw}
        for k, node in enumerate(body):
            operands = [self.slot(a) for a in node.args]
            if is_view(node) and self._view(node, operands):
                continue
            dying = [a for a in dict.fromkeys(node.reads()) if a in self.raw and ends.get(a, k) <= k]
            dying = [a for a in dying if not any(c.before is a for c in loop.carries)]
            if self.outer.reuse and elementwise(node) and isinstance(node.op.function, np.ufunc):
                for a in dying[:]:
                    if a.shape == node.out.shape and a.dtype == node.out.dtype and node.out not in self.homes:
                        self.memory.back(self.raw.pop(a))
                        dying.remove(a)
            out = self._place(node, k, ends, handed)
            if node.op.name == "concatenate":
                self._side_by_side(self.calls.body, node, operands, out, axis_shift=1)
            else:
                self._add(self.calls.body, node, operands, out)
            for a in dying:
                self.memory.back(self.raw.pop(a))

    def _place(self, node: Node, k: int, ends: dict[Value, int], handed: dict[Value, Any]) -> Slot:
        """Where the result of a step's call goes."""
        v = node.out
        if v in self.slots:
            return self.slots[v]
        if v in self.stacked:
            self.slots[v] = Slot(self.outer._new(self.stacked[v]), timed=True)
        elif v in self.homes:
            self.slots[v] = self._in_whole(v)
        elif v in handed and self._may_overwrite(node, k, ends, handed[v]):
            self.slots[v] = self.slots[handed[v].before]
        else:
            array, self.raw[v] = self.memory.array(v.shape, v.dtype)
            self.slots[v] = Slot(array)
        return self.slots[v]

    def _place_whole(self, whole: Value) -> Slot:
        if whole in self.slots:
            return self.slots[whole]
        if whole in self.stacked:
            self.slots[whole] = Slot(self.outer._new(self.stacked[whole]), timed=True)
        elif whole in self.homes:
            self.slots[whole] = self._in_whole(whole)
        else:
            array, self.raw[whole] = self.memory.array(whole.shape, whole.dtype)
            self.slots[whole] = Slot(array)
        return self.slots[whole]

    def _in_whole(self, v: Value) -> Slot:
        home = self.homes[v]
        held = self._place_whole(home.whole)
        shape = (self.loop.length, *v.shape) if held.timed else v.shape
        return Slot(home.within(held.array, shape, held.timed), held.timed)

    def _may_overwrite(self, node: Node, k: int, ends: dict[Value, int], carry: Any) -> bool:
        """May what is handed on be written over what was handed to this step?"""
        if not self.outer.reuse or any(o.inner is carry.before for o in self.loop.outs()):
            return False
        last = ends.get(carry.before, -1)
        if any(c.after is carry.before for c in self.loop.carries):
            return False
        return last < k or (last == k and elementwise(node) and isinstance(node.op.function, np.ufunc))

    def _view(self, node: Node, operands: list[Any]) -> bool:
        """Take the view once, if it is one, for all steps."""
        source = operands[0]
        if node.out in self.stacked or node.out in self.slots:
            return False  # it has a place of its own
        if not source.timed:
            view = node.op.function(source.array, *node.args[1:], **node.kwargs)
        else:
            view = _timed_view(node, source.array)
        if not isinstance(view, np.ndarray) or not np.may_share_memory(view, source.array):
            return False
        self.slots[node.out] = Slot(view, source.timed, source.ahead)
        return True

    # -------------------------------------------------------------------------------- calls

    def _add(self, calls: list[StepCall], node: Node, operands: list[Any], out: Slot) -> None:
        ahead = calls is self.calls.prelude
        arrays = [self._sample(a, ahead) if isinstance(a, Slot) else a for a in operands]
        call = lowered(node, arrays, self._sample(out, ahead), self.outer.reuse)
        slots = []
        given = iter(a for a in operands if isinstance(a, Slot))
        for operand in call.operands:
            known = any(operand is a for a in arrays)
            fits = next(given, None) if known else None
            slots.append(fits if fits is not None else Slot(operand))
        calls.append(StepCall(call, tuple(slots), out, node))

    def _sample(self, slot: Slot, ahead: bool) -> Array:
        """The arrays of some step, or of some chunk, in the place of all."""
        if not slot.timed:
            return slot.array
        return slot.array[: self.calls.chunk] if ahead else slot.array[0, ...]

    def _side_by_side(self, calls: list[StepCall], node: Node, operands: list[Any], out: Slot, axis_shift: int) -> None:
        axis = option(node, "axis", len(node.args), 0) % node.out.ndim + axis_shift * out.timed
        lengths = [a.shape[axis - axis_shift * out.timed] for a in node.args]
        start = 0
        for part, length in zip(operands, lengths, strict=True):
            target = Slot(out.array[(slice(None),) * axis + (slice(start, start + length),)], out.timed, out.ahead)
            start += length
            same_shape = part.timed == target.timed and part.array.shape == target.array.shape
            if same_shape and _same_memory(part.array, target.array):
                continue
            ahead = calls is self.calls.prelude
            call = copied(self._sample(part, ahead), self._sample(target, ahead))
            calls.append(StepCall(call, (part,), target, node))

    # -------------------------------------------------------------------------------- what the loop gives

    def _results(self) -> None:
        loop, final = self.loop, (-1 if self.loop.direction > 0 else 0)
        for carry in loop.carries:
            before, after = self.slots[carry.before], self.slot(carry.after)
            if before.timed or (after.array is before.array and after.timed == before.timed):
                continue
            call = copied(self._sample(after, False), before.array)
            self.calls.body.append(StepCall(call, (after,), before, None))
        self._in_order()
        for out in loop.sums:
            total = self.outer._new(out.outer)
            self.calls.begin.append((copied(np.zeros((), total.dtype), total), None))
            part = self.slot(out.inner)
            call = Call(np.add, (total, self._sample(part, False)), total, True, "add")
            self.calls.body.append(StepCall(call, (Slot(total), part), Slot(total), None))
        for out in loop.lasts:
            held = self.slot(out.inner)
            if out.outer in self.outer.owner:
                self.outer.arrays[out.outer] = held.array[final]
            else:
                source = held.array[final, ...] if held.timed else held.array
                self.calls.end.append((copied(source, self.outer._new(out.outer)), None))
        for out in loop.stacks:
            if out.outer not in self.outer.arrays:
                self.outer._new(out.outer)
            held, place = self.slot(out.inner), self.outer.arrays[out.outer]
            if not (held.timed and _same_memory(held.array, place)):
                call = copied(self._sample(held, False), place[0, ...])
                position = 0 if any(c.before is out.inner for c in loop.carries) else len(self.calls.body)
                self.calls.body.insert(position, StepCall(call, (held,), Slot(place, timed=True), None))

    def _in_order(self) -> None:
        """States that swap their places are copied by way of a third."""
        # A hand-over reads what another one writes only where a state is handed on as another state.
        handovers = [c for c in self.calls.body if c.node is None]
        written = [c.out.array for c in handovers]
        for c in handovers:
            if any(np.may_share_memory(c.operands[0].array, w) for w in written if w is not c.out.array):
                array, raw = self.memory.array(c.call.out.shape, c.call.out.dtype)
                self.raw[Value(array.shape, array.dtype)] = raw
                index = next(k for k, other in enumerate(self.calls.body) if other.node is None)
                aside = copied(c.call.operands[0], array)
                self.calls.body.insert(index, StepCall(aside, c.operands, Slot(array), None))
                c.call, c.operands = copied(array, c.call.out), (Slot(array),)


def _without_axes(a: Any, operands: Sequence[Any], out: Array) -> Any:
    """A single number as an array without axes, which NumPy broadcasts twice as fast, where the shape allows it."""
    if not isinstance(a, np.ndarray) or a.size != 1 or not a.ndim:
        return a
    full = any(isinstance(b, np.ndarray) and b is not a and b.shape == out.shape for b in operands)
    return a.reshape(()) if full else a


def _timed_view(node: Node, array: Array) -> Any:
    """A view of each step's row, taken of all rows at once; None where that is none."""
    name, x = node.op.name, node.args[0]
    if name == "getitem":
        return array[(slice(None), *node.args[1:])]
    if name in ("reshape", "expand_dims", "squeeze"):
        return array.reshape((len(array), *node.out.shape))
    if name == "transpose":
        axes = option(node, "axes", 1)
        order = reversed(range(x.ndim)) if axes is None else (a % x.ndim for a in axes)
        return array.transpose((0, *(a + 1 for a in order)))
    if name == "swapaxes":
        first, second = (option(node, key, k) % x.ndim + 1 for k, key in ((1, "axis1"), (2, "axis2")))
        return array.swapaxes(first, second)
    wide = array.reshape((len(array), *(1,) * (node.out.ndim - x.ndim), *x.shape))
    return np.broadcast_to(wide, (len(array), *node.out.shape))


def _same_memory(a: Array, b: Array) -> bool:
    return bool(a.__array_interface__["data"] == b.__array_interface__["data"] and a.strides == b.strides)


def _places(parts: Sequence[Array], axis: int) -> Iterator[slice]:
    start = 0
    for part in parts:
        yield slice(start, start + part.shape[axis])
        start += part.shape[axis]


@dataclass(frozen=True, slots=True)
class Home:
    """Where a value belongs in a concatenation: on this axis, from start to stop."""

    whole: Value
    axis: int
    start: int
    stop: int

    def within(self, array: Array, shape: tuple[int, ...], timed: bool = False) -> Array:
        """That part of the array of the whole, in the value's own shape."""
        part = array[(slice(None),) * (self.axis + timed) + (slice(self.start, self.stop),)]
        view = part.reshape(shape)
        assert np.may_share_memory(view, array) or not view.size
        return view


def _homes(graph: Graph) -> dict[Value, Home]:
    """The values that are made where they belong in a concatenation.

    Only what a call of the same list makes, of the same dtype, and no view, can be made there; each in one place. What
    is reshaped on its way there, from (..., n, H) to (..., n H), is made there in its own shape.
    """
    homes: dict[Value, Home] = {}
    stacks = {out.outer for loop in graph.loops() for out in loop.stacks}
    kept = {v for loop in graph.loops() for c in loop.carries for v in (c.before, c.after, c.init)}
    kept |= {out.outer for loop in graph.loops() for out in loop.stacks if out.inner in kept}
    stacked = {out.inner for loop in graph.loops() for out in loop.stacks}
    outside = [item for item in graph.items if isinstance(item, Node)]
    for nodes in [outside, *graph.regions()]:
        made = {node.out: node for node in nodes}
        for node in nodes:
            if node.op.name != "concatenate":
                continue
            axis, start = option(node, "axis", len(node.args), 0) % node.out.ndim, 0
            for part in node.args:
                home = Home(node.out, axis, start, start + part.shape[axis])
                start = home.stop
                maker = made.get(part)
                if maker is not None and maker.op.name == "reshape" and part.shape[:-1] == maker.args[0].shape[:-2]:
                    part = maker.args[0]
                    maker = made.get(part)
                makes = (maker is not None and not is_view(maker)) or (nodes is outside and part in stacks)
                fits = part not in homes and part not in kept and part not in stacked and part.dtype == node.out.dtype
                if makes and fits:
                    homes[part] = home
    return homes
