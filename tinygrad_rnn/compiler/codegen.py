"""The loops of a program as plain NumPy code, as a person would write it: one line a call, for any number of steps.

Each loop is a function. Its arguments are an iterable with the arrays of each step (views, taken once) and the arrays
that are the same for all steps. So a step does nothing but compute.
"""

from __future__ import annotations

import itertools
import keyword
import re
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from types import CodeType

import numpy as np

from tinygrad_rnn.compiler.storage import LoopCalls, Slot, StepCall
from tinygrad_rnn.graph.graph import Array

MANY = 2048
"""The number of steps above which the views of a step are taken when it runs, and not kept."""

TEXTS = 256
"""The number of loops whose text is kept compiled."""

_COMPILED: dict[str, CodeType] = {}


@dataclass(slots=True)
class LoopSource:
    """The text of one loop's function, the function, and its arguments."""

    name: str
    text: str
    function: Callable[..., None]
    arguments: tuple[object, ...]


class Steps:
    """The arrays of each step: rows of arrays with a time axis, taken when they are asked for."""

    def __init__(self, arrays: list[Array], places: range) -> None:
        self.arrays, self.places = arrays, places

    def __iter__(self) -> Iterator[tuple[Array, ...]]:
        arrays = self.arrays
        return (tuple([a[k, ...] for a in arrays]) for k in self.places)


def written(calls: LoopCalls, name: str) -> LoopSource:
    """Write the function of one loop, and its arguments."""
    return _Writer(calls, name).source()


@dataclass(slots=True)
class _Names:
    """Names for arrays and functions, each distinct."""

    hints: dict[Hashable, str]
    of: dict[Hashable, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def name(self, key: Hashable, hint: str) -> str:
        if key not in self.of:
            base = re.sub(r"\W+", "_", self.hints.get(key) or hint).strip("_") or "v"
            base = f"{base}_" if keyword.iskeyword(base) else f"v{base}" if base[0].isdigit() else base
            found = base
            for number in itertools.count(1):
                if found not in self.taken:
                    break
                found = f"{base}_{number}"
            self.taken.add(found)
            self.of[key] = found
        return self.of[key]


class _Writer:
    def __init__(self, calls: LoopCalls, name: str) -> None:
        self.calls = calls
        self.name = name
        self.names = _Names(calls.named, taken={"steps", "chunks"})
        self.shared: dict[str, object] = {}  # arrays and functions for all steps, by name
        self.of_chunk: dict[str, Slot] = {}
        self.of_step: dict[str, Slot] = {}

    def source(self) -> LoopSource:
        ahead = [self._line(call, self.of_chunk) for call in self.calls.prelude]
        places = list(self.calls.chunks())
        chunked = bool(ahead) or len(places) != 1
        body = [self._line(call, self.of_step) for call in self.calls.body]
        lines = []
        if chunked:
            lines += [f"    for {_tuple(self.of_chunk)}, steps in chunks:", *(f"        {line}" for line in ahead)]
        indent = "        " if chunked else "    "
        if body:
            lines += [f"{indent}for {_tuple(self.of_step)} in steps:", *(f"{indent}    {line}" for line in body)]
        first = "chunks" if chunked else "steps"
        head = f"def {self.name}({', '.join([first, *self.shared])}):"
        text = "\n".join([head, *(lines or ["    pass"]), ""])
        if text not in _COMPILED:
            if len(_COMPILED) >= TEXTS:
                _COMPILED.clear()
            _COMPILED[text] = compile(text, f"<{self.name}>", "exec")
        space: dict[str, Callable[..., None]] = {}
        exec(_COMPILED[text], space)
        chunks = [self._chunk(start, stop) for start, stop in places]
        given = chunks if chunked else chunks[0][1]
        return LoopSource(self.name, text, space[self.name], (given, *self.shared.values()))

    def _line(self, step: StepCall, varying: dict[str, Slot]) -> str:
        call = step.call
        operands = [self._operand(slot, varying) for slot in step.operands]
        out = self._operand(step.out, varying)
        if call.method:
            return f"{operands[0]}.{call.name}({', '.join([*operands[1:], out])})"
        function = self.names.name(call.function, call.name)
        self.shared[function] = call.function
        if call.function is np.copyto:
            return f"{function}({out}, {operands[0]})"
        if call.writes:
            return f"{function}({', '.join([*operands, out])})"
        return f"{out}[...] = {function}({', '.join(operands)})"

    def _operand(self, slot: Slot, varying: dict[str, Slot]) -> str:
        array = slot.array
        if not slot.timed:
            if array.ndim == 0 and not array.flags.writeable:
                name = self.names.name((array.tobytes(), array.dtype.char), _number_name(array.item()))
            else:
                name = self.names.name(slot.key, "a")
            if name not in self.shared or array.flags.writeable:  # a part of a spread array lies there too, read-only
                self.shared[name] = array
            return name
        name = self.names.name((slot.key, varying is self.of_chunk), self.calls.named.get(slot.key, "v"))
        if name not in varying or array.flags.writeable:
            varying[name] = slot
        return name

    def _chunk(self, start: int, stop: int) -> tuple[tuple[Array, ...], Steps | list[tuple[Array, ...]]]:
        ahead = tuple(
            slot.array[: stop - start] if slot.ahead else slot.array[start:stop] for slot in self.of_chunk.values()
        )
        rows = [slot.array[: stop - start] if slot.ahead else slot.array[start:stop] for slot in self.of_step.values()]
        count = stop - start
        places = range(count) if self.calls.loop.direction > 0 else range(count - 1, -1, -1)
        if self.calls.loop.length > MANY:
            return ahead, Steps(rows, places)
        lists = [[a[k, ...] for k in places] if a.ndim == 1 else list(a[:: places.step]) for a in rows]
        return ahead, list(zip(*lists, strict=True)) if rows else [()] * count


def _tuple(names: dict[str, Slot]) -> str:
    return f"({', '.join(names)},)" if names else "_"


def _number_name(value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    words = {"1": "one", "2": "two", "0": "zero", "0.5": "half", "True": "true", "False": "false"}
    return words.get(text, "number")
