"""The chains of states of a tape: which states hand on what, and the Jacobians from step to step.

States that depend on one another from step to step form one chain, as h and c of an LSTM do. The states of two layers
are two chains. Where each entry of the states depends on its own place alone, the Jacobians are diagonal: then there is
one small matrix for each place, in the place of a large one for each example.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.bptt.gradient_flow.dense_jacobian import State, batch_of, dense_jacobian, rows_meet, side_by_side
from tinygrad_rnn.bptt.gradient_flow.handed_on import states_of
from tinygrad_rnn.bptt.gradient_flow.jacobians import require_first_order, require_one_shape, step_parts
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.tape.by_place import between, stays_in_place
from tinygrad_rnn.tape.full_tape import Tape

MOST_BYTES = 2**31
"""The most that all Jacobians of a chain may take; the scan holds them several times."""


@dataclass(frozen=True)
class Chain:
    """States that depend on one another, by step in the order of the run. times: the labels of these steps.

    diagonal: each entry depends on its own place alone. jacobians: (T - 1, ..., m, m). For a diagonal chain `...` is
    the shape of a state, and m the number of states; else `...` are the rows, and m the size of all states together.
    rows: the number of examples, or, where matrices are made row by row, of their rows. Examples that depend on each
    other, as under batch normalization, are one.
    """

    names: tuple[str, ...]
    times: tuple[Any, ...]
    states: tuple[State, ...]
    diagonal: bool
    jacobians: Array
    rows: int

    @property
    def size(self) -> int:
        """m, the number of rows of a Jacobian."""
        return int(self.jacobians.shape[-1])

    @property
    def width(self) -> int:
        """The number of Jacobians of a step."""
        return int(np.prod(self.jacobians.shape[1:-2]))

    def pairs(self, b: Array) -> tuple[Array, Array]:
        """Return the pairs (A, b) of a scan from the last step, which comes first and whose A is zero, to the first.

        b (T, ..., m): what reaches each state past the next one. A (T, ..., m, m), or as b where m is 1.
        """
        A = np.swapaxes(self.jacobians, -1, -2)[::-1]
        A = np.concatenate([np.zeros((1, *A.shape[1:]), b.dtype), A])
        return A[..., 0] if self.size == 1 else A, b[::-1]

    def packed(self, of: Mapping[Tensor, Any]) -> Array:
        """Return the cotangents of all states as one array (T, ..., m). One that is not there is zero."""
        parts = [[of.get(s, np.zeros(s.shape, s.dtype)) for s in state] for state in self.states]
        return np.array([np.stack(p, axis=-1) if self.diagonal else side_by_side(p, self.rows) for p in parts])

    def unpacked(self, g: Array) -> dict[Tensor, Array]:
        """Return an array (T, ..., m) as the cotangents of the states."""
        found: dict[Tensor, Array] = {}
        for row, state in zip(g, self.states, strict=True):
            sizes = [1] * len(state) if self.diagonal else [s.size // self.rows for s in state]
            parts = np.split(row, np.cumsum(sizes)[:-1], axis=-1)
            found |= {s: part.reshape(s.shape) for s, part in zip(state, parts, strict=True)}
        return found


def chains_of(tape: Tape) -> list[Chain]:
    """Return the chains of a tape with a label t for each step, those first whose states others are made of.

    Raises ValueError where steps hand on nothing, where a state depends on an earlier one past the step just before,
    where states change their shapes from step to step, and where all Jacobians take more than 2 GiB.
    """
    by_name = states_of(tape, "scan_gradient")
    found = []
    for names in _connected(tape, by_name):
        times = [*by_name[names[0]]]
        if any([*by_name[name]] != times for name in names):
            raise ValueError(
                f"scan_gradient: the states {', '.join(names)} are not all there at every step\n"
                "hand on the same states at each step"
            )
        states = tuple(tuple(by_name[name][t] for name in names) for t in times)
        require_first_order("scan_gradient", tape, times, states)
        found.append(_chain(names, times, states, step_parts(tape, states)[1:]))
    return found


def _chain(names: tuple[str, ...], times: Sequence[Any], states: tuple[State, ...], parts: Sequence[Tape]) -> Chain:
    require_one_shape("scan_gradient", times, states)
    steps = [*zip(parts, pairwise(states), strict=True)]
    diagonal = all(_by_place(part, *pair) for part, pair in steps)
    for rows in [batch_of(states[0])] if diagonal else _rows_of(states[0]):
        sizes, first = [s.size for s in states[0]], states[0][0]
        m = len(sizes) if diagonal else sum(sizes) // rows
        one = (*(first.shape if diagonal else (rows,)), m, m)
        if (size := len(steps) * math.prod(one) * first.dtype.itemsize) > MOST_BYTES:
            raise ValueError(
                f"scan_gradient: the Jacobians of {', '.join(names)} take {size / 2**30:.1f} GiB: {len(steps)} of "
                f"shape {one}\ngive fewer steps, fewer examples or a smaller state; gradient walks back without them"
            )
        if diagonal or not any(rows_meet(part, *pair, rows) for part, pair in steps):
            break
    found = [_by_rows(part, *pair) if diagonal else dense_jacobian(part, *pair, rows) for part, pair in steps]
    return Chain(names, tuple(times), states, diagonal, np.array(found).reshape(len(found), *one), rows)


def _rows_of(state: State) -> list[int]:
    """Return how many rows of the states may not meet: by their common first axes, the most first, and 1."""
    shapes, most = [s.shape for s in state], max(s.ndim for s in state)
    alike = [k for k in range(1, most) if len({shape[:k] for shape in shapes}) == 1 and min(map(len, shapes)) >= k]
    return [*dict.fromkeys(math.prod(shapes[0][:k]) for k in reversed(alike)), 1]


def _connected(tape: Tape, by_name: Mapping[str, Mapping[Any, Tensor]]) -> list[tuple[str, ...]]:
    """Return the names of states that depend on one another, group by group, in the order in which they are made."""
    names = [*by_name]
    bit = {id(s): 1 << k for k, name in enumerate(names) for s in by_name[name].values()}
    reads = [1 << k for k in range(len(names))]
    from_state: dict[int, int] = {}
    order: list[int] = []
    for _, args, _, out, _ in tape.lines():
        mask = 0
        for a in args:
            if type(a) is Tensor:
                mask |= bit.get(id(a)) or from_state.get(id(a), 0)
        own = bit.get(id(out))
        if own:
            k = own.bit_length() - 1
            reads[k] |= mask
            order += [k] if k not in order else []
        from_state[id(out)] = mask
    for _ in names:  # paths of any length
        for k, mask in enumerate(reads):
            for j in range(len(names)):
                if mask >> j & 1:
                    reads[k] |= reads[j]
    groups: list[list[int]] = []
    for k in order:
        mates = next((g for g in groups if reads[k] >> g[0] & 1 and reads[g[0]] >> k & 1), None)
        if mates is None:
            groups.append([k])
        else:
            mates.append(k)
    return [tuple(names[k] for k in sorted(group)) for group in groups]


def _by_place(part: Tape, before: State, after: State) -> bool:
    """Is each entry of the new states made of the entries at its own place of the old ones alone?"""
    shape = before[0].shape
    if any(s.shape != shape for s in (*before, *after)):
        return False
    return all(stays_in_place(line, read, shape) for line, read in between(part.lines(), before, after))


def _by_rows(part: Tape, before: State, after: State) -> Array:
    """Return the diagonal Jacobian (..., m, m), by one walk for each new state."""
    rows = [np.stack(part.gradient({s: np.ones(s.shape, s.dtype)}, before), axis=-1) for s in after]
    return np.stack(rows, axis=-2)
