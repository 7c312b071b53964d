"""The command line: `tinygrad-rnn demo`, `compare`, `doctor`, `derive`, `flow`, `truncate`, `draw`, `play`, and so on.

Exit status 1 where a comparison fails, 2 for bad input, 130 where it was interrupted.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence

import tinygrad_rnn
from tinygrad_rnn.commands import (
    benchmarking,
    comparing,
    demo,
    deriving,
    diagnosing,
    drawing,
    flowing,
    playing,
    sampling,
    training,
    truncating,
)

COMMANDS = (
    demo,
    comparing,
    diagnosing,
    deriving,
    flowing,
    truncating,
    drawing,
    playing,
    training,
    sampling,
    benchmarking,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a console's code page may lack a character: show it escaped
            stream.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (ValueError, TypeError, OSError, RuntimeError, ArithmeticError) as error:
        print(f"tinygrad-rnn: error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tinygrad-rnn", description="See and check backpropagation through time.")
    parser.add_argument("--version", action="version", version=f"tinygrad-rnn {tinygrad_rnn.__version__}")
    commands = parser.add_subparsers(title="commands", required=True)
    for command in COMMANDS:
        command.add(commands)
    return parser
