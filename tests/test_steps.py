import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.engine.steps import carried, steps, time_of


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
