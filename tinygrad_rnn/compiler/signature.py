"""The arguments of a compiled function: what tells their programs apart, and the arrays among them.

This is read at each call, so it is one walk over the tree, without the paths that `engine.trees` gives.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.core.tensor import Tensor


class _Same:
    """Something that is no array and has no hash: the same only as itself."""

    __slots__ = ("what",)

    def __init__(self, what: Any) -> None:
        self.what = what

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.what is self.what

    def __hash__(self) -> int:
        return id(self.what)


def collect(a: Any, key: list[Any], values: list[Any], differentiated: bool) -> None:
    """Add to `key` what tells an argument from others, and to `values` the arrays in it, in order.

    Floats are arrays where the argument is differentiated, and otherwise part of the program.
    """
    kind = type(a)
    if kind is np.ndarray:
        key += (a.shape, a.dtype)
        values.append(a)
    elif kind is dict:
        for name, branch in a.items():
            if type(branch) is np.ndarray:
                key += (name, branch.shape, branch.dtype)
                values.append(branch)
            else:
                key.append(name)
                collect(branch, key, values, differentiated)
        key += (dict, len(a))
    elif isinstance(a, tuple | list):
        for branch in a:
            collect(branch, key, values, differentiated)
        key += (kind, len(a))
    elif isinstance(a, dict):
        collect(dict(a), key, values, differentiated)
    elif kind is Tensor:
        collect(a._data, key, values, differentiated)
    elif isinstance(a, np.ma.MaskedArray):
        Tensor(a)  # raises
    elif kind is float and not differentiated:
        key += (kind, a.hex())  # -0.0 is not 0.0, and NaN is the same at each call
    elif isinstance(a, np.ndarray | np.generic) or (differentiated and isinstance(a, float)):
        collect(np.asarray(a), key, values, differentiated)
    else:
        try:
            hash(a)
        except TypeError:
            a = _Same(a)
        key += (kind, a)
