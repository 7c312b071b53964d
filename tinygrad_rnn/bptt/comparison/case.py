"""One problem for every competitor: a cell, its inputs as arrays, and the upstream gradients.

The loss is  L = sum(dhs * hs) + sum(dlast * last state)  for an arbitrary upstream gradient, so a mistake cannot hide
behind a symmetric one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_rnn.core.counting import counted
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.nn.parameters import Cell
from tinygrad_rnn.nn.time_loop import as_tuple, cell_name, state_names, unroll
from tinygrad_rnn.tape.full_tape import Tape

Array = NDArray[Any]
Numbers = ArrayLike | Tensor
"""An array, a Tensor, or what NumPy makes an array of."""

States = Numbers | Sequence[Numbers]
"""A state, or several in the order in which the cell takes them."""

Gradients = dict[str, Array]
ByHand = Callable[..., Mapping[str, Any]]

DTYPES = ("float64", "float32")
SIGNATURE = "give a function (params, xs, state, dhs) -> dict of gradients, or with dlast=None besides"


class Case:
    """A cell, its inputs and upstream gradients; states and gradients that are not given are drawn from `seed`."""

    def __init__(
        self,
        cell: Cell,
        params: Mapping[str, Numbers],
        xs: Numbers,
        state: States | None,
        dhs: Numbers | None,
        dlast: States | None,
        seed: int,
        with_dlast: bool,
        who: str = "compare",
    ) -> None:
        self.who = who  # the function that error messages name
        self.cell = cell
        self.params = {name: as_array(p) for name, p in params.items()}
        self.xs = as_array(xs)
        if self.xs.ndim != 3 or not self.xs.shape[0]:
            raise ValueError(f"{who}: xs has shape {self.xs.shape}\ngive (T, B, I): time, batch, features, with T >= 1")
        self.batch = self.xs.shape[1]
        # Integers (the numbers of embedded words) are read and have no gradient: they say nothing about the dtype.
        floats = [a for a in (self.xs, *self.params.values()) if a.dtype.kind not in "iub"]
        self.dtype = np.result_type(*floats) if floats else self.xs.dtype
        if self.dtype.name not in DTYPES:
            raise TypeError(f"{who}: parameters and xs are {self.dtype}\ngive float64 or float32")
        self.state_names = tuple(f"{name}0" for name in state_names(cell))
        if clash := set(self.params) & {"x", *self.state_names}:
            raise ValueError(f"{who}: {sorted(clash)} is a parameter and an input\nrename the parameter")
        rng = np.random.default_rng(seed)
        self.state = self._state(state, rng)
        hs, last = self.forward(self.params, self.xs, self.state)
        self.dhs = rng.standard_normal(hs.shape).astype(self.dtype) if dhs is None else _like(f"{who}: dhs", dhs, hs)
        if dlast is not None:
            self.dlast = tuple(_like(f"{who}: dlast", d, s) for d, s in zip(as_tuple(dlast), last, strict=True))
        elif with_dlast and dhs is None:
            self.dlast = tuple(
                rng.standard_normal(s.shape).astype(self.dtype) if as_array(s).dtype.kind == "f" else np.zeros_like(s)
                for s in last  # a state of integers, a counter, has no gradient
            )
        else:
            self.dlast = tuple(np.zeros_like(s) for s in last)

    def _state(self, state: States | None, rng: np.random.Generator) -> tuple[Array, ...]:
        if state is not None:
            states = tuple(as_array(s) for s in as_tuple(state))
            if len(states) != len(self.state_names):
                raise ValueError(
                    f"{self.who}: {counted(len(states), 'state')} given, the cell takes {self.state_names}\n"
                    "give them all"
                )
            return states
        try:
            shapes = [np.shape(s) for s in as_tuple(self.cell(self.params, self.xs[0]))]
        except TypeError as error:
            raise ValueError(
                f"{self.who}: {cell_name(self.cell)} does not start by itself ({error})\n"
                f"give state=, a tuple ({', '.join(self.state_names)}) of arrays (B, H)"
            ) from error
        return tuple(0.5 * rng.standard_normal(shape).astype(self.dtype) for shape in shapes)

    def inputs(self) -> dict[str, Array]:
        """Return everything that the cell reads, by name: parameters, x, initial states."""
        return {**self.params, "x": self.xs, **dict(zip(self.state_names, self.state, strict=True))}

    def differentiable(self) -> list[str]:
        """Return the names of the inputs that have a gradient: those of floats."""
        return [name for name, value in self.inputs().items() if value.dtype.kind == "f"]

    def tensors(self, inputs: Mapping[str, Array] | None = None) -> dict[str, Tensor]:
        """Return the inputs, or others in their place, as new Tensors."""
        return {name: Tensor(value, name=name) for name, value in (inputs or self.inputs()).items()}

    def forward(self, params: Mapping[str, Any], xs: Any, state: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        """Return all hidden states, and the last state as a tuple."""
        hs, last = unroll(self.cell, params, xs, state)
        return hs, as_tuple(last)

    def forward_of(self, inputs: Mapping[str, Any]) -> tuple[Any, tuple[Any, ...]]:
        """Return the same for arrays or Tensors by name, as in `inputs`."""
        params = {name: inputs[name] for name in self.params}
        return self.forward(params, inputs["x"], tuple(inputs[name] for name in self.state_names))

    def loss(self, inputs: Mapping[str, Any]) -> Any:
        """Return sum(dhs * hs) + sum(dlast * last state), of arrays or Tensors by name, as in `inputs`."""
        hs, last = self.forward_of(inputs)
        pairs = zip(last, self.dlast, strict=True)
        return (hs * self.dhs).sum() + sum((s * d).sum() for s, d in pairs if d.dtype.kind == "f")

    def tape(self, inputs: Mapping[str, Array] | None = None) -> tuple[Tape, Tensor, dict[str, Tensor]]:
        """Return the tape of the loss, the loss, and the inputs, or others in their place, as Tensors."""
        tensors = self.tensors(inputs)
        with Tape() as tape:
            loss = self.loss(tensors)
        return tape, loss, tensors

    def tape_gradients(self) -> Gradients:
        """Return the gradients of the tape, by name."""
        tape, loss, tensors = self.tape()
        gradients: Gradients = tape.gradient(loss, {name: tensors[name] for name in self.differentiable()})
        return gradients

    def hand_gradients(self, by_hand: ByHand) -> Gradients:
        """Return the gradients of a derivation by hand. It gets copies, so it may write into its arguments."""
        arguments = [{k: p.copy() for k, p in self.params.items()}, self.xs.copy()]
        arguments += [tuple(s.copy() for s in self.state), self.dhs.copy()]
        more = {"dlast": tuple(d.copy() for d in self.dlast)} if takes_dlast(by_hand) else {}
        answer = ask("compare", by_hand, arguments, more)
        name = name_of(by_hand)
        if not isinstance(answer, Mapping):
            raise TypeError(
                f"compare: {name} returned a {type(answer).__name__}\n"
                'return a dict of gradients: {"weight_hh": dU, "x": dxs, ...}'
            )
        if unknown := set(answer) - set(self.inputs()):
            raise ValueError(
                f"compare: {name} returned the unknown names {sorted(map(str, unknown))}\n"
                f"the names are {', '.join(self.inputs())}"
            )
        gradients = {of: as_array(gradient) for of, gradient in answer.items()}
        for of, gradient in gradients.items():
            if gradient.dtype.kind not in "fiu":
                raise TypeError(
                    f"compare: {name} returned {gradient.dtype} for {of!r}\nreturn real numbers of one shape"
                )
        return {of: g if g.dtype.kind == "f" else g.astype(np.float64) for of, g in gradients.items()}

    def part(self, start: int, stop: int, dhs: Array, dlast: tuple[Array, ...]) -> Case:
        """Return the same problem for the steps start, ..., stop - 1, with other upstream gradients."""
        state = self.state
        if start:
            _, state = self.forward(self.params, self.xs[:start], state)
        part = Case(self.cell, self.params, self.xs[start:stop], state, dhs, dlast, seed=0, with_dlast=True)
        part.batch = self.batch
        return part


def takes_dlast(by_hand: ByHand) -> bool:
    """Return whether a derivation by hand takes the gradient of the last state, under the name dlast."""
    return takes(by_hand, "dlast")


def takes(function: Callable[..., object], name: str) -> bool:
    """Return whether a function has a parameter of that name, for one value: neither `*name` nor `**name`."""
    found = parameters_of(function).get(name)
    return found is not None and found.kind not in (found.VAR_POSITIONAL, found.VAR_KEYWORD)


class CallError(TypeError):
    """A derivation by hand that does not take what it is given."""


def ask(who: str, by_hand: ByHand, arguments: Sequence[object], options: Mapping[str, object]) -> Any:
    """Call a derivation by hand. An option goes by its place where the signature takes it by place alone.

    Raises CallError, in the name of `who`, where it does not begin to run.
    """
    rest = list(parameters_of(by_hand).values())[len(arguments) :]
    by_place = [p for p in rest if p.kind is p.POSITIONAL_ONLY]
    while by_place and by_place[-1].name not in options:
        by_place.pop()
    named = {name: value for name, value in options.items() if name not in [p.name for p in by_place]}
    try:
        return by_hand(*arguments, *[options.get(p.name, p.default) for p in by_place], **named)
    except TypeError as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
            raise
        name, given = name_of(by_hand), ", ".join(["params, xs, state, dhs", *[f"{option}=..." for option in options]])
        raise CallError(f"{who}: {name} cannot be called as {name}({given}): {error}\n{SIGNATURE}") from error


def name_of(function: Callable[..., object]) -> str:
    """Name a function: a partial by the function that it calls, an object by its class."""
    while isinstance(function, partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def parameters_of(function: Callable[..., object]) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of a function by name; none where Python does not know them."""
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}


def as_array(value: object) -> Array:
    """Return the values of an array or a Tensor."""
    return value.data if isinstance(value, Tensor) else np.asarray(value)


def _like(name: str, value: object, output: Array) -> Array:
    value = as_array(value)
    if value.shape != output.shape:
        raise ValueError(f"{name} has shape {value.shape}\nit is a gradient of the cell's {output.shape}")
    return np.asarray(value, output.dtype)
