"""`tinygrad-rnn sample`: let a trained language model write."""

from __future__ import annotations

import argparse

from tinygrad_rnn import files
from tinygrad_rnn.commands.common import STANDARD, at_least, folder, number, place
from tinygrad_rnn.commands.parser import Commands, add_command
from tinygrad_rnn.commands.progress_line import Progress
from tinygrad_rnn.commands.streams import add_json, require_outputs, tell, write, write_json
from tinygrad_rnn.language.saying import say
from tinygrad_rnn.lm import train


def add(commands: Commands) -> None:
    """Add the command and its arguments."""
    sampling = add_command(
        commands,
        "sample",
        "write text with a trained language model",
        "--from run",
        '--from run --prompt "the time" --temperature 0.5 --json written.json',
        "--from run --length 30 --saliency leans.svg",
    )
    sampling.add_argument("--from", dest="folder", type=folder, required=True, help="folder that train wrote")
    sampling.add_argument("--prompt", help="beginning of the text (default: the prompt of the run)")
    sampling.add_argument(
        "--length", type=at_least(1), default=500, help="number of characters to write (default: 500)"
    )
    sampling.add_argument(
        "--lines", type=at_least(1), help="number of lines after which to end, where the network knows line ends"
    )
    sampling.add_argument(
        "--temperature", type=number, default=0.8, help="0 takes the likeliest character (default: 0.8)"
    )
    sampling.add_argument("--seed", type=at_least(0), default=0, help="seed of the draws (default: 0)")
    sampling.add_argument(
        "--saliency",
        type=place,
        metavar="FILE",
        help="draw which characters each prediction leans on into this file: .svg; - for the standard output",
    )
    add_json(sampling)
    sampling.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print what the model writes."""
    require_outputs("sample", options.json, options.saliency)
    if options.saliency not in (None, STANDARD):
        files.require_ending("sample", options.saliency, ".svg")
    settings, progress = train.load(options.folder)
    prompt = settings.prompt if options.prompt is None else options.prompt
    if options.lines is not None and "\n" not in settings.symbols:
        raise ValueError(
            "sample: --lines, but the network knows no line ends\ntrain it with --alphabet all, or give --length"
        )
    given = {"length": options.length, "temperature": options.temperature, "seed": options.seed, "lines": options.lines}
    with Progress("sample")(f"{options.length} characters"):
        written = settings.model().sample(progress.params, prompt, before=settings.before, **given)
    found = settings.model().saliency(progress.params, written, settings.before) if options.saliency else None
    drawn = found.svg() if found else ""
    tell(written, options.json, options.saliency)
    if options.saliency == STANDARD:
        write(STANDARD, drawn)
    elif options.saliency:
        files.write(options.saliency, drawn)
        tell(say("wrote {path}{more}", path=options.saliency, more=""), options.json)
    if options.json:
        whole = {"kind": "sample", "folder": str(options.folder), "prompt": prompt, **given, "text": written}
        write_json(options.json, {**whole, "saliency": found.to_dict() if found else None})
    return 0
