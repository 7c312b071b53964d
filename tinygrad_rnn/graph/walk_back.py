"""The walk back over one list of calls: each adds to the cotangents of its arguments.

The rules are the engine's: each is run once, on a tape, and its calls are copied from there.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from tinygrad_rnn.core.backward import pull_tensors
from tinygrad_rnn.core.recording import recording_under
from tinygrad_rnn.core.sparse import Sparse
from tinygrad_rnn.core.tensor import Tensor, leaf
from tinygrad_rnn.graph.batching import SELECTIVE, elementwise
from tinygrad_rnn.graph.builder import Builder, Known
from tinygrad_rnn.graph.cotangent_terms import Cotangents, PartTerm, Term, TermSums
from tinygrad_rnn.graph.graph import Argument, Node, Value
from tinygrad_rnn.tape.full_tape import Tape

LONGEST = 8
"""The maximum number of factors of a product: a chain of a thousand elementwise calls is multiplied out on the way."""


class WalkBack:
    """A walk back over one list of calls, and the terms that have come back to each Value so far.

    `reached`: the Values that depend on what is differentiated. `read` gives a value of the forward pass as it can be
    read where this walk stands.
    """

    def __init__(self, build: Builder, reached: Set[Value], read: Callable[[Value], Value] = lambda v: v) -> None:
        self.build = build
        self.reached = reached
        self.cotangents: Cotangents = {}
        self._read = read
        self._sums = TermSums(build)

    def add(self, x: Value, term: Term | PartTerm) -> None:
        """Add one more term to the cotangent of x."""
        self.cotangents.setdefault(x, []).append(term)

    def back(self, node: Node) -> None:
        """Walk back through a call: add to the cotangents of its arguments."""
        terms = self.cotangents.pop(node.out, None)
        if terms is None:
            return
        self.build.scope = node.scope
        g = self._sums.combined(terms, node.out)
        if elementwise(node) and node.op.name not in SELECTIVE and not node.op.variadic:
            self._through_elementwise(node, g)
        else:
            self._through(node, self._sums.finished(g, node.out))

    def gradient(self, x: Value) -> Value:
        """Return the complete cotangent of x; zeros where nothing came back."""
        terms = self.cotangents.pop(x, None)
        return zeros_of(x) if terms is None else self._sums.complete(terms, x)

    def _active(self, node: Node) -> list[int]:
        """Return the places of the arguments that are given a cotangent."""
        rules = node.op.vjps
        return [
            k
            for k, a in enumerate(node.args)
            if isinstance(a, Value) and a in self.reached and (node.op.variadic or (k < len(rules) and rules[k]))
        ]

    # -------------------------------------------------------------------------------------- elementwise

    def _through_elementwise(self, node: Node, g: Term) -> None:
        active = self._active(node)
        long = len(g.factors) >= LONGEST
        if long or (len(active) > 1 and (g.factors or abs(g.scale) != 1) and not self._joins(node, active, g)):
            g = Term(self._sums.finished(g, node.out))  # but a sign stays: sums take it up
        for k in active:
            x = node.args[k]
            factor = self._factor(node, k)
            if isinstance(factor, Value):
                term = Term(g.base, (*g.factors, factor), g.scale)
            else:
                term = Term(g.base, g.factors, g.scale * factor)
            if x.shape != node.out.shape or x.dtype != node.out.dtype:
                sign = -1.0 if term.scale < 0 else 1.0
                term = Term(self._fitted(self._sums.whole(replace(term, scale=abs(term.scale)), node.out), x), (), sign)
            self.add(x, term)

    def _joins(self, node: Node, active: list[int], g: Term) -> bool:
        """Will this be a sum of factors with terms that came back before? Then it must not be multiplied out."""
        if node.op.name not in ("add", "subtract"):
            return False
        waiting = [t for k in active for t in self.cotangents.get(node.args[k], ())]
        return any(isinstance(t, Term) and t.base is g.base for t in waiting)

    def _factor(self, node: Node, k: int) -> Any:
        """Return the derivative by argument k, entry by entry: the rule at the cotangent 1."""
        one = leaf(np.ones((), node.out.dtype))
        known: Known = {id(one): 1.0}
        values, y = self._stand_ins(node, known)
        with np.errstate(all="ignore"), Tape() as tape, recording_under(()):
            product = node.op.vjps[k](one, y, *values, **node.kwargs)
        factor = self.build.recorded(tape.lines(), known, product)
        if isinstance(factor, Value) and factor.dtype.kind != "f":
            factor = self.build.cast(factor, node.out.dtype)
        return factor

    # -------------------------------------------------------------------------------------- all others

    def _through(self, node: Node, g: Value) -> None:
        active = self._active(node)
        if not active:
            return
        cotangent = leaf(g.sample())
        known: Known = {id(cotangent): g}
        values, y = self._stand_ins(node, known)
        with np.errstate(all="ignore"), Tape() as tape, recording_under(()):
            line = node.op, tuple(values), dict(node.kwargs), y, ()
            products = pull_tensors(line, cotangent, {id(values[k]) for k in active})
        lines = tape.lines()
        given_for = {id(stand_in): a for stand_in, a in zip(values, node.args, strict=True)}
        for stand_in, product in products:
            x = given_for[id(stand_in)]
            if isinstance(product, Sparse):
                ((where, given),) = product.parts
                place = tuple(self.build.recorded((), known, p) if type(p) is Tensor else p for p in where)
                found = self.build.recorded(lines, known, given)
                self.add(x, PartTerm(place, self.build.cast(found, x.dtype)))
            else:
                self.add(x, Term(self._fitted(self.build.recorded(lines, known, product), x)))
            lines = []  # the first product brought the calls of all

    def _stand_ins(self, node: Node, known: Known) -> tuple[list[Argument], Tensor]:
        """Return Tensors for the arguments and the result of a call, to run its rule on; note their Values in `known`.

        A value of the forward pass is read only where the rule reads it: `known` holds a function that brings it.
        """
        values = []
        for a in node.args:
            if isinstance(a, Value):
                tensor = leaf(a.sample())
                known[id(tensor)] = partial(self._read, a)
                a = tensor
            values.append(a)
        y = leaf(node.out.sample())
        known[id(y)] = partial(self._read, node.out)
        self._kept = (values, y)  # an id names a Tensor only while it lives
        return values, y

    def _fitted(self, product: Argument, x: Value) -> Value:
        """Return a product in the shape and dtype of x: summed over the axes that were broadcast."""
        if not isinstance(product, Value):
            product = Value(x.shape, x.dtype, constant=np.full(x.shape, product, x.dtype))
        extra = product.ndim - x.ndim
        repeated = [k for k, n in enumerate(x.shape, start=extra) if n == 1 and product.shape[k] != 1]
        if product.shape != x.shape:
            product = self.build.summed(product, (*range(extra), *repeated), x.shape)
        return self.build.cast(product, x.dtype)


def zeros_of(x: Value) -> Value:
    """Return a constant of zeros, of x's shape and dtype."""
    return Value(x.shape, x.dtype, constant=np.zeros(x.shape, x.dtype))
