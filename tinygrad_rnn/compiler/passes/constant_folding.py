"""Constants: a factor of a product goes into the matrix of the product, once for all steps.

The z / 2 of sigmoid(z) = tanh(z / 2) / 2 + 1 / 2 is a factor of a sum of products: (x W + h U + b) / 2 = x (W / 2) +
h (U / 2) + b / 2. Calls on constants alone are made when the program is compiled, with this pass or without.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tinygrad_rnn.compiler.passes.dead_code import dead_code
from tinygrad_rnn.compiler.passes.slices import Cut, cuts_of
from tinygrad_rnn.graph.graph import Array, Graph, Loop, Node, Value, op, readers

BY = "constants"


@dataclass(frozen=True, slots=True)
class _Place:
    """A Value to be scaled where the call that makes `reader` reads it, inside of the loop or outside."""

    v: Value
    factor: Array
    inside: bool
    reader: Value


def constants(graph: Graph) -> Graph:
    """Take the factors of the nonlinearities' arguments into the matrices."""
    graph = dead_code(graph).copy()  # the readers are counted below: calls without use must not count
    for loop in graph.loops():
        for node in loop.body[:]:
            if node.by != "gates" or node.op.name != "multiply":
                continue
            tanh = [n for n in loop.body if n.op.name == "tanh" and n.args[0] is node.out]
            if not tanh:
                continue
            z, scale = node.args
            value = scale if isinstance(scale, float) else scale.constant
            folding = _Folding(graph, loop)
            if folding.plan(_Place(z, np.full(z.shape[-1], value, z.dtype), True, node.out)):
                folding.apply()
                _read_instead(loop.body, tanh[0].out, node.out, z)
                loop.body[:] = [n for n in loop.body if n.out is not node.out]
    return graph


class _Folding:
    """The Values that must be scaled: all of them or none, so they are planned first."""

    def __init__(self, graph: Graph, loop: Loop) -> None:
        self.graph, self.loop = graph, loop
        self.read = readers(graph)
        self.rows = {row.inner: row for row in loop.rows}
        self.inner = loop.inner()
        self.inside = {node.out: node for node in loop.body}
        self.outside = {item.out: item for item in graph.items if isinstance(item, Node)}
        self.cuts = {True: cuts_of(loop.body), False: cuts_of(list(self.outside.values()))}
        self.planned: list[_Place] = []

    def plan(self, place: _Place) -> bool:
        """Can this be made `factor` times as large, and nothing else with it?"""
        waiting = [place]
        while waiting:
            found = self._within(waiting.pop())
            if found is None:
                return False
            waiting += found
        return True

    def _within(self, p: _Place) -> list[_Place] | None:
        """Return the parts to be scaled in the place of p; None where that cannot be done."""
        v, inside = p.v, p.inside and p.v in self.inner
        if not inside and v.ndim == 1:  # a bias
            self.planned.append(p)
            return []
        held = self.cuts[inside].get(v)
        whole = v
        factor = p.factor
        if held is not None:
            if not self._apart(v, held, self.cuts[inside]):
                return None
            whole, factor = held.root, np.ones(held.root.shape[-1], factor.dtype)
            factor[held.start : held.stop] = p.factor
        elif self.read.get(v, 0) != 1:
            return None
        row = self.rows.get(whole) if inside else None
        if row is not None:
            if sum(r.outer is row.outer for r in self.loop.rows) != 1 or self.read.get(row.outer, 0) != 1:
                return None
            whole, inside = row.outer, False
            more = self.cuts[False].get(whole)
            if more is not None and not self._apart(whole, more, self.cuts[False]):
                return None
            if more is not None:
                longer = np.ones(more.root.shape[-1], factor.dtype)
                longer[more.start : more.stop] = factor
                whole, factor = more.root, longer
        made = (self.inside if inside else self.outside).get(whole)
        if made is None or not all(isinstance(a, Value) for a in made.args):
            return None
        if made.op.name == "add" and all(a.shape[-1:] == whole.shape[-1:] for a in made.args):
            return [_Place(a, factor, inside, whole) for a in made.args]
        if made.op.name == "matmul" and made.args[1].ndim == 2 and not (inside and made.args[1] in self.inner):
            self.planned.append(_Place(made.args[1], factor, inside, whole))
            return []
        return None

    def _apart(self, v: Value, held: Cut, cuts: dict[Value, Cut]) -> bool:
        """Is this part of its whole read here alone, with no other part that overlaps it?"""
        others = [c for w, c in cuts.items() if c.root is held.root and w is not v and self.read.get(w, 0)]
        if any(c.start < held.stop and held.start < c.stop for c in others):
            return False
        return self.read.get(v, 0) == 1 and self.read.get(held.root, 0) == len(others) + 1

    def apply(self) -> None:
        """Scale the planned Values ahead of their readers."""
        planned: dict[tuple[Value, bool, Value], _Place] = {}
        for p in self.planned:
            key = p.v, p.inside, p.reader
            if key in planned and p.v.ndim > 1:  # a matrix, for another part of its product
                p = replace(p, factor=p.factor * planned[key].factor)
            planned[key] = p
        for p in planned.values():
            scaled = Value(p.v.shape, p.v.dtype, p.v.name)
            factor = Value(p.factor.shape, p.factor.dtype, constant=p.factor)
            node = Node(op("multiply"), (p.v, factor), scaled, by=BY)
            items = self.graph.items
            if p.inside:
                items.insert(items.index(self.loop), node)
                _read_instead(self.loop.body, p.reader, p.v, scaled)
            else:
                index = next(k for k, item in enumerate(items) if isinstance(item, Node) and item.out is p.reader)
                items.insert(index, node)
                _read_instead(items, p.reader, p.v, scaled)


def _read_instead(nodes: list[Node] | list[Node | Loop], reader: Value, old: Value, new: Value) -> None:
    """Let the call that makes `reader` read another Value."""
    for k, node in enumerate(nodes):
        if isinstance(node, Node) and node.out is reader:
            nodes[k] = replace(node, args=tuple(new if a is old else a for a in node.args))
