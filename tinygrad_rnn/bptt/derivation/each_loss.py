"""The error terms of one loss: delta_{t,k} = dL_t/dz_k in the place of delta_k = dL/dz_k, as NNDL has them.

A line of the walk back is linear in the cotangents that it reads. So the line of the loss L_t has two forms: at step t
begins the loss, and at a step k before it is only what arrives from step k+1.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from tinygrad_rnn.bptt.derivation.equations import UPSTREAM
from tinygrad_rnn.bptt.derivation.expressions import Expr, Op, Ref, made
from tinygrad_rnn.bptt.derivation.formula_line import Formula, Partial


def of_each_loss(back: list[Formula]) -> list[Formula]:
    """Return the lines of the walk back, of error terms and gradients, for the loss of one step."""
    names = {f.left[0].name for f in back if f.section == "errors" and isinstance(f.left[0], Ref)}
    places = {at: _Place(at, names) for at in ("t", "k")}
    found = []
    for f in back:
        if f.section == "gradients":
            found.append(_gradient(f, places["k"]))
            continue
        for at, place in places.items():
            rights = tuple(place.kept(right) for right in f.right if place.counts(right))
            if rights:
                found.append(replace(f, name=f"{f.name}(t,t)" if at == "t" else f.name, right=rights, at=at))
            elif isinstance(f.left[0], Ref):
                place.zero.add(f.left[0].name)
    return found


def _gradient(f: Formula, before: _Place) -> Formula:
    """Return the line of a gradient: of a parameter a double sum, or a sum over t where only the loss itself reads it.

    Those of x_k and of an initial state are of L_t.
    """
    if f.summed:
        return replace(f, at="k" if any(before.counts(right) for right in f.right) else "t")
    left = tuple(replace(side, kind="each") for side in f.left if isinstance(side, Partial))
    return replace(f, left=left, at=f.at or "k")


class _Place:
    """A place of the walk back from L_t: step t, or a step k before it.

    cotangents: the names of all cotangents that have a line; `zero` has those that are zero at this place.
    """

    def __init__(self, at: str, cotangents: Collection[str]) -> None:
        self.at, self.cotangents = at, cotangents
        self.zero: set[str] = set()

    def _comes_back(self, x: Expr) -> bool:
        """Return whether an expression has in it what comes back from the loss."""
        if isinstance(x, Ref):
            return x.name == UPSTREAM or x.name in self.cotangents
        return isinstance(x, Op) and (x.name == "later" or any(map(self._comes_back, x.args)))

    def counts(self, x: Expr) -> bool:
        """Return whether a term is not zero here."""
        if isinstance(x, Ref) and x.name in self.cotangents:
            return x.name not in self.zero
        if isinstance(x, Op) and x.name == "later":
            return self.at == "k"
        if isinstance(x, Op) and x.name == "add":
            return any(map(self.counts, x.args))
        coming = [a for a in x.args if self._comes_back(a)] if isinstance(x, Op) else []
        return all(map(self.counts, coming)) if coming else self.at == "t"

    def kept(self, x: Expr) -> Expr:
        """Return a line without the terms that are zero here."""
        if not isinstance(x, Op) or x.name == "later" or not self._comes_back(x):
            return x
        if x.name == "add":
            return made(x, [self.kept(a) for a in x.args if self.counts(a)])
        return made(x, [self.kept(a) for a in x.args])
