"""A diagnosis: the verdict on a derivation, its first symptom, and the mistake that explains its numbers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from itertools import chain, islice

from tinygrad_rnn.bptt.diagnosis.clipped_inside import clipped_inside
from tinygrad_rnn.bptt.diagnosis.conventions import Convention, of_zero
from tinygrad_rnn.bptt.diagnosis.examination import Examination
from tinygrad_rnn.bptt.diagnosis.failures import told
from tinygrad_rnn.bptt.diagnosis.findings import Diagnosis, remarks, tried_text, where_text
from tinygrad_rnn.bptt.diagnosis.mistake import Mistake
from tinygrad_rnn.bptt.diagnosis.model import Changes
from tinygrad_rnn.bptt.diagnosis.other_cells import gradients_of, similar_cells
from tinygrad_rnn.bptt.diagnosis.problems import Problem
from tinygrad_rnn.bptt.diagnosis.search import both, fits, held_constant, never_filled, predicted
from tinygrad_rnn.bptt.diagnosis.sieve import Sieve
from tinygrad_rnn.bptt.diagnosis.submission import DoctorError, DoctorValueError
from tinygrad_rnn.bptt.diagnosis.symptoms import (
    Symptom,
    first_changed,
    first_logged,
    first_wrong,
    place_of,
    terms_table,
)
from tinygrad_rnn.language.saying import Listed, Words, listed, sentence
from tinygrad_rnn.language.spoken_fields import changed

MOST = 20
"""The number of sets of mistakes that are tried on every problem."""


def diagnosis_of(
    examined: Examination,
    progress: Callable[[], None] = lambda: None,
    deep: bool = True,
    acquitted_by: Convention | None = None,
) -> Diagnosis:
    """Return the diagnosis: the wrong gradients, the first symptom, the mistake.

    deep: whether to look for several mistakes. acquitted_by: a convention by which all that is wrong is right.
    """
    submission, tried = examined.submission, examined.problems.tried
    wrong, batches = ({} if acquitted_by else examined.wrong), sorted({p.B for p in tried})
    conventions = (*submission.conventions, *([acquitted_by] if acquitted_by else []))
    compared = list(dict.fromkeys(name for p in tried for name in examined.answer(p) or {}))
    zero = [name for name in compared if all(p.is_zero(name) for p in tried)]
    unjudged = [name for name in compared if name not in zero and not examined.tells(name)]
    if compared and unjudged == compared:
        raise DoctorValueError(
            "doctor: no problem tells a right gradient from a wrong one: rounding alone makes errors as large\n"
            "give an example with smaller weights, on which the cell is less saturated or chaotic"
        )
    answered = tuple(sorted({p.T for p in tried if p not in examined.failed}))
    silent = tuple(sorted({p.T for p in tried} - {*answered}))
    failed = {p: error for p, error in examined.failed.items() if p in tried}
    report = Diagnosis(
        title=examined.title,
        right=not (wrong or failed or submission.changed or submission.unsteady) and bool(compared),
        tried=tried_text(compared, list(tried[0].true), batches),
        names=submission.names,
        wrong={name: where_text(found, silent, batches) for name, found in wrong.items()},
        remarks=tuple(
            remarks(submission, failed, bool(wrong), examined.problems.zero, zero, unjudged, batches, conventions)
        ),
        answered=answered,
        silent=silent,
        compared=tuple(compared),
        by=tuple(said for said in (of_zero(examined.problems.zero), *(c.verdict for c in conventions)) if said),
    )
    if not wrong:
        return report
    smallest = min((p for found in wrong.values() for p in found), key=lambda p: (p.T, -p.B))
    return _explained(examined, changed(report, symptom=_symptom(examined, smallest)), smallest, progress, deep)


def _symptom(examined: Examination, problem: Problem) -> Symptom | None:
    """Return the first wrong intermediate where the derivation gave any, else the first wrong term."""
    log = examined.answers[problem][1]
    if problem.way is not None:
        return None
    if log and (found := first_logged(problem.model, examined.submission, log)):
        return found
    try:
        return first_wrong(problem.case, examined.submission, _reads_state(examined))
    except DoctorError:
        raise
    except Exception:  # it cannot be asked about shorter sequences
        return None


def _explained(
    examined: Examination, report: Diagnosis, smallest: Problem, progress: Callable[[], None], deep: bool
) -> Diagnosis:
    """Return the diagnosis with the mistake that gives these numbers, or two of them, or the wrong terms."""
    searched = examined.searched
    hand = examined.meant(searched) if searched else None
    if searched is None or hand is None:
        return report
    if whole := {name: dtype for name, dtype in examined.submission.integers.items() if name in report.wrong}:
        each = [sentence("{dtype} for {name}", dtype=dtype, name=f"d{name}") for name, dtype in whole.items()]
        said = sentence("it returns integers: {each}", each=listed(each))
        return changed(report, mistake=Mistake(said, listed(whole), Changes()))
    sieve = Sieve(examined, smallest, progress)
    report = changed(report, considered=len(sieve.mistakes))
    shapes = None
    if examined.shapes:
        every = Listed(examined.shapes, sentence("; "))
        shapes = Mistake(every, listed(examined.shapes.values()), Changes())
    if shapes and examined.confirms(shapes):
        return changed(report, mistake=shapes, complete=True)
    empty = never_filled(hand, searched)
    for mistake in chain([empty] if empty else [], sieve.one_by_one()):
        if examined.confirms(mistake):
            found = [shapes, mistake] if shapes else [mistake]
            return _placed(changed(report, complete=True), found, mistake, smallest)
    for held in _may_be_held(examined):
        for mistake in Sieve(examined, smallest, progress, held).one_by_one():
            if examined.confirms(mistake):
                return _placed(changed(report, complete=True), [mistake], mistake, smallest)
    for what, cell in similar_cells(examined.problems.cell):
        if all(examined.agrees(p, gradients_of(cell, p.case)) for p in examined.problems.tried):
            said = sentence("this is right for another cell: {cell}", cell=what)
            return changed(report, mistake=Mistake(said, sentence("the cell"), Changes()), complete=True)
    for mistake in clipped_inside(examined):
        if examined.confirms(mistake):
            return _placed(changed(report, complete=True), [mistake], mistake, smallest)
    if not deep:
        return report
    for several in islice(sieve.several(), MOST):
        together = functools.reduce(lambda a, b: both(a, b) or a, several)
        if examined.confirms(together):
            several = sorted(several, key=lambda m: place_of(smallest.model, m.changes))
            found = [shapes, *several] if shapes else several
            return _placed(changed(report, complete=True), found, together, smallest)
    if shapes:
        return changed(report, mistake=shapes)
    if sieve.firsts:
        return _named(changed(report, mistake=sieve.firsts[0]))
    return changed(report, table=_table(examined, smallest))


def _may_be_held(examined: Examination) -> Iterator[int]:
    """Yield the lines that make a state of which no given gradient depends: people hold them constant, and are right.

    So is the stabiliser of exponential gates, which scales what is divided by what it scales.
    """
    for k, after in enumerate(examined.problems.searched.model.after):
        if k and after.kind == "line":
            made = held_constant(after.index).changes
            for problem in examined.problems.stages:
                hand, found = examined.answer(problem) or {}, predicted(problem.model, made)
                given = {name: problem.true[name] for name in hand}
                if problem.T > 1 and not fits(given, found, problem, examined.submission.precision):
                    break
            else:
                yield after.index


def _reads_state(examined: Examination) -> bool:
    """Return whether sequences can be begun at any state."""
    return all(name.startswith("bias") for name in examined.problems.zero)


def _table(examined: Examination, problem: Problem) -> tuple[Words, ...]:
    """Return the wrong terms, as lines of text."""
    if problem.way is not None:
        return ()
    try:
        return tuple(terms_table(problem.case, examined.submission, _reads_state(examined)))
    except DoctorError:
        raise
    except Exception as error:
        return (sentence("  no terms: the derivation fails on shorter sequences ({error})", error=told(error)),)


def _placed(report: Diagnosis, mistakes: list[Mistake], together: Mistake, smallest: Problem) -> Diagnosis:
    """Return the diagnosis with these mistakes, and the first wrong quantity and step of them all.

    A symptom that the derivation itself logged stays.
    """
    first, *others = mistakes
    report = changed(report, mistake=first, others=tuple(others))
    if report.symptom and report.symptom.logged:
        return report
    found = first_changed(smallest.model, together.changes)
    return changed(report, symptom=found) if found else _named(report)


def _named(report: Diagnosis) -> Diagnosis:
    """Return the diagnosis, its first symptom named after the mistake's quantity where several look alike."""
    symptom, mistake = report.symptom, report.mistake
    if symptom and mistake and (mistake.quantity in symptom.also or (report.complete and not symptom.seen)):
        symptom = changed(symptom, quantity=mistake.quantity, seen=symptom.seen or report.complete)
    return changed(report, symptom=symptom)
