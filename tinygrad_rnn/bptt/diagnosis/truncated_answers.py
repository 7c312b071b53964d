"""Answers that are gradients of truncated BPTT: meant, perhaps, and no mistake."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tinygrad_rnn.bptt.comparison.case import Case, Gradients
from tinygrad_rnn.bptt.diagnosis.precision import Precision, largest_entry
from tinygrad_rnn.bptt.truncation.truncation import truncated_gradient
from tinygrad_rnn.bptt.truncation.ways import AnyWay, Chunked, Way, Window
from tinygrad_rnn.language.saying import Sentence, sentence


def truncated(case: Case, way: AnyWay) -> Gradients:
    """Return the gradients of a case under a truncation, by name."""
    tape, loss, tensors = case.tape()
    found: Gradients = truncated_gradient(tape, loss, {name: tensors[name] for name in case.differentiable()}, way)
    return found


def truncation_of(
    answers: Sequence[tuple[Gradients, Case]], precision: Precision, lengths: Iterable[int] | None = None
) -> Way | None:
    """Return the truncation under which all answers are right and the full gradient is not; None where none is.

    Tried are chunks and windows of 2 steps and more, shorter than the longest case, or of `lengths`. One step alone,
    without any way back, is a mistake. None too where a cell cannot be truncated.
    """
    longest = max((len(case.xs) for _, case in answers), default=0)
    ways: list[Way] = [kind(k) for k in lengths or range(2, longest) if k < longest for kind in (Window, Chunked)]
    for way in ways:
        differs = False
        for given, case in answers:
            try:
                cut = truncated(case, way)
            except ValueError:  # a state that sums alone carry looks like a sum of losses, which no cut may go through
                return None
            largest = largest_entry(cut.values())
            if not all(precision.same(g, cut[name], largest) for name, g in given.items()):
                break
            full = case.tape_gradients()
            differs = differs or not all(precision.same(full[name], cut[name], largest) for name in given)
        else:
            if differs:
                return way
    return None


def truncation_text(way: AnyWay) -> Sentence:
    """Write a truncation in words."""
    if isinstance(way, Window):
        return sentence("this is BPTT truncated to windows of {k}", k=way.k)
    if isinstance(way, Chunked):
        return sentence("this is BPTT truncated to chunks of {k}", k=way.k)
    return sentence("this is BPTT truncated by {way!r}", way=way)
