"""The forms of a person's code: an object with forward and backward, a function, a pair of functions.

Each form gives a loss, and the gradients as the code has them: arrays, with the names by which it calls them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import parameters_of
from tinygrad_rnn.bptt.diagnosis.failures import source_of
from tinygrad_rnn.bptt.homework import source_names
from tinygrad_rnn.bptt.homework.called import (
    ExamineError,
    ExamineTypeError,
    ExamineValueError,
    asked,
    steady,
    with_globals,
)
from tinygrad_rnn.bptt.homework.places import Array, World, arrays_in
from tinygrad_rnn.core.tensor import Tensor

RATES = ("lr", "learning_rate", "learningrate", "eta", "alpha", "step_size")
CACHES = ("cache", "caches", "memory", "ctx", "context", "saved", "kept", "state", "tape", "record")
FORWARD, BACKWARD = ("forward", "loss", "forward_pass"), ("backward", "bptt", "backprop", "backward_pass", "gradients")

Given = tuple[str | None, Array]
"""A gradient as the code gives it, and its name there."""


@dataclass
class Answer:
    """The loss of one run, and the gradients as given. `weights`: of the outputs in a loss that the code has not."""

    loss: Any
    given: list[Given] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)


class Form:
    """Code of a person. `name`: how it is called in words. `weights`: the upstream gradients, by the output's name."""

    def __init__(self, name: str, main: Callable[..., Any]) -> None:
        self.name, self.main, self.file = name, main, str(source_of(main) or "")
        self.weights: dict[str, Array] = {}

    def arranged(self, world: World) -> World:
        """Return the arguments in the order in which the code takes them."""
        return world

    def loss(self, world: World) -> Any:
        """Run the forward pass alone, if that can be, and return the loss."""
        with steady(), with_globals(self.main, world.globals):
            return self._loss(world)

    def run(self, world: World) -> Answer:
        """Run all of it. Raises FailedError where the code does, ExamineError where no loss or gradient can be seen."""
        with steady(), with_globals(self.main, world.globals):
            return self._run(world)

    def _loss(self, world: World) -> Any:
        raise NotImplementedError

    def _run(self, world: World) -> Answer:
        raise NotImplementedError


