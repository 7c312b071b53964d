"""The model of a cell's BPTT: the lines of one step, the same at every step, and a walk back that can be changed.

`CellModel` records one step of a cell and keeps each line as a `Role`: the operation, and its arguments as references
(`Ref`: a parameter, the input, a state, the result of an earlier line). `Changes` are at the places where derivations
by hand go wrong: the carry, the upstream gradients, the product that one line hands to an input, the values that
backward reads, the sum over the steps. `changed_walk` walks back with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array, Case, Gradients
from tinygrad_rnn.bptt.diagnosis.rules import Fixed, Ref, Role, Rule, plain
from tinygrad_rnn.bptt.truncation.ways import Full, Way
from tinygrad_rnn.core.recording import scope
from tinygrad_rnn.core.tensor import Tensor, named
from tinygrad_rnn.nn.time_loop import as_tuple, cell_name
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.local_names import local_names
from tinygrad_rnn.tape.spelled_functions import recognised

Edge = tuple[int, int]
"""(line, argument): the way of the cotangent from what the line made to what it read there."""


Upstream = Callable[[Array, list[Array]], tuple[Array, list[Array]]]
"""A change of the upstream gradients dhs and dlast."""

Carry = Callable[[int, "At", list[Array]], list[Array]]
"""A change of the carry from step t+1 to step t, given t."""

Handed = Callable[["At", list[Array]], list[Array]]
"""A change of what a step hands to the step before, given the step."""

Summed = Callable[[str, list[Array]], Array]
"""The sum of a parameter's terms, as the loop makes them, given its name."""

Result = Callable[[Gradients, "At"], Gradients]
"""A change of the answer, given the last step of the walk."""

EdgeChange = Callable[["At", Array], Any]
"""A replacement of the derivative rule of an edge: a function of the step and the cotangent."""


@dataclass(frozen=True)
class Changes:
    """Changes to BPTT, by place. Without any, it is BPTT."""

    forward: Mapping[int, Callable[[At], Array]] = field(default_factory=dict)  # the value of a line, going forward
    saved: Callable[[Values], Values] | None = None  # the values as backward reads them
    upstream: Upstream | None = None
    carry: Carry | None = None
    handed: Handed | None = None
    cotangents: Mapping[int, Callable[[At, Array], Array]] = field(default_factory=dict)  # of what a line made
    edges: Mapping[Edge, EdgeChange] = field(default_factory=dict)
    summed: Summed | None = None
    result: Result | None = None
    in_time: bool = False  # the loop runs from the first step to the last
    skips: Callable[[int, int], bool] | None = None  # (t, T): whether the loop leaves a step out

    def keeps_the_order(self) -> bool:
        """Return whether values, upstream gradients and the order of the steps are unchanged."""
        return not any((self.forward, self.saved, self.upstream, self.in_time, self.skips))

    def only_adds_up(self) -> bool:
        """Return whether the walk itself is unchanged."""
        return self.keeps_the_order() and not (self.carry or self.handed or self.cotangents or self.edges)


@dataclass(frozen=True)
class Values:
    """The values of a forward pass: by step and line; by state, from the initial one on; inputs; parameters."""

    lines: list[list[Array]]
    states: list[list[Array]]
    xs: Array
    params: Mapping[str, Array]


class At:
    """One step of a walk, and the values of its references."""

    def __init__(self, model: CellModel, values: Values, t: int, dhs: Any = None) -> None:
        self.model, self.values, self.t, self.dhs = model, values, t, dhs
        self.pending: dict[Ref, Any] = {}
        self.carry: list[Array] = []
        self.is_last = t == len(model.case.xs) - 1

    def value(self, ref: object) -> Any:
        """Return the value of a reference, or a constant as it is. Steps beyond either end count from the other."""
        if not isinstance(ref, Ref):
            return ref.value if type(ref) is Fixed else ref
        kind, index, shift = ref
        values, t, T = self.values, self.t + shift, len(self.values.lines)
        if kind == "line":
            return values.lines[t % T][index]
        if kind == "state":
            return values.states[index][t % (T + 1)]
        if kind == "near":
            return values.lines[min(max(t, 0), T - 1)][index]
        if kind == "within":
            return values.lines[t][index] if 0 <= t < T else np.ones_like(values.lines[self.t][index])
        if kind == "wrapped":
            return values.states[index][t or T]
        if kind == "x":
            return values.xs[t % T]
        if kind == "param":
            return self.values.params[index]
        if kind == "cotangent":
            return self.pending[Ref("line", index)]
        if kind == "carry":
            return self.carry[index]
        if kind == "local":
            return self.pending[self.model.after[index]] - self.carry[index]
        return self.dhs[t % T]

    def arguments(self, r: int) -> list[Any]:
        """Return the values of the arguments of line r."""
        if self.values is self.model.values:
            return self.model.arguments(self.t, r)
        return [self.value(a) for a in self.model.roles[r].args]


