"""The cell that --cell names: one of `nn`, or FILE.py:cell, in a file that also defines `example`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn import nn
from tinygrad_rnn.bptt.diagnosis.problems import Example, drawn_from
from tinygrad_rnn.commands import user_code
from tinygrad_rnn.commands.common import ALL_CELLS, SIZES, size, sizes
from tinygrad_rnn.commands.parser import meant
from tinygrad_rnn.core.tensor import Tensor

HELP = (
    f"one of {', '.join(ALL_CELLS)}; or FILE.py:cell or FILE.ipynb:cell, "
    f"in a file that also defines {user_code.EXAMPLE}"
)
NOT_OURS = (
    f"choose from {', '.join(ALL_CELLS)}, or give FILE.py:cell or FILE.ipynb:cell, "
    f"where the file has cell{user_code.OWN_CELL}"
)


@dataclass(frozen=True)
class Chosen:
    """A cell, its name, and, for a cell from a file, the file as a module."""

    name: str
    cell: Any
    module: ModuleType | None = None

    @property
    def example(self) -> Example | None:
        """The function of the file that makes problems; None for a cell of `nn`, which has its own."""
        return None if self.module is None else user_code.example(self.module)

    def inputs(self, options: argparse.Namespace, dtype: str) -> tuple[dict[str, Tensor], NDArray[np.floating], Any]:
        """Draw parameters, inputs and an initial state (None: the cell's own) of the size in the options.

        Raises ValueError where --input or --hidden is given for a cell whose file decides them.
        """
        rng = np.random.default_rng(options.seed)
        if self.example is None:
            units = size(options, "input"), size(options, "hidden")
            params = getattr(nn.init, self.name)(rng, *units, dtype)
            return params, rng.standard_normal((options.steps, options.batch, units[0])).astype(dtype), None
        refuse_sizes(options)
        file = str(getattr(self.module, "__file__", ""))
        with redirect_stdout(sys.stderr):  # what the file prints is no part of the answer
            params, xs, state = drawn_from(self.example, rng, options.steps, options.batch, file)
        tensors = {name: Tensor(_as(p, dtype), name=name) for name, p in params.items()}
        return tensors, _as(xs, dtype), None if state is None else tuple(_as(s, dtype) for s in state)


def refuse_sizes(options: argparse.Namespace) -> None:
    """Raise ValueError where --input or --hidden is given, though the file of a cell or of weights decides them."""
    if given := [f"--{name}" for name in SIZES if getattr(options, name) is not None]:
        raise ValueError(f"{' and '.join(given)}: the file decides that\nleave it out")


def problem(parser: argparse.ArgumentParser, steps: int) -> None:
    """Add the arguments for the cell and its size."""
    parser.add_argument("--cell", type=a_cell, default="lstm", help=f"{HELP} (default: lstm)")
    sizes(parser, steps)


def a_cell(value: str) -> str:
    """Return the name of a cell, for argparse: one that there is, or FILE.py:cell."""
    if value not in ALL_CELLS and ":" not in value:
        raise argparse.ArgumentTypeError(f"{value!r}: {NOT_OURS}{meant(value, ALL_CELLS)}")
    return value


@contextmanager
def chosen(name: str, nonlinearity: str | None = None, beside: ModuleType | None = None) -> Iterator[Chosen]:
    """Find a cell; its file stays open inside. A name of `nn` is always that cell.

    beside: a file that is open already, whose cells may be called by their names alone. Raises ValueError for a name
    that is not there, and for a nonlinearity of a cell that has none to choose.
    """
    if nonlinearity and name != "rnn":
        raise ValueError(f"--nonlinearity: {name} has none to choose\nonly rnn has")
    if name in ALL_CELLS:
        cell = ALL_CELLS[name]
        yield Chosen(name, partial(cell, nonlinearity=nonlinearity) if nonlinearity else cell)
    elif ":" in name:
        path, function = user_code.split(name)
        if beside is not None and path.resolve() == Path(str(beside.__file__)).resolve():
            yield Chosen(function, user_code.function(beside, function), beside)
            return
        with user_code.opened(path) as module:
            yield Chosen(function, user_code.function(module, function), module)
    elif callable(getattr(beside, name, None)):
        yield Chosen(name, getattr(beside, name), beside)
    else:
        there = f"neither one of {', '.join(ALL_CELLS)}, nor a function in {getattr(beside, '__file__', 'a file')}"
        write = f"write --cell rnn, or into that file: {name}{user_code.OWN_CELL}{meant(name, ALL_CELLS)}"
        raise ValueError(f"--cell {name}: {there}\n{write}")


def _as(values: Any, dtype: str) -> Any:
    """Return values of floats in a dtype; integers stay."""
    return values.astype(dtype) if values.dtype.kind == "f" else values
