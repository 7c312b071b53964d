"""The Jacobian of one step as blocks: the derivative of each new state by each state of the step before.

A block is along all ways within the step, with the other states of the step before held.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from tinygrad_rnn.bptt.derivation.expressions import Expr, Op, Ref, refs, walk
from tinygrad_rnn.bptt.derivation.slopes import Definition, NoSlope, added, line_slope, rows, through

LONGEST = 120
"""The number of parts of the longest block that is printed."""


Slope = Expr | None | str
"""A derivative within a step: a formula, None for zero, "" where it is no sum of products of matrices."""


class Rules(NamedTuple):
    """How local derivatives are made: that of a line by what it reads, and the product of two."""

    slope: Callable[[Definition, Ref], Expr | None] = line_slope
    through: Callable[[Expr, Expr | None], Expr | None] = through


class Block(NamedTuple):
    """The derivative of a new state by one of the step before."""

    above: Ref
    below: Ref
    right: Slope


def step_blocks(lines: Mapping[str, Definition], states: Sequence[Ref], rules: Rules) -> list[Block]:
    """Return all blocks: states in the order in which a step makes them, each by all states of the step before."""
    names = {s.name for s in states}
    found = []
    for below in (Ref(s.name, -1, s.shape) for s in states):
        slopes: dict[str, Slope] = {}
        for name, line in lines.items():
            try:
                slopes[name] = _through_all(line, below, slopes, names, rules)
            except NoSlope:
                slopes[name] = ""
        found += [(name, below, slopes[name]) for name in lines if name in names]
    order = {name: k for k, name in enumerate(lines)}
    return [Block(lines[name].target, below, _short(x)) for name, below, x in sorted(found, key=lambda b: order[b[0]])]


def _is_sum(x: Expr) -> bool:
    return isinstance(x, Op) and (x.name == "add" or (x.name == "diag" and _is_sum(x.args[0])))


def _short(x: Slope) -> Slope:
    return "" if isinstance(x, Op) and sum(1 for _ in walk(x)) > LONGEST else x


def _through_all(
    line: Definition, by: Ref, slopes: Mapping[str, Slope], states: Collection[str], rules: Rules
) -> Expr | None:
    """Return the derivative of a line by a state, along all ways. A block that is a sum stands there by its name.

    `slopes` has those of the lines before.
    """
    terms = [rules.slope(line, by)] if by in walk(line.right) else []
    for ref in refs(line.right):
        inner = slopes.get(ref.name) if ref.step == 0 else None
        if inner is None:
            continue
        if isinstance(inner, str):
            raise NoSlope
        if ref.name in states and _is_sum(inner):
            inner = Op("block", (ref, by, inner), (), inner.shape)
        if line.part and line.right == ref:
            terms.append(rows(inner, *line.part))
        else:
            outer = rules.slope(line, ref)
            terms.append(None if outer is None else rules.through(outer, inner))
    return added(terms)
