"""`primitive`: an operation is a function on arrays and one line for each partial derivative; and the table of all.

>>> double = primitive(lambda x: 2 * x, lambda g, y, x: 2 * g, name="doctest_double")
>>> double(1.5)
3.0
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_rnn.core.kinds import KINDS

Args = tuple[Any, ...]
"""The positional arguments of a call: Tensors, arrays, numbers, the parts of an index."""

Kwargs = dict[str, Any]
Function = Callable[..., Any]

PRIMITIVES: dict[str, Primitive] = {}  # by name
TABLE: dict[Function, Function] = {}
"""NumPy's function -> ours: a primitive, or a plain function made of primitives."""


class Primitive:
    """An operation: a function on arrays, and how a cotangent of its result goes back to each argument.

    `vjps[k](g, y, *args, **kwargs)` is the vector-Jacobian product for argument k, None where there is no derivative:
    `g` is the cotangent of the result `y`. The product has the shape of that argument, or of `y` where the argument was
    broadcast: the walk back sums over broadcast axes. With `variadic`, `vjps` is one function, which returns a sequence
    with one product for each argument. A vjp is written in functions that are recorded themselves, so every higher
    derivative is there. `arity` is the number of vjps. Arguments after those are no operands: the parts of an index.

    Two notes serve rooms above. `kind`, one of `KINDS`, says how the result depends on the arguments. `analytic` says
    whether the function is complex differentiable as NumPy computes it: the complex step of `check_grads` needs that.
    """

    __slots__ = ("analytic", "arity", "function", "kind", "name", "variadic", "vjps")

    def __init__(self, name: str, function: Function, vjps: Any, variadic: bool, analytic: bool, kind: str) -> None:
        self.name, self.function, self.vjps = name, function, vjps
        self.variadic, self.analytic, self.kind = variadic, analytic, kind
        self.arity = None if variadic else len(vjps)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return a Tensor, recorded, where an argument is one; otherwise the value of the function on arrays."""
        for a in args:
            if hasattr(a, "__apply__"):  # a Tensor, which this file cannot import: it is built on this one
                return a.__apply__(self, args, kwargs)
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def __reduce__(self) -> Args:
        return by_name, (self.name,)


def by_name(name: str) -> Primitive:
    """Return the primitive of that name."""
    return PRIMITIVES[name]


def primitive(
    function: Function,
    *vjps: Function | None,
    name: str = "",
    numpy: Function | None = None,
    variadic: bool = False,
    analytic: bool = True,
    kind: str = "",
) -> Primitive:
    """Add an operation to the table: the function on arrays, and one vjp for each argument (see `Primitive`).

    `numpy` is the NumPy function that it is for Tensors; by default `function`, if that is a ufunc without a rule.
    """
    name = name or function.__name__
    if variadic and len(vjps) != 1:
        raise ValueError(f"primitive: {name} is variadic, with {len(vjps)} rules\ngive one function for all products")
    if name in PRIMITIVES:
        raise ValueError(f"primitive: the name {name!r} is taken\nchoose another name")
    if kind not in KINDS:
        raise ValueError(f"primitive: {name} has the kind {kind!r}\nchoose one of {', '.join(map(repr, KINDS))}")
    if not kind and isinstance(function, np.ufunc) and function.signature is None:
        kind = "elementwise"
    op = PRIMITIVES[name] = Primitive(name, function, vjps[0] if variadic else vjps, variadic, analytic, kind)
    if numpy is not None:
        TABLE[numpy] = op
    elif isinstance(function, np.ufunc):
        TABLE.setdefault(function, op)
    return op
