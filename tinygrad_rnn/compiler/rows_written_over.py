"""Rows that a loop reads for the last time: a step writes what later calls read over the row that it has read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

import numpy as np

from tinygrad_rnn.compiler.liveness import Destination, Liveness, owners
from tinygrad_rnn.graph.batching import elementwise
from tinygrad_rnn.graph.graph import Loop, Node, Value


def writes_over(node: Node, ending: Collection[Value], owned: Collection[Value]) -> list[Value]:
    """Return the operands whose memory an elementwise call may write its result into: those read for the last time."""
    by_place = elementwise(node) and isinstance(node.op.function, np.ufunc)
    if not by_place and node.op.name != "complex_multiply":
        return []
    like = [v for v in dict.fromkeys(node.reads()) if v.shape == node.out.shape and v.dtype == node.out.dtype]
    return [v for v in like if v in owned and v in ending]


def in_a_step(loop: Loop, destinations: Mapping[Value, Destination]) -> Liveness:
    """Return the last call of a step that reads each value of the step."""
    stay = [out.inner for out in loop.outs()] + [carry.after for carry in loop.carries]
    return Liveness([list(n.reads()) for n in loop.body], owners(loop.body, destinations), stay)


def rows_written_over(
    loop: Loop, destinations: Mapping[Value, Destination], outside: Liveness, ending: Collection[Value]
) -> dict[Value, Value]:
    """Return, by results that a loop stacks, the array over whose rows its steps may write them.

    `ending`: the arrays that nothing but this loop reads from here on. The loop reads such an array as one row alone.
    """
    within = in_a_step(loop, destinations)
    reads = Counter(outside.root(v) for v in loop.reads())
    roots = {r: outside.root(r.outer) for r in loop.rows}
    rows = {r.inner: r.outer for r, root in roots.items() if root in ending and reads[root] == 1}
    stacks = {out.inner: out.outer for out in loop.stacks}
    found: dict[Value, Value] = {}
    for k, node in enumerate(loop.body):
        stack = stacks.get(node.out)
        if stack is None or within.root(node.out) is not node.out:
            continue
        fitting = [v for v in writes_over(node, within.ending(k), rows) if rows[v].shape == stack.shape]
        if fitting:
            found[stack] = rows.pop(fitting[0])
    return found
