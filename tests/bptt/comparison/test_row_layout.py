"""The row layout of PyTorch, T=3, batch 3, 4 inputs, 5 hidden: stored PyTorch gradients come out of tape and hand."""

import json
from pathlib import Path

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn

ORACLE = json.loads((Path(__file__).parents[2] / "oracles" / "row_layout.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_gradients_are_those_of_pytorch(cell):
    stored = ORACLE[cell]
    inputs = {name: np.array(value) for name, value in stored["inputs"].items()}
    for name in {"h0", "c0"} & set(inputs):
        inputs[name] = inputs[name][0]
    dh = np.array(stored["dh"])
    leaves = {name: tg.Tensor(value, name=name) for name, value in inputs.items()}
    states = [name for name in ("h0", "c0") if name in leaves]
    with tg.Tape() as tape:
        hs, _ = nn.unroll(getattr(nn, cell), leaves, leaves["x"], tuple(leaves[name] for name in states))
    np.testing.assert_allclose(hs.data, stored["output"], rtol=0, atol=1e-14)
    by_tape = tape.gradient(hs, leaves, seed=dh)
    by_hand = getattr(bptt.by_hand, cell)(inputs, inputs["x"], tuple(inputs[name] for name in states), dh)
    assert set(by_tape) == set(by_hand) == set(stored["gradients"])
    for name, expected in stored["gradients"].items():
        expected = np.array(expected).reshape(inputs[name].shape)
        for gradient in (by_tape[name], by_hand[name]):
            np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-12 * np.abs(expected).max(), err_msg=name)
