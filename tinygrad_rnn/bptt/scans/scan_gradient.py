"""BPTT as an associative scan over the steps: the same gradient, in log2 T rounds instead of T steps one after another.

With J_k = ds_k/ds_{k-1} the cotangents of the states obey g_k = J_{k+1}^T g_{k+1} + b_k, where b_k is what reaches s_k
past the next state. That is a linear recurrence, so all g_k come from one scan over the pairs (J_{k+1}^T, b_k).
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.bptt.gradient_flow.terms import require_tape
from tinygrad_rnn.bptt.scans.scan_cost import Cost, cost_of
from tinygrad_rnn.bptt.scans.state_chains import Chain, chains_of
from tinygrad_rnn.core import errors
from tinygrad_rnn.core.backward import Products, pull_arrays, walk
from tinygrad_rnn.core.sparse import Cotangent
from tinygrad_rnn.core.tape import finished
from tinygrad_rnn.core.tensor import Line, Tensor
from tinygrad_rnn.core.trees import Tree, flattened
from tinygrad_rnn.core.values import not_recording
from tinygrad_rnn.draw import scan_tree
from tinygrad_rnn.draw.scan_tree import MOST
from tinygrad_rnn.draw.svg_file import written
from tinygrad_rnn.language.saying import say
from tinygrad_rnn.nn.associative import prefixes, rounds
from tinygrad_rnn.notebook.html_parts import box, code
from tinygrad_rnn.notebook.inline_svg import fitted
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.steps import steps


@dataclass(frozen=True)
class Scanned:
    """The gradients of a scan, built as `wrt`, the chains of states, and what it costs beside the walk.

    steps: the labels of the steps, in the order of the run. cotangents: of each state, what the scan found.
    """

    gradients: Tree
    steps: tuple[Any, ...]
    chains: tuple[Chain, ...]
    cotangents: dict[Tensor, Array] = field(repr=False)
    cost: Cost

    def __repr__(self) -> str:
        names = "; ".join(", ".join(chain.names) for chain in self.chains)
        return f"<Scanned: chains of {names}>"

    def __str__(self) -> str:
        return str(self.cost)

    def _repr_html_(self) -> str:
        drawn = [fitted(self.svg(), say("BPTT as an associative scan"))] if 1 < len(self.steps) <= MOST else []
        return box(say("BPTT as an associative scan"), *drawn, code(str(self)))

    def svg(self) -> str:
        """Return the tree of products below the chain of the walk, as an SVG for a slide.

        Raises ValueError for more than 16 steps.
        """
        each = [[*zip(i.tolist(), j.tolist(), strict=True)] for i, j in rounds(len(self.steps))]
        titles = (
            say("The walk: {count} products, one after another", count=len(self.steps) - 1),
            say("The scan: {count} rounds", count=len(each)),
        )
        beside = [say("round {n}: {count} products at once", n=n, count=len(pairs)) for n, pairs in enumerate(each, 1)]
        return scan_tree.svg(self.steps, each, titles, [*beside, say("a pair (A, b) for each step")])

    def draw(self, path: str | os.PathLike[str]) -> Path:
        """Write the drawing of `svg` into a file that ends in .svg, and return its path."""
        return written(self.svg(), path)


def scan_gradient(tape: Tape, loss: Any, wrt: Tree, seed: Any = None) -> Scanned:
    """Return the gradient of a loss by `wrt`, by a scan over the steps of the tape.

    The numbers are those of `tape.gradient(loss, wrt, seed)`, to rounding. The Jacobians are the tape's own: one walk
    through a step for each row, or one for each state where they are diagonal. A step is labelled by `scope(t=...)`.
    Memory is that of all Jacobians: T B S^2 numbers for states of S numbers together, T B S m where they are diagonal,
    with m states.

    Rows of the batch that depend on each other, as under batch normalization, are one example of B S numbers.

    Raises what `tape.gradient` raises; ValueError for a tape whose steps hand on nothing, a state that depends on an
    earlier one past the step just before, states that change their shapes, and Jacobians of more than 2 GiB.
    """
    require_tape("scan_gradient", tape)
    if tape.hooked:
        raise ValueError(
            "scan_gradient: the tape has hooks, which a scan does not call\ntake them away, or use gradient"
        )
    leaves, rebuild = flattened(wrt)
    for path, x in leaves:
        errors.require_differentiable(path, x)
    tensors = [x for _, x in leaves]
    with not_recording():
        chains = chains_of(tape) if len(steps(tape)) > 1 else []
        within = _WithinSteps(tape, chains)
        sums: dict[Tensor, Any] = {}
        arrived: dict[Tensor, Any] = {}
        within.add(tape.seeds(loss, seed), None, tensors, sums, arrived)
        cotangents: dict[Tensor, Array] = {}
        for chain in reversed(chains):
            own = solved(chain, arrived)
            within.add(dict(own), chain, tensors, sums, arrived)
            cotangents |= own
        gradients = rebuild([finished(sums.get(x), x) for x in tensors])
    return Scanned(gradients, tuple(steps(tape)), tuple(chains), cotangents, cost_of(chains))


def solved(chain: Chain, arrived: dict[Tensor, Array]) -> dict[Tensor, Array]:
    """Return the cotangents of the states of a chain, by a scan from its last step to its first."""
    b = chain.packed(arrived)[::-1]
    A = np.swapaxes(chain.jacobians, -1, -2)[::-1]
    A = np.concatenate([np.zeros((1, *A.shape[1:]), b.dtype), A])  # nothing comes before the first
    g = prefixes(A[..., 0], b)[1] if chain.size == 1 else prefixes(A, b)[1]
    return chain.unpacked(g[::-1])


class _WithinSteps:
    """The walk back within steps: from states, or from the loss, to the states of the step before and no further."""

    def __init__(self, tape: Tape, chains: Sequence[Chain]) -> None:
        self._lines = tape.lines()
        self._number = {id(out): k for k, (_, _, _, out, _) in enumerate(self._lines)}
        self._place = {s: (n, k) for n, c in enumerate(chains) for k, state in enumerate(c.states) for s in state}
        self._chains = list(chains)

    def add(
        self,
        pending: dict[Tensor, Any],
        chain: Chain | None,
        wrt: Sequence[Tensor],
        sums: dict[Tensor, Any],
        arrived: dict[Tensor, Any],
    ) -> None:
        """Walk back from the states of a chain, or from the loss. Add up what comes to `wrt`, and to other states.

        Within a step a state may be made of another one of the chain, as h of c in an LSTM: this counts. What comes to
        a state from a later step does not, since the scan has counted it.
        """
        number = -1 if chain is None else self._chains.index(chain)
        last = [] if chain is None else [max(self._number[id(s)] for s in state) for state in chain.states]

        def send(line: Line, g: Cotangent, needed: set[int] | None) -> Products:
            n, _ = self._place.get(line[3], (number, 0))
            if n != number:
                return []
            products = pull_arrays(line, g, needed)
            if chain is None:
                return products
            step = bisect_left(last, self._number[id(line[3])])
            here = (number, step)
            return [(x, p) for x, p in products if self._place.get(x, here) == here or self._place[x][0] != number]

        start = max(self._number[id(x)] for x in pending)
        deque(walk(self._lines, start, pending, [*dict.fromkeys([*wrt, *self._place])], send=send), maxlen=0)
        for x in dict.fromkeys(wrt):
            if x in pending and self._place.get(x, (number, 0))[0] == number:
                sums[x] = sums[x] + pending[x] if x in sums else pending[x]
        for x, (n, _) in self._place.items():
            if x in pending and n != number:
                arrived[x] = arrived[x] + pending[x] if x in arrived else pending[x]
