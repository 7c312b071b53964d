"""Hoist: calls that need no state are made for all steps at once, before them.

x_t W for all t is one product of T * B rows with W, and one such product runs many times faster than T small ones.
Sums are regrouped so that more calls need no state: (x_t W + h U) + b = (x_t W + b) + h U, which differs by rounding
alone. Calls that are the same in all steps (a transposed matrix) are made once.
"""

from __future__ import annotations

from dataclasses import replace

from tinygrad_rnn.compiler.passes.slices import cuts_of
from tinygrad_rnn.graph.batching import batched
from tinygrad_rnn.graph.builder import Builder
from tinygrad_rnn.graph.graph import Argument, Graph, Loop, Node, Out, Value, readers, substituted

BY = "hoist"


def hoist(graph: Graph) -> Graph:
    """Move calls that depend on no state out of every loop."""
    items: list[Node | Loop] = []
    instead: dict[Value, Value] = {}
    used = readers(graph)
    for item in graph.items:
        if isinstance(item, Loop):
            item = item.copy()
            item.body = _regrouped(item, _pushed(item, used))
            build = Builder(items, BY)
            _move(item, build, instead)
        items.append(item)
    return substituted(Graph(graph.inputs, items, graph.results), instead)


def invariants(graph: Graph) -> Graph:
    """Move calls that are the same in all steps out of every loop."""
    items: list[Node | Loop] = []
    for item in graph.items:
        if isinstance(item, Loop):
            item = item.copy()
            inner = item.inner()
            moved: set[Value] = set()
            for node in item.body[:]:
                if not any(v in inner and v not in moved for v in node.reads()):
                    moved.add(node.out)
                    item.body.remove(node)
                    items.append(replace(node, by=BY))
        items.append(item)
    return Graph(graph.inputs, items, graph.results)


def free_of_states(loop: Loop) -> set[Value]:
    """Return the inner Values that depend on no state."""
    found = {row.inner for row in loop.rows}
    inner = loop.inner()
    for node in loop.body:
        if all(v in found or v not in inner for v in node.reads()):
            found.add(node.out)
    return found


def _pushed(loop: Loop, used: dict[Value, int]) -> list[Node]:
    """Write cuts of a sum as sums of cuts where another sum follows, so that (h U)[r] + b[r] + ... can be regrouped."""
    made = {node.out: node for node in loop.body}
    last_axis = cuts_of(loop.body)
    cuts: dict[Value, list[Node]] = {}
    for node in loop.body:
        if node.op.name == "getitem" and made.get(node.args[0]) is not None and node.out in last_axis:
            cuts.setdefault(node.args[0], []).append(node)
    added = {v for node in loop.body if node.op.name == "add" for v in node.reads()}
    chosen = set()
    for v, nodes in cuts.items():
        maker = made[v]
        whole = len(nodes) == used.get(v, 0) and maker.op.name == "add" and all(type(a) is Value for a in maker.args)
        full = all(a.shape[-1:] == v.shape[-1:] for a in maker.reads())
        if whole and full and any(n.out in added for n in nodes):
            chosen.add(v)
    body: list[Node] = []
    build = Builder(body, BY)
    for node in loop.body:
        if node.op.name == "getitem" and node.args[0] in chosen:
            parts = []
            for a in made[node.args[0]].args:
                shape = (*a.shape[:-1], node.out.shape[-1])
                index = (*(slice(None),) * (a.ndim - 1), node.args[-1])
                parts.append(build.call("getitem", (a, *index), shape, a.dtype))
            body.append(replace(node, op=made[node.args[0]].op, args=tuple(parts), by=BY))
        elif node.out not in chosen:
            body.append(node)
    return body


