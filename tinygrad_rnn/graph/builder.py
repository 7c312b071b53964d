"""Writing new calls into a list: each distinct call once, and what comes to nothing left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.core.recording import Scope
from tinygrad_rnn.core.tensor import NO_KWARGS, Line, Tensor
from tinygrad_rnn.graph.graph import Node, Value, op


class Builder:
    """Appends calls to `nodes`; the same call on the same Values is made once."""

    def __init__(self, nodes: list[Any], by: str, scope: Scope = ()) -> None:
        self.nodes = nodes
        self.by = by
        self.scope = scope
        self._made: dict[Any, Value] = {}
        self._unspread: dict[Value, Value] = {}  # what broadcast_to was given, by what it made

    def call(
        self, name: str, args: Sequence[Any], shape: tuple[int, ...], dtype: Any, kwargs: Mapping[str, Any] = NO_KWARGS
    ) -> Value:
        """The result of the call, a new Value or the one that it made before."""
        key = (name, tuple(map(key_of, args)), tuple((k, key_of(v)) for k, v in kwargs.items()))
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = Value(tuple(shape), np.dtype(dtype))
            self.nodes.append(Node(op(name), tuple(args), found, kwargs, self.scope, self.by))
        return found

    def arithmetic(self, name: str, a: Any, b: Any) -> Any:
        """A ufunc of two operands, each a Value or a number; numbers alone give a number."""
        if not isinstance(a, Value) and not isinstance(b, Value):
            return float(getattr(np, name)(a, b))
        if name == "multiply":
            return self._product(a, b)
        values = [v for v in (a, b) if isinstance(v, Value)]
        shape = np.broadcast_shapes(*(v.shape for v in values))
        return self.call(name, (a, b), shape, np.result_type(*(v.dtype for v in values)))

    def _product(self, a: Any, b: Any) -> Any:
        for x, y in ((a, b), (b, a)):
            if not isinstance(x, Value) and isinstance(y, Value) and y.dtype.kind == "f":
                if x == 1:
                    return y
                if y in self._unspread:
                    return self.spread(self._product(x, self._unspread[y]), y.shape)
                if x == -1:
                    return self.call("negative", (y,), y.shape, y.dtype)
        values = [v for v in (a, b) if isinstance(v, Value)]
        shape = np.broadcast_shapes(*(v.shape for v in values))
        for k, (x, y) in enumerate(((a, b), (b, a))):
            source = self._unspread.get(x) if isinstance(x, Value) else None
            if source is not None and isinstance(y, Value) and y.shape == shape:
                a, b = (source, y) if k == 0 else (y, source)
                break
        return self.call("multiply", (a, b), shape, np.result_type(*(v.dtype for v in values)))

    def spread(self, v: Value, shape: tuple[int, ...]) -> Value:
        """V, broadcast to a shape."""
        if v.shape == shape:
            return v
        made = self.call("broadcast_to", (v,), shape, v.dtype, {"shape": shape})
        self._unspread[made] = v
        return made

    def summed(self, v: Value, axes: tuple[int, ...], shape: tuple[int, ...]) -> Value:
        """V summed over axes, in the shape that is left, or one that has them at length 1."""
        kept = tuple(n for k, n in enumerate(v.shape) if k not in axes)
        total = self.call("sum", (v,), kept, v.dtype, {"axis": axes}) if axes else v
        return self.shaped(total, shape)

    def shaped(self, v: Value, shape: tuple[int, ...]) -> Value:
        """V in another shape."""
        return v if v.shape == shape else self.call("reshape", (v, shape), shape, v.dtype)

    def cast(self, v: Value, dtype: np.dtype[Any]) -> Value:
        """V in another dtype."""
        return v if v.dtype == dtype else self.call("astype", (v,), v.shape, dtype, {"dtype": dtype})

    def recorded(self, lines: Sequence[Line], known: dict[int, Any], result: Any) -> Any:
        """The calls of a tape on Tensors of which `known` says, by id, what they stand for; what `result` is then."""
        for operation, args, kwargs, out, _ in lines:
            given = [self._known(a, known) for a in args]
            known[id(out)] = self._converted(operation, given, kwargs, out)
        return self._known(result, known)

    def _known(self, a: Any, known: dict[int, Any]) -> Any:
        if type(a) is Tensor:
            if id(a) not in known:
                known[id(a)] = Value(a.shape, a.dtype, constant=a._data)
            found = known[id(a)]
            if callable(found):  # a value of the forward pass, brought here where a rule reads it
                found = known[id(a)] = found()
            return found
        return Value(a.shape, a.dtype, constant=a) if isinstance(a, np.ndarray) else a

    def _converted(self, operation: Any, given: list[Any], kwargs: Any, out: Tensor) -> Any:
        name = operation.name
        if not any(isinstance(a, Value) for a in given):
            if name in ("multiply", "add", "subtract", "divide"):
                return self.arithmetic(name, *given)
            if name == "negative":
                return -given[0]
            constant = np.asarray(out._data)
            return Value(constant.shape, constant.dtype, constant=constant)
        if name == "positive":
            return given[0]
        if name == "multiply":
            made = self._product(*(self.cast(a, out.dtype) if isinstance(a, Value) else a for a in given))
            if made.shape == out.shape:
                return made if made.dtype == out.dtype else self.cast(made, out.dtype)
        if name == "broadcast_to" and isinstance(given[0], Value):
            return self.spread(given[0], out.shape)
        if name in ("reshape", "expand_dims", "squeeze") and isinstance(given[0], Value):
            return self.shaped(given[0], out.shape)
        made = self.call(name, given, out.shape, out.dtype, kwargs)
        if made.example is None:
            made.example = out._data
        return made


def key_of(a: Any) -> Any:
    """What tells arguments apart: Values and arrays by identity, the rest by type and value."""
    if isinstance(a, Value):
        return a
    if isinstance(a, np.ndarray):
        return id(a)
    if isinstance(a, slice):
        return slice, a.start, a.stop, a.step
    if isinstance(a, tuple | list):
        return tuple(map(key_of, a))
    return type(a), a.hex() if isinstance(a, float) else a  # 0.0 and -0.0 are equal, and two numbers
