"""Arguments and results as people have them: arrays in tuples, lists and dicts, as deep as they like.

>>> values, rebuild = flattened({"W": 1.0, "state": (2.0, 3.0)})
>>> [path for path, _ in values]
["['W']", "['state'][0]", "['state'][1]"]
>>> rebuild([10, 20, 30])
{'W': 10, 'state': (20, 30)}
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


def flattened(tree: Any) -> tuple[list[tuple[str, Any]], Callable[[Iterable[Any]], Any]]:
    """The leaves, each with its path as it is written in Python, and the way to build the same tree of other leaves."""
    leaves: list[tuple[str, Any]] = []
    _collect(tree, "", leaves)
    return leaves, lambda values: _built(tree, iter(values))


def mapped(function: Callable[[Any], Any], tree: Any) -> Any:
    """The same tree with each leaf replaced by what the function makes of it."""
    leaves, rebuild = flattened(tree)
    return rebuild(function(leaf) for _, leaf in leaves)


def _branches(tree: Any) -> list[tuple[Any, Any]] | None:
    if isinstance(tree, dict):
        return list(tree.items())
    return list(enumerate(tree)) if isinstance(tree, tuple | list) else None


def _collect(tree: Any, path: str, leaves: list[tuple[str, Any]]) -> None:
    branches = _branches(tree)
    if branches is None:
        leaves.append((path, tree))
        return
    for key, branch in branches:
        _collect(branch, f"{path}[{key!r}]", leaves)


def _built(tree: Any, values: Any) -> Any:
    branches = _branches(tree)
    if branches is None:
        return next(values)
    built = [_built(branch, values) for _, branch in branches]
    if isinstance(tree, dict):
        return dict(zip(tree, built, strict=True))
    return type(tree)(*built) if hasattr(tree, "_fields") else type(tree)(built)
