"""What was found out about a person's code, in words and as a dict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Examination:
    """The findings of `examine`. `print(examination)` says them; `bool(examination)` is whether all is right.

    gradients: by the array's name, the trials (T, B, seed) on which its gradient is wrong; none where it is right.
    conventions: what is no mistake, and was allowed for. mistake: what explains the wrong numbers, "" where nothing
    known does. missing: arrays that the loss depends on, without a gradient. remarks: what else was noticed.
    """

    name: str
    gradients: Mapping[str, tuple[tuple[int | None, int | None, int], ...]]
    trials: tuple[tuple[int | None, int | None, int], ...]
    silent: tuple[tuple[int | None, int | None, int], ...] = ()
    doubtful: tuple[tuple[int | None, int | None, int], ...] = ()
    method: str = "tape"
    conventions: tuple[str, ...] = ()
    mistakes: tuple[str, ...] = ()
    first: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return not self.wrong and not self.missing

    @property
    def wrong(self) -> dict[str, tuple[tuple[int | None, int | None, int], ...]]:
        """The gradients that are wrong somewhere, with the trials on which they are."""
        return {name: where for name, where in self.gradients.items() if where}

    def check(self) -> Examination:
        """Return the examination itself where all is right. Raise AssertionError with its words otherwise."""
        if not self:
            raise AssertionError(f"\n{self}")
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the findings as plain values, for JSON.

        Keys: kind, name, right, verdict, gradients (by name: right, wrong_at), tried, no_answer, method, conventions,
        mistakes, first, missing, remarks. A trial is {"T": ..., "batch": ..., "seed": ...}.
        """
        return {
            "kind": "examination",
            "name": self.name,
            "right": bool(self),
            "verdict": self.verdict,
            "gradients": {
                name: {"right": not where, "wrong_at": [_trial(t) for t in where]}
                for name, where in self.gradients.items()
            },
            "tried": [_trial(t) for t in self.trials],
            "no_answer": [_trial(t) for t in self.silent],
            "method": self.method,
            "conventions": list(self.conventions),
            "mistakes": list(self.mistakes),
            "first": self.first,
            "missing": list(self.missing),
            "remarks": list(self.remarks),
        }

    @property
    def verdict(self) -> str:
        """The verdict in a few words."""
        under = f", where {'; '.join(self.conventions)}" if self.conventions else ""
        if not self:
            return f"WRONG{self._since()}"
        lengths = _lengths(self.silent)
        rest = [n for n in lengths if n not in _lengths(self.trials)]
        if rest:
            return f"right at T = {_listed(_lengths(self.trials))}{under}; no answer at T = {_listed(rest)}"
        return f"right{under}"

    def _since(self) -> str:
        """Say from which length on something is wrong, where shorter sequences are right."""
        bad = _lengths(t for where in self.wrong.values() for t in where)
        good = [n for n in _lengths(self.trials) if bad and n < bad[0]]
        if self.missing or not good:
            return ""
        return f" from T = {bad[0]} on (right at T = {_listed(good)})"

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.verdict}", f"tried: {self._tried()}"]
        right = [f"d{name}" for name, where in self.gradients.items() if not where]
        if right and not self:
            lines.append(f"right: {', '.join(right)}")
        for where in dict.fromkeys(self.wrong.values()):
            names = [f"d{name}" for name, found in self.wrong.items() if found == where]
            lines.append(f"wrong: {', '.join(names)}{self._where(where)}")
        lines += [f"  d{name}: {words}" for name, words in self.details.items()]
        if self.missing:
            lines.append(f"missing: {', '.join(f'd{name}' for name in self.missing)}, though the loss depends on it")
        if not self and self.conventions:
            lines.append(f"convention: {'; '.join(self.conventions)}")
        lines += [f"first: {self.first}"] if self.first else []
        lines += [f"{'mistake' if k == 0 else 'and'}: {words}" for k, words in enumerate(self.mistakes)]
        return "\n".join([*lines, *self.remarks])

    def _tried(self) -> str:
        lengths, batches = _lengths(self.trials), sorted({b for _, b, _ in self.trials if b is not None})
        seeds = len({seed for *_, seed in self.trials})
        parts = [f"T = {_listed(lengths)}"] if lengths else []
        parts += [f"batch {_listed(batches)}"] if batches else []
        parts += [f"{seeds} sets of values" if seeds > 1 else "the values given"]
        given = ", ".join(f"d{name}" for name in self.gradients)
        against = {
            "tape": "the tape of the same forward pass, and differences",
            "complex step": "the complex step of the same loss, and differences",
            "differences": "differences of the same loss, along random directions",
        }[self.method]
        return f"{'; '.join(parts)}; {given}; against {against}"

    def _where(self, where: tuple[tuple[int | None, int | None, int], ...]) -> str:
        bad, all_of = _lengths(where), _lengths(self.trials)
        good = [n for n in all_of if n not in bad]
        batches = {b for _, b, _ in where}
        text = f", at T = {_listed(bad)}" if bad and len(all_of) > 1 else ""
        text += f" (right at T = {_listed(good)})" if bad and good else ""
        if len(batches) == 1 and len({b for _, b, _ in self.trials}) > 1:
            text += f", with a batch of {batches.pop()} only"
        return text


def _trial(trial: tuple[int | None, int | None, int]) -> dict[str, int | None]:
    return dict(zip(("T", "batch", "seed"), trial, strict=True))


def _lengths(trials: Iterable[tuple[int | None, int | None, int]]) -> list[int]:
    return sorted({T for T, _, _ in trials if T is not None})


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))
