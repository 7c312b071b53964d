"""What a value can be: a loss, an output that has an upstream gradient; and how to say what it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.homework.array_places import is_floating
from tinygrad_rnn.core.tensor import Tensor


def loss_among(names: list[Any], parts: list[Any]) -> int | None:
    """Return the place of the loss: a single number, or an array of one number that is called so; None without one."""
    for k, part in enumerate(parts):
        if isinstance(part, float | complex) or (_one(part) and part.ndim == 0):
            return k
    return next((k for k, (n, p) in enumerate(zip(names, parts, strict=True)) if _one(p) and _is_loss(n)), None)


def _one(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic | Tensor) and _numeric(value) and value.size == 1


def _is_loss(name: Any) -> bool:
    return isinstance(name, str) and bool(re.search(r"loss|cost|error|nll|objective|^[LJE]$", name))


def is_output(value: Any) -> bool:
    """Return whether a value can have an upstream gradient: an array of floats, or a list or dict of such."""
    if isinstance(value, Mapping):
        return is_output(list(value.values()))
    if isinstance(value, list | tuple):
        arrays = bool(value) and all(isinstance(v, np.ndarray | Tensor) and _numeric(v) for v in value)
        return arrays and len({v.shape for v in value}) == 1
    return isinstance(value, np.ndarray | Tensor) and _numeric(value) and value.size > 0


def _numeric(value: Any) -> bool:
    return bool(value.dtype.kind == "c" or is_floating(value.dtype))


def stacked(output: Any) -> Any:
    """Return an output as one array: a list or dict of steps along a first axis of time."""
    if isinstance(output, Mapping):
        output = list(output.values())
    return np.stack(output) if isinstance(output, list | tuple) else output


def described(value: Any) -> str:
    """Say what a value is, in a few words."""
    if isinstance(value, np.ndarray):
        return f"an array {value.shape}"
    if isinstance(value, Mapping):
        within = ", ".join(f"{key}: {described(inner)}" for key, inner in list(value.items())[:8])
        return f"a dict ({within}{', ...' if len(value) > 8 else ''})" if value else "an empty dict"
    if isinstance(value, tuple | list):
        kinds = list(dict.fromkeys(map(described, value)))
        return f"a {type(value).__name__} of {len(value)}" + (f" ({kinds[0]} each)" if len(kinds) == 1 else "")
    return repr(value) if isinstance(value, int | float) else f"a {type(value).__name__}"
