"""Mistakes in the derivative of a nonlinearity: missing, taken twice, of another function, at another value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.bptt.diagnosis.mistake import Mistake
from tinygrad_rnn.bptt.diagnosis.model import At, CellModel, Changes, EdgeChange
from tinygrad_rnn.bptt.diagnosis.rules import Ref
from tinygrad_rnn.bptt.diagnosis.sentences import factor_text, quantity, value_text
from tinygrad_rnn.language.saying import Sentence, Words, listed, sentence, template
from tinygrad_rnn.operations.basics import sigmoid
from tinygrad_rnn.tape.notation import is_function

Slope = Callable[[Array, Array], Array]
"""A replacement of f'(x): a function of x and y = f(x)."""


AGAIN = template("at the output, once more")
OF_TANH = template("that is the derivative of tanh")
OUTPUT = template("the output itself")
SIGN = template("the sign")
NO_ONE = template("the 1 is missing")
SLOPES: dict[str, dict[tuple[str, str], Slope]] = {
    "tanh": {
        ("1 - {x}**2", template("at the input of tanh, in the place of its output")): lambda x, y: 1 - x * x,
        ("1 - tanh({y})**2", AGAIN): lambda x, y: 1 - np.tanh(y) ** 2,
        ("{y} * (1 - {y})", template("that is the derivative of a sigmoid")): lambda x, y: y * (1 - y),
        ("1 - {y}", template("the square is missing")): lambda x, y: 1 - y,
        ("1 + {y}**2", SIGN): lambda x, y: 1 + y * y,
        ("{y}**2", NO_ONE): lambda x, y: y * y,
        ("-{y}**2", NO_ONE): lambda x, y: -y * y,
        ("{y}**2 - 1", SIGN): lambda x, y: y * y - 1,
        ("1 - 2 * {y}", template("a power of two is no product with two")): lambda x, y: 1 - 2 * y,
        ("{y}", OUTPUT): lambda x, y: y,
        ("({x} > 0)", template("that is the derivative of relu")): lambda x, y: x > 0,
    },
    "sigmoid": {
        ("1 - {y}", template("the factor {y} is missing")): lambda x, y: 1 - y,
        ("{y}", template("the factor 1 - {y} is missing")): lambda x, y: y,
        ("{x} * (1 - {x})", template("at the input of the sigmoid, in the place of its output")): (
            lambda x, y: x * (1 - x)
        ),
        ("s * (1 - s) with s = sigmoid({y})", AGAIN): lambda x, y: sigmoid(y) * (1 - sigmoid(y)),
        ("1 - {y}**2", OF_TANH): lambda x, y: 1 - y * y,
        ("{y} * (1 - {y}**2)", template("that has a square too many")): lambda x, y: y * (1 - y * y),
        ("{y} * (1 + {y})", SIGN): lambda x, y: y * (1 + y),
        ("{y} * ({y} - 1)", SIGN): lambda x, y: y * (y - 1),
        ("{y}**2", NO_ONE): lambda x, y: y * y,
        ("-{y}**2", NO_ONE): lambda x, y: -y * y,
        ("1 + {y}", ""): lambda x, y: 1 + y,
    },
    "relu": {
        ("1 - {y}**2", OF_TANH): lambda x, y: 1 - y * y,
        ("{y}", OUTPUT): lambda x, y: y,
        ("{x}", template("the input itself")): lambda x, y: x,
        ("({x} < 0)", template("the wrong side")): lambda x, y: x < 0,
    },
}
"""By function, what stands in the place of its slope, with x and y in it, and why that is wrong."""


IN_EVERY_KIND: dict[Sentence, dict[str, Slope]] = {
    sentence("taken at the output, once more: s * (1 - s) with s = sigmoid(y), and 1 - tanh(y)**2"): {
        "tanh": lambda x, y: 1 - np.tanh(y) ** 2,
        "sigmoid": lambda x, y: sigmoid(y) * (1 - sigmoid(y)),
    },
    sentence("taken at the input: x * (1 - x), and 1 - x**2"): {
        "tanh": lambda x, y: 1 - x * x,
        "sigmoid": lambda x, y: x * (1 - x),
    },
    sentence("taken as the output itself"): {"tanh": lambda x, y: y, "sigmoid": lambda x, y: y},
    sentence("taken as that of tanh"): {"tanh": lambda x, y: 1 - y * y, "sigmoid": lambda x, y: 1 - y * y},
    sentence("taken as that of a sigmoid"): {"tanh": lambda x, y: y * (1 - y), "sigmoid": lambda x, y: y * (1 - y)},
}
"""One slip that is made with several functions: the slope that each of them then has."""


