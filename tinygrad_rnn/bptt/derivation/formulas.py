"""The derivation as formulas, in the order of the tape played backward; each can be evaluated on numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.derivation.columns import in_columns
from tinygrad_rnn.bptt.derivation.expressions import (
    ELEMENTWISE_FUNCTIONS,
    STEP,
    Expr,
    Num,
    Op,
    Ref,
    evaluate,
    is_cheap,
    product,
    rebuilt,
    refs,
    walk,
)
from tinygrad_rnn.bptt.derivation.recurrence import UPSTREAM, Equation, Recurrence, X, following
from tinygrad_rnn.bptt.derivation.slopes import NoSlope, by_line, line_slope, of_function, through_all

SECTIONS = {
    "forward": "Forward, for t = 1, ..., T",
    "slopes": "Local derivatives, the last line first",
    "steps": "From one step to the next",
    "errors": "Error terms, for t = T, ..., 1",
    "gradients": "Gradients",
}


@dataclass(frozen=True)
class Partial:
    """dabove/dbelow, a local derivative or a gradient; `above` None is the loss L, or of step `of` alone.

    `whole`: along all ways.
    """

    above: Ref | None
    below: Ref
    whole: bool = False
    of: int = 0


@dataclass(frozen=True)
class Formula:
    """One printed line: left = right = right ...; a sum over all t where `summed`.

    name: what the worksheets call it. entries: where its left side, or for an error term the line that it came back
    through, stands on the tape, at each step.
    """

    section: str
    name: str
    left: tuple[Ref | Partial, ...]
    right: tuple[Expr, ...]
    summed: bool = False
    entries: tuple[int, ...] = ()
    at: str = ""  # "" for every t; "first" for what leaves the first step


class Formulas:
    """All formulas of a recurrence."""

    def __init__(self, rec: Recurrence) -> None:
        self.rec = _readable(in_columns(rec))
        self.lines = by_line(self.rec.forward)
        self.net_inputs = self._net_inputs()
        self.all = [*self._forward(), *self._slopes(), *self._steps(), *self._errors(), *self._gradients()]

    def section(self, name: str) -> list[Formula]:
        """Those of one section."""
        return [f for f in self.all if f.section == name]

    def _net_inputs(self) -> set[str]:
        """What a nonlinearity is applied to, and the arrays that are cut into such."""
        found = set()
        for e in self.rec.forward:
            for part in walk(e.right):
                if isinstance(part, Op) and part.name in ELEMENTWISE_FUNCTIONS and isinstance(part.args[0], Ref):
                    found.add(part.args[0].name)
        found -= set(self.rec.states)
        for e in self.rec.forward:
            if len(e.targets) > 1 and isinstance(e.right, Op) and isinstance(e.right.args[0], Ref):
                if all(t.name in found for t in e.targets):
                    found.add(e.right.args[0].name)
        return found

    def _entries(self, name: str) -> tuple[int, ...]:
        return tuple(self.rec.entries.get(name, ()))

    def _forward(self) -> list[Formula]:
        found = []
        for e in [*self.rec.setup, *self.rec.forward]:
            name = "_".join(t.name for t in e.targets) if len(e.targets) > 1 else e.target.name
            found.append(Formula("forward", name, e.targets, (e.right,), entries=self._entries(e.target.name)))
        return found

    def _slopes(self) -> list[Formula]:
        found = []
        for name in reversed(self.lines):
            right, target, _ = self.lines[name]
            for by in refs(right):
                if by.step is None:
                    continue
                try:
                    slope = line_slope(self.lines[name], by)
                except NoSlope:
                    continue
                if slope is not None:
                    key = f"d{name}/d{by.name}{'_prev' if by.step else ''}"
                    rights = (*self._primed(slope), slope)
                    found.append(Formula("slopes", key, (Partial(target, by),), rights, entries=self._entries(name)))
        return found

    def _steps(self) -> list[Formula]:
        found = []
        for state in self.rec.states:
            by = Ref(state, -1, self.rec.shapes[state])
            try:
                whole = through_all(self.lines, state, by)
            except NoSlope:
                continue
            if whole is not None and len(list(walk(whole))) < 60:
                target = Ref(state, 0, self.rec.shapes[state])
                found.append(Formula("steps", f"step_{state}", (Partial(target, by, whole=True),), (whole,)))
        return found

    def _errors(self) -> list[Formula]:
        found = []
        for e in self.rec.backward:
            right = later_first(with_diagonal(e.right))
            came_through = self._readers(self.rec.cotangents.get(e.target.name, ""))
            entries = tuple(sorted(n for name in came_through for n in self._entries(name)))
            found.append(Formula("errors", e.target.name, e.targets, (*self._primed(right), right), entries=entries))
        return found

    def _readers(self, name: str) -> list[str]:
        return [
            n for n, (right, _, _) in self.lines.items() if any(r.name == name and r.step == 0 for r in refs(right))
        ]

    def _primed(self, right: Expr) -> tuple[Expr, ...]:
        """The same with f'(z) in the place of what it is."""
        instead: dict[Expr, Expr] = {}
        for name, (made, target, part) in self.lines.items():
            del name
            if isinstance(made, Op) and part is None and made.name in ELEMENTWISE_FUNCTIONS:
                try:
                    found = of_function(made.name, made.args[0], target)
                except NoSlope:
                    continue
                instead[found] = Op("prime", made.args, (("of", made.name),), target.shape)
        if not (isinstance(right, Op) and right.name in ("scaled", "diag") and right.args[0] in instead):
            return ()
        return (Op(right.name, (instead[right.args[0]], *right.args[1:]), right.options, right.shape),)

    def _gradients(self) -> list[Formula]:
        rec, found = self.rec, list[Formula]()
        together: dict[Expr, list[str]] = {}
        for key, right in rec.terms.items():
            if right is not None:
                together.setdefault(right, []).append(rec.params[key])
        for right, names in together.items():
            left = tuple(Partial(None, Ref(name, None, rec.shapes[name])) for name in names)
            lines = [n for n, (made, _, _) in self.lines.items() if {r.name for r in refs(made)} & set(names)]
            entries = tuple(sorted(n for line in lines for n in self._entries(line)))
            found.append(Formula("gradients", f"d{names[0]}", left, (right,), summed=True, entries=entries))
        if rec.dx is not None:
            found.append(Formula("gradients", "dx", (Partial(None, Ref(X, 0, rec.shapes[X])),), (rec.dx,)))
        for state in rec.states:
            right = rec.handed[state]
            if right is not None and right != Num(0):
                left = (Partial(None, Ref(state, -1, rec.shapes[state])),)
                found.append(Formula("gradients", f"d{state}0", left, (right,), at="first"))
        return found


