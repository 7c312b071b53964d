"""The tape rolled up by time: calls outside of time, and loops, each one step that repeats.

A `Graph` is what the passes work on. It is in single-assignment form: each `Value` is made once, by the node or loop
that comes before all of its readers, so a pass can move and replace calls without asking who overwrites what.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.core.recording import Scope
from tinygrad_rnn.core.table import PRIMITIVES, Primitive
from tinygrad_rnn.core.tensor import NO_KWARGS

Array = NDArray[Any]
DType = np.dtype[Any]
Argument = Any
"""An argument of a call: a Value, or a number, slice or shape as it stands."""

BACKWARD = "backward"
"""The mark of the calls that the walk back makes."""


@dataclass(eq=False, slots=True)
class Value:
    """A result of a call, an input or a constant, of one shape and dtype. Inside a loop, that of each step.

    `example` is an array of that shape and dtype, as recorded where there is one: derivative rules are read off it.
    """

    shape: tuple[int, ...]
    dtype: DType
    name: str | None = None
    constant: Array | None = None
    example: Array | None = None

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """The bytes of one array of that shape and dtype."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def sample(self) -> Array:
        """Return an array of that shape and dtype."""
        if self.constant is not None:
            return self.constant
        if self.example is not None:
            return self.example
        return np.broadcast_to(np.ones((), self.dtype), self.shape)


@dataclass(eq=False, slots=True)
class Node:
    """One call, `out = op(*args, **kwargs)`.

    `by` is the pass that made it, "tape" for a call of the tape. `scope` is that of the tape, without the step.
    """

    op: Primitive
    args: tuple[Argument, ...]
    out: Value
    kwargs: Mapping[str, Any] = field(default_factory=lambda: NO_KWARGS)
    scope: Scope = ()
    by: str = "tape"

    def reads(self) -> Iterator[Value]:
        """Return the Values among the arguments."""
        return (a for a in self.args if type(a) is Value)


@dataclass(eq=False, slots=True)
class Row:
    """A row that each step reads of an array with a time axis: at place k of the loop, inner = outer[offset + k]."""

    inner: Value
    outer: Value
    offset: int = 0


@dataclass(eq=False, slots=True)
class Carry:
    """A state, handed from step to step: `before` is the `after` of the step before, or `init` in the first step."""

    before: Value
    init: Value
    after: Value


@dataclass(eq=False, slots=True)
class Out:
    """A result of a loop: an outer Value, made of an inner Value of its steps."""

    inner: Value
    outer: Value


@dataclass(eq=False, slots=True)
class Loop:
    """Steps that are alike, as one body. With `direction` -1 the loop runs from the last place to the first.

    Outer arrays with a time axis are indexed by the place k = 0 ... length - 1, whatever the direction.
    `stacks`: outer[k] = inner of place k. `lasts`: that of the step that runs last. `sums`: over all steps.
    `prelude`: calls for a chunk of steps at once, before these steps; the Values with a time axis that they read are
    in `timed`. `first`: the label t of the step at place 0.
    """

    length: int
    direction: int
    body: list[Node] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    carries: list[Carry] = field(default_factory=list)
    stacks: list[Out] = field(default_factory=list)
    lasts: list[Out] = field(default_factory=list)
    sums: list[Out] = field(default_factory=list)
    prelude: list[Node] = field(default_factory=list)
    timed: set[Value] = field(default_factory=set)
    first: int = 0

    def inner(self) -> set[Value]:
        """Return all Values that differ from step to step."""
        found = {row.inner for row in self.rows} | {carry.before for carry in self.carries}
        return found | {node.out for node in self.body}

    def outs(self) -> list[Out]:
        """Return all results of the loop."""
        return [*self.stacks, *self.lasts, *self.sums]

    def reads(self) -> Iterator[Value]:
        """Return the Values from outside that the loop reads."""
        own = self.inner() | {node.out for node in self.prelude}
        everything: list[Value] = [row.outer for row in self.rows] + [carry.init for carry in self.carries]
        for node in [*self.prelude, *self.body]:
            everything += node.reads()
        everything += [out.inner for out in self.outs()] + [carry.after for carry in self.carries]
        return (v for v in everything if v not in own)

    def copy(self) -> Loop:
        """Return a loop with lists of its own, of the same nodes and Values."""
        return replace(
            self,
            body=self.body[:],
            rows=self.rows[:],
            carries=self.carries[:],
            stacks=self.stacks[:],
            lasts=self.lasts[:],
            sums=self.sums[:],
            prelude=self.prelude[:],
            timed=set(self.timed),
        )

    def stack_of(self, inner: Value) -> Value:
        """Return the array of all steps' values of `inner`: add it to the results of the loop if it is not there."""
        for out in self.stacks:
            if out.inner is inner:
                return out.outer
        name = f"{inner.name}s" if inner.name else None
        outer = Value((self.length, *inner.shape), inner.dtype, name)
        self.stacks.append(Out(inner, outer))
        return outer

    def row_of(self, outer: Value, offset: int = 0) -> Value:
        """Return the row that a step reads of `outer`, an array with a time axis."""
        for row in self.rows:
            if row.outer is outer and row.offset == offset:
                return row.inner
        name = outer.name[:-1] if outer.name and outer.name.endswith("s") else outer.name
        example = None if outer.example is None or not len(outer.example) else outer.example[0]
        inner = Value(outer.shape[1:], outer.dtype, name, example=example)
        self.rows.append(Row(inner, outer, offset))
        return inner


