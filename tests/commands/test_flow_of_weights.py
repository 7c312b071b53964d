"""`flow --weights`: the recurrent layers of a model that PyTorch trained."""

import numpy as np
import pytest

from tinygrad_rnn import bptt, cli, nn


def saved(path, **layers):
    """Write a model with a module of each name, and a head that is no recurrent layer."""
    model = {"head.weight": np.ones((2, 5)), "head.bias": np.zeros(2)}
    for name, layer in layers.items():
        model |= {f"{name}.{n}": p for n, p in layer.init(np.random.default_rng(len(name))).items()}
    np.savez(path, **nn.weights.arrays(model))
    return path


@pytest.mark.parametrize(
    ("layer", "cell", "kind"),
    [
        pytest.param(nn.RNN(3, 5), nn.rnn, "rnn", id="rnn"),
        pytest.param(nn.GRU(3, 5), nn.gru, "gru", id="gru"),
        pytest.param(nn.LSTM(3, 5), nn.lstm, "lstm", id="lstm"),
        pytest.param(nn.LSTM(3, 5, bias=False), nn.lstm, "lstm", id="without biases"),
        pytest.param(nn.LSTM(3, 5, proj_size=2), nn.lstm, "lstm", id="with a projection"),
    ],
)
def test_the_gradient_is_that_of_the_weights_in_the_file(layer, cell, kind, tmp_path, capsys):
    path = saved(tmp_path / "model.npz", rnn=layer)
    assert cli.main(["flow", "--weights", str(path), "--steps", "6", "--batch", "2", "--seed", "4"]) == 0
    said = capsys.readouterr().out
    params = nn.weights.from_layer(nn.weights.from_torch(nn.weights.load(path), "rnn."))
    xs = np.random.default_rng(4).standard_normal((6, 2, 3))
    assert said.startswith(f"rnn.l0, read as {kind}: weight_ih ({len(params['weight_ih'])}, 3), weight_hh")
    assert str(bptt.flow(cell, params, xs, seed=4, rows=0)) in said


def test_every_layer_and_direction_is_told(tmp_path, capsys):
    path = saved(tmp_path / "model.npz", encoder=nn.GRU(3, 5, num_layers=2, bidirectional=True), cell=nn.LSTMCell(2, 4))
    assert cli.main(["flow", "--weights", str(path), "--steps", "2"]) == 0
    said = capsys.readouterr().out
    names = [line.partition(",")[0] for line in said.splitlines() if ", read as " in line]
    assert names == ["encoder.l0", "encoder.l0_reverse", "encoder.l1", "encoder.l1_reverse", "cell"]


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        pytest.param({"head.weight": np.ones((2, 5))}, "no weight_hh among its names: head.weight", id="no layer"),
        pytest.param(
            {"weight_ih_l0": np.ones((10, 3)), "weight_hh_l0": np.ones((10, 5))},
            "weight_hh_l0 has the shape (10, 5)",
            id="two blocks",
        ),
        pytest.param({"weight_hh_l0": np.ones((20, 5))}, "expected weight_hh of", id="no weight_ih"),
        pytest.param({"weight_hh_l0": np.ones(20)}, "weight_hh_l0 has the shape (20,)", id="a vector"),
    ],
)
def test_a_file_without_such_a_layer_is_refused(arrays, words, tmp_path, capsys):
    np.savez(tmp_path / "model.npz", **arrays)
    assert cli.main(["flow", "--weights", str(tmp_path / "model.npz")]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.splitlines()) == 2


def test_the_file_decides_the_sizes(tmp_path, capsys):
    path = saved(tmp_path / "model.npz", rnn=nn.RNN(3, 5))
    assert cli.main(["flow", "--weights", str(path), "--hidden", "4"]) == 2
    assert "--hidden: the file decides that" in capsys.readouterr().err


def test_what_torch_saved_is_told_the_way(tmp_path, capsys):
    (tmp_path / "model.pt").write_bytes(b"PK")
    assert cli.main(["flow", "--weights", str(tmp_path / "model.pt")]) == 2
    assert "np.savez('model.npz'" in capsys.readouterr().err
