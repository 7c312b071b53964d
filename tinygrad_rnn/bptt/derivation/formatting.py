"""Lines of Python, as a formatter would break them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 88
"""Characters in a line, where nothing else is asked for."""


@dataclass(frozen=True)
class Call:
    """A call or a bracket that can be broken after it opens: `np.split(`, the arguments, `)`."""

    opening: str
    args: tuple[str, ...]
    closing: str = ")"

    def __str__(self) -> str:
        return f"{self.opening}{', '.join(self.args)}{self.closing}"


@dataclass(frozen=True)
class Chain:
    """A sum or a product that can be broken before each of its signs: `x @ W.T`, `+ b`."""

    pieces: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join(self.pieces)


@dataclass(frozen=True)
class Wrapped:
    """A chain within brackets, after something: `dh * (`, the chain, `)`."""

    opening: str
    inner: Chain

    def __str__(self) -> str:
        return f"{self.opening}{self.inner})"


Breakable = Call | Chain | Wrapped | str


def statement(left: str, right: Breakable, indent: int, comment: str = "", width: int = WIDTH) -> list[str]:
    """`left right`, where left ends in a sign or in `return`, on one line if it fits; a comment only where it fits."""
    space = " " * indent
    line = f"{space}{left} {right}"
    if comment and len(line) + 4 + len(comment) <= WIDTH:
        return [f"{line}  # {comment}"]
    if len(line) <= WIDTH or isinstance(right, str):
        return [line]
    if isinstance(right, Call):
        inside = f"{space}    {', '.join(right.args)}"
        fits = [inside] if len(inside) <= WIDTH else [f"{space}    {a}," for a in right.args]
        return [f"{space}{left} {right.opening}", *fits, f"{space}{right.closing}"]
    opening, chain = (right.opening, right.inner) if isinstance(right, Wrapped) else ("(", right)
    inside = f"{space}    {chain}"
    fits = [inside] if len(inside) <= WIDTH else [f"{space}    {piece}" for piece in chain.pieces]
    return [f"{space}{left} {opening}", *fits, f"{space})"]


def assignments(names: Sequence[str], values: Sequence[str], indent: int, width: int = WIDTH) -> list[str]:
    """`a, b = 1, 2`, in as many lines as it takes."""
    lines: list[str] = []
    group: list[int] = []
    for k in range(len(names)):
        if group and len(_assignment(names, values, [*group, k], indent)) > width:
            lines.append(_assignment(names, values, group, indent))
            group = []
        group.append(k)
    return [*lines, _assignment(names, values, group, indent)] if group else lines


def _assignment(names: Sequence[str], values: Sequence[str], group: Sequence[int], indent: int) -> str:
    return f"{' ' * indent}{', '.join(names[k] for k in group)} = {', '.join(values[k] for k in group)}"
