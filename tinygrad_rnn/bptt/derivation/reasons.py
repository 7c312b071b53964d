"""Why each line of a derivation holds, in a sentence: which line reads what, and how."""

from __future__ import annotations

from collections.abc import Iterable

from tinygrad_rnn.bptt.derivation.equations import LOSS, UPSTREAM
from tinygrad_rnn.bptt.derivation.expressions import STEP, Expr, Op, Ref, refs, walk
from tinygrad_rnn.bptt.derivation.formula_line import Formula, Partial
from tinygrad_rnn.bptt.derivation.formulas import Formulas
from tinygrad_rnn.bptt.derivation.notes import SpokenWords, and_last, in_order
from tinygrad_rnn.bptt.derivation.slopes import NoSlope
from tinygrad_rnn.language.saying import sentence
from tinygrad_rnn.tape.notation import is_function


def reason(formulas: Formulas, f: Formula) -> SpokenWords | None:
    """Return why a line holds, or None for one that needs no reason. Its parts may be quantities and derivatives."""
    made = {"forward": _forward, "slopes": _slope, "steps": _block, "errors": _error, "gradients": _gradient}
    return made[f.section](formulas, f) if f.section in made else None


def _forward(formulas: Formulas, f: Formula) -> SpokenWords | None:
    left, right = f.left[0], f.right[0]
    if not isinstance(left, Ref) or left.step is None:
        return None
    if len(f.left) > 1:
        return sentence("Its parts.")
    if left.name in formulas.net_inputs:
        return sentence("The net input.")
    if isinstance(right, Op) and is_function(right.name):
        return sentence("The activation function, entry by entry.")
    if left.name in formulas.rec.states:
        return sentence("The new state.")
    product = isinstance(right, Op) and right.name == "multiply"
    return sentence("A product, entry by entry.") if product else None


def _slope(formulas: Formulas, f: Formula) -> SpokenWords | None:
    side = f.left[0]
    assert isinstance(side, Partial)
    assert side.above is not None
    line, below = formulas.lines[side.above.name], side.below
    try:
        found = formulas.slope(line, below)
    except NoSlope:
        return None
    if found is None:
        return sentence("The path from {below} is cut.", below=below)
    if isinstance(found, Op) and found.name == "eye":
        return sentence("{above} has {below} as a term: the identity.", above=side.above, below=below)
    diagonal = (isinstance(found, Op) and found.name == "diag") or _is_diagonal(found)
    if diagonal and any(isinstance(x, Op) and is_function(x.name) and below in walk(x) for x in walk(line.right)):
        return sentence("{above} reads {below} entry by entry: a diagonal matrix.", above=side.above, below=below)
    if diagonal:
        return sentence(
            "{above} multiplies {below} entry by entry: the other factor stands on the diagonal.",
            above=side.above,
            below=below,
        )
    if not any(isinstance(part, Op) and part.name == "diag" for part in walk(found)):
        if formulas.printed_as.denominator:
            return sentence(
                "{above} is linear in {below}: the matrix before it, transposed.", above=side.above, below=below
            )
        return sentence("{above} is linear in {below}: the matrix before it.", above=side.above, below=below)
    return sentence("The chain rule within the line of {above}.", above=side.above)


def _is_diagonal(x: Expr) -> bool:
    return isinstance(x, Op) and x.name in ("negative", "multiply") and any(map(_is_diagonal_or_diag, x.args))


def _is_diagonal_or_diag(x: Expr) -> bool:
    return isinstance(x, Op) and (x.name in ("diag", "eye") or _is_diagonal(x))


def _block(formulas: Formulas, f: Formula) -> SpokenWords | None:
    side = f.left[0]
    assert isinstance(side, Partial)
    assert side.above is not None
    if len(f.left) > 1 or f.right[0] == _zero(f):
        return sentence("No path leads there within the step.")
    ways = [name for name in formulas.readers(side.below.name, -1) if _leads(formulas, name, side.above.name)]
    through = [_of(formulas, name) for name in ways]
    if len(ways) == 1 and ways[0] == side.above.name:
        return sentence("{above} reads {below} in its own line alone.", above=side.above, below=side.below)
    if len(ways) == 1:
        return sentence(
            "The chain rule: every path from {below} to {above} is through {through}.",
            below=side.below,
            above=side.above,
            through=through[0],
        )
    return sentence(
        "The sum over the paths from {below} to {above}: {through} read {below}.",
        below=side.below,
        above=side.above,
        through=and_last(through),
    )


