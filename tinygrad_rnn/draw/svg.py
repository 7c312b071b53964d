"""The picture as SVG, with the places of `layout`. It needs no other program."""

from __future__ import annotations

import html
import math

from tinygrad_rnn.draw.layout.annotations import flow_colour, furniture, looks, scale_of
from tinygrad_rnn.draw.layout.layout import layout
from tinygrad_rnn.draw.layout.page import PIXELS, lowered
from tinygrad_rnn.draw.layout.routes import Point
from tinygrad_rnn.draw.layout.shapes_around import Furniture
from tinygrad_rnn.draw.layout.side_by_side import Layout
from tinygrad_rnn.draw.style import Theme, fonts, level, theme_named, thickness
from tinygrad_rnn.draw.svg_text import box_text, heat_maps, words_around
from tinygrad_rnn.draw.views.boxes import Arrow, Box, Picture
from tinygrad_rnn.draw.views.step_numbers import plain
from tinygrad_rnn.language.saying import say


def svg(pic: Picture, title: str = "", theme: str = "light") -> str:
    """Return a picture as the text of an SVG file, the same bytes every time."""
    return _Sheet(pic, theme_named(theme)).text(title or say("The unrolled graph of a tape"))


class _Sheet:
    def __init__(self, pic: Picture, theme: Theme) -> None:
        self.pic, self.theme = pic, theme
        self.places: Layout = layout(pic)
        self.around: Furniture = furniture(pic, self.places, theme)
        self.scale = scale_of(pic)

    def text(self, title: str) -> str:
        left, bottom, right, top = self.around.reach
        wide, high = right - left, top - bottom
        theme = self.theme
        size = PIXELS if self.pic.slide else (round(wide), round(high))
        parts = [
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]}" height="{size[1]}" '
            f'viewBox="0 0 {wide:.0f} {high:.0f}" role="img" font-family="{fonts()}" '
            f'font-size="11" text-anchor="middle" fill="{theme.text}">',
            f"<title>{html.escape(title)}</title>",
            "<defs>",
            *(_head(name, color) for name, color in (("head", theme.arrow), ("carried", theme.carried))),
            *(_head(f"back{k}", color) for k, color in enumerate(theme.scale) if self.pic.flows is not None),
            "</defs>",
            f'<rect width="100%" height="100%" fill="{theme.ground}"/>',
            *self._around(),
            *(self._arrow(arrow) for arrow in self.pic.arrows),
            *(self._box(box) for box in self.pic.boxes.values()),
            "</svg>",
        ]
        return "\n".join(part for part in parts if part) + "\n"

    def _down(self, point: Point) -> Point:
        """Convert a point of the layout, y upwards, to one of the SVG, y downwards."""
        left, _, _, top = self.around.reach
        return point[0] - left, top - point[1]

    def _around(self) -> list[str]:
        parts = []
        for rect in self.around.rects:
            x, y = self._down((rect.x - rect.width / 2, rect.y + rect.height / 2))
            corner = f' rx="{rect.round:.0f}"' if rect.round else ""
            corner += f' stroke="{rect.border}"' if rect.border else ""
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{rect.width:.1f}" height="{rect.height:.1f}"{corner} '
                f'fill="{rect.fill}"/>'
            )
        for line in self.around.lines:
            x, low = self._down((line.x, line.low))
            _, high = self._down((line.x, line.high))
            parts.append(
                f'<path d="M{x:.1f} {low:.1f}V{high:.1f}" stroke="{line.colour}" stroke-width="1.6" '
                'stroke-dasharray="6 4" fill="none"/>'
            )
        for text in self.around.texts:
            x, y = self._down((text.x, text.y))
            parts.append(words_around(text, x, y, lowered(self.pic)))
        return parts

    def _arrow(self, arrow: Arrow) -> str:
        start, *rest = (f"{x:.1f} {y:.1f}" for x, y in map(self._down, self.places.curves[arrow]))
        way = f'd="M{start}C{" ".join(rest)}" fill="none"'
        name = "-".join(arrow)
        carried = self.pic.carried(*arrow)
        look, head = f'stroke="{self.theme.arrow}" stroke-width="0.8"', "head"
        if carried:
            wide = 1.4 if self.pic.flows is None else 0.8  # so that the gradient below it is seen
            look, head = f'stroke="{self.theme.carried}" stroke-width="{wide}"', "carried"
        return self._back(arrow, way) + f'<path id="{name}" {way} {look} marker-end="url(#{head})"/>'

    def _back(self, arrow: Arrow, way: str) -> str:
        """Return the gradient that comes back along an arrow: a broad stroke below it, with a head at its beginning."""
        flow = (self.pic.flows or {}).get(arrow, -math.inf)
        if flow == -math.inf:
            return ""
        place = level(self.theme, flow, *self.scale)
        colour = flow_colour(self.theme, flow, self.scale)
        wide = thickness(place if place is not None else len(self.theme.scale) - 1)
        head = f' marker-start="url(#back{place})"' if place is not None else ""
        return f'<path {way} stroke="{colour}" stroke-width="{wide:.1f}"{head}/>'

    def _box(self, box: Box) -> str:
        x, y = self._down(self.places.centre[box.id])
        width, height = self.places.width[box.id], self.places.tall.get(box.id, self.places.height)
        style, ink, faint = looks(box, self.pic, self.theme, self.scale)
        dash = ' stroke-dasharray="4 3"' if style.dashed else ""
        corner = ' rx="7"' if style.round else ""
        parts, below = box_text(box, x, y, lowered(self.pic), (ink, faint, self.theme.text))
        parts += heat_maps(box, x, below, self.theme)
        tip = plain(" ".join(part for part in (box.label, box.shape, *box.lines) if part))
        if box.tip and box.tip not in (box.detail, box.title):
            tip += f"\n{plain(box.tip)}"
        return (
            f'<g id="{box.id}"><title>{html.escape(tip)}</title>'
            f'<rect x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" height="{height:.1f}"{corner} '
            f'fill="{style.fill}" stroke="{style.border}"{dash}/>{"".join(parts)}</g>'
        )


def _head(name: str, color: str) -> str:
    return (
        f'<marker id="{name}" viewBox="0 0 8 8" refX="{0 if name.startswith("back") else 8}" refY="4" markerWidth="6" '
        'markerHeight="6" markerUnits="userSpaceOnUse" orient="auto">'
        f'<path d="M0 0L8 4L0 8z" fill="{color}"/></marker>'
    )
