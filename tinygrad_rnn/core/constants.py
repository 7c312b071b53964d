"""Arguments that are no Tensors, as an operation takes them, and as a tape keeps them: copied, so that they stay."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray
from numpy.typing import NDArray

from tinygrad_rnn.core.errors import masked_constant, refuse_dtype

IMMUTABLE = frozenset({int, float, bool, slice, type(None), type(Ellipsis)})
"""Types of arguments that cannot change."""


def constant(value: Any, operand: bool = False) -> Any:
    """Return a constant as an operation takes it: a plain array where it is an operand, however it was written."""
    if type(value) in IMMUTABLE or (type(value) is ndarray and value.dtype.kind in "fiub"):
        return value
    if isinstance(value, list | tuple) and not operand:
        return tuple(value)  # axes, a shape, an index
    if isinstance(value, np.ma.MaskedArray):
        raise masked_constant()
    if isinstance(value, list | tuple | ndarray | complex):
        value = np.array(value) if isinstance(value, list | tuple) else np.asarray(value)
        refuse_dtype(value.dtype, "a constant")
    elif operand and not hasattr(value, "_data"):  # a fraction, an instant: no number of NumPy
        refuse_dtype(np.asarray(value).dtype, "a constant")
    return value


def frozen(value: Any) -> Any:
    """Return a constant as a tape keeps it: a copy, unless nobody can change it."""
    if type(value) is not ndarray:
        return value
    owner: Any = value
    while isinstance(owner, ndarray) and not owner.flags.writeable:
        owner = owner.base
    if owner is not None:
        value = value.copy()
        value.setflags(write=False)
    return value


def as_index(part: Any) -> NDArray[Any]:
    """Return a sequence in an index as an array: of integers where it is empty."""
    return np.asarray(part, None if len(part) else np.intp)
