"""`tinygrad-rnn compare`: compare a cell's gradients on the tape, by hand and by numerical derivatives."""

from __future__ import annotations

import argparse

from tinygrad_rnn import bptt
from tinygrad_rnn.bptt.comparison.case import DTYPES
from tinygrad_rnn.commands.chosen_cell import chosen, problem
from tinygrad_rnn.commands.parser import Commands, add_command
from tinygrad_rnn.commands.progress_line import Progress
from tinygrad_rnn.commands.streams import add_json, require_outputs, tell, write_json


def add(commands: Commands) -> None:
    """Add the command and its arguments."""
    compare = add_command(
        commands,
        "compare",
        "compare a cell's gradients on the tape with BPTT by hand and with numerical ones",
        "--cell lstm",
        "--cell own.py:cell --json report.json",
    )
    problem(compare, steps=7)
    compare.add_argument("--dtype", choices=DTYPES, default="float64", help="dtype of all numbers (default: float64)")
    add_json(compare)
    compare.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the table; status 1 where a gradient is wrong."""
    require_outputs("compare", options.json)
    by_hand = getattr(bptt.by_hand, options.cell, None)
    with chosen(options.cell) as found, Progress("compare")(found.name):
        params, xs, state = found.inputs(options, options.dtype)
        report = bptt.compare(found.cell, params, xs, by_hand, state, seed=options.seed)
    tell(str(report), options.json)
    if options.json:
        write_json(options.json, report.to_dict())
    return 0 if report else 1
