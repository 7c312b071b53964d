"""The walk back over a graph: calls that compute the gradients, in the form in which a person would write them.

A cotangent on its way back through elementwise operations is kept as a product, base * factor * factor ..., and is
only multiplied out where somebody needs the array. All factors are values of the forward pass, so in a loop the whole
product of factors can be computed before the walk back begins (1 - h^2 for all t), and one multiplication is left in
each step. Contributions to one value that share their base are one product with the sum of their factors.

The rules themselves are the engine's: each is run once, on a tape, and read off it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from tinygrad_rnn.core.recording import recording_under
from tinygrad_rnn.core.sparse import Sparse
from tinygrad_rnn.core.tensor import Tensor, leaf
from tinygrad_rnn.graph.batching import SELECTIVE, elementwise, is_view
from tinygrad_rnn.graph.builder import Builder
from tinygrad_rnn.graph.graph import Carry, Graph, Loop, Node, Out, Value
from tinygrad_rnn.tape.full_tape import Tape

BY = "backward"
LONGEST = 8
"""Factors of a product, at most: a chain of a thousand elementwise calls is multiplied out on the way."""


@dataclass(frozen=True, slots=True)
class Term:
    """A cotangent: scale * base * factors, of the base's shape."""

    base: Value
    factors: tuple[Value, ...] = ()
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class PartTerm:
    """A cotangent that is `g` at an index and zero elsewhere."""

    place: tuple[Any, ...]
    g: Value


def differentiated(graph: Graph, loss: Value, wrt: Sequence[Value]) -> Graph:
    """The graph with the gradients of `loss` by `wrt` as further results, in that order."""
    graph = graph.copy()
    reached = _leading(graph, set(wrt))
    build = Builder(graph.items, BY)
    sweep = _Sweep(build, reached)
    one = np.ones(loss.shape, loss.dtype)
    if loss in reached:
        sweep.add(loss, Term(Value(one.shape, one.dtype, constant=one)))
    for item in graph.items[:]:
        if isinstance(item, Loop):
            for out in item.outs():
                out.outer.name = out.outer.name or (out.inner.name and f"{out.inner.name}s")
    for item in reversed(graph.items[:]):
        if isinstance(item, Node):
            sweep.back(item)
        else:
            _back_through(item, sweep)
    gradients = [sweep.gradient(x) for x in wrt]
    return Graph(graph.inputs, graph.items, [*graph.results, *gradients])


def _leading(graph: Graph, wrt: set[Value]) -> set[Value]:
    """All Values that depend on one of `wrt`, and these."""
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
        while size != len(found):
            size = len(found)
            found |= {c.before for c in item.carries if c.init in found or c.after in found}
            spread(item.body)
        found |= {out.outer for out in item.outs() if out.inner in found}
    return {v for v in found if v.dtype.kind == "f"}


