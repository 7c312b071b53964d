"""The watch over a tape: the first value that is not finite, the line of code that made it, the memory that is held."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
from numpy import ndarray

from tinygrad_rnn.core.backward import Products
from tinygrad_rnn.core.callers import code_line
from tinygrad_rnn.core.recording import Scope, scope_text
from tinygrad_rnn.core.sparse import Cotangent
from tinygrad_rnn.core.table import Args
from tinygrad_rnn.core.tensor import Line
from tinygrad_rnn.core.values import Value, bare


def record(lines: list[Line], code: list[str], check_finite: bool, line: Line) -> None:
    """Write a line on a tape that keeps lines of code, and, if asked to, refuse values that are not finite."""
    lines.append(line)
    code.append(code_line())
    if check_finite:
        require_finite(line, code[-1])


def require_finite(line: Line, where: str | None) -> None:
    """Raise FloatingPointError if the result of this line of a tape holds a NaN or an infinity."""
    op, args, _, out, labels = line
    if _is_finite(out):
        return
    fed = [a for a in args if not _is_finite(a)]
    if fed:
        remedy = f"it came in with {_range(fed[0])}: look at where that value is from"
    else:
        remedy = f"all inputs are finite, so this is where it begins: keep them inside the domain of {op.name}"
    _refuse(f"{op.name}: {_bad(out)}", args, labels, where, remedy)


def require_finite_products(line: Line, where: str | None, cotangent: Cotangent, products: Products) -> None:
    """Raise FloatingPointError if a cotangent that this line sends back holds a NaN or an infinity."""
    op, args, _, _, labels = line
    for x, product in products:
        if x.dtype.kind != "f":
            continue
        values = product.parts[0][1] if hasattr(product, "parts") else product  # the part that is not zero
        if not _is_finite(values):
            remedy = (
                f"the cotangent that arrived is {_range(cotangent)}; the derivative of {op.name} is not finite here"
            )
            if not _is_finite(cotangent):
                remedy = f"it came in with the cotangent, {_range(cotangent)}: look at the seed, or at the hooks"
            what = f"{op.name}, backward: the cotangent for {x.describe()} has {_bad(values)}"
            _refuse(what, args, labels, where, remedy)


def held_bytes(lines: list[Line], label: str | None) -> dict[Any, int]:
    """Return the bytes of all values that the lines hold, each counted once, by the value of one label of the scope."""
    total: dict[Any, int] = {}
    seen: set[int] = set()
    for _, args, _, out, labels in lines:
        key = None if label is None else dict(labels).get(label)
        for value in (*args, out):
            owner = bare(value)
            while isinstance(owner, ndarray) and isinstance(owner.base, ndarray):
                owner = owner.base
            if isinstance(owner, ndarray) and id(owner) not in seen:
                seen.add(id(owner))
                total[key] = total.get(key, 0) + owner.nbytes
    return total


def _is_finite(value: Value) -> bool:
    values = bare(value)
    if not isinstance(values, ndarray | np.floating | float):
        return True
    return np.asarray(values).dtype.kind != "f" or bool(np.isfinite(values).all())


def _bad(value: Value) -> str:
    values = np.asarray(bare(value))
    bad = ~np.isfinite(values)
    first = tuple(int(k) for k in np.argwhere(bad)[0])
    return f"{bad.sum()} of {values.size} values not finite (first: {values[first]} at {list(first)})"


def _range(value: Value) -> str:
    """Return `z (2, 3) from -1 to 4`, the range of the finite entries."""
    values = np.asarray(bare(value))
    name = getattr(value, "name", None) or "an array"
    finite = values[np.isfinite(values)]
    span = f"from {finite.min():.4g} to {finite.max():.4g}" if finite.size else "without a finite value"
    return f"{name} {values.shape} {span}" + (" where finite" if 0 < finite.size < values.size else "")


def _refuse(what: str, args: Args, labels: Scope, where: str | None, remedy: str) -> NoReturn:
    inputs = "; ".join(_range(a) for a in args if isinstance(bare(a), ndarray | float | int))
    scoped = f", in {scope_text(labels)}" if labels else ""
    raise FloatingPointError(f"{what}{scoped}, at {where or 'an unknown line'}; inputs: {inputs}\n{remedy}")
