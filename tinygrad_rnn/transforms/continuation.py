"""The lines of a tape, run again on other values: real ones, or complex ones for a complex step.

A derivative rule is not asked. An operation that NumPy has for real numbers only, or with another meaning for complex
ones (`abs` is the modulus there), is continued from the real axis: by the formula of the piece of the real part.
So a complex step goes along the piece that the values are on, and steps over no corner.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.core.table import Function
from tinygrad_rnn.core.tensor import Array, Tensor
from tinygrad_rnn.core.values import Value
from tinygrad_rnn.operations.basics import Axes
from tinygrad_rnn.tape.full_tape import Tape


class Lines:
    """The calls of a tape that lead to `results`. A result that is no Tensor of the tape is a constant."""

    def __init__(self, tape: Tape, results: Sequence[Value]) -> None:
        self._lines, self._results = tape.lines(), list(results)
        self.continued = all(op.analytic or op.name in CONTINUED for op, *_ in self._lines)
        self.smooth = all(op.analytic or op.name in SMOOTH for op, *_ in self._lines)

    def run(self, values: Mapping[Tensor, Value]) -> list[Value]:
        """Return the results as arrays, with these values in the place of some leaves. They may be complex."""
        new = dict(values)
        carries_complex = any(np.iscomplexobj(x) for x in new.values())
        for op, args, kwargs, out, _ in self._lines:
            arguments = [new.get(a, a.data) if type(a) is Tensor else a for a in args]
            function = op.function
            if carries_complex and op.name in CONTINUED and any(np.iscomplexobj(a) for a in arguments):
                function = CONTINUED[op.name]
            new[out] = function(*arguments, **kwargs)
        return [new.get(y, y.data) if isinstance(y, Tensor) else y for y in self._results]


# -------------------------------------------------------------------------------- continued from the real axis


def _of_real_parts(function: Function) -> Function:
    """Return a function that is constant almost everywhere, as a function of the real parts: it has no slope."""
    return lambda *xs, **kwargs: function(*(np.real(x) if np.iscomplexobj(x) else x for x in xs), **kwargs)


def _softplus(x: Array) -> Value:
    return np.where(np.real(x) > 0, x, 0) + np.log1p(np.exp(np.where(np.real(x) > 0, -x, x)))


def _logaddexp(a: Array, b: Array) -> Value:
    return np.where(np.real(a) > np.real(b), a, b) + np.log1p(np.exp(np.where(np.real(a) > np.real(b), b - a, a - b)))


def _sigmoid(x: Array) -> Value:
    small = np.exp(np.where(np.real(x) > 0, -x, x))
    return np.where(np.real(x) > 0, 1, small) / (1 + small)


def _elu(x: Array, alpha: float) -> Value:
    return np.where(np.real(x) > 0, x, alpha * np.expm1(np.where(np.real(x) > 0, 0, x)))


def _absolute(x: Array) -> Value:
    return np.where(np.real(x) < 0, -x, x)


def _cbrt(x: Array) -> Value:
    return np.where(np.real(x) < 0, -1, 1) * np.exp(np.log(_absolute(x)) / 3)


def _arctan2(a: Array, b: Array) -> Value:
    steep = np.abs(np.real(a)) > np.abs(np.real(b))
    quotient = np.where(steep, -b, a) / np.where(steep, a, b)
    turn = np.where(steep, np.sign(np.real(a)) * math.pi / 2, np.where(np.real(b) < 0, math.pi, 0.0))
    turn = np.where(~steep & (np.real(b) < 0) & (np.real(a) < 0), -math.pi, turn)
    return np.arctan(quotient) + turn


def _norm(x: Array, axis: Axes, keepdims: bool) -> Value:
    return np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))


def _logabsdet(x: Array) -> Value:
    sign, logarithm = np.linalg.slogdet(x)
    return logarithm + np.log(sign * np.sign(np.real(sign)))


def _astype(x: Array, dtype: DTypeLike) -> Value:
    return x if np.dtype(dtype).kind == "f" else np.real(x).astype(dtype)


SMOOTH: dict[str, Function] = {
    "softplus": _softplus,
    "logaddexp": _logaddexp,
    "sigmoid": _sigmoid,  # as NumPy computes it, exp overflows to NaN for complex numbers
    "cbrt": _cbrt,
    "hypot": lambda a, b: np.sqrt(a * a + b * b),
    "arctan2": _arctan2,
    "logabsdet": _logabsdet,
    "sign_of_det": _of_real_parts(lambda x: np.linalg.slogdet(x)[0]),
    "norm": _norm,
    "astype": _astype,
    "in_range": lambda x, **kwargs: x,
    "detach": np.real,  # a detached value does not move
}
"""Operations without corners, or with one at a point where the tape's convention is stated (a norm of 0)."""

CONTINUED: dict[str, Function] = SMOOTH | {
    "relu": lambda x: np.where(np.real(x) > 0, x, 0),
    "elu": _elu,
    "absolute": _absolute,
    # NumPy orders complex numbers by the real part, then by the imaginary one: at a tie the side that it moves to.
    "maximum": np.maximum,
    "minimum": np.minimum,
    "max": np.max,
    "min": np.min,
    **{
        function.__name__: _of_real_parts(function)
        for function in (
            *(np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal),
            *(np.logical_and, np.logical_or, np.logical_xor, np.logical_not),
            *(np.sign, np.floor, np.ceil, np.rint, np.trunc, np.round),
            *(np.isfinite, np.isinf, np.isnan, np.argmin, np.argmax),
        )
    },
    "argsort": _of_real_parts(lambda x, axis=-1: np.argsort(x, axis=axis, kind="stable")),
}
"""Operation -> the same for complex numbers close to the real axis."""
