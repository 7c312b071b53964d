"""Which gradient belongs to which array where no name says so: by shape where that is unambiguous, else by order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tinygrad_rnn.bptt.homework.array_places import Array, Path
from tinygrad_rnn.bptt.homework.given import Given

STATES = re.compile(r"^(d|grad_?)?_?(h|c|a|s|x|carry|prev|state|last|out|y|p|loss)(s|\d|_\w*|prev|next|last)*$", re.I)
"""Names of what a function returns besides the gradients of parameters."""


def by_shapes(given: Sequence[Given], leaves: Mapping[str, Array], paths: Mapping[str, Path]) -> dict[str, Given]:
    """Return gradients of the arrays of one list, dict or object, in order; or of arrays of a shape of their own."""
    shapes = [g.array.shape for g in given]
    for home in _homes(paths):
        ours = [leaves[leaf].shape for leaf in home]
        certain = len(set(ours)) == len(ours) or all(g.name is None for g in given)
        for at in range(len(shapes) - len(ours) + 1):
            if certain and len(ours) > 1 and shapes[at : at + len(ours)] == ours:
                return dict(zip(home, given[at:], strict=False))
    return _of_own_shape(given, leaves)


def of_the_rest(given: Sequence[Given], leaves: Mapping[str, Array]) -> dict[str, Given]:
    """Return gradients of the parameters that have none yet, given all that is left: by elimination.

    One gradient and one parameter that are left belong together, if they have as many entries; several ones by shapes
    that each has alone, or in their order where they have no names.
    """
    given = [g for g in given if not (g.name and STATES.match(g.name))]
    names = list(leaves)
    if len(given) == len(leaves) == 1:
        return {names[0]: given[0]} if given[0].array.size == leaves[names[0]].size else {}
    if found := _of_own_shape(given, leaves):
        return found
    in_order = len(given) == len(leaves) and all(g.name is None for g in given)
    same = in_order and all(g.array.shape == leaves[n].shape for n, g in zip(names, given, strict=True))
    return dict(zip(names, given, strict=True)) if same else {}


def _homes(paths: Mapping[str, Path]) -> list[list[str]]:
    """Return the arrays of each container, with those of containers in it, the largest first."""
    homes: dict[Path, list[str]] = {}
    for leaf, path in paths.items():
        for depth in range(1, len(path)):
            homes.setdefault(path[:depth], []).append(leaf)
    return sorted((home for path, home in homes.items() if len(path) > 1), key=len, reverse=True) + [
        home for path, home in homes.items() if len(path) == 1
    ]


def _of_own_shape(given: Sequence[Given], leaves: Mapping[str, Array]) -> dict[str, Given]:
    shapes, found = [g.array.shape for g in given], {}
    for gradient in given:
        fits = [name for name, a in leaves.items() if a.shape == gradient.array.shape]
        if len(fits) == 1 and shapes.count(gradient.array.shape) == 1:
            found[fits[0]] = gradient
    return found
