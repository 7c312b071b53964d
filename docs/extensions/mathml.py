"""Sphinx writes formulas as MathML: a browser shows them without a script, without a font and without a network."""

from __future__ import annotations

import html
import re
from typing import Any
from xml.etree import ElementTree

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx

NOT_CONVERTED = re.compile(r"<m[iotn][^>]*>\\|<m[iotn][^>]*>&(?:amp;)?</")
"""A command or a sign for columns that came through as it was: the converter does not know it."""

BRACKETS = re.compile(r"<mo>&#x0005B;</mo><mtable>(.*?)</mtable><mo>&#x0005D;</mo>")
"""A matrix between brackets. They would grow with it only in a font for mathematics; site.css draws them as borders."""

NAMESPACE = "http://www.w3.org/1998/Math/MathML"
TAG = re.compile(r"<[^>]*>")
LONG = 24
"""The number of letters and signs of a formula that a phone shows in one line."""
WIDEST = 64
"""The number of letters and signs of a piece that a sheet of paper shows in one line."""
SCRIPTS = {f"{{{NAMESPACE}}}{name}" for name in ("msub", "msup", "msubsup")}
BREAK_BEFORE = ("=", "+", "\u2212")


def mathml(latex: str, display: str = "inline") -> str:
    """Return a formula in LaTeX as MathML.

    Raises ValueError for a command that the converter does not know.
    """
    text = convert(latex.strip(), display=display)
    if found := NOT_CONVERTED.search(text):
        raise ValueError(f"no MathML for {latex.strip()!r}: {text[found.start() : found.end() + 20]}")
    return BRACKETS.sub(r'<mtable class="matrix">\1</mtable>', text)


def in_pieces(text: str, within: int = 0) -> list[str]:
    """Return MathML in pieces, each begun by a relation or a sum: a browser can break there.

    within: the number of brackets around a sum at which it may break: 0 is outside of brackets, and 1 where a piece is
    too long for a line.
    """
    ElementTree.register_namespace("", NAMESPACE)
    whole = ElementTree.fromstring(text)
    pieces: list[ElementTree.Element] = []
    depth, before = 0, None
    for part in whole[0]:
        base = part[0] if part.tag in SCRIPTS else part  # a closing bracket may have an index
        sign = base.text if base.tag == f"{{{NAMESPACE}}}mo" else None
        depth += (sign in ("(", "[")) - (sign in (")", "]"))
        begins = depth <= within and sign in BREAK_BEFORE and before not in ("(", "[")
        before = sign
        if begins or not pieces:
            pieces.append(ElementTree.Element(f"{{{NAMESPACE}}}math", displaystyle="true"))
            part.attrib |= {"form": "infix"} if begins and len(pieces) > 1 else {}
        pieces[-1].append(part)
    found = [ElementTree.tostring(piece, encoding="unicode") for piece in pieces]
    return in_pieces(text, 1) if not within and any(letters(piece) > WIDEST for piece in found) else found


def letters(text: str) -> int:
    """Return the number of letters and signs of MathML."""
    return len(TAG.sub("", html.unescape(text)))


def inline(writer: Any, node: nodes.math) -> None:
    """Write a formula in the line."""
    writer.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def block(writer: Any, node: nodes.math_block) -> None:
    """Write a formula on its own line; a long one breaks before `=` and `+`, or scrolls within its box."""
    text = mathml(node.astext(), "block")
    if letters(text) > LONG:
        text = "\n".join(in_pieces(text))
    writer.body.append(f'<div class="formula">{text}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Make this the way in which HTML pages show formulas."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
