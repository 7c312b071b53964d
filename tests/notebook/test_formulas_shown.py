"""Derivations and worksheets in a notebook: formulas of what MathJax and KaTeX know, each in a block of its own."""

import re

import numpy as np
import pytest

from tinygrad_rnn import bptt, nn

KNOWN = {
    *("begin", "end", "frac", "mathrm", "mathbf", "operatorname", "textbf", "odot", "partial", "top", "sum", "left"),
    *("right", "tanh", "exp", "log", "sin", "cos", "max", "min", "sigma", "delta", "ge", "le", "ne"),
    *("underline", "hspace"),
}
"""Commands that MathJax has without an extension, and KaTeX too."""


@pytest.mark.parametrize("cell", [nn.rnn, nn.gru])
def test_a_derivation_is_one_block_of_latex_and_a_block_for_each_formula(cell):
    derivation = bptt.derive(cell)
    latex, markdown = derivation._repr_latex_(), derivation._repr_markdown_()
    assert set(re.findall(r"\\([A-Za-z]+)", latex + markdown)) <= KNOWN
    assert set(re.findall(r"\\begin\{(\w+)\}", latex + markdown)) <= {"gathered", "bmatrix"}
    assert latex.startswith("$$\n\\begin{gathered}\n")
    assert latex.endswith("\\end{gathered}\n$$")
    assert latex.count("$$") == 2
    formulas = list(derivation.lines("latex").values())
    assert re.findall(r"^\$\$\n(.*?)\n\$\$$", markdown, flags=re.M | re.S) == formulas
    assert all(formula in latex for formula in formulas)
    assert not re.search("^#", markdown, flags=re.M)  # a heading would stand in the notebook's table of contents


def test_a_derivation_is_named_without_being_made():
    derivation = bptt.derive(nn.rnn)
    assert repr(derivation) == "<Derivation of rnn: print it for the formulas, .numpy() is the code>"
    assert "formulas" not in vars(derivation)
    assert str(derivation) == derivation.write("text")


def test_a_worksheet_of_formulas_is_markdown_and_one_of_code_is_text():
    derivation = bptt.derive(nn.rnn)
    sheet = derivation.worksheet(blanks=["dU"])
    assert sheet._repr_markdown_() == sheet.sheet == str(sheet)
    assert sheet._repr_html_() is None
    code = derivation.worksheet("numpy", blanks=["dU"])
    assert code._repr_markdown_() is None
    assert "NotImplementedError" in code._repr_html_()
    assert repr(code) == repr(sheet) == "<Worksheet with the blanks dU>"


def test_the_name_of_a_cell_is_no_markdown():
    def cell(params, x, h):
        return np.tanh(x @ params["W"].T + h @ params["U"].T)

    def example(rng, T, B):
        params = {"W": rng.normal(size=(4, 3)), "U": rng.normal(size=(4, 4))}
        return params, rng.normal(size=(T, B, 3)), rng.normal(size=(B, 4))

    cell.__name__ = "<b>my_cell</b>$*"
    first = bptt.derive(cell, example=example)._repr_markdown_().splitlines()[0]
    assert first == r"**BPTT of \<b\>my\_cell\</b\>\$\***"
