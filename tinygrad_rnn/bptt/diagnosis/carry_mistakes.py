"""Mistakes in what one step hands to the step before: missing, twice, as it is, added at the wrong place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.bptt.diagnosis.changed_walk import reached
from tinygrad_rnn.bptt.diagnosis.mistake import Mistake, edge_mistake
from tinygrad_rnn.bptt.diagnosis.model import At, Carry, CellModel, Changes, EdgeChange, Handed
from tinygrad_rnn.bptt.diagnosis.rules import Ref, Rule
from tinygrad_rnn.bptt.diagnosis.sentences import quantity, value_text
from tinygrad_rnn.language.saying import Sentence, Words, joined, listed, sentence
from tinygrad_rnn.tape.notation import is_function

Group = tuple[Words, Callable[[int], bool]]
"""The name of some states' gradients, and a test for these states."""


def state_groups(model: CellModel) -> list[Group]:
    """Return each state, and all of them together."""
    groups: list[Group] = [(f"d{name}", k.__eq__) for k, name in enumerate(model.names)]
    together = (joined(what for what, _ in groups), lambda k: True)
    return [*groups, together] if len(groups) > 1 else groups


def carried(model: CellModel) -> Iterator[Mistake]:
    """Yield mistakes in the carry from step t+1 to step t, with and without dlast, the carry of the last step."""
    ways: tuple[tuple[Sentence, Callable[[Array], Array]], ...] = (
        (sentence("is missing: nothing comes back from later steps"), np.zeros_like),
        (sentence("has the wrong sign"), np.negative),
        (sentence("is counted twice"), lambda g: 2 * g),
        (sentence("is halved"), lambda g: g / 2),
    )
    for what, which in state_groups(model):
        for with_last in (True, False):
            for how, change in ways:
                also: Words = sentence(" (dlast too)") if with_last else ""
                yield Mistake(
                    sentence("the carry of {what} from step t+1 {how}{also}", what=what, how=how, also=also),
                    what,
                    Changes(carry=_carry(which, change, with_last)),
                )
        yield Mistake(
            sentence("the carry of {what} is not updated: every step adds dlast again", what=what),
            what,
            Changes(
                carry=lambda t, at, g, which=which: [  # type: ignore[misc]
                    at.model.case.dlast[k] if which(k) else value for k, value in enumerate(g)
                ]
            ),
        )
        yield Mistake(
            sentence("the carry of {what} is missing, and that of the initial state is zero", what=what),
            what,
            Changes(handed=_none_handed(which)),
        )
        yield Mistake(
            sentence("the carry of {what} adds up over the steps (`+=` for `=`)", what=what),
            what,
            Changes(handed=_added_up(which)),
        )
    yield from _starts(model)
    if len(model.names) > 1:
        swapped = joined(f"d{name}" for name in model.names)
        changes = Changes(carry=lambda t, at, g: g if at.is_last else [*g[1:], g[0]])
        yield Mistake(sentence("the carries of {what} are exchanged", what=swapped), f"d{model.names[0]}", changes)
    first = f"d{model.names[0]}"
    yield Mistake(sentence("the loop leaves step 0 out, the first"), first, Changes(skips=lambda t, T: t == 0))
    yield Mistake(sentence("the loop leaves step T-1 out, the last"), first, Changes(skips=lambda t, T: t == T - 1))
    runs = sentence("the loop runs from the first step to the last: BPTT runs backward")
    yield Mistake(runs, first, Changes(in_time=True))


def _starts(model: CellModel) -> Iterator[Mistake]:
    """Yield mistakes in the carry with which the walk begins, at the last step: it is no zeros."""
    for k, name in enumerate(model.names):
        last = sentence("{state}, the last state itself", state=f"{name}[T-1]")
        starts: dict[Sentence, Callable[[At, Array], Array]] = {
            sentence("ones"): lambda at, g: np.ones_like(g),
            last: lambda at, g, k=k: at.values.states[k][-1],  # type: ignore[misc]
        }
        if k == 0:
            above = sentence("the upstream gradient of the last step, which is added there too")
            starts[above] = lambda at, g: at.dhs[-1]
        for given, start in starts.items():

            def carry(t: int, at: At, arriving: list[Array], k: int = k, start: Any = start) -> list[Array]:
                return [g + start(at, g) if at.is_last and j == k else g for j, g in enumerate(arriving)]

            what = f"d{name}"
            said = sentence("the carry of {what} begins with {given}, in the place of zeros", what=what, given=given)
            yield Mistake(said, what, Changes(carry=carry))


def _added_up(which: Callable[[int], bool]) -> Handed:
    return lambda at, handed: [g + b if which(k) else g for k, (g, b) in enumerate(zip(handed, at.carry, strict=True))]


def _none_handed(which: Callable[[int], bool]) -> Handed:
    return lambda at, handed: [0 * g if which(k) else g for k, g in enumerate(handed)]


def _as_it_is(states: list[int]) -> Handed:
    return lambda at, handed: [at.pending[at.model.after[k]] if k in states else g for k, g in enumerate(handed)]


