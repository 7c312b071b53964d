"""Values taken for others: backward reads those of another step, or the forward pass computes another cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.bptt.diagnosis.edits import alike, as_rule, by_entries, edits, with_other_values
from tinygrad_rnn.bptt.diagnosis.mistake import Mistake, parameter_groups
from tinygrad_rnn.bptt.diagnosis.model import At, CellModel, Changes, Values
from tinygrad_rnn.bptt.diagnosis.rules import Instruction, Made, Ref, Role, Rule, operation_of
from tinygrad_rnn.bptt.diagnosis.sentences import quantity, rule_text, value_text, wrapped_text
from tinygrad_rnn.language.saying import Sentence, Words, joined, listed, sentence
from tinygrad_rnn.operations.basics import relu, sigmoid
from tinygrad_rnn.tape.notation import is_function

Step = Callable[[int, int], int]


Saved = Callable[[Values], Values]

STEPS: dict[Sentence, Step] = {
    sentence("step t-1"): lambda t, T: (t - 1) % T,
    sentence("step t+1"): lambda t, T: (t + 1) % T,
    sentence("the last step, at every step (one array was overwritten, not kept)"): lambda t, T: T - 1,
    sentence("the first step, at every step"): lambda t, T: 0,
}


def saved(model: CellModel) -> Iterator[Mistake]:
    """Yield reads of another step's values by backward: of one quantity, or of everything kept."""
    states = {ref.index for ref in model.after if ref.kind == "line"}
    inner = [r for r, role in enumerate(model.roles) if role.op.name != "transpose" and r not in states]
    named = [r for r in inner if model.roles[r].name]
    told = listed(str(model.roles[r].name) for r in named)
    groups: list[tuple[Words, list[int]]] = []
    if len(named) > 1:
        groups = [(told, named), (sentence("{names} and all else that is kept", names=told), inner)]
    groups += [(value_text(model, Ref("line", r)), [r]) for r in inner]
    places = [(what, quantity(model, Ref("line", lines[-1])), _lines_of(lines), max(lines)) for what, lines in groups]
    places += [(name, f"d{name}", _states_of(k), -1) for k, name in enumerate(model.names)]
    places += [
        (
            sentence("{name}, wherever it stands,", name=name),
            f"d{name}",
            _both(_states_of(k), _lines_of([after.index])),
            -1,
        )
        for k, (name, after) in enumerate(zip(model.names, model.after, strict=True))
        if after.kind == "line"
    ]
    places += [("x", "dW", _xs_of(), -1)]
    if len(model.names) > 2:  # the parts of one state, as re and im, beside the output
        move = _states_of(1)
        for k in range(2, len(model.names)):
            move = _both(move, _states_of(k))
        places.append((listed(model.names[1:]), f"d{model.names[1]}", move, -1))
    yield from _with_the_wrong_sign(model, inner)
    for k, name in enumerate(model.names):
        said = sentence(
            "backward reads {given} at step 0, in the place of {meant}", given=wrapped_text(name), meant=f"{name}0"
        )
        yield Mistake(said, f"d{name}", Changes(saved=_states_of(k)(lambda t, T: t or T - 1)), -1)
    unnamed = [r for r in inner if not model.roles[r].name and by_entries(model.roles[r].op)]
    again = _again(model, unnamed)
    for what, first, move, line in places:
        for when, step in STEPS.items():
            said = sentence("backward reads the value of {what} that belongs to {step}", what=what, step=when)
            yield Mistake(said, first, Changes(saved=move(step)), line)
            if unnamed:
                yield Mistake(said, first, Changes(saved=_then(move(step), again)), line)
    for r, role in enumerate(model.roles):
        if is_function(role.op.name) and isinstance(role.args[0], Ref):
            for other in alike(model, role.args[0], r):
                text = f"{role.op.name}({value_text(model, other)})"
                yield Mistake(
                    sentence(
                        "backward uses {given} in the place of {meant}",
                        given=text,
                        meant=value_text(model, Ref("line", r)),
                    ),
                    quantity(model, role.args[0]),
                    Changes(saved=_recomputed(model, r, other)),
                    r,
                )


def _with_the_wrong_sign(model: CellModel, lines: list[int]) -> Iterator[Mistake]:
    """Yield values that backward reads with the wrong sign, as where a conjugate is forgotten."""
    signed: list[tuple[str, str, Saved]] = []
    for k, name in enumerate(model.names):
        signed.append((f"{name}[t-1]", f"d{name}", partial(_negated_state, k)))
    signed += [
        (value_text(model, Ref("line", r)), quantity(model, Ref("line", r)), partial(_negated_line, r)) for r in lines
    ]
    for value, first, saved in signed:
        yield Mistake(
            sentence("backward reads {value} with the wrong sign", value=value), first, Changes(saved=saved), -1
        )


def _negated_state(k: int, values: Values) -> Values:
    states = [*values.states]
    states[k] = [-s for s in states[k]]
    return replace(values, states=states)


