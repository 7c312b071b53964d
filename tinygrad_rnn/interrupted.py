"""An interrupt while the command is imported ends it in one line. The package imports this file before all others."""

import os
import sys
from types import TracebackType

WORDS = "tinygrad-rnn: interrupted\n"
STATUS = 130
"""128 + SIGINT, as a shell reports it."""


def end() -> None:
    """Say that the command was interrupted."""
    if sys.stderr is not None:
        sys.stderr.write(WORDS)


def _hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    end()
    os._exit(STATUS)  # nothing has begun that could be left behind


def watch() -> None:
    """Watch for an interrupt, where the process is the command and no program that imports the package."""
    name = os.path.basename(next(iter(getattr(sys, "argv", [])), ""))
    if name == "-m" or os.path.splitext(name)[0] == "tinygrad-rnn":  # -m: while Python looks for what it runs
        sys.excepthook = _hook


watch()
