"""The arguments of a compiled function: the key of their program, and the arrays among them.

Each call reads them, so this is one walk over the tree, without the paths that `core.trees` gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_rnn.compiler.contents import contents
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.graph.graph import Array

STATIC = frozenset({bool, int, str, bytes, type(None)})
"""Types of which equal values are the same in every respect."""


def collect(a: Any, key: list[Any], values: list[Array], differentiated: bool) -> None:
    """Add the structure of an argument to `key`, and the arrays in it to `values`, in order.

    Floats are arrays where the argument is differentiated, and otherwise part of the program.
    """
    kind = type(a)
    if kind is np.ndarray:
        if not a.dtype.isnative:
            a = native(a)
        key += (a.shape, a.dtype)
        values.append(a)
    elif kind is dict:
        for name, branch in a.items():
            key.append(name if type(name) is str else contents(name))
            if type(branch) is np.ndarray and branch.dtype.isnative:
                key += (branch.shape, branch.dtype)
                values.append(branch)
            else:
                collect(branch, key, values, differentiated)
        key += (dict, len(a))
    elif isinstance(a, tuple | list):
        for branch in a:
            collect(branch, key, values, differentiated)
        key += (kind, len(a))
        if kind is not tuple and kind is not list:
            key.append(contents(getattr(a, "__dict__", None)))
    elif isinstance(a, Mapping):
        collect(dict(a), key, values, differentiated)
        beside = a.__reduce_ex__(4)[1:3] if isinstance(a, dict) else ()  # a default, attributes
        key += (kind, contents(beside))
    elif kind is Tensor:
        collect(a.data, key, values, differentiated)
    elif kind in STATIC:
        key += (kind, a)
    elif is_array(a):
        collect(_plain(a, differentiated), key, values, differentiated)
    elif isinstance(a, float) and differentiated:
        collect(np.asarray(a), key, values, differentiated)
    elif hasattr(kind, "__next__"):
        raise TypeError(
            f"compile: an argument is a {kind.__name__}, which gives its values only once\n"
            "pass a tuple or a list of them"
        )
    else:
        key.append(contents(a))


def is_array(a: object) -> bool:
    """Is this one of the arrays that a program is given at each call?"""
    return isinstance(a, Tensor | np.ndarray) or (isinstance(a, np.generic) and a.dtype.kind in "fiubc")


def _plain(a: Any, differentiated: bool) -> Array:
    """Return an array of a subclass, or a number of NumPy, as a plain array."""
    if isinstance(a, np.ma.MaskedArray):
        Tensor(a)  # raises
    if isinstance(a, np.ndarray) and not isinstance(a, np.memmap) and not differentiated:
        raise TypeError(
            f"compile: an argument is a {type(a).__name__}, of a subclass of ndarray, whose operators a program does "
            "not call\npass np.asarray(argument)"
        )
    return np.asarray(a)


def native(a: Any) -> Array:
    """Return an array in the byte order of this machine."""
    if isinstance(a, np.ma.MaskedArray):
        Tensor(a)  # raises
    array: Array = np.asarray(a)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
