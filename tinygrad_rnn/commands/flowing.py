"""`tinygrad-rnn flow`: how gradients vanish, explode or survive, cell by cell."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_rnn import bptt, draw
from tinygrad_rnn.bptt.comparison.case import DTYPES
from tinygrad_rnn.bptt.gradient_flow.magnitude import power_text
from tinygrad_rnn.bptt.gradient_flow.verdict import Flow, spread
from tinygrad_rnn.commands.chosen_cell import HELP, a_cell, chosen, refuse_sizes
from tinygrad_rnn.commands.common import ALL_CELLS, place, sizes, wrote
from tinygrad_rnn.commands.model_weights import recurrent_layers
from tinygrad_rnn.commands.parser import Commands, add_command
from tinygrad_rnn.commands.progress_line import Progress
from tinygrad_rnn.commands.streams import add_json, file_for, require_outputs, tell, write_json
from tinygrad_rnn.draw import plots
from tinygrad_rnn.language.saying import listed, say
from tinygrad_rnn.nn.parameters import Cell
from tinygrad_rnn.text_tables import aligned, padded

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
    which = flow.add_mutually_exclusive_group()
    which.add_argument(
        "--cells",
        "--cell",
        type=_cells,
        default=default,
        help=f"some cells, with commas, each {HELP} (default: {default})",
    )
    which.add_argument(
        "--weights",
        type=place,
        metavar="FILE",
        help="the recurrent layers of a PyTorch model: its state_dict as .safetensors or .npz; inputs are random",
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
        rows = 100 if path is not None else 0
        chosen_ones = _of_weights(options, *silent) if options.weights else _of_cells(options)
        for number, (name, cell, problem) in enumerate(chosen_ones, 1):
            with progress(name, number, 0 if options.weights else len(options.cells)):
                flows[name] = bptt.flow(cell, *problem, seed=options.seed, rows=rows)
            tell(f"{flows[name]}\n", *silent)
        if options.steps > 1:  # at one step there is no distance to compare
            tell(_bars(flows), *silent)
        if path is not None:
            with progress(say("the figure")):
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


def _of_cells(options: argparse.Namespace) -> Iterator[tuple[str, Cell, tuple[Any, ...]]]:
    """Yield a name, the cell, and (params, xs, state) for each of `--cells`; its file stays open meanwhile."""
    names: set[str] = set()
    for given in options.cells:
        with chosen(given) as found:
            name = given if found.name in names else found.name
            names.add(name)
            yield name, found.cell, found.inputs(options, options.dtype)


def _of_weights(options: argparse.Namespace, *silent: str | None) -> Iterator[tuple[str, Cell, tuple[Any, ...]]]:
    """Yield a name, the cell, and (params, xs) for each recurrent layer of the file."""
    refuse_sizes(options)
    rng = np.random.default_rng(options.seed)
    for name, (kind, params) in recurrent_layers(options.weights, options.dtype).items():
        shapes = listed(f"{n} {p.shape}" for n, p in params.items())
        tell(say("{name}, read as {kind}: {shapes}", name=name, kind=kind, shapes=shapes), *silent)
        xs = rng.standard_normal((options.steps, options.batch, params["weight_ih"].shape[1]))
        yield name, ALL_CELLS[kind], (params, xs.astype(options.dtype))


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
    rows = [[say("distance"), *flows]]
    for distance in spread(T, 12):
        column = values[:, T - 1 - distance]
        bars = ["#" * round(width * (v - low) / (high - low)) if np.isfinite(v) else power_text(v) for v in column]
        rows.append([f"{distance:8}", *bars])
    rows = [[cell if k == 0 else padded(cell, width) for k, cell in enumerate(row)] for row in rows]
    title = say(
        "{norm} by distance, from {low} (no bar) to {high} (full), logarithmic:",
        norm="|dL_T/ds_k|",
        low=power_text(low),
        high=power_text(high),
    )
    return "\n".join([title, *aligned(rows)])
