"""Mistakes that show in one quantity alone, and mistakes made at all places that look alike.

People write dk, dbeta and what is handed back as formulas of their own, each straight from the cotangent of the memory.
So a factor may be missing in one of them, or on one of its paths, and stand in the others. A quantity that is held
constant, and paths forgotten together, are here too.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.bptt.diagnosis.changed_walk import pending_at
from tinygrad_rnn.bptt.diagnosis.edits import edits, with_value
from tinygrad_rnn.bptt.diagnosis.mistake import Mistake
from tinygrad_rnn.bptt.diagnosis.model import At, CellModel, Changes, Edge, EdgeChange
from tinygrad_rnn.bptt.diagnosis.rules import Ref, Rule
from tinygrad_rnn.bptt.diagnosis.sentences import edge_text, is_view, quantity, value_text
from tinygrad_rnn.language.saying import Words, listed, sentence

MOST_PATHS = 4
"""The largest number of paths to one quantity of which several are tried as forgotten together."""
MOST_ALIKE = 4
"""The largest number of places that look alike at which one mistake is tried."""


def constants(model: CellModel) -> Iterator[Mistake]:
    """Yield the values that are held constant: nothing goes back through them."""
    for r in reversed(range(len(model.roles))):
        if len(model.slots(r)) > 1:
            value = value_text(model, Ref("line", r))
            said = sentence("{value} is held constant: nothing goes back through it", value=value)
            yield Mistake(said, quantity(model, Ref("line", r)), Changes(cotangents={r: _zero}), r)


def _zero(at: At, g: Array) -> Array:
    return np.zeros_like(g)


def paths_forgotten_together(model: CellModel) -> Iterator[Mistake]:
    """Yield two paths or more to one quantity that are forgotten, where others are there."""
    into = _paths_into(model)
    for target, edges in into.items():
        for count in range(2, len(edges)) if len(edges) <= MOST_PATHS else ():
            for group in combinations(edges, count):
                to = quantity(model, target)
                paths = listed(edge_text(model, r, slot, model.rule(r, slot)) for r, slot in group)
                said = sentence("in {to}, the paths {paths} are forgotten", to=to, paths=paths)
                changes = Changes(edges=dict.fromkeys(group, _nothing))
                yield Mistake(said, to, changes, max(r for r, _ in group))


def _paths_into(model: CellModel) -> dict[Ref, list[Edge]]:
    """Return the edges that lead to each named value, past what is only another view of it."""
    found: dict[Ref, list[Edge]] = {}
    for r, slot, target in model.edges():
        if not is_view(model, r):
            found.setdefault(_viewed(model, target), []).append((r, slot))
    return found


def _viewed(model: CellModel, ref: Ref) -> Ref:
    """Return the value of which a value is a view, as q of q[..., None]."""
    while ref.kind == "line" and is_view(model, ref.index):
        ref = model.roles[ref.index].args[0]
    return ref


def _nothing(at: At, g: Array) -> None:
    return None


def in_one_quantity(model: CellModel) -> Iterator[Mistake]:
    """Yield changes of a rule that show in one quantity alone, or on one path to it, where others come by the same."""
    into: dict[Ref, list[Edge]] = {}
    for r, slot, target in model.edges():
        into.setdefault(target, []).append((r, slot))
    named = [Ref("line", r) for r, role in enumerate(model.roles) if role.name]
    targets = [ref for ref in [*(Ref("state", k) for k in range(len(model.names))), *reversed(named)] if ref in into]
    above = {target: _above(model, into, target) for target in targets}
    uses: dict[Edge, set[Ref]] = {}
    for target, found in above.items():
        for edge in found:
            uses.setdefault(edge, set()).add(target)
    for target in targets:
        shared = [edge for edge in above[target] if len(uses[edge]) > 1]
        to = quantity(model, target)
        for edge in shared:
            for said, change in _changes(model, edge, to, target.kind == "state"):
                yield Mistake(said, to, _seen_by(target, edge, change), edge[0])
        for last in _last_edges(model, into, target):
            for edge in _above_line(model, into, last[0]):
                rule = model.rule(*last)
                path = edge_text(model, *last, rule)
                for said, change in _changes(model, edge, to, False, path):
                    new = {last: _on_a_path(rule, last[0], edge, change)}
                    yield Mistake(said, to, Changes(edges=new), edge[0])


def _above(model: CellModel, into: dict[Ref, list[Edge]], target: Ref) -> list[Edge]:
    """Return the edges by which the cotangent of a value comes from named ones, but for those that lead to it alone."""
    return [edge for r, _ in into.get(target, []) for edge in _above_line(model, into, r)]


def _above_line(model: CellModel, into: dict[Ref, list[Edge]], r: int) -> list[Edge]:
    """Return the edges that lead to line r from the nearest named lines above it."""
    found: dict[Edge, None] = {}
    pending = [r]
    while pending:
        line = pending.pop()
        if model.roles[line].name:
            continue
        for edge in into.get(Ref("line", line), []):
            if edge not in found:
                found[edge] = None
                pending.append(edge[0])
    return list(found)


def _last_edges(model: CellModel, into: dict[Ref, list[Edge]], target: Ref) -> list[Edge]:
    """Return the edges that lead to a value, where there are several: past its views."""
    edges = [
        edge
        for r, slot in into[target]
        for edge in (into.get(Ref("line", r), []) if is_view(model, r) else [(r, slot)])
    ]
    return edges if len(edges) > 1 else []


def _changes(
    model: CellModel, edge: Edge, to: str, of_state: bool, path: str = ""
) -> Iterator[tuple[Words, EdgeChange]]:
    """Yield changes of the rule of an edge, in words: forgotten, another sign, a factor left out; another step's."""
    rule, (r, slot) = model.rule(*edge), edge
    if is_view(model, r):
        return
    before = edge_text(model, r, slot, rule)
    if not path:
        said = sentence("in {to} alone, the path {path} is forgotten", to=to, path=before)
        yield said, _nothing
        yield sentence("in {to} alone, the path {path} has the wrong sign", to=to, path=before), _turned(rule)
    for edited in [*edits(rule), *(_at_other_steps(model, rule) if of_state else ())]:
        given = edge_text(model, r, slot, edited)
        if path:
            said = sentence(
                "in {to}, on the path {path} alone, {given} stands in the place of {meant}",
                to=to,
                path=path,
                given=given,
                meant=before,
            )
        else:
            said = sentence("in {to} alone, {given} stands in the place of {meant}", to=to, given=given, meant=before)
        yield said, edited


