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
from tinygrad_rnn.core.aligned import aligned, padded
from tinygrad_rnn.draw import plots

WIDTH = 64
"""Characters that the bars of one line take together."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    flow = commands.add_parser(
        "flow", help="show how gradients flow back through time: norms, contributions, a verdict"
    )
    default = "rnn,residual_rnn,lstm,gru"
    flow.add_argument(
        "--cells",
        type=_cells,
        default=default,
        help=f"some cells, with commas, each {HELP} (default: {default})",
    )
    sizes(flow, steps=100, hidden=32)
    flow.add_argument("--dtype", choices=DTYPES, default="float64")
    flow.add_argument(
        "-o", "--output", type=place, help="draw a figure into this file: .svg, .png or .pdf (needs matplotlib)"
    )
    flow.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print table and verdict of each cell, and bars of all; draw them where a file was asked for."""
    if options.output:
        plots.require_drawable(options.output)
    flows: dict[str, Flow] = {}
    for given in options.cells:
        with chosen(given) as found:
            params, xs, state = found.inputs(options, options.dtype)
            name = given if found.name in flows else found.name
            rows = 100 if options.output else 0
            flows[name] = bptt.flow(found.cell, params, xs, state, seed=options.seed, rows=rows)
        print(f"{flows[name]}\n")
    if options.steps > 1:  # at one step there is no distance to compare
        print(_bars(flows))
    if options.output:
        path = draw.plot_flow(
            options.output,
            norms={name: flow.norms for name, flow in flows.items()},
            terms={name: flow.contributions for name, flow in flows.items()},
            deltas={name: flow.deltas for name, flow in flows.items()},
            losses=next(iter(flows.values())).losses,
        )
        wrote(path)
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
