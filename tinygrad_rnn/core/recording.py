"""The context of the running code: the open tapes, which record it, and the scope, which labels it.

Context decides, not flags on data: an operation is written on every tape that is open where it runs. The context is a
`ContextVar`, so threads and asyncio tasks do not see each other's tapes.

>>> with scope(layer=0), scope(t=3):
...     print(scope_text(current()[1]))
layer=0 t=3
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any

Scope = tuple[tuple[str, Any], ...]
"""Pairs (label, value), the outermost first."""

Tapes = tuple[Any, ...]
"""The open tapes, the outermost first. (They are `Tape`s, which this file, the lowest one, cannot import.)"""

Recording = tuple[Tapes, Scope]

_recording: ContextVar[Recording] = ContextVar("tinygrad_rnn_recording", default=((), ()))

current = _recording.get
"""Return (open tapes, scope) of the running code. So `current()[0]` asks: is anything recorded here?"""


class RecordingBlock:
    """A `with` block that changes the context, and restores it at its end, after an error too."""

    __slots__ = ("_change", "_tokens")

    def __init__(self, change: Callable[[Tapes, Scope], Recording]) -> None:
        self._change = change
        self._tokens: list[Token[Recording]] = []  # a list, since one block may be entered inside itself

    def __enter__(self) -> None:
        self._tokens.append(_recording.set(self._change(*current())))

    def __exit__(self, *error: object) -> None:
        _recording.reset(self._tokens.pop())


def scope(**labels: object) -> RecordingBlock:
    """Add labels, such as layer=0 and t=3, to all that is recorded inside a `with` block."""
    inner = tuple(labels.items())
    return RecordingBlock(lambda tapes, outer: (tapes, outer + inner))


def recording_on(tape: object) -> RecordingBlock:
    """Record on one more tape. Raises RuntimeError if it is open already."""

    def with_it(tapes: Tapes, labels: Scope) -> Recording:
        if any(other is tape for other in tapes):
            raise RuntimeError("Tape: this tape is open already\nopen another one: with Tape() as inner:")
        return (*tapes, tape), labels

    return RecordingBlock(with_it)


def recording_under(labels: Scope) -> RecordingBlock:
    """Record under exactly this scope, whatever labels are around it."""
    return RecordingBlock(lambda tapes, _: (tapes, labels))


def scope_text(labels: Scope) -> str:
    """Return a scope as tables, errors and drawings show it: `layer=0 t=3 gate=f`."""
    return " ".join(f"{key}={value}" for key, value in labels)


def where_text() -> str:
    """Return `, in layer=0 t=3` for the end of an error's first line, or nothing outside any scope."""
    _, labels = current()
    return f", in {scope_text(labels)}" if labels else ""