def _carry(which: Callable[[int], bool], change: Callable[[Array], Array], with_last: bool) -> Carry:
    def carry(t: int, at: At, arriving: list[Array]) -> list[Array]:
        if at.is_last and not with_last:
            return arriving
        return [change(g) if which(k) else g for k, g in enumerate(arriving)]

    return carry


def _carry_alone(k: int) -> Callable[[At, Array], Array]:
    return lambda at, g: g if at.is_last else at.carry[k]


def handed_as_it_is(model: CellModel) -> Iterator[Mistake]:
    """Yield the mistakes that hand the gradient of a state to the step before as if it were that of the state there."""
    for what, which in state_groups(model):
        made = [k for k, after in enumerate(model.after) if which(k) and after.kind == "line"]
        if made:
            at_t = joined(f"d{name}[t]" for k, name in enumerate(model.names) if which(k))
            yield Mistake(
                sentence("{what} is handed to step t-1 as it is: the way back through the step is missing", what=at_t),
                what,
                Changes(handed=_as_it_is(made)),
            )


def overwritten(model: CellModel) -> Iterator[Mistake]:
    """Yield the mistakes that overwrite the cotangent of a state with the carry from step t+1."""
    for k, ref in enumerate(model.after):
        name = model.names[k]
        if ref.kind == "line":
            yield Mistake(
                sentence(
                    "what step t+1 hands back to {what} overwrites what comes to it in step t (`=` for `+=`)",
                    what=f"d{name}",
                ),
                f"d{name}",
                Changes(cotangents={ref.index: _carry_alone(k)}),
                ref.index,
            )


def late_carries(model: CellModel) -> Iterator[Mistake]:
    """Yield the mistakes that add the carry from step t+1 after the derivative of the line that made the state."""
    for k, after in enumerate(model.after):
        for r, slot, target in model.edges():
            if after == Ref("line", r) and model.likes[target].shape == model.roles[r].like.shape:
                to, rule = quantity(model, target), model.rule(r, slot)
                said = sentence(
                    "in {to}, what comes back from step t+1 is added after the derivative of {of}, not before",
                    to=to,
                    of=f"{model.names[k]}[t]",
                )
                yield edge_mistake(model, (r, slot), said, _with_late_carry(rule, k))

    yield from _brackets(model)
    yield from _in_the_order_of_time(model)


def _with_late_carry(rule: Rule, k: int) -> EdgeChange:
    return lambda at, g: rule(at, g - at.carry[k]) + at.carry[k]


def _brackets(model: CellModel) -> Iterator[Mistake]:
    """Yield the mistakes that leave the carry out of the bracket before a nonlinearity: a + b * s' for (a + b) * s'."""
    for k, after in enumerate(model.after):
        lines = [r for r in _nonlinear(model) if after != Ref("line", r) and _reaches(model, after, r)]
        for group in [[r] for r in lines] + ([lines] if len(lines) > 1 else []):
            to = listed(quantity(model, model.roles[r].args[0]) for r in group)
            yield Mistake(
                sentence(
                    "in {to}, what comes back from step t+1 ({carry}) is added after the derivative of {of}, "
                    "not before: a bracket is missing",
                    to=to,
                    carry=f"d{model.names[k]}",
                    of=listed(value_text(model, Ref("line", r)) for r in group),
                ),
                to,
                Changes(edges={(r, 0): _out_of_the_bracket(model.rule(r, 0), k, r) for r in group}),
                max(group),
            )


def _nonlinear(model: CellModel) -> list[int]:
    return [r for r, role in enumerate(model.roles) if is_function(role.op.name) and isinstance(role.args[0], Ref)]


def _reaches(model: CellModel, source: Ref, r: int) -> bool:
    """Return whether the cotangent of `source` comes to line r within a step."""
    return reached(At(model, model.values, 0), source, Ref("line", r)) is not None


def _out_of_the_bracket(rule: Rule, k: int, r: int) -> EdgeChange:
    def change(at: At, g: Array) -> Any:
        late = reached(at, at.model.after[k], Ref("line", r), at.carry[k])
        return rule(at, g - late) + late

    return change


def _in_the_order_of_time(model: CellModel) -> Iterator[Mistake]:
    """Yield the mistakes that apply the matrix first, and then the derivative of the line that made the state."""
    for k, after in enumerate(model.after):
        if after.kind != "line" or after.index not in _nonlinear(model):
            continue
        outer = model.rule(after.index, 0)
        for r, slot, target in model.edges():
            role = model.roles[r]
            if role.op.name == "matmul" and target == Ref("state", k) and role.like.shape == model.likes[target].shape:
                to, made = quantity(model, target), f"{model.names[k]}[t]"
                said = sentence(
                    "in {to}, the matrix comes before the derivative of {of}: Jacobians in the order of time",
                    to=to,
                    of=made,
                )
                change = _first_the_matrix(outer, model.rule(r, slot), after)
                yield edge_mistake(model, (r, slot), said, change)


def _first_the_matrix(outer: Rule, inner: Rule, after: Ref) -> EdgeChange:
    return lambda at, g: outer(at, inner(at, at.pending[after]))
