"""BPTT as an associative scan over the steps: the same gradient, in log2 T rounds instead of T steps one after another.

With J_k = ds_k/ds_{k-1} the cotangents of the states obey g_k = J_{k+1}^T g_{k+1} + b_k, where b_k is what reaches s_k
past the next state. That is a linear recurrence, so all g_k come from one scan over the pairs (J_{k+1}^T, b_k).
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.bptt.gradient_flow.terms import require_tape
from tinygrad_rnn.bptt.scans.scan_cost import Cost, cost_of
from tinygrad_rnn.bptt.scans.scan_frames import by_number, titles
from tinygrad_rnn.bptt.scans.scan_page import scan_page
from tinygrad_rnn.bptt.scans.state_chains import Chain, chains_of
from tinygrad_rnn.core import errors
from tinygrad_rnn.core.backward import Products, pull_arrays, walk
from tinygrad_rnn.core.sparse import Cotangent
from tinygrad_rnn.core.tape import finished
from tinygrad_rnn.core.tensor import Line, Tensor
from tinygrad_rnn.core.trees import Tree, flattened
from tinygrad_rnn.core.values import not_recording
from tinygrad_rnn.draw import scan_tree
from tinygrad_rnn.draw.played import Played, require_playable
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

    steps: the labels of the steps, in the order of the run. cotangents: of each state, what the scan found. added: of
    each chain, what reaches its states past the next ones, (T, ..., m). walk: a function that returns the gradients of
    the walk; it keeps the tape.
    """

    gradients: Tree
    steps: tuple[Any, ...]
    chains: tuple[Chain, ...]
    cotangents: dict[Tensor, Array] = field(repr=False)
    cost: Cost
    added: tuple[Array, ...] = field(repr=False)
    walk: Callable[[], Tree] = field(repr=False)

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
        self._require_drawable()
        each = by_number(rounds(len(self.steps)))
        beside = [say("round {n}: {count} products at once", n=n, count=len(pairs)) for n, pairs in enumerate(each, 1)]
        words = [*beside, say("a pair (A, b) for each step")]
        return scan_tree.svg(self.steps, each, titles(len(self.steps), say("The scan"), len(each)), words)

    def draw(self, path: str | os.PathLike[str]) -> Path:
        """Write the drawing of `svg` into a file that ends in .svg, and return its path."""
        return written(self.svg(), path)

    @overload
    def play(self, path: None = None, *, title: str | None = None, first_step: int | None = None) -> Played: ...
    @overload
    def play(
        self, path: str | os.PathLike[str], *, title: str | None = None, first_step: int | None = None
    ) -> Path: ...
    def play(
        self, path: str | os.PathLike[str] | None = None, *, title: str | None = None, first_step: int | None = None
    ) -> Path | Played:
        """Write a page that plays the scan, round by round, beside the walk; return its path.

        Without a path, return the player itself, which a notebook shows. Each round says which pairs (matrix, vector)
        are combined, with their numbers: of the first example of a batch. A pair whose matrix has more than 64 numbers
        is shown by its shape and its norm. The page has two scans, of the fewest rounds and of few products (an
        up-sweep and a down-sweep), and ends with the gradient of the scan beside that of the walk, which is walked for
        it. `first_step` as for `draw.play`. The page asks the network for nothing; the same scan gives the same bytes.

        Raises ValueError for another ending than .html, no step, and more than 16 steps.
        """
        if path is not None:
            require_playable(path)
        self._require_drawable()
        played = scan_page(self.chains, self.added, self.steps, (self.gradients, self.walk()), title, first_step)
        return played if path is None else played.save(path)

    def _require_drawable(self) -> None:
        if not self.steps:
            raise ValueError("scan_gradient: the tape has no steps to draw\nlabel each: with scope(t=t): ...")
        if len(self.steps) > MOST:
            raise ValueError(
                f"scan_gradient: the tree of {len(self.steps):,} steps is too large to be seen\n"
                f"draw at most {MOST} steps: a longer tree has the same form"
            )


def scan_gradient(tape: Tape, loss: Any, wrt: Tree, seed: Any = None) -> Scanned:
    """Return the gradient of a loss by `wrt`, by a scan over the steps of the tape.

    The numbers are those of `tape.gradient(loss, wrt, seed)`, to rounding. The Jacobians are the tape's own: one walk
    through a step for each state where they are diagonal, and for each row, or for all rows on copies of the states,
    where they are dense. A step is labelled by `scope(t=...)`. Memory is that of all Jacobians: T B S^2 numbers for
    states of S numbers together, T B S m where they are diagonal, with m states.

    Rows of the batch that depend on each other, as under batch normalization, are one example of B S numbers.

    Raises what `tape.gradient` raises; ValueError for a tape whose steps hand on nothing, a state that depends on an
    earlier one past the step just before, states that change their shapes, Jacobians of more than 2 GiB, and products
    of them that overflow.
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
        chains = [] if len(steps(tape)) == 1 else chains_of(tape)
        within = _WithinSteps(tape, chains)
        sums: dict[Tensor, Any] = {}
        arrived: dict[Tensor, Any] = {}
        within.add(tape.seeds(loss, seed), None, tensors, sums, arrived)
        cotangents: dict[Tensor, Array] = {}
        added: list[Array] = []
        for chain in reversed(chains):
            b = chain.packed(arrived)
            own = solved(chain, b)
            within.add(dict(own), chain, tensors, sums, arrived)
            cotangents |= own
            added.append(b)
        gradients = rebuild([finished(sums.get(x), x) for x in tensors])
    times, walk_back = tuple(steps(tape)), lambda: tape.gradient(loss, wrt, seed)
    return Scanned(gradients, times, tuple(chains), cotangents, cost_of(chains), tuple(added[::-1]), walk_back)


def solved(chain: Chain, b: Array) -> dict[Tensor, Array]:
    """Return the cotangents of the states of a chain, by a scan from its last step to its first.

    Raises ValueError where a product of the Jacobians overflows.
    """
    A, b = chain.pairs(b)
    with np.errstate(all="ignore"):
        g = prefixes(A, b)[1]
    if np.isfinite(A).all() and np.isfinite(b).all() and not np.isfinite(g).all():
        raise ValueError(
            f"scan_gradient: a product of the Jacobians of {', '.join(chain.names)} over many steps overflows\n"
            "use gradient, which multiplies by one Jacobian at a time; bptt.flow shows where the gradient explodes"
        )
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
