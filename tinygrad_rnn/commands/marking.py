"""`tinygrad-rnn mark`: a folder of submissions, judged one by one, each in a process of its own."""

from __future__ import annotations

import argparse
import contextlib
import re
import sys
import time
from pathlib import Path

from tinygrad_rnn import files
from tinygrad_rnn.bench.machine import cores
from tinygrad_rnn.commands.classroom import marks_page, marks_table, processes, task
from tinygrad_rnn.commands.classroom.hints import LEVELS
from tinygrad_rnn.commands.classroom.kept_results import Kept
from tinygrad_rnn.commands.classroom.marks import marks_of
from tinygrad_rnn.commands.common import at_least, folder, place, seconds
from tinygrad_rnn.commands.parser import Commands, add_command
from tinygrad_rnn.commands.progress_line import ProgressLine, on_terminal
from tinygrad_rnn.commands.sources import READ
from tinygrad_rnn.commands.streams import require_outputs, tell, write
from tinygrad_rnn.core.counting import clock
from tinygrad_rnn.language.saying import listed, say

UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}
LEAST = 256 * UNITS["M"]
"""The memory that Python and NumPy need before they read a submission."""
STATE = ".marks"
"""The folder for results, within that of the submissions."""
Submissions = dict[str, Path]
"""The submissions by student: the path of the file from the folder."""


def add(commands: Commands) -> None:
    """Add the command and its arguments."""
    mark = add_command(
        commands,
        "mark",
        "examine a folder of submissions, .py and .ipynb: points, mistakes, hints, a page for the teacher",
        "submissions --task task.py",
        "submissions --task task.py --hints 2 --csv marks.csv --html marks.html",
    )
    mark.add_argument("folder", type=folder, help="folder of submissions; folders within it are looked through")
    mark.add_argument(
        "--task", type=folder, required=True, metavar="TASK.py", help="what is asked: see docs/marking.md"
    )
    mark.add_argument("--timeout", type=seconds, default=20.0, help="seconds for each submission (default: 20)")
    mark.add_argument("--memory", type=_memory, default="1G", help="memory for each submission (default: 1G)")
    mark.add_argument("--jobs", type=at_least(1), help="number of submissions at a time (default: one for each core)")
    mark.add_argument(
        "--hints",
        type=int,
        choices=list(LEVELS),
        default=1,
        help=f"what a student is told: {'; '.join(f'{k} {what}' for k, what in LEVELS.items())} (default: 1)",
    )
    mark.add_argument("--json", type=place, metavar="FILE", help="write all findings into this file as JSON")
    mark.add_argument("--csv", type=place, metavar="FILE", help="write a row for each student into this file")
    mark.add_argument("--html", type=place, metavar="FILE", help="write a page for the teacher into this file")
    mark.add_argument(
        "--state", type=folder, metavar="FOLDER", help=f"keep results in this folder (default: {STATE} in the folder)"
    )
    mark.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Judge what is not judged yet, and write the marks of all."""
    outputs = [options.json, options.csv, options.html]
    with task.opened(options.task) as asked:
        points = asked.points
    submissions = _submissions(options.folder, options.task)
    files.require_apart("mark", options.task, *outputs)
    require_outputs("mark", *outputs)
    for path in outputs:
        if path is not None:
            files.require_apart("mark", path, *submissions.values())
    state = options.state or options.folder / STATE
    with files.alone(state):
        results = _judged(options, submissions, state)
    # A file that a judged submission imports, and that answers nothing itself, is a part of that one.
    judged = [result for result in results.values() if result["status"] == "judged"]
    parts = {path for result in judged for path in result["used"]}
    whole = [s for s, result in results.items() if result in judged or str(submissions[s].resolve()) not in parts]
    marks = marks_of({student: results[student] for student in whole}, points)
    if unseen := [name for name in marks[0].scale if not any(name in mark.gradients for mark in marks)]:
        _say(say("mark: points of {names}: no submission has that gradient", names=listed(unseen)))
    tell(marks_table.text(marks, options.hints), *outputs)
    name = options.task.name
    for path, text in (
        (options.json, marks_table.as_json(marks, options.hints, name)),
        (options.csv, marks_table.as_csv(marks, options.hints)),
        (options.html, marks_page.page(marks, options.hints, name)),
    ):
        if path is not None:
            write(path, text)
    return 0


def _submissions(folder: Path, task: Path) -> Submissions:
    """Return the files of a folder and of those within it, but for the task, and what it imports.

    Names that begin with a dot or two underscores are left out.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: {'is no folder' if folder.exists() else 'there is no such folder'}\ngive a folder")
    found, of_the_task = {}, READ | {str(task.resolve())}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith((".", "__")) for part in inside.parts)
        if (
            not hidden
            and path.suffix in (".py", ".ipynb")
            and path.is_file()
            and str(path.resolve()) not in of_the_task
        ):
            found["".join(c if c.isprintable() else repr(c)[1:-1] for c in inside.as_posix())] = path
    if not found:
        raise ValueError(f"{folder}: no .py and no .ipynb in it\ngive the folder of the submissions")
    return found


