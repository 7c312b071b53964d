"""The problems on which a person's code is tried: prefixes of its data, one example of them, other parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.diagnosis.evidence import Truth
from tinygrad_rnn.bptt.homework.array_places import Array, Path, World, arrays_in
from tinygrad_rnn.bptt.homework.called import ExamineError, ExamineValueError, FailedError
from tinygrad_rnn.bptt.homework.forms import Form
from tinygrad_rnn.bptt.homework.given import Given
from tinygrad_rnn.bptt.homework.gradient_names import called, is_data, is_gradient, leaf_names, matched
from tinygrad_rnn.bptt.homework.judging import USUAL, Trial, precision_of
from tinygrad_rnn.bptt.homework.own_loss import OwnLoss, doubled
from tinygrad_rnn.bptt.homework.prefixes import Axes, axes_of
from tinygrad_rnn.bptt.homework.value_kinds import described

SEEDS = 2
"""The parameters as given, and others near them."""
QUIET = 2
"""The parameters as given, but small: where gradients are clipped, so small ones are not."""
SMALL = 0.05
SHAKEN = 3
"""How often data are moved by their last place, to see how far rounding carries."""


class Trying:
    """Code that has been run once: its arrays and their gradients are known, and problems can be made of its data."""

    def __init__(
        self,
        form: Form,
        world: World,
        names: Mapping[str, str],
        params: Sequence[str] | None,
        step: bool,
    ) -> None:
        self.form, self.world, self.names = form, world, names
        self.step = step
        self._settled()
        world = self.world
        arrays = self._among_params(world.arrays(), params)
        self.paths = {name: path for path, name in leaf_names(arrays, form.parameters, form.unpacked).items()}
        self.leaves = {name: arrays[path] for name, path in self.paths.items()}
        self._check_names()
        first = form.run(world.copy())
        self.first, self.unmatched = self._matched(first.given)
        if not self.first:
            raise ExamineValueError(
                f"examine: no gradient of {form.name} was recognised{_among(self.unmatched)}\n"
                f"the arrays are {', '.join(self.leaves) or 'none'}: return {{'W': dW}}, or say which is which, as "
                'names={"dW": "W"}'
            )
        if not np.isfinite(np.asarray(first.loss)).all():
            raise ExamineValueError(
                f"examine: the loss of {form.name} is {first.loss} on this data\ngive data and parameters of usual size"
            )
        form.reads_left = any(g.path for g in self.first.values())
        self._check_repeats(first.loss)
        self.axes = Axes() if step else self._axes()

    def _axes(self) -> Axes:
        """Return where time and batch lie, found in double precision."""
        parameters = {self.paths[name] for name in self.first}
        precision, _ = precision_of([Trial(None, None, 0, given={n: g.array for n, g in self.first.items()})])
        world = doubled(self.world)
        probe, rng = world.copy(), np.random.default_rng(0)
        for path, array in world.arrays().items():
            if not np.isin(array, (0, 1)).all():
                probe.put(path, rng.normal(0, 0.5, array.shape))
        return axes_of(self.form, world, parameters, 1e-7 if precision is USUAL else 1e-4, probe)

    def _settled(self) -> None:
        try:
            self.world = self.form.settled(self.world)
            self.form.run(self.world.copy())
        except FailedError as error:
            called = ", ".join(described(a) for a in self.world.arguments)
            raise ExamineValueError(
                f"examine: {self.form.name} could not be run: {error.words}\nit was called with {called or 'nothing'}"
            ) from error

    def _among_params(self, arrays: Mapping[Path, Array], params: Sequence[str] | None) -> dict[Path, Array]:
        """Return the arrays that are no gradients; of the globals those alone that `params` names, if it is given."""
        around = {**self.world.closure, **self.world.globals}
        meant = {id(a) for _, a in arrays_in([around[name] for name in params if name in around])} if params else None
        return {
            path: array
            for path, array in arrays.items()
            if not is_gradient(path, arrays, self.form.parameters)
            and (meant is None or path[0] not in ("globals", "closure") or id(array) in meant)
        }

    def _check_names(self) -> None:
        for ours in self.names.values():
            found = called(ours, self.paths, self.form.parameters)
            if len(found) != 1:
                raise ExamineValueError(
                    f"examine: names has {ours!r}, which is {'not one array' if found else 'no array'} of floats here\n"
                    f"the arrays are {', '.join(self.leaves) or 'none'}"
                )

    def _check_repeats(self, loss: Any) -> None:
        again = self.form.run(self.world.copy()).loss
        if not np.array_equal(np.asarray(loss), np.asarray(again), equal_nan=True):
            raise ExamineValueError(
                f"examine: {self.form.name} gives another loss each time it is called\n"
                "draw from np.random, which is seeded for each call, or give a generator as an argument"
            )

    def _matched(self, given: list[Given]) -> tuple[dict[str, Given], list[str]]:
        return matched(given, self.leaves, self.paths, self.names, self.form.parameters)

    def sizes(self) -> Iterable[tuple[int | None, int | None, int]]:
        """Return the lengths, the sizes of the batch and the seeds to try."""
        lengths: list[int | None] = [*self.axes.lengths()] or [None]
        batches: list[int | None] = [1, self.axes.examples] if self.axes.examples else [None]
        return [(T, B, seed) for T in lengths for B in batches for seed in range(SEEDS)]

    def trial(self, T: int | None, B: int | None, seed: int) -> Trial:
        """Return the gradients as given and the true ones of one problem, or its failure."""
        world = self.axes.cut(self.world, T, B)
        if seed:
            self._moved(world, seed)
        trial = Trial(T, B, seed, whole=T in (None, self.axes.steps) and B in (None, self.axes.examples))
        try:
            answer = self.form.run(self._cleared(world))
            found = self._again(answer.given)
            own = OwnLoss(self.form, world, [self.paths[name] for name in found])
            trial.given = {name: g.array for name, g in found.items()}
            if not np.isfinite(own.value):
                trial.failure = f"the loss is {own.value}"
                return trial
            trial.true = self._true(own, trial.given)
            self._allow_for_rounding(trial, world)
        except ExamineError as error:
            trial.failure = getattr(error, "words", str(error).splitlines()[0])
            return trial
        trial.moved = any(g.moved for g in found.values())
        trial.own = own
        trial.entries = lambda name: own.entries(self.paths[name])
        return trial

    def _cleared(self, world: World) -> World:
        """Return a copy in which gradients that an earlier call left are zero: the code may add to them."""
        world = world.copy()
        for g in self.first.values():
            if g.path and not g.moved:
                with suppress(LookupError, AttributeError):  # the code makes it anew
                    world.put(g.path, np.zeros_like(world.get(g.path)))
        return world

    def _again(self, given: list[Given]) -> dict[str, Given]:
        """Return the gradients of the arrays that the first call had: a parameter that did not move has a zero one."""
        found, _ = self._matched(given)
        still = {g.path: g for g in given if g.moved}
        for name, g in self.first.items():
            if g.moved and name not in found and g.path in still:
                found[name] = still[g.path]
        return {name: g for name, g in found.items() if name in self.first}

    def _true(self, own: OwnLoss, given: Mapping[str, Array]) -> dict[str, Truth]:
        if own.recording is None and own.confirms({self.paths[name]: g for name, g in given.items()}, USUAL.relative):
            return {name: Truth.of(g) for name, g in given.items()}
        found = own.gradients()
        return {name: found[self.paths[name]] for name in given}

    def _allow_for_rounding(self, trial: Trial, world: World) -> None:
        """Add to the errors how far the code's own answers spread as data move by their last place."""
        precision, _ = precision_of([trial])
        if all(trial.same(name, USUAL) for name in trial.given):
            return
        spread: dict[str, list[float]] = {name: [] for name in trial.given}
        for k in range(SHAKEN):
            shaken, rng = world.copy(), np.random.default_rng(k)
            for path, array in world.arrays().items():
                eps = max(np.finfo(np.float64).eps * precision.unit, _eps(array))
                moved = np.asarray(array, np.float64) * (1 + eps * rng.choice([-1.0, 1.0], array.shape))
                shaken.put(path, moved.astype(array.dtype))
            found = self._again(self.form.run(shaken).given)
            for name in spread:
                if name in found and found[name].array.shape == trial.given[name].shape:
                    apart = np.abs(np.asarray(found[name].array, np.float64) - trial.given[name])
                    spread[name].append(float(np.max(apart, initial=0)))
        for name, distances in spread.items():
            truth, widest = trial.true[name], max(distances, default=0.0)
            size = 1 if truth.directions is None else int(np.prod(truth.shape))
            if np.isfinite(widest):
                trial.true = {**trial.true, name: replace(truth, error=truth.error + widest * size**0.5)}

    def _moved(self, world: World, seed: int) -> None:
        """Move the parameters: by a third of their size; those that are all equal by 0.1."""
        rng = np.random.default_rng(seed)
        for name in self.first:
            path = self.paths[name]
            if path[0] == "arguments" and len(path) == 2 and is_data(name):
                continue
            given = np.asarray(world.get(path))
            value = np.asarray(given, np.float64)
            size = float(np.std(value)) / 3 or 0.1
            moved = SMALL * value if seed == QUIET else value + size * rng.standard_normal(value.shape)
            world.put(path, moved.astype(given.dtype))


def _among(unmatched: list[str]) -> str:
    return f" among {', '.join(unmatched)}" if unmatched else ""


def _eps(array: Array) -> float:
    return 2.0**-8 if array.dtype.name == "bfloat16" else float(np.finfo(array.dtype).eps)
