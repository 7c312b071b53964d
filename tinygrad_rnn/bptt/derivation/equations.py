"""A recurrence as equations: the lines of one step of a cell, forward and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tinygrad_rnn.bptt.derivation.expressions import Expr, Ref, Shape, rebuilt


@dataclass(frozen=True)
class Equation:
    """One line: its targets and its right side. An array that is cut into equal parts has several targets.

    invented: the name of the target is not the author's.
    """

    targets: tuple[Ref, ...]
    right: Expr
    invented: bool = False

    @property
    def target(self) -> Ref:
        """The first target, which is the only one of most lines."""
        return self.targets[0]


@dataclass
class Recurrence:
    """A cell and its BPTT as equations.

    params: the name of each parameter in formulas, by its name in the cell. states: their names, in order. setup: the
    lines outside of time. forward, backward: the lines of step t. handed: by state, the cotangent that step t hands to
    step t-1; at step t-1 its name is d<state>_next. terms: by the name of a parameter in the cell, the term that step t
    adds to its gradient. dx: the gradient of x_t. An entry is None where no gradient arrives.
    """

    title: str
    columns: bool
    params: dict[str, str]
    states: tuple[str, ...]
    shapes: dict[str, Shape]
    keys: dict[str, str] = field(default_factory=dict)  # the name of each state in the cell: a_prev, for a
    setup: list[Equation] = field(default_factory=list)
    forward: list[Equation] = field(default_factory=list)
    backward: list[Equation] = field(default_factory=list)
    handed: dict[str, Expr | None] = field(default_factory=dict)
    terms: dict[str, Expr | None] = field(default_factory=dict)
    dx: Expr | None = None
    cotangents: dict[str, str] = field(default_factory=dict)  # d<name> -> name
    target: str = ""  # the name of the target that the loss of a step reads; "" without a loss
    entries: dict[str, list[int]] = field(default_factory=dict)  # by name, the entry of the tape at each step
    indices: bool = False  # x holds indices, which have no gradient
    left_out: list[str] = field(default_factory=list)  # names of values that no state reads; "" for one without a name
    repeats: dict[str, list[list[int]]] = field(default_factory=dict)  # by name and step, entries that make it again
    by_example: bool = False  # for one example: states may be matrices, and a number of an example is (1, 1)

    def rewritten(self, change: Callable[[Expr], Expr | None], forward: bool = False) -> Recurrence:
        """Return the recurrence with parts of the walk back replaced; with `forward`, of the forward pass as well."""

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

    def matrices(self) -> list[str]:
        """Return the names of the quantities of a step that are a matrix for one example."""
        lines = [*self.forward, *self.backward] if self.by_example else []
        return [t.name for e in lines for t in e.targets if len(t.shape) == 2 and t.shape[1] > 1]

    def coming_back(self) -> list[Expr]:
        """Return the right sides of the walk back."""
        found = [e.right for e in self.backward]
        return found + [x for x in (*self.handed.values(), *self.terms.values(), self.dx) if x is not None]


UPSTREAM, X, LOSS = "dhs", "x", "L"


def following(state: str) -> str:
    """Return the name of the cotangent that arrives at a state from step t+1."""
    return f"d{state}_next"
