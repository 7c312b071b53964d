"""A page for a terminal: words, formulas and tables in the columns that it has."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tinygrad_rnn.bptt.atlas.page_blocks import Block, Code, Grid, Heading, Image, Lines, Words
from tinygrad_rnn.text_tables import aligned, width

COLUMNS = 100
"""The most columns of a paragraph: longer lines are hard to read."""
LEAST = 6
"""The least width of a head that is broken."""
INDENT, AFTER_BREAK = " " * 4, " " * 8
WIDE = r"\u3000-\u9fff\uff00-\uffef"
PIECES = re.compile(rf"[^\s{WIDE}]+ *|[{WIDE}] *")
"""The pieces of a paragraph that stay whole: words between spaces, and single Chinese characters."""
CLOSING, OPENING = "，。：；、！？）》」", "（《「“"
"""Marks that begin no line, and marks that end none."""
BEFORE_SIGNS = re.compile(r" (?=[-+=] )")


def as_text(blocks: Sequence[Block], columns: int = COLUMNS) -> str:
    """Return a page for a terminal of so many columns. Tables, code and pictures keep their width."""
    columns = min(columns, COLUMNS)
    found = []
    for block in blocks:
        if isinstance(block, Heading):
            found.append(block.text.upper() if block.level == 1 else f"{block.text}\n{'-' * width(block.text)}")
        elif isinstance(block, Words):
            found.append(filled(block.text, columns))
        elif isinstance(block, Lines):
            found.append("\n".join(broken(line, columns) for line in block.lines))
        elif isinstance(block, Grid):
            head, *rows = ([cell.replace("`", "") for cell in row] for row in (block.head, *block.rows))
            lines = aligned([head, *rows], right=block.right)
            if max(map(width, lines)) > columns:
                lines = aligned([*_in_lines(head, rows), *rows], right=block.right)
            found.append("\n".join(lines))
        elif isinstance(block, Code | Image):
            found.append(block.text.rstrip("\n"))
    return "\n\n".join(part for part in found if part) + "\n"


def _in_lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return the heads of columns in as many lines as they take where none is wider than its column needs."""
    wide = [max(LEAST, *(width(row[k]) for row in rows)) for k in range(len(head))]
    lines = [filled(cell, columns).splitlines() for cell, columns in zip(head, wide, strict=True)]
    most = max(map(len, lines))
    return [[*row] for row in zip(*([""] * (most - len(cell)) + cell for cell in lines), strict=True)]


def filled(text: str, columns: int) -> str:
    """Return a paragraph in lines of at most these columns: broken at spaces, and after Chinese characters.

    No line begins with a closing mark, and none ends with an opening one.
    """
    lines, pieces = [""], list[str]()
    for piece in PIECES.findall(text):
        if pieces and (piece[0] in CLOSING or pieces[-1] in OPENING):
            pieces[-1] += piece
        else:
            pieces.append(piece)
    for piece in pieces:
        if lines[-1] and width(lines[-1] + piece.rstrip()) > columns:
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


def broken(formula: str, columns: int) -> str:
    """Return a formula in lines of at most these columns, broken before signs outside of brackets where it can be."""
    lines, line = [], INDENT
    for piece in _pieces(formula):
        if line.strip() and width(f"{line} {piece}") > columns:
            lines.append(line)
            line = AFTER_BREAK + piece
        else:
            line = f"{line} {piece}" if line.strip() else line + piece
    return "\n".join([*lines, line])


def _pieces(formula: str) -> list[str]:
    """Cut a formula before its signs outside of brackets."""
    found: list[str] = []
    depth = 0
    for piece in BEFORE_SIGNS.split(formula):
        if depth and found:
            found[-1] += f" {piece}"
        else:
            found.append(piece)
        depth += sum((c in "([{") - (c in ")]}") for c in piece)
    return found
