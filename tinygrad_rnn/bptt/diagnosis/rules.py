"""Derivative rules as little programs on references, so that a rule can be read, edited and run at any step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, cast

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.core.sparse import Sparse
from tinygrad_rnn.core.table import TABLE, Primitive
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.tape.full_tape import Tape


class Ref(NamedTuple):
    """A value in a step, whatever the step: `kind` and `index`, at `shift` steps from it.

    "line" r: what line r made; "state" k: what the step reads as state k (with shift 1: what it makes); "wrapped" k:
    the same, but at step 0 the last state, as index -1 has it; "near" r, "within" r: a line's result at another step,
    past the ends that of the nearest step, or ones; "x"; "param";
    and for the walk back "cotangent" r: of what line r made; "upstream": dhs; "carry" k: what comes from step t+1 for
    state k; "local" k: the cotangent of state k without it.
    """

    kind: str
    index: Any = 0
    shift: int = 0


class Role(NamedTuple):
    """One line of the step: the operation, its arguments as references or constants, and the name of its result."""

    op: Primitive
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    name: str | None
    like: Tensor

    def slots(self) -> list[tuple[int, Ref]]:
        """Return the arguments that have a derivative: (number, reference)."""
        vjps = self.op.vjps
        count = len(self.args) if self.op.variadic else len(vjps)
        return [
            (k, a)
            for k, a in enumerate(self.args[:count])
            if isinstance(a, Ref) and (self.op.variadic or vjps[k] is not None)
        ]


class Reader(Protocol):
    """A step whose references have values."""

    def value(self, ref: object) -> Any:
        """Return the value of a reference."""


class Fixed:
    """An array that a line reads and that is the same at every step. It equals itself alone, as no array does."""

    def __init__(self, value: Array) -> None:
        self.value = value


def plain(a: object) -> Any:
    """Return the values of a Tensor, or an array, as what is fixed; anything else as it is."""
    return Fixed(a.data) if isinstance(a, Tensor) else Fixed(a) if isinstance(a, np.ndarray) else a


def operation_of(function: Callable[..., Any]) -> Primitive:
    """Return the operation of one of NumPy's functions."""
    return cast("Primitive", TABLE[function])


G = Ref("g")
"""In a rule: the cotangent that comes in."""


class Instruction(NamedTuple):
    """One operation of a rule: on numbers of earlier instructions, references, constants."""

    op: Primitive
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Made(NamedTuple):
    """In a rule: the result of an earlier instruction."""

    number: int


class Called(NamedTuple):
    """In a rule: an operation, applied to what stands in an operand's place."""

    op: Primitive
    of: object


@dataclass(frozen=True)
class Rule:
    """A derivative rule as a little program: its instructions, its result, and for a part the place that it goes to."""

    instructions: tuple[Instruction, ...]
    result: object
    place: Any = None
    of: Ref | None = None  # what the place is a place of

    @classmethod
    def traced(cls, role: Role, r: int, slot: int, result: Any, values: list[Any]) -> Rule:
        """Record the rule of an edge of line r on Tensors, at its result and its arguments' values."""
        g, y = Tensor(np.zeros(role.like.shape, role.like.dtype)), Tensor(result)
        arguments = [Tensor(v) if isinstance(a, Ref) else v for a, v in zip(role.args, values, strict=True)]
        with Tape() as tape:
            if role.op.variadic:
                product = role.op.vjps(g, y, *arguments, **role.kwargs)[slot]
            else:
                product = role.op.vjps[slot](g, y, *arguments, **role.kwargs)
        place, given = product.parts[0] if type(product) is Sparse else (None, product)
        known: dict[int, Ref | Made] = {id(g): G, id(y): Ref("line", r)}
        known |= {id(a): ref for a, ref in zip(arguments, role.args, strict=True) if isinstance(ref, Ref)}
        instructions = []
        for number, (op, args, kwargs, out, _) in enumerate(tape.lines()):
            instructions.append(Instruction(op, tuple(known.get(id(a), plain(a)) for a in args), kwargs))
            known[id(out)] = Made(number)
        return cls(tuple(instructions), known.get(id(given), plain(given)), place, role.args[slot])

    def __call__(self, at: Reader, g: Array) -> Any:
        """Compute the product, at one step."""
        made: list[Any] = []

        def of(a: Any) -> Any:
            if type(a) is Called:
                return a.op.function(of(a.of))
            if type(a) is Rule:
                return a(at, g)
            if type(a) is Made:
                return made[a.number]
            return g if type(a) is Ref and a == G else at.value(a)

        for op, args, kwargs in self.instructions:
            made.append(op.function(*[of(a) for a in args], **kwargs))
        result = of(self.result)
        return (
            result if self.place is None else Sparse(np.shape(at.value(self.of)), result.dtype, [(self.place, result)])
        )
