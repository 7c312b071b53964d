"""Names for values that have none from their author."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable, Sequence

from tinygrad_rnn.bptt.derivation.equations import LOSS
from tinygrad_rnn.bptt.derivation.spelled_gates import OPPOSITE
from tinygrad_rnn.bptt.derivation.trace import OF_STEP
from tinygrad_rnn.graph.graph import Loop, Node, Value
from tinygrad_rnn.tape.notation import LETTERS, SHORT, is_function


def short(key: str, shape: Sequence[int]) -> str:
    """Return the short name of a parameter with PyTorch's name: W, U, b_ih; w_ci and b_ci for weight_ci and bias_ci.

    A matrix with more than one row is a capital: W_q for weight_q; a vector is none: u for weight_hh.
    """
    if key in SHORT:
        return SHORT[key].lower() if len(shape) == 1 else SHORT[key]
    letter = "W" if len(shape) == 2 and shape[0] > 1 else "w"
    return re.sub("^bias_", "b_", re.sub("^weight_", f"{letter}_", key))


RESERVED = frozenset(
    {"x", "xs", "t", "T", "L", "H", "np", "params", "state", "dhs", "dlast", "dxs", "hs", "cache", "kept", "name"}
    | {"targets", "loss", "blank"}
    | {"forward", "backward", "gradients", "sigmoid", "softmax", "log_softmax", "relu", "elu", "softplus"}
    | set(dir(builtins))
    | set(keyword.kwlist)
)

PLAIN = frozenset(
    {"positive", "detach", "getitem", "transpose", "add", "subtract", "multiply", "negative", "power", "square"}
)
"""Operations whose results are written where they are read, also where they are read twice."""

SUMMED = frozenset({"add", "subtract", "matmul"})
"""Operations that make a net input."""


class Names:
    """The names that are taken, and new ones."""

    def __init__(self, taken: Iterable[str]) -> None:
        self.taken = set(taken)

    def free(self, name: str) -> bool:
        """Return whether a value can have that name, and its gradient the name with a d in front."""
        named = name.isidentifier() and name not in RESERVED and name not in self.taken
        clash = f"d{name}" in self.taken or (name.startswith("d") and name[1:] in self.taken)
        return named and not clash

    def take(self, name: str) -> str:
        """Take a name and return it as an identifier; where it is taken, with a fresh letter in the place of its stem.

        Raises ValueError where no name is left.
        """
        name = re.sub(r"\W", "_", name).strip("_") or "a"
        stem, underscore, rest = name.partition("_")
        more = [f"{letter}{underscore}{rest}" for letter in LETTERS]
        for candidate in (name, *more, *(f"{name}_{k}" for k in range(2, 1000))):
            if self.free(candidate):
                self.taken.add(candidate)
                return candidate
        raise ValueError(f"derive: there are too many values with the name {stem}\ngive them different names")

    def of_states(self, states: Iterable[str], params: Iterable[str]) -> dict[str, str]:
        """Return the name of each state in formulas, by its name in the cell: a, for a_prev."""
        states = list(states)
        others = {*states, *params}
        found = {}
        for state in states:
            stem = re.sub(r"_(prev|previous|before|old|last)$", "", state)
            found[state] = self.take(stem if stem not in others and self.free(stem) else state)
        self.taken |= {f"{name}_prev" for name in found.values()} | {f"d{name}_next" for name in found.values()}
        return found

    def cotangent(self) -> str:
        """Return a name for the cotangent of a value without a name. Raises ValueError where no name is left."""
        for candidate in (*(f"d{letter}" for letter in LETTERS), *(f"d{k}" for k in range(1, 1000))):
            if candidate not in self.taken and candidate[1:] not in self.taken:
                self.taken.add(candidate)
                return candidate
        raise ValueError("derive: the cell has too many values without a name\nname them, by named(...)")


def parts_of(body: list[Node]) -> dict[tuple[Value, int], list[Node]]:
    """Return the parts of each array that is cut into equal parts along an axis, all of which are read."""
    groups: dict[tuple[Value, int], list[Node]] = {}
    for node in body:
        if node.op.name == "getitem" and isinstance(node.args[0], Value):
            axes = [k for k, part in enumerate(node.args[1:]) if part != slice(None)]
            if len(axes) == 1 and isinstance(node.args[1 + axes[0]], slice):
                groups.setdefault((node.args[0], axes[0]), []).append(node)
    found = {}
    for (whole, axis), nodes in groups.items():
        length = whole.shape[axis]
        cuts = [node.args[1 + axis].indices(length) for node in nodes]
        size = length // len(nodes)
        if len(nodes) > 1 and cuts == [(k * size, (k + 1) * size, 1) for k in range(len(nodes))]:
            found[whole, axis] = nodes
    return found


def name_values(loop: Loop, states: dict[Value, str], names: Names) -> set[Value]:
    """Name the values of a step, each by another name, and return those whose names are not their author's.

    `states` has the names of the states.
    """
    readers: dict[Value, list[Value]] = {}
    for node in loop.body:
        for a in node.reads():
            readers.setdefault(a, []).append(node.out)
    made = {node.out: node.op.name for node in loop.body}
    for node in loop.body:
        if node.out in states:
            node.out.name = states[node.out]
        elif node.out.name == OF_STEP:
            node.out.name = LOSS
            states = {**states, node.out: LOSS}  # it has its name already
        elif node.op.name == "positive":
            node.out.name = None
    for explicit in (True, False):  # a net input z_i takes the name before the part of an array that it is made of
        for node in loop.body:
            if node.out.name and node.out not in states and (node.op.name != "getitem") == explicit:
                node.out.name = names.take(node.out.name)
    invented = set()
    nonlinear = _nonlinear(loop.body, made)
    for node in nonlinear:
        if node.args[0].name:  # two functions of one
            continue
        alone, of = len(nonlinear) == 1, (node.out.name or "").removesuffix("_tilde")
        node.args[0].name = names.take("z" if alone or not of else f"z_{of}")  # a net input
        invented.add(node.args[0])
    for node in loop.body:
        if node.op.name == "matmul":
            for a in node.reads():
                if a.name is None and made.get(a) in ("multiply", "add", "subtract"):
                    a.name = names.take("s")
                    invented.add(a)
        if node.out.name is None and len(readers.get(node.out, [])) > 1 and node.op.name not in PLAIN:
            node.out.name = names.take(LETTERS[0])
            invented.add(node.out)
    for (whole, _), nodes in parts_of(loop.body).items():
        if whole.name is None:
            stems = {node.out.name.rpartition("_")[0] for node in nodes if node.out.name}
            whole.name = names.take(stems.pop() if len(stems) == 1 and "" not in stems else LETTERS[0])
            invented.add(whole)
        endings = [_ending(node.out, readers) for node in nodes]
        if len(set(endings)) < len(endings) or not all(endings):
            endings = [str(k + 1) for k in range(len(nodes))]
        for node, ending in zip(nodes, endings, strict=True):
            if node.out.name is None:
                node.out.name = names.take(f"{whole.name}_{ending}")
                invented.add(node.out)
    return invented


def _nonlinear(body: list[Node], made: dict[Value, str]) -> list[Node]:
    """Return the functions of a net input that has no name."""
    sums = {v for v, name in made.items() if name in SUMMED}
    sums |= {node.out for node in body if node.op.name == "multiply" and node.args[0] == OPPOSITE}
    return [node for node in body if is_function(node.op.name) and node.args[0] in sums and node.args[0].name is None]


def _ending(v: Value, readers: dict[Value, list[Value]]) -> str:
    """Return the ending of the first named value that is made from a part of an array, or ""."""
    pending, seen = [v], set()
    while pending:
        v = pending.pop(0)
        for out in readers.get(v, []):
            if out.name:
                return out.name.rpartition("_")[2]
            if out not in seen:
                seen.add(out)
                pending.append(out)
    return ""
