"""The numbers of formulas, read off the tape, in column vectors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.bptt.derivation.equations import LOSS, UPSTREAM, Equation, Recurrence, X
from tinygrad_rnn.bptt.derivation.evaluation import evaluate
from tinygrad_rnn.bptt.derivation.expressions import STEP, Expr, Num, Op, Ref, rebuilt
from tinygrad_rnn.bptt.derivation.formula_line import Formula
from tinygrad_rnn.bptt.derivation.trace import Recorded
from tinygrad_rnn.bptt.gradient_flow.jacobians import step_parts


class Numbers:
    """The number of every quantity at every step on the tape, in column vectors: values and cotangents dL/dv.

    of: the step of the one loss whose cotangents these are, dL_t/dv; None for those of the sum of the losses.
    """

    def __init__(self, recorded: Recorded, rec: Recurrence, of: int | None = None) -> None:
        self.T = len(recorded.xs)
        self._recorded, self._rec = recorded, rec
        turn = _as_it_is if recorded.columns else _of_each_example if rec.by_example else _turn
        self._by_name: dict[str, list[Array]] = {}
        self._tape, self._columns = recorded.tape, recorded.columns
        results = [out for _, _, _, out, _ in recorded.tape.lines()]
        for name, at in rec.entries.items():
            self._by_name[name] = [turn(results[n].data) for n in at]
        self._states = {name: [results[n] for n in rec.entries[name]] for name in rec.states}
        wanted = {}  # by name and step, every entry that makes the value: its cotangent is the sum of theirs
        for name, at in rec.entries.items():
            if f"d{name}" in rec.cotangents or name in rec.states:
                repeats = rec.repeats.get(name) or [[]] * len(at)
                wanted[name] = [[n, *more] for n, more in zip(at, repeats, strict=True)]
        loss: Any = recorded.upstream_loss
        if of is not None and rec.target:
            loss = results[rec.entries[LOSS][of]]
        elif of is not None:
            loss = {results[rec.entries[rec.states[0]][of]]: recorded.per_step.data[of]}
        every = [results[n] for steps in wanted.values() for same in steps for n in same]
        gradients = iter(recorded.tape.gradient(loss, every))
        for name, steps in wanted.items():
            self._by_name[f"d{name}"] = [turn(sum(next(gradients) for _ in same)) for same in steps]
        given = recorded.per_step.data
        of_other_losses = [0 * g if of not in (None, t) and not rec.target else g for t, g in enumerate(given)]
        self._by_name[rec.target or UPSTREAM] = [turn(g) for g in of_other_losses]
        self._by_name[X] = [turn(x) for x in recorded.xs.data]
        self._first = {name: turn(recorded.states[key].data) for name, key in rec.keys.items()}
        own = _as_it_is if recorded.columns else _own
        self._outside = {rec.params[key]: own(p.data) for key, p in recorded.params.items()}
        first = {f"{name}0": recorded.states[key] for name, key in rec.keys.items()}
        leaves = {**recorded.params, **({} if rec.indices else {X: recorded.xs}), **first}
        of_leaves = recorded.tape.gradient(loss, leaves)
        self.gradients = {rec.params[key]: own(of_leaves[key]) for key in recorded.params}
        self.dx = [turn(g) for g in of_leaves.get(X, [])]
        self.d_first = {name: turn(of_leaves[f"{name}0"]) for name in rec.states}
        for e in rec.setup:
            self._add_outside(e)
        self._add(rec.forward, range(self.T))
        self._add(rec.backward, reversed(range(self.T)))

    def of_loss(self, t: int) -> Numbers:
        """Return the same quantities, with the cotangents of the loss of step t = 0, ..., T - 1."""
        return Numbers(self._recorded, self._rec, t)

    def _add_outside(self, e: Equation) -> None:
        """Add the number of a quantity that is made of parameters alone."""
        found = evaluate(e.right, lambda ref: self.value(ref, 0))
        for target, value in zip(e.targets, found if len(e.targets) > 1 else [found], strict=True):
            self._outside[target.name] = value

    def _add(self, equations: list[Equation], steps: Iterable[int]) -> None:
        """Add the numbers of quantities without a name on the tape, computed by their formulas."""
        missing = [e for e in equations if e.target.name not in self._by_name]
        for e in missing:
            self._by_name[e.target.name] = [np.empty(0)] * self.T
        for t in steps:
            for e in missing:
                shape = (self._recorded.batch,) * self._rec.by_example + e.target.shape
                self._by_name[e.target.name][t] = np.broadcast_to(self.evaluate(e.right, t), shape)

    def value(self, ref: Ref, t: int) -> Array:
        """Return a quantity relative to step t = 0, ..., T - 1."""
        if ref.step is None:
            return self._outside[ref.name]
        at = ref.step - STEP - 1 if ref.step > STEP // 2 else t + ref.step
        return self._first[ref.name] if at < 0 else self._by_name[ref.name][at]

    def step_blocks(self, t: int) -> dict[tuple[str, str], Array]:
        """Return the blocks of the Jacobian of step t > 0 for the first example, from the lines of that step alone.

        That of a matrix by another state has its axes first.
        """
        before, after = (tuple(of[k] for of in self._states.values()) for k in (t - 1, t))
        part, axis = step_parts(self._tape, [before, after])[1], 1 if self._columns else 0
        found: dict[tuple[str, str], Array] = {}
        for name, s in zip(self._states, after, strict=True):
            rows = []
            for unit in np.ndindex(s.shape[:-1] if self._columns else s.shape[1:]):
                seed = np.zeros(s.shape)
                seed[(*unit, 0) if self._columns else (0, *unit)] = 1
                rows.append([g.take(0, axis) for g in part.gradient({s: seed}, before)])
            found |= {
                (name, other): np.stack(of) for other, of in zip(self._states, zip(*rows, strict=True), strict=True)
            }
        return found

    def evaluate(self, x: Expr, t: int) -> Array:
        """Return the value of an expression at step t; terms from beyond the last step are zero."""
        if t == self.T - 1:
            if self._rec.by_example and isinstance(x, Op) and x.name == "later":
                return np.zeros((self._recorded.batch, *x.shape))
            x = rebuilt(x, _nothing_later)
        found: Array = evaluate(x, lambda ref: self.value(ref, t))
        return found

    def sides(self, f: Formula, t: int) -> list[Array]:
        """Return the numbers of the sides of a formula at step t, left sides first; a sum over all steps ignores t."""
        found: list[Array] = []
        if len(f.left) > 1 and isinstance(f.left[0], Ref):  # the parts of an array
            found.append(np.concatenate([self.value(left, t) for left in f.left if isinstance(left, Ref)], axis=-2))
            return [*found, *(np.concatenate(self.evaluate(right, t), axis=-2) for right in f.right)]
        for left in f.left:
            if isinstance(left, Ref):
                found.append(self.value(left, t))
            elif left.above is None and left.below.step is None:
                found.append(self.gradients[left.below.name])
            elif left.above is None:
                found.append(self.d_first[left.below.name] if f.at == "first" else self.dx[t])
        for right in f.right:
            if f.summed:
                first, *others = (self.evaluate(right, k) for k in range(self.T))
                whole = sum(others, first)
                whole = whole.sum(axis=0) if self._rec.by_example and np.ndim(whole) == 3 else whole
                found.append(np.reshape(whole, ()) if self._rec.by_example and np.shape(found[0]) == () else whole)
            else:
                value = self.evaluate(right, 0 if f.at == "first" else t)
                of_batch = self._rec.by_example and np.shape(found[0]) == ()  # the loss: the sum over the examples
                found.append(np.sum(value) if of_batch else value)
        return [np.broadcast_to(side, np.shape(found[0])) if np.ndim(side) == 0 else side for side in found]


def _nothing_later(x: Expr) -> Expr | None:
    """Return zeros in the place of a term of the next step."""
    return Op("broadcast_to", (Num(0),), (), x.shape) if isinstance(x, Op) and x.name == "later" else None


def _as_it_is(a: Array) -> Array:
    return a


def _turn(a: Array) -> Array:
    return a[None, :] if a.ndim == 1 else a.T


def _of_each_example(a: Array) -> Array:
    """Return a column, a matrix or a number for each example: (B, n, 1), (B, m, n) or (B, 1, 1)."""
    if a.ndim == 0:  # the loss of a step, over all examples
        return a
    if a.ndim < 3:
        return a.reshape(len(a), -1, 1)
    return a.swapaxes(1, 2) if a.shape[1] == 1 else a


def _own(a: Array) -> Array:
    return a[:, None] if a.ndim == 1 else a
