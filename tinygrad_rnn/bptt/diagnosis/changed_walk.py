"""The walk back over the steps of a cell, with changes: by the tape's own derivative rules, without changes BPTT."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
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
    """The results of a walk back: the terms of each parameter, as the walk makes them; of x; of the initial states.

    at: the last step of the walk. steps: every step of an unchanged walk, the last one first, with its cotangents.
    """

    terms: dict[str, list[Array]]
    xs: Array
    states: list[Array]
    at: At | None
    steps: list[At] = field(default_factory=list)


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
    if seen is None and changes.keeps_the_order() and unchanged(model).steps:
        with suppress(_NotYetError):
            return differences(model, changes)
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
            part = Walked(terms, whole.xs + part.xs, states, part.at or whole.at)
        whole = Walked(part.terms, part.xs, states, part.at)
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
    kept: list[At] = []
    steps = range(span.start, span.stop)
    for t in steps if changes.in_time else reversed(steps):
        if changes.skips and changes.skips(t, T):
            continue
        at = At(model, values, t, dhs)
        at.is_last = t == span.stop - 1
        at.carry = changes.carry(t, at, carry) if changes.carry else carry
        _begin(at)
        _step_back(at, changes)
        if changes is NOTHING and span == (0, 0, T):
            kept.append(at)
        handed = [at.pending.get(Ref("state", k), np.zeros_like(s)) for k, s in enumerate(case.state)]
        carry = changes.handed(at, handed) if changes.handed else handed
        dxs[t] = at.pending.get(Ref("x"), 0)
        for name, found in terms.items():
            found.append(at.pending.get(Ref("param", name), np.zeros_like(case.params[name])))
        if seen is not None:
            made = {**at.pending, **{Ref("state", k): g for k, g in enumerate(carry)}} if changes.handed else at.pending
            for ref, g in made.items():
                seen[t, ref] = seen.get((t, ref), 0) + g
    return Walked(terms, dxs, carry, at, kept)


def reach(model: CellModel, ref: Ref, t: int = 0) -> Gradients:
    """Return the gradients of step t that come from one cotangent of it, random here.

    They are by name, of the parameters, "x" (B, I) and the states before; zero where the cotangent does not reach.
    """
    at = At(model, model.values, t)
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


def _step_back(at: At, changes: Changes, stop: int = 0) -> None:
    """Walk back over the lines of one step, down to line `stop`; `pending` then holds what reaches each value."""
    model, pending = at.model, at.pending
    for r in reversed(range(stop, len(model.roles))):
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


# ------------------------------------------------------------------------------------------------ differences alone


class _NotYetError(KeyError):
    """A change reads a cotangent to which the walk has not come: what there is of it, the whole walk alone has."""


class _Pending(dict[Ref, Any]):
    """The cotangents of a step where they are others than in the unchanged walk, and those of that walk.

    line: where the walk is. A line before it has no cotangent yet.
    """

    def __init__(self, true: Mapping[Ref, Any]) -> None:
        self.true, self.line = true, 0

    def __missing__(self, ref: Ref) -> Any:
        return self.true[ref]

    def __getitem__(self, ref: Ref) -> Any:
        if ref.kind == "line" and ref.index < self.line:
            raise _NotYetError(ref)
        return super().__getitem__(ref)

    def get(self, ref: Ref, default: Any = None) -> Any:
        """Return the cotangent of a value, or what stands for none."""
        return self[ref] if ref in self or ref in self.true else default

    def add(self, ref: Ref, g: Any) -> None:
        """Add to the cotangent of a value."""
        held = super().get(ref, self.true.get(ref))
        self[ref] = g if held is None else held + g


def differences(model: CellModel, changes: Changes) -> Walked:
    """Return the walk with changes of single lines, of the carry or of what is handed on, in the order of BPTT.

    Rules are linear in the cotangent. So the unchanged walk stands, and what a change adds to it is walked alone, over
    the lines that it reaches.
    """
    whole = unchanged(model)
    at_lines = {*changes.cotangents, *(r for r, _ in changes.edges)}
    xs, terms = whole.xs.copy(), {name: [*found] for name, found in whole.terms.items()}
    carry, at = list(whole.steps[0].carry), whole.steps[0]
    for n, true in enumerate(whole.steps):
        at = At(model, model.values, true.t, model.case.dhs)
        at.is_last, at.carry = true.is_last, carry
        if changes.carry:
            at.carry = changes.carry(at.t, at, carry)
        pending = at.pending = _Pending(true.pending)
        more: dict[Ref, Any] = {}
        for ref, now, before in zip(model.after, at.carry, true.carry, strict=True):
            if now is not before:
                _more(pending, more, ref, now - before)
        for r in reversed(range(len(model.roles))):
            ref = Ref("line", r)
            if r in at_lines or ref in more:
                pending.line = r
                _line_back(at, pending, true, changes, r, more)
        pending.line = -1
        after = whole.steps[n + 1].carry if n + 1 < len(whole.steps) else whole.states
        handed = [pending[ref] if (ref := Ref("state", k)) in more else g for k, g in enumerate(after)]
        carry = changes.handed(at, handed) if changes.handed else handed
        if Ref("x") in more:
            xs[at.t] = pending[Ref("x")]
        for name, found in terms.items():
            if Ref("param", name) in more:
                found[n] = pending[Ref("param", name)]
    return Walked(terms, xs, carry, at)


def _line_back(at: At, pending: _Pending, true: At, changes: Changes, r: int, more: dict[Ref, Any]) -> None:
    """Walk back over one line: what is more in its cotangent, and what a change of its rules adds."""
    model, ref = at.model, Ref("line", r)
    g = pending.get(ref)
    if g is None:
        return
    if r in changes.cotangents:
        given = changes.cotangents[r](at, g)
        _more(pending, more, ref, given - g)
        g = given
    slots = model.slots(r)
    changed = {slot: change for slot, _ in slots if (change := changes.edges.get((r, slot)))}
    if ref in more:
        linear = [slot for slot, _ in slots if slot not in changed]
        products = _products(at, r, model.roles[r], more[ref], linear) if linear else {}
    else:
        products = {}
    before = true.pending.get(ref)
    was = _products(true, r, model.roles[r], before, list(changed)) if changed and before is not None else {}
    for slot, target in slots:
        like = model.likes[target]
        if slot in changed:
            product = changed[slot](at, g)
            less = dense(was[slot], like) if slot in was else 0
            _more(pending, more, target, (0 if product is None else dense(product, like)) - less)
        elif slot in products and products[slot] is not None:
            _more(pending, more, target, dense(products[slot], like))


def _more(pending: _Pending, more: dict[Ref, Any], ref: Ref, g: Any) -> None:
    """Add to the cotangent of a value, and to what is more in it than in the unchanged walk."""
    more[ref] = more[ref] + g if ref in more else g
    pending.add(ref, g)


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
