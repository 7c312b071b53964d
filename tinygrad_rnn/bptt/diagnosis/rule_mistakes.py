"""Slips in a single rule: a factor missing, twice, transposed or at the wrong value, a path forgotten, a wrong sign.

Nothing here knows a cell. A rule is the tape's own, as a little program (`anatomy.Rule`); a slip is one edit of it:
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
from tinygrad_rnn.bptt.diagnosis.model import Anatomy, At, Changes, Edge, gradients, reached
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


def slips(anatomy: Anatomy) -> Iterator[Mistake]:
    """The slips in each rule of a cell, the commonest first."""
    yield from _paths(anatomy)
    yield from _late_carries(anatomy)
    yield from _activations(anatomy)
    yield from _edited_rules(anatomy)
    yield from _exchanged(anatomy)
    yield from _blocks(anatomy)
    yield from _missing_blocks(anatomy)
    yield from _batch_sums(anatomy)
    yield from _other_values(anatomy)
    yield from _other_cotangents(anatomy)


def ones_and_twins(anatomy: Anatomy) -> list[tuple[str, ...]]:
    """Parameters that always have the same gradient, as two added biases; all matrices; all biases; each alone."""
    true = gradients(anatomy)
    names = list(anatomy.case.params)
    twins: dict[bytes, list[str]] = {}
    for name in names:
        twins.setdefault(true[name].tobytes(), []).append(name)
    groups = [tuple(group) for group in twins.values()]
    groups += [tuple(n for n in names if (anatomy.case.params[n].ndim > 1) == matrices) for matrices in (True, False)]
    return [*dict.fromkeys(g for g in groups if 1 < len(g) < len(names)), *((name,) for name in names)]


def _paths(anatomy: Anatomy) -> Iterator[Mistake]:
    """What one line hands to one of its inputs: forgotten, or with a wrong factor."""
    for r, slot, target in anatomy.edges():
        to, of = quantity(anatomy, target), edge_text(anatomy, r, slot, anatomy.rule(r, slot))
        for words, factor in (
            ("is forgotten", None),
            ("has the wrong sign", -1.0),
            ("is counted twice", 2.0),
            ("is halved", 0.5),
        ):
            change = _nothing if factor is None else _times(anatomy.rule(r, slot), factor)
            bare = not anatomy.rule(r, slot).instructions
            through = f"{of} (back through {value_text(anatomy, Ref('line', r))})" if bare else of
            yield _edge(anatomy, (r, slot), f"in {to}, the path {through} {words}", change)


def _late_carries(anatomy: Anatomy) -> Iterator[Mistake]:
    """What comes back from step t+1 is added behind the derivative of the line that made the state, not before."""
    for k, after in enumerate(anatomy.after):
        for r, slot, target in anatomy.edges():
            if after == Ref("line", r) and anatomy.likes[target].shape == anatomy.roles[r].like.shape:
                to, rule = quantity(anatomy, target), anatomy.rule(r, slot)
                words = f"in {to}, what comes back from step t+1 is added after the derivative of {anatomy.names[k]}[t]"
                yield _edge(anatomy, (r, slot), f"{words}, not before", _with_late_carry(rule, k))


def _with_late_carry(rule: Rule, k: int) -> Callable[[At, Array], Any]:
    return lambda at, g: rule(at, g - at.carry[k]) + at.carry[k]


def _nothing(at: At, g: Array) -> None:
    return None


def _times(rule: Rule, factor: float) -> Callable[[At, Array], Any]:
    return lambda at, g: rule(at, factor * g)  # every rule is linear in g


def _edge(anatomy: Anatomy, edge: Edge, words: str, change: Callable[[At, Array], Any]) -> Mistake:
    r, slot = edge
    target = anatomy.roles[r].args[slot]
    return Mistake(words, quantity(anatomy, target), Changes(edges={edge: change}), r)


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


def _activations(anatomy: Anatomy) -> Iterator[Mistake]:
    """The derivative of a nonlinearity: of one, of all of a kind, of all at once."""
    of_kind: dict[str, list[int]] = {}
    for r, role in enumerate(anatomy.roles):
        if is_function(role.op.name) and isinstance(role.args[0], Ref):
            of_kind.setdefault(role.op.name, []).append(r)
    everywhere = [r for found in of_kind.values() for r in found]
    groups = [
        (f"of {kind} in all of {_named(anatomy, found)}", kind, found)
        for kind, found in of_kind.items()
        if len(found) > 1
    ]
    gates = [r for r in everywhere if anatomy.roles[r].name and anatomy.roles[r].name not in anatomy.names]
    if len(of_kind) > 1 and len(gates) > 1:
        groups.append((f"of the nonlinearity in each of {_named(anatomy, gates)}", "", gates))
    if len(of_kind) > 1:
        groups.append((f"of every nonlinearity ({_named(anatomy, everywhere)})", "", everywhere))
    for kind, found in of_kind.items():
        groups += [(f"of {value_text(anatomy, Ref('line', r))}", kind, [r]) for r in found]
    for what, kind, lines in groups:
        to = ", ".join(quantity(anatomy, anatomy.roles[r].args[0]) for r in lines)
        slopes: dict[str, Any] = {"missing": None, "taken twice": "twice", **SLOPES.get(kind, {})}
        for words, slope in slopes.items():
            known = slope in (None, "twice")
            x, y = (value_text(anatomy, ref) for ref in (anatomy.roles[lines[0]].args[0], Ref("line", lines[0])))
            said = f"the derivative {what} is {words if known else 'taken as ' + words.format(x=x, y=y)}"
            yield Mistake(
                f"in {to}, {said}",
                to,
                Changes(edges={(r, 0): _slope(anatomy, r, slope) for r in lines}),
                max(lines),
            )


def _named(anatomy: Anatomy, lines: list[int]) -> str:
    return ", ".join(value_text(anatomy, Ref("line", r)) for r in lines)


def _slope(anatomy: Anatomy, r: int, slope: Any) -> Callable[[At, Array], Any]:
    if slope is None:
        return lambda at, g: g
    if slope == "twice":
        rule = anatomy.rule(r, 0)
        return lambda at, g: rule(at, rule(at, g))

    def change(at: At, g: Array) -> Any:
        return g * slope(at.arguments(r)[0], at.values.lines[at.t][r])

    return change


def _edited_rules(anatomy: Anatomy) -> Iterator[Mistake]:
    """One operation of a rule changed: an operand dropped, doubled, transposed, a sign turned."""
    for r, slot, target in anatomy.edges():
        rule = anatomy.rule(r, slot)
        before = edge_text(anatomy, r, slot, rule)
        for edited in edits(rule):
            to = quantity(anatomy, target)
            words = f"in {to}, {edge_text(anatomy, r, slot, edited)} stands in the place of {before}"
            yield _edge(anatomy, (r, slot), words, edited)


def _exchanged(anatomy: Anatomy) -> Iterator[Mistake]:
    """The gradients of the two factors of a product, exchanged."""
    for r, role in enumerate(anatomy.roles):
        if role.op.name == "multiply" and all(isinstance(a, Ref) for a in role.args):
            a, b = (quantity(anatomy, ref) for ref in role.args)
            product = value_text(anatomy, Ref("line", r))
            yield Mistake(
                f"{a} and {b} are exchanged, the gradients of the factors of {product}",
                a,
                Changes(edges={(r, 0): anatomy.rule(r, 1), (r, 1): anatomy.rule(r, 0)}),
                r,
            )


def _cuts(anatomy: Anatomy) -> dict[Ref, list[int]]:
    """What is cut into pieces of one shape, as the gates are: of each source, the lines that take a piece."""
    found: dict[tuple[Ref, Any], list[int]] = {}
    for r, role in enumerate(anatomy.roles):
        if role.op.name == "getitem" and isinstance(role.args[0], Ref):
            found.setdefault((role.args[0], role.like.shape), []).append(r)
    return {source: lines for (source, _), lines in found.items() if 1 < len(lines) <= 4}


def _blocks(anatomy: Anatomy) -> Iterator[Mistake]:
    """Pieces that were cut from one array (the gates), put back, or cut, in another order."""
    for source, lines in _cuts(anatomy).items():
        names, to = [quantity(anatomy, Ref("line", r)) for r in lines], quantity(anatomy, source)
        rules = [anatomy.rule(r, 0) for r in lines]
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
                    forward={r: _read(anatomy.roles[lines[k]]) for r, k in zip(lines, order, strict=True)}, edges=there
                ),
                len(anatomy.roles),
            )


def _missing_blocks(anatomy: Anatomy) -> Iterator[Mistake]:
    """One gate's part of a product with all gates' cotangents, as of dz U, is forgotten, or lacks its last factor."""
    for source, lines in _cuts(anatomy).items():
        for r, slot, target in anatomy.edges():
            role = anatomy.roles[r]
            if role.like.shape != anatomy.likes[source].shape or role.op.name != "matmul":
                continue
            for piece in lines:
                name, to = quantity(anatomy, Ref("line", piece)), quantity(anatomy, target)
                rule, place = anatomy.rule(r, slot), anatomy.rule(piece, 0).place
                change = _with_block(rule, place, None)
                yield _edge(anatomy, (r, slot), f"in {to}, the part of {name} is forgotten", change)
                for q, side, read in anatomy.edges():
                    if read == Ref("line", piece) and anatomy.roles[q].op.name == "multiply":
                        other, right = Ref("cotangent", q), rule_text(anatomy, q, anatomy.rule(q, side))
                        words = f"in {to}, {value_text(anatomy, other)} stands in the place of {right}"
                        yield _edge(anatomy, (r, slot), words, _with_block(rule, place, other))


def _with_block(rule: Rule, place: Any, ref: Ref | None) -> Callable[[At, Array], Any]:
    """The rule with one gate's block of the cotangent that comes in replaced, by nothing or by another cotangent."""

    def change(at: At, g: Array) -> Any:
        rest = g.copy()
        rest[place] = 0 if ref is None else at.value(ref)
        return rule(at, rest)

    return change


