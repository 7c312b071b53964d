"""The checker: it passes what is right, and is seen to fail on every kind of wrong rule."""

import re

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn

X = np.random.default_rng(0).uniform(0.3, 1.5, (2, 3))


def rule(name, function, *vjps, **options):
    return tg.primitive(function, *vjps, name=f"test_check_{name}", **options)


WRONG = {
    "factor": rule("factor", lambda x: x**3, lambda g, y, x: g * 2 * x * x),
    "sign": rule("sign", np.cos, lambda g, y, x: g * np.sin(x)),
    "one_term": rule("one_term", lambda x: x * np.exp(x), lambda g, y, x: g * np.exp(x)),
    "one_entry": rule("one_entry", lambda x: x * 2.0, lambda g, y, x: g * np.array([[2, 2, 2], [2, 2, 2.001]])),
}
FIRST_RIGHT = rule("first", np.sin, lambda g, y, x: g * np.cos(x.data if isinstance(x, tg.Tensor) else x))
TANGENT = rule(
    "tangent",
    lambda x: np.cumsum(x, axis=-1) ** 2,
    lambda g, y, x: np.flip(np.cumsum(np.flip(g * 2 * np.cumsum(x, axis=-1), -1), axis=-1), -1),
    kind="elementwise",
)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_rule_is_found_at_the_first_order(name, order):
    with pytest.raises(AssertionError, match=r"argument 0, order 1 \(rev\): .*, complex step .*estimate"):
        tg.check_grads(WRONG[name], (X,), order=order)


def test_a_rule_that_is_not_recorded_is_found_at_the_second_order():
    tg.check_grads(FIRST_RIGHT, (X,), order=1)
    with pytest.raises(AssertionError, match=r"argument 0, order 2 \(rev of rev\)"):
        tg.check_grads(FIRST_RIGHT, (X,))
    with pytest.raises(AssertionError, match=r"argument 0, order 2 \(fwd of fwd\)"):
        tg.check_grads(FIRST_RIGHT, (X,), modes=("fwd",))


def test_a_wrong_tangent_is_found_in_forward_mode_alone():
    tg.check_grads(TANGENT, (X,), modes=("rev",))
    with pytest.raises(AssertionError, match=r"argument 0, order 1 \(fwd\)"):
        tg.check_grads(TANGENT, (X,))


def test_the_argument_at_fault_is_named_by_its_path():
    def f(params, scale):
        return WRONG["sign"](params["U"]) * scale + np.tanh(params["W"])

    with pytest.raises(AssertionError, match=re.escape("check_grads: argument 0['U'], order 1 (rev)")):
        tg.check_grads(f, ({"W": X, "U": X + 1}, 2.0))


def test_what_is_right_passes_in_every_order_and_mode():
    tg.check_grads(lambda x: np.exp(np.sin(x)) / x, (X,), order=3)
    tg.check_grads(lambda x, y: (x @ y.T, np.sort(x, axis=0)), (X, X + 1))
    tg.check_grads(lambda x: tg.relu(x - 0.8) + np.maximum(x, 0.5), (X,))
    tg.check_grads(lambda x, n: x**n, (X, 3))
    tg.check_grads(lambda x: {"a": x[0] * x[1], "b": x.argmax()}, (X,))
    tg.check_grads(np.float64(0.5).__mul__, (np.float64(0.3),))


@pytest.mark.parametrize("cell", [nn.rnn, nn.lstm, nn.gru])
def test_the_cells_pass_to_the_second_order(cell):
    rng = np.random.default_rng(0)
    params = {name: p.data for name, p in getattr(nn.init, cell.__name__)(rng, 2, 3).items()}
    tg.check_grads(lambda params, xs: nn.unroll(cell, params, xs)[0], (params, rng.standard_normal((3, 2, 2))))


def test_two_answers_for_one_input_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="two answers for one input\npass what is random"):
        tg.check_grads(lambda x: x * rng.random(3), (X,))


def test_float32_is_warned_of_and_checked_in_float64():
    with pytest.warns(UserWarning, match="not float64"):
        tg.check_grads(np.tanh, (X.astype(np.float32),))
    with pytest.warns(UserWarning, match="not float64"), pytest.raises(AssertionError):
        tg.check_grads(WRONG["one_entry"], (X.astype(np.float32),))


def test_what_cannot_be_checked_is_said():
    with pytest.raises(ValueError, match="no argument holds floats\ngive args as a tuple"):
        tg.check_grads(np.tanh, (np.arange(3),))
    with pytest.raises(ValueError, match="modes are"):
        tg.check_grads(np.tanh, (X,), modes=("reverse",))
    with pytest.raises(ValueError, match="order is 1 or more"):
        tg.check_grads(np.tanh, (X,), order=0)


