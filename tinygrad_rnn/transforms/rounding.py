"""The effect of rounding on a gradient: the same tape again, with each result moved by a unit or two in its last place.

Another right way to compute a gradient (another order of a sum, a product for two, `f - f f` for `f (1 - f)`) differs
from the tape by errors of that size at each operation. How far they carry is a property of the problem: its condition.
So the gradients of a few runs that are moved at random, forward and backward, spread as far as right gradients can be
apart (Parker, "Monte Carlo arithmetic", 1997).

>>> import numpy as np
>>> x = Tensor([1.0, 1e8])
>>> with Tape() as tape:
...     y = x[1] + x[0] - x[1]
>>> float(rounding(Moved(tape, [x]).spread({y: 1.0}).results[0])) > 1e-8
True
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_rnn.core.table import PRIMITIVES, Args
from tinygrad_rnn.core.tape import Entry
from tinygrad_rnn.core.tensor import Array, Tensor
from tinygrad_rnn.core.values import Value
from tinygrad_rnn.tape.full_tape import Tape

SAMPLES = 4
"""How many runs are moved. Fewer could be small all of them by chance; more cost as many runs."""

SAFETY = 5.0
"""How many times the spread of one run two right answers may be apart: each has errors, and their sizes vary."""

EXACT_KINDS = {"view", "join"}
EXACT = {"absolute", "astype", "detach", "in_range", "max", "maximum", "min", "minimum", "negative", "positive", "relu"}
EXACT |= {"set_at", "where"}
"""Operations that round nothing: their results are not moved."""

BRANCHES = {"relu", "absolute", "sign", "elu", "maximum", "minimum"}
BRANCHES |= {"equal", "not_equal", "less", "less_equal", "greater", "greater_equal"}
"""Operations that decide by which of two values is larger, or by which side of 0 one is on."""

OF_SIZE_ONE = {"log_softmax", "logsumexp"}
"""Operations that add up numbers of size 1 inside, so that a result near 0 has errors of that size's last place."""


class Spread(NamedTuple):
    """The distances of the moved runs from the tape: for each input and each result an array (samples, *shape).

    float64. Where a moved run is not finite, nothing is known, and the entry is 0.
    """

    gradients: list[Array]
    results: list[Array]


class Moved:
    """`samples` runs of a tape, each moved at random. Made once, they can be walked back for any cotangents.

    `inputs` are leaves of the tape. The draws are the same at each call.
    """

    def __init__(self, tape: Tape, inputs: Sequence[Tensor], samples: int = SAMPLES) -> None:
        self._tape, self._inputs = tape, list(inputs)
        shakings = [_Shaking(k) for k in range(samples)]
        with np.errstate(all="ignore"):
            self._runs = [_moved(tape, shaking) for shaking in shakings]
        for (other, _), shaking in zip(self._runs, shakings, strict=True):
            other.hook(shaking.cotangent)

    def spread(self, seeds: Mapping[Tensor, Value]) -> Spread:
        """Return the spread of the gradients of sum(seed * result) by the inputs, and of the results.

        `seeds` maps results of the tape to their cotangents. Costs a walk back for each run.
        """
        if not seeds:
            return Spread([np.zeros((len(self._runs), *x.shape)) for x in self._inputs], [])
        right = self._tape.gradient(dict(seeds), self._inputs)
        gradients, results = [], []
        with np.errstate(all="ignore"):
            for tape, new in self._runs:
                wanted = [new.get(x, x) for x in self._inputs]
                found = tape.gradient({new[y]: seed for y, seed in seeds.items()}, wanted)
                gradients.append([_apart(g, g_right) for g, g_right in zip(found, right, strict=True)])
                results.append([_apart(new[y].data, y.data) for y in seeds])
        return Spread(
            [np.array(samples) for samples in zip(*gradients, strict=True)],
            [np.array(samples) for samples in zip(*results, strict=True)],
        )


def deviations(tape: Tape, results: Sequence[Tensor], samples: int = SAMPLES) -> list[Array]:
    """Return the distances of the moved runs from the tape, for each result an array (samples, *shape).

    A derivative whose walk back was recorded is a result like any other: then the results of its rules are moved too.
    """
    found = []
    with np.errstate(all="ignore"):
        for k in range(samples):
            _, new = _moved(tape, _Shaking(k))
            found.append([_apart(new[y].data, y.data) for y in results])
    return [np.array(samples) for samples in zip(*found, strict=True)]


