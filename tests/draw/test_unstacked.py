"""What joins two layers: operations on all steps at once, shown in each step, as they are written."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.draw.views.picture import picture


def joined(between, T, batch):
    """Two layers with an operation between them; the tape, the loss, the states of the first, what the second reads."""
    rng = np.random.default_rng(0)
    first, second = nn.init.rnn(rng, 3, 4), nn.init.rnn(rng, 4, 4)
    with tg.Tape() as tape:
        with tg.scope(layer=0):
            hs, _ = nn.unroll(nn.rnn, first, rng.normal(size=(T, batch, 3)))
        z = between(hs)
        with tg.scope(layer=1):
            out, _ = nn.unroll(nn.rnn, second, z)
        loss = tg.named("L", (out**2).sum())
    return tape, loss, hs, z


BETWEEN = {
    "(h − 0.3) ÷ 2": lambda s: (s - 0.3) / 2,
    "h − (0.3 − h)": lambda s: s - (0.3 - s),
    "h × (h ÷ 2)": lambda s: s * (s / 2),
    "h ÷ (h + 2)": lambda s: s / (s + 2),
    "2 × (h + h)": lambda s: 2 * (s + s),
    "(1 − h) × h + h": lambda s: (1 - s) * s + s,
}


@pytest.mark.parametrize("T", [1, 2, 3, 7])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("level", ["ops", "gates", "cells"])
@pytest.mark.parametrize("written", BETWEEN)
def test_several_operations_between_layers_are_one_formula_with_its_brackets(written, level, batch, T):
    tape, loss, hs, z = joined(BETWEEN[written], T, batch)
    pic = picture(tape, level=level, flow=loss)
    boxes = [box for box in pic.boxes.values() if box.title == written]
    assert [box.column for box in boxes] == list(range(T))
    python = written.replace("×", "*").replace("÷", "/").replace("−", "-")
    assert np.allclose(eval(python, {"h": hs.data}), z.data)
    (from_stack,) = tape.gradient(loss, [hs])
    for box in boxes:
        ((source, _),) = [arrow for arrow in pic.arrows if arrow[1] == box.id]
        assert pic.boxes[source].column == box.column
        norm = np.log10(np.linalg.norm(from_stack[box.column]))
        assert pic.flows[source, box.id] == pytest.approx(norm), "the gradient of all uses, once"


def test_one_operation_between_layers_has_its_sign_and_its_operands():
    tape, *_ = joined(lambda s: s * 2, 3, 2)
    pic = picture(tape)
    boxes = [box for box in pic.boxes.values() if box.band and box.band[0] == "joined" and box.kind == "op"]
    assert [box.title for box in boxes] == ["×"] * 3
    assert all(
        {pic.boxes[a].title for a, b in pic.arrows if b == box.id} == {"2", f"h{'₀₁₂'[box.column]}"} for box in boxes
    )


def test_a_mask_in_a_formula_is_an_operand():
    mask = np.ones((3, 2, 4))
    tape, *_ = joined(lambda s: s * mask / 2, 3, 2)
    pic = picture(tape)
    boxes = [box for box in pic.boxes.values() if box.title == "h × array ÷ 2"]
    assert len(boxes) == 3
    assert all(
        sorted(pic.boxes[a].kind for a, b in pic.arrows if b == box.id) == ["constant", "state"] for box in boxes
    )


def test_a_long_formula_is_drawn_in_short_and_longer_ones_as_recorded():
    tape, *_ = joined(lambda s: (1 - s) * (s + s * 0.5) - s / (s + 1), 2, 1)
    assert any(box.title == "− × + ÷" for box in picture(tape).boxes.values())

    def squares(s):
        for _ in range(40):  # written out, 2**40 operands
            s = s * s
        return s

    tape, *_ = joined(squares, 2, 1)
    assert len(picture(tape).boxes) < 150
