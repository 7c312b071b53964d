"""`tinygrad-rnn doctor`: is a hand-written BPTT right, and if not, by which mistake?"""

from __future__ import annotations

import argparse
import sys
from contextlib import redirect_stdout

from tinygrad_rnn import bptt
from tinygrad_rnn.bptt.diagnosis.submission import LAYOUTS
from tinygrad_rnn.commands import user_code
from tinygrad_rnn.commands.chosen_cell import HELP, chosen
from tinygrad_rnn.commands.common import theirs_for_ours
from tinygrad_rnn.commands.progress_line import ProgressLine


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    doctor = commands.add_parser(
        "doctor", help="examine a hand-written BPTT: find the first wrong gradient, and the mistake behind it"
    )
    doctor.add_argument("function", help="FILE.py:function, with function(params, xs, state, dhs) -> dict of gradients")
    doctor.add_argument(
        "--cell",
        required=True,
        help=f"{HELP}; in the same file the name is enough",
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
    with user_code.opened(path) as module, chosen(options.cell, options.nonlinearity, beside=module) as found:
        function, life = user_code.function(module, name), _SignOfLife()
        with redirect_stdout(sys.stderr):  # what the file prints is no part of the diagnosis
            diagnosis = bptt.doctor(
                found.cell,
                function,
                example=found.example,
                names=options.names,
                layout=options.layout,
                bias=options.bias,
                progress=life.tick,
            )
        life.end()
        text = str(diagnosis)
    print(text)
    return 0 if diagnosis else 1


class _SignOfLife:
    """A line on a terminal that says how far a search is. Nothing is written elsewhere."""

    def __init__(self) -> None:
        self._count, self._line = 0, ProgressLine()
        self._shown = sys.stderr is not None and sys.stderr.isatty()  # the file may have taken it away

    def tick(self) -> None:
        """Count one more mistake that was tried."""
        self._count += 1
        if self._shown and self._line.due():
            self._line.show({"": f"{self._count} mistakes tried ..."})

    def end(self) -> None:
        """End the line."""
        self._line.end()
