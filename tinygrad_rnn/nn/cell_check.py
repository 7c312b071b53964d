"""The check of one step of a cell: parameters, x and states fit each other, and a state that is not given is zero.

NumPy would broadcast a state of one row or a bias of one entry, and compute another network without a word.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import TypeVar, cast

import numpy as np

from tinygrad_rnn.core.recording import where_text
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.nn.parameters import (
    Array,
    Cell,
    Params,
    Shapes,
    State,
    require_features,
    require_mapping,
    require_numbers,
    require_parameters,
    shape_of,
)

Step = TypeVar("Step", bound=Cell)

_STEPS: list[tuple[Cell, Cell]] = []
"""Each checked cell, with its step alone.

A cell is found by its identity: a wrapper made by `functools.wraps` has all attributes of the cell, and computes
something else.
"""


def checked(gates: int, own: Mapping[str, int] | None = None, projects: bool = False) -> Callable[[Step], Step]:
    """Make a cell of a function of one step: `step(params, x, *state)`, which then gets inputs that fit.

    `gates` is the number of blocks of H rows. `own` names the parameters beside the matrices and biases, each with its
    number of blocks of H entries. A cell that `projects` may have `weight_hr` (P, H): its h is of size P.

    The cell raises ValueError unless all parameters have their shapes, x is (..., I), and each state (..., H), with one
    batch. A state that is None is zero.
    """

    def of(step: Step) -> Step:
        name = step.__name__
        positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
        names = [k for k, p in inspect.signature(step).parameters.items() if p.kind is positional][2:]

        @functools.wraps(step)
        def cell(params: Params, x: Array, *states: Array, **options: object) -> State:
            if len(states) <= len(names):
                missing = {state: options.pop(state, None) for state in names[len(states) :]}
                given = dict(zip(names, states, strict=False)) | missing
                states = _fitting(name, gates, params, x, own or {}, projects, given)
            return step(params, x, *states, **options)

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


def initial_state(name: str, state: Array, params: Params, x: Array, size: int) -> Array:
    """Return the state, or zeros (B, size) where it is None.

    The zeros have the dtype of the parameters, and are a Tensor if the parameters are Tensors.
    """
    if state is not None:
        return state
    weight = params["weight_hh"]
    zeros = np.zeros((*np.shape(x)[:-1], size), weight.dtype)
    return Tensor(zeros, name=f"{name}0") if isinstance(weight, Tensor) else zeros


def _fitting(
    cell: str,
    gates: int,
    params: Params,
    x: Array,
    own: Mapping[str, int],
    projects: bool,
    states: Mapping[str, Array],
) -> tuple[Array, ...]:
    """Return the states in their order, zeros where they are None. Raise ValueError where anything does not fit."""
    require_mapping(cell, params)
    matrices = ["weight_ih", "weight_hh"]
    missing = [name for name in (*matrices, *own) if name not in params]
    if missing:
        raise ValueError(
            f"{cell}: the parameters lack {', '.join(missing)}; given: {', '.join(map(str, params)) or 'none'}"
            f"{where_text()}\nexpected weight_ih ({gates} H, I) and weight_hh ({gates} H, H), with H units; "
            f"the names of a layer end in _l0: nn.{cell.upper().split('_')[0]}"
        )
    inputs, size = ((shape_of(params[name]) or (0,))[-1] for name in matrices)
    projection: tuple[int, ...] = ()
    if projects and "weight_hr" in params:
        projection = shape_of(params["weight_hr"]) or (0,)
    hidden = projection[-1] if projection else size
    shapes: Shapes = {"weight_hh": (gates * hidden, size), "weight_ih": (gates * hidden, inputs)}
    shapes |= {name: (gates * hidden,) for name in ("bias_ih", "bias_hh") if name in params}
    shapes |= {"weight_hr": (size, hidden)} if projection else {}
    shapes |= {name: (blocks * hidden,) for name, blocks in own.items()}
    require_parameters(cell, shapes, params)
    require_features(cell, x, inputs)
    sizes = {name: size if name == "h" else hidden for name in states}
    for name, state in states.items():
        _require_state(cell, name, state, x, sizes[name])
    return tuple(initial_state(name, state, params, x, sizes[name]) for name, state in states.items())


def _require_state(cell: str, name: str, state: Array, x: Array, size: int) -> None:
    """Raise ValueError unless the state has one row of this size for each row of x."""
    require_numbers(cell, f"the state {name}", state)
    expected = (*shape_of(x)[:-1], size)
    if state is not None and shape_of(state) != expected:
        raise ValueError(
            f"{cell}: the state {name} has shape {shape_of(state)}, x has shape {shape_of(x)}{where_text()}\n"
            f"expected {name} of shape {expected}: one row for each row of x"
        )
