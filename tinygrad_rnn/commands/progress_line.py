"""One line of progress on a terminal, which fits it and is written over."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Iterable


class ProgressLine:
    """A line on the standard error. Of its parts those named in `spare` go first, in that order, where it is short."""

    def __init__(self, spare: Iterable[str] = ()) -> None:
        self.started = time.perf_counter()
        self._spare = tuple(spare)
        self._shown = 0.0

    def due(self) -> bool:
        """Return whether enough time has passed since the line was last shown, and take it as shown."""
        now = time.perf_counter()
        if now - self._shown < 0.2:
            return False
        self._shown = now
        return True

    def show(self, parts: dict[str, str]) -> None:
        """Write the line over the one before."""
        self._shown = time.perf_counter()
        self._print("\r" + _fitting(parts, _columns() - 1, self._spare))

    def end(self) -> None:
        """End the line, so that what comes next stands on its own."""
        if self._shown:
            self._print("\n")
            self._shown = 0.0

    @staticmethod
    def _print(words: str) -> None:
        with contextlib.suppress(OSError):  # a terminal that was closed does not end the run
            print(words, end="", file=sys.stderr, flush=True)


def _fitting(parts: dict[str, str], columns: int, spare: Iterable[str]) -> str:
    """Join the parts into one line of exactly `columns`: a longer one would wrap, and stay at each update."""
    kept, between = dict(parts), "  "
    for name in ("", *spare):
        if len(between.join(kept.values())) > columns:
            kept.pop(name, None)
            between = " "
    return between.join(kept.values())[:columns].ljust(columns)


def _columns() -> int:
    """Return the width of the terminal of the standard error, at most COLUMNS."""
    asked = shutil.get_terminal_size().columns  # COLUMNS, else the terminal of the standard output, else 80
    try:
        real = os.get_terminal_size(sys.stderr.fileno()).columns or asked
    except (OSError, ValueError):
        return max(asked, 2)
    return max(min(asked, real) if os.environ.get("COLUMNS") else real, 2)
