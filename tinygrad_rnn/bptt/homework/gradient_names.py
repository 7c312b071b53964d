"""Which gradient belongs to which array: by `names`, by name and place; else as `gradient_order` finds it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from tinygrad_rnn.bptt.homework.array_places import Array, Path
from tinygrad_rnn.bptt.homework.given import Given, holds_gradients
from tinygrad_rnn.bptt.homework.gradient_order import by_shapes, of_the_rest

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
        names[path] = parts[int(words[-1])] if listed else _short(words, paths[path], _beside(path, paths))
    shared = [name for name in names.values() if list(names.values()).count(name) > 1]
    whole = {path: _words(path, parameters) for path, name in names.items() if name in shared}
    return {path: _unique(path, whole) if path in whole else name for path, name in names.items()}


def _unique(path: Path, whole: Mapping[Path, list[str]]) -> str:
    """Return the fewest last words of a path that no other path ends with: rnn.bias, for params.rnn.bias."""
    words = whole[path]
    for k in range(2, len(words)):
        if not words[-k].isdigit() and sum(other[-k:] == words[-k:] for other in whole.values()) == 1:
            return _dotted(words[-k:])
    return _dotted(words)


def _dotted(words: list[str]) -> str:
    """Write words with dots, and places with brackets: layers[0].W."""
    text = ""
    for word in words:
        text += f"[{word}]" if word.isdigit() and text else f".{word}" if text else word
    return text


def is_parameter(name: str) -> bool:
    """Return whether an array has a name that parameters have: W, Wxh, b_f, weight."""
    return bool(WEIGHT.match(name.rpartition(".")[2]))


def is_gradient(path: Path, paths: Mapping[Path, Array], parameters: list[str]) -> bool:
    """Return whether an array stands where gradients do: in `grads`, or as the `d` of an object, beside a value.

    A parameter may be called D or g as well.
    """
    words = _words(path, parameters)
    if any(map(holds_gradients, words[:-1])):
        return True
    if len(words) < 2 or not holds_gradients(words[-1]):
        return False
    values = [a for name, a in _beside(path, paths).items() if name in VALUES]
    return len(words[-1]) > 1 or any(a.shape == paths[path].shape for a in values)


def _beside(path: Path, paths: Mapping[Path, Array]) -> dict[str, Array]:
    """Return the other arrays of the same dict or object, by name."""
    return {str(other[-1]): a for other, a in paths.items() if other[:-1] == path[:-1] and other != path}


def _words(path: Path, parameters: list[str]) -> list[str]:
    root, *steps = path
    words = [str(step) for step in steps]
    if root == "arguments" and isinstance(steps[0], int):
        words[0] = parameters[steps[0]] if steps[0] < len(parameters) else f"argument {steps[0] + 1}"
    return words


def _short(words: list[str], array: Array, beside: Mapping[str, Array]) -> str:
    """Return the last word that is a name, with the places after it: W, for params.W; params[0]; W_f, for W_f.v.

    beside: the other arrays there, by name. Beside U, or beside an array of another shape, v is no value.
    """
    alone = all(a.shape == array.shape and not is_parameter(name) for name, a in beside.items())
    if len(words) > 1 and words[-1] in VALUES[:9] and alone:
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

    for theirs, ours in names.items():
        for gradient in given:
            if gradient.name is not None and ends(gradient.words, theirs):
                for leaf in called(ours, paths, parameters)[:1]:
                    take(leaf, gradient)
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
        found = by_shapes(unmatched, leaves, paths)
        unmatched = [g for g in unmatched if not any(g is taken for taken in found.values())]
    rest = {n: a for n, a in leaves.items() if n not in found and _may_be_parameter(n, paths[n])}
    found |= of_the_rest(unmatched, rest) if found else {}
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
                home = [leaf for leaf in same if gradient.within and _same(".".join(gradient.words), leaf, whole=True)]
                pairs += [(leaf, gradient) for leaf in [*home, *alike, *same][:1]]
        ways.append(pairs)
    for pairs in sorted(ways, key=lambda pairs: -sum(leaves[n].shape == g.array.shape for n, g in pairs)):
        yield from pairs


def _same(stem: str, leaf: str, whole: bool = False) -> bool:
    """Return whether a stem is the name of an array, its last word, or all its words in any order: fw.W, W_fw."""
    words = leaf.split(".")
    ways = [_plain(leaf), _plain("".join(reversed(words)))]
    return _plain(stem) in (ways if whole else [*ways, _plain(words[-1])])


def _plain(name: str) -> str:
    return name.replace("_", "").replace(".", "").lower()


def ends(words: Sequence[str], name: str) -> bool:
    """Return whether the last words are those of a dotted name."""
    last = name.split(".")
    return list(words[-len(last) :]) == last


def called(name: str, paths: Mapping[str, Path], parameters: list[str]) -> list[str]:
    """Return the arrays that a name may mean: it is theirs, or the last words of the way to them, with dots."""
    if name in paths:
        return [name]
    return [leaf for leaf, path in paths.items() if ends(_words(path, parameters), name)]


def _may_be_parameter(name: str, path: Path) -> bool:
    """Return whether an array stands or is called as a parameter does, and not as data or states do."""
    return is_parameter(name) or (path[0] == "arguments" and len(path) > 2 and not is_data(name))


def is_data(name: str) -> bool:
    """Return whether an argument has a name that data and states have."""
    return name.lower().startswith(("x", "h", "c0", "a0", "s0", "inputs", "prev", "state", "y", "target"))


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
