"""A picture for a projector: a page of 1920 x 1080, type of 18 points or more, and as many steps as fit.

A page of 1920 x 1080 pixels is 1440 x 810 points wide and high. The drawing is enlarged until it fills the page. If its
smallest type would be below 18 points, steps are left out of the middle, and the drawing says how many.
"""

from __future__ import annotations

from typing import Any

from tinygrad_rnn.draw.layout.annotations import furniture
from tinygrad_rnn.draw.layout.layout import layout
from tinygrad_rnn.draw.layout.page import LEAST, points
from tinygrad_rnn.draw.style import LIGHT
from tinygrad_rnn.draw.views.boxes import Picture
from tinygrad_rnn.draw.views.drawn_tape import Reading
from tinygrad_rnn.draw.views.picture import picture
from tinygrad_rnn.draw.views.selection import WIDEST, sorted_steps
from tinygrad_rnn.tape.full_tape import Tape

STYLES = ("page", "slide")


def styled(tape: Tape, steps: Any = None, style: str = "page", **options: Any) -> Picture:
    """Return the picture of a tape for a page of any size, or for a slide, with the steps that fit.

    `steps` and the options are those of `draw.picture`. On a slide, the defaults are level="gates" and show="scalar".
    Raises ValueError for an unknown style, and where one step, or the steps that were asked for, do not fit.
    """
    if style not in STYLES:
        raise ValueError(f'draw: style={style!r}\nchoose "page" or "slide"')
    if style == "page":
        return picture(tape, steps, **options)
    options.setdefault("show", ("scalar",))
    if options.get("view") != "textbook":
        options.setdefault("level", "gates")
    largest = 0.0
    for shown in _choices(tape, steps, options):
        pic = picture(tape, shown, slide=True, **options)
        size = type_size(pic)
        if size >= LEAST:
            return pic
        largest = max(largest, size)
    what = "one step of this network" if steps is None else "this drawing"
    raise ValueError(
        f"draw: {what} has type of {largest:.1f} points on a slide, where {LEAST:.0f} are the fewest to be read\n"
        'draw less: level="cells" or "gates", view="rolled", fewer steps, or show=(); or take style="page"'
    )


def type_size(pic: Picture) -> float:
    """Return the size of the smallest type of a slide, in points."""
    places = layout(pic)
    return points(pic, furniture(pic, places, LIGHT))


def _choices(tape: Tape, steps: Any, options: dict[str, Any]) -> list[Any]:
    """Return what steps to try, from all down to one: those of both ends, one more at the beginning."""
    if steps is not None or options.get("view", "unrolled") == "rolled" or not isinstance(tape, Tape):
        return [steps]
    times = sorted_steps(Reading(tape))
    most = min(len(times), WIDEST)
    ends = [times[: (k + 1) // 2] + times[len(times) - k // 2 :] for k in range(most, 0, -1)]
    return [None, *ends] if times else [None]
