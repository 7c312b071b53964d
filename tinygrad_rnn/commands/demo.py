"""`tinygrad-rnn demo`: five cells on real text, recorded, walked back, compared and drawn."""

from __future__ import annotations

import argparse
import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path

import numpy as np

from tinygrad_rnn import bptt, files, nn
from tinygrad_rnn.bptt.comparison.report import Report
from tinygrad_rnn.commands.common import CELLS, STANDARD, TEXT_HELP, folder, place, write_drawing
from tinygrad_rnn.commands.parser import Commands, add_command
from tinygrad_rnn.commands.progress_line import Progress
from tinygrad_rnn.commands.streams import add_json, read_text, require_outputs, tell, write_json
from tinygrad_rnn.core.tensor import Tensor, named
from tinygrad_rnn.language.saying import counts, say, template
from tinygrad_rnn.lm import text
from tinygrad_rnn.nn.parameters import Array, Params
from tinygrad_rnn.tape.full_tape import Tape


def add(commands: Commands) -> None:
    """Add the command and its arguments."""
    demo = add_command(
        commands,
        "demo",
        "run five cells on real text: record, walk back, compare with BPTT by hand, draw",
        "--out out",
        "--text book.txt --out out --json verdicts.json",
    )
    demo.add_argument("--out", type=folder, default=Path("out"), help="folder for the drawings (default: out)")
    demo.add_argument("--text", type=place, metavar="FILE", help=TEXT_HELP)
    add_json(demo)
    demo.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Record, walk back, compare, draw."""
    steps, batch, hidden = 4, 3, 5
    require_outputs("demo", options.json)
    read, written = (None if path == STANDARD else path for path in (options.text, options.json))
    files.require_apart("demo", read, written)
    silent = (options.json,)
    drawings = [(name, ending) for name in CELLS for ending in (".dot", ".svg")]
    whole = text.load(options.text) if options.text != STANDARD else text.clean(read_text(STANDARD))
    letters = text.windows(whole, steps, batch)
    files.make_folder(options.out)
    if written:
        files.require_apart("demo", written, *(options.out / f"{name}{ending}" for name, ending in drawings))
    for name, ending in drawings:
        files.require_place(options.out / f"{name}{ending}")
    tell(f"{batch} windows of text, {steps} characters in, the next one as the target:", *silent)
    for window in letters.T:
        shown = "".join(text.ALPHABET[k] for k in window)
        tell(f"  {shown[:-1]!r} -> {shown[1:]!r}", *silent)
    xs, targets = text.one_hot(letters[:-1]), letters[1:]
    failed, progress, found = [], Progress("demo"), {}
    for name, cell in CELLS.items():
        tell(f"\n=== {name} " + "=" * (70 - len(name)), *silent)
        rng = np.random.default_rng(0)
        params = getattr(nn.init, name)(rng, xs.shape[-1], hidden)
        V = Tensor(rng.normal(0, 0.5, (len(text.ALPHABET), hidden)), name="V")
        c = Tensor(np.zeros(len(text.ALPHABET)), name="c")
        with Tape() as tape:
            hs, _ = nn.unroll(cell, params, xs)
            loss = named("L", nn.cross_entropy(hs @ V.T + c, targets))
        words = say(
            "The tape, {n} entries, softmax(V h + c) and the mean cross entropy at its end: L = {loss:.6f}",
            n=len(tape),
            loss=loss,
        )
        tell(f"\n{words}\n\n{tape.table(ends=9)}", *silent)
        with progress(name, 1 + [*CELLS].index(name), len(CELLS)):
            reports = _reports(name, params, xs, V, c, hs, loss, targets, tape)
        for report in reports:
            tell(f"\n{report}", *silent)
            failed += [] if report else [report.title]
        found[name] = {"loss": float(loss.data), "comparisons": [report.to_dict() for report in reports]}
        tell("", *silent)
        with redirect_stdout(sys.stderr) if STANDARD in silent else nullcontext():
            for ending in (".dot", ".svg"):
                write_drawing(tape, options.out / f"{name}{ending}")
    one, several = template("{n:,} comparison FAILED"), template("{n:,} comparisons FAILED")
    bad = f"{counts(len(failed), one, several)}: {'; '.join(failed)}"
    tell(f"\n{bad if failed else say('Every comparison agrees.')}", *silent)
    if options.json:
        write_json(options.json, {"kind": "demo", "right": not failed, "cells": found})
    return 1 if failed else 0


def _reports(
    name: str, params: Params, xs: Array, V: Tensor, c: Tensor, hs: Tensor, loss: Tensor, targets: Array, tape: Tape
) -> list[Report]:
    """Compare the readout by hand with the tape; then the cell, given the readout's gradient of every hidden state."""
    tape_readout = tape.gradient(loss, {"V": V, "c": c, "hs": hs})
    _, hand_readout = bptt.by_hand.softmax_readout(V.data, c.data, hs.data, targets)
    title = say("softmax readout: tape against the derivation by hand")
    readout = bptt.compare_gradients(title, tape_readout, hand_readout)
    by_hand = getattr(bptt.by_hand, name)
    zeros = tuple(np.zeros(hs.shape[1:]) for _ in range(2 if name == "lstm" else 1))
    return [readout, bptt.compare(CELLS[name], params, xs, by_hand, state=zeros, dhs=hand_readout["hs"])]
