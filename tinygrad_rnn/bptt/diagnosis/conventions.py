"""Conventions that are no mistakes: a mean for a sum, zero states, one bias, clipping, truncation, float32."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tinygrad_rnn.bptt.comparison.case import Case, Gradients
from tinygrad_rnn.bptt.diagnosis.evidence import Kind, Scale, scales
from tinygrad_rnn.language.saying import Sentence, Words, joined, sentence


@dataclass(frozen=True)
class Convention:
    """A convention: as a verdict, "right; ...", and as a remark say it; and the way from its gradients to ours."""

    verdict: Words
    remark: Words
    undone: Callable[[Gradients, Case], Gradients] = lambda answer, case: answer


def means(given: Iterable[str], params: Iterable[str], steps: Kind = "sum") -> Iterator[Convention]:
    """Yield the conventions by which all given gradients, or all those of parameters, are means where ours are sums.

    steps: what the loss is over the steps.
    """
    given, params = set(given), set(params)
    groups = {sentence("gradients"): given, sentence("gradients of parameters"): given & params}
    for what, names in groups.items():
        if names is given or (names and names != given):
            for scale in scales(steps, "sum"):
                said = sentence("{what} are {scale}", what=what, scale=scale.said)
                remark = sentence("convention: {said}, where a sum was asked for", said=said)
                yield Convention(sentence("; {said}", said=said), remark, _undoing(names, scale))


def _undoing(names: set[str], scale: Scale) -> Callable[[Gradients, Case], Gradients]:
    def undone(answer: Gradients, case: Case) -> Gradients:
        factor = scale.factor(len(case.xs), case.batch)
        return {name: g / factor if name in names else g for name, g in answer.items()}

    return undone


def of_zero(zero: Iterable[str]) -> Sentence | None:
    """Return in a verdict that initial states or a bias are zero; None where none is."""
    zero = list(zero)
    said = [sentence("for an initial state of zero")] if any(not name.startswith("bias") for name in zero) else []
    said += [sentence("for one bias")] if any(name.startswith("bias") for name in zero) else []
    return sentence(", {said}", said=joined(said)) if said else None
