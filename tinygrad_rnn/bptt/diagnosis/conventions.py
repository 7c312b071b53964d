"""Conventions that are no mistakes: to compute in float32, to start from zero, to have one bias."""

from __future__ import annotations

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array, Case, Gradients
from tinygrad_rnn.bptt.diagnosis.precision import largest_entry
from tinygrad_rnn.bptt.diagnosis.submission import DoctorError, Submission

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

    A bias only where it gives no gradient for it either, and reads another one: else it has forgotten it.
    """
    first = _answer(submission, case)
    biases = [name for name in case.params if name.startswith("bias")]
    asked = [*case.state_names, *(name for name in biases if name not in first)]
    asked = [name for name in asked if name in case.differentiable()]
    found = [name for name in asked if submission.agree(first, _answer(submission, _shifted(case, name)))]
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
