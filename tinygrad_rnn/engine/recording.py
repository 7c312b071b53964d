"""What is recorded, and under which labels: the open tapes and the scope of the running code.

Recording is a matter of context: an operation is written down on every tape that is open where it runs.
The context is a `contextvars` variable, so threads and asyncio tasks do not see each other's tapes.

>>> with scope(layer=0), scope(t=3):
...     print(scope_text(current()[1]))
layer=0 t=3
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

Scope = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One line of a tape: the call `out = op(*args, **kwargs)`, made under `scope`.

    `line` is the line of code that made it, `path:number`, where the tape keeps that: `Tape(lines=True)`. A tape keeps
    the other five as a plain tuple and hands it out as an Entry: recording one costs a third.
    """

    op: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    out: Any
    scope: Scope
    line: str | None = None

    def __str__(self) -> str:
        line = f"{_shown(self.out)} = {self.op.name}({', '.join(_shown(a) for a in self.args)}"
        line += "".join(f", {key}={value!r}" for key, value in self.kwargs.items()) + ")"
        return f"{line}  in {scope_text(self.scope)}" if self.scope else line


class OpenTape(Protocol):
    """What an operation needs of a tape: somewhere to write the line, and a weak reference to leave behind."""

    ref: Any

    @property
    def sealed(self) -> bool:
        """Are the values of what is made on this tape kept on it?"""

    def record(self, line: tuple[Any, ...], /) -> None:
        """Write one line down: the first five fields of an Entry."""


NO_KWARGS: dict[str, Any] = {}
"""What every line without keyword arguments holds, so that it costs no dict of its own."""

Recording = tuple[tuple[OpenTape, ...], Scope]

_recording: ContextVar[Recording] = ContextVar("tinygrad_rnn_recording", default=((), ()))

current = _recording.get


class _Context:
    """A `with` block in which the recording is another one, and after which it is as before, whatever happens."""

    __slots__ = ("_tokens",)

    def __init__(self) -> None:
        self._tokens: list[Token[Recording]] = []

    def _enter(self, recording: Recording) -> None:
        self._tokens.append(_recording.set(recording))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _recording.reset(self._tokens.pop())


class scope(_Context):  # noqa: N801 - used as a statement: `with scope(t=3):`
    """Labels for everything recorded inside: `with scope(layer=0, t=3):` adds to the labels already there."""

    __slots__ = ("_labels",)

    def __init__(self, **labels: Any) -> None:
        super().__init__()
        self._labels: Scope = tuple(labels.items())

    def __enter__(self) -> None:
        tapes, labels = current()
        self._enter((tapes, labels + self._labels))


class recording_on(_Context):  # noqa: N801 - used as a statement
    """Record on one more tape inside the block."""

    __slots__ = ("_tape",)

    def __init__(self, tape: OpenTape) -> None:
        super().__init__()
        self._tape = tape

    def __enter__(self) -> None:
        tapes, labels = current()
        if any(open_tape is self._tape for open_tape in tapes):
            raise RuntimeError("Tape: this tape is open already\nopen another one: with Tape() as inner:")
        self._enter(((*tapes, self._tape), labels))


class recording_under(_Context):  # noqa: N801 - used as a statement
    """Record under exactly this scope inside the block, whatever labels are around it."""

    __slots__ = ("_scope",)

    def __init__(self, labels: Scope) -> None:
        super().__init__()
        self._scope = labels

    def __enter__(self) -> None:
        self._enter((current()[0], self._scope))


class not_recording(_Context):  # noqa: N801 - used as a statement
    """Record nothing inside the block. Raises TypeError on a sealed tape: what is not recorded leaves it."""

    __slots__ = ()

    def __enter__(self) -> None:
        tapes, labels = current()
        if any(tape.sealed for tape in tapes):
            raise TypeError(
                f"values that are not recorded would leave a sealed tape{where_text()}\n"
                "in a compiled function everything is recorded: call this outside of it"
            )
        self._enter(((), labels))


def scope_text(labels: Scope) -> str:
    """`layer=0 t=3 gate=f`, as it stands in tables, errors and drawings."""
    return " ".join(f"{key}={value}" for key, value in labels)


def where_text() -> str:
    """`, in layer=0 t=3` for the end of an error's first line, or nothing outside any scope."""
    labels = current()[1]
    return f", in {scope_text(labels)}" if labels else ""


def _shown(value: Any) -> str:
    shape = getattr(value, "shape", None)
    if shape is None:
        return repr(value)
    return f"{getattr(value, 'name', None) or 'array'} {tuple(shape)}"
