"""The state of an optimiser: a dict, which a notebook shows as a table."""

from __future__ import annotations

from typing import Any

from tinygrad_rnn.core.trees import flattened
from tinygrad_rnn.language.saying import counts, say, template
from tinygrad_rnn.notebook.html_parts import Markup
from tinygrad_rnn.tape.rich_values import tree_form


class State(dict[str, Any]):
    """`count`, the steps done, and for each moment a tree of arrays, built like the parameters: plain data to save.

    A plain dict of these is a state too. `print(state)` shows its numbers.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{self._summary()}>"

    def __str__(self) -> str:
        return dict.__repr__(self)

    def _repr_html_(self) -> Markup:
        return tree_form({name: tree for name, tree in self.items() if name != "count"}, self._summary())

    def _summary(self) -> str:
        moments = [name for name in self if name != "count"]
        held = say(", without moments")
        if moments:
            one, several = template("{n:,} parameter"), template("{n:,} parameters")
            of_each = counts(len(flattened(self[moments[0]])[0]), one, several)
            held = say(": {moments} of {of_each}", moments=", ".join(moments), of_each=of_each)
        steps = counts(self.get("count", 0), template("{n:,} step"), template("{n:,} steps"))
        return say("state of an optimiser after {steps}{held}", steps=steps, held=held)
