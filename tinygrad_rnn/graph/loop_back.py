"""The loop that walks back over another loop: its steps in the other order, which hand cotangents on."""

from __future__ import annotations

from tinygrad_rnn.graph.batching import is_small_view
from tinygrad_rnn.graph.builder import Builder
from tinygrad_rnn.graph.cotangent_terms import PartTerm, Term
from tinygrad_rnn.graph.graph import BACKWARD, Carry, Loop, Node, Out, Value
from tinygrad_rnn.graph.walk_back import WalkBack, zeros_of


def back_through(forward: Loop, outside: WalkBack, items: list[Node | Loop]) -> None:
    """Append the loop that walks back over `forward` to `items`, and add its results to the cotangents outside."""
    seeds: dict[Value, Value] = {}
    for out in forward.outs():
        if out.outer in outside.cotangents:
            seeds[out.outer] = outside.gradient(out.outer)
    if not seeds:
        return
    stacks_before = len(forward.stacks)
    active = [c for c in forward.carries if any(o.inner is c.after and o.outer in seeds for o in forward.lasts)]
    while True:  # a carry that brings a cotangent to a step may make others bring one
        del forward.stacks[stacks_before:]
        attempt = _LoopBack(forward, outside, seeds, active)
        grown = attempt.grown()
        if len(grown) == len(active):
            break
        active = grown
    attempt.finish()
    attempt.join(items)


class _ForwardReader:
    """Reads the values of a forward loop in the steps of the walk back."""

    def __init__(self, forward: Loop, back: Loop) -> None:
        self._forward = forward
        self._back = back
        self._inner = forward.inner()
        self._rows = {row.inner: row for row in forward.rows}
        self._nodes = {node.out: node for node in forward.body}
        self._known: dict[Value, Value] = {}

    def read(self, v: Value) -> Value:
        """Return a value of a forward step as the same step of the walk back reads it."""
        if v not in self._inner:
            return v
        found = self._known.get(v)
        if found is None:
            found = self._known[v] = self._first_read(v)
        return found

    def _first_read(self, v: Value) -> Value:
        row = self._rows.get(v)
        if row is not None:
            inner = self._back.row_of(row.outer, row.offset)
        else:
            node = self._nodes.get(v)
            if node is not None and is_small_view(node):
                inner = Value(v.shape, v.dtype, v.name)
                args = tuple(self.read(a) if isinstance(a, Value) else a for a in node.args)
                self._back.body.append(Node(node.op, args, inner, node.kwargs, node.scope, BACKWARD))
            else:
                inner = self._back.row_of(self._forward.stack_of(v))
        inner.name, inner.example = inner.name or v.name, v.sample()
        return inner


class _LoopBack:
    """The walk back over the steps of a loop, where the carries `active` bring a cotangent from step to step.

    `seeds`: the cotangents of the loop's results.
    """

    def __init__(self, forward: Loop, outside: WalkBack, seeds: dict[Value, Value], active: list[Carry]) -> None:
        self.forward, self.outside, self.seeds, self.active = forward, outside, seeds, active
        self.loop = Loop(forward.length, -forward.direction, first=forward.first)
        self.build = Builder(self.loop.body, BACKWARD)
        self.walk = WalkBack(self.build, outside.reached, _ForwardReader(forward, self.loop).read)
        for out in forward.stacks:
            if out.outer in seeds and out.inner in outside.reached:
                self.walk.add(out.inner, Term(self.loop.row_of(seeds[out.outer])))
        for out in forward.sums:
            if out.outer in seeds:
                self.walk.add(out.inner, Term(seeds[out.outer]))
        self.handed: dict[Carry, Value] = {}
        for carry in active:
            name = f"d{carry.after.name}" if carry.after.name else None
            self.handed[carry] = Value(carry.after.shape, carry.after.dtype, name)
            self.walk.add(carry.after, Term(self.handed[carry]))
        for node in reversed(forward.body):
            self.walk.back(node)

    def grown(self) -> list[Carry]:
        """Return the carries that bring a cotangent: `active`, and those to which one came back in a step."""
        came_back = {v for v in self.walk.cotangents if v in self.outside.reached}
        return [c for c in self.forward.carries if c in self.active or c.before in came_back]

    def finish(self) -> None:
        """Multiply out the cotangents that each step gives: of rows, of states, of Values that all steps read."""
        walk = self.walk
        self.rows = {row.inner: row for row in self.forward.rows}
        self.to_rows = {v: self._own(walk.gradient(v)) for v in self.rows if v in walk.cotangents}
        self.handed_on = {carry: self._own(walk.gradient(carry.before)) for carry in self.active}
        self.shared = {v: self._own(walk.gradient(v)) for v in list(walk.cotangents)}

    def join(self, items: list[Node | Loop]) -> None:
        """Append the loop to `items`, and add its results to the cotangents outside."""
        forward, outside, loop = self.forward, self.outside, self.loop
        given: set[Value] = set()
        for carry in self.active:
            seed = None
            for out in forward.lasts if carry.after not in given else []:
                if out.inner is carry.after and out.outer in self.seeds:
                    more = self.seeds[out.outer]
                    seed = more if seed is None else outside.build.arithmetic("add", seed, more)
            given.add(carry.after)  # of several carries of one value, one brings the cotangent from outside
            seed = zeros_of(carry.after) if seed is None else seed
            loop.carries.append(Carry(self.handed[carry], seed, self.handed_on[carry]))
            if carry.init in outside.reached:
                outer = Value(carry.init.shape, carry.init.dtype)
                loop.lasts.append(Out(self.handed_on[carry], outer))
                outside.add(carry.init, Term(outer))
        for inner, g in self.to_rows.items():
            row = self.rows[inner]
            outer = loop.stack_of(g)
            if row.offset == 0 and row.outer.shape[0] == loop.length:
                outside.add(row.outer, Term(outer))
            else:
                outside.add(row.outer, PartTerm((slice(row.offset, row.offset + loop.length),), outer))
        for v, g in self.shared.items():
            outer = Value(v.shape, v.dtype)
            loop.sums.append(Out(g, outer))
            outside.add(v, Term(outer))
        items.append(loop)

    def _own(self, v: Value) -> Value:
        """Return v as a result of a call of this loop, which it is not if it comes from outside as it is."""
        if any(node.out is v for node in self.loop.body):
            return v
        return self.build.call("positive", (v,), v.shape, v.dtype)
