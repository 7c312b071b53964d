"""The blocks of the Jacobian of a step: all of them, those of the tape, and what they do not say."""

import numpy as np
import own_cells
import pytest
from derived_cells import CELLS, derivation

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn
from tinygrad_rnn.bptt.derivation.evaluation import evaluate
from tinygrad_rnn.bptt.derivation.numbers import Numbers


def evaluated(found, t, example):
    """Every printed block at step t, by the names of its states; of one example."""
    numbers = Numbers(found.recorded, found.formulas.rec)

    def value(ref):
        whole = numbers.value(ref, t)
        return whole if ref.step is None else whole[:, [example]]

    blocks = {}
    for f in found.formulas.section("steps"):
        for side in f.left:
            blocks[side.above.name, side.below.name] = evaluate(f.right[0], value)
    return blocks


def of_tape(found, example):
    """Those of `bptt.step_jacobians` for a cell with rows: of step 1 by step 0."""
    names, r = found.formulas.rec.states, found.recorded
    with tg.Tape() as tape:
        nn.unroll(r.cell, r.params, r.xs.data, tuple(r.states.values()))
    jacobians = bptt.step_jacobians(tape, names)[0]
    width = len(jacobians[0]) // len(names)
    cut = [slice(k * width, (k + 1) * width) for k in range(len(names))]
    return {(a, b): jacobians[example][cut[i], cut[j]] for i, a in enumerate(names) for j, b in enumerate(names)}


@pytest.mark.parametrize("example", [0, 1])
@pytest.mark.parametrize(
    "name",
    ["rnn", "lstm", "gru", "gru_textbook", "peephole_lstm", "coupled_lstm", "three_states", "state_unread"]
    + ["stacked_rows", "minimal_gates", "multiplicative"],
)
def test_every_block_is_that_of_step_jacobians(name, example):
    found = derivation(name)
    mine, true = evaluated(found, 1, example), of_tape(found, example)
    assert set(mine) == set(true)
    for block, matrix in true.items():
        np.testing.assert_allclose(
            np.broadcast_to(mine[block], matrix.shape), matrix, rtol=1e-12, atol=1e-14, err_msg=str(block)
        )


def joined_gates(params, x, h, c):
    z = np.concatenate([x, h], axis=1) @ params["W"] + h @ params["U"]
    i, f, o, g = np.split(z, 4, axis=1)
    i, f, o, g = tg.sigmoid(i), tg.sigmoid(f), tg.sigmoid(o), np.tanh(g)
    c = f * c + i * g
    return o * np.tanh(c), c


def test_gates_of_one_matrix_on_joined_rows_have_blocks():
    found = bptt.derive(joined_gates, example=own_cells.of({"W": (7, 16), "U": (4, 16)}, states=2))
    assert found.lines()["step_c/h"].startswith(
        "∂c_t/∂h_{t-1} = diag(c_{t-1} ⊙ f_t ⊙ (1 - f_t)) (U_{(f)}ᵀ + W_{(f)}ᵀ[:,4:])"
    )
    mine, true = evaluated(found, 1, 1), of_tape(found, 1)
    for block, matrix in true.items():
        np.testing.assert_allclose(mine[block], matrix, rtol=1e-12, atol=1e-14)


def test_the_lstm_has_four_blocks_in_partial_derivatives():
    lines = bptt.derive(nn.lstm).lines()
    assert {name: line for name, line in lines.items() if name.startswith("step_")} == {
        "step_c/h": "∂c_t/∂h_{t-1} = diag(c_{t-1} ⊙ f_t ⊙ (1 - f_t)) U_{(f)} + diag(g_t ⊙ i_t ⊙ (1 - i_t)) U_{(i)} "
        "+ diag(i_t ⊙ (1 - g_t²)) U_{(g)}",
        "step_c": "∂c_t/∂c_{t-1} = diag(f_t)",
        "step_h": "∂h_t/∂h_{t-1} = diag(tanh(c_t) ⊙ o_t ⊙ (1 - o_t)) U_{(o)} "
        "+ diag(o_t ⊙ (1 - tanh²(c_t))) ∂c_t/∂h_{t-1}",
        "step_h/c": "∂h_t/∂c_{t-1} = diag(o_t ⊙ (1 - tanh²(c_t)) ⊙ f_t)",
    }


