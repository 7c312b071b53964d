"""The page of a slide: 1920 x 1080 pixels, which are 1440 x 810 points, around a drawing of any size."""

from __future__ import annotations

from tinygrad_rnn.draw.layout.shapes_around import Furniture
from tinygrad_rnn.draw.layout.sizes import LOWERED, LOWERED_ON_SLIDE
from tinygrad_rnn.draw.views.boxes import Picture
from tinygrad_rnn.draw.views.step_numbers import pieces

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

MARGIN, CLOSE_MARGIN = 14.0, 8.0
"""The room around a drawing: on a page of its own size, and on a slide."""
BETWEEN_ROWS, CLOSE_ROWS, ROWS_OF_NAMES = 20.0, 13.0, 15.0
"""The room between two rows, on a page, on a slide, and on a slide where names of weights stand between the rows."""
BETWEEN_COLUMNS, CLOSE_COLUMNS = 60.0, 46.0
"""And between two columns."""

Reach = tuple[float, float, float, float]
"""Left, bottom, right, top."""


def label_size(pic: Picture) -> int:
    """Return the size of the names of arrows."""
    return TITLE if pic.slide else LABEL


def note_size(pic: Picture) -> int:
    """Return the size of the text below the steps."""
    return TITLE if pic.slide else NOTE


def between_rows(pic: Picture) -> float:
    """Return the room between two rows."""
    if not pic.slide:
        return BETWEEN_ROWS
    return ROWS_OF_NAMES if pic.weights else CLOSE_ROWS


def lowered(pic: Picture) -> float:
    """Return the size of subscripts, as a part of the size of their names."""
    return LOWERED_ON_SLIDE if pic.slide else LOWERED


def on_page(reach: Reach) -> Reach:
    """Return the limits of a page of 16:9 with a drawing in its middle."""
    left, bottom, right, top = reach
    wide = max(right - left, (top - bottom) * WIDTH / HEIGHT, WIDTH / LARGEST)
    high = wide * HEIGHT / WIDTH
    x, y = (left + right) / 2, (bottom + top) / 2
    return x - wide / 2, y - high / 2, x + wide / 2, y + high / 2


def points(pic: Picture, around: Furniture) -> float:
    """Return the size of the smallest type on the page, in points."""
    sizes = [_smallest(text.text, text.size) for text in around.texts]
    for box in pic.boxes.values():
        sizes.append(_smallest(box.label, TITLE))
        sizes += [_smallest(line, SMALL) for line in (box.shape, *box.lines) if line]
    smallest = min(sizes, default=TITLE)
    left, _, right, _ = around.reach
    return smallest * WIDTH / (right - left)


def _smallest(words: str, size: float) -> float:
    """Return the size of the smallest type of a text on a slide: of its subscripts, if it has some."""
    return size * LOWERED_ON_SLIDE if any(under for _, under in pieces(words)) else size
