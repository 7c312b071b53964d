"""Notebooks, wherever a file of Python is taken: their code cells in order, and errors with cell and line."""

import inspect
import io
import json

import pytest
from test_homework import RIGHT

from tinygrad_rnn import cli
from tinygrad_rnn.commands import user_code


def notebook(*cells, language="python", **more):
    """The JSON of a notebook with these code cells, each after a cell of words."""
    words = {"cell_type": "markdown", "metadata": {}, "source": ["# f(:\n", "%"]}
    code = [
        {
            "cell_type": "code",
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": cell.splitlines(keepends=True) if k % 2 else cell,
        }
        for k, cell in enumerate(cells)
    ]
    both = [part for cell in code for part in (words, cell)]
    kernel = {"kernelspec": {"name": "k", "display_name": "K", "language": language}}
    return json.dumps({"cells": both, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5} | more)


def write(path, *cells, **more):
    path.write_text(notebook(*cells, **more), encoding="utf-8")
    return path


IMPORT, FUNCTION = RIGHT.strip().split("\n", 1)


def doctor(path, capsys, function="f"):
    status = cli.main(["doctor", f"{path}:{function}", "--cell", "rnn"])
    said = capsys.readouterr()
    return status, said.out, said.err


@pytest.mark.parametrize(
    "cells",
    [
        (IMPORT, FUNCTION),
        ("%matplotlib inline\n" + IMPORT, "!pip install numpy\n" + FUNCTION),
        (IMPORT + "\nfiles = !ls\nif files:\n    %cd /\n    !ls\nnp.tanh?", FUNCTION),
        ("%%time\n" + IMPORT, "%%bash\nls -la | wc", "%%html\n<b>", FUNCTION),
        (IMPORT, "x = (7\n% 4)\nassert x == 3\ntext = '''\n%d\n'''\nassert text == '\\n%d\\n'", FUNCTION),
        (
            "from __future__ import annotations\n" + IMPORT,
            "",
            FUNCTION.replace("(params,", "(params: Nowhere,"),
            "display(f)\nprint('trained')",
        ),
        (IMPORT + "\nfrom dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\n", FUNCTION),
        (IMPORT, FUNCTION, "if __name__ == '__main__':\n    raise SystemExit"),
    ],
)
def test_the_code_cells_are_one_module(cells, tmp_path, capsys):
    status, out, err = doctor(write(tmp_path / "homework.ipynb", *cells), capsys)
    assert (status, out.splitlines()[:1]) == (0, ["f, BPTT of rnn: right"]), err
    assert [path.name for path in tmp_path.iterdir()] == ["homework.ipynb"]


def test_a_notebook_finds_what_lies_beside_it(tmp_path, capsys):
    (tmp_path / "slopes.py").write_text("slope = lambda h: 1 - h**2\n")
    (tmp_path / "rows.txt").write_text("1 2\n")
    cell = FUNCTION.replace("1 - hs[t + 1] ** 2", "slope(hs[t + 1])")
    beside = "import os; os.chdir(os.path.dirname(__file__)); np.loadtxt('rows.txt')"
    path = write(tmp_path / "homework.ipynb", IMPORT, "from slopes import slope", beside, cell)
    assert doctor(path, capsys)[0] == 0


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ((IMPORT, "x = 1\ndef f(:\n"), "homework.ipynb, cell 2, line 2: invalid syntax\nit cannot be read as Python"),
        ((IMPORT, "\n1 / 0"), "homework.ipynb cannot be run: ZeroDivisionError: division by zero (cell 2, line 2)"),
        (("\nimport nowhere_at_all",), "No module named 'nowhere_at_all' (cell 1, line 2)\nit must be a file"),
        (("def g():\n    return 1 / 0", "\n\ng()"), "division by zero (cell 1, line 2)"),
        (("exit()",), "ends the program: exit() (cell 1, line 1)"),
        ((IMPORT,), "has no function 'f'\nit has none"),
    ],
)
def test_an_error_names_the_cell_and_the_line(cells, words, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())  # exit() closes it
    status, out, err = doctor(write(tmp_path / "homework.ipynb", *cells), capsys)
    assert (status, out) == (2, "")
    assert words in err


def test_an_error_within_the_function_names_the_cell_too(tmp_path, capsys):
    helper = "def slope(h):\n    return 1 / 0"
    path = write(tmp_path / "homework.ipynb", helper, IMPORT, FUNCTION.replace("1 - hs[t + 1] ** 2", "slope(h)"))
    status, out, _ = doctor(path, capsys)
    assert status == 1
    assert "first: NameError: name 'h' is not defined (cell 3, line 8)" in out
    path = write(path, helper, IMPORT, FUNCTION.replace("1 - hs[t + 1] ** 2", "slope(1)"))
    assert "first: ZeroDivisionError: division by zero (cell 1, line 2)" in doctor(path, capsys)[1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "homework.ipynb: this is no notebook: Expecting"),
        ("[]", "this is no notebook: it has no cells\nopen it in Jupyter and save it, or give a .py"),
        ('{"cells": 3}', "this is no notebook: it has no cells"),
        ('{"worksheets": []}', "a notebook of an old format\nopen it in Jupyter"),
        (notebook("1", language="R"), "this notebook is written in R\ngive one that is written in Python"),
        (b"\xff\xfe", "this is no notebook: 'utf-8' codec"),
        ("[" * 100_000, "this is no notebook"),
    ],
)
def test_what_is_no_notebook_is_told(text, words, tmp_path, capsys):
    path = tmp_path / "homework.ipynb"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    status, out, err = doctor(path, capsys)
    assert (status, out) == (2, "")
    assert words in err
    assert len(err.splitlines()) == 2


def test_a_byte_order_mark_is_no_part_of_it(tmp_path, capsys):
    path = tmp_path / "homework.ipynb"
    path.write_text(notebook(IMPORT, FUNCTION), encoding="utf-8-sig")
    assert doctor(path, capsys)[0] == 0


def test_python_finds_the_source_of_a_cells_function(tmp_path):
    path = write(tmp_path / "homework.ipynb", "%pylab\n", FUNCTION)
    with user_code.opened(path) as module:
        assert inspect.getsource(module.f).strip() == FUNCTION.strip()


def test_a_cell_of_a_notebook_is_derived(tmp_path, capsys):
    cells = (
        "import numpy as np",
        "def cell(p, x, h):\n    return np.tanh(x @ p['W'] + h @ p['U'])",
        "def example(rng, T, B):\n    return {'W': rng.normal(size=(2, 3)), 'U': rng.normal(size=(3, 3))}, "
        "rng.normal(size=(T, B, 2)), np.zeros((B, 3))",
    )
    assert cli.main(["derive", "--cell", f"{write(tmp_path / 'mine.ipynb', *cells)}:cell"]) == 0
    assert "∂L/∂U = Σ_t h_{t-1} δ_tᵀ" in capsys.readouterr().out
