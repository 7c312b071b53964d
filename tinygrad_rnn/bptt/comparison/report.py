"""How far two gradients are apart, and the table that says so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


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
    def between(cls, values: NDArray[Any], reference: NDArray[Any]) -> Difference:
        """The difference of two arrays of one shape. A NaN anywhere makes it NaN."""
        if not values.size:
            return cls(0.0, 0.0, 0.0, ())
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
    """The tape against a numerical derivative along one direction (or, exhaustively, every entry)."""

    relative: float
    method: str
    error: float  # the method's own estimate, relative to the same scale
    tolerance: float


@dataclass(frozen=True)
class Row:
    """One gradient: the tape against the derivation by hand, a numerical derivative and PyTorch, as far as given."""

    name: str
    shape: tuple[int, ...]
    hand: Difference | None = None
    fault: str = ""  # what is wrong with what the hand derivation gave, before any number was compared
    numeric: Numeric | None = None
    torch: Difference | None = None
    time_axis: bool = False

    def verdict(self, rtol: float) -> str:
        """`ok`, or who disagrees with the tape."""
        against = []
        if self.fault or (self.hand and not self.hand.relative <= rtol):
            against.append("HAND")
        if self.numeric and not self.numeric.relative <= self.numeric.tolerance:
            against.append("NUMERIC")
        if self.torch and not self.torch.relative <= rtol:
            against.append("TORCH")
        return f"WRONG: {', '.join(against)}" if against else "ok"


@dataclass(frozen=True)
class Report:
    """The outcome of a comparison. `print(report)` is a table; `bool(report)` says whether all of it agrees.

    A gradient agrees where its largest error is at most `rtol` of its largest entry. `findings` say in words, for each
    gradient that does not, where it first goes wrong.
    """

    title: str
    rows: list[Row]
    rtol: float
    findings: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return all(row.verdict(self.rtol) == "ok" for row in self.rows)

    def check(self) -> Report:
        """The report itself where all agrees; otherwise AssertionError, with the table as its message."""
        if not self:
            raise AssertionError(f"\n{self}")
        return self

    def __getitem__(self, name: str) -> Row:
        return next(row for row in self.rows if row.name == name)

    def __str__(self) -> str:
        head, cells = ["gradient", "shape"], [[row.name, str(row.shape)] for row in self.rows]
        if any(row.hand or row.fault for row in self.rows):
            head += ["hand: abs", "rel", "ulps", "at"]
            for line, row in zip(cells, self.rows, strict=True):
                line += _difference_cells(row)
        if any(row.numeric for row in self.rows):
            method = next(row.numeric.method for row in self.rows if row.numeric)
            head += [f"{method}: rel"]
            for line, row in zip(cells, self.rows, strict=True):
                line += [f"{row.numeric.relative:.1e}" if row.numeric else "-"]
        if any(row.torch for row in self.rows):
            head += ["torch: rel"]
            for line, row in zip(cells, self.rows, strict=True):
                line += [f"{row.torch.relative:.1e}" if row.torch else "-"]
        table = [[*head, ""]] + [[*line, row.verdict(self.rtol)] for line, row in zip(cells, self.rows, strict=True)]
        widths = [max(len(line[k]) for line in table) for k in range(len(head))]
        lines = [
            "  ".join([*(cell.ljust(w) for cell, w in zip(line, widths, strict=False)), line[-1]]).rstrip()
            for line in table
        ]
        bad = sum(row.verdict(self.rtol) != "ok" for row in self.rows)
        result = f"{bad} of {len(self.rows)} gradients do not agree" if bad else "all agree"
        return "\n".join([self.title, *lines, f"{result} (tolerance {self.rtol:.0e} relative)", *self.findings])


def _difference_cells(row: Row) -> list[str]:
    if row.hand is None:
        return [row.fault or "not given", "", "", ""]
    d = row.hand
    if not d.absolute:
        at = "-"
    else:
        at = f"t={d.at[0]} {list(d.at[1:])}" if row.time_axis else str(list(d.at))
    return [f"{d.absolute:.1e}", f"{d.relative:.1e}", f"{d.ulps:.3g}", at]
