"""A picture for a projector: a page of 1920 x 1080, type of 18 points or more, and as many steps as fit.

A page of 1920 x 1080 pixels is 1440 x 810 points wide and high. The drawing is enlarged until it fills the page. If its
smallest type, that of subscripts, would be below 18 points, steps are left out of the middle, and the drawing says how
many. If one step is still too large, what stands outside of the steps is left out too, and the drawing says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, TypeVar

from tinygrad_rnn.draw.layout.annotations import furniture
from tinygrad_rnn.draw.layout.layout import layout
from tinygrad_rnn.draw.layout.page import LEAST, points
from tinygrad_rnn.draw.style import LIGHT
from tinygrad_rnn.draw.views.boxes import Arrow, Picture, number_signs
from tinygrad_rnn.draw.views.drawn_tape import Reading
from tinygrad_rnn.draw.views.grouping import LEVELS
from tinygrad_rnn.draw.views.picture import picture
from tinygrad_rnn.draw.views.selection import WIDEST, sorted_steps
from tinygrad_rnn.draw.views.shared_weights import begun_once
from tinygrad_rnn.language.saying import counts, template
from tinygrad_rnn.tape.full_tape import Tape

T = TypeVar("T")
STYLES = ("page", "slide")
WAYS = 2
"""The maximum number of smaller drawings that an error names."""


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
    fits, largest = _fitting(tape, steps, options)
    if fits is not None:
        return fits
    what = "one step of this network" if steps is None else "this drawing"
    fitting = (words for words, other in _smaller(steps, options) if _fitting(tape, None, other)[0] is not None)
    ways = list(islice(fitting, WAYS))
    raise ValueError(
        f"draw: {what} has type of {largest:.1f} points on a slide, where {LEAST:.0f} are the fewest to be read\n"
        f'{"draw less: " + ", or ".join(ways) + "; or" if ways else "its drawings are large:"} take style="page"'
    )


def _fitting(tape: Tape, steps: Any, options: dict[str, Any]) -> tuple[Picture | None, float]:
    """Return the picture with the most steps that fit, or None, and the size of the largest type found."""
    largest = 0.0
    for pic in _pictures(tape, steps, options):
        size = type_size(pic)
        if size >= LEAST:
            return pic, size
        largest = max(largest, size)
    return None, largest


def _pictures(tape: Tape, steps: Any, options: dict[str, Any]) -> Iterator[Picture]:
    """Yield the pictures to try, the largest first."""
    pic = None
    for shown in _choices(tape, steps, options):
        yield (pic := picture(tape, shown, slide=True, **options))
    if pic is not None and pic.folded is None and any(box.column is not None for box in pic.boxes.values()):
        yield _steps_alone(pic)


def _steps_alone(pic: Picture) -> Picture:
    """Return a picture without what stands outside of the steps, such as the loss, and with a legend that says so."""
    boxes = {name: box for name, box in pic.boxes.items() if box.column is not None}
    legend = [line for line in pic.legend if not line.startswith(begun_once())]
    if not any(box.scalar for box in boxes.values()):
        legend = [line for line in legend if not line.startswith(number_signs(False))]
    if left_out := len(pic.boxes) - len(boxes):
        one = template("Left out: {n:,} box outside of the steps.")
        legend.append(counts(left_out, one, template("Left out: {n:,} boxes outside of the steps.")))

    def kept(by_arrow: dict[Arrow, T]) -> dict[Arrow, T]:
        return {arrow: value for arrow, value in by_arrow.items() if boxes.keys() >= set(arrow)}

    flows = None if pic.flows is None else kept(pic.flows)
    return replace(pic, boxes=boxes, arrows=kept(pic.arrows), weights=kept(pic.weights), flows=flows, legend=legend)


def _smaller(steps: Any, options: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield drawings that show less, each with the words that ask for it."""
    if steps is not None:
        yield "leave out steps=", options
    plain = {name: value for name, value in options.items() if name not in ("flow", "cuts")}
    if options.get("flow") is not None:
        yield "leave out flow=", plain
    if (level := options.get("level")) in LEVELS:
        for smaller in LEVELS[LEVELS.index(level) + 1 :]:
            yield f'level="{smaller}"', options | {"level": smaller}
            if plain.keys() != options.keys():
                yield f'level="{smaller}" without flow=', plain | {"level": smaller}


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
