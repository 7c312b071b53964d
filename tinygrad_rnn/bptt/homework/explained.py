"""Why a person's gradients are wrong: the doctor's catalogue of mistakes, asked about the steps of the person's loop.

The doctor wants a cell and the gradient from above at every step. Both are read off the tape of the person's forward
pass, so the mistake is named in the person's own variables. What it is asked is what was tried: no new problem is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Case, Gradients
from tinygrad_rnn.bptt.diagnosis.evidence import Truth
from tinygrad_rnn.bptt.diagnosis.examination import Examination as Answers
from tinygrad_rnn.bptt.diagnosis.explanation import diagnosis_of
from tinygrad_rnn.bptt.diagnosis.mistake import NEVER_FILLED
from tinygrad_rnn.bptt.diagnosis.precision import Precision, largest_entry
from tinygrad_rnn.bptt.diagnosis.problems import Problem
from tinygrad_rnn.bptt.diagnosis.submission import DoctorError, Log, Submission
from tinygrad_rnn.bptt.diagnosis.symptoms import place_and_numbers
from tinygrad_rnn.bptt.diagnosis.truncated_answers import truncated, truncation_of
from tinygrad_rnn.bptt.homework.array_places import Array, Path
from tinygrad_rnn.bptt.homework.judging import USUAL, Convention, Trial
from tinygrad_rnn.bptt.homework.unrolled_steps import Recurrence, Steps, first_step, steps_of
from tinygrad_rnn.bptt.truncation.ways import AnyWay, Way
from tinygrad_rnn.language.saying import Sentence, Words, sentence


@dataclass(frozen=True)
class Explanation:
    """Mistakes that explain the wrong gradients, in words, and the first quantity that is wrong."""

    mistakes: tuple[Words, ...]
    first: Words


@dataclass(frozen=True)
class Handed:
    """The steps of one trial, and the gradients that the person's code gave for the parameters that the steps read."""

    steps: Steps
    given: Mapping[str, Array]

    def core(self) -> Gradients:
        """Return what was given for the steps alone, without what reaches the parameters by other ways."""
        return {name: np.array(g - self.steps.rest[name]) for name, g in self.given.items()}


def handed_in(
    trials: list[Trial], paths: Mapping[str, Path], allowed: list[Convention], kind: type[Recurrence] = Recurrence
) -> dict[int, Handed]:
    """Return the steps of trials, by the trial's id, and what was given for them; none without a tape, or a loop on it.

    allowed: conventions for the size of the gradients, which are undone. A trial is left out on which one clipped.
    kind: how the loop is read.
    """
    found = {id(trial): _handed(trial, paths, allowed, kind) for trial in trials}
    return {key: one for key, one in found.items() if one is not None}


def meant_truncation(handed: Iterable[Handed], precision: Precision) -> Way | None:
    """Return the truncation that gives what was given, where one does."""
    return truncation_of([(one.core(), _case(one.steps)) for one in handed], precision)


def truncate(trials: list[Trial], handed: Mapping[int, Handed], way: AnyWay) -> None:
    """Put the truncated gradients in the place of the true ones."""
    for trial in trials:
        if one := handed.get(id(trial)):
            cut = one.steps.of_all(truncated(_case(one.steps), way))
            trial.true = {name: Truth.of(cut[name]) for name in trial.given}


def explanation(handed: list[Handed], name: str) -> Explanation | None:
    """Return why gradients are wrong; None where nothing known gives these numbers."""
    if not handed:
        return None
    try:
        with np.errstate(all="ignore"):
            problems = _Problems(handed)
            found = diagnosis_of(Answers(_Submitted(problems.answers), problems, name))  # type: ignore[arg-type]
    except (DoctorError, ValueError, LookupError):  # a step that the doctor has no model of
        return None
    mistakes = [m.said for m in (found.mistake, *found.others) if m] if found.complete else []
    if not mistakes:  # what explains the first numbers alone may be false
        first = _parted(problems)
        return Explanation((), first) if first else None
    besides = any(np.any(g) for one in handed for g in one.steps.rest.values())
    told = tuple(_as_people_have_it(said, besides) for said in mistakes)
    return Explanation(told, found.symptom.said if found.symptom else "")


