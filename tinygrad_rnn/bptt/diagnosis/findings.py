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
from tinygrad_rnn.language.current import current
from tinygrad_rnn.language.saying import Listed, Sentence, Words, joined, listed, say, sentence
from tinygrad_rnn.language.spoken_fields import Spoken
from tinygrad_rnn.notebook.html_parts import box, labelled, titled


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """The doctor's findings. `print(diagnosis)` says it in words; `bool(diagnosis)` is whether the derivation is right.

    symptom: the first quantity and step that are wrong, walking from the last step down. mistake: the known mistake
    that gives the same numbers, None where there is none; `others` those that are needed besides; `complete` says
    whether they explain every gradient on every problem. remarks: what else was noticed.
    """

    title: Spoken[str] = Spoken()
    right: bool
    tried: Spoken[str] = Spoken()
    wrong: Spoken[dict[str, str]] = Spoken()  # by gradient: on which problems
    symptom: Symptom | None = None
    mistake: Mistake | None = None
    others: tuple[Mistake, ...] = ()
    complete: bool = False
    considered: int = 0
    remarks: Spoken[tuple[str, ...]] = Spoken(())
    table: Spoken[tuple[str, ...]] = Spoken(())
    names: Mapping[str, str] = field(default_factory=dict)  # the derivation's own, for the cell's: so it is spoken to
    answered: tuple[int, ...] = ()  # the lengths for which it gave gradients
    silent: tuple[int, ...] = ()  # those for which it failed
    compared: tuple[str, ...] = ()  # the gradients that it gave
    by: Spoken[tuple[str, ...]] = Spoken(())  # the conventions by which it was judged, as a verdict says them

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
            return "".join([say("right"), *self.by])
        if self.wrong or not self.silent or not self.answered:
            return say("WRONG")
        return say(
            "right at T = {lengths}; no answer at T = {silent}",
            lengths=listed(self.answered),
            silent=listed(self.silent),
        )

    def check(self) -> Diagnosis:
        """Return the diagnosis itself where the derivation is right. Raise AssertionError with its words otherwise."""
        if not self:
            raise AssertionError(f"\n{self}")
        return self

    def __repr__(self) -> str:
        return say("<Diagnosis of {title}: {verdict}>", title=self.title, verdict=self.verdict)

    def _repr_html_(self) -> str:
        verdict = None if self.silent and not self.right and not self.wrong and self.answered else self.right
        title = titled(self.title, self.in_its_names(self.verdict), verdict)
        return box(title, labelled(str(self).split("\n")[1:]), language=current())

    def __str__(self) -> str:
        title, verdict, tried, wrong = self.title, self.verdict, self.tried, self.wrong
        lines: list[object] = [
            sentence("{title}: {verdict}", title=title, verdict=verdict),
            sentence("tried: {what}", what=tried),
        ]
        for where in dict.fromkeys(wrong.values()):
            names = listed(f"d{name}" for name, found in wrong.items() if found == where)
            lines.append(sentence("wrong: {names}, {where}", names=names, where=where))
        if self.symptom and self.symptom.seen:
            lines.append(sentence("first: {symptom}", symptom=self.symptom.said))
        elif self.symptom:
            lines.append(sentence("somewhere in {symptom}", symptom=self.symptom.said))
        if self.mistake:
            lines.append(sentence("mistake: {mistake}", mistake=self.mistake.said))
            lines += [sentence("and then: {mistake}", mistake=other.said) for other in self.others]
            lines.append(self._how_much())
        elif wrong and self.considered:
            lines.append(sentence("none of {n} known mistakes gives these numbers; term by term:", n=self.considered))
            lines += self.table
        return self.in_its_names("\n".join(map(str, [*lines, *self.remarks])))

    def _how_much(self) -> Sentence:
        """Return how much the mistakes explain."""
        if not self.complete:
            return sentence("this explains the first symptom, not everything: correct it and run the doctor again")
        if not self.others:
            return sentence("this explains every gradient on every problem, to rounding")
        if len(self.others) == 1:
            return sentence("both together explain every gradient on every problem, to rounding")
        return sentence("all together explain every gradient on every problem, to rounding")

    def to_dict(self) -> dict[str, Any]:
        """Return the findings as plain values, for JSON. Names are those of the derivation.

        Keys: kind, name, right, verdict, gradients (by name: right, wrong, the problems on which it is wrong), tried,
        no_answer (lengths), first, quantity and step (of the first symptom; "" and null where there is none), mistakes,
        explained (whether they explain every gradient), remarks.
        """
        own = self.in_its_names
        wrong = self.wrong
        gradients = dict.fromkeys([*self.compared, *wrong])
        return {
            "kind": "diagnosis",
            "name": self.title,
            "right": self.right,
            "verdict": self.verdict,
            "gradients": {own(g): {"right": g not in wrong, "wrong": wrong.get(g, "")} for g in gradients},
            "tried": own(self.tried),
            "no_answer": [int(T) for T in self.silent],
            "first": own(str(self.symptom)) if self.symptom else "",
            "quantity": own(self.symptom.quantity) if self.symptom else "",
            "step": int(self.symptom.k) if self.symptom else None,
            "mistakes": [own(str(mistake.words)) for mistake in (self.mistake, *self.others) if mistake],
            "explained": self.complete,
            "remarks": [own(remark) for remark in self.remarks],
        }

    def in_its_names(self, text: str) -> str:
        """Return a text with the derivation's own names for the cell's."""
        if not self.names:
            return text
        theirs = {ours: theirs for theirs, ours in self.names.items()}
        known = "|".join(re.escape(ours) for ours in theirs)
        return re.sub(rf"\b(d?)({known})\b", lambda found: found[1] + theirs[found[2]], text)


