"""The walk back with every cotangent kept as a sum of parts, told apart by tags.

A gradient is a sum over paths. Where `Tape.gradient` adds the paths up, `split_gradient` keeps them apart by whatever a
`tag` says of them (the step through which a path came to a parameter, the gate that it passed), and lets an `edge`
scale a path between two entries: by 0, to cut it. The decompositions of a gradient and the truncations of BPTT are made
of these two. The walk is that of the engine; its cotangents are `Tagged`, which add up tag by tag.

>>> import numpy as np
>>> from tinygrad_rnn.core.recording import scope
>>> from tinygrad_rnn.tape.steps import time_of
>>> w, h = Tensor(0.5), Tensor(1.0)
>>> with Tape() as tape:
...     for t in range(3):
...         with scope(t=t):
...             h = w * h
>>> split_gradient(tape, h, [w], tag=lambda tag, labels: time_of(labels))[0]
{2: array(0.25), 1: array(0.25), 0: array(0.25)}
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Self

import numpy as np

from tinygrad_rnn.core.backward import Products, fitted, walk
from tinygrad_rnn.core.recording import Scope
from tinygrad_rnn.core.sparse import Cotangent, Sparse, add_parts
from tinygrad_rnn.core.table import Args
from tinygrad_rnn.core.tensor import Line, Tensor
from tinygrad_rnn.core.values import Value
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.products import sparse_products_of

Parts = dict[Hashable, Cotangent]
"""A cotangent in parts: by tag, arrays that add up to it."""

Tag = Callable[[Any, Scope], Hashable]
"""(the tag with which a part comes to an entry, the entry's scope) -> the tag with which it goes on."""

Edge = Callable[[Any, Scope, Scope], float]
"""(tag, scope of the entry that read a value, scope of the entry that made it) -> the factor on the cotangent."""


def split_gradient(
    tape: Tape,
    loss: Any,
    wrt: Sequence[Tensor],
    tag: Tag,
    edge: Edge | None = None,
    seed: Any = None,
    *,
    start: Mapping[Tensor, Hashable] | None = None,
    at_leaf: Callable[[Any], Hashable] | None = None,
) -> list[Parts]:
    """Return the gradient of `loss` by each of `wrt`, in parts by tag: arrays of the shape of its Tensor.

    loss: a Tensor (with `seed`, its cotangent, 1 by default), or a mapping from several to their cotangents. A part
    starts with the tag None, or with that which `start` has for its loss; at every entry `tag` gives it the tag with
    which it goes on to the entry's inputs, and parts of one tag become one. `edge` is asked about values that an
    entry of this tape made, and not about leaves; a part with factor 0 ends there. `at_leaf` gives a part that
    comes to a leaf the tag under which it is kept, its own by default. Parts that are never reached are absent: an
    empty dict is zero.

    The parts add up to the gradient to rounding, where `edge` is None. Values are arrays; hooks are not asked. For
    code under `not_recording`. Raises the errors of `Tape.gradient` for its `loss`.

    A cotangent of `x[t]` is kept as a part at that place until an operation needs the whole: through stack and
    concatenate, as between two layers, T parts cost O(T).
    """
    lines = tape.lines()
    made: dict[int, Scope] = {id(out): labels for _, _, _, out, labels in lines}
    tags = start or {}
    pending = {x: Tagged(x.shape, x.dtype, {tags.get(x): g}) for x, g in tape.seeds(loss, seed).items()}
    kept = set(wrt)
    found: dict[Tensor, Parts] = {}  # where the walk goes on from one of `wrt`, the parts that came to it

    def passed(number: int, held: Tagged) -> Tagged:
        """Return a complete cotangent with the tags with which its parts go on."""
        _, _, _, out, labels = lines[number]
        parts, held.parts = held.parts, {}
        if out in kept:
            found[out] = parts
        for key, g in parts.items():
            _add(held.parts, tag(key, labels), g)
        return held

    def send(line: Line, held: Tagged, needed: set[int] | None) -> Products:
        op, _, _, _, labels = line
        sent = []
        for key, g in held.parts.items():
            for x, product in _products(line, g, needed):
                maker = made.get(id(x))
                going = key
                if maker is None:
                    going = key if at_leaf is None else at_leaf(key)
                # A part that touches some of the joined values is zero for the others, and ends there.
                elif op.kind == "join" and isinstance(product, np.ndarray) and not product.any():
                    continue
                elif edge is not None and (factor := edge(key, labels, maker)) != 1:
                    if not factor:
                        continue
                    product = _times(factor, product)
                product = [product] if type(product) is Sparse else product
                sent.append((x, Tagged(x.shape, x.dtype, {going: product})))
        return sent

    for _ in walk(lines, len(lines) - 1, pending, list(wrt), passed, send=send):
        pass
    found = {x: g.parts for x, g in pending.items()} | found
    return [{key: np.array(_whole(g, x)) for key, g in found.get(x, {}).items()} for x in wrt]


class Tagged:
    """A cotangent of x, of x's shape: the sum of `parts`, each an array, or a list of arrays and `Sparse`."""

    __slots__ = ("dtype", "parts", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: Any, parts: Parts) -> None:
        self.shape, self.dtype, self.parts = shape, dtype, parts

    def __add__(self, other: Tagged) -> Tagged:
        total = Tagged(self.shape, self.dtype, {key: [*g] if type(g) is list else g for key, g in self.parts.items()})
        total += other
        return total

    def __iadd__(self, other: Tagged) -> Self:
        for key, g in other.parts.items():
            _add(self.parts, key, g)
        return self


def total(parts: Mapping[Any, Cotangent], like: Tensor) -> Cotangent:
    """Return the sum of all parts; zeros like `like` where there are none."""
    return sum(parts.values(), np.zeros(like.shape, like.dtype))


def _add(parts: Parts, key: Hashable, g: Cotangent) -> None:
    """Add an array, or a list of arrays and `Sparse`."""
    held = parts.get(key)
    if type(held) is list:
        held.extend(g if type(g) is list else [g])
    elif type(g) is list:
        parts[key] = [*g] if held is None else [held, *g]
    else:
        parts[key] = g if held is None else held + g


def _times(factor: float, product: Cotangent) -> Cotangent:
    if type(product) is Sparse:
        return Sparse(product.shape, product.dtype, [(index, factor * g) for index, g in product.parts])
    return factor * product


def _whole(g: Cotangent, x: Tensor) -> Cotangent:
    """Return a cotangent of x as one array."""
    if type(g) is not list:
        return g
    found = np.zeros(x.shape, x.dtype)
    for part in reversed(g):  # in the order of the tape
        if type(part) is Sparse:
            add_parts(found, part.parts)
        else:
            found += part
    return found


def _products(line: Line, g: Cotangent, needed: set[int] | None) -> Products:
    """Return the products of one line; of a part of a stack, those of the inputs that it touches alone."""
    if type(g) is not list:
        return sparse_products_of(line, g, needed)
    op, args, kwargs, out, _ = line
    split = _SPLITS.get(op.name)
    products: Products = []
    rest = []
    for part in g:
        found = split(args, kwargs.get("axis", 0), out.ndim, part) if split and type(part) is Sparse else None
        if found is None:
            rest.append(part)
            continue
        wanted = [(x, product) for x, product in found if type(x) is Tensor and (needed is None or id(x) in needed)]
        products += [(x, fits) for x, product in wanted if (fits := fitted(product, x)) is not None]
    return products + sparse_products_of(line, _whole(rest, out), needed) if rest else products


def _of_stack(args: Args, axis: int, ndim: int, part: Sparse) -> list[tuple[Value, Cotangent]] | None:
    """Return a part of a stack, of one or several of its values, as products for these values."""
    ((place, given),) = part.parts
    first, *inner = place
    if axis % ndim or not all(type(k) in (int, slice) for k in place):
        return None
    touched = [(first, given)] if type(first) is int else zip(range(*first.indices(len(args))), given, strict=True)
    return [
        (args[k], Sparse(np.shape(args[k]), g.dtype, [(tuple(inner), g)]) if inner else np.asarray(g))
        for k, g in touched
    ]


def _of_concatenation(args: Args, axis: int, ndim: int, part: Sparse) -> list[tuple[Value, Cotangent]] | None:
    """Return a part that has the whole axis along which values were joined, as the same part of each value."""
    axis %= ndim
    ((place, given),) = part.parts
    if len(place) > axis or not all(type(k) in (int, slice) for k in place):
        return None
    inner = axis - sum(type(k) is int for k in place)
    ends = np.cumsum([np.shape(a)[axis] for a in args])[:-1]
    pieces = np.split(given, ends, axis=inner)
    return [(a, Sparse(np.shape(a), g.dtype, [(place, g)])) for a, g in zip(args, pieces, strict=True)]


_SPLITS = {"stack": _of_stack, "concatenate": _of_concatenation}
