"""The line of a user's code that is running: where an error happened, and whether that line is an assignment."""

from __future__ import annotations

import dis
import linecache
import os
import sys
from pathlib import Path
from types import FrameType

import numpy as np

_ENGINE = tuple(
    str(Path(__file__).parent.parent / room) + os.sep for room in ("core", "operations", "tape", "transforms")
)
_NUMPY = str(Path(np.__file__).parent) + os.sep
_INTO_A_PLACE = ("STORE_SUBSCR", "STORE_SLICE", "STORE_ATTR")


def code_line() -> str:
    """Return `path:number` of the line that called an operation, the nearest one outside the engine and NumPy."""
    frame = nearest(sys._getframe(1))
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def nearest(frame: FrameType) -> FrameType:
    """Return the nearest frame outside the engine and NumPy."""
    while frame.f_back is not None and frame.f_code.co_filename.startswith((*_ENGINE, _NUMPY)):
        frame = frame.f_back
    return frame


def assignment() -> str | None:
    """Return the assignment that is running, as `path:number: its text`; None where the running code is no assignment.

    A Tensor that NumPy asks for its values was assigned where the code that asked is at an instruction that stores into
    an array. NumPy's own Python code that stores is not the user's assignment.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_ENGINE):
        frame = frame.f_back
    if frame is None or frame.f_code.co_filename.startswith(_NUMPY):
        return None
    if dis.opname[frame.f_code.co_code[frame.f_lasti]] not in _INTO_A_PLACE:
        return None
    text = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" + (f": {text}" if text else "")
