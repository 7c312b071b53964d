"""What comes back through a maximum: as a person writes it, and right where both arguments are equal."""

import numpy as np
import pytest

from tinygrad_rnn import Tape, Tensor, bptt, nn


def largest(params, x, h):
    return 0.5 * np.maximum(params["u"] * h, x @ params["W"].T)


def smallest(params, x, h):
    return 0.5 * np.minimum(x @ params["W"].T, params["u"] * h)


def example(rng, T, B):
    params = {"W": rng.normal(size=(4, 3)), "u": rng.normal(size=4)}
    return params, rng.normal(size=(T, B, 3)), (rng.normal(size=(B, 4)),)


@pytest.mark.parametrize("cell", [largest, smallest], ids=lambda cell: cell.__name__)
def test_of_two_equal_arguments_each_gets_half(cell):
    """At step 1 two units are equal, one is larger and one smaller."""
    derivation = bptt.derive(cell, example=example)
    params = {"W": np.eye(4)[:, :3], "u": np.ones(4)}
    xs, h0 = np.array([[[1.0, 2.0, 3.0]], [[0.1, 0.2, 0.3]]]), np.array([[1.0, 5.0, -5.0, 0.0]])
    dhs = np.array([[[1.0, 2.0, 3.0, 4.0]], [[5.0, 6.0, 7.0, 8.0]]])
    found = derivation.gradients(params, xs, (h0,), dhs)
    named = {name: Tensor(p) for name, p in params.items()}
    start = Tensor(h0)
    with Tape() as tape:
        loss = (nn.unroll(cell, named, xs, start)[0] * dhs).sum()
    for name, expected in zip(("W", "u", "h0"), tape.gradient(loss, [*named.values(), start]), strict=True):
        np.testing.assert_allclose(found[name], expected, rtol=1e-14, err_msg=name)
    at_one = {"largest": 1 + 0.5 * 5, "smallest": 1}[cell.__name__]  # h_1 is 0.5, above and below x_2
    assert found["h0"][0, 0] == 0.5 * 0.5 * at_one


def test_the_share_is_written_as_a_person_writes_it():
    derivation = bptt.derive(largest, example=example)
    code, lines = derivation.numpy(), derivation.lines()
    assert "dv * ((u * h_prev > a) + 0.5 * (u * h_prev == a))" in code
    assert lines["dq"] == "dq_t = dv_t ⊙ ([u ⊙ h_{t-1} > a_t] + 0.5 [u ⊙ h_{t-1} = a_t])"
    assert "max(" in lines["h"]


def test_roots_powers_of_ten_and_absolute_values_in_each_style():
    def cell(params, x, h):
        z = np.abs(x @ params["W"].T) + 1e-6
        return h * params["u"] / np.sqrt(z) + z**-0.5

    derivation = bptt.derive(cell, example=example)
    assert "√z_t" in str(derivation)
    assert "|" in str(derivation)
    latex, html = derivation.write("markdown"), derivation.write("html")
    assert r"\sqrt{z_{t}}" in latex
    assert "10^{-6}" in latex
    assert "<msqrt>" in html
    assert "<msup><mn>10</mn><mn>−6</mn></msup>" in html


def test_a_parameter_that_begins_with_log_is_no_logarithm_to_a_base():
    def cell(params, x, h):
        return h * np.exp(params["log_decay"]) + x @ params["weight_q"].T + params["weight_b"] * h

    def with_these(rng, T, B):
        params = {"log_decay": rng.normal(size=4), "weight_q": rng.normal(size=(4, 3)), "weight_b": rng.normal(size=4)}
        return params, rng.normal(size=(T, B, 3)), (rng.normal(size=(B, 4)),)

    derivation = bptt.derive(cell, example=with_these)
    assert r"\mathrm{log\_decay}" in derivation.write("markdown")
    assert "exp(log_decay)" in derivation.lines()["h"]
    assert "W_q x_t" in derivation.lines()["h"], "a matrix is a capital"
    assert "w_b ⊙" in derivation.lines()["h"]
