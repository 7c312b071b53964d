"""Pairs: two states that turn into each other are the parts of one complex state.

p' = a p - b q + u and q' = a q + b p + v are the parts of z' = (a + i b) z + (u + i v): two calls in each step instead
of eight, and as many on the way back. A pair lies on a last axis of length 2, so NumPy reads it as a complex number.
Products that make u and v, or read p and q, are made for both parts at once, with their matrices interleaved.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations, product

from tinygrad_rnn.compiler.passes.dead_code import dead_code
from tinygrad_rnn.graph.batching import turns
from tinygrad_rnn.graph.builder import Builder, key_of
from tinygrad_rnn.graph.graph import Argument, Carry, Graph, Loop, Node, Out, Value, op, readers
from tinygrad_rnn.graph.passed_over import walked_back

BY = "pairs"

Terms = list[tuple[int, Value]]
"""A sum: the sign, 1 or -1, and the value of each term."""

Parts = dict[Value, tuple[Value, int]]
"""By Values that are cut from pairs: the pairs, and which part it is."""


@dataclass(frozen=True, slots=True)
class _Turn:
    """Two states p and q, with p' = a p - b q + u and q' = a q + b p + v; `gone`: the results of calls on the way."""

    p: Carry
    q: Carry
    a: Value
    b: Value
    u: Value
    v: Value
    gone: set[Value]


def pairs(graph: Graph) -> Graph:
    """Make one complex state of two states that turn into each other, in every loop."""
    graph = dead_code(graph).copy()  # the readers are counted below: calls without use must not count
    used, walked = readers(graph), walked_back(graph, graph.results[0])
    made = {node.out: node for node in graph.items if isinstance(node, Node)}
    parts: Parts = {}
    for loop in graph.loops():
        while (turn := _turn_of(loop, used, walked)) is not None:
            before: list[Node | Loop] = []
            after = _join_states(loop, turn, _Beside(before, made, used), parts)
            place = graph.items.index(loop)
            graph.items[place : place + 1] = [*before, loop, *after]
    return _read_as_one(graph, parts) if parts else graph


# ------------------------------------------------------------------------------------------ finding them


def _turn_of(loop: Loop, used: dict[Value, int], walked: set[Value]) -> _Turn | None:
    """Return two states of a loop that turn into each other; None where there are none.

    What turns them and what is added must be known before the steps, so that pairs of it are made once.
    """
    made = {node.out: node for node in loop.body}
    states = [c for c in loop.carries if c.after in made and c.after in walked and c.init.shape == c.before.shape]
    for p, q in permutations(states, 2):
        if p.after is not q.after and p.before.dtype.char in "fd":
            turn = _as_turn(p, q, made, used)
            if turn is not None and _read_alike(loop, turn.a, turn.b) and _read_alike(loop, turn.u, turn.v):
                return turn
    return None


def _read_alike(loop: Loop, x: Value, y: Value) -> bool:
    """Are these rows at the same place of two arrays of one shape, or the same in all steps?"""
    rows = {row.inner: (row.offset, row.outer.shape) for row in loop.rows}
    if x in rows or y in rows:
        return rows.get(x) == rows.get(y)
    return loop.inner().isdisjoint((x, y))


def _as_turn(p: Carry, q: Carry, made: dict[Value, Node], used: dict[Value, int]) -> _Turn | None:
    """Return two states as a turn, if they are one."""
    (of_p, gone), (of_q, more) = (_terms(c.after, made, used) for c in (p, q))
    if len(of_p) != 3 or len(of_q) != 3:
        return None
    for (sign, ap, a), (minus, bq, b) in product(*(_times(c.before, of_p, made, used) for c in (p, q))):
        aq = [v for s, v, factor in _times(q.before, of_q, made, used) if s > 0 and factor is a]
        bp = [v for s, v, factor in _times(p.before, of_q, made, used) if s > 0 and factor is b]
        if a is b or sign < 0 or minus > 0 or not aq or not bp:
            continue
        taken = {ap, bq, aq[0], bp[0]}
        (add_u, u), (add_v, v) = (next(t for t in terms if t[1] not in taken) for terms in (of_p, of_q))
        states = {(x.shape, x.dtype) for x in (p.before, q.before, p.after, q.after, u, v)}
        factors = {(x.shape, x.dtype) for x in (a, b)} | {(a.shape, p.before.dtype)}
        if add_u == add_v == 1 and len(states) == len(factors) == 1 and a.ndim <= p.before.ndim:
            return _Turn(p, q, a, b, u, v, gone | more | taken)
    return None


def _terms(v: Value, made: dict[Value, Node], used: dict[Value, int]) -> tuple[Terms, set[Value]]:
    """Return the terms of a sum, whose terms may be sums that nothing else reads, and the results of all these sums."""
    terms: Terms = []
    sums: set[Value] = set()
    waiting = [(1, v)]
    while waiting:
        sign, x = waiting.pop()
        node = made.get(x)
        if node is not None and (x is v or used.get(x) == 1) and node.op.name in ("add", "subtract"):
            left, right = node.args
            if isinstance(left, Value) and isinstance(right, Value) and left.shape == right.shape == x.shape:
                sums.add(x)
                waiting += [(sign if node.op.name == "add" else -sign, right), (sign, left)]
                continue
        terms.append((sign, x))
    return terms, sums


def _times(
    state: Value, terms: Terms, made: dict[Value, Node], used: dict[Value, int]
) -> Iterator[tuple[int, Value, Value]]:
    """Yield the sign, the term and the factor of each term that is a state times a factor."""
    for sign, v in terms:
        node = made.get(v)
        if node is not None and node.op.name == "multiply" and used.get(v) == 1 and state in node.args:
            factor = node.args[0] if node.args[1] is state else node.args[1]
            if isinstance(factor, Value):
                yield sign, v, factor


# ------------------------------------------------------------------------------------------ joining them


def _join_states(loop: Loop, turn: _Turn, outside: _Beside, parts: Parts) -> list[Node]:
    """Write two states as one, which is read as its parts; return the calls that read it after the loop."""
    p, q = turn.p, turn.q
    name = f"{p.after.name}_{q.after.name}" if p.after.name and q.after.name else None
    z = Value((*p.before.shape, 2), p.before.dtype, name)
    new: list[Node] = []
    step = Builder(new, BY)
    turned = step.call("complex_multiply", (outside.of_step(loop, turn.a, turn.b), z), z.shape, z.dtype)
    after = step.call("add", (turned, outside.of_step(loop, turn.u, turn.v)), z.shape, z.dtype)
    after.name = name
    of = {p.before: (z, 0), q.before: (z, 1), p.after: (after, 0), q.after: (after, 1)}
    reads = [node for v, (whole, k) in of.items() for node in _part(whole, k, v)]
    loop.body = [*new, *reads, *(node for node in loop.body if node.out not in turn.gone)]
    loop.carries = [c for c in loop.carries if c is not p and c is not q]
    loop.carries.insert(0, Carry(z, outside.pair(p.init, q.init), after))
    cuts: list[Node] = []
    last = Out(after, Value(z.shape, z.dtype, name))
    for out in [out for out in (*loop.stacks, *loop.lasts) if out.inner in of]:
        whole, k = of[out.inner]
        if out in loop.stacks:
            loop.stacks.remove(out)
            parts[out.outer] = loop.stack_of(whole), k
        elif whole is after:
            loop.lasts.remove(out)
            parts[out.outer] = last.outer, k
        if out.outer in parts:
            cuts += _part(*parts[out.outer], out.outer)
    loop.lasts += [last] if any(whole is last.outer for whole, _ in parts.values()) else []
    return cuts


def _stacked(build: Builder, x: Value, y: Value) -> Value:
    """Return two values of one shape as pairs."""
    columns = [build.shaped(v, (*v.shape, 1)) for v in (x, y)]
    return build.call("concatenate", columns, (*x.shape, 2), x.dtype, {"axis": x.ndim})


def _rows(build: Builder, matrices: list[Value]) -> Value:
    """Return the rows of two matrices of one shape in turns."""
    n, m = matrices[0].shape
    beside = [build.shaped(matrix, (n, 1, m)) for matrix in matrices]
    return build.shaped(build.call("concatenate", beside, (n, 2, m), beside[0].dtype, {"axis": 1}), (2 * n, m))


def _part(whole: Value, k: int, out: Value) -> list[Node]:
    """Return the calls that cut part k of pairs."""
    column = Value((*out.shape, 1), out.dtype)
    index = (*(slice(None),) * out.ndim, slice(k, k + 1))
    cut = Node(op("getitem"), (whole, *index), column, by=BY)
    return [cut, Node(op("reshape"), (column, out.shape), out, by=BY)]


# ------------------------------------------------------------------------------------------ outside of the loop


class _Beside:
    """Makes pairs of values outside of a loop, as far back as the same calls make both."""

    def __init__(self, items: list[Node | Loop], made: dict[Value, Node], used: dict[Value, int]) -> None:
        self.build, self.made, self.used = Builder(items, BY), made, used

    def of_step(self, loop: Loop, x: Value, y: Value) -> Value:
        """Return two values that a step reads, rows of arrays or the same in all steps, as pairs."""
        rows = {row.inner: row for row in loop.rows}
        if x in rows:
            return loop.row_of(self.pair(rows[x].outer, rows[y].outer), rows[x].offset)
        return self.pair(x, y)

    def pair(self, x: Value, y: Value) -> Value:
        """Return two values of one shape as pairs."""
        factors: list[Argument] = []
        while (shared := self._shared(x, y, "multiply")) is not None:
            factor, x, y = shared
            factors.append(factor)
        build, shared = self.build, self._shared(x, y, "matmul")
        if shared is None:
            pair = _stacked(build, x, y)
        else:
            a, b, c = shared
            wide = self._columns(b, c)
            product = build.call("matmul", (a, wide), (*x.shape[:-1], 2 * b.shape[1]), x.dtype)
            pair = build.shaped(product, (*x.shape, 2))
        for factor in reversed(factors):
            twice = _stacked(build, factor, factor) if isinstance(factor, Value) else factor
            pair = build.call("multiply", (twice, pair), pair.shape, pair.dtype)
        return pair

    def _columns(self, b: Value, c: Value) -> Value:
        """Return the columns of two matrices in turns; rows, transposed, if both matrices are transposed themselves."""
        (n, m), build = b.shape, self.build
        made = [self.made.get(v) for v in (b, c)]
        rows = [node.args[0] for node in made if node is not None and turns(node)]
        if len(rows) == 2:
            return build.call("transpose", (_rows(build, rows),), (n, 2 * m), b.dtype)
        return build.shaped(_stacked(build, b, c), (n, 2 * m))

    def _shared(self, x: Value, y: Value, name: str) -> tuple[Argument, Value, Value] | None:
        """Return the operand that the calls of that name that made x and y share, and both others."""
        nodes = [self.made.get(v) for v in (x, y)]
        if x is y or any(n is None or n.op.name != name or n.kwargs or self.used.get(n.out) != 1 for n in nodes):
            return None
        left, right = (n.args for n in nodes if n is not None)
        for k in (0,) if name == "matmul" else (0, 1):
            others = (left[1 - k], right[1 - k])
            if key_of(left[k]) != key_of(right[k]) or not all(isinstance(v, Value) for v in others):
                continue
            b, c = others
            same = b.shape == c.shape and b.dtype == c.dtype == x.dtype
            fits = b.ndim == 2 and left[k].ndim > 1 if name == "matmul" else b.shape == x.shape
            if same and fits and not (isinstance(left[k], Value) and left[k].dtype != x.dtype):
                return left[k], b, c
        return None


def _read_as_one(graph: Graph, parts: Parts) -> Graph:
    """Write p C + q D, for the parts p and q of pairs, as one product of the pairs."""
    used = readers(graph)
    made = {node.out: node for node in graph.items if isinstance(node, Node)}
    items: list[Node | Loop] = []
    for item in graph.items:
        items += _of_pairs(item, made, used, parts) if isinstance(item, Node) else [item]
    return Graph(graph.inputs, items, graph.results)


def _of_pairs(node: Node, made: dict[Value, Node], used: dict[Value, int], parts: Parts) -> list[Node]:
    """Return the calls in the place of a call: for p C + q D one product of the pairs, else the call itself."""
    makers = [made.get(v) for v in node.reads()] if node.op.name in ("add", "subtract") else []
    found: dict[int, tuple[Value, Value, bool]] = {}  # by the part: the pairs, the matrix, and whether it is subtracted
    for place, maker in enumerate(makers):
        if maker is not None and maker.op.name == "matmul" and used[maker.out] == 1 and maker.args[0] in parts:
            whole, k = parts[maker.args[0]]
            found[k] = whole, maker.args[1], node.op.name == "subtract" and place == 1
    if len(found) != 2:
        return [node]
    (whole, C, _), (other, D, _) = found[0], found[1]
    if whole is not other or C.ndim != 2 or C.shape != D.shape or not C.dtype == D.dtype == whole.dtype:
        return [node]
    (n, m), nodes = C.shape, list[Node]()
    build = Builder(nodes, BY, node.scope)
    signed = [
        build.call("negative", (matrix,), (n, m), matrix.dtype) if minus else matrix
        for _, matrix, minus in (found[0], found[1])
    ]
    rows = _rows(build, signed)
    flat = build.shaped(whole, (*whole.shape[:-2], 2 * n))
    return [*nodes, Node(op("matmul"), (flat, rows), node.out, scope=node.scope, by=BY)]