class _Sweep:
    """The walk back over one list of calls: what has come back to each Value so far."""

    def __init__(self, build: Builder, reached: set[Value], loop: _BackLoop | None = None) -> None:
        self.build = build
        self.reached = reached
        self.cotangents: dict[Value, list[Term | PartTerm]] = {}
        self._loop = loop

    def here(self, v: Any) -> Any:
        """A value of the forward pass, as it can be read where this walk stands."""
        return v if self._loop is None or not isinstance(v, Value) else self._loop.needed(v)

    def add(self, x: Value, term: Term | PartTerm) -> None:
        """One more contribution to the cotangent of x."""
        self.cotangents.setdefault(x, []).append(term)

    def back(self, node: Node) -> None:
        """What a call adds to the cotangents of its arguments."""
        terms = self.cotangents.pop(node.out, None)
        if terms is None:
            return
        self.build.scope = node.scope
        g = self._combined(node.out, terms)
        if elementwise(node) and node.op.name not in SELECTIVE and not node.op.variadic:
            self._through_elementwise(node, g)
        else:
            self._through(node, self._complete(g, node.out))

    def gradient(self, x: Value) -> Value:
        """The complete cotangent of x; zeros where nothing came back."""
        terms = self.cotangents.pop(x, None)
        if terms is None:
            zeros = np.zeros(x.shape, x.dtype)
            return Value(x.shape, x.dtype, constant=zeros)
        return self._complete(self._combined(x, terms), x)

    def _complete(self, g: Term, x: Value) -> Value:
        """The complete cotangent of x, multiplied out."""
        whole = self.whole(g, x)
        _call(whole, x)
        return whole

    # -------------------------------------------------------------------------------------- sums and products

    def _combined(self, x: Value, terms: list[Term | PartTerm]) -> Term:
        """The sum of all contributions."""
        parts = [t for t in terms if isinstance(t, PartTerm)]
        groups: dict[Value, list[Term]] = {}
        for t in terms:
            if isinstance(t, Term):
                groups.setdefault(t.base, []).append(t)
        summed = [self._sharing(group) for group in groups.values()]
        if len(summed) == 1 and not parts:
            if not summed[0].factors and summed[0].scale == 1:
                _call(summed[0].base, x)
            return summed[0]
        total = None
        for term in summed:
            product = self.whole(term, x)
            total = product if total is None else self.build.arithmetic("add", total, product)
        if parts:
            scattered = self._scattered(x, parts)
            total = scattered if total is None else self.build.arithmetic("add", total, scattered)
        assert total is not None
        _call(total, x)
        return Term(total)

    def _sharing(self, terms: list[Term]) -> Term:
        """Contributions with one base: that base, with the sum of their factors."""
        counted: dict[frozenset[Any], Term] = {}
        for t in terms:
            key = frozenset(Counter(t.factors).items())
            before = counted.get(key)
            counted[key] = t if before is None else Term(t.base, t.factors, before.scale + t.scale)
        kept = [t for t in counted.values() if t.scale != 0]
        if not kept:
            return Term(terms[0].base, (), 0.0)  # x - x
        if len(kept) == 1:
            return kept[0]
        kept.sort(key=lambda t: t.scale < 0)  # 1 - z, not -z + 1
        total: Any = None
        for t in kept:
            size = self._product(Term(t.base, t.factors, abs(t.scale)))
            size = 1.0 if size is None else size
            if total is None:
                total = size if t.scale > 0 else self.build.arithmetic("multiply", size, -1.0)
            else:
                total = self.build.arithmetic("add" if t.scale > 0 else "subtract", total, size)
        base = terms[0].base
        return Term(base, (total,)) if isinstance(total, Value) else Term(base, (), total)

    def _product(self, term: Term) -> Any:
        """The factors and the scale of a term, multiplied; None for 1."""
        product: Any = None
        for f in term.factors:
            product = f if product is None else self.build.arithmetic("multiply", product, f)
        if term.scale != 1:
            product = term.scale if product is None else self.build.arithmetic("multiply", product, term.scale)
        return product

    def whole(self, term: Term, x: Value) -> Value:
        """A term, multiplied out, in the dtype of x and the shape of its base."""
        base, scale = term.base, term.scale
        if scale != 1:
            base = self.build.arithmetic("multiply", base, scale)
        factor = self._product(Term(term.base, term.factors))
        product = base if factor is None else self.build.arithmetic("multiply", base, factor)
        return self.build.cast(product, x.dtype)

    def _scattered(self, x: Value, parts: list[PartTerm]) -> Value:
        """The parts as one array; side by side where they cover it like the parts of a cut."""
        same: dict[Any, PartTerm] = {}
        for part in parts[::-1]:
            key = tuple((p.start, p.stop, p.step) if isinstance(p, slice) else id(p) for p in part.place)
            if key in same:
                g = self.build.arithmetic("add", same[key].g, part.g)
                same[key] = PartTerm(part.place, g)
            else:
                same[key] = part
        tiles = list(same.values())
        axis = _axis_of_tiles(x, [t.place for t in tiles])
        if axis is not None:
            tiles.sort(key=lambda t: _reach(t.place[axis], x.shape[axis])[0])
            if len(tiles) == 1:
                return tiles[0].g
            return self.build.call("concatenate", [t.g for t in tiles], x.shape, x.dtype, {"axis": axis})
        if len(tiles) == 1 and all(p is None or p == slice(None) for p in tiles[0].place):
            return self.build.shaped(tiles[0].g, x.shape)  # x[:, None]: all of it, in another shape
        flat = [a for t in tiles for a in (t.g, *t.place)]
        options = {"lengths": tuple(len(t.place) for t in tiles), "shape": x.shape, "dtype": x.dtype}
        return self.build.call("scatter", flat, x.shape, x.dtype, options)

    # -------------------------------------------------------------------------------------- rules

    def _active(self, node: Node) -> list[int]:
        rules = node.op.vjps
        return [
            k
            for k, a in enumerate(node.args)
            if isinstance(a, Value) and a in self.reached and (node.op.variadic or (k < len(rules) and rules[k]))
        ]

    def _through_elementwise(self, node: Node, g: Term) -> None:
        active = self._active(node)
        long = len(g.factors) >= LONGEST
        if long or (len(active) > 1 and (g.factors or g.scale != 1) and not self._joins(node, active, g)):
            g = Term(self._complete(g, node.out))
        for k in active:
            x = node.args[k]
            factor = self._factor(node, k)
            if isinstance(factor, Value):
                term = Term(g.base, (*g.factors, factor), g.scale)
            else:
                term = Term(g.base, g.factors, g.scale * factor)
            if x.shape != node.out.shape or x.dtype != node.out.dtype:
                term = Term(self._fitted(self.whole(term, node.out), x))
            self.add(x, term)

    def _joins(self, node: Node, active: list[int], g: Term) -> bool:
        """Will this be a sum of factors with what has come back before? Then it is not to be multiplied out."""
        if node.op.name not in ("add", "subtract"):
            return False
        waiting = [t for k in active for t in self.cotangents.get(node.args[k], ())]
        return any(isinstance(t, Term) and t.base is g.base for t in waiting)

    def _factor(self, node: Node, k: int) -> Any:
        """The derivative by argument k, entry by entry: the rule at the cotangent 1."""
        one = leaf(np.ones((), node.out.dtype))
        known: dict[int, Any] = {id(one): 1.0}
        values, y = self._stand_ins(node, known)
        with np.errstate(all="ignore"), Tape() as tape, recording_under(()):
            product = node.op.vjps[k](one, y, *values, **node.kwargs)
        factor = self.build.recorded(tape.lines(), known, product)
        if isinstance(factor, Value) and factor.dtype.kind != "f":
            factor = self.build.cast(factor, node.out.dtype)
        return factor

    def _through(self, node: Node, g: Value) -> None:
        active = self._active(node)
        if not active:
            return
        cotangent = leaf(g.sample())
        known: dict[int, Any] = {id(cotangent): g}
        values, y = self._stand_ins(node, known)
        with np.errstate(all="ignore"), Tape() as tape, recording_under(()):
            if node.op.variadic:
                together = node.op.vjps(cotangent, y, *values, **node.kwargs)
                products = [(k, together[k]) for k in active if together[k] is not None]
            else:
                products = [(k, node.op.vjps[k](cotangent, y, *values, **node.kwargs)) for k in active]
        lines = tape.lines()
        for k, product in products:
            x = node.args[k]
            if isinstance(product, Sparse):
                ((where, given),) = product.parts
                place = tuple(self.build.recorded((), known, p) if type(p) is Tensor else p for p in where)
                found = self.build.recorded(lines, known, given)
                self.add(x, PartTerm(place, self.build.cast(found, x.dtype)))
            else:
                self.add(x, Term(self._fitted(self.build.recorded(lines, known, product), x)))
            lines = []

    def _stand_ins(self, node: Node, known: dict[int, Any]) -> tuple[list[Any], Tensor]:
        """Tensors for the arguments and the result of a call, for its rule to be run on; and what they stand for."""
        values = []
        for a in node.args:
            if isinstance(a, Value):
                tensor = leaf(a.sample())
                known[id(tensor)] = partial(self.here, a)
                a = tensor
            values.append(a)
        y = leaf(node.out.sample())
        known[id(y)] = partial(self.here, node.out)
        self._kept = (values, y)  # ids are only theirs while they live
        return values, y

    def _fitted(self, product: Any, x: Value) -> Value:
        """A product in the shape and dtype of its argument: summed over the axes that were broadcast."""
        if not isinstance(product, Value):
            product = Value(x.shape, x.dtype, constant=np.full(x.shape, product, x.dtype))
        extra = product.ndim - x.ndim
        repeated = [k for k, n in enumerate(x.shape, start=extra) if n == 1 and product.shape[k] != 1]
        if product.shape != x.shape:
            product = self.build.summed(product, (*range(extra), *repeated), x.shape)
        return self.build.cast(product, x.dtype)


