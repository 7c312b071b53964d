"""Cells that are taken for each other: a derivation may be right, and of another cell than was said."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from tinygrad_rnn import nn
from tinygrad_rnn.bptt.comparison.case import Case, Gradients
from tinygrad_rnn.language.saying import Words, sentence
from tinygrad_rnn.nn.parameters import Cell


def similar_cells(cell: Cell) -> Iterator[tuple[Words, Cell]]:
    """Yield the names of cells with the parameters of one of `nn`, and the cells."""
    if cell in (nn.gru, nn.gru_textbook):
        other = nn.gru if cell is nn.gru_textbook else nn.gru_textbook
        name = other.__name__
        after = sentence("{cell}, whose reset gate acts after the matrix", cell=name)
        before = sentence("{cell}, whose reset gate acts before the matrix", cell=name)
        yield after if other is nn.gru else before, other
        for of in (cell, other):
            yield (
                sentence(
                    "{cell} with its update gate the other way round, h[t] = z * n + (1 - z) * h[t-1] "
                    "(Chung et al., 2014)",
                    cell=of.__name__,
                ),
                partial(_with_gate_turned, of),
            )
    elif cell is nn.rnn:
        yield "residual_rnn", nn.residual_rnn
        yield (
            sentence("{cell} with {option}", cell="rnn", option='nonlinearity="relu"'),
            partial(nn.rnn, nonlinearity="relu"),
        )
    elif cell is nn.residual_rnn:
        yield "rnn", nn.rnn
    elif getattr(cell, "func", None) is nn.rnn:
        yield sentence("{cell} with {option}", cell="rnn", option="tanh"), nn.rnn


def gradients_of(cell: Cell, case: Case) -> Gradients:
    """Return the gradients of another cell, on the problem of a case."""
    return Case(cell, case.params, case.xs, case.state, case.dhs, case.dlast, 0, with_dlast=True).tape_gradients()


def _with_gate_turned(cell: Cell, params: Any, x: Any, h: Any) -> Any:
    """Run the cell with 1 - z for z: sigmoid(-a) = 1 - sigmoid(a), so the rows of z change their sign."""
    sign = np.repeat([1.0, -1.0, 1.0], np.shape(h)[-1])
    turned = {name: p * (sign if np.ndim(p) == 1 else sign[:, None]) for name, p in params.items()}
    return cell(turned, x, h)
