"""`Tape`: the list of operations in the order in which they were made, and the walk back over it.

>>> from tinygrad_rnn.core import Tensor
>>> x = Tensor([1.0, 2.0, 3.0], name="x")
>>> with Tape() as tape:
...     loss = (x * x).sum()
>>> print(tape[0])
array (3,) = multiply(x (3,), x (3,))
>>> tape.gradient(loss, x)
array([2., 4., 6.])
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self, overload

import numpy as np

from tinygrad_rnn.core import errors
from tinygrad_rnn.core.backward import Products, Walk, fitted, walk
from tinygrad_rnn.core.recording import RecordingBlock, Scope, current, recording_on, scope_text
from tinygrad_rnn.core.rich import Rich
from tinygrad_rnn.core.sparse import Cotangent, Sparse
from tinygrad_rnn.core.table import Kwargs, Primitive
from tinygrad_rnn.core.tensor import Line, Tensor
from tinygrad_rnn.core.trees import flattened


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Entry(Rich):
    """One line of a tape: the call `out = op(*args, **kwargs)`, made under `scope`.

    A tape keeps plain tuples and makes an Entry when asked: recording one costs a third. `line` is the line of code
    of a user that made it, `path:number`, where the tape keeps that: `Tape(lines=True)`.
    """

    op: Primitive
    args: tuple[Any, ...]
    kwargs: Kwargs
    out: Tensor
    scope: Scope
    line: str | None = None

    def __str__(self) -> str:
        line = f"{shown(self.out)} = {self.op.name}({', '.join(shown(a) for a in self.args)}"
        line += "".join(f", {key}={value!r}" for key, value in self.kwargs.items()) + ")"
        return f"{line}  in {scope_text(self.scope)}" if self.scope else line


def shown(value: object) -> str:
    """Return a value as a printed line shows it: the name and shape of an array, or the value itself."""
    shape = getattr(value, "shape", None)
    return repr(value) if shape is None else f"{getattr(value, 'name', None) or 'array'} {tuple(shape)}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Step(Rich):
    """One entry as the walk back passes it: the tape's line `entry`, number `index`; `cotangent`: dL/d(entry.out)."""

    index: int
    entry: Entry
    cotangent: Cotangent
    parts: Products  # the products as the vjps return them: broadcast, `Sparse`, or of integers

    @property
    def products(self) -> Products:
        """Pairs (input, what the line adds to dL/d(input)), each of its input's shape. (Of `x[t]`: as large as x.)"""
        pairs = [(x, fitted(product, x)) for x, product in self.parts]
        return [(x, p.dense() if type(p) is Sparse else read_only(p)) for x, p in pairs if p is not None]

    def __str__(self) -> str:
        to = ", ".join(f"{x.name or 'input'} {x.shape}" for x, _ in self.parts)
        out = f"{self.entry.out.name or f'#{self.index}'} {self.entry.out.shape}"
        where = f"  in {scope_text(self.entry.scope)}" if self.entry.scope else ""
        return f"{self.index}: d{out} through {self.entry.op.name} to {to or 'nothing'}{where}"


