"""What comes back through a maximum: its share, 1 where an argument is the larger one, 1/2 where both are equal."""

from __future__ import annotations

from tinygrad_rnn.bptt.derivation.equations import Recurrence
from tinygrad_rnn.bptt.derivation.expressions import Expr, Num, Op, product, rebuilt, total

ORDERS = ("greater", "less")


def with_shares(rec: Recurrence) -> Recurrence:
    """Return the recurrence with g ([a > b] + 0.5 [a = b]) in the place of where(a = b, g / 2, where(a > b, g, 0))."""
    halves: dict[Expr, Expr] = {e.target: e.right for e in rec.backward if len(e.targets) == 1}

    def share(x: Expr) -> Expr | None:
        if not (isinstance(x, Op) and x.name == "where"):
            return None
        equal, half, rest = x.args
        if not (isinstance(equal, Op) and isinstance(rest, Op) and (equal.name, rest.name) == ("equal", "where")):
            return None
        order, whole, zero = rest.args
        if not (isinstance(order, Op) and order.name in ORDERS and order.args == equal.args and zero == Num(0)):
            return None
        if product(Num(0.5), whole) not in (half, halves.get(half)):
            return None
        return product(rebuilt(whole, share), total(order, Op("multiply", (Num(0.5), equal), (), equal.shape)))

    return rec.rewritten(share)
