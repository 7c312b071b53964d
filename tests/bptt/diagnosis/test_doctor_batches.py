"""What is said to be tried is what was tried: the batch sizes that the example gives, in rows and in columns."""

import numpy as np
import pytest

from tinygrad_rnn import bptt


def cell(p, x, h):
    return np.tanh(p["W"] @ x + p["U"] @ h)


def example_of(inputs, batch=None):
    def example(rng, T, B):
        params = {"W": rng.normal(0, 0.5, (3, inputs)), "U": rng.normal(0, 0.5, (3, 3))}
        return params, rng.standard_normal((inputs, batch or B, T)), rng.standard_normal((3, batch or B))

    return example


def by_hand(params, xs, state, dhs, *, factor=lambda m: 1.0):
    h, m = [state[0]], xs.shape[1]
    for t in range(xs.shape[2]):
        h.append(cell(params, xs[:, :, t], h[-1]))
    dW, dU, carry = 0, 0, 0
    for t in reversed(range(xs.shape[2])):
        dz = (1 - h[t + 1] ** 2) * (dhs[:, :, t] + carry)
        dW, dU, carry = dW + dz @ xs[:, :, t].T, dU + dz @ h[t].T, params["U"].T @ dz
    return {"W": factor(m) * dW, "U": factor(m) * dU}


@pytest.mark.parametrize("inputs", [1, 2, 3, 5])
def test_the_inputs_are_not_taken_for_the_batch(inputs):
    def times_m(*given):
        return by_hand(*given, factor=lambda m: m)

    found = bptt.doctor(cell, times_m, example=example_of(inputs), layout="columns")
    assert "every gradient: multiplied by the batch size B" in str(found.mistake)
    assert found.complete

    def one_only(params, xs, state, dhs):
        if xs.shape[1] != 1:
            raise ValueError(f"a batch of {xs.shape[1]}")
        return by_hand(params, xs, state, dhs)

    found = bptt.doctor(cell, one_only, example=example_of(inputs), layout="columns")
    assert "(T, batch) = (1, 3), (2, 3), (3, 3), (7, 3), (20, 3)" in str(found)


def test_an_example_of_one_sequence_is_told():
    found = bptt.doctor(cell, by_hand, example=example_of(2, batch=1), layout="columns").check()
    assert "; batch 1; 2 seeds" in str(found)
    assert "example(rng, T, B) gave a batch of 1 where B = 1, 3 was asked for" in str(found)
    doubled = bptt.doctor(
        cell, lambda *given: by_hand(*given, factor=lambda m: 2), example=example_of(2, batch=1), layout="columns"
    )
    assert not doubled
    assert "only" not in str(doubled).splitlines()[2]
