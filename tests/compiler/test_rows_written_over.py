"""What a step hands on to later calls lies over the row that it read, where nothing reads that row again."""

import numpy as np
import pytest
from agreement import require_agreement

import tinygrad_rnn as tg
from tinygrad_rnn import compiler, nn
from tinygrad_rnn.compiler import loop_placement

T, B, H = 5, 3, 4
CHOICES = [
    compiler.PASSES,
    ("hoist", "reuse"),
    *(tuple(p for p in compiler.PASSES if p != name) for name in ("defer", "alias", "factors", "products")),
]


def recurrence(also):
    """A loop with y_t = u_t + h_{t-1}, in which u_t is read in one more place."""

    def f(w, x):
        us = x + w  # the walk back reads none of them
        h = g = np.zeros((B, H))
        ys = []
        for t in range(len(x)):
            with tg.scope(t=t):
                y = us[t] + h
                h = y * w
                if also == "in the step":
                    h = h + us[t]
                if also == "as a view":
                    h = h - us[t][::-1]
                if also == "in the step after":
                    h, g = h + g, us[t]
                if also == "in the step before":
                    h = h - us[min(t + 1, len(x) - 1)]
                ys.append(y)
        loss = (np.stack(ys) ** 3).sum() + (h * g).sum()
        return loss + (us.sum() if also == "after the loop" else 0.0)

    return f


PLACES = ["nowhere", "in the step", "as a view", "in the step after", "in the step before", "after the loop"]


@pytest.mark.parametrize("also", PLACES)
def test_a_row_that_is_read_again_stays(also):
    rng = np.random.default_rng(0)
    for steps in (1, T):
        arguments = rng.standard_normal(H), rng.standard_normal((steps, B, H))
        expected = tg.value_and_grad(recurrence(also), (0, 1))(*arguments)
        for passes in CHOICES:
            fast = tg.compile(recurrence(also), (0, 1), passes=passes)
            for _ in range(2):
                require_agreement(fast(*arguments), expected)


def test_the_cotangents_of_the_states_lie_over_those_of_the_outputs():
    rng = np.random.default_rng(1)
    params, x = nn.weights.arrays(nn.init.min_gru(rng, 2, H)), rng.standard_normal((T, B, 2))
    program = tg.compile(lambda p, x: (nn.unroll(nn.min_gru, p, x)[0] ** 3).sum()).program(params, x)
    added = [k for k in program.instructions if isinstance(k.t, int) and k.call.startswith("dh = add(")]
    assert len(added) == T
    for k in added:
        row, _, out = k.arguments
        assert loop_placement.same_memory(row, out)
    assert "add(dh, dh_before, dh)" in program.source


VIEWS = {
    "all of it": (lambda y: y[:], True),
    "all of it in another shape": (lambda y: y.reshape(4, 25), True),
    "a part": (lambda y: y[:5], False),
    "turned": (lambda y: y.T, False),
}


@pytest.mark.parametrize("how", VIEWS)
def test_a_result_lies_over_a_view_of_all_that_nothing_reads_again(how):
    """A part, or the entries in another order, gives way to memory of its own."""
    view, over = VIEWS[how]
    x = np.random.default_rng(2).standard_normal((10, 10))
    for f in (lambda x: ((view(x * 2.0) + 1.0) ** 3).sum(), lambda x: ((view(x * 2.0) + view(x * 2.0)) ** 3).sum()):
        expected = tg.value_and_grad(f)(x)
        for passes in CHOICES:
            require_agreement(tg.compile(f, passes=passes)(x), expected)
    doubled, more = tg.compile(lambda x: ((view(x * 2.0) + 1.0) ** 3).sum()).program(x).instructions[:2]
    assert np.may_share_memory(doubled.arguments[-1], more.arguments[-1]) == over


@pytest.mark.parametrize("n", [1, 6])
def test_a_matrix_beside_its_transpose(n):
    """Both lie in one memory, which neither may be written over while the other is read."""
    x = np.random.default_rng(3).standard_normal((n, n))

    def f(x):
        y = x * 2.0
        return ((y + y.T) ** 3).sum() + ((y.T * y[::-1]) ** 2).sum()

    expected = tg.value_and_grad(f)(x)
    for passes in CHOICES:
        require_agreement(tg.compile(f, passes=passes)(x), expected)
