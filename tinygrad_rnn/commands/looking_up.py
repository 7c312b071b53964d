"""`tinygrad-rnn atlas`: the page of a cell, or a table of all cells."""

from __future__ import annotations

import argparse
import shutil

from tinygrad_rnn.bptt.atlas.cell_facts import FACTS
from tinygrad_rnn.bptt.atlas.comparison_table import comparison
from tinygrad_rnn.bptt.atlas.looked_up import compared, look_up
from tinygrad_rnn.bptt.atlas.text_page import COLUMNS
from tinygrad_rnn.commands.common import place
from tinygrad_rnn.commands.parser import Commands, add_command, meant
from tinygrad_rnn.commands.progress_line import Progress
from tinygrad_rnn.commands.streams import add_json, format_of, require_outputs, tell, write, write_json

ENDINGS = {".md": "markdown", ".html": "html", ".htm": "html", ".txt": "text"}
"""The formats by the ending of a file."""


def add(commands: Commands) -> None:
    """Add the command and its arguments."""
    atlas = add_command(
        commands,
        "atlas",
        "print all that is known of a cell: formulas, sizes, cost, gradient; or compare the cells",
        "min_gru",
        "lstm -o lstm.html",
    )
    atlas.add_argument(
        "cell", nargs="?", type=_known, metavar="CELL", help=f"one of {', '.join(FACTS)} (default: a table of all)"
    )
    atlas.add_argument("--to", choices=[*dict.fromkeys(ENDINGS.values())], help="format (default: that of the file)")
    atlas.add_argument(
        "-o",
        "--output",
        type=place,
        metavar="FILE",
        help=f"write into this file: {', '.join(ENDINGS)}; - for the standard output",
    )
    add_json(atlas)
    atlas.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the page of a cell, or the table of all."""
    to = format_of("atlas", options.output, options.to, ENDINGS, "text")
    require_outputs("atlas", options.json, options.output)
    entries = [look_up(name) for name in ([options.cell] if options.cell else FACTS)]
    found = {}
    columns = COLUMNS if options.output else shutil.get_terminal_size((COLUMNS, 24)).columns
    progress = Progress("atlas")
    for number, entry in enumerate(entries, 1):
        with progress(entry.name, number, len(entries)):
            page = entry.write(to, columns) if options.cell else ""
            if not options.cell:
                entry.check()
                comparison([entry])
            found[entry.name] = entry.to_dict() if options.json else {}
    page = page or compared(entries, to, columns)
    if options.output:
        write(options.output, page)
    else:
        tell(page.rstrip("\n"), options.json)
    if options.json:
        write_json(options.json, {"kind": "atlas", "cells": found})
    return 0


def _known(value: str) -> str:
    if value not in FACTS:
        raise argparse.ArgumentTypeError(f"{value!r}: choose from {', '.join(FACTS)}{meant(value, FACTS)}")
    return value
