"""The measurement in words: the lines of the table, and advice on threads and kernels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinygrad_rnn.bench.machine import Facts
from tinygrad_rnn.bench.measure import clock
from tinygrad_rnn.bench.peers import OURS, PEERS
from tinygrad_rnn.bench.run import Row, Settings
from tinygrad_rnn.text_tables import padded

WIDTH = 11
"""The columns of a number."""
LABEL = (5, 8, 13)
"""The columns of the cell, of the name of its size, and of its sizes. The table is printed as its rows come."""


def legend(settings: Settings, absent: Sequence[str]) -> str:
    """Return the lines above the table: what is measured, and the competitors."""
    clocked, _ = clock(settings.threads)
    lines = [
        "One training step: T steps forward, the loss, and back to every parameter, x and the initial state.",
        f"First the milliseconds of ours, {OURS} ({clocked}, median); then the time of ours over that of each (the",
        "median of the ratios within a round): below 1 ours is faster. That all agree is checked first.",
    ]
    lines += [f"  {padded(name, 10)} {PEERS[name].words}" for name in settings.peers]
    if absent:
        lines.append(f"Not installed here, and so not in the table: {', '.join(absent)}.")
    return "\n".join(lines)


def head(settings: Settings, dtype: str) -> str:
    """Return the line above the rows of one dtype."""
    return "\n" + _row((dtype, "", "T:B:I:H"), settings.peers)


def line(row: Row, settings: Settings) -> str:
    """Return a row, and below it the faults of competitors."""
    problem = row.problem
    size = ":".join(map(str, problem.sizes))
    label = (problem.cell, problem.size if problem.size != size else "", size)
    notes = [f"  {name}: {words}" for name, words in row.wrong.items()]
    return "\n".join([_row(label, [_cell(row, name) for name in settings.peers]), *notes])


def medians(rows: Sequence[Row], settings: Settings) -> str:
    """Return the line below the rows of one dtype: the median of each column of ratios."""
    cells = [""]
    for name in settings.peers[1:]:
        ratios = [row.times.ratio(OURS, name) for row in rows if name in row.times.rounds]
        cells.append(f"{np.median(ratios):.2f}" if ratios else "-")
    return _row(("median", "", ""), cells)


def advice(blas: Facts, threads: int) -> str:
    """Say how to choose threads and kernels, and which to try here."""
    lines = [
        f"Threads: --threads N, here {threads}. More help the large sizes. A product of the small ones takes",
        "microseconds, less than it takes to wake another thread up: there one is best.",
    ]
    if blas["kernels"]:
        lines += [
            f"Kernels: OpenBLAS runs those for {blas['kernels']}; others by --coretype: Haswell, SkylakeX, ...",
            "What is best for large matrices need not be best for small ones: measure two.",
        ]
    lines += [
        "In a program of your own set OMP_NUM_THREADS and OPENBLAS_CORETYPE before NumPy is loaded.",
        "Why, and how this was measured: docs/benchmark.md",
    ]
    return "\n".join(lines)


def _cell(row: Row, name: str) -> str:
    if name in row.wrong:
        return "wrong"
    if name not in row.times.rounds:
        return "-"
    return f"{1e3 * row.times.seconds(name):.3f}" if name == OURS else f"{row.times.ratio(OURS, name):.2f}"


def _row(label: tuple[str, str, str], cells: Sequence[str]) -> str:
    """Return a line: the cell, the name of its size, its sizes, and the numbers."""
    name, size, sizes = label
    begin = padded(padded(name, LABEL[0]) + size, LABEL[0] + LABEL[1])
    return begin + padded(sizes, LABEL[2], right=True) + "".join(padded(cell, WIDTH, right=True) for cell in cells)
