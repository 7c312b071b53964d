"""`Problem`: the numbers of one training step, and the answer that every competitor must give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn import nn
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.transforms.transforms import value_and_grad

Array = NDArray[Any]
Leaves = dict[str, Array]
Sizes = tuple[int, int, int, int]
"""T, B, I, H: steps, examples, features of the input, hidden units."""

CELLS: dict[str, Callable[..., Any]] = {"rnn": nn.rnn, "lstm": nn.lstm, "gru": nn.gru}
SIZES: dict[str, Sizes] = {
    "tiny": (8, 4, 4, 5),
    "small": (32, 16, 32, 64),
    "medium": (64, 32, 64, 128),
    "large": (128, 64, 128, 256),
}


@dataclass(frozen=True)
class Problem:
    """A cell, run over x and trained towards `targets`.

    leaves: all arrays that get a gradient, `weight_ih` (G*H, I), `weight_hh` (G*H, H), `bias_ih` and `bias_hh` (G*H,)
    in PyTorch's layout, x (T, B, I), h0 and, for the LSTM, c0 (B, H). targets (T, B, H). The loss is the mean of
    (h_t - target_t)^2 over time, batch and units.
    """

    cell: str
    size: str
    leaves: Leaves
    targets: Array

    @property
    def sizes(self) -> Sizes:
        """T, B, I, H."""
        steps, batch, features = self.leaves["x"].shape
        return steps, batch, features, self.targets.shape[-1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of every array."""
        return self.targets.dtype

    def loss(self, leaves: dict[str, Tensor]) -> Tensor:
        """Compute the loss in ordinary forward code."""
        state = tuple(leaves[name] for name in ("h0", "c0") if name in leaves)
        hs, _ = nn.unroll(CELLS[self.cell], leaves, leaves["x"], state)
        loss: Tensor = nn.mse(hs, self.targets)
        return loss

    def answer(self) -> tuple[float, Leaves]:
        """Return the loss and its gradients in float64: the answer that every competitor is checked against."""
        exact = Problem(
            self.cell,
            self.size,
            {name: value.astype(np.float64) for name, value in self.leaves.items()},
            self.targets.astype(np.float64),
        )
        loss, gradients = value_and_grad(exact.loss)(exact.leaves)
        return float(loss), gradients


def problem(cell: str, sizes: Sizes, dtype: str = "float64", size: str = "", seed: int = 0) -> Problem:
    """Return a problem of that size: parameters as PyTorch draws them, inputs and targets normally distributed."""
    steps, batch, features, hidden = sizes
    rng = np.random.default_rng(seed)
    leaves = nn.weights.arrays(getattr(nn.init, cell)(rng, features, hidden, dtype))
    leaves["x"] = rng.standard_normal((steps, batch, features)).astype(dtype)
    for name in ("h0", "c0") if cell == "lstm" else ("h0",):
        leaves[name] = (0.1 * rng.standard_normal((batch, hidden))).astype(dtype)
    targets = (0.5 * rng.standard_normal((steps, batch, hidden))).astype(dtype)
    return Problem(cell, size or ":".join(map(str, sizes)), leaves, targets)
