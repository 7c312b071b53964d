"""Networks whose drawings are tested, and a drawing in words: its boxes, their order, labels, steps and arrows."""

from itertools import combinations, pairwise

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.draw.layout.layout import layout
from tinygrad_rnn.draw.rendering import by_dot

CELLS = ["rnn", "lstm", "gru", "residual_rnn"]
LAYERS = {
    "two_layers": nn.GRU(3, 4, num_layers=2),
    "bidirectional": nn.RNN(3, 4, bidirectional=True),
    "two_bidirectional": nn.LSTM(3, 4, num_layers=2, bidirectional=True),
}
NETWORKS = [*CELLS, *LAYERS, "truncated", "own"]
VIEWS = [(view, level) for view in ("unrolled", "rolled") for level in ("ops", "gates", "cells")]


def dot_works():
    """Whether Graphviz draws what we write: the program is there, and so is the plugin with the layout nop2."""
    try:
        return bool(by_dot('digraph { layout=nop2; a [pos="0,0"] }', "svg"))
    except RuntimeError:
        return False


DOT = dot_works()
needs_dot = pytest.mark.skipif(not DOT, reason="Graphviz's program dot is not installed, or lacks the layout nop2")
SVG = "{http://www.w3.org/2000/svg}"


def trace(params, x, m):
    """A user's own cell, with no names and no gates."""
    return params["decay"] * m + np.tanh(x @ params["W"])


def recorded(name, T=2, batch=2, dtype="float64"):
    """(tape, loss, the options that this network is drawn with)."""
    rng = np.random.default_rng(0)
    xs = rng.standard_normal((T, batch, 3)).astype(dtype)
    with tg.Tape() as tape:
        if name in LAYERS:
            hs, _ = LAYERS[name](LAYERS[name].init(rng, dtype), xs)
        elif name == "own":
            params = {"W": tg.Tensor(rng.standard_normal((3, 4)), name="W"), "decay": tg.Tensor(0.9, name="decay")}
            hs, _ = nn.unroll(trace, params, xs, np.zeros((batch, 4)))
        else:
            cell = "lstm" if name == "truncated" else name
            hs, _ = nn.unroll(getattr(nn, cell), getattr(nn.init, cell)(rng, 3, 4, dtype), xs)
        loss = tg.named("L", nn.mse(hs, np.zeros(hs.shape, dtype)))
    return tape, loss, {"flow": loss, "cuts": [1]} if name == "truncated" and T > 1 else {}


def options_for(options, view):
    """What a view takes of a network's options: one step for all has no cuts."""
    return {key: value for key, value in options.items() if view == "unrolled" or key != "cuts"}


def described(pic):
    """A picture in words, a line for each box, in order: id, label, shape, step; `<-` and what it reads."""
    reads = {}
    for (source, target), says in pic.arrows.items():
        sign = "~" if pic.carried(source, target) else ""
        reads.setdefault(target, []).append(sign + source + (f"({says})" if says else ""))
    lines = []
    for box in pic.boxes.values():
        where = "" if box.column is None else f" @{box.column}"
        read = " <- " + " ".join(reads[box.id]) if box.id in reads else ""
        lines.append(f"{box.id} {box.kind}: {box.label} [{box.shape}]{where}{read}")
    return lines + [f"cut before {t}" for t in pic.cuts] + pic.notes


def assert_no_overlaps(pic, places):
    """Every box within its step and the drawing, and no two boxes on one another."""
    spans = {}
    for box, (x, y) in places.centre.items():
        half, tall = places.width[box] / 2, places.tall.get(box, places.height) / 2
        assert half - 0.01 <= x <= places.size[0] - half + 0.01
        assert tall - 0.01 <= y <= places.size[1] - tall + 0.01
        column = pic.boxes[box].column
        if column is not None:
            assert places.columns[column][0] - 0.01 <= x - half <= x + half <= places.columns[column][1] + 0.01
            assert places.band[0] <= y - tall <= y + tall <= places.band[1]
        spans.setdefault(y, []).append((x - half, x + half))
    grid = {y: s for y, s in spans.items() if not any(places.centre[box][1] == y for box in places.tall)}
    assert all(b - a >= places.height for a, b in pairwise(sorted(grid)))
    for row in spans.values():
        row.sort()
        assert all(right < left for (_, right), (left, _) in pairwise(row))


def points_of(curve, count=25):
    """Points on a curve of Bézier segments."""
    s = np.linspace(0, 1, count)
    weights = np.stack([(1 - s) ** 3, 3 * s * (1 - s) ** 2, 3 * s**2 * (1 - s), s**3], axis=1)
    return (weights @ np.array([curve[k : k + 4] for k in range(0, len(curve) - 3, 3)])).reshape(-1, 2)


def shared_lines(pic):
    """Pairs of arrows between steps that run along one line, for 8 points or more, in opposite directions."""
    places = layout(pic)
    lines = {}  # by arrow, the stretches that are level: height, left, right, direction
    for arrow, curve in places.curves.items():
        if not pic.carried(*arrow) or arrow in pic.loops:
            continue
        points = points_of(curve)
        lines[arrow] = [
            (y0, min(x0, x1), max(x0, x1), np.sign(x1 - x0))
            for (x0, y0), (x1, y1) in pairwise(points)
            if abs(y1 - y0) < 0.05 * abs(x1 - x0)
        ]
    found = set()
    rightward = {arrow: places.curves[arrow][-1][0] > places.curves[arrow][0][0] for arrow in lines}
    for a, b in combinations(lines, 2):
        if rightward[a] == rightward[b]:
            continue
        lengths = [
            min(r, right) - max(l, left)
            for y, l, r, way in lines[a]
            for height, left, right, other in lines[b]
            if way == -other and abs(y - height) < 1 and min(r, right) > max(l, left)
        ]
        if sum(lengths) > 8:
            found.add((a, b))
    return found


def hidden_arrows(pic, places=None):
    """Arrows of which a point lies inside a box that they neither leave nor enter, with that box."""
    places = places or layout(pic)
    centres = np.array(list(places.centre.values()))
    halves = np.array([[places.width[name], places.tall.get(name, places.height)] for name in pic.boxes]) / 2 - 1
    names = list(pic.boxes)
    found = []
    for arrow, curve in places.curves.items():
        points = points_of(curve)
        middle, reach = (points.max(0) + points.min(0)) / 2, (points.max(0) - points.min(0)) / 2
        near = np.flatnonzero((np.abs(centres - middle) < halves + reach).all(1))
        inside = (np.abs(points[:, None] - centres[near]) < halves[near]).all(2).any(0)
        found += [(arrow, names[k]) for k in near[inside] if names[k] not in arrow]
    return found
