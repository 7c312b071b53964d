"""A readout and a loss behind the cell: the chain begins at dL/dy."""

import numpy as np
import pytest

from tinygrad_rnn import bptt, cli, nn
from tinygrad_rnn.bptt.derivation.checking import run
from tinygrad_rnn.operations.activations import log_softmax

SHAPES = {"W": (4, 3), "U": (4, 4), "b": (4,), "V": (2, 4), "c": (2,)}


def cell(params, x, h):
    z = x @ params["W"].T + h @ params["U"].T + params["b"]
    return np.tanh(z)


def readout(params, h):
    return h @ params["V"].T + params["c"]


def squared(y, target):
    return ((y - target) ** 2).sum() / 2


def cross_entropy(y, target):
    return -(target * log_softmax(y)).sum()


def example(rng, T, B):
    params = {name: rng.normal(0, 0.5, shape) for name, shape in SHAPES.items()}
    return params, rng.standard_normal((T, B, 3)), rng.standard_normal((B, 4)), rng.dirichlet(np.ones(2), (T, B))


def test_the_chain_begins_at_the_readout():
    lines = bptt.derive(cell, example=example, readout=readout, loss=squared).lines()
    assert lines["y"] == "y_t = V h_t + c"
    assert lines["dy"] == "dy_t = y_t - target_t"
    assert lines["dz"].endswith("diag(1 - h_t²) (Uᵀ δ_{t+1} + Vᵀ dy_t)")
    assert lines["dV"] == "∂L/∂V = Σ_t dy_t h_tᵀ"
    softmax = bptt.derive(cell, example=example, readout=readout, loss=cross_entropy).lines()
    assert softmax["dy"] == "dy_t = softmax(y_t) ⊙ sum(target_t) - target_t"


@pytest.mark.parametrize("loss", [squared, cross_entropy])
@pytest.mark.parametrize("T", [1, 2, 5])
def test_the_code_is_a_loop_written_by_hand(loss, T):
    functions = run(bptt.derive(cell, example=example, readout=readout, loss=loss).numpy(), "with_loss")
    params, xs, h0, targets = example(np.random.default_rng(2), T, 3)
    W, U, b, V, c = (params[k] for k in SHAPES)
    hs, value, dys = [h0], 0, []
    for x, target in zip(xs, targets, strict=True):
        hs.append(np.tanh(x @ W.T + hs[-1] @ U.T + b))
        y = hs[-1] @ V.T + c
        p = np.exp(y) / np.exp(y).sum(axis=1, keepdims=True)
        value += ((y - target) ** 2).sum() / 2 if loss is squared else -(target * np.log(p)).sum()
        dys.append(y - target if loss is squared else p - target)
    dU, dV, carry = np.zeros_like(U), np.zeros_like(V), 0
    for t in reversed(range(T)):
        dz = (dys[t] @ V + carry) * (1 - hs[t + 1] ** 2)
        dU += dz.T @ hs[t]
        dV += dys[t].T @ hs[t + 1]
        carry = dz @ U
    total, last, _ = functions["forward"](params, xs, (h0,), targets)
    np.testing.assert_allclose(total, value, rtol=1e-12)
    np.testing.assert_allclose(last[0], hs[-1], rtol=1e-12)
    found = functions["gradients"](params, xs, (h0,), targets)
    for name, mine in (("U", dU), ("V", dV), ("h0", carry)):
        np.testing.assert_allclose(found[name], mine, rtol=1e-11, atol=1e-14)


def test_a_loss_without_a_readout_reads_the_state():
    def of_state(rng, T, B):
        params, xs, h0, _ = example(rng, T, B)
        return {k: params[k] for k in "WUb"}, xs, h0, rng.standard_normal((T, B, 4))

    lines = bptt.derive(cell, example=of_state, loss=squared).lines()
    assert lines["dz"].endswith("diag(1 - h_t²) (Uᵀ δ_{t+1} + h_t - target_t)")


def test_a_variable_may_be_called_as_the_loss_is():
    def with_another(params, x, h):
        L = np.tanh(x @ params["W"].T + h @ params["U"].T + params["b"])
        return L * h

    derivation = bptt.derive(with_another, example=example, readout=readout, loss=squared)
    assert derivation.numpy().count("loss +=") == 1
    assert derivation.lines()["L"] == "L_t = 0.5 sum((y_t - target_t)²)"


