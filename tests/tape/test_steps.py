import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.tape.steps import Likeness, carried, likeness, steps, time_of


def lstm_tape(T):
    rng = np.random.default_rng(0)
    with tg.Tape() as tape:
        hs, _ = nn.unroll(nn.lstm, nn.init.lstm(rng, 3, 4), rng.standard_normal((T, 2, 3)))
        tg.named("L", (hs * hs).sum())
    return tape


def test_steps_are_found_by_their_label_and_are_alike():
    tape = lstm_tape(3)
    by_time = steps(tape)
    assert list(by_time) == [0, 1, 2]
    names = [[tape[k].op.name for k in numbers] for numbers in by_time.values()]
    assert names[0] == names[1] == names[2]
    assert sum(len(numbers) for numbers in by_time.values()) == len(tape) - 3  # stack, multiply, sum
    assert time_of(tape[-1].scope) is None


def test_what_is_carried_is_the_hidden_state_and_the_cell_state():
    tape = lstm_tape(3)
    pairs = carried(tape)
    assert [(tape[i].out.name, tape[j].op.name) for i, j in pairs] == [("h", "matmul"), ("c", "multiply")] * 2
    assert all(time_of(tape[i].scope) + 1 == time_of(tape[j].scope) for i, j in pairs)


def loop(change=None, T=5, at=3):
    """The tape of h_t = tanh(a h_{t-1} + x_t), each step but one the same; `change(t, h)` says what that one does."""
    a, h = tg.Tensor(0.5, name="a"), tg.Tensor([0.1, 0.2], name="h0")
    with tg.Tape() as tape:
        xs = tg.Tensor(np.ones((T, 2)), name="x")
        for t in range(T):
            with tg.scope(t=t):
                h = change(t, h, a, xs) if change and t == at else np.tanh(a * h + xs[t])
                h = tg.named("h", h)
    return tape


def test_all_steps_but_the_first_are_alike_in_every_cell():
    for name in ("rnn", "lstm", "gru", "gru_textbook", "residual_rnn", "peephole_lstm", "layer_norm_lstm", "mgu"):
        for T in (1, 2, 3, 7):
            rng = np.random.default_rng(0)
            with tg.Tape() as tape:
                nn.unroll(getattr(nn, name), getattr(nn.init, name)(rng, 3, 4), rng.standard_normal((T, 1, 3)))
            found = likeness(tape)
            assert found.reference == T // 2
            assert list(found.differences) == [0] * (T > 1), name
            assert all("reads h0, which no step made" in words for words in found.differences.values())


def test_both_directions_and_layers_differ_where_they_begin():
    rng = np.random.default_rng(0)
    net = nn.LSTM(3, 4, num_layers=2, bidirectional=True)
    with tg.Tape() as tape:
        net(net.init(rng), rng.standard_normal((6, 2, 3)))
    assert list(likeness(tape).differences) == [0, 5]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t, h, a, xs: np.tanh(a * h - xs[t]), "subtract, is where step 2 has add"),
        (lambda t, h, a, xs: np.sin(a * h + xs[t]), "sin, is where step 2 has tanh"),
        (lambda t, h, a, xs: np.tanh(a * h + xs[0]), "getitem, reads 0, where step 2 reads 2"),
        (lambda t, h, a, xs: np.tanh(a * h + xs[t]) + 1, "makes the name None, where step 2 has h"),
        (lambda t, h, a, xs: np.tanh(0.5 * h + xs[t]), "reads 0.5, where step 2 reads a"),
        (lambda t, h, a, xs: np.tanh(h * a + xs[t]), "reads h of step 2, where step 2 reads a"),
        (lambda t, h, a, xs: np.tanh(a * h + h), "add, is where step 2 has getitem"),
        (lambda t, h, a, xs: np.tanh(a * h + xs[t])[:1] + h, "makes the name None"),
    ],
)
def test_the_first_difference_is_named(change, words):
    found = likeness(loop(change))
    assert list(found.differences)[:2] == [0, 3]
    assert words in found.differences[3]
    assert f"step 3: {found.differences[3]}" in str(found)


def test_a_step_that_reads_two_steps_back_or_has_another_scope_differs():
    h = [tg.Tensor([1.0], name="h0")]
    with tg.Tape() as tape:
        for t in range(7):
            with tg.scope(t=t, layer=1 if t == 5 else 0):
                h.append(tg.named("h", np.tanh(h[-2] if t == 6 else h[-1])))
    words = likeness(tape).differences
    assert list(words) == [0, 5, 6]
    assert words[5] == "entry 0, tanh, stands under (('layer', 1),), where step 3 has (('layer', 0),)"
    assert words[6] == "entry 0, tanh, reads h of step 4, where step 3 reads h of step 2"


def test_masks_and_inputs_of_a_steps_own_are_alike_and_shared_ones_are_told_apart():
    rng = np.random.default_rng(0)
    shared = [tg.Tensor(rng.standard_normal(2), name=f"w{k}") for k in range(2)]
    with tg.Tape() as tape:
        for t in range(6):
            with tg.scope(t=t):
                own = tg.Tensor(rng.standard_normal(2), name=f"x{t}")
                y = own * shared[t % 2] * rng.standard_normal(2)  # another mask at each step
    assert list(likeness(tape).differences) == [0, 2, 4]
    assert "reads w0, which no step made, where step 3 reads w1" in likeness(tape).differences[0]
    assert y.shape == (2,)


def test_without_steps_nothing_is_alike_and_nothing_differs():
    with tg.Tape() as tape:
        tg.Tensor([1.0]) * 2
    assert likeness(tape) == Likeness(None, {})
    assert str(likeness(loop(T=1))) == "all steps are alike step 0"