class OneFunction(Form):
    """A function that returns the loss and the gradients: a dict, a tuple, a list, or one after the other."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(name_of(function), function)
        self._names = source_names.returned(function)

    def _loss(self, world: World) -> Any:
        return self._run(world).loss

    def _run(self, world: World) -> Answer:
        before = world.copy()
        result = asked(self.main, world.arguments)
        names = self._names if isinstance(self._names, list) else None
        if isinstance(result, Mapping):
            losses = [key for key, value in result.items() if scalar(value) and "loss" in str(key).lower()]
            parts, names = [result[key] for key in losses[:1]] + [result], None
        else:
            parts = list(result) if isinstance(result, tuple | list) else [result]
        place = next((k for k, part in enumerate(parts) if scalar(part)), None)
        if place is None:
            raise ExamineTypeError(
                f"examine: {self.name} returned {described(result)}, without a loss\n"
                "return (loss, gradients), or give a pair (forward, backward) or an object with these methods"
            )
        rest = [
            (name, part)
            for k, (name, part) in enumerate(zip(names_for(names, parts), parts, strict=True))
            if k != place
        ]
        given = [g for name, part in rest for g in gradients_in(name, part)]
        return Answer(parts[place], given or _written(before, world))


class Pair(Form):
    """Two functions or methods: forward gives outputs and a cache, or the loss; backward gives gradients.

    Outputs without a loss get the loss sum(w * output) for random upstream gradients w, which backward is given.
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        backward: Callable[..., Any],
        name: str = "",
        methods: tuple[str, str] | None = None,
        loss: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__(name or name_of(backward), forward)
        self._backward, self._methods, self._own_loss = backward, methods, loss
        self._output_names = source_names.returned(forward)
        self._gradient_names = source_names.returned(backward)

    def _functions(self, world: World) -> tuple[Callable[..., Any], Callable[..., Any]]:
        if self._methods is None:
            return self.main, self._backward
        return getattr(world.object, self._methods[0]), getattr(world.object, self._methods[1])

    def _forward(self, world: World) -> tuple[Any, dict[str, Any], dict[str, Any], list[Any]]:
        """Return the loss, the outputs by name, the arguments by name, and the arguments that forward did not take."""
        forward, _ = self._functions(world)
        parameters = source_names.positional(forward)
        given = world.arguments
        many = len(given) if takes_any(forward) else min(len(given), len(parameters))
        arguments = given[:many]
        result = asked(forward, arguments)
        taken = dict(zip(parameters, arguments, strict=False))
        rest = given[many:]
        if self._own_loss is not None:
            return asked(self._own_loss, [result, *rest]), {"": result}, taken, rest
        parts = list(result) if isinstance(result, tuple) else [result]
        names = self._output_names if isinstance(self._output_names, list) else [self._output_names]
        outputs = {
            name if isinstance(name, str) else f"output {k + 1}": part
            for k, (name, part) in enumerate(zip(names_for(names, parts), parts, strict=True))
        }
        losses = [part for part in parts if scalar(part)]
        return (losses[0] if losses else None), outputs, taken, rest

    def arranged(self, world: World) -> World:
        """Return the arguments in an order that forward takes: as given, or with a dict in another place."""
        forward = self._functions(world)[0]
        dicts = [k for k, argument in enumerate(world.arguments) if isinstance(argument, Mapping)]
        orders = [list(range(len(world.arguments)))]
        for k in dicts if not takes_any(forward) else ():
            rest = [j for j in orders[0] if j != k]
            orders += [[*rest[:at], k, *rest[at:]] for at in reversed(range(len(orders[0])))]
        for order in orders:
            arranged = World([world.arguments[k] for k in order], world.object, world.globals)
            try:
                self.loss(arranged.copy())
            except ExamineError:
                continue
            return arranged
        return world

    def _loss(self, world: World) -> Any:
        loss, outputs, _, _ = self._forward(world)
        return self._upstream_loss(outputs) if loss is None else loss

    def _upstream_loss(self, outputs: dict[str, Any]) -> Any:
        taken = {name: outputs[name] for name in self._seen(outputs)}
        if not taken:
            raise ExamineTypeError(
                f"examine: {name_of(self.main)} returned {described(tuple(outputs.values()))}, no loss or states\n"
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

    def _seen(self, outputs: dict[str, Any]) -> list[str]:
        """Return the outputs that have an upstream gradient: those whose gradient backward takes."""
        arrays = [name for name, value in outputs.items() if is_output(value)]
        upstream = [p for p in source_names.positional(self._backward) if upstream_of(p)]
        named = [name for name in arrays if any(alike(upstream_of(p), name) for p in upstream)]
        return named or arrays[: max(1, len(upstream))]

    def _run(self, world: World) -> Answer:
        given_object = world.copy().object if world.object is not None else None
        loss, outputs, taken, rest = self._forward(world)
        total = self._upstream_loss(outputs) if loss is None else loss
        _, backward = self._functions(world)
        before = World([*world.copy().arguments], given_object)
        arguments = self._bound(backward, taken, outputs, rest, loss is None, world)
        result = asked(backward, arguments)
        given = gradients_in(self._gradient_names, result) if result is not None else []
        given = given or _written(before, world)
        return Answer(total, given, outputs)

    def _bound(
        self,
        backward: Callable[..., Any],
        taken: dict[str, Any],
        outputs: dict[str, Any],
        rest: list[Any],
        upstream: bool,
        world: World,
    ) -> list[Any]:
        """Return the arguments of backward: by the names of forward's, of its outputs, of their gradients."""
        weights = (
            [(name, self._as_output(outputs[name], self.weights[name])) for name in self.weights if name in outputs]
            if upstream
            else []
        )
        spare = [*rest]
        arguments: list[Any] = []
        must = source_names.required(backward)
        for name in source_names.positional(backward):
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
        kept = [value for value in outputs.values() if not is_output(value) and not scalar(value)]
        others = [value for key, value in outputs.items() if key not in self.weights and not scalar(value)]
        return kept[-1:] or (others[-1:] if name.lower() in CACHES else [])

    @staticmethod
    def _as_output(output: Any, weights: Array) -> Any:
        """Return upstream gradients in the form of the output: a list or a dict of steps, or an array."""
        if isinstance(output, Mapping):
            return dict(zip(output, list(weights), strict=True))
        return type(output)(list(weights)) if isinstance(output, list | tuple) else weights.copy()


def form_of(subject: Any, loss: Callable[..., Any] | None) -> tuple[Form, Any]:
    """Return the form of code, and the object that it belongs to. Raises TypeError for what is neither."""
    if isinstance(subject, tuple | list) and len(subject) == 2 and all(map(callable, subject)):
        forward, backward = subject
        owner = getattr(forward, "__self__", None)
        if owner is not None and owner is getattr(backward, "__self__", None) and not isinstance(owner, type):
            methods = (forward.__name__, backward.__name__)
            return Pair(forward, backward, f"{type(owner).__name__}.{methods[1]}", methods, loss), owner
        return Pair(forward, backward, loss=loss), None
    if isinstance(subject, type):
        raise ExamineTypeError(f"examine: {subject.__name__} is a class\ngive an object of it: {subject.__name__}(...)")
    forward = next((name for name in FORWARD if callable(getattr(subject, name, None))), None)
    backward = next((name for name in BACKWARD if callable(getattr(subject, name, None))), None)
    if forward and backward:
        methods = (forward, backward)
        whole = type(subject).__name__
        return Pair(getattr(subject, forward), getattr(subject, backward), whole, methods, loss), subject
    if callable(subject):
        return OneFunction(subject), None
    raise ExamineTypeError(
        f"examine: {described(subject)} is no code\n"
        "give an object with forward and backward, a function that returns (loss, gradients), or a pair of functions"
    )


def gradients_in(names: Any, value: Any) -> list[Given]:
    """Return the arrays in what a function returned, each with its name: its key, or its name in the text."""
    if isinstance(value, Mapping):
        return [g for key, inner in value.items() for g in gradients_in(str(key), inner)]
    if isinstance(value, list | tuple) and not (isinstance(names, str) and _steps(value)):
        labels = names_for(names if isinstance(names, list) else None, list(value))
        return [g for label, inner in zip(labels, value, strict=True) for g in gradients_in(label, inner)]
    if isinstance(value, list | tuple):
        value = np.stack([np.asarray(v) for v in value])
    if isinstance(value, Tensor):
        value = value.data
    if isinstance(value, np.ndarray | np.generic | float) and np.asarray(value).dtype.kind in "fiu":
        return [(names if isinstance(names, str) else None, np.array(value))]
    if value is None or isinstance(value, str | bool | int | np.ndarray):
        return []
    return [(str(path[-1]), np.array(a)) for path, a in arrays_in(value)]


def _written(before: World, after: World) -> list[Given]:
    """Return the gradients that a call left in its arguments or its object: all arrays there, by their last name.

    Parameters that the call changed are gradients too: old - new, for a learning rate of 1.
    """
    old = before.arrays()
    given: list[Given] = []
    trained: list[Given] = []
    for path, array in after.arrays().items():
        name = next((str(step) for step in reversed(path) if isinstance(step, str)), "")
        if any(_holds_gradients(str(step)) for step in path[:-1]):
            name = name if _holds_gradients(name) else f"d{name}"
        given.append((name, array.copy()))
        if path in old and old[path].shape == array.shape and not np.array_equal(old[path], array):
            trained.append((f"old - new: {name}", old[path] - array))
    return given + trained


def _holds_gradients(name: str) -> bool:
    return bool(re.fullmatch(r"_?(d|g|grads?|gradients?|derivatives?|deltas?)", name.lower()))


def _steps(value: Any) -> bool:
    """Return whether a list is one value for each step: arrays of one shape."""
    shapes = {np.shape(v) for v in value}
    return len(shapes) == 1 and all(isinstance(v, np.ndarray) for v in value)


def upstream_of(name: str) -> str:
    """Return of what a parameter of backward is the gradient, by its name: h, for dh, dh_next; "" for another one."""
    found = re.fullmatch(r"(?:d|grad_?|g_|delta_?|dL_?d?)_?([a-zA-Z]\w*)|(d|dout|grad_output|upstream|delta)", name)
    if not found or name.lower() in (
        "data",
        "dim",
        "dims",
        "depth",
        "dropout",
        "decay",
        "debug",
        "dtype",
        "dt",
        "dict",
        "d_model",
    ):
        return ""
    return found[1] or "out"


def alike(stem: str, name: str) -> bool:
    """Return whether a gradient's stem and an output's name are one: h and h_next, hs and h, a_next and a."""
    plain = [re.sub(r"_(next|t|new|out|prev)$|(?<=[a-z])s$|_", "", text.lower()) for text in (stem, name)]
    return plain[0] == plain[1]


def scalar(value: Any) -> bool:
    """Return whether a value can be a loss: one real, complex or recorded number."""
    if isinstance(value, bool | int | str) or value is None:
        return False
    if isinstance(value, float | complex):
        return True
    return (
        isinstance(value, np.ndarray | np.generic | Tensor)
        and value.dtype.kind in "fc"
        and value.size == 1
        and value.ndim == 0
    )


def is_output(value: Any) -> bool:
    """Return whether a value can have an upstream gradient: an array of floats, or a list or dict of such."""
    if isinstance(value, Mapping):
        return (
            bool(value)
            and all(is_output(v) for v in value.values())
            and len({np.shape(v) for v in value.values()}) == 1
        )
    if isinstance(value, list | tuple):
        return (
            bool(value)
            and all(isinstance(v, np.ndarray | Tensor) and v.dtype.kind in "fc" for v in value)
            and len({v.shape for v in value}) == 1
        )
    return isinstance(value, np.ndarray | Tensor) and value.dtype.kind in "fc" and value.size > 0


def stacked(output: Any) -> Any:
    """Return an output as one array: a list or dict of steps along a first axis of time."""
    if isinstance(output, Mapping):
        output = list(output.values())
    return np.stack(output) if isinstance(output, list | tuple) else output


def names_for(names: Any, parts: list[Any]) -> list[Any]:
    """Return names for so many parts; none where their number is another."""
    return list(names) if isinstance(names, list) and len(names) == len(parts) else [None] * len(parts)


def takes_any(function: Callable[..., Any]) -> bool:
    """Return whether a function takes any number of arguments, or Python does not know how many."""
    found = parameters_of(function)
    return not found or any(p.kind is p.VAR_POSITIONAL for p in found.values())


def name_of(function: Callable[..., Any]) -> str:
    """Return the name of a function; of a partial, that of the function within."""
    while hasattr(function, "func"):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def described(value: Any) -> str:
    """Say what a value is, in a few words."""
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return f"an array {value.shape}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
