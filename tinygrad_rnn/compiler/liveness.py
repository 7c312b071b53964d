"""Liveness: the last call that reads the memory of each value; and the destinations of parts of a concatenation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tinygrad_rnn.graph.batching import is_view, option
from tinygrad_rnn.graph.graph import Array, Graph, Node, Value


class Liveness:
    """The last call of a list that reads the memory of a value; `reads` has the values that each call reads.

    A value that lies in the memory of another one (a view, a part of a whole) has that one as its owner.
    """

    def __init__(
        self, reads: Sequence[Iterable[Value]], owners: Mapping[Value, Value], stay: Iterable[Value] = ()
    ) -> None:
        self.owner = dict(owners)
        self._reads = [list(values) for values in reads]
        self._stay = list(stay)
        self._count()

    def _count(self) -> None:
        self._last: dict[Value, int] = {}
        for k, values in enumerate(self._reads):
            for v in values:
                self._last[self.root(v)] = k
        for v in self._stay:
            self._last[self.root(v)] = len(self._reads)
        self._ending: dict[int, list[Value]] = {}
        for root, k in self._last.items():
            self._ending.setdefault(k, []).append(root)

    def root(self, v: Value) -> Value:
        """Return the value whose memory v lies in: itself, or its owner's owner's."""
        while v in self.owner:
            v = self.owner[v]
        return v

    def last(self, v: Value) -> int:
        """Return the number of the last call that reads the memory of v; -1 for none."""
        return self._last.get(self.root(v), -1)

    def ending(self, k: int) -> list[Value]:
        """Return the values whose memory call k is the last to read."""
        return self._ending.get(k, [])

    def detach(self, v: Value) -> None:
        """Give v memory of its own: it is no view, or must lie elsewhere."""
        if self.owner.pop(v, None) is not None:
            self._count()


def owners(nodes: Sequence[Node], destinations: Mapping[Value, Destination]) -> dict[Value, Value]:
    """Return the owners of these calls' results: the whole of a part, the source of a view."""
    found = {}
    for node in nodes:
        if node.out in destinations:
            found[node.out] = destinations[node.out].whole
        elif is_view(node) and isinstance(node.args[0], Value):
            found[node.out] = node.args[0]
    return found


@dataclass(frozen=True, slots=True)
class Destination:
    """The place of a value in a concatenation: on this axis, from start to stop."""

    whole: Value
    axis: int
    start: int
    stop: int

    def within(self, array: Array, shape: tuple[int, ...], timed: bool = False) -> Array:
        """Return that part of the array of the whole, in the shape of the value."""
        part = array[(slice(None),) * (self.axis + timed) + (slice(self.start, self.stop),)]
        view = part.reshape(shape)
        assert np.may_share_memory(view, array) or not view.size
        return view


def destinations_of(graph: Graph) -> dict[Value, Destination]:
    """Return the values that are computed at their place in a concatenation.

    Such a value is the result of a call of the same list, has the same dtype, and is no view; it has one place. A value
    that is reshaped before, from (..., n, H) to (..., n H), is computed there in its own shape.
    """
    destinations: dict[Value, Destination] = {}
    stacks = {out.outer for loop in graph.loops() for out in loop.stacks}
    kept = {v for loop in graph.loops() for c in loop.carries for v in (c.before, c.after, c.init)}
    kept |= {out.outer for loop in graph.loops() for out in loop.stacks if out.inner in kept}
    kept |= {out.inner for loop in graph.loops() for out in loop.stacks}
    outside = [item for item in graph.items if isinstance(item, Node)]
    for nodes in [outside, *graph.regions()]:
        made = {node.out: node for node in nodes}
        for node in nodes:
            if node.op.name != "concatenate":
                continue
            axis, start = option(node, "axis", len(node.args), 0) % node.out.ndim, 0
            for part in node.args:
                destination = Destination(node.out, axis, start, start + part.shape[axis])
                start = destination.stop
                maker = made.get(part)
                if maker is not None and maker.op.name == "reshape" and part.shape[:-1] == maker.args[0].shape[:-2]:
                    part = maker.args[0]
                    maker = made.get(part)
                makes = (maker is not None and not is_view(maker)) or (nodes is outside and part in stacks)
                if makes and part not in destinations and part not in kept and part.dtype == node.out.dtype:
                    destinations[part] = destination
    return destinations
