"""Lines of Python, broken in the way of a formatter."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH = 120
"""The default number of characters in a line."""


def statement(left: str, right: str, indent: int, comment: str = "", width: int = WIDTH) -> list[str]:
    """Return the lines of the statement `left right`, with a comment where it fits.

    A statement that is too long is broken. A sum or a product is put into brackets and broken before its signs; with
    one sign and a bracket at its end, it is broken inside of the bracket. A call is broken after its opening bracket.
    """
    space, left = " " * indent, f"{left} " if left else ""
    line = f"{space}{left}{right}"
    if comment and len(line) + 4 + len(comment) <= width:
        return [f"{line}  # {comment}"]
    if len(line) <= width:
        return [line]
    cuts = _cuts(right)
    if len(cuts) > 1 or (cuts and right[-1] != ")") or _commas(right):
        return [f"{space}{left}(", *_broken(right, indent + 4, width), f"{space})"]
    opened = _opened(right, left, indent, width)
    if opened and (len(opened[0]) <= width or not cuts):
        return opened
    first, second = _parts(right, cuts, skip=1)
    if opened := _opened(first, left, indent, width):
        last = f"{opened[-1].strip()} "
        if len(space) + len(last) + len(second) <= width:
            return [*opened[:-1], f"{space}{last}{second}"]
        return [*opened[:-1], *_opened(second, last, indent, width)]
    return [f"{space}{left}(", *_broken(right, indent + 4, width), f"{space})"]


def _broken(text: str, indent: int, width: int, after: str = "") -> list[str]:
    """Return the lines of an expression within brackets; the text `after` follows it."""
    space = " " * indent
    if len(space) + len(text) + len(after) <= width:
        return [f"{space}{text}{after}"]
    parts = _parts(text, _commas(text), skip=2)
    if len(parts) > 1:
        return [line for part in parts for line in _broken(part, indent, width, ",")]
    parts = _parts(text, _cuts(text), skip=1)
    if len(parts) > 1:
        lines = [line for part in parts for line in _broken(part, indent, width)]
        return [*lines[:-1], f"{lines[-1]}{after}"]
    opened = _opened(text, "", indent, width)
    return [*opened[:-1], f"{opened[-1]}{after}"] if opened else [f"{space}{text}{after}"]


def _opened(text: str, before: str, indent: int, width: int) -> list[str]:
    """Return an expression that ends in a bracket, with the contents on lines of their own; [] without a bracket."""
    depth = 0
    for k in range(len(text) - 1, -1, -1):
        depth += (text[k] in ")]}") - (text[k] in "([{")
        if not depth:
            if k == len(text) - 1 or text[-1] not in ")]}":
                break
            inside = _broken(text[k + 1 : -1], indent + 4, width)
            return [f"{' ' * indent}{before}{text[: k + 1]}", *inside, f"{' ' * indent}{text[-1]}"]
    return []


def _cuts(text: str) -> list[int]:
    """Return the places where a sum or a product can be cut: before its signs outside of brackets."""
    found: dict[str, list[int]] = {"+-": [], "*/@": []}
    depth = 0
    for k, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if not depth and k and text[k - 1 : k + 2] == f" {letter} ":
            for signs, places in found.items():
                if letter in signs:
                    places.append(k)
    return found["+-"] or found["*/@"]


def _commas(text: str) -> list[int]:
    """Return the places of the commas outside of brackets."""
    depth, found = 0, []
    for k, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if not depth and letter == ",":
            found.append(k)
    return found


def _parts(text: str, places: list[int], skip: int) -> list[str]:
    """Cut a text at places: before a sign (skip 1), or in the place of a comma and a space (skip 2)."""
    begins = [0, *(k + 2 if skip == 2 else k for k in places)]
    ends = [*(k if skip == 2 else k - 1 for k in places), len(text)]
    return [text[a:b] for a, b in zip(begins, ends, strict=True)]


def assignments(names: Sequence[str], values: Sequence[str], indent: int, width: int = WIDTH) -> list[str]:
    """Return assignments like `a, b = 1, 2`, on as few lines as they fit."""
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