def _regrouped(loop: Loop, body: list[Node]) -> list[Node]:
    """Write sums in the order: terms that are the same in all steps, terms that need no state, all others."""
    loop.body = body
    free, inner = free_of_states(loop), loop.inner()
    same: set[Value] = set()
    for node in body:
        if not any(v in inner and v not in same for v in node.reads()):
            same.add(node.out)
    made = {node.out: node for node in body if node.op.name == "add" and all(type(a) is Value for a in node.args)}
    count: dict[Value, int] = {}
    for v in [v for node in body for v in node.reads()] + [o.inner for o in loop.outs()]:
        count[v] = count.get(v, 0) + 1
    for carry in loop.carries:
        count[carry.after] = 2
    joined = {
        v for node in body if node.out in made for v in node.reads() if v in made and count[v] == 1 and v.name is None
    }
    found: list[Node] = []
    for node in body:
        if node.out in joined:
            continue
        if node.out not in made:
            found.append(node)
            continue
        terms = _terms(node, made, joined)
        rank = [0 if v in same or v not in inner else 1 if v in free else 2 for v in terms]
        rounded = len({v.dtype for v in terms}) > 1  # a sum of float32 would be rounded before it meets float64
        if rank.count(2) in (0, len(rank)) or len(rank) < 3 or rounded:
            found += _sum_as_it_was(node, made, joined)
            continue
        build = Builder(found, BY)
        total: Value | None = None
        for group in (0, 1, 2):
            for v, r in zip(terms, rank, strict=True):
                if r == group:
                    total = v if total is None else build.arithmetic("add", total, v)
        found[-1] = replace(found[-1], out=node.out)
    return found


def _terms(node: Node, made: dict[Value, Node], joined: set[Value]) -> list[Value]:
    terms: list[Value] = []
    waiting = list(node.args)[::-1]
    while waiting:
        v = waiting.pop()
        if v in joined:
            waiting += list(made[v].args)[::-1]
        else:
            terms.append(v)
    return terms


def _sum_as_it_was(node: Node, made: dict[Value, Node], joined: set[Value]) -> list[Node]:
    nodes = [node]
    for each in nodes:
        nodes += [made[v] for v in each.reads() if v in joined]
    return nodes[::-1]


def _move(loop: Loop, build: Builder, instead: dict[Value, Value]) -> None:
    """Take the calls that need no state out of the loop, in their order."""
    inner = loop.inner()
    outside: dict[Value, tuple[Value, bool]] = {}  # the result of a moved call, and whether it has a time axis
    offsets = {row.inner: row for row in loop.rows}
    body: list[Node] = []
    local: dict[Value, Value] = {}
    for node in loop.body:
        given: list[tuple[Argument, bool]] = []
        for a in node.args:
            if isinstance(a, Value) and a in inner and a not in outside and a in offsets:
                outside[a] = rows_of(loop, offsets[a].outer, offsets[a].offset, build), True
            given.append(outside.get(a, (a, False)) if isinstance(a, Value) else (a, False))
        if any(isinstance(a, Value) and a in inner and a not in outside for a in node.args):
            body.append(node)
            continue
        build.scope = node.scope
        if not any(timed for _, timed in given):
            build.nodes.append(replace(node, args=tuple(a for a, _ in given), by=BY))
            outside[node.out] = node.out, False
            continue
        made = batched(node, given, loop.length, build)
        if made is None:
            body.append(node)
            continue
        made.name = made.name or (f"{node.out.name}s" if node.out.name else None)
        outside[node.out] = made, True
        row = loop.row_of(made)
        row.example = node.out.example
        row.name = node.out.name
        local[node.out] = row
    loop.body = body
    _relabel(loop, local, outside, instead)


def rows_of(loop: Loop, outer: Value, offset: int, build: Builder) -> Value:
    """Return the rows that a loop reads of an array, as an array."""
    if offset == 0 and outer.shape[0] == loop.length:
        return outer
    shape = (loop.length, *outer.shape[1:])
    return build.call("getitem", (outer, slice(offset, offset + loop.length)), shape, outer.dtype)


def _relabel(
    loop: Loop, local: dict[Value, Value], outside: dict[Value, tuple[Value, bool]], instead: dict[Value, Value]
) -> None:
    """Let the loop read the results of the calls that were moved out."""
    loop.body = [replace(n, args=tuple(local.get(a, a) if type(a) is Value else a for a in n.args)) for n in loop.body]
    for carry in loop.carries:
        carry.after = local.get(carry.after, carry.after)
    stacks = []
    for out in loop.stacks:
        moved = outside.get(out.inner)
        if moved is not None and moved[1] and out.inner in local:
            instead[out.outer] = moved[0]
        else:
            stacks.append(out)
    loop.stacks = stacks
    loop.lasts = [Out(local.get(o.inner, o.inner), o.outer) for o in loop.lasts]
    loop.sums = [Out(local.get(o.inner, o.inner), o.outer) for o in loop.sums]
