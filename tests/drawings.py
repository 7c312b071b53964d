"""Networks whose drawings are tested, and a drawing in words: its boxes, their order, labels, steps and arrows."""

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import nn
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
