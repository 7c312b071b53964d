"""`tinygrad-rnn draw`: a cell's unrolled graph."""

from __future__ import annotations

import argparse
from pathlib import Path

from tinygrad_rnn import nn
from tinygrad_rnn.commands.common import ALL_CELLS, inputs, problem, write_drawing
from tinygrad_rnn.engine.tape import Tape


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Its arguments."""
    drawing = commands.add_parser("draw", help="draw a cell's unrolled graph")
    problem(drawing, steps=4)
    drawing.add_argument("-o", "--output", type=Path, required=True, help="file: .svg, .png, .pdf or .dot")
    drawing.add_argument("--engine", choices=("auto", "dot", "grid"), default="auto")
    drawing.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Record the cell and draw its tape."""
    params, xs = inputs(options, "float64")
    with Tape() as tape:
        nn.unroll(ALL_CELLS[options.cell], params, xs)
    write_drawing(tape, options.output, options.engine)
    return 0