def _negated_line(r: int, values: Values) -> Values:
    lines = [[-value if n == r else value for n, value in enumerate(made)] for made in values.lines]
    return replace(values, lines=lines)


def _lines_of(lines: list[int]) -> Callable[[Step], Saved]:
    def moved(step: Step, values: Values) -> Values:
        T = len(values.lines)
        chosen = [
            [values.lines[step(t, T)][r] if r in lines else value for r, value in enumerate(made)]
            for t, made in enumerate(values.lines)
        ]
        return replace(values, lines=chosen)

    return lambda step: partial(moved, step)


def _states_of(k: int) -> Callable[[Step], Saved]:
    def moved(step: Step, values: Values) -> Values:
        states = [*values.states]
        T = len(states[k])
        states[k] = [states[k][step(t, T)] for t in range(T)]
        return replace(values, states=states)

    return lambda step: partial(moved, step)


def _both(first: Callable[[Step], Saved], second: Callable[[Step], Saved]) -> Callable[[Step], Saved]:
    return lambda step: _then(first(step), second(step))


def _xs_of() -> Callable[[Step], Saved]:
    def moved(step: Step, values: Values) -> Values:
        T = len(values.xs)
        return replace(values, xs=values.xs[[step(t, T) for t in range(T)]])

    return lambda step: partial(moved, step)


def _again(model: CellModel, lines: list[int]) -> Saved:
    """Return values with the expressions that backward computes again from what it reads: as 1 - z, or r * h."""

    def computed(values: Values) -> Values:
        made = [[*found] for found in values.lines]
        values = replace(values, lines=made)
        for t, found in enumerate(made):
            at = At(model, values, t)
            for r in lines:
                found[r] = model.roles[r].op.function(*at.arguments(r), **model.roles[r].kwargs)
        return values

    return computed


def _then(first: Saved, second: Saved) -> Saved:
    return lambda values: second(first(values))


def _recomputed(model: CellModel, r: int, other: Ref) -> Callable[[Values], Values]:
    def saved(values: Values) -> Values:
        function = model.roles[r].op.function
        lines = [[*made] for made in values.lines]
        for t, made in enumerate(lines):
            made[r] = function(At(model, values, t).value(other))
        return replace(values, lines=lines)

    return saved


def forward(model: CellModel) -> Iterator[Mistake]:
    """Yield the mistakes of a forward pass that computes another cell."""
    for r, role in enumerate(model.roles):
        if role.op.variadic or role.op.name == "getitem":
            continue
        line = as_rule(role)
        before = rule_text(model, r, line)
        first = sentence("forward {name}", name=role.name) if role.name else sentence("forward it")
        others = [
            op for op in (operation_of(np.tanh), sigmoid, relu) if op is not role.op and is_function(role.op.name)
        ]
        swapped = [Rule((Instruction(op, role.args, {}),), Made(0)) for op in others]
        backward = [None, _again(model, [r])] if by_entries(role.op) and not role.name else [None]
        for edited in [*edits(line), *swapped, *with_other_values(model, r, line)]:
            said = sentence(
                "the forward pass computes {given} in the place of {meant}{more}",
                given=rule_text(model, r, edited),
                meant=before,
                more=sentence(" for {name}", name=role.name) if role.name else "",
            )
            for saved in backward:
                yield Mistake(
                    sentence("{said} (backward has it right)", said=said) if saved else said,
                    first,
                    Changes(forward={r: _computed(edited)}, saved=saved),
                    len(model.roles),
                )
    for group in parameter_groups(model):
        what = joined(group)
        for said, factor in (
            (sentence("the forward pass computes the cell without {what}", what=what), 0.0),
            (sentence("the forward pass computes the cell with the wrong sign of {what}", what=what), -1.0),
            (sentence("the forward pass computes the cell with twice {what}", what=what), 2.0),
        ):
            readers = {
                r: role for r, role in enumerate(model.roles) if any(_param(name) in _refs(role.args) for name in group)
            }
            forward = {r: _with_factor(role, set(map(_param, group)), factor) for r, role in readers.items()}
            without = factor == 0 and all(name.startswith("bias") for name in group)
            yield Mistake(
                sentence("{said} (if that is meant: {option})", said=said, option="bias=False") if without else said,
                sentence("forward {name}", name=group[0]),
                Changes(forward=forward),
                len(model.roles),
            )


def _refs(args: tuple[object, ...]) -> list[Ref]:
    return [a for a in args if isinstance(a, Ref)]


def _param(name: str) -> Ref:
    return Ref("param", name)


def _with_factor(role: Role, which: set[Ref], factor: float) -> Callable[[At], Array]:
    def computed(at: At) -> Array:
        arguments = [factor * at.value(a) if isinstance(a, Ref) and a in which else at.value(a) for a in role.args]
        return np.asarray(role.op.function(*arguments, **role.kwargs))

    return computed


def _computed(line: Rule) -> Callable[[At], Array]:
    return lambda at: np.asarray(line(at, np.zeros(())))
