"""`Tensor`, a value that a tape can follow, and `apply`, the one way an operation runs.

A Tensor is a read-only NumPy array with a name. NumPy is the language: operators, `np.tanh(x)`, `np.stack(xs)` and
`x.sum(axis=0)` all end in `apply`, which computes the value and writes one line on every open tape.

>>> import numpy as np
>>> x = Tensor([1.0, 2.0], name="x")
>>> np.tanh(x) * 2
Tensor([1.52318831, 1.92805516])
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

from numpy import asarray, ndarray
from numpy.typing import ArrayLike, NDArray

from tinygrad_rnn.core import errors
from tinygrad_rnn.core.constants import IMMUTABLE, constant, frozen
from tinygrad_rnn.core.numpy_face import NumPyFace
from tinygrad_rnn.core.recording import Scope, current
from tinygrad_rnn.core.table import Args, Kwargs, Primitive

Array = NDArray[Any]
Line = tuple[Primitive, Args, Kwargs, "Tensor", Scope]
"""One line of a tape: the call `out = op(*args, **kwargs)`, made under a scope, as (op, args, kwargs, out, scope)."""

NO_KWARGS: Kwargs = {}
"""The keyword arguments of every line that has none, so that it costs no dict of its own."""


def apply(op: Primitive, args: Args, kwargs: Kwargs = NO_KWARGS) -> Tensor:
    """Compute `op(*args, **kwargs)` and write the call on every open tape."""
    values: list[Any] = []  # the arguments, with arrays for Tensors
    plain = True  # are all arguments Tensors, or of types that cannot change?
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
    out._data = data if type(data) is ndarray else asarray(data)
    out.name = out.grad = out._tape = None
    tapes, labels = current()
    if tapes:
        out._tape = tapes[0].ref
        if not plain:
            args = tuple([frozen(a) for a in args])
        if kwargs:
            kwargs = {key: frozen(constant(value)) for key, value in kwargs.items()}
        line: Line = (op, args, kwargs, out, labels)
        for tape in tapes:
            tape.record(line)
    return out


@final
class Tensor(NumPyFace):
    """A value that tapes follow: `data`, a read-only copy of the given array; `name`; `grad`.

    Wrap the values to differentiate or feed; leave constants as arrays and numbers. dtype and shape are those of
    the given array. `==` compares elementwise; the hash is the identity. A tensor keeps no tape alive.

    Raises TypeError for complex numbers, objects and strings, and for another Tensor.
    """

    # `_tape`: a weak reference to the outermost tape on which an operation made this Tensor; None for a leaf.
    __slots__ = ("_data", "_tape", "grad", "name")
    __apply__ = staticmethod(apply)  # for `table`, which cannot import `apply`

    grad: Array | None

    def __init__(self, data: ArrayLike, name: str | None = None) -> None:
        self._data = errors.as_array(data)
        self._data.setflags(write=False)
        self.name, self.grad, self._tape = name, None, None

    def backward(self, seed: ArrayLike | None = None) -> None:
        """Add the gradient of this Tensor to `.grad` of every leaf of its tape that it depends on.

        A leaf is a float Tensor that no operation on the tape made. `seed`, of this Tensor's shape, is its cotangent
        (default 1, for a scalar). Never recorded. `tape.gradient` gives the same numbers and changes nothing.
        """
        self.require_unsealed("backward()")
        tape = self.tape
        if tape is None:
            raise errors.no_tape(self)
        tape.backward(self, seed)  # see tape/full_tape.py: by tape.gradient

    def __reduce__(self) -> Args:
        self.require_unsealed("a copy or pickle")
        return rebuilt, (self._data, self.name, self.grad)


_new: Callable[[type[Tensor]], Tensor] = object.__new__


def leaf(array: Array, name: str | None = None) -> Tensor:
    """Return a Tensor of this very array, not of a copy: for an array that nobody changes."""
    out = _new(Tensor)
    out._data, out.name, out.grad, out._tape = array, name, None, None
    return out


def named(name: str, value: Any) -> Any:
    """Name an intermediate result, so that tables, drawings and `tape.find` can speak of it, and return it.

    An array is returned as it is, and a Tensor that has a name keeps it.
    """
    if isinstance(value, Tensor) and value.name is None:
        value.name = name
    return value


def rebuilt(data: Array, name: str | None, grad: Array | None) -> Tensor:
    """Return the Tensor of a copy or a pickle."""
    out = Tensor(data, name)
    out.grad = grad
    return out