class Tape:
    """A Wengert list. `with Tape() as tape:` records every operation on Tensors in the block.

    `len(tape)`, `tape[k]`, iteration and slices give the entries. Replaying the tape backward (`gradient`, `rewind`) is
    backpropagation; through a recurrence it is BPTT. No method recurses, so memory alone limits the length of a tape.
    Tapes may be nested; a tape that is opened again records on.
    """

    def __init__(self) -> None:
        # Nothing that a tape holds refers to the tape, so it is freed at once with the last reference to it.
        self._lines: list[Line] = []
        self._open: list[RecordingBlock] = []
        self.record = self._lines.append  # `apply` calls this
        self.ref = weakref.ref(self)  # a Tensor keeps this

    def __enter__(self) -> Self:
        block = recording_on(self)
        block.__enter__()
        self._open.append(block)
        return self

    def __exit__(self, *error: object) -> None:
        self._open.pop().__exit__(*error)

    @property
    def sealed(self) -> bool:
        """Must the values that are made on this tape stay on it? (See `Tape(sealed=True)` of tape/full_tape.py.)"""
        return False

    def __len__(self) -> int:
        return len(self._lines)

    def __bool__(self) -> bool:
        return True

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> list[Entry]: ...
    def __getitem__(self, index: int | slice) -> Entry | list[Entry]:
        if isinstance(index, slice):
            return [self._entry(k) for k in range(*index.indices(len(self)))]
        return self._entry(index)

    def __iter__(self) -> Iterator[Entry]:
        return (self._entry(k) for k in range(len(self)))

    def _entry(self, index: int) -> Entry:
        return Entry(*self._lines[index])

    def rewind(self, loss: Any, seed: Any = None) -> Iterator[Step]:
        """Walk the tape backward from `loss`, one entry at a time: the backward pass, as a generator of `Step`.

        `seed` is the cotangent of `loss`, of its shape (default 1, for a scalar). For several results, give a mapping
        from each to its cotangent in the place of `loss`. Entries that `loss` does not depend on are passed over.
        Raises ValueError if `loss` is not on this tape, or is no scalar and has no seed.
        """
        steps = self._walk(*self._start(loss, seed), None)
        return (Step(index, self._entry(index), read_only(g), products) for index, g, products in steps)

    def gradient(self, loss: Any, wrt: Any, seed: Any = None) -> Any:
        """Return dL/dx for `wrt`: a Tensor, or a tree of them (tuples, lists, dicts); the answer is built alike.

        Each gradient has the shape and dtype of its Tensor: an ndarray of its own; where a tape is open, a Tensor,
        recorded there under the scope `grad=...`. It is zero where `loss` does not depend on x, which may be an
        intermediate result. `loss` and `seed` are those of `rewind`, with its errors. Raises TypeError for a `wrt` that
        holds anything but Tensors of floats.
        """
        leaves, rebuild = flattened(wrt)
        for path, x in leaves:
            errors.require_differentiable(path, x)
        tensors = [x for _, x in leaves]
        start, pending = self._start(loss, seed)
        deque(self._walk(start, pending, tensors), maxlen=0)  # run the whole walk, which changes `pending`
        return rebuild([finished(pending.get(x), x) for x in tensors])

    def _start(self, loss: Any, seed: Any) -> tuple[int, dict[Tensor, Cotangent]]:
        """Return the line at which the walk begins, and the checked cotangents with which it begins."""
        results = list(loss.items()) if isinstance(loss, Mapping) and seed is None else [(loss, seed)]
        if not results:
            raise errors.no_results()
        wanted = {id(y) for y, _ in results}
        made_by: dict[int, int] = {}  # the id of a result -> the number of its line
        for k in range(len(self) - 1, -1, -1):
            _, _, _, out, _ = self._lines[k]
            if id(out) in wanted:
                made_by.setdefault(id(out), k)
                if len(made_by) == len(wanted):
                    break
        pending = {y: self._seed(y, made_by.get(id(y)), g) for y, g in results}
        return max(made_by.values()), pending

    def _seed(self, loss: Any, number: int | None, seed: Any) -> Cotangent:
        """Return the cotangent of a result that line `number` made: as given, or 1 for a scalar."""
        number = errors.require_made_here(loss, number, len(self))
        if seed is None:
            errors.require_scalar(loss, self[number].op)
            seed = np.ones(loss.shape, loss.dtype)
        seed = seed if isinstance(seed, Tensor) else np.asarray(seed)
        errors.require_fitting_seed(seed, loss)
        seed = seed if seed.dtype == loss.dtype else seed.astype(loss.dtype)
        if current()[0]:
            return seed if isinstance(seed, Tensor) else Tensor(seed)
        return seed.data if isinstance(seed, Tensor) else seed

    def _walk(self, start: int, pending: dict[Tensor, Cotangent], wrt: list[Tensor] | None) -> Walk:
        return walk(self._lines, start, pending, wrt)


def finished(g: Cotangent, x: Tensor) -> Cotangent:
    """Return a gradient as it leaves the walk: complete, of x's shape and dtype, and nobody else's array."""
    g = np.zeros(x.shape, x.dtype) if g is None else g
    if current()[0]:
        return g if isinstance(g, Tensor) else Tensor(g)
    return np.array(g, order="C")


def read_only(g: Cotangent) -> Cotangent:
    """Return a cotangent to look at: the walk goes on with the same numbers, so they must not change."""
    if isinstance(g, Tensor):
        return g
    view = np.asarray(g).view()
    view.setflags(write=False)
    return view
