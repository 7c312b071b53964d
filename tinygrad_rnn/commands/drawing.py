"""`tinygrad-rnn draw`: the graph of a cell or of layers, into a file or as text."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from tinygrad_rnn import draw, files, nn
from tinygrad_rnn.commands.chosen_cell import Chosen, chosen, problem
from tinygrad_rnn.commands.common import STANDARD, at_least, first_step, place, size, wrote
from tinygrad_rnn.commands.parser import Commands, add_command
from tinygrad_rnn.commands.progress_line import Progress
from tinygrad_rnn.commands.streams import file_for, format_of
from tinygrad_rnn.core.tensor import Tensor, named
from tinygrad_rnn.language.saying import say
from tinygrad_rnn.tape.full_tape import Tape

ENDINGS = {".svg": "svg", ".png": "png", ".pdf": "pdf", ".dot": "dot", ".gv": "dot", ".txt": "text"}
"""The formats by the ending of a file."""
FORMATS = tuple(dict.fromkeys(ENDINGS.values()))
LAYERS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
"""Cells that there are as layers, of which several can be stacked, in both directions."""


def add(commands: Commands) -> None:
    """Add the command and its arguments."""
    drawing = add_command(
        commands,
        "draw",
        "draw the graph of a cell or of layers as a picture or as text",
        "--cell lstm -o lstm.svg",
        "--cell own.py:cell --level gates --ascii",
        "--cell rnn --view textbook --style slide -o figure.svg",
    )
    problem(drawing, steps=4)
    drawing.add_argument(
        "--layers", type=at_least(1), default=1, help=f"number of layers, for {', '.join(LAYERS)} (default: 1)"
    )
    drawing.add_argument(
        "--bidirectional", action="store_true", help=f"run in both directions, for {', '.join(LAYERS)}"
    )
    drawing.add_argument(
        "-o",
        "--output",
        type=place,
        metavar="FILE",
        help="draw into this file: .svg, .dot, .txt, or, with Graphviz, .png and .pdf; - for the standard output",
    )
    drawing.add_argument(
        "--to", choices=FORMATS, help="format for the standard output (default: that of the file's ending, or svg)"
    )
    drawing.add_argument("--ascii", action="store_true", help="print the steps as columns of text")
    drawing.add_argument(
        "--engine",
        choices=("auto", "dot", "grid"),
        default="auto",
        help="what places boxes and arrows: Graphviz's dot, the project's own grid, or what fits (default: auto)",
    )
    drawing.add_argument(
        "--view",
        choices=("unrolled", "rolled", "textbook"),
        default="unrolled",
        help="all steps, one step with loops, or both side by side with x, h and L alone (default: unrolled)",
    )
    drawing.add_argument(
        "--level",
        choices=("ops", "gates", "cells"),
        help="one box for each operation, gate or cell (default: ops; gates for text)",
    )
    drawing.add_argument(
        "--ends", type=at_least(1), help="number of steps to show at either end (default: as many as can be read)"
    )
    drawing.add_argument(
        "--show",
        type=_words,
        help="some of shape, value, grad, scalar, heat, with commas (default: shape; scalar on a slide)",
    )
    drawing.add_argument(
        "--style",
        choices=("page", "slide"),
        default="page",
        help="as large as it gets, or 1920 x 1080 with type of 18 points or more (default: page)",
    )
    first_step(drawing, "its label")
    drawing.add_argument("--flow", action="store_true", help="colour by the gradient of the mean square of the outputs")
    drawing.add_argument("--cuts", type=_steps, default=(), help="steps before which the gradient is cut: 2,4")
    drawing.add_argument(
        "--theme",
        choices=("light", "dark"),
        default="light",
        help="colours for a light or a dark page (default: light)",
    )
    drawing.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Record the cell, or the layers, and draw the tape."""
    if options.ascii and not options.output and (options.flow or options.cuts):
        raise ValueError("draw: --flow and --cuts colour a drawing, not its text\ngive a file as well, -o lstm.svg")
    if not options.output and not options.ascii:
        raise ValueError("draw: no file and no text\ngive a file, -o lstm.svg, or --ascii")
    if options.ascii and options.output == STANDARD:
        raise ValueError("draw: --ascii and -o -: two results onto the standard output\ngive -o a file")
    to = format_of("draw", options.output, options.to, ENDINGS, "svg")
    progress = Progress("draw")
    with file_for(options.output, "txt" if to == "text" else to) as path:
        if path is not None:
            files.require_ending("draw", path, *ENDINGS)
            files.require_place(path)
        with chosen(options.cell) as found, progress(found.name):
            tape, loss = _recorded(options, found)
            wanted = _wanted(options, loss)
            words = draw.text(tape, options.ends, **wanted) if options.ascii else None
        if words is not None:
            print(words, flush=True)
        if path is None:
            return 0
        with progress("the picture"):
            if to == "text":
                drawn = draw.text(tape, options.ends, ascii=options.ascii, **wanted)
                files.write(path, f"{drawn}\n")
                by = ""
            else:
                by = _render(options, tape, path, wanted)
        wrote(options.output, say(" (drawn by {engine})", engine=by) if by in ("dot", "grid") else "")
    return 0


def _wanted(options: argparse.Namespace, loss: Tensor | None) -> dict[str, Any]:
    """Return the options of the picture."""
    wanted: dict[str, Any] = {"view": options.view, "cuts": options.cuts, "first_step": options.first_step}
    if options.show:
        wanted["show"] = options.show
    if options.level:
        wanted["level"] = options.level
    if options.flow or options.cuts:
        wanted["flow"] = loss
    elif "grad" in (options.show or ()):
        wanted["loss"] = loss
    return wanted


def _render(options: argparse.Namespace, tape: Tape, path: files.AnyPath, wanted: dict[str, Any]) -> str:
    """Draw into a file, and return the engine."""
    looks = {"theme": options.theme, "style": options.style}
    return draw.render(tape, path, options.ends, options.engine, **looks, **wanted).engine


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
        if not (options.flow or options.cuts or "grad" in (options.show or ()) or options.view == "textbook"):
            return tape, None
        return tape, named("L", nn.mse(outputs, np.zeros(np.shape(outputs))))


def _words(value: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in value.split(","))


def _steps(value: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in value.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{value!r} is not a list of steps, as 2,4") from None
