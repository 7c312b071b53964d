"""One mistake, as the doctor names it, and the parameters that have a mistake together."""

from __future__ import annotations

from dataclasses import dataclass

from tinygrad_rnn.bptt.diagnosis.changed_walk import gradients
from tinygrad_rnn.bptt.diagnosis.model import CellModel, Changes, Edge, EdgeChange
from tinygrad_rnn.bptt.diagnosis.sentences import quantity
from tinygrad_rnn.language.saying import Words, sentence

NEVER_FILLED = sentence("never filled in (all zero)")
"""What is said of a gradient that is zero and should not be."""


@dataclass(frozen=True)
class Mistake:
    """One mistake: its words, the first quantity that it makes wrong, and its change to BPTT."""

    said: Words
    quantity: Words
    changes: Changes
    line: int = -1  # of the step, where it is one line's; backward comes to the last line first

    @property
    def words(self) -> str:
        """The words, in the language that is spoken."""
        return str(self.said)

    def __str__(self) -> str:
        return self.words


def parameter_groups(model: CellModel) -> list[tuple[str, ...]]:
    """Return parameters that share mistakes: those of one gradient, as added biases; matrices; biases; each alone."""
    true = gradients(model)
    names = list(model.case.params)
    equal: dict[bytes, list[str]] = {}
    for name in names:
        equal.setdefault(true[name].tobytes(), []).append(name)
    groups = [tuple(group) for group in equal.values()]
    groups += [tuple(n for n in names if (model.case.params[n].ndim > 1) == matrices) for matrices in (True, False)]
    return [*dict.fromkeys(g for g in groups if 1 < len(g) < len(names)), *((name,) for name in names)]


def edge_mistake(model: CellModel, edge: Edge, said: Words, change: EdgeChange) -> Mistake:
    """Return the mistake that changes the rule of one edge."""
    r, slot = edge
    target = model.roles[r].args[slot]
    return Mistake(said, quantity(model, target), Changes(edges={edge: change}), r)
