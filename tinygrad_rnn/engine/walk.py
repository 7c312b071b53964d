"""The walk back over a tape: cotangents flow from a result to what it was made of, a line at a time, in one loop.

Broadcasting and promotion are undone here, once, for every operation: a contribution is summed over the axes along
which its argument was repeated, and comes back in that argument's dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_rnn.engine.errors import explained
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
    parts: list[tuple[Tensor, Any]]  # the products as the rule gives them: broadcast, sparse, or of integers

    @property
    def products(self) -> list[tuple[Tensor, Any]]:
        """What the line adds to dL/d(input), for each input."""
        pairs = [(x, fitted(part, x)) for x, part in self.parts]
        return [(x, dense(p, x) if type(p) is Part else read_only(p)) for x, p in pairs if p is not None]

    def __str__(self) -> str:
        entry = self.entry
        to = ", ".join(f"{x.name or 'input'} {x.shape}" for x, _ in self.parts)
        out = f"{entry.out.name or f'#{self.index}'} {entry.out.shape}"
        where = f"  in {scope_text(entry.scope)}" if entry.scope else ""
        return f"{self.index}: d{out} through {entry.op.name} to {to or 'nothing'}{where}"


def walk(
    lines: list[Any],
    start: int,
    pending: dict[Tensor, Any],
    wrt: list[Tensor] | None,
    hook: Callable[[int, Any], Any] | None = None,
    prune_first: bool = False,
) -> Iterator[tuple[int, Any, list[tuple[Tensor, Any]]]]:
    """Walk back from line `start`: at each line that was reached, (number, cotangent of its result, products).

    `pending` maps each Tensor to the sum of what has come back to it so far. With `wrt`, only towards these, and their
    sums stay in `pending`; any other sum leaves it when its line is read. Recorded, if a tape is open. A `hook` is
    given the number and the cotangent of each line, and what it returns takes the cotangent's place.

    Lines that do not lead to `wrt` are left out: from the first leaf on that nobody asked for, since finding them costs
    a pass over the tape; with `prune_first`, from the beginning, so that every cotangent passed is complete.

    The products are as the derivative rules give them; `fitted` undoes broadcasting and promotion.
    """
    recording = bool(current()[0])
    kept = set(wrt or ())
    leads: set[int] | None = None  # what leads to `wrt`; found when the first leaf is met that nobody asked for
    asked_for_all = wrt is not None
    if asked_for_all and (prune_first or hook is not None):
        leads, asked_for_all = dependent(lines[: start + 1], kept), False
    owned: set[Tensor] = set()  # sums in an array of our own, into which more can be added in place
    results = {x for x in kept if x._tape is not None}  # asked for, and made by an operation
    get, pop = pending.get, pending.pop
    for index in range(start, -1, -1):
        op, args, kwargs, out, labels = lines[index]
        g = pop(out, None)
        if g is None:
            continue
        if type(g) is _Parts:
            g = g.sum(out, labels, recording)
        if hook is not None:
            g = hook(index, g)
        if results and out in results:
            pending[out] = g
        try:
            if recording:
                with recording_under(one_order_up(labels)):
                    products = _products(op, g, out, args, kwargs, args, leads)
                    for x, product in products:
                        if asked_for_all and x._tape is None and x not in kept:
                            leads, asked_for_all = dependent(lines[: start + 1], kept), False
                        product = fitted(product, x)
                        if product is not None:
                            _accumulate_recorded(pending, x, product)
            else:
                products = _products_of_arrays(op, g, out._data, args, kwargs, leads)
                for x, product in products:
                    if asked_for_all and x._tape is None and x not in kept:
                        leads, asked_for_all = dependent(lines[: start + 1], kept), False
                    if type(product) is Part:
                        _keep_part(pending, x, product, owned)
                        continue
                    like = x._data
                    if product.shape != like.shape or product.dtype is not like.dtype:
                        product = fitted(product, x)
                        if product is None:
                            continue
                    held = get(x)
                    if held is None:
                        pending[x] = product
                    elif x in owned:
                        held += product
                    elif type(held) is _Parts:
                        held.add(product)
                    else:
                        pending[x] = held = held + product
                        if type(held) is ndarray:  # a sum of 0-d arrays is a NumPy scalar
                            owned.add(x)
        except Exception as error:
            with recording_under(labels):
                raise explained(f"{op.name}, backward", args, error) from error
        yield index, g, products
    for x in kept:
        if type(pending.get(x)) is _Parts:
            pending[x] = pending[x].sum(x, (), recording)


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
    """A sum of cotangents of which some are parts: kept as a list until the sum is needed."""

    __slots__ = ("_parts", "_whole")

    def __init__(self, part: Part, whole: Any) -> None:
        self._parts = [part]
        self._whole = whole

    def add(self, product: Any) -> None:
        if type(product) is Part:
            self._parts.append(product)
        else:
            self._whole = product if self._whole is None else self._whole + product

    def sum(self, x: Tensor, labels: Scope, recording: bool) -> Any:
        parts = self._parts[::-1]  # in the order of the tape
        if recording:
            with recording_under(one_order_up(labels)):
                total = scatter(parts, x.shape, x.dtype)
                return total if self._whole is None else total + self._whole
        total = np.zeros(x.shape, x.dtype) if self._whole is None else np.array(self._whole)
        for part in parts:
            add_part(total, part.place, part.g)
        return total


def dependent(lines: Iterable[Any], wrt: set[Tensor]) -> set[int]:
    """The ids of all Tensors made in these lines that depend on one of `wrt`, and of these. (The tape keeps them.)"""
    found = {id(x) for x in wrt}
    for _, args, _, out, _ in lines:
        for a in args:
            if id(a) in found:
                found.add(id(out))
                break
    return found


def _products_of_arrays(
    op: Any, g: Any, y: Any, args: tuple[Any, ...], kwargs: dict[str, Any], leads: set[int] | None
) -> list[tuple[Tensor, Any]]:
    """The vector-Jacobian products of one entry, on bare values: (input, contribution).

    Nearly every entry has one or two inputs and no keywords: naming them halves the time of getting at their values.
    """
    if op.arity == 1 and not kwargs:  # what follows the one input is an index, a shape or axes
        x, vjp = args[0], op.vjps[0]
        if vjp is None or (leads is not None and id(x) not in leads):
            return []
        return [(x, vjp(g, y, x._data, *args[1:]))]
    if kwargs or len(args) > 2 or len(args) != op.arity:
        values = [a._data if type(a) is Tensor else a for a in args]
        return _products(op, g, y, values, kwargs, args, leads)
    a, b = args
    left, right = op.vjps
    a_value, b_value = (a._data if type(a) is Tensor else a), (b._data if type(b) is Tensor else b)
    products = []
    if left is not None and type(a) is Tensor and (leads is None or id(a) in leads):
        products.append((a, left(g, y, a_value, b_value)))
    if right is not None and type(b) is Tensor and (leads is None or id(b) in leads):
        products.append((b, right(g, y, a_value, b_value)))
    return products


def _products(
    op: Any, g: Any, y: Any, values: Any, kwargs: dict[str, Any], args: tuple[Any, ...], leads: set[int] | None
) -> list[tuple[Tensor, Any]]:
    """The vector-Jacobian products of one entry: (input, contribution)."""
    vjps = op.vjps
    if op.variadic:
        together = zip(args, vjps(g, y, *values, **kwargs), strict=True)
        wanted = [(x, p) for x, p in together if p is not None and type(x) is Tensor]
        return wanted if leads is None else [(x, p) for x, p in wanted if id(x) in leads]
    return [
        (x, vjp(g, y, *values, **kwargs))
        for x, vjp in zip(args, vjps, strict=False)  # an index has any number of parts
        if vjp is not None and type(x) is Tensor and (leads is None or id(x) in leads)
    ]


def products_of(line: tuple[Any, ...], g: Any) -> list[tuple[Tensor, Any]]:
    """What one line of a tape, given the cotangent g of its result, adds to its inputs: arrays of their shape."""
    return [(x, dense(p, x) if type(p) is Part else p) for x, p in sparse_products_of(line, g)]


def sparse_products_of(line: tuple[Any, ...], g: Any, leads: set[int] | None = None) -> list[tuple[Tensor, Any]]:
    """The same as the rules give it: arrays, or a `Part` of one. `leads`: the ids of those Tensors that count."""
    op, args, kwargs, out, _ = line
    pairs = [(x, fitted(p, x)) for x, p in _products_of_arrays(op, g, out._data, args, kwargs, leads)]
    return [(x, p) for x, p in pairs if p is not None]


def fitted(product: Any, x: Tensor) -> Any:
    """A product in the shape and dtype of its argument x; None where x is of integers and has no cotangent."""
    like = x._data
    if like.dtype.kind != "f":
        return None
    if type(product) is Part:
        return product if product.g.dtype == like.dtype else product._replace(g=astype(product.g, dtype=like.dtype))
    if product.shape != like.shape:
        product = _unbroadcast(product, like.shape, x)
    return product if product.dtype == like.dtype else astype(product, dtype=like.dtype)


def _keep_part(pending: dict[Tensor, Any], x: Tensor, part: Part, owned: set[Tensor]) -> None:
    """Add a part to the sum for x, which from here on is a list."""
    product = fitted(part, x)
    held = pending.get(x)
    if product is None:
        return
    if type(held) is _Parts:
        held.add(product)
    else:
        pending[x] = _Parts(product, held)
        owned.discard(x)


def _accumulate_recorded(pending: dict[Tensor, Any], x: Tensor, product: Any) -> None:
    """The same for Tensors: every sum is an operation on the tape."""
    held = pending.get(x)
    if type(held) is _Parts:
        held.add(product)
    elif type(product) is Part:
        pending[x] = _Parts(product, held)
    else:
        pending[x] = product if held is None else held + product


def _unbroadcast(g: Any, shape: tuple[int, ...], x: Tensor) -> Any:
    """Sum over the axes along which an argument of this shape was repeated."""
    extra = len(g.shape) - len(shape)
    if extra > 0 and g.shape[extra:] == shape:
        return sum(g, axis=tuple(range(extra)))
    repeated = [k for k, n in enumerate(shape, start=extra) if n == 1 and g.shape[k] != 1] if extra >= 0 else []
    if extra < 0 or any(n != g.shape[k] and k not in repeated for k, n in enumerate(shape, start=extra)):
        raise ValueError(
            f"the derivative rule gave shape {g.shape} for {x.describe()}\n"
            "a vjp returns the shape of its argument, or the shape that this was broadcast to"
        )
    axes = (*range(extra), *repeated)
    g = sum(g, axis=axes) if axes else g
    return g if g.shape == shape else g.reshape(shape)


def dense(part: Part, x: Tensor) -> Any:
    """A part of a cotangent of x as an array of x's shape, zero elsewhere."""
    return scatter([part], x.shape, x.dtype)


def one_order_up(labels: Scope, kind: str = "grad") -> Scope:
    """The scope of derivatives of what was recorded under `labels`: under `grad=1`, or one more than it has."""
    order = 1
    if labels and labels[0][0] == kind:
        order, labels = labels[0][1] + 1, labels[1:]
    return ((kind, order), *labels)
