"""Siblings: products of one array with several matrices as one product with the matrices side by side.

h U_i, h U_f, h U_o, written gate by gate, are h [U_i U_f U_o]: one call in each step, and a larger one. The gradients
of the matrices are then cut from one product as well, since the joined form is differentiated. A product that the walk
back comes to is not joined to one that it passes over: the cotangent of that one would be 0, and 0 * NaN is NaN.
"""

from __future__ import annotations

from tinygrad_rnn.compiler.passes.hoist import free_of_states
from tinygrad_rnn.compiler.passes.slices import part
from tinygrad_rnn.graph.batching import is_small_view, is_view
from tinygrad_rnn.graph.graph import Graph, Loop, Node, Value, op
from tinygrad_rnn.graph.passed_over import walked_back

BY = "siblings"


def siblings(graph: Graph) -> Graph:
    """Join products that share their left operand, in every loop and outside."""
    items: list[Node | Loop] = []
    walked = walked_back(graph, graph.results[0])
    known = set(graph.inputs)
    segment: list[Node] = []
    for item in [*graph.items, None]:
        if isinstance(item, Node):
            segment.append(item)
            continue
        items += _joined(_early_first(segment, known), None, None, walked)
        known.update(node.out for node in segment)
        segment = []
        if item is not None:
            item = item.copy()
            before = _same_views(item)
            item.body = _joined(item.body, item.inner(), before, walked)
            items += [*before, item]
            known.update(out.outer for out in item.outs())
    return Graph(graph.inputs, items, graph.results)


def _same_views(loop: Loop) -> list[Node]:
    """Take the matrices that are transposed in each step and multiply a state out of a loop, and return their calls.

    A product that needs no state is made for all steps at once, joined or not, and parts that are cut from it have rows
    with gaps between them, over which elementwise calls run more slowly.
    """
    inner, free = loop.inner(), free_of_states(loop)
    times_state = {n.args[1] for n in loop.body if n.op.name == "matmul" and n.args[0] not in free}
    found: list[Node] = []
    for node in loop.body[:]:
        if node.out in times_state and is_small_view(node) and not any(v in inner for v in node.reads()):
            inner.discard(node.out)
            loop.body.remove(node)
            found.append(node)
    return found


def _early_first(nodes: list[Node], known: set[Value]) -> list[Node]:
    """Move views of earlier Values (a transposed matrix) ahead of all other calls: their products can be joined."""
    early: set[Value] = set()
    for node in nodes:
        if is_view(node) and all(v in known or v in early or v.constant is not None for v in node.reads()):
            early.add(node.out)
    return [n for n in nodes if n.out in early] + [n for n in nodes if n.out not in early]


def _joined(nodes: list[Node], inner: set[Value] | None, before: list[Node] | None, walked: set[Value]) -> list[Node]:
    """Return the calls with sibling products joined. `before`: the list for calls that join the matrices of a loop."""
    groups: dict[tuple[Value, bool], list[Node]] = {}
    place = {node.out: k for k, node in enumerate(nodes)}
    for node in nodes:
        if node.op.name == "matmul" and all(isinstance(a, Value) for a in node.args):
            a, b = node.args
            if b.ndim == 2 and a.dtype == b.dtype and not (inner is not None and b in inner):
                groups.setdefault((a, node.out in walked), []).append(node)
    instead: dict[Value, list[Node]] = {}  # by the result of the first product of a group
    for (a, _), found in groups.items():
        first = place[found[0].out]
        distinct = {n.args[1]: n for n in reversed(found) if place.get(n.args[1], -1) < first}
        group = sorted(distinct.values(), key=lambda n: place[n.out])
        if len(group) > 1:
            beside, *rest = _one_product(a, group)
            if before is not None:
                before.append(beside)
            instead[group[0].out] = rest if before is not None else [beside, *rest]
            for node in group[1:]:
                instead[node.out] = []
    return [n for node in nodes for n in instead.get(node.out, [node])]


def _one_product(a: Value, group: list[Node]) -> list[Node]:
    """Return the calls that join the matrices, multiply a by them, and cut the parts from the product."""
    matrices = tuple(node.args[1] for node in group)
    widths = [b.shape[1] for b in matrices]
    wide = Value((matrices[0].shape[0], sum(widths)), a.dtype)
    product = Value((*group[0].out.shape[:-1], sum(widths)), a.dtype)
    found = [
        Node(op("concatenate"), matrices, wide, {"axis": 1}, by=BY),
        Node(op("matmul"), (a, wide), product, scope=group[0].scope, by=BY),
    ]
    start = 0
    for node, width in zip(group, widths, strict=True):
        found.append(part(product, start, start + width, node.out, BY, node.scope))
        start += width
    return found
