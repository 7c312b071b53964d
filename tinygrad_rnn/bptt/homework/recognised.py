"""Which form a person's code has: an object with forward and backward, a function, a pair of functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_rnn.bptt.homework.called import ExamineTypeError
from tinygrad_rnn.bptt.homework.forms import Form, name_of
from tinygrad_rnn.bptt.homework.one_function import OneFunction
from tinygrad_rnn.bptt.homework.pair import Pair
from tinygrad_rnn.bptt.homework.value_kinds import described

FORWARD = (
    *("forward", "forward_pass", "forward_prop", "forward_propagation", "forwardprop", "feedforward", "feed_forward"),
    *("fprop", "fwd", "forward_propagate", "predict"),
)
LOSSES = (
    *("loss", "calculate_loss", "compute_loss", "get_loss", "calc_loss", "loss_fn", "loss_function", "total_loss"),
    *("cost", "compute_cost", "calculate_total_loss", "cross_entropy", "cross_entropy_loss", "mse", "criterion"),
)
BACKWARD = (
    *("backward", "bptt", "backprop", "backward_pass", "back_prop", "backward_prop", "back_propagation"),
    *("backpropagation", "backward_propagation", "bprop", "bwd", "backpropagate", "back_propagate"),
    *("backpropagation_through_time", "gradients", "compute_gradients", "calculate_gradients", "grad", "gradient"),
)


def form_of(subject: Any, loss: Callable[..., Any] | None, params: Sequence[str] | None) -> tuple[Form, Any]:
    """Return the form of code, and the callable that takes the arguments. Raises TypeError for what is no code."""
    if isinstance(subject, tuple | list) and len(subject) == 2 and all(map(callable, subject)):
        forward, backward = subject
        owner = getattr(backward, "__self__", None)
        whole = type(owner).__name__ if owner is not None and not inspect.isclass(owner) else ""
        name = f"{whole}.{name_of(backward)}" if whole else name_of(backward)
        return Pair(forward, backward, name, params, loss), forward
    if inspect.isclass(subject):
        raise ExamineTypeError(f"examine: {subject.__name__} is a class\ngive an object of it: {subject.__name__}(...)")
    forwards, losses, backwards = (_methods(subject, names) for names in (FORWARD, LOSSES, BACKWARD))
    if (forwards or losses) and backwards:
        forward = [*forwards, *losses][0]
        others = [method for method in losses if method != forward]
        form = Pair(forward, backwards[0], type(subject).__name__, params, loss, [*others, *losses[:1]])
        return form, forward
    if inspect.isroutine(subject) or hasattr(subject, "func"):
        return OneFunction(subject, params), subject
    if callable(subject):
        return OneFunction(subject.__call__, params), subject.__call__
    methods = [name for name, _ in inspect.getmembers(subject, inspect.ismethod) if not name.startswith("_")]
    raise ExamineTypeError(
        f"examine: {described(subject)} is no code that can be run\n"
        + (
            f"give the method that returns (loss, gradients), or a pair of methods, of: {', '.join(methods)}"
            if methods
            else "give an object with forward and backward, a function that returns (loss, gradients), or a pair of "
            "functions"
        )
    )


def _methods(subject: Any, names: tuple[str, ...]) -> list[Callable[..., Any]]:
    found = [getattr(subject, name, None) for name in names]
    return [method for method in found if inspect.isroutine(method)]
