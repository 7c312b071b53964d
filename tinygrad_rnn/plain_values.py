"""Results as plain values that JSON can hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """Return a dict, sequence, array or number as dicts with strings as keys, lists, and numbers of Python.

    JSON has no NaN and no infinity: they are the strings "NaN", "Infinity" and "-Infinity", which `float` reads.

    >>> plain({"norms": np.array([0.5, -np.inf]), 3: (np.int64(1), None)})
    {'norms': [0.5, '-Infinity'], '3': [1, None]}
    """
    if isinstance(value, np.ndarray):
        value = value.tolist()
    elif isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
