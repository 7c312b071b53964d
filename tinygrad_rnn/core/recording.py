"""What is recorded, and under which labels: the open tapes and the scope of the running code.

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
Recording = tuple[tuple[Any, ...], Scope]

_recording: ContextVar[Recording] = ContextVar("tinygrad_rnn_recording", default=((), ()))

current = _recording.get
"""The open tapes, the outermost first, and the scope."""


class Recorded:
    """A `with` block that changes what is recorded, and puts it back as it was, whatever happens."""

    __slots__ = ("_change", "_tokens")

    def __init__(self, change: Callable[[tuple[Any, ...], Scope], Recording]) -> None:
        self._change = change
        self._tokens: list[Token[Recording]] = []

    def __enter__(self) -> None:
        self._tokens.append(_recording.set(self._change(*current())))

    def __exit__(self, *error: object) -> None:
        _recording.reset(self._tokens.pop())


def scope(**labels: Any) -> Recorded:
    """Add labels, such as layer=0 and t=3, to all that is recorded inside a `with` block."""
    more = tuple(labels.items())
    return Recorded(lambda tapes, labels: (tapes, labels + more))


def recording_on(tape: Any) -> Recorded:
    """Record on one more tape. Raises RuntimeError if it is open already."""

    def with_it(tapes: tuple[Any, ...], labels: Scope) -> Recording:
        if any(other is tape for other in tapes):
            raise RuntimeError("Tape: this tape is open already\nopen another one: with Tape() as inner:")
        return (*tapes, tape), labels

    return Recorded(with_it)


def recording_under(labels: Scope) -> Recorded:
    """Record under exactly this scope, whatever labels are around it."""
    return Recorded(lambda tapes, _: (tapes, labels))


def scope_text(labels: Scope) -> str:
    """Return `layer=0 t=3 gate=f`, as it stands in tables, errors and drawings."""
    return " ".join(f"{key}={value}" for key, value in labels)


def where_text() -> str:
    """Return `, in layer=0 t=3` for the end of an error's first line, or nothing outside any scope."""
    labels = current()[1]
    return f", in {scope_text(labels)}" if labels else ""
