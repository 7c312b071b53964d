"""Lines of a tape on complex numbers: a continued operation is itself on the real axis, and has its slope beside it."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.core.table import PRIMITIVES
from tinygrad_rnn.transforms.continuation import CONTINUED, SMOOTH, Lines
from tinygrad_rnn.transforms.numerical import central_differences, complex_step

X = np.array([[-1.3, 0.4, 2.1], [0.7, -0.2, -2.6], [1.9, 0.8, -0.5]])
Y = np.array([[0.6, -1.1, 0.3], [-0.9, -0.4, 1.7], [0.5, 1.2, -2.2]])

CASES = {
    "softplus": lambda x: tg.softplus(x),
    "logaddexp": lambda x: np.logaddexp(x, Y),
    "sigmoid": lambda x: tg.sigmoid(x),
    "cbrt": lambda x: np.cbrt(x),
    "hypot": lambda x: np.hypot(x, Y),
    "arctan2": lambda x: np.arctan2(x, Y) + np.arctan2(Y, x),
    "logabsdet": lambda x: np.linalg.slogdet(x)[1] + np.linalg.slogdet(x[[1, 0, 2]])[1],
    "norm": lambda x: np.linalg.norm(x, axis=1),
    "astype": lambda x: x.astype(np.float64) * x,
    "relu": lambda x: tg.relu(x) * x,
    "elu": lambda x: tg.elu(x, 0.7),
    "absolute": lambda x: np.abs(x) * x,
    "maximum": lambda x: np.maximum(x, Y),
    "minimum": lambda x: np.minimum(x, Y),
    "max": lambda x: np.max(x, axis=1),
    "min": lambda x: np.min(x, axis=0),
    "greater": lambda x: np.where(x > Y, x * x, 0.1 * x),
    "sign": lambda x: np.sign(x) * x,
    "floor": lambda x: x - np.floor(x),
    "round": lambda x: np.round(x, 1) * x,
    "argsort": lambda x: np.sort(x, axis=1) * Y,
    "sign_of_det": lambda x: np.linalg.slogdet(x)[0] * x,
}


def lines_of(f, x):
    at = tg.Tensor(x)
    with tg.Tape() as tape:
        y = f(at)
    lines = Lines(tape, [y])
    return lines, lambda x: np.sum(lines.run({at: x})[0])


@pytest.mark.parametrize("name", CASES)
def test_a_continued_operation_is_itself_and_has_its_slope(name):
    f = CASES[name]
    lines, total = lines_of(f, X)
    assert name in CONTINUED
    assert lines.continued
    assert lines.smooth == (name in SMOOTH)
    v = np.random.default_rng(0).uniform(0.5, 1.5, X.shape)
    np.testing.assert_allclose(np.real(lines.run({next(iter(_leaf(lines))): X + 0j})[0]), f(X), rtol=1e-14, atol=1e-15)
    exact, near = complex_step(total, X, v), central_differences(lambda x: np.sum(f(x)), X, v, step=1e-3)
    assert exact.value == pytest.approx(near.value, rel=1e-8)


def _leaf(lines):
    return [a for line in lines._lines for a in line[1] if isinstance(a, tg.Tensor)]


def test_every_continued_operation_exists():
    assert set(CONTINUED) <= set(PRIMITIVES)


def test_saturated_operations_overflow_nowhere():
    for f in (tg.sigmoid, tg.softplus, lambda x: np.logaddexp(x, 0.5), np.tanh, tg.elu):
        _, total = lines_of(f, np.array([800.0, -800.0]))
        assert np.isfinite(complex_step(total, np.array([800.0, -800.0]), np.ones(2)).value)


def test_what_is_detached_does_not_move():
    _, total = lines_of(lambda x: x * x.detach(), X)
    assert complex_step(total, X, np.ones_like(X)).value == pytest.approx(X.sum(), rel=1e-14)


def test_a_step_takes_the_piece_that_the_values_are_on():
    x = np.array([1e-12, -1e-12])  # nearer to the corner than any difference could step
    _, total = lines_of(lambda x: tg.relu(x) + np.abs(x) + np.maximum(x, 0), x)
    assert complex_step(total, x, np.array([1.0, 10.0])).value == 3 - 10


def test_an_operation_that_is_not_known_is_not_continued():
    shrink = tg.primitive(
        lambda x: np.maximum(np.abs(x) - 0.5, 0),
        lambda g, y, x: g * np.sign(x) * (np.abs(x) > 0.5),
        name="test_continuation_shrink",
        analytic=False,
    )
    assert not lines_of(shrink, X)[0].continued
