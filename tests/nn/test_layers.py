"""The layers against PyTorch: stored outputs, last states and all gradients; lengths, dropout, errors."""

import re

import make_layers
import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn


def stored():
    with np.load(make_layers.PATH) as file:
        parts = np.split(file["values"], file["ends"][:-1])
        return dict(zip(file["names"].tolist(), parts, strict=True))


STORED = stored()
IDS = [make_layers.name_of(*configuration) for configuration in make_layers.CONFIGURATIONS]


def by_tape(kind, arguments, run):
    layer = getattr(nn, kind)(make_layers.INPUT, make_layers.HIDDEN, **arguments)
    params, x, states, to_output, to_last = make_layers.drawn(layer.shapes(), kind, arguments, run)
    leaves = {name: tg.Tensor(p, name=name) for name, p in params.items()}
    leaves |= {"x": tg.Tensor(x), **{f"state{k}": tg.Tensor(s) for k, s in enumerate(states)}}
    starts = [leaves[f"state{k}"] for k in range(len(states))]
    start = (tuple(starts) if kind == "LSTM" else starts[0]) if starts else None
    with tg.Tape() as tape:
        output, last = layer(leaves, leaves["x"], start, run.get("lengths"))
    ends = list(last) if kind == "LSTM" else [last]
    gradients = tape.gradient(dict(zip([output, *ends], [to_output, *to_last], strict=True)), leaves)
    found = {"output": output.data, **{f"last{k}": s.data for k, s in enumerate(ends)}}
    return found | {f"d {name}": g for name, g in gradients.items()}


@pytest.mark.parametrize("configuration", make_layers.CONFIGURATIONS, ids=IDS)
def test_outputs_states_and_all_gradients_are_those_of_pytorch(configuration):
    name = make_layers.name_of(*configuration)
    expected = {key.removeprefix(f"{name}: "): v for key, v in STORED.items() if key.startswith(f"{name}: ")}
    found = by_tape(*configuration)
    assert set(found) == set(expected)
    for key, value in found.items():
        scale = max(np.abs(expected[key]).max(), 1e-300)
        np.testing.assert_allclose(value.ravel(), expected[key], rtol=0, atol=1e-12 * scale, err_msg=key)


def test_there_are_at_least_sixty_configurations_and_each_is_another():
    assert len(set(IDS)) == len(IDS) >= 60


@pytest.mark.needs_torch
def test_the_stored_numbers_are_those_of_this_pytorch():
    pytest.importorskip("torch")
    for configuration in make_layers.CONFIGURATIONS[::7]:
        for key, value in make_layers.by_torch(*configuration).items():
            np.testing.assert_allclose(
                value.ravel(), STORED[f"{make_layers.name_of(*configuration)}: {key}"], rtol=1e-12, atol=1e-13
            )


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_padded_steps_change_nothing_and_get_exactly_no_gradient(kind):
    layer = getattr(nn, kind)(2, 4, num_layers=2, bidirectional=True)
    rng = np.random.default_rng(0)
    params, x, lengths = layer.init(rng), rng.standard_normal((6, 3, 2)), [6, 2, 4]
    with tg.Tape() as tape:
        leaf = tg.Tensor(x)
        output, last = layer(params, leaf, lengths=lengths)
        ends = last if isinstance(last, tuple) else (last,)
        loss = (output * output).sum() + sum((s * s).sum() for s in ends)
    gradient = tape.gradient(loss, leaf)
    changed = x.copy()
    for k, n in enumerate(lengths):
        assert not gradient[n:, k].any()
        assert not output.data[n:, k].any()
        assert gradient[:n, k].all()
        changed[n:, k] = 1e3
    again, ends_again = layer(params, changed, lengths=lengths)
    np.testing.assert_array_equal(again.data, output.data)
    np.testing.assert_array_equal(
        np.array([s.data for s in (ends_again if kind == "LSTM" else (ends_again,))]), [s.data for s in ends]
    )
    for k, n in enumerate(lengths):  # each sequence alone gives the same
        alone, _ = layer(params, x[:n, k])
        np.testing.assert_allclose(alone.data, output.data[:n, k], rtol=1e-13, atol=1e-15)


