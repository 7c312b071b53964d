"""Gates: one call for sibling gates, which are cut from one array side by side.

tanh of four gates of width H is one tanh of width 4 H. A sigmoid joins in as tanh(z / 2) / 2 + 1 / 2, which equals it
to the rounding of 1 (the relative error grows where the sigmoid is near 0). On the way back the cotangents of several
gates are one cotangent times a factor each: they become one product, written side by side for the next matrix.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tinygrad_rnn.compiler.passes.merging import Siblings
from tinygrad_rnn.compiler.passes.slices import Cut, cut, cuts_of, part
from tinygrad_rnn.core.kinds import LINEAR
from tinygrad_rnn.graph.batching import option
from tinygrad_rnn.graph.builder import Builder
from tinygrad_rnn.graph.graph import Graph, Loop, Node, Value

BY = "gates"


def gates(graph: Graph) -> Graph:
    """Make one call of sibling calls, in every list of calls."""
    graph = graph.copy()
    sigmoids = _to_the_rounding_of_one(graph)
    _merge_outside(graph, _hoisted(graph, sigmoids))
    outside = cuts_of([item for item in graph.items if isinstance(item, Node)])
    for loop in graph.loops():
        cuts = cuts_of(loop.prelude, outside)
        Siblings(loop.prelude, cuts).merge()
        _cut_in_the_steps(loop, cuts)
        Siblings(loop.body, cuts_of(loop.body), gates=sigmoids).merge(activations=True)
        _products_side_by_side(loop)
        outside |= cuts_of(_stack_what_is_cut(graph, loop), outside)
    _merge_outside(graph, frozenset())
    return graph


HARMLESS = frozenset(
    ("add", "subtract", "multiply", "negative", "square", "tanh", "sigmoid", "relu", "where", "detach")
)
"""Elementwise operations that may read a sigmoid exact to the rounding of 1 alone: no logarithm, no quotient."""


def _is_harmless(node: Node) -> bool:
    """May this read a sigmoid that is exact to the rounding of 1, and not to its own?"""
    return node.op.kind in LINEAR or node.op.kind == "product" or node.op.name in HARMLESS


def _to_the_rounding_of_one(graph: Graph) -> frozenset[Value]:
    """Return the sigmoids of loops that harmless calls alone read, wherever they are read."""
    read_by: dict[Value, list[Node]] = {}
    also: dict[Value, list[Value]] = {}  # the same numbers under other Values: rows, stacks, states
    nodes = [item for item in graph.items if isinstance(item, Node)]
    for loop in graph.loops():
        nodes += [*loop.prelude, *loop.body]
        pairs = [(row.outer, row.inner) for row in loop.rows] + [(o.inner, o.outer) for o in loop.outs()]
        for v, w in [*pairs, *((c.after, c.before) for c in loop.carries)]:
            also.setdefault(v, []).append(w)
    for node in nodes:
        for v in node.reads():
            read_by.setdefault(v, []).append(node)
    found = set()
    for node in nodes:
        if node.op.name != "sigmoid":
            continue
        seen: set[Value] = set()
        waiting = [node.out]
        while waiting:
            v = waiting.pop()
            if v not in seen:
                seen.add(v)
                waiting += also.get(v, ())
                waiting += [n.out for n in read_by.get(v, ()) if n.op.kind == "view"]
        if all(_is_harmless(n) for v in seen for n in read_by.get(v, ())):
            found.add(node.out)
    return frozenset(found)


def _hoisted(graph: Graph, sigmoids: frozenset[Value]) -> frozenset[Value]:
    """Return the sigmoids that were hoisted out of a loop, in float32: there tanh is faster than exp and 1 / x."""
    found = [item for item in graph.items if isinstance(item, Node) and item.by == "hoist"]
    return sigmoids.intersection(node.out for node in found if node.out.dtype == np.float32)


def _cut_in_the_steps(loop: Loop, cuts: dict[Value, Cut]) -> None:
    """Write rows of parts as parts of rows: a step sees that they are parts of one array."""
    front: list[Node] = []
    for row in loop.rows[:]:
        held = cuts.get(row.outer)
        if held is None or held.root.shape[0] != row.outer.shape[0]:
            continue
        whole = loop.row_of(held.root, row.offset)
        if held.root in loop.timed or row.outer in loop.timed:
            loop.timed.add(held.root)
        front.append(part(whole, held.start, held.stop, row.inner, BY))
        loop.rows.remove(row)
    loop.body[:0] = front


def _stack_what_is_cut(graph: Graph, loop: Loop) -> list[Node]:
    """Keep the whole for other loops, not its parts one by one, and return the calls that cut it after the loop."""
    held = cuts_of(loop.body)
    after: list[Node] = []
    for out in loop.stacks[:]:
        its = held.get(out.inner)
        if its is not None and its.root in loop.inner():
            loop.stacks.remove(out)
            whole = loop.stack_of(its.root)
            after.append(part(whole, its.start, its.stop, out.outer, BY))
    place = graph.items.index(loop) + 1
    graph.items[place:place] = after
    return after


def _merge_outside(graph: Graph, sigmoids: frozenset[Value]) -> None:
    """Merge siblings among the calls outside of time, between one loop and the next, and compute sigmoids by tanh."""
    items: list[Node | Loop] = []
    segment: list[Node] = []
    defined: set[Value] = set(graph.inputs)
    cuts: dict[Value, Cut] = {}
    for item in [*graph.items, None]:
        if isinstance(item, Node):
            segment.append(item)
            continue
        cuts = cuts_of(segment, cuts)
        Siblings(segment, cuts, defined, sigmoids).merge(activations=bool(sigmoids))
        _joined_parts(segment, cuts)
        items += segment
        defined |= {node.out for node in segment}
        segment = []
        if item is not None:
            items.append(item)
            defined |= {out.outer for out in item.outs()}
    graph.items = items


def _joined_parts(nodes: list[Node], cuts: dict[Value, Cut]) -> None:
    """Let a concatenation take parts that lie side by side as one part."""
    k = 0
    while k < len(nodes):
        node = nodes[k]
        if (
            node.op.name == "concatenate"
            and option(node, "axis", len(node.args), 0) % node.out.ndim == node.out.ndim - 1
        ):
            runs: list[list[Value]] = []
            for a in node.args:
                here, last = cuts.get(a), cuts.get(runs[-1][-1]) if runs else None
                if here is not None and last is not None and here.root is last.root and here.start == last.stop:
                    runs[-1].append(a)
                else:
                    runs.append([a])
            if len(runs) < len(node.args):
                new: list[Node] = []
                parts = []
                for run in runs:
                    first, last = cuts.get(run[0]), cuts.get(run[-1])
                    joined = len(run) > 1 and first is not None and last is not None
                    parts.append(cut(first.root, first.start, last.stop, new, cuts, BY) if joined else run[0])  # type: ignore[union-attr]
                nodes[k : k + 1] = [*new, replace(node, args=tuple(parts))]
                k += len(new)
        k += 1


def _products_side_by_side(loop: Loop) -> None:
    """Write a concatenation of c * k_1, c * k_2, ... as one product of c and the factors side by side."""
    whole = {row.inner: row.outer for row in loop.rows}
    ahead = {node.out for node in loop.prelude}
    for node in [n for n in loop.body if n.op.name == "concatenate"]:
        made = {n.out: n for n in loop.body}
        axis = option(node, "axis", len(node.args), 0) % node.out.ndim
        if axis != node.out.ndim - 1:
            continue
        parts = list(node.args)
        start = 0
        while start < len(parts):
            shared, factors = _shared_product(parts, start, made, whole, ahead)
            if shared is None or len(factors) < 2:
                start += 1
                continue
            new, joined = _one_product(loop, shared, factors, [whole[k] for k in factors])
            first = min(loop.body.index(made[p]) for p in parts[start : start + len(factors)])
            gone = [made[p] for p in parts[start : start + len(factors)]]
            width = factors[0].shape[-1]
            for k, old in enumerate(gone):
                new.append(part(joined, k * width, (k + 1) * width, old.out, BY, old.scope))
            kept = [n for n in loop.body[first:] if not any(n is g for g in gone)]
            loop.body[first:] = [*new, *kept]
            parts[start : start + len(factors)] = [joined]
            start += 1
        if len(parts) != len(node.args):
            loop.body[loop.body.index(node)] = replace(node, args=tuple(parts), kwargs={"axis": axis})


def _shared_product(
    parts: list[Value], start: int, made: dict[Value, Node], whole: dict[Value, Value], ahead: set[Value]
) -> tuple[Value | None, list[Value]]:
    """Return the operand that products from `start` on share, and the other operand of each."""

    def operands(p: Value) -> list[Value]:
        node = made.get(p)
        if node is None or node.op.name != "multiply" or node.kwargs:
            return []
        return [a for a in node.args if isinstance(a, Value) and a.shape == p.shape and a.dtype == p.dtype]

    def factor_of(p: Value, shared: Value) -> Value | None:
        pair = operands(p)
        if len(pair) != 2 or shared not in pair:
            return None
        other = pair[1] if pair[0] is shared else pair[0]
        return other if other in whole and whole[other] in ahead else None

    best: tuple[Value | None, list[Value]] = (None, [])
    for shared in operands(parts[start]):
        factors: list[Value] = []
        for p in parts[start:]:
            factor = factor_of(p, shared)
            if factor is None or (factors and factor.shape != factors[0].shape):
                break
            factors.append(factor)
        if len(factors) > len(best[1]):
            best = shared, factors
    return best


def _one_product(loop: Loop, shared: Value, factors: list[Value], wholes: list[Value]) -> tuple[list[Node], Value]:
    """Return c as (..., 1, H) times the factors as (..., n, H), and the product as (..., n H)."""
    count, shape = len(factors), factors[0].shape
    build = Builder(loop.prelude, BY)
    wide = (loop.length, *shape[:-1], count * shape[-1])
    joined = build.call("concatenate", wholes, wide, shared.dtype, {"axis": len(wide) - 1})
    split = build.shaped(joined, (loop.length, *shape[:-1], count, shape[-1]))
    loop.timed |= {joined, split}
    row = loop.row_of(split)
    nodes: list[Node] = []
    step = Builder(nodes, BY)
    once = step.shaped(shared, (*shape[:-1], 1, shape[-1]))
    product = step.arithmetic("multiply", once, row)
    return nodes, step.shaped(product, (*shape[:-1], count * shape[-1]))
