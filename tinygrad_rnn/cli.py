"""The command line: `tinygrad-rnn demo`, `compare`, `draw`, `train`, `sample`.

Exit status 1 where a comparison fails, 2 for bad input, 130 where it was interrupted.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_rnn
from tinygrad_rnn import bptt, draw, nn
from tinygrad_rnn.bptt.report import Report
from tinygrad_rnn.engine.tape import Tape
from tinygrad_rnn.engine.tensor import Tensor, named
from tinygrad_rnn.lm import text, train
from tinygrad_rnn.lm.model import LAYERS
from tinygrad_rnn.lm.train import OPTIMIZERS

CELLS: dict[str, Callable[..., Any]] = {
    cell.__name__: cell for cell in (nn.rnn, nn.residual_rnn, nn.lstm, nn.gru, nn.gru_textbook)
}
"""Those with a derivation by hand to compare with."""
MORE_CELLS: dict[str, Callable[..., Any]] = {
    cell.__name__: cell for cell in (nn.peephole_lstm, nn.coupled_lstm, nn.layer_norm_lstm, nn.mgu, nn.leaky_rnn)
}
ALL_CELLS = CELLS | MORE_CELLS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a console's code page may lack a character: show it escaped
            stream.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (ValueError, TypeError, OSError, RuntimeError, ArithmeticError) as error:
        print(f"tinygrad-rnn: error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tinygrad-rnn", description="See and check backpropagation through time.")
    parser.add_argument("--version", action="version", version=f"tinygrad-rnn {tinygrad_rnn.__version__}")
    commands = parser.add_subparsers(title="commands", required=True)

    demo = commands.add_parser(
        "demo", help="real text through five cells: recorded, walked back, compared with BPTT by hand, drawn"
    )
    demo.add_argument("--out", type=Path, default=Path("out"), help="folder for the drawings (default: out)")
    demo.add_argument("--text", type=Path, help="a UTF-8 text file (default: Python's own help texts)")
    demo.set_defaults(run=_demo)

    compare = commands.add_parser("compare", help="a cell's gradients: the tape against BPTT by hand and numbers alone")
    _problem(compare, steps=7)
    compare.add_argument("--dtype", choices=("float64", "float32"), default="float64")
    compare.set_defaults(run=_compare)

    drawing = commands.add_parser("draw", help="draw a cell's unrolled graph")
    _problem(drawing, steps=4)
    drawing.add_argument("-o", "--output", type=Path, required=True, help="file: .svg, .png, .pdf or .dot")
    drawing.add_argument("--engine", choices=("auto", "dot", "grid"), default="auto")
    drawing.set_defaults(run=_draw)

    training = commands.add_parser("train", help="train a character language model by truncated BPTT")
    kept = {field.name: field.default for field in dataclasses.fields(train.Settings)}
    training.add_argument("--text", help='a UTF-8 text file, or "timemachine" (the default)')
    training.add_argument("--cell", choices=list(LAYERS), help=f"default: {kept['cell']}")
    for name in ("hidden", "layers", "window", "batch", "epochs"):
        training.add_argument(f"--{name}", type=_at_least_one, help=f"default: {kept[name]}")
    training.add_argument("--optimizer", choices=list(OPTIMIZERS), help=f"default: {kept['optimizer']}")
    training.add_argument("--rate", type=float, help=f"learning rate (default: {kept['rate']:g})")
    training.add_argument("--clip", type=float, help=f"largest norm of the gradient (default: {kept['clip']:g})")
    training.add_argument("--dropout", type=float, help="between layers (default: 0)")
    training.add_argument("--characters", type=_at_least_one, help="only the first so many of the cleaned text")
    training.add_argument("--validate", type=float, help="share of the text, at its end, to validate on (default: 0)")
    training.add_argument("--seed", type=int, help="default: 0")
    training.add_argument("--prompt", help=f"what samples begin with (default: {kept['prompt']!r})")
    training.add_argument("--out", type=Path, required=True, help="folder for checkpoint, log, curve and samples")
    training.add_argument("--resume", action="store_true", help="go on with the run in --out, to --epochs")
    training.add_argument("--overwrite", action="store_true", help="begin anew, even if --out holds a run")
    training.set_defaults(run=_train)

    sampling = commands.add_parser("sample", help="let a trained language model write")
    sampling.add_argument("--from", dest="folder", type=Path, required=True, help="the folder that train wrote")
    sampling.add_argument("--prompt", default="time traveller")
    sampling.add_argument("--length", type=_at_least_one, default=500, help="characters to write (default: 500)")
    sampling.add_argument("--temperature", type=float, default=0.8, help="0: always the likeliest (default: 0.8)")
    sampling.add_argument("--seed", type=int, default=0)
    sampling.set_defaults(run=_sample)
    return parser


def _problem(parser: argparse.ArgumentParser, steps: int) -> None:
    parser.add_argument("--cell", choices=list(ALL_CELLS), default="lstm")
    for name, default in (("steps", steps), ("batch", 3), ("input", 4), ("hidden", 5)):
        parser.add_argument(f"--{name}", type=_at_least_one, default=default, help=f"default: {default}")
    parser.add_argument("--seed", type=int, default=0, help="of the random parameters and inputs (default: 0)")


def _at_least_one(value: str) -> int:
    number = int(value)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not at least 1")
    return number


def _demo(options: argparse.Namespace) -> int:
    steps, batch, hidden = 4, 3, 5
    options.out.mkdir(parents=True, exist_ok=True)
    letters = text.windows(text.load(options.text), steps, batch)
    print(f"{batch} windows of text, {steps} characters in, the next one as the target:")
    for window in letters.T:
        shown = "".join(text.ALPHABET[k] for k in window)
        print(f"  {shown[:-1]!r} -> {shown[1:]!r}")
    xs, targets = text.one_hot(letters[:-1]), letters[1:]
    failed = []
    for name, cell in CELLS.items():
        print(f"\n=== {name} " + "=" * (70 - len(name)))
        rng = np.random.default_rng(0)
        params = getattr(nn.init, name)(rng, xs.shape[-1], hidden)
        V = Tensor(rng.normal(0, 0.5, (len(text.ALPHABET), hidden)), name="V")
        c = Tensor(np.zeros(len(text.ALPHABET)), name="c")
        with Tape() as tape:
            hs, _ = nn.unroll(cell, params, xs)
            loss = named("L", nn.cross_entropy(hs @ V.T + c, targets))
        print(
            f"\nThe tape, {len(tape)} entries, softmax(V h + c) and the mean cross entropy at its end: L = {loss:.6f}"
        )
        print(f"\n{tape.table(ends=9)}")
        for report in _reports(name, params, xs, V, c, hs, loss, targets, tape):
            print(f"\n{report}")
            failed += [] if report else [report.title]
        print()
        for ending in (".dot", ".svg"):
            _write_drawing(tape, options.out / f"{name}{ending}")
    print(f"\n{len(failed)} comparisons FAILED: {'; '.join(failed)}" if failed else "\nEvery comparison agrees.")
    return 1 if failed else 0


def _reports(
    name: str, params: Any, xs: Any, V: Tensor, c: Tensor, hs: Tensor, loss: Tensor, targets: Any, tape: Tape
) -> list[Report]:
    """The readout by hand against the tape; then the cell, given the readout's gradient of every hidden state."""
    tape_readout = tape.gradient(loss, {"V": V, "c": c, "hs": hs})
    _, hand_readout = bptt.by_hand.softmax_readout(V.data, c.data, hs.data, targets)
    readout = bptt.compare_gradients("softmax readout: tape against the derivation by hand", tape_readout, hand_readout)
    by_hand = getattr(bptt.by_hand, name)
    zeros = tuple(np.zeros(hs.shape[1:]) for _ in range(2 if name == "lstm" else 1))
    return [readout, bptt.compare(CELLS[name], params, xs, by_hand, state=zeros, dhs=hand_readout["hs"])]


