"""Losses: a scalar for a batch of sequences. Each says what it averages over.

Targets and masks are arrays, which are constants of a tape, or Tensors, whose uses are recorded: a rerun computes with
other targets, counts another mask, and refuses what is out of range as the first run does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.nn.parameters import Array
from tinygrad_rnn.operations.activations import log_softmax, softplus
from tinygrad_rnn.operations.assertions import in_range
from tinygrad_rnn.operations.basics import getitem


def mse(outputs: Array, targets: Array, *, mask: Array = None, reduction: str = "mean") -> Array:
    """Compute (outputs - targets)**2, both of one shape; by default the mean over *all* entries: time, batch, features.

    torch.nn.functional.mse_loss. `mask` and `reduction` as in `cross_entropy`; the mask has the shape of the outputs.
    Raises ValueError where the shapes differ (broadcasting would hide a mistake).
    """
    outputs = _floats("mse", outputs)
    targets = _checked_targets("mse", targets, outputs)
    _require_shape("mse", targets.shape, outputs.shape, outputs.shape)
    if mask is not None:
        mask = _checked_mask("mse", mask, outputs.shape)
        outputs, targets = _where(mask, outputs), _where(mask, targets)
    difference = outputs - targets
    return _reduced("mse", difference * difference, mask, reduction)


def cross_entropy(
    logits: Array,
    targets: Array,
    *,
    weight: Array = None,
    label_smoothing: float = 0.0,
    mask: Array = None,
    reduction: str = "mean",
) -> Array:
    """Compute -log softmax(logits)[target], by default averaged over *all* positions (time and batch).

    logits: (..., V), scores before the softmax. targets: (...), integer classes 0 <= target < V.
    torch.nn.functional.cross_entropy with the classes on the last axis. Stable at logits of +-1e4.

    `weight` (V,): the loss of a position is multiplied by the weight of its target, and the mean is the sum of these
    losses divided by the sum of these weights. `label_smoothing` e, 0 <= e <= 1: with n = -log softmax(logits), the
    loss of a position is (1 - e) * w[target] * n[target] + e / V * sum of w[k] * n[k] over the classes k.

    `mask` (...), true or false: positions that count; the others have no loss and no gradient, whatever their target
    and their logits, NaN included.
    `reduction`: "mean" over the positions that count, "sum", or "none" for an array (...), with 0 where it is masked.

    Raises ValueError for targets of another shape or out of range, for weights of another shape, negative or with a sum
    of zero; TypeError where targets are no integers.
    """
    logits, targets = _floats("cross_entropy", logits), _array_or_tensor(targets)
    if not logits.shape or not logits.shape[-1]:
        raise ValueError(
            f"cross_entropy: logits of shape {logits.shape}\ngive scores of shape (..., V), one for each of V classes"
        )
    classes = logits.shape[-1]
    _require_shape("cross_entropy", targets.shape, logits.shape[:-1], logits.shape)
    if targets.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy: targets are {targets.dtype}\ngive the index of the class, an integer")
    if not 0 <= label_smoothing <= 1:
        raise ValueError(
            f"cross_entropy: label_smoothing={label_smoothing}\ngive the share of all classes, from 0 to 1"
        )
    if mask is not None:
        mask = _checked_mask("cross_entropy", mask, targets.shape)
        targets, logits = np.where(mask, targets, 0), _where(mask.reshape(*mask.shape, 1), logits)
    targets = in_range(
        targets,
        low=0,
        high=classes - 1,
        refusal=f"cross_entropy: targets from {{}} to {{}}, for {classes} classes\n"
        f"each target is the index of a class, 0 to {classes - 1}",
    )
    chosen, rows = targets.reshape(-1), log_softmax(logits).reshape(-1, classes)
    each, importance = -getitem(rows, np.arange(targets.size), chosen), None
    if weight is not None:
        weight = _checked_weight(weight, classes, logits.dtype)
        importance = getitem(weight, chosen)
        each, rows = importance * each, rows * weight
        importance = importance.reshape(targets.shape)
    if label_smoothing:
        each = (1 - label_smoothing) * each - label_smoothing / classes * rows.sum(axis=-1)
    return _reduced("cross_entropy", each.reshape(targets.shape), mask, reduction, importance)


def binary_cross_entropy(logits: Array, targets: Array, *, mask: Array = None, reduction: str = "mean") -> Array:
    """Compute -(y log p + (1 - y) log(1 - p)), p = sigmoid(logit), by default the mean over all entries.

    torch.nn.functional.binary_cross_entropy_with_logits: computed as softplus(logit) - y logit, stable at +-1e4.
    targets y: of the shape of the logits, 0 <= y <= 1. `mask` and `reduction` as in `cross_entropy`.

    Raises ValueError for targets of another shape or out of range.
    """
    logits = _floats("binary_cross_entropy", logits)
    values = _checked_targets("binary_cross_entropy", targets, logits)
    values = _array_or_tensor(values, np.finfo(logits.dtype).dtype if values.dtype.kind != "c" else None)
    _require_shape("binary_cross_entropy", values.shape, logits.shape, logits.shape)
    if mask is not None:
        mask = _checked_mask("binary_cross_entropy", mask, logits.shape)
        logits, values = _where(mask, logits), _where(mask, values)
    refusal = "binary_cross_entropy: targets from {} to {}\na target is a probability, 0 to 1"
    values = in_range(values, low=0, high=1, refusal=refusal)
    return _reduced("binary_cross_entropy", softplus(logits) - logits * values, mask, reduction)


def _reduced(name: str, each: Array, mask: Array, reduction: str, importance: Array = None) -> Array:
    """Reduce the losses to one number, or return them; in the mean each entry counts its `importance`, or 1."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{name}: reduction={reduction!r}\nchoose 'mean', 'sum' or 'none'")
    if mask is not None:
        each = _where(mask, each)
    if reduction == "none":
        return each
    if reduction == "sum":
        return each.sum()
    count = np.size(each) if mask is None else mask.sum()
    refusal = f"{name}: the mean over no entries\ngive a mask that is true somewhere, or reduction='sum'"
    count = in_range(count, low=1, high=np.size(each), refusal=refusal)
    if importance is not None:
        counted = importance if mask is None else _where(mask, importance)
        refusal = f"{name}: the weights of the targets have the sum {{}}\ngive a class that occurs a weight above zero"
        return each.sum() / in_range(counted.sum(), low=np.finfo(each.dtype).tiny, high=np.inf, refusal=refusal)
    # A number, or a Tensor of the losses' own dtype: neither promotes float32.
    return each.sum() / (count.astype(each.dtype) if isinstance(count, Tensor) else int(count))


