"""What the teacher asks of a submission, as TASK.py says it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from tinygrad_rnn import bptt
from tinygrad_rnn.bptt.diagnosis.failures import line_of, told
from tinygrad_rnn.commands import user_code
from tinygrad_rnn.commands.common import ALL_CELLS
from tinygrad_rnn.commands.sources import from_source

FORMS = "write def examine(module): return bptt.examine(module.f, ...), or cell = ... and function = ... for the doctor"
PLACE = "give the file that says what is asked: see docs/marking.md"
FINDINGS = (bptt.Diagnosis, bptt.Examination, bptt.Report)
Findings: TypeAlias = "dict[str, bptt.Diagnosis | bptt.Examination | bptt.Report]"
"""Findings by the name of the question; "" where there is one question."""


@dataclass(frozen=True)
class Task:
    """A task: how a submission is judged, and the points of each gradient (None: one point each)."""

    path: Path
    judge: Callable[[ModuleType], Any]
    points: Mapping[str, float] | None

    def findings(self, module: ModuleType) -> dict[str, dict[str, Any]]:
        """Judge a submission, and return what was found as plain values, by the name of the question."""
        return {question: part.to_dict() for question, part in self.answers(module).items()}

    def answers(self, module: ModuleType) -> Findings:
        """Judge a submission, and return what was found.

        Raises ValueError or TypeError where it cannot be judged, or where the task returns something else.
        """
        found = self.judge(module)
        if isinstance(found, FINDINGS):
            return {"": found}
        if isinstance(found, list | tuple):
            found = {str(k + 1): part for k, part in enumerate(found)}
        if isinstance(found, Mapping) and found and all(isinstance(part, FINDINGS) for part in found.values()):
            return {str(name): part for name, part in found.items()}
        raise TypeError(
            f"{self.path.name}: examine(module) returned {type(found).__name__}\n"
            "return what bptt.examine, bptt.doctor or bptt.compare returns, or a dict of these by question"
        )


@contextmanager
def opened(path: Path) -> Iterator[Task]:
    """Read TASK.py. Inside, it can be asked. Raises ValueError, with what to write, where it says no task."""
    if not path.is_file():
        file = Path(str(path).rpartition(":")[0])
        advice = f"leave the name away: --task {file}" if file.is_file() else PLACE
        raise ValueError(f"{path}: {'is no file' if path.exists() else 'there is no such file'}\n{advice}")
    with user_code.opened(path) as module:
        for beside in from_source():  # it must not stand for a file of that name beside a submission
            if beside is not module:
                sys.modules.pop(beside.__name__, None)
        yield Task(path, _judge(path, module), _points(path, module))


def _judge(path: Path, module: ModuleType) -> Callable[[ModuleType], Any]:
    examine = getattr(module, "examine", None)
    asked = [name for name in ("cell", "function") if hasattr(module, name)]
    both = len(asked) == 2
    own = callable(examine) and examine is not bptt.examine
    if callable(examine) and own and not both:
        if not _takes_one(examine):
            raise ValueError(f"{path}: examine() cannot be called with a submission\n{FORMS}")
        return partial(_open_form, path, examine)
    if own:
        raise ValueError(f"{path}: examine, and cell and function too\n{FORMS}")
    if not both:
        alone = {"cell": "a cell, but no function", "function": "a function, but no cell"}
        there = alone[asked[0]] if asked else "no cell, no function and no examine of its own"
        raise ValueError(f"{path}: no task in it: {there}\n{FORMS}")
    cell = ALL_CELLS.get(module.cell) if isinstance(module.cell, str) else module.cell
    if not callable(cell):
        raise ValueError(f"{path}: cell is {module.cell!r}\ngive a function, or one of {', '.join(ALL_CELLS)}")
    many = isinstance(module.function, Iterable) and not isinstance(module.function, str)
    names = [*module.function] if many else [module.function]
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"{path}: function is {module.function!r}\n"
            "give the name of the function that students write, or a tuple of names"
        )
    given = {name: getattr(module, name) for name in ("example", "names", "layout", "bias") if hasattr(module, name)}
    return lambda submission: bptt.doctor(cell, _first(submission, names), **given)


def _takes_one(function: Callable[..., object]) -> bool:
    """Tell whether a function can be called with one argument by its place."""
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        return False
    except ValueError:  # it tells nothing of its parameters
        return True
    return True


def _open_form(path: Path, examine: Callable[[ModuleType], Any], submission: ModuleType) -> Any:
    """Ask the teacher's own function. What it misses in a submission is told as that, with the task's line."""
    try:
        return examine(submission)
    except AttributeError as error:
        if error.obj is not submission:
            raise
        user_code.function(submission, error.name or "")  # says which there are
        raise
    except (ValueError, TypeError):
        raise
    except Exception as error:
        where = line_of(error, path.resolve())
        raise ValueError(
            f"{path.name} could not be carried out: {told(error)}{where and f' ({where} of {path.name})'}\n"
            "the submission lacks what the task asks for, or the task is wrong"
        ) from error


def _first(submission: ModuleType, names: Sequence[str]) -> Callable[..., Any]:
    """Return the first function of these names that a submission has."""
    there = [name for name in names if callable(getattr(submission, name, None))]
    return user_code.function(submission, there[0] if there else names[0])


def _points(path: Path, module: ModuleType) -> Mapping[str, float] | None:
    points = getattr(module, "points", None)
    if points is None:
        return None
    numbers = isinstance(points, Mapping) and all(
        isinstance(p, int | float) and not isinstance(p, bool) and 0 <= p < float("inf") for p in points.values()
    )
    if not numbers or not points:
        raise ValueError(f'{path}: points is {points!r}\ngive points by gradient: points = {{"W": 2, "U": 3}}')
    return {str(name): p for name, p in points.items()}
