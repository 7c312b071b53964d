"""Look a cell up in the atlas: its page as text, Markdown or HTML."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from tinygrad_rnn import files
from tinygrad_rnn.bptt.atlas.cell_entry import CellEntry
from tinygrad_rnn.bptt.atlas.cell_facts import FACTS
from tinygrad_rnn.bptt.atlas.comparison_table import comparison, explained
from tinygrad_rnn.bptt.atlas.entry_page import page_of
from tinygrad_rnn.bptt.atlas.page_blocks import Block, Heading, Words, as_html, as_markdown, html_body
from tinygrad_rnn.bptt.atlas.text_page import COLUMNS, as_text
from tinygrad_rnn.language.saying import say

SCRIPT = Path(__file__).with_name("sortable.js")
"""The script by which a reader sorts tables."""

WRITERS: Mapping[str, Callable[[Sequence[Block], str, int], str]] = {
    "text": lambda blocks, title, columns: as_text(blocks, columns),
    "markdown": lambda blocks, title, columns: as_markdown(blocks),
    "html": lambda blocks, title, columns: as_html(blocks, title, files.read_text(SCRIPT)),
}
"""The formats of a page, each with what writes blocks under a title, for a terminal of so many columns."""


class AtlasEntry(CellEntry):
    """A cell of `nn` in the atlas: print it for its page; `write` gives the page in other formats, `to_dict` numbers.

    Sizes are formulas in I and H: `parameters`, `parameter_count`, `states`, `state_size`, `cost`. `derivation` is BPTT
    of the cell, `curve` log10 |dL/ds_k| over 200 steps back, `spectral_norm` and `pattern` are those of the step
    Jacobian, `linear` and `no_scan` say whether it can run as a scan.
    """

    def write(self, to: str = "markdown", columns: int = COLUMNS) -> str:
        """Return the page in "text", "markdown" or "html", without other files. Raises ValueError for another format.

        columns: those of the terminal, for text. The gradients are checked first: raises what `check` raises.
        """
        if to not in WRITERS:
            raise ValueError(f"atlas: to={to!r}\ngive one of {', '.join(WRITERS)}")
        self.check()
        return WRITERS[to](page_of(self, to), str(self.facts.title), columns)

    def _repr_html_(self) -> str:
        return f"<div>{html_body(page_of(self, 'html'))}</div>"

    def __str__(self) -> str:
        return self.write("text")


def look_up(cell: str) -> AtlasEntry:
    """Return the entry of a cell of `nn` in the atlas, by its name: "lstm"; "irnn" is `rnn` with relu.

    Raises LookupError for a name that is not there.
    """
    if cell not in FACTS:
        near = difflib.get_close_matches(str(cell), FACTS, n=1)
        raise LookupError(
            f"atlas: no cell {cell!r}{f'; did you mean {near[0]}?' if near else ''}\ngive one of {', '.join(FACTS)}"
        )
    return AtlasEntry(FACTS[cell])


def compared(entries: Sequence[CellEntry], to: str, columns: int = COLUMNS) -> str:
    """Return the table of cells as a page, in "text", "markdown" or "html"; columns: those of the terminal."""
    title = say("The cells compared")
    blocks: list[Block] = [
        Heading(1, title),
        Words(explained()),
        comparison(entries, columns if to == "text" else np.inf),
    ]
    return WRITERS[to](blocks, title, columns)
