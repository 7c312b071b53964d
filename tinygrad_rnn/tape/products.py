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
    op, args, kwargs, out, _ = line
    found = [(x, fitted(product, x)) for x, product in pull_arrays(op, g, out._data, args, kwargs, needed)]
    return [(x, product) for x, product in found if product is not None]


def products_of(line: Line, g: Cotangent) -> Products:
    """Return the products of a line as dense arrays."""
    return [(x, p.dense() if type(p) is Sparse else p) for x, p in sparse_products_of(line, g)]
