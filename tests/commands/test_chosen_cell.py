"""One way to name a cell, in all commands: one of `nn`, or FILE.py:cell."""

import json

import numpy as np
import pytest
from test_notebooks import write

from tinygrad_rnn import cli
from tinygrad_rnn.commands import common

FILE = """
import numpy as np
def cell(params, x, h):
    return np.tanh(x @ params["W"] + h @ params["U"])
def rnn(params, x, h):
    return np.tanh(x @ params["W"] - h @ params["U"])
def example(rng, T, B):
    print("drawing")
    params = {"W": rng.normal(0, 0.5, (2, 3)), "U": rng.normal(0, 0.5, (3, 3))}
    return params, rng.standard_normal((T, B, 2)), np.zeros((B, 3))
def by_hand(params, xs, state, dhs):
    hs, W, U, d = [state[0]], 0, 0, 0
    for x in xs:
        hs.append(cell(params, x, hs[-1]))
    for t in reversed(range(len(xs))):
        z = (dhs[t] + d) * (1 - hs[t + 1] ** 2)
        W, U, d = W + xs[t].T @ z, U + hs[t].T @ z, z @ params["U"].T
    return {"W": W, "U": U}
def of_theirs(params, xs, state, dhs):
    W, U, b = params["weight_ih"], params["weight_hh"], params["bias_ih"] + params["bias_hh"]
    hs, dU, d = [state[0]], 0, 0
    for x in xs:
        hs.append(np.tanh(x @ W.T + hs[-1] @ U.T + b))
    for t in reversed(range(len(xs))):
        z = (dhs[t] + d) * (1 - hs[t + 1] ** 2)
        dU, d = dU + z.T @ hs[t], z @ U
    return {"weight_hh": dU}
"""


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(FILE, encoding="utf-8")
    return file


def run(capsys, *arguments):
    status = cli.main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return status, said.out, said.err


@pytest.mark.parametrize("name", ["cell", "{path}:cell"])
def test_the_doctor_takes_the_cell_of_the_file_both_ways(name, path, capsys):
    status, out, _ = run(capsys, "doctor", f"{path}:by_hand", "--cell", name.format(path=path))
    assert (status, out.splitlines()[0]) == (0, "by_hand, BPTT of cell: right")


def test_the_doctor_takes_a_cell_of_another_file(path, tmp_path, capsys):
    other = tmp_path / "other" / "theirs.py"
    other.parent.mkdir()
    other.write_text(FILE.replace("+ h @", "- h @"), encoding="utf-8")
    assert run(capsys, "doctor", f"{path}:by_hand", "--cell", f"{path.parent / 'mine.py'}:cell")[0] == 0
    assert run(capsys, "doctor", f"{path}:by_hand", "--cell", f"{other}:cell")[0] == 1


def test_a_name_of_nn_is_that_cell_whatever_the_file_calls_so(path, capsys):
    status, out, _ = run(capsys, "doctor", f"{path}:of_theirs", "--cell", "rnn")
    assert (status, out.splitlines()[0]) == (0, "of_theirs, BPTT of rnn: right")
    assert run(capsys, "doctor", f"{path}:by_hand", "--cell", f"{path}:rnn")[0] == 1


@pytest.mark.parametrize("size", [(), ("--steps", "1", "--batch", "1")])
def test_the_other_commands_take_it_too(size, path, tmp_path, capsys):
    cell = ("--cell", f"{path}:cell", *size)
    status, out, _ = run(capsys, "compare", *cell)
    assert status == 0
    assert "all agree" in out
    assert "drawing" not in out
    assert run(capsys, "compare", *cell, "--dtype", "float32")[0] == 0
    status, out, _ = run(capsys, "draw", *cell, "--ascii", "-o", tmp_path / "cell.svg")
    assert status == 0
    assert "tanh" in out
    assert run(capsys, "play", *cell, "-o", tmp_path / "cell.html")[0] == 0
    assert "cell, forward and backward" in (tmp_path / "cell.html").read_text(encoding="utf-8")
    assert run(capsys, "derive", "--cell", f"{path}:cell")[0] == 0
    status, out, _ = run(capsys, "flow", "--cells", f"rnn,{path}:cell,{path}:rnn", *size)
    assert status == 0
    assert "cell: " in out


@pytest.mark.parametrize("command", ["compare", "draw", "flow", "play", "derive"])
def test_a_cell_that_is_not_there_is_told(command, path, tmp_path, capsys):
    option = "--cells" if command == "flow" else "--cell"
    output = (
        ()
        if command in ("compare", "derive", "flow")
        else ("-o", tmp_path / f"x.{'html' if command == 'play' else 'svg'}")
    )
    with pytest.raises(SystemExit):
        run(capsys, command, option, "elman", *output)
    assert (
        f"'elman': choose from {', '.join(common.ALL_CELLS)}, or give FILE.py:cell or FILE.ipynb:cell"
        in capsys.readouterr().err
    )
    status, _, err = run(capsys, command, option, f"{path}:elman", *output)
    assert (status, "has no function 'elman'" in err) == (2, True)
    if command == "derive":
        return
    status, _, err = run(capsys, command, option, f"{path}:cell", *output, "--hidden", "4")
    assert (status, err.splitlines()[-2:]) == (
        2,
        ["tinygrad-rnn: error: --hidden: the file decides that", "leave it out"],
    )


