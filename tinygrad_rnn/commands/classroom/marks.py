"""Marks of a class: which gradients are right, how many points that is, and how many made which mistake."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tinygrad_rnn.commands.classroom.processes import Result
from tinygrad_rnn.language.saying import listed, say


@dataclass(frozen=True)
class Mark:
    """One submission as it was judged. scale: the points of each gradient.

    found: the findings, by question. told: what a class is told of them, by question, see `told_mistakes.told`.
    """

    student: str
    status: str
    words: str
    found: Mapping[str, Any]
    told: Mapping[str, Any] = field(default_factory=dict)
    scale: Mapping[str, float] = field(default_factory=dict)

    @property
    def right(self) -> bool:
        """Whether it was judged, all is right, and nothing that is asked for lacks."""
        return self.status == "judged" and all(found["right"] for found in self.found.values()) and not self.absent

    @property
    def absent(self) -> list[str]:
        """The gradients that are asked for, and that it did not give."""
        return [name for name in self.scale if self.status == "judged" and name not in self.gradients]

    @property
    def gradients(self) -> dict[str, bool]:
        """The gradients, and whether each is right; a question's name comes before those of its gradients."""
        rights: dict[str, bool] = {}
        for question, found in self.found.items():
            names = {name: bool(g["right"]) for name, g in found["gradients"].items()}
            names |= dict.fromkeys(found.get("missing", ()), False)
            rights |= {f"{question}.{name}" if question else name: right for name, right in names.items()}
        return rights

    @property
    def mistakes(self) -> list[str]:
        """The mistakes, in the words of the findings."""
        return [words for found in self.found.values() for words in found.get("mistakes", ())]

    @property
    def points(self) -> float:
        """The points for the gradients that are right."""
        return sum(self.points_of(name) for name in self.scale)

    def points_of(self, name: str) -> float:
        """Return the points for one gradient."""
        return self.scale[name] if self.gradients.get(name) else 0

    @property
    def whole(self) -> str:
        """The points, and those of a right answer, in words."""
        return f"{self.points:g}/{sum(self.scale.values()):g}"


def marks_of(results: Mapping[str, Result], points: Mapping[str, float] | None) -> list[Mark]:
    """Return the marks by the results of students. points: those of each gradient, where the task says them."""
    marks = [Mark(student, r["status"], r["words"], r["found"], r.get("told", {})) for student, r in results.items()]
    scale = _scale(marks, points)
    return [replace(mark, scale=scale) for mark in marks]


def _scale(marks: list[Mark], points: Mapping[str, float] | None) -> dict[str, float]:
    """Return the points of each gradient: as the task says, else one for each that half of the answers contain."""
    judged = [mark for mark in marks if mark.gradients]
    given = Counter(name for mark in judged for name in mark.gradients)
    if points is not None:
        return {_among(given, name): p for name, p in points.items()}
    return {name: 1.0 for name, count in given.items() if 2 * count >= len(judged)}


def _among(given: Container[str], name: str) -> str:
    """Return the name that a gradient has in the answers: W for dW, where W alone is there."""
    question, dot, gradient = name.rpartition(".")
    plain = f"{question}{dot}{gradient.removeprefix('d')}"
    return plain if name not in given and plain in given else name


def counts(marks: list[Mark]) -> list[tuple[int, str]]:
    """Return how many submissions are right, how many made each mistake, and how many gave no answer, most first."""
    found = Counter(words for mark in marks for words in dict.fromkeys(_kinds(mark)))
    return sorted(((count, words) for words, count in found.items()), key=lambda pair: (-pair[0], pair[1]))


def _kinds(mark: Mark) -> Iterator[str]:
    if mark.status != "judged":
        yield say("could not be run") if mark.status == "failed" else mark.words.partition(say("; ").strip())[0]
    elif mark.right:
        yield say("right")
    elif counted := [words for told in mark.told.values() for words in told["counted"]]:
        yield from counted
    elif wrong := [f"d{name}" for name, right in mark.gradients.items() if not right]:
        yield say("no known mistake: {names}", names=listed(sorted(wrong)))
    elif mark.absent:
        yield say("not given: {names}", names=listed(f"d{name}" for name in mark.absent))
    else:
        yield say("fails, or has a bad habit; no gradient that it gives is wrong")
