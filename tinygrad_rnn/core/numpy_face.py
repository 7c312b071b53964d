"""The parts of an array that a Tensor has too: operators, methods, NumPy's protocols. All of it ends in `__apply__`.

To understand the engine, skip this file: it says only that `x + y` is `add`, `x.sum()` is `np.sum(x)`, and that NumPy's
function of a Tensor is ours from the table.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from tinygrad_rnn.core import errors
from tinygrad_rnn.core.calling import UNSAID, as_ours, same
from tinygrad_rnn.core.constants import as_index
from tinygrad_rnn.core.recording import current
from tinygrad_rnn.core.sparse import BASIC_INDICES
from tinygrad_rnn.core.table import PRIMITIVES, TABLE, Args, Function, Kwargs, Primitive
from tinygrad_rnn.core.values import Value, Values, bare


def operator(name: str) -> tuple[Function, Function]:
    """Return the methods for `x + y`, and for its reflection where x is no Tensor."""

    def plain(self: Any, other: Value) -> Value:
        return self.__apply__(PRIMITIVES[name], (self, other))

    def reflected(self: Any, other: Value) -> Value:
        return self.__apply__(PRIMITIVES[name], (other, self))

    return plain, reflected


def logical(name: str) -> Function:
    """Return the method for `&`, `|`, `^` or `~` of booleans."""

    def of_booleans(self: Any, *others: Value) -> Value:
        for x in (self, *others):
            if np.asarray(bare(x)).dtype != bool:
                raise errors.not_boolean(x, name)
        return self.__apply__(PRIMITIVES[name], (self, *others))

    return of_booleans


def method(function: Function) -> Function:
    """Return a function of NumPy as a method: `np.sum(x, axis=0)` as `x.sum(axis=0)`."""

    def of_tensor(self: Any, *args: Any, **kwargs: Any) -> Value:
        return function(self, *args, **kwargs)

    of_tensor.__name__, of_tensor.__doc__ = function.__name__, f"As `np.{function.__name__}` of this Tensor."
    return of_tensor


class NumPyFace(Values):
    """The part of a Tensor that computes."""

    __slots__ = ()
    __apply__: Function

    __add__, __radd__ = operator("add")
    __sub__, __rsub__ = operator("subtract")
    __mul__, __rmul__ = operator("multiply")
    __truediv__, __rtruediv__ = operator("divide")
    __pow__, __rpow__ = operator("power")
    __matmul__, __rmatmul__ = operator("matmul")
    __mod__, __rmod__ = operator("remainder")
    __floordiv__, __rfloordiv__ = operator("floor_divide")
    __lt__, __gt__ = operator("less")[0], operator("greater")[0]
    __le__, __ge__ = operator("less_equal")[0], operator("greater_equal")[0]
    __eq__, __ne__ = operator("equal")[0], operator("not_equal")[0]
    __hash__ = object.__hash__
    __and__ = __rand__ = logical("logical_and")
    __or__ = __ror__ = logical("logical_or")
    __xor__ = __rxor__ = logical("logical_xor")
    __invert__ = logical("logical_not")

    sum, mean, prod, max, min = (method(f) for f in (np.sum, np.mean, np.prod, np.max, np.min))
    var, std, cumsum, cumprod = (method(f) for f in (np.var, np.std, np.cumsum, np.cumprod))
    argmax, argmin, argsort = (method(f) for f in (np.argmax, np.argmin, np.argsort))
    ravel, squeeze, swapaxes, repeat = (method(f) for f in (np.ravel, np.squeeze, np.swapaxes, np.repeat))
    take, diagonal, trace, dot = (method(f) for f in (np.take, np.diagonal, np.trace, np.dot))
    round, flatten, any, all = (method(f) for f in (np.round, np.ravel, np.any, np.all))

    def __divmod__(self, other: Value) -> tuple[Value, Value]:
        return self // other, self % other

    def __rdivmod__(self, other: Value) -> tuple[Value, Value]:
        return other // self, other % self

    def __neg__(self) -> Value:
        return self.__apply__(PRIMITIVES["negative"], (self,))

    def __pos__(self) -> Value:
        return self

    def __abs__(self) -> Value:
        return self.__apply__(PRIMITIVES["absolute"], (self,))

    @property
    def T(self) -> Value:  # noqa: N802 - NumPy's name
        """The transpose: the axes in reverse order."""
        return self.__apply__(PRIMITIVES["transpose"], (self,))  # not through NumPy: a cell asks for it at every step

    @property
    def mT(self) -> Value:  # noqa: N802 - NumPy's name
        """Return the transpose of the last two axes."""
        return np.swapaxes(self, -1, -2)

    def transpose(self, *axes: Any) -> Value:
        """Return a Tensor with the axes in another order; reversed by default."""
        axes = spread(axes)
        return np.transpose(self) if axes in ((), (None,)) else np.transpose(self, axes)

    def reshape(self, *shape: Any, **options: Any) -> Value:
        """Return a Tensor of the same entries in another shape."""
        return np.reshape(self, spread(shape), **options)

    def clip(self, min: Value = None, max: Value = None, **options: Any) -> Value:
        """As `np.clip` of this Tensor."""
        return np.clip(self, min, max, **options)

    def copy(self, order: str = "C") -> Value:
        """Return a Tensor of the same values: a copy on the tape, through which gradients flow."""
        return np.copy(self, order=order)  # type: ignore[call-overload]

    def detach(self) -> Value:
        """Return the same values, through which no gradient flows (recorded, so that `tape.rerun` computes them)."""
        return self.__apply__(PRIMITIVES["detach"], (self,))

    def astype(self, dtype: Any, *, copy: bool = True) -> Value:
        """Return a new Tensor, whatever `copy`, in another dtype; the cotangent comes back in this one."""
        return self.__apply__(PRIMITIVES["astype"], (self,), {"dtype": np.dtype(dtype)})

    def __getitem__(self, index: object) -> Value:
        parts = index if type(index) is tuple else (index,)
        if not BASIC_INDICES.issuperset(map(type, parts)):
            parts = tuple([as_index(p) if isinstance(p, list | tuple | range) else p for p in parts])
            for p in parts:
                if isinstance(p, NumPyFace) and p.dtype == bool:  # how many it picks is the shape of the result
                    p.require_unsealed("an index of booleans")
        return self.__apply__(PRIMITIVES["getitem"], (self, *parts))  # a Tensor in the index is an input like any other

    def __array_ufunc__(self, ufunc: np.ufunc, how: str, *inputs: Value, **kwargs: Any) -> Value:
        ours = TABLE.get(ufunc)
        if not kwargs and how == "__call__" and type(ours) is Primitive:
            return self.__apply__(ours, inputs)
        kwargs = {key: value for key, value in kwargs.items() if not same(value, UNSAID.get(key, kwargs))}
        if how != "__call__" or kwargs:
            raise errors.no_plain_call(self, ufunc, how, kwargs)
        return self.__apply__(ours, inputs) if type(ours) is Primitive else dispatch(ufunc, inputs, kwargs)

    def __array_function__(self, function: Function, types: object, args: Args, kwargs: Kwargs) -> Value:
        return dispatch(function, args, kwargs)


class Lacking:
    """An attribute of an array that a Tensor lacks: to read it raises an error that says what to write instead.

    One `__getattr__` would do for all of them, but Python then reads every attribute of a Tensor several times slower.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, x: object, owner: object = None) -> NoReturn:
        raise errors.no_attribute(self._name)


