"""`compile_tape`: the program of a recorded tape."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.compiler.compiled import program_of
from tinygrad_rnn.compiler.pipeline import PASSES, checked
from tinygrad_rnn.compiler.program import Program
from tinygrad_rnn.core.errors import require_differentiable
from tinygrad_rnn.core.table import PRIMITIVES
from tinygrad_rnn.core.tensor import NO_KWARGS, Line, Tensor, leaf
from tinygrad_rnn.core.trees import flattened
from tinygrad_rnn.graph.graph import Array
from tinygrad_rnn.graph.passed_over import passed_over
from tinygrad_rnn.graph.roll import roll
from tinygrad_rnn.tape.full_tape import Tape


def compile_tape(
    tape: Tape,
    loss: Tensor,
    wrt: Any,
    inputs: Mapping[str, Tensor] | Sequence[Tensor],
    passes: Iterable[str] = PASSES,
) -> Program:
    """Return the program of a recorded tape: `program(values)` gives (loss, gradients) for other values of `inputs`.

    `values` is built like `inputs`, a dict or a sequence of Tensors; the gradients like `wrt`, a Tensor or a tree of
    them. Both may hold intermediate results: an input takes the place of its entry, as in `tape.rerun`, and a gradient
    is that of `tape.gradient`. All other leaves keep their values; a dict `values` may also hold a leaf of a dict
    `wrt`, by its name there.

    Raises as `tape.gradient` does; LookupError for an input that is not on the tape; ValueError for one that is given
    twice or is the loss, and for a tape that has hooks: a program does not call them.
    """
    chosen = checked(passes)
    tape.seeds(loss)
    asked, rebuild = flattened(wrt)
    for path, x in asked:
        require_differentiable(path, x)
    given: dict[Hashable, Tensor] = {}
    given.update(inputs if isinstance(inputs, Mapping) else enumerate(inputs))
    lines = tape.lines()
    _require_inputs(tape, lines, loss, given)
    fed = {id(x) for x in given.values()}
    lines = [(op, args, kwargs, out, labels) for op, args, kwargs, out, labels in lines if id(out) not in fed]
    lines, moved = _with_moves(lines, [x for _, x in asked])
    leaves = list(given.values())
    fixed: list[tuple[Hashable, Array]] = []
    names = {id(x): name for name, x in wrt.items() if name not in given} if isinstance(wrt, Mapping) else {}
    for x in dict.fromkeys(moved):
        if id(x) not in fed:
            leaves.append(x)
            fixed.append((names.get(id(x)), x.data))
    places = {id(x): k for k, x in enumerate(leaves)}
    rolled = roll(lines, leaves, [loss], left_out=passed_over(lines, loss, moved))
    wanted = list(dict.fromkeys(places[id(x)] for x in moved))

    def answer(results: list[Array]) -> Any:
        gradients = dict(zip(wanted, results[1:], strict=True))
        first = {places[id(x)]: k for k, x in reversed([*enumerate(moved)])}
        found = [(gradients[place := places[id(x)]], first[place] == k) for k, x in enumerate(moved)]
        return results[0], rebuild(g if own else g.copy() for g, own in found)

    return program_of(rolled, wanted, chosen, answer, list(given), fixed)


def _require_inputs(tape: Tape, lines: Sequence[Line], loss: Tensor, given: Mapping[Hashable, Tensor]) -> None:
    """Raise for inputs that a program of this tape cannot have."""
    if tape.hooked:
        raise ValueError(
            "compile_tape: the tape has hooks, which a program does not call\n"
            "take them away first, or ask tape.gradient, which calls them"
        )
    known = {id(x) for _, args, _, out, _ in lines for x in (out, *args) if type(x) is Tensor}
    names: dict[int, Hashable] = {}
    for name, x in given.items():
        if not isinstance(x, Tensor):
            raise TypeError(
                f"compile_tape: the input {name!r} is a {type(x).__name__}, not a Tensor\n"
                "give Tensors of the tape, by name or in a sequence"
            )
        if id(x) not in known:
            raise LookupError(
                f"compile_tape: the input {name!r}, {x.describe()}, is not on this tape\n"
                "give Tensors that the tape has, as tape.find(name)"
            )
        if x is loss:
            raise ValueError(
                f"compile_tape: the input {name!r} is the loss, of which nothing would be computed\n"
                "give what the loss is made of"
            )
        if id(x) in names:
            raise ValueError(
                f"compile_tape: the inputs {names[id(x)]!r} and {name!r} are one Tensor, {x.describe()}\ngive it once"
            )
        names[id(x)] = name


def _with_moves(lines: Sequence[Line], targets: Sequence[Tensor]) -> tuple[list[Line], list[Tensor]]:
    """Return lines in which each target is a leaf, or the sum of the old target and a leaf of zeros; and these leaves.

    The gradient by that leaf is the gradient by the target, which steps of a loop do not keep one by one. The zeros are
    negative: x + -0.0 is x, for x = 0.0 and x = -0.0 too.
    """
    wanted = {id(x) for x in targets}
    moves: dict[int, Tensor] = {}
    found: list[Line] = []
    for op, args, kwargs, out, labels in lines:
        if id(out) in wanted:
            before = leaf(out.data)
            moves[id(out)] = leaf(np.full(out.shape, -0.0, out.dtype))
            found.append((op, args, kwargs, before, labels))
            op, args, kwargs = PRIMITIVES["add"], (before, moves[id(out)]), NO_KWARGS
        found.append((op, args, kwargs, out, labels))
    return found, [moves.get(id(x), x) for x in targets]
