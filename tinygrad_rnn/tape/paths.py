"""The walk back with every cotangent kept as a sum of parts, told apart by tags.

A gradient is a sum over paths. Where `Tape.gradient` adds the paths up, `split_gradient` keeps them apart by whatever a
`tag` says of them (the step through which a path came to a parameter, the gate that it passed), and lets an `edge`
scale a path between two entries: by 0, to cut it. The decompositions of a
gradient and the truncations of BPTT are made of these two.

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

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.core.backward import dependent, fitted
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
    seeds = tape.seeds(loss, seed)
    tags = start or {}
    pending: dict[Tensor, Parts] = {x: {tags.get(x): g} for x, g in seeds.items()}
    kept = set(wrt)
    needed = dependent(lines, kept)
    for line in reversed(lines):
        op, _, _, out, labels = line
        parts = pending.get(out)
        if not parts or id(out) not in needed:
            continue
        if out not in kept:
            del pending[out]
        for key, g in _retagged(parts, tag, labels).items():
            for x, product in _products(line, g, needed):
                if id(x) not in made:
                    _add(pending.setdefault(x, {}), key if at_leaf is None else at_leaf(key), product)
                    continue
                # A part that touches some of the joined values is zero for the others, and ends there.
                if op.kind == "join" and isinstance(product, np.ndarray) and not product.any():
                    continue
                factor = edge(key, labels, made[id(x)]) if edge is not None else 1.0
                if factor:
                    _add(pending.setdefault(x, {}), key, product if factor == 1 else _times(factor, product))
    return [{key: np.array(_whole(g, x)) for key, g in pending.get(x, {}).items()} for x in wrt]


def total(parts: Mapping[Any, Cotangent], like: Tensor) -> Cotangent:
    """Return the sum of all parts; zeros like `like` where there are none."""
    return sum(parts.values(), np.zeros(like.shape, like.dtype))


def _retagged(parts: Parts, tag: Tag, labels: Scope) -> Parts:
    found: Parts = {}
    for key, g in parts.items():
        _add(found, tag(key, labels), g)
    return found


def _add(parts: Parts, key: Hashable, g: Cotangent) -> None:
    """Add a cotangent: an array, a `Sparse` or a list of them."""
    held = parts.get(key)
    more = g if type(g) is list else [g] if type(g) is Sparse else None
    if type(held) is list:
        held.extend([g] if more is None else more)
    elif more is not None:
        parts[key] = [*more] if held is None else [held, *more]
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


def _products(line: Line, g: Cotangent, needed: set[int]) -> Iterator[tuple[Tensor, Cotangent]]:
    """Yield the products of one line; of a part of a stack, those of the inputs that it touches alone."""
    op, args, kwargs, out, _ = line
    if type(g) is not list:
        yield from sparse_products_of(line, g, needed)
        return
    split = _SPLITS.get(op.name)
    rest = []
    for part in g:
        found = split(args, kwargs.get("axis", 0), out.ndim, part) if split and type(part) is Sparse else None
        if found is None:
            rest.append(part)
            continue
        wanted = [(x, fitted(product, x)) for x, product in found if type(x) is Tensor and id(x) in needed]
        yield from (pair for pair in wanted if pair[1] is not None)
    if rest:
        yield from sparse_products_of(line, _whole(rest, out), needed)


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
