"""`tinygrad-rnn train`: a character language model, by truncated BPTT."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from pathlib import Path

import numpy as np

from tinygrad_rnn.commands.common import at_least_one
from tinygrad_rnn.lm import train
from tinygrad_rnn.lm.language_model import LAYERS
from tinygrad_rnn.lm.train import OPTIMIZERS


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Its arguments."""
    training = commands.add_parser("train", help="train a character language model by truncated BPTT")
    kept = {field.name: field.default for field in dataclasses.fields(train.Settings)}
    training.add_argument("--text", help='a UTF-8 text file, or "timemachine" (the default)')
    training.add_argument("--cell", choices=list(LAYERS), help=f"default: {kept['cell']}")
    for name in ("hidden", "layers", "window", "batch", "epochs"):
        training.add_argument(f"--{name}", type=at_least_one, help=f"default: {kept[name]}")
    training.add_argument("--optimizer", choices=list(OPTIMIZERS), help=f"default: {kept['optimizer']}")
    training.add_argument("--rate", type=float, help=f"learning rate (default: {kept['rate']:g})")
    training.add_argument("--clip", type=float, help=f"largest norm of the gradient (default: {kept['clip']:g})")
    training.add_argument("--dropout", type=float, help="between layers (default: 0)")
    training.add_argument("--characters", type=at_least_one, help="only the first so many of the cleaned text")
    training.add_argument("--validate", type=float, help="share of the text, at its end, to validate on (default: 0)")
    training.add_argument("--seed", type=int, help="default: 0")
    training.add_argument("--eager", action="store_const", const=True, help="record every step anew: do not compile")
    training.add_argument("--prompt", help=f"what samples begin with (default: {kept['prompt']!r})")
    training.add_argument("--out", type=Path, required=True, help="folder for checkpoint, log, curve and samples")
    training.add_argument("--resume", action="store_true", help="go on with the run in --out, to --epochs")
    training.add_argument("--overwrite", action="store_true", help="begin anew, even if --out holds a run")
    training.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train, or go on; status 130 where it was interrupted."""
    names = [field.name for field in dataclasses.fields(train.Settings)]
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    progress = None
    if options.resume:
        settings, progress = train.load(options.out)
        other = [f"--{name}" for name in given if name not in ("epochs", "prompt")]
        if other:
            raise ValueError(
                f"train --resume: {', '.join(other)}\na run goes on as it began: only --epochs and --prompt may change"
            )
        settings = dataclasses.replace(settings, **given)
        if progress.epoch >= settings.epochs:
            raise ValueError(
                f"train --resume: {progress.epoch} epochs are done, of {settings.epochs}\nask for more: --epochs N"
            )
    else:
        settings = train.Settings(**{"text": "timemachine", **given})
        if (options.out / train.CHECKPOINT).exists() and not options.overwrite:
            raise ValueError(f"train: {options.out} holds a run\ngo on with --resume, or begin anew with --overwrite")
    shown = sys.stderr.isatty()
    try:
        progress = train.train(settings, options.out, progress, _Line() if shown else lambda *_: None)
    except KeyboardInterrupt:
        print(f"\nstopped; go on with: tinygrad-rnn train --resume --epochs {settings.epochs} --out {options.out}")
        return 130
    if progress.log:
        row = progress.log[-1]
        held_out = row.get("validation_perplexity")
        if shown:
            print(file=sys.stderr)
        print(
            f"epoch {progress.epoch}: perplexity {row['perplexity']:.3f}"
            + (f", on held-out text {held_out:.3f}" if held_out is not None else "")
            + f", {row['characters_per_second']:,.0f} characters/s; wrote {options.out}"
        )
    return 0


class _Line:
    """The line of progress on a terminal."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._first: tuple[int, int] | None = None
        self._shown = 0.0

    def __call__(self, settings: train.Settings, progress: train.Progress, loss: float, windows: int) -> None:
        now = time.perf_counter()
        self._first = self._first or (progress.epoch, progress.window - 1)
        if now - self._shown < 0.2 and progress.window < windows:
            return
        self._shown = now
        done = (progress.epoch - self._first[0]) * windows + progress.window - self._first[1]
        left = (settings.epochs - progress.epoch) * windows - progress.window
        seconds = (now - self._started) / done
        rate = settings.batch * settings.window / seconds
        print(
            f"\repoch {progress.epoch + 1}/{settings.epochs}  loss {loss:.4f}  perplexity {np.exp(loss):.3f}  "
            f"|g| {progress.norm:.2f}  {rate:,.0f} characters/s  {_clock(left * seconds)} left   ",
            end="",
            file=sys.stderr,
            flush=True,
        )


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 3600}:{int(seconds) % 3600 // 60:02}:{int(seconds) % 60:02}"
