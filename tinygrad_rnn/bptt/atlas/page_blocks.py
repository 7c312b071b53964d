"""A page as blocks, written as Markdown, or as HTML without other files. `text_page` writes it for a terminal."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from tinygrad_rnn.language.current import current

STYLE = """body { font: 16px/1.5 sans-serif; max-width: 54em; margin: 2em auto; padding: 0 1em; color: #222;
background: #fff }
table { border-collapse: collapse; display: block; overflow-x: auto } th, td { padding: .2em .8em; text-align: left;
border-bottom: 1px solid #ccc } .right { text-align: right } pre, math { overflow-x: auto } pre { background: #f6f6f6;
padding: .8em } img { max-width: 100% } th button { font: inherit; border: 0; background: none; cursor: pointer }"""


POWERS = re.compile(r"10\^(-?\d+\.\d+)")
"""A power of ten in words."""


@dataclass(frozen=True)
class Heading:
    """A heading of a level from 1 to 3."""

    level: int
    text: str


@dataclass(frozen=True)
class Words:
    """A paragraph. Code stands in backquotes. ready: it is written in the format of the page already."""

    text: str
    ready: bool = False


@dataclass(frozen=True)
class Lines:
    """Formulas, written in the format of the page, each on a line of its own."""

    lines: Sequence[str]


@dataclass(frozen=True)
class Grid:
    """A table. right: the columns of numbers. ready: the columns that are written in the format of the page already."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Collection[int] = field(default=())
    ready: Collection[int] = field(default=())


@dataclass(frozen=True)
class Code:
    """A text in which each column counts."""

    text: str
    language: str = ""


@dataclass(frozen=True)
class Image:
    """A picture as SVG, under a name, and what a terminal shows in its place."""

    name: str
    alt: str
    svg: str
    text: str = ""


Block: TypeAlias = Heading | Words | Lines | Grid | Code | Image


def inline_image(image: Image) -> str:
    """Return the address of a picture that holds the picture itself."""
    return f"data:image/svg+xml;base64,{base64.b64encode(image.svg.encode()).decode()}"


def as_markdown(blocks: Sequence[Block], address: Callable[[Image], str] = inline_image) -> str:
    """Return a page as Markdown. `address` says where a picture is."""
    found = []
    for block in blocks:
        if isinstance(block, Heading):
            found.append(f"{'#' * block.level} {block.text}")
        elif isinstance(block, Words):
            found.append(block.text if block.ready else POWERS.sub(r"$10^{\1}$", block.text))
        elif isinstance(block, Lines):
            found += [f"$$\n{line}\n$$" for line in block.lines]
        elif isinstance(block, Grid):
            rules = ["---:" if k in block.right else "---" for k in range(len(block.head))]
            rows = [[cell.replace("|", r"\|") for cell in row] for row in (block.head, *block.rows)]
            lines = [f"| {' | '.join(row)} |" for row in rows]
            found.append("\n".join([lines[0], f"|{'|'.join(rules)}|", *lines[1:]]))
        elif isinstance(block, Code):
            found.append(f"```{block.language}\n{block.text}```")
        else:
            found.append(f"![{block.alt}]({address(block)})")
    return "\n\n".join(found) + "\n"


def as_html(blocks: Sequence[Block], title: str, script: str = "") -> str:
    """Return a page of HTML that needs no other file and no network."""
    head = f'<!doctype html>\n<html lang="{current()}"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
    end = f"<script>\n{script}</script>\n" if script else ""
    return f"{head}\n<style>{STYLE}</style></head><body>\n{html_body(blocks)}\n{end}</body></html>\n"


def html_body(blocks: Sequence[Block]) -> str:
    """Return the blocks as HTML, without the page around them."""
    return "\n".join(_in_html(block) for block in blocks)


def _in_html(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{html.escape(block.text)}</h{block.level}>"
    if isinstance(block, Words):
        return f"<p>{block.text if block.ready else _marked(block.text)}</p>"
    if isinstance(block, Lines):
        return "\n".join(f'<p><math display="block">{line}</math></p>' for line in block.lines)
    if isinstance(block, Grid):
        return _table(block)
    if isinstance(block, Code):
        return f"<pre>{html.escape(block.text)}</pre>"
    return f'<p><img alt="{html.escape(block.alt)}" src="{inline_image(block)}"></p>'


def _table(grid: Grid) -> str:
    sides = [' class="right"' if k in grid.right else "" for k in range(len(grid.head))]
    head = "".join(f'<th scope="col"{s}>{_marked(cell)}</th>' for s, cell in zip(sides, grid.head, strict=True))
    marked = [[cell if k in grid.ready else _marked(cell) for k, cell in enumerate(row)] for row in grid.rows]
    rows = "\n".join(
        f"<tr>{''.join(f'<td{s}>{cell}</td>' for s, cell in zip(sides, row, strict=True))}</tr>" for row in marked
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table>"


def _marked(text: str) -> str:
    """Return words as HTML, with code for what stands in backquotes, and without links to other pages."""
    text = POWERS.sub(r"10<sup>\1</sup>", html.escape(text))
    unlinked = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", unlinked)
