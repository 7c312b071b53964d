"""The player in the cell of a notebook: its page within a frame, which sees nothing of the notebook around it."""

from __future__ import annotations

import html
import os
from pathlib import Path

from tinygrad_rnn import files
from tinygrad_rnn.language.saying import say
from tinygrad_rnn.notebook.html_parts import RULE, Markup

HIGH = 720
"""The height of the frame in pixels; it can be drawn larger at its lower edge."""


class Played:
    """The page on which a tape plays, as `draw.play` without a path returns it. `page` is its text."""

    def __init__(self, page: str, summary: str) -> None:
        self.page, self._summary = page, summary

    def __repr__(self) -> str:
        return f"<Player: {self._summary}; .save('tape.html') writes the page>"

    def _repr_html_(self) -> Markup:
        style = f"width:100%;height:{HIGH}px;resize:vertical;border:{RULE};box-sizing:border-box;display:block"
        untrusted = say("The player is here once this cell is run, or the notebook is trusted.")
        return Markup(
            f'<iframe title="{say("The player")}" sandbox="allow-scripts" style="{style}" '
            f'srcdoc="{html.escape(self.page)}">{untrusted}</iframe>'
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page into a file that ends in .html, and return its path. Nothing is left half-written."""
        require_playable(path)
        return files.write(path, self.page)


def require_playable(path: str | os.PathLike[str]) -> None:
    """Raise ValueError for another ending than .html, and what `files.require_place` raises."""
    files.require_ending("play", path, ".html", ".htm")
    files.require_place(path)
