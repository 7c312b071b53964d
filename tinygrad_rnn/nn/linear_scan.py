"""The loop over time as a scan, for cells that are linear in their states."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinygrad_rnn.core.backward import dependent
from tinygrad_rnn.core.recording import current
from tinygrad_rnn.core.tensor import Line, Tensor, named
from tinygrad_rnn.core.trees import flattened, mapped
from tinygrad_rnn.core.values import not_recording
from tinygrad_rnn.nn.associative import prefixes
from tinygrad_rnn.nn.parameters import Array, Cell, Params, State
from tinygrad_rnn.nn.time_loop import as_tuple, cell_name, require_no_more_states, state_names
from tinygrad_rnn.tape.by_place import between, is_affine, stays_in_place
from tinygrad_rnn.tape.full_tape import Tape


def scan(cell: Cell, params: Params, xs: Array, state: State = None) -> tuple[Array, State]:
    """Run `cell` over time by an associative scan. Return what `unroll` returns, to rounding.

    The cell is the definition of both. It runs on all steps at once, from states of zero: this gives b, and its
    derivative by the states gives A, of s_t = A_t s_{t-1} + b_t. The states of all steps come from a scan in log2 T
    rounds. With these the cell runs once more, where it has outputs, or states that depend on them.

    xs: (T, B, I). The cell takes x of any leading axes, so that it counts axes from the last. state: as for `unroll`.
    What is recorded has no label t, since no step is alone. The outputs are (T, B, H), as those of `unroll`. At last
    each step runs alone, on arrays, from the states that the scan found before it: it must give those of the scan.

    Raises ValueError for a cell in which a new state is not linear in the old one, or is made of entries at other
    places, as U h is: the error names the operation. So it does for one that does not take all steps at once, and where
    a product of many A overflows.
    """
    if not isinstance(xs, np.ndarray | Tensor) or not len(xs):
        raise ValueError("scan: xs is no array of steps\ngive (T, B, I) with T >= 1")
    if any(tape.sealed for tape in current()[0]):
        raise TypeError(
            "scan: in a compiled function no step can run alone, to be compared with the scan\n"
            "use unroll there: compile computes what is linear in the state over all time"
        )
    given, names = as_tuple(state), state_names(cell)
    require_no_more_states("scan", cell, names, given)
    leaves = [a for _, a in flattened((xs, params, given))[0]]
    recorded = bool(current()[0]) or any(isinstance(a, Tensor) for a in leaves)
    first = _first_step(cell, params, xs, given)
    starts = given or tuple(np.zeros_like(s) for s in first)
    _require_floats(cell, names, first)
    dtypes = [np.result_type(s.dtype, f.dtype) for s, f in zip(starts, first, strict=False)]
    zeros = [Tensor(np.zeros((len(xs), *np.shape(s)), d)) for s, d in zip(starts, dtypes, strict=True)]
    before: list[Array] = [*zeros]
    known: dict[int, Array] = {}
    while True:
        with Tape() as tape:
            new = _on_all_steps(cell, params, xs, before, first)
            groups = _ready(tape.lines(), zeros, new, known)
            for group in groups:
                _require_linear(cell, names, tape.lines(), zeros, new, group)
                for k, s in zip(group, _solved(tape, zeros, new, starts, group), strict=True):
                    known[k], before[k] = s, np.concatenate([np.reshape(starts[k], (1, *s.shape[1:])), s[:-1]])
        if not groups or len(known) == len(names):
            break
    states = [known.get(k, s) for k, s in enumerate(new)]
    _require_the_loop(cell, names, params, xs, starts, [_values(s) for s in states])
    states = [named(name, s) if recorded else _values(s) for name, s in zip(names, states, strict=True)]
    last = tuple(s[-1] for s in states)
    return named("hs", states[0]) if recorded else states[0], last if len(last) > 1 else last[0]


def _solved(
    tape: Tape, zeros: Sequence[Tensor], new: Sequence[Tensor], starts: Sequence[Array], group: Sequence[int]
) -> list[Array]:
    """Return the states of a group at all steps, each (T, ...)."""
    slopes = [tape.gradient(new[i].sum(), [zeros[j] for j in group]) for i in group]
    if len(group) == 1:
        (k,), A = group, slopes[0][0]
        return [prefixes(A, _from_start(new[k], A[:1] * starts[k]))[1]]
    A = np.stack([np.stack(row, axis=-1) for row in slopes], axis=-2)
    start = np.stack([starts[k] for k in group], axis=-1)
    b = _from_start(np.stack([new[k] for k in group], axis=-1), (A[:1] @ start[..., None])[..., 0])
    s = prefixes(A, b)[1]
    return [s[..., k] for k in range(len(group))]


def _from_start(b: Array, first: Array) -> Array:
    """Return b with what the initial state adds to the first step."""
    return np.concatenate([b[:1] + first, b[1:]])


def _ready(
    lines: Sequence[Line], zeros: Sequence[Tensor], new: Sequence[Array], known: dict[int, Array]
) -> list[list[int]]:
    """Return groups of states that depend on one another, and on no other state that is not known.

    A state that no step reads belongs to none.
    """
    open_ones = [k for k in range(len(zeros)) if k not in known]
    after = {j: dependent(lines, [zeros[j]]) for j in open_ones}
    reads = {i: {j for j in open_ones if id(new[i]) in after[j]} for i in open_ones}
    for _ in open_ones:  # along paths of any length
        reads = {i: found.union(*(reads[j] for j in found)) for i, found in reads.items()}
    read = set().union(*reads.values())
    groups = {frozenset({i} | {j for j in reads[i] if i in reads[j]}) for i in read}
    return sorted(sorted(group) for group in groups if all(reads[i] <= group for i in group))


def _require_linear(
    cell: Cell,
    names: Sequence[str],
    lines: Sequence[Line],
    zeros: Sequence[Tensor],
    new: Sequence[Array],
    group: Sequence[int],
) -> None:
    """Raise ValueError unless the states of a group are affine in their old values, each entry at its own place."""
    old, shape = [zeros[k] for k in group], zeros[group[0]].shape
    which = ", ".join(names[k] for k in group)
    for line, read in between(lines, old, [new[k] for k in group]):
        kept = stays_in_place(line, read, shape)
        if not kept or not is_affine(line, read):
            why = "is not linear" if kept else "mixes entries of different places"
            raise ValueError(
                f"scan: {cell_name(cell)} makes the new {which} of the old by {line[0].name}, which {why}\n"
                "a scan needs s_t = A_t * s_{t-1} + b_t, entry by entry, with A and b made of x alone: use unroll"
            )


def _first_step(cell: Cell, params: Params, xs: Array, given: Sequence[Array]) -> tuple[Array, ...]:
    """Return the states after the first step, as arrays."""
    with not_recording():
        return tuple(_values(s) for s in as_tuple(cell(params, xs[0], *given)))


def _require_floats(cell: Cell, names: Sequence[str], first: Sequence[Array]) -> None:
    for name, s in zip(names, first, strict=False):
        if s.dtype.kind != "f":
            raise ValueError(
                f"scan: the state {name} of {cell_name(cell)} is {s.dtype}, and A and b are derivatives\n"
                "give states of floats, or use unroll"
            )


def _on_all_steps(
    cell: Cell, params: Params, xs: Array, before: Sequence[Array], first: Sequence[Array]
) -> tuple[Array, ...]:
    """Return the new states of all steps. Raise ValueError where the cell does not run on all steps at once."""
    wrong = f"scan: {cell_name(cell)} does not run on all steps at once, x {np.shape(xs)}"
    remedy = "count axes from the last (axis=-1, x @ W, swapaxes(-1, -2)), write no length of x: or use unroll"
    try:
        new = as_tuple(cell(params, xs, *before))
    except (ValueError, IndexError) as error:
        raise ValueError(f"{wrong}: {str(error).splitlines()[0]}\n{remedy}") from error
    shapes = [(len(xs), *np.shape(s)) for s in first]
    if (found := [np.shape(s) for s in new]) != shapes:
        raise ValueError(
            f"{wrong}: its states have the shapes {', '.join(map(str, found))}, for {', '.join(map(str, shapes))}\n"
            f"{remedy}"
        )
    return new


def _require_the_loop(
    cell: Cell, names: Sequence[str], params: Params, xs: Array, starts: Sequence[Array], states: Sequence[Array]
) -> None:
    """Raise ValueError unless each step alone gives the states of the scan, from those of the scan before it."""
    given, x = mapped(_values, params), _values(xs)
    before = [_values(s) for s in starts]
    floats = {a.dtype for a in (x, *before, *states) if a.dtype.kind == "f"}  # the coarsest rounds the first steps
    eps = max(float(np.finfo(dtype).eps) for dtype in floats)
    near = [np.sqrt(eps) * np.max(np.abs(s), initial=0) for s in states]
    for t in range(len(x)):
        with not_recording(), np.errstate(all="ignore"):
            alone = [_values(s) for s in as_tuple(cell(given, x[t], *before))]
        before = [s[t] for s in states]
        for name, one, here, most in zip(names, alone, before, near, strict=True):
            if np.allclose(here, one, rtol=0, atol=most if np.isfinite(most) else 0, equal_nan=True):
                continue
            if np.isfinite(one).all() and not np.isfinite(here).all():
                raise ValueError(
                    f"scan: {name} at t={t} is not finite, and the step alone gives finite numbers: a product of the A "
                    "of many steps overflows\nuse unroll, which multiplies by one A at a time"
                )
            raise ValueError(
                f"scan: {cell_name(cell)} gives another {name} at t={t} on all steps at once, x {np.shape(x)}, than on "
                f"that step alone: they differ by {np.max(np.abs(one - here)):.2g}\n"
                "count axes from the last (axis=-1, x @ W), reduce no axis of the batch, decide nothing from values: "
                "or use unroll"
            )


def _values(s: Array) -> Array:
    return s.data if isinstance(s, Tensor) else s
