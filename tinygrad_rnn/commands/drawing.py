"""`tinygrad-rnn draw`: the graph of a cell or of layers, into a file or as text."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from tinygrad_rnn import draw, nn
from tinygrad_rnn.commands.chosen_cell import Chosen, chosen, problem
from tinygrad_rnn.commands.common import at_least, place, size, write_drawing
from tinygrad_rnn.core.tensor import Tensor, named
from tinygrad_rnn.draw.rendering import require_drawable
from tinygrad_rnn.tape.full_tape import Tape

LAYERS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
"""Cells that there are as layers, of which several can be stacked, in both directions."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    drawing = commands.add_parser("draw", help="draw the graph of a cell or of layers as a picture or as text")
    problem(drawing, steps=4)
    drawing.add_argument(
        "--layers", type=at_least(1), default=1, help=f"number of layers, for {', '.join(LAYERS)} (default: 1)"
    )
    drawing.add_argument(
        "--bidirectional", action="store_true", help=f"run in both directions, for {', '.join(LAYERS)}"
    )
    drawing.add_argument("-o", "--output", type=place, help="draw into this file: .svg, .png, .pdf or .dot")
    drawing.add_argument("--ascii", action="store_true", help="print the steps as columns of text")
    drawing.add_argument("--engine", choices=("auto", "dot", "grid"), default="auto")
    drawing.add_argument("--view", choices=("unrolled", "rolled"), default="unrolled")
    drawing.add_argument(
        "--level", choices=("ops", "gates", "cells"), help="one box for each of these (default: ops; gates for text)"
    )
    drawing.add_argument(
        "--ends", type=at_least(1), help="number of steps to show at either end (default: as many as can be read)"
    )
    drawing.add_argument(
        "--show", default="shape", help="some of shape, value, grad, heat, with commas (default: shape)"
    )
    drawing.add_argument("--flow", action="store_true", help="colour by the gradient of the mean square of the outputs")
    drawing.add_argument("--cuts", type=_steps, default=(), help="steps before which the gradient is cut: 2,4")
    drawing.add_argument("--theme", choices=("light", "dark"), default="light")
    drawing.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Record the cell, or the layers, and draw the tape."""
    if options.ascii and not options.output and (options.flow or options.cuts):
        raise ValueError("draw: --flow and --cuts colour a drawing, not its text\ngive a file as well, -o lstm.svg")
    if not options.output and not options.ascii:
        raise ValueError("draw: no file and no text\ngive a file, -o lstm.svg, or --ascii")
    if options.output:
        require_drawable(options.output)
    with chosen(options.cell) as found:
        _draw(options, *_recorded(options, found))
    return 0


def _draw(options: argparse.Namespace, tape: Tape, loss: Tensor | None) -> None:
    shown = tuple(name.strip() for name in options.show.split(","))
    wanted: dict[str, Any] = {"view": options.view, "show": shown, "cuts": options.cuts}
    if options.level:
        wanted["level"] = options.level
    if options.flow or options.cuts:
        wanted["flow"] = loss
    elif "grad" in shown:
        wanted["loss"] = loss
    if options.ascii:
        print(draw.text(tape, options.ends, **wanted))
    if options.output:
        write_drawing(tape, options.output, options.engine, steps=options.ends, theme=options.theme, **wanted)


def _recorded(options: argparse.Namespace, found: Chosen) -> tuple[Tape, Tensor | None]:
    """Return the tape, and the loss on it where a gradient is asked for."""
    several = options.layers > 1 or options.bidirectional
    if several and options.cell not in LAYERS:
        raise ValueError(f"draw: {options.cell} is not there as a layer\nchoose --cell of {', '.join(LAYERS)}")
    params, xs, state = found.inputs(options, "float64")
    with Tape() as tape:
        if several:
            units = size(options, "input"), size(options, "hidden")
            layer = LAYERS[options.cell](*units, num_layers=options.layers, bidirectional=options.bidirectional)
            outputs, _ = layer(layer.init(np.random.default_rng(options.seed)), xs)
        else:
            outputs, _ = nn.unroll(found.cell, params, xs, state)
        if not (options.flow or options.cuts or "grad" in options.show):
            return tape, None
        return tape, named("L", nn.mse(outputs, np.zeros(np.shape(outputs))))


def _steps(value: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in value.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{value!r} is not a list of steps, as 2,4") from None
