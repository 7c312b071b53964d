"""The operations of a tape in symbols and in numbers: `df_2 * (f_2 - f_2 * f_2)`, `0.3 * (0.5 - 0.5 * 0.5)`.

Symbols: a value has its name and its step, `f_2`, the name of the array that it is a view of, `weight_hh.T`, or the
number of its entry, `v12`. Numbers: the first entry of each array; of a product of matrices or a sum, the terms of that
entry.
"""

from __future__ import annotations

from collections import Counter
from itertools import islice

import numpy as np

from tinygrad_rnn.core.recording import Scope, scope_text
from tinygrad_rnn.core.table import Args, Kwargs
from tinygrad_rnn.core.tensor import Line, Tensor
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.notation import ATOM, BINDS, Text, call_text
from tinygrad_rnn.tape.printing import index_text
from tinygrad_rnn.tape.steps import time_of

LONGEST_NAME = 40
LONGEST = 160
"""The maximum number of characters of an expression."""
DIGITS = 4
MANY = 7
"""The maximum number of arguments written out. Of more, only the first three and the last are written."""
TERMS = 3
"""The maximum number of terms of a sum that are written out."""


class Wording:
    """The names of the values of a tape, and the text of the expressions that made them.

    `learn` adds the values that the rules of a walk back compute, as they are made.
    """

    def __init__(self, tape: Tape) -> None:
        self._symbols: dict[int, Text] = {}
        self._numbers: dict[int, Text] = {}
        self.names: dict[Tensor, str] = {}
        self._name(tape)

    def _name(self, tape: Tape) -> None:
        """Give every value of the tape a name of its own."""
        leaves = tape.leaves()
        count = Counter(_short(x.name or "leaf") for x in leaves)
        count.update(_in_time(e.out.name, e.scope) for e in tape if e.out.name is not None)
        taken: Counter[str] = Counter()

        def unique(name: str, number: int | None = None, labels: Scope = ()) -> str:
            where = scope_text(tuple(pair for pair in labels if pair[0] not in ("t", "gate")))
            if count[name] > 1 and where:
                name = f"{name}{{{_short(where)}}}"
            taken[name] += 1
            if number is None:
                return f"{name}#{taken[name]}" if count[name] > 1 else name
            return name if taken[name] == 1 else f"{name}#{number}"

        for x in leaves:
            self._call(x, unique(_short(x.name or "leaf")))
        for k, (op, args, kwargs, out, labels) in enumerate(tape.lines()):
            if out.name is not None:
                name = unique(_in_time(out.name, labels), k, labels)
            elif op.name == "transpose" and len(args) == 1 and not any(kwargs.values()):
                name = f"{self.names[args[0]]}.T"
            elif op.name == "getitem" and type(args[0]) is Tensor:
                name = f"{self.names[args[0]]}{index_text(args[1:])}"
            else:
                name = f"v{k}"
            self._call(out, name if len(name) <= 2 * LONGEST_NAME else f"v{k}")

    def _call(self, x: Tensor, name: str) -> None:
        self.names[x] = name
        self.called(x, name)

    def called(self, x: object, name: str) -> None:
        """Write x by this name from here on."""
        self._symbols[id(x)] = name, ATOM
        text = number_text(x)
        self._numbers[id(x)] = text, BINDS["*"] if text.startswith("-") else ATOM  # -(-6), not --6

    def cotangent(self, x: Tensor, place: Args = ()) -> str:
        """Name the gradient of the loss by x, or its part at an index: `dh_2`, `d(weight_hh.T)`, `dx[0]`."""
        name = self.names[x]
        bare = f"d{name}" if all(c.isalnum() or c == "_" for c in name) else f"d({name})"
        return bare + (index_text(place) if place else "")

    def learn(self, line: Line) -> None:
        """Keep the text of the result of this line of a tape."""
        _, args, _, out, _ = line
        key = id(out)
        if _only_fits(line):  # written by hand, it would be left out
            self._symbols[key], self._numbers[key] = (self._of(args[0], t) for t in (self._symbols, self._numbers))
        else:
            self._symbols[key], self._numbers[key] = self._written(line)

    def call(self, line: Line) -> tuple[str, str]:
        """Return the text of what a line computed, in symbols and in numbers."""
        (symbols, _), (numbers, _) = self._written(line)
        return symbols, numbers

    def value(self, x: object) -> tuple[str, str]:
        """Return the text of a known value, in symbols and in numbers."""
        return self._of(x, self._symbols)[0], self._of(x, self._numbers)[0]

    def _written(self, line: Line) -> tuple[Text, Text]:
        op, args, kwargs, out, _ = line
        symbols = _call_text(op.name, [self._of(a, self._symbols) for a in args], args, kwargs)
        if op.kind == "elementwise":  # the first entry of the result is made of the first entries of the arguments
            return symbols, _call_text(op.name, [self._of(a, self._numbers) for a in args], args, kwargs)
        return symbols, _terms(op.name, args, kwargs) or (number_text(out), ATOM)

    def _of(self, a: object, texts: dict[int, Text]) -> Text:
        if type(a) is Tensor:
            return texts.get(id(a), (number_text(a) if texts is self._numbers else f"array {a.shape}", ATOM))
        if isinstance(a, np.ndarray):
            return (number_text(a) if a.size == 1 or texts is self._numbers else f"array {a.shape}"), ATOM
        return (number_text(a) if isinstance(a, float) else _short(str(a))), ATOM


