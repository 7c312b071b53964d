"""Lines of Python, as a formatter would break them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 88


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


def statement(left: str, right: Call | Chain | str, indent: int, comment: str = "") -> list[str]:
    """`left right`, where left ends in a sign or in `return`, on one line if it fits; a comment only where it fits."""
    space = " " * indent
    line = f"{space}{left} {right}"
    if comment and len(line) + 4 + len(comment) <= WIDTH:
        return [f"{line}  # {comment}"]
    if len(line) <= WIDTH or isinstance(right, str):
        return [line]
    if isinstance(right, Call):
        inner = f"{space}    {', '.join(right.args)}"
        if len(inner) <= WIDTH:
            return [f"{space}{left} {right.opening}", inner, f"{space}{right.closing}"]
        args = [f"{space}    {a}," for a in right.args]
        return [f"{space}{left} {right.opening}", *args, f"{space}{right.closing}"]
    if len(right.pieces) == 2 and right.pieces[1].startswith("* ("):
        inside = right.pieces[1].removeprefix("* (").removesuffix(")")
        return [f"{space}{left} {right.pieces[0]} * (", f"{space}    {inside}", f"{space})"]
    inner = f"{space}    {right}"
    pieces = [inner] if len(inner) <= WIDTH else [f"{space}    {piece}" for piece in right.pieces]
    return [f"{space}{left} (", *pieces, f"{space})"]


def assignments(names: Sequence[str], values: Sequence[str], indent: int) -> list[str]:
    """`a, b = 1, 2`, in as many lines as it takes."""
    lines: list[str] = []
    group: list[int] = []
    for k in range(len(names)):
        if group and len(_assignment(names, values, [*group, k], indent)) > WIDTH:
            lines.append(_assignment(names, values, group, indent))
            group = []
        group.append(k)
    return [*lines, _assignment(names, values, group, indent)] if group else lines


def _assignment(names: Sequence[str], values: Sequence[str], group: Sequence[int], indent: int) -> str:
    return f"{' ' * indent}{', '.join(names[k] for k in group)} = {', '.join(values[k] for k in group)}"