def _parted(problems: _Problems) -> Words:
    """Return where the gradients first part: the quantities that reach what is wrong on the shortest sequence.

    On one step that is a place of this step. On more, if one step is right, it is what comes back from a later step, or
    what reads a state that a step made.
    """
    for problem in problems.stages:
        hand, true = problems.answers[id(problem.case)], problem.case.tape_gradients()
        largest = largest_entry(true.values())
        wrong = {name: USUAL.apart(g, true[name], largest) for name, g in hand.items()}
        if not any(mask.any() for mask in wrong.values()):
            continue
        with np.errstate(all="ignore"):
            place, detail = place_and_numbers(problem.model, hand, true, wrong)
        if problem.T == 1:
            return sentence("somewhere in {place} at step 0, of T = 1 steps: {detail}", place=place, detail=detail)
        return sentence(
            "somewhere in {place}, from T = {T} steps on, in what comes back from step t+1 or what reads the state of "
            "step t-1: {detail}",
            place=place,
            T=problem.T,
            detail=detail,
        )
    return ""


def first_numbers(trials: list[Trial], bad: Mapping[str, Iterable[object]]) -> Words:
    """Return one wrong entry with both numbers, of the shortest sequence on which a gradient is wrong; "" for none."""
    for t in sorted(trials, key=lambda t: t.T or 0):
        for name in (n for n, where in bad.items() if t.key in where and t.true[n].whole):
            hand, true = np.asarray(t.given[name], np.float64), t.true[name].values.reshape(t.true[name].shape)
            if hand.shape == true.shape:
                apart = np.where(USUAL.apart(hand, true, t.largest), np.abs(hand - true), -1)
                at = np.unravel_index(int(np.argmax(apart)), hand.shape)
                place = f"d{name}{[int(k) for k in at]}" if at else f"d{name}"
                given, meant = f"{hand[at]:.6g}", f"{true[at]:.6g}"
                if t.T is None:
                    return sentence("{place} is {given}, and should be {meant}", place=place, given=given, meant=meant)
                return sentence(
                    "with T = {T} steps, {place} is {given}, and should be {meant}",
                    T=t.T,
                    place=place,
                    given=given,
                    meant=meant,
                )
    return ""


def _as_people_have_it(said: Words, besides: bool) -> Words:
    """Return a mistake without dlast, which people have not.

    besides: whether parameters have gradients by other ways too, so that what looks empty lacks the steps alone.
    """
    if isinstance(said, Sentence) and "also" in said.parts:
        return said.but(also="")
    if isinstance(said, Sentence) and besides and said.parts.get("how") == NEVER_FILLED:
        return said.but(how=sentence("what comes through the steps is missing"))
    return said


def single_steps(
    trials: list[Trial], handed: Mapping[int, Handed], paths: Mapping[str, Path], allowed: list[Convention]
) -> list[Handed]:
    """Return, of trials of one step, the step and what was given for it: it is the first one of a longer trial."""
    longer = {(t.B, t.seed): handed[id(t)].steps for t in trials if id(t) in handed}
    found = []
    for t in sorted(trials, key=lambda t: t.B or 1):
        steps = longer.get((t.B, t.seed)) if t.T == 1 else None
        if steps is None or t.own is None or t.own.recording is None:
            continue
        recording = t.own.recording
        tensors = {name: recording.tensors[paths[name]] for name in steps.params if paths[name] in recording.tensors}
        with np.errstate(all="ignore"):
            first = first_step(steps, recording, tensors) if len(tensors) == len(steps.params) else None
        given = _undone(t, steps.params, allowed)
        if first and given:
            found.append(Handed(first, given))
    return found


