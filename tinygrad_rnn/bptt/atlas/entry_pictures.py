"""The pictures of a cell in the atlas, as SVG: the cell, the curve of its gradient, the pattern of its Jacobian."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from itertools import accumulate, pairwise
from textwrap import indent
from typing import NamedTuple

import numpy as np

from tinygrad_rnn.bptt.atlas.cell_facts import Facts
from tinygrad_rnn.bptt.atlas.starting import SMALL, Pattern
from tinygrad_rnn.bptt.atlas.symbolic_sizes import Size
from tinygrad_rnn.draw.slide import styled
from tinygrad_rnn.draw.svg import svg
from tinygrad_rnn.draw.terminal import text
from tinygrad_rnn.language.saying import say
from tinygrad_rnn.nn.time_loop import unroll
from tinygrad_rnn.notebook.line_chart import chart_svg
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.text_tables import padded

SQUARE, MARGIN, LABEL = 13, 8, 46
FILLED, EMPTY, LINE, INK = "#2f6db3", "#eef1f5", "#5b6470", "#333333"


class Drawn(NamedTuple):
    """A picture as SVG, and what a terminal shows in its place."""

    svg: str
    text: str


def cell_picture(facts: Facts, states: Mapping[str, tuple[Size, ...]]) -> Drawn:
    """Draw one step of the cell with its recurrent edges, a box for each gate.

    Raises ArithmeticError where a box has another shape than its value on the tape, or a state than its formula says.
    """
    rng = np.random.default_rng(0)
    with Tape() as tape:
        unroll(facts.cell, facts.init(rng, *SMALL), rng.standard_normal((3, 2, SMALL[0])))
    drawn = styled(tape, level="gates", view="rolled")
    lines, expected = tape.lines(), {f"{name}ₜ": (2, *(n(*SMALL) for n in shape)) for name, shape in states.items()}
    for box in drawn.boxes.values():
        shape = expected.get(box.title) or (lines[box.entries[-1]][3].shape if box.kind != "input" else (2, SMALL[0]))
        if box.shape != "×".join(map(str, shape)):
            raise ArithmeticError(f"atlas: {box.title} of {facts.name} is drawn with {box.shape}, but it is {shape}")
    title = say("{title}: one step", title=facts.title)
    shown = text(tape, level="gates", view="rolled", ascii=False)
    return Drawn(svg(drawn, title, "light"), indent(shown, "    "))


def curve_picture(curve: list[float]) -> str:
    """Draw how the gradient of the state changes with the distance from the loss."""
    return chart_svg({"|dL/ds_k|": [round(v, 3) for v in curve]}, "steps back from the loss", y_label="|dL/ds_k|")


def pattern_picture(pattern: Pattern, title: str) -> str:
    """Draw a square for each entry of ds_t/ds_{t-1}, filled where it is not zero for all values."""
    names, sizes = list(pattern.sizes), list(pattern.sizes.values())
    edges = [0, *accumulate(sizes)]
    side = SQUARE * edges[-1]
    width, height = LABEL + side + MARGIN, LABEL + side + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" font-family="sans-serif" font-size="12" fill="{INK}"><title>{escape(title)}</title>',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for i, row in enumerate(pattern.entries):
        for j, full in enumerate(row):
            parts.append(
                f'<rect x="{LABEL + SQUARE * j + 0.5}" y="{LABEL + SQUARE * i + 0.5}" width="{SQUARE - 1}" '
                f'height="{SQUARE - 1}" fill="{FILLED if full else EMPTY}"/>'
            )
    for edge in edges:
        at = LABEL + SQUARE * edge
        parts.append(f'<path d="M{LABEL} {at}H{LABEL + side}M{at} {LABEL}V{LABEL + side}" stroke="{LINE}"/>')
    for name, (first, last) in zip(names, pairwise(edges), strict=True):
        middle = LABEL + SQUARE * (first + last) / 2
        parts.append(f'<text x="{LABEL - 6}" y="{middle + 4:.1f}" text-anchor="end">{_indexed(name, "t")}</text>')
        parts.append(f'<text x="{middle:.1f}" y="{LABEL - 8}" text-anchor="middle">{_indexed(name, "t−1")}</text>')
    return "".join([*parts, "</svg>\n"])


def _indexed(name: str, index: str) -> str:
    return f'{escape(name)}<tspan dy="3" font-size="9">{index}</tspan>'


def pattern_text(pattern: Pattern) -> str:
    """Return the pattern for a terminal: # for an entry that is not zero."""
    names = [name for name, size in pattern.sizes.items() for _ in range(size)]
    wide = max(map(len, names))
    head = "".join(padded(name[:size], size) for name, size in pattern.sizes.items())
    rows = zip(names, pattern.entries, strict=True)
    lines = [f"{name:{wide}} {''.join('#' if full else '.' for full in row)}" for name, row in rows]
    return indent("\n".join([f"{'':{wide}} {head.rstrip()}", *lines]), "    ")
