"""Targets, masks and indices as Tensors: the numbers of the arrays to the last bit, and other ones at a rerun."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn

T, B, V = 3, 2, 5
RNG = np.random.default_rng(0)
LOGITS = RNG.standard_normal((T, B, V))
CLASSES, OTHER_CLASSES = (RNG.integers(0, V, (T, B)) for _ in range(2))
POSITIONS = np.array([[True, False], [True, True], [False, True]])
OTHER_POSITIONS = np.array([[False, False], [True, False], [False, False]])
ENTRIES, OTHER_ENTRIES = (RNG.random((T, B, V)) < 0.5 for _ in range(2))

# The loss; targets and other targets; a mask and another one.
LOSSES = {
    "cross_entropy": (nn.cross_entropy, CLASSES, OTHER_CLASSES, POSITIONS, OTHER_POSITIONS),
    "cross_entropy of bytes": (
        nn.cross_entropy,
        *(classes.astype(np.uint8) for classes in (CLASSES, OTHER_CLASSES)),
        POSITIONS,
        OTHER_POSITIONS,
    ),
    "mse of integers": (
        nn.mse,
        RNG.integers(-3, 3, LOGITS.shape),
        RNG.integers(-3, 3, LOGITS.shape),
        ENTRIES,
        ~ENTRIES,
    ),
    "mse of booleans": (nn.mse, ENTRIES, OTHER_ENTRIES, OTHER_ENTRIES, ENTRIES),
    "binary of integers": (nn.binary_cross_entropy, ENTRIES.astype(int), OTHER_ENTRIES.astype(int), ENTRIES, ~ENTRIES),
    "binary of booleans": (nn.binary_cross_entropy, ENTRIES, OTHER_ENTRIES, OTHER_ENTRIES, ENTRIES),
    "binary of floats": (
        nn.binary_cross_entropy,
        RNG.random(LOGITS.shape),
        RNG.random(LOGITS.shape),
        ENTRIES,
        ~ENTRIES,
    ),
}


def identical(found, expected):
    found, expected = np.asarray(found), np.asarray(expected)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert np.array_equal(found, expected)


def value_and_gradient(loss, logits, targets, mask, reduction, *, sealed=False):
    x = tg.Tensor(logits, name="x")
    with tg.Tape(sealed=sealed) as tape:
        value = loss(x, targets, mask=mask, reduction=reduction)
    return tape, x, value, tape.gradient(value, x, seed=np.ones(value.shape, value.dtype))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_takes_tensors_as_it_takes_arrays_and_a_rerun_takes_others(name, masked, reduction, dtype):
    loss, targets, others, mask, other_mask = LOSSES[name]
    logits = LOGITS.astype(dtype)
    given, chosen = tg.Tensor(targets, name="targets"), tg.Tensor(mask, name="mask") if masked else None
    arrays = mask if masked else None
    _, _, expected, expected_gradient = value_and_gradient(loss, logits, targets, arrays, reduction)
    tape, x, value, gradient = value_and_gradient(loss, logits, given, chosen, reduction, sealed=True)
    identical(value.data, expected.data)
    identical(gradient, expected_gradient)
    identical(loss(tg.Tensor(logits), given, mask=chosen, reduction=reduction).data, expected.data)  # on no tape
    identical(loss(logits, given, mask=chosen, reduction=reduction).data, expected.data)

    arrays = other_mask if masked else None
    again, new = tape.rerun({given: others, **({chosen: other_mask} if masked else {})})
    _, _, expected, expected_gradient = value_and_gradient(loss, logits, others, arrays, reduction)
    identical(new[value].data, expected.data)
    identical(again.gradient(new[value], x, seed=np.ones(value.shape, value.dtype)), expected_gradient)


def test_a_tensor_as_the_mask_of_arrays_and_an_array_as_the_mask_of_tensors():
    for targets, mask in [(tg.Tensor(CLASSES), POSITIONS), (CLASSES, tg.Tensor(POSITIONS))]:
        with tg.Tape(sealed=True):
            value = nn.cross_entropy(tg.Tensor(LOGITS), targets, mask=mask)
        identical(value.data, nn.cross_entropy(tg.Tensor(LOGITS), CLASSES, mask=POSITIONS).data)


def test_the_mean_is_over_the_entries_that_the_mask_of_the_rerun_counts():
    x, mask = tg.Tensor(np.arange(4.0)), tg.Tensor(np.array([True, True, True, False]))
    with tg.Tape() as tape:
        value = nn.mse(x, np.zeros(4), mask=mask)
    assert value.item() == 5 / 3
    _, new = tape.rerun({mask: np.array([False, False, True, True])})
    assert new[value].item() == 13 / 2
    with pytest.raises(ValueError, match=r"mse: the mean over no entries\ngive a mask that is true somewhere"):
        tape.rerun({mask: np.zeros(4, bool)})


@pytest.mark.parametrize("wrong", [-1, V])
def test_a_rerun_refuses_what_the_first_run_refuses(wrong):
    bad = CLASSES.copy()
    bad[1, 1] = wrong
    text = (
        rf"cross_entropy: targets from {bad.min()} to {bad.max()}, for 5 classes.*\neach target is the index of a class"
    )
    for targets in (bad, bad.tolist(), tg.Tensor(bad)):
        with pytest.raises(ValueError, match=text):
            nn.cross_entropy(tg.Tensor(LOGITS), targets)
    targets, table, indices = tg.Tensor(CLASSES), tg.Tensor(np.ones((V, 2))), tg.Tensor(CLASSES)
    with tg.Tape(sealed=True) as tape:
        nn.cross_entropy(tg.Tensor(LOGITS), targets)
    with pytest.raises(ValueError, match=text):
        tape.rerun({targets: bad})
    with tg.Tape(sealed=True) as tape:
        nn.Embedding(V, 2)({"weight": table}, indices)
    text = rf"Embedding: indices of dtype int64 from {bad.min()} to {bad.max()}\ngive integers from 0 to 4"
    with pytest.raises(ValueError, match=text):
        tape.rerun({indices: bad})


def test_a_rerun_refuses_probabilities_out_of_range():
    targets = tg.Tensor(np.array([0.0, 1.0]))
    with tg.Tape(sealed=True) as tape:
        nn.binary_cross_entropy(tg.Tensor(np.ones(2)), targets)
    for wrong in ([0.0, 1.5], [-0.5, 1.0], [0.0, np.nan]):
        with pytest.raises(ValueError, match="binary_cross_entropy: targets from"):
            tape.rerun({targets: np.array(wrong)})


def test_probabilities_that_are_tensors_have_a_gradient():
    probabilities = tg.Tensor(np.array([0.25, 0.5]))
    logits = np.array([1.0, -2.0])
    with tg.Tape() as tape:
        loss = nn.binary_cross_entropy(logits, probabilities, reduction="sum")
    assert np.array_equal(tape.gradient(loss, probabilities), -logits)
    tg.check_grads(lambda y: nn.binary_cross_entropy(logits, y), (np.array([0.25, 0.5]),))


@pytest.mark.parametrize("shape", [(), (4,), (3, 2), (0,)])
def test_an_embedding_takes_tensors_as_it_takes_arrays(shape):
    layer = nn.Embedding(V, 4)
    table = tg.Tensor(RNG.standard_normal((V, 4)), name="weight")
    first, second = (RNG.integers(0, V, shape) for _ in range(2))
    indices = tg.Tensor(first, name="indices")
    upstream = RNG.standard_normal((*shape, 4))
    with tg.Tape(sealed=True) as tape:
        rows = layer({"weight": table}, indices)
    again, new = tape.rerun({indices: second})
    for played, out, values in ((tape, rows, first), (again, new[rows], second)):
        identical(out.data, table.data[values])
        expected = np.zeros((V, 4))
        np.add.at(expected, values, upstream)
        identical(played.gradient(out, table, seed=upstream), expected)
    identical(layer({"weight": table.data}, indices).data, table.data[first])  # a table that is constant


def test_a_network_with_targets_indices_and_mask_as_tensors_is_the_same_at_a_rerun():
    embedding, layer = nn.Embedding(V, 3), nn.GRU(3, V)
    rng = np.random.default_rng(1)
    params = {"weight": embedding.init(rng)["weight"], **layer.init(rng)}

    def run(indices, targets, mask):
        hs, _ = layer({k: v for k, v in params.items() if k != "weight"}, embedding(params, indices))
        return nn.cross_entropy(hs, targets, mask=mask)

    tensors = [tg.Tensor(a) for a in (CLASSES, OTHER_CLASSES, POSITIONS)]
    with tg.Tape(sealed=True) as tape:
        loss = run(*tensors)
    others = OTHER_CLASSES[::-1].copy(), CLASSES, OTHER_POSITIONS
    again, new = tape.rerun(dict(zip(tensors, others, strict=True)))
    with tg.Tape() as direct:
        expected = run(*others)
    identical(new[loss].data, expected.data)
    for found, wanted in zip(
        again.gradient(new[loss], params).values(), direct.gradient(expected, params).values(), strict=True
    ):
        identical(found, wanted)


def test_wrong_dtypes_and_shapes_are_named_for_tensors_too():
    x = tg.Tensor(LOGITS)
    with pytest.raises(TypeError, match="cross_entropy: targets are float64"):
        nn.cross_entropy(x, tg.Tensor(CLASSES.astype(float)))
    with pytest.raises(ValueError, match=r"cross_entropy: targets of shape \(3,\) for outputs \(3, 2, 5\)"):
        nn.cross_entropy(x, tg.Tensor(CLASSES[:, 0]))
    with pytest.raises(ValueError, match=r"cross_entropy: the mask has shape \(3, 2\) and dtype int64"):
        nn.cross_entropy(x, CLASSES, mask=tg.Tensor(POSITIONS.astype(int)))
    with pytest.raises(ValueError, match=r"Embedding: indices of dtype float64\ngive integers from 0 to 4"):
        nn.Embedding(V, 2)({"weight": tg.Tensor(np.ones((V, 2)))}, tg.Tensor([0.0]))


def test_lengths_that_are_a_tensor_are_refused_for_they_decide_what_is_recorded():
    params, xs = nn.init.rnn(np.random.default_rng(0), 3, 4), np.ones((T, B, 3))
    text = r"unroll: lengths are a Tensor, 'n' \(2,\), and decide .*\ngive a tuple or a constant array.* mask"
    for given in (xs, tg.Tensor(xs)):
        with pytest.raises(TypeError, match=text):
            nn.unroll(nn.rnn, params, given, lengths=tg.Tensor([1, 3], name="n"))
    with tg.Tape(sealed=True):
        from_array, _ = nn.unroll(nn.rnn, params, xs, lengths=np.array([1, 3]))
        from_tuple, _ = nn.unroll(nn.rnn, params, xs, lengths=(1, 3))
    identical(from_array.data, from_tuple.data)