def _handed(
    trial: Trial, paths: Mapping[str, Path], allowed: list[Convention], kind: type[Recurrence]
) -> Handed | None:
    """Return the steps of a trial and what the code gave for them; None without a tape, or a loop on it."""
    recording = trial.own.recording if trial.own else None
    if recording is None or (trial.T or 0) < 2:
        return None
    tensors = {name: recording.tensors[paths[name]] for name in trial.given if paths[name] in recording.tensors}
    steps = steps_of(recording, trial.T or 0, tensors, kind)
    if steps is None or (given := _undone(trial, steps.params, allowed)) is None:
        return None
    return Handed(steps, given) if _are_the_tape_s(steps, trial) else None


def _undone(trial: Trial, params: Mapping[str, Array], allowed: list[Convention]) -> dict[str, Array] | None:
    """Return what was given for these parameters, without a scale; None where a bound was met, or a shape is wrong."""
    factor, bound = 1.0, np.inf
    for convention in allowed:
        factor = convention.factor(trial) if convention.factor else factor
        bound = min(bound, convention.bound)
    given = {name: np.asarray(trial.given[name], np.float64) / factor for name in params}
    if any(g.shape != params[name].shape for name, g in given.items()):
        return None
    return given if largest_entry(trial.given[name] for name in given) < bound else None


def _are_the_tape_s(steps: Steps, trial: Trial) -> bool:
    """Return whether BPTT through the steps gives the gradients that the tape gave."""
    with np.errstate(all="ignore"):
        found = steps.of_all(_case(steps).tape_gradients())
    true, least = trial.true, 1e-6 * trial.largest  # a gradient may be zero but for rounding
    return all(
        true[n].whole
        and np.allclose(found[n].ravel(), true[n].values, rtol=0, atol=1e-7 * (max(true[n].largest, least) or 1))
        for n in steps.params
    )


class _Problems:
    """The trials as problems of one cell. In each the parameters' other gradients are taken off what was given."""

    def __init__(self, handed: list[Handed]) -> None:
        self.zero: tuple[str, ...] = ()
        self.way: AnyWay | None = None
        self.tried: list[Problem] = []
        self.answers: dict[int, Gradients] = {}
        for one in handed:
            problem = Problem(_case(one.steps))
            self.tried.append(problem)
            self.answers[id(problem.case)] = {name: np.array(g - one.steps.rest[name]) for name, g in one.given.items()}
        self.cell = self.tried[0].case.cell
        self.batches = sorted({problem.B for problem in self.tried})
        self.stages = sorted(self.tried, key=lambda p: p.T)
        long_enough = [p for p in self.stages if p.T >= 3]
        self.searched = (long_enough or self.stages[-1:])[0]
        self.single = next((p for p in self.tried if p.T == 1), None)  # those of one example come first

    def followed(self, stage: Problem) -> list[Problem]:
        """Return no problems: the code is asked about none but those that were tried."""
        return []


class _Submitted(Submission):
    """Gradients that were given already."""

    def __init__(self, answers: Mapping[int, Gradients]) -> None:
        super().__init__(lambda params, xs, state, dhs: {}, cell_in_columns=True)
        self._answers = answers

    def _asked(self, case: Case) -> tuple[Gradients, Log]:
        if id(case) not in self._answers:
            raise LookupError("the code was not asked about this problem")
        return self._answers[id(case)], {}


def _case(steps: Steps) -> Case:
    case: Any = Case.__new__(Case)
    case.who, case.cell = "examine", steps.cell
    case.params, case.xs, case.state = steps.params, steps.xs, steps.state
    case.dhs, case.dlast, case.dtype = steps.dhs, steps.dlast, np.dtype(np.float64)
    case.state_names = tuple(f"{name}0" for name in list(steps.cell.__signature__.parameters)[2:])
    case.batch = 1
    return case  # type: ignore[no-any-return]
