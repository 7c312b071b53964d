"""Parameters on disk, as arrays, and from elsewhere: what `converters` makes of the weights of other libraries."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_rnn import files
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.core.trees import by_name, flattened
from tinygrad_rnn.nn import parameter_files
from tinygrad_rnn.nn.converters import for_layer, from_columns, from_cs231n, from_keras, from_onnx, from_torch

__all__ = [
    "arrays",
    "for_layer",
    "from_columns",
    "from_cs231n",
    "from_keras",
    "from_onnx",
    "from_torch",
    "load",
    "not_finite",
    "save",
]

Arrays = dict[str, Any]


def arrays(params: Any) -> Arrays:
    """Return the values of parameters, a tree of them, by name, as arrays of their own in C order.

    The names in nested dicts, lists and tuples are joined by dots: `encoder.weight_ih`, `layers.0.bias`.
    """
    return {name: np.array(_bare(p), order="C") for name, p in by_name(params).items()}


def save(path: str | os.PathLike[str], params: Any) -> Path:
    """Write parameters, a tree of them, into a .npz or .safetensors file, whole or not at all; return the path.

    A file holds plain arrays by exactly the names that `arrays` gives them, never pickled objects. For .safetensors
    install `tinygrad_rnn[io]`.

    Raises ValueError, before anything is written, for what is no array of numbers, for a name with control characters
    or one that leads out of a folder, and for a dtype that the format has not.
    """
    return files.write(path, parameter_files.packed(path, _ending(path), arrays(params)))


def load(path: str | os.PathLike[str], like: Any = None) -> Any:
    """Return the parameters in a file that `save` wrote, or that holds arrays by name otherwise: arrays by name.

    With `like`, such as the parameters in use, the answer is a tree built like it, and every name, shape and dtype must
    be as there: ValueError names the first that is not. A bfloat16 comes as float32, which holds each of its values.

    Names and headers are judged before any data is read. Raises ValueError, and changes nothing, for a file that is
    truncated, or something else; for Python objects, names that occur twice, have control characters or lead out of a
    folder; for a small file that unpacks to a large one, unless it is as in `like`. Warns of NaN and infinity.
    """
    ending, content = _ending(path), Path(path).read_bytes()
    with _explained(path):
        found = parameter_files.stored(path, ending, content)
    if like is None:
        parameter_files.require_size(path, content, found)
    else:
        _require_like(path, {one.name: one for one in found}, by_name(like))
    with _explained(path):
        values: Arrays = {one.name: one.read() for one in found}
    if wrong := not_finite(values):
        warnings.warn(
            f"{path}: {', '.join(wrong)}: NaN or infinity among the entries\nit was saved after a run diverged",
            RuntimeWarning,
            stacklevel=2,
        )
    return values if like is None else flattened(like)[1](values[name] for name in by_name(like))


def not_finite(params: Any) -> list[str]:
    """Return the names of the parameters that have NaN or infinity among their entries."""
    return [name for name, p in by_name(params).items() if not np.isfinite(_bare(p)).all()]


@contextlib.contextmanager
def _explained(path: Any) -> Iterator[None]:
    """Add the path to the error of a parser. An error of ours names it already."""
    try:
        yield
    except ImportError:
        raise
    except Exception as error:  # whatever a parser says of bytes that are not its own
        wrong = str(error).splitlines() or [""]
        if isinstance(error, ValueError) and wrong[0].startswith(f"{path}: ") and len(wrong) > 1:
            raise
        raise ValueError(
            f"{path}: not a whole file of parameters ({type(error).__name__}: {wrong[0]})\n"
            "it is truncated, or something else: nothing was loaded"
        ) from error


def _require_like(path: Any, found: Mapping[str, Any], like: Mapping[str, Any]) -> None:
    missing, beyond = [n for n in like if n not in found], [n for n in found if n not in like]
    if missing or beyond:
        raise ValueError(
            f"{path}: lacks {', '.join(missing) or 'nothing'}, has beyond {', '.join(beyond) or 'nothing'}\n"
            f"expected {', '.join(like)}"
        )
    for name, p in like.items():
        shape, dtype = np.shape(p), _bare(p).dtype
        if found[name].shape != shape or found[name].dtype != dtype:
            raise ValueError(f"{path}: {name} is {found[name].dtype} {found[name].shape}\nexpected {dtype} {shape}")


def _ending(path: str | os.PathLike[str]) -> str:
    ending = Path(path).suffix
    if ending not in (".npz", ".safetensors"):
        raise ValueError(f"{path}: parameters are kept in .npz or .safetensors files\nchoose one of these endings")
    return ending


def _bare(value: Any) -> Any:
    return value.data if isinstance(value, Tensor) else np.asarray(value)
