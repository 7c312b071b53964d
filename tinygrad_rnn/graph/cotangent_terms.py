"""A cotangent as a product, base * factor * factor ..., and the sum of several of them.

A product is multiplied out only where somebody needs the array. All factors are values of the forward pass, so in a
loop the whole product of factors can be computed before the walk back begins (1 - h^2 for all t), and one
multiplication is left in each step. Terms that share their base are one product with the sum of their factors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tinygrad_rnn.graph.builder import Builder
from tinygrad_rnn.graph.graph import Argument, Value


@dataclass(frozen=True, slots=True)
class Term:
    """A cotangent: scale * base * factors, of the base's shape."""

    base: Value
    factors: tuple[Value, ...] = ()
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class PartTerm:
    """A cotangent that is `g` at an index and zero elsewhere."""

    place: tuple[Argument, ...]
    g: Value


Cotangents = dict[Value, list[Term | PartTerm]]
"""The terms that have come back to each Value so far."""


class TermSums:
    """Adds up and multiplies out the terms of a cotangent, with new calls of `build`."""

    def __init__(self, build: Builder) -> None:
        self.build = build

    def complete(self, terms: list[Term | PartTerm], x: Value) -> Value:
        """Return the sum of all terms of x's cotangent, multiplied out and named."""
        return self.finished(self.combined(terms, x), x)

    def finished(self, term: Term, x: Value) -> Value:
        """Return the one term of x's cotangent, multiplied out and named."""
        whole = self.whole(term, x)
        _name_cotangent(whole, x)
        return whole

    def combined(self, terms: list[Term | PartTerm], x: Value) -> Term:
        """Return the sum of all terms of x's cotangent as one term."""
        parts = [t for t in terms if isinstance(t, PartTerm)]
        groups: dict[Value, list[Term]] = {}
        for t in terms:
            if isinstance(t, Term):
                groups.setdefault(t.base, []).append(t)
        summed = [self._sharing(group) for group in groups.values()]
        if len(summed) == 1 and not parts:
            if not summed[0].factors and summed[0].scale == 1:
                _name_cotangent(summed[0].base, x)
            return summed[0]
        summed.sort(key=lambda t: t.scale < 0)  # a - b, not -b + a
        total = None
        for term in summed:
            minus = total is not None and term.scale < 0
            product = self.whole(replace(term, scale=-term.scale) if minus else term, x)
            name = "subtract" if minus else "add"
            total = product if total is None else self.build.arithmetic(name, total, product)
        if parts:
            scattered = self._scattered(x, parts)
            total = scattered if total is None else self.build.arithmetic("add", total, scattered)
        assert total is not None
        _name_cotangent(total, x)
        return Term(total)

    def whole(self, term: Term, x: Value) -> Value:
        """Multiply out a term: return it in the dtype of x and the shape of its base."""
        base, scale = term.base, term.scale
        if scale != 1:
            base = self.build.arithmetic("multiply", base, scale)
        factor = self._product(Term(term.base, term.factors))
        product = base if factor is None else self.build.arithmetic("multiply", base, factor)
        return self.build.cast(product, x.dtype)

    def _sharing(self, terms: list[Term]) -> Term:
        """Return the sum of terms with one base: that base, with the sum of their factors."""
        counted: dict[frozenset[Hashable], Term] = {}
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
        """Return the product of a term's factors and its scale; None for 1."""
        product: Any = None
        for f in term.factors:
            product = f if product is None else self.build.arithmetic("multiply", product, f)
        if term.scale != 1:
            product = term.scale if product is None else self.build.arithmetic("multiply", product, term.scale)
        return product

    def _scattered(self, x: Value, parts: list[PartTerm]) -> Value:
        """Return the parts as one array: a concatenation where they cover x as the parts of a cut do."""
        same: dict[Hashable, PartTerm] = {}
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
        if len(tiles) == 1 and _is_all(x, tiles[0].place):
            return self.build.shaped(tiles[0].g, x.shape)  # x[:, None]: all of it, in another shape
        flat = [a for t in tiles for a in (t.g, *t.place)]
        options = {"lengths": tuple(len(t.place) for t in tiles), "shape": x.shape, "dtype": x.dtype}
        return self.build.call("scatter", flat, x.shape, x.dtype, options)


def _name_cotangent(g: Value, x: Value) -> None:
    """Give the complete cotangent of x, if it has no name, the name dx."""
    g.name = g.name or (x.name and f"d{x.name}")


def _is_all(x: Value, place: tuple[Argument, ...]) -> bool:
    """Is all of x read by an index, in its order? Integers may stand at axes of length 1."""
    axes = [p for p in place if p is not None]
    if Ellipsis in [p for p in axes if not isinstance(p, Value)]:
        at = next(k for k, p in enumerate(axes) if p is Ellipsis)
        axes[at : at + 1] = [slice(None)] * (x.ndim - len(axes) + 1)
    return all(
        p == slice(None) if isinstance(p, slice) else type(p) is int and length == 1
        for p, length in zip(axes, x.shape, strict=False)
    )


def _axis_of_tiles(x: Value, places: Sequence[tuple[Argument, ...]]) -> int | None:
    """Return the one axis along which slices cover x without a gap or an overlap, or None."""
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
