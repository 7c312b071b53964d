"""Products of a matrix and a vector that the walk back reads more than once: each is computed once, in its own line."""

from __future__ import annotations

from dataclasses import replace

from tinygrad_rnn.bptt.derivation.equations import Equation, Recurrence
from tinygrad_rnn.bptt.derivation.expressions import Expr, Op, Ref, rebuilt, walk


def computed_once(rec: Recurrence) -> Recurrence:
    """Return the recurrence with a name for each sum of products, M v, that several lines of the walk back read."""
    count: dict[Expr, int] = {}
    for right in rec.coming_back():
        for part in walk(right):
            if isinstance(part, Op) and part.name == "einsum" and all(isinstance(a, Ref) for a in part.args):
                count[part] = count.get(part, 0) + 1
    names: dict[Expr, Expr] = {}
    for part, times in count.items():
        name = "_".join(a.name for a in part.args if isinstance(a, Ref)) if isinstance(part, Op) else ""
        if times > 1 and name not in {*rec.shapes, *(ref.name for ref in names.values() if isinstance(ref, Ref))}:
            names[part] = Ref(name, 0, part.shape)
    if not names:
        return rec
    backward, waiting = list[Equation](), dict(names)
    for e in rec.backward:
        for part in [part for part in waiting if part in walk(e.right)]:
            target = waiting.pop(part)
            if isinstance(target, Ref):
                backward.append(Equation((target,), part))
        backward.append(replace(e, right=rebuilt(e.right, names.get)))
    backward += [Equation((target,), part) for part, target in waiting.items() if isinstance(target, Ref)]
    shapes = rec.shapes | {ref.name: ref.shape for ref in names.values() if isinstance(ref, Ref)}
    return replace(rec.rewritten(names.get), backward=backward, shapes=shapes)
