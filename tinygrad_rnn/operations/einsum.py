"""Sums of products, written by their indices: np.einsum, with the letters explicit (`ij,jk->ik`) or implied.

The derivative by one operand is itself a sum of products: of the cotangent and the other operands, with that operand's
letters as the result. A letter that occurs nowhere else was summed over: a vector of ones brings it back. A letter
that occurs twice (`ii`) reads a diagonal: an identity matrix puts it back there.
"""

import string

import numpy as np

from tinygrad_rnn.core.counting import counted
from tinygrad_rnn.core.table import TABLE, primitive
from tinygrad_rnn.core.values import Value


def einsum(subscripts: str, *operands: Value, optimize: object = False) -> Value:
    """Compute np.einsum, for subscripts as a string. `optimize` is ignored: the order of products is fixed."""
    if not isinstance(subscripts, str):
        raise TypeError("einsum: the subscripts come as a string\nwrite np.einsum('ij,jk->ik', a, b)")
    return _einsum(*operands, subscripts=_explicit(subscripts, [np.ndim(x) for x in operands]))


def _explicit(subscripts: str, ndims: list[int]) -> str:
    """Return the subscripts with an arrow, without spaces, and with letters in the place of an ellipsis."""
    inputs, arrow, result = subscripts.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(ndims):
        raise ValueError(
            f"einsum: {subscripts!r} speaks of {counted(len(terms), 'operand')}; given: {len(ndims)}\n"
            "write one term for each operand"
        )
    free = [letter for letter in string.ascii_letters if letter not in subscripts]
    counts = [ndim - len(term.replace("...", "")) for term, ndim in zip(terms, ndims, strict=True)]
    for term, ndim, count in zip(terms, ndims, counts, strict=True):
        if count < 0 or (count and "..." not in term):
            raise ValueError(
                f"einsum: the term {term!r} of {subscripts!r} does not fit an operand with "
                f"{counted(ndim, 'axis', 'axes')}\n"
                "write one letter for each axis, or an ellipsis for the others"
            )
    dots = "".join(free[: max([c for c, term in zip(counts, terms, strict=True) if "..." in term], default=0)])
    terms = [term.replace("...", dots[len(dots) - count :]) for term, count in zip(terms, counts, strict=True)]
    if not arrow:
        once = [c for c in "".join(terms) if "".join(terms).count(c) == 1 and c not in dots]
        return f"{','.join(terms)}->{dots}{''.join(sorted(once))}"
    if dots and "..." not in result:
        raise ValueError(
            f"einsum: {subscripts!r} has an ellipsis for axes that the result leaves out\n"
            "an ellipsis is never summed over: write ... after the arrow, or letters"
        )
    return f"{','.join(terms)}->{result.replace('...', dots)}"


def _einsum_vjp(g: Value, y: Value, *operands: Value, subscripts: str) -> list[Value]:
    inputs, result = subscripts.split("->")
    terms = inputs.split(",")
    length: dict[str, int] = {}
    for term, x in zip(terms, operands, strict=True):
        for letter, n in zip(term, np.shape(x), strict=True):
            length[letter] = n if length.get(letter, 1) == 1 else length[letter]
    free = [letter for letter in string.ascii_letters if letter not in subscripts]
    products = []
    for k, term in enumerate(terms):
        others = [(result, g)] + [(t, x) for j, (t, x) in enumerate(zip(terms, operands, strict=True)) if j != k]
        wanted, new = "", iter(free)
        for letter in term:
            if letter in wanted:
                second = next(new)
                others.append((letter + second, np.eye(length[letter], dtype=g.dtype)))
                letter = second
            elif not any(letter in t and np.shape(x)[t.index(letter)] == length[letter] for t, x in others):
                others.append((letter, np.ones(length[letter], g.dtype)))
            wanted += letter
        products.append(_einsum(*(x for _, x in others), subscripts=f"{','.join(t for t, _ in others)}->{wanted}"))
    return products


_einsum = primitive(
    lambda *operands, subscripts: np.einsum(subscripts, *operands, optimize=len(operands) > 2),
    _einsum_vjp,
    name="einsum",
    variadic=True,
    kind="product",
)
TABLE[np.einsum] = einsum
