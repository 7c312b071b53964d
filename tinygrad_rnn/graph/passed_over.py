"""The results that the walk back over a tape does not reach, though they depend on differentiated inputs.

A step from which nothing comes back has no cotangent. A loop that walks back over all of its steps would give it the
cotangent 0, and 0 * NaN is NaN: what is in the padding of a batch would be in every gradient.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tinygrad_rnn.core.backward import dependent
from tinygrad_rnn.core.kinds import LINEAR
from tinygrad_rnn.core.table import Primitive
from tinygrad_rnn.core.tensor import Line, Tensor
from tinygrad_rnn.graph.batching import SELECTIVE
from tinygrad_rnn.graph.graph import Argument, Graph, Node, Value

CHOOSING = SELECTIVE | {"add", "subtract", "negative", "positive", "detach"}
"""Operations that, like those of a linear kind, make 0 of the cotangent 0, whatever they read."""


def passed_over(lines: Sequence[Line], loss: Tensor, wrt: Sequence[Tensor]) -> dict[int, bool]:
    """Return, by the id of each floating-point Tensor that depends on `wrt`: does the walk back from `loss` miss it?

    The results of CHOOSING and of linear operations are not among them: a cotangent of 0 does no harm there.
    """
    leads = dependent(lines, wrt)
    reached = {id(loss)}
    for operation, args, _, out, _ in reversed(lines):
        if id(out) not in reached:
            continue
        reached.update(id(a) for a in _followed(operation, args) if type(a) is Tensor)
    return {
        id(out): id(out) not in reached
        for operation, _, _, out, _ in lines
        if id(out) in leads and out.dtype.kind == "f" and not (operation.kind in LINEAR or operation.name in CHOOSING)
    }


def walked_back(graph: Graph, loss: Value) -> set[Value]:
    """Return all Values of a graph that the walk back from `loss` comes to."""
    found = {loss}

    def spread(node: Node) -> None:
        if node.out in found:
            found.update(a for a in _followed(node.op, node.args) if isinstance(a, Value))

    for item in reversed(graph.items):
        if isinstance(item, Node):
            spread(item)
            continue
        found |= {out.inner for out in item.outs() if out.outer in found}
        size = -1
        while size != len(found):  # a step's state is the result of the step before
            size = len(found)
            for node in reversed(item.body):
                spread(node)
            for carry in item.carries:
                if carry.before in found:
                    found |= {carry.after, carry.init}
        found |= {row.outer for row in item.rows if row.inner in found}
    return found


def _followed(operation: Primitive, args: Sequence[Argument]) -> Iterator[Argument]:
    """Return the arguments of a call by which it has derivatives."""
    rules = operation.vjps
    return (a for k, a in enumerate(args) if operation.variadic or (k < len(rules) and rules[k] is not None))
