"""A class of sixty, made of the zoo: two hang, one wants 10 GB, one is a notebook. It is interrupted, and goes on."""

import inspect
import json
import textwrap

import pytest
import zoo
from test_notebooks import write

from tinygrad_rnn import cli, nn
from tinygrad_rnn.commands.classroom import processes

TASK = "cell, function = 'lstm', 'my_bptt'\n"
MISTAKES = [mistake for cell, function, mistake, *_ in zoo.ZOO if cell is nn.lstm]
HANGS = "while True:\n    pass\n"
WAITS = "import time\nwhile True:\n    time.sleep(1)\n"
EATS = "import numpy as np\nx = np.ones(10 * 2**30 // 8)\n"


def source(mistake):
    """A file of one student: the right derivation, or the one with a mistake."""
    parts = ["import numpy as np\n", inspect.getsource(zoo.sigmoid), inspect.getsource(zoo.my_lstm)]
    call = f"""
    def my_bptt(params, xs, state, dhs, dlast=None):
        return my_lstm(params, xs, state, dhs, dlast, mistake={mistake!r})
    """
    return "\n\n".join([*parts, textwrap.dedent(call)])


def make(folder):
    """Write the class into a folder, and return which mistake each student makes."""
    made = {}
    for k in range(56):
        made[f"student_{k:02}.py"] = MISTAKES[k % len(MISTAKES)] if k < 40 else ""
    for name, mistake in made.items():
        (folder / name).write_text(source(mistake), encoding="utf-8")
    write(folder / "student_56.ipynb", *source(MISTAKES[0]).split("\n\n\n"))
    for name, text in (("student_57.py", HANGS), ("student_58.py", source("") + WAITS), ("student_59.py", EATS)):
        (folder / name).write_text(text, encoding="utf-8")
    return made | {"student_56.ipynb": MISTAKES[0]}


@pytest.mark.slow
def test_a_class_of_sixty_is_marked_and_nothing_is_lost_by_an_interrupt(tmp_path, monkeypatch, capsys):
    (tmp_path / "class").mkdir()
    (tmp_path / "task.py").write_text(TASK, encoding="utf-8")
    made = make(tmp_path / "class")
    command = ["mark", tmp_path / "class", "--task", tmp_path / "task.py", "--json", tmp_path / "marks.json"]
    command = [str(part) for part in command]
    judge, asked = processes._Running.judge, []

    def interrupted(self, job, limits):
        asked.append(job.submission.name)
        if len(asked) == 30:
            raise KeyboardInterrupt
        return judge(self, job, limits)

    monkeypatch.setattr(processes._Running, "judge", interrupted)
    assert cli.main(command) == 130
    assert cli.main(command) == 0
    assert len(asked) <= 60 + 1 + 8  # what ran at the interrupt, at most one for each core, is asked again
    found = {s["student"]: s for s in json.loads((tmp_path / "marks.json").read_text(encoding="utf-8"))["submissions"]}
    assert len(found) == 60
    words = {mistake: words for cell, _, mistake, words, *_ in zoo.ZOO if cell is nn.lstm}
    for student, mistake in made.items():
        assert found[student]["status"] == "judged"
        assert found[student]["right"] == (not mistake)
        assert not mistake or words[mistake] in found[student]["mistakes"][0]
    assert [found[f"student_{k}.py"]["status"] for k in (57, 58, 59)] == ["timeout", "timeout", "failed"]
    assert "MemoryError: Unable to allocate 10.0 GiB" in found["student_59.py"]["words"]
