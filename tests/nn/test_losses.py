"""Losses: masks and reductions against their definitions, PyTorch's numbers, exactness at large logits."""

import math

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
    ("loss", "outputs", "targets", "mask", "each"), CASES, ids=[case[0].__name__ for case in CASES]
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
    with pytest.raises(ValueError, match="mse: reduction='avg'\nchoose 'mean', 'sum' or 'none'"):
        nn.mse(LOGITS, LOGITS, reduction="avg")
    with pytest.raises(ValueError, match=r"the mean over no entries\ngive a mask that is true"):
        nn.cross_entropy(LOGITS, TARGETS, mask=np.zeros((4, 2), bool))
    with pytest.raises(ValueError, match=r"binary_cross_entropy: targets from 0\.0 to 2\.0\na target is"):
        nn.binary_cross_entropy(np.zeros(2), np.array([0, 2]))
    with pytest.raises(ValueError, match=r"cross_entropy: logits of shape \(\)\ngive scores"):
        nn.cross_entropy(1.0, 0)
    with pytest.raises(TypeError, match="mse: outputs are <U1\ngive an array"):
        nn.mse(np.array(["a"]), np.ones(1))


@pytest.mark.parametrize("junk", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("loss", "outputs", "targets", "mask"), [case[:4] for case in CASES], ids=lambda v: "")
def test_what_is_masked_is_not_even_looked_at(loss, outputs, targets, mask, junk):
    expected = tg.value_and_grad(lambda x: loss(x, targets, mask=mask))(outputs)
    filled, other = outputs.copy(), targets.copy()
    filled[~mask] = junk
    other[~mask] = -7 if targets.dtype.kind == "i" else junk
    for options in ({}, {"weight": np.ones(5), "label_smoothing": 0.1} if loss is nn.cross_entropy else {}):
        value, gradient = tg.value_and_grad(lambda x, o=options: loss(x, other, mask=mask, **o))(filled)
        if not options:
            assert value == expected[0]
            np.testing.assert_array_equal(gradient, expected[1])
        assert np.isfinite(value)
        assert not gradient[~mask].any()


def test_whole_numbers_are_computed_with_as_floats():
    small, targets = np.array([200, 3], np.uint8), np.array([1, 250], np.uint8)
    assert nn.mse(small, targets) == (199**2 + 247**2) / 2
    z, y = np.array([1, -2]), np.array([0.25, 0.5])
    assert nn.binary_cross_entropy(z, y) == nn.binary_cross_entropy(z.astype(float), y)
    assert nn.binary_cross_entropy(tg.Tensor(z), y).item() == nn.binary_cross_entropy(z.astype(float), y)
    whole = np.array([[3, 1, 0]])
    assert nn.cross_entropy(whole, np.array([1])) == nn.cross_entropy(whole.astype(float), np.array([1]))


# ---------------------------------------------------------------------------------------------- weights, smoothing


def one_by_one(logits, targets, weight, smoothing, mask, reduction):
    """The definition, one position after the other, in Python's own numbers."""
    classes, total, count = logits.shape[-1], 0.0, 0.0
    each = np.zeros(targets.shape)
    for place in np.ndindex(targets.shape):
        if mask is not None and not mask[place]:
            continue
        scores, y = logits[place].tolist(), int(targets[place])
        largest = max(scores)
        log_of_sum = largest + math.log(math.fsum(math.exp(s - largest) for s in scores))
        n = [log_of_sum - s for s in scores]
        w = [1.0] * classes if weight is None else weight.tolist()
        each[place] = (1 - smoothing) * w[y] * n[y] + smoothing / classes * math.fsum(map(float.__mul__, w, n))
        total, count = total + each[place], count + w[y]
    return {"none": each, "sum": total, "mean": total / count if count else math.nan}[reduction]


