"""A recurrence as equations: what a cell makes of a step, forward, and what comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tinygrad_rnn.bptt.derivation.expressions import Expr, Ref, Shape, rebuilt


@dataclass(frozen=True)
class Equation:
    """One line: what it defines, and as what. Several are defined at once where an array is cut into equal parts.

    `invented`: under a name that the author of the cell does not have.
    """

    targets: tuple[Ref, ...]
    right: Expr
    invented: bool = False

    @property
    def target(self) -> Ref:
        """What it defines, of one."""
        return self.targets[0]


@dataclass
class Recurrence:
    """A cell and its BPTT as equations.

    params: what formulas call each parameter, by the cell's name. states: in order. setup: outside of time. forward,
    backward: of step t. upstream: what the loss gives to h_t. handed: by state, what step t hands to step t-1,
    and what step t gets from t+1 is called d<state>_next. terms: by the cell's name for a parameter, what step t
    adds to its gradient; dx: the gradient of x_t. None where no gradient comes.
    """

    title: str
    columns: bool
    params: dict[str, str]
    states: tuple[str, ...]
    shapes: dict[str, Shape]
    keys: dict[str, str] = field(default_factory=dict)  # what the cell calls each state: a_prev, for a
    setup: list[Equation] = field(default_factory=list)
    forward: list[Equation] = field(default_factory=list)
    backward: list[Equation] = field(default_factory=list)
    handed: dict[str, Expr | None] = field(default_factory=dict)
    terms: dict[str, Expr | None] = field(default_factory=dict)
    dx: Expr | None = None
    cotangents: dict[str, str] = field(default_factory=dict)  # d<name> -> name
    target: str = ""  # what the loss of a step reads besides; "" where the loss is any
    entries: dict[str, list[int]] = field(default_factory=dict)  # by name, the entry of the tape at each step
    repeats: dict[str, list[list[int]]] = field(default_factory=dict)  # by name and step, entries that make it again

    def rewritten(self, change: Callable[[Expr], Expr | None], forward: bool = False) -> Recurrence:
        """The recurrence with parts of what comes back replaced, with `forward` of the equations forward as well."""

        def all_of(equations: list[Equation]) -> list[Equation]:
            return [replace(e, right=rebuilt(e.right, change)) for e in equations]

        def some(x: Expr | None) -> Expr | None:
            return None if x is None else rebuilt(x, change)

        return replace(
            self,
            setup=all_of(self.setup) if forward else self.setup,
            forward=all_of(self.forward) if forward else self.forward,
            backward=all_of(self.backward),
            handed={k: some(x) for k, x in self.handed.items()},
            terms={k: some(x) for k, x in self.terms.items()},
            dx=some(self.dx),
        )

    def coming_back(self) -> list[Expr]:
        """The right sides of everything that comes back."""
        found = [e.right for e in self.backward]
        return found + [x for x in (*self.handed.values(), *self.terms.values(), self.dx) if x is not None]


UPSTREAM, X, LOSS = "dhs", "x", "L"


def following(state: str) -> str:
    """What is called that comes to a state from step t+1."""
    return f"d{state}_next"
