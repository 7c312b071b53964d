"""What all forms of a person's code share: it is run in a world, and gives a loss, and gradients as it has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tinygrad_rnn.bptt.diagnosis.failures import source_of
from tinygrad_rnn.bptt.homework.array_places import Array, World, separate
from tinygrad_rnn.bptt.homework.called import steady
from tinygrad_rnn.bptt.homework.given import Given
from tinygrad_rnn.bptt.homework.surroundings import Surroundings, functions_of, owner_of, plain


@dataclass
class Answer:
    """The loss of one run, and the gradients as given. weights: upstream gradients, of a loss that the code has not."""

    loss: Any
    given: list[Given] = field(default_factory=list)


class Form:
    """Code of a person. `name`: how it is called in words. `weights`: the upstream gradients, by the output's name.

    file, module: where its text and its globals are. parameters: the names of the arguments by place.
    reads_left: whether gradients are looked for in what a call leaves behind, besides what it returns.
    """

    reads_left = True

    def __init__(self, name: str, functions: list[Callable[..., Any]], params: Sequence[str] | None) -> None:
        self.name, self.file = name, str(source_of(functions[0]) or "")
        self.module: dict[str, Any] = getattr(plain(functions[0]), "__globals__", {})
        self.weights: dict[str, Array] = {}
        self.parameters: list[str] = []
        self.unpacked: dict[str, list[str]] = {}
        self.object = next((owner for f in functions if (owner := owner_of(f)) is not None), None)
        self._methods = functions_of(type(self.object)) if self.object is not None else []
        self.surroundings = Surroundings([*functions, *self._methods], params)

    def world(self, arguments: list[Any], bound: Callable[..., Any]) -> World:
        """Return all that a call with these arguments reads; `bound` may be a partial, with some arguments in it."""
        options: dict[str, Any] = {}
        while isinstance(bound, partial):
            arguments, options = [*bound.args, *arguments], {**bound.keywords, **options}
            bound = bound.func
        around = self.surroundings
        return World(separate(arguments), self.object, around.globals, around.closure, options)

    def settled(self, world: World) -> World:
        """Return the arguments in the order in which the code takes them, found by calls on copies."""
        return world

    def loss(self, world: World) -> Any:
        """Run the forward pass alone, if that can be, and return the loss."""
        with self._within(world):
            return self._loss(world)

    def run(self, world: World) -> Answer:
        """Run all of it. Raises FailedError where the code does, ExamineError where no loss or gradient can be seen."""
        with self._within(world):
            return self._run(world)

    @contextmanager
    def _within(self, world: World) -> Iterator[None]:
        with steady(), self.surroundings.exchanged(world):
            yield

    def _bound(self, function: Callable[..., Any], world: World) -> Callable[..., Any]:
        """Return a function, or the same method of the world's copy of its object."""
        while isinstance(function, partial):
            function = function.func
        if self.object is None or owner_of(function) is not self.object:
            return function
        return getattr(world.object, function.__name__)  # type: ignore[no-any-return]

    def _loss(self, world: World) -> Any:
        raise NotImplementedError

    def _run(self, world: World) -> Answer:
        raise NotImplementedError


def name_of(function: Callable[..., Any]) -> str:
    """Return the name of a function; of a partial, that of the function within; of `__call__`, that of the class."""
    owner, function = owner_of(function), plain(function)
    if owner is not None and getattr(function, "__name__", "") == "__call__":
        return type(owner).__name__
    return str(getattr(function, "__name__", type(function).__name__))
