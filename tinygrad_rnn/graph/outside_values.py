"""The Values outside of time that the Tensors of a tape are, and how they are read from the loops that made them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.graph.graph import Argument, Loop, Node, Out, Value, op

Places = dict[int, tuple[Loop, Value, int]]
"""By the id of a Tensor that a step of a loop made: the loop, the Value, and the place in time."""


class OutsideValues:
    """The Values of Tensors, by their ids; `items` is given the calls that read them from loops."""

    def __init__(self) -> None:
        self.items: list[Node | Loop] = []
        self.places: Places = {}
        self.values: dict[int, Value] = {}  # the tape keeps the Tensors, so ids stay theirs

    def argument(self, a: Argument) -> Argument:
        """Return an argument of a call as the graph has it: Tensors and arrays are Values."""
        if type(a) is Tensor:
            return self.value(a)
        if isinstance(a, np.ndarray):
            return Value(a.shape, a.dtype, constant=a)
        return a

    def value(self, a: Tensor) -> Value:
        """Return the Value outside of time that a Tensor is."""
        found = self.values.get(id(a))
        if found is None and id(a) in self.places:
            found = self.values[id(a)] = self._picked(a)
        return found if found is not None else self.leaf(a)

    def leaf(self, a: Tensor) -> Value:
        """Return the Value of a Tensor that no call of the tape made: a constant."""
        found = self.values[id(a)] = Value(a.shape, a.dtype, a.name, constant=a.data, example=a.data)
        return found

    def stacked(self, args: tuple[Argument, ...]) -> Value | None:
        """Return the stack of steps of loops along the first axis: arrays that the loops give, or parts of them.

        None where that would be in too many pieces.
        """
        if not all(type(a) is Tensor for a in args):
            return None
        pieces = list(self._pieces(args))
        if len(pieces) > 2 + len(args) // 4:
            return None
        parts = [self._part(*piece) for piece in pieces]
        if len(parts) == 1:
            return parts[0]
        made = Value((len(args), *parts[0].shape[1:]), parts[0].dtype)
        self.items.append(Node(op("concatenate"), tuple(parts), made, {"axis": 0}))
        return made

    def _picked(self, a: Tensor) -> Value:
        """Return one step's value of a loop: the result of its last step, or a row of all of them."""
        loop, inner, place = self.places[id(a)]
        last = loop.length - 1 if loop.direction > 0 else 0
        if place == last and any(c.after is inner for c in loop.carries):
            for out in loop.lasts:
                if out.inner is inner:
                    return out.outer
            outer = Value(inner.shape, inner.dtype, inner.name, example=a.data)
            loop.lasts.append(Out(inner, outer))
            return outer
        made = Value(inner.shape, inner.dtype, inner.name, example=a.data)
        self.items.append(Node(op("getitem"), (loop.stack_of(inner), place), made))
        return made

    def _pieces(self, args: tuple[Tensor, ...]) -> Iterator[tuple[Tensor, int, int]]:
        """Return Tensors in pieces: consecutive places of one loop, first to last, or one Tensor."""
        start = 0
        while start < len(args):
            loop, inner, place = self.places.get(id(args[start]), (None, None, 0))
            first, stop, stride = place, start + 1, 0
            while loop is not None and stop < len(args):
                other, same, following = self.places.get(id(args[stop]), (None, None, 0))
                step = following - place
                if other is not loop or same is not inner or abs(step) != 1 or (stride and step != stride):
                    break
                stride, place, stop = step, following, stop + 1
            yield args[start], first, place
            start = stop

    def _part(self, a: Tensor, first: int, last: int) -> Value:
        """Return a piece as an array with a time axis."""
        if id(a) not in self.places:
            source, made = self.value(a), Value((1, *a.shape), a.dtype)
            self.items.append(Node(op("expand_dims"), (source,), made, {"axis": 0}))
            return made
        loop, inner, _ = self.places[id(a)]
        whole = loop.stack_of(inner)
        if (first, last) == (0, loop.length - 1):
            return whole
        index = slice(first, last + 1) if last >= first else slice(first, last - 1 if last else None, -1)
        made = Value((abs(last - first) + 1, *inner.shape), inner.dtype)
        self.items.append(Node(op("getitem"), (whole, index), made))
        return made
