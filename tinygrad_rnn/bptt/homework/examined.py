"""What was found out about a person's code, in words and as a dict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tinygrad_rnn.notebook.html_parts import box, labelled, titled

TrialKey = tuple[int | None, int | None, int]
"""The length, the size of the batch and the seed of a trial; None where it has no such axis."""


@dataclass(frozen=True)
class Examination:
    """The findings of `examine`. `print(examination)` says them; `bool(examination)` is whether all is right.

    gradients: by the array's name, the trials (T, B, seed) on which its gradient is wrong; none where it is right.
    trials: those that were judged. silent: those on which the code could not be run. doubtful: those of data that were
    cut, which say nothing since the data as given are right.
    conventions: what is no mistake, and was allowed for. mistake: what explains the wrong numbers, "" where nothing
    known does. missing: arrays that the loss depends on, without a gradient. remarks: what else was noticed.
    """

    name: str
    gradients: Mapping[str, tuple[TrialKey, ...]]
    trials: tuple[TrialKey, ...]
    silent: tuple[TrialKey, ...] = ()
    doubtful: tuple[TrialKey, ...] = ()
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
    def wrong(self) -> dict[str, tuple[TrialKey, ...]]:
        """The gradients that are wrong somewhere, with the trials on which they are."""
        return {name: where for name, where in self.gradients.items() if where}

    def check(self) -> Examination:
        """Return the examination itself where all is right. Raise AssertionError with its words otherwise."""
        if not self:
            raise AssertionError(f"\n{self}")
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the findings as plain values, for JSON.

        Keys: kind, name, right, verdict, gradients (by name: right, wrong_at, seen), tried, could_not_be_run,
        not_judged, method, conventions, mistakes, first, missing, remarks.
        A trial is {"T": ..., "batch": ..., "seed": ...}.
        """
        return {
            "kind": "examination",
            "name": self.name,
            "right": bool(self),
            "verdict": self.verdict,
            "gradients": {
                name: {
                    "right": not where,
                    "wrong_at": [_trial(t) for t in where],
                    "seen": self.details.get(name, ""),
                }
                for name, where in self.gradients.items()
            },
            "tried": [_trial(t) for t in self.trials],
            "could_not_be_run": [_trial(t) for t in self.silent],
            "not_judged": [_trial(t) for t in self.doubtful],
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
        if self.wrong:
            return f"WRONG{self._since()}"
        if self.missing:
            return f"INCOMPLETE: right so far, without {', '.join(f'd{name}' for name in self.missing)}"
        rest = [
            f"{words} at {where}"
            for words, trials in (("could not be run", self.silent), ("not judged", self.doubtful))
            if (where := self._apart(trials))
        ]
        at = f" at T = {_listed(_lengths(self.trials))}" if rest and _lengths(self.trials) else ""
        return "; ".join([f"right{at}{under}", *rest])

    def _apart(self, trials: tuple[TrialKey, ...]) -> str:
        """Return the lengths, or the batches, of which no trial was judged; the remarks tell of single trials."""
        for name, place in (("T", 0), ("batch", 1)):
            judged = {t[place] for t in self.trials}
            values = sorted({n for t in trials if (n := t[place]) is not None and n not in judged})
            if values:
                return f"{name} = {_listed(values)}"
        return ""

    def _since(self) -> str:
        """Say from which length on something is wrong, where shorter sequences are right."""
        bad = _lengths(t for where in self.wrong.values() for t in where)
        good = [n for n in _lengths(self.trials) if bad and n < bad[0]]
        if not good:
            return ""
        return f" from T = {bad[0]} on (right at T = {_listed(good)})"

    def __repr__(self) -> str:
        return f"<Examination of {self.name}: {self.verdict}>"

    def _repr_html_(self) -> str:
        right = None if self and (self.silent or self.doubtful) else bool(self)
        return box(titled(self.name, self.verdict, right), labelled(str(self).split("\n")[1:]))

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

    def _where(self, where: tuple[TrialKey, ...]) -> str:
        bad, all_of = _lengths(where), _lengths(self.trials)
        good = [n for n in all_of if n not in bad]
        batches = {b for _, b, _ in where}
        text = f", at T = {_listed(bad)}" if bad and len(all_of) > 1 else ""
        text += f" (right at T = {_listed(good)})" if bad and good else ""
        if len(batches) == 1 and len({b for _, b, _ in self.trials}) > 1:
            text += f", with a batch of {batches.pop()} only"
        return text


def _trial(trial: TrialKey) -> dict[str, int | None]:
    return dict(zip(("T", "batch", "seed"), trial, strict=True))


def _lengths(trials: Iterable[TrialKey]) -> list[int]:
    return sorted({T for T, _, _ in trials if T is not None})


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))
