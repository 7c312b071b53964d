"""Dead code: leave out calls whose results nobody reads. The mathematics stay the same.

The tape holds everything that was computed; the gradient needs less. Forward results that nothing reads go, and so do
cotangents that nobody asked for. Checks of values stay: an index out of range is an error to find.
"""

from __future__ import annotations

from tinygrad_rnn.graph.graph import Graph, Loop, Node, Value


def dead_code(graph: Graph) -> Graph:
    """Leave out calls that lead to no result: one walk from the results back."""
    wanted: set[Value] = set(graph.results)
    wanted |= {item.out for item in graph.items if isinstance(item, Node) and _checks(item)}
    kept: list[Node | Loop] = []
    for item in reversed(graph.items):
        if isinstance(item, Node):
            if item.out not in wanted:
                continue
        else:
            item = _needed(item, wanted)
            if not item.outs() and not item.body:
                continue
        kept.append(item)
        wanted.update(item.reads())
    return Graph(graph.inputs, kept[::-1], graph.results)


def _checks(node: Node) -> bool:
    """Is this call made for the error that it raises, and not for its result?"""
    return node.op.name == "in_range"


def _needed(loop: Loop, wanted: set[Value]) -> Loop:
    """Return the loop without the calls that lead to none of its wanted results."""
    loop = loop.copy()
    for outs in (loop.stacks, loop.lasts, loop.sums):
        outs[:] = [out for out in outs if out.outer in wanted]
    live = {out.inner for out in loop.outs()} | {node.out for node in loop.body if _checks(node)}
    size = -1
    while size != len(live):  # a state that a step reads is needed, and so is the call that makes it
        size = len(live)
        live |= {carry.after for carry in loop.carries if carry.before in live}
        for node in reversed(loop.body):
            if node.out in live:
                live.update(node.reads())
    loop.body = [node for node in loop.body if node.out in live]
    last = {out.inner for out in loop.lasts}  # a result of the last step is a state, whether a step reads it or not
    loop.carries = [carry for carry in loop.carries if carry.before in live or carry.after in last]
    loop.rows = [row for row in loop.rows if row.inner in live]
    read = {row.outer for row in loop.rows}
    for node in reversed(loop.prelude):
        if node.out in read:
            read.update(node.reads())
    loop.prelude = [node for node in loop.prelude if node.out in read]
    return loop
