"""The memory of each value of a graph, and the calls that fill it.

A view costs nothing: it is taken once, here. The parts of a concatenation are computed where they belong in the whole
(`alias`): the gradient of a cut is written, gate by gate, into the array that the next product reads. The states of a
loop lie in one array with one place more than there are steps, so h_{t-1} and h_t are rows of the same memory. Memory
that no later call reads is written over (`reuse`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinygrad_rnn.compiler.liveness import Liveness, destinations_of, owners
from tinygrad_rnn.compiler.loop_placement import LoopPlanner, same_memory
from tinygrad_rnn.compiler.lowering import copied, lowered
from tinygrad_rnn.compiler.memory import Bytes, Memory
from tinygrad_rnn.compiler.rows_written_over import writes_over
from tinygrad_rnn.compiler.storage import Layout, LoopCalls, PlainCall
from tinygrad_rnn.graph.batching import elementwise, is_view, option
from tinygrad_rnn.graph.graph import Argument, Array, Graph, Node, Value, readers


def laid_out(graph: Graph, alias: bool = True, reuse: bool = True) -> Layout:
    """Give every value of a graph its place."""
    return _Planner(graph, alias, reuse).layout()


class _Planner:
    """The memory outside of time; a `LoopPlanner` asks it for the arrays that a loop reads and gives."""

    def __init__(self, graph: Graph, alias: bool, reuse: bool) -> None:
        self.graph = graph
        self.reuse = reuse
        self.memory = Memory(reuse)
        self.arrays: dict[Value, Array] = {}
        self.raw: dict[Value, Bytes] = {}  # the bytes of those that own theirs
        self.destinations = destinations_of(graph) if alias else {}
        self.liveness = Liveness([list(item.reads()) for item in graph.items], self._owners(), graph.results)
        self.handed_out = self._handed_out()
        self.allocating: dict[int, int] = {}
        self.fixed: set[Value] = set()  # known before the program runs
        self.calls: list[PlainCall | LoopCalls] = []

    def layout(self) -> Layout:
        inputs = []
        for v in self.graph.inputs:
            self.arrays[v], _ = self.memory.array(v.shape, v.dtype)
            inputs.append(self.arrays[v])
        for k, item in enumerate(self.graph.items):
            if isinstance(item, Node):
                self._node(item, k)
            else:
                self.calls.append(LoopPlanner(self, item, self.liveness.ending(k)).planned())
            for v in self.liveness.ending(k):
                self.give_back(v)
        results = [self.array(v) for v in self.graph.results]
        return Layout(self.memory, inputs, self.calls, results, self.arrays, self.allocating)

    def _owners(self) -> dict[Value, Value]:
        """Return the owners of all values: of parts, of views, and of the states that a loop takes and gives."""
        found = owners([item for item in self.graph.items if isinstance(item, Node)], self.destinations)
        found |= {v: destination.whole for v, destination in self.destinations.items()}
        for loop in self.graph.loops():
            stacked = {out.inner: out.outer for out in loop.stacks}
            for carry in loop.carries:
                before, after = stacked.get(carry.before), stacked.get(carry.after)
                if before is not None and after is not None:
                    found.setdefault(before, after)
            found |= {out.outer: stacked[out.inner] for out in loop.lasts if out.inner in stacked}
        return found

    def _handed_out(self) -> dict[Value, int]:
        """Return the places of results that the caller alone reads: they need no memory here."""
        count = readers(self.graph)
        shared = {*self.liveness.owner, *self.liveness.owner.values()}
        return {v: k for k, v in enumerate(self.graph.results) if count[v] == 1 and v not in shared}

    # ------------------------------------------------------------------------------------ memory

    def array(self, v: Argument) -> Argument:
        """Return the array of an outer value; other arguments as they stand."""
        if not isinstance(v, Value):
            return v
        if v not in self.arrays and v.constant is not None:
            self.arrays[v] = v.constant
            self.fixed.add(v)
        return self.arrays[v]

    def new(self, v: Value) -> Array:
        """Return memory for an outer value that an operation or a loop fills."""
        if v in self.arrays:
            return self.arrays[v]
        if v in self.destinations:
            self.arrays[v] = self.destinations[v].within(self.new(self.destinations[v].whole), v.shape)
        else:
            self.arrays[v], self.raw[v] = self.memory.array(v.shape, v.dtype)
        return self.arrays[v]

    def _is_all_of(self, v: Value, root: Value) -> bool:
        """Say whether a value lies in the memory of its owner, entry by entry in their order."""
        array = self.arrays[v]
        return bool(array.nbytes == self.raw[root].nbytes and array.flags.c_contiguous)

    def give_back(self, v: Value) -> None:
        """Give back the memory of v, which nobody reads from here on."""
        if v in self.raw:
            self.memory.back(self.raw.pop(v))

    # ------------------------------------------------------------------------------------ calls

    def _node(self, node: Node, k: int) -> None:
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
            self.liveness.detach(node.out)
        if self.reuse and node.out not in self.destinations:
            ending = [v for v in self.liveness.ending(k) if v in self.raw]
            held = {v: self.liveness.root(v) for v in node.reads()}
            owned = {v: root for v, root in held.items() if root in ending and self._is_all_of(v, root)}
            for v in writes_over(node, owned, owned):
                self.give_back(owned[v])
        out = self.new(node.out)
        if node.op.name == "concatenate":
            self._concatenate(node, operands, out)
            return
        if elementwise(node):
            operands = [_without_axes(a, operands, out) for a in operands]
        call = lowered(node, operands, out, self.reuse)
        self.calls.append((call, node))
        if node.out in self.handed_out and call.allocating() is not None:
            self.allocating[len(self.calls) - 1] = self.handed_out[node.out]
            self.give_back(node.out)

    def _concatenate(self, node: Node, operands: Sequence[Array], out: Array) -> None:
        axis = option(node, "axis", len(node.args), 0) % out.ndim
        start = 0
        for part in operands:
            target = out[(slice(None),) * axis + (slice(start, start + part.shape[axis]),)]
            start += part.shape[axis]
            if not same_memory(part, target):
                self.calls.append((copied(part, target), node))


def _without_axes(a: Argument, operands: Sequence[Argument], out: Array) -> Argument:
    """Return a single number as an array without axes, which broadcasts twice as fast, where the shape allows it."""
    if not isinstance(a, np.ndarray) or a.size != 1 or not a.ndim:
        return a
    full = any(isinstance(b, np.ndarray) and b is not a and b.shape == out.shape for b in operands)
    return a.reshape(()) if full else a
