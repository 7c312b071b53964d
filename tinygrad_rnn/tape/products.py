"""The products of one line of a tape, for rooms that read a tape line by line."""

from __future__ import annotations

from tinygrad_rnn.core.backward import Products, fitted, pull_arrays
from tinygrad_rnn.core.sparse import Cotangent, Sparse
from tinygrad_rnn.core.tensor import Line


def sparse_products_of(line: Line, g: Cotangent, needed: set[int] | None = None) -> Products:
    """Return the products of a line, given the cotangent g of its result: pairs (input, product).

    Each product has its input's shape and dtype; that of `x[index]` is a `Sparse`. With `needed`, only the inputs
    whose id is in it.
    """
    products = pull_arrays(line, g, needed)
    return [(x, fits) for x, product in products if (fits := fitted(product, x)) is not None]


def products_of(line: Line, g: Cotangent) -> Products:
    """Return the products of a line as dense arrays."""
    return [(x, dense(product)) for x, product in sparse_products_of(line, g)]


def dense(g: Cotangent) -> Cotangent:
    """Return a cotangent that may be a `Sparse` as one array."""
    return g.dense() if type(g) is Sparse else g
