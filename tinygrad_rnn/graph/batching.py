"""One call for all steps: a step's call, made on arrays with a time axis in front.

The calls are those of ordinary operations, so they have derivatives. An elementwise operation needs no rule. For others
`BATCHING` has the rules, and `batching_rule` adds that of an operation of your own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import tinygrad_rnn.operations  # noqa: F401 - it fills the table
from tinygrad_rnn.core.table import Primitive
from tinygrad_rnn.core.tensor import NO_KWARGS
from tinygrad_rnn.graph.builder import Builder
from tinygrad_rnn.graph.graph import Argument, Node, Value, op

SELECTIVE = frozenset({"where", "maximum", "minimum"})
"""Elementwise rules that leave a cotangent out instead of multiplying it: 0 * infinity would spoil it."""


def elementwise(node: Node) -> bool:
    """Is each entry of the result made of the entries at its own place alone?"""
    return node.op.kind == "elementwise"


def option(node: Node, name: str, place: int, default: Any = None) -> Any:
    """Return an option of a call, which may stand among its arguments or its keywords."""
    if name in node.kwargs:
        return node.kwargs[name]
    return node.args[place] if len(node.args) > place else default


def is_view(node: Node) -> bool:
    """Is the result the same memory as the first argument?"""
    return node.op.kind == "view" and (node.op.name != "getitem" or basic(node.args[1:]))


def basic(index: Sequence[Argument]) -> bool:
    """Is an index made of slices, integers, new axes and an ellipsis alone? Then it reads a view."""
    return all(part is None or part is Ellipsis or type(part) in (slice, int) for part in index)


def is_small_view(node: Node) -> bool:
    """Is the result a view no larger than its source? A broadcast may be larger."""
    return is_view(node) and node.op.name != "broadcast_to"


def transposed_axes(node: Node) -> tuple[int, ...]:
    """Return the order of axes that a step's transpose is, on an array with a time axis in front."""
    axes, ndim = option(node, "axes", 1), node.args[0].ndim
    order = reversed(range(ndim)) if axes is None else (a % ndim for a in axes)
    return 0, *(a + 1 for a in order)


def turns(node: Node) -> bool:
    """Is this the transpose of a matrix?"""
    return node.op.name == "transpose" and node.out.ndim == 2 and transposed_axes(node) == (0, 2, 1)


def swapped_axes(node: Node) -> tuple[int, int]:
    """Return the two axes that a step's swapaxes swaps, on an array with a time axis in front."""
    ndim = node.args[0].ndim
    return option(node, "axis1", 1) % ndim + 1, option(node, "axis2", 2) % ndim + 1


@dataclass(frozen=True, slots=True)
class AllSteps:
    """A step's call `node`, to be made for `length` steps at once.

    `args[k]` stands in the place of the step's argument k; if `timed[k]`, it has a time axis in front.
    """

    node: Node
    args: list[Argument]
    timed: list[bool]
    length: int
    build: Builder

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the result: a time axis, and the shape of a step's result."""
        return self.length, *self.node.out.shape

    def call(self, args: Sequence[Argument], kwargs: Mapping[str, object] = NO_KWARGS) -> Value:
        """Return the result of the same operation on these arguments."""
        return self.build.call(self.node.op.name, args, self.shape, self.node.out.dtype, kwargs)


Rule = Callable[[AllSteps], Value | None]
"""Makes a call for all steps at once and returns its result; None where that cannot be done."""


def batched(node: Node, args: Sequence[tuple[Argument, bool]], length: int, build: Builder) -> Value | None:
    """Make a call for all steps at once and return its result; None where that cannot be done.

    `args` has for each argument what stands in its place, and whether that has a time axis in front.
    """
    steps = AllSteps(node, [a for a, _ in args], [timed for _, timed in args], length, build)
    if not any(steps.timed):
        return None
    rule = _elementwise if elementwise(node) else BATCHING.get(node.op)
    return None if rule is None else rule(steps)


