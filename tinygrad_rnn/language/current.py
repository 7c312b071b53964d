"""The language that is spoken: one for the process, and another one where code runs under `speaking`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

LANGUAGES = ("en", "zh")
"""English, and Chinese."""

_of_process = ["en"]
# A notebook runs each cell in a context of its own, so that a context variable which one cell sets is not set in the
# next. Therefore `speak` sets the language of the process, and `speaking` that of the context.
_of_context: ContextVar[str | None] = ContextVar("language", default=None)


def current() -> str:
    """Return the language that is spoken here: "en" or "zh"."""
    return _of_context.get() or _of_process[0]


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Speak a language in this block of code alone; other threads and tasks go on in theirs."""
    token = _of_context.set(_known(language))
    try:
        yield
    finally:
        _of_context.reset(token)


class _Spoken(AbstractContextManager[None]):
    """What `speak` returns: in a `with` statement the language holds for the block alone."""

    def __init__(self, language: str) -> None:
        self._language, self._before = _known(language), _of_process[0]
        self._block: AbstractContextManager[None] | None = None
        _of_process[0] = language

    def __enter__(self) -> None:
        _of_process[0] = self._before
        self._block = speaking(self._language)
        self._block.__enter__()

    def __exit__(self, *error: object) -> None:
        if self._block is not None:
            self._block.__exit__(*error)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"<speaks {self._language}>"


def speak(language: str) -> AbstractContextManager[None]:
    """Speak a language from here on, "en" or "zh": reports, hints and labels are written in it.

    `tg.speak("zh")` holds for the process, thus for all later cells of a notebook; `with tg.speak("zh"):` holds for the
    block alone. A report that was made before is written in the language that is spoken when it is shown. Names,
    formulas, errors and the keys of JSON stay English. A library begins in English whatever the locale is, so that a
    program gives the same words on each machine; the command line asks the locale.

    Raises ValueError for another language.

    >>> from tinygrad_rnn.language.saying import say
    >>> with speak("zh"):
    ...     print(say("all agree"))
    全部一致
    >>> print(say("all agree"))
    all agree
    """
    return _Spoken(language)


def _known(language: str) -> str:
    if language not in LANGUAGES:
        raise ValueError(f"speak: no language {language!r}\ngive one of {', '.join(LANGUAGES)}")
    return language
