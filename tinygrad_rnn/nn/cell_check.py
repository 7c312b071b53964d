"""The check of one step of a cell: parameters, x and states fit each other, and a state that is not given is zero.

NumPy would broadcast a state of one row or a bias of one entry, and compute another network without a word.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TypeVar, cast

import numpy as np

from tinygrad_rnn.core.recording import where_text
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.nn.parameters import (
    Array,
    Cell,
    Params,
    State,
    require_features,
    require_mapping,
    require_numbers,
    require_parameters,
    shape_of,
)

Step = TypeVar("Step", bound=Cell)

Spec = Mapping[str, str] | Callable[[Params], Mapping[str, str]]
"""The shapes of a cell's parameters by name, or a function of the given parameters that returns them."""

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_STEPS: list[tuple[Cell, Cell]] = []
"""Each checked cell, with its step alone.

A cell is found by its identity: a wrapper made by `functools.wraps` has all attributes of the cell, and computes
something else.
"""


def gated(gates: int, **own: str) -> dict[str, str]:
    """Return the shapes of PyTorch's parameters, with this number of gates stacked. Biases may be absent.

    `own` are the shapes of the parameters beside these, written as `checked` says.
    """
    rows = f"{gates}H"
    usual = {"weight_hh": f"{rows} H", "weight_ih": f"{rows} I", "bias_ih?": rows, "bias_hh?": rows}
    return {name: shape for name, shape in usual.items() if name.removesuffix("?") not in own} | own


def checked(parameters: Spec, **states: str) -> Callable[[Step], Step]:
    """Make a cell of a function of one step: `step(params, x, *state)`, which then gets inputs that fit.

    A shape is written as its sizes: "4H I" is (4 H, I), "2 I" is (2, I), "" is one number. The sizes are read off the
    parameters. `parameters` holds their shapes by name, where "?" ends a name that may be absent. It may be a function
    of the given parameters, which may then name states too. `states` are the shapes of the states, without the batch.
    x is of size I; of size H where no parameter has an axis of size I.

    The cell raises ValueError unless all parameters, x and states have their shapes, with one batch. A state that is
    None is zero.
    """

    def of(step: Step) -> Step:
        name = step.__name__

        @functools.wraps(step)
        def cell(params: Params, x: Array, *given: Array, **options: object) -> State:
            if len(given) <= len(states):
                missing = {state: options.pop(state, None) for state in list(states)[len(given) :]}
                by_name = dict(zip(states, given, strict=False)) | missing
                given = _fitting(name, parameters, params, x, states, by_name)
            return step(params, x, *given, **options)

        _STEPS.append((cell, step))
        return cast(Step, cell)

    return of


def unchecked(cell: Cell) -> Cell:
    """Return the step of a checked cell without its check, for a loop whose first step has been checked.

    Any other function is returned as it is.
    """
    if type(cell) is functools.partial:
        return functools.partial(unchecked(cell.func), *cell.args, **cell.keywords)
    return next((step for one, step in _STEPS if one is cell), cell)


def initial_state(name: str, state: Array, weight: Array, shape: tuple[int, ...]) -> Array:
    """Return the state, or zeros where it is None, of the dtype of the weight, and a Tensor if this is one."""
    if state is not None:
        return state
    zeros = np.zeros(shape, weight.dtype)
    return Tensor(zeros, name=f"{name}0") if isinstance(weight, Tensor) else zeros


def _fitting(
    cell: str,
    spec: Spec,
    params: Params,
    x: Array,
    states: Mapping[str, str],
    given: Mapping[str, Array],
) -> tuple[Array, ...]:
    """Return the states in their order, zeros where they are None. Raise ValueError where anything does not fit."""
    require_mapping(cell, params)
    shapes = dict(spec(params) if callable(spec) else spec)
    of_states = {name: _factors(shapes.pop(name, shape)) for name, shape in states.items()}
    written = {name: _factors(shape) for name, shape in shapes.items()}
    needed = {name: factors for name, factors in written.items() if not name.endswith("?")}
    if missing := [name for name in needed if name not in params]:
        lines = ", ".join(f"{name} ({_text(factors)})" for name, factors in needed.items())
        of_layer = (
            f"; the names of a layer end in _l0: nn.{cell.upper().split('_')[0]}" if "weight_hh" in needed else ""
        )
        raise ValueError(
            f"{cell}: the parameters lack {', '.join(missing)}; given: {', '.join(map(str, params)) or 'none'}"
            f"{where_text()}\nexpected {lines}{of_layer}"
        )
    of_params = {name.removesuffix("?"): factors for name, factors in written.items()}
    of_params = {name: factors for name, factors in of_params.items() if name in params}
    sizes = _sizes(of_params, params)
    require_parameters(cell, {name: _shape(factors, sizes) for name, factors in of_params.items()}, params)
    require_features(cell, x, sizes["I" if "I" in sizes else "H"])
    batch, weight = shape_of(x)[:-1], params[next(iter(of_params))]
    found = []
    for name, state in given.items():
        shape = (*batch, *_shape(of_states[name], sizes))
        _require_state(cell, name, state, x, shape)
        found.append(initial_state(name, state, weight, shape))
    return tuple(found)


@functools.cache
def _factors(shape: str) -> tuple[tuple[int, str], ...]:
    """Return each size of a written shape as a number times a letter, which may be empty: "4H I" is (4, H), (1, I)."""
    parts = [(size.rstrip(LETTERS), size.lstrip("0123456789")) for size in shape.split()]
    return tuple((int(number or 1), letter) for number, letter in parts)


def _sizes(written: Mapping[str, tuple[tuple[int, str], ...]], params: Params) -> dict[str, int]:
    """Read the value of each letter off the parameters: off an axis of just this size, else off a multiple of it.

    The last axes come first: they are what a matrix reads.
    """
    axes = [
        (number, -k, letter, (shape_of(params[name])[-k:] or (0,))[0])
        for name, factors in written.items()
        for k, (number, letter) in enumerate(reversed(factors), 1)
        if letter
    ]
    sizes: dict[str, int] = {}
    for number, _, letter, size in sorted(axes, key=lambda axis: (axis[0] > 1, -axis[1])):
        sizes.setdefault(letter, size // number)
    return sizes


def _shape(factors: tuple[tuple[int, str], ...], sizes: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(number * sizes[letter] if letter else number for number, letter in factors)


def _text(factors: tuple[tuple[int, str], ...]) -> str:
    sizes = [(f"{number} {letter}" if number > 1 else letter) if letter else str(number) for number, letter in factors]
    return ", ".join(sizes) + ("," if len(sizes) == 1 else "")


def _require_state(cell: str, name: str, state: Array, x: Array, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless the state has this shape: an entry of its own for each row of x."""
    require_numbers(cell, f"the state {name}", state)
    if state is not None and shape_of(state) != shape:
        raise ValueError(
            f"{cell}: the state {name} has shape {shape_of(state)}, x has shape {shape_of(x)}{where_text()}\n"
            f"expected {name} of shape {shape}: one row for each row of x"
        )
