"""The difference of two gradients, the part of it that rounding explains, and the table of both."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.bptt.comparison.tolerance import Tolerance
from tinygrad_rnn.language.current import current
from tinygrad_rnn.language.saying import Sentence, after_each_other, listed, say, sentence
from tinygrad_rnn.language.spoken_fields import Spoken
from tinygrad_rnn.notebook.html_parts import badge, box, faint, sentences, strong, table, titled
from tinygrad_rnn.text_tables import aligned


@dataclass(frozen=True)
class Difference:
    """The largest difference between a gradient and its reference: absolute, relative, in ulps, and where it is.

    `relative` is the largest error over the largest entry of the reference (0 where both are zero); `ulps` is the
    largest error in units in the last place of that entry, in the dtype of the first; `at` its index.
    """

    absolute: float
    relative: float
    ulps: float
    at: tuple[int, ...]

    @classmethod
    def between(cls, values: Array, reference: Array) -> Difference:
        """Return the difference of two arrays of one shape. A NaN anywhere makes it NaN."""
        if not values.size:
            return cls(0.0, 0.0, 0.0, ())
        with np.errstate(invalid="ignore"):  # infinity less infinity: a NaN, which agrees with nothing
            errors = np.abs(values.astype(np.float64) - reference)
        worst = int(np.argmax(errors))  # argmax stops at a NaN
        absolute = float(errors.flat[worst])
        largest = float(np.max(np.abs(reference)))
        if absolute == 0:
            relative = 0.0
        else:
            relative = absolute / largest if largest else float("inf")
        ulps = absolute / float(np.spacing(np.asarray(largest, values.dtype)))
        at = tuple(int(k) for k in np.unravel_index(worst, errors.shape))
        return cls(absolute, relative, ulps, at)


@dataclass(frozen=True)
class Numeric:
    """The tape against a numerical derivative along one direction (or, exhaustively, every entry).

    `error`, the method's own estimate, and `tolerance` are relative to the same scale as `relative`. `corner`: two
    slopes meet at these values, or nearer to them than a step: numbers alone do not say which is right.
    """

    relative: float
    method: str
    error: float
    tolerance: float
    corner: bool = False

    @property
    def excess(self) -> float:
        """The distance of the tape beyond that of any right gradient; negative at a corner."""
        return -1.0 if self.corner else self.relative - self.tolerance

    @property
    def agrees(self) -> bool:
        """Does the tape agree, as far as numbers alone can say?"""
        return self.excess <= 0


WHO = {"HAND": sentence("HAND"), "NUMERIC": sentence("NUMERIC"), "TORCH": "TORCH"}
"""Who may disagree with the tape, as the table says it."""
METHODS = {"complex step": sentence("complex step"), "differences": sentence("differences")}
"""The numerical derivatives."""


@dataclass(frozen=True)
class Row:
    """One gradient: the tape against the derivation by hand, a numerical derivative and PyTorch, as far as given."""

    name: str
    shape: tuple[int, ...]
    hand: Difference | None = None
    fault: Spoken[str] = Spoken("")  # what is wrong with what the hand derivation gave, before any number was compared
    numeric: Numeric | None = None
    torch: Difference | None = None
    time_axis: bool = False
    tolerance: Tolerance | None = None  # what rounding does to it, where that is known
    finite: bool = True
    asked: float = 0.0  # the relative error that its dtypes allow, where that is more than the report allows

    def verdict(self, rtol: float) -> str:
        """Return `ok`, or who disagrees with the tape; `NOT FINITE` where the tape has nothing to compare with."""
        if not self.finite:
            return "NOT FINITE"
        against = []
        if self.fault or (self.hand and not self._agree(self.hand, rtol)):
            against.append("HAND")
        if self.numeric and not self.numeric.agrees:
            against.append("NUMERIC")
        if self.torch and not self._agree(self.torch, rtol):
            against.append("TORCH")
        return f"WRONG: {', '.join(against)}" if against else "ok"

    def _agree(self, difference: Difference, rtol: float) -> bool:
        if self.tolerance is None:
            return difference.relative <= max(rtol, self.asked)
        return difference.absolute <= self.tolerance.absolute(rtol)

    @property
    def judged(self) -> bool:
        """Is the gradient larger than rounding, or zero, so that the verdict says something?"""
        return self.tolerance is None or self.tolerance.judged or self.tolerance.zero

    def told(self, rtol: float) -> str:
        """Return the verdict of the table, in words. A gradient that cannot be judged is not called right."""
        verdict = self.verdict(rtol)
        if verdict == "ok":
            return say("ok") if self.judged else say("cannot be judged")
        if not self.finite:
            return say("NOT FINITE")
        against = [WHO[who] for who in verdict.removeprefix("WRONG: ").split(", ")]
        return say("WRONG: {against}", against=listed(against))

    def note(self, rtol: float) -> str:
        """Return a sentence on the effect of rounding or of a corner on this gradient; empty where there is none."""
        if not self.finite:
            return say(
                "{name}: the tape's gradient holds NaN or infinity, so nothing can be compared. "
                "{call} says where it comes from.",
                name=self.name,
                call="Tape(check_finite=True)",
            )
        said: list[Sentence] = []
        t = self.tolerance
        if t is not None and t.zero and t.rounding > rtol * t.largest:
            said.append(
                sentence(
                    "as small as rounding (entries of at most {largest:.1e}, rounding makes {rounding:.1e}): "
                    "a wrong factor cannot be seen here.",
                    largest=t.largest,
                    rounding=t.rounding,
                )
            )
        elif t is not None and not self.judged:
            said.append(
                sentence(
                    "cannot be judged here: rounding alone moves it by {part:.1e} of its largest entry. "
                    "Compare at fewer steps, smaller weights or in float64.",
                    part=t.relative,
                )
            )
        if self.numeric and self.numeric.corner:
            said.append(
                sentence(
                    "a corner (of relu, maximum, abs) lies at these values, or nearer than a step: the numerical "
                    "derivative does not tell which slope is right."
                )
            )
        return say("{name}: {notes}", name=self.name, notes=after_each_other(said)) if said else ""


@dataclass(frozen=True)
class Report:
    """The outcome of a comparison. `print(report)` is a table; `bool(report)` says whether nothing disagrees.

    A gradient agrees where its largest error is at most `rtol` of its largest entry, or no more than what rounding
    does to this gradient of this problem (`row.tolerance`), whichever is more. `findings` say in words, for each
    gradient that does not, where it first goes wrong; `notes` say what rounding and corners do to the others.
    `unjudged` names the gradients that rounding moves as much as a mistake would: they are not called right.
    """

    title: Spoken[str] = Spoken()
    rows: list[Row]  # type: ignore[misc]  # a Spoken without a default is none to dataclass either
    rtol: float  # type: ignore[misc]
    findings: Spoken[list[str]] = Spoken()

    def __bool__(self) -> bool:
        return all(row.verdict(self.rtol) == "ok" for row in self.rows)

    @property
    def notes(self) -> list[str]:
        """The effects of rounding and of corners, in sentences, where they are larger than `rtol`."""
        wide = [
            f"{row.name} {row.tolerance.relative:.1e}"
            for row in self.rows
            if row.tolerance and row.finite and row.tolerance.judged and row.tolerance.relative > self.rtol
        ]
        told = [
            say(
                "Tolerances here, in parts of the largest entry, since rounding alone makes that much: {each}.",
                each=listed(wide),
            )
        ]
        return [*(told if wide else []), *(note for row in self.rows if (note := row.note(self.rtol)))]

    @property
    def unjudged(self) -> list[str]:
        """The names of the gradients that agree, but in which rounding would hide a mistake."""
        return [row.name for row in self.rows if not row.judged and row.verdict(self.rtol) == "ok"]

    def check(self) -> Report:
        """Return the report itself where all agrees. Raise AssertionError otherwise, with the table as its message."""
        if not self:
            raise AssertionError(f"\n{self}")
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values, for JSON: null stands for what is not there, or not finite.

        Keys: kind, name, right, rtol, gradients, findings, notes, unjudged. A gradient has the keys right, verdict,
        shape, hand (absolute, relative, ulps, at), fault, numeric (relative, method, error, tolerance, corner), torch
        (as hand), rounding (relative).
        """
        return {
            "kind": "comparison",
            "name": self.title,
            "right": bool(self),
            "rtol": float(self.rtol),
            "gradients": {row.name: self._plain(row) for row in self.rows},
            "findings": list(self.findings),
            "notes": list(self.notes),
            "unjudged": list(self.unjudged),
        }

    def _plain(self, row: Row) -> dict[str, Any]:
        parts = {name: _values(getattr(row, name)) for name in ("hand", "numeric", "torch")}
        rounding = _values(row.tolerance.relative) if row.tolerance else None
        right, verdict = row.verdict(self.rtol) == "ok", row.told(self.rtol)
        whole = {"right": right, "verdict": verdict, "shape": list(row.shape), "fault": row.fault, "rounding": rounding}
        return {**whole, **parts}

    def __getitem__(self, name: str) -> Row:
        return next(row for row in self.rows if row.name == name)

    def __repr__(self) -> str:
        return say("<Report: {title}: {result}>", title=self.title.splitlines()[0], result=self._result())

    def _repr_html_(self) -> str:
        head, cells = self._columns()
        rows = [
            [strong(line[0]), *line[1:], badge(row.told(self.rtol), self._right(row))]
            for line, row in zip(cells, self.rows, strict=True)
        ]
        whole = table([*head, say("verdict")], rows)
        right = None if self and self.unjudged else bool(self)
        notes = map(faint, [*self.notes, self._tolerance()])
        title, below = titled(self.title, self._outcome(), right), sentences([*self.findings, *notes])
        return box(title, whole, below, language=current())

    def _right(self, row: Row) -> bool | None:
        """Return whether a gradient is right; None where it cannot be judged."""
        return row.verdict(self.rtol) == "ok" if row.judged and row.finite else None

    def __str__(self) -> str:
        head, cells = self._columns()
        lines = [[*head, ""]] + [[*line, row.told(self.rtol)] for line, row in zip(cells, self.rows, strict=True)]
        return "\n".join([self.title, *aligned(lines), self._result(), *self.notes, *self.findings])

    def _columns(self) -> tuple[list[str], list[list[str]]]:
        """Return the heads of the columns, and their cells for each gradient, without the verdict."""
        head, cells = [say("gradient"), say("shape")], [[row.name, str(row.shape)] for row in self.rows]
        if any(row.hand or row.fault for row in self.rows):
            head += [say("hand: abs"), say("rel"), "ulps", say("at")]
            for line, row in zip(cells, self.rows, strict=True):
                line += _difference_cells(row)
        if any(row.numeric for row in self.rows):
            method = next(row.numeric.method for row in self.rows if row.numeric)
            head += [say("{who}: rel", who=METHODS[method])]
            for line, row in zip(cells, self.rows, strict=True):
                line += [f"{row.numeric.relative:.1e}" if row.numeric else "-"]
        if any(row.torch for row in self.rows):
            head += [say("{who}: rel", who="torch")]
            for line, row in zip(cells, self.rows, strict=True):
                line += [f"{row.torch.relative:.1e}" if row.torch else "-"]
        if any(row.tolerance for row in self.rows):
            head += [say("{who}: rel", who=sentence("rounding"))]
            for line, row in zip(cells, self.rows, strict=True):
                line += [_rounding_cell(row)]
        return head, cells

    def _result(self) -> str:
        return say("{outcome} ({tolerance})", outcome=self._outcome(), tolerance=self._tolerance())

    def _outcome(self) -> str:
        bad = sum(row.verdict(self.rtol).startswith("WRONG") for row in self.rows)
        if overflown := sum(not row.finite for row in self.rows):
            return say(
                "{n} of {all} gradients on the tape are not finite: nothing to compare with",
                n=overflown,
                all=len(self.rows),
            )
        if bad:
            return say("{n} of {all} gradients do not agree", n=bad, all=len(self.rows))
        if self.unjudged:
            return say(
                "{n} of {all} gradients cannot be judged here, no other disagrees",
                n=len(self.unjudged),
                all=len(self.rows),
            )
        return say("all agree")

    def _tolerance(self) -> str:
        coarse = [f"{row.name} {row.asked:.0e}" for row in self.rows if row.asked > self.rtol]
        tolerance = sentence("tolerance {rtol:.0e} relative", rtol=self.rtol)
        rounding = say(", or rounding where that is more") if any(row.tolerance for row in self.rows) else ""
        return f"{listed([tolerance, *coarse])}{rounding}"


def _values(value: Any) -> Any:
    """Return a part of a row as plain values."""
    if isinstance(value, Difference | Numeric):
        return {name: _values(part) for name, part in vars(value).items()}
    if isinstance(value, tuple):
        return list(value)
    return (float(value) if isfinite(value) else None) if isinstance(value, float) else value


def _difference_cells(row: Row) -> list[str]:
    if row.hand is None:
        return [row.fault or say("not given"), "", "", ""]
    d = row.hand
    if not d.absolute:
        at = "-"
    else:
        at = f"t={d.at[0]} {list(d.at[1:])}" if row.time_axis else str(list(d.at))
    return [f"{d.absolute:.1e}", f"{d.relative:.1e}", f"{d.ulps:.3g}", at]


def _rounding_cell(row: Row) -> str:
    if row.tolerance is None or not row.finite:
        return "-"
    return f"{row.tolerance.relative:.1e}" if row.tolerance.relative <= 1 else say("all of it")
