"""The commands, as a person types them."""

import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from tinygrad_rnn import bptt, cli
from tinygrad_rnn.commands import common


def test_demo_compares_and_draws_the_five_cells_on_real_text(tmp_path, capsys):
    assert cli.main(["demo", "--out", str(tmp_path / "made" / "out")]) == 0
    said = capsys.readouterr().out
    for name in common.CELLS:
        assert f"=== {name} " in said
        for ending in (".dot", ".svg"):
            path = tmp_path / "made" / "out" / f"{name}{ending}"
            assert f"wrote {path}" in said
            assert path.stat().st_size > 1000
        ET.parse(tmp_path / "made" / "out" / f"{name}.svg")
    assert said.count("all agree") == 10
    assert said.rstrip().endswith("Every comparison agrees.")


def test_demo_reads_a_utf8_file(tmp_path, capsys):
    text = tmp_path / "téxt.txt"
    text.write_bytes("Ünï¢ödé and then plain words 你好 again and again".encode())
    assert cli.main(["demo", "--out", str(tmp_path), "--text", str(text)]) == 0
    assert "'ain '" not in capsys.readouterr().err


def test_demo_says_what_is_wrong_with_a_text(tmp_path, capsys):
    assert cli.main(["demo", "--out", str(tmp_path), "--text", str(tmp_path / "none.txt")]) == 2
    assert "none.txt" in capsys.readouterr().err
    (tmp_path / "latin.txt").write_bytes("naïve".encode("latin-1"))
    assert cli.main(["demo", "--out", str(tmp_path), "--text", str(tmp_path / "latin.txt")]) == 2
    assert "not UTF-8" in capsys.readouterr().err
    (tmp_path / "short.txt").write_text("ab", encoding="utf-8")
    assert cli.main(["demo", "--out", str(tmp_path), "--text", str(tmp_path / "short.txt")]) == 2
    assert "too few" in capsys.readouterr().err


def test_demo_fails_where_a_derivation_is_wrong(tmp_path, capsys, monkeypatch):
    right = bptt.by_hand.rnn

    def wrong(*args, **kwargs):
        gradients = right(*args, **kwargs)
        return {**gradients, "weight_hh": -gradients["weight_hh"]}

    monkeypatch.setattr(bptt.by_hand, "rnn", wrong)
    assert cli.main(["demo", "--out", str(tmp_path)]) == 1
    assert "1 comparisons FAILED: rnn" in capsys.readouterr().out


@pytest.mark.parametrize("cell", list(common.ALL_CELLS))
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_compare(cell, dtype, capsys):
    arguments = ["--cell", cell, "--steps", "7", "--hidden", "8", "--batch", "3", "--seed", "1", "--dtype", dtype]
    assert cli.main(["compare", *arguments]) == 0
    assert "all agree" in capsys.readouterr().out


def test_compare_fails_where_a_derivation_is_wrong(capsys, monkeypatch):
    monkeypatch.setattr(bptt.by_hand, "gru", bptt.by_hand.gru_textbook)
    assert cli.main(["compare", "--cell", "gru"]) == 1
    assert "WRONG: HAND" in capsys.readouterr().out


def test_draw(tmp_path, capsys):
    path = tmp_path / "gru.svg"
    assert cli.main(["draw", "--cell", "gru", "--steps", "4", "-o", str(path), "--engine", "grid"]) == 0
    assert capsys.readouterr().out == f"wrote {path} (drawn by grid)\n"
    ET.parse(path)
    assert cli.main(["draw", "-o", str(tmp_path / "x.jpeg")]) == 2
    assert "ends in none of" in capsys.readouterr().err
    assert cli.main(["draw", "-o", str(tmp_path / "nowhere" / "x.svg"), "--engine", "grid"]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_truncate_draws_the_cuts_and_measures_each_way(tmp_path, capsys):
    source, path = tmp_path / "text.txt", tmp_path / "cuts.svg"
    source.write_text("A traveller, in time; and the time that he took.", encoding="utf-8")
    arguments = ["truncate", "--text", str(source), "--steps", "12", "--length", "4", "--draws", "4"]
    arguments += ["--cell", "rnn", "--hidden", "2", "--rtrl", "-o", str(path)]
    assert cli.main(arguments) == 0
    said = capsys.readouterr().out
    assert "\nchunks of 4\na traveller \n[===[===[===\n" in said
    assert "\nevery 2 steps, 4 back\na traveller \n[=[-==[-==\n[-==[-==[-==\n" in said
    assert f"wrote {path}" in said
    table = {line[:38].strip(): line[38:].split() for line in said.partition("kilobytes\n")[2].splitlines()}
    assert len(table) == 9
    for name in ("full", "checkpointed, every sqrt(T) steps", "checkpointed, recursively"):
        assert float(table[name][0]) < 1e-15
    assert float(table["real-time recurrent learning"][0]) < 1e-12
    errors = [float(table[name][0]) for name in ("chunks of 4", "every 2 steps, 4 back", "a window of 4 for each loss")]
    assert errors[0] > errors[2] > 0
    assert float(table["randomized, pi = 0.75"][2]) > 0
    drawn = path.read_bytes()
    ET.fromstring(drawn)
    assert cli.main(arguments) == 0
    assert path.read_bytes() == drawn


def test_truncate_takes_a_single_step_and_a_long_text(tmp_path, capsys):
    source = tmp_path / "text.txt"
    source.write_text("so long a text " * 6, encoding="utf-8")
    arguments = ["truncate", "--text", str(source), "--hidden", "2", "--draws", "2", "--cell", "rnn"]
    assert cli.main([*arguments, "--steps", "1"]) == 0
    assert cli.main([*arguments, "--steps", "80"]) == 0
    said = capsys.readouterr().out
    assert "The first 72 of 80 characters." in said
    assert max(len(line) for line in said.splitlines()) < 120


def test_truncate_says_what_is_wrong(tmp_path, capsys):
    for arguments, words in (
        (["--length", "1"], "--length 1"),
        (["-o", str(tmp_path / "cuts.png")], "no .svg"),
        (["--draws", "1"], "--draws 1"),
        (["--text", str(tmp_path / "none.txt")], "none.txt"),
        (["--steps", "100000000"], "too few"),
    ):
        assert cli.main(["truncate", "--hidden", "2", *arguments]) == 2
        assert words in capsys.readouterr().err


def test_bad_options_are_refused(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["compare", "--steps", "0"])
    assert stop.value.code == 2
    assert "at least 1" in capsys.readouterr().err


def test_the_module_runs_on_any_code_page(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tinygrad_rnn", "draw", "-o", str(tmp_path / "ħ.dot")],
        capture_output=True,
        env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PATH": ""},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert rb"\u0127.dot" in done.stdout
