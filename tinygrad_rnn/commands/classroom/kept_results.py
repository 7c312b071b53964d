"""Results of submissions, a file each in a folder, so that a run goes on where it was interrupted."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np

from tinygrad_rnn import files
from tinygrad_rnn.commands.classroom.processes import Limits, Result
from tinygrad_rnn.commands.sources import digest
from tinygrad_rnn.language.current import current


@dataclass(frozen=True)
class Kept:
    """A folder of results. A result holds for a submission and a task as they were; a failure for these limits too."""

    folder: Path
    task: Path
    limits: Limits

    def place(self, submission: Path, name: str) -> Path:
        """Return the path of a submission's result. Its name is made of what every result depends on."""
        parts = [
            current(),
            _judges(),
            platform.python_version(),
            np.__version__,
            name,
            digest(submission),
            digest(self.task),
        ]
        return self.folder / f"{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]}.json"

    def read(self, place: Path) -> Result | None:
        """Return a result that holds; None where there is none, or what it depends on has changed."""
        try:
            result = json.loads(place.read_text(encoding="utf-8"))
            holds = {"status", "words", "found", "told"} <= set(result)
            holds = holds and (result["status"] == "judged" or result["limits"] == asdict(self.limits))
            holds = holds and all(digest(Path(path)) == was for path, was in result["used"].items())
        except (OSError, ValueError, TypeError, AttributeError, KeyError):
            return None
        return result if holds else None

    def write(self, place: Path, result: Result) -> None:
        """Keep a result."""
        files.write(place, json.dumps(result))


@cache
def _judges() -> str:
    """Return the hash of the code that judges: another version of it may find more."""
    package = Path(__file__).parents[2]
    return hashlib.sha256("".join(digest(path) for path in sorted(package.rglob("*.py"))).encode()).hexdigest()
