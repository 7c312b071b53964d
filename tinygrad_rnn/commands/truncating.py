"""`tinygrad-rnn truncate`: a drawing of the ways to cut a text for BPTT, and the accuracy, time and memory of each."""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from tinygrad_rnn import bptt, files
from tinygrad_rnn.bptt.truncation.ways import AnyWay, drawn
from tinygrad_rnn.commands.chosen_cell import HELP, a_cell, chosen
from tinygrad_rnn.commands.common import STANDARD, TEXT_HELP, at_least, place, wrote
from tinygrad_rnn.commands.parser import Commands, add_command
from tinygrad_rnn.commands.progress_line import Progress
from tinygrad_rnn.commands.streams import add_json, file_for, require_outputs, tell, write_json
from tinygrad_rnn.commands.truncated_problem import HIDDEN, Problem, Values, of_example, on_text
from tinygrad_rnn.draw import truncation_bars as cuts
from tinygrad_rnn.draw.truncation_bars import Walk
from tinygrad_rnn.language.current import speaking
from tinygrad_rnn.language.saying import say
from tinygrad_rnn.text_tables import padded

SHOWN = 72
"""The maximum number of characters to draw."""

NAME = 38
COLUMNS = {"error": 9, "cosine": 9, "deviation": 11, "seconds": 10, "kilobytes": 11}
"""The columns of the table, and the characters that each takes."""


def add(commands: Commands) -> None:
    """Add the command and its arguments."""
    truncate = add_command(
        commands,
        "truncate",
        "draw the ways to truncate BPTT on a text; measure gradient error, variance, time, memory",
        "--steps 32 --length 8 --draws 20",
        "--text book.txt --steps 24 --cell gru --draws 20 -o cuts.svg",
        "--cell own.py:cell --steps 24 --draws 20",
    )
    truncate.add_argument("--text", type=place, metavar="FILE", help=TEXT_HELP)
    truncate.add_argument(
        "--cell",
        type=a_cell,
        default="lstm",
        help=f"{HELP}, whose inputs stand in the place of the text (default: lstm)",
    )
    truncate.add_argument(
        "--steps", type=at_least(1), default=64, help="number of characters from the text's beginning (default: 64)"
    )
    truncate.add_argument("--hidden", type=at_least(1), help=f"number of hidden units (default: {HIDDEN})")
    truncate.add_argument(
        "--length", type=at_least(2), default=8, help="length of a chunk or window, 2 or more (default: 8)"
    )
    truncate.add_argument(
        "--draws", type=at_least(2), default=100, help="number of draws of each random way, 2 or more (default: 100)"
    )
    truncate.add_argument("--seed", type=at_least(0), default=0, help="seed of parameters and draws (default: 0)")
    truncate.add_argument("--rtrl", action="store_true", help="run real-time recurrent learning too: slow")
    truncate.add_argument(
        "-o", "--output", type=place, metavar="FILE", help="draw into this file: .svg; - for the standard output"
    )
    add_json(truncate)
    truncate.set_defaults(run=run)


@dataclass(frozen=True)
class _Row:
    """The error, cosine and deviation of one way, and what a walk of it costs."""

    name: str
    error: float
    cosine: float
    deviation: float
    draws: int
    seconds: float
    peak_bytes: int
    exact: bool = False

    def __str__(self) -> str:
        shown = ("1", "0") if self.exact else (f"{self.cosine:.4f}", f"{self.deviation:.2g}")
        return _line(self.name, f"{self.error:.2g}", *shown, f"{self.seconds:.3f}", f"{self.peak_bytes / 1e3:,.0f}")


def run(options: argparse.Namespace) -> int:
    """Draw the ways, then measure each."""
    require_outputs("truncate", options.json, options.output)
    read, *written = (None if path == STANDARD else path for path in (options.text, options.output, options.json))
    files.require_apart("truncate", read, *written)
    with file_for(options.output, "svg") as path:
        if path is not None:
            files.require_ending("truncate", path, ".svg")
        _run(options, path)
    return 0


def _run(options: argparse.Namespace, path: files.AnyPath | None) -> None:
    with chosen(options.cell) as cell:
        _compare(options, path, on_text(options, cell) if cell.module is None else of_example(options, cell))


def _compare(options: argparse.Namespace, path: files.AnyPath | None, problem: Problem) -> None:
    characters = problem.characters
    silent, progress, ways = (options.json, options.output), Progress("truncate"), _ways(options.length)
    rng = np.random.default_rng(options.seed)
    walks = {name: drawn(how, rng, options.steps).spans(options.steps) for name, how in ways.items()}
    tell(_bars(characters, walks), *silent)
    if path is not None:
        files.write(path, cuts.svg(say("How BPTT cuts {what}", what=problem.cut), characters[:SHOWN], walks))
        if options.output != STANDARD:
            tell("", *silent)
            wrote(options.output)
    tell(
        "\n" + say("{words}; random ways: {n} draws.", words=problem.words, n=options.draws) + "\n" + _about(),
        *silent,
    )
    names = [*ways, *(name for name, _ in _exact_ways(options.rtrl))]
    rows, measured = [], _measured(options, ways, problem)
    for number, name in enumerate(names, 1):
        with progress(name, number, len(names)):
            rows.append(next(measured))
        tell(str(rows[-1]), *silent)
    if options.json:
        about = {name: getattr(options, name) for name in ("cell", "steps", "hidden", "length", "seed")}
        about |= {} if options.hidden or ":" in options.cell else {"hidden": HIDDEN}
        with speaking("en"):  # JSON is the same in each language
            english = [*_ways(options.length), *(name for name, _ in _exact_ways(options.rtrl))]
        named = zip(rows, english, strict=True)
        found = [{**vars(row), "name": name, "walks": walks.get(row.name)} for row, name in named]
        write_json(options.json, {"kind": "truncation", **about, "ways": found})


