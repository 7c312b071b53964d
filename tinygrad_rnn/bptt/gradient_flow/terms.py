"""The terms of a gradient through time: error terms, contributions by step, gate or layer, immediate derivatives.

The notation is that of Neural Networks and Deep Learning (NNDL), chapter 6: L = sum_t L_t, delta_{t,k} = dL_t/dz_k,
dL/dU = sum_t sum_{k<=t} delta_{t,k} h_{k-1}^T. Steps are the label `t` of the scope, gates the label `gate`.

>>> from tinygrad_rnn.core.recording import scope
>>> from tinygrad_rnn.core.tensor import named
>>> U, h = Tensor(0.5, name="U"), Tensor(1.0, name="h0")
>>> with Tape() as tape:
...     for t in range(3):
...         with scope(t=t):
...             h = named("h", U * h)
>>> contributions(tape, h, U)
{2: array(0.25), 1: array(0.25), 0: array(0.25)}
>>> float(immediate(tape, h, U)), float(total(tape, h, U))
(0.25, 0.75)
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, cast, overload

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array, Numbers
from tinygrad_rnn.core.recording import Scope, scope_text
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.core.values import not_recording
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.paths import Parts, Tag, split_gradient
from tinygrad_rnn.tape.steps import time_of

Loss = Tensor | Mapping[Tensor, Array]
"""A scalar Tensor, or a mapping from several results to their cotangents."""

Numbered = Mapping[int, Loss]
"""Losses by their numbers: {1: L_1, 2: L_2}, as a book counts them."""

PLACE = ("t", "layer", "direction")
"""The labels that say which step of which recurrence an entry belongs to."""


def at_steps(tape: Tape, name: str, **labels: object) -> dict[Any, Tensor]:
    """Return the Tensor of that name at each step, under these labels, in the order in which the steps were run.

    Raises LookupError where no step has one, or one has several.
    """
    found: dict[Any, Tensor] = {}
    wanted = labels.items()
    for entry in tape:
        t = time_of(entry.scope)
        if entry.out.name != name or t is None or not wanted <= dict(entry.scope).items():
            continue
        if t in found:
            raise LookupError(
                f"step {t} has several Tensors {name!r}, one of them in {scope_text(entry.scope)}\n"
                "add labels, as layer=0 or direction='forward'"
            )
        found[t] = entry.out
    if not found:
        names = sorted({e.out.name for e in tape if e.out.name and time_of(e.scope) is not None})
        asked = " ".join([repr(name), scope_text(tuple(wanted))]).strip()
        raise LookupError(
            f"no step has a Tensor {asked}: the names in steps are {', '.join(names) or '(none)'}\n"
            'name it inside the step: with scope(t=t): z = named("z", ...)'
        )
    return found


@overload
def deltas(tape: Tape, losses: Sequence[Loss], name: str = ..., **labels: object) -> Array: ...


@overload
def deltas(tape: Tape, losses: Numbered, name: str = ..., **labels: object) -> dict[tuple[int, Any], Array]: ...


def deltas(
    tape: Tape, losses: Sequence[Loss] | Numbered, name: str = "z", **labels: object
) -> Array | dict[tuple[int, Any], Array]:
    """Return the error terms delta_{t,k} = dL_t/d(name at step k): an array [t, k, ...], ... the shape of `name`.

    losses: L_t, scalar Tensors of this tape (or mappings from results to cotangents), one for each t. name: any named
    quantity, as z, h, c, f, z_f; labels such as layer=1, direction="reverse" say which. The axis k has the steps that
    have one, in the order of time. Zero where L_t does not depend on it: for k > t, where the loop runs forward.
    For the simple RNN delta_{t,k} = diag(f'(z_k)) U^T delta_{t,k+1} (NNDL (6.36)).

    Of losses by their numbers, {t: L_t}, it returns a dict {(t, k): array}, with k as the tape counts its steps: for a
    loop over t = 1, ..., T this is delta[t, k] of the book.

    Raises LookupError where no step has the name or a step has several; ValueError where it has different shapes, or a
    loss is not on the tape; TypeError for losses that are no sequence.
    """
    require_tape("deltas", tape)
    listed = require_losses("deltas", losses)
    at = at_steps(tape, name, **labels)
    tensors = [at[k] for k in sorted(at)]
    if len(shapes := {x.shape for x in tensors}) > 1:
        raise ValueError(f"deltas: {name!r} has the shapes {sorted(shapes)}\nan array needs one shape at every step")
    rows = list(delta_rows(tape, listed, tensors))
    if isinstance(losses, Mapping):
        return {(t, k): row[n] for t, row in zip(losses, rows, strict=True) for n, k in enumerate(sorted(at))}
    return np.array(rows) if rows else np.zeros((0, len(tensors), *tensors[0].shape), tensors[0].dtype)


def delta_rows(tape: Tape, losses: Sequence[Loss], tensors: Sequence[Tensor]) -> Iterator[Array]:
    """Yield for each loss its derivative by each of these Tensors of one shape, as one array."""
    for loss in losses:
        with not_recording():
            yield np.array(tape.gradient(loss, tensors))


def contributions(
    tape: Tape, loss: Loss | Sequence[Loss] | Numbered, W: Tensor, by: str | tuple[str, ...] = "t"
) -> Parts:
    """Split dL/dW into terms: a dict of arrays of W's shape that add up to it.

    by: "t", the step in which a path from the loss came to W; "gate", the last gate scope that it passed within its
    step (forgotten where it crosses into another), None where it passed none; "layer", or any other label: the last
    one that it passed. A tuple, as ("t", "gate"), gives tuples as keys. Of several losses the key begins with the
    number of the loss: (t, k) for by="t", the double sum above, each term of it an array as large as W. A sequence of
    losses is counted from 0; {t: L_t} gives them numbers of their own, so that the key is the book's (t, k).

    W: a parameter, whether it is read as it is, through W.T, in blocks, or prepared outside of time; or an
    intermediate result, as h_{k-1}. A label is None where a path met none. Terms that no path reaches are absent.

    Raises LookupError where W is not on the tape, ValueError for a label that the tape does not have.
    """
    labels = (by,) if isinstance(by, str) else tuple(by) if isinstance(by, tuple | list) else ()
    require_on_tape("contributions", tape, W)
    known = {label for entry in tape for label, _ in entry.scope} | {"gate", *PLACE}
    if not labels or not set(labels) <= known:
        raise ValueError(f"contributions: by={by!r}\ngive one or a tuple of the labels {', '.join(sorted(known))}")
    if isinstance(loss, Tensor | Mapping) and not _numbered(loss):
        return _contributions(tape, cast(Loss, loss), W, labels, isinstance(by, str))
    found: Parts = {}
    listed = require_losses("contributions", loss)
    for number, each in zip(loss if isinstance(loss, Mapping) else range(len(listed)), listed, strict=True):
        terms = _contributions(tape, each, W, labels, one=False)
        found |= {(number, *key): g for key, g in terms.items()}  # type: ignore[misc]
    return found


def _contributions(tape: Tape, loss: Loss, W: Tensor, labels: tuple[str, ...], one: bool) -> Parts:
    with not_recording():
        parts = split_gradient(tape, loss, [W], _last_labels(labels))[0]
    found: Parts = {}
    for held, g in parts.items():
        values = held[1] if held is not None else (None,) * len(labels)  # type: ignore[index]
        key = values[0] if one else values
        found[key] = found[key] + g if key in found else g
    return found


def _last_labels(labels: tuple[str, ...]) -> Tag:
    """Return the tag (place, last value of each label that a path has passed); the gate only within its step."""
    nowhere = (None,) * len(PLACE)
    within = "gate" in labels  # else the place is not told apart: fewer parts

    def tag(held: Any, labels_here: Scope) -> Any:
        place, values = held or (nowhere, (None,) * len(labels))
        here = dict(labels_here)
        moved = False
        if within and "t" in here:
            before, place = place, tuple(here.get(key) for key in PLACE)
            moved = place != before
        kept = (None if moved and key == "gate" else value for key, value in zip(labels, values, strict=True))
        return place, tuple(here.get(key, value) for key, value in zip(labels, kept, strict=True))

    return tag


def paths(tape: Tape, y: Loss, x: Tensor, seed: Numbers | None = None) -> Parts:
    """Split dy/dx by path: {gate: array}, the gate being the last one on the way back from y to x, in any step.

    None is what passed no gate on the whole way: for c_t and c_k of an LSTM the product of the forget gates, for a GRU
    that of z. Unlike in `contributions`, a gate is not forgotten from step to step. `seed` is the cotangent of y. Gates
    are scopes: a cell of your own tells its paths apart with `scope(gate=...)` or `nn.cells.gate`.

    Raises LookupError where x is not on the tape.
    """
    require_on_tape("paths", tape, x)
    with not_recording():
        return split_gradient(tape, y, [x], last_gate, seed=seed)[0]


def last_gate(held: Any, labels: Scope) -> Any:
    """Return the tag of `paths`: the last gate that was passed."""
    return dict(labels).get("gate", held)


def shares(parts: Mapping[Hashable, Array]) -> dict[Hashable, float]:
    """Return the share of each part in the sum: <part, sum> / <sum, sum>. Shares add up to 1.

    Negative for a part that points against the sum. NaN where the sum is zero or not finite. Raises TypeError for parts
    without names.
    """
    if not isinstance(parts, Mapping):
        raise TypeError(f"shares: the parts are a {type(parts).__name__}\ngive a dict of arrays, as from contributions")
    with np.errstate(all="ignore"):
        largest = max((float(np.max(np.abs(g), initial=0)) for g in parts.values()), default=0.0)
        scaled = {key: np.asarray(g, np.float64) / largest for key, g in parts.items()}
        whole = sum(scaled.values(), np.zeros(()))
        return {key: float(np.sum(g * whole) / np.sum(whole * whole)) for key, g in scaled.items()}


def immediate(tape: Tape, y: Tensor, x: Tensor) -> Array:
    """Return the immediate derivative d+y/dx (NNDL's d+): the Jacobian within y's own step, y.shape + x.shape.

    All values of other steps are constants: d+z_k/dU is h_{k-1} alone, without the path through h_{k-1}. Paths lead
    through entries outside of time, as through a transposed weight. For a y outside of time all steps are constant.

    Raises what `total` raises.
    """
    _require_made("immediate", tape, y)
    require_on_tape("immediate", tape, x)
    step = next(time_of(entry.scope) for entry in tape if entry.out is y)
    own = (k for k, entry in enumerate(tape) if time_of(entry.scope) in (None, step))
    return _jacobian(tape.part(own), y, x)


def total(tape: Tape, y: Tensor, x: Tensor) -> Array:
    """Return the total derivative dy/dx along all paths: the Jacobian, of shape y.shape + x.shape.

    Raises LookupError where y was not made on the tape or x is not on it.
    """
    _require_made("total", tape, y)
    require_on_tape("total", tape, x)
    return _jacobian(tape, y, x)


def _jacobian(tape: Tape, y: Tensor, x: Tensor) -> Array:
    rows = np.zeros((y.size, *x.shape), x.dtype)
    with not_recording():
        for k in range(y.size):
            seed = np.zeros(y.size, y.dtype)
            seed[k] = 1
            rows[k] = tape.gradient(y, x, seed.reshape(y.shape))
    return rows.reshape(y.shape + x.shape)


def _numbered(losses: object) -> bool:
    """Return whether losses have numbers, {1: L_1}; a mapping from results to their cotangents is one loss."""
    return isinstance(losses, Mapping) and bool(losses) and not any(isinstance(key, Tensor) for key in losses)


def require_losses(who: str, losses: object) -> list[Loss]:
    """Return the losses as a list. Raise TypeError where they are no sequence and no dict by number."""
    if isinstance(losses, Mapping) and _numbered(losses):
        return list(losses.values())
    if isinstance(losses, Tensor | Mapping) or not isinstance(losses, Sequence):
        raise TypeError(
            f"{who}: the losses are a {type(losses).__name__}\n"
            "give a sequence of scalar Tensors, made while the tape was open: [L_0, L_1, ...], or {1: L_1, 2: L_2}"
        )
    return list(losses)


def require_tape(who: str, tape: object) -> None:
    """Raise TypeError unless it is a tape."""
    if not isinstance(tape, Tape):
        raise TypeError(f"{who}: the tape is a {type(tape).__name__}\nrecord one: with Tape() as tape: ...")


def _require_made(who: str, tape: Tape, y: object) -> None:
    require_tape(who, tape)
    if not isinstance(y, Tensor) or all(entry.out is not y for entry in tape):
        which = y.describe() if isinstance(y, Tensor) else f"a {type(y).__name__}"
        raise LookupError(f"{who}: {which} was not made on this tape\ntake a Tensor from it: tape.find(name, t=3)")


def require_on_tape(who: str, tape: Tape, x: object) -> None:
    """Raise LookupError unless x is a Tensor that the tape has read or made."""
    require_tape(who, tape)
    if not isinstance(x, Tensor) or all(entry.out is not x and all(a is not x for a in entry.args) for entry in tape):
        which = x.describe() if isinstance(x, Tensor) else f"a {type(x).__name__}"
        raise LookupError(
            f"{who}: {which} is not on this tape\ngive a Tensor that the tape has read or made, as tape.find(name)"
        )
