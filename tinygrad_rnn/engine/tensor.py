"""`Tensor`, a value that a tape can follow; `apply`, the one way an operation runs; and the derivative table.

A tensor is a read-only NumPy array with a name. NumPy is the language: operators, `np.tanh(x)`, `np.stack(xs)` and
`x.sum(axis=0)` all end in `apply`, which computes the value and writes one line on every open tape. What an
operation is, and what its derivatives are, stands in `TABLE`; the files in `primitives/` fill it.

>>> x = Tensor([1.0, 2.0], name="x")
>>> np.tanh(x) * 2
Tensor([1.52318831, 1.92805516])
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any, Literal, NoReturn, final

import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike, NDArray

from tinygrad_rnn.engine.errors import explained, refuse_dtype
from tinygrad_rnn.engine.methods import ArrayMethods
from tinygrad_rnn.engine.recording import NO_KWARGS, current, where_text

Vjp = Callable[..., Any]
Tangent = Literal["elementwise", "linear", "multilinear"]


class Primitive:
    """An operation: a function on arrays, and how a cotangent of its result goes back to each argument.

    `vjps[k](g, y, *args, **kwargs)` is the vector-Jacobian product for argument k: `g` is the cotangent of the
    result `y` (same shape), and what it returns has the shape of that argument, or of `y` where the argument was
    broadcast: the walk back sums over broadcast axes. None where there is no derivative. With `variadic`, `vjps`
    is one function, which returns a sequence with one product for each argument.

    A vjp is written in functions that are recorded themselves, so every higher derivative is there.
    `analytic` says that the function is complex differentiable as NumPy computes it, which a complex step needs.

    `tangent` says how forward mode goes through: "elementwise", by the vjp, which is the tangent's rule as well;
    "linear", by the function itself, applied to all tangents together; "multilinear", to one tangent at a time with
    the other arguments as they are. None: by the transpose of the vjp, which serves every operation, at twice the cost.
    """

    __slots__ = ("analytic", "arity", "function", "name", "tangent", "variadic", "vjps")

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        vjps: Any,
        *,
        variadic: bool,
        analytic: bool,
        tangent: Tangent | None,
    ) -> None:
        self.name = name
        self.function = function
        self.vjps = vjps
        self.variadic = variadic
        self.arity = None if variadic else len(vjps)
        self.analytic = analytic
        self.tangent = tangent

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The result: a Tensor, recorded, where an argument is one; otherwise what the function gives on arrays."""
        if args and type(args[0]) is Tensor and not kwargs:
            return apply(self, *args)
        for a in args:
            if type(a) is Tensor:
                return apply(self, *args, **kwargs)
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _primitive_named, (self.name,)


PRIMITIVES: dict[str, Primitive] = {}
"""Every primitive, by name."""

TABLE: dict[Callable[..., Any], Callable[..., Any]] = {}
"""NumPy's function -> ours: a primitive, or a plain function made of primitives."""


def primitive(
    function: Callable[..., Any],
    *vjps: Vjp | None,
    name: str = "",
    numpy: Callable[..., Any] | None = None,
    variadic: bool = False,
    analytic: bool = True,
    tangent: Tangent | None = None,
) -> Primitive:
    """Add an operation to the table: the function on arrays, and one vjp for each argument (see `Primitive`).

    `numpy` is the NumPy function that it stands for; by default `function`, if that is a ufunc without a rule.

    >>> double = primitive(lambda x: 2 * x, lambda g, y, x: 2 * g, name="doctest_double")
    >>> double(Tensor(3.0))
    Tensor(6.)
    """
    name = name or function.__name__
    if variadic and len(vjps) != 1:
        raise ValueError(f"primitive: {name} is variadic, with {len(vjps)} rules\ngive one function for all products")
    if name in PRIMITIVES:
        raise ValueError(f"primitive: the name {name!r} is taken\nchoose another name")
    if tangent is None and isinstance(function, np.ufunc) and function.signature is None:
        tangent = "elementwise"
    op = Primitive(name, function, vjps[0] if variadic else vjps, variadic=variadic, analytic=analytic, tangent=tangent)
    PRIMITIVES[name] = op
    if numpy is not None:
        TABLE[numpy] = op
    elif isinstance(function, np.ufunc):
        TABLE.setdefault(function, op)
    return op


