"""Worksheets: what is blank, what it says when it is run, and that the doctor marks it."""

import re

import numpy as np
import pytest

from tinygrad_rnn import bptt, cli, nn
from tinygrad_rnn.bptt.derivation.checking import run
from tinygrad_rnn.bptt.derivation.documents import BLANK


def filled(sheet, formulas):
    """The worksheet with these written in the place of its blanks."""
    for name, formula in formulas.items():
        sheet = sheet.replace(f'blank("{name}")', formula)
    return run(sheet, "sheet")["gradients"]


def test_a_sheet_of_code_says_what_is_blank_and_the_doctor_marks_it():
    sheet = bptt.derive(nn.rnn).worksheet("numpy", blanks=["dz", "dU"])
    assert sheet.blanks == ("dz", "dU")
    assert sheet.answers == bptt.derive(nn.rnn).numpy()
    assert 'dz = blank("dz")  # h = np.tanh(z)' in sheet.sheet
    assert 'dU += blank("dU")' in sheet.sheet
    unfilled = bptt.doctor(nn.rnn, run(sheet.sheet, "sheet")["gradients"])
    assert not unfilled
    assert "dz is still blank" in str(unfilled)
    assert bptt.doctor(nn.rnn, filled(sheet.sheet, {"dz": "dh * (1 - h**2)", "dU": "dz.T @ h_prev"}))
    wrong = bptt.doctor(nn.rnn, filled(sheet.sheet, {"dz": "dh * (1 - h**2)", "dU": "dz.T @ h"}))
    assert wrong.mistake.words == "in dweight_hh, dz[t].T @ h[t] stands in the place of dz[t].T @ h[t-1]"


def test_an_unfilled_sheet_raises():
    gradients = run(bptt.derive(nn.gru).worksheet("numpy", blanks=2).sheet, "sheet")["gradients"]
    params = {name: p.data for name, p in nn.init.gru(np.random.default_rng(0), 3, 4).items()}
    with pytest.raises(NotImplementedError, match=r"^d\w+ is still blank: write its formula here$"):
        gradients(params, np.zeros((2, 1, 3)), (np.zeros((1, 4)),), np.ones((2, 1, 4)))


@pytest.mark.parametrize("cell", [nn.rnn, nn.lstm, nn.gru_textbook, nn.peephole_lstm])
def test_every_line_can_be_blank_and_its_answer_fits(cell):
    derivation = bptt.derive(cell)
    everything = derivation.worksheet("numpy", blanks=["dh"])
    names = re.findall(r"there are (.*)", _error(derivation, "numpy"))[0].split(", ")
    whole = derivation.worksheet("numpy", blanks=names)
    assert whole.sheet.count("= blank(") == len(names)
    assert 'blank("dh")' in everything.sheet
    for name in names:
        assert derivation.worksheet("numpy", blanks=[name]).sheet.count(f'blank("{name}")') == 1


def _error(derivation, to):
    with pytest.raises(ValueError, match="there is no line 'nothing'") as caught:
        derivation.worksheet(to, blanks=["nothing"])
    return str(caught.value)


@pytest.mark.parametrize("to", ["latex", "markdown", "html", "text"])
def test_a_sheet_of_formulas_and_its_answers(to):
    derivation = bptt.derive(nn.lstm)
    sheet = derivation.worksheet(to, blanks=["dc", "dz_i", "dh/dc"])
    assert sheet.blanks == ("dh/dc", "dc", "dz_i")  # in the order of the derivation
    lines = derivation.lines("latex" if to == "markdown" else to)
    assert sheet.sheet.count(BLANK["latex" if to == "markdown" else to]) == 3
    for name, line in lines.items():
        assert (line in sheet.sheet) == (name not in sheet.blanks), name
        assert (line in sheet.answers) == (name in sheet.blanks), name


def test_the_choice_is_drawn_with_a_seed():
    derivation = bptt.derive(nn.lstm)
    drawn = {derivation.worksheet(blanks=4, seed=seed).blanks for seed in range(8)}
    assert len(drawn) > 5
    assert derivation.worksheet(blanks=4, seed=3) == derivation.worksheet(blanks=4, seed=3)
    assert all(len(blanks) == 4 for blanks in drawn)


@pytest.mark.parametrize("blanks", [0, 100, -1, []])
def test_so_many_blanks_there_are_not(blanks):
    with pytest.raises(ValueError, match=r"^worksheet: "):
        bptt.derive(nn.rnn).worksheet(blanks=blanks)


# ---------------------------------------------------------------------------------------------------- the command


def test_the_command_writes_what_is_asked_for(tmp_path, capsys):
    assert cli.main(["derive", "--cell", "rnn"]) == 0
    assert "δ_t = diag" in capsys.readouterr().out
    for to, word in (("latex", r"\delta_{t}"), ("markdown", "$$"), ("html", "<math"), ("numpy", "def backward")):
        path = tmp_path / f"rnn.{to}"
        assert cli.main(["derive", "--cell", "rnn", "--to", to, "--out", str(path)]) == 0
        assert capsys.readouterr().out == f"wrote {path}\n"
        assert word in path.read_text(encoding="utf-8")
    assert cli.main(["derive", "--cell=rnn", "--steps=2", "--entries", "--no-bias", "--nonlinearity=relu"]) == 0
    said = capsys.readouterr().out
    assert "[z_2 > 0]" in said
    assert "entries" in said


OWN = """
import numpy as np


def cell(params, x, h):
    return np.tanh(params["Wax"] @ x + params["Waa"] @ h)


def example(rng, T, B):
    params = {"Wax": rng.standard_normal((4, 2)), "Waa": rng.standard_normal((4, 4))}
    return params, rng.standard_normal((2, B, T)), np.zeros((4, B))
"""


def test_the_command_takes_a_cell_of_ones_own_and_the_doctor_marks_the_sheet(tmp_path, capsys):
    path, sheet, answers = tmp_path / "mine.py", tmp_path / "sheet.py", tmp_path / "answers.py"
    path.write_text(OWN, encoding="utf-8")
    asked = ["derive", "--cell", f"{path}:cell", "--layout", "columns", "--to", "numpy", "--blank", "2", "--seed", "1"]
    assert cli.main([*asked, "--out", str(sheet), "--answers", str(answers)]) == 0
    assert "blank(" in sheet.read_text(encoding="utf-8")
    capsys.readouterr()
    path.write_text(OWN + "\n\n" + answers.read_text(encoding="utf-8"), encoding="utf-8")
    assert cli.main(["doctor", f"{path}:gradients", "--cell", "cell", "--layout", "columns"]) == 0
    assert "right" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--cell", "nothing.py:cell"], "there is no such file"),
        (["--cell", "rnn", "--answers", "a.py"], "say what is blank"),
        (["--cell", "rnn", "--to", "numpy", "--steps", "2"], "are for formulas"),
        (["--cell", "rnn", "--blank", "2", "--entries"], "not for worksheets"),
        (["--cell", "lstm", "--nonlinearity", "relu"], "only rnn has"),
        (["--cell", "rnn", "--blank", "dq"], "there is no line 'dq'"),
        (["--cell", "lstm", "--steps", "2"], "joined from parts"),
        (["--cell", "rnn", "--out", "no/such/folder.md"], "there is no folder"),
    ],
)
def test_the_command_says_what_is_wrong(arguments, said, capsys):
    assert cli.main(["derive", *arguments]) == 2
    assert said in capsys.readouterr().err
