"""The picture as SVG, drawn by ourselves with the places of `layout`: needs nothing installed."""

from __future__ import annotations

import html

from tinygrad_rnn.draw.layout import BOX_HEIGHT, Layout, Point, column_title, layout
from tinygrad_rnn.draw.picture import Box, Picture
from tinygrad_rnn.draw.style import ARROW, BAND, CARRIED, FAINT, FONT, STYLES, TEXT

MARGIN = 14.0
FOOT = 26.0
"""Room below the steps for their titles."""


def svg(pic: Picture, title: str = "The unrolled graph of a tape") -> str:
    """A picture as the text of an SVG file, the same bytes every time."""
    places = layout(pic)
    wide, high = places.size[0] + 2 * MARGIN, places.size[1] + 2 * MARGIN + FOOT
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide:.0f}" height="{high:.0f}" '
        f'viewBox="0 0 {wide:.0f} {high:.0f}" role="img" font-family="{FONT}, Arial, sans-serif" '
        f'font-size="11" text-anchor="middle" fill="{TEXT}">',
        f"<title>{html.escape(title)}</title>",
        "<defs>",
        *(_head(name, color) for name, color in (("head", ARROW), ("carried", CARRIED))),
        "</defs>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        *_bands(places),
        *(_arrow(pic, places, arrow) for arrow in pic.arrows),
        *(_box(box, _down(places.centre[box.id], places), places.width[box.id]) for box in pic.boxes.values()),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _down(point: Point, places: Layout) -> Point:
    """From y upwards, as in the layout, to y downwards, as in SVG."""
    return point[0] + MARGIN, places.size[1] - point[1] + MARGIN


def _head(name: str, color: str) -> str:
    return (
        f'<marker id="{name}" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="6" markerHeight="6" '
        f'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L8 4L0 8z" fill="{color}"/></marker>'
    )


def _bands(places: Layout) -> list[str]:
    """A pale ground and a title for each step."""
    parts = []
    for column, (left, right) in places.columns.items():
        x, top = _down((left, places.band[1]), places)
        _, bottom = _down((0, places.band[0]), places)
        parts.append(
            f'<rect x="{x - 12:.1f}" y="{top:.1f}" width="{right - left + 24:.1f}" height="{bottom - top + FOOT:.1f}" '
            f'rx="8" fill="{BAND}"/>'
        )
        middle = x + (right - left) / 2
        parts.append(
            f'<text x="{middle:.1f}" y="{bottom + 15:.1f}" fill="{FAINT}">{html.escape(column_title(column))}</text>'
        )
    return parts


def _arrow(pic: Picture, places: Layout, arrow: tuple[str, str]) -> str:
    start, *rest = (f"{x:.1f} {y:.1f}" for x, y in (_down(point, places) for point in places.curves[arrow]))
    carried = pic.carried(*arrow)
    look = f'stroke="{CARRIED}" stroke-width="1.4"' if carried else f'stroke="{ARROW}" stroke-width="0.8"'
    head = "carried" if carried else "head"
    return f'<path d="M{start}C{" ".join(rest)}" fill="none" {look} marker-end="url(#{head})"/>'


def _box(box: Box, centre: Point, width: float) -> str:
    (x, y), style = centre, STYLES[box.kind]
    dash = ' stroke-dasharray="4 3"' if style.dashed else ""
    corner = ' rx="7"' if style.round else ""
    name = html.escape(box.label)
    if box.detail:
        name = f'<tspan font-weight="bold">{html.escape(box.title)}</tspan>'
        name += f'<tspan fill="{FAINT}"> = {html.escape(box.detail)}</tspan>'
    lines = f'<text x="{x:.1f}" y="{y + (-1 if box.shape else 4):.1f}">{name}</text>'
    if box.shape:
        lines += f'<text x="{x:.1f}" y="{y + 10:.1f}" font-size="8" fill="{FAINT}">{html.escape(box.shape)}</text>'
    left, top = x - width / 2, y - BOX_HEIGHT / 2
    return (
        f'<g id="{box.id}"><title>{html.escape(f"{box.label} {box.shape}")}</title>'
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{BOX_HEIGHT:.1f}"{corner} '
        f'fill="{style.fill}" stroke="{style.border}"{dash}/>{lines}</g>'
    )