def rounding(deviations: Array) -> Array:
    """Return how far apart two right values can be, entry by entry: an array of that shape.

    `deviations`: (samples, *shape), as in `Spread`. The answer is SAFETY times the root of their mean square.
    """
    return np.asarray(SAFETY * np.sqrt(np.mean(np.square(deviations), axis=0)))


def _moved(tape: Tape, shaking: _Shaking) -> tuple[Tape, dict[Tensor, Tensor]]:
    """Return a tape of the same calls, each leaf and each rounded result moved, and the new Tensor of each old one."""
    new: dict[Tensor, Tensor] = {}
    other = Tape()
    for op, args, kwargs, out, labels in tape.lines():
        for a in args:
            if type(a) is Tensor and a not in new:
                new[a] = Tensor(shaking.shaken(a.data))
        arguments = tuple([new[a] if type(a) is Tensor else a for a in args])
        if op.name in BRANCHES:
            arguments = _tied(other, args, arguments)
        try:
            value = op.function(*[a.data if type(a) is Tensor else a for a in arguments], **kwargs)
        except ValueError:  # a moved argument has left the domain by a last place
            value = out.data
        if op.kind not in EXACT_KINDS and op.name not in EXACT:
            value = shaking.shaken(value, at_least=1.0 if op.name in OF_SIZE_ONE else 0.0)
        new[out] = Tensor(value)
        other.record((op, arguments, kwargs, new[out], labels))
    return other, new


def _tied(tape: Tape, args: Args, moved: Args) -> Args:
    """Return the moved arguments of an operation that decides, every tie kept: toys of whole numbers have exact ones.

    Where it is no tie any more, one argument is brought back to the other, or to 0, by a line of its own on `tape`.
    """
    k = next((k for k, a in enumerate(moved[:2]) if type(a) is Tensor), 0)
    of_all = [[np.asarray(a.data if type(a) is Tensor else a) for a in arguments] for arguments in (args, moved)]
    (x, other), (x_moved, other_moved) = ((own[k], own[1 - k] if len(args) == 2 else 0.0) for own in of_all)
    if x.dtype.kind != "f" or np.shape(x == other) != x.shape:
        return moved
    off = np.asarray(np.where(x == other, other_moved - x_moved, 0), x.dtype)
    if not off.any():
        return moved
    back = Tensor(x_moved + off)
    tape.record((PRIMITIVES["add"], (moved[k], off), {}, back, ()))
    return (*moved[:k], back, *moved[k + 1 :])


class _Shaking:
    """Draws at random, many at a time: on small arrays a call to the generator costs more than its numbers."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._drawn, self._used = np.zeros(0), 0

    def shaken(self, value: ArrayLike, at_least: float = 0.0) -> Array:
        """Return each entry, moved to either side by one to three units in its last place, or in that of `at_least`."""
        right: Array = np.asarray(value)
        if right.dtype.kind != "f":
            return right
        size = np.abs(right)
        e = self._units(right.size).reshape(right.shape) * _eps_and_tiny(right.dtype)[0]
        return np.asarray(right + e * (np.maximum(size, at_least) if at_least else size), right.dtype)

    def cotangent(self, entry: Entry | None, g: Any) -> Array:
        """Return a cotangent, moved likewise; also where it is 0. A hook of a tape."""
        return self.shaken(g, _eps_and_tiny(g.dtype)[1])

    def _units(self, n: int) -> Array:
        """Return n numbers from -3 to -1 and from 1 to 3."""
        if self._used + n > len(self._drawn):
            rest = self._drawn[self._used :]
            u = 2 * self._rng.random(max(n - len(rest), 1024)) - 1
            self._drawn, self._used = np.concatenate([rest, 2 * u + np.copysign(1, u)]), 0
        self._used += n
        return self._drawn[self._used - n : self._used]


@functools.cache
def _eps_and_tiny(dtype: np.dtype[np.floating]) -> tuple[float, float]:
    return float(np.finfo(dtype).eps), float(np.finfo(dtype).tiny)


def _apart(moved: ArrayLike, right: ArrayLike) -> Array:
    apart = np.asarray(moved, np.float64) - np.asarray(right, np.float64)
    return np.asarray(np.where(np.isfinite(apart), apart, 0.0))
