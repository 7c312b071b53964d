"""Training a character language model: truncated BPTT over streams of text, with checkpoints that are whole.

The state is carried from one window to the next as plain numbers, so the gradient of a window ends where it began.
Every random choice is made from the seed and the place in the run (epoch, window), so a run that was stopped and
resumed gives the same numbers as one that was not.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from tinygrad_rnn import files
from tinygrad_rnn.compiler.compiled import compile
from tinygrad_rnn.lm.alphabet import Indices
from tinygrad_rnn.lm.language_model import Model, perplexity
from tinygrad_rnn.lm.notebook_progress import NotebookProgress
from tinygrad_rnn.lm.prepare import Prepared, prepare
from tinygrad_rnn.lm.run_files import CHECKPOINT, CURVE, LOG, SAMPLES, is_logged, load, save, write_log
from tinygrad_rnn.lm.run_state import OPTIMIZERS, Optimizer, Progress, Settings, check, start
from tinygrad_rnn.nn.optim import clip_by_norm
from tinygrad_rnn.nn.parameters import Array, State, Tree
from tinygrad_rnn.nn.time_loop import as_tuple
from tinygrad_rnn.notebook.live_display import in_notebook
from tinygrad_rnn.transforms.transforms import value_and_grad

__all__ = [
    "CHECKPOINT",
    "CURVE",
    "LOG",
    "OPTIMIZERS",
    "SAMPLES",
    "Prepared",
    "Progress",
    "Settings",
    "check",
    "gradients_of",
    "is_logged",
    "load",
    "prepare",
    "run",
    "save",
    "start",
    "train",
    "write_log",
]


Gradients = tuple[tuple[Array, State], Tree]
"""((loss, last state), gradients) of a window."""

Step = Callable[[Tree, Indices, State, np.random.Generator | None], Gradients]
"""The function (params, window, state, rng) -> `Gradients`."""

Watch = Callable[[Settings, Progress, float, int], None]
"""A function `watch(settings, progress, loss, windows)` that is called after each window."""


def train(
    settings: Settings,
    out: Path,
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> Progress:
    """Train to the last epoch of the settings, from `progress` or from the beginning; files into `out`.

    After each epoch: checkpoint.npz, log.csv, curve.svg, samples.txt. On KeyboardInterrupt the checkpoint of the last
    finished window is written, then it is raised on. `watch(settings, progress, loss, windows)` is called after each
    window; without one, a notebook shows the progress and the curve in its cell. The folder is held meanwhile:
    BlockingIOError where another run writes into it.
    """
    with files.alone(out):
        return run(settings, out, progress, watch)


def run(
    settings: Settings,
    out: Path,
    progress: Progress | None,
    watch: Watch | None = None,
    prepared: Prepared | None = None,
) -> Progress:
    """Train as `train` does, in a folder that the caller holds. `prepared` is what `prepare` makes of the settings.

    Raises FloatingPointError where the run diverges.
    """
    prepared = prepared or prepare(settings)
    settings = prepared.settings
    watch = watch or (NotebookProgress() if in_notebook() else lambda *_: None)
    if progress is not None and progress.digest != prepared.digest:
        raise ValueError(
            f"train: {settings.text} is not the text that this run began with\nput that text back, or begin a new run"
        )
    for name in (CHECKPOINT, LOG, CURVE, SAMPLES):  # found out here, not after an epoch
        files.require_place(out / name)
    progress = progress or replace(start(settings), digest=prepared.digest)
    save(out, settings, progress)
    if not is_logged(out, progress):  # stopped while it was written
        write_log(out, settings, progress)
    optimizer, step = OPTIMIZERS[settings.optimizer](settings.rate), gradients_of(settings)
    model = settings.model()
    try:
        while progress.epoch < settings.epochs:
            windows = prepared.streams(progress.epoch)
            while progress.window < len(windows):
                progress = _after_window(settings, step, optimizer, progress, windows[progress.window])
                watch(settings, progress, progress.total / progress.window, len(windows))
            progress = _after_epoch(settings, model, progress, len(windows), prepared.windows)
            save(out, settings, progress)
            write_log(out, settings, progress)
    except KeyboardInterrupt:
        save(out, settings, progress)
        raise
    if isinstance(watch, NotebookProgress):
        watch.end(settings, progress)
    return progress


def gradients_of(settings: Settings) -> Step:
    """Return the step of a run, a function of arrays.

    It is compiled, unless the settings say eager or have dropout, whose masks are drawn in each step.
    """
    model = settings.model()
    transform = value_and_grad if settings.eager or settings.dropout else compile
    run = transform(model.cross_entropy, has_aux=True)

    def step(params: Tree, window: Indices, state: State, rng: np.random.Generator | None) -> Gradients:
        found: Gradients = run(params, *model.examples(params, window), state, rng)
        return found

    return step


def _after_window(settings: Settings, step: Step, optimizer: Optimizer, before: Progress, window: Indices) -> Progress:
    """Run one step of truncated BPTT. Return a new Progress: an interrupt halfway leaves the old one whole."""
    started = time.perf_counter()
    rng = np.random.default_rng([settings.seed, before.epoch, before.window, 1]) if settings.dropout else None
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is said below
            (loss, last), found = step(before.params, window, before.state or None, rng)
            gradients, norm = clip_by_norm(found, settings.clip)
            params, moments = optimizer.step(before.params, gradients, before.moments)
    except FloatingPointError as error:
        raise FloatingPointError(
            f"train: epoch {before.epoch + 1}, window {before.window + 1}: {str(error).splitlines()[0]}\n"
            f"the run diverges: begin anew with a smaller rate than {settings.rate:g}, or a smaller clip"
        ) from error
    return replace(
        before,
        params=params,
        moments=moments,
        window=before.window + 1,
        state=as_tuple(last),
        total=before.total + float(loss),
        norm=max(before.norm, norm),
        seconds=before.seconds + time.perf_counter() - started,
    )


def _after_epoch(
    settings: Settings, model: Model, before: Progress, windows: int, held_out: Indices | None
) -> Progress:
    """Add the line of the epoch to the log, and begin the next epoch."""
    row = {
        "epoch": before.epoch + 1,
        "loss": before.total / windows,
        "perplexity": perplexity(before.total / windows),
        "largest_norm": before.norm,
        "characters_per_second": windows * settings.window * settings.batch / max(before.seconds, 1e-9),
    }
    if held_out is not None:
        row["validation_perplexity"] = model.perplexity(before.params, held_out)
    log = [*before.log, row]
    return replace(before, epoch=before.epoch + 1, window=0, state=(), total=0.0, norm=0.0, seconds=0.0, log=log)
