"""The picture in Graphviz's language, with the places of `layout`: time from left to right, steps from bottom to top.

The text carries the places (`layout=nop2`, `pos`), so `dot` draws every box and arrow at its place and searches for
none.
"""

from __future__ import annotations

import html
import math
from typing import Any

import graphviz

from tinygrad_rnn.draw.layout.annotations import flow_colour, furniture, looks, scale_of
from tinygrad_rnn.draw.layout.layout import layout
from tinygrad_rnn.draw.layout.page import HEIGHT, WIDTH, lowered
from tinygrad_rnn.draw.layout.routes import Point
from tinygrad_rnn.draw.layout.shapes_around import Furniture, Text
from tinygrad_rnn.draw.layout.side_by_side import Layout
from tinygrad_rnn.draw.layout.sizes import LINE, SMALL, TITLE, label_parts, short, text_width
from tinygrad_rnn.draw.slide import styled
from tinygrad_rnn.draw.style import Theme, fonts, heat_colour, level, theme_named, thickness
from tinygrad_rnn.draw.views.boxes import Arrow, Box, Picture
from tinygrad_rnn.draw.views.step_numbers import pieces, plain
from tinygrad_rnn.tape.array_text import Heat
from tinygrad_rnn.tape.full_tape import Tape

HEAD = 5.0
"""The length of an arrow's head, in points."""
LONGEST = 1_000
"""The maximum number of letters in a box's tooltip."""
TABLE = '<table border="0" cellborder="0" cellspacing="0" cellpadding="0"'
LONGEST_LINE = 16_000
"""The maximum number of characters of a string on one line: Graphviz reads no more than 16,384 in a piece."""


def graph(
    tape: Tape, steps: Any = None, *, theme: str = "light", style: str = "page", **options: Any
) -> graphviz.Digraph:
    """Return the graph of a tape as a `graphviz.Digraph`. `str(graph(tape))` is its DOT text, the same every time.

    `steps` and the options are those of `draw.picture`: view, level, show, loss, grads, flow, cuts, budget; theme is
    "light" or "dark", style "page" or "slide", as in `render`.
    """
    return digraph(styled(tape, steps, style, **options), theme)


def digraph(pic: Picture, theme: str = "light") -> graphviz.Digraph:
    """Return a picture as a `graphviz.Digraph`."""
    colours = theme_named(theme)
    places = layout(pic)
    around = furniture(pic, places, colours)
    scale = scale_of(pic)
    dot = graphviz.Digraph("tape", comment="The unrolled graph: time from left to right")
    dot.attr(
        "graph",
        layout="nop2",
        bgcolor=colours.ground,
        fontname=fonts(),
        splines="true",
        outputorder="edgesfirst",
    )
    dot.attr("graph", _background=_behind(around), pad="0")
    dot.attr(
        "node",
        fontname=fonts(),
        fontsize="11",
        fontcolor=colours.text,
        fixedsize="true",
        margin="0",
        shape="box",
    )
    dot.attr("edge", color=colours.arrow, arrowsize="0.5", penwidth="0.8")
    left, bottom, right, top = around.reach
    if pic.slide:
        dot.attr("graph", size=f"{WIDTH / 72:g},{HEIGHT / 72:g}!")
    for corner, (x, y) in (("low", (left, bottom)), ("high", (right, top))):  # the limits of the drawing
        dot.node(
            f"corner_{corner}", label="", shape="none", width="0", height="0", pos=f"{x:.1f},{y:.1f}", style="invis"
        )
    for box in pic.boxes.values():
        _node(dot, box, pic, places, colours, scale)
    for k, text in enumerate(around.texts):
        wide, high = text_width(text.text, text.size, lowered(pic)), 1.3 * text.size
        # A wider one would widen the page.
        wide = min(wide, right - text.x if text.start else 2 * min(right - text.x, text.x - left))
        dot.node(
            f"t{k}",
            label=_line(text, wide, high),
            shape="plaintext",
            fontcolor=text.fill,
            fontsize=str(text.size),
            pos=f"{text.x + (wide / 2 if text.start else 0):.1f},{text.y:.1f}",
            width=f"{wide / 72:.3f}",
            height=f"{high / 72:.3f}",
        )
    for arrow in pic.arrows:
        _edge(dot, arrow, pic, places, colours, scale)
    return dot


def _node(
    dot: graphviz.Digraph, box: Box, pic: Picture, places: Layout, theme: Theme, scale: tuple[float, float]
) -> None:
    style, ink, faint = looks(box, pic, theme, scale)
    shape = ["filled", *(["rounded"] if style.round else []), *(["dashed"] if style.dashed else [])]
    x, y = places.centre[box.id]
    dot.node(
        box.id,
        id=box.id,
        label=_label(box, places.width[box.id], ink, faint, theme),
        style=",".join(shape),
        fillcolor=style.fill,
        color=style.border,
        tooltip=_tooltip(" ".join(part for part in (box.label, box.shape, *box.lines) if part)),
        pos=f"{x:.1f},{y:.1f}",
        width=f"{places.width[box.id] / 72:.3f}",
        height=f"{places.tall.get(box.id, places.height) / 72:.3f}",
    )


