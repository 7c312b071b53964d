"""`tinygrad-rnn bench`: time a training step of RNN, LSTM and GRU here, ours and that of the installed peers."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable

from tinygrad_rnn.bench import machine, peers, results_table
from tinygrad_rnn.bench.problem import CELLS, SIZES, Sizes
from tinygrad_rnn.bench.run import Row, Settings, rows
from tinygrad_rnn.commands.common import at_least, seconds
from tinygrad_rnn.commands.parser import Commands, add_command, meant
from tinygrad_rnn.commands.progress_line import ProgressLine, on_terminal
from tinygrad_rnn.commands.streams import add_json, require_outputs, tell, write_json

DTYPES = ("float32", "float64")


def add(commands: Commands) -> None:
    """Add the command and its arguments."""
    bench = add_command(
        commands,
        "bench",
        "time a training step on this machine: ours, NumPy by hand, PyTorch, JAX",
        "--cells rnn --sizes tiny,small --rounds 3",
        "--cells lstm,gru --sizes small --seconds 5 --json times.json",
    )
    bench.add_argument(
        "--cells",
        type=_some(CELLS),
        default=list(CELLS),
        help=f"some of {', '.join(CELLS)}, which all that is timed has, with commas (default: all)",
    )
    bench.add_argument(
        "--sizes",
        type=_sizes,
        default=list(SIZES.items()),
        help=f"some of {', '.join(SIZES)}, or T:B:I:H, with commas (default: those four)",
    )
    bench.add_argument(
        "--dtype", type=_some(DTYPES), default=["float32"], help="float32 (the default), float64 or both, with commas"
    )
    bench.add_argument(
        "--threads", type=at_least(1), default=1, help="number of threads of NumPy's BLAS and of the peers (default: 1)"
    )
    bench.add_argument("--seconds", type=seconds, default=12.0, help="time to spend in all, about (default: 12)")
    bench.add_argument("--rounds", type=at_least(1), help="number of rounds of each problem, in place of --seconds")
    others = [name for name in peers.PEERS if name != peers.OURS]
    bench.add_argument(
        "--peers",
        type=_some(others),
        default=[],
        help=f"some of {', '.join(others)}, with commas (default: all that are installed)",
    )
    bench.add_argument("--coretype", help="OpenBLAS's kernels, by the name of a processor: Haswell, SkylakeX, ...")
    add_json(bench)
    bench.add_argument("--inside", help=argparse.SUPPRESS)
    bench.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Start a process whose threads and kernels are those asked for; status 1 where a competitor was wrong."""
    if options.inside is not None:
        with contextlib.suppress(KeyboardInterrupt):  # which the process that started this one tells of
            return _measure(Settings(**json.loads(options.inside)), options.coretype, options.json)
        return 128 + signal.SIGINT
    if options.coretype is not None and not options.coretype.strip():
        raise ValueError("bench: --coretype is empty\nleave it out, or name a processor: Haswell, SkylakeX, ...")
    require_outputs("bench", options.json)
    peers.chosen(options.peers)
    settings = Settings(
        options.cells, options.sizes, options.dtype, options.peers, options.threads, options.seconds, options.rounds
    )
    command = [sys.executable, "-P", "-X", "utf8", "-m", "tinygrad_rnn", "bench"]
    command += ["--inside", json.dumps(dataclasses.asdict(settings))]
    for name in ("coretype", "json"):
        if getattr(options, name) is not None:
            command += [f"--{name}", str(getattr(options, name))]
    # NumPy has read its threads when it was loaded, here: they can only be set for another process.
    variables = os.environ | machine.environment(options.threads, options.coretype)
    variables["PYTHONPATH"] = os.pathsep.join(entry or os.getcwd() for entry in sys.path)  # the same packages as here
    status = subprocess.run(command, env=variables, check=False).returncode
    if status in (-signal.SIGINT, 128 + signal.SIGINT):
        raise KeyboardInterrupt
    if status < 0 or status > 255:  # ended by a signal, or, on Windows, by an exception of the processor
        ended = signal.Signals(-status).name if status < 0 else f"status {status:#x}"
        raise RuntimeError(
            f"bench: the measuring process ended by {ended}\n"
            + (
                f"this processor may lack what --coretype {options.coretype} needs: leave it out, or name an older one"
                if options.coretype
                else "leave out one of --peers after the other, and --sizes, to see which it was"
            )
        )
    return status


