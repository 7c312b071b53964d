"""The text of a file, or of *The Time Machine*, which is fetched once, checked and kept; a part of it held out."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from tinygrad_rnn import files
from tinygrad_rnn.lm.alphabet import kind_of
from tinygrad_rnn.lm.decoding import read
from tinygrad_rnn.lm.text import clean

TIME_MACHINE = "http://d2l-data.s3-accelerate.amazonaws.com/timemachine.txt"
TIME_MACHINE_SHA1 = "090b5e7e70c295757f55df93cb0a180b9691891a"


def load(
    source: str | os.PathLike[str], characters: int | None = None, alphabet: str = "auto", encoding: str = "utf-8"
) -> str:
    """Return the text of a file, or of *The Time Machine* for "timemachine"; at most `characters` of it.

    alphabet: "letters" cleans it to a to z and spaces, "all" keeps each character, "auto" takes what suits the text.

    Raises ValueError for a text of which nothing is kept; OSError where a file cannot be read or fetched.
    """
    whole = read(time_machine() if str(source) == "timemachine" else source, encoding)
    if (kind_of(whole) if alphabet == "auto" else alphabet) == "all":
        if not (text := whole[:characters]):
            raise ValueError(f"{source}: an empty text\ngive a text of several lines")
        return text
    text = clean(whole)[:characters]
    if not text.strip():
        raise ValueError(
            f"{source}: a text without letters\n"
            "only a to z count, and what is between them is one space; keep every character by --alphabet all"
        )
    return text


def held_out_from(text: str, share: float, alphabet: str) -> int:
    """Return the place at which the held-out part of a text begins.

    In letters it is the last `share` of the text. In a text of all characters it begins at the nearest empty line, or
    else the nearest line, so that no poem and no line is torn into a part to learn and a part to be tested on.
    """
    cut = len(text) - int(len(text) * share)
    if alphabet == "letters" or cut == len(text):
        return cut
    for end in ("\n\n", "\n"):
        places = [found for found in (text.rfind(end, 0, cut), text.find(end, cut)) if found >= 0]
        near = min((place + len(end) for place in places), key=lambda place: abs(place - cut), default=0)
        if 0 < near < len(text) and abs(near - cut) <= len(text) * share / 2:
            return near
    return cut


def time_machine(cache: Path | None = None) -> Path:
    """Return the file of H. G. Wells' *The Time Machine* that D2L uses, from the cache or fetched into it.

    Raises OSError, which says how to do without a network, where it cannot be fetched or is not what it should be.
    """
    folder = cache or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tinygrad_rnn"
    path = folder / "timemachine.txt"
    if path.exists() and _sha1(path.read_bytes()) == TIME_MACHINE_SHA1:
        return path
    import urllib.error
    import urllib.request  # here, since it takes a fortieth of a second, and each command would wait for it

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
