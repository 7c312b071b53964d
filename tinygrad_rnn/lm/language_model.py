"""A character language model: characters as vectors, a recurrent layer, and a score for every next character."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tinygrad_rnn import nn
from tinygrad_rnn.bptt.gradient_flow.saliency import Saliency, saliency
from tinygrad_rnn.core.counting import counted
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.lm import text
from tinygrad_rnn.lm.alphabet import LETTERS, Alphabet, Indices
from tinygrad_rnn.nn.parameters import Array, Params, State
from tinygrad_rnn.operations.activations import log_softmax
from tinygrad_rnn.tape.full_tape import Tape

Layer = nn.RNN | nn.LSTM | nn.GRU
LAYERS: dict[str, Callable[..., Layer]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
SYMBOLS = LETTERS.size
"""The letters, the space, and one for an unknown character, as in D2L."""


@dataclass(frozen=True)
class Model:
    """A layer of `nn` (cell "rnn", "lstm" or "gru") and a linear readout of its hidden state.

    `embedding`: the number of features by which the layer reads a character, learned as rows of a matrix; 0 reads it
    one-hot.
    """

    cell: str
    hidden: int
    layers: int = 1
    dropout: float = 0.0
    alphabet: Alphabet = LETTERS
    embedding: int = 0

    def _layer(self) -> Layer:
        features = self.embedding or self.alphabet.size
        return LAYERS[self.cell](features, self.hidden, self.layers, dropout=self.dropout)

    def _rows(self) -> nn.Embedding:
        return nn.Embedding(self.alphabet.size, self.embedding)

    def init(self, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> dict[str, Tensor]:
        """Draw parameters as PyTorch would: of the layer under `rnn.`, then `head.` and `embedding.`."""
        head = nn.Linear(self.hidden, self.alphabet.size)
        parts = {"rnn": self._layer().init(rng, dtype), "head": head.init(rng, dtype)}
        if self.embedding:
            parts["embedding"] = self._rows().init(rng, dtype)
        found = {f"{part}.{name}": p for part, params in parts.items() for name, p in params.items()}
        return {name: Tensor(p.data, name=name) for name, p in found.items()}

    def scores(
        self, params: Params, characters: Indices, state: State, rng: np.random.Generator | None = None
    ) -> tuple[Array, State]:
        """Return the logits (T, B, symbols) of the next characters, from characters (T, B); and the last state.

        `rng` draws the dropout masks; without it there is no dropout.
        """
        return self._scores(params, self._features(params, self._inputs(params, characters)), state, rng)

    def _inputs(self, params: Params, characters: Indices) -> NDArray[Any]:
        """Return characters (...) as constants: one-hot (..., symbols), or as they are for an embedding."""
        return characters if self.embedding else text.one_hot(characters, self.alphabet.size, _dtype(params))

    def _features(self, params: Params, inputs: Array) -> Array:
        """Return what the layer reads, (..., features): its inputs, or their rows of the embedding."""
        return self._rows()({"weight": params["embedding.weight"]}, inputs) if self.embedding else inputs

    def _scores(self, params: Params, xs: Array, state: State, rng: np.random.Generator | None) -> tuple[Array, State]:
        own = {name.removeprefix("rnn."): p for name, p in params.items() if name.startswith("rnn.")}
        hs, last = self._layer()(own, xs, state, rng=rng)
        return hs @ params["head.weight"].T + params["head.bias"], last

    def loss(
        self, params: Params, window: Indices, state: State, rng: np.random.Generator | None = None
    ) -> tuple[Array, State]:
        """Compute the mean cross entropy of a window (T + 1, B), each character from those before; and the state."""
        return self.cross_entropy(params, *self.examples(params, window), state, rng)

    def examples(self, params: Params, window: Indices) -> tuple[NDArray[Any], Indices]:
        """Return the characters of a window one-hot (T, B, symbols), of the parameters' dtype, and the next ones.

        For an embedding the characters stay indices, (T, B).
        """
        return self._inputs(params, window[:-1]), window[1:]

    def cross_entropy(
        self, params: Params, xs: Array, targets: Array, state: State, rng: np.random.Generator | None = None
    ) -> tuple[Array, State]:
        """Compute the same as `loss` from `examples`: a function of arrays, which can be compiled."""
        scores, last = self._scores(params, self._features(params, xs), state, rng)
        return nn.cross_entropy(scores, targets), last

    def perplexity(self, params: Params, windows: Indices) -> float:
        """Compute exp(mean cross entropy) over successive windows, each from the last state of the one before."""
        values, state, total = nn.weights.arrays(params), None, 0.0
        for window in windows:
            loss, state = self.loss(values, window, state)
            total += float(loss)
        return perplexity(total / len(windows))

    def sample(
        self,
        params: Params,
        prompt: str,
        length: int,
        temperature: float = 1.0,
        seed: int = 0,
        *,
        before: str = "",
        lines: int | None = None,
    ) -> str:
        """Continue the prompt by `length` characters drawn from softmax(logits / temperature); 0 takes the likeliest.

        before: characters that are read before the prompt and not returned. lines: the text ends where it has as many
        lines, and sooner than after `length` characters; its last line end is not returned.

        Raises ValueError for an empty prompt, for characters that are not in the alphabet, or a negative temperature.
        """
        if not prompt:
            raise ValueError("sample: an empty prompt\ngive the characters to begin with")
        if not 0 <= temperature < math.inf:
            raise ValueError(f"sample: temperature {temperature}\n0 takes the likeliest character, 1 draws as trained")
        values, rng = nn.weights.arrays(params), np.random.default_rng(seed)
        found, given, state = prompt, self.alphabet.indices(before + prompt)[:, None], None
        for _ in range(length):
            scores, state = self.scores(values, given, state)
            last = np.asarray(scores[-1, 0, : self.alphabet.unknown], np.float64)  # never the unknown character
            if not np.isfinite(last).all():
                raise ValueError(
                    "sample: the scores of the next character are not finite: the model diverged\n"
                    "train again, with a smaller --rate or --clip"
                )
            if temperature == 0:
                chosen = int(last.argmax())
            else:
                chosen = int(rng.choice(len(last), p=np.exp(log_softmax((last - last.max()) / temperature))))
            found += self.alphabet.characters[chosen]
            if lines is not None and found.count("\n") >= lines:
                return found[:-1]
            given = np.array([[chosen]])
        return found

    def saliency(self, params: Params, written: str, before: str = "") -> Saliency:
        """Return which characters the prediction of each next one leans on, in a text: `bptt.saliency`, in float64.

        The loss is the cross entropy of each character of `written` from those before it, `before` among them. What the
        network reads of a character, x_k, is its row of the embedding, or its one-hot vector.

        Raises ValueError for fewer than two characters, and for characters that are not in the alphabet.
        """
        whole = before + written
        if len(whole) < 2:
            raise ValueError(f"saliency: a text of {counted(len(whole), 'character')}\ngive two or more")
        values = {name: value.astype(np.float64) for name, value in nn.weights.arrays(params).items()}
        ids = self.alphabet.indices(whole)[:, None]
        features = Tensor(self._features(values, self._inputs(values, ids[:-1])), name="x")
        first = max(len(before) - 1, 0)
        with Tape() as tape:
            scores, _ = self._scores(values, features, None, None)
            each = nn.cross_entropy(scores, ids[1:], reduction="none")
            losses = [each[t, 0] for t in range(first, len(each))]
        return saliency(tape, losses, features, whole[:-1], whole[first + 1 :])


def perplexity(loss: float) -> float:
    """Compute exp(loss), which is infinite where it is larger than a float can be."""
    with np.errstate(over="ignore"):
        return float(np.exp(loss))


def _dtype(params: Params) -> np.dtype[np.floating]:
    dtype: np.dtype[np.floating] = next(iter(params.values())).dtype
    return dtype
