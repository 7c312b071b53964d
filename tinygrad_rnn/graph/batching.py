"""One call for all steps: the operation that, on arrays with a time axis in front, does what a step's call does.

The result is made of ordinary operations, so it has derivatives as they have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.graph.builder import Builder
from tinygrad_rnn.graph.graph import Node, Value

SELECTIVE = frozenset({"where", "maximum", "minimum"})
"""Elementwise rules that leave a cotangent out instead of multiplying it: 0 * infinity would spoil it."""


def elementwise(node: Node) -> bool:
    """Does each entry of the result depend on the entries at its own place alone?"""
    return node.op.kind == "elementwise"


def option(node: Node, name: str, place: int, default: Any = None) -> Any:
    """An option of a call, which may stand among its arguments or its keywords."""
    if name in node.kwargs:
        return node.kwargs[name]
    return node.args[place] if len(node.args) > place else default


def is_view(node: Node) -> bool:
    """Is the result the same memory as the first argument?"""
    return node.op.kind == "view" and (node.op.name != "getitem" or basic(node.args[1:]))


def basic(index: Sequence[Any]) -> bool:
    """Does an index read a view: slices, integers, new axes and an ellipsis alone?"""
    return all(part is None or part is Ellipsis or type(part) in (slice, int) for part in index)


def batched(node: Node, args: Sequence[tuple[Any, bool]], length: int, build: Builder) -> Value | None:
    """Write the call for all steps; None where there is none.

    `args` has for each argument what stands in its place, and whether that has a time axis in front.
    """
    shape, dtype = (length, *node.out.shape), node.out.dtype
    if not any(timed for _, timed in args):
        return None
    given = [a for a, _ in args]
    name, first = node.op.name, node.args[0]
    if elementwise(node):
        aligned = []
        for (a, timed), own in zip(args, node.args, strict=True):
            if timed and own.ndim < node.out.ndim:
                a = build.shaped(a, (length, *(1,) * (node.out.ndim - own.ndim), *own.shape))
            aligned.append(a)
        return build.call(name, aligned, shape, dtype, node.kwargs)
    if name == "matmul":
        return _matmul(node, args, length, build)
    if not args[0][1] or (any(timed for _, timed in args[1:]) and node.op.name not in ("concatenate", "stack")):
        return None
    if name == "getitem" and basic(node.args[1:]):
        return build.call(name, (given[0], slice(None), *given[1:]), shape, dtype)
    if name in ("reshape", "expand_dims", "squeeze"):
        return build.shaped(given[0], shape)
    if name == "transpose":
        axes = option(node, "axes", 1)
        order = tuple(reversed(range(first.ndim))) if axes is None else tuple(a % first.ndim for a in axes)
        return build.call(name, (given[0], (0, *(a + 1 for a in order))), shape, dtype)
    if name == "swapaxes":
        axes = [option(node, key, k) % first.ndim + 1 for k, key in ((1, "axis1"), (2, "axis2"))]
        return build.call(name, (given[0], *axes), shape, dtype)
    if name in ("sum", "mean", "max", "min", "prod", "logsumexp"):
        axis = option(node, "axis", 1)
        axes = tuple(range(first.ndim)) if axis is None else tuple(int(a) % first.ndim for a in np.atleast_1d(axis))
        options = {"axis": tuple(a + 1 for a in axes), "keepdims": option(node, "keepdims", 2, False)}
        return build.call(name, (given[0],), shape, dtype, options) if axes else None
    if name in ("softmax", "log_softmax", "cumsum"):
        return build.call(name, (given[0],), shape, dtype, {"axis": option(node, "axis", 1) % first.ndim + 1})
    if name in ("concatenate", "stack") and all(timed for _, timed in args):
        return build.call(name, given, shape, dtype, {"axis": option(node, "axis", 0) % node.out.ndim + 1})
    return None


def _matmul(node: Node, args: Sequence[tuple[Any, bool]], length: int, build: Builder) -> Value | None:
    """Rows of all steps against one matrix are one product; two matrices for each step are a batch of products."""
    (a, a_timed), (b, b_timed) = args
    left, right = node.args
    if not isinstance(left, Value) or not isinstance(right, Value):
        return None
    shape, dtype = (length, *node.out.shape), node.out.dtype
    if a_timed and not b_timed and right.ndim == 2:
        return build.call("matmul", (a, b), shape, dtype)
    if a_timed and right.ndim == 1 and not b_timed and left.ndim <= 2:
        return build.call("matmul", (a, b), shape, dtype)
    if b_timed and not a_timed and left.ndim == 2 and right.ndim == 1:  # W @ x_t for all t: the rows x_t against W^T
        turned = build.call("transpose", (a,), left.shape[::-1], left.dtype)
        return build.call("matmul", (b, turned), shape, dtype)
    if left.ndim == right.ndim == 2:
        return build.call("matmul", (a, b), shape, dtype)
    return None
