"""The flow of gradients through a cell: one run, one walk back step by step, and two runs that drift apart."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple, overload

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array, Case, Numbers, States
from tinygrad_rnn.bptt.gradient_flow.dense_jacobian import State
from tinygrad_rnn.bptt.gradient_flow.jacobians import step_parts
from tinygrad_rnn.bptt.gradient_flow.magnitude import Scaled, added, flat, log10_norm, scaled
from tinygrad_rnn.bptt.gradient_flow.tape_flow import flow_of_tape
from tinygrad_rnn.bptt.gradient_flow.terms import Loss, delta_rows, last_gate, shares
from tinygrad_rnn.bptt.gradient_flow.verdict import Flow
from tinygrad_rnn.core import tape as core
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.core.values import not_recording
from tinygrad_rnn.nn.parameters import Cell
from tinygrad_rnn.nn.time_loop import as_tuple, cell_name, unroll
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.paths import Parts, split_gradient
from tinygrad_rnn.tape.paths import total as summed


@overload
def flow(
    cell: Cell,
    params: Mapping[str, Numbers],
    xs: Numbers,
    state: States | None = None,
    dhs: Numbers | None = None,
    *,
    seed: int = 0,
    rows: int = 100,
) -> Flow: ...
@overload
def flow(cell: core.Tape, params: Loss | Sequence[Loss], xs: Any = None, *, rows: int = 100) -> Flow: ...


def flow(
    cell: Cell | core.Tape,
    params: Any,
    xs: Any = None,
    state: States | None = None,
    dhs: Numbers | None = None,
    *,
    seed: int = 0,
    rows: int = 100,
) -> Flow:
    """Describe how a gradient flows back through time: a table and a verdict. Of a cell, or of any tape.

    `flow(tape, loss)` is of a tape of your own, with steps labelled by `scope(t=t)`, and of a loss on it, or of the sum
    of a list of losses; `flow(tape, loss, params)` says which Tensors the parameters are (a tree; default: the leaves
    that several steps read). The states are what most steps hand on. It splits nothing by gate.

    `flow(cell, params, xs)` unrolls a cell and takes the loss at the last step.

    cell, params, xs (T, B, I), state, dhs (T, B, H): as for `compare`; the initial state and the upstream gradients are
    random, from `seed`, where not given. The losses are L_t = sum(dhs[t] * h_t), h the cell's first state.

    The walk back from L_T goes step by step, and what has come back is scaled by a power of two after each: so no norm
    underflows or overflows, whatever the dtype, and 1e-5000 is reported as such. What the dtype itself would have held
    is reported too. `deltas` of the answer has the rows dL_t/dh_k of at most `rows` steps t, evenly spread.

    Raises ValueError for shapes that do not fit, no steps, a negative `rows`, or an upstream gradient of zero at the
    last step, for a tape whose steps hand nothing on, or a loss that it did not make; TypeError for a dtype other than
    float64 and float32.
    """
    if not isinstance(cell, core.Tape):
        require_params("flow", params)
    if isinstance(rows, bool) or not isinstance(rows, int | np.integer) or rows < 0:
        raise ValueError(f"flow: rows={rows!r}\ngive the number of losses in the matrix, 0 for none")
    if isinstance(cell, core.Tape):
        if state is not None or dhs is not None:
            raise TypeError(
                "flow: a tape has its states and its loss\ngive flow(tape, loss) or flow(tape, loss, params)"
            )
        return flow_of_tape(cell, params, xs, rows)  # type: ignore[arg-type]
    if xs is None:
        raise TypeError("flow: xs is missing\ngive flow(cell, params, xs), or flow(tape, loss)")
    with np.errstate(all="ignore"), not_recording():  # what is not finite is said in words
        case = Case(cell, params, xs, state, dhs, None, seed, with_dlast=False, who="flow")
        _require_float_state(case)
        if not np.any(case.dhs[-1]):
            raise ValueError("flow: dhs is zero at the last step, so no gradient flows\ngive dhs[-1] that is not zero")
        run = _recorded(case)
        found = _walked(run, case.dhs[-1])
        T = len(run.states)
        chosen = np.unique(np.linspace(0, T - 1, min(rows, T)).round().astype(np.int64))
        first = [s[0] for s in run.states]
        losses = [{first[t]: case.dhs[t]} for t in chosen]
        matrix = [log10_norm(row, axis=tuple(range(1, row.ndim))) for row in delta_rows(run.tape, losses, first)]
        every = run.tape.gradient({first[-1]: case.dhs[-1]}, [s for state in run.states for s in state])
        count = len(run.states[0])
        held = np.array([log10_norm(flat(every[k : k + count])) for k in range(0, len(every), count)])
    broken = [k for k, s in enumerate(run.states) if not all(np.isfinite(each.data).all() for each in s)]
    return Flow(
        cell=cell_name(cell),
        dtype=case.dtype.name,
        held=held,
        losses=chosen,
        deltas=np.array(matrix).reshape(len(chosen), T),
        broken=broken[0] if broken else None,
        **found,
    )


def butterfly(
    cell: Cell,
    params: Mapping[str, Numbers],
    xs: Numbers,
    state: States | None = None,
    *,
    size: float = 1e-6,
    seed: int = 0,
) -> Array:
    """Run a cell from two slightly different initial states. Return log10 of the distance of the states: (T + 1,).

    Entry 0 is the difference at the start, a random direction of norm `size` in the whole state (h0, c0, ...), to the
    rounding of the dtype; entry k + 1 that after step k; -inf where the states are equal to the last place. Only states
    of floats are moved and compared. A difference that grows is D2L's butterfly; it stops growing where it is as large
    as the states. Arguments as for `flow`.

    Raises ValueError for a `size` that is no positive finite number, or so small that it is lost in the dtype.
    """
    require_params("butterfly", params)
    if isinstance(size, bool) or not isinstance(size, int | float | np.number) or not 0 < size < np.inf:
        raise ValueError(f"butterfly: size={size!r}\ngive a small positive number")
    with np.errstate(all="ignore"), not_recording():
        case = Case(cell, params, xs, state, None, None, seed, with_dlast=False, who="butterfly")
        rng = np.random.default_rng(seed)
        floats = [n for n, s in enumerate(case.state) if s.dtype.kind == "f"]  # a counter cannot be moved by a little
        if not floats:
            raise ValueError("butterfly: no state is of floats\ngive an initial state of floats, as np.zeros((B, H))")
        direction = [rng.standard_normal(s.shape) * (n in floats) for n, s in enumerate(case.state)]
        scale = size / np.linalg.norm(flat(direction))
        moved = tuple((s + scale * d).astype(s.dtype) for s, d in zip(case.state, direction, strict=True))
        if all(np.array_equal(a, b) for a, b in zip(case.state, moved, strict=True)):
            raise ValueError(f"butterfly: size={size} is lost in {case.dtype}\ngive a larger size")
        runs = []
        for start in (case.state, moved):
            kept: list[tuple[Any, ...]] = [start]
            unroll(_keeping(cell, kept), case.params, case.xs, start)
            runs.append(kept)
        pairs = zip(*runs, strict=True)
        return np.array([log10_norm(flat([a[n] - b[n] for n in floats])) for a, b in pairs])


def _require_float_state(case: Case) -> None:
    """Raise TypeError where the first state, of which the loss is, comes out as integers."""
    hs, _ = case.forward(case.params, case.xs[:1], case.state)
    if hs.dtype.kind != "f":
        name = case.state_names[0].removesuffix("0")
        raise TypeError(
            f"flow: {name!r}, the first state, is {hs.dtype}, and the loss is one of that state\n"
            "let the cell take and return a state of floats first: only floats have a gradient"
        )


def require_params(who: str, params: object) -> None:
    """Raise TypeError for parameters without names."""
    if not isinstance(params, Mapping):
        raise TypeError(f"{who}: params is a {type(params).__name__}\ngive a dict of arrays or Tensors by name")


class _Run(NamedTuple):
    tape: Tape
    names: list[str]
    states: list[State]
    params: dict[str, Tensor]


def _recorded(case: Case) -> _Run:
    """Unroll the cell on a tape. The states of each step are Tensors that this step made."""
    params = {name: Tensor(value, name=name) for name, value in case.params.items()}
    start = tuple(Tensor(s, name=name) for name, s in zip(case.state_names, case.state, strict=True))
    states: list[tuple[Any, ...]] = []
    with Tape() as tape:
        unroll(_keeping(case.cell, states), params, Tensor(case.xs, name="x"), start)
    floats = [n for n, s in enumerate(states[0]) if s.dtype.kind == "f"]  # a counter has no gradient
    names = [case.state_names[n].removesuffix("0") for n in floats]
    return _Run(tape, names, [tuple(state[n] for n in floats) for state in states], params)


def _keeping(cell: Cell, kept: list[tuple[Any, ...]]) -> Cell:
    """Return the cell, changed to put its new states into a list as well.

    A state that the cell only passes on (a state, a parameter, its input), or returns twice, or returns as a constant,
    becomes a Tensor of its own: each step has its own states, and a derivative by one of them means one thing.
    """

    @functools.wraps(cell)
    def keeping(params: Any, x: Any, *state: Any) -> Any:
        new: list[Any] = []
        for s in as_tuple(cell(params, x, *state)):
            given = (*state, *new, *params.values(), x)
            if isinstance(x, Tensor) and (not isinstance(s, Tensor) or any(s is other for other in given)):
                s = np.positive(s if isinstance(s, Tensor) else Tensor(s))
            new.append(s)
        kept.append(tuple(new))
        return tuple(new)

    return keeping


def _walked(run: _Run, upstream: Array) -> dict[str, Any]:
    """Walk back from the last state, a step at a time, scaled in between. Return the norms and shares of `Flow`."""
    T, count, params = len(run.states), len(run.names), list(run.params.values())
    states, terms = np.empty((count, T)), np.empty((len(params), T))
    norms, contributions, ungated = np.empty(T), np.empty(T), np.empty(T)
    gates: list[dict[Hashable, float]] = []
    whole = direct = scaled([upstream, *(np.zeros(s.shape, s.dtype) for s in run.states[-1][1:])])
    gradient: Scaled | None = None
    parts = step_parts(run.tape, run.states)
    for k in reversed(range(T)):
        before = run.states[k - 1] if k else ()
        wrt = [*run.states[k], *before, *params]
        split = split_gradient(parts[k], dict(zip(run.states[k], whole.values, strict=True)), wrt, last_gate)
        sums = [summed(part, x) for part, x in zip(split, wrt, strict=True)]
        own, back = sums[:count], sums[count : count + len(before)]
        added_here = Scaled(sums[count + len(before) :], whole.exponent)
        states[:, k] = [Scaled([g], whole.exponent).log10_norm for g in own]
        norms[k] = Scaled(own, whole.exponent).log10_norm
        terms[:, k] = [Scaled([g], whole.exponent).log10_norm for g in added_here.values]
        contributions[k] = added_here.log10_norm
        gradient = added_here if gradient is None else added(gradient, added_here)
        ungated[k] = direct.log10_norm
        if k:
            gates.append(shares(_by_gate(split[count : 2 * count], before)))
            seeds = dict(zip(run.states[k], direct.values, strict=True))
            by_gate = split_gradient(parts[k], seeds, before, last_gate)
            direct = scaled([_part(part, None, s) for part, s in zip(by_gate, before, strict=True)], direct.exponent)
            whole = scaled(back, whole.exponent)
    every = sorted({gate for found in gates for gate in found}, key=lambda gate: (gate is not None, str(gate)))
    return {
        "states": dict(zip(run.names, states, strict=True)),
        "norms": norms,
        "terms": dict(zip(run.params, terms, strict=True)),
        "contributions": contributions,
        "gradient": gradient.log10_norm if gradient else -np.inf,
        "shares": {gate: np.array([found.get(gate, 0.0) for found in gates[::-1]]) for gate in every},
        "direct": ungated,
    }


def _by_gate(split: list[Parts], like: State) -> Parts:
    """Join the parts of several states by gate into one array for each gate."""
    every = {gate for parts in split for gate in parts}
    return {gate: flat([_part(p, gate, s) for p, s in zip(split, like, strict=True)]) for gate in every}


def _part(parts: Parts, gate: object, like: Tensor) -> Array:
    return parts[gate] if gate in parts else np.zeros(like.shape, like.dtype)
