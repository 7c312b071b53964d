"""Which gradient belongs to which array: by name, else by shape where that is unambiguous, else by order."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tinygrad_rnn.bptt.homework.forms import Given
from tinygrad_rnn.bptt.homework.places import Array, Path

AFFIXES = (
    r"^old - new: (.+)$",
    r"^d[lLJE]_?d_?(.+)$",
    r"^d_?(.+)$",
    r"^(?:grad(?:ient)?s?|g|delta|nabla)_?(.+)$",
    r"^(.+?)_?(?:grad(?:ient)?|g|d)$",
    r"^(.+)$",
)
"""The ways to write the gradient of W: dLdW, dW, grad_W, gW, W_grad, W."""
NAMELESS = "a gradient without a name"


def leaf_names(paths: Mapping[Path, Array], parameters: list[str]) -> dict[Path, str]:
    """Return a name for each array: its key, attribute or global; for an argument, the name of the parameter."""
    names: dict[Path, str] = {}
    for path in paths:
        root, *steps = path
        words = [str(step) for step in steps]
        if root == "arguments" and isinstance(steps[0], int):
            words[0] = parameters[steps[0]] if steps[0] < len(parameters) else f"argument {steps[0] + 1}"
        names[path] = (
            words[-1]
            if isinstance(steps[-1], str) or len(steps) == 1
            else "".join([words[0], *(f"[{w}]" for w in words[1:])])
        )
    twice = [name for name in names.values() if list(names.values()).count(name) > 1]
    for path, name in names.items():
        if name in twice:
            names[path] = ".".join(str(step) for step in path[1:])
    return names


def matched(
    given: list[Given], leaves: Mapping[str, Array], names: Mapping[str, str], changed: bool
) -> tuple[dict[str, Array], list[str]]:
    """Return the gradient of each array by its name, and the names of the gradients that fit none.

    names: the code's names for gradients, to those of arrays. changed: whether an array that has its own name may be
    its gradient, as in a dict {"W": dW}; in an object it is the parameter itself.
    """
    found: dict[str, Array] = {}
    left: list[Given] = []
    for name, gradient in given:
        leaf = _by_name(name, leaves, names, changed)
        if leaf is None or leaf in found:
            left.append((name, gradient))
        else:
            found[leaf] = gradient
    nameless = [(name, g) for name, g in left if name is None]
    if found or not nameless:  # what has no name beside gradients that have one is something else: a state, a loss
        return found, [name or NAMELESS for name, _ in left]
    shapes = [g.shape for _, g in nameless]
    if shapes == [a.shape for a in leaves.values()]:
        return {name: g for name, (_, g) in zip(leaves, nameless, strict=True)}, []
    for _, gradient in nameless:
        fits = [name for name, a in leaves.items() if a.shape == gradient.shape]
        if len(fits) == 1 and shapes.count(gradient.shape) == 1:
            found[fits[0]] = gradient
    return found, [NAMELESS] * (len(nameless) - len(found))


def _by_name(name: str | None, leaves: Mapping[str, Array], names: Mapping[str, str], changed: bool) -> str | None:
    if name is None:
        return None
    if name in names:
        return names[name]
    for pattern in AFFIXES if changed else AFFIXES[:-1]:
        if fits := re.match(pattern, name):
            for same in (lambda a, b: a == b, lambda a, b: _plain(a) == _plain(b)):
                for leaf in leaves:
                    if same(fits[1], leaf) or same(fits[1], leaf.rpartition(".")[2]):
                        return leaf
    return None


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
