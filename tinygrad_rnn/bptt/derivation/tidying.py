"""Leave out equations: those without a name that are read once, those that are zero, and those that nothing reads."""

from __future__ import annotations

from dataclasses import replace

from tinygrad_rnn.bptt.derivation.cancelling import cancelled
from tinygrad_rnn.bptt.derivation.equations import LOSS, Equation, Recurrence
from tinygrad_rnn.bptt.derivation.expressions import Expr, Num, Op, Ref, negative, rebuilt, refs, total, uncut, walk
from tinygrad_rnn.bptt.derivation.ties import with_shares


def tidied(rec: Recurrence) -> Recurrence:
    """Return the recurrence without equations that nobody would write."""
    return _read_somewhere(cancelled(_inlined(_without_minus(with_shares(rec.rewritten(uncut))))))


def _without_minus(rec: Recurrence) -> Recurrence:
    """Return the recurrence with dz in the place of a cotangent -dz without a name; its readers have the minus."""
    gates = {e.target: e.right.args[0] for e in rec.forward if isinstance(e.right, Op) and e.right.name == "sigmoid"}
    instead: dict[Expr, Expr] = {}
    backward, shapes, cotangents = [], dict(rec.shapes), dict(rec.cotangents)
    for e in rec.backward:
        right = rebuilt(e.right, instead.get)
        nameless = e.invented and e.target.name[1:] not in shapes
        if nameless and isinstance(right, Op) and right.name == "negative":
            right, name = right.args[0], e.target.name
            for gate, z in gates.items():
                slope = {gate, total(Num(1), negative(gate))}
                if isinstance(z, Ref) and isinstance(right, Op) and slope <= {*right.args}:
                    name = name if f"d{z.name}" in shapes else f"d{z.name}"
            target = Ref(name, 0, e.target.shape)
            shapes[name], cotangents[name] = target.shape, name[1:]
            instead[e.target] = negative(target)
            e = replace(e, targets=(target,), invented=name == e.target.name)
        backward.append(replace(e, right=right))
    return replace(rec.rewritten(instead.get), backward=backward, shapes=shapes, cotangents=cotangents)


def _inlined(rec: Recurrence) -> Recurrence:
    """Put each cotangent without a name of its own that is read once into the line that reads it."""
    count: dict[str, int] = {}
    for right in rec.coming_back():
        for part in walk(right):
            if isinstance(part, Ref):
                count[part.name] = count.get(part.name, 0) + 1
    instead: dict[Expr, Expr] = {}
    for equation in rec.backward:
        if equation.invented and count.get(equation.target.name, 0) < 2:
            instead[equation.target] = rebuilt(equation.right, instead.get)
    kept = [e for e in rec.backward if e.target not in instead]
    return replace(rec, backward=kept).rewritten(instead.get)


def _read_somewhere(rec: Recurrence) -> Recurrence:
    """Leave out lines that nothing reads."""
    results = [x for x in (*rec.handed.values(), *rec.terms.values(), rec.dx) if x is not None]
    wanted = {LOSS, *rec.states} | {ref.name for right in results for ref in refs(right)}

    def living(equations: list[Equation]) -> list[Equation]:
        found = []
        for e in reversed(equations):
            if any(t.name in wanted for t in e.targets):
                found.append(e)
                wanted.update(ref.name for ref in refs(e.right))
        return found[::-1]

    backward = living(rec.backward)
    forward = living(rec.forward)
    return replace(rec, backward=backward, forward=forward, setup=living(rec.setup))
