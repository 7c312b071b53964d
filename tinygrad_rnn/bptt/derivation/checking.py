"""Checks of a derivation: the code is run and compared with the tape, and each formula is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array, Gradients
from tinygrad_rnn.bptt.derivation.evaluation import evaluate
from tinygrad_rnn.bptt.derivation.expressions import Expr, Num, Op, Ref, rebuilt
from tinygrad_rnn.bptt.derivation.formula_line import Formula, Partial
from tinygrad_rnn.bptt.derivation.formulas import Formulas
from tinygrad_rnn.bptt.derivation.linear_maps import is_map
from tinygrad_rnn.bptt.derivation.numbers import Numbers
from tinygrad_rnn.bptt.derivation.trace import Setting
from tinygrad_rnn.bptt.diagnosis.precision import DOUBLE, largest_entry

LENGTHS, BATCHES = (1, 2, 3, 7), (1, 3)
CLOSE = 1e-9
"""The relative difference between two sides of a formula that is still rounding."""
STEP_SIZE, COARSE = 1e-6, 1e-4
"""The step of central differences, and the relative difference that they leave; enough to find a wrong formula."""


def run(source: str, title: str) -> dict[str, Any]:
    """Run source code and return its functions by name."""
    found: dict[str, Any] = {"__name__": f"bptt_of_{title}"}
    exec(compile(source, f"<BPTT of {title}>", "exec"), found)
    return found


def require_right(gradients: Callable[..., Gradients], setting: Setting, title: str) -> None:
    """Raise ArithmeticError where the gradients of the code and of the tape differ, for T = 1, 2, 3, 7 and B = 1, 3."""
    for T in LENGTHS:
        for B in BATCHES:
            r = setting.record(T, B, seed=1)
            inputs = {
                **r.params,
                **({} if r.xs.dtype.kind in "iub" else {"x": r.xs}),
                **{f"{name}0": s for name, s in r.states.items()},
            }
            true = r.tape.gradient(r.loss, inputs)
            if not all(np.isfinite(g).all() for g in true.values()):
                raise ArithmeticError(
                    f"derive: the gradients of {title} are not finite on its example at T={T}, B={B}\n"
                    "give an example with smaller parameters: only finite numbers can be compared"
                )
            answer = gradients(
                {name: p.data.copy() for name, p in r.params.items()},
                _in_time(r.xs.data, setting.columns),
                tuple(s.data.copy() for s in r.states.values()),
                _in_time(r.per_step.data, setting.columns),
                tuple(d.data.copy() for d in r.dlast.values()),
            )
            if setting.columns and "x" in answer:
                answer = {**answer, "x": np.moveaxis(answer["x"], -1, 0)}
            above = largest_entry([r.per_step.data, *(d.data for d in r.dlast.values())])
            largest = max(largest_entry(true.values()), above)  # terms that cancel leave the rounding of what they are
            for name, g in true.items():
                if name not in answer or not DOUBLE.same(answer[name], g, largest):
                    raise ArithmeticError(
                        f"derive: the code written for {title} gives another d{name} than the tape, at T={T}, B={B}\n"
                        "this is a fault of tinygrad_rnn, not of the cell: please report it, with the cell"
                    )


def _in_time(values: Array, columns: bool) -> Array:
    """Return a copy of values with a time axis, in the layout of the code."""
    return np.array(np.moveaxis(values, 0, -1) if columns else values)


def require_equal(formulas: Formulas, numbers: Numbers, title: str) -> None:
    """Raise ArithmeticError where the sides of a formula differ at any step."""
    of_loss = [numbers.of_loss(t) for t in range(numbers.T)] if formulas.printed_as.each_loss else []
    for f in formulas.all:
        for t, sides in _sides(formulas, numbers, of_loss, f):
            if f.right == (Num(0),):  # of several quantities, each of its own shape
                whole = np.concatenate([np.ravel(side) for side in sides[: len(f.left)]])
                sides = [whole, np.zeros_like(whole)]
            first, *others = [np.asarray(side, np.float64) for side in sides]  # a condition is 0 or 1
            close = COARSE if f.section == "slopes" else CLOSE
            size = np.max(np.abs(first), initial=0)
            for other in others:
                if formulas.rec.by_example and np.ndim(other) == 0:
                    other = np.broadcast_to(other, np.shape(first))
                if (
                    np.shape(other) != np.shape(first)
                    or not np.max(np.abs(other - first), initial=0) <= close * size + close
                ):
                    raise ArithmeticError(
                        f"derive: the formula {f.name} of {title} does not hold at t={t + 1}\n"
                        "this is a fault of tinygrad_rnn, not of the cell: please report it, with the cell"
                    )


def _sides(
    formulas: Formulas, numbers: Numbers, of_loss: Sequence[Numbers], f: Formula
) -> Iterator[tuple[int, list[Array]]]:
    """Yield the numbers of the sides of a formula, left sides first, at each step that it is for."""
    turn = np.transpose if formulas.printed_as.denominator else np.asarray
    if f.section in ("slopes", "steps") and is_map(f.right[0]):
        yield from _sides_of_map(formulas, numbers, f)
    elif f.section == "slopes":
        found, mine = _by_differences(formulas, numbers, f, 1)
        yield 1, mine if found is None else [turn(found), *mine]
    elif f.section == "steps":
        for t in range(1, numbers.T):
            blocks, mine = _by_tape(numbers, f, t)
            yield t, [*map(turn, blocks), *mine]
    elif of_loss and f.section in ("errors", "gradients"):
        for t, one in enumerate(of_loss):
            if f.summed or f.at in ("first", "t"):
                yield t, one.sides(f, t)
            else:
                yield from ((k, one.sides(f, k)) for k in range(t + (f.section == "gradients")))
    else:
        yield from ((t, numbers.sides(f, t)) for t in range(numbers.T))


def _by_tape(numbers: Numbers, f: Formula, t: int) -> tuple[list[Array], list[Array]]:
    """Return blocks of the step Jacobian of the first example: by the tape, and by formula."""
    blocks = numbers.step_blocks(t)
    found = [blocks[side.above.name, side.below.name] for side in f.left if isinstance(side, Partial) and side.above]
    return found, [evaluate(right, _of_one(numbers, t, {})) for right in f.right]


def _by_differences(formulas: Formulas, numbers: Numbers, f: Formula, t: int) -> tuple[Array | None, list[Array]]:
    """Return a local derivative of the first example: by differences, None at a kink, and by formula."""
    side = f.left[0]
    assert isinstance(side, Partial)
    at = _of_one(numbers, t, {})(side.below)
    mine = [np.asarray(evaluate(right, _of_one(numbers, t, {})), float) for right in f.right]
    columns = []
    for k in range(len(at)):
        unit = np.zeros_like(at)
        unit[k] = STEP_SIZE
        below, here, above = (_moved(formulas, numbers, side, t, at + by * unit) for by in (-1, 0, 1))
        if np.abs(below + above - 2 * here).max() > COARSE * STEP_SIZE:
            return None, mine
        columns.append((above - below) / (2 * STEP_SIZE))
    return np.concatenate(columns, axis=1), mine


def _sides_of_map(formulas: Formulas, numbers: Numbers, f: Formula) -> Iterator[tuple[int, list[Array]]]:
    """Yield what a random change becomes, by differences or by the tape, and by the linear map of the formula."""
    side, right = f.left[0], f.right[0]
    assert isinstance(side, Partial)
    assert side.above is not None
    assert isinstance(right, Op)
    change, becomes = right.args
    assert isinstance(change, Ref)
    moved = np.random.default_rng(0).normal(size=change.shape)
    for t in range(1, numbers.T):
        of_one = _of_one(numbers, t, {change: moved})
        if f.section == "slopes":
            ends = [of_one(side.below) + by * STEP_SIZE * moved for by in (-1, 0, 1)]
            below, here, above = (_moved(formulas, numbers, side, t, at) for at in ends)
            found = (above - below) / (2 * STEP_SIZE)
            if np.abs(below + above - 2 * here).max() > COARSE * STEP_SIZE:  # a kink
                continue
        else:
            block = numbers.step_blocks(t)[side.above.name, side.below.name]
            found = block.reshape(-1, moved.size) @ moved.ravel()
        yield t, [found.reshape(becomes.shape), evaluate(becomes, of_one)]


def _moved(formulas: Formulas, numbers: Numbers, side: Partial, t: int, moved: Array) -> Array:
    """Return the quantity above after the one below moves, by its line; what is cut does not move."""
    assert side.above is not None
    right, _, part = formulas.lines[side.above.name]
    still: dict[Ref, Array] = {}

    def hold(x: Expr) -> Expr | None:
        if not isinstance(x, Op) or x.name != "detach":
            return None
        ref = Ref(f"#{len(still)}", 0, x.shape)
        still[ref] = evaluate(x, _of_one(numbers, t, {}))
        return ref

    right = rebuilt(right, hold)
    made: Array = evaluate(right, _of_one(numbers, t, {side.below: moved, **still}))
    if part is None:
        return made
    number, parts, _ = part
    return np.split(made, parts)[number]


def _of_one(numbers: Numbers, t: int, instead: Mapping[Ref, Array]) -> Callable[[Ref], Array]:
    """Return a function that gives the numbers of the first example at step t; those in `instead` come first."""

    def value(ref: Ref) -> Array:
        if ref in instead:
            return instead[ref]
        found = numbers.value(ref, t)
        if ref.step is None or np.ndim(found) < 2:
            return found
        return found[0] if np.ndim(found) == 3 else found[:, :1]

    return value
