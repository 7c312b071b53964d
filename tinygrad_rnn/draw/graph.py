"""The picture in Graphviz's language, with the places of `layout`: time from left to right, steps from bottom to top.

The text carries the places (`layout=nop2`, `pos`), so `dot` draws every box and arrow where it belongs and has nothing
to search for.
"""

from __future__ import annotations

import html

import graphviz

from tinygrad_rnn.draw.layout import BOX_HEIGHT, Point, column_title, layout
from tinygrad_rnn.draw.picture import Box, Picture, picture
from tinygrad_rnn.draw.style import ARROW, CARRIED, FAINT, FONT, STYLES, TEXT
from tinygrad_rnn.engine.tape import Tape

HEAD = 5.0
"""The length of an arrow's head, in points."""


def graph(tape: Tape, ends: int | None = None) -> graphviz.Digraph:
    """The unrolled graph of a tape, as a `graphviz.Digraph`. `str(graph(tape))` is its DOT text, the same every time.

    `ends`: how many steps to show at either end of a long tape (default: as many as can be read).
    """
    return digraph(picture(tape, ends))


def digraph(pic: Picture) -> graphviz.Digraph:
    """A picture as a `graphviz.Digraph`."""
    places = layout(pic)
    dot = graphviz.Digraph("tape", comment="The unrolled graph: time from left to right")
    dot.attr("graph", layout="nop2", bgcolor="#ffffff", fontname=FONT, splines="true", outputorder="edgesfirst")
    dot.attr("node", fontname=FONT, fontsize="11", fontcolor=TEXT, fixedsize="true", margin="0", shape="box")
    dot.attr("edge", color=ARROW, arrowsize="0.5", penwidth="0.8")
    for box in pic.boxes.values():
        style = STYLES[box.kind]
        looks = ["filled", *(["rounded"] if style.round else []), *(["dashed"] if style.dashed else [])]
        x, y = places.centre[box.id]
        dot.node(
            box.id,
            label=_label(box),
            style=",".join(looks),
            fillcolor=style.fill,
            color=style.border,
            tooltip=graphviz.escape(f"{box.label} {box.shape}"),
            pos=f"{x:.1f},{y:.1f}",
            width=f"{places.width[box.id] / 72:.3f}",
            height=f"{BOX_HEIGHT / 72:.3f}",
        )
    for k, (column, (left, right)) in enumerate(places.columns.items()):
        dot.node(
            f"t{k}",
            label=graphviz.escape(column_title(column)),
            shape="plaintext",
            fontcolor=FAINT,
            pos=f"{(left + right) / 2:.1f},{places.band[0] - BOX_HEIGHT / 2:.1f}",
            width="1",
            height="0.25",
        )
    for source, target in pic.arrows:
        way = _spline(places.curves[source, target])
        if pic.carried(source, target):
            dot.edge(source, target, pos=way, color=CARRIED, penwidth="1.4")
        else:
            dot.edge(source, target, pos=way)
    return dot


def _label(box: Box) -> str:
    """An HTML-like label: what it is, in bold where it has a name, and the shape in small type."""
    title = html.escape(box.label)
    if box.detail:
        title = f'<b>{html.escape(box.title)}</b> <font color="{FAINT}">= {html.escape(box.detail)}</font>'
    small = f'<br/><font point-size="8" color="{FAINT}">{html.escape(box.shape)}</font>' if box.shape else ""
    return f"<{title}{small}>"


def _spline(curve: list[Point]) -> str:
    """Graphviz's text for a curve that ends in an arrow head."""
    (x0, y0), (x1, y1) = curve[-2], curve[-1]
    length = max(((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5, 1e-9)
    tail = (x1 - HEAD * (x1 - x0) / length, y1 - HEAD * (y1 - y0) / length)  # the line stops where the head begins
    points = [*curve[:-1], tail]
    return f"e,{x1:.1f},{y1:.1f} " + " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
