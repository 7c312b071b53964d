"""`Tape`: the list of operations in the order they were made, the walk back over it, and its replay.

>>> import numpy as np
>>> from tinygrad_rnn.engine.tensor import Tensor
>>> x = Tensor([1.0, 2.0, 3.0], name="x")
>>> with Tape() as tape:
...     loss = (x * x).sum()
>>> print(tape)
#  scope  output    operation  inputs
0         %0 (3,)   multiply   x (3,), x (3,)
1         %1 ()     sum        %0 (3,), axis=None, keepdims=False
>>> tape.gradient(loss, x)
array([2., 4., 6.])
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, overload

import numpy as np
from numpy import ndarray

from tinygrad_rnn.engine.primitives.indexing import Part, add_part, scatter
from tinygrad_rnn.engine.primitives.shapes import astype
from tinygrad_rnn.engine.recording import (
    Entry,
    Scope,
    current,
    not_recording,
    recording_on,
    recording_under,
    scope_text,
)
from tinygrad_rnn.engine.tensor import Tensor, apply


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
        return [(x, _dense(part, x) if type(part) is Part else part) for x, part in self.parts]

    def __str__(self) -> str:
        entry = self.entry
        to = ", ".join(f"{x.name or 'input'} {x.shape}" for x, _ in self.parts)
        out = f"{entry.out.name or f'%{self.index}'} {entry.out.shape}"
        where = f"  in {scope_text(entry.scope)}" if entry.scope else ""
        return f"{self.index}: d{out} through {entry.op.name} to {to or 'nothing'}{where}"


class Tape:
    """A Wengert list. `with Tape() as tape:` records every operation on Tensors in the block.

    `len(tape)`, `tape[k]`, iteration and slices give the entries; `print(tape)` is a table of them. Replaying the
    tape backward (`gradient`, `rewind`) is backpropagation; through a recurrence it is BPTT. No method recurses:
    the length of a tape is limited by memory alone. Tapes may be nested, pickled and copied; a tape that is opened
    again records on.
    """

    def __init__(self) -> None:
        self._lines: list[Any] = []
        self._open: list[recording_on] = []
        self._spent: set[int] = set()
        self._become_known()

    def _become_known(self) -> None:
        self.record = self._lines.append
        self.ref = weakref.ref(self)

    def __enter__(self) -> Tape:
        block = recording_on(self)
        block.__enter__()
        self._open.append(block)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.pop().__exit__(kind, error, trace)

    # ------------------------------------------------------------------------------------------ reading

    def __len__(self) -> int:
        return len(self._lines)

    def __bool__(self) -> bool:
        return True

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> list[Entry]: ...
    def __getitem__(self, index: int | slice) -> Entry | list[Entry]:
        lines = self._lines[index]
        return [Entry(*line) for line in lines] if isinstance(index, slice) else Entry(*lines)

    def __iter__(self) -> Iterator[Entry]:
        return (Entry(*line) for line in self._lines)

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        return f"<Tape of {len(self)} entries>"

    def table(self, ends: int | None = 20) -> str:
        """The entries as text, a line each: number, scope, output, operation, inputs.

        `ends` lines from either end, with the number left out between them; all of them with `ends=None`.
        """
        total = len(self)
        cut = ends is not None and total > 2 * ends + 1
        shown = list(range(total)) if not cut else [*range(ends or 0), *range(total - (ends or 0), total)]
        wanted = {id(x) for k in shown for x in (self[k].out, *self[k].args) if isinstance(x, Tensor)}
        number = {id(e.out): k for k, e in enumerate(self) if id(e.out) in wanted}
        rows = [("#", "scope", "output", "operation", "inputs")]
        for k in shown:
            entry = self[k]
            inputs = [_input_text(a, number) for a in entry.args]
            inputs += [f"{key}={value!r}" for key, value in entry.kwargs.items()]
            rows.append(
                (
                    str(k),
                    scope_text(entry.scope),
                    _output_text(entry.out, k),
                    entry.op.name,
                    _shortened(inputs),
                )
            )
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = [
            "  ".join([row[0].rjust(widths[0]), *(row[c].ljust(widths[c]) for c in (1, 2, 3)), row[4]]).rstrip()
            for row in rows
        ]
        if cut:
            lines.insert(1 + (ends or 0), f"... {total - 2 * (ends or 0):,} more entries ...")
        return "\n".join(lines)

    def leaves(self) -> list[Tensor]:
        """The Tensors that came from outside: inputs of entries that no entry made, in order of first use."""
        made = {id(entry.out) for entry in self}
        found: dict[int, Tensor] = {}
        for entry in self:
            for a in entry.args:
                if type(a) is Tensor and id(a) not in made:
                    found.setdefault(id(a), a)
        return list(found.values())

    def find(self, name: str, **labels: Any) -> Tensor:
        """The one Tensor of that name, made under these labels: `tape.find("f", t=3, layer=0)`.

        A leaf (a parameter, an initial state) is found by its name alone. Raises KeyError where none fits or several.
        """
        wanted = labels.items()
        found = [e for e in self if e.out.name == name and wanted <= dict(e.scope).items()]
        if len(found) == 1:
            return found[0].out  # type: ignore[no-any-return]
        leaves = [] if labels or found else [x for x in self.leaves() if x.name == name]
        if len(leaves) == 1:
            return leaves[0]
        asked = " ".join([repr(name), scope_text(tuple(wanted))]).strip()
        if found or leaves:
            where = "; ".join(scope_text(e.scope) or "no scope" for e in found[:4]) or "leaves"
            raise KeyError(
                f"find: {len(found) or len(leaves)} Tensors fit {asked} ({where}, ...)\nadd labels: t=, layer="
            )
        names = sorted({e.out.name for e in self if e.out.name} | {x.name for x in self.leaves() if x.name})
        raise KeyError(
            f"find: no Tensor {asked} on this tape, which has the names {', '.join(names) or '(none)'}\n"
            'name one where it is made: named("z", value)'
        )

    # ------------------------------------------------------------------------------------------ the walk back

    def rewind(self, loss: Tensor, seed: Any = None) -> Iterator[Step]:
        """Walk the tape backward from `loss`, one entry at a time: the backward pass, as a generator of `Step`.

        `seed` is the cotangent of `loss`, of its shape (default 1, for a scalar). Entries that `loss` does not depend
        on are passed over. Raises ValueError if `loss` is not on this tape, or is no scalar and has no seed.
        """
        start, seed = self._start(loss, seed)
        walk = self._walk(start, {loss: seed}, None)
        return (Step(index, self[index], cotangent, products) for index, cotangent, products in walk)

    @overload
    def gradient(self, loss: Tensor, wrt: Tensor, seed: Any = None) -> Any: ...
    @overload
    def gradient(self, loss: Tensor, wrt: Mapping[str, Tensor], seed: Any = None) -> dict[str, Any]: ...
    @overload
    def gradient(self, loss: Tensor, wrt: Sequence[Tensor], seed: Any = None) -> list[Any]: ...
    def gradient(self, loss: Tensor, wrt: Any, seed: Any = None) -> Any:
        """The gradient of `loss` with respect to `wrt`: a Tensor, a sequence or a dict of them; the answer is alike.

        Each gradient has the shape and dtype of its Tensor: an ndarray of its own, or a Tensor, recorded on every
        open tape under the scope `grad=...`, where one is open. `wrt` may be intermediate results. What `loss` does
        not depend on has gradient zero. `seed` is the cotangent of `loss`, of its shape (default 1, for a scalar).

        Raises ValueError if `loss` is not on this tape, or is no scalar and has no seed; TypeError for a `wrt` that
        is no Tensor, or has no gradient because its dtype is integer or boolean.
        """
        names, tensors = _listed(wrt)
        for name, x in zip(names, tensors, strict=True):
            _require_differentiable(name, x)
        start, seed = self._start(loss, seed)
        pending: dict[Tensor, Any] = {loss: seed}
        walk = self._walk(start, pending, tensors)
        deque(walk, maxlen=0)
        gradients = [_finished(pending.get(x), x) for x in tensors]
        if isinstance(wrt, Tensor):
            return gradients[0]
        return dict(zip(names, gradients, strict=True)) if isinstance(wrt, Mapping) else gradients

    def backward(self, loss: Tensor, seed: Any = None) -> None:
        """Add the gradient of `loss` to `.grad` of the leaves: see `Tensor.backward`."""
        if id(loss) in self._spent:
            raise RuntimeError(
                f"backward: was called for {loss.describe()} before, and would add the same gradient to .grad again\n"
                "tape.gradient(loss, wrt) can be asked as often as you like"
            )
        leaves = [x for x in self.leaves() if x.dtype.kind == "f"]
        with not_recording():
            gradients = self.gradient(loss, leaves, seed)
        self._spent.add(id(loss))
        for x, gradient in zip(leaves, gradients, strict=True):
            x.grad = gradient if x.grad is None else np.asarray(x.grad + gradient)

    def _start(self, loss: Tensor, seed: Any) -> tuple[int, Any]:
        """Where the walk begins, and the checked cotangent that it begins with."""
        if not isinstance(loss, Tensor):
            raise TypeError(
                f"gradient: the loss is a {type(loss).__name__}, not a Tensor\n"
                "compute it from Tensors, inside `with Tape() as tape:`"
            )
        start = len(self._lines) - 1
        while start >= 0 and self._lines[start][3] is not loss:
            start -= 1
        if start < 0:
            raise ValueError(
                f"gradient: {loss.describe()} was not made on this tape ({len(self)} entries)\n"
                "compute it inside `with Tape() as tape:`, and ask that tape"
            )
        if loss.dtype.kind != "f":
            raise TypeError(f"gradient: the loss {loss.describe()} is {loss.dtype}\nonly floats have a gradient")
        if seed is None:
            if loss.size != 1:
                raise ValueError(
                    f"gradient: the loss {loss.describe()}, made by {self[start].op.name}, is not a scalar\n"
                    "reduce it (loss.sum(), loss.mean()), or give its cotangent: seed=array of its shape"
                )
            seed = np.ones(loss.shape, loss.dtype)
        if np.shape(seed) != loss.shape:
            raise ValueError(
                f"gradient: the seed has shape {np.shape(seed)}, the loss {loss.describe()}\n"
                "the seed is the cotangent of the loss, one number for each of its entries"
            )
        if isinstance(seed, Tensor):
            seed = seed if current()[0] else seed.data
        else:
            seed = np.asarray(seed)
        return start, seed if seed.dtype == loss.dtype else astype(seed, dtype=loss.dtype)

    def _walk(self, start: int, pending: dict[Tensor, Any], wrt: list[Tensor] | None) -> Iterator[Any]:
        """The walk itself. `pending` maps each Tensor to the sum of what has come back to it.

        With `wrt`, only towards these, and their sums stay in `pending`; other sums leave it when their entry is read.
        """
        lines = self._lines
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
                g = g.sum(out)
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
                pending[x] = pending[x].sum(x)

    # ------------------------------------------------------------------------------------------ replay

    def replay(self, feed: Mapping[Tensor, Any]) -> tuple[Tape, dict[Tensor, Tensor]]:
        """Make the same calls on other inputs: the new tape, and the map from this tape's Tensors to the new ones.

        `feed` maps Tensors of this tape to new values (arrays or Tensors). A Tensor that an entry made can be fed too:
        its entry is left out, and what depends on it is computed from the value given. Leaves that are not fed are
        shared by both tapes. Raises KeyError for a Tensor that is not on this tape.
        """
        known = {id(x) for e in self for x in (e.out, *e.args) if type(x) is Tensor}
        new: dict[Tensor, Tensor] = {}
        for old, value in feed.items():
            if id(old) not in known:
                raise KeyError(
                    f"replay: {old.describe()} is not on this tape\nfeed Tensors that it has, as tape.find(name)"
                )
            new[old] = value if isinstance(value, Tensor) else Tensor(value, name=old.name)
        tape = Tape()
        with tape:
            for op, args, kwargs, out, labels in self._lines:
                if out in new:
                    continue
                with recording_under(labels):
                    made = apply(op, *[new.get(a, a) if type(a) is Tensor else a for a in args], **kwargs)
                made.name = out.name
                new[out] = made
        return tape, new

    # ------------------------------------------------------------------------------------------ pickling, copying

    def __getstate__(self) -> list[Any]:
        return self._lines

    def __setstate__(self, lines: list[Any]) -> None:
        self._lines = lines
        self._open = []
        self._spent = set()
        self._become_known()
        for line in lines:
            line[3]._tape = self.ref


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

    def sum(self, x: Tensor) -> Any:
        total = scatter(self._parts[::-1], x.shape, x.dtype)  # in the order of the tape
        return total if self._whole is None else total + self._whole


def _dependent(lines: list[Any], start: int, wrt: set[Tensor]) -> set[Tensor]:
    """Every Tensor up to line `start` that depends on one of `wrt`, and these."""
    found = set(wrt)
    for k in range(start + 1):
        line = lines[k]
        for a in line[1]:
            if type(a) is Tensor and a in found:
                found.add(line[3])
                break
    return found


def _products(
    op: Any, g: Any, y: Any, values: Any, kwargs: Any, args: tuple[Any, ...], leads: set[Tensor] | None
) -> list[tuple[Tensor, Any]]:
    """The vector-Jacobian products of one entry: (input, contribution), with broadcasting and promotion undone."""
    products = []
    together = op.vjps(g, y, *values, **kwargs) if op.variadic else None
    for x, vjp in zip(args, op.vjps if together is None else together, strict=False):
        if type(x) is not Tensor or vjp is None or (leads is not None and x not in leads):
            continue
        product = vjp(g, y, *values, **kwargs) if together is None else vjp
        like = x._data
        if type(product) is not Part and product.shape != like.shape:
            product = _unbroadcast(product, like.shape)
        if product.dtype is not like.dtype and product.dtype != like.dtype:
            if like.dtype.kind != "f":
                continue
            product = astype(product, dtype=like.dtype)
        products.append((x, product))
    return products


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
    axes += tuple(extra + k for k, n in enumerate(shape) if n == 1 and g.shape[extra + k] != 1)
    g = g.sum(axis=axes) if axes else g
    return g if g.shape == shape else g.reshape(shape)


def _dense(part: Part, x: Tensor) -> Any:
    return scatter([part], x.shape, x.dtype)


def _one_order_up(labels: Scope) -> Scope:
    """The scope of work done backward: that of the entry, under `grad=1`, or one more than it has."""
    order = 1
    if labels and labels[0][0] == "grad":
        order, labels = labels[0][1] + 1, labels[1:]
    return (("grad", order), *labels)


def _finished(g: Any, x: Tensor) -> Any:
    """A gradient as it leaves the walk: complete, of x's shape and dtype, and nobody else's array."""
    if current()[0]:
        if g is None:
            g = np.zeros(x.shape, x.dtype)
        return g if isinstance(g, Tensor) else Tensor(g)
    return np.zeros(x.shape, x.dtype) if g is None else np.array(g, order="C")


def _listed(wrt: Any) -> tuple[list[Any], list[Tensor]]:
    if isinstance(wrt, Mapping):
        return list(wrt), list(wrt.values())
    tensors = [wrt] if isinstance(wrt, Tensor) else list(wrt)
    return list(range(len(tensors))), tensors


def _require_differentiable(name: Any, x: Any) -> None:
    if not isinstance(x, Tensor):
        raise TypeError(
            f"gradient: wrt[{name!r}] is a {type(x).__name__}, not a Tensor\n"
            "wrap what you differentiate before it is used: x = Tensor(values)"
        )
    if x.dtype.kind != "f":
        raise TypeError(
            f"gradient: {x.describe()} is {x.dtype}, and only floats have a gradient\n"
            "make it a float Tensor before it is used: Tensor(values.astype(float))"
        )


def _output_text(x: Tensor, number: int) -> str:
    return f"{x.name or f'%{number}'} {x.shape}"


def _input_text(a: Any, number: dict[int, int]) -> str:
    if isinstance(a, Tensor):
        made = number.get(id(a))
        name = a.name if a.name and made is None else f"{a.name or ''}%{made}" if made is not None else "leaf"
        return f"{name} {a.shape}"
    return f"array {a.shape}" if isinstance(a, ndarray) else repr(a)


def _shortened(inputs: list[str], most: int = 6) -> str:
    if len(inputs) > most:
        inputs = [*inputs[:3], f"... {len(inputs) - 5} more ...", *inputs[-2:]]
    return ", ".join(inputs)
