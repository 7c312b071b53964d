"""Where time and batch lie in the data, found by trying: an axis that can be cut, and whether its entries mix.

Values at two steps act on the loss together, through the state; two examples of a batch add up. So the mixed second
difference of the loss, over two entries of an axis, tells time from batch.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.homework.called import ExamineError
from tinygrad_rnn.bptt.homework.forms import Form
from tinygrad_rnn.bptt.homework.places import World

WEIGHT = re.compile(r"^[WUVRbwuv](\d|_|[a-z]{0,3}$|$)|^(weight|bias|gamma|beta|theta|kernel)", re.ASCII)
LENGTHS = (1, 2, 3, 7)
MOST_TRIED = 120
MIXED = 1e-7

Place = tuple[int, int]
"""(number of the argument, axis); of a list or a dict of steps the axis is 0."""


@dataclass(frozen=True)
class Axes:
    """The places of time and of the batch in the arguments, and the lengths there; none where none was found."""

    time: tuple[Place, ...] = ()
    steps: int = 0
    batch: tuple[Place, ...] = ()
    examples: int = 0

    def cut(self, world: World, steps: int | None = None, examples: int | None = None) -> World:
        """Return a copy with the first steps, and the first examples, alone."""
        world = world.copy()
        for places, n in ((self.time, steps), (self.batch, examples)):
            if n is not None:
                for k, axis in places:
                    world.arguments[k] = _first(world.arguments[k], axis, n)
        return world

    def lengths(self) -> list[int]:
        """Return the lengths to try."""
        return sorted({*(n for n in LENGTHS if n < self.steps), self.steps}) if self.steps else []


def axes_of(form: Form, world: World, parameters: list[str]) -> Axes:
    """Return where time and batch lie, as far as cutting them shows it."""
    found = Axes()
    for n, places in _cuts(world, parameters):
        if (n, places) == (found.steps, found.time):
            continue
        if {k for k, _ in places} <= {k for k, _ in found.time} and n == found.steps:
            continue
        if not _runs(form, world, places, n):
            continue
        mixed = _mixes(form, world, places)
        if mixed and not found.time:
            found = Axes(places, n, found.batch, found.examples)
        elif not mixed and not found.batch:
            found = Axes(found.time, found.steps, places, n)
        if found.time and found.batch:
            break
    return found


def _cuts(world: World, parameters: list[str]) -> list[tuple[int, tuple[Place, ...]]]:
    """Return sizes and places that may be one axis, those in many arguments and of early axes first."""
    ways: dict[int, dict[int, list[int]]] = {}
    for k, argument in enumerate(world.arguments):
        name = parameters[k] if k < len(parameters) else ""
        for axis, n in _sizes(argument, name):
            if n > 1:
                ways.setdefault(n, {}).setdefault(k, []).append(axis)
    found = []
    for n, by_argument in ways.items():
        options = [[None, *axes] for axes in by_argument.values()]
        for choice in itertools.islice(itertools.product(*options), MOST_TRIED):
            places = tuple((k, axis) for k, axis in zip(by_argument, choice, strict=True) if axis is not None)
            if places:
                found.append((n, places))
    return sorted(found, key=lambda cut: (-len(cut[1]), [place[1] for place in cut[1]], cut[1]))[:MOST_TRIED]


def _sizes(argument: Any, name: str) -> list[tuple[int, int]]:
    """Return the axes of an argument that may be time or batch, with their sizes."""
    if isinstance(argument, list | tuple):
        return [(0, len(argument))]
    if isinstance(argument, str):
        return [(0, len(argument))]
    if isinstance(argument, Mapping):
        steps = bool(argument) and all(isinstance(key, int | np.integer) for key in argument)
        return [(0, len(argument))] if steps else []
    if isinstance(argument, np.ndarray) and not (argument.dtype.kind == "f" and WEIGHT.match(name)):
        return list(enumerate(argument.shape))
    return []


def _first(value: Any, axis: int, n: int) -> Any:
    if isinstance(value, Mapping):
        return {key: value[key] for key in sorted(value)[:n]}
    if isinstance(value, np.ndarray):
        return value[(slice(None),) * axis + (slice(n),)].copy()
    return value[:n]


def _runs(form: Form, world: World, places: tuple[Place, ...], n: int) -> bool:
    """Return whether the code runs on one entry less. One entry alone may be broadcast: that proves nothing."""
    least = max(1, n - 1)
    try:
        answer = form.run(Axes(places, n).cut(world, steps=least))
    except ExamineError:
        return False
    return bool(np.isfinite(np.asarray(answer.loss)).all())


def _mixes(form: Form, world: World, places: tuple[Place, ...]) -> bool:
    """Return whether the loss has a mixed difference over the first two entries."""
    k, axis = places[0]
    rng = np.random.default_rng(0)
    others = [_other_entry(world.arguments[k], axis, at, rng) for at in (0, 1)]
    values = []
    for both in ((), (0,), (1,), (0, 1)):
        changed = world.copy()
        for at in both:
            changed.arguments[k] = _with_entry(changed.arguments[k], axis, at, others[at])
        try:
            values.append(float(np.real(form.loss(changed))))
        except (ExamineError, TypeError, ValueError):
            return True
    none, first, second, together = values
    size = max(abs(first - none), abs(second - none))
    return size == 0 or abs(together - first - second + none) > MIXED * size


def _entries(value: Any, axis: int) -> list[Any]:
    if isinstance(value, Mapping):
        return [value[key] for key in sorted(value)]
    return list(np.moveaxis(value, axis, 0)) if isinstance(value, np.ndarray) else list(value)


def _other_entry(value: Any, axis: int, at: int, rng: np.random.Generator) -> Any:
    """Return another value for one entry: near it, for floats; one that stands elsewhere in the data, for the rest."""
    entries = _entries(value, axis)
    entry = np.asarray(entries[at])
    if entry.dtype.kind == "f" and not np.isin(entry, (0, 1)).all():
        return entries[at] + 0.1 * rng.standard_normal(entry.shape)
    return next((e for e in reversed(entries) if not np.array_equal(e, entries[at])), entries[at])


def _with_entry(value: Any, axis: int, at: int, entry: Any) -> Any:
    if isinstance(value, Mapping):
        return {**value, sorted(value)[at]: entry}
    if isinstance(value, np.ndarray):
        value = value.copy()
        np.moveaxis(value, axis, 0)[at] = entry
        return value
    if isinstance(value, str):
        return value[:at] + entry + value[at + 1 :]
    return type(value)([*value[:at], entry, *value[at + 1 :]])
