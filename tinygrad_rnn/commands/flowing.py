"""`tinygrad-rnn flow`: how gradients vanish, explode or survive, cell by cell."""

from __future__ import annotations

import argparse

import numpy as np

from tinygrad_rnn import bptt, draw
from tinygrad_rnn.bptt.comparison.case import DTYPES
from tinygrad_rnn.bptt.gradient_flow.magnitude import power_text
from tinygrad_rnn.bptt.gradient_flow.verdict import Flow, spread
from tinygrad_rnn.commands.chosen_cell import HELP, a_cell, chosen
from tinygrad_rnn.commands.common import place, sizes, wrote
from tinygrad_rnn.commands.parser import Commands, add_command
from tinygrad_rnn.commands.progress_line import Progress
from tinygrad_rnn.commands.streams import add_json, file_for, require_outputs, say, write_json
from tinygrad_rnn.core.aligned import aligned, padded
from tinygrad_rnn.draw import plots

WIDTH = 64
"""Characters that the bars of one line take together."""


def add(commands: Commands) -> None:
    """Add the command and its arguments."""
    flow = add_command(
        commands,
        "flow",
        "show how gradients flow back through time: norms, contributions, a verdict",
        "--cells rnn,lstm --steps 50",
        "--cell own.py:cell -o flow.svg",
    )
    default = "rnn,residual_rnn,lstm,gru"
    flow.add_argument(
        "--cells",
        "--cell",
        type=_cells,
        default=default,
        help=f"some cells, with commas, each {HELP} (default: {default})",
    )
    sizes(flow, steps=100, hidden=32)
    flow.add_argument("--dtype", choices=DTYPES, default="float64", help="dtype of all numbers (default: float64)")
    flow.add_argument(
        "-o",
        "--output",
        type=place,
        metavar="FILE",
        help="draw a figure into this file: .svg, .png or .pdf (needs matplotlib); - for the standard output, as SVG",
    )
    add_json(flow)
    flow.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print table and verdict of each cell, and bars of all; draw them where a file was asked for."""
    require_outputs("flow", options.json, options.output)
    progress, silent = Progress("flow"), (options.json, options.output)
    flows: dict[str, Flow] = {}
    with file_for(options.output, "svg") as path:
        if path is not None:
            plots.require_drawable(path)
        for number, given in enumerate(options.cells, 1):
            with chosen(given) as found, progress(found.name, number, len(options.cells)):
                params, xs, state = found.inputs(options, options.dtype)
                name = given if found.name in flows else found.name
                rows = 100 if path is not None else 0
                flows[name] = bptt.flow(found.cell, params, xs, state, seed=options.seed, rows=rows)
            say(f"{flows[name]}\n", *silent)
        if options.steps > 1:  # at one step there is no distance to compare
            say(_bars(flows), *silent)
        if path is not None:
            with progress("the figure"):
                draw.plot_flow(
                    path,
                    norms={name: flow.norms for name, flow in flows.items()},
                    terms={name: flow.contributions for name, flow in flows.items()},
                    deltas={name: flow.deltas for name, flow in flows.items()},
                    losses=next(iter(flows.values())).losses,
                )
            wrote(options.output)
    if options.json:
        write_json(options.json, {"kind": "flows", "cells": {name: flow.to_dict() for name, flow in flows.items()}})
    return 0


def _cells(value: str) -> list[str]:
    return list(dict.fromkeys(a_cell(name.strip()) for name in value.split(",")))


def _bars(flows: dict[str, Flow]) -> str:
    """Return log10 of the state's gradient as bars: a line for each distance, a column for each cell."""
    T = len(next(iter(flows.values())).norms)
    values = np.array([flow.norms for flow in flows.values()])
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    low = min(low, high - 1)
    width = max(WIDTH // len(flows), 12)
    rows = [["distance", *flows]]
    for distance in spread(T, 12):
        column = values[:, T - 1 - distance]
        bars = ["#" * round(width * (v - low) / (high - low)) if np.isfinite(v) else power_text(v) for v in column]
        rows.append([f"{distance:8}", *bars])
    rows = [[cell if k == 0 else padded(cell, width) for k, cell in enumerate(row)] for row in rows]
    scale = f"from {power_text(low)} (no bar) to {power_text(high)} (full), logarithmic"
    return "\n".join([f"|dL_T/ds_k| by distance, {scale}:", *aligned(rows)])
