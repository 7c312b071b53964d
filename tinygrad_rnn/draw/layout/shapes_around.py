"""Plain rectangles, lines and texts around the boxes, in the layout's points, y upwards. Both engines draw them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Rect:
    """A ground: centre, size, fill, and the colour of its border, if it has one."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    round: float = 0.0
    border: str = ""


@dataclass(frozen=True)
class Text:
    """A line of text, placed by its middle or by its beginning."""

    x: float
    y: float
    text: str
    fill: str
    size: int = 11
    start: bool = False


@dataclass(frozen=True)
class Line:
    """A dashed vertical line."""

    x: float
    low: float
    high: float
    colour: str


@dataclass
class Furniture:
    """All surroundings of the boxes, and the limits of the drawing: left, bottom, right, top."""

    rects: list[Rect] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)
    reach: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