def test_the_page_says_what_the_total_derivative_runs_through():
    """The identity behind the sentence: dc_2/dc_1 = diag(f_2) + ∂c_2/∂h_1 diag(o_1 (1 - tanh²(c_1)))."""
    words = "Over the unrolled net, the total derivative dc_t/dc_{t-1} also runs through h_{t-1}."
    assert words in str(bptt.derive(nn.lstm))
    assert "total derivative" not in str(bptt.derive(nn.gru))
    found = bptt.derive(nn.lstm)
    r, entries = found.recorded, found.recurrence.entries
    results = [r.tape[n].out for n in range(len(r.tape))]
    c1, c2 = (results[n] for n in entries["c"][:2])
    o1 = results[entries["o"][0]].data[0]
    total = bptt.total(r.tape, c2, c1)[0, :, 0, :]
    blocks = evaluated(found, 1, 0)
    np.testing.assert_allclose(
        total, blocks["c", "c"] + blocks["c", "h"] * (o1 * (1 - np.tanh(c1.data[0]) ** 2)), rtol=1e-10, atol=1e-13
    )
    assert np.abs(total - blocks["c", "c"]).max() > 1e-3


def test_parts_of_a_matrix_are_explained_where_they_stand():
    words = "An index in brackets stands for the part of a matrix"
    assert words in str(bptt.derive(nn.lstm))
    assert words not in str(bptt.derive(nn.gru_textbook))


def test_no_total_derivative_is_claimed_where_the_block_is_all_of_it():
    def cell(params, x, h, c):  # c reads no h
        c = np.tanh(c) * 0.5 + x @ params["W"]
        return np.sin(c), c

    text = str(bptt.derive(cell, example=own_cells.of({"W": (3, 4)}, states=2)))
    assert "other states of step t-1 are held" in text
    assert "total derivative" not in text


def test_blocks_that_are_zero_are_said_to_be():
    lines = derivation("state_unread").lines()
    zero = [line for name, line in lines.items() if name.startswith("step_") and line.endswith(" = 0")]
    assert len(zero) == 1
    assert "∂h_t/∂c_{t-1}" in zero[0] or "∂c_t" in zero[0]


def test_a_line_alone_is_told_from_the_whole_step():
    lines = bptt.derive(nn.gru).lines()
    assert lines["dh/dh_prev"] == "∂⁺h_t/∂h_{t-1} = diag(z_t)"
    assert lines["step_h"].startswith("∂h_t/∂h_{t-1} = diag(z_t) + ")
    assert bptt.derive(nn.lstm).lines()["dc/dc_prev"] == "∂c_t/∂c_{t-1} = diag(f_t)"  # no other way


@pytest.mark.parametrize("name", ["mean_of_units", "layer_norm_lstm"])
def test_a_block_without_a_formula_is_named(name):
    assert "no short formula: bptt.step_jacobians gives the numbers" in str(derivation(name))
    assert any("no short formula" in derivation(name).write(to) for to in ("latex", "html", "markdown"))


def test_a_block_that_does_not_hold_is_not_printed(monkeypatch):
    from tinygrad_rnn.bptt.derivation import formulas as module

    right = module.step_blocks
    monkeypatch.setattr(
        module, "step_blocks", lambda *a: [b._replace(right=module.product(module.Num(2), b.right)) for b in right(*a)]
    )
    with pytest.raises(ArithmeticError, match="the formula step_h of rnn does not hold at t=2"):
        bptt.derive(nn.rnn).lines()


@pytest.mark.parametrize("name", CELLS)
def test_every_block_is_a_formula_zero_or_named(name):
    found = derivation(name)
    printed = {side for f in found.formulas.section("steps") for side in f.left}
    without = [b for b in found.formulas.blocks if isinstance(b.right, str)]
    assert len(printed) + len(without) == len(found.formulas.rec.states) ** 2
