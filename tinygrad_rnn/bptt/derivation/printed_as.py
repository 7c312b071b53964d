"""How a derivation is printed: the layout of arrays and of derivatives, the letters, and the loss of error terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tinygrad_rnn import nn
from tinygrad_rnn.bptt.derivation.expressions import Expr, Num, Op, matmul, negative, total, transpose
from tinygrad_rnn.bptt.diagnosis.submission import LAYOUTS

DERIVATIVES = ("numerator", "denominator")
"""The layouts of the derivative of a vector by a vector: a row for each entry of the one above, or of the one below."""

NOTATIONS = ("own", "nndl")
"""The notations: that of the cell's author, or that of NNDL, chapter 6."""

CANDIDATES = {
    **{name: {"c_tilde": "g", "z_c": "z_g"} for name in ("lstm", "peephole_lstm", "coupled_lstm", "layer_norm_lstm")},
    **{name: {"h_tilde": "n", "z_h": "z_n", "x_h": "x_n"} for name in ("gru", "gru_textbook", "mgu")},
}
"""By the cells of nn that have a candidate: the book's names for it and for what it is made of."""


@dataclass(frozen=True)
class PrintedAs:
    """How derivations are printed.

    first_step: the number of the first step. denominator: the layout of derivatives. each_loss: error terms are
    delta_{t,k}, of the loss L_t, and not delta_k, of the sum of the losses.
    """

    first_step: int = 1
    denominator: bool = False
    each_loss: bool = False


def nndl_names(cell: Any) -> dict[str, str]:
    """Return the book's names for the local variables of a cell of nn; a cell of one's own keeps its names."""
    name = getattr(cell, "__name__", "")
    return dict(CANDIDATES.get(name, {})) if getattr(nn, name, None) is cell else {}


def layouts(given: str | Sequence[str]) -> tuple[str, str | None]:
    """Return the layout of the cell's arrays, and that of derivatives, None where it is not given.

    given: one word, two words, or two words in one string: "columns,denominator".

    Raises ValueError for other words, and for two that say the same thing.
    """
    words = [word.strip() for word in given.split(",")] if isinstance(given, str) else list(given)
    of_data = [word for word in words if word in LAYOUTS]
    of_derivatives = [word for word in words if word in DERIVATIVES]
    if not words or len(words) > len(of_data) + len(of_derivatives) or len(of_data) > 1 or len(of_derivatives) > 1:
        raise ValueError(
            f"derive: layout {given!r}\ngive one of {', '.join(LAYOUTS)} for the cell's arrays, "
            f"one of {', '.join(DERIVATIVES)} for derivatives, or both: 'columns,denominator'"
        )
    return of_data[0] if of_data else LAYOUTS[0], of_derivatives[0] if of_derivatives else None


def turned(x: Expr) -> Expr:
    """Return the transpose of a local derivative, written as a person would: diag(v) is its own, U becomes U^T."""
    if isinstance(x, Num) or (isinstance(x, Op) and x.name in ("diag", "eye")):
        return x
    if isinstance(x, Op) and x.name == "add":
        return total(*(turned(a) for a in x.args))
    if isinstance(x, Op) and x.name == "multiply":  # a number times a matrix
        return Op(x.name, tuple(turned(a) for a in x.args), x.options, x.shape[::-1])
    if isinstance(x, Op) and x.name == "negative":
        return negative(turned(x.args[0]))
    if isinstance(x, Op) and x.name == "matmul":
        return matmul(turned(x.args[1]), turned(x.args[0]))
    if isinstance(x, Op) and x.name == "block":
        above, below, inner = x.args
        return Op(x.name, (above, below, turned(inner)), x.options, x.shape[::-1])
    return transpose(x)