def _readable(rec: Recurrence) -> Recurrence:
    """Without the names that were made up for what is only kept, and with what comes from step t+1 written out."""
    rec = _all_cotangents(rec)
    instead: dict[Expr, Expr] = {}
    forward = []
    for e in rec.forward:
        right = rebuilt(e.right, instead.get)
        unary = isinstance(right, Op) and len(right.args) == 1 and isinstance(right.args[0], Ref)
        if e.invented and f"d{e.target.name}" not in rec.cotangents and (unary or is_cheap(right)):
            instead[e.target] = right
        else:
            forward.append(replace(e, right=right))
    for state in rec.states:
        handed = rec.handed[state]
        later: Expr = Num(0)
        if handed is not None and handed != Num(0):
            handed = rebuilt(handed, instead.get)
            shape = rec.shapes[state]
            later = Op("later", (rebuilt(handed, _shifted),), (("state", state),), shape)
        instead[Ref(following(state), 0)] = later
    backward = [replace(e, right=rebuilt(e.right, instead.get)) for e in rec.backward]

    def some(x: Expr | None) -> Expr | None:
        return None if x is None else rebuilt(x, instead.get)

    rec = replace(
        rec,
        forward=forward,
        backward=backward,
        handed={k: some(x) for k, x in rec.handed.items()},
        terms={k: some(x) for k, x in rec.terms.items()},
        dx=some(rec.dx),
    )
    return _merged(rec)


