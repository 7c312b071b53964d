"""`tinygrad-rnn mark`: a class of right, wrong, hanging, ending and greedy submissions, from the files to the marks."""

import contextlib
import csv
import io
import json
import os
import select
import shutil
import sys

import pytest
from test_homework import RIGHT
from test_notebooks import write

from tinygrad_rnn import cli
from tinygrad_rnn.commands import marking
from tinygrad_rnn.commands.classroom import processes

pytestmark = pytest.mark.slow

TASK = """
cell, function = "rnn", ("f", "my_bptt")
names = {"W": "weight_ih", "U": "weight_hh"}
points = {"W": 2, "U": 3}
"""
BOTH = RIGHT.replace("dU, dh = np.zeros_like(U), 0", "dW, dU, dh = np.zeros_like(W), np.zeros_like(U), 0")
BOTH = BOTH.replace("dU += dz.T @ hs[t]; ", "dW += dz.T @ xs[t]; dU += dz.T @ hs[t]; ")
BOTH = BOTH.replace('{"weight_hh": dU}', '{"W": dW, "U": dU}')
SLIP = ("dU += dz.T @ hs[t];", "dU += dz.T @ hs[t + 1];")
IMPORT, FUNCTION = BOTH.strip().split("\n", 1)

CLASS = {
    "ann.py": BOTH,
    "ben.py": BOTH.replace(*SLIP),
    "cat.py": BOTH.replace("def f(", "def my_bptt(").replace(*SLIP),
    "deb.py": BOTH.replace('{"W": dW, "U": dU}', '{"W": dW}'),
    "eve.py": BOTH + "\nimport sys\nsys.exit()\n",
    "fay.py": "import nowhere_at_all\n" + BOTH,
    "gil/mine.py": "from helper import np\n" + BOTH.replace("import numpy as np", ""),
    "gil/helper.py": "import numpy as np\n",
    "hal.py": BOTH + "\nprint('x' * 10**6)\nfor _ in range(10):\n    f\nprint('trained')\n",
    "ida.py": "def f(:\n",
    "jim.py": BOTH + "\neaten = []\nwhile True:\n    eaten.append(np.ones(10**6))\n",
    "kim.py": "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n",
    "leo.py": BOTH + "\nimport threading, time\nthreading.Thread(target=time.sleep, args=(10**6,)).start()\n",
    "mia.py": BOTH + "\nopen('rows.txt').read()\ninput\n",
    "=ned.py": BOTH + "\ntry:\n    input()\nexcept EOFError:\n    pass\n",
    "<b>&.py": BOTH.replace("dh = dz @ U", "dh = dz @ U.T"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A class, its task beside it, and a notebook."""
    folder = tmp_path_factory.mktemp("class")
    for name, source in CLASS.items():
        path = folder / "submitted" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(source, encoding="utf-8")
    write(folder / "submitted" / "zoe.ipynb", "%pip install numpy\n" + IMPORT, FUNCTION.replace(*SLIP), "f")
    (folder / "submitted" / ".ipynb_checkpoints").mkdir()
    write(folder / "submitted" / ".ipynb_checkpoints" / "zoe.ipynb", IMPORT)
    (folder / "submitted" / "rows.txt").write_text("1\n")
    (folder / "task.py").write_text(TASK, encoding="utf-8")
    return folder


def mark(folder, *arguments, timeout=300):
    out = io.StringIO()
    before = sys.stdout
    try:
        sys.stdout = out
        command = ["mark", folder / "submitted", "--task", folder / "task.py", "--timeout", timeout, *arguments]
        status = cli.main([str(part) for part in command])
    finally:
        sys.stdout = before
    return status, out.getvalue()


@pytest.fixture(scope="module")
def marked(folder):
    files = [option for kind in ("json", "csv", "html") for option in (f"--{kind}", folder / f"marks.{kind}")]
    status, out = mark(folder, *files)
    assert status == 0
    return out, json.loads((folder / "marks.json").read_text(encoding="utf-8"))


def by_student(marked):
    return {entry["student"]: entry for entry in marked[1]["submissions"]}


def test_every_submission_has_its_mark(marked):
    found = {name: (entry["status"], entry["points"]) for name, entry in by_student(marked).items()}
    assert found == {
        "<b>&.py": ("judged", 0),
        "=ned.py": ("judged", 5),
        "ann.py": ("judged", 5),
        "ben.py": ("judged", 2),
        "cat.py": ("judged", 2),
        "deb.py": ("judged", 2),
        "eve.py": ("failed", 0),
        "fay.py": ("failed", 0),
        "gil/mine.py": ("judged", 5),
        "hal.py": ("judged", 5),
        "ida.py": ("failed", 0),
        "jim.py": ("failed", 0),
        "kim.py": ("crashed", 0),
        "leo.py": ("judged", 5),
        "mia.py": ("judged", 5),
        "zoe.ipynb": ("judged", 2),
    }


@pytest.mark.parametrize(
    ("student", "words"),
    [
        ("ann.py", "right"),
        ("ben.py", "wrong: dU, first at step 0 of T = 1 steps"),
        ("deb.py", "right\nnot given: dU"),
        ("eve.py", "eve.py ends the program: exit() (line 15)"),
        ("fay.py", "fay.py cannot be run: ModuleNotFoundError: No module named 'nowhere_at_all' (line 1)"),
        ("ida.py", "ida.py, line 1: invalid syntax"),
        ("jim.py", "jim.py cannot be run: MemoryError"),
        ("kim.py", "its process ended by SIGSEGV, without an answer"),
    ],
)
def test_a_student_is_told(student, words, marked):
    assert by_student(marked)[student]["hint"].startswith(words)
    assert any(line.startswith(student) and "; ".join(words.splitlines()) in line for line in marked[0].splitlines())


def test_the_teacher_sees_how_many_made_which_mistake(marked, folder):
    page = (folder / "marks.html").read_text(encoding="utf-8")
    assert "   3 of 16: in dU: h[t] for h[t-1]\n" in marked[0]
    assert '<td class="number">3 of 16</td><td>in dU: h[t] for h[t-1]</td>' in page
    assert {"count": 3, "of": 16, "what": "in dU: h[t] for h[t-1]"} in marked[1]["counts"]
    assert "16 submissions: 6 right, 5 wrong, 5 without an answer. Points: dW 2, dU 3." in page
    assert "in dU, dz[t].T @ h[t] stands in the place of dz[t].T @ h[t-1]" in page
    assert "&lt;b&gt;&amp;.py" in page
    assert "<b>" not in page


def test_the_json_holds_every_finding(marked):
    found = by_student(marked)["ben.py"]
    assert found["gradients"] == {"W": True, "U": False}
    assert found["found"][""]["kind"] == "diagnosis"
    assert found["found"][""]["gradients"]["U"] == {"right": False, "wrong": "at T = 1, 2, 3, 7, 20"}
    assert (marked[1]["kind"], marked[1]["task"], marked[1]["of"]) == ("marks", "task.py", 5)


def test_the_csv_is_a_table_in_which_nothing_is_a_formula(marked, folder):
    rows = [*csv.DictReader(io.StringIO((folder / "marks.csv").read_text(encoding="utf-8")))]
    assert len(rows) == 16
    assert rows[1]["student"] == "'=ned.py"
    assert rows[3] == {
        "student": "ben.py",
        "status": "judged",
        "points": "2",
        "of": "5",
        "dW": "2",
        "dU": "0",
        "hint": "wrong: dU, first at step 0 of T = 1 steps",
    }


def test_hints_never_hold_what_belongs_there(marked, folder, capfd):
    for level in range(4):
        status, out = mark(folder, "--hints", level)
        assert status == 0
        line = next(line for line in out.splitlines() if line.startswith("ben.py"))
        assert "h[t-1]" not in line
        assert ("dU" in line) == (level >= 1)
        assert ("the first wrong quantity: dU" in line) == (level >= 2)
        assert line.endswith("mistake: in dU, dz[t].T @ h[t] does not belong there") == (level >= 3)
    assert "17 of 17 results are there from an earlier run" in capfd.readouterr().err


def test_a_second_run_gives_the_same_bytes(marked, folder, tmp_path):
    shutil.copytree(folder / "submitted" / ".marks", tmp_path / "state")
    for kept in sorted((tmp_path / "state").glob("*.json"))[::3]:  # a third is judged anew
        kept.unlink()
    files = [option for kind in ("json", "csv", "html") for option in (f"--{kind}", tmp_path / f"marks.{kind}")]
    _, out = mark(folder, *files, "--state", tmp_path / "state", "--jobs", 1)
    assert out.splitlines()[:-3] == marked[0].splitlines()[:-3]
    for kind in ("json", "csv", "html"):
        assert (tmp_path / f"marks.{kind}").read_bytes() == (folder / f"marks.{kind}").read_bytes()


# ------------------------------------------------------------------------------------------------ time and interrupts


@pytest.fixture
def small(tmp_path):
    """A class of three that need no time: they fail at once."""
    (tmp_path / "submitted").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "submitted" / f"{name}.py").write_text(f"raise ValueError('{name}')\n")
    (tmp_path / "task.py").write_text(TASK, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("trace", "words"),
    [
        ('Timeout (0:00:04)!\nThread 0x1 (most recent call first):\n  File "x.py", line 3 in f\n', ""),
        (
            'Timeout\n  File "np.py", line 3 in g\n  File "{a}", line 7 in f\n  File "{a}", line 9\n',
            "; it was at line 7",
        ),
        ('Timeout\n  File "{a}, cell 2", line 7 in f\n', "; it was at cell 2, line 7"),
        ("", None),
    ],
)
def test_what_hangs_is_told_with_the_line(trace, words, tmp_path):
    job = processes.Job(tmp_path / "a.py", tmp_path / "task.py", tmp_path / "result.json")
    assert job.stopped() is None
    job.trace.write_text(trace.replace("{a}", str(tmp_path / "a.py")), encoding="utf-8")
    assert job.stopped() == words
    assert not job.trace.exists() or not trace


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="asks Linux whether a process has ended")
def test_one_that_hangs_is_stopped_with_all_that_it_started(tmp_path):
    (tmp_path / "submitted").mkdir()
    (tmp_path / "task.py").write_text(TASK, encoding="utf-8")
    hanging = (
        "import subprocess, sys\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(10**6)'])\n"
        "open('pid', 'w').write(str(p.pid))\nwhile True: pass\n"
    )
    (tmp_path / "submitted" / "a.py").write_text(hanging)
    status, out = mark(tmp_path, timeout=4)
    assert status == 0
    assert out.startswith("a.py  0/5  no answer within 4 s")
    assert "1 of 1: no answer within 4 s\n" in out
    assert [path.suffix for path in (tmp_path / "submitted" / ".marks").iterdir()] == [".json"]
    started = int((tmp_path / "submitted" / "pid").read_text())
    with contextlib.suppress(ProcessLookupError):  # it is gone
        handle = os.pidfd_open(started)
        assert select.select([handle], [], [], 60)[0]  # readable as soon as it has ended
        os.close(handle)


def test_a_run_that_is_interrupted_goes_on_where_it_stopped(small, monkeypatch, capfd):
    judge, asked = processes._Running.judge, []

    def interrupted(self, job, limits):
        asked.append(job.submission.name)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return judge(self, job, limits)

    monkeypatch.setattr(processes._Running, "judge", interrupted)
    status, out = mark(small, "--jobs", 1)
    assert (status, out) == (130, "")
    assert "stopped, 2 of 3 results are kept: the same command goes on from there" in capfd.readouterr().err
    status, out = mark(small, "--jobs", 1)
    assert (status, asked) == (0, ["a.py", "b.py", "c.py", "c.py"])
    assert [line.split()[0] for line in out.splitlines()[:3]] == ["a.py", "b.py", "c.py"]


def test_what_changed_is_judged_again(small, monkeypatch):
    judge, asked = processes._Running.judge, []
    monkeypatch.setattr(
        processes._Running,
        "judge",
        lambda self, job, limits: asked.append(job.submission.name) or judge(self, job, limits),
    )
    mark(small)
    del asked[:]
    (small / "submitted" / "b.py").write_text("import helper\n")
    (small / "submitted" / "helper").mkdir()
    (small / "submitted" / "helper" / "__init__.py").write_text("f = 1\n")
    mark(small)
    assert asked == ["b.py"]
    (small / "submitted" / "helper" / "__init__.py").write_text("f = 2\n")
    mark(small)
    assert asked == ["b.py", "b.py"]
    for kept in (small / "submitted" / ".marks").iterdir():
        kept.write_text("{")
    mark(small)
    assert len(asked) == 5
    (small / "task.py").write_text(TASK + "\n")
    mark(small)
    assert len(asked) == 8


def test_with_more_time_only_what_gave_no_answer_is_judged_again(marked, folder, monkeypatch):
    judge, asked = processes._Running.judge, []
    monkeypatch.setattr(
        processes._Running,
        "judge",
        lambda self, job, limits: asked.append(job.submission.name) or judge(self, job, limits),
    )
    _, out = mark(folder, timeout=301)
    assert sorted(asked) == ["eve.py", "fay.py", "helper.py", "ida.py", "jim.py", "kim.py"]
    assert out.splitlines() == marked[0].splitlines()[:-3]


# ------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none"], "none: there is no such folder\ngive a folder"),
        (["empty"], "empty: no .py and no .ipynb in it\ngive the folder of the submissions"),
        (["task.py"], "task.py: is no folder"),
        (["submitted", "--json", "submitted/a.py"], "are the same file"),
        (["submitted", "--json", "none/m.json"], "there is no folder"),
        (["submitted", "--task", "none.py"], "none.py: there is no such file"),
    ],
)
def test_what_cannot_be_marked_is_refused_before_the_run(arguments, words, small, monkeypatch, capsys):
    monkeypatch.chdir(small)
    (small / "empty").mkdir()
    (small / "empty" / "__init__.py").touch()
    assert cli.main(["mark", "--task", "task.py", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert not (small / "submitted" / ".marks").exists()


@pytest.mark.parametrize("memory", ["1X", "", "12M", "-1G", "nan"])
def test_memory_has_a_unit_and_is_enough(memory, small, capsys):
    with pytest.raises(SystemExit):
        cli.main(["mark", str(small), "--task", "x", f"--memory={memory}"])
    said = capsys.readouterr().err
    assert "less than the 256M" in said or "is no amount of memory, as 1G or 512M" in said


@pytest.mark.parametrize("columns", [2, 10, 40, 200])
def test_the_line_of_progress_fits_the_terminal(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    line = marking._Line(3)
    for name in ("ann.py", "ben.py", "cat.py"):
        line.step(name)
    line.end()
    *shown, wiped, after = sys.stderr.getvalue().split("\r")[1:]
    assert [len(each) for each in shown] == [columns - 1] * 3
    assert shown[-1].startswith("3/3"[: columns - 1])
    assert (wiped, after) == (" " * (columns - 1), "")


def test_two_that_import_each_other_and_fail_are_both_marked(small):
    (small / "submitted" / "a.py").write_text("import b\n")
    (small / "submitted" / "b.py").write_text("import a\n")
    assert [line.split()[0] for line in mark(small)[1].splitlines()[:3]] == ["a.py", "b.py", "c.py"]


def test_points_that_no_submission_has_are_told(small, capfd):
    mark(small)
    assert "mark: points of W, U: no submission has that gradient" in capfd.readouterr().err
