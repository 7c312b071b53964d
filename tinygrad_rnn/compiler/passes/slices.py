"""Parts of a last axis: the Values that are cut from one array, and their place in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tinygrad_rnn.core.recording import Scope
from tinygrad_rnn.graph.graph import Node, Value, op


@dataclass(frozen=True, slots=True)
class Cut:
    """A Value as a part of another one: of its last axis, from start to stop."""

    root: Value
    start: int
    stop: int


def cuts_of(nodes: Sequence[Node], known: dict[Value, Cut] | None = None) -> dict[Value, Cut]:
    """Return the Values that these calls cut from the last axis of an array, as parts of the first array cut."""
    cuts: dict[Value, Cut] = dict(known or {})
    for node in nodes:
        if node.op.name != "getitem":
            continue
        x, index = node.args[0], node.args[1:]
        if len(index) != x.ndim or not isinstance(index[-1], slice) or index[-1].step not in (None, 1):
            continue
        if all(isinstance(p, slice) and p == slice(None) for p in index[:-1]):
            start, stop, _ = index[-1].indices(x.shape[-1])
            held = cuts.get(x, Cut(x, 0, 0))
            cuts[node.out] = Cut(held.root, held.start + start, held.start + stop)
    return cuts


def cut(root: Value, start: int, stop: int, nodes: list[Node], cuts: dict[Value, Cut], by: str) -> Value:
    """Return a part of the last axis, as a new Value."""
    if (start, stop) == (0, root.shape[-1]):
        return root
    made = Value((*root.shape[:-1], stop - start), root.dtype)
    nodes.append(part(root, start, stop, made, by))
    cuts[made] = Cut(root, start, stop)
    return made


def part(root: Value, start: int, stop: int, out: Value, by: str, scope: Scope = ()) -> Node:
    """Return the call that reads a part of the last axis of `root` as `out`."""
    index = (*(slice(None),) * (root.ndim - 1), slice(start, stop))
    return Node(op("getitem"), (root, *index), out, scope=scope, by=by)
