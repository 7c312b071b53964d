"""Products: a product that is summed is one contraction, and two products of one factor are one product of a sum.

sum_n G[b, i, n] B[b, n] is a matrix product for each b, which BLAS does without an array of the size of G * B. A matrix
product of a column and a row is a multiplication. a b - a c is a (b - c), and (A B)^T is B^T A^T, which needs no copy
where it is a result. Sums differ by rounding alone.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from tinygrad_rnn.graph.batching import turns
from tinygrad_rnn.graph.builder import Builder
from tinygrad_rnn.graph.graph import Graph, Loop, Node, Value, op, readers

BY = "products"

LEAST = 128
"""The least multiplications of one matrix product of a batch: a smaller one costs more as a call than it saves."""


def products(graph: Graph) -> Graph:
    """Rewrite sums of products and products of a column and a row, outside of time and in every loop."""
    graph = graph.copy()
    used = readers(graph)
    nodes: list[Node | Loop] = []
    outside = _Rewriter(nodes, used)
    for item in graph.items:
        if isinstance(item, Node):
            outside.add(item)
            continue
        inside: list[Node | Loop] = []
        step = _Rewriter(inside, used)
        for node in item.body:
            step.add(node)
        item.body = [n for n in inside if isinstance(n, Node)]
        nodes.append(item)
    return Graph(graph.inputs, nodes, graph.results)


class _Rewriter:
    """Appends calls to a list, each in a better form where there is one."""

    def __init__(self, nodes: list[Node | Loop], used: dict[Value, int]) -> None:
        self.nodes = nodes
        self.used = used
        self.made: dict[Value, Node] = {}
        self.rest: dict[Value, Value] = {}  # 1 - y, by y

    def add(self, node: Node) -> None:
        """Append a call."""
        start = len(self.nodes)
        rule = {"sum": self._sum, "matmul": self._matmul, "add": self._combined, "subtract": self._combined}
        rule["transpose"] = self._transposed
        if node.op.name not in rule or not rule[node.op.name](node):
            self.nodes.append(node)
        for new in self.nodes[start:]:
            if isinstance(new, Node):
                self.made[new.out] = new
                if new.op.name == "subtract" and new.args[0] == 1 and isinstance(new.args[1], Value):
                    self.rest[new.args[1]] = new.out

    def _alone(self, v: object, name: str) -> Node | None:
        """Return the call of that name that made v, if nothing else reads v."""
        node = self.made.get(v) if isinstance(v, Value) else None
        fits = node is not None and node.op.name == name and self.used.get(node.out, 1) == 1
        return node if fits else None

    def _build(self, node: Node) -> Builder:
        return Builder(self.nodes, BY, node.scope)

    def _last(self, node: Node, v: Value) -> bool:
        """Let the call that was appended last, which made v, make the result of `node`."""
        last = self.nodes[-1]
        assert isinstance(last, Node)
        assert last.out is v
        self.nodes[-1] = replace(last, out=node.out)
        return True

    # ------------------------------------------------------------------------------------ calls

    def _matmul(self, node: Node) -> bool:
        a, b = node.args
        if not (isinstance(a, Value) and isinstance(b, Value)) or min(a.ndim, b.ndim) < 2 or a.shape[-1] != 1:
            return False
        self.nodes.append(Node(op("multiply"), (a, b), node.out, scope=node.scope, by=BY))
        return True

    def _transposed(self, node: Node) -> bool:
        """Write (A B)^T as B^T A^T."""
        product = self._alone(node.args[0], "matmul")
        if product is None or not turns(node) or not all(isinstance(a, Value) and a.ndim == 2 for a in product.args):
            return False
        build = self._build(node)
        a, b = (self._turned(build, v) for v in product.args)
        return self._last(node, build.call("matmul", (b, a), node.out.shape, node.out.dtype))

    def _turned(self, build: Builder, v: Value) -> Value:
        """Return the transpose of a matrix: what v is the transpose of, or else a view of v."""
        made = self.made.get(v)
        if made is not None and turns(made) and isinstance(made.args[0], Value):
            return made.args[0]
        return build.call("transpose", (v,), v.shape[::-1], v.dtype)

    def _combined(self, node: Node) -> bool:
        """Write a + (-b) as a - b, a b + a c as a (b + c), and y - y y as y (1 - y) where 1 - y is known."""
        if len(node.args) != 2 or node.kwargs:
            return False
        left, right = node.args
        name = node.op.name
        for turned, other in ((right, left), (left, right)):
            negative = self._alone(turned, "negative")
            if negative is None or (turned is left and name == "subtract"):
                continue
            name = "subtract" if name == "add" else "add"
            left, right = other, negative.args[0]
            break
        if not (isinstance(left, Value) and isinstance(right, Value)):
            return False
        first, second = self._alone(left, "multiply"), self._alone(right, "multiply")
        if name == "subtract" and second is not None and second.args == (left, left) and left in self.rest:
            self.nodes.append(Node(op("multiply"), (left, self.rest[left]), node.out, scope=node.scope, by=BY))
            return True
        if first is not None and second is not None and first is not second:
            for shared in first.args:
                whole = isinstance(shared, Value) and shared in second.args
                rest = [n.args[1] if n.args[0] is shared else n.args[0] for n in (first, second)]
                if whole and all(isinstance(v, Value) and v.shape == node.out.shape for v in (shared, *rest)):
                    build = self._build(node)
                    total = build.arithmetic(name, *rest)
                    if total.dtype == node.out.dtype == shared.dtype:
                        return self._last(node, build.call("multiply", (shared, total), total.shape, total.dtype))
        if name == node.op.name and left is node.args[0]:
            return False
        self.nodes.append(Node(op(name), (left, right), node.out, scope=node.scope, by=BY))
        return True

    def _sum(self, node: Node) -> bool:
        axes = _axes(node)
        if axes is None:
            return False
        x = node.args[0]
        inner = self._alone(x, "sum")
        if inner is not None and (below := _axes(inner)) is not None:
            kept = [k for k in range(inner.args[0].ndim) if k not in below]
            every = tuple(sorted((*below, *(kept[k] for k in axes))))
            return self._of_total(node, inner.args[0], every)
        parts = self._alone(x, "add") or self._alone(x, "subtract")
        if parts is not None and all(self._alone(a, "sum") and a.shape == x.shape for a in parts.args):
            totals = []
            for a in parts.args:
                totals.append(Value(node.out.shape, a.dtype))
                self.add(Node(op("sum"), (a,), totals[-1], {"axis": axes}, node.scope, BY))
            self.nodes.append(Node(parts.op, tuple(totals), node.out, scope=node.scope, by=BY))
            return True
        return self._contracted(node, axes)

    def _of_total(self, node: Node, x: Value, axes: tuple[int, ...]) -> bool:
        one = Node(op("sum"), (x,), node.out, {"axis": axes}, node.scope, BY)
        if not self._contracted(one, axes):
            self.nodes.append(one)
        return True

    def _contracted(self, node: Node, axes: tuple[int, ...]) -> bool:
        """Write the sum of a product as a batch of matrix products, where arrays need not be copied for it."""
        made = self._alone(node.args[0], "multiply")
        if made is None or len(made.args) != 2:
            return False
        p, q = made.args
        if not (isinstance(p, Value) and isinstance(q, Value)) or not p.dtype == q.dtype == node.out.dtype:
            return False
        shape = made.out.shape
        n = len(shape)
        p_shape, q_shape = ((1,) * (n - v.ndim) + v.shape for v in (p, q))
        long = [k for k in range(n) if shape[k] > 1]
        summed = [k for k in long if k in axes]
        if p.dtype.kind != "f" or 0 in shape or any(1 in (p_shape[k], q_shape[k]) for k in summed) or not summed:
            return False
        batch = [k for k in long if k not in axes and p_shape[k] == q_shape[k]]
        left = [k for k in long if k not in axes and q_shape[k] == 1]
        right = [k for k in long if k not in axes and p_shape[k] == 1]
        sizes = {name: prod(shape[k] for k in group) for name, group in (("l", left), ("r", right), ("s", summed))}
        if sizes["l"] * sizes["r"] * sizes["s"] < LEAST or (sizes["l"] * sizes["r"] == 1 and long[-1] not in summed):
            return False
        for own in (p_shape, q_shape):  # groups of axes are one axis without a copy only where they are neighbours
            present = [k for k in long if own[k] > 1]
            for group in (left, right, summed):
                inside = [present.index(k) for k in group if k in present]
                if inside and inside[-1] - inside[0] != len(inside) - 1:
                    return False
        build = self._build(node)
        a = _arranged(build, p, [k - n + p.ndim for k in (*batch, *left, *summed)])
        b = _arranged(build, q, [k - n + q.ndim for k in (*batch, *summed, *right)])
        lengths = tuple(shape[k] for k in batch)
        a = build.shaped(a, (*lengths, sizes["l"], sizes["s"]))
        b = build.shaped(b, (*lengths, sizes["s"], sizes["r"]))
        product = build.call("matmul", (a, b), (*lengths, sizes["l"], sizes["r"]), node.out.dtype)
        order = [*batch, *left, *right]
        product = build.shaped(product, tuple(shape[k] for k in order))
        turned = tuple(sorted(range(len(order)), key=order.__getitem__))
        if turned != tuple(range(len(order))):
            product = build.call("transpose", (product, turned), tuple(shape[k] for k in sorted(order)), product.dtype)
        return self._last(node, build.shaped(product, node.out.shape))


def _axes(node: Node) -> tuple[int, ...] | None:
    """Return the axes of a sum that keeps none of them; None for another one."""
    axis = node.kwargs.get("axis")
    if len(node.args) > 1 or node.kwargs.get("keepdims") or not isinstance(node.args[0], Value):
        return None
    n = node.args[0].ndim
    axes = tuple(range(n)) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    return tuple(sorted(k % n for k in axes)) if n else None


def _arranged(build: Builder, v: Value, axes: list[int]) -> Value:
    """Return v with these axes in this order, and without all others, which have length 1."""
    axes = [k for k in axes if k >= 0]
    others = [k for k in range(v.ndim) if k not in axes]
    order = (*axes, *others)
    if order != tuple(range(v.ndim)):
        v = build.call("transpose", (v, order), tuple(v.shape[k] for k in order), v.dtype)
    return build.shaped(v, v.shape[: len(axes)])
