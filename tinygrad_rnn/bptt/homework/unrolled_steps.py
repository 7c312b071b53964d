"""The steps of a person's loop as a recurrence: a cell, its problem, and the way of its gradients to all arrays.

Out of one step a cell is made, cell(params, x, *state): the calls that lead from a state to the next one. What the
person does with the states besides, a readout and a loss, is left outside; its gradient by each state is what the cell
gets from above.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Gradients
from tinygrad_rnn.bptt.homework.array_places import Array
from tinygrad_rnn.bptt.homework.own_loss import Recording
from tinygrad_rnn.bptt.homework.repeated_calls import labelled, leading_to
from tinygrad_rnn.bptt.homework.step_cell import StepCell, name_net_inputs, state_names
from tinygrad_rnn.core.tensor import Line, Tensor
from tinygrad_rnn.graph.graph import Carry, Graph, Loop, Node, Row, Value
from tinygrad_rnn.graph.outside_values import Places
from tinygrad_rnn.graph.roll import roll
from tinygrad_rnn.nn.time_loop import as_tuple
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.spelled_functions import recognised

STATE = "the state after the step"


@dataclass(frozen=True)
class Steps:
    """A recurrence on a tape: the cell, and the problem that it has there.

    params: what the cell reads at every step, by the person's names. xs (T, ...): what each step reads. state: the
    initial states. dhs (T, ...), dlast: the gradients of the loss by the first state of each step, and by the last
    states, apart from what comes back through the recurrence. rest: the gradients that reach the arrays by other ways.
    passed_on: what reaches the arrays outside of the steps, given the gradients by xs and by the initial states.
    """

    cell: StepCell
    params: dict[str, Array]
    xs: Array
    state: tuple[Array, ...]
    dhs: Array
    dlast: tuple[Array, ...]
    rest: dict[str, Array]
    passed_on: Callable[[Gradients], Gradients]

    def of_all(self, gradients: Gradients) -> Gradients:
        """Return the gradients by all arrays, given those of the steps: params, "x", "h0", ..."""
        found = {**self.passed_on(gradients), **{name: gradients[name] for name in self.params}}
        return {name: np.asarray(found[name] + g) for name, g in self.rest.items()}


def steps_of(
    recording: Recording, steps: int, params: Mapping[str, Tensor], kind: type[Recurrence] | None = None
) -> Steps | None:
    """Return the recurrence of a recorded forward pass of so many steps; None where none is found.

    params: the parameters, by the person's names. kind: how the loop is read.
    """
    lines = leading_to(recognised(recording.tape, [recording.loss]).lines(), recording.loss)
    in_time = labelled(lines, steps, recording.names)
    if in_time is None:
        return None
    places: Places = {}
    inputs = list(recording.tensors.values())
    graph = roll(in_time, inputs, [recording.loss], places)
    loops = [loop for loop in graph.loops() if loop.length == steps and loop.direction == 1]
    if len(loops) != 1:
        return None
    return (kind or Recurrence)(recording, lines, graph, loops[0], places, params).steps()


def first_step(steps: Steps, recording: Recording, params: Mapping[str, Tensor]) -> Steps | None:
    """Return the step of a pass of one step on the same data, given the steps of a longer one.

    The state after it is found by its value. None where it is not there, or where the parameters' gradients are others
    than those through the step.
    """
    after = np.asarray(as_tuple(steps.cell(steps.params, steps.xs[0], *steps.state))[0])
    lines = recording.tape.lines()
    state = next((o for *_, o, _ in lines if o.shape == after.shape and np.allclose(o.data, after, 1e-12, 0)), None)
    if state is None:
        return None
    found = recording.tape.gradient(recording.loss, {**params, STATE: state})
    dhs, dlast = np.asarray(found.pop(STATE))[None], tuple(np.zeros_like(s) for s in steps.state)
    with Tape() as tape:
        leaves = {name: Tensor(p) for name, p in steps.params.items()}
        loss = (as_tuple(steps.cell(leaves, steps.xs[0], *steps.state))[0] * dhs[0]).sum()
    own = tape.gradient(loss, leaves)
    rest = {name: np.asarray(found[name] - own[name]) for name in steps.params}
    for name, g in rest.items():
        if not np.any(steps.rest[name]):
            if np.max(np.abs(g), initial=0) > 1e-7 * (np.max(np.abs(found[name]), initial=0) or 1):
                return None
            rest[name] = np.zeros_like(g)
    return replace(steps, xs=steps.xs[:1], dhs=dhs, dlast=dlast, rest=rest)


@dataclass(frozen=True)
class _Outside:
    """The lines outside of the cell, run again: the loss; by (state, t) and by t what they give to and take from it."""

    tape: Tape
    loss: Tensor
    states: dict[tuple[int, int], Tensor]
    rows: dict[int, Tensor]
    arrays: dict[str, Tensor]

    def gradients(self, seeds: Mapping[Tensor, Array], wanted: Mapping[Any, Tensor]) -> dict[Any, Array]:
        """Return the gradients of sum(seed * value) by these Tensors."""
        made = {id(out) for _, _, _, out, _ in self.tape.lines()}
        seeds = {x: g for x, g in seeds.items() if id(x) in made}
        return self.tape.gradient(seeds, dict(wanted)) if seeds else {key: 0 * x.data for key, x in wanted.items()}


class Recurrence:
    """A loop on a tape, and the person's parameters: read as a cell and its problem."""

    def __init__(
        self,
        recording: Recording,
        lines: list[Line],
        graph: Graph,
        loop: Loop,
        places: Places,
        params: Mapping[str, Tensor],
    ) -> None:
        self.recording, self.lines, self.graph, self.loop = recording, lines, graph, loop
        self.places, self.params = places, params
        self.maker = {node.out: node for node in loop.body}

    def steps(self) -> Steps | None:
        """Return the recurrence; None where it has a form that no cell has."""
        carries = self._states()
        if not carries:
            return None
        body = self._leading_to([carry.after for carry in carries])
        inside = {node.out for node in body} | {carry.before for carry in carries}
        read = [v for node in body for v in node.reads() if v not in inside]
        rows = {row.inner: row for row in self.loop.rows}
        xs = [v for v in dict.fromkeys(read) if v in rows]
        series = [self._series(rows[v]) for v in xs]
        if any(not np.array_equal(series[0], other) for other in series):
            return None
        made_outside, leaves = self._outside([v for v in dict.fromkeys(read) if v not in rows])
        if leaves is None:
            return None
        outside = self._run_outside(body, carries, xs)
        if outside is None or (upstream := self._upstream(outside, carries)) is None:
            return None
        carries, dhs, dlast, rest = upstream
        names = state_names(carries)
        name_net_inputs(body, {*names, *leaves, *self.recording.names.values()})
        return Steps(
            StepCell([*made_outside, *body], leaves, xs, dict(zip(names, carries, strict=True))),
            {name: self.params[name].data for name in leaves},
            series[0] if series else np.zeros((self.loop.length, 1)),
            tuple(self._array(carry.init) for carry in carries),
            dhs,
            dlast,
            rest,
            self._passing_on(outside, carries, names),
        )

    def _states(self) -> list[Carry]:
        """Return the carries that are states: not those that only add something up."""
        readers: dict[Value, list[Node]] = {}
        for node in self.loop.body:
            for v in node.reads():
                readers.setdefault(v, []).append(node)
        found = []
        for carry in self.loop.carries:
            made = self.maker.get(carry.after)
            sums = made is not None and made.op.name in ("add", "subtract") and readers.get(carry.before, []) == [made]
            others = [r for r in readers.get(carry.after, []) if r is not made]
            if made is not None and not (sums and not others and carry.before in made.args):
                found.append(carry)
        return found

    def _leading_to(self, values: Sequence[Value]) -> list[Node]:
        needed = set(values)
        kept = []
        for node in reversed(self.loop.body):
            if node.out in needed:
                kept.append(node)
                needed |= set(node.reads())
        return kept[::-1]

    def _outside(self, read: list[Value]) -> tuple[list[Node], dict[str, Value] | None]:
        """Return the calls outside of the loop that lead to what a step reads, and the parameters by name."""
        makers = {item.out: item for item in self.graph.items if isinstance(item, Node)}
        made = {out.outer for loop in self.graph.loops() for out in loop.outs()}
        names = {
            v: name
            for v, x in zip(self.graph.inputs, self.recording.tensors.values(), strict=True)
            for name, p in self.params.items()
            if p is x
        }
        nodes: list[Node] = []
        leaves: dict[str, Value] = {}
        pending, seen = list(read), set(read)
        while pending:
            v = pending.pop()
            if v in names:
                leaves[names[v]] = v
            elif v in makers:
                nodes.append(makers[v])
                for a in makers[v].reads():
                    if a not in seen:
                        seen.add(a)
                        pending.append(a)
            elif v in made or v.constant is None:
                return [], None
        order = {id(item): k for k, item in enumerate(self.graph.items)}
        return sorted(nodes, key=lambda node: order[id(node)]), leaves

    def _run_outside(self, body: list[Node], carries: list[Carry], xs: list[Value]) -> _Outside | None:
        """Run the lines outside of the cell again, with the states as leaves. None where they read more of the cell."""
        of_cell = {node.out for node in body}
        after = {carry.after: k for k, carry in enumerate(carries)}
        known: dict[int, Any] = {id(x): Tensor(x.data, name=x.name) for x in self.recording.tensors.values()}
        arrays = {name: known[id(x)] for name, x in self.params.items()}
        all_made = {id(out) for _, _, _, out, _ in self.lines}
        states: dict[tuple[int, int], Tensor] = {}
        rows: dict[int, Tensor] = {}
        with Tape() as tape:
            for op, args, kwargs, out, _ in self.lines:
                loop, inner, t = self.places.get(id(out), (None, None, 0))
                if loop is self.loop and inner in of_cell:
                    if inner in after:
                        states[after[inner], t] = known[id(out)] = Tensor(out.data)
                    continue
                if any(type(a) is Tensor and id(a) not in known and id(a) in all_made for a in args):
                    return None
                made = op(*(known.get(id(a), a.data) if type(a) is Tensor else a for a in args), **kwargs)
                known[id(out)] = made
                if loop is self.loop and inner in xs and type(made) is Tensor:  # an array passes nothing on
                    rows[t] = made
        loss = known.get(id(self.recording.loss))
        return _Outside(tape, loss, states, rows, arrays) if isinstance(loss, Tensor) else None

    def _upstream(self, outside: _Outside, carries: list[Carry]) -> Any:
        """Return the carries, that which is read outside first; dhs and dlast; the gradients by other ways.

        None where two states are read outside at every step: the cell has one output.
        """
        T, states = self.loop.length, outside.states
        wanted: dict[Any, Tensor] = {**states, **outside.arrays}
        found = outside.gradients({outside.loss: np.ones(())}, wanted)
        earlier = [{k for k in range(len(carries)) if (k, t) in states and np.any(found[k, t])} for t in range(T - 1)]
        per_step = sorted(set().union(*earlier))
        if len(per_step) > 1:
            return None
        order = [*per_step, *(k for k in range(len(carries)) if k not in per_step)]
        first = order[0]
        dhs = np.stack([found[first, t] for t in range(T)])
        dlast = tuple(np.zeros_like(dhs[-1]) if k == first else found[k, T - 1] for k in order)
        rest = {name: found[name] for name in outside.arrays}
        return [carries[k] for k in order], dhs, dlast, rest

    def _passing_on(
        self, outside: _Outside, carries: list[Carry], names: list[str]
    ) -> Callable[[Gradients], Gradients]:
        """Return what carries gradients by xs and by the initial states on to the arrays that these come from."""
        values = dict(zip(self.graph.inputs, self.recording.tensors.values(), strict=True))
        begins = {
            f"{state}0": name
            for state, carry in zip(names, carries, strict=True)
            for name, x in self.params.items()
            if values.get(carry.init) is x
        }

        def passed_on(gradients: Gradients) -> Gradients:
            seeds = {x: gradients["x"][t] for t, x in outside.rows.items() if "x" in gradients}
            found = outside.gradients(seeds, outside.arrays)
            for state, name in begins.items():
                found[name] = found[name] + gradients[state]
            return found

        return passed_on

    def _series(self, row: Row) -> Array:
        """Return what each step reads as this row."""
        return self._array(row.outer)[row.offset :][: self.loop.length]

    def _array(self, v: Value) -> Array:
        """Return the values of what lies outside of the loop, as recorded."""
        found = v.constant if v.constant is not None else v.example
        if found is not None and found.shape == v.shape:
            return np.asarray(found)
        maker = next(item for item in self.graph.items if isinstance(item, Node) and item.out is v)
        arguments = [self._array(a) if isinstance(a, Value) else a for a in maker.args]
        return np.asarray(maker.op.function(*arguments, **maker.kwargs))
