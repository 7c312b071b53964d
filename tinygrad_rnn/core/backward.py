"""The walk back over a tape: cotangents flow from a result to what it was made of, a line at a time, in one loop.

Where no tape is open it computes with arrays. Where one is, the same loop computes with Tensors, so the walk itself is
recorded, and its lines have derivatives in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from numpy import ndarray

from tinygrad_rnn.core import errors
from tinygrad_rnn.core.recording import Scope, current, recording_under
from tinygrad_rnn.core.sparse import Sparse, added
from tinygrad_rnn.core.tensor import Line, Tensor

Products = list[tuple[Tensor, Any]]
"""The vector-Jacobian products of one line: (input, contribution to its cotangent)."""


def walk(
    lines: list[Line],
    start: int,
    pending: dict[Tensor, Any],
    wrt: list[Tensor] | None = None,
    hook: Callable[[int, Any], Any] | None = None,
    prune_first: bool = False,
) -> Iterator[tuple[int, Any, Products]]:
    """Walk back from line `start`: at each line that was reached, (number, cotangent of its result, products).

    `pending` maps each Tensor to what has come back to it so far; a cotangent leaves it when its line is read. With
    `wrt`, walk only towards these, whose cotangents stay. `hook(number, cotangent)` returns what takes its place.

    Lines that do not lead to `wrt` are left out: with a hook or `prune_first` from the beginning, so that each
    cotangent passed is complete; otherwise from the first leaf on that nobody asked for, since finding them costs a
    pass over the tape.
    """
    recording = bool(current()[0])
    kept = set(wrt or ())
    results = {x for x in kept if x._tape is not None}  # asked for, and made by an operation
    owned: set[Tensor] = set()  # whose sum is our own, so that more can be added in place
    leads: set[int] | None = None  # the ids of all that depends on `wrt`
    prune = wrt is not None
    if prune and (prune_first or hook is not None):
        leads, prune = dependent(lines[: start + 1], kept), False
    get, pop = pending.get, pending.pop
    for index in range(start, -1, -1):
        op, args, kwargs, out, labels = lines[index]
        g = pop(out, None)
        if g is None:
            continue
        if type(g) is Sparse:
            g = dense(g, labels) if recording else g.dense()
        if hook is not None:
            g = hook(index, g)
        if results and out in results:
            pending[out] = g
        if recording:
            context = recording_under(one_order_up(labels))
            context.__enter__()
        try:
            if recording:
                products = pull(op, g, out, args, args, kwargs, leads)
            else:
                products = pull_arrays(op, g, out._data, args, kwargs, leads)
            for x, product in products:
                like = x._data
                if product.shape != like.shape or product.dtype is not like.dtype:
                    product = fitted(product, x)
                    if product is None:
                        continue
                held = get(x)
                if held is None:
                    if prune and x._tape is None and x not in kept:  # a leaf that nobody asked for
                        leads, prune = dependent(lines[: start + 1], kept), False
                    pending[x] = product
                elif x in owned:
                    held += product
                else:
                    pending[x] = held = added(held, product)
                    if type(held) in OURS:
                        owned.add(x)
        except Exception as error:
            with recording_under(labels):
                raise errors.explained(f"{op.name}, backward", args, error) from error
        finally:
            if recording:
                context.__exit__()
        yield index, g, products
    pending |= {x: dense(pending[x], ()) for x in kept if type(get(x)) is Sparse}


OURS = (ndarray, Sparse)
"""Sums that change in place. Tensors do not, and the sum of two 0-d arrays is a number."""


def pull(
    op: Any, g: Any, y: Any, args: tuple[Any, ...], values: Any, kwargs: dict[str, Any], leads: set[int] | None
) -> Products:
    """Return the products of one line: each rule, called with the cotangent, the result and the arguments' values."""
    rules = op.vjps(g, y, *values, **kwargs) if op.variadic else op.vjps
    return [
        (x, rule if op.variadic else rule(g, y, *values, **kwargs))
        for x, rule in zip(args, rules, strict=False)  # an index has any number of parts
        if rule is not None and type(x) is Tensor and (leads is None or id(x) in leads)
    ]


def pull_arrays(
    op: Any, g: Any, y: Any, args: tuple[Any, ...], kwargs: dict[str, Any], leads: set[int] | None
) -> Products:
    """Return the same on bare arrays. Nearly every line has one or two inputs: naming them halves the time."""
    if op.arity == 1 and not kwargs:  # what follows the one input is an index, a shape or axes
        x, rule = args[0], op.vjps[0]
        if rule is None or type(x) is not Tensor or (leads is not None and id(x) not in leads):
            return []
        return [(x, rule(g, y, x._data, *args[1:]))]
    if op.arity != 2 or len(args) != 2 or kwargs:
        return pull(op, g, y, args, [a._data if type(a) is Tensor else a for a in args], kwargs, leads)
    (a, b), (left, right) = args, op.vjps
    a_value, b_value = a._data if type(a) is Tensor else a, b._data if type(b) is Tensor else b
    products = []
    if left is not None and type(a) is Tensor and (leads is None or id(a) in leads):
        products.append((a, left(g, y, a_value, b_value)))
    if right is not None and type(b) is Tensor and (leads is None or id(b) in leads):
        products.append((b, right(g, y, a_value, b_value)))
    return products


def dense(g: Sparse, labels: Scope) -> Any:
    """Put a sum of parts together, under the scope of derivatives of what was recorded under `labels`."""
    with recording_under(one_order_up(labels)):
        return g.dense()


def fitted(product: Any, x: Tensor) -> Any:
    """Return a product in the shape and dtype of its argument x: broadcasting undone; None for integers."""
    like = x._data
    if like.dtype.kind != "f":
        return None
    if product.shape != like.shape:
        product = unbroadcast(product, x)
    return product if product.dtype == like.dtype else product.astype(like.dtype)


def unbroadcast(g: Any, x: Tensor) -> Any:
    """Sum over the axes along which x was repeated."""
    shape, extra = x._data.shape, len(g.shape) - x._data.ndim
    if extra > 0 and g.shape[extra:] == shape:
        return g.sum(axis=tuple(range(extra)))
    repeated = [k for k, n in enumerate(shape, extra) if n == 1 and g.shape[k] != 1] if extra >= 0 else []
    if extra < 0 or any(n != g.shape[k] and k not in repeated for k, n in enumerate(shape, extra)):
        raise errors.wrong_product(g, x)
    axes = (*range(extra), *repeated)
    g = g.sum(axis=axes) if axes else g
    return g if g.shape == shape else g.reshape(shape)


def dependent(lines: Iterable[Line], wrt: Iterable[Tensor]) -> set[int]:
    """Return the ids of `wrt` and of all Tensors made in these lines that depend on it. (The tape keeps them.)"""
    found = {id(x) for x in wrt}
    for _, args, _, out, _ in lines:
        for a in args:
            if id(a) in found:
                found.add(id(out))
                break
    return found


def one_order_up(labels: Scope, kind: str = "grad") -> Scope:
    """Return the scope of derivatives of what was recorded under `labels`: under `grad=1`, or one more than it has."""
    order = 1
    if labels and labels[0][0] == kind:
        order, labels = labels[0][1] + 1, labels[1:]
    return ((kind, order), *labels)
