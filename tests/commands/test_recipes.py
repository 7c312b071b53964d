"""The tasks and the recipes of docs/marking.md, carried out by the programs that they are for."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from test_examining import FILE
from test_marking import BOTH, SLIP
from zoo import my_rnn

from tinygrad_rnn import bptt, nn
from tinygrad_rnn.commands import user_code
from tinygrad_rnn.commands.classroom import marks, marks_table, task

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "marking.md").read_text(encoding="utf-8")
RIGHT = BOTH.replace("def f(", "def my_bptt(")
RENAMED = RIGHT.replace('{"W": dW, "U": dU}', '{"weight_ih": dW, "weight_hh": dU}')
WRONG = RENAMED.replace(*SLIP)


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.M | re.S)


def recipe(name):
    return next(text for text in blocks("py") if text.startswith(f"# {name}"))


def run(folder, *command):
    """Run a program in a folder, with this package at hand."""
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, filter(None, sys.path)))}
    variables["PATH"] = os.pathsep.join(
        [str(Path(sys.executable).parent), os.environ["PATH"]]
    )  # nbgrader calls alembic
    for name in ("HOME", "JUPYTER_CONFIG_DIR", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR"):
        variables[name] = str(folder)
    return subprocess.run(
        [sys.executable, *map(str, command)], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )


def needs(package):
    return pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"{package} is not installed")


def judged(folder, number, answer):
    (folder / "task.py").write_text(blocks("python")[number], encoding="utf-8")
    (folder / "answer.py").write_text(answer, encoding="utf-8")
    with task.opened(folder / "task.py") as asked, user_code.opened(folder / "answer.py") as module:
        found = asked.findings(module)[""]
    return {name: g["right"] for name, g in found["gradients"].items()}


def test_the_short_task(tmp_path):
    assert judged(tmp_path, 0, RIGHT) == {"W": True, "U": True}
    assert judged(tmp_path, 0, RIGHT.replace(*SLIP)) == {"W": True, "U": False}


def test_the_open_task(tmp_path):
    answer = FILE.replace("def both", "def loss_and_gradients").replace('{"g1": dW, "g2": dU}', "dW, dU")
    assert judged(tmp_path, 1, answer) == {"W": True, "U": True}


def test_the_page_names_every_key():
    def loss_and_gradient(W):
        return np.sum(W**2), 2 * W

    found = [bptt.examine(loss_and_gradient, np.ones(3)), bptt.doctor(nn.rnn, partial(my_rnn, mistake="sign"))]
    found += [bptt.compare(nn.rnn, nn.init.rnn(np.random.default_rng(0), 2, 3), np.ones((2, 1, 2)))]
    for plain in (one.to_dict() for one in found):
        for key in [*plain, *next(iter(plain["gradients"].values()))]:
            assert f"`{key}`" in PAGE, (plain["kind"], key)
    mark = marks.marks_of({"a": {"status": "judged", "words": "", "found": {}}}, {"W": 1})
    whole = json.loads(marks_table.as_json(mark, 1, "task.py"))
    for key in [*whole, *whole["submissions"][0], *whole["counts"][0]]:
        assert f"`{key}`" in PAGE, key


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "status", "words"), [(RENAMED, 0, "1 passed"), (WRONG, 1, "mistake: in dweight_hh")]
)
def test_pytest(answer, status, words, tmp_path):
    (tmp_path / "homework.py").write_text(answer, encoding="utf-8")
    (tmp_path / "test_homework.py").write_text(recipe("test_homework.py"), encoding="utf-8")
    done = run(tmp_path, "-m", "pytest", "-p", "no:cacheprovider", "test_homework.py")
    assert done.returncode == status, done.stdout
    assert words in done.stdout


@needs("otter")
@pytest.mark.parametrize(("answer", "points"), [(RENAMED, 5), (WRONG, 2)])
def test_otter_grader(answer, points, tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "q1.py").write_text(recipe("tests/q1.py"), encoding="utf-8")
    (tmp_path / "homework.py").write_text(answer, encoding="utf-8")
    ask = (
        "import otter, homework\n"
        "print('score', otter.Notebook(tests_dir='tests').check('q1', global_env=vars(homework)).score)\n"
    )
    done = run(tmp_path, "-c", ask)
    assert f"score {points}" in done.stdout, done.stderr


def cell(name, source, **kind):
    about = {"schema_version": 3, "grade_id": name, "task": False, "grade": False, "locked": False, "solution": False}
    return {
        "cell_type": "code",
        "id": name,
        "metadata": {"nbgrader": about | kind},
        "execution_count": None,
        "outputs": [],
        "source": source,
    }


def notebook(answer):
    cells = [
        cell("answer", answer, solution=True),
        cell("check", recipe('the cell "Autograder tests"'), grade=True, locked=True, points=5),
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


@needs("nbgrader")
@needs("ipykernel")
def test_nbgrader(tmp_path):
    answers = {"source": f"### BEGIN SOLUTION\n{RENAMED}### END SOLUTION\n", "ann": RENAMED, "ben": WRONG}
    for who, answer in answers.items():
        folder = tmp_path / ("source" if who == "source" else f"submitted/{who}") / "ps1"
        folder.mkdir(parents=True)
        (folder / "homework.ipynb").write_text(notebook(answer), encoding="utf-8")
    for step in ("generate_assignment", "autograde"):
        done = run(tmp_path, "-m", "nbgrader", step, "ps1")
        assert done.returncode == 0, done.stderr
    ask = (
        "from nbgrader.api import Gradebook\nwith Gradebook('sqlite:///gradebook.db') as book:\n"
        "    print(*(book.find_submission('ps1', who).score for who in ('ann', 'ben')))\n"
    )
    assert run(tmp_path, "-c", ask).stdout.split() == ["5.0", "2.0"]
