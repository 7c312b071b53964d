"""A page in a terminal: nothing is lost, and nothing is wider than the terminal where it can be broken."""

import pytest

from tinygrad_rnn import bptt
from tinygrad_rnn.bptt.atlas.looked_up import compared
from tinygrad_rnn.bptt.atlas.page_blocks import Code, Grid, Heading, Image, Lines, Words
from tinygrad_rnn.bptt.atlas.text_page import as_text, broken, filled
from tinygrad_rnn.language.current import speaking
from tinygrad_rnn.text_tables import width

CHINESE = "与论文的不同：只有一个头，所以 U 是满矩阵。f 是 sigmoid（论文也允许 exp）。见 `nn.slstm(params, x)`。"
ENGLISH = "There is one head, so U is full. f is a sigmoid, as in the code of the authors; the paper has exp too."


@pytest.mark.parametrize("columns", [20, 40, 79, 100])
@pytest.mark.parametrize("text", [CHINESE, ENGLISH], ids=["Chinese", "English"])
def test_a_paragraph_keeps_all_that_it_says(text, columns):
    lines = filled(text, columns).splitlines()
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert max(map(width, lines)) <= max(columns, width("`nn.slstm(params,") + 2)
    assert not any(line[0] in "，。：；、）" for line in lines)


def test_a_formula_is_broken_before_signs_outside_of_brackets():
    formula = "∂L/∂x_t = W_oᵀ δ_{o,t} + w_fᵀ (dz_{f,t} + dz_{i,t}) - [a = b] + c_t"
    lines = broken(formula, 40).splitlines()
    assert [line.strip() for line in lines] == [
        "∂L/∂x_t = W_oᵀ δ_{o,t}",
        "+ w_fᵀ (dz_{f,t} + dz_{i,t})",
        "- [a = b] + c_t",
    ]
    assert lines[0].startswith("    ∂L")
    assert lines[1].startswith("        +")
    assert broken(formula, 100) == f"    {formula}"


def test_the_heads_of_a_wide_table_take_several_lines():
    grid = Grid(
        ("cell", "serial multiply-adds", "10 steps back"), [("lstm", "4,096", "-2.6"), ("rnn", "1,024", "-3.0")], (1, 2)
    )
    assert as_text([grid], 100).splitlines()[0] == "cell  serial multiply-adds  10 steps back"
    assert as_text([grid], 30).splitlines() == [
        "                        10",
        "             serial  steps",
        "cell  multiply-adds   back",
        "lstm          4,096   -2.6",
        "rnn           1,024   -3.0",
    ]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_table_of_cells_fits_terminals_of_80_and_100_columns(language):
    entries = [bptt.look_up("ind_rnn")]
    with speaking(language):
        for columns in (80, 100):
            assert max(map(width, compared(entries, "text", columns).splitlines())) <= columns


def test_no_table_has_backquotes():
    assert as_text([Grid(("", "`h`"), [("`h`", "0.20")], (1,))]) == "      h\nh  0.20\n"


def test_blocks_stand_apart_and_an_empty_picture_leaves_no_gap():
    page = as_text([Heading(1, "LSTM"), Words("One."), Image("a", "b", "<svg/>"), Code("x = 1\n"), Lines(["a = b"])])
    assert page == "LSTM\n\nOne.\n\nx = 1\n\n    a = b\n"
    assert as_text([Heading(2, "图")]) == "图\n--\n"