class CellModel:
    """A case's cell as roles. Raises ValueError for a cell whose steps are not alike."""

    def __init__(self, case: Case, way: Way | None = None) -> None:
        self.case, self.way = case, way or Full()
        x = Tensor(case.xs[0], name="x")
        states = [Tensor(s, name=name) for name, s in zip(case.state_names, case.state, strict=True)]
        params = {name: Tensor(p, name=name) for name, p in case.params.items()}
        with Tape() as recorded, scope(t=0), local_names(case.cell) as called:
            after = as_tuple(case.cell(params, x, *states))
        tape = recognised(recorded, [s for s in after if isinstance(s, Tensor)])
        self.names = tuple(name[:-1] for name in case.state_names)
        refs: dict[int, Ref] = {id(x): Ref("x")}
        refs |= {id(s): Ref("state", k) for k, s in enumerate(states)}
        refs |= {id(p): Ref("param", name) for name, p in params.items()}
        self.likes: dict[Ref, Tensor] = {refs[id(v)]: v for v in (x, *states, *params.values())}
        self.roles: list[Role] = []
        for r, (op, args, kwargs, out, _) in enumerate(tape.lines()):
            name = out.name or called.get(id(out))
            self.roles.append(Role(op, tuple(refs.get(id(a), plain(a)) for a in args), kwargs, name, out))
            refs[id(out)] = Ref("line", r)
            self.likes[Ref("line", r)] = out
        for name, s in zip(self.names, after, strict=True):
            if id(s) not in refs:
                raise ValueError(
                    f"doctor: {cell_name(case.cell)} returns a state {name} that no operation made\n"
                    "let the step compute it, or hand on a state or a parameter as it is"
                )
            named(name, s)
        self.after = [refs[id(s)] for s in after]
        for k, ref in enumerate(self.after):
            if ref.kind == "line":
                self.roles[ref.index] = self.roles[ref.index]._replace(name=self.names[k])
        self._arguments: dict[Edge, list[Any]] = {}
        self._slots: dict[int, list[tuple[int, Ref]]] = {}
        self.values = Values([], [], case.xs, case.params)
        self.values = self.forward({})
        self.walked: Any = None  # the walk without changes, once it was made
        self.shapes = {name: a.shape for name, a in case.inputs().items()}
        hs, _ = case.forward(case.params, case.xs, case.state)
        if not np.allclose(np.stack(self.values.states[0][1:]), hs, rtol=1e-9, atol=0, equal_nan=True):
            raise ValueError(
                f"doctor: the steps of {cell_name(case.cell)} are not alike: step 0 repeated gives other states\n"
                "give a cell that makes the same operations at every step, without random numbers"
            )

    def forward(self, changed: Mapping[int, Callable[[At], Array]]) -> Values:
        """Run the forward pass, with some lines changed."""
        lines: list[list[Array]] = []
        states = [[s] for s in self.case.state]
        T = len(self.case.xs)
        values = Values(lines, states, self.case.xs, self.case.params)
        for t in range(T):
            lines.append([])
            at = _Forward(self, values, t)
            for r, role in enumerate(self.roles):
                value = changed[r](at) if r in changed else role.op.function(*at.arguments(r), **role.kwargs)
                lines[t].append(value)
            for k, ref in enumerate(self.after):
                states[k].append(at.value(ref))
        return values

    def rule(self, r: int, slot: int) -> Rule:
        """Return the derivative rule of one edge, as a small program that can be edited."""
        if (r, slot) not in self._rules:
            at = At(self, self.values, 0)
            self._rules[r, slot] = Rule.traced(self.roles[r], r, slot, self.values.lines[0][r], at.arguments(r))
        return self._rules[r, slot]

    @cached_property
    def _rules(self) -> dict[Edge, Rule]:
        return {}

    def slots(self, r: int) -> list[tuple[int, Ref]]:
        """Return the arguments of line r that have a derivative: (number, reference). Integers have none."""
        if r not in self._slots:
            self._slots[r] = [(slot, ref) for slot, ref in self.roles[r].slots() if self.likes[ref].dtype.kind == "f"]
        return self._slots[r]

    def arguments(self, t: int, r: int) -> list[Any]:
        """Return the values of the arguments of line r at step t, without changes."""
        if (t, r) not in self._arguments:
            at = At(self, self.values, t)
            self._arguments[t, r] = [at.value(a) for a in self.roles[r].args]
        return self._arguments[t, r]

    def edges(self) -> Iterable[tuple[int, int, Ref]]:
        """Yield all edges, as backward passes them: (line, argument, reference)."""
        for r in reversed(range(len(self.roles))):
            for slot, target in self.slots(r):
                yield r, slot, target


class _Forward(At):
    """Going forward, the steps that are not computed yet are the last one that is."""

    def value(self, ref: object) -> Any:
        if isinstance(ref, Ref) and ref.kind == "line" and ref.shift:
            t = max(0, min(self.t + ref.shift, len(self.values.lines) - 1))
            return self.values.lines[t][ref.index]
        if isinstance(ref, Ref) and ref.kind == "state":
            series = self.values.states[ref.index]
            return series[max(0, min(self.t + ref.shift, len(series) - 1))]
        return super().value(ref)
