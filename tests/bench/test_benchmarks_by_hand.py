"""What the benchmarks set beside the compiled tape, written by hand, equals the ordinary forward code on the tape."""

import gru_by_hand
import numpy as np
import own_cell_by_hand
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.bench import competitor, expert


@pytest.mark.parametrize("network", [gru_by_hand, own_cell_by_hand])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
@pytest.mark.parametrize("steps", [1, 2, 3, 7])
@pytest.mark.parametrize("batch", [1, 3])
def test_the_network_by_hand_equals_the_tape(network, dtype, tolerance, steps, batch, monkeypatch):
    monkeypatch.setitem(competitor.TOLERANCE, dtype, tolerance)
    sizes, rng = (steps, batch, 4, 5), np.random.default_rng(steps)
    for cache in (expert.CACHE, 1):  # all steps in one piece, and one step a piece
        monkeypatch.setattr(expert, "CACHE", cache)
        by_hand = network.ByHand(sizes, dtype)
        for _ in range(2):  # buffers that were used before change nothing
            leaves = network.leaves(sizes, dtype, rng)
            targets = rng.standard_normal(network.outputs(sizes)).astype(dtype)
            wide = {name: value.astype(np.float64) for name, value in leaves.items()}
            loss, gradients = tg.value_and_grad(network.loss)(wide, targets.astype(np.float64))
            assert competitor.what_is_wrong(by_hand(leaves, targets), (float(loss), gradients), dtype) == ""
            assert set(gradients) == set(leaves)


def test_the_cell_of_one_s_own_is_what_its_formula_says():
    """The derivatives by differences of a loop in plain NumPy, along a random direction."""
    sizes, rng = (4, 2, 3, 5), np.random.default_rng(0)
    leaves = own_cell_by_hand.leaves(sizes, "float64", rng)
    targets = rng.standard_normal(own_cell_by_hand.outputs(sizes))

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    def forward(at):
        xs = at["x"]
        for layer, decay in enumerate(own_cell_by_hand.DECAYS):
            h, c, hs = np.zeros(targets.shape[1:]), 0, []
            p = {name[2:]: value for name, value in at.items() if name.startswith(f"{layer}.")}
            for x in xs:
                f = sigmoid(x @ p["W_f"] + h @ p["U_f"] + p["p_f"] * c + p["b_f"])
                g = np.tanh(x @ p["W_g"] + h @ p["U_g"] + p["b_g"])
                c = decay * f * c + (1 - f) * g
                h = sigmoid(x @ p["W_o"] + h @ p["U_o"] + p["p_o"] * c + p["b_o"]) * np.tanh(c)
                hs.append(h)
            xs = np.stack(hs)
        return float(((xs - targets) ** 2).mean())

    loss, gradients = own_cell_by_hand.ByHand(sizes, "float64")(leaves, targets)
    assert loss == pytest.approx(forward(leaves), rel=1e-13)
    direction = {name: rng.standard_normal(value.shape) for name, value in leaves.items()}
    along = sum(float(np.sum(direction[name] * g)) for name, g in gradients.items())
    ahead, behind = (forward({k: v + s * 1e-5 * direction[k] for k, v in leaves.items()}) for s in (1, -1))
    assert (ahead - behind) / 2e-5 == pytest.approx(along, rel=1e-7)