def test_every_gate_and_state_can_be_asked_for():
    layer = nn.LSTM(2, 4, num_layers=2, bidirectional=True)
    with tg.Tape() as tape:
        layer(layer.init(np.random.default_rng(0)), np.ones((3, 1, 2)))
    for t in range(3):
        for name in ("z_i", "z_f", "z_g", "z_o", "i", "f", "g", "o", "c", "h"):
            found = tape.find(name, layer=1, direction="reverse", t=t)
            assert found.shape == (1, 4)
    with tg.Tape() as tape:
        nn.GRU(2, 4)(nn.GRU(2, 4).init(np.random.default_rng(0)), np.ones((3, 1, 2)))
    assert tape.find("z_n", layer=0, t=2).shape == (1, 4)


def test_dropout_is_decided_by_the_seed_and_repeated_by_a_rerun():
    layer = nn.GRU(2, 50, num_layers=2, dropout=0.4)
    params, x = layer.init(np.random.default_rng(0)), np.random.default_rng(1).standard_normal((3, 2, 2))
    evaluated, _ = layer(params, x)
    leaf = tg.Tensor(x)
    with tg.Tape() as tape:
        first, _ = layer(params, leaf, rng=np.random.default_rng(7))
    second, _ = layer(params, x, rng=np.random.default_rng(7))
    other, _ = layer(params, x, rng=np.random.default_rng(8))
    np.testing.assert_array_equal(first.data, second.data)
    assert (first.data != other.data).any()
    assert (first.data != evaluated.data).any()
    _, new = tape.rerun({leaf: x})
    np.testing.assert_array_equal(new[first].data, first.data)
    masks = [e for e in tape if e.op.name == "multiply" and any(isinstance(a, np.ndarray) for a in e.args)]
    values = np.concatenate([np.ravel(a) for e in masks for a in e.args if isinstance(a, np.ndarray)])
    assert set(values) == {0, 1 / 0.6}
    assert 0.3 < (values == 0).mean() < 0.5


def test_on_arrays_a_layer_is_plain_numpy_and_float32_stays():
    layer = nn.LSTM(2, 3, num_layers=2, bidirectional=True)
    params = {name: p.data for name, p in layer.init(np.random.default_rng(0), np.float32).items()}
    output, (h, c) = layer(params, np.ones((4, 2, 2), np.float32), lengths=[4, 1])
    assert {type(v) for v in (output, h, c)} == {np.ndarray}
    assert {v.dtype for v in (output, h, c)} == {np.dtype(np.float32)}


# ---------------------------------------------------------------------------------------------- the other layers


def test_linear_embedding_and_layer_norm():
    rng = np.random.default_rng(0)
    linear = nn.Linear(3, 2)
    params = {name: p.data for name, p in linear.init(rng).items()}
    x = rng.standard_normal((5, 4, 3))
    np.testing.assert_allclose(linear(params, x), x @ params["weight"].T + params["bias"])
    assert list(nn.Linear(3, 2, bias=False).init(rng)) == ["weight"]
    tg.check_grads(linear, (params, x))

    table = nn.Embedding(5, 3)
    weights, ids = table.init(rng), np.array([[0, 4], [4, 4]])
    with tg.Tape() as tape:
        rows = table(weights, ids)
    np.testing.assert_array_equal(rows.data, weights["weight"].data[ids])
    gradient = tape.gradient(rows, weights["weight"], seed=np.ones(rows.shape))
    assert gradient[:, 0].tolist() == [1, 0, 0, 0, 3]

    norm = nn.LayerNorm(3)
    params = {"weight": rng.standard_normal(3), "bias": rng.standard_normal(3)}
    y = norm({"weight": np.ones(3), "bias": np.zeros(3)}, x)
    np.testing.assert_allclose(y.mean(axis=-1), 0, atol=1e-15)
    np.testing.assert_allclose(y.var(axis=-1), x.var(axis=-1) / (x.var(axis=-1) + 1e-5), rtol=1e-12)
    tg.check_grads(norm, (params, x))