def _all_cotangents(rec: Recurrence) -> Recurrence:
    """With an equation for the cotangent of each state, also of one that the next step alone reads."""
    made = {e.target.name for e in rec.backward}
    instead: dict[Expr, Expr] = {}
    first = []
    for state in rec.states:
        if f"d{state}" not in made:
            target, comes = (Ref(name, 0, rec.shapes[state]) for name in (f"d{state}", following(state)))
            instead[comes] = target
            first.append(Equation((target,), comes))
    if not first:
        return rec

    def some(x: Expr | None) -> Expr | None:
        return None if x is None else rebuilt(x, instead.get)

    backward = [replace(e, right=rebuilt(e.right, instead.get)) for e in rec.backward]
    return replace(
        rec,
        backward=[*first, *backward],
        handed={k: some(x) for k, x in rec.handed.items()},
        terms={k: some(x) for k, x in rec.terms.items()},
        dx=some(rec.dx),
        shapes=rec.shapes | {e.target.name: e.target.shape for e in first},
        cotangents=rec.cotangents | {e.target.name: e.target.name[1:] for e in first},
    )


def _shifted(x: Expr) -> Expr | None:
    if isinstance(x, Ref) and x.step is not None:
        return Ref(x.name, x.step + 1, x.shape)
    return None


def _merged(rec: Recurrence) -> Recurrence:
    """A state's cotangent that one line alone reads, in a product, stands in that line."""
    for state in rec.states:
        own = next((e for e in rec.backward if e.target.name == f"d{state}"), None)
        if own is None:
            continue
        rest = [e.right for e in rec.backward if e is not own]
        rest += [x for x in (*rec.handed.values(), *rec.terms.values(), rec.dx) if x is not None]
        reads = [right for right in rest for part in walk(right) if isinstance(part, Ref) and part.name == f"d{state}"]
        if len(reads) == 1 and isinstance(reads[0], Op) and reads[0].name == "multiply" and own.target in reads[0].args:
            right = own.right
            backward = [
                replace(e, right=rebuilt(e.right, lambda x, own=own, right=right: right if x == own.target else None))
                for e in rec.backward
                if e is not own
            ]
            rec = replace(rec, backward=backward)
    return rec


def with_diagonal(right: Expr) -> Expr:
    """diag(v) (sum), as a textbook has it, where a sum of what comes back is multiplied entry by entry."""
    if not (isinstance(right, Op) and right.name == "multiply"):
        return right
    sums = [a for a in right.args if isinstance(a, Op) and a.name == "add" and _comes_back(a)]
    if len(sums) != 1:
        return right
    others = product(*(a for a in right.args if a is not sums[0]))
    return Op("scaled", (others, sums[0]), (), right.shape)


def _comes_back(x: Expr) -> bool:
    return any(
        (isinstance(part, Ref) and part.name == UPSTREAM) or (isinstance(part, Op) and part.name == "later")
        for part in walk(x)
    )


def later_first(x: Expr) -> Expr:
    """Sums with what comes from step t+1 first."""
    if not isinstance(x, Op):
        return x
    args = tuple(later_first(a) for a in x.args)
    if x.name == "add":
        args = tuple(sorted(args, key=lambda a: not (isinstance(a, Op) and a.name == "later")))
    return Op(x.name, args, x.options, x.shape)


# ------------------------------------------------------------------------------------------------- on numbers


