"""Which gradient belongs to which array: by place and name, else by shape where that is unambiguous, else by order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tinygrad_rnn.bptt.homework.given import Given, holds_gradients
from tinygrad_rnn.bptt.homework.places import Array, Path

AFFIXES = (
    r"^d[lLJEC]_?d_?(.+)$",
    r"^d_?(.+)$",
    r"^_?(?:grad(?:ient)?s?|delta|nabla)_?(.+)$",
    r"^g_?(.+)$",
    r"^(.+?)_?(?:grad(?:ient)?s?|_g|_d)$",
    r"^(.+)$",
)
"""The ways to write the gradient of W: dLdW, dW, grad_W, gW, W_grad, W."""
VALUES = ("v", "value", "values", "val", "data", "w", "weight", "p", "param", "x", "array")
"""The names of the attribute that holds the value of a parameter that is an object."""
WEIGHT = re.compile(r"^[WUVRbwuv](\d|_|[a-z]{0,3}$|$)|^(weight|bias|gamma|beta|theta|kernel)", re.ASCII)
NAMELESS = "a gradient without a name"


def leaf_names(
    paths: Mapping[Path, Array], parameters: list[str], unpacked: Mapping[str, list[str]] | None = None
) -> dict[Path, str]:
    """Return a name for each array: its key, attribute or global; for an argument, the name of the parameter.

    unpacked: the names that the code gives to what a tuple or a list holds.
    """
    names = {}
    for path in paths:
        words = _words(path, parameters)
        parts = (unpacked or {}).get(words[-2], []) if len(words) > 1 else []
        listed = isinstance(path[-1], int) and path[-1] < len(parts)
        names[path] = parts[int(words[-1])] if listed else _short(words)
    shared = [name for name in names.values() if list(names.values()).count(name) > 1]
    whole = {path: _words(path, parameters) for path, name in names.items() if name in shared}
    return {path: _unique(path, whole) if path in whole else name for path, name in names.items()}


def _unique(path: Path, whole: Mapping[Path, list[str]]) -> str:
    """Return the fewest last words of a path that no other path ends with: rnn.bias, for params.rnn.bias."""
    words = whole[path]
    for k in range(2, len(words)):
        if sum(other[-k:] == words[-k:] for other in whole.values()) == 1:
            return ".".join(words[-k:])
    return ".".join(words)


def is_parameter(name: str) -> bool:
    """Return whether an array has a name that parameters have: W, Wxh, b_f, weight."""
    return bool(WEIGHT.match(name.rpartition(".")[2]))


def is_gradient(path: Path, parameters: list[str]) -> bool:
    """Return whether an array stands where gradients do: in `grads`, or as the `d` of an object."""
    words = _words(path, parameters)
    return any(map(holds_gradients, words[:-1])) or (len(words) > 1 and holds_gradients(words[-1]))


def _words(path: Path, parameters: list[str]) -> list[str]:
    root, *steps = path
    words = [str(step) for step in steps]
    if root == "arguments" and isinstance(steps[0], int):
        words[0] = parameters[steps[0]] if steps[0] < len(parameters) else f"argument {steps[0] + 1}"
    return words


def _short(words: list[str]) -> str:
    """Return the last word that is a name, with the places after it: W, for params.W; params[0]; W_f, for W_f.v."""
    if len(words) > 1 and words[-1] in VALUES[:9]:
        words = words[:-1]
    last = max((k for k, word in enumerate(words) if not word.lstrip("-").isdigit()), default=0)
    return words[last] + "".join(f"[{word}]" for word in words[last + 1 :])


def matched(
    given: list[Given],
    leaves: Mapping[str, Array],
    paths: Mapping[str, Path],
    names: Mapping[str, str],
    parameters: list[str],
) -> tuple[dict[str, Given], list[str]]:
    """Return the gradient of each array by its name, and the names of the gradients that fit none.

    paths: where the arrays stand. names: the code's names for gradients, to those of arrays.
    """
    found: dict[str, Given] = {}
    used: set[int] = set()

    def take(leaf: str, gradient: Given) -> None:
        if leaf not in found and id(gradient) not in used:
            found[leaf] = gradient
            used.add(id(gradient))

    for gradient in given:
        if gradient.name is not None and gradient.name in names:
            take(names[gradient.name], gradient)
    returned = [g for g in given if not g.path]
    for leaf, gradient in _by_names(returned, leaves):
        take(leaf, gradient)
    for gradient in (g for g in given if g.path and not g.moved):
        for leaf in _by_place(gradient, leaves, paths, parameters):
            take(leaf, gradient)
    if not found:
        moved = {leaf: g for g in given if g.moved for leaf, path in paths.items() if path == g.path}
        trained = [leaf for leaf, g in moved.items() if g.array.any()]
        for leaf in [leaf for leaf in trained if is_parameter(leaf)] or trained:
            take(leaf, moved[leaf])
    unmatched = [g for g in returned if id(g) not in used]
    if not found:
        found = _by_shapes(unmatched, leaves, paths)
        unmatched = [g for g in unmatched if not any(g is taken for taken in found.values())]
    return found, [g.name or NAMELESS for g in unmatched]


def _by_names(given: list[Given], leaves: Mapping[str, Array]) -> Iterator[tuple[str, Given]]:
    """Yield arrays and gradients of one name, those first whose way to write it fits most arrays."""
    ways: list[list[tuple[str, Given]]] = []
    for pattern in AFFIXES:
        pairs = []
        for gradient in given:
            if fits := re.match(pattern, gradient.name or ""):
                same = [leaf for leaf in leaves if _same(fits[1], leaf)]
                alike = [leaf for leaf in same if leaves[leaf].shape == gradient.array.shape]
                pairs += [(leaf, gradient) for leaf in [*alike, *same][:1]]
        ways.append(pairs)
    for pairs in sorted(ways, key=lambda pairs: -sum(leaves[n].shape == g.array.shape for n, g in pairs)):
        yield from pairs


def _same(stem: str, leaf: str) -> bool:
    return _plain(stem) in (_plain(leaf), _plain(leaf.rpartition(".")[2]))


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _by_place(
    gradient: Given, leaves: Mapping[str, Array], paths: Mapping[str, Path], parameters: list[str]
) -> list[str]:
    """Return the arrays beside which a gradient stands: W beside dW, params[0] beside grads[0], W_f.v beside W_f.d."""
    root, words = gradient.path[0], _words(gradient.path, parameters)
    fits: dict[str, int] = {}
    for leaf, path in paths.items():
        theirs = _words(path, parameters)
        if leaves[leaf].shape != gradient.array.shape or path == gradient.path:
            continue
        for k, word in enumerate(words):
            if not holds_gradients(word):
                continue
            inside = [*words[:k], *words[k + 1 :]]
            if path[0] == root and _one(theirs, inside):
                fits[leaf] = 0
            if len(theirs) == len(words) and _one([*theirs[:k], *theirs[k + 1 :]], inside):
                fits[leaf] = 1 if theirs[k] in VALUES or "param" in theirs[k] or "weight" in theirs[k] else 2
            elif _stem(inside[-1:] or [""], theirs[-1]):
                fits.setdefault(leaf, 3)
        if path[0] == root and theirs[:-1] == words[:-1] and _stem(words, theirs[-1], bare=False):
            fits[leaf] = 0
        elif path[0] != root and _stem(words, theirs[-1], bare=False):  # self.dW, and a W that is given
            fits.setdefault(leaf, 4)
    return sorted(fits, key=lambda leaf: fits[leaf])[:1]


def _one(theirs: list[str], words: list[str]) -> bool:
    return theirs[:-1] == words[:-1] and (not words or theirs == words or _stem(words, theirs[-1]))


def _stem(words: list[str], name: str, bare: bool = True) -> bool:
    """Return whether the last word is the name of the gradient of a name."""
    patterns = AFFIXES if bare else AFFIXES[:-1]
    return any((found := re.match(p, words[-1])) and _plain(found[1]) == _plain(name) for p in patterns)


def _by_shapes(given: list[Given], leaves: Mapping[str, Array], paths: Mapping[str, Path]) -> dict[str, Given]:
    """Return gradients of the arrays of one list or dict, in its order; or of arrays whose shape no other has."""
    shapes = [g.array.shape for g in given]
    homes: dict[Path, list[str]] = {}
    for leaf, path in paths.items():
        homes.setdefault(path[:-1], []).append(leaf)
    for home in sorted(homes.values(), key=len, reverse=True):
        ours = [leaves[leaf].shape for leaf in home]
        certain = len(set(ours)) == len(ours) or all(g.name is None for g in given)
        for at in range(len(shapes) - len(ours) + 1):
            if certain and len(ours) > 1 and shapes[at : at + len(ours)] == ours:
                return dict(zip(home, given[at:], strict=False))
    found = {}
    for gradient in given:
        fits = [name for name, a in leaves.items() if a.shape == gradient.array.shape]
        if len(fits) == 1 and shapes.count(gradient.array.shape) == 1:
            found[fits[0]] = gradient
    return found
