"""`Tensor`, a value that a tape can follow, and `apply`, the one way an operation runs.

A Tensor is a read-only NumPy array with a name. NumPy is the language: operators, `np.tanh(x)`, `np.stack(xs)` and
`x.sum(axis=0)` all end in `apply`, which computes the value and writes one line on every open tape.

>>> x = Tensor([1.0, 2.0], name="x")
>>> np.tanh(x) * 2
Tensor([1.52318831, 1.92805516])
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, final

import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike, NDArray

from tinygrad_rnn.core import constants, errors
from tinygrad_rnn.core.constants import constant, frozen
from tinygrad_rnn.core.numpy_face import NumPyFace
from tinygrad_rnn.core.recording import current
from tinygrad_rnn.core.table import PRIMITIVES, Primitive

NO_KWARGS: dict[str, Any] = {}
"""What every line without keyword arguments holds, so that it costs no dict of its own."""


def apply(op: Primitive, args: tuple[Any, ...], kwargs: dict[str, Any] = NO_KWARGS) -> Tensor:
    """Compute `op(*args, **kwargs)` and write the call on every open tape."""
    values, plain = [], True
    for a in args:
        if type(a) is Tensor:
            values.append(a._data)
        else:
            values.append(a)
            if type(a) not in IMMUTABLE:
                plain = False
    if not plain:
        args = tuple([constant(a, op.arity is None or k < op.arity) for k, a in enumerate(args)])
        values = [a._data if type(a) is Tensor else a for a in args]
    try:
        data = op.function(*values, **kwargs) if kwargs else op.function(*values)
    except Exception as error:
        raise errors.explained(op.name, args, error) from error
    out = _new(Tensor)
    out._data = data if type(data) is ndarray else np.asarray(data)
    out.name = out.grad = out._tape = None
    tapes, labels = current()
    if tapes:
        out._tape = tapes[0].ref
        if not plain:
            args = tuple([frozen(a) for a in args])
        if kwargs:
            kwargs = {key: frozen(constant(value)) for key, value in kwargs.items()}
        line = (op, args, kwargs, out, labels)
        for tape in tapes:
            tape.record(line)
    return out


@final
class Tensor(NumPyFace):
    """A value that tapes follow: `data`, a read-only array that is a copy of what was given; `name`; `grad`.

    Wrap what you want to differentiate or feed; leave constants as arrays and numbers. dtype and shape are those of
    the given array. `==` compares elementwise; the hash is the identity. A tensor keeps no tape alive.

    Raises TypeError for complex numbers, objects and strings, and for another Tensor.
    """

    __slots__ = ("_data", "_tape", "grad", "name")
    __apply__ = staticmethod(apply)

    _data: NDArray[Any]
    name: str | None
    grad: NDArray[Any] | None
    _tape: weakref.ref[Any] | None

    def __init__(self, data: ArrayLike, name: str | None = None) -> None:
        self._data = errors.as_array(data)
        self._data.setflags(write=False)
        self.name, self.grad, self._tape = name, None, None

    @property
    def data(self) -> NDArray[Any]:
        """The values, a read-only array."""
        self.require_unsealed("x.data")
        self._data.setflags(write=False)
        return self._data

    @data.setter
    def data(self, value: Any) -> NoReturn:
        raise errors.no_data_setter(self)

    shape = property(lambda self: self._data.shape, doc="The shape, as of the array.")
    dtype = property(lambda self: self._data.dtype, doc="The dtype, as of the array.")
    ndim = property(lambda self: self._data.ndim, doc="The number of axes.")
    size = property(lambda self: self._data.size, doc="The number of entries.")

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        raise errors.no_assignment(self)

    def __len__(self) -> int:
        if not self.ndim:
            raise errors.no_length()
        return len(self._data)

    def __iter__(self) -> Iterator[Tensor]:
        if not self.ndim:
            raise errors.no_axis("iteration over")
        return (self[k] for k in range(len(self)))

    # ------------------------------------------------------------------------------------------ leaving the tape

    def require_unsealed(self, how: str) -> None:
        """Raise TypeError if the values of this Tensor stay on a tape that is open: see `Tape(sealed=True)`."""
        tape = self._tape() if self._tape is not None else None
        if tape is not None and tape.sealed:
            raise errors.sealed(self, how)

    def _refuse_to_leave(self, how: str) -> None:
        self.require_unsealed(how)
        if current()[0]:
            raise errors.leaves_its_tape(self, how)

    def _only_entry(self, how: str) -> Any:
        if self.size != 1:
            raise errors.not_one_entry(self, how)
        return self._data.item()

    def item(self) -> Any:
        """The value of a Tensor with one entry, as a Python number."""
        self.require_unsealed("x.item()")
        return self._only_entry("item()")

    def __bool__(self) -> bool:
        self.require_unsealed("bool()")
        return bool(self._only_entry("bool()"))

    def __float__(self) -> float:
        self._refuse_to_leave("float()")
        return float(self._only_entry("float()"))

    def __int__(self) -> int:
        self._refuse_to_leave("int()")
        return int(self._only_entry("int()"))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        self._refuse_to_leave("np.array()")
        return np.array(self.data, dtype=dtype, copy=copy)

    def __reduce__(self) -> tuple[Any, ...]:
        self.require_unsealed("a copy or pickle")
        return rebuilt, (self._data, self.name, self.grad)

    def describe(self) -> str:
        """`'h' (3, 5)`, or `unnamed (3, 5)`: how messages speak of it."""
        return f"{self.name!r} {self.shape}" if self.name else f"unnamed {self.shape}"

    def __repr__(self) -> str:
        tape = self._tape() if self._tape is not None else None
        values = np.array2string(self._data, separator=", ", threshold=100, prefix="Tensor(")
        if tape is not None and tape.sealed:
            values = f"values on a sealed tape, shape={self.shape}"
        kind = "" if self.dtype == np.float64 else f", dtype={self.dtype}"
        return f"Tensor({values}{kind}{f', name={self.name!r}' if self.name else ''})"

    def __format__(self, spec: str) -> str:
        if not spec:
            return str(self)
        self.require_unsealed(f"format with {spec!r}")
        return format(self.data if self.ndim else self.item(), spec)

    # ------------------------------------------------------------------------------------------ the history

    def detach(self) -> Tensor:
        """The same values, through which no gradient flows (recorded, so that a replay computes them anew)."""
        return apply(PRIMITIVES["detach"], (self,))

    def backward(self, seed: ArrayLike | None = None) -> None:
        """Add the gradient of this Tensor to `.grad` of every leaf of its tape that it depends on.

        A leaf is a float Tensor that no operation on the tape made. `seed`, of this Tensor's shape, is its cotangent
        (default 1, for a scalar). Never recorded. `tape.gradient` gives the same numbers and changes nothing.
        """
        self.require_unsealed("backward()")
        tape = self._tape() if self._tape is not None else None
        if tape is None:
            raise errors.no_tape(self)
        tape.backward(self, seed)


_new: Callable[[type[Tensor]], Tensor] = object.__new__


def leaf(array: NDArray[Any], name: str | None = None) -> Tensor:
    """A Tensor of this very array, not of a copy: for an array that nobody changes."""
    out = _new(Tensor)
    out._data = array
    out.name = name
    out.grad = out._tape = None
    return out


def named(name: str, value: Any) -> Any:
    """Name an intermediate result, so that tables, drawings and `tape.find` can speak of it; gives back `value`.

    Does nothing to an array, and leaves a name that is there already.
    """
    if isinstance(value, Tensor) and value.name is None:
        value.name = name
    return value


def rebuilt(data: NDArray[Any], name: str | None, grad: NDArray[Any] | None) -> Tensor:
    """A Tensor from a copy or a pickle."""
    out = Tensor(data, name)
    out.grad = grad
    return out


IMMUTABLE = constants.IMMUTABLE | {Tensor}
