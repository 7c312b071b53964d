"""The text of what a few entries compute together, on one line: `f × c₀ + i × g`, `tanh(z)`, `affine(x[0], h₀)`."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.draw.views.drawn_tape import Reading, Time
from tinygrad_rnn.draw.views.step_numbers import StepNumbers, is_whole, plain
from tinygrad_rnn.draw.views.unstacked import Argument, Operation, Term
from tinygrad_rnn.language.current import current
from tinygrad_rnn.tape.notation import BINDS, is_arithmetic, notation_of
from tinygrad_rnn.tape.printing import index_text
from tinygrad_rnn.text_tables import width

_ATOM, _BINDS_POWER = 4, 3
_RAISED = {"2": "²", "3": "³"}
_LONGEST = 80
"""The maximum number of characters. Longer text is cut: it would double at every entry that reads a value twice."""

_LONGEST_OPERAND = 12
"""The maximum number of characters of an operand in a formula that is cut."""


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


def formula(reading: Reading, members: Sequence[int], when: StepNumbers, longest: int = _LONGEST) -> str:
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


def _brief(reading: Reading, k: int, known: dict[Tensor, tuple[str, int]], when: StepNumbers, longest: int) -> str:
    """Return an entry as a formula in which … stands for what is long: `sum(…) ÷ 24`."""
    if _terms(reading, k):
        return symbol(reading, k)
    short = {}
    for a, (text, strength) in known.items():
        call = re.match(r"\w+\(", text) if strength == _ATOM and text.endswith(")") else None
        power = re.search(r"[²³]$|\^\S+$", text) if strength == _BINDS_POWER else None
        fits = len(text) <= _LONGEST_OPERAND
        short[a] = (text, strength) if fits else (f"{call[0]}…)" if call else f"(…){power[0]}" if power else "…", _ATOM)
    text, _ = _of_entry(reading, k, short, when)
    return text if len(text) <= longest else symbol(reading, k)


def unnumbered(text: str) -> str:
    """Return a formula with a dot in the place of the numbers of entries, which a drawing does not show."""
    return re.sub(r"#\d+", "·", text)


def reads(reading: Reading, members: Sequence[int], when: StepNumbers) -> str:
    """Name what these entries read of others and from outside, without parameters: `x[1], h₀, c₀`."""
    inside = {reading.entries[k].out for k in members}
    read = [
        (k, n, a)
        for k in members
        for n, a in enumerate(reading.entries[k].args)
        if isinstance(a, Tensor) and a not in inside
    ]
    t = reading.time[members[-1]]
    names = [_operand(reading, (k, n), a, t, when) for k, n, a in read if not _parameter(reading, a)]
    return ", ".join(dict.fromkeys(names))


def _of_entry(reading: Reading, k: int, known: dict[Tensor, tuple[str, int]], when: StepNumbers) -> tuple[str, int]:
    """Return an entry's text, and how strongly its operation binds."""
    entry, t = reading.entries[k], reading.time[k]
    name, sign = entry.op.name, symbol(reading, k)
    args = entry.args[:1] if name == "getitem" else entry.args
    parts = [
        known[a] if isinstance(a, Tensor) and a in known else (_operand(reading, (k, n), a, t, when), _ATOM)
        for n, a in enumerate(args)
    ]
    if name == "multiply" and args[0] is args[1] and parts[0][1] < _ATOM:
        text, strength = _written("power", [parts[0], ("2", _ATOM)])
    elif name == "getitem":
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
    if name == "power" and len(parts) == 2:
        (base, a), (over, b) = parts
        return (base if a == _ATOM else f"({base})") + _raised(over, b), _BINDS_POWER
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


def _raised(over: str, strength: int) -> str:
    """Return an exponent as text: ² and ³, which every font has, else after a ^."""
    if over in _RAISED:
        return _RAISED[over]
    return f"^{over}" if strength == _ATOM and not over.startswith("-") else f"^({over})"


def _operand(reading: Reading, use: tuple[int, int], a: object, t: Time, when: StepNumbers) -> str:
    """Name a value that an entry reads as an argument, with its step only where that is another one."""
    reader, _ = use
    if isinstance(a, Tensor):
        k = reading.maker(a)
        if k is None:
            return (
                reading.initial_title(*use, when.under)[0]
                if use in reading.initial
                else of_step(reading.leaf(a)[1], t, when)
            )
        name = a.name or f"#{k}"
        if a in reading.begins:
            return ", ".join(state.title(when.under) for state in reading.begins[a])
        if reading.time[k] in (t, None):
            return name
        if t is None:  # a reader of several steps, such as a loss, stands relative to none
            return name + when.always_under(reading.time[k])
        return name + (
            when.always_under(reading.time[k]) if (reader, a) in reading.fixed else when.under(reading.time[k])
        )
    if isinstance(a, np.ndarray):
        return "array"
    return f"{a:.4g}" if isinstance(a, float | int) else str(a)


def of_step(title: str, t: Time, when: StepNumbers) -> str:
    """Return `x[2]`, read in step 2, as x with its step below, `x₂`; any other title as it is."""
    name = title.removesuffix(f"[{t}]")
    return name + when.under(t) if is_whole(t) and name != title else title


def _parameter(reading: Reading, a: Tensor) -> bool:
    return reading.maker(a) is None and reading.outer(a)[0] == "parameter"


_ASCII = {"×": "*", "÷": "/", "−": "-", "σ": "sigmoid", "ᵀ": ".T", "…": "...", "²": "**2", "³": "**3", "^": "**"}


def in_ascii(text: str) -> str:
    """Return a text in ASCII: `c_0`, `h_{t-1}`, `sigmoid`, `*`. Others but Chinese words become escapes."""
    text = plain(text)
    for sign, word in _ASCII.items():
        text = text.replace(sign, word)
    escaped = text.encode("ascii", "backslashreplace").decode("ascii")
    if escaped == text or current() == "en":
        return escaped
    return "".join(c if width(c) > 1 else c.encode("ascii", "backslashreplace").decode("ascii") for c in text)
