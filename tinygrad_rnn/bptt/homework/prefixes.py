"""Where time and batch lie in the data, found by trying: an axis that can be cut, and whether its entries mix.

Values at two steps act on the loss together, through the state; two examples of a batch add up. So the mixed second
difference of the loss, over two entries of an axis, tells time from batch.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.homework import entries
from tinygrad_rnn.bptt.homework.array_places import Path, World, contents, numbers_of
from tinygrad_rnn.bptt.homework.called import ExamineError
from tinygrad_rnn.bptt.homework.forms import Form
from tinygrad_rnn.bptt.homework.gradient_names import is_data, is_parameter

LENGTHS_OF_ROWS = re.compile(r"len|durations|n_steps", re.IGNORECASE)
LENGTHS = (1, 2, 3, 7)
INPUTS = ("u", "us")
"""The names that state space models have for their inputs, and others for weights: inputs without a gradient."""
MOST_TRIED = 120

Place = tuple[Path, int]
"""(path, axis) of data; of a list, a text, a dict of steps, or a number of steps, the axis is 0."""


@dataclass(frozen=True)
class Axes:
    """The places of time and of the batch in the arguments, and the lengths there; none where none was found."""

    time: tuple[Place, ...] = ()
    steps: int = 0
    batch: tuple[Place, ...] = ()
    examples: int = 0
    rows: tuple[Path, ...] = ()
    """Where the lengths of the single examples stand."""

    def cut(self, world: World, steps: int | None = None, examples: int | None = None) -> World:
        """Return a copy with the first steps, and the first examples, alone."""
        world = world.copy()
        for places, n in ((self.time, steps), (self.batch, examples)):
            if n is not None:
                for path, axis in places:
                    world.put(path, entries.first(world.get(path), axis, n))
        if steps is not None:
            for path in self.rows:
                world.put(path, entries.at_most(world.get(path), steps))
        return world

    def lengths(self) -> list[int]:
        """Return the lengths to try."""
        return sorted({*(n for n in LENGTHS if n < self.steps), self.steps}) if self.steps else []


def axes_of(form: Form, world: World, parameters: set[Path], mixed: float, probe: World) -> Axes:
    """Return where time and batch lie, as far as cutting shows it.

    parameters: the paths of arrays that are no data. mixed: how large a mixed difference must be, to be one. probe: the
    same problem with parameters and data of usual size, in which steps act on each other.
    """
    data = dict(_data(form, world, parameters))
    rows = tuple(path for path, name in data.items() if LENGTHS_OF_ROWS.search(name))
    found = Axes(rows=rows)
    weights = {path for path, name in data.items() if path in parameters and not is_data(name)}
    for n, places in _cuts(world, data, weights):
        if set(places) & {*found.time, *found.batch} or not _runs(form, world, places, n):
            continue
        together = _mixes(form, world, places, mixed) or _mixes(form, probe, places, mixed, otherwise=False)
        if together and not found.time:
            found = Axes(places, n, found.batch, found.examples, rows)
        elif not together and not found.batch:
            found = Axes(found.time, found.steps, places, n, rows)
        if found.time and found.batch:
            break
    return found


def _data(form: Form, world: World, parameters: set[Path]) -> Iterator[tuple[Path, str]]:
    """Yield the paths of arguments, and of what tuples and dicts of arguments hold, that may be data; with names."""
    containers = {path[:-1] for path in parameters if len(path) > 2}
    pending: list[tuple[Path, str, Any]] = [
        (("arguments", k), form.parameters[k] if k < len(form.parameters) else "", value)
        for k, value in enumerate(world.arguments)
    ]
    pending += [(("options", name), name, value) for name, value in world.options.items()]
    while pending:
        path, name, value = pending.pop(0)
        numbers = numbers_of(value)
        floats = numbers is not None or (isinstance(value, np.ndarray) and value.dtype.kind not in "iub")
        weight = floats and is_parameter(name) and not (name in INPUTS and path not in parameters and _is_table(value))
        if path in containers or path[:-1] in containers or weight:
            continue
        yield path, name
        inner = isinstance(value, tuple | list) and len(value) <= 3 and numbers is None
        if inner or (isinstance(value, Mapping) and not entries.is_steps(value)):
            pending += [((*path, key), str(key), held) for key, held in contents(value)]


def _is_table(value: Any) -> bool:
    return len(np.shape(value)) > 1


def _cuts(world: World, data: Mapping[Path, str], weights: set[Path]) -> list[tuple[int, tuple[Place, ...]]]:
    """Return sizes and places that may be one axis, those in many arguments and of early axes first.

    weights: arrays that seem to be none of data, since they have a gradient and no name of data: those without come
    before those with them, whose axis may be that of the features.
    """
    ways: dict[int, dict[Path, list[int]]] = {}
    for path in data:
        for axis, n in enumerate(entries.sizes(world.get(path))):
            if n > 1:
                ways.setdefault(n, {}).setdefault(path, []).append(axis)
    found = []
    for n, by_path in ways.items():
        options = [[*axes, None] for axes in by_path.values()]
        for choice in itertools.islice(itertools.product(*options), MOST_TRIED):
            places = tuple((path, axis) for path, axis in zip(by_path, choice, strict=True) if axis is not None)
            held = {path[:-1] for path, _ in places} & {path for path, _ in places}
            if not held and any(not isinstance(world.get(path), int) for path, _ in places):
                found.append((n, places))
    order = list(data)

    def key(cut: tuple[int, tuple[Place, ...]]) -> Any:
        paths = [path for path, _ in cut[1]]
        return sum(p in weights for p in paths), -len(paths), [a for _, a in cut[1]], [order.index(p) for p in paths]

    return sorted(found, key=key)[:MOST_TRIED]


def _runs(form: Form, world: World, places: tuple[Place, ...], n: int) -> bool:
    """Return whether the code runs on one entry less, and on one more.

    One entry alone may be broadcast, and what is beyond a fixed number may be left unread: each alone proves nothing.
    """
    more = world.copy()
    for path, axis in places:
        more.put(path, entries.one_more(more.get(path), axis))
    for changed in (Axes(places, n).cut(world, steps=n - 1), more):
        try:
            answer = form.run(changed)
        except ExamineError:
            return False
        if not np.isfinite(np.asarray(answer.loss)).all():
            return False
    return True


def _mixes(form: Form, world: World, places: tuple[Place, ...], least: float, otherwise: bool = True) -> bool:
    """Return whether the loss has a mixed difference over the first two entries; `otherwise` where it cannot be had."""
    path, axis = next((p, a) for p, a in places if not isinstance(world.get(p), int))
    rng = np.random.default_rng(0)
    others = [entries.another(world.get(path), axis, at, rng) for at in (0, 1)]
    values = []
    for both in ((), (0,), (1,), (0, 1)):
        changed = world.copy()
        for at in both:
            changed.put(path, entries.exchanged(changed.get(path), axis, at, others[at]))
        try:
            values.append(float(np.real(np.asarray(form.loss(changed)).reshape(()))))
        except (ExamineError, TypeError, ValueError):
            return otherwise
    none, first, second, together = values
    size = max(abs(first - none), abs(second - none))
    if not np.isfinite(values).all() or size == 0:
        return otherwise
    return bool(abs(together - first - second + none) > least * size)
