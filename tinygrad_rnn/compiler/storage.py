"""A program with its memory: calls on arrays, and loops of calls on rows of arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import NDArray

from tinygrad_rnn.compiler.lowering import Call
from tinygrad_rnn.compiler.memory import Memory
from tinygrad_rnn.graph.graph import Loop, Node, Value

Array = NDArray[Any]
PlainCall = tuple[Call, Node | None]
"""A call outside of time, and the call of the graph that it makes: None for one that fills memory for a loop."""


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
    """A loop with its memory: calls before it, for each chunk of steps, for each step, and after it.

    `named`: what the memory is called where it is read, by the keys of Slots.
    """

    loop: Loop
    chunk: int
    begin: list[PlainCall] = field(default_factory=list)
    prelude: list[StepCall] = field(default_factory=list)
    body: list[StepCall] = field(default_factory=list)
    end: list[PlainCall] = field(default_factory=list)
    named: dict[Any, str] = field(default_factory=dict)

    def chunks(self) -> Iterator[tuple[int, int]]:
        """The places of each chunk, start and stop, in the order in which they run."""
        starts = range(0, self.loop.length, self.chunk)
        for start in starts if self.loop.direction > 0 else reversed(starts):
            yield start, min(start + self.chunk, self.loop.length)

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


@dataclass(slots=True)
class Layout:
    """The whole program with its memory; `arrays` by the values outside of loops.

    `anew`: calls, by their place in the list, whose result nobody reads but the caller, and which result that is.
    """

    memory: Memory
    inputs: list[Array]
    calls: list[PlainCall | LoopCalls]
    results: list[Array]
    arrays: dict[Value, Array] = field(default_factory=dict)
    anew: dict[int, int] = field(default_factory=dict)
