"""Defer: calls that no later step needs are made for all steps at once, after them.

dW = sum over t of h_{t-1}^T dz_t is a sum of T small products; with the steps stacked it is one product of T * B
columns with T * B rows. The same holds for db, dx, and for readouts and losses that are computed step by step. A state
that is only added to (a loss) is no state: it is its first value and a sum.
"""

from __future__ import annotations

from tinygrad_rnn.compiler.passes.hoist import rows_of
from tinygrad_rnn.graph.batching import batched, is_small_view, option
from tinygrad_rnn.graph.builder import Builder
from tinygrad_rnn.graph.graph import Argument, Graph, Loop, Node, Out, Value, op, substituted

BY = "defer"


def defer(graph: Graph) -> Graph:
    """Move calls that no state depends on behind every loop."""
    items: list[Node | Loop] = []
    instead: dict[Value, Value] = {}
    for item in graph.items:
        if isinstance(item, Node):
            items.append(item)
            continue
        loop = item.copy()
        after: list[Node] = []
        _accumulators(loop, after)
        later = _Later(loop, instead)
        items.append(loop)
        items += [*later.moved(), *after]
    return substituted(Graph(graph.inputs, items, graph.results), instead)


def _accumulators(loop: Loop, after: list[Node]) -> None:
    """Replace a state to which each step only adds by a sum over all steps."""
    read: dict[Value, int] = {}
    for v in [v for node in loop.body for v in node.reads()] + [o.inner for o in (*loop.stacks, *loop.sums)]:
        read[v] = read.get(v, 0) + 1
    made = {node.out: node for node in loop.body}
    for carry in loop.carries[:]:
        node = made.get(carry.after)
        handed = sum(c.after is carry.after for c in loop.carries)
        if node is None or node.op.name != "add" or read.get(carry.before) != 1 or read.get(carry.after) or handed > 1:
            continue
        terms = [a for a in node.args if a is not carry.before]
        if len(terms) != 1 or not isinstance(terms[0], Value) or carry.before.shape != node.out.shape:
            continue
        term = terms[0]
        if term.shape != node.out.shape or term.dtype != node.out.dtype or term not in loop.inner():
            continue
        loop.carries.remove(carry)
        loop.body.remove(node)
        total = Value(term.shape, term.dtype)
        loop.sums.append(Out(term, total))
        for last in [out for out in loop.lasts if out.inner is carry.after]:
            loop.lasts.remove(last)
            after.append(Node(op("add"), (carry.init, total), last.outer, by=BY))


def _joined_parts(nodes: list[Node]) -> dict[Value, tuple[Node, int, int]]:
    """Return, of each Value that a step concatenates, the call, the axis and the first place on it."""
    parts: dict[Value, tuple[Node, int, int]] = {}
    for node in nodes:
        if node.op.name == "concatenate":
            axis, start = option(node, "axis", len(node.args), 0) % node.out.ndim, 0
            for a in node.args:
                parts.setdefault(a, (node, axis, start))
                start += a.shape[axis]
    return parts


