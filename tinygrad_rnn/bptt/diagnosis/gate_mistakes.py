"""Mistakes with the gates as blocks of one array: put together in another order, or one of them forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.bptt.diagnosis.edits import MOST_JOINED
from tinygrad_rnn.bptt.diagnosis.mistake import Mistake, edge_mistake
from tinygrad_rnn.bptt.diagnosis.model import At, CellModel, Changes, EdgeChange
from tinygrad_rnn.bptt.diagnosis.rules import Ref, Role, Rule
from tinygrad_rnn.bptt.diagnosis.sentences import quantity, rule_text, value_text
from tinygrad_rnn.language.saying import Words, listed, sentence
from tinygrad_rnn.operations.basics import at


def gates_in_another_order(model: CellModel) -> Iterator[Mistake]:
    """Yield the gates joined, or cut, in another order."""
    for source, lines in _cuts(model).items():
        names, to = [quantity(model, Ref("line", r)) for r in lines], quantity(model, source)
        rules = [model.rule(r, 0) for r in lines]
        for order in list(permutations(range(len(lines))))[1:]:
            back = {(lines[k], 0): replace(rules[k], place=rule.place) for rule, k in zip(rules, order, strict=True)}
            yield Mistake(
                sentence(
                    "in {to}, the gates are put together in another order: {given} in the place of {meant}",
                    to=to,
                    given=listed(names[k] for k in order),
                    meant=listed(names),
                ),
                to,
                Changes(edges=back),
                max(lines),
            )
            there = {
                (r, 0): replace(rule, place=rules[k].place) for r, rule, k in zip(lines, rules, order, strict=True)
            }
            yield Mistake(
                sentence(
                    "the gates are read in another order than the parameters have them: {given} where {meant} stand",
                    given=listed(n[1:] for n in names),
                    meant=listed(names[k][1:] for k in order),
                ),
                names[0],
                Changes(
                    forward={r: _read(model.roles[lines[k]]) for r, k in zip(lines, order, strict=True)}, edges=there
                ),
                len(model.roles),
            )


def forgotten_gates(model: CellModel) -> Iterator[Mistake]:
    """Yield products with all gates' cotangents, as dz U, in which one gate is forgotten or lacks its last factor."""
    for source, lines in _cuts(model).items():
        for r, slot, target in model.edges():
            role = model.roles[r]
            if role.like.shape != model.likes[source].shape or role.op.name != "matmul":
                continue
            for piece in lines:
                name, to = quantity(model, Ref("line", piece)), quantity(model, target)
                rule, place = model.rule(r, slot), model.rule(piece, 0).place
                change = _with_block(rule, place, None)
                forgotten = sentence("in {to}, the part of {name} is forgotten", to=to, name=name)
                yield edge_mistake(model, (r, slot), forgotten, change)
                for q, side, read in model.edges():
                    if read == Ref("line", piece) and model.roles[q].op.name == "multiply":
                        other, right = Ref("cotangent", q), rule_text(model, q, model.rule(q, side))
                        said = sentence(
                            "in {to}, {given} stands in the place of {meant}",
                            to=to,
                            given=value_text(model, other),
                            meant=right,
                        )
                        yield edge_mistake(model, (r, slot), said, _with_block(rule, place, other))


def parts_at_another_place(model: CellModel) -> Iterator[Mistake]:
    """Yield the parts of a joined array, as [h; x], cut out of its cotangent where another order has them."""
    for r, role in enumerate(model.roles):
        if role.op.name != "concatenate" or len(role.args) > MOST_JOINED:
            continue
        axis = int(role.kwargs["axis"]) % role.like.ndim
        sizes = [np.shape(model.arguments(0, r)[k])[axis] for k in range(len(role.args))]
        whole, names = quantity(model, Ref("line", r)), [value_text(model, a) for a in role.args]
        for slot, target in model.slots(r):
            places = {tuple(_place(sizes, order, slot)): order for order in permutations(range(len(sizes)))}
            right = tuple(_place(sizes, range(len(sizes)), slot))
            for (start, stop), order in places.items():
                if (start, stop) != right:
                    to, joined = quantity(model, target), "; ".join(names[k] for k in order)
                    said = sentence(
                        "in {to}, entries {given} of {whole} stand in the place of {meant}, "
                        "as if it were [{joined}]{of}",
                        to=to,
                        given=f"{start}:{stop}",
                        whole=whole,
                        meant=f"{right[0]}:{right[1]}",
                        joined=joined,
                        of=_of_matrix(model, r, start, stop, right),
                    )
                    yield edge_mistake(model, (r, slot), said, _taken(at(axis, role.like.ndim, slice(start, stop))))


def _place(sizes: list[int], order: Iterable[int], slot: int) -> list[int]:
    """Return the first entry of a part, and the one after its last, where the parts are in that order."""
    order = list(order)
    start = sum(sizes[k] for k in order[: order.index(slot)])
    return [start, start + sizes[slot]]


def _of_matrix(model: CellModel, r: int, start: int, stop: int, right: tuple[int, ...]) -> Words:
    """Write the same of the matrix that the joined array is multiplied with, where it is a parameter."""
    for role in model.roles:
        if role.op.name == "matmul" and Ref("line", r) in role.args:
            side = role.args.index(Ref("line", r))
            matrix = role.args[1 - side]
            if isinstance(matrix, Ref) and matrix.kind == "param":
                there = {"given": f"{start}:{stop}", "matrix": matrix.index, "meant": f"{right[0]}:{right[1]}"}
                if side:
                    return sentence(" (columns {given} of {matrix} for columns {meant})", **there)
                return sentence(" (rows {given} of {matrix} for rows {meant})", **there)
    return ""


def _taken(place: Any) -> EdgeChange:
    return lambda at, g: g[place]


def _cuts(model: CellModel) -> dict[Ref, list[int]]:
    """Return the arrays that are cut into pieces of one shape, as gates are, and the lines that take the pieces."""
    found: dict[tuple[Ref, tuple[int, ...]], list[int]] = {}
    for r, role in enumerate(model.roles):
        if role.op.name == "getitem" and isinstance(role.args[0], Ref):
            found.setdefault((role.args[0], role.like.shape), []).append(r)
    return {source: lines for (source, _), lines in found.items() if 1 < len(lines) <= 4}


def _with_block(rule: Rule, place: Any, ref: Ref | None) -> EdgeChange:
    """Return the rule with one gate's block of the incoming cotangent replaced, by zero or by another cotangent."""

    def change(at: At, g: Array) -> Any:
        rest = g.copy()
        rest[place] = 0 if ref is None else at.value(ref)
        return rule(at, rest)

    return change


def _read(role: Role) -> Callable[[At], Array]:
    return lambda at: role.op.function(*[at.value(a) for a in role.args], **role.kwargs)