@dataclass(eq=False, slots=True)
class Graph:
    """A program before it has memory: inputs, calls and loops in order, and the results."""

    inputs: list[Value]
    items: list[Node | Loop]
    results: list[Value]

    def copy(self) -> Graph:
        """Return a graph with lists and loops of its own."""
        items = [item.copy() if isinstance(item, Loop) else item for item in self.items]
        return Graph(self.inputs[:], items, self.results[:])

    def loops(self) -> list[Loop]:
        """Return the loops, in order."""
        return [item for item in self.items if isinstance(item, Loop)]

    def regions(self) -> Iterator[list[Node]]:
        """Return the lists of calls inside loops: of each loop its prelude and its body."""
        for loop in self.loops():
            yield loop.prelude
            yield loop.body


def forget(graph: Graph) -> None:
    """Drop all examples: together they are as large as the tape."""
    for v in graph.inputs:
        v.example = None
    for item in graph.items:
        nodes = [item] if isinstance(item, Node) else [*item.prelude, *item.body]
        values = {v for node in nodes for v in (node.out, *node.reads())}
        if isinstance(item, Loop):
            values |= set(item.inner()) | set(item.reads()) | {out.outer for out in item.outs()}
        for v in values:
            v.example = None


def op(name: str) -> Primitive:
    """Return the primitive of that name."""
    return PRIMITIVES[name]


def readers(graph: Graph) -> dict[Value, int]:
    """Count how often each Value is read: by calls, by loops and as a result."""
    count: dict[Value, int] = {}

    def note(values: Iterable[Value]) -> None:
        for v in values:
            count[v] = count.get(v, 0) + 1

    for item in graph.items:
        if isinstance(item, Node):
            note(item.reads())
            continue
        for node in [*item.prelude, *item.body]:
            note(node.reads())
        note(row.outer for row in item.rows)
        note(out.inner for out in item.outs())
        for carry in item.carries:
            note((carry.init, carry.after))
    note(graph.results)
    return count


def substituted(graph: Graph, instead: Mapping[Value, Value]) -> Graph:
    """Return the graph in which `instead[v]` is read in the place of v."""
    if not instead:
        return graph

    def find(a: Argument) -> Argument:
        while type(a) is Value and a in instead:
            a = instead[a]
        return a

    def nodes(given: list[Node]) -> list[Node]:
        return [
            replace(n, args=tuple(find(a) for a in n.args)) if any(a in instead for a in n.reads()) else n
            for n in given
        ]

    items: list[Node | Loop] = []
    for item in graph.items:
        if isinstance(item, Node):
            items += nodes([item])
            continue
        items.append(
            replace(
                item,
                body=nodes(item.body),
                prelude=nodes(item.prelude),
                timed={find(v) for v in item.timed},
                rows=[Row(row.inner, find(row.outer), row.offset) for row in item.rows],
                carries=[Carry(c.before, find(c.init), find(c.after)) for c in item.carries],
                stacks=[Out(find(o.inner), o.outer) for o in item.stacks],
                lasts=[Out(find(o.inner), o.outer) for o in item.lasts],
                sums=[Out(find(o.inner), o.outer) for o in item.sums],
            )
        )
    return Graph(graph.inputs, items, [find(v) for v in graph.results])


Pass = Callable[[Graph], Graph]
