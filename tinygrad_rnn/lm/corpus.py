"""The text of a file, or of *The Time Machine*, which is fetched once, checked and kept."""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from pathlib import Path

from tinygrad_rnn import files
from tinygrad_rnn.lm.text import clean

TIME_MACHINE = "http://d2l-data.s3-accelerate.amazonaws.com/timemachine.txt"
TIME_MACHINE_SHA1 = "090b5e7e70c295757f55df93cb0a180b9691891a"


def load(source: str | os.PathLike[str], characters: int | None = None) -> str:
    """Return the cleaned text of a UTF-8 file, or of *The Time Machine* for "timemachine"; at most `characters` of it.

    Raises ValueError for a text without letters; OSError where a file cannot be read or fetched.
    """
    path = time_machine() if str(source) == "timemachine" else source
    text = clean(files.read_text(path))[:characters]
    if not text.strip():
        raise ValueError(f"{source}: a text without letters\nonly a to z count, and what is between them is one space")
    return text


def time_machine(cache: Path | None = None) -> Path:
    """Return the file of H. G. Wells' *The Time Machine* that D2L uses, from the cache or fetched into it.

    Raises OSError, which says how to do without a network, where it cannot be fetched or is not what it should be.
    """
    folder = cache or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tinygrad_rnn"
    path = folder / "timemachine.txt"
    if path.exists() and _sha1(path.read_bytes()) == TIME_MACHINE_SHA1:
        return path
    remedy = "pass a text of your own: --text FILE"
    try:
        with urllib.request.urlopen(TIME_MACHINE, timeout=30) as answer:
            content = answer.read()
    except (urllib.error.URLError, OSError) as error:
        raise OSError(f"timemachine: {TIME_MACHINE} cannot be fetched ({error})\n{remedy}") from error
    if _sha1(content) != TIME_MACHINE_SHA1:
        raise OSError(
            f"timemachine: what came from {TIME_MACHINE} is not the text (sha1 {_sha1(content)}, expected "
            f"{TIME_MACHINE_SHA1})\ntry again, or {remedy}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    return files.write(path, content)


def _sha1(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()
