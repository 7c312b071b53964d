"""The Jacobian of one step, for rows of the states that do not meet, as the examples of a batch are.

One walk back gives one row of the Jacobian of each example. Where the lines of the step also run on many copies of the
states, stacked along the first axis, one walk over these gives all rows. No operation has to be known: the copies must
not meet, and what they give is compared with one walk over the step itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.core.backward import dependent
from tinygrad_rnn.core.tensor import Line, Tensor, apply
from tinygrad_rnn.core.values import bare
from tinygrad_rnn.tape.full_tape import Tape

State = tuple[Tensor, ...]

FEW = 12
"""Up to so many rows of a Jacobian there is a walk for each: copies take as long as some ten walks."""


def batch_of(state: State) -> int:
    """Return the number of examples: states are (B, ...), or all is of one example where a state is (H,)."""
    alike = min(s.ndim for s in state) > 1 and len({s.shape[0] for s in state}) == 1
    return int(state[0].shape[0]) if alike else 1


def side_by_side(parts: Sequence[Array], rows: int) -> Array:
    """Return what belongs to the states of a step as one array (B, S)."""
    return np.concatenate([np.asarray(part).reshape(rows, -1) for part in parts], axis=-1)


def dense_jacobian(part: Tape, before: State, after: State, rows: int) -> Array:
    """Return (B, S, S) for B rows that do not meet, so that they share each walk."""
    m = sum(s.size for s in after) // rows
    found = _of_copies(part, before, after, rows, m) if m > FEW else None
    if found is not None and _as_walked(part, before, after, found):
        return found
    each = []
    for s in after:
        for i in range(s.size // rows):
            seed = np.zeros((rows, s.size // rows), s.dtype)
            seed[:, i] = 1
            each.append(side_by_side(part.gradient({s: seed.reshape(s.shape)}, before), rows))
    return np.stack(each, axis=1)


def rows_meet(part: Tape, before: State, after: State, rows: int) -> bool:
    """Return whether a row of the states depends on another row of the states before.

    Any two rows differ in a binary digit of their numbers: for each digit, those with a 1 are walked back, and the
    others must stay zero; and the other way round.
    """
    digits = [(np.arange(rows) >> k & 1).astype(np.bool_) for k in range((rows - 1).bit_length())]
    return any(_reach_others(part, before, after, seeded) for own in digits for seeded in (own, ~own))


def _reach_others(part: Tape, before: State, after: State, seeded: NDArray[np.bool_]) -> bool:
    """Return whether a walk from these rows reaches another row. Entries that are not finite are left out."""
    rows, seeds = len(seeded), _random(after)
    for s, seed in seeds.items():
        seeds[s] = (seed.reshape(rows, -1) * seeded[:, None]).reshape(s.shape)
    others = side_by_side(part.gradient(seeds, before), rows)[~seeded]
    return bool(np.any(others[np.isfinite(others)]))


def _random(states: State) -> dict[Tensor, Array]:
    rng = np.random.default_rng(0)
    return {s: (rng.uniform(0.5, 1.5, s.shape) * rng.choice([-1, 1], s.shape)).astype(s.dtype) for s in states}


def _as_walked(part: Tape, before: State, after: State, jacobian: Array) -> bool:
    """Return whether the Jacobians (B, S, S) of rows give what one walk over the step gives, to rounding."""
    seeds, rows = _random(after), len(jacobian)
    v = side_by_side([*seeds.values()], rows)
    with np.errstate(all="ignore"):
        walked = side_by_side(part.gradient(seeds, before), rows)
        made, size = np.einsum("bs,bsp->bp", v, jacobian), np.einsum("bs,bsp->bp", np.abs(v), np.abs(jacobian))
    near = 100 * float(np.finfo(jacobian.dtype).eps) * np.max(size, axis=1, keepdims=True, initial=0)
    return bool(np.all(np.abs(made - walked) <= near))


def _of_copies(part: Tape, before: State, after: State, rows: int, m: int) -> Array | None:
    """Return (B, S, S) by one walk over a step on m copies of the states; None where its lines do not run on them."""
    if len({s.shape[:1] for s in (*before, *after)}) > 1 or before[0].ndim < 2:
        return None
    batch = before[0].shape[0]
    copies = {id(s): Tensor(_copied(bare(s), m)) for s in before}
    made = dependent(part.lines(), before)
    try:
        with np.errstate(all="ignore"), Tape() as tape:
            for line in part.lines():
                if id(line[3]) in made:
                    copies[id(line[3])] = _again(line, copies, batch, m)
            new = [copies.get(id(s)) for s in after]
    except (ValueError, IndexError, TypeError, RuntimeError):
        return None
    starts = np.cumsum([0, *(s.size // rows for s in after)])
    seeds = {}
    for start, s, n in zip(starts, after, new, strict=False):
        if n is None:  # made of no state before: its rows are zero
            continue
        if n.shape != (m * batch, *s.shape[1:]):
            return None
        seed = np.zeros((m, rows, s.size // rows), s.dtype)
        for i in range(s.size // rows):
            seed[start + i, :, i] = 1
        seeds[n] = seed.reshape(n.shape)
    if not seeds:
        return np.zeros((rows, m, m), after[0].dtype)
    copy = np.arange(m * batch) < batch
    own = tuple(copies[id(s)] for s in before)
    if any(_reach_others(tape, own, tuple(seeds), seeded) for seeded in (copy, ~copy)):
        return None
    found = tape.gradient(seeds, own)
    joined = np.concatenate([np.asarray(g).reshape(m, rows, -1) for g in found], axis=-1)
    return np.ascontiguousarray(joined.transpose(1, 0, 2))


def _again(line: Line, copies: dict[int, Tensor], batch: int, m: int) -> Tensor:
    """Run a line on copies, and on copies of what else has an axis for the examples."""
    op, args, kwargs, out, _ = line

    def own(a: object, k: int) -> object:
        if id(a) in copies:
            return copies[id(a)]
        values = bare(a)
        if not isinstance(values, np.ndarray) or values.ndim != out.ndim or values.shape[:1] != (batch,):
            return a
        return a if op.name == "matmul" and k and values.ndim == 2 else _copied(values, m)

    return apply(op, tuple(own(a, k) for k, a in enumerate(args)), kwargs)


def _copied(values: Array, m: int) -> Array:
    return np.concatenate([values] * m)