def test_columns_with_a_loss():
    def in_columns(params, x, h):
        return np.tanh(params["W"] @ x + params["U"] @ h)

    def of_columns(rng, T, B):
        params = {"W": rng.normal(0, 0.5, (4, 3)), "U": rng.normal(0, 0.5, (4, 4)), "V": rng.normal(0, 0.5, (2, 4))}
        return params, rng.standard_normal((3, B, T)), rng.standard_normal((4, B)), rng.standard_normal((2, B, T))

    derivation = bptt.derive(
        in_columns, example=of_columns, readout=lambda params, h: params["V"] @ h, loss=squared, layout="columns"
    )
    assert "targets[:, :, t]" in derivation.numpy()
    assert derivation.lines()["dy"] == "dy_t = y_t - target_t"


def test_a_loss_at_the_last_step_alone_comes_by_dlast():
    gradients = bptt.derive(nn.rnn).gradients
    rng = np.random.default_rng(0)
    params = {name: p.data for name, p in nn.init.rnn(rng, 3, 4).items()}
    xs, h0, g = rng.standard_normal((5, 2, 3)), rng.standard_normal((2, 4)), rng.standard_normal((2, 4))
    dhs = np.zeros((5, 2, 4))
    by_last = gradients(params, xs, (h0,), dhs, (g,))
    dhs[-1] = g
    for name, found in gradients(params, xs, (h0,), dhs).items():
        np.testing.assert_allclose(found, by_last[name], rtol=1e-14)


def test_two_layers_in_one_cell_are_handled():
    def two_layers(params, x, upper, lower):
        lower = np.tanh(x @ params["W1"] + lower @ params["U1"])
        return np.tanh(lower @ params["W2"] + upper @ params["U2"]), lower

    def of_two(rng, T, B):
        params = {name: rng.normal(0, 0.5, (3 if name == "W1" else 4, 4)) for name in ("W1", "U1", "W2", "U2")}
        return params, rng.standard_normal((T, B, 3)), (rng.standard_normal((B, 4)), rng.standard_normal((B, 4)))

    derivation = bptt.derive(two_layers, example=of_two)
    assert bptt.doctor(two_layers, derivation.gradients, example=of_two)
    assert derivation.lines()["dz_lower"].endswith("diag(1 - lower_t²) (U_1 δ_{lower,t+1} + W_2 δ_{upper,t})")


def test_layers_are_refused_with_what_to_do():
    for layer in (nn.LSTM(3, 4, num_layers=2), nn.GRU(3, 4, bidirectional=True)):
        with pytest.raises(TypeError, match=r"is a layer, not a cell\ngive its cell"):
            bptt.derive(layer)


def test_what_a_loss_must_be():
    with pytest.raises(ValueError, match="loss\\(y, target\\) has shape"):
        bptt.derive(cell, example=example, readout=readout, loss=lambda y, target: y - target)
    with pytest.raises(ValueError, match="a loss needs targets"):
        bptt.derive(nn.rnn, loss=squared)
    with pytest.raises(ValueError, match="a readout without a loss"):
        bptt.derive(cell, example=example, readout=readout)
    with pytest.raises(ValueError, match=r"example returns \(params, xs, state, targets\)"):
        bptt.derive(cell, example=lambda *a: example(*a)[:3], loss=squared)
    with pytest.raises(ValueError, match="for T = 5"):
        bptt.derive(cell, example=lambda rng, T, B: (*example(rng, T, B)[:3], np.zeros((9, B, 4))), loss=squared)
    with pytest.raises(ValueError, match="whatever the loss is"):
        bptt.derive(cell, example=example, readout=readout, loss=squared).chains(2)


def test_the_command_takes_them(tmp_path, capsys):
    import inspect

    path = tmp_path / "net.py"
    parts = [cell, readout, squared, example]
    text = "import numpy as np\n\nSHAPES = " + repr(SHAPES) + "\n\n\n" + "\n\n".join(map(inspect.getsource, parts))
    path.write_text(text, encoding="utf-8")
    assert cli.main(["derive", "--cell", f"{path}:cell", "--readout", "readout", "--loss", "squared"]) == 0
    assert "dy_t = y_t - target_t" in capsys.readouterr().out
    assert cli.main(["derive", "--cell", "rnn", "--loss", "squared"]) == 2
    assert "put the cell there too" in capsys.readouterr().err
