"""The walk back over a tape: cotangents flow from a result to what it was made of, a line at a time, in one loop.

Broadcasting and promotion are undone here, once, for every operation: a contribution is summed over the axes along
which its argument was repeated, and comes back in that argument's dtype.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_rnn.engine.primitives.indexing import Part, add_part, scatter
from tinygrad_rnn.engine.primitives.reductions import sum
from tinygrad_rnn.engine.primitives.shapes import astype
from tinygrad_rnn.engine.recording import Entry, Scope, current, recording_under, scope_text
from tinygrad_rnn.engine.tensor import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One entry of the walk back: the tape's line `entry`, number `index`, read in reverse.

    `cotangent` is dL/d(entry.out), complete; `products` says what the line adds to which of its inputs:
    pairs (input, contribution to dL/d(input)), the vector-Jacobian products, each of its input's shape.
    Arrays; Tensors where a tape is open. `products` is made when asked for: that of `x[t]` is as large as x.
    """

    index: int
    entry: Entry
    cotangent: Any
    parts: list[tuple[Tensor, Any]]

    @property
    def products(self) -> list[tuple[Tensor, Any]]:
        """What the line adds to dL/d(input), for each input."""
        return [(x, _dense(part, x) if type(part) is Part else read_only(part)) for x, part in self.parts]

    def __str__(self) -> str:
        entry = self.entry
        to = ", ".join(f"{x.name or 'input'} {x.shape}" for x, _ in self.parts)
        out = f"{entry.out.name or f'#{self.index}'} {entry.out.shape}"
        where = f"  in {scope_text(entry.scope)}" if entry.scope else ""
        return f"{self.index}: d{out} through {entry.op.name} to {to or 'nothing'}{where}"


def walk(
    lines: list[Any], start: int, pending: dict[Tensor, Any], wrt: list[Tensor] | None
) -> Iterator[tuple[int, Any, list[tuple[Tensor, Any]]]]:
    """Walk back from line `start`: at each line that was reached, (number, cotangent of its result, products).

    `pending` maps each Tensor to the sum of what has come back to it so far. With `wrt`, only towards these, and their
    sums stay in `pending`; any other sum leaves it when its line is read. Recorded, if a tape is open.
    """
    recording = bool(current()[0])
    kept = set(wrt or ())
    leads = None if wrt is None else _dependent(lines, start, kept)
    owned: set[Tensor] = set()  # sums in an array of our own, into which more can be added in place
    for index in range(start, -1, -1):
        op, args, kwargs, out, labels = lines[index]
        g = pending.pop(out, None)
        if g is None:
            continue
        if type(g) is _Parts:
            g = g.sum(out, labels)
        if out in kept:
            pending[out] = g
        if recording:
            with recording_under(_one_order_up(labels)):
                products = _products(op, g, out, args, kwargs, args, leads)
                for x, product in products:
                    _accumulate_recorded(pending, x, product)
        else:
            values = [a._data if type(a) is Tensor else a for a in args]
            products = _products(op, g, out._data, values, kwargs, args, leads)
            for x, product in products:
                if x in pending or type(product) is Part:
                    _accumulate(pending, x, product, owned)
                else:
                    pending[x] = product
        yield index, g, products
    for x in kept:
        if type(pending.get(x)) is _Parts:
            pending[x] = pending[x].sum(x, ())


def finished(g: Any, x: Tensor) -> Any:
    """A gradient as it leaves the walk: complete, of x's shape and dtype, and nobody else's array."""
    if current()[0]:
        if g is None:
            g = np.zeros(x.shape, x.dtype)
        return g if isinstance(g, Tensor) else Tensor(g)
    return np.zeros(x.shape, x.dtype) if g is None else np.array(g, order="C")


def read_only(g: Any) -> Any:
    """A cotangent to look at: the walk goes on with the same numbers, so they must not change."""
    if isinstance(g, Tensor):
        return g
    view = np.asarray(g).view()
    view.setflags(write=False)
    return view


