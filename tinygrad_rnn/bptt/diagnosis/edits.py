"""Edits of a derivative rule: another operation, an operand dropped, doubled or transposed, one value for another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.diagnosis.model import CellModel
from tinygrad_rnn.bptt.diagnosis.rules import Called, G, Instruction, Made, Ref, Role, Rule, operation_of
from tinygrad_rnn.bptt.diagnosis.sentences import is_view
from tinygrad_rnn.core.table import Primitive
from tinygrad_rnn.tape.notation import is_arithmetic, is_function

MOST_JOINED = 4
"""The number of arrays, joined to one, whose orders are tried."""


OTHERS: Mapping[str, Sequence[tuple[np.ufunc, Sequence[int]]]] = {
    "subtract": [(np.negative, [1]), (np.add, [0, 1]), (np.subtract, [1, 0])],
    "add": [(np.subtract, [0, 1]), (np.subtract, [1, 0])],
    "multiply": [(np.divide, [0, 1]), (np.add, [0, 1])],
    "divide": [(np.multiply, [0, 1])],
}
"""Operation -> those that are written in its place by mistake, each with the operands that it takes, by place."""


def by_entries(op: Primitive) -> bool:
    """Is this +, -, * or /, entry by entry?"""
    return is_arithmetic(op.name) and op.kind == "elementwise"


def edits(rule: Rule) -> Iterator[Rule]:
    """Yield the rule with one of its operations changed."""
    for number, (op, args, _) in enumerate(rule.instructions):
        for new in _other_instructions(op, args):
            if isinstance(new, Instruction):
                yield _with_instruction(rule, number, new)
            else:
                yield _without(rule, number, new)
        for k, a in enumerate(args if op.name == "matmul" else ()):
            yield _with_argument(rule, number, k, Called(operation_of(np.transpose), a))
        if op.name == "matmul":
            yield _with_instruction(rule, number, Instruction(op, args[::-1], {}))
        for k, a in enumerate(args if op.name == "einsum" else ()):
            if isinstance(a, Ref):
                turned = Rule((Instruction(operation_of(np.swapaxes), (a, -1, -2), {}),), Made(0))
                yield _with_argument(rule, number, k, turned)


def _with_instruction(rule: Rule, number: int, new: Instruction) -> Rule:
    return replace(rule, instructions=(*rule.instructions[:number], new, *rule.instructions[number + 1 :]))


def _other_instructions(op: Primitive, args: tuple[Any, ...]) -> Iterator[Any]:
    """Yield replacements of an operation: another operation, or one of its operands alone."""
    if is_arithmetic(op.name) and len(args) == 2:
        yield args[0]
        yield args[1]
    for function, order in OTHERS.get(op.name, ()):
        yield Instruction(operation_of(function), tuple(args[k] for k in order), {})
    if op.name in ("negative", "transpose", "swapaxes", "power") or is_function(op.name):
        yield args[0]


def _without(rule: Rule, number: int, instead: object) -> Rule:
    """Return the rule with the result of one instruction replaced by a value known before it."""

    def of(a: object) -> object:
        return instead if type(a) is Made and a.number == number else a

    instructions = [i._replace(args=tuple(of(a) for a in i.args)) for i in rule.instructions]
    return replace(rule, instructions=tuple(instructions), result=of(rule.result))


def with_turned_cotangent(rule: Rule) -> Rule:
    """Return the rule with the transposes of matrices in the place of the cotangent: G b for G^T b."""

    def later(a: object) -> object:
        if type(a) is Made:
            return Made(a.number + 1)
        return Made(0) if type(a) is Ref and a == G else a

    turned = Instruction(operation_of(np.swapaxes), (G, -1, -2), {})
    instructions = [i._replace(args=tuple(map(later, i.args))) for i in rule.instructions]
    return replace(rule, instructions=(turned, *instructions), result=later(rule.result))


def with_turned_result(rule: Rule) -> Rule:
    """Return the rule with the transposes of matrices as its result: b a^T for a b^T."""
    last = rule.instructions[-1] if rule.instructions else None
    if last and last.op.name == "matmul" and rule.result == Made(len(rule.instructions) - 1):
        n = len(rule.instructions) - 1
        swap = operation_of(np.swapaxes)
        each = (Instruction(swap, (last.args[1], -1, -2), {}), Instruction(swap, (last.args[0], -1, -2), {}))
        product = Instruction(last.op, (Made(n), Made(n + 1)), last.kwargs)
        return replace(rule, instructions=(*rule.instructions[:-1], *each, product), result=Made(n + 2))
    turned = Instruction(operation_of(np.swapaxes), (rule.result, -1, -2), {})
    return replace(rule, instructions=(*rule.instructions, turned), result=Made(len(rule.instructions)))


def _with_argument(rule: Rule, number: int, k: int, value: object) -> Rule:
    instructions = [*rule.instructions]
    args = instructions[number].args
    instructions[number] = instructions[number]._replace(args=(*args[:k], value, *args[k + 1 :]))
    return replace(rule, instructions=tuple(instructions))


def with_value(rule: Rule, ref: Ref, other: Ref) -> Rule:
    """Return the rule with one value read in the place of another, wherever it reads that."""
    instructions = [
        i._replace(args=tuple(other if type(a) is Ref and a == ref else a for a in i.args)) for i in rule.instructions
    ]
    return replace(rule, instructions=tuple(instructions))


def as_rule(role: Role) -> Rule:
    """Return a line of the forward pass as a rule, so that it can be edited."""
    return Rule((Instruction(role.op, role.args, role.kwargs),), Made(0))


def with_other_values(model: CellModel, r: int, rule: Rule) -> Iterator[Rule]:
    """Yield the rule with one value that it reads replaced by another of its shape."""
    places: dict[Ref, list[tuple[int, int]]] = {}
    for number, instruction in enumerate(rule.instructions):
        for k, a in enumerate(instruction.args):
            if isinstance(a, Ref):
                places.setdefault(a, []).append((number, k))
    if rule.result == G:
        for other in cotangents_alike(model, r):
            yield replace(rule, result=other)
    for ref, found in places.items():
        others: Iterable[object] = cotangents_alike(model, r) if ref == G else _called_alike(model, ref, r)
        for value in others:
            for group in [found, *([[place] for place in found] if len(found) > 1 else [])]:
                edited = rule
                for number, k in group:
                    edited = _with_argument(edited, number, k, value)
                yield edited
    if G in places:
        edited = rule
        for number, k in places[G]:
            edited = _with_argument(edited, number, k, 1.0)
        yield edited


def _called_alike(model: CellModel, ref: Ref, r: int) -> Iterator[Ref | Called | Rule]:
    """Yield the same; a nonlinearity of another value; and an unnamed expression with one operation changed."""
    yield from alike(model, ref, r)
    role = model.roles[ref.index] if ref.kind == "line" else None
    if role and is_function(role.op.name) and isinstance(role.args[0], Ref):
        for other in alike(model, role.args[0], r):
            yield Called(role.op, other)
    if role and not role.name and by_entries(role.op):
        yield from edits(as_rule(role))
    if role and is_view(model, ref.index):
        yield from _views_alike(model, role, r)
    if role and role.op.name == "concatenate" and len(role.args) <= MOST_JOINED:
        for args in list(permutations(role.args))[1:]:
            yield Rule((Instruction(role.op, args, role.kwargs),), Made(0))


def _views_alike(model: CellModel, role: Role, r: int) -> Iterator[Rule]:
    """Yield the same view of other values of its source's shape, and of its source with one operation changed."""
    source, rest = role.args[0], role.args[1:]
    others: list[object] = [*alike(model, source, r)]
    made = model.roles[source.index] if source.kind == "line" else None
    if made and not made.name and by_entries(made.op):
        others += edits(as_rule(made))
    for other in others:
        yield Rule((Instruction(role.op, (other, *rest), role.kwargs),), Made(0))


