"""`Siblings`: calls on parts that lie side by side become one call on the whole.

This holds for calls that work column by column: elementwise calls, and sums over all axes but the last.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Set
from dataclasses import replace

import numpy as np

from tinygrad_rnn.compiler.passes.slices import Cut, cut, part
from tinygrad_rnn.graph.batching import elementwise
from tinygrad_rnn.graph.builder import key_of
from tinygrad_rnn.graph.graph import Argument, Node, Value, op

BY = "gates"


def _sums_columns(node: Node) -> bool:
    """Is this a sum over all axes but the last? Its columns do not depend on each other."""
    if node.op.name != "sum" or len(node.args) > 1 or node.kwargs.get("keepdims"):
        return False
    axis, count = node.kwargs.get("axis"), node.args[0].ndim
    return isinstance(axis, tuple) and count > 1 and sorted(a % count for a in axis) == list(range(count - 1))


def _is_vector(a: Argument, node: Node) -> bool:
    """Is this argument one vector for all rows, with an entry for each column (a bias)?"""
    return isinstance(a, Value) and a.ndim == 1 and node.out.ndim > 1 and a.shape == node.out.shape[-1:]


class Siblings:
    """Calls of one list that can be one call on the array that their arguments are cut from."""

    def __init__(
        self,
        nodes: list[Node],
        cuts: dict[Value, Cut],
        before: Set[Value] | None = None,
        gates: frozenset[Value] = frozenset(),
    ) -> None:
        self.nodes = nodes
        self.cuts = cuts
        self.before = before
        self.gates = gates  # the sigmoids that may be computed by tanh
        self._place: dict[Value, int] = {}

    def merge(self, activations: bool = False) -> None:
        """Merge until no siblings are left: merged calls may have siblings in turn."""
        while self._merged_once("others" if activations else "all") or (activations and self._merged_once("gates")):
            pass

    def _merged_once(self, which: str) -> bool:
        """Merge all siblings of the list as it stands, each run at the place of its first call."""
        self._place = {node.out: k for k, node in enumerate(self.nodes)}
        merged: dict[int, list[Node]] = {}
        gone: set[int] = set()
        for group in self._groups(which):
            for run in self._runs(group):
                if len(run) > 1 or (which == "gates" and self._is_gate(self.nodes[run[0]])):
                    merged[min(run)] = self._merged(run)
                    gone.update(run)
        found: list[Node] = []
        for k, node in enumerate(self.nodes):
            found += merged.get(k, ())
            if k not in gone:
                found.append(node)
        self.nodes[:] = found
        return bool(gone)

    def _groups(self, which: str) -> list[list[int]]:
        groups: dict[Hashable, list[int]] = {}
        for k, node in enumerate(self.nodes):
            key = self._key(node, which)
            if key is not None:
                groups.setdefault(key, []).append(k)
        return [group for group in groups.values() if len(group) > 1 or which == "gates"]

    def _key(self, node: Node, which: str) -> Hashable:
        """Return a key that is equal for siblings; None for a call that has none."""
        if not node.out.ndim or node.op.variadic or not (elementwise(node) or _sums_columns(node)):
            return None
        name = node.op.name
        if which != "all" and (name == "tanh" or self._is_gate(node)):
            if which == "others":  # their arguments may still become one array
                return None
            name = "activation"
        kinds: list[Hashable] = []
        for a in node.args:
            if not isinstance(a, Value):
                kinds.append(key_of(a))
            elif _is_vector(a, node):
                kinds.append("vector")
            elif a in self.cuts and a.shape[-1] == node.out.shape[-1]:
                kinds.append((self.cuts[a].root, a.shape[:-1]))
            elif a.ndim == 0 or a.shape[-1] == 1 or name == "activation":
                kinds.append(a)
            else:
                return None
        if not any(isinstance(k, tuple) and isinstance(k[0], Value) for k in kinds) and name != "activation":
            return None
        return name, tuple(kinds), tuple(node.kwargs.items()), node.out.shape[:-1], node.out.dtype

    def _runs(self, group: list[int]) -> list[list[int]]:
        """Return the runs of a group whose arguments lie side by side in all arrays that they are cut from."""
        places = [
            [self.cuts[a] for a in self.nodes[k].args if isinstance(a, Value) and self._is_cut(a, k)] for k in group
        ]
        order = sorted(range(len(group)), key=lambda j: [(c.start, c.stop) for c in places[j]] + [(group[j], 0)])
        runs: list[list[int]] = []
        last: list[Cut] = []
        for j in order:
            fits = bool(runs) and bool(last) and all(a.stop == b.start for a, b in zip(last, places[j], strict=True))
            if fits and self._vectors([*runs[-1], group[j]]) is not None:
                runs[-1].append(group[j])
            else:
                runs.append([group[j]])
            last = places[j]
        return runs

    def _is_gate(self, node: Node) -> bool:
        return node.op.name == "sigmoid" and node.out in self.gates

    def _is_cut(self, a: Value, k: int) -> bool:
        node = self.nodes[k]
        return a in self.cuts and a.shape[-1] == node.out.shape[-1] and (a.ndim > 1 or node.out.ndim == 1)

    def _vectors(self, run: list[int]) -> list[Cut | tuple[Value, ...]] | None:
        """Return a part of an array, or vectors to join, for each argument that is a vector for all rows (a bias).

        None where vectors would have to be joined before some of them are computed.
        """
        found: list[Cut | tuple[Value, ...]] = []
        for place, a in enumerate(self.nodes[run[0]].args):
            if not _is_vector(a, self.nodes[run[0]]):
                continue
            vectors = tuple(self.nodes[k].args[place] for k in run)
            cuts = [self.cuts.get(v) for v in vectors]
            first, last = cuts[0], cuts[-1]
            beside = all(
                c is not None and d is not None and c.root is d.root and c.stop == d.start
                for c, d in itertools.pairwise(cuts)
            )
            if first is not None and last is not None and beside:
                found.append(Cut(first.root, first.start, last.stop))
            elif self.before is not None and all(
                v in self.before or v.constant is not None or self._place.get(v, min(run)) < min(run) for v in vectors
            ):
                found.append(vectors)
            elif len(run) > 1:
                return None
        return found

    def _merged(self, run: list[int]) -> list[Node]:
        """Return the one call in the place of a run, and the calls that cut the old results from its result."""
        members = [self.nodes[k] for k in run]
        total = sum(node.out.shape[-1] for node in members)
        new: list[Node] = []
        args: list[Argument] = []
        vectors = self._vectors(run) or []
        for place, a in enumerate(members[0].args):
            if isinstance(a, Value) and self._is_cut(a, run[0]):
                root, start = self.cuts[a].root, self.cuts[a].start
                args.append(cut(root, start, self.cuts[members[-1].args[place]].stop, new, self.cuts, BY))
            elif _is_vector(a, members[0]) and len(members) > 1:
                vector = vectors.pop(0)
                if isinstance(vector, Cut):
                    args.append(cut(vector.root, vector.start, vector.stop, new, self.cuts, BY))
                else:
                    joined = Value((total,), a.dtype)
                    new.append(Node(op("concatenate"), vector, joined, {"axis": 0}, by=BY))
                    args.append(joined)
            else:
                args.append(a)
        node = members[0]
        shape = (*node.out.shape[:-1], total)
        if any(n.op.name == "sigmoid" for n in members) and len({n.op.name for n in members} | {"tanh"}) <= 2:
            wide = self._activation(members, args[0], shape, new)
        else:
            wide = Value(shape, node.out.dtype)
            new.append(replace(node, args=tuple(args), out=wide, by=BY))
        start = 0
        if len(members) == 1:
            new[-1] = replace(new[-1], out=node.out)
        else:
            for member in members:
                width = member.out.shape[-1]
                new.append(part(wide, start, start + width, member.out, BY, member.scope))
                self.cuts[member.out] = Cut(wide, start, start + width)
                start += width
        return new

    def _activation(self, members: list[Node], z: Value, shape: tuple[int, ...], new: list[Node]) -> Value:
        """Return tanh(z a) a + b, with a = b = 1/2 for a sigmoid, and a = 1, b = 0 for tanh."""
        halves = [node.op.name == "sigmoid" for node in members]
        scale: Value | float = 0.5
        shift: Value | float = 0.5
        if not all(halves):
            widths = [node.out.shape[-1] for node in members]
            both = [np.repeat([x if half else y for half in halves], widths) for x, y in ((0.5, 1.0), (0.5, 0.0))]
            scale, shift = (Value(a.shape, z.dtype, constant=a.astype(z.dtype)) for a in both)
        made = z
        for name, args in (("multiply", (scale,)), ("tanh", ()), ("multiply", (scale,)), ("add", (shift,))):
            out = Value(shape, z.dtype)
            new.append(Node(op(name), (made, *args), out, scope=members[0].scope, by=BY))
            made = out
        return made
