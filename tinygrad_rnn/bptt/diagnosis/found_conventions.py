"""Conventions that the answers of a derivation show: float32, zero states, one bias, clipping, truncation."""

from __future__ import annotations

from functools import partial

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array, Case, Gradients
from tinygrad_rnn.bptt.diagnosis.conventions import Convention
from tinygrad_rnn.bptt.diagnosis.evidence import Seen, Truth, bound_of, clipped, norm_of, own_norm_of
from tinygrad_rnn.bptt.diagnosis.examination import Examination
from tinygrad_rnn.bptt.diagnosis.precision import Precision, largest_entry
from tinygrad_rnn.bptt.diagnosis.problems import Problem, louder
from tinygrad_rnn.bptt.diagnosis.submission import DoctorError, Submission
from tinygrad_rnn.bptt.diagnosis.truncated_answers import truncation_of, truncation_text
from tinygrad_rnn.bptt.truncation.ways import Way
from tinygrad_rnn.language.saying import Sentence, listed, sentence

QUIETER = 3
"""How often upstream gradients are made a thousand times smaller, for answers that are not clipped."""
NUDGE = 1e-7
ROUGH = (1e-9, 1e-5)
"""The bend of an answer in float32 at nudges of that size. A smooth answer bends by NUDGE**2; 1 is noise."""


def computes_in_single(submission: Submission, case: Case) -> bool:
    """Return whether an answer has the rounding of float32: it jumps where inputs move by 1e-7, float32's resolution.

    The returned dtype says so, or the second difference of the answer over three problems that lie close together.
    """
    if submission.single:
        return True
    rng = np.random.default_rng(0)
    ways = {name: rng.standard_normal(case.inputs()[name].shape) for name in case.differentiable()}
    nudged = [_moved(case, {name: k * way for name, way in ways.items()}) for k in (-1, 0, 1)]
    before, middle, after = (_answer(submission, near) for near in nudged)
    if not set(before) == set(middle) == set(after):
        return False
    bends = [before[name] - 2 * g + after[name] for name, g in middle.items()]
    return ROUGH[0] < largest_entry(bends) / (largest_entry(middle.values()) or 1.0) < ROUGH[1]


def _moved(case: Case, by: Gradients) -> Case:
    moved = {name: case.inputs()[name] * (1 + NUDGE * way) for name, way in by.items()}
    return _other(case, {**case.inputs(), **moved})


def unread(submission: Submission, case: Case) -> tuple[str, ...]:
    """Return the initial states and the biases that a derivation does not read: to it they are zero.

    A bias only where it gives no gradient for it either, and reads another one: else it has forgotten it. A state that
    the cell does not read either, such as an output that is handed on, says nothing.
    """
    first = _answer(submission, case)
    biases = [name for name in case.params if name.startswith("bias")]
    asked = [*case.state_names, *(name for name in biases if name not in first)]
    asked = [name for name in asked if name in case.differentiable()]
    found = [name for name in asked if submission.agree(first, _answer(submission, _shifted(case, name)))]
    true = case.tape_gradients() if found else {}
    found = [name for name in found if not submission.agree(true, _shifted(case, name).tape_gradients())]
    return () if biases and set(biases) <= set(found) else tuple(found)


def _answer(submission: Submission, case: Case) -> Gradients:
    """Return the gradients of a derivation; none where it fails."""
    try:
        return submission(case)[0]
    except DoctorError:
        raise
    except Exception:
        return {}


def _shifted(case: Case, name: str) -> Case:
    return _other(case, {**case.inputs(), name: case.inputs()[name] + 1})


def _other(case: Case, values: dict[str, Array]) -> Case:
    """Return the problem with other values."""
    state = tuple(values[name] for name in case.state_names)
    params = {name: values[name] for name in case.params}
    return Case(case.cell, params, values["x"], state, case.dhs, case.dlast, 0, with_dlast=True, who=case.who)


