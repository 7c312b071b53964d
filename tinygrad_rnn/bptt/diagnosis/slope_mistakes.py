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
from tinygrad_rnn.operations.basics import sigmoid
from tinygrad_rnn.tape.notation import is_function

Slope = Callable[[Array, Array], Array]
"""A replacement of f'(x): a function of x and y = f(x)."""


SLOPES: dict[str, dict[str, Slope]] = {
    "tanh": {
        "1 - {x}**2: at the input of tanh, in the place of its output": lambda x, y: 1 - x * x,
        "1 - tanh({y})**2: at the output, once more": lambda x, y: 1 - np.tanh(y) ** 2,
        "{y} * (1 - {y}): that is the derivative of a sigmoid": lambda x, y: y * (1 - y),
        "1 - {y}: the square is missing": lambda x, y: 1 - y,
        "1 + {y}**2: the sign": lambda x, y: 1 + y * y,
        "{y}**2: the 1 is missing": lambda x, y: y * y,
        "-{y}**2: the 1 is missing": lambda x, y: -y * y,
        "{y}**2 - 1: the sign": lambda x, y: y * y - 1,
        "1 - 2 * {y}: a power of two is no product with two": lambda x, y: 1 - 2 * y,
        "{y}: the output itself": lambda x, y: y,
        "({x} > 0): that is the derivative of relu": lambda x, y: x > 0,
    },
    "sigmoid": {
        "1 - {y}: the factor {y} is missing": lambda x, y: 1 - y,
        "{y}: the factor 1 - {y} is missing": lambda x, y: y,
        "{x} * (1 - {x}): at the input of the sigmoid, in the place of its output": lambda x, y: x * (1 - x),
        "s * (1 - s) with s = sigmoid({y}): at the output, once more": lambda x, y: sigmoid(y) * (1 - sigmoid(y)),
        "1 - {y}**2: that is the derivative of tanh": lambda x, y: 1 - y * y,
        "{y} * (1 - {y}**2): that has a square too many": lambda x, y: y * (1 - y * y),
        "{y} * (1 + {y}): the sign": lambda x, y: y * (1 + y),
        "{y} * ({y} - 1): the sign": lambda x, y: y * (y - 1),
        "{y}**2: the 1 is missing": lambda x, y: y * y,
        "-{y}**2: the 1 is missing": lambda x, y: -y * y,
        "1 + {y}": lambda x, y: 1 + y,
    },
    "relu": {
        "1 - {y}**2: that is the derivative of tanh": lambda x, y: 1 - y * y,
        "{y}: the output itself": lambda x, y: y,
        "{x}: the input itself": lambda x, y: x,
        "({x} < 0): the wrong side": lambda x, y: x < 0,
    },
}


IN_EVERY_KIND: dict[str, dict[str, Slope]] = {
    "taken at the output, once more: s * (1 - s) with s = sigmoid(y), and 1 - tanh(y)**2": {
        "tanh": lambda x, y: 1 - np.tanh(y) ** 2,
        "sigmoid": lambda x, y: sigmoid(y) * (1 - sigmoid(y)),
    },
    "taken at the input: x * (1 - x), and 1 - x**2": {
        "tanh": lambda x, y: 1 - x * x,
        "sigmoid": lambda x, y: x * (1 - x),
    },
    "taken as the output itself": {"tanh": lambda x, y: y, "sigmoid": lambda x, y: y},
    "taken as that of tanh": {"tanh": lambda x, y: 1 - y * y, "sigmoid": lambda x, y: 1 - y * y},
    "taken as that of a sigmoid": {"tanh": lambda x, y: y * (1 - y), "sigmoid": lambda x, y: y * (1 - y)},
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
        (f"of {kind} in all of {_named(model, found)}", kind, found)
        for kind, found in of_kind.items()
        if len(found) > 1
    ]
    gates = [r for r in everywhere if model.roles[r].name and model.roles[r].name not in model.names]
    if len(of_kind) > 1 and len(gates) > 1:
        groups.append((f"of the nonlinearity in each of {_named(model, gates)}", "", gates))
    if len(of_kind) > 1:
        groups.append((f"of every nonlinearity ({_named(model, everywhere)})", "", everywhere))
    for kind, found in of_kind.items():
        groups += [(f"of {value_text(model, Ref('line', r))}", kind, [r]) for r in found]
    for what, kind, lines in groups:
        to = ", ".join(quantity(model, model.roles[r].args[0]) for r in lines)
        slopes: dict[str, Any] = {"missing": None, "taken twice": "twice", **SLOPES.get(kind, {})}
        for words, slope in slopes.items():
            known = slope in (None, "twice")
            x, y = (factor_text(model, ref) for ref in (model.roles[lines[0]].args[0], Ref("line", lines[0])))
            said = f"the derivative {what} is {words if known else 'taken as ' + words.format(x=x, y=y)}"
            yield Mistake(
                f"in {to}, {said}",
                to,
                Changes(edges={(r, 0): _slope(model, r, slope) for r in lines}),
                max(lines),
            )

    for what, kind, lines in groups:
        kinds = {model.roles[r].op.name for r in lines}
        for words, by_kind in IN_EVERY_KIND.items() if not kind else ():
            if kinds <= set(by_kind):
                to = ", ".join(quantity(model, model.roles[r].args[0]) for r in lines)
                edges = {(r, 0): _slope(model, r, by_kind[model.roles[r].op.name]) for r in lines}
                yield Mistake(f"in {to}, the derivative {what} is {words}", to, Changes(edges=edges), max(lines))


def _named(model: CellModel, lines: list[int]) -> str:
    return ", ".join(value_text(model, Ref("line", r)) for r in lines)


def _slope(model: CellModel, r: int, slope: Any) -> EdgeChange:
    if slope is None:
        return lambda at, g: g
    if slope == "twice":
        rule = model.rule(r, 0)
        return lambda at, g: rule(at, rule(at, g))

    def change(at: At, g: Array) -> Any:
        return g * slope(at.arguments(r)[0], at.values.lines[at.t][r])

    return change
