"""The steps of a loop together with their output, and with what was computed for all steps before the loop.

A person's gates may be made for all times at once, z = sigmoid(x @ Wz), and read row by row; several states may meet in
one output, as C q / (n q), which alone the loss reads. The cell of such a loop has the output as its first state, which
no step reads, and the calls before the loop run on the data of one step, an axis of time of length 1. That they then
give the rows is checked by numbers, for each step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Gradients
from tinygrad_rnn.bptt.homework.array_places import Array
from tinygrad_rnn.bptt.homework.step_cell import StepCell, name_net_inputs, state_names
from tinygrad_rnn.bptt.homework.unrolled_steps import Recurrence, Steps
from tinygrad_rnn.graph.graph import Carry, Node, Row, Value, op

OUTPUTS = 40
"""The number of values of a step that are tried as its output."""


@dataclass(frozen=True)
class _Rows:
    """What a step reads, made of the data of that step.

    nodes: the calls that make it. xs: what the step reads as x. series (T, ...): each step's x. source, axis: the data
    of which x is the step along an axis, where it is no row of the loop.
    """

    nodes: list[Node]
    xs: list[Value]
    series: Array
    source: Value | None = None
    axis: int = 0


class OutputRecurrence(Recurrence):
    """A recurrence whose steps hold their output, and the calls before the loop that make their rows."""

    def steps(self) -> Steps | None:
        """Return the recurrence; None where it has a form that no cell has."""
        carries = self._states()
        for output in [None, *self._outputs(carries)] if carries else []:
            if (found := self._with(output, carries)) is not None:
                return found
        return None

    def _outputs(self, carries: list[Carry]) -> Iterator[Value]:
        """Yield values of a step that could be its output, the nearest to the states first."""
        of_states = {carry.before for carry in carries} | {carry.after for carry in carries}
        after = {carry.after for carry in carries}
        count = 0
        for node in self.loop.body:
            if any(v in of_states for v in node.reads()):
                of_states.add(node.out)
                if node.out not in after and count < OUTPUTS and node.out.dtype.kind == "f":
                    count += 1
                    yield node.out

    def _with(self, output: Value | None, carries: list[Carry]) -> Steps | None:
        """Return the recurrence with this output, where nothing else of a step is read outside."""
        if output is not None:
            unread = Value(output.shape, output.dtype)
            zeros = Value(output.shape, output.dtype, constant=np.zeros(output.shape))
            carries = [Carry(unread, zeros, output), *carries]
        body = self._leading_to([carry.after for carry in carries])
        rest = [node for node in self.loop.body if node not in body]
        if any(self._is_made_of_params(v) for node in rest for v in node.reads()):
            return None
        rows = self._rows({v for node in body for v in node.reads()})
        outside = self._run_outside(body, carries, rows.xs if rows and not rows.nodes else []) if rows else None
        if rows is None or outside is None or (upstream := self._upstream(outside, carries)) is None:
            return None
        carries, dhs, dlast, others = upstream
        if output is not None and carries[0].after is not output:
            return None
        nodes = [*rows.nodes, *body]
        own = {node.out for node in nodes} | {carry.before for carry in carries} | {*rows.xs}
        made_outside, leaves = self._outside(list(dict.fromkeys(v for n in nodes for v in n.reads() if v not in own)))
        if leaves is None:
            return None
        names = state_names(carries, "y" if output is not None else "h")
        nodes = [*made_outside, *nodes]
        name_net_inputs(nodes, {*names, *leaves, *self.recording.names.values()})
        return Steps(
            StepCell(nodes, leaves, rows.xs, dict(zip(names, carries, strict=True))),
            {name: self.params[name].data for name in leaves},
            rows.series,
            tuple(self._array(carry.init) for carry in carries),
            dhs,
            dlast,
            others,
            self._passing_on_rows(rows, self._passing_on(outside, carries, names)),
        )

    def _is_made_of_params(self, v: Value) -> bool:
        """Return whether a value outside of the loop is a parameter, or is made of one."""
        params = self._params()
        v = next((row.outer for row in self.loop.rows if row.inner is v), v)
        return v in params or any(a in params for node in self._made_by(v) for a in node.reads())

    def _made_by(self, v: Value) -> list[Node]:
        """Return the calls outside of the loop that lead to a value."""
        makers = {item.out: item for item in self.graph.items if isinstance(item, Node)}
        pending, found = [v], dict[Node, None]()
        while pending:
            maker = makers.get(pending.pop())
            if maker is not None and maker not in found:
                found[maker] = None
                pending += maker.reads()
        order = {id(item): k for k, item in enumerate(self.graph.items)}
        return sorted(found, key=lambda node: order[id(node)])

    def _params(self) -> set[Value]:
        """Return the arrays that have a gradient, but for those of which steps read rows."""
        tensors = zip(self.graph.inputs, self.recording.tensors.values(), strict=True)
        of_params = {id(x) for x in self.params.values()}
        return {v for v, x in tensors if id(x) in of_params} - {row.outer for row in self.loop.rows}

    # ------------------------------------------------------------------------------------------------ rows

    def _rows(self, read: set[Value]) -> _Rows | None:
        """Return the rows that a step reads, as made of one step of the data; None where they are not made so."""
        rows = [row for row in self.loop.rows if row.inner in read]
        series = [self._series(row) for row in rows]
        if not rows:
            return _Rows([], [], np.zeros((self.loop.length, 1)))
        if all(np.array_equal(series[0], other) for other in series) and not self._is_made_of_params(rows[0].inner):
            return _Rows([], [row.inner for row in rows], series[0])
        outers = dict.fromkeys(row.outer for row in rows)
        nodes = list(dict.fromkeys(node for outer in outers for node in self._made_by(outer)))
        made = {node.out for node in nodes}
        leaves = dict.fromkeys(v for v in [*outers, *(v for node in nodes for v in node.reads())] if v not in made)
        for known in (self._params(), set[Value]()):
            data = [v for v in leaves if v not in known and self.loop.length in v.shape]
            for axis in range(max((v.ndim for v in data), default=0)):
                if (found := self._sliced(rows, data, nodes, axis)) is not None:
                    return found
        return None

    def _sliced(self, rows: list[Row], data: list[Value], nodes: list[Node], axis: int) -> _Rows | None:
        """Return the rows as made of steps of the data along an axis; None where the numbers are others."""
        if any(v.ndim <= axis or v.shape[axis] != self.loop.length for v in data):
            return None
        whole = self._array(data[0])
        if any(not np.array_equal(whole, self._array(other)) for other in data[1:]):
            return None
        x = Value((), data[0].dtype, "x")
        moved: dict[Value, Value] = dict.fromkeys(data, x)
        cut: list[Node] = []
        for node in nodes:
            if any(v in moved for v in node.reads()):
                moved[node.out] = Value((), node.out.dtype, node.out.name)
                args = tuple(moved.get(a, a) if isinstance(a, Value) else a for a in node.args)
                cut.append(Node(node.op, args, moved[node.out], node.kwargs))
        if any(row.offset or row.outer not in moved for row in rows):
            return None
        cut += [Node(op("getitem"), (moved[row.outer], 0), row.inner) for row in rows]
        series = np.stack([np.take(whole, [t], axis) for t in range(self.loop.length)])
        if not self._gives(rows, cut, x, series):
            return None
        return _Rows(cut, [x], series, data[0] if data[0] in self.graph.inputs else None, axis)

    def _gives(self, rows: list[Row], nodes: list[Node], x: Value, series: Array) -> bool:
        """Return whether these calls make the rows of every step of the data of that step."""
        true = {row.inner: self._series(row) for row in rows}

        def value(a: Any, known: dict[Value, Any]) -> Any:
            return (known[a] if a in known else self._array(a)) if isinstance(a, Value) else a

        try:
            for t, part in enumerate(series):
                known: dict[Value, Any] = {x: part}
                for node in nodes:
                    known[node.out] = node.op.function(*(value(a, known) for a in node.args), **node.kwargs)
                if any(not _close(known[inner], rows[t]) for inner, rows in true.items()):
                    return False
        except (ValueError, LookupError, TypeError, StopIteration):  # a call that holds for the whole length alone
            return False
        return True

    def _passing_on_rows(self, rows: _Rows, passed_on: Callable[[Gradients], Gradients]) -> Any:
        """Return what carries gradients on, to the data too: each step's part at its place."""
        tensors = zip(self.graph.inputs, self.recording.tensors.values(), strict=True)
        source = next((x for v, x in tensors if v is rows.source), None)
        name = next((name for name, x in self.params.items() if x is source), None)

        def with_data(gradients: Gradients) -> Gradients:
            found = passed_on(gradients)
            if name is not None and "x" in gradients:
                found[name] = found[name] + np.concatenate([*gradients["x"]], axis=rows.axis)
            return found

        return with_data


def _close(one: Array, other: Array) -> bool:
    return np.shape(one) == other.shape and np.allclose(one, other, rtol=1e-9, atol=1e-12)
