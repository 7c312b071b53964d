"""Slips in a single rule: a factor missing, twice, transposed or at the wrong value, a path forgotten, a wrong sign.

Nothing here knows a cell. A rule is the tape's own, as a little program (`model.Rule`); a slip is one edit of it:
the edits that a pen or an editor makes on a formula.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.bptt.diagnosis.edits import cotangents_alike, edits, with_other_values
from tinygrad_rnn.bptt.diagnosis.model import At, CellModel, Changes, Edge, gradients, reached
from tinygrad_rnn.bptt.diagnosis.rules import Ref, Role, Rule
from tinygrad_rnn.bptt.diagnosis.sentences import edge_text, quantity, rule_text, value_text
from tinygrad_rnn.operations.basics import sigmoid
from tinygrad_rnn.tape.notation import is_arithmetic, is_function


@dataclass(frozen=True)
class Mistake:
    """One mistake: in words, which quantity it makes wrong first, and the change to BPTT that it amounts to."""

    words: str
    quantity: str
    changes: Changes
    line: int = -1  # of the step, where it is one line's; backward comes to the last line first

    def __str__(self) -> str:
        return self.words


def rule_mistakes(model: CellModel) -> Iterator[Mistake]:
    """The rule_mistakes in each rule of a cell, the commonest first."""
    yield from _paths(model)
    yield from _late_carries(model)
    yield from _activations(model)
    yield from _edited_rules(model)
    yield from _exchanged(model)
    yield from _blocks(model)
    yield from _missing_blocks(model)
    yield from _batch_sums(model)
    yield from _other_values(model)
    yield from _other_cotangents(model)


def parameter_groups(model: CellModel) -> list[tuple[str, ...]]:
    """Parameters that always have the same gradient, as two added biases; all matrices; all biases; each alone."""
    true = gradients(model)
    names = list(model.case.params)
    twins: dict[bytes, list[str]] = {}
    for name in names:
        twins.setdefault(true[name].tobytes(), []).append(name)
    groups = [tuple(group) for group in twins.values()]
    groups += [tuple(n for n in names if (model.case.params[n].ndim > 1) == matrices) for matrices in (True, False)]
    return [*dict.fromkeys(g for g in groups if 1 < len(g) < len(names)), *((name,) for name in names)]


def _paths(model: CellModel) -> Iterator[Mistake]:
    """What one line hands to one of its inputs: forgotten, or with a wrong factor."""
    for r, slot, target in model.edges():
        to, of = quantity(model, target), edge_text(model, r, slot, model.rule(r, slot))
        for words, factor in (
            ("is forgotten", None),
            ("has the wrong sign", -1.0),
            ("is counted twice", 2.0),
            ("is halved", 0.5),
        ):
            change = _nothing if factor is None else _times(model.rule(r, slot), factor)
            bare = not model.rule(r, slot).instructions
            through = f"{of} (back through {value_text(model, Ref('line', r))})" if bare else of
            yield _edge(model, (r, slot), f"in {to}, the path {through} {words}", change)


def _late_carries(model: CellModel) -> Iterator[Mistake]:
    """What comes back from step t+1 is added behind the derivative of the line that made the state, not before."""
    for k, after in enumerate(model.after):
        for r, slot, target in model.edges():
            if after == Ref("line", r) and model.likes[target].shape == model.roles[r].like.shape:
                to, rule = quantity(model, target), model.rule(r, slot)
                words = f"in {to}, what comes back from step t+1 is added after the derivative of {model.names[k]}[t]"
                yield _edge(model, (r, slot), f"{words}, not before", _with_late_carry(rule, k))


def _with_late_carry(rule: Rule, k: int) -> Callable[[At, Array], Any]:
    return lambda at, g: rule(at, g - at.carry[k]) + at.carry[k]


def _nothing(at: At, g: Array) -> None:
    return None


def _times(rule: Rule, factor: float) -> Callable[[At, Array], Any]:
    return lambda at, g: rule(at, factor * g)  # every rule is linear in g


def _edge(model: CellModel, edge: Edge, words: str, change: Callable[[At, Array], Any]) -> Mistake:
    r, slot = edge
    target = model.roles[r].args[slot]
    return Mistake(words, quantity(model, target), Changes(edges={edge: change}), r)


Slope = Callable[[Array, Array], Any]
"""What stands in the place of f'(x): a function of x and y = f(x)."""


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