class _Parts:
    """A sum of recorded cotangents of which some are parts: kept as a list until the sum is needed."""

    __slots__ = ("_parts", "_whole")

    def __init__(self, part: Part, whole: Any) -> None:
        self._parts = [part]
        self._whole = whole

    def add(self, product: Any) -> None:
        if type(product) is Part:
            self._parts.append(product)
        else:
            self._whole = product if self._whole is None else self._whole + product

    def sum(self, x: Tensor, labels: Scope) -> Any:
        with recording_under(_one_order_up(labels)):
            total = scatter(self._parts[::-1], x.shape, x.dtype)  # in the order of the tape
            return total if self._whole is None else total + self._whole


def _dependent(lines: list[Any], start: int, wrt: set[Tensor]) -> set[int]:
    """The ids of all Tensors up to line `start` that depend on one of `wrt`, and of these. (The tape keeps them.)"""
    found = {id(x) for x in wrt}
    for _, args, _, out, _ in lines[: start + 1]:
        for a in args:
            if id(a) in found:
                found.add(id(out))
                break
    return found


def _products(
    op: Any, g: Any, y: Any, values: Any, kwargs: Any, args: tuple[Any, ...], leads: set[int] | None
) -> list[tuple[Tensor, Any]]:
    """The vector-Jacobian products of one entry: (input, contribution), with broadcasting and promotion undone."""
    if op.variadic:
        together = zip(args, op.vjps(g, y, *values, **kwargs), strict=True)
        wanted = [(x, product) for x, product in together if type(x) is Tensor and (leads is None or id(x) in leads)]
        return [(x, _fitted(product, x._data)) for x, product in wanted if x._data.dtype.kind == "f"]
    products = []
    for k, vjp in op.numbered_vjps:
        x = args[k]
        if type(x) is Tensor and (leads is None or id(x) in leads):
            product = vjp(g, y, *values, **kwargs) if kwargs else vjp(g, y, *values)
            like = x._data
            if product.shape != like.shape or product.dtype is not like.dtype:
                if like.dtype.kind != "f":
                    continue
                product = _fitted(product, like)
            products.append((x, product))
    return products


def _fitted(product: Any, like: ndarray[Any, Any]) -> Any:
    """A product in the shape and dtype of its argument."""
    if type(product) is Part:
        return product if product.dtype == like.dtype else product._replace(g=astype(product.g, dtype=like.dtype))
    if product.shape != like.shape:
        product = _unbroadcast(product, like.shape)
    return product if product.dtype == like.dtype else astype(product, dtype=like.dtype)


def _accumulate(pending: dict[Tensor, Any], x: Tensor, product: Any, owned: set[Tensor]) -> None:
    """Add what has come back to x to the sum, in place where the sum is in an array of our own."""
    held = pending.get(x)
    if type(product) is Part:
        if x not in owned:
            pending[x] = held = np.zeros(x.shape, x.dtype) if held is None else np.array(held)
            owned.add(x)
        add_part(held, product.place, product.g)
    elif x in owned:
        held += product
    else:
        pending[x] = held = held + product
        if type(held) is ndarray:  # a sum of 0-d arrays is a NumPy scalar
            owned.add(x)


def _accumulate_recorded(pending: dict[Tensor, Any], x: Tensor, product: Any) -> None:
    """The same for Tensors: every sum is an operation on the tape."""
    held = pending.get(x)
    if type(held) is _Parts:
        held.add(product)
    elif type(product) is Part:
        pending[x] = _Parts(product, held)
    else:
        pending[x] = product if held is None else held + product


def _unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum over the axes along which an argument of this shape was repeated."""
    extra = len(g.shape) - len(shape)
    axes = tuple(range(extra))
    if g.shape[extra:] != shape:
        axes += tuple(extra + k for k, n in enumerate(shape) if n == 1 and g.shape[extra + k] != 1)
    g = sum(g, axis=axes) if axes else g
    return g if g.shape == shape else g.reshape(shape)


def _dense(part: Part, x: Tensor) -> Any:
    return scatter([part], x.shape, x.dtype)


def _one_order_up(labels: Scope) -> Scope:
    """The scope of work done backward: that of the entry, under `grad=1`, or one more than it has."""
    order = 1
    if labels and labels[0][0] == "grad":
        order, labels = labels[0][1] + 1, labels[1:]
    return (("grad", order), *labels)
