"""`tinygrad-rnn play`: a page on which a cell's tape runs forward and backward, or its scan round by round."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

from tinygrad_rnn import bptt, draw, nn
from tinygrad_rnn.commands.chosen_cell import Chosen, chosen, problem
from tinygrad_rnn.commands.common import first_step, place, wrote
from tinygrad_rnn.commands.parser import Commands, add_command
from tinygrad_rnn.commands.progress_line import Progress
from tinygrad_rnn.commands.streams import file_for
from tinygrad_rnn.core.tensor import Tensor, named
from tinygrad_rnn.draw.played import require_playable
from tinygrad_rnn.draw.player import LEVELS
from tinygrad_rnn.language.saying import say
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.local_names import local_names

Place = str | os.PathLike[str]


def add(commands: Commands) -> None:
    """Add the command and its arguments."""
    playing = add_command(
        commands,
        "play",
        "write a page on which a cell's tape runs forward and backward",
        "-o lstm.html",
        "--cell gru --steps 8 --scan -o scan.html",
        "--cell own.py:cell -o own.html",
    )
    problem(playing, steps=3)
    first_step(playing, "its label")
    playing.add_argument(
        "--scan", action="store_true", help="play the walk back as an associative scan, beside the walk: up to 16 steps"
    )
    playing.add_argument("--level", choices=LEVELS, help="open with this level of detail (default: gates)")
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
            own = found.cell if found.module is not None else None  # a cell of nn names its values itself
            with Tape(lines=True) as tape, local_names(own) as called:
                hs, _ = nn.unroll(found.cell, params, xs, state)
                loss = named("L", nn.mse(hs, np.random.default_rng(options.seed + 1).standard_normal(hs.shape)))
            for op, _, _, out, _ in tape.lines():
                if id(out) in called and op.name != "getitem":  # x[t] stays a part of x
                    named(called[id(out)], out)
            page = (_scan if options.scan else _tape)(found, tape, loss, params, path, options)
        size = f" ({page.stat().st_size / 1000:.0f} kB)" if page.is_file() else ""
        wrote(options.output, f"{size}: open it in a browser")
    return 0


def _tape(
    found: Chosen, tape: Tape, loss: Tensor, params: dict[str, Tensor], path: Place, options: argparse.Namespace
) -> Path:
    """Write the page of the tape."""
    title, more = f"{found.name}, forward and backward", {"level": options.level, "first_step": options.first_step}
    return draw.play(tape, loss, path, title=title, lines=_lines(found), **more)


def _scan(
    found: Chosen, tape: Tape, loss: Tensor, params: dict[str, Tensor], path: Place, options: argparse.Namespace
) -> Path:
    """Write the page of the scan. Raises ValueError where a level of the tape's page is asked for."""
    if options.level:
        raise ValueError("--level is of the tape's own page, which --scan does not write\nleave one of them out")
    title = say("{cell}: BPTT as an associative scan", cell=found.name)
    return bptt.scan_gradient(tape, loss, params).play(path, title=title, first_step=options.first_step)


def _lines(found: Chosen) -> dict[str, str]:
    """Return the lines of the cell's derivation, or none for a cell that has no such formulas."""
    try:
        return bptt.derive(found.cell, example=found.example).lines_by_name()
    except Exception:  # the page needs no formulas, and a cell that runs here may fail on derive's problems
        return {}