def _activations(model: CellModel) -> Iterator[Mistake]:
    """The derivative of a nonlinearity: of one, of all of a kind, of all at once."""
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
            x, y = (value_text(model, ref) for ref in (model.roles[lines[0]].args[0], Ref("line", lines[0])))
            said = f"the derivative {what} is {words if known else 'taken as ' + words.format(x=x, y=y)}"
            yield Mistake(
                f"in {to}, {said}",
                to,
                Changes(edges={(r, 0): _slope(model, r, slope) for r in lines}),
                max(lines),
            )


def _named(model: CellModel, lines: list[int]) -> str:
    return ", ".join(value_text(model, Ref("line", r)) for r in lines)


def _slope(model: CellModel, r: int, slope: Any) -> Callable[[At, Array], Any]:
    if slope is None:
        return lambda at, g: g
    if slope == "twice":
        rule = model.rule(r, 0)
        return lambda at, g: rule(at, rule(at, g))

    def change(at: At, g: Array) -> Any:
        return g * slope(at.arguments(r)[0], at.values.lines[at.t][r])

    return change


def _edited_rules(model: CellModel) -> Iterator[Mistake]:
    """One operation of a rule changed: an operand dropped, doubled, transposed, a sign turned."""
    for r, slot, target in model.edges():
        rule = model.rule(r, slot)
        before = edge_text(model, r, slot, rule)
        for edited in edits(rule):
            to = quantity(model, target)
            words = f"in {to}, {edge_text(model, r, slot, edited)} stands in the place of {before}"
            yield _edge(model, (r, slot), words, edited)


def _exchanged(model: CellModel) -> Iterator[Mistake]:
    """The gradients of the two factors of a product, exchanged."""
    for r, role in enumerate(model.roles):
        if role.op.name == "multiply" and all(isinstance(a, Ref) for a in role.args):
            a, b = (quantity(model, ref) for ref in role.args)
            product = value_text(model, Ref("line", r))
            yield Mistake(
                f"{a} and {b} are exchanged, the gradients of the factors of {product}",
                a,
                Changes(edges={(r, 0): model.rule(r, 1), (r, 1): model.rule(r, 0)}),
                r,
            )


def _cuts(model: CellModel) -> dict[Ref, list[int]]:
    """What is cut into pieces of one shape, as the gates are: of each source, the lines that take a piece."""
    found: dict[tuple[Ref, Any], list[int]] = {}
    for r, role in enumerate(model.roles):
        if role.op.name == "getitem" and isinstance(role.args[0], Ref):
            found.setdefault((role.args[0], role.like.shape), []).append(r)
    return {source: lines for (source, _), lines in found.items() if 1 < len(lines) <= 4}


def _blocks(model: CellModel) -> Iterator[Mistake]:
    """Pieces that were cut from one array (the gates), put back, or cut, in another order."""
    for source, lines in _cuts(model).items():
        names, to = [quantity(model, Ref("line", r)) for r in lines], quantity(model, source)
        rules = [model.rule(r, 0) for r in lines]
        for order in list(permutations(range(len(lines))))[1:]:
            said = ", ".join(names[k] for k in order)
            back = {(lines[k], 0): replace(rules[k], place=rule.place) for rule, k in zip(rules, order, strict=True)}
            yield Mistake(
                f"in {to}, the gates are put together in another order: {said} in the place of {', '.join(names)}",
                to,
                Changes(edges=back),
                max(lines),
            )
            there = {
                (r, 0): replace(rule, place=rules[k].place) for r, rule, k in zip(lines, rules, order, strict=True)
            }
            yield Mistake(
                "the gates are read in another order than the parameters have them: "
                f"{', '.join(n[1:] for n in names)} where {', '.join(names[k][1:] for k in order)} stand",
                names[0],
                Changes(
                    forward={r: _read(model.roles[lines[k]]) for r, k in zip(lines, order, strict=True)}, edges=there
                ),
                len(model.roles),
            )


def _missing_blocks(model: CellModel) -> Iterator[Mistake]:
    """One gate's part of a product with all gates' cotangents, as of dz U, is forgotten, or lacks its last factor."""
    for source, lines in _cuts(model).items():
        for r, slot, target in model.edges():
            role = model.roles[r]
            if role.like.shape != model.likes[source].shape or role.op.name != "matmul":
                continue
            for piece in lines:
                name, to = quantity(model, Ref("line", piece)), quantity(model, target)
                rule, place = model.rule(r, slot), model.rule(piece, 0).place
                change = _with_block(rule, place, None)
                yield _edge(model, (r, slot), f"in {to}, the part of {name} is forgotten", change)
                for q, side, read in model.edges():
                    if read == Ref("line", piece) and model.roles[q].op.name == "multiply":
                        other, right = Ref("cotangent", q), rule_text(model, q, model.rule(q, side))
                        words = f"in {to}, {value_text(model, other)} stands in the place of {right}"
                        yield _edge(model, (r, slot), words, _with_block(rule, place, other))


