"""How an operation is written: one row for each operation that is not simply called by its name.

Drawings, the player, derivations and diagnoses all read these rows, and so does an operation of your own: one call of
`notation` says how it is written everywhere. `np.tanh` and the like need no row.

>>> product = call_text("multiply", [("f", ATOM), ("f", ATOM)])
>>> call_text("multiply", [("df", ATOM), call_text("subtract", [("f", ATOM), product])])[0]
'df * (f - f * f)'
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import tinygrad_rnn.operations  # noqa: F401 - it fills the table
from tinygrad_rnn.core.table import PRIMITIVES, TABLE, Primitive

Text = tuple[str, int]
"""An expression, and how tightly its outermost operation binds."""

BINDS = {**dict.fromkeys([">", "<", ">=", "<=", "==", "!="], 0), "+": 1, "-": 1, "*": 2, "/": 2, "@": 2}
ATOM = 9
"""How tightly a name, a number or a call binds: it never needs brackets."""


LETTERS = ("a", "v", "u", "s", "q", "p", "e", "m", "k", "w", "r", "y")
"""Names for values that have none from their author, in this order."""


@dataclass(frozen=True, slots=True)
class Notation:
    """How an operation is written.

    symbol: in a drawing, as `σ` or `×`. sign: between two operands in Python, as `*`. letter: as a function in a
    formula, a Greek letter by its name. python: the source of a function of the operation's name, where NumPy has none.
    """

    symbol: str = ""
    sign: str = ""
    letter: str = ""
    python: str = ""


ROWS = {
    "add": Notation("+", "+"),
    "subtract": Notation("−", "-"),
    "multiply": Notation("×", "*"),
    "divide": Notation("÷", "/"),
    "matmul": Notation("@", "@"),
    "negative": Notation("−"),
    "greater": Notation(sign=">"),
    "less": Notation(sign="<"),
    "greater_equal": Notation(sign=">="),
    "less_equal": Notation(sign="<="),
    "equal": Notation(sign="=="),
    "not_equal": Notation(sign="!="),
    "sigmoid": Notation("σ", letter="sigma", python="def sigmoid(z):\n    return 1 / (1 + np.exp(-z))"),
    "softplus": Notation(python="def softplus(z):\n    return np.logaddexp(z, 0)"),
    "relu": Notation(python="def relu(z):\n    return np.maximum(z, 0)"),
    "elu": Notation(python="def elu(z, alpha):\n    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))"),
    "remainder": Notation("mod"),
    "normal_pdf": Notation("φ", python="def normal_pdf(z):\n    return np.exp(-z * z / 2) / np.sqrt(2 * np.pi)"),
    "normal_cdf": Notation(
        "Φ",
        python="def normal_cdf(z):\n    from math import erfc\n\n"
        "    return np.vectorize(erfc, otypes=[float])(-z / np.sqrt(2)) / 2",
    ),
    "softmax": Notation(
        python="def softmax(z):\n    e = np.exp(z - z.max(axis=-1, keepdims=True))\n"
        "    return e / e.sum(axis=-1, keepdims=True)"
    ),
    "log_softmax": Notation(
        python="def log_softmax(z):\n    z = z - z.max(axis=-1, keepdims=True)\n"
        "    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))"
    ),
}
NOTATION: dict[Primitive, Notation] = {PRIMITIVES[name]: row for name, row in ROWS.items()}
PLAIN = Notation()


def notation(op: Primitive, symbol: str = "", letter: str = "", python: str = "") -> None:
    """Say how an operation of your own is written, in every drawing, formula and line of NumPy.

    symbol: the text in drawings, in the place of its name. letter: a Greek letter by its name, in formulas. python:
    the source of a function of the same name, with `np` for NumPy; it is printed above a derivation in NumPy.
    """
    NOTATION[op] = Notation(symbol, "", letter, python)


def notation_of(name: str) -> Notation:
    """Return how the operation of that name is written."""
    return NOTATION.get(PRIMITIVES[name], PLAIN) if name in PRIMITIVES else PLAIN


def in_numpy(name: str) -> str:
    """Return an elementwise operation or an activation as Python calls it, `np.tanh` or `sigmoid`; "" for others."""
    op = PRIMITIVES.get(name)
    if notation_of(name).python:
        return name
    functions = [function.__name__ for function, ours in TABLE.items() if ours is op]
    return f"np.{functions[0]}" if op is not None and op.kind == "elementwise" and functions else ""


def is_arithmetic(name: str) -> bool:
    """Is this +, -, *, / or @?"""
    return BINDS.get(notation_of(name).sign, 0) > 0


def is_function(name: str) -> bool:
    """Is this an elementwise function of one argument, as tanh is, and no arithmetic?"""
    op = PRIMITIVES.get(name)
    return (
        op is not None
        and op.kind == "elementwise"
        and op.arity == 1
        and any(op.vjps)
        and name not in ("negative", "positive", "astype")
    )


def call_text(name: str, args: Sequence[Text]) -> Text:
    """Return an operation applied to expressions: with a sign where it has one, in the brackets that it needs.

    A part of an array is written as the array: which part its name says.
    """
    sign = notation_of(name).sign
    if sign and len(args) == 2:
        binds = BINDS[sign]
        left = bracketed(args[0], binds + (binds == 0))
        return f"{left} {sign} {bracketed(args[1], binds + (sign not in '+*'))}", binds
    if name == "negative":
        return f"-{bracketed(args[0], 3)}", 2
    if name == "transpose":
        inner = bracketed(args[0], 8)
        return (inner[:-2] if inner.endswith(".T") else f"{inner}.T"), ATOM
    if name == "getitem":
        return args[0]
    return f"{name}({', '.join(text for text, _ in args)})", ATOM


def bracketed(text: Text, binds: int) -> str:
    """Return an expression as an operand of an operation that binds so tightly: in brackets where it needs them."""
    return text[0] if text[1] >= binds else f"({text[0]})"


SHORT = {"weight_ih": "W", "weight_hh": "U", "bias_ih": "b_ih", "bias_hh": "b_hh"}
"""The names in formulas of parameters with PyTorch's names, as in the docstrings of the cells."""
