"""Factors: the derivative factors of a chunk of steps at once, ahead of the walk back through them.

1 - h_t^2, i_t (1 - i_t) g_t and the like are made of values of the forward pass and need no cotangent. The walk back
multiplies by them, once for each gate. A chunk is as many steps as stay in the cache until they are read.
"""

from __future__ import annotations

from dataclasses import replace

from tinygrad_rnn.compiler.passes.hoist import rows_of
from tinygrad_rnn.graph.batching import batched, elementwise, is_small_view
from tinygrad_rnn.graph.builder import Builder
from tinygrad_rnn.graph.graph import Graph, Loop, Node, Value

BY = "factors"


def factors(graph: Graph) -> Graph:
    """Move elementwise calls that need no state ahead of each chunk of steps."""
    items: list[Node | Loop] = []
    for item in graph.items:
        if isinstance(item, Loop):
            item = item.copy()
            _move(item, Builder(items, BY))
        items.append(item)
    return Graph(graph.inputs, items, graph.results)


def _move(loop: Loop, before: Builder) -> None:
    inner = loop.inner()
    rows = {row.inner: row for row in loop.rows}
    whole: dict[Value, Value] = {}  # the array with a time axis, by the row that a step reads
    build = Builder(loop.prelude, BY)
    body: list[Node] = []
    local: dict[Value, Value] = {}
    for node in loop.body:
        reads = [a for a in node.reads() if a in inner]
        movable = elementwise(node) or node.op.name == "concatenate" or is_small_view(node)
        if not movable or not reads or not all(a in rows or a in whole for a in reads):
            body.append(node)
            continue
        for a in reads:
            if a not in whole:
                whole[a] = rows_of(loop, rows[a].outer, rows[a].offset, before)
                loop.timed.add(whole[a])
        given = [(whole[a], True) if isinstance(a, Value) and a in inner else (a, False) for a in node.args]
        made = batched(node, given, loop.length, build)
        if made is None:
            body.append(node)
            continue
        whole[node.out] = made
        loop.timed.add(made)
        local[node.out] = loop.row_of(made)
    loop.body = [replace(n, args=tuple(local.get(a, a) if isinstance(a, Value) else a for a in n.args)) for n in body]
    for carry in loop.carries:
        carry.after = local.get(carry.after, carry.after)
    for out in loop.outs():
        out.inner = local.get(out.inner, out.inner)
