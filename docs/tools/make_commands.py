"""Write the marked blocks of `commands.md` from the parser of the command line.

    python docs/tools/make_commands.py

The tests do the same, and fail if the page differs.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from marked_blocks import filled

from tinygrad_rnn import cli, files
from tinygrad_rnn.commands.parser import value_name

PAGE = Path(__file__).parents[1] / "commands.md"
PARSER = cli._parser()
READ_ON = {
    "demo": "",
    "compare": "",
    "doctor": "doctor.md",
    "examine": "examine.md",
    "mark": "marking.md",
    "derive": "derive.md",
    "flow": "flow.md",
    "truncate": "truncation.md",
    "atlas": "atlas/index.md",
    "draw": "gallery.md",
    "play": "player.md",
    "train": "language-model.md",
    "sample": "language-model.md",
    "bench": "benchmark.md",
}
"""The page on each command."""


def commands() -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of the commands by name."""
    return next(dict(a.choices) for a in PARSER._actions if isinstance(a, argparse._SubParsersAction))


def table() -> str:
    """Return a line for each command: what it does, and the page on it."""
    rows = ["| command | what it does |", "|---|---|"]
    for name, parser in commands().items():
        more = f" [Read on]({READ_ON[name]})." if READ_ON[name] else ""
        rows.append(f"| [`{name}`](#tinygrad-rnn-{name}) | {_plain(parser.description or '')}{more} |")
    return "\n".join(rows) + "\n"


def reference() -> str:
    """Return a section for each command: its examples, and what each argument means."""
    return "\n".join(line for name, parser in commands().items() for line in _section(name, parser))


def _section(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    examples = [line.strip() for line in (parser.epilog or "").splitlines()[1:]]
    yield from (f"### tinygrad-rnn {name}", "", parser.description or "", "", *(f"    {line}" for line in examples), "")
    yield from ("| argument | meaning |", "|---|---|")
    for action in parser._actions:
        if action.help is argparse.SUPPRESS or "--help" in action.option_strings:
            continue
        yield f"| {_written(action)} | {_plain(action.help or '')} |"
    yield ""


def _written(action: argparse.Action) -> str:
    """Return an argument as one writes it: `-o FILE`, `--output FILE`."""
    if not action.option_strings:
        return f"`{action.metavar if isinstance(action.metavar, str) else action.dest}`"
    value = "" if action.nargs == 0 else f" {value_name(action)}"
    if action.choices is not None and action.metavar is None:
        value = f" {{{','.join(map(str, action.choices))}}}"
    return ", ".join(f"`{option}{value}`" for option in action.option_strings)


def _plain(text: str) -> str:
    """Return words as Markdown writes them in a table."""
    return re.sub(r"([*|<>])", r"\\\1", " ".join(text.replace("%%", "%").split()))


BLOCKS: dict[str, Callable[[], str]] = {"table": table, "reference": reference}


if __name__ == "__main__":
    files.write(PAGE, filled(files.read_text(PAGE), "make_commands.py", BLOCKS))
