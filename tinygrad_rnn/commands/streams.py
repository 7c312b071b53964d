"""What a command reads and writes: files, or `-`, the standard input and output. All is written whole or not at all."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tinygrad_rnn import files
from tinygrad_rnn.commands.common import STANDARD, place, wrote
from tinygrad_rnn.plain_values import plain


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option for the result as JSON."""
    parser.add_argument(
        "--json",
        type=place,
        metavar="FILE",
        help="write the result as JSON into this file; - prints it in the place of the words",
    )


def write_json(path: str, values: Mapping[str, Any]) -> None:
    """Write plain values as JSON, and say so. NaN and infinity, which JSON lacks, are strings."""
    write(path, json.dumps(plain(values), indent=1, allow_nan=False) + "\n")


def require_outputs(who: str, *paths: str | None) -> None:
    """Ask, before a long run, whether all these may be written; None is no path.

    Raises ValueError where two of them are one file, or are both the standard output, and what `files.require_place`
    raises.
    """
    given = [path for path in paths if path is not None]
    if given.count(STANDARD) > 1:
        raise ValueError(f"{who}: two results onto the standard output\ngive one of them a file")
    named = [path for path in given if path != STANDARD]
    for path in named:
        files.require_place(path)
    files.require_apart(who, *named)


def format_of(who: str, path: str | None, asked: str | None, endings: Mapping[str, str], usual: str) -> str:
    """Return the format in which to write: what the ending of the file says, or `asked` for by --to, or the usual one.

    endings: the format of each ending, the first one of a format being its usual one. Raises ValueError for an ending
    that says another format than --to, and for an unknown one without --to.
    """
    if path in (None, STANDARD):
        return asked or usual
    ending = Path(str(path)).suffix.lower()
    if ending not in endings and (not ending or (asked and ending != ".pdf")):
        return asked or usual
    files.require_ending(who, str(path), *endings)
    if asked and endings[ending] != asked:
        other = next(each for each, written in endings.items() if written == asked)
        raise ValueError(
            f"{who}: --to {asked}, but {Path(str(path)).name!r} says {endings[ending]}\n"
            f"leave out --to, or give a name that ends in {other}"
        )
    return endings[ending]


@contextmanager
def file_for(path: str | None, kind: str) -> Iterator[files.AnyPath | None]:
    """Provide the file to write into; for `-` a temporary one, which at the end is put onto the standard output."""
    if path != STANDARD:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        inside = Path(folder) / f"output.{kind}"
        yield inside
        write(STANDARD, inside.read_bytes())


def tell(words: str, *paths: str | None) -> None:
    """Print the words of a result, unless one of the paths has taken the standard output."""
    if STANDARD not in paths:
        print(words, flush=True)


def write(path: str, content: str | bytes) -> None:
    """Write into a file, and say so, or onto the standard output, without a word.

    Raises ValueError for a picture of bytes that are no text, where the standard output is a terminal.
    """
    if path != STANDARD:
        files.write(path, content)
        wrote(path)
    elif isinstance(content, str):
        sys.stdout.write(content)
    else:
        if sys.stdout.isatty() and not _is_text(content):
            raise ValueError("-o -: this is no text for a terminal\nput it into a file: -o FILE, or > FILE")
        sys.stdout.flush()
        out = getattr(sys.stdout, "buffer", None)
        if out is None:  # it is closed, or stands for one that takes text alone
            sys.stdout.write(content.decode("utf-8", "backslashreplace"))
        else:
            out.write(content)
            out.flush()


def read_text(path: str) -> str:
    """Return the text of a UTF-8 file, or what comes from the standard input. Raises what `files.read_text` raises."""
    if path != STANDARD:
        return files.read_text(path)
    if (stream := getattr(sys.stdin, "buffer", None)) is None:
        raise OSError("the standard input is closed\ngive the path of a text file")
    return files.read_text("standard input", stream)


def _is_text(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\0" not in content
