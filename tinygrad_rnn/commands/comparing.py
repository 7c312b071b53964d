"""`tinygrad-rnn compare`: compare a cell's gradients on the tape, by hand and by numerical derivatives."""

from __future__ import annotations

import argparse

from tinygrad_rnn import bptt
from tinygrad_rnn.commands.chosen_cell import chosen, problem


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    compare = commands.add_parser(
        "compare", help="compare a cell's gradients on the tape with BPTT by hand and with numerical ones"
    )
    problem(compare, steps=7)
    compare.add_argument("--dtype", choices=("float64", "float32"), default="float64")
    compare.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the table; status 1 where a gradient is wrong."""
    by_hand = getattr(bptt.by_hand, options.cell, None)
    with chosen(options.cell) as found:
        params, xs, state = found.inputs(options, options.dtype)
        report = bptt.compare(found.cell, params, xs, by_hand, state, seed=options.seed)
    print(report)
    return 0 if report else 1
