"""The flow of the gradient of any loss back through the steps of any tape: layers, both directions, attention.

The walk back goes from one run of lines of the same step to the one before. Each cotangent that leaves a run has an
exponent of its own, so no norm underflows or overflows, whatever the dtype.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import DTYPES, Array
from tinygrad_rnn.bptt.gradient_flow.handed_on import parameters_of, prepared_from, states_of, unique
from tinygrad_rnn.bptt.gradient_flow.magnitude import Scaled, added, log10_norm, scaled
from tinygrad_rnn.bptt.gradient_flow.terms import Loss, delta_rows, require_tape
from tinygrad_rnn.bptt.gradient_flow.verdict import Flow
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.core.trees import flattened
from tinygrad_rnn.core.values import not_recording
from tinygrad_rnn.language.saying import Sentence, sentence
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.steps import steps, time_of

Terms = dict[tuple[Tensor, Any], Scaled]
"""By parameter and step what the step adds to the parameter's gradient."""


def flow_of_tape(tape: Tape, loss: Loss | Sequence[Loss], params: Any = None, rows: int = 100) -> Flow:
    """Return the flow of the gradient of a loss, or of the sum of several, through the steps of a tape.

    params: a Tensor or a tree of them (default: the leaves that several steps read). Raises what `states_of` and
    `Tape.rewind` raise, and TypeError for a loss that is none.
    """
    require_tape("flow", tape)
    losses: list[Any] = list(loss) if isinstance(loss, list | tuple) else [loss]
    if not losses or not all(isinstance(each, Tensor | Mapping) for each in losses):
        raise TypeError(
            f"flow: the loss of a tape is {loss!r}\ngive a scalar Tensor that the tape made, or a list of them"
        )
    with np.errstate(all="ignore"), not_recording():  # what is not finite is said in words
        seeds = _seeds(tape, losses)
        states, times = states_of(tape), list(steps(tape))
        given = parameters_of(tape) if params is None else _listed(params)
        first, *_ = states.values()
        if (dtype := next(iter(first.values())).dtype.name) not in DTYPES:
            raise TypeError(f"flow: the states are {dtype}\ngive float64 or float32")
        every = [x for of in states.values() for x in of.values()]
        found, terms, read = _walked(tape, seeds, set(every), given)
        norms = {name: np.array([_norm(found.get(of.get(t))) for t in times]) for name, of in states.items()}
        of_params = {name: np.array([_norm(terms.get((x, t))) for t in times]) for name, x in given.items()}
        plain = dict(zip(every, map(log10_norm, tape.gradient(seeds, every)), strict=True))
        chosen = np.unique(np.linspace(0, len(losses) - 1, min(rows, len(losses))).round().astype(np.int64))
        matrix = _deltas(tape, [losses[k] for k in chosen], [first[t] for t in times if t in first], len(times))
    finite = [all(np.isfinite(of[t].data).all() for of in states.values() if t in of) for t in times]
    return Flow(
        cell="the tape",
        dtype=dtype,
        states=norms,
        norms=_joined(norms.values(), len(times)),
        held=np.array([_joined([plain[of[t]] for of in states.values() if t in of], 1)[0] for t in times]),
        terms=of_params,
        contributions=_joined(of_params.values(), len(times)),
        gradient=float(_joined([_norm(_sum(terms, x)) for x in given.values()], 1)[0]),
        shares={},
        direct=np.full(len(times), np.nan),
        losses=(chosen if len(losses) > 1 else np.array([len(times) - 1]))[: len(matrix)],
        deltas=matrix,
        broken=None if all(finite) else finite.index(False),
        of=_called(losses),
        read_by_loss=len(read),
    )


