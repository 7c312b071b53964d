"""`Tape`, complete: names, rerun, hooks, memory, a watch for NaN, sealed values, copies.

>>> import numpy as np
>>> from tinygrad_rnn.core.tensor import Tensor
>>> x = Tensor([1.0, 2.0, 3.0], name="x")
>>> with Tape() as tape:
...     loss = (x * x).sum()
>>> print(tape)
#  scope  output  operation  inputs
0         (3,)    multiply   x (3,), x (3,)
1         ()      sum        #0 (3,)
>>> tape.gradient(loss, x)
array([2., 4., 6.])
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Self

import numpy as np

from tinygrad_rnn.core import errors
from tinygrad_rnn.core import tape as core
from tinygrad_rnn.core.backward import Walk, walk
from tinygrad_rnn.core.counting import counted
from tinygrad_rnn.core.recording import current, recording_under, scope_text, where_text
from tinygrad_rnn.core.sparse import Cotangent
from tinygrad_rnn.core.table import Args
from tinygrad_rnn.core.tape import Entry
from tinygrad_rnn.core.tensor import Line, Tensor, apply
from tinygrad_rnn.core.trees import Tree, flattened
from tinygrad_rnn.core.values import Value, not_recording
from tinygrad_rnn.tape import printing as text
from tinygrad_rnn.tape import rich_lines, watch
from tinygrad_rnn.tape.hooks import Hook, Hooks


class Tape(core.Tape):
    """A Wengert list. `with Tape() as tape:` records every operation on Tensors in the block.

    `len(tape)`, `tape[k]`, iteration and slices give the entries; `print(tape)` is a table of them. Replaying the
    tape backward (`gradient`, `rewind`) is backpropagation; through a recurrence it is BPTT. No method recurses:
    the length of a tape is limited by memory alone. Tapes may be nested, pickled and copied; a tape that is opened
    again records on.

    `Tape(lines=True)` keeps the line of code that made each entry. `Tape(check_finite=True)` does so too, and raises
    FloatingPointError at the first NaN or infinity, forward or backward, naming that line, the operation, its scope and
    the ranges of its inputs. Both cost about as much again as recording does.

    `Tape(sealed=True)` keeps values on the tape while it is open: `if x > 0`, `x.item()`, `x.data`, `float(x)`,
    pickling and the like raise TypeError for results made on it, and for leaves given to `seal`. So nothing that
    Python decides depends on a value, and the lines are the program itself, right for any other values of the same
    shapes. Shapes and dtypes may be asked for; other leaves are constants. It must be the first tape that is opened.
    """

    def __init__(self, *, lines: bool = False, check_finite: bool = False, sealed: bool = False) -> None:
        super().__init__()
        self._code: list[str] = []  # for each line, the line of code; empty where it is not kept
        self._check_finite = check_finite
        self._keeps_code = lines or check_finite
        self._keeps_values = sealed
        self._spent: set[int] = set()
        self._hooks = Hooks()
        self._become_known()

    def _become_known(self) -> None:
        # Nothing that a tape holds refers to the tape, so it is freed at once with the last reference to it.
        self.record = self._lines.append
        if self._keeps_code:
            self.record = partial(watch.record, self._lines, self._code, self._check_finite)
        self.ref = weakref.ref(self)

    def __enter__(self) -> Self:
        if self._keeps_values and current()[0]:  # a Tensor knows the outermost of its tapes alone
            raise RuntimeError(
                f"Tape: a sealed tape cannot be opened inside another one{where_text()}\n"
                "open it first, and the other inside; a compiled function is called outside of any tape"
            )
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        if (ours := errors.hidden_by_numpy(error[1] if error else None)) is not None:
            raise ours from None

    @property
    def sealed(self) -> bool:
        """Must the values that are made on this tape stay on it? True for `Tape(sealed=True)` while it is open."""
        return self._keeps_values and bool(self._open)

    def seal(self, x: Tensor) -> None:
        """Keep the values of the leaf x on this tape too: x is an input of the program, and no constant of it."""
        x._tape = self.ref

    # ------------------------------------------------------------------------------------------ reading

    def _entry(self, index: int) -> Entry:
        return Entry(*self._lines[index], self._code[index] if self._code else None)

    def lines(self) -> list[Line]:
        """Return the entries as plain tuples (op, args, kwargs, out, scope), for code that reads many."""
        return self._lines[:]

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        return f"<Tape of {counted(len(self), 'entry', 'entries')}>"

    def _repr_html_(self) -> str:
        return rich_lines.tape_form(self, self._lines, self._code)

    def table(self, ends: int | None = 20) -> str:
        """Return the entries as text, a line each: number, scope, output, operation, inputs.

        `ends` lines from either end, with the number left out between them; all of them with `ends=None`.
        """
        return text.table(self._lines, ends, self._code)

    @property
    def nbytes(self) -> int:
        """The bytes of all values that the tape holds: results, leaves and constants, views counted once."""
        return sum(watch.held_bytes(self._lines, None).values())

    def nbytes_by(self, label: str) -> dict[Any, int]:
        """Return the bytes by the value of one label of the scope, as `tape.nbytes_by("t")`; by None outside of it.

        A value counts where it was first used.
        """
        return watch.held_bytes(self._lines, label)

    def leaves(self) -> list[Tensor]:
        """Return the Tensors that came from outside: inputs of entries that no entry made, in order of first use."""
        made = {id(entry.out) for entry in self}
        found: dict[int, Tensor] = {}
        for entry in self:
            for a in entry.args:
                if type(a) is Tensor and id(a) not in made:
                    found.setdefault(id(a), a)
        return list(found.values())

    def part(self, numbers: Iterable[int]) -> Tape:
        """Return a tape of these entries alone, in this order. The results of other entries are leaves of it.

        `tape.part(steps(tape)[3]).gradient(y, x, seed)` is the derivative within step 3, with all earlier values held.
        """
        other = Tape(lines=self._keeps_code, check_finite=self._check_finite)
        for k in numbers:
            other._lines.append(self._lines[k])
            if self._code:
                other._code.append(self._code[k])
        return other

    def find(self, name: str, **labels: object) -> Tensor:
        """Return the one Tensor of that name, made under these labels: `tape.find("f", t=3, layer=0)`.

        A leaf (a parameter, an initial state) is found by its name alone. Raises LookupError where none or several fit.
        """
        wanted = labels.items()
        found = [e for e in self if e.out.name == name and wanted <= dict(e.scope).items()]
        if len(found) == 1:
            return found[0].out
        leaves = [] if labels or found else [x for x in self.leaves() if x.name == name]
        if len(leaves) == 1:
            return leaves[0]
        asked = " ".join([repr(name), scope_text(tuple(wanted))]).strip()
        if found or leaves:
            where = "; ".join(scope_text(e.scope) or "no scope" for e in found[:4]) or "leaves"
            raise LookupError(
                f"find: {len(found) or len(leaves)} Tensors fit {asked} ({where}, ...)\nadd labels: t=, layer="
            )
        names = sorted({e.out.name for e in self if e.out.name} | {x.name for x in self.leaves() if x.name})
        raise LookupError(
            f"find: no Tensor {asked} on this tape, which has the names {', '.join(names) or '(none)'}\n"
            'name one where it is made: named("z", value)'
        )

    # ------------------------------------------------------------------------------------------ the walk back

    def seeds(self, loss: Any, seed: Any = None) -> dict[Tensor, Cotangent]:
        """Return results and the cotangents with which a walk back begins, checked as `rewind` checks them."""
        return self._start(loss, seed)[1]

    def gradient(self, loss: Any, wrt: Tree, seed: Any = None) -> Tree:
        """Return the gradient as `core.Tape` does; a hook on the name of a leaf sees its gradient last."""
        found = super().gradient(loss, wrt, seed)
        if not self._hooks:
            return found
        made = {id(out) for _, _, _, out, _ in self._lines}
        pairs = zip(flattened(wrt)[0], flattened(found)[0], strict=True)
        return flattened(wrt)[1](g if id(x) in made else self._hooks.at_leaf(x, g) for (_, x), (_, g) in pairs)

    def backward(self, loss: Tensor, seed: Any = None) -> None:
        """Add the gradient of `loss` to `.grad` of the leaves: see `Tensor.backward`."""
        if id(loss) in self._spent:
            raise RuntimeError(
                f"backward: was called for {loss.describe()} before, and would add the same gradient to .grad again\n"
                "tape.gradient(loss, wrt) can be asked as often as you like"
            )
        with not_recording():
            start, _ = self._start(loss, seed)
            reached = _dependencies(self._lines, start, loss)
            leaves = [x for x in self.leaves() if x.dtype.kind == "f" and id(x) in reached]
            gradients = self.gradient(loss, leaves, seed)
        self._spent.add(id(loss))
        for x, gradient in zip(leaves, gradients, strict=True):
            x.grad = gradient if x.grad is None else np.asarray(x.grad + gradient)

    def _walk(self, start: int, pending: dict[Tensor, Cotangent], wrt: list[Tensor] | None) -> Walk:
        """Walk back with this tape's hooks, and with its check for NaN."""
        hook = (lambda index, g: self._hooks.at_entry(self[index], g)) if self._hooks else None
        steps = walk(self._lines, start, pending, wrt, hook, self._check_finite)
        return self._watched(steps) if self._check_finite else steps

    def _watched(self, steps: Walk) -> Walk:
        for index, g, products in steps:
            watch.require_finite_products(self._lines[index], self._code[index], g, products)
            yield index, g, products

    # ------------------------------------------------------------------------------------------ hooks

    def hook(self, function: Hook, name: str | None = None, **labels: object) -> Callable[[], None]:
        """Let `function(entry, cotangent)` see the cotangents that a walk back passes, and change them.

        It is called at each entry whose result has that name (any, by default) under these labels, once the cotangent
        is complete; its answer, unless None, takes the cotangent's place: `tape.hook(clip, "h")`,
        `tape.hook(print, t=3)`. A leaf of that name has no entry (None), and its hook sees the gradient at the end.
        The cotangent is a read-only array; a Tensor where the walk is recorded. Hooks run in the order in which they
        were added; the answer is a function that takes this one away.

        The walk raises ValueError for an answer of another shape.
        """
        return self._hooks.add(function, name, labels)

    @property
    def hooked(self) -> bool:
        """Has the tape any hooks?"""
        return bool(self._hooks)

    # ------------------------------------------------------------------------------------------ rerun

    def rerun(self, feed: Mapping[Tensor, Value]) -> tuple[Tape, dict[Tensor, Tensor]]:
        """Make the same calls on other inputs; return the new tape and a map from this tape's Tensors to the new.

        `feed` maps Tensors of this tape to new values (arrays or Tensors). A Tensor that an entry made can be fed too:
        its entry is left out, and the entries that depend on it use the value given. Leaves that are not fed are
        shared by both tapes. Raises LookupError for a Tensor that is not on this tape.
        """
        known = {id(x) for e in self for x in (e.out, *e.args) if type(x) is Tensor}
        new: dict[Tensor, Tensor] = {}
        for old, value in feed.items():
            if id(old) not in known:
                which = old.describe() if isinstance(old, Tensor) else repr(old)
                raise LookupError(f"rerun: {which} is not on this tape\nfeed Tensors that it has, as tape.find(name)")
            new[old] = value if isinstance(value, Tensor) else Tensor(value, name=old.name)
        tape = Tape()
        with tape:
            for op, args, kwargs, out, labels in self._lines:
                if out in new:
                    continue
                with recording_under(labels):
                    made = apply(op, tuple([new.get(a, a) if type(a) is Tensor else a for a in args]), kwargs)
                made.name = out.name
                new[out] = made
        return tape, new

    replay = rerun

    # ------------------------------------------------------------------------------------------ pickling, copying

    def __copy__(self) -> Tape:
        """Return a tape with the same lines, which may record on without changing this one. Hooks are not copied."""
        other = Tape(lines=self._keeps_code, check_finite=self._check_finite, sealed=self._keeps_values)
        other._lines.extend(self._lines)
        other._code.extend(self._code)
        return other

    def __getstate__(self) -> Args:
        return self._lines, self._code, self._keeps_code, self._check_finite, self._keeps_values

    def __setstate__(self, state: Args) -> None:
        self._lines, self._code, self._keeps_code, self._check_finite, self._keeps_values = state
        self._open = []
        self._spent = set()
        self._hooks = Hooks()
        self._become_known()
        for _, _, _, out, _ in self._lines:
            out._tape = self.ref


def _dependencies(lines: list[Line], start: int, loss: Tensor) -> set[int]:
    """Return the ids of all Tensors on which the loss, made in line `start` or before, depends."""
    found = {id(loss)}
    for _, args, _, out, _ in reversed(lines[: start + 1]):
        if id(out) in found:
            found.update(id(a) for a in args if type(a) is Tensor)
    return found