def tried_text(names: list[str], known: list[str], batches: list[int]) -> Sentence:
    """Write the problems that were tried, the gradients that were compared, and those that were not given."""
    what = listed(f"d{name}" for name in names) if names else sentence("nothing, for it returned no gradient")
    tried = sentence(
        "T = {lengths}; batch {batches}; {seeds} seeds; upstream gradients at every step, at one alone, "
        "and large ones; {what}",
        lengths=listed([*LENGTHS, LONG]),
        batches=listed(batches),
        seeds=len(SEEDS),
        what=what,
    )
    missing = [f"d{name}" for name in known if name not in names]
    return sentence("{tried}; not given: {missing}", tried=tried, missing=listed(missing)) if missing else tried


def where_text(found: list[Problem], silent: tuple[int, ...], tried: list[int]) -> Sentence:
    """Write the problems on which a gradient is wrong, and those on which it is right."""
    if all(p.loud for p in found):
        return sentence("where the upstream gradients are large (right where they are not)")
    lengths = sorted({p.T for p in found})
    batches = {p.B for p in found}
    right = [T for T in (*LENGTHS, LONG) if T not in (*lengths, *silent)]
    rest = [sentence("right at T = {lengths}", lengths=listed(right))] if right else []
    rest += [sentence("no answer at T = {lengths}", lengths=listed(silent))] if silent else []
    where = sentence("at T = {lengths}", lengths=listed(lengths))
    if rest:
        where = sentence("{where} ({rest})", where=where, rest=Listed(rest, sentence("; ")))
    if len(batches) == len(tried) or lengths == [LONG]:
        return where
    return sentence("{where}, batch {batch} only", where=where, batch=batches.pop())


def remarks(
    submission: Submission,
    failed: Mapping[Problem, Exception],
    wrong: bool,
    zero: tuple[str, ...],
    empty: list[str],
    unjudged: list[str],
    batches: list[int],
    conventions: Iterable[Convention],
) -> Iterator[Words]:
    """Yield the remarks.

    zero: the initial states and biases that it does not read. empty: the gradients that are zero on every problem.
    unjudged: those that rounding alone changes as much as they are large. batches: the batch sizes that were tried.
    """
    if batches != [*BATCHES]:
        yield sentence(
            "note: example(rng, T, B) gave a batch of {batches} where B = {asked} was asked for, "
            "so what shows at another batch size was not tried, such as a mean over the batch",
            batches=listed(batches),
            asked=listed(BATCHES),
        )
    if submission.changed:
        yield sentence(
            "habit: it changes its argument {names} in place, so later code gets other numbers; work on a copy. "
            "(It was given copies here, on which its gradients are {rest}.)",
            names=listed(sorted(submission.changed)),
            rest=sentence("wrong as said above") if wrong else sentence("right by themselves"),
        )
    if submission.unsteady:
        yield sentence(
            "habit: it gives two answers to one problem: it uses a value of an earlier call again, such as an array "
            "made outside of the function or a changed default argument"
        )
    if submission.precision is SINGLE:
        yield sentence(
            "precision: it computes in float32 somewhere, so it agrees to about 6 digits at best and was judged at "
            "that; float64 shows smaller errors"
        )
    if zero:
        what = joined(zero)
        yield sentence("convention: it does not read {what}, so {what} was zero on all problems", what=what)
    yield from (convention.remark for convention in conventions)
    if empty:
        what = listed(f"d{name}" for name in empty)
        yield sentence("note: {what} is zero on every problem, so comparing it tests little", what=what)
    if unjudged:
        what = listed(f"d{name}" for name in unjudged)
        yield sentence(
            "note: {what} was not judged: on every problem rounding alone makes errors as large as it is", what=what
        )
    if failed:
        error = next(iter(failed.values()))
        sizes = sorted({(p.T, p.B) for p in failed})
        where = line_of(error, submission.file)
        n = len(failed)
        yield sentence(
            "failure: it fails on {problems}, (T, batch) = {sizes}; first: {error}",
            problems=sentence("{n:,} problem", n=n) if n == 1 else sentence("{n:,} problems", n=n),
            sizes=listed(sizes),
            error=told(error) + (where and f" ({where})"),
        )
