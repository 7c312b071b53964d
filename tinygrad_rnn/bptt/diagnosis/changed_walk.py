"""The walk back over the steps of a cell, with changes: by the tape's own derivative rules, without changes BPTT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array, Gradients
from tinygrad_rnn.bptt.diagnosis.model import At, CellModel, Changes, Edge, EdgeChange, Values
from tinygrad_rnn.bptt.diagnosis.rules import Ref, Role
from tinygrad_rnn.bptt.truncation.ways import Span
from tinygrad_rnn.core.backward import fitted
from tinygrad_rnn.core.sparse import Sparse
from tinygrad_rnn.core.tensor import Tensor

NOTHING = Changes()


@dataclass(frozen=True)
class Walked:
    """The results of a walk back: the terms of each parameter, as the walk makes them; of x; of the initial states."""

    terms: dict[str, list[Array]]
    xs: Array
    states: list[Array]
    at: At | None  # the last step of the walk
    before: dict[int, dict[Ref, Any]]  # of the step with which it began: what was pending before each line


def unchanged(model: CellModel) -> Walked:
    """Return the walk without changes, made once for a model."""
    if model.walked is None:
        model.walked = _spans(model, NOTHING, model.values, model.case.dhs, list(model.case.dlast), None)
    found: Walked = model.walked
    return found


def gradients(
    model: CellModel, changes: Changes = NOTHING, seen: dict[tuple[int, Ref], Array] | None = None
) -> Gradients:
    """Return the gradients of a case by all its inputs, by name, with these changes to BPTT.

    `seen` is filled with every complete cotangent: by (t, what it is the cotangent of).
    """
    case, walk = model.case, _walk(model, changes, seen)
    add_up = changes.summed or (lambda name, found: sum(found[1:], found[0]))
    answer = {name: add_up(name, g) if g else np.zeros_like(case.params[name]) for name, g in walk.terms.items()}
    answer |= {"x": walk.xs, **dict(zip(case.state_names, walk.states, strict=True))}
    return changes.result(answer, walk.at) if changes.result and walk.at else answer


def terms_of(model: CellModel, changes: Changes) -> dict[str, list[Array]]:
    """Return the terms of each parameter's gradient with these changes: the last step's first."""
    return _walk(model, changes, None).terms


def _walk(model: CellModel, changes: Changes, seen: dict[tuple[int, Ref], Array] | None) -> Walked:
    if seen is None and changes.only_adds_up():
        return unchanged(model)
    values = model.forward(changes.forward) if changes.forward else model.values
    values = changes.saved(values) if changes.saved else values
    dhs, dlast = model.case.dhs, list(model.case.dlast)
    if changes.upstream:
        dhs, dlast = changes.upstream(dhs, dlast)
    return _spans(model, changes, values, dhs, dlast, seen)


def _spans(
    model: CellModel,
    changes: Changes,
    values: Values,
    dhs: Array,
    dlast: list[Array],
    seen: dict[tuple[int, Ref], Array] | None,
) -> Walked:
    """Walk back over all steps; where gradients are truncated, in several walks."""
    T = len(model.case.xs)
    spans = model.way.spans(T)
    if len(spans) == 1:
        return _walked(model, changes, values, dhs, dlast, seen, spans[0])
    whole: Walked | None = None
    for span in reversed(spans):
        own = np.zeros_like(dhs)
        own[span.losses : span.stop] = dhs[span.losses : span.stop]
        carry = dlast if span.stop == T else [np.zeros_like(g) for g in dlast]
        part = _walked(model, changes, values, own, carry, seen, span)
        states = part.states if span.start == 0 else [np.zeros_like(g) for g in part.states]
        if whole is not None:
            terms = {name: [*whole.terms[name], *found] for name, found in part.terms.items()}
            states = [a + b for a, b in zip(whole.states, states, strict=True)]
            part = Walked(terms, whole.xs + part.xs, states, part.at or whole.at, {})
        whole = Walked(part.terms, part.xs, states, part.at, {})
    assert whole is not None
    return whole


def _walked(
    model: CellModel,
    changes: Changes,
    values: Values,
    dhs: Array,
    carry: list[Array],
    seen: dict[tuple[int, Ref], Array] | None,
    span: Span,
) -> Walked:
    """Walk back over the steps of a span."""
    case = model.case
    T = len(case.xs)
    terms: dict[str, list[Array]] = {name: [] for name in case.params}
    dxs = np.zeros_like(case.xs)
    at: At | None = None
    alone = span == (0, 0, T)
    first = changes.first_line() if seen is None and alone else None
    before: dict[int, dict[Ref, Any]] = {}
    steps = range(span.start, span.stop)
    for t in steps if changes.in_time else reversed(steps):
        if changes.skips and changes.skips(t, T):
            continue
        at = At(model, values, t, dhs)
        at.is_last = t == span.stop - 1
        at.carry = changes.carry(t, at, carry) if changes.carry else carry
        if first is not None and at.is_last:
            at.pending = {**unchanged(model).before[first]}
            _step_back(at, changes, first)
        else:
            _begin(at)
            _step_back(at, changes, kept=before if changes is NOTHING and at.is_last else None)
        handed = [at.pending.get(Ref("state", k), np.zeros_like(s)) for k, s in enumerate(case.state)]
        carry = changes.handed(at, handed) if changes.handed else handed
        dxs[t] = at.pending.get(Ref("x"), 0)
        for name, found in terms.items():
            found.append(at.pending.get(Ref("param", name), np.zeros_like(case.params[name])))
        if seen is not None:
            made = {**at.pending, **{Ref("state", k): g for k, g in enumerate(carry)}} if changes.handed else at.pending
            for ref, g in made.items():
                seen[t, ref] = seen.get((t, ref), 0) + g
    return Walked(terms, dxs, carry, at, before)


def reach(model: CellModel, ref: Ref) -> Gradients:
    """Return the gradients of the first step that come from one cotangent of it, random here.

    They are by name, of the parameters, "x" (B, I) and the states before; zero where the cotangent does not reach.
    """
    at = At(model, model.values, 0)
    at.pending[ref] = np.random.default_rng(0).standard_normal(model.likes[ref].shape)
    _step_back(at, NOTHING)
    refs = {**{name: Ref("param", name) for name in model.case.params}, "x": Ref("x")}
    refs |= {name: Ref("state", k) for k, name in enumerate(model.case.state_names)}
    return {name: at.pending.get(ref, np.zeros(model.likes[ref].shape)) for name, ref in refs.items()}


def reached(at: At, source: Ref, ref: Ref, g: Array | None = None) -> Any:
    """Return the cotangent of `ref` within a step where that of `source` is g, or one everywhere; None for none."""
    alone = At(at.model, at.values, at.t, at.dhs)
    alone.pending[source] = np.ones(at.model.likes[source].shape) if g is None else g
    _step_back(alone, NOTHING)
    return alone.pending.get(ref)


def pending_at(at: At, ref: Ref, edges: Mapping[Edge, EdgeChange]) -> Any:
    """Return the cotangent of a value of a step where some edges are changed; None where nothing reaches it."""
    alone = At(at.model, at.values, at.t, at.dhs)
    alone.carry, alone.is_last = at.carry, at.is_last
    _begin(alone)
    _step_back(alone, Changes(edges=edges), stop=ref.index + 1 if ref.kind == "line" else 0)
    return alone.pending.get(ref)


def _begin(at: At) -> None:
    """Let a step begin with what comes back from the step after it, and with its upstream gradient."""
    for k, ref in enumerate(at.model.after):
        _add(at.pending, ref, at.carry[k])
    _add(at.pending, at.model.after[0], at.dhs[at.t])


def _step_back(
    at: At, changes: Changes, first: int | None = None, kept: dict[int, dict[Ref, Any]] | None = None, stop: int = 0
) -> None:
    """Walk back over the lines of one step, from line `first` to `stop`; `pending` then holds what reaches each value.

    `kept` is filled with what was pending before each line.
    """
    model, pending = at.model, at.pending
    for r in reversed(range(stop, len(model.roles) if first is None else first + 1)):
        if kept is not None:
            kept[r] = {**pending}
        g = pending.get(Ref("line", r))
        if g is None:
            continue
        if r in changes.cotangents:
            pending[Ref("line", r)] = g = changes.cotangents[r](at, g)
        slots = model.slots(r)
        changed = {slot: change for slot, _ in slots if (change := changes.edges.get((r, slot)))}
        products = _products(at, r, model.roles[r], g, [slot for slot, _ in slots if slot not in changed])
        for slot, target in slots:
            product = changed[slot](at, g) if slot in changed else products[slot]
            if product is None:
                continue
            _add(pending, target, dense(product, model.likes[target]))


def _add(pending: dict[Ref, Array], ref: Ref, g: Array) -> None:
    held = pending.get(ref)
    pending[ref] = g if held is None else held + g


def _products(at: At, r: int, role: Role, g: Array, slots: list[int]) -> dict[int, Any]:
    """Return the products of line r, by the number of the argument."""
    arguments, y = at.arguments(r), at.values.lines[at.t][r]
    if role.op.variadic:
        together = role.op.vjps(g, y, *arguments, **role.kwargs)
        return {slot: together[slot] for slot in slots}
    return {slot: role.op.vjps[slot](g, y, *arguments, **role.kwargs) for slot in slots}


def dense(product: Any, like: Tensor) -> Array:
    """Return a product as an array of its argument's shape, summed over broadcast axes, a part put in its place."""
    fits = fitted(product, like)
    return fits.dense() if type(fits) is Sparse else np.asarray(fits)
