"""`tinygrad-rnn train`: a character language model, by truncated BPTT."""

from __future__ import annotations

import argparse
import dataclasses
import shlex

from tinygrad_rnn import files
from tinygrad_rnn.commands.common import STANDARD, at_least, folder, note, number, place
from tinygrad_rnn.commands.parser import Commands, add_command
from tinygrad_rnn.commands.progress_line import ProgressLine, on_terminal
from tinygrad_rnn.commands.streams import add_json, require_outputs, write_json
from tinygrad_rnn.core.counting import counted
from tinygrad_rnn.language.saying import say
from tinygrad_rnn.lm import train
from tinygrad_rnn.lm.alphabet import KINDS
from tinygrad_rnn.lm.language_model import LAYERS
from tinygrad_rnn.lm.prepare import EMBEDDING
from tinygrad_rnn.lm.progress_parts import ProgressParts
from tinygrad_rnn.lm.train import OPTIMIZERS

WHOLE = {
    "hidden": "number of hidden units",
    "layers": "number of layers",
    "window": "number of steps in a window",
    "batch": "number of streams side by side",
    "epochs": "number of epochs",
}
"""The options that are whole numbers from 1 on."""
SPARE = ("loss", "rate", "norm", "left", "perplexity")
"""The parts of the line of progress that a narrow terminal does without, the first one first."""


def add(commands: Commands) -> None:
    """Add the command and its arguments."""
    training = add_command(
        commands,
        "train",
        "train a character language model by truncated BPTT",
        "--text book.txt --epochs 1 --out run",
        "--text poems.txt --batch 2 --window 8 --epochs 1 --optimizer adam --rate 0.003 --out poems",
        "--resume --epochs 2 --out run",
    )
    kept = {field.name: field.default for field in dataclasses.fields(train.Settings)}
    training.add_argument("--text", type=place, help='a text file in any alphabet, or "timemachine" (the default)')
    training.add_argument(
        "--alphabet",
        choices=["auto", *KINDS],
        help="letters: lower case a to z and spaces; all: every character as it is, line ends too; "
        "auto (the default): all where more than a tenth of the letters of the text are not a to z",
    )
    training.add_argument("--encoding", metavar="NAME", help=f"encoding of the text (default: {kept['encoding']})")
    training.add_argument(
        "--least", type=at_least(1), help="characters that occur fewer times are unknown (default: 1, which keeps all)"
    )
    training.add_argument("--cell", choices=list(LAYERS), help=f"cell, one that has layers (default: {kept['cell']})")
    for name, what in WHOLE.items():
        training.add_argument(f"--{name}", type=at_least(1), help=f"{what} (default: {kept[name]})")
    training.add_argument(
        "--embedding",
        type=at_least(0),
        help=f"number of features of a character, 0 for one-hot (default: 0 for letters, {EMBEDDING} for all)",
    )
    training.add_argument("--optimizer", choices=list(OPTIMIZERS), help=f"optimizer (default: {kept['optimizer']})")
    training.add_argument("--rate", type=number, help=f"learning rate (default: {kept['rate']:g})")
    training.add_argument("--clip", type=number, help=f"largest norm of the gradient (default: {kept['clip']:g})")
    training.add_argument("--dropout", type=number, help="share of units to drop between layers (default: 0)")
    training.add_argument(
        "--characters", type=at_least(1), help="number of characters of the cleaned text to train on (default: all)"
    )
    training.add_argument("--validate", type=number, help="share of the text to hold out at its end (default: 0)")
    training.add_argument("--seed", type=at_least(0), help="seed of parameters, offsets and masks (default: 0)")
    training.add_argument("--eager", action="store_const", const=True, help="record each step instead of compiling one")
    training.add_argument("--prompt", help=f"beginning of each sample (default: {kept['prompt']!r}, or the text's)")
    training.add_argument("--out", type=folder, required=True, help="folder for checkpoint, log, curve and samples")
    add_json(training)
    training.add_argument("--resume", action="store_true", help="continue the run in --out, up to --epochs")
    training.add_argument("--overwrite", action="store_true", help="start a new run, even if --out holds one")
    training.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train, or go on, in a folder that no other run writes into meanwhile."""
    require_outputs("train", options.json)
    if options.text == STANDARD:
        raise ValueError("train: --text -: a run reads its text again when it goes on\nput the text into a file")
    with files.alone(options.out):
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    names = [field.name for field in dataclasses.fields(train.Settings) if hasattr(options, field.name)]
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
        if progress.epoch >= settings.epochs and train.is_logged(options.out, progress):
            raise ValueError(
                f"train --resume: {progress.epoch} of {counted(settings.epochs, 'epoch')} done already\n"
                "ask for more: --epochs N"
            )
    else:
        settings = train.Settings(**{"text": "timemachine", **given})
        if (options.out / train.CHECKPOINT).exists() and not options.overwrite:
            raise ValueError(f"train: {options.out} holds a run\ngo on with --resume, or begin anew with --overwrite")
    prepared = train.prepare(settings)
    if words := prepared.words():
        note(words, to_stderr=options.json == STANDARD)
    line = _Line() if on_terminal() else None
    try:
        try:
            progress = train.run(settings, options.out, progress, line, prepared)
        finally:
            if line:
                line.end()
    except KeyboardInterrupt:
        if (options.out / train.CHECKPOINT).exists():
            out = shlex.quote(str(options.out))
            command = f"tinygrad-rnn train --resume --epochs {settings.epochs} --out {out}"
            words = say("stopped; go on with: {command}", command=command)
            note(words, to_stderr=options.json == STANDARD)
        raise
    row = progress.log[-1]
    held_out = row.get("validation_perplexity")
    if options.json:
        whole = {"kind": "training", "folder": str(options.out), "settings": dataclasses.asdict(prepared.settings)}
        write_json(options.json, {**whole, **prepared.facts(), "epochs": progress.epoch, "log": progress.log})
    if options.json == STANDARD:
        return 0
    note(
        say(
            "epoch {n}: perplexity {value}{beside}, {rate:,.0f} characters/s; wrote {out}",
            n=progress.epoch,
            value=_short(row["perplexity"]),
            beside="" if held_out is None else say(", on held-out text {value}", value=_short(held_out)),
            rate=row["characters_per_second"],
            out=options.out,
        )
    )
    return 0


class _Line:
    """The line of progress of a training."""

    def __init__(self) -> None:
        self._line, self._parts = ProgressLine(SPARE), ProgressParts()

    def __call__(self, settings: train.Settings, progress: train.Progress, loss: float, windows: int) -> None:
        self._parts.begin(progress)
        if self._line.due() or progress.window >= windows:
            self._line.show(self._parts.of(settings, progress, loss, windows))

    def end(self) -> None:
        """End the line, so that what comes next stands on its own."""
        self._line.end()


def _short(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 1e6 else f"{value:.3g}"
