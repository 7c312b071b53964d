"""Inputs of a wrong kind, shape or type: each is computed rightly, or refused in words, never broadcast."""

import re

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn

RNG = np.random.default_rng(0)
X = RNG.standard_normal((5, 2, 3))
LAYERS = [nn.RNN(3, 4), nn.LSTM(3, 4, 2, bidirectional=True), nn.GRU(3, 4)]


def refused(*words):
    return pytest.raises((ValueError, TypeError), match="(?s)" + ".*".join(re.escape(word) for word in words))


def arrays(layer, dtype=np.float64):
    return nn.weights.arrays(layer.init(np.random.default_rng(1), dtype))


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_parameters_of_another_kind(layer):
    kind, params = type(layer).__name__, arrays(layer)
    for wrong in (None, list(params.values()), 3.0):
        with refused(f"{kind}: the parameters are of type {type(wrong).__name__}\ngive a dict"):
            layer(wrong, X)
    with refused(f"{kind}: the parameters lack weight_ih_l0", "given: rnn"):
        layer({"rnn": params}, X)
    for wrong in (params["bias_hh_l0"].tolist(), None, {"inner": params["bias_hh_l0"]}):
        with refused(f"{kind}: bias_hh_l0 is of type {type(wrong).__name__}"):
            layer({**params, "bias_hh_l0": wrong}, X)
    for wrong in (np.ones(1), np.ones((1, len(params["bias_hh_l0"]))), np.array(1.0)):
        with refused(f"{kind}: bias_hh_l0 has shape {wrong.shape}"):
            layer({**params, "bias_hh_l0": wrong}, X)


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_arrays_tensors_lists_and_other_dtypes_are_the_same_network(layer):
    params = arrays(layer)
    expected = layer(params, X)[0]
    tensors = {name: tg.Tensor(p) for name, p in params.items()}
    swapped = {name: p.astype(">f8") for name, p in params.items()}
    whole = RNG.integers(-2, 3, (5, 2, 3))
    pairs = [
        (layer(tensors, X)[0].data, expected),
        (layer(params, X.tolist())[0], expected),
        (layer(params, np.asfortranarray(X))[0], expected),
        (layer(swapped, X)[0], expected),
        (layer(params, whole)[0], layer(params, whole.astype(float))[0]),
    ]
    for found, wanted in pairs:  # to rounding: BLAS adds up in another order where an array lies otherwise in memory
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-14)
    half = {name: p.astype(np.float16) for name, p in params.items()}
    found = layer(half, X.astype(np.float16))[0]
    assert found.dtype == np.float16
    exact = layer({name: p.astype(float) for name, p in half.items()}, X.astype(np.float16).astype(float))[0]
    np.testing.assert_allclose(found, exact, rtol=0, atol=8e-3)


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_inputs_and_states_that_hold_no_numbers(layer):
    kind, params = type(layer).__name__, arrays(layer)
    for wrong, words in (
        (X.astype(object), "is of dtype object"),
        (X.astype(str), "is of dtype <U"),
        (np.ma.masked_array(X, X > 0), "is a masked array"),
    ):
        with refused(f"{kind}: x {words}"):
            layer(params, wrong)
    cell = nn.weights.arrays(nn.init.gru(RNG, 3, 4))
    with refused("gru: the state h is of dtype object"):
        nn.gru(cell, X[0], np.zeros((2, 4), object))
    with refused("gru: the parameters are of type NoneType"):
        nn.gru(None, X[0])


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_no_sequences_at_all(layer):
    """A batch of none has an output of none; a sequence of no steps has no last state."""
    params = layer.init(np.random.default_rng(0))
    width = 8 if layer.bidirectional else 4
    for lengths in (None, np.zeros(0, int)):
        assert layer(params, X[:, :0], lengths=lengths)[0].shape == (5, 0, width)
    with refused("the sequence has no steps"):
        layer(params, X[:0])


@pytest.mark.parametrize("layer", LAYERS, ids=str)
@pytest.mark.parametrize(
    "wrong", [[True, False], 5, [[5, 3]], ["5", "3"], [None, 3], [5.0, 3.0], [5, 6], [0, 5], [-1, 5]]
)
def test_lengths_that_are_none(layer, wrong):
    with refused("lengths "):
        layer(arrays(layer), X, lengths=wrong)


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_states_that_do_not_fit(layer):
    params, count = arrays(layer), layer.num_layers * (2 if layer.bidirectional else 1)
    several = isinstance(layer, nn.LSTM)
    good = np.zeros((count, 2, 4))
    for wrong in (good[:, :1], good[0], good[..., :1], 0.0, (None, None), (good, None), good[None], (good,) * 3):
        with refused(f"{type(layer).__name__}: the state has shapes"):
            layer(params, X, wrong)
    with refused("the state has shapes"):
        layer(params, X, good if several else (good, good))
    with refused("the state has shapes"):
        layer(params, X[:, 0], (good, good) if several else good)


