"""Calls that a step makes twice of the same values. One stands for both, so that their cotangents are one sum."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from tinygrad_rnn.graph.graph import Graph, Node, Value, substituted


def made_once(graph: Graph, invented: set[Value]) -> tuple[Graph, dict[Value, Value]]:
    """Return the graph without calls that make a named value again, and the Value in the place of each result left out.

    A repeated call stays where neither result has a name, where their author gave them two names, and where the step
    hands its result on. `invented` holds the Values with a name that is not their author's; Values that take over
    such a name are added to it.
    """
    instead: dict[Value, Value] = {}
    for loop in graph.loops():
        given = {out.inner for out in loop.outs()} | {carry.after for carry in loop.carries}
        timed = {row.inner for row in loop.rows} | {carry.before for carry in loop.carries}
        first: dict[Hashable, Value] = {}
        alike: dict[Value, Value] = {}
        for node in loop.body:
            if timed.isdisjoint(node.reads()):
                continue  # made of parameters alone: its cotangent is no formula of a step
            timed.add(node.out)
            known = first.setdefault(_call(node, alike), node.out)
            by_author = {v.name for v in (known, node.out) if v.name and v not in invented}
            if known is node.out or node.out in given or len(by_author) > 1:
                continue
            alike[node.out] = known
            if known.name or node.out.name:
                instead[node.out] = known
                if not known.name and node.out in invented:
                    invented.add(known)
                known.name = known.name or node.out.name
    graph = substituted(graph, instead)
    for loop in graph.loops():
        loop.body = [node for node in loop.body if node.out not in instead]
    return graph, instead


def _call(node: Node, alike: dict[Value, Value]) -> Hashable:
    """Return a key that equal calls share: operands by identity, constants by value."""
    args = tuple(_argument(alike.get(a, a) if isinstance(a, Value) else a) for a in node.args)
    return node.op, args, tuple((key, _argument(a)) for key, a in sorted(node.kwargs.items()))


def _argument(a: object) -> Hashable:
    """Return the key of one argument: the Value itself where it is computed, its contents where it is constant."""
    if isinstance(a, Value) and a.constant is not None:
        a = a.constant
    if isinstance(a, Value):
        return a
    return (str(a.dtype), a.shape, a.tobytes()) if isinstance(a, np.ndarray) else (type(a).__name__, repr(a))
