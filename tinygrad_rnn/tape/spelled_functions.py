"""Sigmoids and tanhs that are spelled out, as 1 / (1 + exp(-z)), read as what they are.

>>> import numpy as np
>>> from tinygrad_rnn.core.tensor import Tensor
>>> z = Tensor([0.5, -1.0], name="z")
>>> with Tape() as tape:
...     y = 1 / (1 + np.exp(-z))
>>> [entry.op.name for entry in recognised(tape, [y])]
['sigmoid']
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from tinygrad_rnn.core.table import Primitive
from tinygrad_rnn.core.tensor import Line, Tensor, apply
from tinygrad_rnn.core.values import Value
from tinygrad_rnn.operations.basics import sigmoid, tanh
from tinygrad_rnn.tape.full_tape import Tape

KNOWN = (sigmoid, tanh)
UNCHANGED = ("positive", "astype", "detach")
"""Operations that hand on a value as it is: they are no spelling of the function that made it."""
BOUNDS = ("maximum", "minimum", "clip")
FARTHEST = 12
"""The number of values, the nearest first, that are tried as the argument of a spelled-out function."""

PROBES = np.concatenate([np.linspace(-30, 30, 41), np.linspace(-1.1, 1.2, 24)])
CLOSE = 1e-12
NEAR = 1e-5
"""How near recorded values must be to those of a function, which float32 is: the probes decide."""


def recognised(tape: Tape, results: Iterable[Tensor] = ()) -> Tape:
    """Return a tape on which each sigmoid and each tanh is one line, whatever operations it was spelled with.

    The lines of the spelling go, except those that other lines read or that make one of `results`. All other lines
    and all Tensors stay the same. A function is recognised by its values and its derivative on a range of numbers, so
    one that is cut off from its derivative, or has one of its own, stays as it is.
    """
    lines = tape.lines()
    made = {id(out): k for k, (_, _, _, out, _) in enumerate(lines)}
    sources: list[tuple[Tensor, ...]] = []  # of each line: the values of which it is an elementwise function
    spelling: set[int] = set()
    for k, (op, args, _, out, scope) in enumerate(lines):
        sources.append(_sources(op, args, made, sources))
        if op in KNOWN or op.name in UNCHANGED or not sources[k] or not _within_one(out):
            continue
        for z in sources[k]:
            between = list(_between(lines, made, k, z)) if any(_looks_like(f, z, out) for f in KNOWN) else []
            function = _function(lines, between, z) if between else None
            if function is not None:
                spelling.update(between[:-1])
                lines[k] = (function, (z,), {}, out, scope)
                sources[k] = (z, *sources[made[id(z)]]) if id(z) in made else (z,)
                if id(z) not in made or lines[made[id(z)]][0].name not in BOUNDS:
                    break  # else it may be clipped where the function is flat
    return _without(lines, spelling, {id(x) for x in results}) if spelling else tape


def _sources(
    op: Primitive, args: Iterable[object], made: dict[int, int], sources: list[tuple[Tensor, ...]]
) -> tuple[Tensor, ...]:
    """Return the values that alone determine a line, entry by entry; the nearest first."""
    if op.kind != "elementwise":
        return ()
    found: dict[int, Tensor] | None = None
    for a in args:
        if type(a) is Tensor:
            behind = sources[made[id(a)]] if id(a) in made else ()
            own = {id(x): x for x in (a, *behind)}
            found = own if found is None else {key: x for key, x in found.items() if key in own}
        elif np.size(a) != 1:  # type: ignore[arg-type]
            return ()
    return tuple((found or {}).values())[:FARTHEST]


def _within_one(out: Tensor) -> bool:
    """Return whether the recorded values allow that these are values of a sigmoid or a tanh of anything."""
    return out.dtype.kind == "f" and bool((np.abs(out.data) <= 1 + NEAR).all())


def _looks_like(function: Primitive, z: Tensor, out: Tensor) -> bool:
    """Return whether the recorded values allow that out = function(z)."""
    if z.shape != out.shape or z.dtype.kind != "f":
        return False
    return bool((np.abs(function.function(z.data) - out.data) <= NEAR).all())  # np.allclose takes five times as long


def _between(lines: list[Line], made: dict[int, int], k: int, z: Tensor) -> Iterator[int]:
    """Yield the numbers of the lines that lead from z to line k, in their order."""
    needed, pending = {k}, [k]
    while pending:
        for a in lines[pending.pop()][1]:
            if type(a) is Tensor and a is not z and made[id(a)] not in needed:
                needed.add(made[id(a)])
                pending.append(made[id(a)])
    yield from sorted(needed)


def _function(lines: list[Line], numbers: list[int], z: Tensor) -> Primitive | None:
    """Return the known function that these lines compute from z, by values and derivative; None where it is none."""
    x = Tensor(PROBES)
    new: dict[int, Value] = {id(z): x}
    with np.errstate(all="ignore"), Tape() as tape:
        for k in numbers:
            op, args, kwargs, out, _ = lines[k]
            new[id(out)] = apply(op, tuple(new.get(id(a), a) if type(a) is Tensor else a for a in args), kwargs)
    y = new[id(lines[numbers[-1]][3])]
    if y.shape != PROBES.shape:  # an operation of a fixed shape
        return None
    for function in KNOWN:
        with Tape() as own:
            right = apply(function, (x,), {})
        if not np.allclose(y.data, right.data, rtol=0, atol=CLOSE):
            continue
        with np.errstate(all="ignore"):
            slope, right_slope = (t.gradient(out, x, np.ones_like(PROBES)) for t, out in ((tape, y), (own, right)))
        if np.allclose(slope, right_slope, rtol=0, atol=CLOSE):
            return function
    return None


def _without(lines: list[Line], spelling: set[int], results: set[int]) -> Tape:
    """Return a tape without those lines of a spelling that nothing reads any more."""
    read, kept = set(results), []
    for k in reversed(range(len(lines))):
        _, args, _, out, _ = lines[k]
        if k not in spelling or id(out) in read:
            read.update(id(a) for a in args if type(a) is Tensor)
            kept.append(lines[k])
    tape = Tape()
    for line in reversed(kept):
        tape.record(line)
    return tape