def _floats(name: str, outputs: Array) -> Array:
    """Return outputs as floats: whole numbers would wrap around, or cut a probability to a whole number."""
    values = _array_or_tensor(outputs)
    if values.dtype.kind in "fc":
        return values
    if values.dtype.kind not in "iub":
        raise TypeError(f"{name}: outputs are {values.dtype}\ngive an array or a Tensor of numbers")
    return values.astype(np.float64)


def _checked_targets(name: str, targets: Array, outputs: Array) -> Array:
    """Return targets as an array or a Tensor of numbers; complex ones for complex outputs alone: a complex step."""
    values = _array_or_tensor(targets)
    if values.dtype.kind not in "biuf" and values.dtype.kind + outputs.dtype.kind != "cc":
        raise TypeError(f"{name}: targets are {values.dtype}, outputs {outputs.dtype}\ngive real numbers")
    return values


def _where(mask: Array, values: Array) -> Array:
    """Return zero where the mask is false, so that no NaN there reaches a sum or a gradient."""
    return np.where(mask, values, np.zeros((), values.dtype))


def _checked_weight(weight: Array, classes: int, dtype: DTypeLike | None) -> Array:
    values = _array_or_tensor(weight, np.finfo(dtype).dtype)
    if values.shape != (classes,):
        raise ValueError(f"cross_entropy: weight of shape {values.shape}\nexpected ({classes},), one for each class")
    refusal = "cross_entropy: weights from {} to {}\na weight is a number, at least zero"
    return in_range(values, low=0, high=np.finfo(dtype).max, refusal=refusal)


def _array_or_tensor(values: Array, dtype: DTypeLike | None = None) -> Array:
    """Return the values as an array, or as the Tensor that they are, in this dtype."""
    if not isinstance(values, Tensor):
        return np.asarray(values, dtype)
    return values if dtype is None or values.dtype == dtype else values.astype(dtype)


def _checked_mask(name: str, mask: Array, shape: tuple[int, ...]) -> Array:
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