def batching_rule(op: Primitive, rule: Rule) -> None:
    """Say how an operation of your own, which is not elementwise, is called for all steps at once."""
    BATCHING[op] = rule


def _elementwise(steps: AllSteps) -> Value:
    aligned = []
    ndim = steps.node.out.ndim
    for a, timed, own in zip(steps.args, steps.timed, steps.node.args, strict=True):
        if timed and own.ndim < ndim:  # the axes that broadcasting adds stand behind the time axis
            a = steps.build.shaped(a, (steps.length, *(1,) * (ndim - own.ndim), *own.shape))
        aligned.append(a)
    return steps.call(aligned, steps.node.kwargs)


def _matmul(steps: AllSteps) -> Value | None:
    """Make one product of all steps' rows with one matrix, or a batch of products of two matrices for each step."""
    (a, b), (a_timed, b_timed), (left, right) = steps.args, steps.timed, steps.node.args
    if not isinstance(left, Value) or not isinstance(right, Value):
        return None
    if a_timed and not b_timed and right.ndim == 2:
        return steps.call((a, b))
    if a_timed and right.ndim == 1 and not b_timed and left.ndim <= 2:
        return steps.call((a, b))
    if b_timed and not a_timed and left.ndim == 2 and right.ndim == 1:  # W @ x_t for all t: the rows x_t against W^T
        return steps.call((b, steps.build.call("transpose", (a,), left.shape[::-1], left.dtype)))
    return steps.call((a, b)) if left.ndim == right.ndim >= 2 else None


def _concatenate(steps: AllSteps) -> Value | None:
    axis = option(steps.node, "axis", 0) % steps.node.out.ndim
    return steps.call(steps.args, {"axis": axis + 1}) if all(steps.timed) else None


# ------------------------------------------------------------------------------ of one array, which has a time axis


def _getitem(steps: AllSteps) -> Value | None:
    x, *index = steps.args
    return steps.call((x, slice(None), *index)) if basic(steps.node.args[1:]) else None


def _reshape(steps: AllSteps) -> Value:
    return steps.build.shaped(steps.args[0], steps.shape)


def _transpose(steps: AllSteps) -> Value:
    return steps.call((steps.args[0], transposed_axes(steps.node)))


def _swapaxes(steps: AllSteps) -> Value:
    return steps.call((steps.args[0], *swapped_axes(steps.node)))


def _reduction(steps: AllSteps) -> Value | None:
    axis, ndim = option(steps.node, "axis", 1), steps.node.args[0].ndim
    axes = tuple(range(ndim)) if axis is None else tuple(int(a) % ndim for a in np.atleast_1d(axis))
    options = {"axis": tuple(a + 1 for a in axes), "keepdims": option(steps.node, "keepdims", 2, False)}
    return steps.call(steps.args[:1], options) if axes else None


def _along_axis(steps: AllSteps) -> Value:
    return steps.call(steps.args[:1], {"axis": option(steps.node, "axis", 1) % steps.node.args[0].ndim + 1})


def _first_alone(rule: Rule) -> Rule:
    """Return the rule for calls in which the first argument, and no other, has a time axis."""
    return lambda steps: rule(steps) if steps.timed[0] and not any(steps.timed[1:]) else None


_FIRST_ALONE: dict[str, Rule] = {
    "getitem": _getitem,
    **dict.fromkeys(["reshape", "expand_dims", "squeeze"], _reshape),
    "transpose": _transpose,
    "swapaxes": _swapaxes,
    **dict.fromkeys(["sum", "mean", "max", "min", "prod", "logsumexp"], _reduction),
    **dict.fromkeys(["softmax", "log_softmax", "cumsum"], _along_axis),
}

BATCHING: dict[Primitive, Rule] = {
    op("matmul"): _matmul,
    op("complex_multiply"): _elementwise,
    op("concatenate"): _concatenate,
    op("stack"): _concatenate,
    **{op(name): _first_alone(rule) for name, rule in _FIRST_ALONE.items()},
}
"""How an operation that is not elementwise is called for all steps at once."""
