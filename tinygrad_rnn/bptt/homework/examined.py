"""What was found out about a person's code, in words and as a dict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tinygrad_rnn.language.current import current
from tinygrad_rnn.language.saying import Listed, listed, say, sentence
from tinygrad_rnn.language.spoken_fields import Spoken
from tinygrad_rnn.notebook.html_parts import box, labelled, titled

TrialKey = tuple[int | None, int | None, int]
"""The length, the size of the batch and the seed of a trial; None where it has no such axis."""


AGAINST = {
    "tape": sentence("against the tape of the same forward pass, and differences"),
    "complex step": sentence("against the complex step of the same loss, and differences"),
    "differences": sentence("against differences of the same loss, along random directions"),
}
"""By the method, with what gradients are compared."""


@dataclass(frozen=True, kw_only=True)
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
    conventions: Spoken[tuple[str, ...]] = Spoken(())
    mistakes: Spoken[tuple[str, ...]] = Spoken(())
    first: Spoken[str] = Spoken("")
    details: Spoken[dict[str, str]] = Spoken()
    missing: tuple[str, ...] = ()
    remarks: Spoken[tuple[str, ...]] = Spoken(())

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
        if self.wrong:
            return self._wrong_since()
        if self.missing:
            names = listed(f"d{name}" for name in self.missing)
            return say("INCOMPLETE: right so far, without {names}", names=names)
        rest = [say("could not be run at {where}", where=where)] if (where := self._apart(self.silent)) else []
        rest += [say("not judged at {where}", where=where)] if (where := self._apart(self.doubtful)) else []
        lengths = _lengths(self.trials)
        right = say("right at T = {lengths}", lengths=listed(lengths)) if rest and lengths else say("right")
        under = self.conventions and say(", where {conventions}", conventions=Listed(self.conventions, sentence("; ")))
        return say("; ").join([f"{right}{under or ''}", *rest])

    def _apart(self, trials: tuple[TrialKey, ...]) -> str:
        """Return the lengths, or the batches, of which no trial was judged; the remarks tell of single trials."""
        for name, place in (("T", 0), (say("batch"), 1)):
            judged = {t[place] for t in self.trials}
            values = sorted({n for t in trials if (n := t[place]) is not None and n not in judged})
            if values:
                return f"{name} = {listed(values)}"
        return ""

    def _wrong_since(self) -> str:
        """Say that something is wrong, and from which length on, where shorter sequences are right."""
        bad = _lengths(t for where in self.wrong.values() for t in where)
        good = [n for n in _lengths(self.trials) if bad and n < bad[0]]
        if not good:
            return say("WRONG")
        return say("WRONG from T = {T} on (right at T = {right})", T=bad[0], right=listed(good))

    def __repr__(self) -> str:
        return say("<Examination of {name}: {verdict}>", name=self.name, verdict=self.verdict)

    def _repr_html_(self) -> str:
        right = None if self and (self.silent or self.doubtful) else bool(self)
        return box(titled(self.name, self.verdict, right), labelled(str(self).split("\n")[1:]), language=current())

    def __str__(self) -> str:
        lines = [
            say("{title}: {verdict}", title=self.name, verdict=self.verdict),
            say("tried: {what}", what=self._tried()),
        ]
        right = [f"d{name}" for name, where in self.gradients.items() if not where]
        if right and not self:
            lines.append(say("right: {names}", names=listed(right)))
        for where in dict.fromkeys(self.wrong.values()):
            names = listed(f"d{name}" for name, found in self.wrong.items() if found == where)
            lines.append(say("wrong: {names}{where}", names=names, where=self._where(where)))
        lines += [say("  {name}: {seen}", name=f"d{name}", seen=seen) for name, seen in self.details.items()]
        if self.missing:
            names = listed(f"d{name}" for name in self.missing)
            lines.append(say("missing: {names}, though the loss depends on it", names=names))
        if not self and self.conventions:
            lines.append(say("convention: {said}", said=Listed(self.conventions, sentence("; "))))
        lines += [say("first: {symptom}", symptom=self.first)] if self.first else []
        first, *others = [*self.mistakes, ""]
        lines += [say("mistake: {mistake}", mistake=first)] if first else []
        lines += [say("and: {mistake}", mistake=other) for other in others if other]
        return "\n".join([*lines, *self.remarks])

    def _tried(self) -> str:
        lengths, batches = _lengths(self.trials), sorted({b for _, b, _ in self.trials if b is not None})
        seeds = len({seed for *_, seed in self.trials})
        parts = [f"T = {listed(lengths)}"] if lengths else []
        parts += [say("batch {batches}", batches=listed(batches))] if batches else []
        parts += [say("{n} sets of values", n=seeds) if seeds > 1 else say("the values given")]
        parts += [str(listed(f"d{name}" for name in self.gradients)), str(AGAINST[self.method])]
        return say("; ").join(parts)

    def _where(self, where: tuple[TrialKey, ...]) -> str:
        bad, all_of = _lengths(where), _lengths(self.trials)
        good = [n for n in all_of if n not in bad]
        batches = {b for _, b, _ in where}
        text = say(", at T = {lengths}", lengths=listed(bad)) if bad and len(all_of) > 1 else ""
        text += say(" (right at T = {lengths})", lengths=listed(good)) if bad and good else ""
        if len(batches) == 1 and len({b for _, b, _ in self.trials}) > 1:
            text += say(", with a batch of {n} only", n=batches.pop())
        return text


def _trial(trial: TrialKey) -> dict[str, int | None]:
    return dict(zip(("T", "batch", "seed"), trial, strict=True))


def _lengths(trials: Iterable[TrialKey]) -> list[int]:
    return sorted({T for T, _, _ in trials if T is not None})