def _primitive_named(name: str) -> Primitive:
    return PRIMITIVES[name]


def apply(op: Primitive, *args: Any, **kwargs: Any) -> Tensor:
    """Compute `op(*args, **kwargs)` and write the call on every open tape.

    Errors of the function come back with the operation, the shapes and names of its inputs, and the scope.
    """
    values = []
    constants = False  # arrays and the like among the arguments, which could change after they were recorded
    for a in args:
        if type(a) is Tensor:
            values.append(a._data)
        else:
            values.append(a)
            if type(a) not in _IMMUTABLE:
                constants = True
    if constants:
        args = tuple([_constant(a, op.arity is None or k < op.arity) for k, a in enumerate(args)])
        values = [a._data if type(a) is Tensor else a for a in args]
    try:
        data = op.function(*values, **kwargs) if kwargs else op.function(*values)
    except Exception as error:
        raise explained(op.name, args, error) from error
    out = _new(Tensor)
    out._data = data if type(data) is ndarray else np.asarray(data)
    out.name = None
    out.grad = None
    tapes, labels = current()
    if tapes:
        out._tape = tapes[0].ref
        if constants:
            args = tuple([_fixed(a) for a in args])
        if kwargs:
            kwargs = {key: _fixed(_constant(value, operand=False)) for key, value in kwargs.items()}
        entry = (op, args, kwargs or NO_KWARGS, out, labels)
        for tape in tapes:
            tape.record(entry)
    else:
        out._tape = None
    return out


_new: Callable[[type[Tensor]], Tensor] = object.__new__


def leaf(array: NDArray[Any], name: str | None = None) -> Tensor:
    """A Tensor of this very array, not of a copy: for an array that nobody changes."""
    out = _new(Tensor)
    out._data = array
    out.name = name
    out.grad = None
    out._tape = None
    return out


def _constant(value: Any, operand: bool) -> Any:
    """A constant argument as an operation takes it: a plain array where it is an operand, however it was written."""
    if type(value) in _IMMUTABLE or (type(value) is ndarray and value.dtype.kind in "fiub"):
        return value
    if isinstance(value, list | tuple) and not operand:
        return tuple(value)  # axes, a shape, an index
    if isinstance(value, list | tuple) and any(isinstance(item, Tensor) for item in value):
        value = np.array(value)  # refused, with what to do, where a tape is open
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"a masked array as a constant{where_text()}\nfill it, or use np.where(mask, ...)")
    if isinstance(value, list | tuple | ndarray | complex):
        array = np.asarray(value)
        refuse_dtype(array.dtype, "a constant")
        return array
    return value


def _fixed(value: Any) -> Any:
    """A constant as a tape keeps it: a copy, unless nobody can change it."""
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
    """A sequence in an index as an array: of integers where it is empty."""
    return np.asarray(part, None if len(part) else np.intp)


