"""The form of two functions or methods: forward gives outputs and a cache, or the loss; backward gives gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.homework import source_names
from tinygrad_rnn.bptt.homework.array_places import Array, World
from tinygrad_rnn.bptt.homework.called import ExamineError, ExamineTypeError, ExamineValueError, FailedError, asked
from tinygrad_rnn.bptt.homework.forms import Answer, Form, name_of
from tinygrad_rnn.bptt.homework.given import left_in, names_for, returned_in
from tinygrad_rnn.bptt.homework.upstream import alike, upstream_of
from tinygrad_rnn.bptt.homework.value_kinds import described, is_output, loss_among, stacked

RATES = ("lr", "learning_rate", "learningrate", "eta", "alpha", "step_size")
CACHES = ("cache", "caches", "memory", "ctx", "context", "saved", "kept", "state", "tape", "record")


class Pair(Form):
    """Forward and backward. Outputs without a loss get the loss sum(w * output), for random w.

    Backward is given these w as the gradients of the outputs. loss: makes the loss of forward's result, if given.
    others: methods that may give the loss where forward does not.
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        backward: Callable[..., Any],
        name: str,
        params: Sequence[str] | None,
        loss: Callable[..., Any] | None = None,
        others: Sequence[Callable[..., Any]] = (),
    ) -> None:
        super().__init__(name, [forward, backward, *others], params)
        self._backward, self._own_loss, self._others = backward, loss, others
        self._gradient_names = source_names.returned(backward)
        self._listed = False
        self._takes(forward)

    def _takes(self, forward: Callable[..., Any]) -> None:
        self._forward = forward
        self.parameters = source_names.positional(forward, partials=True)
        self.unpacked = source_names.unpacked(forward)
        self._output_names = source_names.returned(forward)

    def settled(self, world: World) -> World:
        """Return the arguments in an order that forward takes; find where the loss is, if forward gives none."""
        world = self._arranged(world)
        if self._own_loss is not None or self._upstream_of_backward(required=True):
            return world
        if self._gives_loss(world):
            return world
        rest = self._given(world)[1]
        before = self._forward
        for other in self._others:
            for self._listed in (False, True):
                self._takes(other)
                if self._gives_loss(world):
                    return world
            self._listed = False
            self._takes(before)
            self._own_loss = other if rest else None
            if rest and self._gives_loss(world):
                return world
            self._own_loss = None
        return world

    def _gives_loss(self, world: World) -> bool:
        try:
            return loss_among(["loss"], [self._tried(world)[0]]) is not None
        except ExamineError:
            return False

    def _tried(self, world: World) -> tuple[Any, dict[str, Any], dict[str, Any], list[Any]]:
        world = world.copy()
        with self._within(world):
            return self._went(world)

    def _arranged(self, world: World) -> World:
        """Return the arguments as given, or with a dict in another place."""
        whole = list(range(len(world.arguments)))
        orders = [whole]
        for k in whole if not source_names.takes_any(self._forward) else ():
            if isinstance(world.arguments[k], Mapping):
                rest = [j for j in whole if j != k]
                orders += [[*rest[:at], k, *rest[at:]] for at in reversed(whole)]
        first: FailedError | None = None
        for order in orders:
            arranged = replace(world, arguments=[world.arguments[k] for k in order])
            try:
                self._tried(arranged)
            except FailedError as error:
                first = first or error
                continue
            return arranged
        assert first is not None
        if not self._others:
            raise first
        return world  # the loss may be a method that takes lists of examples

    def _given(self, world: World) -> tuple[list[Any], list[Any]]:
        """Return the arguments that forward takes, and those that it does not."""
        given = world.arguments
        free = [name for name in self.parameters if name not in world.options]
        many = len(given) if source_names.takes_any(self._forward) else min(len(given), len(free))
        return given[:many], given[many:]

    def _went(self, world: World) -> tuple[Any, dict[str, Any], dict[str, Any], list[Any]]:
        """Run forward. Return the loss, the outputs and the arguments by name, and arguments that it did not take."""
        given, rest = self._given(world)
        taken = {**dict(zip(self.parameters, given, strict=False)), **world.options}
        passed = [[a] for a in given] if self._listed else given
        result = asked(self._bound(self._forward, world), passed, world.options)
        if self._own_loss is not None:
            return asked(self._bound(self._own_loss, world), [result, *rest]), {"": result}, taken, rest
        parts = list(result) if isinstance(result, tuple) else [result]
        names = self._output_names if isinstance(self._output_names, list) else [self._output_names]
        labels = [name if isinstance(name, str) else None for name in names_for(names, parts)]
        outputs = {name or f"output {k + 1}": part for k, (name, part) in enumerate(zip(labels, parts, strict=True))}
        place = loss_among(list(outputs), list(outputs.values()))
        return (None if place is None else list(outputs.values())[place]), outputs, taken, rest

    def _loss(self, world: World) -> Any:
        loss, outputs, _, _ = self._went(world)
        return self._upstream_loss(outputs) if loss is None else loss

    def _upstream_loss(self, outputs: dict[str, Any]) -> Any:
        taken = {name: outputs[name] for name in self._seen(outputs)}
        if not taken:
            raise ExamineTypeError(
                f"examine: {name_of(self._forward)} returned {described(tuple(outputs.values()))}, no loss or states\n"
                "return the loss, or the states as an array; or give loss=f(result, targets)"
            )
        total: Any = 0.0
        for name, output in taken.items():
            whole = stacked(output)
            if name not in self.weights or self.weights[name].shape != whole.shape:
                seed = sum(map(ord, name)) + int(np.prod(whole.shape))
                self.weights[name] = np.random.default_rng(seed).standard_normal(whole.shape)
            total = total + (whole * self.weights[name]).sum()
        return total

    def _upstream_of_backward(self, required: bool = False) -> list[str]:
        """Return the parameters of backward that are gradients of an output, by their names."""
        found = source_names.required(self._backward) if required else source_names.positional(self._backward)
        return [p for p in found if upstream_of(p) and p not in self.parameters]

    def _seen(self, outputs: dict[str, Any]) -> list[str]:
        """Return the outputs that have an upstream gradient: those whose gradient backward takes."""
        arrays = [name for name, value in outputs.items() if is_output(value)]
        upstream = self._upstream_of_backward()
        if arrays and not upstream:
            raise ExamineTypeError(
                f"examine: {name_of(self._forward)} returned {described(outputs[arrays[0]])} and no loss, and "
                f"{name_of(self._backward)} takes no gradient of it\nreturn the loss, or give loss=f(result, targets)"
            )
        named = [name for name in arrays if any(alike(upstream_of(p), name) for p in upstream)]
        return named or arrays[: len(upstream)]

    def _run(self, world: World) -> Answer:
        before = world.copy() if self.reads_left else None
        loss, outputs, taken, rest = self._went(world)
        total = self._upstream_loss(outputs) if loss is None else loss
        arguments = self._for_backward(taken, outputs, rest, loss is None)
        result = asked(self._bound(self._backward, world), arguments)
        given = returned_in(self._gradient_names, result) if result is not None else []
        return Answer(total, [*given, *(left_in(before, world) if before else [])])

    def _for_backward(
        self, taken: dict[str, Any], outputs: dict[str, Any], rest: list[Any], upstream: bool
    ) -> list[Any]:
        """Return the arguments of backward: by the names of forward's, of its outputs, of their gradients."""
        weights = (
            [(name, _as_output(outputs[name], self.weights[name])) for name in self.weights if name in outputs]
            if upstream
            else []
        )
        spare = [*rest]
        arguments: list[Any] = []
        must = source_names.required(self._backward)
        for name in source_names.positional(self._backward):
            stem = upstream_of(name)
            fits = [pair for pair in weights if stem and alike(stem, pair[0])]
            if name in taken:
                found = taken[name]
            elif name in outputs:
                found = outputs[name]
            elif fits:
                found = fits[0][1]
                weights = [pair for pair in weights if pair is not fits[0]]
            elif stem and weights:
                found = weights.pop(0)[1]
            elif name.lower() in RATES or (stem and not upstream and name in must):
                found = 1.0
            elif caches := self._caches(name, outputs):
                found = caches[0]
            elif name not in must:
                break
            elif spare:
                found = spare.pop(0)
            elif (left := [a for n, a in taken.items() if n not in must[: must.index(name)]]) and len(must) == 1:
                found = left[-1]
            else:
                raise ExamineValueError(
                    f"examine: {self.name} takes {name!r}, which is none of {', '.join([*taken, *outputs])}\n"
                    "call it like an argument or a result of the forward pass, or give it as an argument"
                )
            arguments.append(found)
        return arguments

    def _caches(self, name: str, outputs: dict[str, Any]) -> list[Any]:
        """Return what forward keeps for backward, where the name asks for that: its last result that is no output."""
        place = loss_among(list(outputs), list(outputs.values()))
        values = {key: value for k, (key, value) in enumerate(outputs.items()) if k != place}
        kept = [value for value in values.values() if not is_output(value)]
        others = [value for key, value in values.items() if key not in self.weights]
        return kept[-1:] or (others[-1:] if name.lower() in CACHES else [])


def _as_output(output: Any, weights: Array) -> Any:
    """Return upstream gradients in the form of the output: a list or a dict of steps, or an array."""
    if isinstance(output, Mapping):
        return dict(zip(output, list(weights), strict=True))
    return type(output)(list(weights)) if isinstance(output, list | tuple) else weights.copy()
