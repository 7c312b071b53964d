"""Calls of a person's code: quiet, the same each time, and its errors told as what they are."""

from __future__ import annotations

import io
import random
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.diagnosis.failures import CELL, told

NOT_THEIRS = (str(Path(__file__).parents[2]), str(Path(np.__file__).parent))
"""The folders of this package and of NumPy."""


class ExamineError(Exception):
    """Code that cannot be examined, which says nothing on whether it is right."""


class ExamineValueError(ExamineError, ValueError):
    """A value with which the code cannot be examined."""


class ExamineTypeError(ExamineError, TypeError):
    """Something of a type that cannot be examined."""


class FailedError(ExamineError, RuntimeError):
    """The code itself raised an error. `words`: the error, with the line of the person's file."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


@contextmanager
def steady() -> Iterator[None]:
    """Give each call the same random numbers, keep what it prints, and undo its changes of the process."""
    state, other = np.random.get_state(), random.getstate()  # the code may draw from both
    try:
        np.random.seed(0)
        random.seed(0)
        with warnings.catch_warnings(), np.errstate(all="ignore"), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            # A complex number put into an array of floats loses the derivative: it must not do so quietly.
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            yield
    finally:
        np.random.set_state(state)
        random.setstate(other)


def asked(function: Callable[..., Any], arguments: list[Any], options: Mapping[str, Any] | None = None) -> Any:
    """Call a function. Raises FailedError, with the file and the line, for an error of the function."""
    try:
        return function(*arguments, **(options or {}))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        where = _line(error)
        raise FailedError(told(error) + (f" ({where})" if where else "")) from error


def _line(error: BaseException) -> str:
    """Return the file, or the cell of a notebook, and the line that led to an error: the last one of the person's."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith((*NOT_THEIRS, "<"))]
    if not frames:
        return ""
    path, _, cell = frames[-1].filename.rpartition(CELL)
    where = f"cell {cell}" if path else Path(frames[-1].filename).name
    return f"{where}, line {frames[-1].lineno}"
