"""Conventions that are no mistakes: a mean for a sum, zero states, one bias, clipping, truncation, float32."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from tinygrad_rnn.bptt.comparison.case import Case, Gradients


@dataclass(frozen=True)
class Convention:
    """A convention: as a verdict, "right, ...", and as a remark say it; and the way from its gradients to ours."""

    verdict: str
    remark: str
    undone: Callable[[Gradients, Case], Gradients] = lambda answer, case: answer


MEANS: Mapping[str, Callable[[int, int], int]] = {
    "a mean over T": lambda T, B: T,
    "a mean over the batch": lambda T, B: B,
    "a mean over T and the batch": lambda T, B: T * B,
}
"""The means that a gradient may be, where ours is a sum: the number of summands for T steps and a batch of B."""


def means(given: Iterable[str], params: Iterable[str]) -> Iterator[Convention]:
    """Yield the conventions by which all given gradients, or all those of parameters, are means."""
    given, params = set(given), set(params)
    groups = {"gradients": given, "gradients of parameters": given & params}
    for what, names in groups.items():
        if what == "gradients" or (names and names != given):
            for mean, count in MEANS.items():
                remark = f"convention: {what} are {mean}, where a sum was asked for"
                yield Convention(f"{what} are {mean}", remark, _times(names, count))


def _times(names: set[str], count: Callable[[int, int], int]) -> Callable[[Gradients, Case], Gradients]:
    def undone(answer: Gradients, case: Case) -> Gradients:
        n = count(len(case.xs), case.batch)
        return {name: g * n if name in names else g for name, g in answer.items()}

    return undone


def of_zero(zero: Iterable[str]) -> str:
    """Return in a verdict that initial states or a bias are zero; empty where none is."""
    zero = list(zero)
    said = ["for an initial state of zero"] if any(not name.startswith("bias") for name in zero) else []
    said += ["for one bias"] if any(name.startswith("bias") for name in zero) else []
    return " and ".join(said)