def _judged(options: argparse.Namespace, submissions: Submissions, state: Path) -> dict[str, processes.Result]:
    """Return the results of all students. Those that are kept are taken as they are."""
    limits = processes.Limits(options.timeout, options.memory)
    kept = Kept(state, options.task, limits)
    places = {student: kept.place(path, student) for student, path in submissions.items()}
    results = {student: result for student, where in places.items() if (result := kept.read(where)) is not None}
    jobs = {
        student: processes.Job(path, options.task, places[student])
        for student, path in submissions.items()
        if student not in results
    }
    if results:
        there, of = len(results), len(submissions)
        _say(say("mark: {n} of {all} results are there from an earlier run", n=there, all=of))
    students = {where: student for student, where in places.items()}
    line = _Line(len(jobs)) if on_terminal() else None

    def done(job: processes.Job, result: processes.Result | None) -> None:
        if result is not None:
            kept.write(job.result, result)
        if line:
            line.step(students[job.result])

    stopped: KeyboardInterrupt | None = None
    try:
        processes.run(list(jobs.values()), limits, options.jobs or cores(), done)
    except KeyboardInterrupt as interrupt:
        stopped = interrupt
        raise
    finally:
        if line:
            line.end()
        if stopped:
            there = sum(where.exists() for where in places.values())
            words = say(
                "stopped, {n} of {all} results are kept: the same command goes on from there", n=there, all=len(places)
            )
            if type(stopped) is KeyboardInterrupt:
                stopped.args = (words,)  # the one line that is said
            else:
                _say(f"mark: {words}")
    lost = {"status": "crashed", "words": say("its result could not be read"), "found": {}, "told": {}}
    return {student: results.get(student) or kept.read(where) or lost for student, where in places.items()}


class _Line:
    """The line of progress of a class."""

    def __init__(self, jobs: int) -> None:
        self._line, self._jobs, self._done = ProgressLine(("name", "left", "bar")), jobs, 0

    def step(self, name: str) -> None:
        """Count one submission, and show how many are left."""
        self._done += 1
        full = 20 * self._done // self._jobs
        left = (time.perf_counter() - self._line.started) / self._done * (self._jobs - self._done)
        self._line.show(
            {
                "done": f"{self._done}/{self._jobs}",
                "bar": f"[{'#' * full}{'.' * (20 - full)}]",
                "left": say("{time} left", time=clock(left)),
                "name": name,
            }
        )

    def end(self) -> None:
        """End the line."""
        self._line.end()


def _say(words: str) -> None:
    """Say something that is no part of the table."""
    with contextlib.suppress(OSError):
        print(words, file=sys.stderr, flush=True)


def _memory(value: str) -> int:
    """Return a number of bytes, for argparse: 1G, 512M."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMG])?i?B?", value.strip(), flags=re.IGNORECASE)
    if not found:
        raise argparse.ArgumentTypeError(f"{value!r} is no amount of memory, as 1G or 512M")
    size = round(float(found[1]) * UNITS[(found[2] or "K").upper()] / (1 if found[2] else UNITS["K"]))
    if size < LEAST:
        raise argparse.ArgumentTypeError(f"{value} is less than the 256M that Python and NumPy need")
    return size