def _only_fits(line: Line) -> bool:
    """Say whether a line only repeats entries, or adds or removes axes of length 1: the first entry stays the first."""
    op, args, _, out, _ = line
    if op.name != "reshape":
        return bool(op.name == "broadcast_to")
    return [n for n in np.shape(args[0]) if n != 1] == [n for n in out.shape if n != 1]


def number_text(x: object) -> str:
    """Return the first entry of an array, with four digits: `0.1234`, `1.234e-5`."""
    values = np.asarray(x.data if isinstance(x, Tensor) else x)
    if not values.size:
        return "nothing"
    return f"{rounded(values.flat[0].item()):g}".replace("e-0", "e-").replace("e+0", "e+")


def rounded(v: float) -> float:
    """Round a number to the four digits that are shown."""
    return float(f"{v:.{DIGITS}g}")


def _in_time(name: str, labels: Scope) -> str:
    t = time_of(labels)
    return _short(name) if t is None else f"{_short(name)}_{_short(str(t))}"


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def _call_text(name: str, texts: list[Text], args: Args, kwargs: Kwargs) -> Text:
    """Return the text of a call with its index, axes or keywords, cut where it is long."""
    said = [f"{key}={_short(str(value))}" for key, value in kwargs.items() if value is not None and value is not False]
    if name == "getitem":
        text, binds = texts[0]
        text, binds = (text if binds == ATOM else f"({text})") + index_text(args[1:]), ATOM
    elif said or (name == "transpose" and len(texts) > 1) or len(texts) > MANY:
        inside = [text for text, _ in texts]
        if len(inside) > MANY:
            inside = [*inside[:3], f"… {len(inside) - 4} more …", inside[-1]]
        text, binds = f"{name}({', '.join(inside + said)})", ATOM
    else:
        text, binds = call_text(name, texts)
    return (text, binds) if len(text) <= LONGEST else (text[: LONGEST - 1] + "…", ATOM)


def _terms(name: str, args: Args, kwargs: Kwargs) -> Text | None:
    """Return the terms that make the first entry of a product of matrices or of a sum; None for other operations."""
    a, *rest = (np.asarray(x.data if isinstance(x, Tensor) else x) for x in args)
    if name == "matmul" and a.ndim == rest[0].ndim == 2 and a.size and rest[0].size:
        b = rest[0]
        pairs = islice(zip(a[0], b[:, 0], strict=True), TERMS)
        terms, count = [f"{number_text(x)} * {number_text(y)}" for x, y in pairs], a.shape[1]
    elif name == "sum" and not rest and a.size:
        axis = kwargs.get("axis")
        axes = range(a.ndim) if axis is None else {k % a.ndim for k in (axis if isinstance(axis, tuple) else (axis,))}
        summed = a[tuple(slice(None) if k in axes else 0 for k in range(a.ndim))]
        terms, count = [number_text(x) for x in summed.flat[:TERMS]], summed.size
    else:
        return None
    return " + ".join(terms) + (f" + … ({count} terms)" if count > TERMS else ""), 1
