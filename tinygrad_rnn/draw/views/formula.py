"""The text of what a few entries compute together, on one line: `f × c₀ + i × g`, `tanh(z)`, `affine(x[0], h₀)`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.draw.views.drawn_tape import Reading, Time
from tinygrad_rnn.draw.views.unstacked import Argument, Operation, Term
from tinygrad_rnn.tape.notation import BINDS, is_arithmetic, notation_of
from tinygrad_rnn.tape.printing import index_text

_ATOM = 4
_LONGEST = 80
"""The maximum number of characters. Longer text is cut: it would double at every entry that reads a value twice."""

_LONGEST_OPERAND = 12
"""The maximum number of characters of an operand in a formula that is cut."""

When = Callable[[Time], str]
"""The function that writes the subscript of a step: `₂`."""


def symbol(reading: Reading, k: int) -> str:
    """Return an entry's operation as a sign or a word: `+`, `tanh`, `[:, 0:4]`; of several operations, all: `− ÷`."""
    entry, terms = reading.entries[k], _terms(reading, k)
    if terms:
        return " ".join(dict.fromkeys(_sign(term.name) for term in terms if isinstance(term, Operation)))
    return index_text(entry.args[1:]) if entry.op.name == "getitem" else _sign(entry.op.name)


def is_formula(reading: Reading, members: Sequence[int]) -> bool:
    """Say whether entries are more than one operation."""
    return len(members) > 1 or bool(_terms(reading, members[-1]))


def _terms(reading: Reading, k: int) -> tuple[Term, ...]:
    return reading.joins[k].terms if k in reading.joins else ()


def _sign(name: str) -> str:
    return notation_of(name).symbol or name


def formula(reading: Reading, members: Sequence[int], when: When, longest: int = _LONGEST) -> str:
    """Return the last entry as a formula of all that the entries read, in short where it is longer than `longest`."""
    known: dict[Tensor, tuple[str, int]] = {}
    text = ""
    for k in members:
        known[reading.entries[k].out] = _of_entry(reading, k, known, when)
        text = known[reading.entries[k].out][0]
    if len(text) <= longest:
        return text
    operations = {reading.entries[k].op.name for k in members}
    if operations == {"matmul", "add"}:
        return f"affine({reads(reading, members, when)})"
    return _brief(reading, members[-1], known, when, longest)


def _brief(reading: Reading, k: int, known: dict[Tensor, tuple[str, int]], when: When, longest: int) -> str:
    """Return an entry as a formula in which … stands for what is long: `sum(…) ÷ 24`."""
    if _terms(reading, k):
        return symbol(reading, k)
    short = {}
    for a, (text, strength) in known.items():
        call = re.match(r"\w+\(", text) if strength == _ATOM and text.endswith(")") else None
        fits = len(text) <= _LONGEST_OPERAND
        short[a] = (text, strength) if fits else (f"{call[0]}…)" if call else "…", _ATOM)
    text, _ = _of_entry(reading, k, short, when)
    return text if len(text) <= longest else symbol(reading, k)


def unnumbered(text: str) -> str:
    """Return a formula with a dot in the place of the numbers of entries, which a drawing does not show."""
    return re.sub(r"#\d+", "·", text)


def reads(reading: Reading, members: Sequence[int], when: When) -> str:
    """Name what these entries read of others and from outside, without parameters: `x[1], h₀, c₀`."""
    inside = {reading.entries[k].out for k in members}
    read = [(k, a) for k in members for a in reading.entries[k].args if isinstance(a, Tensor) and a not in inside]
    t = reading.time[members[-1]]
    names = [_operand(reading, k, a, t, when) for k, a in read if not _parameter(reading, a)]
    return ", ".join(dict.fromkeys(names))


