"""The steps of a person's loop, found on the tape without scopes: a run of calls that repeats, once a step.

Out of one step a cell is made, cell(params, x, *state): the calls that lead from a state to the next one. What the
person does with the states besides, a readout and a loss, is left outside; its gradient by each state is what the cell
gets from above.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.derivation.naming import SUMMED
from tinygrad_rnn.bptt.homework.own_loss import Recording
from tinygrad_rnn.bptt.homework.places import Array
from tinygrad_rnn.core.tensor import Line, Tensor
from tinygrad_rnn.graph.graph import Carry, Graph, Loop, Node, Row, Value
from tinygrad_rnn.graph.outside_values import Places
from tinygrad_rnn.graph.roll import roll
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.notation import is_function
from tinygrad_rnn.tape.spelled_functions import recognised


@dataclass(frozen=True)
class Steps:
    """A recurrence on a tape: the cell, and the problem that it has there.

    params: what the cell reads at every step, by the person's names. xs (T, ...): what each step reads. state: the
    initial states. dhs (T, ...), dlast: the gradients of the loss by the first state of each step, and by the last
    states, apart from what comes back through the recurrence. rest: the gradients that reach the parameters by other
    ways.
    """

    cell: StepCell
    params: dict[str, Array]
    xs: Array
    state: tuple[Array, ...]
    dhs: Array
    dlast: tuple[Array, ...]
    rest: dict[str, Array]


class StepCell:
    """One step of a recorded loop, run again on other values: cell(params, x, *state)."""

    __name__ = "the step"

    def __init__(
        self, nodes: list[Node], params: Mapping[str, Value], xs: list[Value], carries: Mapping[str, Carry]
    ) -> None:
        self._nodes, self._params, self._xs, self._carries = nodes, params, xs, carries
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        self.__signature__ = inspect.Signature([inspect.Parameter(n, kind) for n in ("params", "x", *carries)])

    def __call__(self, params: Mapping[str, Any], x: Any, *state: Any) -> tuple[Any, ...]:
        """Return the next states."""
        known: dict[Value, Any] = {value: params[name] for name, value in self._params.items()}
        known |= {carry.before: s for carry, s in zip(self._carries.values(), state, strict=True)}
        known |= dict.fromkeys(self._xs, x)
        for node in self._nodes:
            arguments = [_known(a, known) for a in node.args]
            out = node.op(*arguments, **node.kwargs)
            if isinstance(out, Tensor) and node.out.name:
                out.name = node.out.name
            known[node.out] = out
        return tuple(known[carry.after] for carry in self._carries.values())


def steps_of(recording: Recording, steps: int, params: Mapping[str, Tensor]) -> Steps | None:
    """Return the recurrence of a recorded forward pass of so many steps; None where none is found.

    params: the parameters, by the person's names.
    """
    lines = _leading_to(recognised(recording.tape, [recording.loss]).lines(), recording.loss)
    labelled = _labelled(lines, steps, recording.names)
    if labelled is None:
        return None
    places: Places = {}
    inputs = list(recording.tensors.values())
    graph = roll(labelled, inputs, [recording.loss], places)
    loops = [loop for loop in graph.loops() if loop.length == steps and loop.direction == 1]
    if len(loops) != 1:
        return None
    return _Recurrence(recording, lines, graph, loops[0], places, params).steps()


def _leading_to(lines: Iterable[Line], loss: Tensor) -> list[Line]:
    """Return the lines that the loss depends on."""
    needed, kept = {id(loss)}, []
    for line in reversed(list(lines)):
        _, args, _, out, _ = line
        if id(out) in needed:
            kept.append(line)
            needed |= {id(a) for a in args if type(a) is Tensor}
    return kept[::-1]


def _labelled(lines: list[Line], steps: int, names: Mapping[int, str]) -> list[Line] | None:
    """Return the lines with the label t on those of the loop; None where no run of calls repeats so often.

    Each step's values get the names of the last one's, to which the person's variables still point at the end.
    """
    calls = [
        (op.name, out.shape, tuple((k, str(v)) for k, v in sorted(kwargs.items()))) for op, _, kwargs, out, _ in lines
    ]
    best: tuple[int, int, int] | None = None
    for period in range(1, len(calls) // steps + 1) if steps > 1 else ():
        start, length = _longest([a == b for a, b in zip(calls, calls[period:], strict=False)])
        if length >= (steps - 1) * period and (best is None or period > best[0]):
            best = (period, start, length)
    if best is None:
        return None
    period, start, _ = best
    in_loop = {id(out) for _, _, _, out, _ in lines[start : start + steps * period]}
    made: list[Line] = []
    for k, (op, args, kwargs, out, _) in enumerate(lines):
        t, place = divmod(k - start, period)
        inside = 0 <= t < steps
        if inside:
            every = [lines[start + s * period + place][1] for s in range(steps)]
            across = zip(*every, strict=False)
            args = tuple(_alike(a, list(each), in_loop, args) for a, each in zip(args, across, strict=False))
            last = lines[start + (steps - 1) * period + place][3]
            out.name = names.get(id(last), out.name)
        made.append((op, args, kwargs, out, (("t", t),) if inside else ()))
    return made


def _alike(argument: Any, every: list[Any], in_loop: set[int], args: tuple[Any, ...]) -> Any:
    """Return an argument as all steps can have it: an array, for a number in whose place others have something else.

    A sum begins at the number 0, which is a value on the tape later. A target that is picked out of an array that the
    step made, p[target], is another number at each step.
    """
    if type(argument) not in (int, float):
        return argument
    if any(type(a) is Tensor for a in every):
        return np.asarray(float(argument))
    picked = type(argument) is int and id(args[0]) in in_loop and any(a != argument for a in every)
    return np.asarray(argument) if picked else argument


def _longest(same: list[bool]) -> tuple[int, int]:
    """Return the start and the length of the longest run of True."""
    best, start = (0, 0), 0
    for k, value in enumerate([*same, False]):
        if not value:
            best = max(best, (start, k - start), key=lambda run: run[1])
            start = k + 1
    return best


class _Recurrence:
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
        floats = [v for v in dict.fromkeys(read) if v in rows and v.dtype.kind == "f"]
        series = [self._series(rows[v]) for v in floats]
        if any(not np.array_equal(series[0], other) for other in series) or any(
            v in rows and v not in floats for v in read
        ):
            return None
        made_outside, leaves = self._outside([v for v in dict.fromkeys(read) if v not in rows])
        if leaves is None:
            return None
        upstream = self._upstream(body, carries)
        if upstream is None:
            return None
        carries, dhs, dlast, rest = upstream
        names = _state_names(carries)
        _name_net_inputs(body, {*names, *leaves, *self.recording.names.values()})
        return Steps(
            StepCell([*made_outside, *body], leaves, floats, dict(zip(names, carries, strict=True))),
            {name: self.params[name].data for name in leaves},
            series[0] if series else np.zeros((self.loop.length, 1)),
            tuple(self._array(carry.init) for carry in carries),
            dhs,
            dlast,
            {name: rest[name] for name in leaves},
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

    def _upstream(self, body: list[Node], carries: list[Carry]) -> Any:
        """Return the carries, that which is read outside first; dhs and dlast; the gradients by other ways.

        The lines outside of the cell are run again, with the states as leaves. None where they read something else of
        the cell, or two states at every step.
        """
        T = self.loop.length
        of_cell = {node.out for node in body}
        after = {carry.after: k for k, carry in enumerate(carries)}
        known: dict[int, Any] = {}
        states: dict[tuple[int, int], Tensor] = {}
        fresh = {id(x): Tensor(x.data, name=x.name) for x in self.recording.tensors.values()}
        with Tape() as tape:
            for op, args, kwargs, out, _ in self.lines:
                place = self.places.get(id(out))
                if place is not None and place[0] is self.loop and place[1] in of_cell:
                    if place[1] in after:
                        key = (after[place[1]], place[2])
                        states[key] = known[id(out)] = Tensor(out.data)
                    continue
                arguments = []
                for a in args:
                    if type(a) is Tensor:
                        if id(a) in fresh:
                            a = fresh[id(a)]
                        elif id(a) in known:
                            a = known[id(a)]
                        else:
                            return None
                    arguments.append(a)
                known[id(out)] = op(*arguments, **kwargs)
        loss = known.get(id(self.recording.loss))
        if not isinstance(loss, Tensor):
            return None
        wanted: dict[Any, Tensor] = {**states, **fresh}
        found = tape.gradient(loss, wanted) if len(tape) else {key: 0 * x.data for key, x in wanted.items()}
        earlier = [{k for k in range(len(carries)) if (k, t) in states and np.any(found[k, t])} for t in range(T - 1)]
        per_step = sorted(set().union(*earlier))
        if len(per_step) > 1:
            return None
        order = [*per_step, *(k for k in range(len(carries)) if k not in per_step)]
        first = order[0]
        dhs = np.stack([found[first, t] for t in range(T)])
        dlast = tuple(np.zeros_like(dhs[-1]) if k == first else found[k, T - 1] for k in order)
        rest = {name: found[id(x)] for name, x in self.params.items()}
        return [carries[k] for k in order], dhs, dlast, rest

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


def _state_names(carries: list[Carry]) -> list[str]:
    """Return a name for each state: the person's own, without what says `before` or `next`."""
    names: list[str] = []
    for k, carry in enumerate(carries):
        name = (carry.after.name or carry.before.name or "").strip("_")
        for ending in ("_next", "_new", "_prev", "_t", "_cur"):
            name = name.removesuffix(ending)
        name = name if name.isidentifier() and name not in (*names, "x", "params") else f"s{k}" if k else "h"
        names.append(name if name not in names else f"s{k}")
    return names


def _name_net_inputs(body: list[Node], taken: set[str]) -> None:
    """Name what has no name and goes into a nonlinear function: z, or z_f for that of f where there are several."""
    makers = {node.out: node for node in body}
    nonlinear = [
        node
        for node in body
        if is_function(node.op.name) and node.args[0] in makers and makers[node.args[0]].op.name in SUMMED
    ]
    for node in nonlinear:
        name = "z" if len(nonlinear) == 1 else f"z_{node.out.name}"
        if node.args[0].name is None and (node.out.name or name == "z") and name not in taken:
            node.args[0].name = name


def _known(argument: Any, known: Mapping[Value, Any]) -> Any:
    if isinstance(argument, Value):
        return known.get(argument, argument.constant)
    return argument
