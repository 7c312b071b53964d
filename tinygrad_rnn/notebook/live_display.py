"""A display in the cell of a notebook that is brought up to date while the cell runs.

IPython is asked for where it is loaded already, and never a dependency.
"""

from __future__ import annotations

import sys
from typing import Any

from tinygrad_rnn.notebook.html_parts import Markup


def running() -> Any:
    """Return the IPython in which this code runs; None in plain Python."""
    found = sys.modules.get("IPython")
    return None if found is None else getattr(found, "get_ipython", lambda: None)()


def in_notebook() -> bool:
    """Say whether this code runs in the kernel of a notebook, and not on a terminal."""
    return hasattr(running(), "kernel")


class LiveDisplay:
    """One place of a cell's output. `show` puts a form there, in the place of the one before."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, form: Markup, words: str) -> None:
        """Show a form; `words` stand for it where no HTML is shown."""
        from IPython.display import display

        content = {"text/html": str(form), "text/plain": words}
        if self._handle is None:
            self._handle = display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)
