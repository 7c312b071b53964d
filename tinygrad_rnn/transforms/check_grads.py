"""`check_grads(f, args)`: the derivatives that the tape gives, of every order and in both modes, against numbers alone.

>>> check_grads(lambda x: np.tanh(x) * x, (np.array([0.3, -1.2]),))
>>> wrong = primitive(lambda x: x**2, lambda g, y, x: g * x, name="doctest_wrong")
>>> check_grads(wrong, (np.array([0.3, -1.2]),))
Traceback (most recent call last):
    ...
AssertionError: check_grads: argument 0, order 1 (rev): ...
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np

from tinygrad_rnn.core.table import Function, primitive  # noqa: F401 - primitive is for the example above
from tinygrad_rnn.core.tensor import Array, Tensor
from tinygrad_rnn.core.trees import Tree, flattened
from tinygrad_rnn.core.values import Value
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.transforms.continuation import Lines
from tinygrad_rnn.transforms.numerical import Derivative, random_direction
from tinygrad_rnn.transforms.rounding import deviations, rounding
from tinygrad_rnn.transforms.transforms import jvp, vjp
from tinygrad_rnn.transforms.witness import Witness, agree, same

RTOL = {"complex step": 1e-9, "differences": 1e-6}
"""How far apart, relative to the size of the terms that add up to the derivative, counts as wrong."""

Leaves = list[Value]


def check_grads(
    f: Function, args: Sequence[Tree], order: int = 2, modes: Sequence[str] = ("rev", "fwd"), seed: int = 0
) -> None:
    """Check the derivatives of f by every array of floats in `args`, up to `order`, in reverse and forward mode.

    One random direction v for each argument, one random cotangent u of the result: <u, Df v> by the tape, and by a
    complex step through its lines where every operation can carry one, else by central differences. Then the same for
    the derivative itself, in each mode, down to `order`. f may take and return trees; arguments of other kinds stay as
    they are. float32 is checked in float64, with a warning, since a numerical derivative in float32 has three digits.

    Two derivatives agree to 1e-9 of the terms that add up to them (1e-6 for differences), or to the effect of rounding,
    where that is more: in saturated units, rounding is as large as the derivative. At a corner, where numbers
    alone do not say which slope is right, nothing is required.

    Raises AssertionError at the first difference, with the argument, the order and modes, both numbers and the error
    estimate; ValueError if f gives two answers for one input, or has no float argument.
    """
    if not modes or set(modes) - {"rev", "fwd"} or order < 1:
        raise ValueError(
            f"check_grads: order={order}, modes={tuple(modes)}\n"
            'order is 1 or more; modes are "rev" and "fwd", one or both'
        )
    leaves, rebuild = flattened(tuple(args))
    chosen = [k for k, (_, value) in enumerate(leaves) if _is_float(value)]
    if not chosen:
        raise ValueError("check_grads: no argument holds floats\ngive args as a tuple: check_grads(f, (x,))")
    if any(np.asarray(_bare(leaves[k][1])).dtype != np.float64 for k in chosen):
        warnings.warn("check_grads: an argument is not float64; it is checked in float64", UserWarning, stacklevel=2)
    names = [_argument(leaves[k][0]) for k in chosen]
    values = [np.array(_bare(leaves[k][1]), np.float64) for k in chosen]

    def of_leaves(*xs: Value) -> Leaves:
        every = [value for _, value in leaves]
        for k, x in zip(chosen, xs, strict=True):
            every[k] = x
        results = [y for _, y in flattened(f(*rebuild(every)))[0]]
        return [y for y in results if not isinstance(y, Tensor) or y.dtype.kind == "f"]

    _refuse_two_answers(of_leaves, values)
    _check(of_leaves, values, names, order, tuple(modes), (), np.random.default_rng(seed))


def _check(
    f: Callable[..., Leaves],
    values: Leaves,
    names: list[str],
    order: int,
    modes: tuple[str, ...],
    taken: tuple[str, ...],
    rng: np.random.Generator,
) -> None:
    """Check the first derivative of f, then, one order lower, each mode's derivative as a function of its own."""
    results, back = vjp(f, *values)
    # A result of large numbers counts as much as one of small ones, or an error in these would not be seen beside it.
    u = [random_direction(rng, np.shape(y)) / max(1.0, np.max(np.abs(y), initial=0)) for y in results]
    v = [random_direction(rng, np.shape(x)) for x in values]
    total = _Total(f, values, u)
    cotangents = back(u)
    for k, name in enumerate(names):
        for mode in modes:
            if mode == "rev":
                terms = [cotangents[k] * v[k]]
            else:
                moved = jvp(f, values, [v[j] if j == k else np.zeros(np.shape(x)) for j, x in enumerate(values)])[1]
                terms = [a * b for a, b in zip(u, moved, strict=True)]
            total.require_close(k, v[k], terms, name, (mode, *taken))
    if order == 1:
        return
    for mode in modes:
        if mode == "rev":

            def slope(*xs: Value) -> Leaves:
                return list(vjp(f, *xs)[1](u))
        else:

            def slope(*xs: Value) -> Leaves:
                return list(jvp(f, xs, v)[1])

        _check(slope, values, names, order - 1, modes, (mode, *taken), rng)


