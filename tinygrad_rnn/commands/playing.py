"""`tinygrad-rnn play`: a page on which a cell's tape runs forward and backward."""

from __future__ import annotations

import argparse

import numpy as np

from tinygrad_rnn import draw, nn
from tinygrad_rnn.commands.chosen_cell import chosen, problem
from tinygrad_rnn.commands.common import place, wrote
from tinygrad_rnn.commands.parser import Commands, add_command
from tinygrad_rnn.commands.progress_line import Progress
from tinygrad_rnn.commands.streams import file_for
from tinygrad_rnn.core.tensor import named
from tinygrad_rnn.draw.player import require_playable
from tinygrad_rnn.tape.full_tape import Tape


def add(commands: Commands) -> None:
    """Add the command and its arguments."""
    playing = add_command(
        commands,
        "play",
        "write a page on which a cell's tape runs forward and backward",
        "-o lstm.html",
        "--cell own.py:cell -o own.html",
    )
    problem(playing, steps=3)
    playing.add_argument(
        "-o",
        "--output",
        type=place,
        required=True,
        metavar="FILE",
        help="write into this file: .html; - for the standard output",
    )
    playing.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Record the cell and the mean squared error of its states against random targets, and write the page."""
    progress = Progress("play")
    with file_for(options.output, "html") as path:
        assert path is not None  # -o is required
        require_playable(path)
        with chosen(options.cell) as found, progress(found.name):
            params, xs, state = found.inputs(options, "float64")
            with Tape(lines=True) as tape:
                hs, _ = nn.unroll(found.cell, params, xs, state)
                loss = named("L", nn.mse(hs, np.random.default_rng(options.seed + 1).standard_normal(hs.shape)))
            page = draw.play(tape, loss, path, title=f"{found.name}, forward and backward")
        size = f" ({page.stat().st_size / 1000:.0f} kB)" if page.is_file() else ""
        wrote(options.output, f"{size}: open it in a browser")
    return 0
