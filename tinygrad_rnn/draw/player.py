"""The player: one self-contained page on which a tape runs forward and then backward.

The page holds the picture, the data as JSON and one script. A content security policy allows nothing else. A browser
without scripts shows the picture.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any, overload

from tinygrad_rnn.draw.played import Played, require_playable
from tinygrad_rnn.draw.player_data import Data, film
from tinygrad_rnn.draw.style import dark_for_light
from tinygrad_rnn.draw.svg import svg
from tinygrad_rnn.draw.views.picture import picture
from tinygrad_rnn.language.chinese.catalogues import CHINESE
from tinygrad_rnn.language.current import current
from tinygrad_rnn.language.saying import Sentence, counts, say, template
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.steps import steps

MOST = 10_000
"""The maximum number of entries of a page. With more of them, browsers are slow."""
TITLE = "The tape, forward and backward"
SCRIPTS = ("tape.js", "words.js", "sentences.js", "panels.js", "picture.js", "graph_keys.js", "player.js")
"""The files of the page's one script, in this order."""
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
    played = Played(_page(tape, level, drawings, data, title), _summary(tape, data))
    return played if path is None else played.save(path)


def _summary(tape: Tape, data: Data) -> str:
    one, several = template("{n:,} entry"), template("{n:,} entries")
    forward, back = (counts(len(lines), one, several) for lines in (tape, data["back"]))
    by_step = counts(len(steps(tape)), template("{n:,} step"), template("{n:,} steps"))
    return say("{forward}, {steps}; {back} back", forward=forward, steps=by_step, back=back)


def _page(tape: Tape, level: str, drawings: dict[str, str], data: Data, title: str) -> str:
    script = "\n".join(_read(name) for name in SCRIPTS)
    words = {} if current() == "en" else {"words": {each: CHINESE.get(each, each) for each in templates(script)}}
    title = say("The tape, forward and backward") if title == TITLE else title
    text = Template(_in_language(_read("page.html"))).substitute(
        policy="$policy",
        lang=current(),
        title=html.escape(_encodable(title)),
        summary=_summary(tape, data),
        level=level,
        style=_read("player.css") + _dark_picture(),
        script=script,
        **drawings,
        data=json.dumps(data | words, separators=(",", ":")).replace("<", "\\u003c"),
    )
    return text.replace("$policy", policy(text), 1)


def templates(script: str) -> list[str]:
    """Return the templates of the sentences that a script says."""
    return sorted(set(re.findall(r'\b(?:say|phrase)\(\s*"([^"]*)"', script)))


def _in_language(page: str) -> str:
    """Return a page with its words, which stand in double braces, in the language that is spoken."""
    return re.sub(r"\{\{(.*?)\}\}", lambda found: html.escape(str(Sentence(found[1], {}))), page)


def _drawing(tape: Tape, level: str, ends: int | None, first_step: int | None) -> str:
    """Return the picture of a level. The ids of that of gates begin with a g, so that none is twice on the page."""
    drawing = svg(picture(tape, ends, level=level, first_step=first_step))
    drawing = _encodable(drawing[drawing.index("<svg") :].rstrip())
    return re.sub(r'(<[^<>]* id="|="url\(#)', r"\1g", drawing) if level == "gates" else drawing


def _dark_picture() -> str:
    """Return rules that turn the light picture into the dark one. They are weak, so that a lit entry stays lit."""
    rules = [
        f':where(#play-graph){select}[{kind}="{light}"] {{ {kind}: {dark}; }}'
        for kind, colours in dark_for_light().items()
        for light, dark in colours.items()
        for select in ("", " ")
    ]
    return "@media screen and (prefers-color-scheme: dark) {\n" + "\n".join(rules) + "\n}\n"


def policy(page: str) -> str:
    """Return a policy that allows nothing from outside, and inside the page only its own styles and scripts."""
    allowed = {}
    for kind, tag in (("script-src", "<script>"), ("style-src", "<style>")):
        inside = re.findall(rf"{tag}(.*?)</", page, flags=re.DOTALL)
        hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in inside]
        allowed[kind] = " ".join(f"'sha256-{digest}'" for digest in hashes)
    sources = "; ".join(f"{kind} {hashes}" for kind, hashes in allowed.items())
    return f"default-src 'none'; {sources}; base-uri 'none'; form-action 'none'"


def _encodable(text: str) -> str:
    """Return a text without halves of surrogate pairs, which UTF-8 cannot encode."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _read(name: str) -> str:
    return resources.files("tinygrad_rnn.draw").joinpath("page", name).read_text(encoding="utf-8")
