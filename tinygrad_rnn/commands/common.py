"""Parts of several commands: the cells by name, kinds of arguments, drawings."""

from __future__ import annotations

import argparse
import contextlib
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tinygrad_rnn import draw, files, nn
from tinygrad_rnn.bptt.atlas.cell_facts import FACTS
from tinygrad_rnn.language.saying import say
from tinygrad_rnn.nn.parameters import Cell
from tinygrad_rnn.tape.full_tape import Tape

CELLS: dict[str, Cell] = {cell.__name__: cell for cell in (nn.rnn, nn.residual_rnn, nn.lstm, nn.gru, nn.gru_textbook)}
"""The cells with a derivation by hand to compare with."""
ALL_CELLS = CELLS | {name: facts.cell for name, facts in FACTS.items() if hasattr(nn, name)}
"""All cells of `nn`."""
SIZES = {"input": "number of features of x", "hidden": "number of hidden units"}
"""The sizes that a cell from a file has of its own."""
STANDARD = "-"
"""The name for the standard input and output."""
TEXT_HELP = "a UTF-8 text file, - for the standard input (default: Python's own help texts)"
LARGEST = 10**8
"""The maximum of any number of steps, units and so on: NumPy still holds the product of two of them."""


def sizes(parser: argparse.ArgumentParser, steps: int, hidden: int = 5) -> None:
    """Add the arguments for the size of a problem, and its seed."""
    for name, default, what in (("steps", steps, "number of steps"), ("batch", 3, "number of sequences")):
        parser.add_argument(f"--{name}", type=at_least(1), default=default, help=f"{what} (default: {default})")
    parser.set_defaults(usual={"input": 4, "hidden": hidden})
    for name, what in SIZES.items():
        usual = parser.get_default("usual")[name]
        parser.add_argument(f"--{name}", type=at_least(1), help=f"{what} (default: {usual})")
    parser.add_argument(
        "--seed", type=at_least(0), default=0, help="seed of the random parameters and inputs (default: 0)"
    )


def size(options: argparse.Namespace, name: str) -> int:
    """Return one of `SIZES` as given, or as usual."""
    given: int | None = getattr(options, name)
    return options.usual[name] if given is None else given


def first_step(parser: argparse.ArgumentParser, usual: str) -> None:
    """Add the option for the number that is written for the first step; `usual` says what it is without it."""
    parser.add_argument("--first-step", type=int, choices=(0, 1), help=f"number of the first step (default: {usual})")


def at_least(least: int) -> Callable[[str], int]:
    """Return a type for argparse: a whole number from `least` to `LARGEST`."""

    def whole(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{value!r} is not a whole number, as {max(least, 2)}") from None
        if number < least:
            raise argparse.ArgumentTypeError(f"{number} is {'negative' if least == 0 else f'not at least {least}'}")
        if number > LARGEST:
            raise argparse.ArgumentTypeError(f"{value} is more than {LARGEST:,}")
        return number

    return whole


def number(value: str) -> float:
    """Return a number, for argparse."""
    try:
        return float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{value!r} is not a number, as 0.5") from None


def seconds(value: str) -> float:
    """Return a positive number of seconds, for argparse."""
    given = number(value)
    if not 0 < given < math.inf:
        raise argparse.ArgumentTypeError(f"{value} is not a positive number of seconds")
    return given


def place(value: str) -> str:
    """Return the path of a file, for argparse. Refuse an empty one, as the unset variable of a script gives."""
    if not value:
        raise argparse.ArgumentTypeError("an empty name: give a path")
    return value  # as it was given: `files` judges how it ends


def folder(value: str) -> Path:
    """Return the path of a folder, for argparse."""
    return Path(place(value))


def theirs_for_ours(value: str) -> dict[str, str]:
    """Return pairs of names, for argparse: Wax=weight_ih,Waa=weight_hh."""
    pairs = [pair.split("=") for pair in value.split(",")]
    if any(len(pair) != 2 or not all(name.strip() for name in pair) for pair in pairs):
        raise argparse.ArgumentTypeError(f"{value!r}: write theirs=ours, with commas in between")
    found: dict[str, str] = {}
    for theirs, ours in ((theirs.strip(), ours.strip()) for theirs, ours in pairs):
        if theirs in found or ours in found.values():
            twice = theirs if theirs in found else ours
            raise argparse.ArgumentTypeError(f"{value!r} names {twice} twice: each name stands for one other")
        found[theirs] = ours
    return found


def printable(words: str) -> str:
    """Return words with control characters, which could steer a terminal, and halves of surrogate pairs, as escapes."""
    bad = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
    return bad.sub(lambda found: repr(found[0])[1:-1], words)


def write_drawing(tape: Tape, path: files.AnyPath, engine: str = "auto", **options: Any) -> None:
    """Draw a tape into a file, and say so."""
    drawn = draw.render(tape, path, engine=engine, **options)
    wrote(drawn.path, say(" (drawn by {engine})", engine=drawn.engine) if drawn.engine != "text" else "")


def wrote(path: files.AnyPath, more: str = "") -> None:
    """Say what was written, unless it was written into the standard output."""
    if path != STANDARD and not files.to_stdout(path):
        note(say("wrote {path}{more}", path=path, more=more))


def note(words: str, to_stderr: bool = False) -> None:
    """Print a note of a command that writes files. An output that is closed or full is no error here."""
    with contextlib.suppress(OSError):
        print(words, file=sys.stderr if to_stderr else sys.stdout)
