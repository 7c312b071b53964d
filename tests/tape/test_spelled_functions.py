"""Sigmoids and tanhs that are spelled out are read as one line; what only looks like them stays."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.core.table import primitive
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.operations.basics import detach
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.spelled_functions import recognised

SIGMOIDS = {
    "one over": lambda z: 1 / (1 + np.exp(-z)),
    "one last": lambda z: 1.0 / (np.exp(-z) + 1.0),
    "times minus one": lambda z: 1 / (1 + np.exp(-1 * z)),
    "power": lambda z: (1 + np.exp(-z)) ** -1,
    "reciprocal": lambda z: np.reciprocal(1 + np.exp(-z)),
    "exp above": lambda z: np.exp(z) / (1 + np.exp(z)),
    "tanh": lambda z: 0.5 * (1 + np.tanh(z / 2)),
    "tanh, half at the end": lambda z: np.tanh(0.5 * z) * 0.5 + 0.5,
    "by cases": lambda z: np.where(z >= 0, 1 / (1 + np.exp(-z)), np.exp(z) / (1 + np.exp(z))),
    "clipped far away": lambda z: 1 / (1 + np.exp(-np.clip(z, -500, 500))),
    "logarithm": lambda z: np.exp(-np.log(1 + np.exp(-z))),
}
TANHS = {
    "two exponentials": lambda z: (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z)),
    "one exponential": lambda z: (1 - np.exp(-2 * z)) / (1 + np.exp(-2 * z)),
    "the other": lambda z: (np.exp(2 * z) - 1) / (np.exp(2 * z) + 1),
    "sigmoid": lambda z: 2 * tg.sigmoid(2 * z) - 1,
    "spelled sigmoid": lambda z: 2 / (1 + np.exp(-2 * z)) - 1,
    "sinh over cosh": lambda z: np.sinh(z) / np.cosh(z),
}
OTHERS = {
    "the other sign": lambda z: 1 / (1 + np.exp(z)),
    "steeper": lambda z: 1 / (1 + np.exp(-2 * z)),
    "clipped near": lambda z: 1 / (1 + np.exp(-np.clip(z, -3, 3))),
    "one of two values": lambda z: 1 / (1 + np.exp(-z)) * z,
    "softplus": lambda z: np.log(1 + np.exp(z)),
    "hard": lambda z: np.clip(0.2 * z + 0.5, 0, 1),
    "cut": lambda z: z * 0 + detach(1 / (1 + np.exp(-z))),
    "straight through": lambda z: z + detach(1 / (1 + np.exp(-z)) - z),
}


rng = np.random.default_rng(0)


def recorded(function, z):
    with Tape() as tape:
        y = function(z)
    return tape, y


def names(tape):
    return [entry.op.name for entry in tape]


@pytest.mark.parametrize("name", SIGMOIDS)
def test_a_sigmoid_is_one_line_however_it_is_spelled(name):
    z = Tensor(rng.standard_normal((2, 3)))
    tape, y = recorded(SIGMOIDS[name], z)
    found = recognised(tape, [y])
    assert names(found) == ["sigmoid"]
    assert found[0].out is y
    assert found[0].args == (z,)
    np.testing.assert_allclose(found.gradient(y, z, np.ones((2, 3))), y.data * (1 - y.data), rtol=1e-12)


@pytest.mark.parametrize("name", TANHS)
def test_a_tanh_is_one_line_however_it_is_spelled(name):
    z = Tensor(rng.standard_normal((2, 3)))
    tape, y = recorded(TANHS[name], z)
    assert names(recognised(tape, [y])) == ["tanh"]


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_another_function_stays(name):
    z = Tensor(rng.standard_normal((2, 3)))
    tape, y = recorded(OTHERS[name], z)
    found = recognised(tape, [y])
    assert found.gradient(y, z, np.ones((2, 3))) == pytest.approx(tape.gradient(y, z, np.ones((2, 3))), rel=1e-12)
    assert names(found)[-1] == names(tape)[-1] or "minimum" in names(found)


def test_a_function_with_a_derivative_of_its_own_stays():
    squashed = primitive(
        lambda x: 1 / (1 + np.exp(-x)), lambda g, y, x: 2 * g, name="squashed for a test", kind="elementwise"
    )
    tape, y = recorded(lambda z: 1 * squashed(z), Tensor(rng.standard_normal(3)))
    assert recognised(tape, [y]) is tape


def test_a_sum_as_the_argument_stays_a_sum():
    a, b = Tensor(rng.standard_normal(3)), Tensor(rng.standard_normal(3))
    with Tape() as tape:
        y = 1 / (1 + np.exp(-(a + b)))
    assert names(recognised(tape, [y])) == ["add", "sigmoid"]
    with Tape() as tape:
        y = 1 / (1 + np.exp(-a - b))
    found = recognised(tape, [y])
    assert names(found) == names(tape), "of no one value is it a function"


def test_lines_that_are_read_elsewhere_or_asked_for_stay():
    z = Tensor(rng.standard_normal(3))
    with Tape() as tape:
        e = np.exp(-z)
        y = 1 / (1 + e)
        s = (y * e).sum()
    assert names(recognised(tape, [s])) == ["negative", "exp", "sigmoid", "multiply", "sum"]
    with Tape() as tape:
        e = np.exp(-z)
        y = 1 / (1 + e)
    assert names(recognised(tape, [y, e])) == ["negative", "exp", "sigmoid"]


def test_names_and_scopes_stay():
    z = Tensor(rng.standard_normal(3), name="z")
    with Tape() as tape, tg.scope(t=3):
        y = tg.named("i", 1 / (1 + np.exp(-z)))
    (entry,) = recognised(tape, [y])
    assert entry.out.name == "i"
    assert dict(entry.scope) == {"t": 3}


def test_a_tape_without_any_is_itself():
    tape, y = recorded(lambda z: np.tanh(z) * tg.sigmoid(z), Tensor(rng.standard_normal(3)))
    assert recognised(tape, [y]) is tape


@pytest.mark.slow
def test_a_long_tape_is_read_in_one_pass():
    x = Tensor(np.ones(1))
    with Tape() as tape:
        for _ in range(20_000):
            x = x * 1.0001
    assert recognised(tape, [x]) is tape
