"""A program as text: each call with its step, the buffer and shape of its result, and the pass that made it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from tinygrad_rnn.compiler.lowering import Call, Function
from tinygrad_rnn.compiler.storage import Layout, LoopCalls, PlainCall, Slot, StepCall
from tinygrad_rnn.graph.graph import Argument, Array, Loop, Node, Value
from tinygrad_rnn.text_tables import aligned

Where = tuple[Loop, str] | None
"""The loop of a call, and "chunk" or "step"; None outside of time."""

Listed = tuple[str, Call, Slot, str]
"""The text of a call, the call, the place of its result, and the pass that made it."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One call: `function(*arguments)`.

    `t` is its step, or None outside of time, or the range of a chunk; `call` its text, as in the listing; `buffer` the
    number of the memory of its result, None for an input or a result of constants; `shape` that of its result; `by`
    the pass that made it, "tape" for a call of the forward pass and "backward" for one of the walk back.
    """

    t: int | range | None
    call: str
    function: Function
    arguments: tuple[Argument, ...]
    buffer: int | None
    shape: tuple[int, ...]
    by: str


class _Names:
    """The names of operands and results: that of the Value, else that of its memory."""

    def __init__(self, layout: Layout) -> None:
        self.memory = layout.memory
        self.inputs: dict[int | None, tuple[str, Array]] = {}  # by the number of their buffer
        for k, array in enumerate(layout.inputs):
            name = next((v.name for v, a in layout.arrays.items() if a is array and v.name), f"input{k}")
            self.inputs[self.memory.number(array)] = name, array

    def text(self, call: Call, node: Node | None, before: Collection[Value] = ()) -> str:
        """Return a call as text, with its result and all its arguments, numbers among them."""
        if node is None or node.op.name == "concatenate":
            operands, out = [self._place(a) for a in call.operands], self._place(call.out)
        else:
            arrays = list(call.operands)
            if len(arrays) != len(node.args):
                rest = iter(arrays[-sum(isinstance(a, Value) for a in node.args) :])
                arrays = [next(rest) if isinstance(a, Value) else a for a in node.args]
            operands = [self._name(a, array, before) for a, array in zip(node.args, arrays, strict=True)]
            out = node.out.name or self._place(call.out)
        return f"{out} = {call.name}({', '.join(operands)})"

    def _name(self, a: Argument, array: Argument, before: Collection[Value]) -> str:
        if not isinstance(a, Value):
            return f"{a:g}" if isinstance(a, float) else repr(a)
        if a.name:
            return f"{a.name}_before" if a in before else a.name
        return self._place(array)

    def _place(self, array: Argument) -> str:
        if not isinstance(array, np.ndarray):
            return repr(array)
        if array.ndim == 0 and not array.flags.writeable:
            return f"{array.item():g}" if array.dtype.kind == "f" else str(array.item())
        number = self.memory.number(array)
        if number is None:
            return f"constant{list(array.shape)}"
        if number in self.inputs:
            name, whole = self.inputs[number]
            turned = array.ndim > 1 and array.strides[0] < array.strides[-1] <= max(whole.strides, default=0)
            return f"{name}.T" if turned else name
        return self.memory.name(array)


def listed(layout: Layout) -> Iterator[tuple[Where, *Listed]]:
    """Yield all calls of a program, those of a step once."""
    names = _Names(layout)
    for item in layout.calls:
        if isinstance(item, LoopCalls):
            yield from _of_loop(item, names)
        else:
            yield None, *_plain(item, names)


def _plain(item: PlainCall, names: _Names) -> Listed:
    call, node = item
    return names.text(call, node), call, Slot(call.out), node.by if node else "loop"


def _of_loop(calls: LoopCalls, names: _Names) -> Iterator[tuple[Where, *Listed]]:
    for item in calls.begin:
        yield None, *_plain(item, names)
    for steps, group in (("chunk", calls.prelude), ("step", calls.body)):
        for step in group:
            yield (calls.loop, steps), *_of_step(step, calls, names)
    for item in calls.end:
        yield None, *_plain(item, names)


def _of_step(step: StepCall, calls: LoopCalls, names: _Names) -> Listed:
    before = [carry.before for carry in calls.loop.carries]
    return names.text(step.call, step.node, before), step.call, step.out, step.node.by if step.node else "loop"


def table(layout: Layout) -> str:
    """Return the program as text: a line for each call, those of a step once."""
    rows: list[tuple[str, ...]] = [("", "call", "shape", "buffer", "by")]
    loop_before: Where = None
    for where, text, call, out, by in listed(layout):
        shape = out.array.shape[1:] if out.timed else call.out.shape
        number = layout.memory.number(out.array)
        buffer = "" if number is None else f"b{number}"
        place = ""
        if where is not None:
            loop, kind = where
            if where != loop_before:
                rows.append((_steps(loop, kind, layout),))
            place = "  "
        loop_before = where
        rows.append((place, text, str(tuple(shape)), buffer, by))
    return "\n".join(aligned(rows))


def _steps(loop: Loop, kind: str, layout: Layout) -> str:
    first, last = loop.first, loop.first + loop.length - 1
    if loop.direction < 0:
        first, last = last, first
    if kind == "chunk":
        return f"ahead of each chunk of the steps t = {first} ... {last}:"
    return f"t = {first} ... {last}:"


def unrolled(layout: Layout) -> list[Instruction]:
    """Return every call that the program makes, in order: those of a loop again for each step."""
    names = _Names(layout)
    found: list[Instruction] = []

    def add(t: int | range | None, text: str, call: Call, out: Array, by: str) -> None:
        function, arguments = call.bound()
        found.append(Instruction(t, text, function, arguments, layout.memory.number(out), out.shape, by))

    for item in layout.calls:
        if not isinstance(item, LoopCalls):
            text, call, out, by = _plain(item, names)
            add(None, text, call, out.array, by)
            continue
        for begin in item.begin:
            text, call, out, by = _plain(begin, names)
            add(None, text, call, out.array, by)
        for start, stop in item.chunks():
            for step in item.prelude:
                text, _, _, by = _of_step(step, item, names)
                call = item.for_chunk(step, start, stop)
                add(range(item.loop.first + start, item.loop.first + stop), text, call, call.out, by)
            places = range(start, stop)
            for k in places if item.loop.direction > 0 else reversed(places):
                for step in item.body:
                    text, _, _, by = _of_step(step, item, names)
                    call = item.for_step(step, k, start)
                    add(item.loop.first + k, text, call, call.out, by)
        for end in item.end:
            text, call, out, by = _plain(end, names)
            add(None, text, call, out.array, by)
    return found
