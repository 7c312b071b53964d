"""Losses: a scalar for a batch of sequences. Each says what it averages over."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.engine.primitives.activations import log_softmax
from tinygrad_rnn.nn.cells import Array


def mse(outputs: Array, targets: Array) -> Array:
    """mean((outputs - targets)**2) over *all* entries: time, batch and features. Both have the same shape.

    torch.nn.functional.mse_loss. Raises ValueError where the shapes differ (broadcasting would hide a mistake).
    """
    _require_shape("mse", np.shape(targets), np.shape(outputs), np.shape(outputs))
    difference = outputs - targets
    return (difference * difference).mean()


def cross_entropy(logits: Array, targets: Any) -> Array:
    """-log softmax(logits)[target], averaged over *all* positions (time and batch).

    logits: (..., V), scores before the softmax. targets: (...), integer classes 0 <= target < V.
    torch.nn.functional.cross_entropy with the classes on the last axis. Stable at logits of +-1e4.
    Raises ValueError for targets of another shape or out of range, TypeError where they are no integers.
    """
    classes = np.shape(logits)[-1]
    targets = np.asarray(targets)
    _require_shape("cross_entropy", targets.shape, np.shape(logits)[:-1], np.shape(logits))
    if targets.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy: targets are {targets.dtype}\ngive the index of the class, an integer")
    if targets.size and not (targets.min() >= 0 and targets.max() < classes):
        raise ValueError(
            f"cross_entropy: targets from {targets.min()} to {targets.max()}, for {classes} classes\n"
            f"each target is the index of a class, 0 to {classes - 1}"
        )
    rows = log_softmax(logits).reshape(-1, classes)
    return -rows[np.arange(targets.size), targets.ravel()].mean()


def _require_shape(name: str, shape: tuple[int, ...], expected: tuple[int, ...], outputs: tuple[int, ...]) -> None:
    if shape != expected:
        raise ValueError(
            f"{name}: targets of shape {shape} for outputs {outputs}\nexpected targets of shape {expected}"
        )
