"""The derivative of a person's own loss: on the tape where it records the code, else by numbers alone.

The tape is believed only where it agrees with differences along a random direction: code may take values off it.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.homework.boards import boards
from tinygrad_rnn.bptt.homework.called import ExamineError
from tinygrad_rnn.bptt.homework.forms import Form
from tinygrad_rnn.bptt.homework.places import Array, Path, World
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.local_names import local_names_in
from tinygrad_rnn.transforms.numerical import Derivative, central_differences, complex_step, random_direction

AGREE = 1e-6
"""How far the tape, or a complex step, and differences may be apart, of the size of what is compared."""
ENTRIES = 48
"""The number of entries of one array that are differentiated by complex steps, each by itself."""
DIRECTIONS = 2
"""The number of random directions along which differences are taken. They cost 20 runs each."""


@dataclass(frozen=True)
class Truth:
    """The gradient of one array, as far as it is known: some entries, or sums along directions.

    places: the flat places of the entries that are known. directions (n, size): where sums(gradient * direction) are
    known in their place. values (n,): those entries or sums. error: how far they may be off.
    """

    shape: tuple[int, ...]
    values: Array
    error: float = 0.0
    places: Array | None = None
    directions: Array | None = None

    def seen(self, gradient: Array) -> Array:
        """Return the entries or sums of a gradient that stand beside `values`."""
        flat = np.asarray(gradient, np.float64).reshape(-1)
        if self.directions is not None:
            return np.asarray(self.directions @ flat)
        return flat if self.places is None else flat[self.places]

    @property
    def whole(self) -> bool:
        """Whether every entry is known."""
        return self.directions is None and self.places is None

    @property
    def largest(self) -> float:
        """The largest known entry or sum."""
        return float(np.max(np.abs(self.values), initial=0))


@dataclass(frozen=True)
class Recording:
    """The forward pass on a tape: the loss, the arrays as Tensors, by path, the person's names, by id of the Tensor."""

    tape: Tape
    loss: Tensor
    tensors: Mapping[Path, Tensor]
    names: Mapping[int, str]


class OwnLoss:
    """The loss of one problem as a function of its arrays."""

    def __init__(self, form: Form, world: World, paths: list[Path]) -> None:
        self._form, self._world, self._paths = form, world, paths
        self._values = {path: np.asarray(world.get(path)) for path in paths}
        self._double = all(value.dtype == np.float64 for value in self._values.values())
        self.value = float(np.real(_number(form.loss(world.copy()))))
        self.recording = self._recorded()
        self.method = "tape"
        if self.recording is None:
            self.method = "complex step" if self._takes_complex() else "differences"

    def gradients(self) -> dict[Path, Truth]:
        """Return the gradient by each array."""
        if self.recording is not None:
            found = self.recording.tape.gradient(self.recording.loss, list(self.recording.tensors.values()))
            return {
                path: Truth(g.shape, np.asarray(g, np.float64).reshape(-1))
                for path, g in zip(self.recording.tensors, found, strict=True)
            }
        known = self._by_entries if self.method == "complex step" else self._by_directions
        return {path: known(path) for path in self._paths}

    def along(self, directions: Mapping[Path, Array], method: str = "differences") -> Derivative:
        """Return the derivative as all these arrays move together."""

        def moved(by: Array) -> Any:
            return self._at({path: self._values[path] + by * v for path, v in directions.items()})

        one, zero = np.ones(()), np.zeros(())
        return complex_step(moved, zero, one) if method == "complex step" else central_differences(moved, zero, one)

    def _at(self, values: Mapping[Path, Any]) -> Any:
        world = self._world.copy()
        for path, value in values.items():
            world.put(path, value)
        return _number(self._form.loss(world))

    def _by_entries(self, path: Path) -> Truth:
        """Differentiate by each entry; of a large array by some of them, spread over it."""
        shape = self._values[path].shape
        size = int(np.prod(shape))
        rng = np.random.default_rng(0)
        places = np.arange(size) if size <= ENTRIES else np.sort(rng.choice(size, ENTRIES, replace=False))
        found = [self.along({path: np.eye(1, size, k).reshape(shape)}, "complex step") for k in places]
        return Truth(shape, np.array([d.value for d in found]), max(d.error for d in found), places=places)

    def _by_directions(self, path: Path) -> Truth:
        """Differentiate along random directions of one array."""
        shape = self._values[path].shape
        rng = np.random.default_rng(0)
        directions = [random_direction(rng, shape) for _ in range(DIRECTIONS)]
        found = [self.along({path: v}) for v in directions]
        flat = np.stack([v.reshape(-1) for v in directions])
        return Truth(shape, np.array([d.value for d in found]), max(d.error for d in found), directions=flat)

    def _directions(self) -> dict[Path, Array]:
        rng = np.random.default_rng(1)
        return {path: random_direction(rng, value.shape) for path, value in self._values.items()}

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
        """Return the forward pass on a tape; None where the code does not take Tensors, or leaves the tape."""
        tensors = {path: Tensor(value, name=str(path[-1])) for path, value in self._values.items()}
        world = self._world.copy()
        for path, tensor in tensors.items():
            world.put(path, tensor)
        module = getattr(self._form.main, "__globals__", {})
        with Tape() as tape, local_names_in(self._form.file) as names, boards(module):
            try:
                loss = self._form.loss(world)
            except ExamineError as error:
                loss = self._left_behind(error)
        if not isinstance(loss, Tensor) or loss.size != 1 or not np.isclose(float(loss.data), self.value, rtol=1e-12):
            return None
        recording = Recording(tape, loss, tensors, names)
        directions = self._directions()
        found = tape.gradient(loss, list(tensors.values()))
        along = sum(float(np.sum(g * directions[path])) for path, g in zip(tensors, found, strict=True))
        return recording if self._agrees(along, directions) else None

    def _left_behind(self, error: BaseException) -> Any:
        """Return the loss among the variables of a function that failed after its forward pass, by its value."""
        cause = error.__cause__ or error
        for frame, _ in reversed(list(traceback.walk_tb(cause.__traceback__))):
            for value in frame.f_locals.values():
                same = isinstance(value, Tensor) and value.size == 1 and value.ndim == 0
                if same and np.isclose(float(value.data), self.value, rtol=1e-12):
                    return value
        return None


def _number(loss: Any) -> Any:
    return np.asarray(loss.data if isinstance(loss, Tensor) else loss)[()]
