"""The walk back over a tape: cotangents flow from a result to its inputs, a line at a time, in one loop.

Where no tape is open it computes with arrays. Where one is, the same loop computes with Tensors, so the walk itself is
recorded, and its lines have derivatives in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from tinygrad_rnn.core import errors
from tinygrad_rnn.core.recording import Scope, current, recording_under
from tinygrad_rnn.core.sparse import Cotangent, Sparse, add_cotangents
from tinygrad_rnn.core.tensor import Line, Tensor

Products = list[tuple[Tensor, Cotangent]]
"""The vector-Jacobian products of one line: (input, what the line adds to its cotangent)."""

Send = Callable[[Line, Cotangent, set[int] | None], Products]
"""(line, cotangent of its result, ids of the inputs that need theirs) -> the products of the line."""

Walk = Iterator[tuple[int, Cotangent, Products]]


def walk(
    lines: list[Line],
    start: int,
    pending: dict[Tensor, Cotangent],
    wrt: list[Tensor] | None = None,
    hook: Callable[[int, Cotangent], Cotangent] | None = None,
    prune_first: bool = False,
    send: Send | None = None,
) -> Walk:
    """Yield (number, cotangent of the result, products) of each line that a cotangent reaches, from `start` backward.

    `pending` maps each Tensor to the sum of the products that have come back to it so far. A Tensor is read only after
    the line that made it, so when the walk comes to that line, the sum is complete: it leaves `pending`, and the line's
    products are added to the sums of the line's inputs. With `wrt`, walk only towards these, whose cotangents stay in
    `pending`. `hook(number, cotangent)` returns the cotangent that takes the place of the first one. `send` takes the
    place of the rules: it may leave products out, or make cotangents of a class of its own, with a sum.

    Lines that do not lead to `wrt` are left out: with a hook or `prune_first` from the beginning, so that each
    cotangent passed is complete; otherwise from the first leaf on that nobody asked for, since finding them costs a
    pass over the tape.
    """
    recording = bool(current()[0])
    kept = dict.fromkeys(wrt or ())  # in the order given: a recorded walk makes the same calls in each run
    results = {x for x in kept if x._tape is not None}  # asked for, and made by an operation
    owned: set[Tensor] = set()  # their sums are our own arrays; a first product may be an array that others hold
    needed: set[int] | None = None  # the ids of all that depends on `wrt`; None: every Tensor
    prune = wrt is not None  # are the needed ones to be found when that pays?
    if prune and (prune_first or hook is not None):
        needed, prune = dependent(lines[: start + 1], kept), False
    send = send or (pull_tensors if recording else pull_arrays)
    get, pop = pending.get, pending.pop
    for index in range(start, -1, -1):
        op, args, _, out, labels = line = lines[index]
        g = pop(out, None)
        if g is None:
            continue
        if type(g) is Sparse:
            g = dense(g, labels) if recording else g.dense()
        if hook is not None:
            g = hook(index, g)
        if results and out in results:
            pending[out] = g
        if recording:  # entered by hand: a `with` would cost time where nothing is recorded
            context = recording_under(one_order_up(labels))
            context.__enter__()
        try:
            products = send(line, g, needed)
            for x, product in products:
                like = x._data
                if product.shape != like.shape or product.dtype is not like.dtype:
                    product = fitted(product, x)
                    if product is None:
                        continue
                held = get(x)
                if held is None:
                    if prune and x._tape is None and x not in kept:  # a leaf that nobody asked for
                        needed, prune = dependent(lines[: start + 1], kept), False
                    pending[x] = product
                elif x in owned:
                    held += product
                else:
                    pending[x] = held = add_cotangents(held, product)
                    if hasattr(type(held), "__iadd__"):  # neither a number nor a Tensor: `+=` changes it in place
                        owned.add(x)
        except Exception as error:
            with recording_under(labels):
                raise errors.explained(f"{op.name}, backward", args, error) from error
        finally:
            if recording:
                context.__exit__()
        yield index, g, products
    pending |= {x: dense(pending[x], ()) for x in kept if type(get(x)) is Sparse}


def pull(line: Line, g: Cotangent, y: object, values: Sequence[object], needed: set[int] | None) -> Products:
    """Return the products of one line for its needed inputs. The vjps see y and `values`: Tensors, or all arrays."""
    op, args, kwargs, _, _ = line
    rules = op.vjps(g, y, *values, **kwargs) if op.variadic else op.vjps
    return [
        (x, rule if op.variadic else rule(g, y, *values, **kwargs))
        for x, rule in zip(args, rules, strict=False)  # an index has any number of parts
        if rule is not None and type(x) is Tensor and (needed is None or id(x) in needed)
    ]


def pull_tensors(line: Line, g: Cotangent, needed: set[int] | None) -> Products:
    """Return the products of one line, made of Tensors, so that they are recorded."""
    return pull(line, g, line[3], line[1], needed)


def pull_arrays(line: Line, g: Cotangent, needed: set[int] | None) -> Products:
    """Return the same on arrays. Nearly every line has one or two inputs, and naming these halves the time."""
    op, args, kwargs, out, _ = line
    y = out._data
    if op.arity == 1 and not kwargs:  # the other arguments are an index, a shape or axes
        x, rule = args[0], op.vjps[0]
        if rule is None or type(x) is not Tensor or (needed is not None and id(x) not in needed):
            return []
        return [(x, rule(g, y, x._data, *args[1:]))]
    if op.arity != 2 or len(args) != 2 or kwargs:
        return pull(line, g, y, [a._data if type(a) is Tensor else a for a in args], needed)
    (a, b), (left, right) = args, op.vjps
    a_value, b_value = a._data if type(a) is Tensor else a, b._data if type(b) is Tensor else b
    products = []
    if left is not None and type(a) is Tensor and (needed is None or id(a) in needed):
        products.append((a, left(g, y, a_value, b_value)))
    if right is not None and type(b) is Tensor and (needed is None or id(b) in needed):
        products.append((b, right(g, y, a_value, b_value)))
    return products


def dense(g: Sparse, labels: Scope) -> Cotangent:
    """Put a sum of parts together, under the scope of derivatives of a line with the scope `labels`."""
    with recording_under(one_order_up(labels)):
        return g.dense()


def fitted(product: Cotangent, x: Tensor) -> Cotangent:
    """Return a product in the shape and dtype of its argument x: broadcasting undone; None for integers."""
    like = x._data
    if like.dtype.kind != "f":
        return None
    if product.shape != like.shape:
        product = unbroadcast(product, x)
    return product if product.dtype == like.dtype else product.astype(like.dtype)


def unbroadcast(g: Cotangent, x: Tensor) -> Cotangent:
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
    """Return the scope of derivatives of a line with the scope `labels`: `grad=1` before them, or one order more."""
    order = 1
    if labels and labels[0][0] == kind:
        order, labels = labels[0][1] + 1, labels[1:]
    return ((kind, order), *labels)