def _edge(
    dot: graphviz.Digraph,
    arrow: Arrow,
    pic: Picture,
    places: Layout,
    theme: Theme,
    scale: tuple[float, float],
) -> None:
    """Add an arrow, and below it, as a wide line, the gradient that comes back along it.

    Graphviz paints edges by the box that they leave, so both leave the same one, the wide one first.
    """
    source, target = arrow
    curve = places.curves[arrow]
    flow = (pic.flows or {}).get(arrow, -math.inf)
    if flow != -math.inf:
        place = level(theme, flow, *scale)
        wide = thickness(place if place is not None else len(theme.scale) - 1)
        colour = flow_colour(theme, flow, scale)
        dot.edge(source, target, dir="none", pos=_points(curve), color=colour, penwidth=f"{wide:.1f}")
    attributes = {"id": f"{source}-{target}", "pos": _spline(curve)}
    if pic.carried(source, target):
        attributes |= {"color": theme.carried, "penwidth": "1.4" if pic.flows is None else "0.8"}
    dot.edge(source, target, **attributes)


def _label(box: Box, wide: float, ink: str, faint: str, theme: Theme) -> str:
    """Return an HTML-like label: the title, in bold where the value has a name, and the rest in small type.

    Each line is a cell of a fixed size, so that the lines stand apart whatever font `dot` has.
    """
    name, rest = label_parts(box)
    first = f'<b>{_words(name)}</b><font color="{faint}">{_words(rest)}</font>' if name else _words(rest)
    lines = [(f'<font color="{ink}">{first}</font>', TITLE + 3)]
    for line in (box.shape, *box.lines):
        if line:
            lines.append((f'<font point-size="{SMALL:.0f}" color="{faint}">{_words(line)}</font>', LINE))
    across = f' colspan="{len(box.heat)}"' if box.heat else ""
    size = f'fixedsize="true" width="{max(int(wide) - 4, 1)}"'
    rows = [f'<tr><td{across} {size} height="{high:.0f}">{words}</td></tr>' for words, high in lines]
    if box.heat:
        rows.append(f"<tr>{''.join(f'<td>{_heat(cells, theme)}</td>' for cells in box.heat)}</tr>")
    return f"<{TABLE}>{''.join(rows)}</table>>"


def _line(text: Text, wide: float, high: float) -> str:
    """Return the label of a text of the surroundings. One that begins at a place stands at the left of its room."""
    words = _words(text.text)
    if not text.start:
        return f"<{words}>" if "<sub>" in words else graphviz.escape(text.text)
    room = f'fixedsize="true" width="{math.ceil(wide)}" height="{math.ceil(high)}"'
    return f'<{TABLE} {room}><tr><td align="left">{words}</td></tr></table>>'


def _words(text: str) -> str:
    """Escape text for an HTML-like label. Graphviz reads a backslash and a letter there as the name of the node."""
    return "".join(f"<sub>{_escaped(part)}</sub>" if under else _escaped(part) for part, under in pieces(text))


def _escaped(text: str) -> str:
    return html.escape(text).replace("\\", "\\\\")


def _tooltip(text: str) -> str:
    """Return a tooltip. Graphviz reads the escapes of a tooltip twice, so a backslash is doubled twice."""
    escaped: str = graphviz.escape(
        graphviz.escape(short(plain(text), LONGEST))
    )  # a kind of str that is never HTML-like
    return escaped


def _heat(rows: Heat, theme: Theme) -> str:
    cell = '<td fixedsize="true" width="4" height="4" bgcolor="{}"></td>'
    lines = ("".join(cell.format(heat_colour(theme, value)) for value in row) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    size = f'fixedsize="true" width="{4 * len(rows[0])}" height="{4 * len(rows)}"'
    return f"{TABLE} {size}>{body}</table>"


def _behind(around: Furniture) -> str:
    """Return grounds and cuts as Graphviz's drawing operations (xdot), which it draws behind everything else."""
    parts = []
    for rect in around.rects:
        x, y, w, h = rect.x, rect.y, rect.width / 2, rect.height / 2
        corners = f"{x - w:.1f} {y - h:.1f} {x + w:.1f} {y - h:.1f} {x + w:.1f} {y + h:.1f} {x - w:.1f} {y + h:.1f}"
        parts.append(f"c 7 -{rect.border or rect.fill} C 7 -{rect.fill} P 4 {corners}")
    for line in around.lines:
        parts.append(
            f"S 6 -dashed c 7 -{line.colour} L 2 {line.x:.1f} {line.low:.1f} {line.x:.1f} {line.high:.1f} S 5 -solid"
        )
    return _on_lines(parts)


def _on_lines(parts: list[str]) -> str:
    """Join words to one string. A long string takes several lines, each but the last with a backslash at its end."""
    lines, length = [""], 0
    for part in parts:
        if length + len(part) > LONGEST_LINE:
            lines.append("")
            length = 0
        lines[-1] += part + " "
        length += len(part) + 1
    return "\\\n".join(lines).removesuffix(" ")


def _spline(curve: list[Point]) -> str:
    """Return Graphviz's text for a curve that ends in an arrow head."""
    (x0, y0), (x1, y1) = curve[-2], curve[-1]
    length = max(((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5, 1e-9)
    tail = (x1 - HEAD * (x1 - x0) / length, y1 - HEAD * (y1 - y0) / length)  # the line stops where the head begins
    return f"e,{x1:.1f},{y1:.1f} {_points([*curve[:-1], tail])}"


def _points(curve: list[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in curve)
