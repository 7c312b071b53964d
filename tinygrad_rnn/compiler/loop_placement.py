"""The memory of one loop: of values that other loops read, of states, and of values that a step forgets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from tinygrad_rnn.compiler.liveness import Destination, Liveness, owners
from tinygrad_rnn.compiler.lowering import Call, as_complex, as_pairs, complex_product, copied, lowered
from tinygrad_rnn.compiler.memory import Bytes, Memory
from tinygrad_rnn.compiler.rows_written_over import in_a_step, rows_written_over, writes_over
from tinygrad_rnn.compiler.storage import LoopCalls, Slot, StepCall
from tinygrad_rnn.compiler.timed_views import view_of_chunk, view_of_rows
from tinygrad_rnn.graph.batching import elementwise, is_view, option
from tinygrad_rnn.graph.graph import Argument, Array, Carry, Loop, Node, Value

CHUNK = 256 * 1024
"""The most bytes of a value for a chunk of steps: values computed ahead of the steps stay in the cache."""


class Outside(Protocol):
    """The memory outside of a loop, as the loop needs it."""

    reuse: bool
    memory: Memory
    arrays: dict[Value, Array]
    raw: dict[Value, Bytes]
    destinations: dict[Value, Destination]
    liveness: Liveness

    def array(self, v: Argument) -> Argument:
        """Return the array of a value; other arguments as they stand."""

    def new(self, v: Value) -> Array:
        """Return memory for a result of the loop."""


class LoopPlanner:
    """Gives every value of a loop its place, and writes its calls."""

    def __init__(self, outside: Outside, loop: Loop, ending: Collection[Value]) -> None:
        self.outside = outside
        self.loop = loop
        self.ending = ending  # what nothing but this loop reads from here on
        self.memory = outside.memory
        self.destinations = outside.destinations
        self.slots: dict[Value, Slot] = {}
        self.raw: dict[Value, Bytes] = {}  # the bytes of a step's or a chunk's own values
        self.stacked = {out.inner: out.outer for out in loop.stacks}
        self.calls = LoopCalls(loop, _chunk(loop))

    def planned(self) -> LoopCalls:
        """Return the calls of the loop."""
        for carry in self.loop.carries:
            self._carried(carry)
        self._over_rows()
        for out in self.loop.outs():
            # Results of the loop come before values that a step forgets, whose memory is written at every step.
            # A part of a larger array brings the whole array; other views come with their source.
            if out.outer in self.destinations or out.outer not in self.outside.liveness.owner:
                self.outside.new(out.outer)
        self._prelude()
        self._rows()
        self._body()
        self._results()
        self._hand_over()
        for held in self.raw.values():
            self.memory.back(held)
        self._name()
        return self.calls

    # -------------------------------------------------------------------------------- from step to step

    def _carried(self, carry: Carry) -> None:
        """Place a state: in one array with its first value if all are kept, else where the next is written over it."""
        loop, start = self.loop, self.outside.array(carry.init)
        kept = [self.stacked[v] for v in (carry.after, carry.before) if v in self.stacked]
        made_here = any(node.out is carry.after for node in loop.body) and carry.after not in self.slots
        if not kept or not made_here:
            if carry.before in self.stacked:
                self.outside.liveness.detach(self.stacked[carry.before])
            array, self.raw[carry.before] = self.memory.array(carry.before.shape, carry.before.dtype)
            self.slots[carry.before] = Slot(array)
            self.calls.begin.append((copied(start, array), None))
            return
        array, raw = self.memory.array((loop.length + 1, *carry.before.shape), carry.before.dtype)
        before, after = (array[:-1], array[1:]) if loop.direction > 0 else (array[1:], array[:-1])
        for inner, part in ((carry.before, before), (carry.after, after)):
            self.slots[inner] = Slot(part, timed=True)
            if inner in self.stacked:
                self.outside.arrays.setdefault(self.stacked[inner], part)
        self.outside.raw[self.outside.liveness.root(kept[0])] = raw
        self.calls.begin.append((copied(start, array[0 if loop.direction > 0 else -1, ...]), None))

    def _over_rows(self) -> None:
        """Place results over the rows that the same steps read for the last time."""
        outside = self.outside
        if not outside.reuse:
            return
        for stack, rows in rows_written_over(self.loop, self.destinations, outside.liveness, self.ending).items():
            free = stack not in outside.arrays and stack not in self.destinations
            root, array = outside.liveness.root(rows), outside.arrays[rows]
            whole = root in outside.raw and array.nbytes == outside.raw[root].nbytes and array.flags.c_contiguous
            if free and whole and stack not in outside.liveness.owner:
                outside.arrays[stack], outside.raw[stack] = array, outside.raw.pop(root)

    def _hand_over(self) -> None:
        """Copy each state, at the end of a step, to the place where the next step reads it, if it is not there."""
        handed = [StepCall(self._copied(a, b), (a,), b, None) for a, b in self._handed()]
        first = len(self.calls.body)
        self.calls.body += handed
        for c in handed:
            # States that change places, or are delayed, are read before they are written over: by way of a third.
            if any(np.may_share_memory(c.operands[0].array, d.out.array) for d in handed if d is not c):
                array, raw = self.memory.array(c.call.out.shape, c.call.out.dtype)
                self.raw[Value(array.shape, array.dtype)] = raw
                aside = StepCall(copied(c.call.operands[0], array), c.operands, Slot(array), None)
                self.calls.body.insert(first, aside)
                c.call, c.operands = copied(array, c.call.out), (Slot(array),)

    def _handed(self) -> list[tuple[Slot, Slot]]:
        """Return the copies from step to step: where a state is made, and where the next step reads it."""
        pairs = [(self._slot(carry.after), self.slots[carry.before]) for carry in self.loop.carries]
        return [(a, b) for a, b in pairs if not b.timed and not same_memory(b.array, a.array)]

    # -------------------------------------------------------------------------------- ahead of a chunk

    def _prelude(self) -> None:
        nodes = self.loop.prelude
        liveness = Liveness(
            [list(n.reads()) for n in nodes], owners(nodes, self.destinations), [r.outer for r in self.loop.rows]
        )
        for k, node in enumerate(nodes):
            operands = [self._ahead(a) for a in node.args]
            if is_view(node):
                view = view_of_chunk(node, operands[0])
                if np.may_share_memory(view, operands[0].array):
                    self.slots[node.out] = Slot(view, True, operands[0].ahead)
                    continue
                liveness.detach(node.out)
            self._write(self.calls.prelude, node, operands, liveness, k)
        if not self.calls.prelude:  # views alone: there is nothing to be cut into chunks for
            self.calls.chunk = self.loop.length

    def _ahead(self, a: Argument) -> Argument:
        """Return the place of an argument of a call ahead of a chunk."""
        if not isinstance(a, Value) or a in self.slots:
            return self.slots[a] if isinstance(a, Value) else a
        slot = Slot(self.outside.array(a), timed=a in self.loop.timed)
        if a.name:
            self.calls.named.setdefault(slot.key, a.name)
        return slot

    def _rows(self) -> None:
        for row in self.loop.rows:
            if row.outer in self.slots:
                self.slots[row.inner] = self.slots[row.outer]
            else:
                rows = self.outside.array(row.outer)[row.offset : row.offset + self.loop.length]
                self.slots[row.inner] = Slot(rows, timed=True)

    # -------------------------------------------------------------------------------- in a step

    def _body(self) -> None:
        loop, nodes = self.loop, self.loop.body
        liveness = in_a_step(loop, self.destinations)
        handed = {c.after: c.before for c in loop.carries if c.before in self.raw}
        for k, node in enumerate(nodes):
            operands = [self._slot(a) for a in node.args]
            if is_view(node):
                if self._view(node, operands[0]):
                    continue
                liveness.detach(node.out)
            before = handed.get(node.out)
            if before is not None and node.out not in self.slots and self._may_overwrite(before, node, k, liveness):
                self.slots[node.out] = self.slots[before]
            self._write(self.calls.body, node, operands, liveness, k)

    def _slot(self, v: Argument) -> Argument:
        """Return the place of an argument of a step's call; numbers and the like as they stand."""
        if not isinstance(v, Value):
            return v
        if v not in self.slots:
            self.slots[v] = Slot(self.outside.array(v))
        return self.slots[v]

    def _view(self, node: Node, source: Slot) -> bool:
        """Take the view once for all steps and return True, if it is a view and need not lie elsewhere."""
        if node.out in self.stacked or node.out in self.slots:
            return False
        if source.timed:
            view = view_of_rows(node, source.array)
        else:
            view = node.op.function(source.array, *node.args[1:], **node.kwargs)
        if not isinstance(view, np.ndarray) or not np.may_share_memory(view, source.array):
            return False
        self.slots[node.out] = Slot(view, source.timed, source.ahead)
        return True

    def _may_overwrite(self, before: Value, node: Node, k: int, liveness: Liveness) -> bool:
        """May the next state be written over the state of this step?"""
        read_later = any(o.inner is before for o in self.loop.outs())
        read_later |= any(c.after is before for c in self.loop.carries)
        if not self.outside.reuse or read_later:
            return False
        last = liveness.last(before)
        return last < k or (last == k and elementwise(node) and isinstance(node.op.function, np.ufunc))

    # -------------------------------------------------------------------------------- calls

    def _write(
        self, calls: list[StepCall], node: Node, operands: Sequence[Argument], liveness: Liveness, k: int
    ) -> None:
        """Find a place for the result, append the call, and give back memory that no later call reads."""
        ahead = calls is self.calls.prelude
        carried = {c.before for c in self.loop.carries}
        ending = [v for v in liveness.ending(k) if v in self.raw and v not in carried]
        if self.outside.reuse and node.out not in self.destinations and node.out not in self.slots:
            for v in writes_over(node, ending, self.raw):
                self.memory.back(self.raw.pop(v))
        out = self._place(node.out, ahead)
        if node.op.name == "concatenate":
            self._side_by_side(calls, node, operands, out)
        else:
            self._call(calls, node, operands, out)
        for v in ending:
            if v in self.raw:
                self.memory.back(self.raw.pop(v))

    def _place(self, v: Value, ahead: bool) -> Slot:
        """Return the place of the result of a call."""
        if v not in self.slots:
            shape = (self.calls.chunk, *v.shape[1:]) if ahead else v.shape
            if v in self.stacked:
                self.slots[v] = Slot(self.outside.new(self.stacked[v]), timed=True)
            elif v in self.destinations:
                destination = self.destinations[v]
                whole = self._place(destination.whole, ahead)
                if whole.timed and not ahead:
                    shape = (self.loop.length, *shape)
                part = destination.within(whole.array, shape, whole.timed and not ahead)
                self.slots[v] = Slot(part, whole.timed, ahead)
            else:
                array, self.raw[v] = self.memory.array(shape, v.dtype)
                self.slots[v] = Slot(array, timed=ahead, ahead=ahead)
        return self.slots[v]

    def _call(self, calls: list[StepCall], node: Node, operands: Sequence[Argument], out: Slot) -> None:
        ahead = calls is self.calls.prelude
        if node.op.name == "complex_multiply" and self.outside.reuse:
            numbers = [(s, as_complex(s.array)) for s in (*operands, out)]
            if all(array is not None for _, array in numbers):
                a, b, product = (replace(s, array=array) for s, array in numbers)
                call = complex_product(*(self._some(s, ahead) for s in (a, b, product)))
                calls.append(StepCall(call, (a, b), product, node))
                return
        arrays = [self._some(a, ahead) if isinstance(a, Slot) else a for a in operands]
        call = lowered(node, arrays, self._some(out, ahead), self.outside.reuse, in_steps=True)
        known = {id(array): a for array, a in zip(arrays, operands, strict=True) if isinstance(a, Slot)}
        slots = tuple(known[id(a)] if id(a) in known else Slot(np.asarray(a)) for a in call.operands)
        calls.append(StepCall(call, slots, out, node))

    def _some(self, slot: Slot, ahead: bool) -> Array:
        """Return the array of one step or one chunk, which stands for all: it decides the form of a call."""
        if not slot.timed:
            return slot.array
        return slot.array[: self.calls.chunk] if ahead else slot.array[0, ...]

    def _side_by_side(self, calls: list[StepCall], node: Node, operands: Sequence[Argument], out: Slot) -> None:
        ahead = calls is self.calls.prelude
        own = option(node, "axis", len(node.args), 0) % node.out.ndim
        axis = own + (out.timed and not ahead)
        start = 0
        for part, a in zip(operands, node.args, strict=True):
            stop = start + a.shape[own]
            target = Slot(out.array[(slice(None),) * axis + (slice(start, stop),)], out.timed, out.ahead)
            start = stop
            if part.timed != target.timed or not same_memory(part.array, target.array):
                call = copied(self._some(part, ahead), self._some(target, ahead))
                calls.append(StepCall(call, (part,), target, node))

    def _copy(self, source: Slot, target: Slot) -> None:
        self.calls.body.append(StepCall(self._copied(source, target), (source,), target, None))

    def _copied(self, source: Slot, target: Slot) -> Call:
        return copied(self._some(source, False), self._some(target, False))

    # -------------------------------------------------------------------------------- what the loop gives

    def _results(self) -> None:
        loop, final = self.loop, (-1 if self.loop.direction > 0 else 0)
        for out in loop.sums:
            total, part = Slot(self.outside.new(out.outer)), self._slot(out.inner)
            self.calls.begin.append((copied(np.zeros((), total.array.dtype), total.array), None))
            call = Call(np.add, (total.array, self._some(part, False)), total.array, True, "add")
            self.calls.body.append(StepCall(call, (total, part), total, None))
        for out in loop.stacks:
            held, place = self._slot(out.inner), Slot(self.outside.new(out.outer), timed=True)
            if not (held.timed and same_memory(held.array, place.array)):
                self._copy(held, place)
        for out in loop.lasts:
            if out.outer in self.outside.liveness.owner:
                self.outside.arrays[out.outer] = self.outside.arrays[self.stacked[out.inner]][final, ...]
                continue
            held = self._slot(out.inner)
            if not held.timed and any(np.may_share_memory(held.array, b.array) for _, b in self._handed()):
                self._copy(held, Slot(self.outside.new(out.outer)))  # in each step, before the next one's is there
                continue
            if held.ahead and loop.direction > 0:  # in the chunk that runs last
                final = (loop.length - 1) % self.calls.chunk
            source = held.array[final, ...] if held.timed else held.array
            self.calls.end.append((copied(source, self.outside.new(out.outer)), None))

    def _name(self) -> None:
        """Name the memory of the loop: by the value that lies there, else by its number."""
        named = self.calls.named
        for carry in self.loop.carries:
            if carry.before.name:
                named.setdefault(self.slots[carry.before].key, f"{carry.before.name}_before")
        for v, slot in self.slots.items():
            if v.name:
                named.setdefault(slot.key, v.name)
        for step in [*self.calls.prelude, *self.calls.body]:
            for slot in [*step.operands, step.out]:
                reals = replace(slot, array=as_pairs(slot.array)) if slot.array.dtype.kind == "c" else slot
                name = named.get(reals.key) or self.memory.name(reals.array)
                named.setdefault(slot.key, f"{name}_complex" if reals is not slot else name)


def _chunk(loop: Loop) -> int:
    """Return the number of steps of a chunk."""
    if not loop.prelude:
        return loop.length
    most = max(node.out.nbytes for node in loop.prelude) // loop.length
    return max(1, min(loop.length, CHUNK // max(most, 1)))


def same_memory(a: Array, b: Array) -> bool:
    """Are these the same entries?"""
    same = a.__array_interface__["data"] == b.__array_interface__["data"]
    return bool(same and a.strides == b.strides and a.shape == b.shape)
