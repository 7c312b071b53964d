"""A process for each submission, some at a time, each with its time. One that hangs or dies stops no other."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tinygrad_rnn.bench.machine import environment
from tinygrad_rnn.bptt.diagnosis.failures import CELL
from tinygrad_rnn.commands.classroom.one_submission import GRACE
from tinygrad_rnn.language.current import current
from tinygrad_rnn.language.saying import say

Result = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One submission to judge, and the file for the result."""

    submission: Path
    task: Path
    result: Path

    @property
    def trace(self) -> Path:
        """The file into which its process says where it is as its time is up."""
        return self.result.with_suffix(".trace")

    def stopped(self) -> str | None:
        """Return at which line it was as its time was up, in words, "" where that is not known; None where it was not.

        The file is taken away.
        """
        try:
            trace = self.trace.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        self.trace.unlink(missing_ok=True)
        if not trace:
            return None
        file = re.escape(str(self.submission.resolve()))
        found = re.search(rf'File "{file}(?:{CELL}(\d+))?", line (\d+)', trace)
        if not found:
            return ""
        if found[1]:
            return say("; it was at cell {cell}, line {line}", cell=found[1], line=found[2])
        return say("; it was at line {line}", line=found[2])


@dataclass(frozen=True)
class Limits:
    """Seconds by the clock, and bytes of memory, of one submission."""

    seconds: float
    memory: int


def run(jobs: list[Job], limits: Limits, at_once: int, done: Callable[[Job, Result | None], None]) -> None:
    """Judge all submissions. `done` is called here, after each: with None where its process wrote the result itself.

    An interrupt ends the processes that run, and passes through.
    """
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    finished: queue.SimpleQueue[tuple[Job, Result | None] | BaseException] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    running = _Running()

    def work() -> None:
        try:
            while not running.stopped:
                job = waiting.get_nowait()
                finished.put((job, running.judge(job, limits)))
        except queue.Empty:
            return
        except BaseException as error:
            finished.put(error)

    threads = [  # each in a copy of this context, which says what language is spoken
        threading.Thread(target=copy_context().run, args=(work,), daemon=True) for _ in range(min(at_once, len(jobs)))
    ]
    try:
        for thread in threads:
            thread.start()
        for _ in jobs:
            answer = finished.get()
            if isinstance(answer, BaseException):
                raise answer
            done(*answer)
    finally:
        running.stop()
        for thread in threads:
            thread.join()


class _Running:
    """The processes that run, which can be ended together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processes: set[subprocess.Popen[bytes]] = set()
        self.stopped = False

    def judge(self, job: Job, limits: Limits) -> Result | None:
        """Run one process to its end. Return what there is to say where it wrote no result."""
        job.result.unlink(missing_ok=True)
        with self._lock:
            if self.stopped:
                return None
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-X",
                    "utf8",
                    "-m",
                    "tinygrad_rnn.commands.classroom.one_submission",
                    _said(job, limits),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=job.submission.parent,  # files of data lie beside it
                env=_variables(),
                start_new_session=True,
            )
            self._processes.add(process)
        try:
            status: int | None = process.wait(limits.seconds + GRACE)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            _end(process)
            with self._lock:
                self._processes.discard(process)
            where = job.stopped()
        if self.stopped or job.result.exists():
            return None
        return _without_a_result(status, limits, where)

    def stop(self) -> None:
        """End all of them, and start no other."""
        with self._lock:
            self.stopped = True
            for process in self._processes:
                _kill(process)


def _said(job: Job, limits: Limits) -> str:
    paths = {"task": job.task, "result": job.result, "trace": job.trace}
    asked = {"submission": job.submission.name, "limits": asdict(limits), "language": current()}
    return json.dumps(asked | {name: str(path.resolve()) for name, path in paths.items()})


def _variables() -> dict[str, str]:
    variables = os.environ | environment(1, None)
    variables["PYTHONPATH"] = os.pathsep.join(os.path.abspath(entry or ".") for entry in sys.path)
    variables["PYTHONHASHSEED"] = "0"
    variables["MPLBACKEND"] = "agg"  # a window would wait for a person
    return variables


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process, with those that it started, and wait for it."""
    _kill(process)
    process.wait()


def _kill(process: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # it leads a session of its own
    else:
        process.kill()


def _without_a_result(status: int | None, limits: Limits, where: str | None) -> Result:
    by_limits = (getattr(signal, "SIGXCPU", None), getattr(signal, "SIGALRM", None))
    if where is not None or status is None or -status in by_limits:
        late = say("no answer within {seconds:g} s{where}", seconds=limits.seconds, where=where or "")
        return _nothing("timeout", late, limits)
    try:
        how = signal.Signals(-status).name if status and status < 0 else say("status {n}", n=status)
    except ValueError:
        how = say("signal {n}", n=-status) if status else say("status {n}", n=0)
    return _nothing("crashed", say("its process ended by {how}, without an answer", how=how), limits)


def _nothing(status: str, words: str, limits: Limits) -> Result:
    return {"status": status, "words": words, "found": {}, "told": {}, "used": {}, "limits": asdict(limits)}
