"""Views of all steps at once: the view of a step's row, taken of the array of all rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinygrad_rnn.compiler.storage import Slot
from tinygrad_rnn.core.table import Primitive
from tinygrad_rnn.graph.batching import swapped_axes, transposed_axes
from tinygrad_rnn.graph.graph import Array, Node, op


def view_of_rows(node: Node, rows: Array) -> Array | None:
    """Return the view of each step's row, taken of all rows at once; None for an operation that has no rule."""
    rule = _RULES.get(node.op)
    return rule(node, rows) if rule is not None else None


def view_of_chunk(node: Node, source: Slot) -> Array:
    """Return the view of all places of a chunk: the shape that it has in the graph is that of all steps."""
    if source.ahead and node.op.name == "reshape":
        return source.array.reshape((len(source.array), *node.out.shape[1:]))
    return np.asarray(node.op.function(source.array, *node.args[1:], **node.kwargs))


def _reshaped(node: Node, rows: Array) -> Array:
    return rows.reshape((len(rows), *node.out.shape))


def _broadcast(node: Node, rows: Array) -> Array:
    added = node.out.ndim - node.args[0].ndim
    return np.broadcast_to(rows.reshape((len(rows), *(1,) * added, *rows.shape[1:])), (len(rows), *node.out.shape))


_RULES: dict[Primitive, Callable[[Node, Array], Array]] = {
    op("getitem"): lambda node, rows: rows[(slice(None), *node.args[1:])],
    op("reshape"): _reshaped,
    op("expand_dims"): _reshaped,
    op("squeeze"): _reshaped,
    op("transpose"): lambda node, rows: rows.transpose(transposed_axes(node)),
    op("swapaxes"): lambda node, rows: rows.swapaxes(*swapped_axes(node)),
    op("broadcast_to"): _broadcast,
}