def _zero(f: Formula) -> Expr | None:
    return f.right[0] if not isinstance(f.right[0], Op | Ref) and f.right[0].value == 0 else None


def _leads(formulas: Formulas, name: str, above: str) -> bool:
    return name == above or formulas.depends(_of(formulas, above), _of(formulas, name))


def _of(formulas: Formulas, name: str, step: int = 0) -> Ref:
    target = formulas.lines[name].target
    return Ref(name, step, target.shape)


def _error(formulas: Formulas, f: Formula) -> SpokenWords | None:
    name = formulas.rec.cotangents.get(f.left[0].name, "") if isinstance(f.left[0], Ref) else ""
    if name not in formulas.lines:
        return None
    return _read_by(formulas, name, f)


def _read_by(formulas: Formulas, name: str, f: Formula) -> SpokenWords | None:
    """Return by what a value is read, and by what those are that have no line of their own in the walk back."""
    lines = {formulas.rec.cotangents.get(e.target.name) for e in formulas.rec.backward}
    found, pending, seen = list[SpokenWords](), [name], {name}
    parts = [_of(formulas, r) for r in formulas.readers(name) if formulas.lines[r].part]
    if parts:
        return sentence(
            "{value} is cut into {parts}: their gradients, one below the other.",
            value=_of(formulas, name),
            parts=and_last(parts),
        )
    while pending:
        name = pending.pop(0)
        here = [r for r in formulas.readers(name) if r != name]
        later = formulas.readers(name, -1) if f.at != "t" else []
        readers: list[object] = [_of(formulas, r, 1) for r in later]
        readers += [_of(formulas, r) for r in here]
        if name == formulas.rec.states[0] and not formulas.rec.target and f.at != "k" and _has_loss(f):
            readers.append(Ref(LOSS, 0))
        if readers:
            v = _of(formulas, name)
            alone = sentence("{value} is read by {readers} alone.", value=v, readers=and_last(readers))
            sum_of = sentence("{value} is read by {readers}: one term for each.", value=v, readers=and_last(readers))
            found.append(alone if len(readers) == 1 else sum_of)
        for r in here:
            if r not in lines and r not in seen:
                pending.append(r)
                seen.add(r)
    return in_order(found) if found else None


def _has_loss(f: Formula) -> bool:
    return any(isinstance(part, Ref) and part.name == UPSTREAM for right in f.right for part in walk(right))


def _gradient(formulas: Formulas, f: Formula) -> SpokenWords | None:
    side = f.left[0]
    assert isinstance(side, Partial)
    below = side.below
    if below.step is None:
        values = and_last(left.below for left in f.left if isinstance(left, Partial))
        names = {left.below.name for left in f.left if isinstance(left, Partial)}
        for e in formulas.rec.setup:
            names |= {t.name for t in e.targets} if names & _names(refs(e.right)) else set()
        lines = [_of(formulas, n) for n, line in formulas.lines.items() if names & _names(refs(line.right))]
        if not lines:
            return None
        if not f.summed:
            return sentence("No loss depends on it.")
        if f.at == "k":
            return sentence(
                "Every step reads {value}, in the line of {readers}: a sum over the losses t, and over the steps k "
                "until t that read it.",
                value=values,
                readers=and_last(lines),
            )
        return sentence(
            "Every step reads {value}, in the line of {readers}: the sum over the steps.",
            value=values,
            readers=and_last(lines),
        )
    if f.at == "first":
        first = [_of(formulas, name, STEP + 1) for name in formulas.readers(below.name, -1)]
        return (
            sentence("Only the first step reads it, in the line of {readers}.", readers=and_last(first))
            if first
            else None
        )
    readers = [_of(formulas, name) for name in formulas.readers(below.name)]
    return sentence("{value} is read by {readers}.", value=below, readers=and_last(readers)) if readers else None


def _names(found: Iterable[Ref]) -> set[str]:
    return {ref.name for ref in found}
