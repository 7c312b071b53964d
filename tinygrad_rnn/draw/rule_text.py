"""The operations of a tape in symbols and in numbers: `df_2 * f_2 * (1 - f_2)`, `0.3 * 0.5 * (1 - 0.5)`.

Symbols: a value has its name and its step, `f_2`, a view is written as one, `weight_hh.T`, and a value without a name
is the expression that made it, `tanh(c_2)`. Numbers: the first entry of each array; of a product of matrices or a sum,
the terms of that entry.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TypeVar

import numpy as np

from tinygrad_rnn.core.table import Args, Kwargs
from tinygrad_rnn.core.tensor import Line, Tensor
from tinygrad_rnn.draw.value_names import ValueNames, is_view, short
from tinygrad_rnn.draw.views.step_numbers import LABELS, StepNumbers
from tinygrad_rnn.language.saying import say
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.notation import ATOM, BINDS, Text, bracketed, call_text
from tinygrad_rnn.tape.printing import index_text

PLAIN_NAME = re.compile(r"\w+(_\{-\d+\})?")
"""A name before which d reads as a differential without brackets: h_2, h_{-1}."""
LONGEST = 160
"""The maximum number of characters of an expression."""
LONGEST_COTANGENT = 90
"""The maximum number of characters of a cotangent that is written as an expression, and not as `d(...)`."""
DIGITS = 4
MANY = 7
"""The maximum number of arguments written out. Of more, only the first three and the last are written."""
TERMS = 3
"""The maximum number of terms of a sum that are written out."""

T = TypeVar("T")
Factor = tuple[Text, Text]
"""A factor of a product: in symbols and in numbers."""


class Wording:
    """The names of the values of a tape, and the text of the expressions that made them.

    names: a value's name, or its expression. rules: for each entry, its expression. heads: for each entry, the number
    of the entry in whose statement it is a term; its own, if its value has a name. bare: names without steps.
    `learn` adds the values that the rules of a walk back compute, as they are made.
    """

    def __init__(self, tape: Tape, loss: object = None, numbers: StepNumbers = LABELS) -> None:
        self._symbols: dict[int, Text] = {}
        self._numbers: dict[int, Text] = {}
        self._terms: dict[int, str] = {}  # the terms of a sum or a product of matrices, by the id of its result
        self._factors: dict[int, list[Factor]] = {}
        self._operands: dict[int, list[Text]] = {}  # of a product of matrices
        self.names: dict[Tensor, str] = {}
        self.rules: list[str] = []
        self.heads: list[int] = []
        found = ValueNames(tape, loss, numbers)
        self._name(tape.lines(), found)
        self.bare = found.bare

    def _name(self, lines: list[Line], found: ValueNames) -> None:
        for x in found.leaves:
            self._call(x, found.of_leaf(x), ATOM)
        named = []
        for k, line in enumerate(lines):
            symbols, _ = self._written(line)
            if x_t := found.input_of_step(k):
                symbols = x_t, ATOM
            name = found.of_line(k, symbols[0])
            named.append(name is not None)
            self._call(line[3], *((name, ATOM) if name is not None else symbols))
            self.rules.append(symbols[0])
        self.heads = [*range(len(lines))]
        for k in reversed(range(len(lines))):
            by = found.readers.get(id(lines[k][3]))
            if not named[k] and by:
                self.heads[k] = self.heads[by[0]]

    def _call(self, x: Tensor, name: str, binds: int) -> None:
        self.names[x] = name
        self.called(x, name, binds)

    def called(self, x: object, name: str, binds: int = ATOM) -> None:
        """Write x by this name from here on."""
        self._symbols[id(x)] = name, binds
        self._numbers[id(x)] = _signed(number_text(x))
        self._factors.pop(id(x), None)
        self._operands.pop(id(x), None)
        self._terms.pop(id(x), None)

    def cotangent(self, x: Tensor, place: Args = ()) -> str:
        """Name the gradient of the loss by x, or its part at an index: `dh_2`, `d(weight_hh.T)`, `dx[0]`."""
        name = self.names[x]
        bare = f"d{name}" if PLAIN_NAME.fullmatch(name) else f"d({name})"
        return bare + (index_text(place) if place else "")

    def expression(self, x: object) -> str:
        """Return the expression that made a cotangent, or "" where it is not known or too long to be read."""
        text, _ = self._symbols.get(id(x), ("", ATOM))
        return text if len(text) <= LONGEST_COTANGENT else ""

    def learn(self, line: Line) -> None:
        """Keep the text of the result of this line of a tape."""
        op, args, _, out, _ = line
        key, first = id(out), id(args[0])
        if _only_fits(line):  # written by hand, it would be left out
            self._symbols[key], self._numbers[key] = (self._of(args[0], t) for t in (self._symbols, self._numbers))
            _copy(self._terms, first, key)
            _copy(self._factors, first, key)
            _copy(self._operands, first, key)
            return
        self._symbols[key], self._numbers[key] = self._written(line)
        if op.name == "multiply":
            self._factors[key] = self._factors_of(args[0]) + self._factors_of(args[1])
        elif op.name == "subtract":
            self._take_out(key, *map(self._factors_of, args))
        elif op.name == "add" and self._symbols.get(first) == self._symbols.get(id(args[1]), 0):  # a value read twice
            self._factors[key] = [(("2", ATOM), ("2", ATOM)), *self._factors_of(args[0])]
            self._symbols[key], self._numbers[key] = (_product([f[k] for f in self._factors[key]]) for k in (0, 1))
        elif op.name == "matmul":
            self._operands[key] = [self._of(a, self._symbols) for a in args]
        elif is_view(line) and op.name == "transpose" and first in self._operands and np.ndim(args[0]) == 2:
            a, b = (call_text("transpose", [text]) for text in self._operands[first])
            self._symbols[key] = call_text("matmul", [b, a])
            _copy(self._terms, first, key)
        if op.kind != "elementwise":
            if (terms := _terms(op.name, args, line[2])) is not None:
                self._terms[key] = terms[0]
            self._numbers[key] = _signed(number_text(out))

    def _factors_of(self, x: object) -> list[Factor]:
        return self._factors.get(id(x)) or [(self._of(x, self._symbols), self._of(x, self._numbers))]

    def _take_out(self, key: int, left: list[Factor], right: list[Factor]) -> None:
        """Write `a - a * b * b` as `a * (1 - b**2)`, as on paper."""
        n = len(left)
        if len(right) <= n or [symbol for symbol, _ in right[:n]] != [symbol for symbol, _ in left]:
            return
        below = tuple(_signed(f"1 - {bracketed(_product([f[k] for f in right[n:]]), 2)}") for k in (0, 1))
        factors = [*left, ((below[0][0], 1), (below[1][0], 1))]
        symbols, numbers = (_product([f[k] for f in factors]) for k in (0, 1))
        if len(symbols[0]) <= LONGEST and len(numbers[0]) <= LONGEST:
            self._symbols[key], self._numbers[key], self._factors[key] = symbols, numbers, factors

    def call(self, line: Line) -> tuple[str, str]:
        """Return the text of what a line computed, in symbols and in numbers."""
        (symbols, _), (numbers, _) = self._written(line)
        return symbols, numbers

    def value(self, x: object) -> tuple[str, str]:
        """Return the text of a known value, in symbols and in numbers."""
        return self._of(x, self._symbols)[0], self._terms.get(id(x)) or self._of(x, self._numbers)[0]

    def _written(self, line: Line) -> tuple[Text, Text]:
        op, args, kwargs, out, _ = line
        if op.name == "multiply" and args[0] is args[1]:
            return _power(self._of(args[0], self._symbols)), _power(self._of(args[0], self._numbers))
        if op.name == "power" and not isinstance(args[1], Tensor) and np.size(args[1]) == 1:
            over = number_text(args[1])
            return _power(self._of(args[0], self._symbols), over), _power(self._of(args[0], self._numbers), over)
        symbols = _call_text(op.name, [self._of(a, self._symbols) for a in args], args, kwargs)
        if op.kind == "elementwise":  # the first entry of the result is made of the first entries of the arguments
            return symbols, _call_text(op.name, [self._of(a, self._numbers) for a in args], args, kwargs)
        return symbols, _terms(op.name, args, kwargs) or (number_text(out), ATOM)

    def _of(self, a: object, texts: dict[int, Text]) -> Text:
        if type(a) is Tensor:
            return texts.get(id(a), (number_text(a) if texts is self._numbers else f"array {a.shape}", ATOM))
        if isinstance(a, np.ndarray):
            return (number_text(a) if a.size == 1 or texts is self._numbers else f"array {a.shape}"), ATOM
        return (number_text(a) if isinstance(a, float) else short(str(a))), ATOM


def _copy(kept: dict[int, T], first: int, key: int) -> None:
    """Keep for a result what is kept of the value that it repeats."""
    if first in kept:
        kept[key] = kept[first]


def _signed(text: str) -> Text:
    """Return a number as an operand: -6 is negated as -(-6), not as --6."""
    return text, BINDS["*"] if text.startswith("-") else ATOM


def _power(text: Text, over: str = "2") -> Text:
    return f"{bracketed(text, ATOM)}**{f'({over})' if over.startswith('-') else over}", 3


def _product(factors: list[Text]) -> Text:
    """Return factors side by side; two alike are a square."""
    found: list[Text] = []
    for text in factors:
        if found and found[-1] == text and text[1] <= ATOM and not text[0].endswith("**2"):
            found[-1] = _power(text)
        else:
            found.append(text)
    return found[0] if len(found) == 1 else (" * ".join(bracketed(text, BINDS["*"]) for text in found), BINDS["*"])


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
        return say("nothing")
    return f"{rounded(values.flat[0].item()):g}".replace("e-0", "e-").replace("e+0", "e+")


def rounded(v: float) -> float:
    """Round a number to the four digits that are shown."""
    return float(f"{v:.{DIGITS}g}")


def _call_text(name: str, texts: list[Text], args: Args, kwargs: Kwargs) -> Text:
    """Return the text of a call with its index, axes or keywords, cut where it is long."""
    said = [
        f"{key}={short(_argument(value))}" for key, value in kwargs.items() if value is not None and value is not False
    ]
    if name == "getitem":
        text, binds = texts[0]
        text, binds = (text if binds == ATOM else f"({text})") + index_text(args[1:]), ATOM
    elif said or (name == "transpose" and len(texts) > 1) or len(texts) > MANY:
        inside = [text for text, _ in texts]
        if len(inside) > MANY:
            inside = [*inside[:3], say("… {count} more …", count=len(inside) - 4), inside[-1]]
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
    return " + ".join(terms) + (say(" + … ({count} terms)", count=count) if count > TERMS else ""), 1


def _argument(value: object) -> str:
    """Return the value of a keyword: of axes that are one, that one."""
    return str(value[0] if isinstance(value, tuple) and len(value) == 1 else value)
