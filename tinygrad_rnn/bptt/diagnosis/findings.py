"""The doctor's words: whether a derivation is right, where it is wrong, and remarks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tinygrad_rnn.bptt.diagnosis.conventions import Convention
from tinygrad_rnn.bptt.diagnosis.failures import line_of, told
from tinygrad_rnn.bptt.diagnosis.mistake import Mistake
from tinygrad_rnn.bptt.diagnosis.precision import SINGLE
from tinygrad_rnn.bptt.diagnosis.problems import BATCHES, LENGTHS, LONG, SEEDS, Problem
from tinygrad_rnn.bptt.diagnosis.submission import Submission
from tinygrad_rnn.bptt.diagnosis.symptoms import Symptom
from tinygrad_rnn.core.counting import counted
from tinygrad_rnn.notebook.html_parts import box, labelled, titled


@dataclass(frozen=True)
class Diagnosis:
    """The doctor's findings. `print(diagnosis)` says it in words; `bool(diagnosis)` is whether the derivation is right.

    symptom: the first quantity and step that are wrong, walking from the last step down. mistake: the known mistake
    that gives the same numbers, None where there is none; `others` those that are needed besides; `complete` says
    whether they explain every gradient on every problem. remarks: what else was noticed.
    """

    title: str
    right: bool
    tried: str
    wrong: dict[str, str]  # by gradient: on which problems
    symptom: Symptom | None = None
    mistake: Mistake | None = None
    others: tuple[Mistake, ...] = ()
    complete: bool = False
    considered: int = 0
    remarks: tuple[str, ...] = ()
    table: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)  # the derivation's own, for the cell's: so it is spoken to
    answered: tuple[int, ...] = ()  # the lengths for which it gave gradients
    silent: tuple[int, ...] = ()  # those for which it failed
    compared: tuple[str, ...] = ()  # the gradients that it gave
    by: tuple[str, ...] = ()  # the conventions by which it was judged, as a verdict says them

    def __bool__(self) -> bool:
        return self.right

    @property
    def second(self) -> Mistake | None:
        """The second mistake, where there is one."""
        return self.others[0] if self.others else None

    @property
    def verdict(self) -> str:
        """The verdict in a few words."""
        if self.right:
            return "".join(["right", *(f"{',' if by.startswith(('for', 'if')) else ';'} {by}" for by in self.by)])
        if self.wrong or not self.silent or not self.answered:
            return "WRONG"
        return f"right at T = {_listed(self.answered)}; no answer at T = {_listed(self.silent)}"

    def check(self) -> Diagnosis:
        """Return the diagnosis itself where the derivation is right. Raise AssertionError with its words otherwise."""
        if not self:
            raise AssertionError(f"\n{self}")
        return self

    def __repr__(self) -> str:
        return f"<Diagnosis of {self.title}: {self.verdict}>"

    def _repr_html_(self) -> str:
        verdict = None if self.silent and not self.right and not self.wrong and self.answered else self.right
        return box(titled(self.title, self._in_its_names(self.verdict), verdict), labelled(str(self).split("\n")[1:]))

    def __str__(self) -> str:
        lines = [f"{self.title}: {self.verdict}", f"tried: {self.tried}"]
        for where in dict.fromkeys(self.wrong.values()):
            names = [f"d{name}" for name, found in self.wrong.items() if found == where]
            lines.append(f"wrong: {', '.join(names)}, {where}")
        lines += [f"{'first:' if self.symptom.seen else 'somewhere in'} {self.symptom}"] if self.symptom else []
        if self.mistake:
            lines.append(f"mistake: {self.mistake.words}")
            lines += [f"and then: {other.words}" for other in self.others]
            if self.complete:
                whole = ("this explains", "both together explain", "all together explain")[min(len(self.others), 2)]
                lines.append(f"{whole} every gradient on every problem, to rounding")
            else:
                lines.append("this explains the first symptom, not everything: correct it and run the doctor again")
        elif self.wrong and self.considered:
            lines.append(f"none of {self.considered} known mistakes gives these numbers; term by term:")
            lines += self.table
        return self._in_its_names("\n".join([*lines, *self.remarks]))

    def to_dict(self) -> dict[str, Any]:
        """Return the findings as plain values, for JSON. Names are those of the derivation.

        Keys: kind, name, right, verdict, gradients (by name: right, wrong, the problems on which it is wrong), tried,
        no_answer (lengths), first, quantity and step (of the first symptom; "" and null where there is none), mistakes,
        explained (whether they explain every gradient), remarks.
        """
        own = self._in_its_names
        gradients = dict.fromkeys([*self.compared, *self.wrong])
        return {
            "kind": "diagnosis",
            "name": self.title,
            "right": self.right,
            "verdict": self.verdict,
            "gradients": {own(g): {"right": g not in self.wrong, "wrong": self.wrong.get(g, "")} for g in gradients},
            "tried": own(self.tried),
            "no_answer": [int(T) for T in self.silent],
            "first": own(str(self.symptom)) if self.symptom else "",
            "quantity": own(self.symptom.quantity) if self.symptom else "",
            "step": int(self.symptom.k) if self.symptom else None,
            "mistakes": [own(str(mistake.words)) for mistake in (self.mistake, *self.others) if mistake],
            "explained": self.complete,
            "remarks": [own(remark) for remark in self.remarks],
        }

    def _in_its_names(self, text: str) -> str:
        """Return a text with the derivation's own names for the cell's."""
        if not self.names:
            return text
        theirs = {ours: theirs for theirs, ours in self.names.items()}
        known = "|".join(re.escape(ours) for ours in theirs)
        return re.sub(rf"\b(d?)({known})\b", lambda found: found[1] + theirs[found[2]], text)


def tried_text(names: list[str], known: list[str], batches: list[int]) -> str:
    """Write the problems that were tried, the gradients that were compared, and those that were not given."""
    what = ", ".join(f"d{name}" for name in names) or "nothing, for it returned no gradient"
    missing = ", ".join(f"d{name}" for name in known if name not in names)
    return (
        f"T = {', '.join(map(str, [*LENGTHS, LONG]))}; batch {_listed(batches)}; {len(SEEDS)} seeds; "
        f"upstream gradients at every step, at one alone, and large ones; {what}"
        + (f"; not given: {missing}" if missing else "")
    )


def where_text(found: list[Problem], silent: tuple[int, ...], tried: list[int]) -> str:
    """Write the problems on which a gradient is wrong, and those on which it is right."""
    if all(p.loud for p in found):
        return "where the upstream gradients are large (right where they are not)"
    lengths = sorted({p.T for p in found})
    batches = {p.B for p in found}
    right = [T for T in (*LENGTHS, LONG) if T not in (*lengths, *silent)]
    rest = [f"right at T = {_listed(right)}"] if right else []
    rest += [f"no answer at T = {_listed(silent)}"] if silent else []
    text = f"at T = {_listed(lengths)}" + (f" ({'; '.join(rest)})" if rest else "")
    return text if len(batches) == len(tried) or lengths == [LONG] else f"{text}, batch {batches.pop()} only"


def _listed(lengths: Iterable[int]) -> str:
    return ", ".join(map(str, lengths))


def remarks(
    submission: Submission,
    failed: Mapping[Problem, Exception],
    wrong: bool,
    zero: tuple[str, ...],
    empty: list[str],
    unjudged: list[str],
    batches: list[int],
    conventions: Iterable[Convention],
) -> Iterator[str]:
    """Yield the remarks.

    zero: the initial states and biases that it does not read. empty: the gradients that are zero on every problem.
    unjudged: those that rounding alone changes as much as they are large. batches: the batch sizes that were tried.
    """
    if batches != [*BATCHES]:
        yield (
            f"note: example(rng, T, B) gave a batch of {_listed(batches)} where B = {_listed(BATCHES)} was asked for, "
            "so what shows at another batch size was not tried, such as a mean over the batch"
        )
    the_rest = "wrong as said above" if wrong else "right by themselves"
    if submission.changed:
        yield (
            f"habit: it changes its argument {', '.join(sorted(submission.changed))} in place, so later code gets "
            f"other numbers; work on a copy. (It was given copies here, on which its gradients are {the_rest}.)"
        )
    if submission.unsteady:
        yield (
            "habit: it gives two answers to one problem: it uses a value of an earlier call again, such as an array "
            "made outside of the function or a changed default argument"
        )
    if submission.precision is SINGLE:
        yield (
            "precision: it computes in float32 somewhere, so it agrees to about 6 digits at best and was judged at "
            "that; float64 shows smaller errors"
        )
    if zero:
        what = " and ".join(zero)
        yield f"convention: it does not read {what}, so {what} was zero on all problems"
    yield from (convention.remark for convention in conventions)
    if empty:
        what = ", ".join(f"d{name}" for name in empty)
        yield f"note: {what} is zero on every problem, so comparing it tests little"
    if unjudged:
        what = ", ".join(f"d{name}" for name in unjudged)
        yield f"note: {what} was not judged: on every problem rounding alone makes errors as large as it is"
    if failed:
        error = next(iter(failed.values()))
        sizes = sorted({(p.T, p.B) for p in failed})
        where = line_of(error, submission.file)
        yield (
            f"failure: it fails on {counted(len(failed), 'problem')}, (T, batch) = {', '.join(map(str, sizes))}; "
            f"first: {told(error)}{where and f' ({where})'}"
        )
