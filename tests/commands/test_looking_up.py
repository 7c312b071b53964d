"""`tinygrad-rnn atlas`: a page, a table, files by their ending, JSON, and a slip."""

import json

import pytest

from tinygrad_rnn import cli
from tinygrad_rnn.bptt.atlas import cell_facts
from tinygrad_rnn.commands import looking_up


def test_a_page_is_printed(capsys):
    assert cli.main(["atlas", "ind_rnn"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("INDRNN\n")
    assert "∂h_t/∂h_{t-1}" in said
    assert "def backward(" in said


@pytest.mark.parametrize(("ending", "begins"), [("md", "# IndRNN"), ("html", "<!doctype html>"), ("txt", "INDRNN")])
def test_the_ending_of_a_file_says_the_format(ending, begins, tmp_path, capsys):
    path = tmp_path / f"page.{ending}"
    assert cli.main(["atlas", "ind_rnn", "-o", str(path)]) == 0
    assert path.read_text(encoding="utf-8").startswith(begins)
    assert capsys.readouterr().out == f"wrote {path}\n"


def test_json_takes_the_place_of_the_words(capsys):
    assert cli.main(["atlas", "ind_rnn", "--json", "-"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["kind"] == "atlas"
    assert values["cells"]["ind_rnn"]["year"] == 2018


def test_without_a_cell_all_are_compared(monkeypatch, capsys):
    some = {name: cell_facts.FACTS[name] for name in ("ind_rnn", "min_gru")}
    monkeypatch.setattr(looking_up, "FACTS", some)
    assert cli.main(["atlas", "--lang", "en"]) == 0
    said = capsys.readouterr().out
    assert [line.split()[0] for line in said.splitlines()[-2:]] == ["ind_rnn", "min_gru"]
    assert "yes, by entry" in said


def test_the_table_is_said_in_chinese(monkeypatch, capsys):
    monkeypatch.setattr(looking_up, "FACTS", {"min_gru": cell_facts.FACTS["min_gru"]})
    assert cli.main(["atlas", "--lang", "zh"]) == 0
    assert "是，逐元素" in capsys.readouterr().out


def test_a_slip_is_understood(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["atlas", "min_gur"])
    assert end.value.code == 2
    assert "did you mean min_gru?" in capsys.readouterr().err