def _measured(options: argparse.Namespace, ways: dict[str, AnyWay], problem: Problem) -> Iterator[_Row]:
    """Yield a row for each way, and for each that computes the full gradient."""
    tape, losses = problem.on_one_tape()
    cell, params, xs, loss, state = problem.cell, problem.params, problem.xs, problem.loss, problem.state
    for name, how in ways.items():
        rng = np.random.default_rng(options.seed)
        found = bptt.bias_and_variance(tape, losses, params, how, rng=rng, draws=options.draws)
        cost = _cost(partial(_truncated, options, problem, how))
        yield _Row(name, found.relative, found.cosine, found.spread, found.draws, *cost)
    full = tape.gradient(dict.fromkeys(losses, 1.0), params)
    for name, exact in _exact_ways(options.rtrl):
        gradients = exact(cell, params, xs, loss, state)[1]
        size, apart = (_norm(g) for g in (full, {k: gradients[k] - full[k] for k in full}))
        # What RTRL holds is the same at every step, and to trace it is slow: four steps show it.
        traced = xs[:4] if exact is bptt.rtrl else xs
        cost = _cost(*(partial(exact, cell, params, x, loss, state) for x in (xs, traced)))
        yield _Row(name, apart / size if size else 0.0, 1.0, 0.0, 1, *cost, exact=True)


def _ways(k: int) -> dict[str, AnyWay]:
    """Return the ways by name, with chunks and windows of k steps, or of k on average for a random way."""
    every = say("every step, {k} back", k=k) if k < 4 else say("every {j} steps, {k} back", j=k // 2, k=k)
    return {
        say("full"): bptt.Full(),
        say("chunks of {k}", k=k): bptt.Chunked(k),
        every: bptt.WilliamsPeng(k // 2, k),
        say("a window of {k} for each loss", k=k): bptt.Window(k),
        say("randomized, pi = {pi:.3g}", pi=1 - 1 / k): bptt.Randomized(1 - 1 / k),
        say("random chunks of {k}, power 4", k=k): bptt.RandomChunks(k, power=4),
    }


def _exact_ways(with_rtrl: bool) -> Iterator[tuple[str, Callable[..., Any]]]:
    yield say("checkpointed, every sqrt(T) steps"), bptt.checkpointed
    yield say("checkpointed, recursively"), partial(bptt.checkpointed, recursive=True)
    if with_rtrl:
        yield say("real-time recurrent learning"), bptt.rtrl


def _about() -> str:
    """Return what the columns of the table are, and its head."""
    columns = {
        "error": say("error"),
        "cosine": say("cosine"),
        "deviation": say("deviation"),
        "seconds": say("seconds"),
        "kilobytes": say("kilobytes"),
    }
    lines = [
        say("error: |E G - g| / |g|, G the truncated and g the full gradient; deviation: sqrt(E |G - E G|^2) / |g|"),
        say(
            "(a random way is unbiased: its error here is what a mean of so many draws leaves, "
            "deviation / sqrt(draws));"
        ),
        say("memory: at its highest, with a tape for each walk that is dropped after it."),
    ]
    return "\n".join([*lines, "", _line("", *(columns[name] for name in COLUMNS))])


def _bars(characters: str, walks: Mapping[str, Sequence[Walk]]) -> str:
    """Return the cuts under the text."""
    shown = characters[:SHOWN]
    lines = [
        say(
            "[--===: a walk that starts from the losses of the steps = and goes back to [; "
            "the state before is a constant."
        )
    ]
    if len(characters) > SHOWN:
        lines.append(say("The first {shown} of {all} characters.", shown=SHOWN, all=len(characters)))
    return "\n".join([*lines, *(f"\n{name}\n{cuts.as_text(shown, spans)}" for name, spans in walks.items())])


def _truncated(options: argparse.Namespace, problem: Problem, how: AnyWay) -> tuple[float, dict[str, Values]]:
    rng = np.random.default_rng(options.seed)
    return bptt.truncated_bptt(problem.cell, problem.params, problem.xs, problem.loss, how, problem.state, rng=rng)


def _norm(gradients: dict[str, Values]) -> float:
    return float(np.sqrt(sum(np.sum(g * g) for g in gradients.values())))


def _cost(call: Callable[[], object], traced: Callable[[], object] | None = None) -> tuple[float, int]:
    """Return the seconds of one run, and the highest memory in bytes of another run, which is traced."""
    began = time.perf_counter()
    call()
    seconds = time.perf_counter() - began
    tracemalloc.start()
    try:
        (traced or call)()
        return seconds, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _line(name: str, *numbers: str) -> str:
    """Return a line of the table, which is printed as its lines come."""
    return padded(name, NAME) + "".join(
        padded(number, columns, right=True) for number, columns in zip(numbers, COLUMNS.values(), strict=True)
    )
