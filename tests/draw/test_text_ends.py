"""The text of a drawing, which is made once and then of fewer steps, until it fits."""

import sys

import numpy as np
import pytest
from drawings import recorded

import tinygrad_rnn as tg
from tinygrad_rnn import draw

text_module = sys.modules["tinygrad_rnn.draw.terminal"]  # the package's `text` is the function


def chain(n):
    x = tg.Tensor(np.ones(2), name="x")
    with tg.Tape() as tape:
        for _ in range(n):
            x = np.tanh(x * 1.5)
    return tape


@pytest.mark.parametrize(
    "tape", [recorded("lstm", 30)[0], recorded("own", 13)[0], chain(20)], ids=["lstm", "own", "chain"]
)
@pytest.mark.parametrize("ends", [1, 2, 5])
def test_the_ends_of_a_picture_are_the_picture_of_these_ends(tape, ends):
    whole, few = draw.picture(tape, 6, level="gates"), draw.picture(tape, ends, level="gates")
    cut = text_module._ends(whole, ends)
    assert cut.columns == few.columns
    ours, theirs = ({n: b for n, b in p.boxes.items() if b.kind not in text_module._OUTER} for p in (cut, few))
    assert ours == theirs
    assert [b.title for n, b in cut.boxes.items() if n == "gap"] in (
        [],
        [few.boxes["gap"].title] if "gap" in few.boxes else [],
    )


@pytest.mark.parametrize("width", [20, 60, 300])
def test_a_text_of_many_steps_makes_one_picture(width, monkeypatch):
    made = []
    real = text_module.picture
    monkeypatch.setattr(text_module, "picture", lambda *args, **kwargs: made.append(args) or real(*args, **kwargs))
    for tape in (recorded("lstm", 30)[0], chain(40)):
        draw.text(tape, width=width)
        draw.text(tape, width=width, steps=2)
    assert len(made) == 4
