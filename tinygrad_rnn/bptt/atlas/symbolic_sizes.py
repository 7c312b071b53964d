"""Sizes as formulas in I and H, found from the sizes themselves at a few values, and checked at others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

POWERS = ((1, 1), (0, 2), (2, 0), (0, 1), (1, 0), (0, 0))
"""The powers of I and H in each term, in the order in which a formula has them."""
FITTED = ((2, 3), (3, 5), (5, 2), (4, 7), (7, 3), (6, 5))
TRIED = ((3, 4), (8, 5), (10, 32))
USUAL = (10, 32)
"""I and H of the numbers that the atlas shows."""


@dataclass(frozen=True)
class Size:
    """A polynomial in I and H: the whole factor of each pair of powers."""

    factors: Mapping[tuple[int, int], int]

    def __call__(self, inputs: int, hidden: int) -> int:
        """Return the value at I and H."""
        return sum(factor * inputs**i * hidden**h for (i, h), factor in self.factors.items())

    def __mul__(self, factor: int) -> Size:
        """Return the size times a number."""
        return Size({powers: factor * n for powers, n in self.factors.items()})

    @property
    def usual(self) -> int:
        """The value at the sizes that the atlas shows."""
        return self(*USUAL)

    def __str__(self) -> str:
        terms = [(_term(*powers, abs(n)), n) for powers in POWERS if (n := self.factors.get(powers, 0))]
        text = "".join(f" {'-' if n < 0 else '+'} {term}" for term, n in terms)
        return text.removeprefix(" + ").replace(" - ", "-", 1) if text.startswith(" - ") else text[3:] or "0"


def _term(i: int, h: int, factor: int) -> str:
    letters = ["I²" if i == 2 else "I"] * bool(i) + ["H²" if h == 2 else "H"] * bool(h)
    return " ".join([str(factor)] * (factor != 1 or not letters) + letters)


def fitted(of: Callable[[int, int], int]) -> Size:
    """Return the formula of a size, a polynomial of degree 2 in I and H.

    of(I, H): the size. Raises ArithmeticError where no such formula gives the size at other values too.
    """
    rows = [[inputs**i * hidden**h for i, h in POWERS] for inputs, hidden in FITTED]
    found = np.linalg.solve(np.array(rows, float), [of(*sizes) for sizes in FITTED])
    size = Size({powers: round(n) for powers, n in zip(POWERS, found.tolist(), strict=True) if round(n)})
    for sizes in (*FITTED, *TRIED):
        if size(*sizes) != of(*sizes):
            raise ArithmeticError(f"atlas: a size of {of(*sizes)} at I, H = {sizes}, where {size} is {size(*sizes)}")
    return size


def fitted_shape(of: Callable[[int, int], tuple[int, ...]]) -> tuple[Size, ...]:
    """Return the formula of each size of a shape. Raises what `fitted` raises."""
    return tuple(fitted(lambda i, h, axis=axis: of(i, h)[axis]) for axis in range(len(of(*FITTED[0]))))  # type: ignore[misc]


def shape_text(shape: tuple[Size, ...]) -> str:
    """Write a shape: (4 H, I)."""
    return f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"
