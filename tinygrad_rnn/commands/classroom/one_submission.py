"""The process that judges one submission, and writes what it found into a file.

The process limits itself before it reads anything. That guards against accidents; it is no sandbox.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import math
import os
import signal
import sys
from pathlib import Path
from typing import Any

from tinygrad_rnn import files
from tinygrad_rnn.bptt.diagnosis.failures import told
from tinygrad_rnn.commands import user_code
from tinygrad_rnn.commands.classroom import task
from tinygrad_rnn.commands.classroom.told_mistakes import told as told_of
from tinygrad_rnn.commands.sources import READ, digest
from tinygrad_rnn.language.current import speaking

GRACE = 10
"""Seconds beyond the time of a submission, after which it is ended from outside: for the start of its process."""


def judged(submission: Path, asked: Path) -> dict[str, Any]:
    """Return the result of one submission: status, words, found, and the hashes of the files that it imported."""
    try:
        with task.opened(asked) as what, user_code.opened(submission) as module:
            return _result("judged", "", what.answers(module), submission, asked)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        said = str(error) if isinstance(error, ValueError | TypeError | OSError) else ""
        said = (said or told(error)).replace(f"{submission.resolve().parent}{os.sep}", "")
        return _result("failed", said, {}, submission, asked)


def _result(status: str, words: str, found: task.Findings, submission: Path, asked: Path) -> dict[str, Any]:
    paths = READ - {str(submission.resolve()), str(asked.resolve())}
    return {
        "status": status,
        "words": words,
        "found": {question: part.to_dict() for question, part in found.items()},
        "told": {question: told_of(part) for question, part in found.items()},
        "used": {path: digest(Path(path)) for path in sorted(paths)},
    }


def limit(memory: int, seconds: float) -> None:
    """Limit the memory and the time of this process, where the system can."""
    try:
        import resource
    except ImportError:
        return
    signal.setitimer(signal.ITIMER_REAL, seconds + 2 * GRACE)  # even where nobody watches it any more
    for kind, most in (("RLIMIT_AS", memory), ("RLIMIT_CPU", math.ceil(seconds) + GRACE), ("RLIMIT_CORE", 0)):
        with contextlib.suppress(AttributeError, ValueError, OSError):
            number = getattr(resource, kind)
            _, hard = resource.getrlimit(number)
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(number, (most, most))


def main() -> None:
    """Judge what the one argument says, and end at once, whatever threads there are."""
    end = os._exit
    asked = json.loads(sys.argv[1])
    limit(**asked["limits"])
    with open(asked["trace"], "w", encoding="utf-8") as trace:
        faulthandler.dump_traceback_later(asked["limits"]["seconds"], exit=True, file=trace)  # it says where it hangs
        with speaking(asked["language"]):
            _judge(asked)
    end(0)


def _judge(asked: dict[str, Any]) -> None:
    result = judged(Path(asked["submission"]), Path(asked["task"]))
    files.write(asked["result"], json.dumps(result | {"limits": asked["limits"]}))


if __name__ == "__main__":
    main()
