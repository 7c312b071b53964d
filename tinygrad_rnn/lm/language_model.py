"""A character language model: one-hot characters, a recurrent layer, and a score for every next character."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tinygrad_rnn import nn
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.lm import text
from tinygrad_rnn.lm.text import Indices
from tinygrad_rnn.nn.parameters import Array, Params, State
from tinygrad_rnn.operations.activations import log_softmax

Layer = nn.RNN | nn.LSTM | nn.GRU
LAYERS: dict[str, Callable[..., Layer]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
SYMBOLS = len(text.ALPHABET) + 1
"""The letters, the space, and one for an unknown character, as in D2L."""


@dataclass(frozen=True)
class Model:
    """A layer of `nn` (cell "rnn", "lstm" or "gru") and a linear readout of its hidden state."""

    cell: str
    hidden: int
    layers: int = 1
    dropout: float = 0.0

    def _layer(self) -> Layer:
        return LAYERS[self.cell](SYMBOLS, self.hidden, self.layers, dropout=self.dropout)

    def init(self, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> dict[str, Tensor]:
        """Draw parameters as PyTorch would: those of the layer under `rnn.`, of the readout under `head.`."""
        parts = {"rnn": self._layer().init(rng, dtype), "head": nn.Linear(self.hidden, SYMBOLS).init(rng, dtype)}
        found = {f"{part}.{name}": p for part, params in parts.items() for name, p in params.items()}
        return {name: Tensor(p.data, name=name) for name, p in found.items()}

    def scores(
        self, params: Params, characters: Indices, state: State, rng: np.random.Generator | None = None
    ) -> tuple[Array, State]:
        """Return the logits (T, B, symbols) of the next characters, from characters (T, B); and the last state.

        `rng` draws the dropout masks; without it there is no dropout.
        """
        return self._scores(params, text.one_hot(characters, SYMBOLS, _dtype(params)), state, rng)

    def _scores(self, params: Params, xs: Array, state: State, rng: np.random.Generator | None) -> tuple[Array, State]:
        own = {name.removeprefix("rnn."): p for name, p in params.items() if name.startswith("rnn.")}
        hs, last = self._layer()(own, xs, state, rng=rng)
        return hs @ params["head.weight"].T + params["head.bias"], last

    def loss(
        self, params: Params, window: Indices, state: State, rng: np.random.Generator | None = None
    ) -> tuple[Array, State]:
        """Compute the mean cross entropy of a window (T + 1, B), each character from those before; and the state."""
        return self.cross_entropy(params, *self.examples(params, window), state, rng)

    def examples(self, params: Params, window: Indices) -> tuple[NDArray[np.floating], Indices]:
        """Return the characters of a window one-hot (T, B, symbols), of the parameters' dtype, and the next ones."""
        return text.one_hot(window[:-1], SYMBOLS, _dtype(params)), window[1:]

    def cross_entropy(
        self, params: Params, xs: Array, targets: Array, state: State, rng: np.random.Generator | None = None
    ) -> tuple[Array, State]:
        """Compute the same as `loss` from `examples`: a function of arrays, which can be compiled."""
        scores, last = self._scores(params, xs, state, rng)
        return nn.cross_entropy(scores, targets), last

    def perplexity(self, params: Params, windows: Indices) -> float:
        """Compute exp(mean cross entropy) over successive windows, each from the last state of the one before."""
        values, state, total = nn.weights.arrays(params), None, 0.0
        for window in windows:
            loss, state = self.loss(values, window, state)
            total += float(loss)
        return perplexity(total / len(windows))

    def sample(self, params: Params, prompt: str, length: int, temperature: float = 1.0, seed: int = 0) -> str:
        """Continue the prompt by `length` characters drawn from softmax(logits / temperature); 0 takes the likeliest.

        Raises ValueError for an empty prompt, for characters that are not in the alphabet, or a negative temperature.
        """
        if not prompt:
            raise ValueError("sample: an empty prompt\ngive the characters to begin with")
        if not 0 <= temperature < math.inf:
            raise ValueError(f"sample: temperature {temperature}\n0 takes the likeliest character, 1 draws as trained")
        values, rng = nn.weights.arrays(params), np.random.default_rng(seed)
        found, given, state = prompt, text.indices(prompt)[:, None], None
        for _ in range(length):
            scores, state = self.scores(values, given, state)
            last = np.asarray(scores[-1, 0, : len(text.ALPHABET)], np.float64)  # never the unknown character
            if not np.isfinite(last).all():
                raise ValueError(
                    "sample: the scores of the next character are not finite: the model diverged\n"
                    "train again, with a smaller --rate or --clip"
                )
            if temperature == 0:
                chosen = int(last.argmax())
            else:
                chosen = int(rng.choice(len(last), p=np.exp(log_softmax((last - last.max()) / temperature))))
            found += text.ALPHABET[chosen]
            given = np.array([[chosen]])
        return found


def perplexity(loss: float) -> float:
    """Compute exp(loss), which is infinite where it is larger than a float can be."""
    with np.errstate(over="ignore"):
        return float(np.exp(loss))


def _dtype(params: Params) -> np.dtype[np.floating]:
    dtype: np.dtype[np.floating] = next(iter(params.values())).dtype
    return dtype