for name in dir(np.ndarray):
    if not name.startswith("_") and not hasattr(NumPyFace, name):
        setattr(NumPyFace, name, Lacking(name))


def dispatch(function: Function, args: Args, kwargs: Kwargs) -> Value:
    """Call our function for one of NumPy's that got a Tensor, or, outside any tape, NumPy's own on the values."""
    ours = TABLE.get(function)
    if ours is not None:
        args, kwargs = as_ours(function, ours, args, kwargs)
        try:
            return ours(*args, **kwargs)
        except (TypeError, ValueError, IndexError, ArithmeticError) as error:  # of NumPy's or Python's own
            if "\n" in str(error):
                raise
            raise errors.explained(function.__name__, args, error) from error
    if current()[0]:
        raise errors.no_rule(function)
    return function(*without_tensors(args), **{key: without_tensors(value) for key, value in kwargs.items()})


def without_tensors(tree: Value) -> Value:
    """Return an argument of a call with the values of its Tensors in their place."""
    if isinstance(tree, NumPyFace):
        return tree.data
    return type(tree)(without_tensors(item) for item in tree) if type(tree) in (list, tuple) else tree


def spread(values: Args) -> Args:
    """Return the numbers of a shape or of axes, given one by one or as one tuple."""
    return tuple(values[0]) if len(values) == 1 and isinstance(values[0], tuple | list) else values
