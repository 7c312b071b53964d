"""The flow of gradients as a figure, by matplotlib, which is installed with the extra `plot`.

The input is arrays and names; the labels give their meaning. Lines differ in colour, dashes and markers, and the heat
maps use a scale of even lightness, so that the figure can be read without colours, and from the last row.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_rnn import files
from tinygrad_rnn.draw.style import CHINESE_FONTS
from tinygrad_rnn.language.current import current
from tinygrad_rnn.language.saying import say

COLOURS = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000"),  # Okabe and Ito
    *("#882255", "#6e6e6e", "#332288"),  # after Tol
)
DASHES = ("-", "--", "-.", ":", (0, (6, 2, 1, 2, 1, 2)), (0, (1, 3)), (0, (10, 3)))
MARKERS = "os^DvPX"
ZERO, BROKEN = "#bdbdbd", "#d55e00"
METADATA: dict[str, dict[str, None]] = {  # no date and no version: the same numbers give the same bytes
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
INSTALLED = (*CHINESE_FONTS.split(","), "Noto Sans CJK JP", "SimHei", "Heiti TC")
"""The fonts with Chinese characters, by the names that matplotlib gives them: of a collection, that of the first."""
MAPS_IN_A_ROW = 4
MOST_INSIDE = 7
"""The maximum number of cells whose legend stands within the axes. A longer legend stands above the curves."""


def plot_flow(
    path: str | os.PathLike[str],
    norms: Mapping[str, ArrayLike],
    terms: Mapping[str, ArrayLike],
    deltas: Mapping[str, ArrayLike],
    losses: ArrayLike,
) -> Path:
    """Draw gradient norms of several cells into a file, .svg, .png or .pdf, and return its path.

    All numbers are log10, by the name of the cell, axis k the step. norms (T,): |dL_T/ds_k|, drawn against the distance
    T - 1 - k. terms (T,): what step k adds to the gradient of the parameters. deltas (n, T): |dL_t/dh_k| for the
    `losses` t (n,), as heat maps: -inf is grey up to t, and white for k > t. The same numbers give the same bytes.

    Raises ValueError for arrays that do not fit, and what `require_drawable` raises. Nothing is left half-written.
    """
    kind = require_drawable(path)
    rows = np.asarray(losses)
    shapes = {np.shape(a) for a in (*norms.values(), *terms.values())} | {np.shape(m)[1:] for m in deltas.values()}
    if not norms or len(shapes) != 1 or any(len(np.asarray(m)) != len(rows) for m in deltas.values()):
        raise ValueError(
            f"plot_flow: arrays of lengths {sorted(shapes)}, for {len(rows)} losses\n"
            "give for at least one cell norms (T,), terms (T,) and deltas (n, T), of the same T, with n losses"
        )
    from matplotlib import style
    from matplotlib.figure import Figure

    with style.context(
        ["default", {"svg.hashsalt": "tinygrad_rnn", "font.size": 14, "lines.linewidth": 2.2}, _chinese()]
    ):
        map_rows = math.ceil(len(deltas) / MAPS_IN_A_ROW) if len(rows) else 0
        figure: Any = Figure(figsize=(15, 6.2 + 4.1 * map_rows), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.15, h_pad=0.15)
        grid = figure.add_gridspec(2, 1, height_ratios=[1.35, map_rows]) if len(rows) else figure.add_gridspec(1, 1)
        lines = grid[0].subgridspec(1, 2)
        T = len(np.asarray(next(iter(norms.values()))))
        left, right = figure.add_subplot(lines[0]), figure.add_subplot(lines[1])
        _lines(left, {name: np.asarray(a)[::-1] for name, a in norms.items()})
        left.set(
            title=say("(a) gradient of the state"),
            xlabel=say("distance from the loss in steps"),
            ylabel="|dL$_T$/ds$_k$|",
        )
        if len(norms) <= MOST_INSIDE:
            left.legend(handlelength=4)
        else:
            figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=5, handlelength=4)
        _lines(right, {name: np.asarray(a) for name, a in terms.items()})
        right.set(title=say("(b) contributions to dL$_T$/dW"), xlabel=say("step k"), ylabel=say("|term of step k|"))
        if len(rows):
            maps = grid[1].subgridspec(map_rows, min(len(deltas), MAPS_IN_A_ROW))
            _maps(figure, [maps[n] for n in range(len(deltas))], deltas, rows, T)
        drawn = io.BytesIO()
        figure.savefig(drawn, format=kind, metadata=METADATA[kind])
    return files.write(path, drawn.getvalue())


def require_drawable(path: str | os.PathLike[str]) -> str:
    """Return the kind of figure that a path asks for; ask before a long run.

    Raises ValueError for an unknown ending, what `files.require_place` raises, and RuntimeError where matplotlib is not
    installed.
    """
    files.require_place(path)
    kind = files.require_ending("plot_flow", path, *(f".{kind}" for kind in METADATA))
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise RuntimeError(
            'plot_flow: matplotlib is not installed\ninstall the extra `plot`: pip install "tinygrad_rnn[plot]"'
        ) from error
    return kind


def _chinese() -> dict[str, list[str]]:
    """Return the fonts of a figure in Chinese: the one of Latin letters, then those that are installed here."""
    if current() == "en":
        return {}
    from matplotlib import font_manager

    there = {font.name for font in font_manager.fontManager.ttflist}
    return {"font.family": ["DejaVu Sans", *(name for name in INSTALLED if name in there)]}


def _lines(axes: Any, curves: Mapping[str, Any]) -> None:
    """Draw curves of log10 over 0, 1, 2, ...; values that are not finite are left out."""
    for n, (name, curve) in enumerate(curves.items()):
        shown = np.where(np.isfinite(curve), curve, np.nan)
        every = max(len(curve) // 8, 1)
        axes.plot(
            np.arange(len(curve)),
            shown,
            label=name,
            **_look(n),
            markersize=8,
            markevery=(n * every // max(len(curves), 1), every),
        )
    _powers(axes.yaxis)
    axes.grid(alpha=0.35)
    axes.xaxis.get_major_locator().set_params(integer=True)


def _look(n: int) -> dict[str, Any]:
    """Return the colour, dashes and marker of curve n. The second seven have other dashes and hollow markers."""
    again = n // len(MARKERS)
    look = {
        "color": COLOURS[n % len(COLOURS)],
        "linestyle": DASHES[(n + again) % len(DASHES)],
        "marker": MARKERS[n % len(MARKERS)],
    }
    return look | ({"markerfacecolor": "#ffffff", "markeredgewidth": 1.8} if again % 2 else {})


def _maps(figure: Any, places: list[Any], deltas: Mapping[str, ArrayLike], rows: Any, T: int) -> None:
    matrices = {name: np.asarray(m, np.float64) for name, m in deltas.items()}
    seen = np.concatenate([m[np.isfinite(m)] for m in matrices.values()])
    low, high = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 1.0)
    low = min(low, high - 1)  # so that the scale has more than one colour
    half = (rows[-1] - rows[0]) / max(len(rows) - 1, 1) / 2 or 0.5
    axes, image = [], None
    for n, (place, (name, m)) in enumerate(zip(places, matrices.items(), strict=True)):
        ax = figure.add_subplot(place)
        extent = (-0.5, T - 0.5, float(rows[-1]) + half, float(rows[0]) - half)
        until = np.arange(T)[None, :] <= rows[:, None]
        for colour, wrong in ((ZERO, np.isneginf(m) & until), (BROKEN, np.isnan(m) | np.isposinf(m))):
            if wrong.any():
                layer = np.ones((*m.shape, 4))
                layer[..., :3] = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
                layer[..., 3] = wrong
                ax.imshow(layer, extent=extent, aspect="auto", interpolation="nearest")
        finite = np.ma.masked_where(~np.isfinite(m), m)
        image = ax.imshow(
            finite, extent=extent, aspect="auto", interpolation="nearest", cmap="cividis", vmin=low, vmax=high
        )
        ax.set(title=("(c) " if n == 0 else "") + name, xlabel=say("step k"))
        if n % MAPS_IN_A_ROW == 0:
            ax.set_ylabel(say("loss at step t"))
        for axis in (ax.xaxis, ax.yaxis):
            axis.get_major_locator().set_params(integer=True, nbins=5)
        axes.append(ax)
    bar = figure.colorbar(image, ax=axes, label="|dL$_t$/dh$_k$|")
    _powers(bar.ax.yaxis)


def _powers(axis: Any) -> None:
    """Write the ticks of log10 values as powers of ten."""
    axis.get_major_locator().set_params(integer=True, nbins=7)
    axis.set_major_formatter(lambda value, _: f"$10^{{{value:.0f}}}$")