@pytest.mark.needs_torch
def test_linear_and_layer_norm_are_those_of_pytorch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5, 3))
    for ours, theirs in ((nn.Linear(3, 3), torch.nn.Linear(3, 3)), (nn.LayerNorm(3), torch.nn.LayerNorm(3))):
        params = {name: rng.standard_normal(shape) for name, shape in ours.shapes().items()}
        theirs.double().load_state_dict({name: torch.tensor(p) for name, p in params.items()})
        np.testing.assert_allclose(ours(params, x), theirs(torch.tensor(x)).detach().numpy(), rtol=1e-13)


# ---------------------------------------------------------------------------------------------- wrong input


def refused(*words):
    return pytest.raises(ValueError, match="(?s)" + ".*".join(re.escape(word) for word in words))


def test_what_does_not_fit_is_said_with_what_was_expected():
    layer = nn.LSTM(2, 3, num_layers=2)
    params = layer.init(np.random.default_rng(0))
    x = np.ones((5, 4, 2))
    with refused("LSTM: the parameters lack weight_hh_l1; given: weight_ih_l0", "\n", "weight_hh_l1 (12, 3)"):
        layer({name: p for name, p in params.items() if name != "weight_hh_l1"}, x)
    with refused("LSTM: weight_ih_l1 has shape (9, 3)\nexpected (12, 3): 4 gates i, f, g, o stacked"):
        layer({**params, "weight_ih_l1": np.ones((9, 3))}, x)
    with refused("LSTM: bias_hh_l1 is float32, weight_ih_l0 is float64\nexpected floats of one dtype"):
        layer({**params, "bias_hh_l1": np.ones(12, np.float32)}, x)
    with refused("LSTM: weight_ih_l0 is int64, weight_ih_l0 is int64"):
        layer({**params, "weight_ih_l0": np.ones((12, 2), int)}, x)
    with refused("LSTM: x has shape (5, 4, 7)\nexpected (T, B, I), or (T, I)", "I = 2"):
        layer(params, np.ones((5, 4, 7)))
    with refused("x has shape (5,)"):
        layer(params, np.ones(5))
    with refused("LSTM: the state has shapes [(2, 4, 3)]\nexpected [(2, 4, 3), (2, 4, 3)]"):
        layer(params, x, np.ones((2, 4, 3)))
    with refused("lengths from 0 to 5, for T = 5 steps\na length is", "1 to 5"):
        layer(params, x, lengths=[5, 0, 1, 2])
    with refused("lengths from 1 to 6, for T = 5"):
        layer(params, x, lengths=[5, 6, 1, 2])
    with refused("lengths of shape (3,) and dtype int64", "one integer for each of the B sequences"):
        layer(params, x, lengths=[5, 1, 2])
    with refused("lengths of shape (4,) and dtype float64"):
        layer(params, x, lengths=[5.0, 1, 1, 2])
    with refused("the sequence has no steps"):
        layer(params, np.ones((0, 4, 2)))
    with refused("Embedding: indices of dtype int64 from -1 to 2\ngive integers from 0 to 4"):
        nn.Embedding(5, 2)({"weight": np.ones((5, 2))}, [-1, 2])
    with refused("Embedding: indices of dtype float64"):
        nn.Embedding(5, 2)({"weight": np.ones((5, 2))}, [1.0])


