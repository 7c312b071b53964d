"""The numbers of steps in titles: `h₂` and `h₋₁` inside of the package, `h_2` and `h_{-1}` as text.

A title holds Unicode's lowered digits. The engines draw them as lowered small type, which `pieces` finds, and never by
these characters: in many fonts `₀` looks like an o.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np

from tinygrad_rnn.draw.views.drawn_tape import Time

_LOWERED = "₀₁₂₃₄₅₆₇₈₉₋₊ₜ"
_PLAIN = "0123456789-+t"
_LOWER, _RAISE = str.maketrans(_PLAIN[:-2], _LOWERED[:-2]), str.maketrans(_LOWERED, _PLAIN)
_RUN = re.compile(f"([{_LOWERED}]+)")


@dataclass(frozen=True)
class StepNumbers:
    """The number that a drawing writes for a step: its label, with `shift` added where the label is a whole number."""

    shift: int = 0

    def number(self, t: Time) -> Time:
        """Return the number of a step; a label that is no whole number stays as it is."""
        return int(t) + self.shift if is_whole(t) else t

    def under(self, t: Time) -> str:
        """Return the number of a step as a subscript, `₂`; nothing for a label that is no whole number."""
        return subscript(self.number(t))

    def always_under(self, t: Time) -> str:
        """Return the same, and another label in brackets: `₀`, `(a)`."""
        return subscript(self.number(t)) or f"({t})"


LABELS = StepNumbers()
"""Each step has its label."""


@dataclass(frozen=True)
class RelativeSteps(StepNumbers):
    """The same where the step `here` stands for all: `under` writes it as t, and others relative to it, `ₜ₋₁`."""

    here: Time = None

    def under(self, t: Time) -> str:
        """Return how far a step is from the one that stands for all: `ₜ`, `ₜ₋₁`."""
        if t == self.here or t is None:
            return "" if t is None else "ₜ"
        if not (is_whole(t) and is_whole(self.here)):
            return f"({t})"
        far = int(t) - int(self.here)
        return f"ₜ{'₊' if far > 0 else ''}{subscript(far)}"


def numbered_from(first: int | None, labels: Iterable[Time]) -> StepNumbers:
    """Return the numbering in which the first step has the number `first`: 0 or 1. None keeps the labels.

    Raises ValueError for another number, and for labels that are no whole numbers.
    """
    if first is None:
        return LABELS
    if not is_whole(first) or first not in (0, 1):
        raise ValueError(f"draw: first_step={first!r}\ngive 0 or 1, or leave it out: then steps have their labels")
    labels = list(labels)
    whole = [t for t in labels if is_whole(t)]
    if wrong := [t for t in labels if not is_whole(t)]:
        raise ValueError(
            f"draw: first_step={first}, and the step {wrong[0]!r} is not a whole number\n"
            "leave first_step out, or record the steps under scope(t=0), scope(t=1), ..."
        )
    return StepNumbers(int(first - min(whole)) if whole else 0)


def is_whole(t: Time) -> TypeGuard[int]:
    """Say whether the label of a step is a whole number."""
    return isinstance(t, int | np.integer) and not isinstance(t, bool)


def subscript(t: Time) -> str:
    """Return the step under a name, for whole numbers: `₂`."""
    return str(t).translate(_LOWER) if is_whole(t) else ""


def bare(title: str) -> str:
    """Return a title without its steps: `h, c` of `h₂, c₂`."""
    return _RUN.sub("", title)


def pieces(text: str) -> list[tuple[str, bool]]:
    """Return the parts of a text, each with whether it is a subscript, in plain characters: ("h", False), ("-1", True).

    A minus sign is longer than the hyphen, so a subscript has that one.
    """
    parts = _RUN.split(text)
    return [
        (part.translate(_RAISE).replace("-", "−") if k % 2 else part, k % 2 == 1)
        for k, part in enumerate(parts)
        if part
    ]


def plain(text: str) -> str:
    """Return a text with its subscripts as in LaTeX: `h_2`, `h_{-1}`, `h_t`, `h_{t-1}`."""

    def written(found: re.Match[str]) -> str:
        under = found[0].translate(_RAISE)
        return f"_{under}" if under.isdigit() or len(under) == 1 else f"_{{{under}}}"

    return _RUN.sub(written, text)
