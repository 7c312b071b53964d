"""Mistakes in a single derivative rule: a factor missing, twice, transposed or at the wrong value, a path forgotten.

Nothing here knows a cell. A rule is the tape's own, as a little program (`rules.Rule`); a mistake is one edit of it, as
a pen or an editor makes it on a formula.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.bptt.diagnosis.carry_mistakes import handed_as_it_is, late_carries
from tinygrad_rnn.bptt.diagnosis.changed_walk import reached
from tinygrad_rnn.bptt.diagnosis.edits import (
    cotangents_alike,
    edits,
    with_other_values,
    with_turned_cotangent,
    with_turned_result,
    with_value,
)
from tinygrad_rnn.bptt.diagnosis.gate_mistakes import forgotten_gates, gates_in_another_order, parts_at_another_place
from tinygrad_rnn.bptt.diagnosis.mistake import Mistake, edge_mistake
from tinygrad_rnn.bptt.diagnosis.model import At, CellModel, Changes, EdgeChange
from tinygrad_rnn.bptt.diagnosis.path_mistakes import (
    at_other_steps,
    at_places_alike,
    constants,
    in_one_quantity,
    paths_forgotten_together,
)
from tinygrad_rnn.bptt.diagnosis.rules import Ref, Rule
from tinygrad_rnn.bptt.diagnosis.sentences import LARGER, edge_text, quantity, value_text, wrapped_text
from tinygrad_rnn.bptt.diagnosis.slope_mistakes import mistakes_in_slopes, slopes_that_are_none, slopes_together
from tinygrad_rnn.language.saying import Sentence, Words, sentence
from tinygrad_rnn.tape.notation import is_arithmetic


def mistakes_in_rules(model: CellModel) -> Iterator[Mistake]:
    """Yield the mistakes in each rule of a cell, the commonest first."""
    yield from _paths(model)
    yield from _without_a_choice(model)
    yield from constants(model)
    yield from late_carries(model)
    yield from _wrapped(model)
    yield from mistakes_in_slopes(model)
    yield from slopes_together(model)
    yield from slopes_that_are_none(model)
    yield from _edited_rules(model)
    yield from _exchanged(model)
    yield from gates_in_another_order(model)
    yield from forgotten_gates(model)
    yield from parts_at_another_place(model)
    yield from _batch_sums(model)
    yield from _other_values(model)
    yield from _other_cotangents(model)
    yield from handed_as_it_is(model)
    yield from _rows_added_once(model)
    yield from paths_forgotten_together(model)
    yield from at_other_steps(model)
    yield from at_places_alike(model)
    yield from in_one_quantity(model)


def _paths(model: CellModel) -> Iterator[Mistake]:
    """Yield the products of one line that are forgotten, or have a wrong factor."""
    for r, slot, target in model.edges():
        to, of = quantity(model, target), edge_text(model, r, slot, model.rule(r, slot))
        for how, factor in (
            (sentence("is forgotten"), None),
            (sentence("has the wrong sign"), -1.0),
            (sentence("is counted twice"), 2.0),
            (sentence("is halved"), 0.5),
        ):
            change = _nothing if factor is None else _times(model.rule(r, slot), factor)
            bare = not model.rule(r, slot).instructions
            path: Words = of
            if bare:
                path = sentence("{path} (back through {value})", path=of, value=value_text(model, Ref("line", r)))
            said = sentence("in {to}, the path {path} {how}", to=to, path=path, how=how)
            yield edge_mistake(model, (r, slot), said, change)


def _without_a_choice(model: CellModel) -> Iterator[Mistake]:
    """Yield the larger of two, or the smaller, where one of them has all of the cotangent, whichever was taken."""
    for r, slot, target in model.edges():
        if model.roles[r].op.name in LARGER:
            to = quantity(model, target)
            said = sentence(
                "in {to}, {given} stands in the place of {meant}",
                to=to,
                given=f"{quantity(model, Ref('line', r))}[t]",
                meant=edge_text(model, r, slot, model.rule(r, slot)),
            )
            yield edge_mistake(model, (r, slot), said, lambda at, g: g)


def _wrapped(model: CellModel) -> Iterator[Mistake]:
    """Yield rules that read the state before by an index t - 1, which at step 0 is that of the last state."""
    for r, slot, target in model.edges():
        rule, to = model.rule(r, slot), quantity(model, target)
        for k, name in enumerate(model.names):
            edited = with_value(rule, Ref("state", k), Ref("wrapped", k))
            if edited != rule:
                said = sentence(
                    "in {to} at step 0, {given} stands in the place of {meant}",
                    to=to,
                    given=wrapped_text(name),
                    meant=f"{name}0",
                )
                yield edge_mistake(model, (r, slot), said, edited)


def _nothing(at: At, g: Array) -> None:
    return None


def _times(rule: Rule, factor: float) -> EdgeChange:
    return lambda at, g: rule(at, factor * g)  # every rule is linear in g


def _edited_rules(model: CellModel) -> Iterator[Mistake]:
    """Yield rules with one operation changed: an operand dropped, doubled or transposed, a sign turned."""
    for r, slot, target in model.edges():
        rule = model.rule(r, slot)
        before = edge_text(model, r, slot, rule)
        for edited in [*edits(rule), *_turned(model, r, target, rule)]:
            said = _instead(quantity(model, target), edge_text(model, r, slot, edited), before)
            yield edge_mistake(model, (r, slot), said, edited)


def _turned(model: CellModel, r: int, target: Ref, rule: Rule) -> Iterator[Rule]:
    """Yield the rule of a product with a square matrix of each example transposed: its cotangent, or its result."""
    made, read = model.roles[r].like.shape, model.likes[target._replace(shift=0)].shape
    if _is_square(made) and made != read:
        yield with_turned_cotangent(rule)
    if _is_square(read) and made != read:
        yield with_turned_result(rule)


def _is_square(shape: tuple[int, ...]) -> bool:
    return len(shape) in (2, 3) and shape[-1] == shape[-2]


def _instead(to: str, given: str, meant: str) -> Sentence:
    return sentence("in {to}, {given} stands in the place of {meant}", to=to, given=given, meant=meant)


def _exchanged(model: CellModel) -> Iterator[Mistake]:
    """Yield the exchanges of the gradients of two factors."""
    for r, role in enumerate(model.roles):
        if role.op.name == "multiply" and all(isinstance(a, Ref) for a in role.args):
            a, b = (quantity(model, ref) for ref in role.args)
            product = value_text(model, Ref("line", r))
            yield Mistake(
                sentence(
                    "{a} and {b} are exchanged, the gradients of the factors of {product}", a=a, b=b, product=product
                ),
                a,
                Changes(edges={(r, 0): model.rule(r, 1), (r, 1): model.rule(r, 0)}),
                r,
            )


def _batch_sums(model: CellModel) -> Iterator[Mistake]:
    """Yield a mean, or one example, in place of the sum over the batch where an argument was broadcast."""
    for r, slot, target in model.edges():
        like, out = model.likes[target], model.roles[r].like
        name = model.roles[r].op.name
        if like.shape == out.shape or not is_arithmetic(name) or name == "matmul":
            continue
        to = quantity(model, target)
        extra = out.ndim - like.ndim
        axes = (*range(extra), *(k for k in range(extra, out.ndim) if like.shape[k - extra] != out.shape[k]))
        for said, reduce in (
            (sentence("{to} is averaged over the batch where it should be summed", to=to), np.mean),
            (
                sentence("{to} is taken from the last example only, where it should be summed over the batch", to=to),
                _pick(-1),
            ),
            (
                sentence("{to} is taken from the first example only, where it should be summed over the batch", to=to),
                _pick(0),
            ),
        ):
            yield edge_mistake(model, (r, slot), said, _reduced(model.rule(r, slot), reduce, axes))


def _pick(k: int) -> Callable[..., Array]:
    return lambda a, axis, keepdims: a[np.ix_(*[[k] if n in axis else range(size) for n, size in enumerate(a.shape)])]


def _reduced(rule: Rule, reduce: Callable[..., Array], axes: tuple[int, ...]) -> EdgeChange:
    return lambda at, g: reduce(rule(at, g), axis=axes, keepdims=True)


def _other_cotangents(model: CellModel) -> Iterator[Mistake]:
    """Yield mistakes in the cotangent of a line: a factor, or another cotangent in its place."""
    for r in reversed(range(len(model.roles))):
        ref = Ref("line", r)
        what = quantity(model, ref)
        for how, factor in FACTORS.items():
            yield Mistake(sentence("{what} {how}", what=what, how=how), what, Changes(cotangents={r: _by(factor)}), r)
        for k, after in enumerate(model.after):
            if ref != after:
                said = sentence("in {to}, the factor {factor} is missing", to=what, factor=f"d{model.names[k]}[t]")
                yield Mistake(said, what, Changes(cotangents={r: _of_ones(after, ref)}), r)
        for other in cotangents_alike(model, r):
            yield Mistake(
                sentence("{given} stands in the place of {meant}", given=value_text(model, other), meant=f"{what}[t]"),
                what,
                Changes(cotangents={r: lambda at, g, other=other: at.value(other)}),  # type: ignore[misc]
                r,
            )


FACTORS: dict[Sentence, Callable[[int, int], float]] = {
    sentence("has the wrong sign"): lambda T, B: -1.0,
    sentence("is counted twice"): lambda T, B: 2.0,
    sentence("is halved"): lambda T, B: 0.5,
    sentence("is divided by T"): lambda T, B: 1 / T,
    sentence("is multiplied by T"): lambda T, B: T,
    sentence("is divided by B"): lambda T, B: 1 / B,
    sentence("is multiplied by B"): lambda T, B: B,
}


def _of_ones(source: Ref, ref: Ref) -> Callable[[At, Array], Array]:
    """Return the cotangent of `ref` where the cotangent of `source` is one."""
    return lambda at, g: np.asarray(reached(at, source, ref), np.float64)


def _by(factor: Callable[[int, int], float]) -> Callable[[At, Array], Array]:
    return lambda at, g: factor(len(at.model.case.xs), at.model.case.batch) * g


def _other_values(model: CellModel) -> Iterator[Mistake]:
    """Yield rules with one operand taken for another: in one place, then wherever the rule reads it."""
    for r, slot, target in model.edges():
        rule = model.rule(r, slot)
        before, to = edge_text(model, r, slot, rule), quantity(model, target)
        for edited in with_other_values(model, r, rule):
            said = _instead(to, edge_text(model, r, slot, edited), before)
            yield edge_mistake(model, (r, slot), said, edited)


def _rows_added_once(model: CellModel) -> Iterator[Mistake]:
    """Yield the reading of rows whose gradient is added by `dE[i] += g`: of equal indices, one alone counts."""
    for r, slot, target in model.edges():
        if model.roles[r].op.name == "getitem" and slot == 0:

            def change(at: At, g: Array, r: int = r) -> Array:
                table, *index = at.arguments(r)
                found = np.zeros(table.shape)
                found[tuple(index)] += g
                return found

            to = quantity(model, target)
            said = sentence(
                "in {to}, rows that a batch reads twice are added once: `+=` at an array of indices, for np.add.at",
                to=to,
            )
            yield Mistake(said, to, Changes(edges={(r, slot): change}), r)
