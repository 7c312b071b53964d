"""What a student is told, by level: never the line as it should be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tinygrad_rnn.commands.classroom.marks import Mark
from tinygrad_rnn.commands.common import printable
from tinygrad_rnn.language.saying import listed, say

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
        return (say("incomplete") if mark.absent else say("right")) if right else say("wrong")
    lines = [
        say("{question}: {line}", question=question, line=line) if question else line
        for question, found in mark.found.items()
        for line in _lines(found, mark.told.get(question, {}), level)
    ]
    absent = say("not given: {names}", names=listed(f"d{name}" for name in mark.absent))
    return "\n".join([*lines, absent] if mark.absent else lines)


def _lines(found: Mapping[str, Any], told: Mapping[str, Any], level: int) -> Iterator[str]:
    if found["right"]:
        yield say("right")
        return
    wrong = [f"d{name}" for name, g in found["gradients"].items() if not g["right"]]
    first, since = told.get("first"), ""
    if first:
        since = say(", first at step {step} of T = {steps} steps", step=first["step"], steps=first["steps"])
    if wrong:
        yield say("wrong: {names}{where}", names=listed(wrong), where=since)
    if missing := found.get("missing"):
        yield say("missing: {names}", names=listed(f"d{name}" for name in missing))
    if not wrong and not missing:
        yield from found.get("remarks", ()) or [say("wrong")]
    if level >= 2 and first:
        yield say("the first wrong quantity: {quantity}", quantity=first["quantity"])
    if level >= 3:
        for name, g in found["gradients"].items():
            if g.get("seen"):
                yield say("{question}: {line}", question=f"d{name}", line=g["seen"])
        yield from (say("mistake: {mistake}", mistake=words) for words in told.get("mistakes", ()))
