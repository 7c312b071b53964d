"""The ways by which values leave a Tensor: `x.data`, `x.item()`, `float(x)`, `np.array(x)`, printing.

To understand the engine, skip this file. An open tape refuses every way that would cut a history in silence. A sealed
tape refuses every way by which Python could decide something from a value.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.core import errors
from tinygrad_rnn.core.callers import assignment
from tinygrad_rnn.core.recording import Recording, RecordingBlock, Scope, Tapes, current, where_text
from tinygrad_rnn.core.rich import Rich

Array = NDArray[Any]

Value = Any
"""A Tensor, or what NumPy takes in its place: an array or a number."""


class Values(Rich):
    """The part of a Tensor that shows its values."""

    __slots__ = ()

    _data: Array
    _tape: weakref.ref[Any] | None
    name: str | None

    @property
    def data(self) -> Array:
        """The values, a read-only array."""
        self.require_unsealed("x.data")
        self._data.setflags(write=False)
        return self._data

    @data.setter
    def data(self, value: object) -> NoReturn:
        raise errors.no_data_setter(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, as of the array."""
        return self._data.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype, as of the array."""
        return self._data.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._data.ndim

    @property
    def size(self) -> int:
        """The number of entries."""
        return self._data.size

    @property
    def tape(self) -> Any:
        """The first tape that recorded the operation that made this Tensor; None for a leaf, or once the tape is gone.

        Where tapes are nested, the first is the outermost.
        """
        return self._tape() if self._tape is not None else None

    @property
    def is_leaf(self) -> bool:
        """Is this Tensor made by no recorded operation?"""
        return self._tape is None

    def require_unsealed(self, how: str) -> None:
        """Raise TypeError if the values of this Tensor stay on a tape that is open: see `Tape(sealed=True)`."""
        if self._sealed():
            raise errors.sealed(self, how)

    def _sealed(self) -> bool:
        tape = self.tape
        return tape is not None and tape.sealed

    def _refuse_to_leave(self, how: str) -> None:
        self._refuse_assignment()
        self.require_unsealed(how)
        if current()[0]:
            raise errors.leaves_its_tape(self, how)

    def _refuse_assignment(self) -> None:
        if (current()[0] or self._sealed()) and (where := assignment()) is not None:
            raise errors.assigned_to_array(self, where)

    def _only_entry(self, how: str) -> Any:
        if self.size != 1:
            raise errors.not_one_entry(self, how)
        return self._data.item()

    def item(self) -> Any:
        """Return the value of a Tensor with one entry as a Python number."""
        self.require_unsealed("x.item()")
        return self._only_entry("item()")

    def __bool__(self) -> bool:
        self._refuse_assignment()  # into an array of booleans
        self.require_unsealed("bool()")
        return bool(self._only_entry("bool()"))

    def __float__(self) -> float:
        self._refuse_to_leave("float()")
        return float(self._only_entry("float()"))

    def __int__(self) -> int:
        self._refuse_to_leave("int()")
        return int(self._only_entry("int()"))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        self._refuse_to_leave("np.array()")
        return np.array(self.data, dtype=dtype, copy=copy)

    def __setitem__(self, index: object, value: object) -> NoReturn:
        raise errors.no_assignment(self)

    def __len__(self) -> int:
        if not self.ndim:
            raise errors.no_length()
        return len(self._data)

    def __iter__(self) -> Iterator[Value]:
        if not self.ndim:
            raise errors.no_axis("iteration over")
        return (self[k] for k in range(len(self)))  # type: ignore[index]  # indexing is an operation: see NumPyFace

    def describe(self) -> str:
        """Return `'h' (3, 5)`, or `unnamed (3, 5)`: how messages speak of this Tensor."""
        return f"{self.name!r} {self.shape}" if self.name else f"unnamed {self.shape}"

    def __repr__(self) -> str:
        edge = 3 if self.ndim < 3 else 2
        values = np.array2string(self._data, separator=", ", threshold=60, edgeitems=edge, prefix="Tensor(")
        if self._sealed():
            values = f"values on a sealed tape, shape={self.shape}"
        kind = "" if self.dtype == np.float64 else f", dtype={self.dtype}"
        return f"Tensor({values}{kind}{f', name={self.name!r}' if self.name else ''})"

    def __format__(self, spec: str) -> str:
        if not spec:
            return str(self)
        self.require_unsealed(f"format with {spec!r}")
        return format(self.data if self.ndim else self.item(), spec)


def bare(value: Value) -> Value:
    """Return the array of a Tensor, on a sealed tape too, and any other value as it is.

    For code that decides nothing by the values: `x.data` is for all other code.
    """
    return value._data if isinstance(value, Values) else value


def not_recording() -> RecordingBlock:
    """Record nothing. Raises TypeError inside a sealed tape, which values that are not recorded would leave."""

    def nothing(tapes: Tapes, labels: Scope) -> Recording:
        if any(tape.sealed for tape in tapes):
            raise TypeError(
                f"values that are not recorded would leave a sealed tape{where_text()}\n"
                "in a compiled function everything is recorded: call this outside of it"
            )
        return (), labels

    return RecordingBlock(nothing)
