"""What the commands share: the cells by name, a small random problem, drawings."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_rnn import draw, nn
from tinygrad_rnn.tape.full_tape import Tape

CELLS: dict[str, Callable[..., Any]] = {
    cell.__name__: cell for cell in (nn.rnn, nn.residual_rnn, nn.lstm, nn.gru, nn.gru_textbook)
}
"""Those with a derivation by hand to compare with."""
MORE_CELLS: dict[str, Callable[..., Any]] = {
    cell.__name__: cell for cell in (nn.peephole_lstm, nn.coupled_lstm, nn.layer_norm_lstm, nn.mgu, nn.leaky_rnn)
}
ALL_CELLS = CELLS | MORE_CELLS


def problem(parser: argparse.ArgumentParser, steps: int) -> None:
    """The arguments that say which cell, of which size."""
    parser.add_argument("--cell", choices=list(ALL_CELLS), default="lstm")
    sizes(parser, steps)


def sizes(parser: argparse.ArgumentParser, steps: int, hidden: int = 5) -> None:
    """The arguments that say how large a problem is, and its seed."""
    for name, default in (("steps", steps), ("batch", 3), ("input", 4), ("hidden", hidden)):
        parser.add_argument(f"--{name}", type=at_least_one, default=default, help=f"default: {default}")
    parser.add_argument("--seed", type=not_negative, default=0, help="of the random parameters and inputs (default: 0)")


def at_least_one(value: str) -> int:
    """A positive number, as argparse takes it."""
    number = int(value)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not at least 1")
    return number


def not_negative(value: str) -> int:
    """A number from 0 on, as argparse takes it: a seed."""
    number = int(value)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is negative")
    return number


def theirs_for_ours(value: str) -> dict[str, str]:
    """Pairs of names, Wax=weight_ih,Waa=weight_hh, as argparse takes them."""
    pairs = [pair.split("=") for pair in value.split(",")]
    if any(len(pair) != 2 or not all(pair) for pair in pairs):
        raise argparse.ArgumentTypeError(f"{value!r}: write theirs=ours, with commas in between")
    return {theirs.strip(): ours.strip() for theirs, ours in pairs}


def inputs(options: argparse.Namespace, dtype: str, cell: str | None = None) -> tuple[Any, Any]:
    """Random parameters and inputs of the size that was asked for; of `options.cell` by default."""
    rng = np.random.default_rng(options.seed)
    params = getattr(nn.init, cell or options.cell)(rng, options.input, options.hidden, dtype)
    return params, rng.standard_normal((options.steps, options.batch, options.input)).astype(dtype)


def write_drawing(tape: Tape, path: Path, engine: str = "auto", **options: Any) -> None:
    """Draw a tape into a file, and say so."""
    drawn = draw.render(tape, path, engine=engine, **options)
    print(f"wrote {drawn.path}" + (f" (drawn by {drawn.engine})" if drawn.engine != "text" else ""))
