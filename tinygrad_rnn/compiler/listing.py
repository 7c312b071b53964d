"""A program to be read: each call with its step, where its result lies, its shape, and the pass that made it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.compiler.lowering import Call
from tinygrad_rnn.compiler.storage import Layout, LoopCalls, PlainCall, Slot, StepCall
from tinygrad_rnn.graph.graph import Loop, Node, Value

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Instruction:
    """One call: `function(*arguments)`.

    `t` is its step, None outside of time; `call` what it says, as it stands in the listing; `buffer` the number of the
    memory that its result lies in, None for an input or a result of constants; `shape` that of its result; `by` the
    pass that made it, "tape" for a call of the forward pass and "backward" for one of the walk back.
    """

    t: Any
    call: str
    function: Any
    arguments: tuple[Any, ...]
    buffer: int | None
    shape: tuple[int, ...]
    by: str


class _Names:
    """What the operands and results of calls are called: by the name of the Value, else by where it lies."""

    def __init__(self, layout: Layout) -> None:
        self.memory = layout.memory
        self.inputs: dict[int | None, tuple[str, Array]] = {}  # by the number of their buffer
        for k, array in enumerate(layout.inputs):
            name = next((v.name for v, a in layout.arrays.items() if a is array and v.name), f"input{k}")
            self.inputs[self.memory.number(array)] = name, array

    def text(self, call: Call, node: Node | None, before: Collection[Value] = ()) -> str:
        """A call with its arguments, numbers and the like among them, and where its result goes."""
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

    def _name(self, a: Any, array: Any, before: Collection[Value]) -> str:
        if not isinstance(a, Value):
            return f"{a:g}" if isinstance(a, float) else repr(a)
        if a.name:
            return f"{a.name}_before" if a in before else a.name
        return self._place(array)

    def _place(self, array: Any) -> str:
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


def listed(layout: Layout) -> Iterator[tuple[Any, str, Call, Any, str]]:
    """All calls of a program, those of a step once: (which steps, its text, the call, its result's Slot, the pass)."""
    names = _Names(layout)
    for item in layout.calls:
        if isinstance(item, LoopCalls):
            yield from _of_loop(item, names)
        else:
            yield None, *_plain(item, names)


def _plain(item: PlainCall, names: _Names) -> tuple[str, Call, Any, str]:
    call, node = item
    return names.text(call, node), call, Slot(call.out), node.by if node else "loop"


def _of_loop(calls: LoopCalls, names: _Names) -> Iterator[tuple[Any, str, Call, Any, str]]:
    for item in calls.begin:
        yield None, *_plain(item, names)
    for steps, group in (("chunk", calls.prelude), ("step", calls.body)):
        for step in group:
            yield (calls.loop, steps), *_of_step(step, calls, names)
    for item in calls.end:
        yield None, *_plain(item, names)


def _of_step(step: StepCall, calls: LoopCalls, names: _Names) -> tuple[str, Call, Any, str]:
    before = [carry.before for carry in calls.loop.carries]
    return names.text(step.call, step.node, before), step.call, step.out, step.node.by if step.node else "loop"


def table(layout: Layout) -> str:
    """The program as text: a line for each call, those of a step once."""
    rows = [("", "call", "shape", "buffer", "by")]
    loop_before: Any = None
    for where, text, call, out, by in listed(layout):
        shape = out.array.shape[1:] if out.timed else call.out.shape
        number = layout.memory.number(out.array)
        buffer = "" if number is None else f"b{number}"
        place = ""
        if where is not None:
            loop, kind = where
            if where != loop_before:
                rows.append((_steps(loop, kind, layout), "", "", "", ""))
            place = "  "
        loop_before = where
        rows.append((place, text, str(tuple(shape)), buffer, by))
    widths = [max(len(row[k]) for row in rows if row[1]) for k in range(5)]
    lines = []
    for row in rows:
        if row[0] and not row[1]:
            lines.append(row[0])
        else:
            lines.append("  ".join(cell.ljust(n) for cell, n in zip(row, widths, strict=True)).rstrip())
    return "\n".join(lines)


def _steps(loop: Loop, kind: str, layout: Layout) -> str:
    first, last = loop.first, loop.first + loop.length - 1
    if loop.direction < 0:
        first, last = last, first
    if kind == "chunk":
        return f"ahead of each chunk of the steps t = {first} ... {last}:"
    return f"t = {first} ... {last}:"


def unrolled(layout: Layout) -> list[Instruction]:
    """Every call that the program makes, in order: those of a loop again for each step."""
    names = _Names(layout)
    found: list[Instruction] = []

    def add(t: Any, text: str, call: Call, out: Array, by: str) -> None:
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
