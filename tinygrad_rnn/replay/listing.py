"""A program to be read: each call with its step, where its result lies, its shape, and the pass that made it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.replay.graph import Loop, Node, Value
from tinygrad_rnn.replay.lowering import Call
from tinygrad_rnn.replay.slots import Layout, LoopCalls, Slot, StepCall

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


class Names:
    """What the arrays of a program are called: by the Value that is there, else by their buffer."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.of: dict[Any, str] = {}
        self.inputs: dict[int, tuple[str, Array]] = {}  # by the number of their buffer
        for k, array in enumerate(layout.inputs):
            name = next((v.name for v, a in layout.arrays.items() if a is array and v.name), f"input{k}")
            number = layout.memory.number(array)
            if number is not None:
                self.inputs[number] = name, array
        for v, array in layout.arrays.items():
            if v.name:
                self.of.setdefault(Slot(array).key, v.name)

    def name(self, array: Any, named: dict[Any, str], timed: bool = False) -> str:
        """The name of an array, or of the row of it that a step reads."""
        if not isinstance(array, np.ndarray):
            return repr(array)
        if array.ndim == 0 and not array.flags.writeable:
            return f"{array.item():g}" if array.dtype.kind == "f" else str(array.item())
        key = Slot(array, timed).key
        found = named.get(key) or self.of.get(key)
        if found:
            return found
        number = self.layout.memory.number(array)
        if number is None:
            return f"constant{list(array.shape)}"
        if number in self.inputs:
            name, whole = self.inputs[number]
            turned = array.ndim > 1 and array.strides[0] < array.strides[-1] <= max(whole.strides, default=0)
            return f"{name}.T" if turned else name
        return self.layout.memory.name(array)

    def call(self, call: Call, node: Node | None, operands: list[str], out: str) -> str:
        """A call with its arguments, numbers and the like among them, and where its result goes."""
        if node is not None and not call.writes and not node.kwargs:
            given = iter(operands)
            operands = [next(given) if isinstance(a, Value) else repr(a) for a in node.args]
        return f"{out} = {call.name}({', '.join(operands)})"


def listed(layout: Layout) -> Iterator[tuple[Any, str, Call, Any, str]]:
    """All calls of a program, those of a step once: (which steps, its text, the call, its result's Slot, the pass)."""
    names = Names(layout)
    for item in layout.calls:
        if isinstance(item, LoopCalls):
            yield from _of_loop(item, names)
        else:
            yield None, *_plain(item, names)


def _plain(item: tuple[Call, Node | None], names: Names) -> tuple[str, Call, Any, str]:
    call, node = item
    operands = [names.name(a, {}) for a in call.operands]
    text = names.call(call, node, operands, names.name(call.out, {}))
    return text, call, Slot(call.out), node.by if node else "loop"


def _of_loop(calls: LoopCalls, names: Names) -> Iterator[tuple[Any, str, Call, Any, str]]:
    for item in calls.begin:
        yield None, *_plain(item, names)
    for steps, group in (("chunk", calls.prelude), ("step", calls.body)):
        for step in group:
            yield (calls.loop, steps), *_of_step(step, calls, names)
    for item in calls.end:
        yield None, *_plain(item, names)


def _of_step(step: StepCall, calls: LoopCalls, names: Names) -> tuple[str, Call, Any, str]:
    operands = [names.name(s.array, calls.named, s.timed) for s in step.operands]
    text = names.call(step.call, step.node, operands, names.name(step.out.array, calls.named, step.out.timed))
    return text, step.call, step.out, step.node.by if step.node else "loop"


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
    names = Names(layout)
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


def run_through(instructions: list[Instruction]) -> None:
    """Run a program call by call, as its list says: what a debugger steps through."""
    for instruction in instructions:
        instruction.function(*instruction.arguments)
