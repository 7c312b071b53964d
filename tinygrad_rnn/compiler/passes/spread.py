"""Spread: a vector that an elementwise call broadcasts is spread to the shape of one step, once.

NumPy runs a call on arrays of one shape as one long row. With a vector beside a matrix it goes row by row, which takes
up to twice as long. The spread vector takes memory of the size of one step's result, so it is made only if that is
small enough for the cache. Calls for all steps at once read the same step's array at each step.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tinygrad_rnn.graph.batching import elementwise
from tinygrad_rnn.graph.graph import Argument, Graph, Loop, Node, Value, op

BY = "spread"

MOST = 128 * 1024
"""The most bytes of a spread vector: it is read in each step, and should stay in the cache."""


def spread(graph: Graph) -> Graph:
    """Spread the vectors that elementwise calls read in the steps of a loop, or for all steps at once."""
    items: list[Node | Loop] = []
    made: dict[tuple[Value, tuple[int, ...]], Value] = {}
    for item in graph.items:
        if isinstance(item, Loop):
            item = item.copy()
            inner = item.inner()
            item.body = [_on_full_arrays(node, node.out.shape, inner, made, items) for node in item.body]
        elif item.out.ndim > 2:
            item = _on_full_arrays(item, item.out.shape[1:], set(), made, items)
        items.append(item)
    return Graph(graph.inputs, items, graph.results)


def _on_full_arrays(
    node: Node,
    shape: tuple[int, ...],
    inner: set[Value],
    made: dict[tuple[Value, tuple[int, ...]], Value],
    before: list[Node | Loop],
) -> Node:
    """Return an elementwise call that reads arrays of the shape of a step in the place of vectors."""
    size = int(np.prod(shape))
    if not (elementwise(node) or node.op.name == "complex_multiply") or not any(
        a.shape == node.out.shape for a in node.reads()
    ):
        return node
    args: list[Argument] = []
    for a in node.args:
        same = isinstance(a, Value) and a not in inner and 0 < a.ndim <= len(shape) and a.dtype.kind == "f"
        if same and 1 < int(np.prod(a.shape)) < size and size * a.dtype.itemsize <= MOST:
            if (a, shape) not in made:
                full = made[a, shape] = Value(shape, a.dtype, a.name)
                ones = Value(shape, a.dtype, constant=np.ones(shape, a.dtype))
                before.append(Node(op("multiply"), (a, ones), full, scope=node.scope, by=BY))
            a = made[a, shape]
        args.append(a)
    return replace(node, args=tuple(args))
