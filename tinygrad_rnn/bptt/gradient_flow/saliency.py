"""Which inputs a prediction leans on: the norm of dL_t/dx_k for each loss L_t and each input x_k.

This is first-derivative saliency (Simonyan et al. 2014; for text Li et al. 2016): how fast the loss of one prediction
changes with each input that was read. It says nothing of large changes, as of one character put in another's place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.bptt.gradient_flow.magnitude import log10_norm
from tinygrad_rnn.bptt.gradient_flow.terms import Loss, delta_rows, require_losses, require_on_tape
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.draw import saliency_picture
from tinygrad_rnn.language.saying import say
from tinygrad_rnn.notebook.html_parts import box
from tinygrad_rnn.notebook.inline_svg import fitted
from tinygrad_rnn.plain_values import plain
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.text_tables import aligned

MOST = 80
"""The maximum number of inputs or predictions of a picture that shows all of them."""
STRONGEST = 8
"""The number of inputs that the text of a prediction names."""


@dataclass(frozen=True, eq=False)
class Saliency:
    """The result of `saliency`: `print(it)` names what the last prediction leans on, `it.svg()` draws all of them."""

    log10: Array
    """(n, T): log10 of |dL_t/dx_k|, of any size; -inf where L_t does not depend on x_k"""
    read: tuple[str, ...]
    """the names of the T inputs"""
    predicted: tuple[str, ...]
    """the names of what the n losses are of"""

    @property
    def norms(self) -> Array:
        """(n, T): |dL_t/dx_k|."""
        return np.asarray(10.0**self.log10)

    @property
    def shares(self) -> Array:
        """(n, T): the norms, divided by the largest of each row; a row of zeros stays zero."""
        largest = np.max(self.log10, axis=1, keepdims=True, initial=-np.inf)
        with np.errstate(invalid="ignore"):
            return np.where(largest == -np.inf, 0.0, 10.0 ** (self.log10 - largest))

    def svg(self, t: int | None = None) -> str:
        """Draw all predictions, a row for each; or prediction t: the text that was read, coloured.

        Raises ValueError for more than 80 predictions or inputs in one picture, and for a t that there is not.
        """
        title = say("What each prediction leans on: |dL/dx|")
        if t is not None:
            n = self._number(t)
            until = self._until(n)
            shown = saliency_picture.shown(self.predicted[n])
            words = say("What the prediction of {name} leans on: |dL/dx|", name=shown)
            return saliency_picture.coloured(
                words, self.read[:until], self.predicted[n], self.shares[n, :until].tolist()
            )
        if max(self.log10.shape) > MOST:
            raise ValueError(
                f"saliency: {len(self.predicted)} predictions from {len(self.read)} inputs in one picture\n"
                f"draw at most {MOST}, or one prediction: svg(t)"
            )
        return saliency_picture.triangle(title, self.read, self.predicted, self.shares.tolist())

    def to_dict(self) -> dict[str, Any]:
        """Return the names, and the norms as log10, as plain values."""
        return {"read": [*self.read], "predicted": [*self.predicted], "log10_norms": plain(self.log10)}

    def __str__(self) -> str:
        if not self.predicted:
            return say("no prediction")
        shares, norms = self.shares[-1], self.norms[-1]
        strongest = sorted(range(len(self.read)), key=lambda k: (-shares[k], k))[:STRONGEST]
        rows = [(str(k), saliency_picture.shown(self.read[k]), f"{norms[k]:.2e}", _bar(shares[k])) for k in strongest]
        table = aligned([("k", "x_k", "|dL/dx_k|"), *rows], right=[0, 2])
        shown = saliency_picture.shown(self.predicted[-1])
        return "\n".join([say("the prediction of {name} leans on", name=shown), *table])

    def __repr__(self) -> str:
        return f"<Saliency of {len(self.predicted)} predictions from {len(self.read)} inputs>"

    def _repr_html_(self) -> str:
        if not self.predicted:
            return box(repr(self))
        fits = max(self.log10.shape) <= MOST
        return box("Saliency", fitted(self.svg(None if fits else len(self.predicted) - 1), str(self)))

    def _number(self, t: int) -> int:
        if not -len(self.predicted) <= t < len(self.predicted):
            raise ValueError(f"saliency: t={t}\nthere are the predictions 0 to {len(self.predicted) - 1}")
        return t % len(self.predicted)

    def _until(self, n: int) -> int:
        """Return the number of inputs up to the last one that prediction n depends on."""
        found = np.flatnonzero(self.log10[n] != -np.inf)
        return int(found[-1]) + 1 if len(found) else len(self.read)


def saliency(
    tape: Tape,
    losses: Sequence[Loss],
    xs: Tensor | Sequence[Tensor],
    read: Sequence[str] | None = None,
    predicted: Sequence[str] | None = None,
) -> Saliency:
    """Return the norms of dL_t/dx_k for every loss and every input, with their names for a picture.

    losses: L_t, scalar Tensors of this tape, one for each prediction. xs: the inputs, a Tensor (T, ...) with time
    first, or T Tensors of one shape; the norm is over all other axes, thus over all sequences of a batch. read: a name
    for each input, as the characters of a text (default: x0, x1, ...); predicted: one for each loss (default: L0, ...).
    It costs a walk back for each loss.

    Raises LookupError where xs is not on the tape; TypeError for losses that are no sequence; ValueError for another
    number of names.

    >>> w = Tensor(np.array([1.0, -2.0]), name="w")
    >>> with Tape() as tape:
    ...     x = Tensor(np.array([[3.0, 4.0], [1.0, 0.0]]), name="x")
    ...     first, second = x[0] @ w, (x[0] @ w) * (x[1] @ w)
    >>> saliency(tape, [first, second], x).norms.round(4)
    array([[ 2.2361,  0.    ],
           [ 2.2361, 11.1803]])
    """
    listed = require_losses("saliency", losses)
    tensors = [xs] if isinstance(xs, Tensor) else [*xs]
    for x in tensors:
        require_on_tape("saliency", tape, x)
    rows = [row[0] if isinstance(xs, Tensor) else row for row in delta_rows(tape, listed, tensors)]
    count = len(xs)
    found = [log10_norm(row.reshape(count, -1), axis=1) for row in rows]
    return Saliency(
        np.array(found).reshape(len(listed), count),
        _names("read", read, "x", count),
        _names("predicted", predicted, "L", len(listed)),
    )


def _names(what: str, given: Sequence[str] | None, letter: str, count: int) -> tuple[str, ...]:
    if given is None:
        return tuple(f"{letter}{k}" for k in range(count))
    if len(given) != count:
        raise ValueError(f"saliency: {len(given)} names {what} for {count}\ngive a name for each")
    return tuple(given)


def _bar(share: float) -> str:
    return "#" * round(20 * share) if np.isfinite(share) else "?"
