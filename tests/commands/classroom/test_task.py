"""TASK.py: what a teacher may write, and what is told of what no task is."""

import pytest

from tinygrad_rnn.commands import user_code
from tinygrad_rnn.commands.classroom import task

CELL = """
import numpy as np
def cell(params, x, h):
    return np.tanh(x @ params["W"] + h @ params["U"])
def example(rng, T, B):
    params = {"W": rng.normal(0, 0.5, (2, 3)), "U": rng.normal(0, 0.5, (3, 3))}
    return params, rng.standard_normal((T, B, 2)), np.zeros((B, 3))
"""
ANSWER = """
import numpy as np
def my_bptt(params, xs, state, dhs):
    hs, W, U, d = [state[0]], 0, 0, 0
    for x in xs:
        hs.append(np.tanh(x @ params["W"] + hs[-1] @ params["U"]))
    for t in reversed(range(len(xs))):
        z = (dhs[t] + d) * (1 - hs[t + 1] ** 2)
        W, U, d = W + xs[t].T @ z, U + hs[t].T @ z, z @ params["U"].T
    return {"W": W, "U": U}
def loss_and_gradients(params, xs):
    h, loss = np.zeros((1, 3)), 0
    for x in xs:
        h = np.tanh(x @ params["W"] + h @ params["U"])
        loss = loss + np.sum(h)
    g = my_bptt(params, xs, (np.zeros((1, 3)),), np.ones((len(xs), 1, 3)))
    return loss, g
"""
OPEN = (
    CELL
    + """
from tinygrad_rnn import bptt
def examine(module):
    params, xs, state = example(np.random.default_rng(0), 3, 1)
    return {found}
"""
)
EXAMINED = "bptt.examine(module.loss_and_gradients, params, xs)"
DIAGNOSED = "bptt.doctor(cell, module.my_bptt, example=example)"
COMPARED = "bptt.compare(cell, params, xs, module.my_bptt, state)"


def judged(folder, text, answer=ANSWER):
    (folder / "task.py").write_text(text, encoding="utf-8")
    (folder / "answer.py").write_text(answer, encoding="utf-8")
    with task.opened(folder / "task.py") as asked, user_code.opened(folder / "answer.py") as module:
        return asked.findings(module), asked.points


@pytest.mark.parametrize("function", ["'my_bptt'", "('nope', 'my_bptt')", "['my_bptt']"])
def test_the_doctors_form(function, tmp_path):
    found, points = judged(tmp_path, f"{CELL}\nfunction = {function}\npoints = {{'W': 2, 'U': 0.5}}\n")
    assert (found[""]["kind"], found[""]["right"]) == ("diagnosis", True)
    assert points == {"W": 2, "U": 0.5}


@pytest.mark.parametrize(
    ("found", "kinds"),
    [
        (EXAMINED, {"": "examination"}),
        (DIAGNOSED, {"": "diagnosis"}),
        (COMPARED, {"": "comparison"}),
        (f"[{EXAMINED}, {COMPARED}]", {"1": "examination", "2": "comparison"}),
        (f"{{'a': {EXAMINED}}}", {"a": "examination"}),
    ],
)
def test_the_open_form(found, kinds, tmp_path):
    answer, points = judged(tmp_path, OPEN.replace("{found}", found))
    assert points is None
    assert {name: part["kind"] for name, part in answer.items()} == kinds
    assert all(part["right"] for part in answer.values())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1", "task.py: no task in it: no cell, no function and no examine of its own\nwrite def examine(module)"),
        ("from tinygrad_rnn.bptt import examine", "no task in it: no cell, no function and no examine of its own\n"),
        ("cell = 'rnn'", "no task in it: a cell, but no function\n"),
        ("function = 'f'", "no task in it: a function, but no cell\n"),
        ("cell, function = 'rnn', 3", "function is 3\ngive the name of the function that students write"),
        ("cell, function = 'rnn', ()", "function is ()\n"),
        ("cell = 'rnn'\ndef function(): pass", "function is <function function"),
        ("def examine(): pass", "examine() cannot be called with a submission\nwrite def examine(module)"),
        ("cell, function = 'rnn', 'f'\ndef examine(m): pass", "examine, and cell and function too\n"),
        ("cell, function = 'elman', 'f'", "cell is 'elman'\ngive a function, or one of rnn"),
        ("cell, function = 'rnn', 'f'\npoints = {}", "points is {}\ngive points by gradient"),
        ("cell, function = 'rnn', 'f'\npoints = {'W': 'two'}", "points is {'W': 'two'}\n"),
        ("cell, function = 'rnn', 'f'\npoints = {'W': -1}", "points is {'W': -1}\n"),
        ("cell, function = 'rnn', 'f'\npoints = {'W': True}", "points is {'W': True}\n"),
        ("def examine(module): return 3", "task.py: examine(module) returned int\nreturn what bptt.examine"),
        ("def examine(module): return {}", "task.py: examine(module) returned dict\n"),
        ("def examine(module): return module.nope", "answer.py has no function 'nope'\nit has my_bptt, loss_and"),
        (
            "def examine(module): return [][1]",
            "task.py could not be carried out: IndexError: list index out of range (line 1",
        ),
        ("cell, function = 'rnn', 'nope'", "answer.py has no function 'nope'\n"),
        ("1 / 0", "task.py cannot be run: ZeroDivisionError"),
    ],
)
def test_what_is_no_task_is_told(text, words, tmp_path):
    with pytest.raises((ValueError, TypeError)) as error:
        judged(tmp_path, text)
    assert words in str(error.value)
    assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("none.py", "none.py: there is no such file\ngive the file that says what is asked: see docs/marking.md"),
        (".", "is no file\ngive the file that says"),
        ("task.py:examine", "task.py:examine: there is no such file\nleave the name away: --task "),
    ],
)
def test_a_path_that_leads_to_no_task_is_told(given, words, tmp_path):
    (tmp_path / "task.py").write_text(OPEN.replace("{found}", EXAMINED), encoding="utf-8")
    with pytest.raises(ValueError) as error, task.opened(tmp_path / given):  # noqa: PT011  # the words follow
        pass
    assert words in str(error.value)


def test_a_file_beside_the_task_does_not_stand_for_one_beside_the_submission(tmp_path):
    (tmp_path / "teacher").mkdir()
    (tmp_path / "teacher" / "helper.py").write_text(CELL, encoding="utf-8")
    (tmp_path / "helper.py").write_text(ANSWER, encoding="utf-8")
    (tmp_path / "teacher" / "task.py").write_text("from helper import *\nfunction = 'my_bptt'\n", encoding="utf-8")
    (tmp_path / "answer.py").write_text("from helper import my_bptt\n", encoding="utf-8")
    with task.opened(tmp_path / "teacher" / "task.py") as asked, user_code.opened(tmp_path / "answer.py") as module:
        assert asked.findings(module)[""]["right"]
