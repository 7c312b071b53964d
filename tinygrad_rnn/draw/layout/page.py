"""The page of a slide: 1920 x 1080 pixels, which are 1440 x 810 points, around a drawing of any size."""

from __future__ import annotations

from tinygrad_rnn.draw.layout.shapes_around import Furniture
from tinygrad_rnn.draw.views.boxes import Picture

PIXELS = 1920, 1080
WIDTH, HEIGHT = 1440.0, 810.0
LEAST = 18.0
"""The smallest type of a slide, in points."""
LARGEST = 4.0
"""The factor by which a small drawing is enlarged at most."""
TITLE, SMALL = 11, 8
"""The sizes of the type in boxes."""
LABEL, NOTE = 9, 10
"""The sizes of the names of arrows and of the text below the steps. On a slide, all type is as large as a title."""

Reach = tuple[float, float, float, float]
"""Left, bottom, right, top."""


def label_size(pic: Picture) -> int:
    """Return the size of the names of arrows."""
    return TITLE if pic.slide else LABEL


def note_size(pic: Picture) -> int:
    """Return the size of the text below the steps."""
    return TITLE if pic.slide else NOTE


def on_page(reach: Reach) -> Reach:
    """Return the limits of a page of 16:9 with a drawing in its middle."""
    left, bottom, right, top = reach
    wide = max(right - left, (top - bottom) * WIDTH / HEIGHT, WIDTH / LARGEST)
    high = wide * HEIGHT / WIDTH
    x, y = (left + right) / 2, (bottom + top) / 2
    return x - wide / 2, y - high / 2, x + wide / 2, y + high / 2


def points(pic: Picture, around: Furniture) -> float:
    """Return the size of the smallest type on the page, in points."""
    small = any(box.lines or box.shape for box in pic.boxes.values())
    smallest = min([SMALL if small else TITLE, *(text.size for text in around.texts)])
    left, _, right, _ = around.reach
    return smallest * WIDTH / (right - left)
