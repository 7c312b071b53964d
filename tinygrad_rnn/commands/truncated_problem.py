"""What `tinygrad-rnn truncate` cuts: a cell that reads a text, or a cell of a file on its example."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn import nn
from tinygrad_rnn.commands.chosen_cell import Chosen
from tinygrad_rnn.commands.common import STANDARD
from tinygrad_rnn.commands.streams import read_text
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.language.saying import counts, say, template
from tinygrad_rnn.lm import text
from tinygrad_rnn.nn.parameters import Array, Params
from tinygrad_rnn.tape.full_tape import Tape

HIDDEN = 16
"""The number of hidden units, where none is asked for."""
DIGITS = "0123456789"
"""The characters that stand for steps where no text is read."""

Values = NDArray[np.floating]
Loss = Callable[[int, Array], Array]
"""A function (t, h) -> loss of the step."""


@dataclass(frozen=True)
class Problem:
    """A cell, its parameters, inputs, and the loss of a step; the losses add up to the mean.

    characters: one for each step, under which the cuts are drawn. words: what is measured. cut: what is cut.
    """

    cell: Any
    params: Params
    xs: Values
    loss: Loss
    state: Any
    characters: str
    words: str
    cut: str

    def on_one_tape(self) -> tuple[Tape, list[Tensor]]:
        """Record all steps on one tape. Return it, and the loss of each step."""
        with Tape() as tape:
            hs, _ = nn.unroll(self.cell, self.params, self.xs, self.state)
            losses = [self.loss(t, hs[t]) for t in range(len(self.xs))]
        return tape, losses


def on_text(options: argparse.Namespace, chosen: Chosen) -> Problem:
    """Return a cell of `nn` with a readout of its state. It reads a text, one-hot, and predicts the next character."""
    whole = text.load(options.text) if options.text != STANDARD else text.clean(read_text(STANDARD))
    letters = text.windows(whole, options.steps, 1)
    rng, hidden = np.random.default_rng(options.seed), options.hidden or HIDDEN
    size = len(text.ALPHABET)
    params = getattr(nn.init, chosen.name)(rng, size, hidden)
    params["V"] = Tensor(rng.normal(0, 0.5, (size, hidden)), name="V")
    params["c"] = Tensor(np.zeros(size), name="c")

    def loss(t: int, h: Array) -> Array:
        return nn.cross_entropy(h @ params["V"].T + params["c"], letters[t + 1]) / options.steps

    words = say(
        "{cell}, {hidden} units, {size:,} parameters, mean cross entropy of the next of {steps} characters",
        cell=chosen.name,
        hidden=hidden,
        size=_size(params),
        steps=options.steps,
    )
    characters = "".join(text.ALPHABET[k] for k in letters[:-1, 0])
    cut = say("a text of {n} characters", n=options.steps)
    return Problem(chosen.cell, params, text.one_hot(letters[:-1]), loss, None, characters, words, cut)


def of_example(options: argparse.Namespace, chosen: Chosen) -> Problem:
    """Return a cell of a file, with the inputs of its example and random targets for its first state."""
    if options.text is not None:
        raise ValueError("--text: the example of the file decides the inputs\nleave it out")
    sizes = argparse.Namespace(seed=options.seed, steps=options.steps, batch=1, input=None, hidden=options.hidden)
    params, xs, state = chosen.inputs(sizes, "float64")
    hs, _ = nn.unroll(chosen.cell, params, xs, state)
    targets = np.random.default_rng(options.seed).standard_normal(hs.shape)

    def loss(t: int, h: Array) -> Array:
        return nn.mse(h, targets[t]) / options.steps

    over = counts(options.steps, template("{n:,} step"), template("{n:,} steps"))
    words = say(
        "{cell}, {size:,} parameters, on its example, mean squared distance of its state to random targets "
        "over {steps}",
        cell=chosen.name,
        size=_size(params),
        steps=over,
    )
    characters = (DIGITS * options.steps)[: options.steps]
    return Problem(chosen.cell, params, xs, loss, state, characters, words, over)


def _size(params: Params) -> int:
    return sum(p.size for p in params.values())
