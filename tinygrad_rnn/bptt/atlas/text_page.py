"""A page for a terminal: words, formulas and tables in the columns that it has."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tinygrad_rnn.bptt.atlas.page_blocks import Block, Code, Grid, Heading, Image, Lines, Words
from tinygrad_rnn.text_tables import aligned, width

COLUMNS = 100
"""The most columns of a paragraph: longer lines are hard to read."""
INDENT, AFTER_BREAK = " " * 4, " " * 8
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
            rows = [[cell.replace("`", "") for cell in row] for row in (block.head, *block.rows)]
            found.append("\n".join(aligned(rows, right=block.right)))
        elif isinstance(block, Code | Image):
            found.append(block.text.rstrip("\n"))
    return "\n\n".join(part for part in found if part) + "\n"


def filled(text: str, columns: int) -> str:
    """Return a paragraph in lines of at most these columns: broken at spaces, and after Chinese characters.

    No line begins with a closing mark, and none ends with an opening one.
    """
    pieces = re.findall(
        r"[^\s\u3000-\u9fff\uff00-\uffef]+ *|[“《（「]?[\u3000-\u9fff\uff00-\uffef][，。：；、）”》」？！]* *", text
    )
    lines = [""]
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
