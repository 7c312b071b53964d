"""Operations as a person writes them: `df * (f - f * f)`, `h @ weight_hh.T`.

>>> product = call_text("multiply", [("f", ATOM), ("f", ATOM)])
>>> call_text("multiply", [("df", ATOM), call_text("subtract", [("f", ATOM), product])])[0]
'df * (f - f * f)'
"""

from __future__ import annotations

from collections.abc import Sequence

Text = tuple[str, int]
"""An expression, and how tightly its outermost operation binds."""

INFIX = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "matmul": "@"}
BINDS = {"+": 1, "-": 1, "*": 2, "/": 2, "@": 2}
ATOM = 9
"""What binds so tightly that it never needs brackets: a name, a number, a call."""


def call_text(name: str, args: Sequence[Text]) -> Text:
    """An operation by name, applied to expressions: with a sign where it has one, in the brackets that it needs.

    A part of an array is written as the array: which part its name says.
    """
    if name in INFIX and len(args) == 2:
        sign = INFIX[name]
        binds = BINDS[sign]
        left = bracketed(args[0], binds)
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
    """An expression as an operand of what binds so tightly."""
    return text[0] if text[1] >= binds else f"({text[0]})"
