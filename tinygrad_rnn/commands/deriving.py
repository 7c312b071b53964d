"""`tinygrad-rnn derive`: BPTT of a cell, written down from its tape, as formulas or as code; and worksheets of it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tinygrad_rnn import bptt, files
from tinygrad_rnn.bptt.derivation.printed_as import NOTATIONS, layouts
from tinygrad_rnn.commands import user_code
from tinygrad_rnn.commands.chosen_cell import HELP, a_cell, chosen
from tinygrad_rnn.commands.common import STANDARD, at_least, first_step, place, theirs_for_ours
from tinygrad_rnn.commands.parser import Commands, add_command
from tinygrad_rnn.commands.progress_line import Progress
from tinygrad_rnn.commands.streams import format_of, require_outputs, write
from tinygrad_rnn.nn.parameters import Cell

ENDINGS = {".tex": "latex", ".md": "markdown", ".py": "numpy", ".html": "html", ".htm": "html", ".txt": "text"}
"""The formats by the ending of a file."""
FORMATS = tuple(dict.fromkeys(ENDINGS.values()))


def add(commands: Commands) -> None:
    """Add the command and its arguments."""
    derive = add_command(
        commands,
        "derive",
        "write the BPTT of a cell as formulas, as NumPy or as a worksheet",
        "--cell gru -o gru.tex",
        "--cell lstm --blank 3 -o sheet.py --answers answers.py",
    )
    derive.add_argument("--cell", type=a_cell, required=True, help=HELP)
    derive.add_argument("--to", choices=FORMATS, help="format (default: that of the file's ending, or text)")
    derive.add_argument(
        "-o",
        "--output",
        "--out",
        dest="out",
        type=place,
        metavar="FILE",
        help=f"write into this file: {', '.join(ENDINGS)}; - for the standard output",
    )
    derive.add_argument("--nonlinearity", choices=("tanh", "relu"), help="nonlinearity of the cell rnn (default: tanh)")
    derive.add_argument("--no-bias", dest="bias", action="store_false", help="leave out the biases")
    derive.add_argument(
        "--layout",
        type=_layout,
        default="rows",
        metavar="LAYOUT",
        help="rows or columns for the cell's arrays (default: rows), numerator or denominator for derivatives "
        "(default: numerator), or both: columns,denominator",
    )
    derive.add_argument(
        "--notation",
        choices=NOTATIONS,
        default="own",
        help="own, the letters of the cell's author, or nndl, those of the book (default: own)",
    )
    derive.add_argument(
        "--names", type=theirs_for_ours, default={}, help="other names for the parameters: Wax=weight_ih,Waa=weight_hh"
    )
    for name, does in (("readout", "readout(params, h) -> y"), ("loss", "loss(y, target) -> the loss of a step")):
        derive.add_argument(f"--{name}", help=f"a function of the same file, {does}; example then gives targets too")
    first_step(derive, "1, as in textbooks")
    derive.add_argument("--steps", type=at_least(1), help="write out the chains of this number of steps too")
    derive.add_argument(
        "--entries", action="store_true", help="name the entries of the tape that each formula comes from"
    )
    derive.add_argument("--reasons", action="store_true", help="say under each formula why it holds")
    derive.add_argument("--blank", help="write a worksheet: the number of lines to leave blank, or their names: dz,dU")
    derive.add_argument("--seed", type=at_least(0), default=0, help="seed of the choice of blank lines (default: 0)")
    derive.add_argument("--answers", type=place, metavar="FILE", help="write the worksheet's answers into this file")
    derive.set_defaults(run=run)


def _layout(text: str) -> str:
    """Check one or two words for the layout."""
    try:
        layouts(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("derive: ")) from None
    return text


def run(options: argparse.Namespace) -> int:
    """Write the derivation, or the worksheet, into a file or onto the screen."""
    blanks = _blanks(options.blank)
    if options.answers and not blanks:
        raise ValueError("--answers: there is no worksheet\nsay what is blank: --blank 3")
    to = format_of("derive", options.out, options.to, ENDINGS, "text")
    if to == "numpy" and (options.steps or options.entries or options.reasons):
        raise ValueError("--steps, --entries and --reasons are for formulas\nleave them out for NumPy code")
    if blanks and (options.steps or options.entries or options.reasons):
        raise ValueError("--steps, --entries and --reasons are not for worksheets\nleave them out with --blank")
    source = user_code.split(options.cell)[0] if ":" in options.cell else None
    outputs = (options.out or STANDARD, options.answers)
    require_outputs("derive", *outputs)
    files.require_apart("derive", source, *(path for path in outputs if path != STANDARD))
    format_of("derive", options.answers, to, ENDINGS, to)
    with _cell(options) as (cell, more), Progress("derive")(options.cell):
        if options.first_step is not None:
            more["first_step"] = options.first_step
        more |= {"layout": options.layout, "bias": options.bias, "notation": options.notation}
        derivation = bptt.derive(cell, names=options.names, **more)
        texts = list(_texts(derivation, options, to, blanks))
    for path, text in texts:
        write(path or STANDARD, text)
    return 0


def _texts(
    derivation: bptt.Derivation, options: argparse.Namespace, to: str, blanks: int | list[str] | None
) -> Iterator[tuple[str | None, str]]:
    """Return the texts to write and their paths: the derivation, or the worksheet and its answers."""
    if not blanks:
        said = {"steps": options.steps or 0, "entries": options.entries, "reasons": options.reasons}
        yield options.out, derivation.write(to, **said)
        return
    sheet = derivation.worksheet(to, blanks=blanks, seed=options.seed)
    yield options.out, sheet.sheet
    if options.answers:
        yield options.answers, sheet.answers


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
