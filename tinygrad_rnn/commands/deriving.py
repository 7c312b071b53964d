"""`tinygrad-rnn derive`: BPTT of a cell, written down from its tape, as formulas or as code; and worksheets of it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tinygrad_rnn import bptt, files
from tinygrad_rnn.bptt.diagnosis.submission import LAYOUTS
from tinygrad_rnn.commands import user_code
from tinygrad_rnn.commands.chosen_cell import HELP, chosen
from tinygrad_rnn.commands.common import at_least, place, theirs_for_ours, wrote
from tinygrad_rnn.nn.parameters import Cell

FORMATS = ("latex", "markdown", "numpy", "html", "text")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    derive = commands.add_parser("derive", help="write the BPTT of a cell as formulas, as NumPy or as a worksheet")
    derive.add_argument("--cell", required=True, help=HELP)
    derive.add_argument("--to", choices=FORMATS, default="text", help="format (default: text)")
    derive.add_argument("-o", "--out", type=place, help="write into this file")
    derive.add_argument("--nonlinearity", choices=("tanh", "relu"), help="nonlinearity of the cell rnn (default: tanh)")
    derive.add_argument("--no-bias", dest="bias", action="store_false", help="leave out the biases")
    derive.add_argument("--layout", choices=LAYOUTS, default="rows", help="layout of the cell's arrays (default: rows)")
    derive.add_argument(
        "--names", type=theirs_for_ours, default={}, help="other names for the parameters: Wax=weight_ih,Waa=weight_hh"
    )
    for name, does in (("readout", "readout(params, h) -> y"), ("loss", "loss(y, target) -> the loss of a step")):
        derive.add_argument(f"--{name}", help=f"a function of the same file, {does}; example then gives targets too")
    derive.add_argument("--steps", type=at_least(1), help="write out the chains of this number of steps too")
    derive.add_argument(
        "--entries", action="store_true", help="name the entries of the tape that each formula comes from"
    )
    derive.add_argument("--blank", help="write a worksheet: the number of lines to leave blank, or their names: dz,dU")
    derive.add_argument("--seed", type=at_least(0), default=0, help="seed of the choice of blank lines (default: 0)")
    derive.add_argument("--answers", type=place, help="write the worksheet's answers into this file")
    derive.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the derivation, or the worksheet, into a file or onto the screen."""
    blanks = _blanks(options.blank)
    if options.answers and not blanks:
        raise ValueError("--answers: there is no worksheet\nsay what is blank: --blank 3")
    if options.to == "numpy" and (options.steps or options.entries):
        raise ValueError("--steps and --entries are for formulas\nleave them out with --to numpy")
    if blanks and (options.steps or options.entries):
        raise ValueError("--steps and --entries are not for worksheets\nleave them out with --blank")
    source = user_code.split(options.cell)[0] if ":" in options.cell else None
    files.require_apart("derive", source, options.out, options.answers)
    for path in (options.out, options.answers):
        if path is not None:
            files.require_place(path)
    with _cell(options) as (cell, more):
        derivation = bptt.derive(cell, names=options.names, layout=options.layout, bias=options.bias, **more)
        texts = list(_texts(derivation, options, blanks))
    for path, text in texts:
        _write(path, text)
    return 0


def _texts(
    derivation: bptt.Derivation, options: argparse.Namespace, blanks: int | list[str] | None
) -> Iterator[tuple[str | None, str]]:
    """Return the texts to write and their paths: the derivation, or the worksheet and its answers."""
    if not blanks:
        yield options.out, derivation.write(options.to, steps=options.steps or 0, entries=options.entries)
        return
    sheet = derivation.worksheet(options.to, blanks=blanks, seed=options.seed)
    yield options.out, sheet.sheet
    if options.answers:
        yield options.answers, sheet.answers


def _write(path: str | None, text: str) -> None:
    if path is None:
        print(text, end="")
    else:
        files.write(path, text)
        wrote(path)


def _blanks(value: str | None) -> int | list[str] | None:
    """Return the number of lines to leave blank, or their names; None without a worksheet."""
    if value is None:
        return None
    names = [name.strip() for name in value.split(",")]
    if not all(names) or names == ["0"]:
        raise ValueError(f"--blank {value!r}: no line is named\nsay how many, --blank 3, or which, --blank dz,dU")
    return int(value) if value.isascii() and value.isdecimal() else names


@contextmanager
def _cell(options: argparse.Namespace) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """Return the cell, and for a cell from a file its example, readout and loss."""
    with chosen(options.cell, options.nonlinearity) as found:
        asked = {key: name for key in ("readout", "loss") if (name := getattr(options, key))}
        if found.module is None:
            if asked:
                raise ValueError("--readout and --loss are functions of a file\nput the cell there too: FILE.py:cell")
            yield found.cell, {}
        else:
            more = {key: user_code.function(found.module, name) for key, name in asked.items()}
            yield found.cell, {"example": found.example, **more}
