"""Arguments, parameters and gradients as people have them: arrays in tuples, lists and dicts, of any depth.

>>> values, rebuild = flattened({"W": 1.0, "state": (2.0, 3.0)})
>>> [path for path, _ in values]
["['W']", "['state'][0]", "['state'][1]"]
>>> rebuild([10, 20, 30])
{'W': 10, 'state': (20, 30)}
>>> by_name({"encoder": {"W": 1.0}, "heads": [2.0, 3.0]})
{'encoder.W': 1.0, 'heads.0': 2.0, 'heads.1': 3.0}
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

Tree = Any
"""A leaf (an array, a Tensor, any other value), or a tuple, list or mapping of trees."""

Leaves = list[tuple[str, Tree]]
"""The leaves of a tree, each with its path or its name."""


def flattened(tree: Tree) -> tuple[Leaves, Callable[[Iterable[Tree]], Tree]]:
    """Return the leaves, each with its path as Python writes it, and a function that builds the same tree of others.

    Raises ValueError where a part of the tree holds itself.
    """
    leaves: Leaves = []
    _collect(tree, "", leaves, _written, ())
    return leaves, lambda values: _built(tree, iter(values))


def mapped(function: Callable[[Any], Any], tree: Tree) -> Tree:
    """Return the same tree with the function of each leaf in the place of the leaf."""
    leaves, rebuild = flattened(tree)
    return rebuild(function(leaf) for _, leaf in leaves)


def by_name(tree: Tree) -> dict[str, Tree]:
    """Return the leaves by their names, which are joined by dots, as PyTorch joins those of modules.

    Raises ValueError where two leaves have one name, a key of a mapping is no string, or a part holds itself.
    """
    leaves = named_leaves(tree)
    found = dict(leaves)
    if len(found) < len(leaves):
        names = [name for name, _ in leaves]
        raise ValueError(
            f"two parameters have the name {next(name for name in names if names.count(name) > 1)!r}\n"
            "names are joined by dots: rename one of them"
        )
    return found


def named_leaves(tree: Tree) -> Leaves:
    """Return the leaves, each with its name, which several may share; a tree that is a leaf has an empty one.

    Raises ValueError where a part of the tree holds itself.
    """
    leaves: Leaves = []
    _collect(tree, "", leaves, _dotted, ())
    return leaves


def _written(path: str, key: object) -> str:
    return f"{path}[{key!r}]"


def _dotted(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def branches(tree: Tree) -> list[tuple[Any, Tree]] | None:
    """Return the keys and values of a mapping, the numbers and entries of a tuple or list; None for a leaf."""
    if isinstance(tree, tuple | list):
        return list(enumerate(tree))
    return list(tree.items()) if isinstance(tree, Mapping) else None


def _collect(
    tree: Tree, path: str, leaves: Leaves, joined: Callable[[str, object], str], around: tuple[int, ...]
) -> None:
    """Add the leaves of a tree; `around`: the ids of the trees that it lies in."""
    within = branches(tree)
    if within is None:
        leaves.append((path, tree))
        return
    if id(tree) in around:
        raise ValueError(
            f"a {type(tree).__name__} holds itself, at {path}\ngive a tree that ends: arrays in tuples, lists and dicts"
        )
    for key, branch in within:
        if joined is _dotted and isinstance(tree, Mapping) and not isinstance(key, str):
            raise ValueError(f"the name {key!r} is of type {type(key).__name__}\nparameters are named by strings")
        _collect(branch, joined(path, key), leaves, joined, (*around, id(tree)))


def _built(tree: Tree, values: Iterator[Tree]) -> Tree:
    within = branches(tree)
    if within is None:
        return next(values)
    built = [_built(branch, values) for _, branch in within]
    kind = type(tree)
    if isinstance(tree, tuple):
        return kind(*built) if hasattr(tree, "_fields") else kind(built)
    if isinstance(tree, list):
        entries: Tree = [] if kind is list else copy.copy(tree)  # a copy keeps the attributes of a subclass
        entries[:] = built
        return entries
    other: Tree = copy.copy(tree) if isinstance(tree, dict) and kind is not dict else {}
    other.update(zip((key for key, _ in within), built, strict=True))
    return other