def _with_block(rule: Rule, place: Any, ref: Ref | None) -> Callable[[At, Array], Any]:
    """The rule with one gate's block of the cotangent that comes in replaced, by nothing or by another cotangent."""

    def change(at: At, g: Array) -> Any:
        rest = g.copy()
        rest[place] = 0 if ref is None else at.value(ref)
        return rule(at, rest)

    return change


def _read(role: Role) -> Callable[[At], Array]:
    return lambda at: role.op.function(*[at.value(a) for a in role.args], **role.kwargs)


def _batch_sums(model: CellModel) -> Iterator[Mistake]:
    """Where an argument was repeated, as a bias over the batch, its cotangent is a sum: a mean, or one example."""
    for r, slot, target in model.edges():
        like, out = model.likes[target], model.roles[r].like
        name = model.roles[r].op.name
        if like.shape == out.shape or not is_arithmetic(name) or name == "matmul":
            continue
        to = quantity(model, target)
        extra = out.ndim - like.ndim
        axes = (*range(extra), *(k for k in range(extra, out.ndim) if like.shape[k - extra] != out.shape[k]))
        for words, reduce in (
            ("averaged over the batch where it should be summed", np.mean),
            ("taken from the last example only, where it should be summed over the batch", _pick(-1)),
            ("taken from the first example only, where it should be summed over the batch", _pick(0)),
        ):
            yield _edge(model, (r, slot), f"{to} is {words}", _reduced(model.rule(r, slot), reduce, axes))


def _pick(k: int) -> Callable[..., Any]:
    return lambda a, axis, keepdims: a[np.ix_(*[[k] if n in axis else range(size) for n, size in enumerate(a.shape)])]


def _reduced(rule: Rule, reduce: Callable[..., Any], axes: tuple[int, ...]) -> Callable[[At, Array], Any]:
    return lambda at, g: reduce(rule(at, g), axis=axes, keepdims=True)


def _other_cotangents(model: CellModel) -> Iterator[Mistake]:
    """The cotangent of a line's result: with a factor, or another's in its place."""
    for r in reversed(range(len(model.roles))):
        ref = Ref("line", r)
        what = quantity(model, ref)
        for words, factor in FACTORS.items():
            yield Mistake(f"{what} {words}", what, Changes(cotangents={r: _by(factor)}), r)
        for k, after in enumerate(model.after):
            if ref != after:
                words = f"in {what}, the factor d{model.names[k]}[t] is missing"
                yield Mistake(words, what, Changes(cotangents={r: _of_ones(after, ref)}), r)
        for other in cotangents_alike(model, r):
            yield Mistake(
                f"{value_text(model, other)} stands in the place of {what}[t]",
                what,
                Changes(cotangents={r: lambda at, g, other=other: at.value(other)}),  # type: ignore[misc]
                r,
            )


FACTORS: dict[str, Callable[[int, int], float]] = {
    "has the wrong sign": lambda T, B: -1.0,
    "is counted twice": lambda T, B: 2.0,
    "is halved": lambda T, B: 0.5,
    "is divided by T": lambda T, B: 1 / T,
    "is multiplied by T": lambda T, B: T,
    "is divided by B": lambda T, B: 1 / B,
    "is multiplied by B": lambda T, B: B,
}


def _of_ones(source: Ref, ref: Ref) -> Callable[[At, Array], Array]:
    """What comes to `ref` where the cotangent of `source` is one."""
    return lambda at, g: reached(at, source, ref)


def _by(factor: Callable[[int, int], float]) -> Callable[[At, Array], Array]:
    return lambda at, g: factor(len(at.model.case.xs), at.model.case.batch) * g


def _other_values(model: CellModel) -> Iterator[Mistake]:
    """One operand of a rule taken for another: in one place, then wherever the rule reads it."""
    for r, slot, target in model.edges():
        rule = model.rule(r, slot)
        before, to = edge_text(model, r, slot, rule), quantity(model, target)
        for edited in with_other_values(model, r, rule):
            words = f"in {to}, {edge_text(model, r, slot, edited)} stands in the place of {before}"
            yield _edge(model, (r, slot), words, edited)