def test_an_argument_that_nothing_depends_on_is_right():
    args = {"used": np.array([0.3, -1.2]), "unused": 2.0, "off": np.ones(3)}
    for modes in (("rev", "fwd"), ("fwd",), ("rev",)):
        tg.check_grads(lambda p: np.sin(p["used"]) ** 2, (args,), order=3, modes=modes)
        tg.check_grads(lambda a, b, c: (np.sin(a), {"c": c * c}), (0.3, np.ones(2), np.ones(1)), modes=modes)
    wrong = tg.primitive(lambda x: x**2, lambda g, y, x: g * x, name="test_unused_beside_wrong")
    with pytest.raises(AssertionError, match=r"argument 0\['used'\], order 1"):
        tg.check_grads(lambda p: wrong(p["used"]), (args,))


SATURATED = {
    "logsumexp": lambda x: tg.logsumexp(10 * x),
    "softmax": lambda x: (tg.softmax(30 * x) * np.arange(x.size)).sum(),
    "log_softmax": lambda x: (tg.log_softmax(50 * x) * np.arange(x.size)).sum(),
    "cross_entropy": lambda x: nn.cross_entropy((30 * x).reshape(3, 4), np.array([0, 1, 2])),
    "tanh": lambda x: np.tanh(30 * x).sum(),
    "sigmoid": lambda x: tg.sigmoid(40 * x).sum(),
    "softplus": lambda x: tg.softplus(50 * x),
    "attention": lambda x: (tg.softmax((x.reshape(3, 4) @ x.reshape(3, 4).T) * 10) @ x.reshape(3, 4)).sum(),
    "gelu": lambda x: tg.gelu_tanh(30 * x).sum(),
    "layer norm of one": lambda x: (x - x.mean()) / np.sqrt(((x - x.mean()) ** 2).mean() + 1e-5) + np.tanh(20 * x),
    "variance": lambda x: (x + 1e4).var() * x,
    "cancelled": lambda x: np.tanh((x + 1e6) - 1e6),
}


@pytest.mark.parametrize("name", SATURATED)
def test_what_saturates_is_not_accused(name):
    for seed in range(8):
        tg.check_grads(SATURATED[name], (np.random.default_rng(seed).normal(size=12),))


CORNERS = {
    "relu of zeros": lambda x: tg.relu(x * 0) * x,
    "abs of zeros": lambda x: np.abs(x * 0) * x + np.abs(x - x[0]),
    "a tie of max": lambda x: np.max(x * 0 + 1) + np.maximum(x, x),
    "near a corner": lambda x: tg.relu(x - x.detach() + 1e-9).sum(),
    "many corners": lambda x: np.abs(np.sin(x * np.linspace(1, 90, 500)[:, None])).sum(),
}


@pytest.mark.parametrize("name", CORNERS)
def test_a_corner_is_not_accused(name):
    tg.check_grads(CORNERS[name], (np.random.default_rng(0).normal(size=6),), order=1)


def slipped(name, rule_of, analytic=True):
    """A nonlinearity with a slip in its rule."""
    return rule(name, np.tanh, rule_of, analytic=analytic, kind="elementwise")


SLIPS = {
    "a millionth": slipped("millionth", lambda g, y, x: g * (1 - y * y) * (1 + 1e-6)),
    "a term of second order": slipped("second", lambda g, y, x: g * (1 - y * y + 1e-5 * y)),
    "the sign": slipped("minus", lambda g, y, x: -g * (1 - y * y)),
    "y for y y": slipped("one_y", lambda g, y, x: g * (1 - y)),
    "called not analytic": slipped("not_analytic", lambda g, y, x: g * (1 - y * y) * 1.001, analytic=False),
}


@pytest.mark.parametrize("name", SLIPS)
@pytest.mark.parametrize("gain", [0.1, 1.0, 5.0])
def test_a_slip_is_found_where_something_is_left_to_see(name, gain):
    x = np.random.default_rng(1).normal(size=12)
    for mode in ("rev", "fwd"):
        with pytest.raises(AssertionError, match="the rule of one of these operations is wrong"):
            tg.check_grads(lambda x: SLIPS[name](gain * x) * np.arange(1.0, 13.0), (x,), order=1, modes=(mode,))


def test_a_slip_beside_a_corner_is_found():
    def f(x):
        return SLIPS["a millionth"](x) + tg.relu(x) + np.abs(x - 0.5)

    with pytest.raises(AssertionError, match="order 1"):
        tg.check_grads(f, (np.random.default_rng(1).normal(size=12),), order=1)
