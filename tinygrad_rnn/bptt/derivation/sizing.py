"""Sizes by name: code that is right for any number of units, and not only for that of the tape."""

from __future__ import annotations

from tinygrad_rnn.bptt.derivation.equations import Recurrence
from tinygrad_rnn.bptt.derivation.expressions import Expr, Op, rebuilt
from tinygrad_rnn.bptt.derivation.reading import Unwritable


def sized(rec: Recurrence) -> Recurrence:
    """Return the recurrence with H in the place of the number of units.

    Raises Unwritable for a gradient that repeats one number in a shape that no state has.
    """
    axis = 0 if rec.columns else 1
    units = {rec.shapes[state][axis] for state in rec.states}
    H = units.pop() if len(units) == 1 else 0

    def change(x: Expr) -> Expr | None:
        if not isinstance(x, Op) or x.name not in ("getitem", "broadcast_to"):
            return None
        args = tuple(rebuilt(a, change) for a in x.args)
        if x.name == "broadcast_to":
            like = [f"state[{k}].shape" for k, state in enumerate(rec.states) if rec.shapes[state] == x.shape]
            if not like:
                raise Unwritable(
                    f"derive: a gradient of {rec.title} repeats one number in a shape that no state has\n"
                    "write the cell without a sum that makes one number of many"
                )
            return Op(x.name, args, (("shape", like[0]),), x.shape)
        parts = dict(x.options)["index"]
        lengths = x.args[0].shape
        if Ellipsis in parts:  # with new axes
            return Op(x.name, args, x.options, x.shape)
        named = tuple(
            (_multiple(p[0], H, -1), _multiple(p[1], H, lengths[k]), p[2]) if isinstance(p, tuple) else p
            for k, p in enumerate(parts)
        )
        return Op(x.name, args, (("index", named if None not in parts else parts),), x.shape)

    return rec.rewritten(change, forward=True)


def _multiple(n: int | None, H: int, length: int) -> int | str | None:
    """Return the end of a slice in units, as 2 * H; None for the end of the array."""
    if not n or n < 0 or not H or n % H:
        return None if n == length else n
    if n == length:
        return None
    return "H" if n == H else f"{n // H} * H"
