"""A program with its memory: calls on arrays, and loops of calls on rows of arrays."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field, replace

from tinygrad_rnn.compiler.lowering import Call
from tinygrad_rnn.compiler.memory import Memory
from tinygrad_rnn.graph.graph import Array, Loop, Node, Value

PlainCall = tuple[Call, Node | None]
"""A call outside of time, and its call of the graph: None for a call that fills memory for a loop."""


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of a value of a loop: one array for all steps, or (`timed`) a row of an array with a time axis.

    `ahead`: that array has the places of one chunk of steps.
    """

    array: Array
    timed: bool = False
    ahead: bool = False

    @property
    def key(self) -> Hashable:
        """A key that is equal for two Slots that read the same memory in the same way."""
        a = self.array
        return a.__array_interface__["data"][0], a.shape, a.strides, a.dtype.char, self.timed


@dataclass(slots=True)
class StepCall:
    """A call of each step: its form, for the arrays of one step, and the places of its operands and its result."""

    call: Call
    operands: tuple[Slot, ...]
    out: Slot
    node: Node | None


@dataclass(slots=True)
class LoopCalls:
    """A loop with its memory: calls before it, for each chunk of steps, for each step, and after it.

    `named`: the names of memory in the text of the loop, by the keys of Slots.
    """

    loop: Loop
    chunk: int
    begin: list[PlainCall] = field(default_factory=list)
    prelude: list[StepCall] = field(default_factory=list)
    body: list[StepCall] = field(default_factory=list)
    end: list[PlainCall] = field(default_factory=list)
    named: dict[Hashable, str] = field(default_factory=dict)

    def chunks(self) -> Iterator[tuple[int, int]]:
        """Yield the places of each chunk, start and stop, in the order in which they run."""
        starts = range(0, self.loop.length, self.chunk)
        for start in starts if self.loop.direction > 0 else reversed(starts):
            yield start, min(start + self.chunk, self.loop.length)

    def for_chunk(self, step: StepCall, start: int, stop: int) -> Call:
        """Return a call ahead of one chunk of steps."""

        def array(slot: Slot) -> Array:
            if not slot.timed:
                return slot.array
            return slot.array[: stop - start] if slot.ahead else slot.array[start:stop]

        return replace(step.call, operands=tuple(map(array, step.operands)), out=array(step.out))

    def for_step(self, step: StepCall, k: int, start: int) -> Call:
        """Return a call of the step at place k, in the chunk that begins at `start`."""

        def array(slot: Slot) -> Array:
            return slot.array[k - start if slot.ahead else k, ...] if slot.timed else slot.array

        return replace(step.call, operands=tuple(map(array, step.operands)), out=array(step.out))


@dataclass(slots=True)
class Layout:
    """The whole program with its memory; `arrays` by the values outside of loops.

    `allocating`: by the place of a call whose result the caller alone reads, the place among the results.
    """

    memory: Memory
    inputs: list[Array]
    calls: list[PlainCall | LoopCalls]
    results: list[Array]
    arrays: dict[Value, Array] = field(default_factory=dict)
    allocating: dict[int, int] = field(default_factory=dict)
