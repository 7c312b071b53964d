"""The entries of data along one axis, whatever holds them: an array, a list, a text, a dict of steps, their number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def is_steps(value: Any) -> bool:
    """Return whether a dict has one value for each step."""
    return isinstance(value, Mapping) and bool(value) and all(isinstance(key, int | np.integer) for key in value)


def sizes(value: Any) -> tuple[int, ...]:
    """Return the sizes of the axes that may be cut; none for what is no data."""
    if isinstance(value, np.ndarray):
        return tuple(value.shape)
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return (int(value),)
    whole = isinstance(value, str) or (isinstance(value, list | tuple) and _alike(value))
    return (len(value),) if whole or is_steps(value) else ()


def _alike(value: list[Any] | tuple[Any, ...]) -> bool:
    """Return whether a list may have a value for each step: its arrays have as many axes, and none lies deeper."""
    deeper = any(isinstance(v, tuple | list) and any(isinstance(p, np.ndarray) for p in v) for v in value)
    return (
        not hasattr(value, "_fields") and not deeper and len({v.ndim for v in value if isinstance(v, np.ndarray)}) <= 1
    )


def first(value: Any, axis: int, n: int) -> Any:
    """Return the first n entries along an axis."""
    if isinstance(value, int | np.integer):
        return n
    if isinstance(value, Mapping):
        return {key: value[key] for key in sorted(value)[:n]}
    if isinstance(value, np.ndarray):
        return value[(slice(None),) * axis + (slice(n),)].copy()
    return value[:n]


def one_more(value: Any, axis: int) -> Any:
    """Return the entries with the last one twice."""
    if isinstance(value, int | np.integer):
        return value + 1
    if isinstance(value, Mapping):
        return {**value, max(value) + 1: value[max(value)]}
    if isinstance(value, np.ndarray):
        return np.concatenate([value, np.take(value, [-1], axis)], axis)
    return value + value[-1:]


def at_most(value: Any, n: int) -> Any:
    """Return lengths that are n at most."""
    if isinstance(value, np.ndarray):
        return np.minimum(value, n)
    return type(value)(min(x, n) for x in value) if isinstance(value, list | tuple) else value


def another(value: Any, axis: int, at: int, rng: np.random.Generator) -> Any:
    """Return another value for one entry: near it, for floats; one that stands elsewhere in the data, for the rest."""
    every = _every(value, axis)
    entry = every[at]
    array = np.asarray(entry) if not isinstance(entry, Mapping | str) else np.zeros(0, int)
    if array.dtype.kind == "f" and not np.isin(array, (0, 1)).all():
        near = array + 0.1 * rng.standard_normal(array.shape)
        return near.tolist() if isinstance(entry, list | float) else near.astype(array.dtype)
    return next((e for e in reversed(every) if not _equal(e, entry)), entry)


def exchanged(value: Any, axis: int, at: int, entry: Any) -> Any:
    """Return the entries with one of them exchanged."""
    if isinstance(value, Mapping):
        return {**value, sorted(value)[at]: entry}
    if isinstance(value, np.ndarray):
        value = value.copy()
        np.moveaxis(value, axis, 0)[at] = entry
        return value
    if isinstance(value, str):
        return value[:at] + entry + value[at + 1 :]
    return type(value)([*value[:at], entry, *value[at + 1 :]])


def _every(value: Any, axis: int) -> list[Any]:
    if isinstance(value, Mapping):
        return [value[key] for key in sorted(value)]
    return list(np.moveaxis(value, axis, 0)) if isinstance(value, np.ndarray) else list(value)


def _equal(one: Any, other: Any) -> bool:
    try:
        return bool(np.array_equal(one, other))
    except (TypeError, ValueError):
        return one is other
