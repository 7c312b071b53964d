"""The recurrence for a reader: terms of step t+1 are written out, and names that only code needs are left out."""

from __future__ import annotations

from dataclasses import replace

from tinygrad_rnn.bptt.derivation.equations import Equation, Recurrence, following
from tinygrad_rnn.bptt.derivation.expressions import Expr, Num, Op, Ref, is_cheap, rebuilt, refs, total, walk


def readable(rec: Recurrence) -> Recurrence:
    """Return the recurrence without names for kept values, and with the terms of step t+1 written out."""
    rec = _all_cotangents(rec)
    instead: dict[Expr, Expr] = {}
    forward = []
    for e in rec.forward:
        right = rebuilt(e.right, instead.get)
        unary = isinstance(right, Op) and len(right.args) == 1 and isinstance(right.args[0], Ref)
        if e.invented and f"d{e.target.name}" not in rec.cotangents and (unary or is_cheap(right)):
            instead[e.target] = right
        else:
            forward.append(replace(e, right=right))
    for state in rec.states:
        handed = rec.handed[state]
        later: Expr = Num(0)
        if handed is not None and handed != Num(0):
            handed = rebuilt(handed, instead.get)
            shape = rec.shapes[state]
            later = Op("later", (rebuilt(handed, _shifted),), (("state", state),), shape)
        instead[Ref(following(state), 0)] = later

    def change(x: Expr) -> Expr | None:
        found = instead.get(x)
        if found is None and isinstance(x, Op) and x.name == "add":
            found = total(*(rebuilt(a, change) for a in x.args))
            if found.shape != x.shape and found != Num(0):  # a sum over units, which every unit gets
                return Op("broadcast_to", (found,), (), x.shape)
        return found

    rec = replace(rec, forward=forward).rewritten(change)
    return _merged(rec.rewritten(_softmax))


def _softmax(x: Expr) -> Expr | None:
    """Return softmax(y) for exp(log_softmax(y))."""
    if isinstance(x, Op) and x.name == "exp" and isinstance(x.args[0], Op) and x.args[0].name == "log_softmax":
        inner = x.args[0]
        return Op("softmax", inner.args, inner.options, inner.shape)
    return None


def _all_cotangents(rec: Recurrence) -> Recurrence:
    """Return the recurrence with an equation for each cotangent of a state, read by the next step alone or not."""
    made = {e.target.name for e in rec.backward}
    read = {ref.name for right in rec.coming_back() for ref in refs(right)}
    instead: dict[Expr, Expr] = {}
    first = []
    for state in rec.states:
        if f"d{state}" not in made and following(state) in read:
            target, comes = (Ref(name, 0, rec.shapes[state]) for name in (f"d{state}", following(state)))
            instead[comes] = target
            first.append(Equation((target,), comes))
    if not first:
        return rec

    backward = [*first, *(replace(e, right=rebuilt(e.right, instead.get)) for e in rec.backward)]
    shapes = rec.shapes | {e.target.name: e.target.shape for e in first}
    cotangents = rec.cotangents | {e.target.name: e.target.name[1:] for e in first}
    return replace(rec.rewritten(instead.get), backward=backward, shapes=shapes, cotangents=cotangents)


def _shifted(x: Expr) -> Expr | None:
    if isinstance(x, Ref) and x.step is not None:
        return Ref(x.name, x.step + 1, x.shape)
    return None


def _merged(rec: Recurrence) -> Recurrence:
    """Return the recurrence with the cotangent of a state put into the one product that reads it."""
    for state in rec.states:
        own = next((e for e in rec.backward if e.target.name == f"d{state}"), None)
        if own is None:
            continue
        rest = [right for right in rec.coming_back() if right is not own.right]
        reads = [right for right in rest for part in walk(right) if isinstance(part, Ref) and part.name == f"d{state}"]
        if len(reads) == 1 and isinstance(reads[0], Op) and reads[0].name == "multiply" and own.target in reads[0].args:
            others = [e for e in rec.backward if e is not own]
            right = own.right
            if isinstance(right, Op) and right.name == "broadcast_to":  # a product spreads it by itself
                right = right.args[0]
            rec = replace(rec, backward=others).rewritten(dict[Expr, Expr]({own.target: right}).get)
    return rec
