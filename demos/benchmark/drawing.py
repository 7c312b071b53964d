"""What a drawing costs: Graphviz's `dot` and the project's own grid, by the number of boxes, on an LSTM of two layers.

    python demos/benchmark/drawing.py [--quick]

Seconds of wall time, from the tape to an SVG file, the best of three; "picture" and "layout" are the parts of it that
both engines share. `dot` is given the places of all boxes and arrows, and has nothing to search for. The last
column is ours / it: the time of the grid over that of `dot`.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import draw, nn
from tinygrad_rnn.draw.layout.layout import layout

MOST_FOR_DOT = 2_500


def recorded(steps: int) -> tg.Tape:
    """Record an LSTM of two layers over T steps: 48 boxes a step at the level of operations."""
    rng = np.random.default_rng(0)
    net = nn.LSTM(3, 4, num_layers=2)
    with tg.Tape() as tape:
        net(net.init(rng), rng.standard_normal((steps, 2, 3)))
    return tape


def best(run: Callable[[], Any], rounds: int) -> float:
    """Return the shortest of a few runs, in seconds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only the smallest drawing, once")
    quick = parser.parse_args().quick
    print("  boxes  picture  layout    grid     dot   ours / it")
    with tempfile.TemporaryDirectory() as folder:
        for steps in (3,) if quick else (10, 42, 210, 2080):
            tape = recorded(steps)
            everything: dict[str, Any] = {"steps": range(steps)}
            pic = draw.picture(tape, **everything)
            rounds = 1 if quick or steps > 1000 else 3
            path = Path(folder) / "x.svg"
            parts = [
                best(lambda: draw.picture(tape, **everything), rounds),  # noqa: B023 - it is run here
                best(lambda: layout(pic), rounds),  # noqa: B023
                best(lambda: draw.render(tape, path, engine="grid", **everything), rounds),  # noqa: B023
            ]
            line = f"{len(pic.boxes):7,}" + "".join(f"{seconds:8.3f}" for seconds in parts)
            if shutil.which("dot") and len(pic.boxes) < MOST_FOR_DOT:
                by_dot = best(lambda: draw.render(tape, path, engine="dot", **everything), rounds)  # noqa: B023
                line += f"{by_dot:8.3f}{parts[-1] / by_dot:12.2f}"
            print(line)


if __name__ == "__main__":
    main()