def _measure(settings: Settings, coretype: str | None, path: str | None) -> int:
    """Print machine, table and advice as they come. This runs in the process that was started for it."""
    names, absent = peers.chosen(settings.peers)
    settings = dataclasses.replace(settings, peers=names)
    packages = tuple(dict.fromkeys(peers.PEERS[name].package for name in names if peers.PEERS[name].package))
    found = machine.facts(packages)
    _require_kernels(coretype, found["blas"]["kernels"])
    # A line between the rows: a second thread would run while they are timed.
    line, whole = ProgressLine(), len(settings.cells) * len(settings.sizes) * len(settings.dtypes)
    tell(f"{machine.described(found, settings.threads)}\n\n{results_table.legend(settings, absent)}", path)
    everything: list[Row] = []
    for dtype in settings.dtypes:
        tell(results_table.head(settings, dtype), path)
        of_dtype: list[Row] = []
        measured = rows(settings, dtype)
        while True:
            if on_terminal():
                line.show({"": f"bench: row {len(everything) + len(of_dtype) + 1} of {whole} ..."})
            row = next(measured, None)
            line.end()
            if row is None:
                break
            tell(results_table.line(row, settings), path)
            of_dtype.append(row)
        if len(of_dtype) > 1:
            tell(results_table.medians(of_dtype, settings), path)
        everything += of_dtype
    tell(f"\n{results_table.advice(found['blas'], settings.threads)}", path)
    if path is not None:
        plain = {"machine": found, "settings": dataclasses.asdict(settings), "coretype": coretype}
        write_json(path, {"kind": "benchmark", **plain, "rows": [row.data() for row in everything]})
    return 1 if any(row.wrong for row in everything) else 0


def _require_kernels(asked: str | None, kernels: str | None) -> None:
    """Raise ValueError where OpenBLAS runs other kernels than those asked for: it does not say so itself."""
    if asked is None:
        return
    if kernels is None:
        raise ValueError(
            f"bench: --coretype {asked}, and NumPy's BLAS here brings no kernels to choose from\n"
            "leave it out; NumPy's own wheels for Linux, Windows and Intel Macs come with OpenBLAS"
        )
    if kernels.lower() != asked.lower():
        raise ValueError(
            f"bench: --coretype {asked}, and OpenBLAS runs its kernels for {kernels}\n"
            f"--coretype {kernels} names those; others, by processor: Haswell, SkylakeX, NeoverseN1"
        )


def _some(names: Iterable[str]) -> Callable[[str], list[str]]:
    """Return a type for argparse: known names, with commas in between."""
    known = list(names)

    def some(value: str) -> list[str]:
        given = list(dict.fromkeys(name.strip() for name in value.split(",")))
        if unknown := [name for name in given if name not in known]:
            raise argparse.ArgumentTypeError(
                f"{', '.join(map(repr, unknown))}: choose from {', '.join(known)}, with commas in between"
                f"{meant(unknown[0], known)}"
            )
        return given

    return some


def _sizes(value: str) -> list[tuple[str, Sizes]]:
    """Return sizes, each given by its name or as T:B:I:H."""
    found = []
    for text in dict.fromkeys(part.strip() for part in value.split(",")):
        numbers = text.split(":")
        if text in SIZES:
            found.append((text, SIZES[text]))
        elif len(numbers) == 4 and all(n.isascii() and n.isdecimal() and n.strip("0") for n in numbers):
            T, B, I, H = map(at_least(1), numbers)
            found.append((text, (T, B, I, H)))
        else:
            raise argparse.ArgumentTypeError(
                f"{text!r}: choose from {', '.join(SIZES)}, or give T:B:I:H, positive numbers, with commas in between"
            )
    return found
