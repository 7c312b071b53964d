"""The player: one self-contained page on which a tape runs forward and then backward."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, overload

from tinygrad_rnn.draw.played import Played, require_playable
from tinygrad_rnn.draw.player_data import Data, film
from tinygrad_rnn.draw.player_page import page
from tinygrad_rnn.draw.svg import svg
from tinygrad_rnn.draw.views.picture import picture
from tinygrad_rnn.language.saying import counts, say, template
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.steps import steps

MOST = 10_000
"""The maximum number of entries of a page. With more of them, browsers are slow."""
TITLE = "The tape, forward and backward"
LEVELS = ("gates", "ops")
"""The levels of detail, each with a picture."""
ALL_DRAWN = 2_500
"""The maximum number of entries for which every step is drawn."""


@overload
def play(
    tape: Tape,
    loss: Any,
    path: None = None,
    seed: Any = None,
    ends: int | None = None,
    title: str = TITLE,
    level: str | None = None,
    lines: Mapping[str, str] | None = None,
    first_step: int | None = None,
) -> Played: ...
@overload
def play(
    tape: Tape,
    loss: Any,
    path: str | os.PathLike[str],
    seed: Any = None,
    ends: int | None = None,
    title: str = TITLE,
    level: str | None = None,
    lines: Mapping[str, str] | None = None,
    first_step: int | None = None,
) -> Path: ...
def play(
    tape: Tape,
    loss: Any,
    path: str | os.PathLike[str] | None = None,
    seed: Any = None,
    ends: int | None = None,
    title: str = TITLE,
    level: str | None = None,
    lines: Mapping[str, str] | None = None,
    first_step: int | None = None,
) -> Path | Played:
    """Write a page on which the tape runs forward, box by box, and then backward from `loss`; return its path.

    Without a path, return the player itself, which a notebook shows in its cell: `draw.play(tape, loss)`.

    Each box lights up in the unrolled graph, with its rule in symbols and in numbers, its value, its cotangent, and
    the gradients so far. `lstm.html#42` opens the page at position 42. `loss` and `seed` as for `Tape.rewind`; `ends`,
    as for `graph`, leaves the middle of the picture out (default: only of a tape of more than 2,500 entries).
    `Tape(lines=True)` adds lines of code. The page asks the network for nothing; the same tape gives the same bytes.
    The walk back is recorded, to read the rules off the record: hooks of the tape see Tensors, and the rules of a
    primitive of your own must be written in functions that are recorded, as second derivatives ask for too.

    level: "gates", a box for each gate, state and named value; "ops", one for each operation. The page has both, with a
    switch: this one it opens with. By default "gates" for a tape with steps, "ops" for one without.
    lines: formulas to show beside what they describe: by the name of a value, `h`, the line that computes it, and by
    `dh` the line of its gradient. `bptt.derive(cell).lines_by_name()` has those of a cell.

    first_step: the number that is written for the first step, as in drawings: 0, and the initial state is h_{-1}, or
    1, and it is h_0. By default steps have their labels.

    Numbers have four digits; an array of more than 60 numbers is a corner, its range and its norm (of more than 8,
    where the tape has more than 300 entries). Within the page a value is called by its name and step, `f_2`; one
    without a name is written as the expression that made it.

    Raises ValueError for another ending than .html, another level or first step, a tape of no or of more than 10,000
    entries, and what `Tape.rewind` refuses. Nothing is left half-written.
    """
    if path is not None:
        require_playable(path)
    if level not in (None, *LEVELS):
        raise ValueError(f'play: level={level!r}\nchoose "gates" or "ops"')
    if len(tape) > MOST:
        raise ValueError(
            f"play: the tape has {len(tape):,} entries, and a page can hold {MOST:,}\n"
            "record fewer steps, or play a part: tape.part(numbers)"
        )
    if ends is None and len(tape) <= ALL_DRAWN:
        ends = max(1, len(tape))
    level = level or ("gates" if steps(tape) else "ops")
    drawings = {name: _drawing(tape, name, ends, first_step) for name in LEVELS}
    data = film(tape, loss, seed, lines, first_step)
    title, summary = say("The tape, forward and backward") if title == TITLE else title, _summary(tape, data)
    played = Played(page("tape", title, summary, level, drawings, data), summary)
    return played if path is None else played.save(path)


def _summary(tape: Tape, data: Data) -> str:
    one, several = template("{n:,} entry"), template("{n:,} entries")
    forward, back = (counts(len(lines), one, several) for lines in (tape, data["back"]))
    by_step = counts(len(steps(tape)), template("{n:,} step"), template("{n:,} steps"))
    return say("{forward}, {steps}; {back} back", forward=forward, steps=by_step, back=back)


def _drawing(tape: Tape, level: str, ends: int | None, first_step: int | None) -> str:
    """Return the picture of a level. The ids of that of gates begin with a g, so that none is twice on the page."""
    drawing = svg(picture(tape, ends, level=level, first_step=first_step))
    drawing = drawing[drawing.index("<svg") :].rstrip()
    return re.sub(r'(<[^<>]* id="|="url\(#)', r"\1g", drawing) if level == "gates" else drawing
