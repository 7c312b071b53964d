"""`tinygrad-rnn doctor`: is a hand-written BPTT right, and if not, by which mistake?"""

from __future__ import annotations

import argparse
import sys
from contextlib import redirect_stdout
from functools import partial
from types import ModuleType
from typing import Any

from tinygrad_rnn import bptt
from tinygrad_rnn.bptt.diagnosis.submission import LAYOUTS
from tinygrad_rnn.commands import user_code
from tinygrad_rnn.commands.common import ALL_CELLS, theirs_for_ours
from tinygrad_rnn.commands.user_code import EXAMPLE, OWN_CELL
from tinygrad_rnn.nn.parameters import Cell


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    doctor = commands.add_parser(
        "doctor", help="examine a hand-written BPTT: find the first wrong gradient, and the mistake behind it"
    )
    doctor.add_argument("function", help="FILE.py:function, with function(params, xs, state, dhs) -> dict of gradients")
    doctor.add_argument(
        "--cell",
        required=True,
        help=f"one of {', '.join(ALL_CELLS)}; or a function in the same file, which then also defines {EXAMPLE}",
    )
    doctor.add_argument("--nonlinearity", choices=("tanh", "relu"), help="nonlinearity of the cell rnn (default: tanh)")
    doctor.add_argument("--no-bias", dest="bias", action="store_false", help="leave out the biases")
    doctor.add_argument(
        "--layout", choices=LAYOUTS, default="rows", help="layout of the function's arrays (default: rows)"
    )
    doctor.add_argument(
        "--names",
        type=theirs_for_ours,
        default={},
        help="the function's names for the parameters: Wax=weight_ih,Waa=weight_hh",
    )
    doctor.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the diagnosis; status 1 where the derivation is wrong."""
    path, name = user_code.split(options.function)
    with user_code.opened(path) as module:
        cell, example = _cell(options, module)
        function = user_code.function(module, name)
        with redirect_stdout(sys.stderr):  # what the file prints is no part of the diagnosis
            found = bptt.doctor(
                cell, function, example=example, names=options.names, layout=options.layout, bias=options.bias
            )
        text = str(found)
    print(text)
    return 0 if found else 1


def _cell(options: argparse.Namespace, module: ModuleType) -> tuple[Cell, Any]:
    """Return the cell, and for a cell from the file the problems that the file gives."""
    found = getattr(module, options.cell, None)
    own = callable(found) and found is not ALL_CELLS.get(options.cell)  # a name that both have is the file's
    if ":" in options.cell:
        raise ValueError(
            f"--cell {options.cell}: a cell of your own is in the file of the function\n"
            f"give its name alone: --cell {options.cell.rpartition(':')[2]}"
        )
    if not own and options.cell not in ALL_CELLS:
        raise ValueError(
            f"--cell {options.cell}: neither one of {', '.join(ALL_CELLS)}, nor a function in {module.__file__}\n"
            f"write --cell rnn, or into that file: {options.cell}{OWN_CELL}"
        )
    if options.nonlinearity and options.cell != "rnn":
        raise ValueError(f"--nonlinearity: {options.cell} has none to choose\nonly rnn has")
    if own:
        return getattr(module, options.cell), user_code.example(module)
    cell = ALL_CELLS[options.cell]
    return (partial(cell, nonlinearity=options.nonlinearity) if options.nonlinearity else cell), None