def _call(g: Value, x: Value) -> None:
    """Give the complete cotangent of x, if it has no name, the name dx."""
    g.name = g.name or (x.name and f"d{x.name}")


def _axis_of_tiles(x: Value, places: Sequence[tuple[Any, ...]]) -> int | None:
    """The one axis along which slices cover x without a gap or an overlap."""
    axes = set()
    for place in places:
        parts = [k for k, p in enumerate(place) if not (isinstance(p, slice) and p == slice(None))]
        if len(place) > x.ndim or len(parts) != 1 or not isinstance(place[parts[0]], slice):
            return None
        if place[parts[0]].step not in (None, 1):
            return None
        axes.add(parts[0])
    if len(axes) != 1:
        return None
    axis = axes.pop()
    end = 0
    for start, stop in sorted(_reach(place[axis], x.shape[axis]) for place in places):
        if start != end:
            return None
        end = stop
    return axis if end == x.shape[axis] else None


def _reach(part: slice, length: int) -> tuple[int, int]:
    start, stop, _ = part.indices(length)
    return start, stop


# ---------------------------------------------------------------------------------------------- loops


class _BackLoop:
    """The loop that walks back over another one, and how it reads what that one made."""

    def __init__(self, forward: Loop) -> None:
        self.forward = forward
        self.loop = Loop(forward.length, -forward.direction, first=forward.first)
        self._inner = forward.inner()
        self._rows = {row.inner: row for row in forward.rows}
        self._nodes = {node.out: node for node in forward.body}
        self._needed: dict[Value, Value] = {}

    def needed(self, v: Value) -> Value:
        """A value of a forward step as the same step of the walk back reads it."""
        if v not in self._inner:
            return v
        found = self._needed.get(v)
        if found is None:
            found = self._needed[v] = self._read(v)
        return found

    def _read(self, v: Value) -> Value:
        row = self._rows.get(v)
        if row is not None:
            inner = self.loop.row_of(row.outer, row.offset)
        else:
            node = self._nodes.get(v)
            if node is not None and is_view(node) and node.op.name != "broadcast_to":
                inner = Value(v.shape, v.dtype, v.name)
                args = tuple(self.needed(a) if isinstance(a, Value) else a for a in node.args)
                self.loop.body.append(Node(node.op, args, inner, node.kwargs, node.scope, BY))
            else:
                inner = self.loop.row_of(self.forward.stack_of(v))
        inner.name, inner.example = inner.name or v.name, v.sample()
        return inner