def truncation(examined: Examination) -> Way | None:
    """Return the way in which the answers are truncated; None where they are not, or to single steps.

    An answer that is truncated to windows of k is right for all sequences of up to k steps.
    """
    wrong = {p for found in examined.wrong.values() for p in found}
    smallest = min((p.T for p in wrong), default=0)
    right = max((p.T for p in examined.problems.tried if smallest > p.T), default=0)
    lengths = range(max(right, 2), smallest)
    answers = sorted(examined.as_given(), key=lambda pair: (pair[1] not in wrong, pair[1].T))  # the telling ones first
    if not lengths or any(set(hand) - set(problem.true) for hand, problem in answers):
        return None
    return truncation_of([(hand, problem.case) for hand, problem in answers], examined.submission.precision, lengths)


def of_truncation(way: Way) -> Convention:
    """Return the convention that gradients are truncated."""
    remark = sentence(
        "convention: {said}; if that is meant, say {code}", said=truncation_text(way), code=f"truncation=bptt.{way}"
    )
    return Convention(sentence(", if the truncation is meant"), remark)


def clipping(answers: list[tuple[Gradients, Problem]], precision: Precision) -> Convention | None:
    """Return how gradients are clipped that are right but for that: at a largest value, or at a largest norm."""
    given = [name for name in answers[0][0] if all(name in hand for hand, _ in answers)]
    names = [name for name in given if any(not p.same(name, h[name], precision) for h, p in answers)]
    if not names:
        return None
    what = listed(f"d{name}" for name in names)
    seen = seen_by_doctor(answers, names, precision)
    bound = bound_of(seen)
    if bound and all(s.same(clipped(s.true.values, bound)) for s in seen):
        return _clipped(sentence("{what}: clipped to values between -{bound:g} and {bound:g}", what=what, bound=bound))
    if found := norm_of(seen):
        return _clipped(
            sentence("{what}: scaled down to a norm of at most {norm:g} (gradient clipping)", what=what, norm=found[0])
        )
    if bound := own_norm_of(seen):
        return _clipped(
            sentence(
                "{what}: each scaled down to a norm of at most {norm:g} (gradient clipping)", what=what, norm=bound
            )
        )
    return None


def seen_by_doctor(answers: list[tuple[Gradients, Problem]], names: list[str], precision: Precision) -> list[Seen]:
    """Return these gradients on all problems for the rules of evidence."""
    return [
        Seen(p, name, hand[name], Truth.of(p.true[name]), partial(precision.slack, largest=p.largest))
        for hand, p in answers
        for name in names
    ]


def beside_clipping(examined: Examination) -> Examination | None:
    """Return the examination on problems so quiet that nothing is clipped, of answers that are clipped elsewhere.

    None where the answers do not show one bound, on several loud problems as on the others.
    """
    problems, precision = examined.problems, examined.submission.precision
    answers = examined.as_given()
    for T, B in ((2, 1), (3, 1)) if problems.volume == 1 else ():
        loud = louder(problems.problem(T, B, 1))
        if hand := _answer(examined.submission, loud.case):
            answers.append((hand, loud))
    names = [name for name in examined.answers_given() if all(name in hand for hand, _ in answers)]
    bound = bound_of(seen_by_doctor(answers, names, precision)) if names else None
    if not bound:
        return None
    said = _clipped(sentence("gradients are clipped to values between -{bound:g} and {bound:g}", bound=bound))
    volume = 2.0 ** np.floor(np.log2(bound / max(p.largest for _, p in answers if not p.loud)) - 3)
    for _ in range(QUIETER):
        quiet = Examination(examined.submission, problems.quieter(float(volume)), examined.title)
        if all(largest_entry(hand.values()) < bound for hand, _ in quiet.as_given()):
            return quiet.under(said)
        volume *= 2.0**-10
    return None


def _clipped(said: Sentence) -> Convention:
    return Convention(sentence("; gradients are clipped"), sentence("convention: {said}", said=said))