@final
class Tensor(ArrayMethods):
    """A value that tapes follow: `data`, a read-only array that is a copy of what was given; `name`; `grad`.

    Wrap what you want to differentiate or feed; leave constants as arrays and numbers. dtype and shape are those of
    the given array. `==` compares elementwise; the hash is the identity. A tensor keeps no tape alive.

    Raises TypeError for complex numbers, objects and strings, and for another Tensor.
    """

    __slots__ = ("_data", "_tape", "grad", "name")
    __hash__ = object.__hash__

    _data: NDArray[Any]
    name: str | None
    grad: NDArray[Any] | None
    _tape: weakref.ref[Any] | None

    def __init__(self, data: ArrayLike, name: str | None = None) -> None:
        if isinstance(data, Tensor):
            raise TypeError(
                f"Tensor: the value is a Tensor already ({data.describe()})\n"
                "use it as it is, or x.detach() to cut its history"
            )
        if isinstance(data, np.ma.MaskedArray):
            raise TypeError(f"Tensor: a masked array{where_text()}\nfill it, or keep the mask beside it")
        try:
            array = np.array(data)
        except ValueError as error:
            raise ValueError(f"Tensor: {error}{where_text()}\npass a rectangular array of numbers") from error
        refuse_dtype(array.dtype, "Tensor: a value")
        array.setflags(write=False)
        self._data = array
        self.name = name
        self.grad = None
        self._tape = None

    # ------------------------------------------------------------------------------------------ the value

    @property
    def data(self) -> NDArray[Any]:
        """The values, a read-only array."""
        self.require_unsealed("x.data")
        self._data.setflags(write=False)
        return self._data

    @data.setter
    def data(self, value: Any) -> NoReturn:
        raise AttributeError(
            f"Tensor: the values of {self.describe()} do not change, or a tape would record what never was\n"
            "make a new one: x = Tensor(values, name=...)"
        )

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

    def item(self) -> Any:
        """The value of a Tensor with one entry, as a Python number."""
        self.require_unsealed("x.item()")
        return self._only_entry("item()")

    def describe(self) -> str:
        """`'h' (3, 5)`, or `unnamed (3, 5)`: how messages speak of it."""
        return f"{self.name!r} {self.shape}" if self.name else f"unnamed {self.shape}"

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError(f"len() of a 0-d Tensor{where_text()}\nit is one number: use it as it is, or x.item()")
        return len(self._data)

    def __iter__(self) -> Iterator[Tensor]:
        if not self.ndim:
            raise TypeError(f"iteration over a 0-d Tensor{where_text()}\nuse it as it is, or x.item()")
        return (self[k] for k in range(len(self)))

    def __repr__(self) -> str:
        if self._is_sealed():
            values = f"values on a sealed tape, shape={self.shape}"
        else:
            values = np.array2string(self._data, separator=", ", threshold=100, prefix="Tensor(")
        kind = "" if self.dtype == np.float64 else f", dtype={self.dtype}"
        return f"Tensor({values}{kind}{f', name={self.name!r}' if self.name else ''})"

    def __format__(self, spec: str) -> str:
        if spec:
            self.require_unsealed(f"format with {spec!r}")
        return format(self.data if self.ndim else self.item(), spec) if spec else str(self)

    def __bool__(self) -> bool:
        self.require_unsealed("bool()")
        return bool(self._only_entry("bool()"))

    def __float__(self) -> float:
        self._refuse_to_leave("float()")
        return float(self._only_entry("float()"))

    def __int__(self) -> int:
        self._refuse_to_leave("int()")
        return int(self._only_entry("int()"))

    def _only_entry(self, how: str) -> Any:
        if self.size != 1:
            raise TypeError(
                f"{how}: {self.describe()} has {self.size} entries, not one{where_text()}\n"
                "reduce it first, as with .sum(), .any() of its .data, or an index"
            )
        return self._data.item()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        self._refuse_to_leave("np.array()")
        return np.array(self.data, dtype=dtype, copy=copy)

    def _is_sealed(self) -> bool:
        tape = self._tape() if self._tape is not None else None
        return tape is not None and tape.sealed

    def require_unsealed(self, how: str) -> None:
        """Raise TypeError if the values of this Tensor stay on a tape that is open: see `Tape(sealed=True)`."""
        if self._is_sealed():
            raise TypeError(
                f"{how}: would take the values of {self.describe()} off a sealed tape{where_text()}\n"
                "a compiled function is recorded once, and what Python decides from a value is decided once: use "
                "np.where(...), return what you want to see, or pass what decides as an argument that is not "
                "differentiated, as a Python bool or number"
            )

    def _refuse_to_leave(self, how: str) -> None:
        self.require_unsealed(how)
        if current()[0]:
            raise TypeError(
                f"{how}: would take the values of {self.describe()} off the tape that is recording them"
                f"{where_text()}\njoin Tensors with np.stack(xs) or np.concatenate(xs); for the bare values use "
                "x.data or x.item()"
            )

    def __reduce__(self) -> tuple[Any, ...]:
        self.require_unsealed("a copy or pickle")
        return _rebuilt, (self._data, self.name, self.grad)

    # ------------------------------------------------------------------------------------------ the history

    def detach(self) -> Tensor:
        """The same values, through which no gradient flows (recorded, so that a replay computes them anew)."""
        return apply(PRIMITIVES["detach"], self)

    def backward(self, seed: ArrayLike | None = None) -> None:
        """Add the gradient of this Tensor to `.grad` of every leaf of its tape that it depends on.

        A leaf is a float Tensor that no operation on the tape made. `seed`, of this Tensor's shape, is its cotangent
        (default 1, for a scalar). Never recorded. `tape.gradient` gives the same numbers and changes nothing.

        Raises RuntimeError if the tape is gone, or if this was called before.
        """
        self.require_unsealed("backward()")
        tape = self._tape() if self._tape is not None else None
        if tape is None:
            raise RuntimeError(
                f"backward: no tape holds the history of {self.describe()}{where_text()}\n"
                "keep the tape alive until then: with Tape() as tape: ...; then loss.backward()"
            )
        tape.backward(self, seed)

    # ------------------------------------------------------------------------------------------ operators

    def __add__(self, other: Any) -> Tensor:
        return apply(PRIMITIVES["add"], self, other)

    def __radd__(self, other: Any) -> Tensor:
        return apply(PRIMITIVES["add"], other, self)

    def __sub__(self, other: Any) -> Tensor:
        return apply(PRIMITIVES["subtract"], self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return apply(PRIMITIVES["subtract"], other, self)

    def __mul__(self, other: Any) -> Tensor:
        return apply(PRIMITIVES["multiply"], self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return apply(PRIMITIVES["multiply"], other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return apply(PRIMITIVES["divide"], self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return apply(PRIMITIVES["divide"], other, self)

    def __pow__(self, other: Any) -> Tensor:
        return apply(PRIMITIVES["power"], self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return apply(PRIMITIVES["power"], other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return apply(PRIMITIVES["matmul"], self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return apply(PRIMITIVES["matmul"], other, self)

    def __neg__(self) -> Tensor:
        return apply(PRIMITIVES["negative"], self)

    def __pos__(self) -> Tensor:
        return self

    def __abs__(self) -> Tensor:
        return apply(PRIMITIVES["absolute"], self)

    def __lt__(self, other: Any) -> Tensor:
        return apply(PRIMITIVES["less"], self, other)

    def __le__(self, other: Any) -> Tensor:
        return apply(PRIMITIVES["less_equal"], self, other)

    def __gt__(self, other: Any) -> Tensor:
        return apply(PRIMITIVES["greater"], self, other)

    def __ge__(self, other: Any) -> Tensor:
        return apply(PRIMITIVES["greater_equal"], self, other)

    def __eq__(self, other: Any) -> Tensor:  # type: ignore[override]
        return apply(PRIMITIVES["equal"], self, other)

    def __ne__(self, other: Any) -> Tensor:  # type: ignore[override]
        return apply(PRIMITIVES["not_equal"], self, other)

    def __and__(self, other: Any) -> Tensor:
        return self._logical("logical_and", other)

    def __or__(self, other: Any) -> Tensor:
        return self._logical("logical_or", other)

    def __xor__(self, other: Any) -> Tensor:
        return self._logical("logical_xor", other)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __invert__(self) -> Tensor:
        return self._logical("logical_not")

    def _logical(self, name: str, *others: Any) -> Tensor:
        """`&`, `|`, `^` and `~` of booleans."""
        if any(np.asarray(getattr(x, "_data", x)).dtype != bool for x in (self, *others)):
            raise TypeError(
                f"{name}: {self.describe()} is {self.dtype}; & | ^ ~ are for booleans{where_text()}\n"
                "compare first: (x > 0) & (y > 0)"
            )
        return apply(PRIMITIVES[name], self, *others)

    def __getitem__(self, index: Any) -> Tensor:
        parts = index if type(index) is tuple else (index,)
        for part in parts:
            if type(part) not in _PLAIN_INDICES:
                parts = tuple(as_index(p) if isinstance(p, _SEQUENCES) else p for p in parts)
                for p in parts:
                    if type(p) is Tensor and p.dtype == bool:  # how many entries it picks is the shape of the result
                        p.require_unsealed("an index of booleans")
                break
        return apply(PRIMITIVES["getitem"], self, *parts)  # an integer Tensor in the index is an input like any other

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        raise TypeError(
            f"assignment into a Tensor ({self.describe()}): values on a tape do not change{where_text()}\n"
            "build the new value instead: set_at(x, index, value), add_at(x, index, value) or np.where(mask, new, x)"
        )

    @property
    def T(self) -> Tensor:  # noqa: N802 - NumPy's name
        """The transpose: the axes in reverse order."""
        return apply(PRIMITIVES["transpose"], self)  # not through NumPy: a cell asks for it at every step

    def astype(self, dtype: Any) -> Tensor:
        """The values in another dtype; the cotangent comes back in this one."""
        return apply(PRIMITIVES["astype"], self, dtype=np.dtype(dtype))

    # ------------------------------------------------------------------------------------------ NumPy's protocols

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        ours = TABLE.get(ufunc)
        if type(ours) is Primitive and method == "__call__" and not kwargs:
            return apply(ours, *inputs)
        if method != "__call__" or kwargs:
            what = f"np.{ufunc.__name__}.{method}" if method != "__call__" else f"np.{ufunc.__name__}"
            options = f" with {', '.join(f'{key}=' for key in kwargs)}" if kwargs else ""
            raise TypeError(
                f"{what}{options}: cannot be recorded, for Tensor {self.describe()}{where_text()}\n"
                f"write the plain call, y = np.{ufunc.__name__}(...): no out=, where=, dtype= and no ufunc methods; "
                "an array cannot take a Tensor in place"
            )
        return _dispatch(ufunc, inputs, kwargs)

    def __array_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        return _dispatch(func, args, kwargs)


def _dispatch(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """NumPy was called with a Tensor: our function for it, or, outside any tape, NumPy's on the values."""
    ours = TABLE.get(function)
    if ours is not None:
        if "a" in kwargs:  # NumPy's name of the first argument, as in np.sum(a=x)
            args, kwargs = (kwargs["a"], *args), {key: value for key, value in kwargs.items() if key != "a"}
        try:
            return ours(*args, **kwargs)
        except (TypeError, ValueError, IndexError, ArithmeticError) as error:  # of NumPy's or Python's own
            if "\n" in str(error):
                raise
            raise explained(function.__name__, args, error) from error
    if current()[0]:
        raise TypeError(
            f"np.{function.__name__}: has no derivative rule, so a tape cannot record it{where_text()}\n"
            "write it with operations that have one, add one with primitive(function, *vjps), or call it on x.data "
            "if nothing is to be differentiated through it"
        )
    return function(*_values(args), **{key: _values(value) for key, value in kwargs.items()})


def _values(tree: Any) -> Any:
    if isinstance(tree, Tensor):
        return tree.data
    return type(tree)(_values(item) for item in tree) if type(tree) in (list, tuple) else tree


def named(name: str, value: Any) -> Any:
    """Name an intermediate result, so that tables, drawings and `tape.find` can speak of it; gives back `value`.

    Does nothing to an array, and leaves a name that is there already.
    """
    if isinstance(value, Tensor) and value.name is None:
        value.name = name
    return value


def _rebuilt(data: NDArray[Any], name: str | None, grad: NDArray[Any] | None) -> Tensor:
    out = Tensor(data, name)
    out.grad = grad
    return out


_SEQUENCES = (list, tuple, range)
_PLAIN_INDICES = frozenset({int, slice, type(None), type(Ellipsis)})
_IMMUTABLE = frozenset({Tensor, int, float, bool, slice, type(None), type(Ellipsis)})
