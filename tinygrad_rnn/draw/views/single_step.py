"""What the only step of a layer reads from outside: names and shapes tell parameters, inputs and initial states apart.

Several steps tell a parameter, which all read, from x_t, which one reads, and show that h_0 stands in the place of a
state. A single step shows neither.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tinygrad_rnn.core.tape import Entry
from tinygrad_rnn.core.tensor import Tensor

Use = tuple[int, int]
"""The number of an entry, and the place of an argument."""

Outer = Mapping[Use, tuple[Tensor, str]]
"""For each use of a value from outside, the leaf behind it and the title: `weight_hhᵀ`, `x[0]`."""

_PARAMETERS = ("weight_", "bias_")


def initial_states(outer: Outer, made: Collection[str | None]) -> dict[Use, str]:
    """Return the uses of initial states, with the name of the state: h for h0, in a step that makes h."""
    names = {use: leaf.name or "" for use, (leaf, _) in outer.items()}
    return {use: name[:-1] for use, name in names.items() if name.endswith("0") and name[:-1] in made}


def parameters(entries: Sequence[Entry], outer: Outer, initial: Collection[Use], t: object) -> set[Tensor]:
    """Return the leaves that are surely parameters, read in the step t. A leaf that might be an input is none.

    A parameter has such a name, or is a matrix by which a value is multiplied, or has fewer axes than the values that
    it meets: all examples of a batch share it.
    """
    data = {
        leaf
        for use, (leaf, title) in outer.items()
        if use in initial or (leaf.name or "x").startswith("x") or title.endswith(f"[{t}]")
    }
    found: set[Tensor] = set()
    for (k, position), (leaf, _) in outer.items():
        entry = entries[k]
        others = [(k, n) for n, a in enumerate(entry.args) if n != position and isinstance(a, Tensor)]
        meets_data = any(other not in outer or outer[other][0] in data for other in others)
        matrix = entry.op.name == "matmul" and leaf.ndim == 2
        shared = entry.op.kind == "elementwise" and leaf.ndim < entry.out.ndim
        named = (leaf.name or "").startswith(_PARAMETERS)
        if leaf not in data and (named or (meets_data and (matrix or shared))):
            found.add(leaf)
    return found
