"""The derivative of a person's own loss: on the tape where it records the code, else by numbers alone.

The tape is believed only where it agrees with differences along a random direction: code may take values off it.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.diagnosis.evidence import Truth
from tinygrad_rnn.bptt.homework.array_places import Array, Path, World
from tinygrad_rnn.bptt.homework.boards import boards, new_arrays
from tinygrad_rnn.bptt.homework.called import ExamineError
from tinygrad_rnn.bptt.homework.forms import Form
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.local_names import local_names_in
from tinygrad_rnn.transforms.numerical import Derivative, central_differences, complex_step, random_direction

AGREE = 1e-6
"""How far the tape, or a complex step, and differences may be apart, of the size of what is compared."""
ENTRIES = 48
"""The largest size of an array that is differentiated by complex steps, each entry by itself."""
MOST = 1000
"""The largest size where entries are needed, as those of what is clipped; a twentieth of it by differences."""
NEARER = 1e-2
"""How many times smaller the steps are by which differences are taken again."""
DIRECTIONS = 2
"""The number of random directions along which larger ones are differentiated. Differences cost 20 runs each."""


@dataclass(frozen=True)
class Recording:
    """The forward pass on a tape: the loss, the arrays as Tensors, by path, the person's names, by id of the Tensor."""

    tape: Tape
    loss: Tensor
    tensors: Mapping[Path, Tensor]
    names: Mapping[int, str]


