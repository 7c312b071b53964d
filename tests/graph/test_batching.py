"""A step's call made for all steps at once, for operations that a user brings."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.core.table import primitive
from tinygrad_rnn.graph.batching import batching_rule
from tinygrad_rnn.graph.graph import Loop

mirrored = primitive(
    lambda x: x[..., ::-1], lambda g, y, x: mirrored(g), name="test_batching_mirrored", kind="view"
)  # of the same shape, and no view that the compiler knows
centred = primitive(
    lambda x: x - x.mean(axis=-1, keepdims=True),
    lambda g, y, x: centred(g),  # the matrix I - 1/n is its own transpose
    name="test_batching_centred",
    kind="linear",
)


def problem(steps, batch, dtype):
    rng = np.random.default_rng(steps + 7 * batch)
    params = {"W": rng.standard_normal((3, 3)).astype(dtype), "b": rng.standard_normal(3).astype(dtype)}
    return params, rng.standard_normal((steps, batch, 3)).astype(dtype)


def of(op):
    def loss(params, xs):
        h = np.zeros(xs.shape[1:], xs.dtype)
        total = 0.0
        for t in range(len(xs)):
            with tg.scope(t=t):
                h = np.tanh(op(xs[t] @ params["W"]) + op(h) * 0.5 + params["b"])
                total = total + (op(h) * np.arange(3, dtype=xs.dtype)).sum()
        return total

    return loss


def central(loss, params, xs, name):
    """Central differences in float64 of the loss by one parameter."""
    wide = {key: value.astype(np.float64) for key, value in params.items()}
    found = np.zeros_like(wide[name])
    for place in np.ndindex(found.shape):
        ends = []
        for step in (1e-6, -1e-6):
            moved = {**wide, name: wide[name].copy()}
            moved[name][place] += step
            ends.append(float(loss(moved, xs.astype(np.float64))))
        found[place] = (ends[0] - ends[1]) / 2e-6
    return found


@pytest.mark.parametrize("op", [mirrored, centred], ids=["view", "linear"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("steps", [1, 2, 3, 7])
def test_an_operation_of_a_user_compiled_is_the_same_operation(op, steps, batch, dtype):
    params, xs = problem(steps, batch, dtype)
    loss = of(op)
    value, gradients = tg.compile(loss)(params, xs)
    exact = 1e-12 if dtype == np.float64 else 1e-4
    np.testing.assert_allclose(value, loss(params, xs), rtol=exact, atol=exact)
    for name in params:
        np.testing.assert_allclose(gradients[name], central(loss, params, xs, name), rtol=1e-4, atol=1e-6 + exact)


def test_with_a_rule_it_is_called_for_all_steps_at_once():
    op = primitive(
        lambda x: x - x.max(axis=-1, keepdims=True),
        lambda g, y, x: g - (x == x.max(axis=-1, keepdims=True)) * g.sum(axis=-1, keepdims=True),
        name="test_batching_below_the_largest",
    )
    params, xs = problem(5, 3, np.float64)

    def loss(params, xs):
        h = np.zeros(xs.shape[1:])
        for t in range(len(xs)):
            with tg.scope(t=t):
                h = np.tanh(op(xs[t] @ params["W"]) + h * 0.5 + params["b"])
        return h.sum()

    def in_loops(program):
        bodies = [item.body for item in program.graph.items if isinstance(item, Loop)]
        return sum(node.op is op for body in bodies for node in body)

    before = tg.compile(loss)
    assert in_loops(before.program(params, xs)) == 1
    batching_rule(op, lambda steps: steps.call(steps.args) if all(steps.timed) else None)
    after = tg.compile(loss)
    assert in_loops(after.program(params, xs)) == 0
    for value, gradients in (before(params, xs), after(params, xs)):
        np.testing.assert_allclose(value, loss(params, xs), rtol=1e-12)
        for name in params:
            np.testing.assert_allclose(gradients[name], central(loss, params, xs, name), rtol=1e-5, atol=1e-7)
