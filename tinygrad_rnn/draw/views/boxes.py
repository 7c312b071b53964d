"""Boxes and arrows: the parts of a picture, before any layout."""

from __future__ import annotations

from dataclasses import dataclass, field

from tinygrad_rnn.core.counting import counted
from tinygrad_rnn.core.rich import Rich
from tinygrad_rnn.draw.views.drawn_tape import Band, Time
from tinygrad_rnn.draw.views.selection import GAP, Gap
from tinygrad_rnn.draw.views.step_numbers import LABELS, StepNumbers
from tinygrad_rnn.language.saying import say
from tinygrad_rnn.notebook.html_parts import printable
from tinygrad_rnn.tape.array_text import Heat

__all__ = ["GAP", "Arrow", "Box", "Folded", "Gap", "Picture", "Sum", "printable"]

Arrow = tuple[str, str]


class Folded(str):
    """The column of one step that is drawn for all, beside the steps."""

    __slots__ = ()


@dataclass(frozen=True)
class Box:
    """One node of the drawing."""

    id: str
    kind: str  # a key of the theme's styles
    title: str  # the value's name, or the operation's symbol
    detail: str  # the operation, where the title is a name
    shape: str
    column: Time  # the step, None outside of time
    band: Band = ()  # layer and direction
    scalar: str = ""  # value and gradient of a scalar, where they are shown
    lines: tuple[str, ...] = ()  # the other lines of text
    heat: tuple[Heat, ...] = ()  # tiny heat maps, of the value and of the gradient
    flow: float | None = None  # log10 of the gradient's norm, where gradients are drawn
    tip: str = ""  # the text that a pointer on it shows
    initial: bool = False  # from outside, where other steps read the step before
    entries: tuple[int, ...] = ()  # the numbers of the entries that it stands for

    @property
    def label(self) -> str:
        """Return `h₂ = tanh` for a named value, `name | value | grad` for a scalar, else the operation's symbol."""
        if self.scalar:
            return f"{self.title} | {self.scalar}"
        return f"{self.title} = {self.detail}" if self.detail else self.title


@dataclass(frozen=True)
class Sum:
    """The gradient of a shared parameter as the sum over its uses: `parts` by column, what others add, the total.

    A number stands as it is, an array as its norm.
    """

    name: str  # dL/dU
    parts: dict[Time, str]
    others: str
    total: str
    single: bool  # one number, so that the parts add up as they are written
    uses: int


def band_words(band: Band) -> str:
    """Return the title of a layer and direction."""
    words = {"forward": say("forward"), "reverse": say("reverse")}
    return " ".join(
        words.get(str(value), str(value))
        if key == "direction"
        else say("layer {value}", value=value)
        if key == "layer"
        else f"{key} {value}"
        for key, value in band
    )


def number_signs(gradients: bool) -> str:
    """Return the line of the legend on single numbers; that without gradients is its beginning."""
    return say("name | data") + (say(" | grad") if gradients else "")


@dataclass(repr=False)
class Picture(Rich):
    """Boxes and arrows; `columns` are the steps that are drawn, in order, with a `Gap` where some are left out."""

    boxes: dict[str, Box] = field(default_factory=dict)
    arrows: dict[Arrow, str] = field(default_factory=dict)  # with their text
    columns: list[Time] = field(default_factory=list)
    steps: int = 0  # the number of steps of the tape
    numbers: StepNumbers = LABELS  # what is written for the label of a step
    loops: set[Arrow] = field(default_factory=set)  # from a step to the next, drawn on one step
    flows: dict[Arrow, float] | None = None  # log10 of the norm of the gradient along an arrow; None: not drawn
    cuts: list[Time] = field(default_factory=list)  # steps before which the gradient is cut
    slide: bool = False  # drawn for a page of 16:9
    folded: Picture | None = None  # the boxes of one step for all, at the left of all others
    notes: list[str] = field(default_factory=list)  # the text below the drawing
    weights: dict[Arrow, tuple[str, ...]] = field(default_factory=dict)  # parameters that multiply what flows there
    legend: list[str] = field(default_factory=list)  # what the signs of the drawing mean
    sums: list[Sum] = field(default_factory=list)  # the gradients of shared parameters, where gradients are drawn

    def __str__(self) -> str:
        parts = (len(self.boxes), "box", "boxes"), (len(self.arrows), "arrow", ""), (self.steps, "step", "")
        return ", ".join(counted(*part) for part in parts)

    def carried(self, source: str, target: str) -> bool:
        """Say whether an arrow runs from one step to another."""
        a, b = self.boxes[source].column, self.boxes[target].column
        return (source, target) in self.loops or (a is not None and b is not None and a != b)
