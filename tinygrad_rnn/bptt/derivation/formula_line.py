"""One line of a derivation, and the derivative on its left side."""

from __future__ import annotations

from dataclasses import dataclass

from tinygrad_rnn.bptt.derivation.expressions import Expr, Ref


@dataclass(frozen=True)
class Partial:
    """The derivative dabove/dbelow. Where `above` is None it is a gradient of the loss L, or of L_t for the step `of`.

    kind: "" for a partial derivative; "alone" for that through one line, where the step has other ways from the one to
    the other; "total" for that over the unrolled net; "each" for a gradient of the loss L_t, whatever t is.
    """

    above: Ref | None
    below: Ref
    kind: str = ""
    of: int = 0


@dataclass(frozen=True)
class Formula:
    """One printed line: left = right = right ...; a sum over all t where `summed`.

    name: its name in worksheets. entries: the entries of the tape, at each step, that made its left side; for an error
    term or a gradient, the entries that it came back through.
    """

    section: str
    name: str
    left: tuple[Ref | Partial, ...]
    right: tuple[Expr, ...]
    summed: bool = False
    entries: tuple[int, ...] = ()
    at: str = ""  # "" for every t; "first" for an initial state; of the loss L_t, "k" for a step k and "t" for step t
