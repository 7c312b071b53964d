"""Training a character language model: truncated BPTT over streams of text, with checkpoints that are whole.

The state is carried from one window to the next as plain numbers, so the gradient of a window ends where it began.
Every random choice is made from the seed and the place in the run (epoch, window), so a run that was stopped and
resumed gives the same numbers as one that was not.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_rnn import files, nn
from tinygrad_rnn.compiler.compiled import compile
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.lm import corpus, curve, text
from tinygrad_rnn.lm.language_model import LAYERS, Model, perplexity
from tinygrad_rnn.nn.optim import SGD, Adam, clip_by_norm
from tinygrad_rnn.nn.time_loop import as_tuple
from tinygrad_rnn.transforms.transforms import value_and_grad

CHECKPOINT, LOG, CURVE, SAMPLES = "checkpoint.npz", "log.csv", "curve.svg", "samples.txt"
OPTIMIZERS: dict[str, Callable[[float], Any]] = {
    "sgd": lambda rate: SGD(rate=rate),
    "adam": lambda rate: Adam(rate=rate),
}


@dataclass(frozen=True)
class Settings:
    """What decides a run; kept in its checkpoint."""

    text: str
    cell: str = "gru"
    hidden: int = 128
    layers: int = 1
    dropout: float = 0.0
    window: int = 35
    batch: int = 32
    epochs: int = 10
    optimizer: str = "sgd"
    rate: float = 1.0
    clip: float = 1.0
    characters: int | None = None
    validate: float = 0.0
    seed: int = 0
    prompt: str = "time traveller"
    eager: bool = False

    def model(self) -> Model:
        """Return the network of these settings."""
        return Model(self.cell, self.hidden, self.layers, self.dropout)


@dataclass
class Progress:
    """Where a run stands: everything that the next window needs."""

    params: dict[str, Any]
    moments: dict[str, Any]
    epoch: int = 0
    window: int = 0
    state: tuple[Any, ...] = ()
    total: float = 0.0
    norm: float = 0.0
    seconds: float = 0.0
    digest: str = ""
    log: list[dict[str, float]] = field(default_factory=list)


def check(settings: Settings) -> None:
    """Raise ValueError for settings that no run can have."""
    for name in ("hidden", "layers", "window", "batch", "epochs", "seed", "characters"):
        value, least = getattr(settings, name), 0 if name == "seed" else 1
        if not (isinstance(value, int) and value >= least) and not (name == "characters" and value is None):
            raise ValueError(f"train: {name} {value!r}\nexpected an integer from {least} on")
    for name, known in (("cell", LAYERS), ("optimizer", OPTIMIZERS)):
        if getattr(settings, name) not in known:
            raise ValueError(f"train: {name} {getattr(settings, name)!r}\nthere are {', '.join(known)}")
    within = {
        "rate": (0 < settings.rate < math.inf, "a positive number"),
        "clip": (settings.clip > 0, "a positive number, inf for none"),
        "validate": (0 <= settings.validate < 1, "a share of the text, 0 <= validate < 1"),
        "dropout": (0 <= settings.dropout < 1, "the share that is dropped, 0 <= dropout < 1"),
        "layers": (settings.layers > 1 or not settings.dropout, "more than 1 for dropout, which is between layers"),
        "prompt": (bool(settings.prompt), "at least one character"),
    }
    for name, (fits, expected) in within.items():
        if not fits:
            raise ValueError(f"train: {name} {getattr(settings, name)!r}\nexpected {expected}")
    text.indices(settings.prompt)


def start(settings: Settings) -> Progress:
    """Return a run before its first window."""
    check(settings)
    params = settings.model().init(np.random.default_rng(settings.seed))
    return Progress(params, OPTIMIZERS[settings.optimizer](settings.rate).init(params))


def train(
    settings: Settings,
    out: Path,
    progress: Progress | None = None,
    watch: Callable[[Settings, Progress, float, int], None] = lambda *_: None,
) -> Progress:
    """Train to the last epoch of the settings, from `progress` or from the beginning; files into `out`.

    After each epoch: checkpoint.npz, log.csv, curve.svg, samples.txt. On KeyboardInterrupt the checkpoint of the last
    finished window is written, then it is raised on. `watch(settings, progress, loss, windows)` is called after each
    window. The folder is held meanwhile: BlockingIOError where another run writes into it.
    """
    with files.alone(out):
        return run(settings, out, progress, watch)


def run(settings: Settings, out: Path, progress: Progress | None, watch: Callable[..., None]) -> Progress:
    """Train as `train` does, in a folder that the caller holds. Raises FloatingPointError where the run diverges."""
    check(settings)
    whole = corpus.load(settings.text, settings.characters)
    digest = hashlib.sha1(whole.encode(), usedforsecurity=False).hexdigest()
    if progress is not None and progress.digest != digest:
        raise ValueError(
            f"train: {settings.text} is not the text that this run began with\nput that text back, or begin a new run"
        )
    cut = len(whole) - int(len(whole) * settings.validate)
    held_out = _held_out(settings, whole[cut:]) if settings.validate else None
    text.streams(whole[:cut], settings.batch, settings.window, settings.window)  # long enough at every offset
    for name in (CHECKPOINT, LOG, CURVE, SAMPLES):  # found out here, not after an epoch
        files.require_place(out / name)
    progress = progress or replace(start(settings), digest=digest)
    save(out, settings, progress)
    if not is_logged(out, progress):  # stopped while it was written
        write_log(out, settings, progress)
    optimizer, step = OPTIMIZERS[settings.optimizer](settings.rate), gradients_of(settings)
    model = settings.model()
    try:
        while progress.epoch < settings.epochs:
            offset = int(np.random.default_rng([settings.seed, progress.epoch]).integers(settings.window))
            windows = text.streams(whole[:cut], settings.batch, settings.window, offset)
            while progress.window < len(windows):
                progress = _after_window(settings, step, optimizer, progress, windows[progress.window])
                watch(settings, progress, progress.total / progress.window, len(windows))
            progress = _after_epoch(settings, model, progress, len(windows), held_out)
            save(out, settings, progress)
            write_log(out, settings, progress)
    except KeyboardInterrupt:
        save(out, settings, progress)
        raise
    return progress


def _held_out(settings: Settings, part: str) -> Any:
    try:
        return text.streams(part, min(settings.batch, 8), settings.window)
    except ValueError as error:
        first = str(error).splitlines()[0].removeprefix("streams: ")
        raise ValueError(
            f"train: validate {settings.validate:g}: of the text that is held out, {first}\n"
            "hold out a larger share, or give a longer text"
        ) from error


def gradients_of(settings: Settings) -> Callable[..., Any]:
    """Return the function (params, window, state, rng) -> ((loss, last state), gradients) of a run, of arrays.

    Compiled, unless the settings say eager, or have dropout: its masks are drawn anew in each step.
    """
    model = settings.model()
    transform = value_and_grad if settings.eager or settings.dropout else compile
    run = transform(model.cross_entropy, has_aux=True)

    def step(params: Any, window: Any, state: Any, rng: np.random.Generator | None) -> Any:
        return run(params, *model.examples(params, window), state, rng)

    return step


def _after_window(
    settings: Settings, step: Callable[..., Any], optimizer: Any, before: Progress, window: Any
) -> Progress:
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


def _after_epoch(settings: Settings, model: Model, before: Progress, windows: int, held_out: Any) -> Progress:
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


# ---------------------------------------------------------------------------------------------- files


def save(out: Path, settings: Settings, progress: Progress) -> Path:
    """Write the checkpoint, whole or not at all: plain arrays, and the rest as JSON in one of them."""
    plain = {
        "settings": asdict(settings),
        "progress": {
            name: getattr(progress, name) for name in ("epoch", "window", "total", "norm", "seconds", "digest", "log")
        },
        "count": progress.moments["count"],
        "states": len(progress.state),
    }
    arrays = {"plain": np.frombuffer(json.dumps(plain).encode(), np.uint8)}
    arrays |= {f"params/{name}": p for name, p in nn.weights.arrays(progress.params).items()}
    for moment, values in progress.moments.items():
        if moment != "count":
            arrays |= {f"{moment}/{name}": value for name, value in values.items()}
    arrays |= {f"state/{k}": s for k, s in enumerate(progress.state)}
    return nn.weights.save(out / CHECKPOINT, arrays)


def load(out: Path) -> tuple[Settings, Progress]:
    """Return the settings and the progress of a run. Raise ValueError where the checkpoint is missing or broken."""
    path = out / CHECKPOINT
    if not path.exists():
        raise ValueError(f"{out}: no {CHECKPOINT} in this folder\ngive the folder that `train --out` wrote")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of NaN, which is an error below
        arrays = nn.weights.load(path)
    if "plain" not in arrays:
        raise ValueError(f"{path}: no checkpoint of a language model\ngive the folder that `train --out` wrote")
    try:
        settings, progress = _read(arrays)
    except MemoryError:
        raise
    except Exception as error:  # whatever comes of names and types that no run of ours wrote
        raise ValueError(
            f"{path}: no checkpoint that can be read ({type(error).__name__}: {str(error).splitlines()[0]})\n"
            "it was changed, or comes from another version: begin anew with --overwrite"
        ) from error
    if wrong := nn.weights.not_finite(progress.params):
        raise ValueError(
            f"{path}: {', '.join(wrong)}: NaN or infinity among the entries\n"
            "the run diverged before it was saved: train again, with a smaller rate or clipping"
        )
    return settings, progress


def _read(arrays: dict[str, Any]) -> tuple[Settings, Progress]:
    plain = json.loads(arrays["plain"].tobytes().decode())
    settings = Settings(**plain["settings"])
    check(settings)
    groups: dict[str, dict[str, Any]] = {}
    for key, value in arrays.items():
        group, _, name = key.partition("/")
        groups.setdefault(group, {})[name] = value
    params = {name: Tensor(p, name=name) for name, p in groups.pop("params").items()}
    states = groups.pop("state", {})
    groups.pop("plain")
    moments = {"count": plain["count"], **groups}
    state = tuple(states[str(k)] for k in range(plain["states"]))
    progress = Progress(params, moments, state=state, **plain["progress"])
    _require_whole(settings, progress)
    return settings, progress


def _require_whole(settings: Settings, progress: Progress) -> None:
    """Raise ValueError where a run of these settings cannot stand where it is said to stand."""
    fresh = start(settings)
    wanted = {"parameters": fresh.params} | {k: m for k, m in fresh.moments.items() if k != "count"}
    given = {"parameters": progress.params} | {k: m for k, m in progress.moments.items() if k != "count"}
    if wanted.keys() != given.keys():
        raise ValueError(f"it holds {', '.join(given)}, expected {', '.join(wanted)}")
    for group, values in wanted.items():
        if values.keys() != given[group].keys():
            raise ValueError(f"{group} {', '.join(given[group])}, expected {', '.join(values)}")
        for name, value in values.items():
            found = given[group][name]
            if found.shape != value.shape or found.dtype != value.dtype:
                raise ValueError(f"{name} is {found.dtype} {found.shape}, expected {value.dtype} {value.shape}")
    whole = {"epoch": progress.epoch, "window": progress.window, "count": progress.moments["count"]}
    for name, number in whole.items():
        if not isinstance(number, int) or number < 0:
            raise ValueError(f"{name} {number!r}, expected an integer from 0 on")
    rows = [{"epoch", "loss", "perplexity", "largest_norm", "characters_per_second"} for _ in range(progress.epoch)]
    optional = {"validation_perplexity"} if settings.validate else set()
    if [set(row) for row in progress.log] != [row | optional for row in rows]:
        raise ValueError(f"a log of {len(progress.log)} rows, not of the {progress.epoch} epochs that are done")


def is_logged(out: Path, progress: Progress) -> bool:
    """Tell whether log, curve and samples are those of the last finished epoch. The samples are written last."""
    if not progress.log:
        return True
    if not all((out / name).is_file() for name in (LOG, CURVE, SAMPLES)):
        return False
    return (out / SAMPLES).read_bytes().startswith(_samples_begin(progress).encode())


def _samples_begin(progress: Progress) -> str:
    return f"after epoch {progress.epoch}\n"


def write_log(out: Path, settings: Settings, progress: Progress) -> None:
    """Write log.csv, curve.svg and samples.txt of a run."""
    table = io.StringIO()
    writer = csv.DictWriter(table, list(progress.log[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(progress.log)
    files.write(out / LOG, table.getvalue())
    series = {"training": [row["perplexity"] for row in progress.log]}
    if "validation_perplexity" in progress.log[0]:
        series["validation"] = [row["validation_perplexity"] for row in progress.log]
    title = f"Perplexity of a character {settings.cell.upper()}, {settings.hidden} hidden units"
    files.write(out / CURVE, curve.svg(title, series))
    sample = settings.model().sample
    shown = [
        f"temperature {temperature}: {sample(progress.params, settings.prompt, 200, temperature, settings.seed)}\n"
        for temperature in (0.0, 0.8)
    ]
    files.write(out / SAMPLES, _samples_begin(progress) + "".join(shown))
