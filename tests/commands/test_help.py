"""The help texts as somebody new reads them: each example runs, each option is explained, and a slip is understood."""

import argparse
import shlex

import pytest
from test_chosen_cell import FILE as OWN
from test_examining import EXAMPLE
from test_examining import FILE as ASSIGNMENT
from test_marking import BOTH, TASK
from test_notebooks import write

from tinygrad_rnn import cli
from tinygrad_rnn.commands.parser import meant

PARSER = cli._parser()
COMMANDS = next(a for a in PARSER._actions if isinstance(a, argparse._SubParsersAction)).choices
SLOW = {"mark", "train", "bench", "demo", "flow", "truncate", "sample", "play"}


def examples(command):
    lines = COMMANDS[command].format_help().partition("\nexamples:\n")[2].splitlines()
    return [line.strip() for line in lines if line.strip()]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with all files that the examples name."""
    monkeypatch.chdir(tmp_path)
    homework = BOTH.replace("def f(", "def my_bptt(").replace(
        '{"W": dW, "U": dU}', '{"weight_ih": dW, "weight_hh": dU}'
    )
    (tmp_path / "homework.py").write_text(f"{homework}\n{OWN.replace('by_hand', 'of_my_cell')}", encoding="utf-8")
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    (tmp_path / "assignment.py").write_text(ASSIGNMENT, encoding="utf-8")
    write(tmp_path / "assignment.ipynb", ASSIGNMENT, EXAMPLE)
    (tmp_path / "book.txt").write_text("the time traveller for so it will be convenient " * 50, encoding="utf-8")
    (tmp_path / "poems.txt").write_text("日出山林静，\n风来竹影斜。\n" * 9, encoding="utf-8")
    (tmp_path / "task.py").write_text(TASK, encoding="utf-8")
    (tmp_path / "submissions").mkdir()
    (tmp_path / "submissions" / "ann.py").write_text(BOTH, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("command", [pytest.param(c, marks=pytest.mark.slow if c in SLOW else ()) for c in COMMANDS])
def test_every_example_of_a_help_text_runs(command, folder, capsys):
    if "-o flow.svg" in " ".join(examples(command)):
        pytest.importorskip("matplotlib", reason="the figure of flow needs the extra `plot`")
    if command == "sample":
        assert cli.main(shlex.split("train --text book.txt --hidden 8 --epochs 1 --out run")) == 0
    there = {path.name for path in folder.iterdir()}
    for line in examples(command):
        program, *words = shlex.split(line)
        assert program == "tinygrad-rnn"
        assert cli.main(words) == 0, line
        assert capsys.readouterr().err.count("error") == 0
        named = {word for word in words if word.rpartition(".")[2] in ("svg", "html", "json", "csv", "tex")}
        there |= named
        assert all((folder / name).stat().st_size for name in named), line


@pytest.mark.parametrize("command", COMMANDS)
def test_a_help_text_has_two_examples_and_says_what_each_option_does(command):
    parser = COMMANDS[command]
    assert len(examples(command)) >= 2
    assert all(line.startswith(f"tinygrad-rnn {command} ") for line in examples(command))
    assert parser.description[0].isupper()
    assert parser.description.endswith(".")
    for action in parser._actions:
        assert action.help, action.option_strings
        if action.choices and action.default is not None and action.help is not argparse.SUPPRESS:
            assert "default" in action.help, action.option_strings


def said(capsys, *arguments):
    with pytest.raises(SystemExit) as end:
        cli.main([*arguments])
    assert end.value.code == 2
    return capsys.readouterr()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["comparee"], "'comparee': choose from demo, compare, "),
        (["comparee"], "did you mean compare?"),
        (["draw", "--stpes", "3"], "unrecognized arguments: --stpes 3; did you mean --steps?"),
        (["flow", "--stesp=3", "--hiden=2"], "; did you mean --steps?; did you mean --hidden?"),
        (["draw", "--view", "roled"], "; did you mean rolled?"),
        (["compare", "--cell", "lsmt"], "example(rng, T, B) -> params, xs, state; did you mean lstm?"),
        (["flow", "--cells", "rnn,GRUU"], "'GRUU': choose from "),
        (["flow", "--cells", "rnn,GRUU"], "; did you mean gru?"),
        (["truncate", "--cell", "rnnn"], "; did you mean rnn?"),
        (["derive", "--cell", "lsmt"], "; did you mean lstm?"),
        (["derive", "--cell", "rnn", "--to", "latx"], "; did you mean latex?"),
        (["bench", "--cells", "lsmt"], "; did you mean lstm?"),
    ],
)
def test_a_slip_is_understood(arguments, words, capsys):
    found = said(capsys, *arguments)
    assert found.out == ""
    assert words in found.err
    assert len(found.err.splitlines()) == 2
    assert (
        found.err.splitlines()[1] == f"see tinygrad-rnn {'' if 'comparee' in arguments else f'{arguments[0]} '}--help"
    )


def test_a_slip_in_a_cell_that_may_be_a_name_of_a_file_is_understood_too(folder, capsys):
    assert cli.main(["doctor", "own.py:by_hand", "--cell", "lsmt"]) == 2
    assert "; did you mean lstm?" in capsys.readouterr().err


def test_what_is_far_from_all_names_is_not_guessed():
    assert meant("elman", ["rnn", "lstm"]) == ""
    assert meant("LSTM", ["rnn", "lstm"]) == "; did you mean lstm?"
    assert meant("x", []) == ""


def test_without_a_command_the_help_is_shown(capsys):
    found = said(capsys)
    assert found.out == ""
    for name in COMMANDS:
        assert f"\n    {name} " in found.err