def _back_through(forward: Loop, outside: _Sweep) -> None:
    """Append the loop that walks back over `forward`, and what it adds to the cotangents outside."""
    seeds: dict[Value, Value] = {}
    for out in forward.outs():
        if out.outer in outside.cotangents:
            seeds[out.outer] = outside.gradient(out.outer)
    if not seeds:
        return
    stacks_before = len(forward.stacks)
    active = [c for c in forward.carries if any(o.inner is c.after and o.outer in seeds for o in forward.lasts)]
    while True:
        del forward.stacks[stacks_before:]
        back, grown = _attempt(forward, outside, seeds, active)
        if len(grown) == len(active):
            break
        active = grown
    if back is not None:
        back()


def _attempt(forward: Loop, outside: _Sweep, seeds: dict[Value, Value], active: list[Carry]) -> tuple[Any, list[Carry]]:
    """The loop back, given which carries bring a cotangent; and those that were seen to."""
    reader = _BackLoop(forward)
    loop = reader.loop
    build = Builder(loop.body, BY)
    sweep = _Sweep(build, outside.reached, reader)
    for out in forward.stacks:
        if out.outer in seeds and out.inner in outside.reached:
            sweep.add(out.inner, Term(loop.row_of(seeds[out.outer])))
    for out in forward.sums:
        if out.outer in seeds:
            sweep.add(out.inner, Term(seeds[out.outer]))
    handed: dict[Carry, Value] = {}
    for carry in active:
        name = f"d{carry.after.name}" if carry.after.name else None
        handed[carry] = Value(carry.after.shape, carry.after.dtype, name)
        sweep.add(carry.after, Term(handed[carry]))
    for node in reversed(forward.body):
        sweep.back(node)
    grown = [
        c for c in forward.carries if c in active or (c.before in sweep.cotangents and c.before in outside.reached)
    ]
    if len(grown) > len(active):
        return None, grown
    steps = {row.inner: row for row in forward.rows}
    stepped = {inner: _own(sweep.gradient(inner), build) for inner in steps if inner in sweep.cotangents}
    handed_on = {}
    for carry in active:
        after = sweep.gradient(carry.before) if carry.before in sweep.cotangents else None
        if after is None:
            after = Value(
                carry.before.shape, carry.before.dtype, constant=np.zeros(carry.before.shape, carry.before.dtype)
            )
        handed_on[carry] = _own(after, build)
    shared = {v: _own(sweep.gradient(v), build) for v in list(sweep.cotangents)}

    def join() -> None:
        given: set[Value] = set()
        for carry in active:
            seed = None
            for out in forward.lasts if carry.after not in given else []:
                if out.inner is carry.after and out.outer in seeds:
                    more = seeds[out.outer]
                    seed = more if seed is None else outside.build.arithmetic("add", seed, more)
            given.add(carry.after)  # of several carries of one value, one brings what comes back from outside
            if seed is None:
                seed = Value(
                    carry.after.shape, carry.after.dtype, constant=np.zeros(carry.after.shape, carry.after.dtype)
                )
            loop.carries.append(Carry(handed[carry], seed, handed_on[carry]))
            if carry.init in outside.reached:
                outer = Value(carry.init.shape, carry.init.dtype)
                loop.lasts.append(Out(handed_on[carry], outer))
                outside.add(carry.init, Term(outer))
        for inner, g in stepped.items():
            row = steps[inner]
            outer = loop.stack_of(g)
            if row.offset == 0 and row.outer.shape[0] == loop.length:
                outside.add(row.outer, Term(outer))
            else:
                outside.add(row.outer, PartTerm((slice(row.offset, row.offset + loop.length),), outer))
        for v, g in shared.items():
            outer = Value(v.shape, v.dtype)
            loop.sums.append(Out(g, outer))
            outside.add(v, Term(outer))
        outside.build.nodes.append(loop)

    return join, grown


def _own(v: Value, build: Builder) -> Value:
    """V as a result of a call of this loop, which it is not if it comes from outside as it is."""
    if any(node.out is v for node in build.nodes):
        return v
    return build.call("positive", (v,), v.shape, v.dtype)