class _Later:
    """The calls of a loop that can wait, and their arguments when they are made for all steps."""

    def __init__(self, loop: Loop, instead: dict[Value, Value]) -> None:
        self.loop = loop
        self.instead = instead
        self.inner = loop.inner()
        self.rows = {row.inner: row for row in loop.rows}
        self.nodes: list[Node] = []
        self.build = Builder(self.nodes, BY)
        self.made: dict[Value, Value] = {}  # by the result of a step
        self.by_step = {node.out: node for node in loop.body}
        self.parts: dict[Value, tuple[Node, int, int]] = {}

    def moved(self) -> list[Node]:
        loop = self.loop
        waiting = self._waiting()
        self.parts = _joined_parts([n for n in loop.body if n.out not in waiting])
        for node in [n for n in loop.body if n.out in waiting]:
            self.build.scope = node.scope
            if not self._only_summed(node):
                self._of_all(node)
        sums = []
        for out in loop.sums:
            total = self._summed(out.inner, waiting)
            if total is None:
                sums.append(out)
            else:
                self._named(total, out.outer)
        for out in loop.stacks[:]:
            if out.inner in waiting:
                self._named(self.made[out.inner], out.outer)
            elif out.inner in self.parts and out.inner in self.inner:
                found = self._argument(out.inner)[0]
                if found is not out.outer:
                    loop.stacks = [o for o in loop.stacks if o is not out]
                    self._named(found, out.outer)
        loop.body = [n for n in loop.body if n.out not in waiting]
        loop.sums = sums
        loop.stacks = [out for out in loop.stacks if out.inner not in waiting]
        return self.nodes

    def _waiting(self) -> set[Value]:
        """Return the results that no state depends on and that can be made for all steps at once."""
        loop = self.loop
        needed = {c.after for c in loop.carries} | {out.inner for out in loop.lasts}
        for node in reversed(loop.body):
            if node.out in needed:
                needed.update(node.reads())
        free = [n for n in loop.body if n.out not in needed]
        trial = Builder([], BY)
        for node in reversed(free):
            given = [(a, a in self.inner) if isinstance(a, Value) else (a, False) for a in node.args]
            if node.out in needed or batched(node, given, loop.length, trial) is None:
                needed.add(node.out)
                needed.update(node.reads())
        return {n.out for n in free if n.out not in needed}

    def _argument(self, a: Argument) -> tuple[Argument, bool]:
        """Return the argument of a call for all steps in the place of a, and whether it has a time axis."""
        if not isinstance(a, Value) or a not in self.inner:
            return a, False
        if a not in self.made:
            row = self.rows.get(a)
            node = self.by_step.get(a)
            part = self.parts.get(a)
            if row is not None:
                self.made[a] = rows_of(self.loop, row.outer, row.offset, self.build)
            elif node is not None and is_small_view(node):
                found = batched(node, [self._argument(x) for x in node.args], self.loop.length, self.build)
                self.made[a] = found if found is not None else self.loop.stack_of(a)
            elif part is not None:
                self.made[a] = self._part_of_stack(a, *part)
            else:
                self.made[a] = self.loop.stack_of(a)
        return self.made[a], True

    def _part_of_stack(self, a: Value, joined: Node, axis: int, start: int) -> Value:
        """Return a part of the stack of concatenations: a Value that each step joins to others is kept there."""
        whole = self._argument(joined.out)[0]
        index = (*(slice(None),) * (axis + 1), slice(start, start + a.shape[axis]))
        index += (slice(None),) * (whole.ndim - len(index))
        return self.build.call("getitem", (whole, *index), (self.loop.length, *a.shape), a.dtype)

    def _of_all(self, node: Node) -> Value:
        if node.out not in self.made:
            found = batched(node, [self._argument(a) for a in node.args], self.loop.length, self.build)
            assert found is not None
            found.name = found.name or (f"{node.out.name}s" if node.out.name else None)
            self.made[node.out] = found
        return self.made[node.out]

    def _only_summed(self, node: Node) -> bool:
        """Is the result read as a sum over the steps alone? Then the steps need no array of their own."""
        if any(node.out is v for n in self.loop.body for v in n.reads()):
            return False
        return not any(out.inner is node.out for out in self.loop.stacks)

    def _summed(self, v: Value, waiting: set[Value]) -> Value | None:
        """Return the sum over all steps of a Value."""
        node = self.by_step.get(v)
        if v not in waiting or node is None:
            whole, timed = self._argument(v)
            return self.build.summed(whole, (0,), v.shape) if timed else None
        ways = {"matmul": self._product, "multiply": self._outer_product, "sum": self._sum}
        found = ways[node.op.name](node) if node.op.name in ways else None
        return found if found is not None else self.build.summed(self._of_all(node), (0,), v.shape)

    def _product(self, node: Node) -> Value | None:
        """Sum of A_t B_t: the A_t side by side, times the B_t one above the other."""
        a, b = node.args
        if not (a in self.inner and b in self.inner and a.ndim == b.ndim == 2):
            return None
        n, m = node.out.shape
        turned = self.by_step.get(a)
        if turned is not None and turned.op.name == "transpose" and turned.args[0] in self.inner:
            whole = self._argument(turned.args[0])[0]
            left = self._turned(self.build.shaped(whole, (self.loop.length * a.shape[1], n)))
        else:
            whole = self._argument(a)[0]
            order = (n, self.loop.length, a.shape[1])
            first = self.build.call("transpose", (whole, (1, 0, 2)), order, a.dtype)
            left = self.build.shaped(first, (n, self.loop.length * a.shape[1]))
        other = self._argument(b)[0]
        right = self.build.shaped(other, (self.loop.length * b.shape[0], m))
        return self.build.call("matmul", (left, right), (n, m), node.out.dtype)

    def _outer_product(self, node: Node) -> Value | None:
        """Sum of a_t b_t^T, written as a column times a row."""
        a, b = node.args
        if not (isinstance(a, Value) and isinstance(b, Value) and a in self.inner and b in self.inner):
            return None
        if (
            node.out.ndim != 2
            or a.shape != (node.out.shape[0], 1)
            or b.shape not in ((node.out.shape[1],), (1, node.out.shape[1]))
        ):
            return None
        left = self.build.shaped(self._argument(a)[0], (self.loop.length, node.out.shape[0]))
        right = self.build.shaped(self._argument(b)[0], (self.loop.length, node.out.shape[1]))
        return self.build.call("matmul", (self._turned(left), right), node.out.shape, node.out.dtype)

    def _turned(self, v: Value) -> Value:
        return self.build.call("transpose", (v,), v.shape[::-1], v.dtype)

    def _sum(self, node: Node) -> Value | None:
        x = node.args[0]
        if x not in self.inner or node.kwargs.get("keepdims"):
            return None
        axis = node.kwargs.get("axis")
        if len(node.args) > 1:
            return None
        axes = (
            range(x.ndim) if axis is None else [int(k) % x.ndim for k in ((axis,) if isinstance(axis, int) else axis)]
        )
        whole = self._argument(x)[0]
        return self.build.summed(whole, (0, *(k + 1 for k in axes)), node.out.shape)

    def _named(self, made: Value, outer: Value) -> None:
        """Let `made` be read in the place of `outer`."""
        made.name = made.name or outer.name
        self.instead[outer] = made
