"""Losses: masks and reductions against their definitions, PyTorch's numbers, exactness at large logits."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn

RNG = np.random.default_rng(0)
LOGITS = RNG.standard_normal((4, 2, 5))
TARGETS = RNG.integers(0, 5, (4, 2))
MASK = np.array([[True, False], [True, True], [False, True], [False, False]])


def each_cross_entropy(logits, targets):
    p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    return -np.log(np.take_along_axis(p, targets[..., None], -1))[..., 0]


def each_binary(logits, targets):
    p = 1 / (1 + np.exp(-logits))
    return -(targets * np.log(p) + (1 - targets) * np.log(1 - p))


PROBABILITIES = RNG.random(LOGITS.shape)
CASES = [
    (nn.cross_entropy, LOGITS, TARGETS, MASK, each_cross_entropy),
    (nn.binary_cross_entropy, LOGITS, PROBABILITIES, RNG.random(LOGITS.shape) < 0.5, each_binary),
    (nn.mse, LOGITS, PROBABILITIES, RNG.random(LOGITS.shape) < 0.5, lambda a, b: (a - b) ** 2),
]


@pytest.mark.parametrize(
    ("loss", "outputs", "targets", "mask", "each"), CASES, ids=lambda v: getattr(v, "__name__", "")
)
def test_masks_and_reductions(loss, outputs, targets, mask, each):
    values = each(outputs, targets)
    close = {"rtol": 1e-13}
    np.testing.assert_allclose(loss(outputs, targets), values.mean(), **close)
    np.testing.assert_allclose(loss(outputs, targets, reduction="sum"), values.sum(), **close)
    np.testing.assert_allclose(loss(outputs, targets, reduction="none"), values, **close)
    np.testing.assert_allclose(loss(outputs, targets, mask=mask), values[mask].mean(), **close)
    np.testing.assert_allclose(loss(outputs, targets, mask=mask, reduction="sum"), values[mask].sum(), **close)
    np.testing.assert_allclose(loss(outputs, targets, mask=mask, reduction="none"), values * mask, **close)
    for options in ({}, {"mask": mask}, {"reduction": "sum"}):
        tg.check_grads(lambda x, o=options: loss(x, targets, **o), (outputs,))
    gradient = tg.grad(lambda x: loss(x, targets, mask=mask))(outputs)
    assert not gradient[~mask].any()
    assert gradient[mask].any()
    single = tg.Tensor(outputs.astype(np.float32))
    with tg.Tape() as tape:
        value = loss(single, targets if targets.dtype.kind == "i" else targets.astype(np.float32), mask=mask)
    assert value.dtype == tape.gradient(value, single).dtype == np.float32


@pytest.mark.needs_torch
def test_the_same_as_pytorch():
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    z, y = torch.tensor(LOGITS), torch.tensor(PROBABILITIES)
    assert nn.mse(LOGITS, PROBABILITIES) == pytest.approx(f.mse_loss(z, y).item(), rel=1e-14)
    theirs = f.binary_cross_entropy_with_logits(z, y).item()
    assert nn.binary_cross_entropy(LOGITS, PROBABILITIES) == pytest.approx(theirs, rel=1e-14)
    theirs = f.cross_entropy(z.reshape(-1, 5), torch.tensor(TARGETS).reshape(-1), reduction="sum").item()
    assert nn.cross_entropy(LOGITS, TARGETS, reduction="sum") == pytest.approx(theirs, rel=1e-14)


@pytest.mark.parametrize("big", [1e4, -1e4])
def test_exact_at_large_logits(big):
    z = np.array([[big, 0.0]])
    right = 0 if big > 0 else 1
    assert nn.cross_entropy(z, np.array([right])) == 0
    assert nn.cross_entropy(z, np.array([1 - right])) == 1e4
    assert nn.binary_cross_entropy(np.array([big]), np.array([float(big > 0)])) == 0
    assert nn.binary_cross_entropy(np.array([big]), np.array([float(big < 0)])) == 1e4
    gradient = tg.grad(lambda z: nn.cross_entropy(z, np.array([1 - right])))(z)
    np.testing.assert_array_equal(gradient, [[1, -1]] if big > 0 else [[-1, 1]])


def test_a_masked_position_may_have_any_target_and_any_logits():
    logits = LOGITS.copy()
    logits[~MASK] = 1e300
    targets = np.where(MASK, TARGETS, -100)
    value = nn.cross_entropy(logits, targets, mask=MASK)
    assert value == pytest.approx(nn.cross_entropy(LOGITS, TARGETS, mask=MASK), rel=1e-15)


def test_wrong_masks_and_reductions():
    with pytest.raises(ValueError, match=r"cross_entropy: the mask has shape \(4,\) and dtype bool\nexpected booleans"):
        nn.cross_entropy(LOGITS, TARGETS, mask=MASK[:, 0])
    with pytest.raises(ValueError, match=r"mse: the mask has shape \(4, 2, 5\) and dtype float64"):
        nn.mse(LOGITS, LOGITS, mask=np.ones(LOGITS.shape))
    with pytest.raises(ValueError, match="mse: reduction='avg'\nthere are 'mean', 'sum' and 'none'"):
        nn.mse(LOGITS, LOGITS, reduction="avg")
    with pytest.raises(ValueError, match=r"the mean over no entries\ngive a mask that is true"):
        nn.cross_entropy(LOGITS, TARGETS, mask=np.zeros((4, 2), bool))
    with pytest.raises(ValueError, match=r"binary_cross_entropy: targets from 0\.0 to 2\.0\na target is"):
        nn.binary_cross_entropy(np.zeros(2), np.array([0, 2]))
