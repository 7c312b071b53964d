"""The doctor: is a hand-written BPTT right, and if not, which quantity is wrong first, at which step, by which mistake?

>>> import numpy as np
>>> from tinygrad_rnn import bptt, nn
>>> def my_bptt(params, xs, state, dhs):
...     W, U, b = params["weight_ih"], params["weight_hh"], params["bias_ih"] + params["bias_hh"]
...     hs = [state[0]]
...     for x in xs:
...         hs.append(np.tanh(x @ W.T + hs[-1] @ U.T + b))
...     dU, carry = np.zeros_like(U), 0
...     for t in reversed(range(len(xs))):
...         dz = (dhs[t] + carry) * (1 - hs[t + 1] ** 2)
...         dU += dz.T @ hs[t + 1]
...         carry = dz @ U
...     return {"dU": dU}
>>> print(bptt.doctor(nn.rnn, my_bptt, names={"U": "weight_hh"}).mistake)
in dweight_hh, dz[t].T @ h[t] stands in the place of dz[t].T @ h[t-1]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

import numpy as np

from tinygrad_rnn.bptt.comparison.case import ByHand, takes_dlast
from tinygrad_rnn.bptt.diagnosis import found_conventions
from tinygrad_rnn.bptt.diagnosis.conventions import means
from tinygrad_rnn.bptt.diagnosis.examination import Examination
from tinygrad_rnn.bptt.diagnosis.explanation import diagnosis_of
from tinygrad_rnn.bptt.diagnosis.findings import Diagnosis
from tinygrad_rnn.bptt.diagnosis.found_conventions import computes_in_single, unread
from tinygrad_rnn.bptt.diagnosis.mistake import Mistake
from tinygrad_rnn.bptt.diagnosis.model import CellModel
from tinygrad_rnn.bptt.diagnosis.precision import SINGLE
from tinygrad_rnn.bptt.diagnosis.problems import Example, Problems, problems_of
from tinygrad_rnn.bptt.diagnosis.search import fits, predicted
from tinygrad_rnn.bptt.diagnosis.sieve import Sieve
from tinygrad_rnn.bptt.diagnosis.submission import DoctorTypeError, DoctorValueError, Submission
from tinygrad_rnn.bptt.truncation.ways import Chunked, Scaled, Way, Window
from tinygrad_rnn.language.saying import Words, sentence
from tinygrad_rnn.nn.parameters import Cell
from tinygrad_rnn.nn.time_loop import cell_name

REACHES = (2, 3, 4, 5, 6, 10)
"""The numbers of steps of a truncation that is looked for beside a mistake."""
FEW = 30
"""The largest number of mistakes that are tried with each of them."""


def doctor(
    cell: Cell,
    by_hand: ByHand,
    *,
    example: Example | None = None,
    names: Mapping[str, str] | None = None,
    layout: str = "rows",
    bias: bool = True,
    truncation: Way | None = None,
    progress: Callable[[], None] = lambda: None,
) -> Diagnosis:
    """Examine a derivation of BPTT by hand.

    cell: any `cell(params, x, *state)`, with its activation fixed: `functools.partial(nn.rnn, nonlinearity="relu")`.
    by_hand: `f(params, xs, state, dhs, dlast=None) -> gradients`, a dict, of any parameter, "x", "h0", ...;
    the loss is sum(dhs * hs), plus sum(dlast * last state) for a function that takes dlast. As a second value, or into
    a dict that it takes as `log`, it may give its intermediates by (t, name): "dh", "dz_f", or a parameter's own term
    of step t. `names` and `layout` as for `Submission`.

    example(rng, T, B) -> params, xs (T, B, I), state: problems of a length and a batch size; nn's cells have one,
    with biases unless bias=False.
    With layout="columns" it gives xs (I, B, T), and states and parameters as the function takes them; the cell itself
    then takes x (I, B).

    The derivation is tried on T = 1, 2, 3, 7 and 20, batch 1 and 3, two seeds, in float64.

    Conventions are no mistakes, and are told: float32 is judged at that precision; a derivation that reads no initial
    state, or one bias of two, gets problems where these are zero; gradients may be a mean over T, the batch or both,
    clipped, or truncated. `truncation`: the way that is meant, as bptt.Window(5); without it, it is recognised.

    `progress` is called now and then during a search.

    Raises TypeError or ValueError for a function that does not take these arguments, returns no dict, or unknown names,
    or gives no answer since it exits or a file is missing; for a cell whose steps are not alike; for an example that
    tests nothing.
    """
    submission = Submission(by_hand, names, layout, cell_in_columns=example is not None)
    with np.errstate(all="ignore"):
        problems = problems_of(cell, example, layout == "columns", takes_dlast(by_hand), bias)
        if truncation is not None:
            problems = problems.truncated(_of_whole_steps(truncation))
        title = sentence("{name}, BPTT of {cell}", name=submission.name, cell=cell_name(cell))
        return _examined(submission, problems, title, progress)


def _of_whole_steps(way: object) -> Way:
    """Return a way of truncation that cuts and scales nothing. Raise DoctorTypeError for anything else."""
    if not isinstance(way, Way) or isinstance(way, Scaled):
        raise DoctorTypeError(f"doctor: truncation={way!r}\ngive bptt.Window(k), Chunked(k) or WilliamsPeng(k1, k2)")
    return way


def _examined(submission: Submission, problems: Problems, title: Words, progress: Callable[[], None]) -> Diagnosis:
    """Return the diagnosis, under the derivation's own conventions where these make it right or explain it."""
    examination = Examination(submission, problems, title)
    if not examination.finds_fault() or examination.searched is None:
        return diagnosis_of(examination)
    case = examination.searched.case
    if computes_in_single(submission, case):
        submission = submission.judged_in(SINGLE)
        examination = Examination(submission, problems, title)
    examined = [examination]
    if examination.finds_fault() and (zero := unread(submission, case)):
        with suppress(DoctorValueError):  # zeros may leave nothing to test
            conventional = Examination(submission, problems.with_zero(zero), title)
            conventional.finds_fault()
            examined.insert(0, conventional)
    with_means = [
        e.under(mean) for e in examined if e.wrong for mean in means(e.answers_given(), e.problems.searched.case.params)
    ]
    for e in [*examined, *with_means]:
        if not e.finds_fault():
            return diagnosis_of(e)
    for e in examined:
        if problems.way is None and (way := found_conventions.truncation(e)):
            convention = found_conventions.of_truncation(way)
            return diagnosis_of(e.truncated(way).under(convention))
        if cut := found_conventions.clipping(e.as_given(), submission.precision):
            return diagnosis_of(e, progress, acquitted_by=cut)
    for e in examined:
        if (quiet := found_conventions.beside_clipping(e)) is not None and quiet.finds_fault():
            return diagnosis_of(quiet, progress)
    for e in [*examined, *with_means]:
        if (diagnosis := diagnosis_of(e, progress, deep=False)).complete:
            return diagnosis
    for e in [*examined, *with_means] if problems.way is None else ():
        if (beside := _beside_truncation(e, progress)) is not None:
            return beside
    confirmed = [e for e in with_means if e.mended(examined[0])]
    found = [diagnosis_of(e, progress) for e in [*examined, *confirmed]]
    return next((d for d in found if d.complete), found[len(examined)] if confirmed else found[0])


def _beside_truncation(examined: Examination, progress: Callable[[], None]) -> Diagnosis | None:
    """Return the diagnosis of answers that are truncated and have a mistake besides; None where they are not.

    A truncation to two steps or more does not show on two steps, so the mistake shows there by itself.
    """
    smallest = min((p for found in examined.wrong.values() for p in found), key=lambda p: (p.T, -p.B))
    early = Sieve(examined, smallest, progress).early if smallest.T <= 2 else []
    for k in REACHES if len(early) <= FEW else ():
        for way in (Window(k), Chunked(k)):
            if any(_gives(examined, mistake, way) for mistake in early):
                cut = examined.truncated(way).under(found_conventions.of_truncation(way))
                return diagnosis_of(cut, progress, deep=False)
    return None


def _gives(examined: Examination, mistake: Mistake, way: Way) -> bool:
    """Return whether a mistake gives all answers where gradients are truncated in a way; the longest come first."""
    for problem in sorted(examined.problems.tried, key=lambda p: -p.T):
        hand = examined.meant(problem)
        made = predicted(CellModel(problem.case, way), mistake.changes)
        if hand is not None and not fits(hand, made, problem, examined.submission.precision):
            return False
    return True
