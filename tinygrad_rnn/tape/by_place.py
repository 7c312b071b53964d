"""How new states are made of old ones, read off lines of a tape: at one place or across, linearly or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tinygrad_rnn.core.backward import dependent
from tinygrad_rnn.core.tensor import Line, Tensor

SUMS = frozenset({"add", "subtract", "negative", "positive"})
"""Elementwise operations that are affine in all of their arguments together."""


def between(
    lines: Sequence[Line], before: Sequence[Tensor], after: Sequence[Tensor]
) -> Iterator[tuple[Line, list[int]]]:
    """Yield the lines on paths from `before` to `after`, the last first, with the places of the arguments on a path."""
    from_before, wanted = dependent(lines, before), {id(s) for s in after}
    for line in reversed(lines):
        _, args, _, out, _ = line
        if id(out) in wanted and id(out) in from_before:
            tensors = [k for k, a in enumerate(args) if type(a) is Tensor]
            wanted |= {id(args[k]) for k in tensors}
            yield line, [k for k in tensors if id(args[k]) in from_before]


def stays_in_place(line: Line, read: Sequence[int], shape: tuple[int, ...]) -> bool:
    """Is each entry of a line's result made of the entries of these arguments at its own place alone?"""
    op, args, _, out, _ = line
    return op.kind == "elementwise" and out.shape == shape and all(args[k].shape == shape for k in read)


def is_affine(line: Line, read: Sequence[int]) -> bool:
    """Is an elementwise line affine in these arguments, all others held?"""
    name = line[0].name
    chosen = name == "where" and 0 not in read
    return name in SUMS or chosen or (name == "multiply" and len(read) == 1) or (name == "divide" and [*read] == [0])
