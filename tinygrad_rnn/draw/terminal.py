"""The picture as text, for a terminal: the steps as columns, the boxes as rows, each with its formula."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any

from tinygrad_rnn.draw.views.boxes import GAP, Box, Gap, Picture, band_words
from tinygrad_rnn.draw.views.drawn_tape import Band
from tinygrad_rnn.draw.views.formula import in_ascii
from tinygrad_rnn.draw.views.picture import picture
from tinygrad_rnn.draw.views.selection import left_out
from tinygrad_rnn.draw.views.step_numbers import bare, plain
from tinygrad_rnn.language.saying import say
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.text_tables import aligned
from tinygrad_rnn.text_tables import width as columns_of

WIDTH = 100
"""The default number of characters of a line."""

LONGEST = 60
"""The maximum number of characters of a formula. Longer ones are shown in short."""

SHORT = 24
"""The same maximum, where lines are too long with `LONGEST`."""

_BETWEEN = "  "
_MOST_ENDS = 6
_OUTER = ("parameter", "constant", "input", "gap")

Said = Callable[[str], str]
"""The function that writes a text, as it is or in ASCII."""
Place = tuple[Band, str, int]
"""A place in the steps: layer and direction, name, and the number among those alike."""
Rows = dict[Place, dict[Hashable, tuple[str, str]]]
"""By place and column the name and the text of a cell."""


def text(
    tape: Tape, steps: Any = None, *, level: str = "gates", width: int = WIDTH, ascii: bool = True, **options: Any
) -> str:
    """Return the steps of a tape as columns of text: time to the right, the order of the tape downwards.

    A row is one place in the steps: a name, its formula, and the values that it reads of another step, `c_1`. A step
    without an entry there has an empty cell. Without `steps`, as many at either end are shown as fit into `width`
    characters, with the number left out between them. The options are those of `draw.picture`; a textbook's figure is
    told as the unrolled one. ascii=False keeps Greek letters and signs. Raises what `draw.picture` raises, and
    ValueError for a width below 20.
    """
    if width < 20:
        raise ValueError(f"draw.text: width={width}\ngive the number of characters of a line, at least 20")
    said = in_ascii if ascii else plain
    if options.get("view") == "textbook":
        options["view"] = "unrolled"
    free = steps is None and options.get("view", "unrolled") == "unrolled"
    whole = picture(tape, _MOST_ENDS if free else steps, level=level, **options)
    tries = [(ends, longest) for longest in (LONGEST, SHORT) for ends in range(_MOST_ENDS if free else 1, 0, -1)]
    for ends, longest in tries:
        pic = _ends(whole, ends) if free else whole
        table = _table(pic, said, longest)
        if max(map(columns_of, table)) <= width:
            break
    return "\n".join([*table, *(said(note) for note in pic.notes)])


def _ends(pic: Picture, ends: int) -> Picture:
    """Return the picture of fewer steps at either end, from one that has at least as many: as `steps=ends` draws it."""
    if not pic.columns:  # outside of time, entries stand in the place of steps
        own = [name for name, box in pic.boxes.items() if box.kind not in _OUTER]
        return replace(pic, boxes={name: pic.boxes[name] for name in dict.fromkeys([*own[:ends], *own[-ends:]])})
    if pic.steps <= 2 * ends + 1:
        return pic
    times, gap = [column for column in pic.columns if not isinstance(column, Gap)], Gap(GAP)
    columns = [*times[:ends], gap, *times[-ends:]]
    boxes = {name: box for name, box in pic.boxes.items() if box.column is None or box.column in columns}
    boxes[GAP] = Box(GAP, "gap", left_out(pic.steps - 2 * ends), "", "", gap)
    return replace(pic, boxes=boxes, columns=columns)


def _table(pic: Picture, said: Said, longest: int) -> list[str]:
    rows = _rows(pic, longest)
    columns = list(pic.columns) or [None]
    grid = [["", *(_title(column, pic) for column in columns)]]
    band: Band = ()
    for key, cells in rows.items():
        if key[0] != band and key[0] and key[0][0] != "joined":
            grid.append([band_words(key[0])])
        band = key[0]
        name = next(iter(cells.values()))[0]
        grid.append([name, *(cells.get(column, ("", ""))[1] for column in columns)])
    grid = [[said(cell) for cell in row] for row in grid]
    lines = aligned(grid, between=_BETWEEN)
    lines += _after(pic, said, longest) if pic.columns else []
    return lines


def _rows(pic: Picture, longest: int) -> Rows:
    """Return a row for each place in the steps, in the order of the fullest step: by column, (name, text)."""
    rows: Rows = {}
    for column in pic.columns or [None]:
        count: dict[Hashable, int] = {}
        after: Place | None = None
        for box in pic.boxes.values():
            if box.column != column or isinstance(box.column, Gap) or box.kind in _OUTER:
                continue
            name = _name(box)
            what = (box.band, name)
            count[what] = count.get(what, 0) + 1
            key = (*what, count[what])
            if key not in rows:
                rows = _inserted(rows, key, after)
            rows[key][column] = (name, _cell(box, longest))
            after = key
    return rows


def _inserted(rows: Rows, key: Place, after: Place | None) -> Rows:
    """Return the rows with a new one right below the row that precedes it in its own step."""
    if after is None or after == next(reversed(rows)):
        return {**rows, key: {}} if rows else {key: {}}
    placed: Rows = {}
    for other, cells in rows.items():
        placed[other] = cells
        if other == after:
            placed[key] = {}
    return placed


def _name(box: Box) -> str:
    return bare(box.title) if box.detail or box.kind == "cell" else ""


def _cell(box: Box, longest: int) -> str:
    """Return what a box computes; for a box without a name also its number, by which others refer to it."""
    shown = box.tip or box.detail or box.title
    if len(shown) > longest:
        shown = box.detail or box.title
    number = "" if _name(box) or box.column is None else f"#{box.entries[-1]} = "
    return "  ".join(part for part in (number + shown, box.scalar, *box.lines) if part)


def _title(column: Hashable, pic: Picture) -> str:
    if isinstance(column, Gap):
        return pic.boxes[str(column)].title
    return "" if column is None else say("every t") if pic.loops else f"t = {pic.numbers.number(column)}"


def _after(pic: Picture, said: Said, longest: int) -> list[str]:
    """Return a line for each box outside of the steps."""
    outside = [box for box in pic.boxes.values() if box.column is None and box.kind not in _OUTER]
    return [said(f"{_name(box) or f'#{box.entries[-1]}'} = {_cell(box, longest)}") for box in outside if box.entries]
