"""`tinygrad-rnn sample`: let a trained language model write."""

from __future__ import annotations

import argparse

from tinygrad_rnn.commands.common import at_least, folder, number
from tinygrad_rnn.commands.parser import Commands, add_command
from tinygrad_rnn.commands.progress_line import Progress
from tinygrad_rnn.lm import train


def add(commands: Commands) -> None:
    """Add the command and its arguments."""
    sampling = add_command(
        commands,
        "sample",
        "write text with a trained language model",
        "--from run",
        '--from run --prompt "the time" --temperature 0.5',
    )
    sampling.add_argument("--from", dest="folder", type=folder, required=True, help="folder that train wrote")
    sampling.add_argument(
        "--prompt", default="time traveller", help="beginning of the text (default: 'time traveller')"
    )
    sampling.add_argument(
        "--length", type=at_least(1), default=500, help="number of characters to write (default: 500)"
    )
    sampling.add_argument(
        "--temperature", type=number, default=0.8, help="0 takes the likeliest character (default: 0.8)"
    )
    sampling.add_argument("--seed", type=at_least(0), default=0, help="seed of the draws (default: 0)")
    sampling.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print what the model writes."""
    settings, progress = train.load(options.folder)
    with Progress("sample")(f"{options.length} characters"):
        written = settings.model().sample(
            progress.params, options.prompt, options.length, options.temperature, options.seed
        )
    print(written)
    return 0
