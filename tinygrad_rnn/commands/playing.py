"""`tinygrad-rnn play`: a page on which a cell's tape runs forward and backward."""

from __future__ import annotations

import argparse

import numpy as np

from tinygrad_rnn import draw, nn
from tinygrad_rnn.commands.chosen_cell import chosen, problem
from tinygrad_rnn.commands.common import place, wrote
from tinygrad_rnn.core.tensor import named
from tinygrad_rnn.draw.played import require_playable
from tinygrad_rnn.tape.full_tape import Tape


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    playing = commands.add_parser("play", help="write a page on which a cell's tape runs forward and backward")
    problem(playing, steps=3)
    playing.add_argument("-o", "--output", type=place, required=True, help="write into this file: .html")
    playing.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Record the cell and the mean squared error of its states against random targets, and write the page."""
    require_playable(options.output)
    with chosen(options.cell) as found:
        params, xs, state = found.inputs(options, "float64")
        with Tape(lines=True) as tape:
            hs, _ = nn.unroll(found.cell, params, xs, state)
            loss = named("L", nn.mse(hs, np.random.default_rng(options.seed + 1).standard_normal(hs.shape)))
        path = draw.play(tape, loss, options.output, title=f"{found.name}, forward and backward")
    size = f" ({path.stat().st_size / 1000:.0f} kB)" if path.is_file() else ""
    wrote(path, f"{size}: open it in a browser")
    return 0