SHAPES = [(), (1,), (3,), (7, 3), (1, 1), (2, 3, 1)]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("classes", [1, 2, 5])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_weight_and_label_smoothing_are_the_definition(shape, classes, weighted, smoothing, reduction):
    rng = np.random.default_rng(len(shape) + classes)
    logits, targets = 3 * rng.standard_normal((*shape, classes)), rng.integers(0, classes, shape)
    weight = rng.uniform(0.1, 2, classes) if weighted else None
    some = np.array(rng.random(shape) < 0.6)
    some[(0,) * len(shape)] = True
    for mask in (None, some):
        options = {"weight": weight, "label_smoothing": smoothing, "mask": mask, "reduction": reduction}
        expected = one_by_one(logits, targets, weight, smoothing, mask, reduction)
        found = nn.cross_entropy(logits, targets, **options)
        np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-14)
        single = nn.cross_entropy(tg.Tensor(logits.astype(np.float32)), targets, **options)
        assert single.dtype == np.float32
        np.testing.assert_allclose(single.data, expected, rtol=5e-6, atol=5e-6)
        tensor = None if weight is None else tg.Tensor(weight)
        again = nn.cross_entropy(tg.Tensor(logits), targets, **{**options, "weight": tensor})
        np.testing.assert_array_equal(again.data, found)
        tg.check_grads(lambda z, o=options: nn.cross_entropy(z, targets, **o), (logits,), order=1)
    if weighted and targets.size > 1 and classes > 1:  # of one position the mean does not depend on the weights
        tg.check_grads(
            lambda w: nn.cross_entropy(logits, targets, weight=w, label_smoothing=smoothing), (weight,), order=1
        )


def test_a_replay_weighs_with_other_weights():
    weight, x = tg.Tensor(np.array([1.0, 2.0, 0.5, 1.0, 3.0])), tg.Tensor(LOGITS)
    with tg.Tape() as tape:
        loss = nn.cross_entropy(x, TARGETS, weight=weight, label_smoothing=0.2, mask=MASK)
    other = np.array([0.0, 1.0, 1.0, 4.0, 0.25])
    _, new = tape.replay({weight: other})
    expected = one_by_one(LOGITS, TARGETS, other, 0.2, MASK, "mean")
    np.testing.assert_allclose(new[loss].item(), expected, rtol=1e-13)
    with pytest.raises(ValueError, match=r"weights of the targets have the sum 0\.0"):
        tape.replay({weight: np.zeros(5)})


def test_weights_and_smoothing_that_cannot_be():
    for wrong in (np.ones(4), np.ones((1, 5)), 2.0, np.ones((4, 2, 5))):
        with pytest.raises(ValueError, match=r"weight of shape \(.*\)\nexpected \(5,\), one for each class"):
            nn.cross_entropy(LOGITS, TARGETS, weight=wrong)
    for bad in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match=r"cross_entropy: weights from .*\na weight is a number, at least zero"):
            nn.cross_entropy(LOGITS, TARGETS, weight=np.array([1.0, 1.0, bad, 1.0, 1.0]))
    for bad in (-0.1, 1.5, np.nan):
        with pytest.raises(ValueError, match=r"label_smoothing=.*\ngive the share"):
            nn.cross_entropy(LOGITS, TARGETS, label_smoothing=bad)
    with pytest.raises(ValueError, match=r"the weights of the targets have the sum 0\.0\ngive a class that occurs"):
        nn.cross_entropy(LOGITS, TARGETS, weight=np.zeros(5))
    assert nn.cross_entropy(LOGITS, TARGETS, weight=np.zeros(5), reduction="sum") == 0


@pytest.mark.needs_torch
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("classes", [1, 2, 5])
def test_weight_and_label_smoothing_are_those_of_pytorch(classes, smoothing, reduction):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(classes)
    logits, targets = rng.standard_normal((7, 3, classes)), rng.integers(0, classes, (7, 3))
    mask = rng.random((7, 3)) < 0.6
    for weight, kept in ((None, None), (rng.random(classes) + 0.1, None), (rng.random(classes) + 0.1, mask)):
        z = torch.tensor(logits.reshape(-1, classes), requires_grad=True)
        y = torch.tensor(np.where(kept, targets, -100) if kept is not None else targets).reshape(-1)
        w = None if weight is None else torch.tensor(weight)
        theirs = torch.nn.functional.cross_entropy(z, y, w, label_smoothing=smoothing, reduction=reduction)
        theirs.sum().backward()
        found, gradient = tg.value_and_grad(
            lambda x, weight=weight, kept=kept: nn.cross_entropy(
                x, targets, weight=weight, label_smoothing=smoothing, mask=kept, reduction=reduction
            ).sum()
        )(logits)
        np.testing.assert_allclose(found, theirs.sum().item(), rtol=1e-13, atol=1e-14)
        np.testing.assert_allclose(gradient.reshape(-1, classes), z.grad.numpy(), rtol=1e-12, atol=1e-15)
