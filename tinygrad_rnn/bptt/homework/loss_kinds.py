"""Of what a person's loss is a sum or a mean: over steps, over examples; and whether it is made of squares.

A loss that is a sum changes by as much, as one target changes, however many steps or examples there are; a mean changes
by 1/n of it. Where no target can be changed, the tape says what the loss of the first step sends back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.diagnosis.evidence import Kind
from tinygrad_rnn.bptt.homework import entries
from tinygrad_rnn.bptt.homework.array_places import Array, World
from tinygrad_rnn.bptt.homework.called import ExamineError
from tinygrad_rnn.bptt.homework.judging import Trial
from tinygrad_rnn.bptt.homework.own_loss import Recording
from tinygrad_rnn.bptt.homework.prefixes import Place
from tinygrad_rnn.bptt.homework.repeated_calls import leading_to
from tinygrad_rnn.bptt.homework.trying import Trying

ALIKE = 1e-6
"""How far changes of a loss may be apart that are the same, of the largest."""


def over_steps(code: Trying, upstream: Callable[[], Iterable[tuple[int, Array]]]) -> Kind:
    """Return what the loss is over the steps.

    upstream: gives (T, dhs), what the loss sends to each step by itself, for prefixes of the same data; none off tape.
    """
    lengths = [T for T in code.axes.lengths() if T]
    if not lengths:
        return "one"
    if (drawn := _outputs(code, lengths)) is not None:
        return drawn
    for place in code.axes.time:
        changes = {T: _change(code, [place], code.axes.cut(code.world, T)) for T in lengths}
        found = _kind({T: change for T, change in changes.items() if change is not None})
        if found != "unknown":
            return found
    return _of_upstream(dict(upstream()))


def over_examples(code: Trying) -> Kind:
    """Return what the loss is over the examples of a batch."""
    if not code.axes.examples:
        return "one"
    if code.form.weights:
        return "sum"
    changes = {n: _change(code, code.axes.batch, code.axes.cut(code.world, None, n)) for n in (1, code.axes.examples)}
    return _kind({n: change for n, change in changes.items() if change is not None})


def made_of_squares(code: Trying, trials: Iterable[Trial]) -> bool:
    """Return whether the loss is made of squares, as far as the tape says; True where there is no tape."""
    if code.form.weights:
        return False
    recordings = [t.own.recording for t in trials if t.own]
    return not recordings or any(r is None or _has_squares(r) for r in recordings)


def _has_squares(recording: Recording) -> bool:
    lines = leading_to(recording.tape.lines(), recording.loss)
    viewed = {id(out): args[0] for op, args, _, out, _ in lines if op.name in ("reshape", "transpose")}

    def root(value: Any) -> Any:
        while id(value) in viewed:
            value = viewed[id(value)]
        return value

    for op, args, _, _, _ in lines:
        product = op.name in ("multiply", "matmul") and root(args[0]) is root(args[1])
        power = op.name == "power" and any(np.size(a) == 1 and np.all(np.asarray(a) == 2) for a in args[1:])
        if product or power or op.name in ("square", "norm", "var", "std") or "einsum" in op.name:
            return True
    return False


def _outputs(code: Trying, lengths: list[int]) -> Kind | None:
    """Return the kind of the loss sum(w * output) of code that has none: a sum, if there is an output at each step."""
    if not code.form.weights:
        return None
    sizes = set()
    for T in lengths[:2]:
        try:
            code.form.loss(code.axes.cut(code.world, T))
        except ExamineError:
            return "unknown"
        sizes.add(sum(w.size for w in code.form.weights.values()))
    return "sum" if len(sizes) > 1 else "one"


def _change(code: Trying, places: Iterable[Place], world: World) -> float | None:
    """Return by how much the loss changes as the first entries at these places are exchanged for others."""
    rng = np.random.default_rng(0)
    changed = world.copy()
    for path, axis in places:
        whole = code.world.get(path)
        if isinstance(whole, int | np.integer):
            continue
        other = entries.another(whole, axis, 0, rng)
        changed.put(path, _exchanged(changed.get(path), axis, other))
    try:
        before, after = (float(np.real(np.asarray(code.form.loss(w.copy())).reshape(()))) for w in (world, changed))
    except (ExamineError, TypeError, ValueError):
        return None
    return after - before


def _exchanged(value: Any, axis: int, other: Any) -> Any:
    if isinstance(value, np.ndarray):
        room = np.moveaxis(value, axis, 0)[0].shape
        other = np.asarray(other)[tuple(slice(n) for n in room)]
    return entries.exchanged(value, axis, 0, other)


def _kind(changes: Mapping[int, float]) -> Kind:
    """Return the kind of a loss that changes so, for n entries, as the first one changes."""
    values = np.array(list(changes.values()))
    sizes = np.array(list(changes))
    largest = float(np.max(np.abs(values), initial=0))
    if len(values) < 2 or not largest or not np.isfinite(values).all():
        return "unknown"
    if np.ptp(values) <= ALIKE * largest:
        return "sum"
    if np.ptp(values * sizes) <= ALIKE * largest:
        return "mean"
    if sizes[0] == 1 and values[0] and (np.abs(values[1:]) <= ALIKE * largest).all():
        return "one"
    return "unknown"


def _of_upstream(found: Mapping[int, Array]) -> Kind:
    """Return the kind of a loss that sends these gradients to its steps, for T of them."""
    if found and all(not dhs[:-1].any() for dhs in found.values()):
        return "one"
    if len(found) < 2:
        return "unknown"
    first = {T: dhs[0] for T, dhs in found.items()}
    largest = max(float(np.max(np.abs(d), initial=0)) for d in first.values())
    for kind, power in (("sum", 0), ("mean", 1)):
        each = [d * float(T) ** power for T, d in first.items()]
        if largest and all(np.max(np.abs(d - each[0]), initial=0) <= ALIKE * largest for d in each):
            return kind  # type: ignore[return-value]
    return "unknown"