def test_what_stands_in_the_padding_is_not_even_looked_at():
    layer = nn.LSTM(2, 3, num_layers=2, bidirectional=True)
    params, x = layer.init(np.random.default_rng(0)), np.random.default_rng(1).standard_normal((4, 2, 2))
    for junk in (np.nan, np.inf):
        found = []
        for padding in (0.0, junk):
            filled = x.copy()
            filled[2:, 1] = padding
            leaf = tg.Tensor(filled)
            with tg.Tape() as tape:
                output, _ = layer(params, leaf, lengths=[4, 2])
                loss = (output * output).sum()
            found.append([loss.data, *tape.gradient(loss, {**params, "x": leaf}).values()])
        for a, b in zip(*found, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_layer_leaves_the_names_of_others_alone():
    rng = np.random.default_rng(0)
    params, x = nn.RNN(2, 3).init(rng), rng.standard_normal((4, 2, 2))
    others = {"weight": np.ones(7), "bias": np.ones(7), "head.weight_ih_l1": np.ones(7), "V": 3.0, "weight_out": 1.0}
    np.testing.assert_array_equal(nn.RNN(2, 3)({**params, **others}, x)[0].data, nn.RNN(2, 3)(params, x)[0].data)
    linear, more = {"weight": np.eye(2), "bias": np.ones(2)}, {"weight_ih_l0": 1.0, "V": 3.0}
    np.testing.assert_array_equal(nn.Linear(2, 2)(linear | more, x), x + 1)


def test_weights_that_a_layer_would_not_use_are_refused():
    """A state_dict of another network would give other numbers without a word."""
    rng, x = np.random.default_rng(0), np.ones((4, 2, 3))
    for kind in (nn.RNN, nn.LSTM, nn.GRU):
        for given, layer, words in (
            (
                kind(3, 5, 2),
                kind(3, 5),
                "weight_ih_l1, weight_hh_l1, bias_ih_l1, bias_hh_l1 would not be used\nexpected",
            ),
            (
                kind(3, 5, bidirectional=True),
                kind(3, 5),
                "weight_ih_l0_reverse, weight_hh_l0_reverse, bias_ih_l0_reverse",
            ),
            (kind(3, 5), kind(3, 5, bias=False), "bias_ih_l0, bias_hh_l0 would not be used"),
        ):
            with refused(kind.__name__, words):
                layer(given.init(rng), x)
    projected = nn.LSTM(3, 5, proj_size=2).init(rng)
    with refused("LSTM: weight_hr_l0 would not be used"):
        nn.LSTM(3, 5)(nn.LSTM(3, 5).init(rng) | {"weight_hr_l0": projected["weight_hr_l0"]}, x)
    with refused("GRU: weight_ih would not be used"):
        nn.GRU(3, 5)(nn.GRU(3, 5).init(rng) | {"weight_ih": np.ones((15, 3))}, x)
    with refused("Linear: bias would not be used"):
        nn.Linear(3, 2, bias=False)(nn.Linear(3, 2).init(rng), x)
    with refused("Embedding: bias would not be used"):
        nn.Embedding(3, 2)({"weight": np.ones((3, 2)), "bias": np.ones(2)}, [0])


def test_what_would_be_broadcast_is_refused():
    with refused("LayerNorm: x has shape (5, 1)\nexpected (..., 3)"):
        nn.LayerNorm(3)(nn.LayerNorm(3).init(), np.ones((5, 1)))
    with refused("Linear: x has shape (5, 1)\nexpected (..., 3)"):
        nn.Linear(3, 2)(nn.Linear(3, 2).init(np.random.default_rng(0)), np.ones((5, 1)))
    for bias in (np.ones(1), np.array(1.0), np.ones((1, 2)), None, [1.0, 2.0]):
        with pytest.raises((ValueError, TypeError), match=r"Linear: bias (has shape|is of type)"):
            nn.Linear(3, 2)({"weight": np.ones((2, 3)), "bias": bias}, np.ones((5, 3)))


def test_a_layer_is_checked_when_it_is_made():
    with refused("LSTM: proj_size=3\ngive a number less than hidden_size, 3"):
        nn.LSTM(2, 3, proj_size=3)
    with refused("RNN: nonlinearity='foo'\nchoose 'tanh' or 'relu'"):
        nn.RNN(2, 3, nonlinearity="foo")
    with refused("GRU: dropout=1.0"):
        nn.GRU(2, 3, dropout=1.0)
    with refused("at least 1"):
        nn.GRU(2, 0)
