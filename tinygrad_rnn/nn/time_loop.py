"""The loop over time: a cell, run once a step, under `scope(t=...)`."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_rnn.core.counting import counted
from tinygrad_rnn.core.recording import current, scope
from tinygrad_rnn.core.tensor import Tensor, named
from tinygrad_rnn.nn.cell_check import unchecked
from tinygrad_rnn.nn.parameters import Array, Cell, Params, State


def unroll(
    cell: Cell,
    params: Params,
    xs: Array,
    state: State = None,
    *,
    reverse: bool = False,
    lengths: ArrayLike | None = None,
) -> tuple[Array, State]:
    """Run `cell` over time. Return (the first state of every step, stacked; the last state).

    xs: (T, B, I), time first, or a sequence of T inputs. state: the initial state, a tuple, or bare where there is one;
    without it the cells in `nn` start from zeros. The outputs have shape (T, B, H); the last state is
    bare where there is one, else a tuple.

    `reverse` runs from the last step to the first; the outputs stay in the order of time. `lengths` (B,) says how many
    steps of each sequence count: in the others its state stays as it is, its output is zero, and no gradient flows; in
    reverse a sequence starts at its own end.

    While a tape is open, inputs and states given as arrays become Tensors, and everything has the name of the cell's
    own argument: x, the initial states h0, c0, and at each step h, c; the outputs are hs. Where a sequence has ended, h
    is what is carried on, and h_new what the cell made.

    Raises ValueError for an empty sequence, for lengths outside of 1 to T, for more states than the cell takes, or
    where it returns another number of them; TypeError for lengths that are a Tensor: they decide what is recorded.
    """
    names = state_names(cell)
    if len(xs) == 0:
        raise ValueError("unroll: the sequence has no steps (T = 0)\ngive xs of shape (T, B, I) with T >= 1")
    states = as_tuple(state)
    require_no_more_states("unroll", cell, names, states)
    if current()[0]:
        xs = _followed("x", xs) if isinstance(xs, np.ndarray | Tensor) else xs
        states = tuple(_followed(f"{name}0", s) for name, s in zip(names, states, strict=False))
    counts = None if lengths is None else _checked_lengths(lengths, xs)
    uniform = isinstance(xs, np.ndarray | Tensor)
    step, outputs = cell, list[Array]()
    for t in reversed(range(len(xs))) if reverse else range(len(xs)):
        with scope(t=t):
            running = t < counts if counts is not None and counts.min(initial=len(xs)) <= t else None
            # The padding is replaced before the cell reads it: a NaN there would make its gradient 0 * NaN.
            x = xs[t] if running is None else np.where(_for(running, xs[t]), xs[t], np.zeros((), xs[t].dtype))
            before, states = states, as_tuple(step(params, x, *states))
            if len(states) != len(names):
                raise ValueError(
                    f"unroll: {cell_name(cell)} takes the states ({', '.join(names)}) and returned {len(states)} "
                    f"at t={t}\na cell is a function cell(params, x, *state) that returns all of its states, in order"
                )
            for name, s in zip(names, states, strict=True):
                named(name, s)
                # The name is for the value that is carried on, below, not for the one that the cell made.
                if running is not None and isinstance(s, Tensor) and s.name == name and all(s is not b for b in before):
                    s.name = f"{name}_new"
            output = states[0]
            if running is not None:
                # Before the first step that counts, a state that was not given is still the cell's own zeros.
                before += tuple(np.zeros_like(s) for s in states[len(before) :])
                pairs = zip(names, states, before, strict=True)
                states = tuple(named(name, np.where(_for(running, new), new, old)) for name, new, old in pairs)
                output = np.where(_for(running, output), output, 0)
        if outputs and np.shape(output) != np.shape(outputs[-1]):
            raise ValueError(
                f"unroll: {cell_name(cell)} returned {names[0]} of shape {np.shape(output)} at t={t}, and of shape "
                f"{np.shape(outputs[-1])} at the step before\nthe first state of all steps is stacked: give a state "
                "that grows a later place, or write the loop with scope(t=t)"
            )
        outputs.append(output)
        # Where all x are of one shape and the cell makes its own next state, what fitted at one step fits at the next.
        if step is cell and uniform:
            step = unchecked(cell)
    outputs = outputs[::-1] if reverse else outputs
    return named("hs", np.stack(outputs)), states if len(states) > 1 else states[0]


def _for(running: NDArray[np.bool_], value: Array) -> NDArray[np.bool_]:
    """Return the booleans (B,) with as many axes as a value (B, ...)."""
    return running.reshape(-1, *[1] * (np.ndim(value) - 1))


def _checked_lengths(lengths: ArrayLike | None, xs: Array) -> NDArray[np.integer]:
    if isinstance(lengths, Tensor):
        raise TypeError(
            f"unroll: lengths are a Tensor, {lengths.describe()}, and decide which operations are recorded\n"
            "give a tuple or a constant array (an array that a compiled function is called with is a Tensor), or run "
            "all steps and mask the loss"
        )
    counts = np.asarray(lengths)
    batch = np.shape(xs[0])[0] if np.ndim(xs[0]) == 2 else None
    if counts.shape != (batch,) or counts.dtype.kind not in "iu":
        raise ValueError(
            f"unroll: lengths of shape {counts.shape} and dtype {counts.dtype}, for inputs (T, B, I) = "
            f"{(len(xs), *np.shape(xs[0]))}\ngive one integer for each of the B sequences"
        )
    if counts.size and not (counts.min() >= 1 and counts.max() <= len(xs)):
        raise ValueError(
            f"unroll: lengths from {counts.min()} to {counts.max()}, for T = {counted(len(xs), 'step')}\n"
            f"a length is the number of steps of a sequence that count, 1 to {len(xs)}"
        )
    return counts


def state_names(cell: Cell) -> tuple[str, ...]:
    """Return the names of a cell's states: its positional arguments after `params` and `x`."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = tuple(k for k, p in inspect.signature(cell).parameters.items() if p.kind in positional)[2:]
    if not names:
        raise ValueError(
            f"{cell_name(cell)}: a cell takes (params, x, *state) with at least one named state\n"
            "write it as def cell(params, x, h): ... return h_new"
        )
    return names


def require_no_more_states(who: str, cell: Cell, names: Sequence[str], states: Sequence[Array]) -> None:
    """Raise ValueError where there are more states than the cell takes."""
    if len(states) > len(names):
        raise ValueError(
            f"{who}: {counted(len(states), 'state')} for {cell_name(cell)}, which takes ({', '.join(names)})\n"
            "give as many as the cell has, in their order, or none"
        )


def cell_name(cell: Cell) -> str:
    """Return the name of a cell's function, with the arguments that a `functools.partial` fixed."""
    fixed = ", ".join(f"{key}={value}" for key, value in getattr(cell, "keywords", {}).items())
    name = getattr(getattr(cell, "func", cell), "__name__", repr(cell))
    return f"{name}({fixed})" if fixed else name


def as_tuple(state: State) -> tuple[Array, ...]:
    """Return a state as a tuple: empty for None, of one for a bare array."""
    if state is None:
        return ()
    return tuple(state) if isinstance(state, tuple | list) else (state,)


def _followed(name: str, value: Array) -> Tensor:
    return named(name, value) if isinstance(value, Tensor) else Tensor(value, name=name)
