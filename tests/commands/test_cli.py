"""The commands, as a person types them."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from tinygrad_rnn import bptt, cli
from tinygrad_rnn.commands import common
from tinygrad_rnn.commands.user_code import EXAMPLE, OWN_CELL


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


@pytest.mark.slow
def test_the_verdicts_of_the_demo_as_json(tmp_path, capsys, monkeypatch):
    asked_for = ["demo", "--out", str(tmp_path), "--json"]
    assert cli.main([*asked_for, str(tmp_path / "verdicts.json")]) == 0
    assert cli.main([*asked_for, "-"]) == 0
    out = capsys.readouterr().out
    found = json.loads((tmp_path / "verdicts.json").read_text())
    assert json.loads(out[out.index("\n{") :]) == found  # nothing but JSON follows the words of the first run
    assert (found["kind"], found["right"], [*found["cells"]]) == ("demo", True, [*common.CELLS])
    for cell in found["cells"].values():
        assert [report["right"] for report in cell["comparisons"]] == [True, True]
        assert 0 < cell["loss"] < 10
    right = bptt.by_hand.rnn
    monkeypatch.setattr(
        bptt.by_hand, "rnn", lambda *args, **kwargs: {**right(*args, **kwargs), "weight_hh": np.ones(1)}
    )
    assert cli.main([*asked_for, "-"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["right"] is False
    assert {name for name, cell in found["cells"].items() if not all(r["right"] for r in cell["comparisons"])} == {
        "rnn"
    }


def test_demo_refuses_json_in_the_place_of_a_drawing(tmp_path, capsys):
    assert cli.main(["demo", "--out", str(tmp_path), "--json", str(tmp_path / "rnn.svg")]) == 2
    assert "are the same file" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


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
    assert "1 comparison FAILED: rnn" in capsys.readouterr().out


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


def test_draw_as_text_and_in_every_view(tmp_path, capsys):
    assert cli.main(["draw", "--cell", "lstm", "--steps", "9", "--ascii"]) == 0
    text = capsys.readouterr().out
    assert text.isascii()
    assert "c  f * c_{-1} + i * g" in text
    path = tmp_path / "net.svg"
    layers = ["draw", "--layers", "2", "--bidirectional", "--level", "cells", "-o", str(path), "--engine", "grid"]
    assert cli.main(layers) == 0
    assert "layer 1 reverse" in path.read_text(encoding="utf-8")
    wanted = ["--flow", "--cuts", "1,2", "--theme", "dark", "--show", "shape,value,grad", "--ends", "1", "--ascii"]
    assert cli.main([*layers, *wanted]) == 0
    assert "the gradient is cut before t = 1, 2" in capsys.readouterr().out
    assert path.read_text(encoding="utf-8").count(">cut<") == 0  # both lie between the ends
    assert cli.main(["draw", "--view", "rolled", "--show", "grad", "--ascii"]) == 0
    assert "every t" in capsys.readouterr().out
    for wrong, words in (
        (["draw"], "give a file"),
        (["draw", "--ascii", "--cell", "mgu", "--layers", "2"], "not there as a layer"),
        (["draw", "--ascii", "--show", "colour"], "show='colour'"),
    ):
        assert cli.main(wrong) == 2
        assert words in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["draw", "--ascii", "--cuts", "a"])
    assert "'a' is not a list of steps" in capsys.readouterr().err


@pytest.mark.slow
def test_flow_prints_tables_verdicts_and_bars_and_draws(tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="the figure needs the extra `plot`")
    path = tmp_path / "flow.svg"
    arguments = ["flow", "--cells", "rnn, lstm", "--steps", "60", "--hidden", "8", "--seed", "1"]
    assert cli.main([*arguments, "-o", str(path)]) == 0
    said = capsys.readouterr().out
    assert said.endswith(f"wrote {path}\n")
    ET.parse(path)
    assert cli.main(arguments) == 0
    text = capsys.readouterr().out
    assert said == f"{text}wrote {path}\n"
    for name in ("rnn", "lstm"):
        assert f"{name}: T=60 float64, the loss at step 59" in text
    assert text.count("State: its gradient VANISHES") == 2
    assert text.count("Parameters: their gradient does NOT vanish") == 2
    bars = [line for line in text.splitlines() if line.endswith("#")]
    assert bars[0].count("#") > bars[-1].count("#")


def test_flow_in_float32_says_where_it_underflows(capsys):
    assert cli.main(["flow", "--cells", "rnn", "--steps", "200", "--hidden", "8", "--dtype", "float32"]) == 0
    said = capsys.readouterr().out
    assert "Range: float32 has underflowed: from step" in said
    assert "ask again with float64" in said


@pytest.mark.parametrize("cell", list(common.ALL_CELLS))
def test_flow_takes_every_cell_and_a_single_step(cell, capsys):
    assert cli.main(["flow", "--cells", cell, "--steps", "1", "--batch", "1", "--hidden", "3"]) == 0
    assert "State: one step" in capsys.readouterr().out


def test_flow_without_matplotlib_says_what_to_install_before_the_run(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # as if it were not there
    assert cli.main(["flow", "--cells", "rnn", "--steps", "5", "-o", str(tmp_path / "flow.svg")]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "matplotlib is not installed" in said.err
    assert 'pip install "tinygrad_rnn[plot]"' in said.err
    assert not list(tmp_path.iterdir())


def test_flow_refuses_other_cells_and_endings(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["flow", "--cells", "rnn,lstmm"])
    assert stop.value.code == 2
    assert "'lstmm': choose from rnn, residual_rnn, lstm" in capsys.readouterr().err
    assert cli.main(["flow", "--cells", "rnn", "--steps", "3", "-o", str(tmp_path / "x.jpeg")]) == 2
    assert "ends in none of" in capsys.readouterr().err


@pytest.mark.slow
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


@pytest.mark.slow
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
        (["-o", str(tmp_path / "cuts.png")], "'cuts.png' does not end in .svg"),
        (["--text", str(tmp_path / "none.txt")], "none.txt"),
        (["--steps", "100000000"], "too few"),
    ):
        assert cli.main(["truncate", "--hidden", "2", *arguments]) == 2
        assert words in capsys.readouterr().err
    for option in ("--length", "--draws"):  # a random chunk has a mean length of more than 1, a variance takes two
        with pytest.raises(SystemExit):
            cli.main(["truncate", option, "1"])
        assert f"argument {option}: 1 is not at least 2" in capsys.readouterr().err


def test_bad_options_are_refused(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["compare", "--steps", "0"])
    assert stop.value.code == 2
    assert "at least 1" in capsys.readouterr().err


@pytest.mark.slow
def test_the_module_runs_on_any_code_page(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tinygrad_rnn", "draw", "-o", str(tmp_path / "ħ.dot")],
        capture_output=True,
        env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PATH": ""},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert rb"\u0127.dot" in done.stdout


HOMEWORK = """
import numpy as np


