"""Gates: sibling gates, cut from one array side by side, in one call instead of one each.

tanh of four gates of width H is one tanh of width 4 H. A sigmoid joins in as sigmoid(z) = tanh(z / 2) / 2 + 1 / 2, which
equals it to the rounding of 1 (its relative error grows where it is near 0). On the way back, the gates' cotangents
that are one cotangent times a factor each are one product, written side by side where the next matrix reads them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinygrad_rnn.replay.batching import elementwise, option
from tinygrad_rnn.replay.builder import Builder
from tinygrad_rnn.replay.graph import Graph, Loop, Node, Value, op

BY = "gates"


@dataclass(frozen=True, slots=True)
class Cut:
    """A Value as a part of another one: of its last axis, from start to stop."""

    root: Value
    start: int
    stop: int


def gates(graph: Graph) -> Graph:
    """Make one call of sibling calls, in every list of calls."""
    graph = graph.copy()
    _merge_outside(graph)
    for loop in graph.loops():
        cuts = cuts_of([item for item in graph.items if isinstance(item, Node)])
        cuts = cuts_of(loop.prelude, cuts)
        _Siblings(loop.prelude, cuts).merge()
        _cut_in_the_steps(loop, cuts)
        _Siblings(loop.body, cuts_of(loop.body)).merge(activations=True)
        _products_side_by_side(loop)
        _stack_what_is_cut(graph, loop)
    _merge_outside(graph)
    return graph


def cuts_of(nodes: Sequence[Node], known: dict[Value, Cut] | None = None) -> dict[Value, Cut]:
    """What these calls cut from the last axis of something, by what is cut in the end."""
    cuts: dict[Value, Cut] = dict(known or {})
    for node in nodes:
        if node.op.name != "getitem":
            continue
        x, index = node.args[0], node.args[1:]
        if len(index) == x.ndim and isinstance(index[-1], slice) and index[-1].step in (None, 1):
            if all(isinstance(p, slice) and p == slice(None) for p in index[:-1]):
                start, stop, _ = index[-1].indices(x.shape[-1])
                held = cuts.get(x, Cut(x, 0, 0))
                cuts[node.out] = Cut(held.root, held.start + start, held.start + stop)
    return cuts


def cut(root: Value, start: int, stop: int, nodes: list[Any], cuts: dict[Value, Cut]) -> Value:
    """A part of the last axis, as a new Value."""
    if (start, stop) == (0, root.shape[-1]):
        return root
    made = Value((*root.shape[:-1], stop - start), root.dtype)
    index = (*(slice(None),) * (root.ndim - 1), slice(start, stop))
    nodes.append(Node(op("getitem"), (root, *index), made, by=BY))
    cuts[made] = Cut(root, start, stop)
    return made


def _cut_in_the_steps(loop: Loop, cuts: dict[Value, Cut]) -> None:
    """Rows of parts as parts of rows, so that a step sees what belongs together."""
    front: list[Node] = []
    for row in loop.rows[:]:
        held = cuts.get(row.outer)
        if held is None or held.root.shape[0] != row.outer.shape[0]:
            continue
        whole = loop.row_of(held.root, row.offset)
        if held.root in loop.timed or row.outer in loop.timed:
            loop.timed.add(held.root)
        index = (*(slice(None),) * (whole.ndim - 1), slice(held.start, held.stop))
        front.append(Node(op("getitem"), (whole, *index), row.inner, by=BY))
        loop.rows.remove(row)
    loop.body[:0] = front


def _stack_what_is_cut(graph: Graph, loop: Loop) -> None:
    """Keep the whole for other loops, not its parts one by one."""
    held = cuts_of(loop.body)
    after: list[Node] = []
    for out in loop.stacks[:]:
        part = held.get(out.inner)
        if part is not None and part.root in loop.inner():
            loop.stacks.remove(out)
            whole = loop.stack_of(part.root)
            index = (*(slice(None),) * (whole.ndim - 1), slice(part.start, part.stop))
            after.append(Node(op("getitem"), (whole, *index), out.outer, by=BY))
    place = graph.items.index(loop) + 1
    graph.items[place:place] = after


def _merge_outside(graph: Graph) -> None:
    """The same for the calls outside of time, between one loop and the next."""
    items: list[Node | Loop] = []
    segment: list[Node] = []
    defined: set[Value] = set(graph.inputs)
    cuts: dict[Value, Cut] = {}
    for item in [*graph.items, None]:
        if isinstance(item, Node):
            segment.append(item)
            continue
        cuts |= cuts_of(segment, cuts)
        _Siblings(segment, cuts, frozenset(defined)).merge()
        _joined_parts(segment, cuts)
        items += segment
        defined |= {node.out for node in segment}
        segment = []
        if item is not None:
            items.append(item)
            defined |= {out.outer for out in item.outs()}
    graph.items = items


def _sums_columns(node: Node) -> bool:
    """Is this a sum over all axes but the last? Its columns, too, have nothing to do with each other."""
    if node.op.name != "sum" or len(node.args) > 1 or node.kwargs.get("keepdims"):
        return False
    axis, count = node.kwargs.get("axis"), node.args[0].ndim
    return isinstance(axis, tuple) and count > 1 and sorted(a % count for a in axis) == list(range(count - 1))


def _joined_parts(nodes: list[Node], cuts: dict[Value, Cut]) -> None:
    """A concatenation of parts that lie side by side anyway takes them as one part."""
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
                    parts.append(cut(first.root, first.start, last.stop, new, cuts) if joined else run[0])  # type: ignore[union-attr]
                nodes[k : k + 1] = [*new, replace(node, args=tuple(parts))]
                k += len(new)
        k += 1


class _Siblings:
    """Calls of one list that are one call on what they are cut from."""

    def __init__(self, nodes: list[Node], cuts: dict[Value, Cut], before: frozenset[Value] | None = None) -> None:
        self.nodes = nodes
        self.cuts = cuts
        self.before = before

    def merge(self, activations: bool = False) -> None:
        """Until there is nothing to be merged: what was made of siblings has siblings again."""
        changed = True
        while changed:
            changed = False
            for group in self._groups(activations):
                for run in self._runs(group):
                    if len(run) > 1 or (activations and self.nodes[run[0]].op.name == "sigmoid"):
                        self._merge(run)
                        changed = True
                        break
                if changed:
                    break

    def _groups(self, activations: bool) -> list[list[int]]:
        groups: dict[Any, list[int]] = {}
        for k, node in enumerate(self.nodes):
            key = self._key(node, activations)
            if key is not None:
                groups.setdefault(key, []).append(k)
        return [group for group in groups.values() if len(group) > 1 or activations]

    def _key(self, node: Node, activations: bool) -> Any:
        if not node.out.ndim or node.op.variadic or not (elementwise(node) or _sums_columns(node)):
            return None
        name = node.op.name
        if activations and name in ("sigmoid", "tanh") and not node.kwargs and node.args[0].shape == node.out.shape:
            name = "activation"
        kinds: list[Any] = []
        for a in node.args:
            if not isinstance(a, Value):
                kinds.append((type(a), a))
            elif a.ndim == 1 and node.out.ndim > 1 and a.shape[-1] == node.out.shape[-1]:
                kinds.append("vector")
            elif a in self.cuts and a.shape[-1] == node.out.shape[-1]:
                kinds.append((self.cuts[a].root, a.shape[:-1]))
            elif a.ndim == 0 or a.shape[-1] == 1 or name == "activation":
                kinds.append(a)
            else:
                return None
        if not any(isinstance(k, tuple) and isinstance(k[0], Value) for k in kinds) and name != "activation":
            return None
        return name, tuple(kinds), tuple(node.kwargs.items()), node.out.shape[:-1], node.out.dtype

    def _runs(self, group: list[int]) -> list[list[int]]:
        """Calls of a group that lie side by side in all that they are cut from."""
        places = [
            [self.cuts[a] for a in self.nodes[k].args if isinstance(a, Value) and self._is_cut(a, k)] for k in group
        ]
        order = sorted(range(len(group)), key=lambda j: [(c.start, c.stop) for c in places[j]] + [(group[j], 0)])
        runs: list[list[int]] = []
        last: list[Cut] = []
        for j in order:
            fits = bool(runs) and bool(last) and all(a.stop == b.start for a, b in zip(last, places[j], strict=True))
            if fits and self._vectors([*runs[-1], group[j]]) is not None:
                runs[-1].append(group[j])
            else:
                runs.append([group[j]])
            last = places[j]
        return runs

    def _is_cut(self, a: Value, k: int) -> bool:
        node = self.nodes[k]
        return a in self.cuts and a.shape[-1] == node.out.shape[-1] and (a.ndim > 1 or node.out.ndim == 1)

    def _vectors(self, run: list[int]) -> list[Cut | tuple[Value, ...]] | None:
        """For each argument that is a vector for all rows (a bias): what it is a part of, or what is to be joined.

        None where parts of different vectors would have to be joined before some of them are there.
        """
        found: list[Cut | tuple[Value, ...]] = []
        made = {node.out: k for k, node in enumerate(self.nodes)}
        for place, a in enumerate(self.nodes[run[0]].args):
            if not isinstance(a, Value) or a.ndim != 1 or self.nodes[run[0]].out.ndim == 1 or a.shape[-1] == 1:
                continue
            vectors = tuple(self.nodes[k].args[place] for k in run)
            cuts = [self.cuts.get(v) for v in vectors]
            first, last = cuts[0], cuts[-1]
            beside = all(
                c is not None and d is not None and c.root is d.root and c.stop == d.start
                for c, d in itertools.pairwise(cuts)
            )
            if first is not None and last is not None and beside:
                found.append(Cut(first.root, first.start, last.stop))
            elif self.before is not None and all(
                v in self.before or v.constant is not None or made.get(v, min(run)) < min(run) for v in vectors
            ):
                found.append(vectors)
            elif len(run) > 1:
                return None
        return found

    def _merge(self, run: list[int]) -> None:
        members = [self.nodes[k] for k in run]
        first = min(run)
        total = sum(node.out.shape[-1] for node in members)
        new: list[Node] = []
        args: list[Any] = []
        vectors = self._vectors(run) or []
        for place, a in enumerate(members[0].args):
            if isinstance(a, Value) and self._is_cut(a, run[0]):
                root, start = self.cuts[a].root, self.cuts[a].start
                args.append(cut(root, start, self.cuts[members[-1].args[place]].stop, new, self.cuts))
            elif isinstance(a, Value) and a.ndim == 1 and a.shape[-1] != 1 and len(members) > 1:
                vector = vectors.pop(0)
                if isinstance(vector, Cut):
                    args.append(cut(vector.root, vector.start, vector.stop, new, self.cuts))
                else:
                    joined = Value((total,), a.dtype)
                    new.append(Node(op("concatenate"), vector, joined, {"axis": 0}, by=BY))
                    args.append(joined)
            else:
                args.append(a)
        node = members[0]
        shape = (*node.out.shape[:-1], total)
        if any(n.op.name == "sigmoid" for n in members) and len({n.op.name for n in members} | {"tanh"}) <= 2:
            wide = self._activation(members, args[0], shape, new)
        else:
            wide = Value(shape, node.out.dtype)
            new.append(replace(node, args=tuple(args), out=wide, by=BY))
        start = 0
        if len(members) == 1:
            new[-1] = replace(new[-1], out=node.out)
        else:
            for member in members:
                width = member.out.shape[-1]
                index = (*(slice(None),) * (wide.ndim - 1), slice(start, start + width))
                new.append(Node(op("getitem"), (wide, *index), member.out, scope=member.scope, by=BY))
                self.cuts[member.out] = Cut(wide, start, start + width)
                start += width
        rest = [n for k, n in enumerate(self.nodes) if k not in run and k >= first]
        self.nodes[:] = [*self.nodes[:first], *new, *rest]

    def _activation(self, members: list[Node], z: Value, shape: tuple[int, ...], new: list[Node]) -> Value:
        """tanh(z a) a + b, with a = b = 1/2 for a sigmoid, and a = 1, b = 0 for tanh."""
        halves = [node.op.name == "sigmoid" for node in members]
        scale: Any = 0.5
        shift: Any = 0.5
        if not all(halves):
            widths = [node.out.shape[-1] for node in members]
            both = [np.repeat([x if half else y for half in halves], widths) for x, y in ((0.5, 1.0), (0.5, 0.0))]
            scale, shift = (Value(a.shape, z.dtype, constant=a.astype(z.dtype)) for a in both)
        made = z
        for name, args in (("multiply", (scale,)), ("tanh", ()), ("multiply", (scale,)), ("add", (shift,))):
            out = Value(shape, z.dtype)
            new.append(Node(op(name), (made, *args), out, scope=members[0].scope, by=BY))
            made = out
        return made


def _products_side_by_side(loop: Loop) -> None:
    """A concatenation of c * k_1, c * k_2, ... as one product of c and the factors side by side."""
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
            if len(factors) < 2:
                start += 1
                continue
            new, joined = _one_product(loop, shared, factors, [whole[k] for k in factors])
            first = min(loop.body.index(made[p]) for p in parts[start : start + len(factors)])
            gone = [made[p] for p in parts[start : start + len(factors)]]
            width = factors[0].shape[-1]
            for k, old in enumerate(gone):
                index = (*(slice(None),) * (joined.ndim - 1), slice(k * width, (k + 1) * width))
                new.append(Node(op("getitem"), (joined, *index), old.out, scope=old.scope, by=BY))
            kept = [n for n in loop.body[first:] if not any(n is g for g in gone)]
            loop.body[first:] = [*new, *kept]
            parts[start : start + len(factors)] = [joined]
            start += 1
        if len(parts) != len(node.args):
            loop.body[loop.body.index(node)] = replace(node, args=tuple(parts), kwargs={"axis": axis})


def _shared_product(
    parts: list[Value], start: int, made: dict[Value, Node], whole: dict[Value, Value], ahead: set[Value]
) -> tuple[Any, list[Value]]:
    """The operand that products from `start` on share, and the other operand of each."""

    def operands(p: Value) -> list[Any]:
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

    best: tuple[Any, list[Value]] = (None, [])
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
    """C as (..., 1, H) times the factors as (..., n, H), and the product as (..., n H)."""
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
