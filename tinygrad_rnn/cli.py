"""The command line: `tinygrad-rnn demo`, `compare`, `doctor`, `examine`, `derive`, `flow`, `truncate`, and so on.

The exit status is 1 where a comparison fails, 2 for bad input, 130 for an interrupt, 141 where the reader of the output
has closed it, and 128 + n for signal n.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NoReturn

import tinygrad_rnn
from tinygrad_rnn import files
from tinygrad_rnn.commands import (
    benchmarking,
    comparing,
    demo,
    deriving,
    diagnosing,
    drawing,
    examining,
    flowing,
    looking_up,
    marking,
    playing,
    sampling,
    training,
    truncating,
)
from tinygrad_rnn.commands.common import printable
from tinygrad_rnn.commands.parser import Parser, add_language
from tinygrad_rnn.language.current import speaking
from tinygrad_rnn.language.locale_language import of_locale

COMMANDS = (
    demo,
    comparing,
    diagnosing,
    examining,
    marking,
    deriving,
    flowing,
    truncating,
    looking_up,
    drawing,
    playing,
    training,
    sampling,
    benchmarking,
)
FORESEEN = (ValueError, TypeError, OSError, RuntimeError, ArithmeticError)
"""The errors whose words are written for a reader."""
TOO_LARGE = ("array is too big", "Maximum allowed dimension exceeded")
"""How NumPy's ValueErrors begin for sizes that no memory holds."""


class Ended(KeyboardInterrupt):
    """A signal that asks the process to end. It is an interrupt too, so that the same code cleans up after both."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    with _streams(), _signals():
        try:
            options = _options(arguments)
        except SystemExit as end:  # argparse has printed its message
            raise SystemExit(_status(lambda: 0) or end.code) from None
        except OSError as error:  # a help text that cannot be written
            return _status(partial(_raise, error))
        with speaking(options.lang or of_locale(os.environ, sys.stdout.encoding)):
            return _status(lambda: int(options.run(options)))


def _status(run: Callable[[], int]) -> int:
    """Call and return the status; the one place where exceptions become words."""
    try:
        status = run()
        sys.stdout.flush()  # here a full disk can still be reported
        return status
    except Ended as end:
        _say(f"ended by {end}")
        return end.status
    except KeyboardInterrupt as interrupt:
        _say(str(interrupt) or "interrupted")
        return 128 + signal.SIGINT
    except BrokenPipeError:
        return 128 + 13  # SIGPIPE, which not every system has
    except BaseException as error:  # SystemExit of the user's code too: a command returns its status
        _say(f"error: {_in_words(error)}")
        return 2
    finally:
        _drop_what_cannot_be_written()


def _raise(error: OSError) -> NoReturn:
    raise error


def _in_words(error: BaseException) -> str:
    """Return what is wrong, and what to do."""
    said = str(error)
    if isinstance(error, MemoryError) or said.startswith(TOO_LARGE):
        return f"not enough memory: {said or 'the system has no more'}\nask for smaller sizes"
    if isinstance(error, OSError) and error.errno and len(error.args) > 1:  # of the system, not worded by files.py
        name = "standard output" if error.filename is None else os.fsdecode(error.filename)
        return f"{name}: {error.strerror}\n{files.ADVICE.get(error.errno, 'give another path')}"
    if "\n" in said or (said and isinstance(error, FORESEEN) and not isinstance(error, RecursionError)):
        return said
    last = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"{type(error).__name__}: {said} (in {last.filename}, line {last.lineno})\n"
        "no error that was foreseen: if the input is right, report it with these two lines"
    )


def _say(words: str) -> None:
    """Print on the standard error, without control characters. A stream that is full or closed is no error."""
    with contextlib.suppress(OSError, ValueError):
        print(f"tinygrad-rnn: {printable(words)}", file=sys.stderr, flush=True)


def _drop_what_cannot_be_written() -> None:
    """Drop the output that a full disk or a closed pipe does not take: Python would try to write it at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                nowhere, wanted = os.open(os.devnull, os.O_WRONLY), stream.fileno()
                if nowhere != wanted:  # it is, where the stream's own descriptor was closed
                    os.dup2(nowhere, wanted)
                    os.close(nowhere)


class _Closed(io.TextIOBase):
    """A standard output that is closed: to print into it is an error."""

    def write(self, text: str, /) -> int:
        raise OSError(f"standard output is closed: {text.strip()[:40]!r} and what follows are lost\nopen it: > FILE")


@contextlib.contextmanager
def _streams() -> Iterator[None]:
    """Provide both streams, which a service or a window lacks, and show characters that they lack as escapes."""
    before = sys.stdout, sys.stderr
    handle = 0
    while handle <= 2:  # else the next file gets the number of a stream that is closed, and what a library writes there
        handle = os.open(os.devnull, os.O_RDWR)
    os.close(handle)
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        sys.stdout, sys.stderr = before[0] or _Closed(), before[1] or nowhere
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # a console's code page may lack a character: show it escaped
                stream.reconfigure(errors="backslashreplace")
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """End at SIGTERM and SIGHUP as at an interrupt, so that files are cleaned up; not where they are ignored."""

    def end(number: int, frame: object) -> NoReturn:
        raise Ended(number)

    before = {}
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            with contextlib.suppress(ValueError):  # only the main thread can set handlers
                before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _parser() -> Parser:
    parser = Parser(
        prog="tinygrad-rnn",
        description="See and check backpropagation through time.",
        epilog="examples:\n  tinygrad-rnn demo\n  tinygrad-rnn draw --cell lstm -o lstm.svg\n\n"
        "tinygrad-rnn COMMAND --help has the options of a command, and examples.",
    )
    parser.add_argument("--version", action="version", version=f"tinygrad-rnn {tinygrad_rnn.__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    add_language(commands.choices.values())
    return parser


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options. Ends by SystemExit where there is nothing to run."""
    parser, given = _parser(), sys.argv[1:] if arguments is None else arguments
    if not given:
        parser.print_help(sys.stderr)
        parser.exit(2)
    options: argparse.Namespace
    options, unknown = parser.parse_known_args(given)
    if unknown:
        options.parser.refuse(unknown)
    return options