def _compare(options: argparse.Namespace) -> int:
    params, xs = _inputs(options, options.dtype)
    by_hand = getattr(bptt.by_hand, options.cell, None)
    report = bptt.compare(ALL_CELLS[options.cell], params, xs, by_hand, seed=options.seed)
    print(report)
    return 0 if report else 1


def _draw(options: argparse.Namespace) -> int:
    params, xs = _inputs(options, "float64")
    with Tape() as tape:
        nn.unroll(ALL_CELLS[options.cell], params, xs)
    _write_drawing(tape, options.output, options.engine)
    return 0


def _train(options: argparse.Namespace) -> int:
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


def _sample(options: argparse.Namespace) -> int:
    settings, progress = train.load(options.folder)
    written = settings.model().sample(
        progress.params, options.prompt, options.length, options.temperature, options.seed
    )
    print(written)
    return 0


def _write_drawing(tape: Tape, path: Path, engine: str = "auto") -> None:
    drawn = draw.render(tape, path, engine=engine)
    print(f"wrote {drawn.path}" + (f" (drawn by {drawn.engine})" if drawn.engine != "text" else ""))


def _inputs(options: argparse.Namespace, dtype: str) -> tuple[Any, Any]:
    rng = np.random.default_rng(options.seed)
    params = getattr(nn.init, options.cell)(rng, options.input, options.hidden, dtype)
    return params, rng.standard_normal((options.steps, options.batch, options.input)).astype(dtype)
