"""Siblings: products of one array with several matrices as one product with the matrices side by side.

h U_i, h U_f, h U_o, written gate by gate, are h [U_i U_f U_o]: one call in each step, and a larger one. The gradients of
the matrices are then cut from one product as well, since what is differentiated is the joined form.
"""

from __future__ import annotations

from typing import Any

from tinygrad_rnn.replay.graph import Graph, Loop, Node, Value, op

BY = "siblings"


def siblings(graph: Graph) -> Graph:
    """Join products that share their left operand, in every loop and outside."""
    items: list[Node | Loop] = []
    segment: list[Node] = []
    for item in [*graph.items, None]:
        if isinstance(item, Node):
            segment.append(item)
            continue
        segment = _joined(segment, None, segment)
        items += segment
        segment = []
        if item is not None:
            item = item.copy()
            before: list[Node] = []
            item.body = _joined(item.body, item.inner(), before)
            items += [*before, item]
    return Graph(graph.inputs, items, graph.results)


def _joined(nodes: list[Node], inner: set[Value] | None, before: list[Node]) -> list[Node]:
    """The calls with sibling products joined; the matrices side by side go into `before`, the list outside of a loop."""
    groups: dict[Any, list[Node]] = {}
    for node in nodes:
        if node.op.name != "matmul":
            continue
        a, b = node.args
        if not isinstance(a, Value) or not isinstance(b, Value) or b.ndim != 2 or a.dtype != b.dtype:
            continue
        if inner is not None and b in inner:
            continue
        groups.setdefault((a, b.dtype), []).append(node)
    for (a, _), group in groups.items():
        matrices = [node.args[1] for node in group]
        if len(group) < 2 or len(set(matrices)) < len(matrices):
            continue
        nodes = _with_one_product(nodes, a, group, inner, before)
    return nodes


def _with_one_product(
    nodes: list[Node], a: Value, group: list[Node], inner: set[Value] | None, before: list[Node]
) -> list[Node]:
    matrices = tuple(node.args[1] for node in group)
    widths = [b.shape[1] for b in matrices]
    wide = Value((matrices[0].shape[0], sum(widths)), a.dtype)
    product = Value((*group[0].out.shape[:-1], sum(widths)), a.dtype)
    beside = Node(op("concatenate"), matrices, wide, {"axis": 1}, by=BY)
    first = next(k for k, node in enumerate(nodes) if node is group[0])
    head, rest = nodes[:first], nodes[first:]
    if inner is None:
        early = _needed_for(set(matrices), rest)
        if any(node in early for node in group):
            return nodes  # a matrix is made of one of the products
        head += early
        rest = [node for node in rest if not any(node is e for e in early)]
        head.append(beside)
    else:
        before.append(beside)
    head.append(Node(op("matmul"), (a, wide), product, scope=group[0].scope, by=BY))
    start = 0
    for node, width in zip(group, widths, strict=True):
        index = (*(slice(None),) * (product.ndim - 1), slice(start, start + width))
        head.append(Node(op("getitem"), (product, *index), node.out, scope=node.scope, by=BY))
        start += width
    return head + [node for node in rest if not any(node is g for g in group)]


def _needed_for(values: set[Value], nodes: list[Node]) -> list[Node]:
    """Of these calls, those that the values are made of, in their order."""
    found: list[Node] = []
    wanted = set(values)
    for node in reversed(nodes):
        if node.out in wanted:
            found.append(node)
            wanted.update(node.reads())
    return found[::-1]
