"""A class of sixty, made of the zoo: two hang, one wants 10 GB, one is a notebook. It is interrupted, and goes on."""

import inspect
import json
import textwrap

import pytest
import zoo
from test_notebooks import write

from tinygrad_rnn import cli, nn
from tinygrad_rnn.commands.classroom import processes

TASK = "cell, function = 'rnn', 'my_bptt'\n"
MISTAKES = {mistake: words for cell, _, mistake, words, *_ in zoo.ZOO if cell is nn.rnn}
WAITS = "import time\nwhile True:\n    time.sleep(1)\n"
EATS = "import numpy as np\nx = np.ones(10 * 2**30 // 8)\n"


def source(mistake):
    """A file of one student: the right derivation, or the one with a mistake."""
    call = f"""
    def my_bptt(params, xs, state, dhs, dlast=None):
        return my_rnn(params, xs, state, dhs, dlast, mistake={mistake!r})
    """
    return "\n\n".join(["import numpy as np\n", inspect.getsource(zoo.my_rnn), textwrap.dedent(call)])


def make(folder):
    """Write the class into a folder, and return which mistake each student makes."""
    wrong = [*MISTAKES]
    made = {f"student_{k:02}.py": wrong[k] if k < len(wrong) else "" for k in range(56)}
    for name, mistake in made.items():
        (folder / name).write_text(source(mistake), encoding="utf-8")
    write(folder / "student_56.ipynb", *source(wrong[0]).split("\n\n\n"))
    for name, text in (("student_57.py", WAITS), ("student_58.py", source("") + WAITS), ("student_59.py", EATS)):
        (folder / name).write_text(text, encoding="utf-8")
    return made | {"student_56.ipynb": wrong[0]}


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
    for student, mistake in made.items():
        assert found[student]["status"] == "judged"
        assert found[student]["right"] == (not mistake)
        assert not mistake or MISTAKES[mistake] in found[student]["mistakes"][0]
    assert [found[f"student_{k}.py"]["status"] for k in (57, 58, 59)] == ["timeout", "timeout", "failed"]
    assert "MemoryError: Unable to allocate 10.0 GiB" in found["student_59.py"]["words"]
