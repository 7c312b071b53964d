"""`tinygrad-rnn examine`: a person's forward and backward pass as it is, against the derivative of its own loss."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from tinygrad_rnn import bptt, files
from tinygrad_rnn.bptt.comparison.case import parameters_of
from tinygrad_rnn.bptt.diagnosis.failures import told
from tinygrad_rnn.commands import user_code
from tinygrad_rnn.commands.common import theirs_for_ours
from tinygrad_rnn.commands.parser import Commands, add_command
from tinygrad_rnn.commands.progress_line import Progress
from tinygrad_rnn.commands.streams import add_json, require_outputs, tell, write_json

SUBJECT = "give it as FILE.py:name; the name may be a call, FILE.py:'GRU(4, 5)', or a pair, FILE.py:forward,backward"


ARGUMENTS = "give those of one ordinary call after the name, as Python, or write example() that returns them as a tuple"


def add(commands: Commands) -> None:
    """Add the command and its arguments."""
    examine = add_command(
        commands,
        "examine",
        "examine any hand-written forward and backward pass as it is, against its own loss",
        "assignment.py:'Net(2, 3)' 'rng.normal(size=(4, 2))' 'rng.normal(size=(4, 3))'",
        "assignment.ipynb:both --names g1=W,g2=U --json findings.json",
    )
    examine.add_argument(
        "subject",
        help="FILE.py:name or FILE.ipynb:name; a call, 'GRU(4, 5)'; a pair, forward,backward; two methods, "
        "'GRU(4, 5).run,GRU(4, 5).back'",
    )
    examine.add_argument(
        "arguments",
        nargs="*",
        default=[],
        metavar="ARGUMENT",
        help="an argument of one ordinary call, as Python: the names of the file, np and rng can be used "
        "(default: what example() of the file returns)",
    )
    examine.add_argument(
        "--names", type=theirs_for_ours, help="names of gradients, and the arrays that they belong to: g1=W,g2=U"
    )
    examine.add_argument("--step", action="store_true", help="the code is one step of time, and no loop over time")
    add_json(examine)
    examine.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the examination; status 1 where a gradient is wrong."""
    path, text = _split(options.subject)
    require_outputs("examine", options.json)
    files.require_apart("examine", path, options.json)
    with (
        user_code.opened(path) as module,
        Progress("examine")(text),
        redirect_stdout(sys.stderr),
    ):  # what the file prints is no part of it
        names = {"np": np, "rng": np.random.default_rng(0)} | vars(module)
        subject = _methods(text, names, module) or _value(text, names, module)
        arguments = [_value(argument, names, module) for argument in options.arguments] or _example(module)
        try:
            found = bptt.examine(subject, *arguments, names=options.names, step=options.step)
        except (ValueError, TypeError) as error:
            if arguments or "could not be run" not in str(error):
                raise
            first = str(error).splitlines()[0]
            raise ValueError(f"{first}\nit was given no arguments: {ARGUMENTS}") from error
        said = str(found)
    tell(said, options.json)
    if options.json:
        write_json(options.json, found.to_dict())
    return 0 if found else 1


def _split(text: str) -> tuple[Path, str]:
    """Return the path and the expression in FILE.py:EXPRESSION, in which there may be colons too."""
    found = re.fullmatch(r"(.+?\.(?:py|ipynb)):(.*\S.*)", text, flags=re.DOTALL)
    if not found:
        raise ValueError(f"{text!r} names nothing in a file\n{SUBJECT}")
    return Path(found[1]), found[2].strip()


def _methods(text: str, names: Mapping[str, Any], module: ModuleType) -> tuple[Any, Any] | None:
    """Return two methods of one object, for OBJECT.forward,OBJECT.backward; a class without arguments makes one."""
    found = re.fullmatch(r"\(?\s*(.+)\.(\w+)\s*,\s*(.+)\.(\w+)\s*\)?", text, flags=re.DOTALL)
    if not found or found[1] != found[3]:
        return None
    owner = _value(found[1], names, module)
    if isinstance(owner, type):
        owner = _value(f"{found[1]}()", names, module)
    return _value(f"it.{found[2]}", {**names, "it": owner}, module), _value(f"it.{found[4]}", {"it": owner}, module)


def _value(text: str, names: Mapping[str, Any], module: ModuleType) -> Any:
    """Return the value of an expression. Raises ValueError for one that has none."""
    if text.isidentifier() and text not in names:
        user_code.function(module, text)  # says which there are
    try:
        return eval(compile(text, "<argument>", "eval", dont_inherit=True), dict(names))
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"{text!r} cannot be evaluated: {told(error)}\n"
            f"give a Python expression in which the names of {module.__file__}, np and rng stand"
        ) from error


def _example(module: ModuleType) -> list[Any]:
    """Return the arguments that the file's `example` gives; none where there is no such function."""
    example = getattr(module, "example", None)
    if not callable(example):
        return []
    needed = [name for name, p in parameters_of(example).items() if p.default is p.empty and p.kind < p.VAR_POSITIONAL]
    if needed:
        raise ValueError(f"example of {module.__file__} takes {', '.join(needed)}: that is the doctor's\n{ARGUMENTS}")
    try:
        found = example()
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"example() of {module.__file__} failed: {told(error)}\nit returns the arguments of one ordinary call"
        ) from error
    return [*found] if isinstance(found, tuple) else [found]
