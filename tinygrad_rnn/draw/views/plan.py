"""What a drawing is asked to show, and the numbers of a box."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinygrad_rnn.core.tensor import Array, Tensor
from tinygrad_rnn.draw.views.boxes import Box
from tinygrad_rnn.draw.views.contributions import size_text
from tinygrad_rnn.draw.views.selection import BUDGET, Steps
from tinygrad_rnn.draw.views.step_numbers import LABELS, StepNumbers
from tinygrad_rnn.language.saying import say
from tinygrad_rnn.tape.array_text import heat, summary


@dataclass(frozen=True)
class Plan:
    """The checked options of `picture`."""

    level: str = "ops"
    steps: Steps = None
    show: tuple[str, ...] = ("shape",)
    back: dict[Tensor, Array] | None = None  # cotangents
    flow: bool = False
    cuts: frozenset[float] = frozenset()
    budget: int = BUDGET
    when: StepNumbers = LABELS
    of: str = "L"  # the name of the loss
    slide: bool = False

    @property
    def adds(self) -> bool:
        """Say whether the picture shows what each use of a parameter adds to its gradient."""
        return self.back is not None and (self.flow or "grad" in self.show or "scalar" in self.show)


def numbered(
    plan: Plan, box: Box, value: object, flow: float | None, gradient: Array | None = None, adds: bool = False
) -> Box:
    """Return a box with the numbers that a plan asks for.

    The gradient is that of the value, or the one that is given; `adds` says that a use adds it to a sum.
    """
    show, back = plan.show, plan.back
    if gradient is None and back is not None and isinstance(value, Tensor) and not adds:
        gradient = back.get(value)
    array = value.data if isinstance(value, Tensor) else value
    single = "scalar" in show and isinstance(array, np.ndarray) and array.size == 1
    values = summary(array) if ("value" in show or single) and isinstance(array, np.ndarray) else ""
    grads = summary(gradient) if ("grad" in show or single) and gradient is not None else ""
    if adds and grads:
        grads = say("adds {part}", part=grads)
    changes: dict[str, Any] = {} if flow is None else {"flow": flow}
    if isinstance(value, Tensor) and value.size == 1 and (values or grads):
        changes["scalar"] = " | ".join(part for part in (values, grads) if part)
        changes["shape"] = box.detail
    elif values or grads:
        changes["lines"] = tuple(filter(None, (values, f"grad {grads}" if grads and not adds else grads)))
    if "shape" not in show:
        changes["shape"] = ""
    if plan.flow and not plan.slide and not grads and adds and gradient is not None:
        changes["shape"] = f"{changes.get('shape', box.shape)}  {say('adds {part}', part=size_text(gradient))}".strip()
    if "heat" in show and isinstance(value, Tensor) and value.size > 1:
        maps = [heat(value.data), *([heat(gradient)] if "grad" in show and gradient is not None else [])]
        changes["heat"] = tuple(maps)
    return replace(box, **changes) if changes else box
