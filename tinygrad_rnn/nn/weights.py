"""Parameters as arrays and on disk, and from the weights of other libraries, by `converters`."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn import files
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.core.trees import by_name, flattened
from tinygrad_rnn.nn import parameter_files
from tinygrad_rnn.nn.converters import (
    for_layer,
    from_columns,
    from_cs231n,
    from_keras,
    from_layer,
    from_onnx,
    from_torch,
)
from tinygrad_rnn.nn.parameters import Array, Params, Tree

__all__ = [
    "arrays",
    "for_layer",
    "from_columns",
    "from_cs231n",
    "from_keras",
    "from_layer",
    "from_onnx",
    "from_torch",
    "load",
    "not_finite",
    "save",
]

Arrays = dict[str, NDArray[Any]]


def arrays(params: Tree) -> Arrays:
    """Return the values of parameters, a tree of them, by name, as arrays of their own in C order.

    The names in nested dicts, lists and tuples are joined by dots: `encoder.weight_ih`, `layers.0.bias`.
    """
    values = by_name(params)
    masked = [name for name, p in values.items() if isinstance(p, np.ma.MaskedArray)]
    if masked:
        raise ValueError(f"{', '.join(masked)}: a masked array, whose mask would be lost\nfill it: p.filled(0)")
    return {name: np.array(_bare(p), order="C") for name, p in values.items()}


def save(path: parameter_files.AnyPath, params: Tree) -> Path:
    """Write parameters, a tree of them, into a .npz or .safetensors file, whole or not at all; return the path.

    A file holds plain arrays by exactly the names that `arrays` gives them, never pickled objects. For .safetensors
    install `tinygrad_rnn[io]`.

    Raises ValueError, before anything is written, for anything but arrays of numbers, for a name that has control
    characters or leads out of a folder, and for a dtype that the format does not have.
    """
    return files.write(path, parameter_files.packed(path, _ending(path), arrays(params)))


def load(path: parameter_files.AnyPath, like: Tree = None) -> Tree:
    """Return the arrays by name in a file that `save` or another program wrote.

    With `like`, such as the parameters in use, return a tree that is built like it. Every name, shape and dtype must be
    the same: ValueError names the first other one. A bfloat16 becomes a float32, which holds each of its values.

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
            f"{path}: {', '.join(wrong)}: NaN or infinity among the entries\nthe run that saved it may have diverged",
            RuntimeWarning,
            stacklevel=2,
        )
    return values if like is None else flattened(like)[1](values[name] for name in by_name(like))


def not_finite(params: Tree) -> list[str]:
    """Return the names of the parameters that have NaN or infinity among their entries."""
    return [name for name, p in by_name(params).items() if not np.isfinite(_bare(p)).all()]


@contextlib.contextmanager
def _explained(path: parameter_files.AnyPath) -> Iterator[None]:
    """Add the path to the error of a parser. An error of ours names it already."""
    try:
        yield
    except ImportError:
        raise
    except Exception as error:  # a parser may raise any error for bytes that are not its own
        wrong = str(error).splitlines() or [""]
        if isinstance(error, ValueError) and wrong[0].startswith(f"{path}: ") and len(wrong) > 1:
            raise
        raise ValueError(
            f"{path}: not a whole file of parameters ({type(error).__name__}: {wrong[0]})\n"
            "it is truncated, or something else: nothing was loaded"
        ) from error


def _require_like(path: parameter_files.AnyPath, found: Mapping[str, parameter_files.Stored], like: Params) -> None:
    missing, beyond = [n for n in like if n not in found], [n for n in found if n not in like]
    if missing or beyond:
        raise ValueError(
            f"{path}: lacks {', '.join(missing) or 'nothing'}, has also {', '.join(beyond) or 'nothing'}\n"
            f"expected {', '.join(like)}"
        )
    for name, p in like.items():
        shape, dtype = np.shape(p), _bare(p).dtype
        if found[name].shape != shape or found[name].dtype != dtype:
            raise ValueError(f"{path}: {name} is {found[name].dtype} {found[name].shape}\nexpected {dtype} {shape}")


def _ending(path: parameter_files.AnyPath) -> str:
    ending = os.path.splitext(path)[1]
    if ending not in (".npz", ".safetensors"):
        to_npz = "np.savez('model.npz', **{k: v.cpu().numpy() for k, v in torch.load('model.pt').items()})"
        saved = f"; of a state_dict that torch.save wrote: {to_npz}"
        raise ValueError(
            f"{path}: parameters are kept in .npz or .safetensors files\n"
            f"choose one of these endings{saved if ending in ('.pt', '.pth', '.bin', '.ckpt') else ''}"
        )
    return ending


def _bare(value: Array) -> NDArray[Any]:
    return value.data if isinstance(value, Tensor) else np.asarray(value)
