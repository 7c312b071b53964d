"""Step Jacobians ds_t/ds_{t-1} of the whole state s = (h, c, ...), and what their product does over a span.

delta_{t,k} is a product of step Jacobians; whether it vanishes or explodes is written in their singular values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.bptt.gradient_flow.dense_jacobian import State, batch_of, dense_jacobian, rows_meet
from tinygrad_rnn.bptt.gradient_flow.magnitude import LOG10_2
from tinygrad_rnn.bptt.gradient_flow.terms import at_steps, require_tape
from tinygrad_rnn.core.recording import scope_text
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.core.values import not_recording
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.steps import carried


def step_jacobians(tape: Tape, names: str | Sequence[str] = "h", **labels: object) -> Array:
    """Return the Jacobians of the whole state from step to step, for each example: array (T - 1, B, S, S).

    names: all the states that a step hands on, as ("h", "c") for an LSTM: S is their size together, h first. Entry
    [t, b, i, j] is d s_{t+1}[b, i] / d s_t[b, j]. labels: layer=, direction=. The steps are in the order in which they
    were run, which is against time for direction="reverse". States are (B, ...), one example after another, and their
    entries are laid side by side; where a state is (H,) all are of one example, and B = 1.
    Simple RNN: diag(1 - h_t^2) U; residual RNN: I + diag(1 - g_t^2) U.

    Raises LookupError where no step has a name; ValueError where steps hand on more than the states named, where a
    state depends on an earlier one past the step just before (h_{t-2} read again, or a feedback through another layer:
    then the product of the factors is not the derivative), and where rows of the state depend on each other, as under
    batch normalization: then no example has a Jacobian of its own.
    """
    names = (names,) if isinstance(names, str) else tuple(names)
    require_tape("step_jacobians", tape)
    at = [at_steps(tape, name, **labels) for name in names]
    steps = list(at[0])
    if any(list(other) != steps for other in at):
        raise ValueError(f"step_jacobians: {names} are not all there at every step\nname the states that each step has")
    states = [tuple(of[t] for of in at) for t in steps]
    require_one_shape("step_jacobians", steps, states)
    _require_whole(tape, names, states, labels)
    require_first_order("step_jacobians", tape, steps, states)
    parts = step_parts(tape, states)
    with not_recording():
        pairs = zip(steps[1:], parts[1:], states[:-1], states[1:], strict=True)
        rows = batch_of(states[0])
        found = [_of_rows_apart(t, part, before, after, rows) for t, part, before, after in pairs]
    size = sum(s.size for s in states[0]) // rows
    return np.array(found) if found else np.zeros((0, rows, size, size), states[0][0].dtype)


def _of_rows_apart(t: object, part: Tape, before: State, after: State, batch: int) -> Array:
    if rows_meet(part, before, after, batch):
        raise ValueError(
            f"step_jacobians: at step {t}, a row of the state depends on other rows of the step before\n"
            "examples must be rows that do not meet (batch normalization joins them): run one example, B = 1"
        )
    return dense_jacobian(part, before, after, batch)


def step_parts(tape: Tape, states: Sequence[State]) -> list[Tape]:
    """Return for each step the lines that make its states from those of the step before, as a tape."""
    number = {id(out): k for k, (_, _, _, out, _) in enumerate(tape.lines())}
    last = [max(number[id(s)] for s in state) for state in states]
    return [tape.part(range(before + 1, after + 1)) for before, after in zip([-1, *last], last, strict=False)]


def singular_values(jacobians: Array) -> Array:
    """Return those of each matrix, the largest first: (..., S, S) -> (..., S). NaN for a matrix that is not finite."""
    return _of_each(jacobians, lambda finite: np.linalg.svd(finite, compute_uv=False))


def spectral_radius(jacobians: Array) -> Any:
    """Return the largest |eigenvalue| of each matrix: (..., S, S) -> (...). NaN for a matrix that is not finite."""
    return _of_each(jacobians, lambda finite: np.abs(np.linalg.eigvals(finite))).max(axis=-1)


def log10_product(jacobians: Array, start: int = 0, stop: int | None = None) -> Any:
    """Return log10 of the spectral norm of J[stop - 1] ... J[start], for each example: (T - 1, B, S, S) -> (B,).

    It bounds |delta_{t,k}| / |delta_{t,t}|. The product is scaled by powers of two after every factor, so it neither
    underflows nor overflows: -5000 is 1e-5000. An empty span has the norm 1, a product that is zero -inf.

    Raises ValueError for a span outside of the steps, or other shapes.
    """
    jacobians = np.asarray(jacobians)
    stop = len(jacobians) if stop is None else stop
    shape = np.shape(jacobians)
    whole = all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in (start, stop))
    if len(shape) != 4 or shape[2] != shape[3] or not whole or not 0 <= start <= stop <= len(jacobians):
        raise ValueError(
            f"log10_product: span {start} to {stop} of Jacobians {np.shape(jacobians)}\n"
            "give (T - 1, B, S, S), as from step_jacobians, and 0 <= start <= stop <= T - 1"
        )
    product = np.broadcast_to(np.eye(jacobians.shape[-1]), jacobians.shape[1:])
    exponents = np.zeros(len(product), np.int64)
    with np.errstate(all="ignore"):
        for J in jacobians[start:stop].astype(np.float64):
            by, own = _scaled(J), _scaled(product)
            product, exponents = by[0] @ own[0], exponents + by[1] + own[1]
        return np.log10(singular_values(product)[..., 0]) + exponents * LOG10_2


def require_one_shape(who: str, steps: Sequence[object], states: Sequence[State]) -> None:
    """Raise ValueError where the states of one step have other shapes than those of the first one."""
    first = [s.shape for s in states[0]]
    for t, state in zip(steps, states, strict=True):
        if (shapes := [s.shape for s in state]) != first:
            raise ValueError(
                f"{who}: states of shapes {', '.join(map(str, shapes))} at t={t}, and of "
                f"{', '.join(map(str, first))} at t={steps[0]}\n"
                "give states of one shape at all steps: where one grows, gradient is the way"
            )


def _require_whole(tape: Tape, names: tuple[str, ...], states: Sequence[State], labels: dict[str, object]) -> None:
    """Raise ValueError where a step reads a value of another step that is not among the states."""
    known = {id(s) for state in states for s in state}
    lines, wanted = tape.lines(), labels.items()
    for i, j in carried(tape):
        (_, _, _, made, made_in), (reader, _, _, _, read_in) = lines[i], lines[j]
        if "grad" in dict(read_in) or id(made) in known:  # a recorded walk back hands on cotangents, no states
            continue
        if all(wanted <= dict(labels).items() for labels in (made_in, read_in)):
            raise ValueError(
                f"step_jacobians: in {scope_text(read_in)}, {reader.name} reads {made.describe()} of "
                f"{scope_text(made_in)}, which is not among the states {names}\n"
                'name all that a step hands on, as step_jacobians(tape, ("h", "c"))'
            )


def require_first_order(who: str, tape: Tape, steps: Sequence[object], states: Sequence[State]) -> None:
    """Raise ValueError where a path leads from one state to a later one past all states of the steps between them."""
    place = {id(s): n for n, state in enumerate(states) for s in state}
    oldest: dict[int, int] = {}  # of each value the earliest step whose state it depends on by such a path
    for _, args, _, out, labels in tape.lines():
        read = [place.get(id(a), oldest.get(id(a))) for a in args if type(a) is Tensor]
        first = min((n for n in read if n is not None), default=None)
        if first is None:
            continue
        here = place.get(id(out))
        if here is not None and first < here - 1:
            raise ValueError(
                f"{who}: in {scope_text(labels)}, {out.describe()} depends on the state of t={steps[first]} "
                f"past that of t={steps[here - 1]}, the step just before: a product of step Jacobians misses it\n"
                "name all that a step hands on, each part under its own name or labels, as scope(layer=1); "
                "bptt.total gives one whole derivative"
            )
        oldest[id(out)] = first


def _of_each(matrices: Array, function: Callable[[Array], Array]) -> Array:
    matrices = np.asarray(matrices)
    finite = np.isfinite(matrices).all(axis=(-2, -1))
    found = np.full(matrices.shape[:-1], np.nan, matrices.dtype)
    if finite.any():
        found[finite] = function(matrices[finite])
    return found


def _scaled(matrices: Array) -> tuple[Array, NDArray[np.int64]]:
    """Return each matrix with its largest entry between 1/2 and 1, and the powers of two that were taken out."""
    largest = np.abs(matrices).max(axis=(-2, -1))
    shifts = np.where(np.isfinite(largest), np.frexp(largest)[1], 0)
    return np.ldexp(matrices, -shifts[:, None, None]), shifts.astype(np.int64)