def at_other_steps(model: CellModel) -> Iterator[Mistake]:
    """Yield what is handed to the step before with the factor of another step, which the ends of a sequence lack."""
    for r, slot, target in model.edges():
        if target.kind == "state":
            rule, to = model.rule(r, slot), quantity(model, target)
            before = edge_text(model, r, slot, rule)
            for edited in _at_other_steps(model, rule):
                said = sentence(
                    "in {to}, {given} stands in the place of {meant}",
                    to=to,
                    given=edge_text(model, r, slot, edited),
                    meant=before,
                )
                yield Mistake(said, to, Changes(edges={(r, slot): edited}), r)


def _at_other_steps(model: CellModel, rule: Rule) -> Iterator[Rule]:
    """Yield the rule with a value of the step after or before; past the end its own, or none."""
    read = dict.fromkeys(
        a for _, args, _ in rule.instructions for a in args if type(a) is Ref and a.kind == "line" and not a.shift
    )
    for ref in read:
        for shift in (1, -1):
            for kind in ("near", "within"):
                yield with_value(rule, ref, Ref(kind, ref.index, shift))


def _turned(rule: Rule) -> EdgeChange:
    return lambda at, g: rule(at, -g)


def _seen_by(target: Ref, edge: Edge, change: EdgeChange) -> Changes:
    """Return the change of an edge that shows in the cotangent of one value alone."""
    if target.kind == "state":

        def handed(at: At, found: list[Array]) -> list[Array]:
            g = pending_at(at, target, {edge: change})
            zero = np.zeros_like(found[target.index])
            return [(zero if g is None else g) if k == target.index else other for k, other in enumerate(found)]

        return Changes(handed=handed)

    def cotangent(at: At, g: Array) -> Array:
        found = pending_at(at, target, {edge: change})
        return np.zeros_like(g) if found is None else found

    return Changes(cotangents={target.index: cotangent})


def _on_a_path(rule: Rule, r: int, edge: Edge, change: EdgeChange) -> EdgeChange:
    """Return the rule of the last edge of a path, where an edge before it is changed for this path alone."""

    def changed(at: At, g: Array) -> Any:
        found = pending_at(at, Ref("line", r), {edge: change})
        return None if found is None else rule(at, found)

    return changed


# ------------------------------------------------------------------------------------------------ places alike


def at_places_alike(model: CellModel) -> Iterator[Mistake]:
    """Yield one change made at all places that look alike, as in the norms of q and of k."""
    groups: dict[Any, list[Edge]] = {}
    shapes = _shapes(model)
    for r, slot, _ in model.edges():
        if not is_view(model, r):
            groups.setdefault((shapes[r], slot), []).append((r, slot))
    for edges in groups.values():
        if not 1 < len(edges) <= MOST_ALIKE:
            continue
        rules = [model.rule(*edge) for edge in edges]
        texts = [edge_text(model, *edge, rule) for edge, rule in zip(edges, rules, strict=True)]
        to = listed(dict.fromkeys(quantity(model, model.roles[r].args[slot]) for r, slot in edges))
        last = max(r for r, _ in edges)
        paths = listed(texts)
        forgotten = sentence("in {to}, the paths {paths} are forgotten", to=to, paths=paths)
        yield Mistake(forgotten, to, Changes(edges=dict.fromkeys(edges, _nothing)), last)
        signs = sentence("in {to}, the paths {paths} have the wrong sign", to=to, paths=paths)
        yield Mistake(signs, to, Changes(edges={e: _turned(rule) for e, rule in zip(edges, rules, strict=True)}), last)
        edited = [[*edits(rule)] for rule in rules]
        for several in zip(*edited, strict=True) if len({len(found) for found in edited}) == 1 else ():
            given = listed(edge_text(model, *edge, rule) for edge, rule in zip(edges, several, strict=True))
            said = sentence("in {to}, {given} stand in the place of {meant}", to=to, given=given, meant=paths)
            yield Mistake(said, to, Changes(edges=dict(zip(edges, several, strict=True))), last)


def _shapes(model: CellModel) -> list[Any]:
    """Return what each line computes, without the names of its parameters and states."""
    found: list[Any] = []
    for role in model.roles:
        args = tuple(
            (found[a.index] if a.kind == "line" else a.kind) if isinstance(a, Ref) else str(type(a)) for a in role.args
        )
        found.append(hash((role.op.name, args, role.like.shape)))
    return found