class _Total:
    """<u, f(x)>, and its numerical derivatives: through the lines of its tape, run on other values."""

    def __init__(self, f: Callable[..., Leaves], values: Leaves, u: Leaves) -> None:
        self._f, self._values, self._u = f, values, u
        self._inputs = [Tensor(x) for x in values]
        with Tape() as self._tape:
            self._results = f(*self._inputs)
        self._lines = Lines(self._tape, self._results)

    def require_close(self, k: int, v: Array, terms: Leaves, name: str, modes: tuple[str, ...]) -> None:
        """Raise AssertionError where the derivative along v by argument k is not the sum of `terms`, to rounding."""
        found, size = float(sum(t.sum() for t in terms)), _size(terms)

        def asked(to: Derivative) -> float:
            return RTOL[to.method] * size + 10 * to.error

        if agree(found, self._witness(k, v).derivative(v), asked):
            return
        # The effect of rounding takes a few more runs: they are made only before a derivative is called wrong.
        slope, value = self._rounding(k, v)
        numeric = self._witness(k, v, value).about(v, found, lambda to: max(asked(to), slope))
        if numeric.corner or agree(found, numeric, lambda to: max(asked(to), slope)):
            return
        operations = sorted({entry.op.name for entry in self._tape})
        listed = ", ".join(operations[:12]) + (", ..." if len(operations) > 12 else "")
        raise AssertionError(
            f"check_grads: {name}, order {len(modes)} ({' of '.join(modes)}): the tape gives {found:.12g}, "
            f"{numeric.method} {numeric.value:.12g} (error estimate {numeric.error:.1e}, rounding makes {slope:.1e}): "
            f"apart by {abs(found - numeric.value):.2e}\n"
            f"the rule of one of these operations is wrong: {listed}"
        )

    def _witness(self, k: int, v: Array, noise: float = 0.0) -> Witness:
        def by_lines(x: Array) -> Value:
            return self._sum(self._lines.run({self._inputs[k]: x}))

        def itself(x: Array) -> Value:
            return self._sum(self._f(*(Tensor(x if j == k else y) for j, y in enumerate(self._values))))

        near = self._values[k] + 1e-3 * v
        continued = self._lines.continued and same(by_lines(near), itself(near), noise)
        return Witness(by_lines, itself, self._values[k], continued, self._lines.smooth, noise)

    def _rounding(self, k: int, v: Array) -> tuple[float, float]:
        """Return how far apart two right derivatives by argument k along v can be, and two right values."""
        xs = [Tensor(x) for x in self._values]
        with Tape() as whole:
            with Tape() as tape:
                total = (xs[k] * 0).sum()  # on the tape, whatever f returns
                for y, u in zip(self._f(*xs), self._u, strict=True):
                    total = total + (y * u).sum()
            slope = (tape.gradient(total, xs[k]) * v).sum()
        of_slope, of_total = deviations(whole, [slope, total])
        return float(rounding(of_slope)), float(rounding(of_total))

    def _sum(self, results: Leaves) -> Value:
        return sum(np.sum(_bare(y) * w) for y, w in zip(results, self._u, strict=True))


def _refuse_two_answers(f: Callable[..., Leaves], values: Leaves) -> None:
    first, second = ([np.array(_bare(y)) for y in f(*(Tensor(x) for x in values))] for _ in range(2))
    for a, b in zip(first, second, strict=True):
        if a.shape != b.shape or not np.array_equal(a, b, equal_nan=True):
            raise ValueError(
                "check_grads: the function gives two answers for one input\n"
                "pass what is random in it (a mask, a generator's draws) as an argument"
            )


def _is_float(value: object) -> bool:
    return isinstance(value, float | Tensor | np.ndarray | np.floating) and np.asarray(_bare(value)).dtype.kind == "f"


def _bare(value: Value) -> Value:
    return value.data if isinstance(value, Tensor) else value


def _size(terms: Leaves) -> float:
    """Return the size of the terms: rounding is relative to it, and not to their sum, which may be near zero."""
    return float(sum(np.abs(t).sum() for t in terms))


def _argument(path: str) -> str:
    """Return `argument 0['W']` for the path `[0]['W']`."""
    head, _, rest = path.partition("]")
    return f"argument {head[1:]}{rest}"