def test_what_the_doctor_and_derive_do_not_find_is_told_with_the_way_to_write_it(path, capsys):
    status, _, err = run(capsys, "doctor", f"{path}:by_hand", "--cell", "elman")
    assert status == 2
    assert f"nor a function in {path}\nwrite --cell rnn, or into that file: elman(params, x, *state)" in err
    with pytest.raises(SystemExit):
        run(capsys, "derive", "--cell", "cell")
    assert "or give FILE.py:cell or FILE.ipynb:cell, where the file has cell(params, x" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    "cells", [(FILE,), tuple(f"def {part}" for part in FILE.split("def ")[1:])], ids=["one", "many"]
)
def test_a_cell_comes_from_a_notebook_as_from_a_file(cells, path, tmp_path, capsys):
    notebook = write(tmp_path / "mine.ipynb", "%matplotlib inline\nimport numpy as np", *cells)
    for command in (
        ("compare", "--cell", "{}:cell"),
        ("draw", "--cell", "{}:cell", "--ascii"),
        ("flow", "--cell", "{}:cell", "--steps", "4"),
        ("derive", "--cell", "{}:cell"),
        ("doctor", "{}:by_hand", "--cell", "cell"),
        ("play", "--cell", "{}:cell", "-o", tmp_path / "x.html"),
    ):
        found = [run(capsys, *(str(word).format(file) for word in command)) for file in (path, notebook)]
        assert found[0][:2] == found[1][:2], command
        assert found[0][0] == 0
    status, _, err = run(capsys, "draw", "--cell", f"{notebook}:elman", "--ascii")
    assert (status, "has no function 'elman'" in err) == (2, True)


def test_an_example_that_fails_is_told(path, capsys):
    path.write_text(FILE.replace("def example(rng, T, B):", "def example(rng, T, B):\n    return 1 / 0"))
    status, _, err = run(capsys, "compare", "--cell", f"{path}:cell")
    assert status == 2
    assert f"{path}: example(rng, T=7, B=3) failed: ZeroDivisionError: division by zero\nit returns" in err


def truncated_by_hand(length, T=12):
    """The gradient of the cell of FILE, cut every `length` steps, as `truncate` poses the problem: one long vector."""
    rng = np.random.default_rng(0)
    params = {"W": rng.normal(0, 0.5, (2, 3)), "U": rng.normal(0, 0.5, (3, 3))}
    xs, hs = rng.standard_normal((T, 1, 2)), [np.zeros((1, 3))]
    for x in xs:
        hs.append(np.tanh(x @ params["W"] + hs[-1] @ params["U"]))
    targets = np.random.default_rng(0).standard_normal((T, 1, 3))
    W, U, d = 0, 0, 0
    for t in reversed(range(T)):
        if (t + 1) % length == 0:
            d = 0
        z = (2 * (hs[t + 1] - targets[t]) / 3 / T + d) * (1 - hs[t + 1] ** 2)
        W, U, d = W + xs[t].T @ z, U + hs[t].T @ z, z @ params["U"].T
    return np.concatenate([W.ravel(), U.ravel()])


@pytest.mark.slow
def test_truncate_measures_a_cell_of_a_file(path, tmp_path, capsys):
    report = tmp_path / "found.json"
    asked_for = ["truncate", "--cell", f"{path}:cell", "--steps", 12, "--length", 4, "--draws", 2, "--rtrl"]
    status, out, _ = run(capsys, *asked_for, "--json", report)
    assert status == 0
    assert "chunks of 4\n012345678901\n[===[===[===\n" in out
    assert "cell, 15 parameters, on its example, mean squared distance" in out
    ways = {row["name"]: row for row in json.loads(report.read_text())["ways"]}
    full, cut = truncated_by_hand(100), truncated_by_hand(4)
    assert ways["chunks of 4"]["error"] == pytest.approx(np.linalg.norm(cut - full) / np.linalg.norm(full), rel=1e-9)
    assert ways["chunks of 4"]["error"] > 0.01
    for name in ("full", "checkpointed, every sqrt(T) steps", "real-time recurrent learning"):
        assert ways[name]["error"] < 1e-12
    status, out, err = run(capsys, "truncate", "--cell", f"{path}:cell", "--hidden", 3)
    assert (status, out) == (2, "")
    assert "--hidden: the file decides that" in err
    status, out, err = run(capsys, "truncate", "--cell", f"{path}:cell", "--text", path)
    assert (status, out) == (2, "")
    assert "--text: the example of the file decides the inputs" in err
