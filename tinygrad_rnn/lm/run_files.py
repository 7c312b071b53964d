"""The files of a run: its checkpoint, written whole or not at all, and its log, curve and samples."""

from __future__ import annotations

import csv
import io
import json
import warnings
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from tinygrad_rnn import files, nn
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.language.saying import say
from tinygrad_rnn.lm import curve
from tinygrad_rnn.lm.run_state import Progress, Settings, check, start

CHECKPOINT, LOG, CURVE, SAMPLES = "checkpoint.npz", "log.csv", "curve.svg", "samples.txt"


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
    except Exception as error:  # names and types of another program may raise any error
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


def _read(arrays: nn.weights.Arrays) -> tuple[Settings, Progress]:
    plain = json.loads(arrays["plain"].tobytes().decode())
    settings = Settings(**{"alphabet": "letters", **plain["settings"]})  # which older runs do not say
    check(settings)
    groups: dict[str, nn.weights.Arrays] = {}
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
    series = {say("training"): [row["perplexity"] for row in progress.log]}
    if "validation_perplexity" in progress.log[0]:
        series[say("validation")] = [row["validation_perplexity"] for row in progress.log]
    title = say(
        "Perplexity of a character {cell}, {hidden} hidden units", cell=settings.cell.upper(), hidden=settings.hidden
    )
    files.write(out / CURVE, curve.svg(title, series))
    sample = partial(settings.model().sample, progress.params, settings.prompt, 200, before=settings.before)
    shown = [
        f"temperature {temperature}: {sample(temperature=temperature, seed=settings.seed)}\n"
        for temperature in (0.0, 0.8)
    ]
    files.write(out / SAMPLES, _samples_begin(progress) + "".join(shown))
