"""The form of one function, or one method, that returns the loss and the gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.homework import source_names
from tinygrad_rnn.bptt.homework.array_places import World
from tinygrad_rnn.bptt.homework.called import ExamineTypeError, asked
from tinygrad_rnn.bptt.homework.forms import Answer, Form, name_of
from tinygrad_rnn.bptt.homework.given import Given, left_in, names_for, returned_in
from tinygrad_rnn.bptt.homework.value_kinds import described, loss_among


class OneFunction(Form):
    """It returns a dict, a tuple, a list, or one after the other; or the loss alone, and leaves gradients somewhere."""

    def __init__(self, function: Callable[..., Any], params: Sequence[str] | None) -> None:
        super().__init__(name_of(function), [function], params)
        self._function = function
        self._names = source_names.returned(function)
        self.unpacked = source_names.unpacked(function)
        self.parameters = source_names.positional(function, partials=True)

    def _loss(self, world: World) -> Any:
        return self._called(world)[0]

    def _run(self, world: World) -> Answer:
        before = world.copy() if self.reads_left else None
        loss, given = self._called(world)
        return Answer(loss, [*given, *(left_in(before, world) if before else [])])

    def _called(self, world: World) -> tuple[Any, list[Given]]:
        result = asked(self._bound(self._function, world), world.arguments, world.options)
        if isinstance(result, Mapping):
            names, parts = list(result), list(result.values())
        elif isinstance(result, tuple | list):
            names, parts = names_for(getattr(result, "_fields", self._names), list(result)), list(result)
        else:
            names, parts = [self._names], [result]
        place = loss_among(names, parts)
        if place is None:
            place = next((k for k, part in enumerate(parts[:1]) if np.size(part) == 1 and len(parts) > 1), None)
        if place is None:
            raise ExamineTypeError(
                f"examine: {self.name} returned {described(result)}, without a loss\n"
                "return (loss, gradients), or give a pair (forward, backward) or an object with these methods"
            )
        rest = [(name, part) for k, (name, part) in enumerate(zip(names, parts, strict=True)) if k != place]
        return parts[place], [g for name, part in rest for g in returned_in(name, part)]