def _of_entry(reading: Reading, k: int, known: dict[Tensor, tuple[str, int]], when: When) -> tuple[str, int]:
    """Return an entry's text, and how strongly its operation binds."""
    entry, t = reading.entries[k], reading.time[k]
    name, sign = entry.op.name, symbol(reading, k)
    args = entry.args[:1] if name == "getitem" else entry.args
    parts = [
        known[a] if isinstance(a, Tensor) and a in known else (_operand(reading, k, a, t, when), _ATOM) for a in args
    ]
    if name == "getitem":
        text, strength = (parts[0][0] if parts[0][1] == _ATOM else f"({parts[0][0]})") + sign, _ATOM
    else:
        stack: list[tuple[str, int]] = []
        for term in _terms(reading, k) or (*map(Argument, range(len(parts))), Operation(name, len(parts))):
            if isinstance(term, Operation):
                operands = stack[len(stack) - term.arity :]
                stack[len(stack) - term.arity :] = [_written(term.name, operands)]
            else:
                stack.append(parts[term.position] if isinstance(term, Argument) else (f"{term:.4g}", _ATOM))
        ((text, strength),) = stack
    return (text if len(text) <= _LONGEST else text[:_LONGEST] + "…", strength)


def _written(name: str, parts: list[tuple[str, int]]) -> tuple[str, int]:
    """Return an operation on operands as text, with brackets where they are needed, and how strongly it binds."""
    sign = _sign(name)
    if is_arithmetic(name) and len(parts) == 2:
        strength = BINDS[notation_of(name).sign]
        (left, a), (right, b) = parts
        left = left if a >= strength else f"({left})"
        right = right if b > strength or (b == strength and name == "add") else f"({right})"
        return f"{left} {sign} {right}", strength
    if name == "negative":
        return "−" + (parts[0][0] if parts[0][1] == _ATOM else f"({parts[0][0]})"), 3
    return f"{sign}({', '.join(part for part, _ in parts)})", _ATOM


def _operand(reading: Reading, reader: int, a: object, t: Time, when: When) -> str:
    """Name a value that is read, with its step only where that is another one."""
    if isinstance(a, Tensor):
        k = reading.maker(a)
        if k is None:
            return of_step(reading.leaf(a)[1], t, when)
        name = a.name or f"#{k}"
        if reading.time[k] in (t, None):
            return name
        return name + (absolute(reading.time[k]) if (reader, a) in reading.fixed else when(reading.time[k]))
    if isinstance(a, np.ndarray):
        return "array"
    return f"{a:.4g}" if isinstance(a, float | int) else str(a)


def of_step(title: str, t: Time, when: When) -> str:
    """Return `x[2]` of step 2 as `x[t]` where one step stands for all."""
    one_for_all = when(t) != subscript(t) and isinstance(t, int) and title.endswith(f"[{t}]")
    return title.removesuffix(f"[{t}]") + "[t]" if one_for_all else title


def _parameter(reading: Reading, a: Tensor) -> bool:
    return reading.maker(a) is None and reading.outer(a)[0] == "parameter"


_ASCII = {"×": "*", "÷": "/", "−": "-", "σ": "sigmoid", "ᵀ": ".T", "…": "...", "ₜ": "t"}
_DIGITS = str.maketrans("₀₁₂₃₄₅₆₇₈₉₋₊", "0123456789-+")


def subscript(t: Time) -> str:
    """Return the step under a name, for whole numbers: `₂`."""
    whole = isinstance(t, int | np.integer) and not isinstance(t, bool)
    return str(t).translate(str.maketrans("0123456789-", "₀₁₂₃₄₅₆₇₈₉₋")) if whole else ""


def absolute(t: Time) -> str:
    """Return a single step under a name, where one step stands for all: `₀`, `(a)`."""
    return subscript(t) or f"({t})"


def bare(title: str) -> str:
    """Return a title without its steps: `h, c` of `h₂, c₂`."""
    return re.sub("[₀-₉₋₊ₜ]+", "", title)


def in_ascii(text: str) -> str:
    """Return a text in ASCII: `c_0`, `sigmoid`, `*`. Other characters become escapes."""
    text = re.sub("[₀-₉₋₊ₜ]+", lambda found: "_" + found[0].translate(_DIGITS), text)
    for sign, word in _ASCII.items():
        text = text.replace(sign, word)
    return text.encode("ascii", "backslashreplace").decode("ascii")
