"""One line of progress on a terminal, which fits it, is written over, and is wiped away at the end."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any, TextIO, cast

from tinygrad_rnn.core.counting import clock
from tinygrad_rnn.text_tables import padded, shortened, width

QUIET = 2.0
"""Seconds that a command may take without a word."""
EVERY = 0.2
"""Seconds between two lines."""


class ProgressLine:
    """A line on the standard error. Of its parts those named in `spare` go first, in that order, where it is short."""

    def __init__(self, spare: Iterable[str] = ()) -> None:
        self.started = time.perf_counter()
        self._spare = tuple(spare)
        self._shown = 0.0
        self._stream = sys.stderr  # a file of the user may put another in its place

    def due(self) -> bool:
        """Return whether enough time has passed since the line was last shown, and take it as shown."""
        now = time.perf_counter()
        if now - self._shown < EVERY:
            return False
        self._shown = now
        return True

    def show(self, parts: dict[str, str]) -> None:
        """Write the line over the one before."""
        self._shown = time.perf_counter()
        self._print("\r" + _fitting(parts, _columns(self._stream) - 1, self._spare))

    def end(self) -> None:
        """Wipe the line away, so that what comes next stands in its place."""
        if self._shown:
            self._print("\r" + " " * (_columns(self._stream) - 1) + "\r")
            self._shown = 0.0

    def _print(self, words: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # a terminal that was closed does not end the run
            print(words, end="", file=self._stream, flush=True)


class Progress:
    """What a command is at, shown on a terminal once it has run for two seconds; elsewhere nothing is written.

    `with progress("lstm"):` stands around work that prints nothing.
    """

    def __init__(self, command: str) -> None:
        self._command, self._line, self._detail = command, ProgressLine(("at",)), ""
        self._shown = on_terminal()

    @contextlib.contextmanager
    def __call__(self, at: str, number: int = 0, of: int = 0) -> Iterator[None]:
        """Show the line while the block runs: what it works at, and the how manieth of how many that is."""
        if not self._shown:
            yield
            return
        counted = f"{number}/{of}" if of > 1 else ""
        self._detail, done, stream = "", threading.Event(), sys.stderr
        watching = threading.Thread(target=self._tick, args=(at, counted, done), daemon=True)
        watching.start()
        sys.stderr = cast(TextIO, _Above(stream, self._line))
        try:
            yield
        finally:
            sys.stderr = stream
            done.set()
            watching.join()
            self._line.end()

    def say(self, detail: str) -> None:
        """Add to the line how far the work is."""
        self._detail = detail

    def _tick(self, at: str, counted: str, done: threading.Event) -> None:
        left = QUIET - (time.perf_counter() - self._line.started)
        while not done.wait(max(left, EVERY)):
            left = 0
            seconds = clock(time.perf_counter() - self._line.started)
            parts = {"": f"{self._command}: {seconds}", "counted": counted, "at": at, "detail": self._detail}
            self._line.show({name: part for name, part in parts.items() if part})


class _Above:
    """The standard error while a line is shown: what a file of the user prints wipes the line away first."""

    def __init__(self, stream: TextIO, line: ProgressLine) -> None:
        self._stream, self._line = stream, line

    def write(self, text: str) -> int:
        """Write a text in the place of the line."""
        self._line.end()
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def on_terminal() -> bool:
    """Return whether somebody sees the standard error as it comes."""
    return sys.stderr is not None and sys.stderr.isatty()


def _fitting(parts: dict[str, str], columns: int, spare: Iterable[str]) -> str:
    """Join the parts into one line of exactly `columns`: a longer one would wrap, and stay at each update."""
    kept, between = dict(parts), "  "
    for name in ("", *spare):
        if width(between.join(kept.values())) > columns:
            if name:
                kept.pop(name, None)
            between = " "
    return padded(shortened(between.join(kept.values()), columns), columns)


def _columns(stream: TextIO | None = None) -> int:
    """Return the width of the terminal of a stream (the standard error), at most COLUMNS."""
    asked = shutil.get_terminal_size().columns  # COLUMNS, else the terminal of the standard output, else 80
    try:
        real = os.get_terminal_size((stream or sys.stderr).fileno()).columns or asked
    except (OSError, ValueError, AttributeError):
        return max(asked, 2)
    return max(min(asked, real) if os.environ.get("COLUMNS") else real, 2)