def _read(role: Role) -> Callable[[At], Array]:
    return lambda at: role.op.function(*[at.value(a) for a in role.args], **role.kwargs)


def _batch_sums(anatomy: Anatomy) -> Iterator[Mistake]:
    """Where an argument was repeated, as a bias over the batch, its cotangent is a sum: a mean, or one example."""
    for r, slot, target in anatomy.edges():
        like, out = anatomy.likes[target], anatomy.roles[r].like
        name = anatomy.roles[r].op.name
        if like.shape == out.shape or not is_arithmetic(name) or name == "matmul":
            continue
        to = quantity(anatomy, target)
        extra = out.ndim - like.ndim
        axes = (*range(extra), *(k for k in range(extra, out.ndim) if like.shape[k - extra] != out.shape[k]))
        for words, reduce in (
            ("averaged over the batch where it should be summed", np.mean),
            ("taken from the last example only, where it should be summed over the batch", _pick(-1)),
            ("taken from the first example only, where it should be summed over the batch", _pick(0)),
        ):
            yield _edge(anatomy, (r, slot), f"{to} is {words}", _reduced(anatomy.rule(r, slot), reduce, axes))


def _pick(k: int) -> Callable[..., Any]:
    return lambda a, axis, keepdims: a[np.ix_(*[[k] if n in axis else range(size) for n, size in enumerate(a.shape)])]