def mine(params, xs, state, dhs):
    W, U, b = params["W"], params["U"], params["bias_ih"] + params["bias_hh"]
    hs = [state[0]]
    for x in xs:
        hs.append(f(x @ W.T + hs[-1] @ U.T + b))
    dU, carry = np.zeros_like(U), 0
    for t in reversed(range(len(xs))):
        dz = (dhs[t] + carry) * slope(hs[t + 1])
        dU += dz.T @ hs[t]
        carry = dz @ U
    return {"dU": dU}


f, slope = np.tanh, lambda h: 1 - h**2


def cell(params, x, h):
    return np.tanh(params["V"] @ x + params["A"] @ h)


def example(rng, T, B):
    params = {"V": rng.standard_normal((4, 2)), "A": rng.standard_normal((4, 4))}
    return params, rng.standard_normal((2, B, T)), np.zeros((4, B))


def of_my_cell(params, x, state, dh):
    return {"A": np.ones((4, 4))}
"""


def doctor(tmp_path, capsys, source, function, *arguments):
    path = tmp_path / "homework.py"
    path.write_text(source, encoding="utf-8")
    status = cli.main(["doctor", f"{path}:{function}", *arguments])
    said = capsys.readouterr()
    return status, said.out + said.err


NAMES = ("--names", "W=weight_ih,U=weight_hh")


def test_doctor(tmp_path, capsys):
    status, said = doctor(tmp_path, capsys, HOMEWORK, "mine", "--cell", "rnn", *NAMES)
    assert (status, said.splitlines()[0]) == (0, "mine, BPTT of rnn: right")
    status, said = doctor(tmp_path, capsys, HOMEWORK.replace("hs[t]\n", "hs[t + 1]\n"), "mine", "--cell", "rnn", *NAMES)
    assert status == 1
    assert "mistake: in dU, dz[t].T @ h[t] stands in the place of dz[t].T @ h[t-1]" in said
    relu = HOMEWORK.replace(
        "f, slope = np.tanh, lambda h: 1 - h**2", "f, slope = lambda z: z * (z > 0), lambda h: h > 0"
    )
    assert doctor(tmp_path, capsys, relu, "mine", "--cell", "rnn", *NAMES)[0] == 1
    assert doctor(tmp_path, capsys, relu, "mine", "--cell", "rnn", "--nonlinearity", "relu", *NAMES)[0] == 0


@pytest.mark.slow
def test_doctor_takes_the_files_own_cell(tmp_path, capsys):
    status, said = doctor(tmp_path, capsys, HOMEWORK, "of_my_cell", "--cell", "cell", "--layout", "columns")
    assert status == 1
    assert "of_my_cell, BPTT of cell: WRONG" in said


@pytest.mark.parametrize(
    ("source", "function", "arguments", "words"),
    [
        (HOMEWORK, "mien", ("--cell", "rnn"), "has no function 'mien'\nit has mine, slope, cell, example, of_my_cell"),
        (HOMEWORK, "mine", ("--cell", "elman"), "--cell elman: neither one of rnn, residual_rnn,"),
        (HOMEWORK, "mine", ("--cell", "elman"), f"\nwrite --cell rnn, or into that file: elman{OWN_CELL}"),
        (HOMEWORK, "mine", ("--cell", "a.py:cell"), "a.py: there is no such file"),
        (HOMEWORK, "mine", ("--cell", "lstm", "--nonlinearity", "relu"), "lstm has none to choose"),
        (HOMEWORK + "\ndef f(:\n", "mine", ("--cell", "rnn"), "homework.py, line 33: invalid syntax"),
        (HOMEWORK + "\n1 / 0\n", "mine", ("--cell", "rnn"), "ZeroDivisionError: division by zero (line 33)"),
        (HOMEWORK, "mine", ("--cell", "rnn"), "it fails on 21 problems"),
        (HOMEWORK.replace("example", "sample"), "of_my_cell", ("--cell", "cell"), "has no function 'example'\nwrite"),
        (HOMEWORK.replace("example", "sample"), "of_my_cell", ("--cell", "cell"), f"it beside the cell: {EXAMPLE}"),
    ],
)
def test_doctor_says_what_is_wrong_with_a_file(source, function, arguments, words, tmp_path, capsys):
    status, said = doctor(tmp_path, capsys, source, function, *arguments)
    assert status == (1 if "fails" in words else 2)
    assert words in said
    assert "Traceback" not in said


def test_doctor_needs_a_file_and_a_function(tmp_path, capsys):
    assert cli.main(["doctor", str(tmp_path / "none.py:mine"), "--cell", "rnn"]) == 2
    assert "there is no such file" in capsys.readouterr().err
    assert cli.main(["doctor", "homework.py", "--cell", "rnn"]) == 2
    assert "give it as FILE.py:function" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["doctor", "homework.py:mine", "--cell", "rnn", "--names", "W"])
    assert "write theirs=ours" in capsys.readouterr().err


def test_drawings_are_refused_before_the_run(tmp_path, capsys):
    """A missing folder, another ending, a folder in the place of a file: nothing is computed first."""
    (tmp_path / "dir.svg").mkdir()
    for command in ("flow", "truncate"):
        for name, words in (
            ("none/f.svg", f"there is no folder {tmp_path / 'none'}"),
            ("f.txt", "f.txt"),
            ("dir.svg", "dir.svg is a folder"),
        ):
            assert cli.main([command, "--steps", "3", "--hidden", "2", "-o", str(tmp_path / name)]) == 2
            said = capsys.readouterr()
            assert said.out == ""
            assert words in said.err
            assert len(said.err.splitlines()) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["dir.svg"]


def test_draw_names_the_missing_folder(tmp_path, capsys):
    assert cli.main(["draw", "-o", str(tmp_path / "none" / "a.dot")]) == 2
    said = capsys.readouterr().err
    assert f"there is no folder {tmp_path / 'none'}" in said
    assert len(said.splitlines()) == 2


@pytest.mark.parametrize("command", ["flow", "truncate", "compare", "draw", "sample"])
def test_a_negative_seed_is_named(command, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([command, "--seed", "-1"])
    assert stop.value.code == 2
    assert "argument --seed: -1 is negative" in capsys.readouterr().err


def test_truncate_says_what_is_wrong_with_a_text(tmp_path, capsys):
    short = tmp_path / "short.txt"
    short.write_text("abc", encoding="utf-8")
    for path, words in (
        (tmp_path / "none.txt", "there is no such file"),
        (tmp_path, "is a folder"),
        (short, "1 window of"),
    ):
        assert cli.main(["truncate", "--text", str(path), "--steps", "8"]) == 2
        said = capsys.readouterr().err
        assert words in said
        assert str(path) in said or path is short
        assert len(said.splitlines()) == 2


def test_truncate_takes_any_case_of_the_ending_and_counts_one_step_as_one(tmp_path, capsys):
    arguments = ["truncate", "--steps", "5", "--hidden", "2", "--draws", "2", "--cell", "rnn", "--length", "3"]
    assert cli.main([*arguments, "-o", str(tmp_path / "cuts.SVG")]) == 0
    said = capsys.readouterr().out
    assert "every step, 3 back" in said
    assert "every 1 steps" not in said
    assert (tmp_path / "cuts.SVG").exists()


def test_flow_of_one_step_draws_no_bars(capsys):
    assert cli.main(["flow", "--steps", "1", "--hidden", "2", "--cells", "rnn,gru"]) == 0
    said = capsys.readouterr().out
    assert "one step, so there is no distance" in said
    assert "#" not in said
