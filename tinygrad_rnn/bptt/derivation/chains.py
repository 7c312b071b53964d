"""The chains of a short sequence: dL_t/dU as a sum of products, one for each way from L_t to U."""

from __future__ import annotations

from tinygrad_rnn.bptt.derivation.equations import UPSTREAM
from tinygrad_rnn.bptt.derivation.expressions import STEP, Expr, Num, Op, Ref, made, product, rebuilt, total, walk
from tinygrad_rnn.bptt.derivation.formula_line import Formula, Partial
from tinygrad_rnn.bptt.derivation.formulas import Formulas

MOST = 40
"""The maximum number of terms in one formula."""


def chains(formulas: Formulas, T: int) -> list[Formula]:
    """Return for each parameter and t = 1, ..., T the derivative of L_t by that parameter, as the sum of its chains.

    Raises ValueError for a formula of more than 40 chains, and for chains through arrays that are joined from parts, or
    through matrices.
    """
    rec = formulas.rec
    if rec.target:
        raise ValueError("derive: chains begin at dL_t/dh_t, whatever the loss is\nleave out readout and loss")
    if rec.matrices():
        raise ValueError(
            f"derive: the chains of {rec.title} run through matrices, whose local derivatives are no matrices\n"
            "read its error terms: derivation.lines()"
        )
    lines = {e.target.name: formulas.with_diagonal(e.right) for e in rec.backward}
    together: dict[Expr, list[str]] = {}
    for key, right in rec.terms.items():
        if right is not None:
            together.setdefault(right, []).append(rec.params[key])
    if T > MOST:  # step T alone has T chains
        raise _too_long(rec.title)
    found = []
    for right, names in together.items():
        by_loss: dict[int, list[Expr]] = {t: [] for t in range(1, T + 1)}
        for k in range(T, 0, -1):
            try:
                terms = _terms(_unrolled(right, k, T, lines), rec.title)
            except RecursionError:  # an expression deeper than the stack of Python is longer than a page
                raise _too_long(rec.title) from None
            for term in terms:
                by_loss[_loss(term)].append(term)
        for t, terms in by_loss.items():
            if len(terms) > MOST:
                raise _too_long(rec.title)
            below = [Partial(None, Ref(name, None, rec.shapes[name]), of=t) for name in names]
            found.append(Formula("chains", f"dL{t}_d{names[0]}", tuple(below), (total(*terms) if terms else Num(0),)))
    return found


def _unrolled(x: Expr, k: int, T: int, lines: dict[str, Expr]) -> Expr:
    """Return an expression of step k with every cotangent expanded, down to the losses."""

    def change(part: Expr) -> Expr | None:
        if isinstance(part, Op) and part.name == "later":
            return _unrolled(part.args[0], k, T, lines) if k < T else Num(0)
        if not isinstance(part, Ref) or part.step is None:
            return None
        if part.name in lines:
            return _unrolled(lines[part.name], k + part.step, T, lines)
        return Ref(part.name, STEP + k + part.step, part.shape)

    return rebuilt(x, change)


def _terms(x: Expr, title: str) -> list[Expr]:
    """Return the terms of an expression that is multiplied out, from the loss of its step to the later ones."""
    if not _of_loss(x):  # no loss of this sequence: a cotangent from beyond its last step
        return []
    if not isinstance(x, Op):
        return [x]
    if x.name == "add":
        terms = [term for a in x.args for term in _terms(a, title)]
        if len(terms) > MOST * 4:
            raise _too_long(title)
        return terms
    if x.name in ("concatenate", "getitem"):
        raise ValueError(
            f"derive: the chains of {title} run through arrays that are joined from parts\n"
            "give a cell with a matrix of its own for each gate, or read its error terms"
        )
    places = [k for k, a in enumerate(x.args) if _of_loss(a)]
    if len(places) != 1:
        raise _too_long(title)
    place = places[0]
    if x.name == "multiply":
        others = product(*x.args[:place], *x.args[place + 1 :])
        x, place = Op("scaled", (others, x.args[place]), (), x.shape), 1
    return [made(x, [*x.args[:place], term, *x.args[place + 1 :]], x.shape) for term in _terms(x.args[place], title)]


def _of_loss(x: Expr) -> bool:
    return any(isinstance(part, Ref) and part.name == UPSTREAM for part in walk(x))


def _loss(x: Expr) -> int:
    return next(part.step or 0 for part in walk(x) if isinstance(part, Ref) and part.name == UPSTREAM) - STEP


def _too_long(title: str) -> ValueError:
    return ValueError(f"derive: {title} has too many chains to write out\ntake a smaller T, or read its error terms")