def _reduced(rule: Rule, reduce: Callable[..., Any], axes: tuple[int, ...]) -> Callable[[At, Array], Any]:
    return lambda at, g: reduce(rule(at, g), axis=axes, keepdims=True)


def _other_cotangents(anatomy: Anatomy) -> Iterator[Mistake]:
    """The cotangent of a line's result: with a factor, or another's in its place."""
    for r in reversed(range(len(anatomy.roles))):
        ref = Ref("line", r)
        what = quantity(anatomy, ref)
        for words, factor in FACTORS.items():
            yield Mistake(f"{what} {words}", what, Changes(cotangents={r: _by(factor)}), r)
        for k, after in enumerate(anatomy.after):
            if ref != after:
                words = f"in {what}, the factor d{anatomy.names[k]}[t] is missing"
                yield Mistake(words, what, Changes(cotangents={r: _of_ones(after, ref)}), r)
        for other in cotangents_alike(anatomy, r):
            yield Mistake(
                f"{value_text(anatomy, other)} stands in the place of {what}[t]",
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
    return lambda at, g: factor(len(at.anatomy.case.xs), at.anatomy.case.batch) * g


def _other_values(anatomy: Anatomy) -> Iterator[Mistake]:
    """One operand of a rule taken for another: in one place, then wherever the rule reads it."""
    for r, slot, target in anatomy.edges():
        rule = anatomy.rule(r, slot)
        before, to = edge_text(anatomy, r, slot, rule), quantity(anatomy, target)
        for edited in with_other_values(anatomy, r, rule):
            words = f"in {to}, {edge_text(anatomy, r, slot, edited)} stands in the place of {before}"
            yield _edge(anatomy, (r, slot), words, edited)
