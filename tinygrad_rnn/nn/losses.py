"""Losses: a scalar for a batch of sequences. Each says what it averages over.

Targets and masks are arrays, which are constants of a tape, or Tensors, whose uses are recorded: a rerun computes with
other targets, counts another mask, and refuses what is out of range as the first run does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.nn.cells import Array
from tinygrad_rnn.operations.activations import log_softmax, softplus
from tinygrad_rnn.operations.assertions import in_range
from tinygrad_rnn.operations.basics import getitem


def mse(outputs: Array, targets: Array, *, mask: Any = None, reduction: str = "mean") -> Array:
    """(outputs - targets)**2, by default the mean over *all* entries: time, batch and features. Both of one shape.

    torch.nn.functional.mse_loss. `mask` and `reduction` as in `cross_entropy`; the mask has the shape of the outputs.
    Raises ValueError where the shapes differ (broadcasting would hide a mistake).
    """
    _require_shape("mse", np.shape(targets), np.shape(outputs), np.shape(outputs))
    difference = outputs - targets
    return _reduced("mse", difference * difference, mask, reduction)


def cross_entropy(logits: Array, targets: Any, *, mask: Any = None, reduction: str = "mean") -> Array:
    """-log softmax(logits)[target], by default averaged over *all* positions (time and batch).

    logits: (..., V), scores before the softmax. targets: (...), integer classes 0 <= target < V.
    torch.nn.functional.cross_entropy with the classes on the last axis. Stable at logits of +-1e4.

    `mask` (...), true or false: positions that count; the others have no loss and no gradient, whatever their target.
    `reduction`: "mean" over the positions that count, "sum", or "none" for an array (...), with 0 where it is masked.

    Raises ValueError for targets of another shape or out of range, TypeError where they are no integers.
    """
    classes = np.shape(logits)[-1]
    targets = _array_or_tensor(targets)
    _require_shape("cross_entropy", targets.shape, np.shape(logits)[:-1], np.shape(logits))
    if targets.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy: targets are {targets.dtype}\ngive the index of the class, an integer")
    if mask is not None:
        targets = np.where(_checked_mask("cross_entropy", mask, targets.shape), targets, 0)
    targets = in_range(
        targets,
        low=0,
        high=classes - 1,
        refusal=f"cross_entropy: targets from {{}} to {{}}, for {classes} classes\n"
        f"each target is the index of a class, 0 to {classes - 1}",
    )
    rows = log_softmax(logits).reshape(-1, classes)
    each = -getitem(rows, np.arange(targets.size), targets.reshape(-1))
    return _reduced("cross_entropy", each.reshape(targets.shape), mask, reduction)


def binary_cross_entropy(logits: Array, targets: Any, *, mask: Any = None, reduction: str = "mean") -> Array:
    """-(y log p + (1 - y) log(1 - p)) with p = sigmoid(logit), by default the mean over all entries.

    torch.nn.functional.binary_cross_entropy_with_logits: computed as softplus(logit) - y logit, stable at +-1e4.
    targets y: of the shape of the logits, 0 <= y <= 1. `mask` and `reduction` as in `cross_entropy`.

    Raises ValueError for targets of another shape or out of range.
    """
    values = _array_or_tensor(targets, getattr(logits, "dtype", None))
    _require_shape("binary_cross_entropy", values.shape, np.shape(logits), np.shape(logits))
    refusal = "binary_cross_entropy: targets from {} to {}\na target is a probability, 0 to 1"
    values = in_range(values, low=0, high=1, refusal=refusal)
    return _reduced("binary_cross_entropy", softplus(logits) - logits * values, mask, reduction)


def _reduced(name: str, each: Array, mask: Any, reduction: str) -> Array:
    """The losses of all entries as one number, or as they are."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{name}: reduction={reduction!r}\nthere are 'mean', 'sum' and 'none'")
    count = np.size(each)
    if mask is not None:
        counts = _checked_mask(name, mask, np.shape(each))
        count = counts.sum()
        each = np.where(counts, each, np.zeros((), each.dtype))
    if reduction == "none":
        return each
    if reduction == "sum":
        return each.sum()
    refusal = f"{name}: the mean over no entries\ngive a mask that is true somewhere, or reduction='sum'"
    count = in_range(count, low=1, high=np.size(each), refusal=refusal)
    # A number, or a Tensor of the losses' own dtype: neither promotes float32.
    return each.sum() / (count.astype(each.dtype) if isinstance(count, Tensor) else int(count))


def _array_or_tensor(values: Any, dtype: Any = None) -> Any:
    """What was given as an array, or the Tensor that it is, in this dtype."""
    if not isinstance(values, Tensor):
        return np.asarray(values, dtype)
    return values if dtype is None or values.dtype == dtype else values.astype(dtype)


def _checked_mask(name: str, mask: Any, shape: tuple[int, ...]) -> Any:
    counts = _array_or_tensor(mask)
    if counts.shape != shape or counts.dtype != bool:
        raise ValueError(
            f"{name}: the mask has shape {counts.shape} and dtype {counts.dtype}\n"
            f"expected booleans of shape {shape}, true where an entry counts"
        )
    return counts


def _require_shape(name: str, shape: tuple[int, ...], expected: tuple[int, ...], outputs: tuple[int, ...]) -> None:
    if shape != expected:
        raise ValueError(
            f"{name}: targets of shape {shape} for outputs {outputs}\nexpected targets of shape {expected}"
        )
