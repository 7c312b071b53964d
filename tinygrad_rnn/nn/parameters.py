"""The checks of parameters for cells and layers: every name, its shape, and no name that would not be used.

NumPy broadcasts a bias of one entry, and a dict may hold the weights of another network: both would give other numbers
without a word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinygrad_rnn.core.counting import counted
from tinygrad_rnn.core.recording import where_text

Array = Any
"""An ndarray or a Tensor."""

Cell = Callable[..., Any]
"""A function `cell(params, x, *state) -> new state`."""

State = Any
"""The state of a cell: None, an array or a Tensor, or a tuple of them."""

Params = Mapping[str, Array]
"""The parameters of a cell or a layer, by name."""

Tree = Any
"""Parameters or gradients: a leaf, or dicts, lists and tuples of trees."""

Shapes = dict[str, tuple[int, ...]]

RECURRENT = re.compile(r"(weight_(ih|hh|hr|ci|cf|co)|bias_(ih|hh|c)|gain_(ih|hh|c))(_l\d+(_reverse)?)?")
"""The names that parameters of recurrent layers have. Other names in the dict belong to other parts of a model."""

PLAIN = re.compile(r"weight|bias")
"""The names that parameters of the layers without time have."""

GATES = {"RNN": "", "LSTM": "4 gates i, f, g, o stacked: ", "GRU": "3 gates r, z, n stacked: "}


def require_parameters(kind: str, shapes: Shapes, params: Params, pattern: re.Pattern[str] | None = None) -> None:
    """Raise ValueError unless `params` has every parameter in its shape, and no other whose name fits the pattern.

    Raises TypeError for a parameter that is neither an array nor a Tensor.
    """
    require_mapping(kind, params)
    missing = [name for name in shapes if name not in params]
    if missing:
        raise ValueError(
            f"{kind}: the parameters lack {', '.join(missing)}; given: {', '.join(map(str, params)) or 'none'}"
            f"{where_text()}\nexpected {_described(shapes)}"
        )
    beyond = [str(name) for name in params if name not in shapes] if pattern else []
    unused = [name for name in beyond if pattern and pattern.fullmatch(name)]
    if unused:
        raise ValueError(
            f"{kind}: {', '.join(unused)} would not be used{where_text()}\n"
            f"expected {_described(shapes)}: choose the network that the parameters are of, or leave them out"
        )
    for name, shape in shapes.items():
        value = params[name]
        if not hasattr(value, "dtype"):
            raise TypeError(
                f"{kind}: {name} is of type {type(value).__name__}{where_text()}\ngive an array or a Tensor of {shape}"
            )
        if value.shape != shape:
            raise ValueError(
                f"{kind}: {name} has shape {value.shape}{where_text()}\nexpected {shape}: {_why(kind, name)}"
            )


def require_one_dtype(kind: str, shapes: Shapes, params: Params) -> None:
    """Raise ValueError unless all of these parameters are floats of one dtype.

    A complex number of two such floats is of that dtype too: a numerical derivative by complex steps gives it.
    """
    first = next(iter(shapes))
    expected = _real(params[first].dtype)
    for name in shapes:
        dtype = params[name].dtype
        if _real(dtype) != expected or expected.kind != "f":
            raise ValueError(
                f"{kind}: {name} is {dtype}, {first} is {params[first].dtype}\n"
                "expected floats of one dtype: cast with .astype"
            )


def _real(dtype: np.dtype[np.generic]) -> np.dtype[np.generic]:
    return np.dtype(f"f{dtype.itemsize // 2}") if dtype.kind == "c" else dtype


def require_mapping(kind: str, params: object) -> None:
    """Raise TypeError unless the parameters are a dict, or another mapping."""
    if not isinstance(params, Mapping):
        raise TypeError(
            f"{kind}: the parameters are of type {type(params).__name__}{where_text()}\n"
            "give a dict of arrays or Tensors by name, as nn.init and the layers' init make it"
        )


def require_sizes(layer: object, *sizes: object) -> None:
    """Raise ValueError unless all of a layer's sizes are integers from 1 up."""
    if not all(isinstance(size, int | np.integer) and size >= 1 for size in sizes):
        kind = layer if isinstance(layer, str) else f"{type(layer).__name__}: {layer}"
        raise ValueError(f"{kind}\nsizes and the number of layers are integers, at least 1")


def require_numbers(kind: str, name: str, value: Array) -> None:
    """Raise TypeError for an array of something else than numbers, or one with masked entries."""
    if isinstance(value, np.ma.MaskedArray) or (hasattr(value, "dtype") and value.dtype.kind not in "biufc"):
        what = "a masked array" if isinstance(value, np.ma.MaskedArray) else f"of dtype {value.dtype}"
        raise TypeError(f"{kind}: {name} is {what}{where_text()}\ngive an array or a Tensor of numbers")


def require_features(kind: str, x: Array, size: int) -> None:
    """Raise ValueError unless the last axis of x has this size; TypeError unless x holds numbers."""
    require_numbers(kind, "x", x)
    if shape_of(x)[-1:] != (size,):
        raise ValueError(
            f"{kind}: x has shape {np.shape(x)}{where_text()}\n"
            f"expected (..., {size}): {counted(size, 'feature')} in the last axis"
        )


def shape_of(value: Array) -> tuple[int, ...]:
    """Return the shape of an array, a Tensor or a list."""
    return value.shape if hasattr(value, "shape") else np.shape(value)


def _described(shapes: Shapes) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())


def _why(kind: str, name: str) -> str:
    gates = GATES.get(kind.removesuffix("Cell").upper(), "")
    if name.startswith("weight_hr"):
        return "(proj_size, hidden_size)"
    if name.startswith(("weight_ih", "weight_hh")):
        return f"{gates}(rows, columns that read the {'input' if '_ih' in name else 'state'})"
    return f"{gates}(rows,)" if gates else "as the rest of it is"