def mistakes_in_slopes(model: CellModel) -> Iterator[Mistake]:
    """Yield mistakes in the derivative of a nonlinearity: of one, of all of a kind, of all at once."""
    of_kind: dict[str, list[int]] = {}
    for r, role in enumerate(model.roles):
        if is_function(role.op.name) and isinstance(role.args[0], Ref):
            of_kind.setdefault(role.op.name, []).append(r)
    everywhere = [r for found in of_kind.values() for r in found]
    groups = [
        (sentence("the derivative of {kind} in all of {names}", kind=kind, names=_named(model, found)), kind, found)
        for kind, found in of_kind.items()
        if len(found) > 1
    ]
    gates = [r for r in everywhere if model.roles[r].name and model.roles[r].name not in model.names]
    if len(of_kind) > 1 and len(gates) > 1:
        in_each = sentence("the derivative of the nonlinearity in each of {names}", names=_named(model, gates))
        groups.append((in_each, "", gates))
    if len(of_kind) > 1:
        of_every = sentence("the derivative of every nonlinearity ({names})", names=_named(model, everywhere))
        groups.append((of_every, "", everywhere))
    for kind, found in of_kind.items():
        groups += [(sentence("the derivative of {of}", of=value_text(model, Ref("line", r))), kind, [r]) for r in found]
    for what, kind, lines in groups:
        to = listed(quantity(model, model.roles[r].args[0]) for r in lines)
        x, y = (factor_text(model, ref) for ref in (model.roles[lines[0]].args[0], Ref("line", lines[0])))
        slopes: dict[Sentence, Any] = {sentence("missing"): None, sentence("taken twice"): "twice"}
        slopes |= {_taken_as(*key, x=x, y=y): slope for key, slope in SLOPES.get(kind, {}).items()}
        for how, slope in slopes.items():
            yield Mistake(
                sentence("in {to}, {what} is {how}", to=to, what=what, how=how),
                to,
                Changes(edges={(r, 0): _slope(model, r, slope) for r in lines}),
                max(lines),
            )

    for what, kind, lines in groups:
        kinds = {model.roles[r].op.name for r in lines}
        for how, by_kind in IN_EVERY_KIND.items() if not kind else ():
            if kinds <= set(by_kind):
                to = listed(quantity(model, model.roles[r].args[0]) for r in lines)
                edges = {(r, 0): _slope(model, r, by_kind[model.roles[r].op.name]) for r in lines}
                said = sentence("in {to}, {what} is {how}", to=to, what=what, how=how)
                yield Mistake(said, to, Changes(edges=edges), max(lines))


def slopes_that_are_none(model: CellModel) -> Iterator[Mistake]:
    """Yield the derivatives of a nonlinearity at values that none made, as 1 - n**2 where n is linear."""
    for r, role in enumerate(model.roles):
        if role.name and not is_function(role.op.name) and role.like.ndim > 1:
            y, what = factor_text(model, Ref("line", r)), quantity(model, Ref("line", r))
            for formula, slope in FOREIGN.items():
                said = sentence(
                    "in {what}, there is a factor {given}, though no nonlinearity made {value}",
                    what=what,
                    given=formula.format(y=y),
                    value=y,
                )
                yield Mistake(said, what, Changes(cotangents={r: _multiplied(r, slope)}), r)


FOREIGN: dict[str, Callable[[Array], Array]] = {
    "1 - {y}**2": lambda y: 1 - y * y,
    "{y} * (1 - {y})": lambda y: y * (1 - y),
    "({y} > 0)": lambda y: y > 0,
}
"""The slopes of tanh, sigmoid and relu, in their values."""


def _multiplied(r: int, slope: Callable[[Array], Array]) -> Callable[[At, Array], Array]:
    return lambda at, g: g * slope(at.values.lines[at.t][r])


def slopes_together(model: CellModel) -> Iterator[Mistake]:
    """Yield the derivative of one function of another that is missing as a whole, as that of -exp(a)."""
    unary = [r for r, role in enumerate(model.roles) if is_function(role.op.name) or role.op.name == "negative"]
    for r in unary:
        inner = model.roles[r].args[0]
        if isinstance(inner, Ref) and inner.kind == "line" and inner.index in unary:
            to = quantity(model, model.roles[inner.index].args[0])
            said = sentence(
                "in {to}, {what} is {how}",
                to=to,
                what=sentence("the derivative of {value}", value=value_text(model, Ref("line", r))),
                how=sentence("missing"),
            )
            edges = {(q, 0): _slope(model, q, None) for q in (r, inner.index)}
            yield Mistake(said, to, Changes(edges=edges), r)


def _taken_as(formula: str, why: str, **values: str) -> Sentence:
    """Return what stands in the place of a slope, and why that is wrong; x, y: how these are written."""
    given: Words = formula.format(**values)
    if " with " in formula:
        left, _, right = formula.format(**values).partition(" with ")
        given = sentence("{formula} with {where}", formula=left, where=right)
    if not why:
        return sentence("taken as {given}", given=given)
    return sentence("taken as {given}: {why}", given=given, why=Sentence(why, values))


def _named(model: CellModel, lines: list[int]) -> Words:
    return listed(value_text(model, Ref("line", r)) for r in lines)


def _slope(model: CellModel, r: int, slope: Any) -> EdgeChange:
    if slope is None:
        return lambda at, g: g
    if slope == "twice":
        rule = model.rule(r, 0)
        return lambda at, g: rule(at, rule(at, g))

    def change(at: At, g: Array) -> Any:
        return g * slope(at.arguments(r)[0], at.values.lines[at.t][r])

    return change
