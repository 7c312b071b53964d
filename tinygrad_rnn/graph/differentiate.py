"""The walk back over a graph: calls that compute the gradients, in the form in which a person would write them.

`cotangent_terms` adds up what comes back to a Value, `walk_back` goes through one list of calls, `loop_back` through
the steps of a loop.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinygrad_rnn.graph.builder import Builder
from tinygrad_rnn.graph.cotangent_terms import Term
from tinygrad_rnn.graph.graph import BACKWARD, Graph, Node, Value
from tinygrad_rnn.graph.loop_back import back_through
from tinygrad_rnn.graph.walk_back import WalkBack


def differentiated(graph: Graph, loss: Value, wrt: Sequence[Value]) -> Graph:
    """Return the graph with the gradients of `loss` by `wrt` as further results, in that order."""
    graph = graph.copy()
    reached = _leading(graph, set(wrt))
    walk = WalkBack(Builder(graph.items, BACKWARD), reached)
    if loss in reached:
        walk.add(loss, Term(Value(loss.shape, loss.dtype, constant=np.ones(loss.shape, loss.dtype))))
    for loop in graph.loops():
        for out in loop.outs():
            out.outer.name = out.outer.name or (out.inner.name and f"{out.inner.name}s")
    for item in reversed(graph.items[:]):
        if isinstance(item, Node):
            walk.back(item)
        else:
            back_through(item, walk, graph.items)
    gradients = [walk.gradient(x) for x in wrt]
    return Graph(graph.inputs, graph.items, [*graph.results, *gradients])


def _leading(graph: Graph, wrt: set[Value]) -> set[Value]:
    """Return all Values that depend on one of `wrt`, and these."""
    found = set(wrt)

    def spread(nodes: Sequence[Node]) -> None:
        for node in nodes:
            if node.out.dtype.kind == "f" and any(a in found for a in node.reads()):
                found.add(node.out)

    for item in graph.items:
        if isinstance(item, Node):
            spread([item])
            continue
        found |= {row.inner for row in item.rows if row.outer in found}
        size = -1
        while size != len(found):  # a state may depend on one of `wrt` by way of another state
            size = len(found)
            found |= {c.before for c in item.carries if c.init in found or c.after in found}
            spread(item.body)
        found |= {out.outer for out in item.outs() if out.inner in found}
    return {v for v in found if v.dtype.kind == "f"}
