"""Cells that compute a value twice, or sum over their units: their formulas hold, each on the tape's numbers."""

import numpy as np
import own_cells
import pytest

from tinygrad_rnn import bptt

SHAPES = {"W": (3, 4), "U": (4, 4)}


def sum_of_units(params, x, h, c):
    q = np.sin(x @ params["W"])
    u = np.tanh(h @ params["U"] + x @ params["W"])
    return np.tanh(u * q.sum(axis=1, keepdims=True)), q


def joined_twice(params, x, h, c):
    def seen():
        return np.concatenate([h, c], axis=1) @ params["Q"] @ params["U"]

    return np.tanh(seen()), np.tanh(seen() + c + x @ params["W"])


def three_times(params, x, h, c):
    a = np.concatenate([x @ params["W"], x @ params["W"]], axis=1) @ params["Q"]
    b = np.concatenate([x @ params["W"], x @ params["W"]], axis=1) @ params["Q"]
    return np.tanh(a @ params["U"] + x @ params["W"] + h), np.sin(b * c)


def named_twice(params, x, h, c):
    def gate(of):
        z = x @ params["W"] + h @ params["U"]
        return np.tanh(z) * of

    return gate(h), gate(c)


CELLS = {
    "sum_of_units": (sum_of_units, SHAPES),
    "joined_twice": (joined_twice, SHAPES | {"Q": (8, 4)}),
    "three_times": (three_times, SHAPES | {"Q": (8, 4)}),
    "named_twice": (named_twice, SHAPES),
}


def derivation(name):
    cell, shapes = CELLS[name]
    return bptt.derive(cell, example=own_cells.of(shapes, states=2))


@pytest.mark.parametrize("name", CELLS)
def test_every_formula_holds_and_the_code_is_the_tape(name):
    found = derivation(name)
    assert found.lines()  # every formula is evaluated on the numbers of the tape
    assert bptt.doctor(CELLS[name][0], found.gradients, example=own_cells.of(CELLS[name][1], states=2))


def test_the_cotangent_of_a_repeated_value_is_one_sum():
    lines = derivation("joined_twice").lines()
    assert lines["z_c"] == "z_{c,t} = z_{h,t} + c_{t-1} + Wᵀ x_t"
    assert lines["dz_h"] == "δ_{h,t} = δ_{c,t} + dh_t ⊙ (1 - h_t²)"
    assert lines["dQ"] == "∂L/∂Q = Σ_t a_t (du_t)ᵀ"
    assert lines["dh0"] == "∂L/∂h_0 = ds_1[1:H]"


def test_what_a_sum_over_units_gives_back_goes_to_every_unit():
    lines = derivation("sum_of_units").lines()
    assert lines["dc"] == "dc_t = 1 sum(da_t ⊙ u_t)"
    assert lines["dz_c"] == "δ_{c,t} = δ_{u,t} + dc_t ⊙ cos(z_{c,t})"
    assert lines["dW"] == "∂L/∂W = Σ_t x_t δ_{c,t}ᵀ"


def test_a_value_that_its_author_names_once_in_a_function_is_written_once():
    lines = derivation("named_twice").lines()
    assert [name for name in lines if lines[name].endswith("= Wᵀ x_t + Uᵀ h_{t-1}")] == ["z"]
