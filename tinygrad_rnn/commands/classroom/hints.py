"""What a student is told, by level: never the line as it should be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tinygrad_rnn.commands.classroom.marks import Mark
from tinygrad_rnn.commands.common import printable

LEVELS = {
    0: "right or wrong",
    1: "which gradients are wrong, and at which step first",
    2: "the quantity that is wrong first",
    3: "the mistake",
}


def hint(mark: Mark, level: int) -> str:
    """Return what a student is told at a level. Each level tells what those below it tell, and more."""
    return printable(_hint(mark, level))


def _hint(mark: Mark, level: int) -> str:
    if mark.status != "judged":
        return mark.words if level else mark.words.splitlines()[0]
    if level == 0 or mark.right:
        right = all(found["right"] for found in mark.found.values())
        return ("incomplete" if mark.absent else "right") if right else "wrong"
    lines = [
        f"{question}: {line}" if question else line
        for question, found in mark.found.items()
        for line in _lines(found, level)
    ]
    absent = f"not given: {', '.join(f'd{name}' for name in mark.absent)}"
    return "\n".join([*lines, absent] if mark.absent else lines)


def _lines(found: Mapping[str, Any], level: int) -> Iterator[str]:
    if found["right"]:
        yield "right"
        return
    wrong = [f"d{name}" for name, g in found["gradients"].items() if not g["right"]]
    first = re.match(r"(.+?) at step (\d+), of T = (\d+) steps", found.get("first", ""))
    since = f", first at step {first[2]} of T = {first[3]} steps" if first else ""
    if wrong:
        yield f"wrong: {', '.join(wrong)}{since}"
    if missing := found.get("missing"):
        yield f"missing: {', '.join(f'd{name}' for name in missing)}"
    if not wrong and not missing:
        yield from found.get("remarks", ()) or ["wrong"]
    if level >= 2 and first:
        yield f"the first wrong quantity: {first[1].replace(', or in what is made of it,', ', or what is made of it')}"
    if level >= 3:
        yield from (f"d{name}: {g['seen']}" for name, g in found["gradients"].items() if g.get("seen"))
        yield from (f"mistake: {without_the_right_one(words)}" for words in found.get("mistakes", ()))


def without_the_right_one(words: str) -> str:
    """Return the words of a mistake without what belongs in the place of what was written."""
    said = re.sub(r" stands in the place of\b.*", " does not belong there", words, flags=re.DOTALL)
    return re.sub(r",? ?\bin the place of\b.*", ", which does not belong there", said, flags=re.DOTALL)