def test_unroll_takes_as_many_states_as_the_cell_has():
    params, h = nn.weights.arrays(nn.init.gru(RNG, 3, 4)), np.zeros((2, 4))
    with refused("unroll: 2 states for gru, which takes (h)\ngive as many as the cell has"):
        nn.unroll(nn.gru, params, X, (h, h))
    params = nn.weights.arrays(nn.init.min_gru(RNG, 3, 4))
    with refused("scan: 2 states for min_gru, which takes (h)\ngive as many as the cell has"):
        nn.scan(nn.min_gru, params, X, (h, h))


def test_a_first_state_that_grows_is_no_output():
    with refused("unroll: <lambda> returned M of shape (2, 2, 4) at t=1, and of shape (2, 1, 4) at the step before\n"):
        nn.unroll(
            lambda p, x, M: np.concatenate([M, M[:, -1:]], axis=1) if x[0, 0] else M,
            {},
            np.array([[[0]], [[1]]]),
            np.ones((2, 1, 4)),
        )


@pytest.mark.parametrize("reverse", [False, True])
def test_states_that_are_not_given_are_zero(reverse):
    params, h = nn.weights.arrays(nn.init.lstm(RNG, 3, 4)), RNG.standard_normal((2, 4))
    for lengths in (None, [5, 3]):
        options = {"reverse": reverse, "lengths": lengths}
        for start, whole in ((h, (h, 0 * h)), (None, (0 * h, 0 * h))):
            found, ends = nn.unroll(nn.lstm, params, X, start, **options)
            expected, last = nn.unroll(nn.lstm, params, X, whole, **options)
            np.testing.assert_array_equal(found, expected)
            np.testing.assert_array_equal(np.array(ends), np.array(last))


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Linear(0, 2),
        lambda: nn.Linear(3, -1),
        lambda: nn.Linear(3.0, 2),
        lambda: nn.Embedding(0, 2),
        lambda: nn.LayerNorm((3,)),
        lambda: nn.LSTM(3, 4, 0),
        lambda: nn.GRU(3, 4.0),
        lambda: nn.init.gru(RNG, 3, 0),
        lambda: nn.init.lstm(RNG, 3, 1.5),
    ],
)
def test_sizes_are_integers_from_one_up(make):
    with refused("sizes and the number of layers are integers, at least 1"):
        make()


def test_masks_of_noise_have_the_shape_of_what_they_mask():
    params, h = nn.weights.arrays(nn.init.gru(RNG, 3, 4)), np.zeros((2, 4))
    on_x, on_h = np.ones((2, 3)), np.ones((2, 4))
    for wrong in (np.ones(1), np.ones((1, 3)), np.ones((5, 2, 3)), 1.0):
        with refused(f"variational_dropout: on_x has shape {np.shape(wrong)}, and x (2, 3), in t=0"):
            nn.unroll(nn.variational_dropout(nn.gru, wrong, on_h), params, X, h)
    with refused("variational_dropout: on_h has shape (1, 4), and h (2, 4)"):
        nn.unroll(nn.variational_dropout(nn.gru, on_x, on_h[:1]), params, X, h)
    for wrong in (np.full((5, 2, 4), 0.3), np.ones((5, 2, 1), bool), np.ones((5, 4), bool)):
        with refused(f"zoneout: masks of shape {wrong.shape}", "give booleans (T, B, H)"):
            nn.unroll(nn.zoneout(nn.gru, wrong), params, X, h)
    for p in (-0.1, 1.5, np.nan):
        with refused(f"zoneout: p = {p}"):
            nn.unroll(nn.zoneout(nn.gru, p), params, X, h)


def test_losses_take_numbers_alone():
    ones = np.ones(2)
    for loss in (nn.mse, nn.binary_cross_entropy):
        with refused(f"{loss.__name__}: outputs are object"):
            loss(ones.astype(object), ones)
        for wrong in (np.array(["a", "b"]), ones * 1j, ones.astype(object)):
            with refused(f"{loss.__name__}: targets are {wrong.dtype}, outputs float64"):
                loss(ones, wrong)
        for shape in ((), (1,), (2, 1), (1, 2)):
            with refused(f"{loss.__name__}: targets of shape {shape} for outputs (2,)"):
                loss(ones, np.ones(shape))
        with refused("the mean over no entries"):
            loss(np.ones(0), np.ones(0))
        assert loss(np.ones(0), np.ones(0), reduction="sum") == 0
    with refused("cross_entropy: logits of shape (4, 0)"):
        nn.cross_entropy(np.ones((4, 0)), np.zeros(4, int))
    for wrong in (np.zeros(4), np.zeros(4, bool)):
        with refused(f"cross_entropy: targets are {wrong.dtype}\ngive the index of the class"):
            nn.cross_entropy(np.ones((4, 3)), wrong)
    for wrong in (np.eye(4, dtype=int), np.zeros((4, 1), int), np.zeros((), int), np.zeros(3, int)):
        with refused(f"cross_entropy: targets of shape {wrong.shape}"):
            nn.cross_entropy(np.ones((4, 3)), wrong)
