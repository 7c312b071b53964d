"""What a derivation says in words: the note of each section."""

from __future__ import annotations

from tinygrad_rnn.bptt.derivation.expressions import Op, Ref, walk
from tinygrad_rnn.bptt.derivation.formulas import Formulas, Partial

Note = list[str | Ref | Partial]
"""Words, with quantities and derivatives between them."""


def notes(formulas: Formulas) -> dict[str, Note]:
    """Return the note of each section that has one."""
    found: dict[str, Note] = {
        "forward": _of_forward(formulas),
        "slopes": _of_slopes(formulas),
        "steps": _of_steps(formulas),
        "errors": [f"Every term of step {'T+1' if formulas.first_step else 'T'} is zero."],
        "gradients": ["Those of parameters are sums over time, and over the examples of a batch."],
    }
    return {section: note for section, note in found.items() if note}


def _of_forward(formulas: Formulas) -> Note:
    left_out = formulas.rec.left_out
    names = ", ".join(name for name in left_out if name)
    wanted = "the loss" if formulas.rec.target else "a state"
    sentences: list[Note] = [[f"Lines that do not reach {wanted} are left out{': ' * bool(names)}{names}."]]
    sentences *= bool(left_out)
    lines = [*formulas.rec.setup, *formulas.rec.forward]
    used = {part.name for e in lines for part in walk(e.right) if isinstance(part, Op)}
    if "one_hot" in used:
        sentences.append(["x holds indices: e with an index is the column that is 1 there and 0 elsewhere."])
    if "detach" in used:
        sentences.append(["sg(v), for stop_gradient, is v with its path cut: its derivative is 0."])
    return _joined(sentences)


def _of_slopes(formulas: Formulas) -> Note:
    alone = [f.left[0] for f in formulas.section("slopes") if isinstance(f.left[0], Partial) and f.left[0].kind]
    if not alone:
        return []
    one = alone[0]
    whole = Partial(one.above, one.below)
    return [one, " is through that line alone. In the next section, ", whole, " is through all lines of the step."]


def _of_steps(formulas: Formulas) -> Note:
    sentences: list[Note] = [["In each block the other states of step t-1 are held."]] * (len(formulas.states) > 1)
    if any(
        isinstance(part, Op) and part.name == "rows" for f in formulas.section("steps") for part in walk(f.right[0])
    ):
        sentences.append(["An index in brackets means the part of a matrix that makes the part of that name."])
    left = [Partial(b.above, b.below) for b in formulas.blocks if isinstance(b.right, str)]
    if left:
        words = " no short formula: bptt.step_jacobians gives the numbers."
        sentences.append([*_listed(left), " has" if len(left) == 1 else " have", words])
    blocks = {(b.above.name, b.below.name): b for b in formulas.blocks}
    for s in formulas.states:
        for other in formulas.states:
            own, way = blocks[s.name, s.name], blocks[s.name, other.name]
            if own.right is not None and way.right is not None and formulas.depends(other, s):
                total = Partial(own.above, own.below, "total")
                words = "Over the unrolled net, the total derivative "
                sentences.append([words, total, " also runs through ", way.below, "."])
                return _joined(sentences)
    return _joined(sentences)


def _listed(parts: list[Partial]) -> Note:
    found: Note = []
    for k, part in enumerate(parts):
        found += [" and " if k == len(parts) - 1 else ", "] * bool(k) + [part]
    return found


def _joined(sentences: list[Note]) -> Note:
    return [part for k, sentence in enumerate(sentences) for part in ([" "] * bool(k) + sentence)]
