"""The cells that `derive` is tried on, and the derivation of each, made once."""

import functools

import cells
import own_cells

from tinygrad_rnn import bptt

CELLS = {cell.__name__: (cell, None, "rows") for cell in cells.EVERY.values()}
CELLS |= {cell.__name__: (cell, *how) for cell, how in own_cells.CELLS.items()}
"""By name: (cell, its example or None, its layout)."""


@functools.cache
def derivation(name):
    cell, example, layout = CELLS[name]
    return bptt.derive(cell, example=example, layout=layout)
