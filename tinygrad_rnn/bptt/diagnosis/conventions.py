"""Conventions that are no mistakes: a mean for a sum, zero states, one bias, clipping, truncation, float32."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tinygrad_rnn.bptt.comparison.case import Case, Gradients
from tinygrad_rnn.bptt.diagnosis.evidence import Kind, Scale, scales


@dataclass(frozen=True)
class Convention:
    """A convention: as a verdict, "right, ...", and as a remark say it; and the way from its gradients to ours."""

    verdict: str
    remark: str
    undone: Callable[[Gradients, Case], Gradients] = lambda answer, case: answer


def means(given: Iterable[str], params: Iterable[str], steps: Kind = "sum") -> Iterator[Convention]:
    """Yield the conventions by which all given gradients, or all those of parameters, are means where ours are sums.

    steps: what the loss is over the steps.
    """
    given, params = set(given), set(params)
    groups = {"gradients": given, "gradients of parameters": given & params}
    for what, names in groups.items():
        if what == "gradients" or (names and names != given):
            for scale in scales(steps, "sum"):
                remark = f"convention: {what} are {scale.words}, where a sum was asked for"
                yield Convention(f"{what} are {scale.words}", remark, _undoing(names, scale))


def _undoing(names: set[str], scale: Scale) -> Callable[[Gradients, Case], Gradients]:
    def undone(answer: Gradients, case: Case) -> Gradients:
        factor = scale.factor(len(case.xs), case.batch)
        return {name: g / factor if name in names else g for name, g in answer.items()}

    return undone


def of_zero(zero: Iterable[str]) -> str:
    """Return in a verdict that initial states or a bias are zero; empty where none is."""
    zero = list(zero)
    said = ["for an initial state of zero"] if any(not name.startswith("bias") for name in zero) else []
    said += ["for one bias"] if any(name.startswith("bias") for name in zero) else []
    return " and ".join(said)