def _walked(
    tape: Tape, seeds: dict[Tensor, Array], wanted: set[Tensor], params: dict[str, Tensor]
) -> tuple[dict[Tensor | None, Scaled], Terms, set[Any]]:
    """Walk back, a run of lines of one step at a time.

    Return the cotangents of the values that are wanted, the terms of the parameters, and the steps from which lines
    outside of the steps, or the loss itself, read.
    """
    lines, roots = tape.lines(), set(params.values())
    made = {out: time_of(labels) for _, _, _, out, labels in lines}
    prepared = prepared_from(tape, params)
    pending = {x: scaled([g]) for x, g in seeds.items()}
    found: dict[Tensor | None, Scaled] = {}
    terms: Terms = {}
    read = {made[x] for x in seeds} - {None}
    runs = [[*numbers] for _, numbers in groupby(range(len(lines)), lambda k: time_of(lines[k][4]))]
    last = max(k for k, line in enumerate(lines) if time_of(line[4]) is not None)
    for run in reversed(runs):
        own = [k for k in run if lines[k][3] not in prepared]
        t, part, outs = time_of(lines[run[0]][4]), tape.part(own), {lines[k][3] for k in own}
        here = {x: pending.pop(x) for x in outs if x in pending}
        if not here:
            continue
        exponent = max(g.exponent for g in here.values())
        start = {x: np.ldexp(g.values[0], max(g.exponent - exponent, -5000)) for x, g in here.items()}
        wrt = dict.fromkeys(x for x in part.leaves() if x.dtype.kind == "f" and (x in made or x in roots))
        wrt |= dict.fromkeys(lines[k][3] for k in own if lines[k][3] in wanted)
        for x, g in zip(wrt, part.gradient(start, list(wrt)), strict=True):
            if not np.any(g):  # a zero has no exponent
                continue
            value = scaled([g], exponent)
            if x in outs:
                found[x] = value
            elif x in roots or x in prepared:
                _add(terms, (x, t), value)
            else:
                _add(pending, x, value)
                if run[0] > last:
                    read.add(made[x])
    _through(tape, prepared, params, terms)
    return found, terms, read - {None}


def _through(tape: Tape, prepared: dict[Tensor, int], params: dict[str, Tensor], terms: Terms) -> None:
    """Turn what a step adds to the gradient of a value that was prepared of parameters, as W.T, into terms of these."""
    part, roots = tape.part(prepared.values()), list(params.values())
    for (x, t), g in [*terms.items()]:
        if x in prepared:
            del terms[x, t]
            for root, term in zip(roots, part.gradient({x: g.values[0]}, roots), strict=True):
                if np.any(term):
                    _add(terms, (root, t), scaled([term], g.exponent))


def _add(sums: dict[Any, Scaled], key: Any, g: Scaled) -> None:
    sums[key] = added(sums[key], g) if key in sums else g


def _sum(terms: Terms, x: Tensor) -> Scaled | None:
    sums: dict[Any, Scaled] = {}
    for (root, _), g in terms.items():
        if root is x:
            _add(sums, x, g)
    return sums.get(x)


def _seeds(tape: Tape, losses: Sequence[Loss]) -> dict[Tensor, Array]:
    """Return the cotangents with which the walk back from the sum of the losses begins."""
    seeds: dict[Tensor, Any] = {}
    for loss in losses:
        for x, g in tape.seeds(loss).items():
            seeds[x] = seeds[x] + g if x in seeds else g
    return seeds


def _deltas(tape: Tape, losses: Sequence[Loss], first: Sequence[Tensor], T: int) -> Array:
    """Return log10 |dL_t/dh_k|, (n, T); no rows where the first state has other shapes, or is not there, at a step."""
    if len(first) < T or len({x.shape for x in first}) > 1:
        return np.zeros((0, T))
    rows = [log10_norm(row, axis=tuple(range(1, row.ndim))) for row in delta_rows(tape, losses, first)]
    return np.array(rows).reshape(len(rows), T)


def _norm(g: Scaled | None) -> float:
    return -np.inf if g is None else g.log10_norm


def _joined(norms: Iterable[Any], length: int) -> Array:
    """Return log10 of the norm of several parts together, of the log10 of their norms: arrays of one length."""
    logs = np.array([np.broadcast_to(part, length) for part in norms]).reshape(-1, length)
    largest = np.max(logs, axis=0, initial=-np.inf)
    with np.errstate(all="ignore"):
        rest = np.log10(np.sum(10.0 ** (2 * (logs - largest)), axis=0)) / 2
    joined: Array = np.where(np.isfinite(largest), largest + rest, largest)
    return joined


def _listed(params: Any) -> dict[str, Tensor]:
    """Return the parameters by the path in their tree, or by name."""
    leaves, _ = flattened(params)
    if isinstance(params, Mapping):
        return {path[2:-2] if path.count("[") == 1 else path: x for path, x in leaves}
    return unique({x: x.name or f"leaf {k}" for k, (_, x) in enumerate(leaves)})


def _called(losses: Sequence[Loss]) -> Sentence:
    if len(losses) > 1:
        return sentence("the sum of {n} losses", n=len(losses))
    (loss,) = losses
    named = isinstance(loss, Tensor) and loss.name
    return sentence("the loss {name}", name=named) if named else sentence("the loss")