class Numbers:
    """The tape's own number for every quantity at every step, in columns: forward values, and cotangents dL/dv."""

    def __init__(self, recorded: Any, rec: Recurrence) -> None:
        self.T = len(recorded.xs)
        lines = recorded.tape.lines()
        turn = (lambda a: a) if recorded.columns else _turn
        self._by_name: dict[str, list[Any]] = {}
        tensors: dict[str, list[Any]] = {name: [lines[n][3] for n in at] for name, at in rec.entries.items()}
        for name, found in tensors.items():
            self._by_name[name] = [turn(v.data) for v in found]
        wanted = {name: f for name, f in tensors.items() if f"d{name}" in rec.cotangents or name in rec.states}
        every = [v for found in wanted.values() for v in found]
        gradients = iter(recorded.tape.gradient(recorded.upstream_loss, every))
        for name in wanted:
            self._by_name[f"d{name}"] = [turn(next(gradients)) for _ in range(self.T)]
        self._by_name[UPSTREAM] = [turn(g) for g in recorded.dhs.data]
        self._by_name[X] = [turn(x) for x in recorded.xs.data]
        self._first = {name: turn(s.data) for name, s in recorded.states.items()}
        own = (lambda a: a) if recorded.columns else _own
        self._outside = {rec.params[key]: own(p.data) for key, p in recorded.params.items()}
        leaves = {**recorded.params, X: recorded.xs, **{f"{s}0": v for s, v in recorded.states.items()}}
        gradients = recorded.tape.gradient(recorded.upstream_loss, leaves)
        self.gradients = {rec.params[key]: own(gradients[key]) for key in recorded.params}
        self.dx = [turn(g) for g in gradients[X]]
        self.d_first = {s: turn(gradients[f"{s}0"]) for s in recorded.states}
        for e in [*rec.setup, *rec.backward, *rec.forward]:
            self._add(e)

    def _add(self, e: Equation) -> None:
        """What has no number on the tape, since its author gave it no name, is what its formula says."""
        if e.target.step is None:
            found = evaluate(e.right, lambda ref: self.value(ref, 0))
            for target, value in zip(e.targets, found if len(e.targets) > 1 else [found], strict=True):
                self._outside[target.name] = value
        elif e.target.name not in self._by_name:
            self._by_name[e.target.name] = [self.evaluate(e.right, t) for t in range(self.T)]

    def value(self, ref: Ref, t: int) -> Any:
        """A quantity, seen from step t = 0, ..., T - 1."""
        if ref.step is None:
            return self._outside[ref.name]
        at = ref.step - STEP - 1 if ref.step > STEP // 2 else t + ref.step
        return self._first[ref.name] if at < 0 else self._by_name[ref.name][at]

    def evaluate(self, x: Expr, t: int) -> Any:
        """An expression at step t; what comes from beyond the last step is zero."""
        if t == self.T - 1:
            x = rebuilt(x, lambda part: Num(0) if isinstance(part, Op) and part.name == "later" else None)
        return evaluate(x, lambda ref: self.value(ref, t))

    def sides(self, f: Formula, t: int) -> list[Any]:
        """The numbers of a formula's sides, the left ones first; of a sum over all steps t says nothing."""
        found: list[Any] = []
        if len(f.left) > 1 and isinstance(f.left[0], Ref):  # the parts of an array
            found.append(np.concatenate([self.value(left, t) for left in f.left if isinstance(left, Ref)]))
            return [*found, *(np.concatenate(self.evaluate(right, t)) for right in f.right)]
        for left in f.left:
            if isinstance(left, Ref):
                found.append(self.value(left, t))
            elif left.above is None and f.summed:
                found.append(self.gradients[left.below.name])
            elif left.above is None:
                found.append(self.d_first[left.below.name] if f.at == "first" else self.dx[t])
        for right in f.right:
            if f.summed:
                found.append(sum(self.evaluate(right, k) for k in range(self.T)))
            else:
                found.append(self.evaluate(right, 0 if f.at == "first" else t))
        return [np.broadcast_to(side, np.shape(found[0])) if np.ndim(side) == 0 else side for side in found]


def _turn(a: Any) -> Any:
    return a[None, :] if a.ndim == 1 else a.T


def _own(a: Any) -> Any:
    return a[:, None] if a.ndim == 1 else a
