"""The table that compares the cells of the atlas, in the language that is spoken."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from tinygrad_rnn.bptt.atlas.cell_entry import CellEntry
from tinygrad_rnn.bptt.atlas.entry_page import rounded
from tinygrad_rnn.bptt.atlas.linearity import Linear
from tinygrad_rnn.bptt.atlas.page_blocks import Grid
from tinygrad_rnn.bptt.atlas.published import PUBLISHED
from tinygrad_rnn.language.saying import Words, listed, say, sentence

KINDS = {
    Linear.SCAN: sentence("yes, by entry"),
    Linear.MIXED: sentence("yes, mixed"),
    Linear.NO: sentence("no"),
}
"""What the table says of the linearity of a cell."""


WIDE = 100
"""The columns of a terminal that has room for more than the least."""


class Column(NamedTuple):
    """A column: its head, what it says of a cell, whether these are numbers, and how wide a terminal must be for it."""

    head: Words
    of: Callable[[CellEntry], object]
    numbers: bool = True
    room: float = 0


def _at(distance: int) -> Callable[[CellEntry], str]:
    return lambda entry: rounded(entry.marks[distance])


COLUMNS = (
    Column(sentence("cell"), lambda e: e.name, numbers=False),
    Column(sentence("year"), lambda e: e.facts.paper.year, room=WIDE),
    Column(sentence("entries of the state"), lambda e: f"{e.state_size.usual:,}"),
    Column(sentence("parameters"), lambda e: f"{e.parameter_count.usual:,}"),
    Column(sentence("multiply-adds"), lambda e: f"{e.cost.products.usual:,}", room=np.inf),
    Column(sentence("serial multiply-adds"), lambda e: f"{e.cost.waiting_products.usual:,}", room=WIDE),
    Column(sentence("other serial operations"), lambda e: f"{e.cost.waiting_others.usual:,}", room=np.inf),
    Column(sentence("linear in its state"), lambda e: KINDS[e.linear], numbers=False),
    Column(sentence("norm of the step Jacobian"), lambda e: f"{e.spectral_norm:.2f}", room=np.inf),
    Column(sentence("10 steps back"), _at(10)),
    Column(sentence("50 steps back"), _at(50)),
    Column(sentence("200 steps back"), _at(200)),
)


def comparison(entries: Iterable[CellEntry], terminal: float = np.inf, pages: str = "") -> Grid:
    """Return the table of these cells. terminal: how many characters a line of it has.

    pages: the ending of the page of each cell, ".md", to which its name then leads.
    """
    columns = [column for column in COLUMNS if column.room <= terminal]
    rows = [[str(column.of(entry)) for column in columns] for entry in entries]
    if pages:
        rows = [[f"[{name}]({name}{pages})", *rest] for name, *rest in rows]
    right = [k for k, column in enumerate(columns) if column.numbers]
    return Grid([str(column.head) for column in columns], rows, right)


def sources(entries: Iterable[CellEntry], pages: str = "") -> Grid:
    """Return the table of sources: the paper, code that others published, and what differs from the paper."""
    head = [say("cell"), say("paper"), say("published code that agrees"), say("what differs from the paper")]
    rows = []
    for entry in entries:
        paper = entry.facts.paper
        name = f"[{entry.name}]({entry.name}{pages})" if pages else entry.name
        at = [entry.facts.at] * bool(entry.facts.at)
        said = str(listed([f"{paper.first_author} {paper.year}", *at]))
        rows.append([name, said, PUBLISHED[entry.name].name, str(entry.facts.differs)])
    return Grid(head, rows)


def explained() -> str:
    """Return what the columns mean."""
    return say(
        "All numbers are at I = 10 inputs and H = 32 units, of one step of one example, counted off the tape; the norm "
        "of the step Jacobian is at H = 16. Serial is what leads from the old state to the new one: it must wait for "
        "the step before. A cell that is linear by entry runs in `nn.scan`; in a mixed one, an entry is made of "
        "several old ones. N steps back is log10 `|dL/ds_k|` at the initial parameters, N steps before a loss whose "
        "gradient by the last output has the norm 1."
    )