def alike(model: CellModel, ref: Ref, r: int) -> Iterator[Ref]:
    """Yield the values that could be taken for another: its own at another step, then those of its shape."""
    if ref.kind == "param":
        candidates = [Ref("param", name) for name in model.case.params]
    else:
        candidates = [ref._replace(shift=ref.shift + 1), ref._replace(shift=ref.shift - 1)]
        for k in range(len(model.names)):
            candidates += [Ref("state", k), Ref("state", k, 1), Ref("state", k, -1)]
        candidates += [Ref("line", q) for q in range(len(model.roles))] + [Ref("x")]
    shape = model.likes[ref._replace(shift=0)].shape
    for other in dict.fromkeys(candidates):
        if other != ref and model.likes[other._replace(shift=0)].shape == shape:
            yield other


def cotangents_alike(model: CellModel, r: int) -> Iterator[Ref]:
    """Yield the cotangents that could be taken for that of line r: parts of it, and others of its shape."""
    for k, after in enumerate(model.after):
        if after == Ref("line", r):
            yield Ref("carry", k)
            yield Ref("local", k)
            if k == 0:
                yield Ref("upstream")
                yield Ref("upstream", 0, 1)
    shape = model.roles[r].like.shape
    for other in range(len(model.roles)):
        if other != r and model.roles[other].like.shape == shape:
            yield Ref("cotangent", other)