class OwnLoss:
    """The loss of one problem as a function of its arrays. Arrays of less than double precision are made double."""

    def __init__(self, form: Form, world: World, paths: list[Path]) -> None:
        self._form, self._world, self._paths = form, doubled(world), paths
        self._values = {path: np.asarray(_array(self._world.get(path))) for path in paths}
        self.value = self._at({})
        self._noise: float | None = None
        self.recording = self._recorded()
        self.method = "tape"
        if self.recording is None:
            self.method = "complex step" if self._takes_complex() else "differences"

    def gradients(self) -> dict[Path, Truth]:
        """Return the gradient by each array."""
        if self.recording is not None:
            found = self.recording.tape.gradient(self.recording.loss, list(self.recording.tensors.values()))
            return {path: Truth.of(g) for path, g in zip(self.recording.tensors, found, strict=True)}
        return {path: self._known(path) for path in self._paths}

    def confirms(self, given: Mapping[Path, Array], relative: float) -> bool:
        """Return whether gradients are right, all together: along one direction, in which each counts alike."""
        if any(g.shape != self._values[path].shape or not np.isfinite(g).all() for path, g in given.items()):
            return False
        sizes = {path: float(np.max(np.abs(g), initial=0)) for path, g in given.items()}
        largest = max(sizes.values(), default=0.0) or 1.0
        directions = {path: v / max(sizes[path], 1e-3 * largest) for path, v in self._directions(2).items()}
        terms = [float(np.sum(np.asarray(given[path], np.float64) * v)) for path, v in directions.items()]
        truth = self.along(directions, "differences" if self.method == "tape" else self.method)
        size = max(map(abs, [*terms, truth.value]))
        return bool(10 * truth.error <= 1e-5 * size and abs(truth.value - sum(terms)) <= relative * size)

    def entries(self, path: Path) -> Truth | None:
        """Return the gradient by one array, entry by entry; None where that takes too many runs."""
        shape = self._values[path].shape
        size = int(np.prod(shape))
        method = "differences" if self.method == "differences" else "complex step"
        if size > (MOST if method == "complex step" else MOST // 20):
            return None
        found = [self.along({path: np.eye(1, size, k).reshape(shape)}, method) for k in range(size)]
        return Truth(shape, np.array([d.value for d in found]), max(d.error for d in found))

    def along(self, directions: Mapping[Path, Array], method: str = "differences") -> Derivative:
        """Return the derivative as all these arrays move together."""

        def moved(by: Array) -> Any:
            return self._at({path: self._values[path] + by * v for path, v in directions.items()})

        one, zero = np.ones(()), np.zeros(())
        if method == "complex step":
            with new_arrays(self._form.module, lambda _, array: array.astype(complex)):
                return complex_step(moved, zero, one)
        if self._noise is None:
            self._noise = _noise_of(moved)
        return central_differences(moved, zero, one, noise=self._noise)

    def _twice(self, directions: Mapping[Path, Array]) -> Derivative:
        """Return a derivative; one by differences with what steps of another size say, in its error."""
        found = self.along(directions, self.method)
        if self.method != "differences":
            return found
        nearer = self.along({path: NEARER * v for path, v in directions.items()}).value / NEARER
        return found._replace(error=found.error + abs(found.value - nearer))

    def _at(self, values: Mapping[Path, Any]) -> Any:
        world = self._world.copy()
        for path, value in values.items():
            world.put(path, value)
        return _number(self._form.loss(world))

    def _known(self, path: Path) -> Truth:
        """Differentiate by each entry, if few complex steps do it; else along random directions."""
        shape = self._values[path].shape
        if self.method == "complex step" and np.prod(shape) <= ENTRIES and (found := self.entries(path)):
            return found
        rng = np.random.default_rng(0)
        directions = [random_direction(rng, shape) for _ in range(DIRECTIONS)]
        sums = [self._twice({path: v}) for v in directions]
        flat = np.stack([v.reshape(-1) for v in directions])
        return Truth(shape, np.array([d.value for d in sums]), max(d.error for d in sums), directions=flat)

    def _directions(self, seed: int = 1) -> dict[Path, Array]:
        rng = np.random.default_rng(seed)
        return {path: random_direction(rng, value.shape) for path, value in self._values.items()}

    def _exactly(self, found: float, directions: Mapping[Path, Array]) -> bool:
        """Return whether a complex step gives this too: it does where differences fail, as in chaos."""
        try:
            exact = self.along(directions, "complex step").value
        except (ExamineError, TypeError, ValueError):
            return False
        return bool(abs(found - exact) <= AGREE * abs(exact) and exact)

    def _takes_complex(self) -> bool:
        directions = self._directions()
        try:
            exact = self.along(directions, "complex step")
        except (ExamineError, TypeError, ValueError):
            return False
        return self._agrees(exact.value, directions)

    def _agrees(self, found: float, directions: Mapping[Path, Array]) -> bool:
        numeric = self.along(directions)
        return bool(abs(found - numeric.value) <= AGREE * max(abs(found), abs(numeric.value)) + 10 * numeric.error)

    def _recorded(self) -> Recording | None:
        """Return the forward pass on a tape; None where the code does not take Tensors, or leaves the tape.

        Initial states are on the tape too, where the code takes that: then the first step is like the others.
        """
        states = [
            path
            for path in self._world.arrays()
            if path[0] == "arguments" and path not in self._values and _is_state(self._form.parameters, path)
        ]
        return (self._recorded_with(states) if states else None) or self._recorded_with([])

    def _recorded_with(self, states: list[Path]) -> Recording | None:
        tensors = {path: Tensor(value, name=str(path[-1])) for path, value in self._values.items()}
        world = self._world.copy()
        for path in states:
            world.put(path, Tensor(np.asarray(world.get(path), np.float64)))
        with Tape() as tape, local_names_in(self._form.file) as names, boards(self._form.module):
            try:
                for path, tensor in tensors.items():
                    world.put(path, tensor)
                loss = self._form.loss(world)
            except ExamineError as error:
                loss = self._left_behind(error)
        if not isinstance(loss, Tensor) or loss.size != 1:
            return None
        if not np.isclose(float(loss.data.reshape(())), self.value, rtol=1e-9, atol=1e-12 * len(tape)):
            return None
        recording = Recording(tape, loss, tensors, names)
        directions = self._directions()
        found = tape.gradient(loss, list(tensors.values()))
        along = sum(float(np.sum(g * directions[path])) for path, g in zip(tensors, found, strict=True))
        return recording if self._exactly(along, directions) or self._agrees(along, directions) else None

    def _left_behind(self, error: BaseException) -> Any:
        """Return the loss among the variables of a function that failed after its forward pass, by its value."""
        cause = error.__cause__ or error
        for frame, _ in reversed(list(traceback.walk_tb(cause.__traceback__))):
            for value in frame.f_locals.values():
                same = isinstance(value, Tensor) and value.size == 1 and value.ndim == 0
                if same and np.isclose(float(value.data), self.value, rtol=1e-12):
                    return value
        return None


def _is_state(parameters: list[str], path: Path) -> bool:
    """Return whether an argument has a name that initial states have."""
    place = path[1]
    name = parameters[place] if isinstance(place, int) and place < len(parameters) else ""
    return name.lower().startswith(("h", "c", "a0", "a_", "s0", "s_", "prev", "state"))


def _number(loss: Any) -> Any:
    return np.asarray(loss.data if isinstance(loss, Tensor) else loss).reshape(())[()]


def _array(value: Any) -> Array:
    return np.asarray(value, np.float64) if isinstance(value, list) else value


def doubled(world: World) -> World:
    """Return a world in which no array has less than double precision: derivatives by numbers need it."""
    narrow = {path: array for path, array in world.arrays().items() if array.dtype.itemsize < 8}
    if not narrow:
        return world
    world = world.copy()
    for path, array in narrow.items():
        world.put(path, array.astype(np.float64))
    return world


def _noise_of(f: Callable[[Any], Any], step: float = 1e-6) -> float:
    """Return the rounding of a function of one number: its third differences, over steps that are tiny."""
    values = [float(f(np.asarray(k * step))) for k in range(-3, 4)]
    return float(np.max(np.abs(np.diff(values, 3)))) / 4
