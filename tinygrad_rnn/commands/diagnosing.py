"""`tinygrad-rnn doctor`: is a hand-written BPTT right, and if not, by which mistake?"""

from __future__ import annotations

import argparse
import itertools
import sys
from contextlib import redirect_stdout

from tinygrad_rnn import bptt
from tinygrad_rnn.bptt.diagnosis.submission import LAYOUTS
from tinygrad_rnn.commands import user_code
from tinygrad_rnn.commands.chosen_cell import HELP, chosen
from tinygrad_rnn.commands.common import theirs_for_ours
from tinygrad_rnn.commands.parser import Commands, add_command
from tinygrad_rnn.commands.progress_line import Progress
from tinygrad_rnn.commands.streams import add_json, require_outputs, tell, write_json
from tinygrad_rnn.language.saying import say


def add(commands: Commands) -> None:
    """Add the command and its arguments."""
    doctor = add_command(
        commands,
        "doctor",
        "examine a hand-written BPTT: find the first wrong gradient, and the mistake behind it",
        "homework.py:my_bptt --cell rnn",
        "homework.py:of_my_cell --cell cell --json -",
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
    add_json(doctor)
    doctor.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the diagnosis; status 1 where the derivation is wrong."""
    path, name = user_code.split(options.function)
    require_outputs("doctor", options.json)
    progress, tried = Progress("doctor"), itertools.count(1)
    with user_code.opened(path) as module, chosen(options.cell, options.nonlinearity, beside=module) as found:
        function = user_code.function(module, name)
        with progress(name), redirect_stdout(sys.stderr):  # what the file prints is no part of the diagnosis
            diagnosis = bptt.doctor(
                found.cell,
                function,
                example=found.example,
                names=options.names,
                layout=options.layout,
                bias=options.bias,
                progress=lambda: progress.say(say("{n} mistakes tried", n=next(tried))),
            )
        text = str(diagnosis)
    tell(text, options.json)
    if options.json:
        write_json(options.json, diagnosis.to_dict())
    return 0 if diagnosis else 1
