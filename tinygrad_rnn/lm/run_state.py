"""A run of training: the settings that decide it, and the progress that its next window needs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_rnn.core.counting import counted
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.language.saying import counts, say, template
from tinygrad_rnn.lm.alphabet import KINDS, LETTERS, Alphabet
from tinygrad_rnn.lm.decoding import require_encoding
from tinygrad_rnn.lm.language_model import LAYERS, Model
from tinygrad_rnn.nn.optim import SGD, Adam
from tinygrad_rnn.nn.parameters import Array
from tinygrad_rnn.notebook.html_parts import Markup, box, faint, table

Moments = dict[str, Any]
"""The state of the optimiser."""
PROMPT = "time traveller"
LAST = 12
"""The number of epochs that a notebook shows."""
Optimizer = SGD | Adam
OPTIMIZERS: dict[str, Callable[[float], Optimizer]] = {
    "sgd": lambda rate: SGD(rate=rate),
    "adam": lambda rate: Adam(rate=rate),
}


@dataclass(frozen=True)
class Settings:
    """The settings that decide a run; kept in its checkpoint.

    alphabet: "letters" or "all", or "auto" for what suits the text. least: characters that occur fewer times are
    unknown. embedding: as in `Model`; None takes 0 for letters and 64 for all characters. symbols: the alphabet itself.
    `prepare` decides what the text decides: alphabet, embedding, symbols, and a prompt that the text knows.
    """

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
    prompt: str = PROMPT
    eager: bool = False
    alphabet: str = "auto"
    encoding: str = "utf-8"
    least: int = 1
    embedding: int | None = None
    symbols: str = LETTERS.characters

    def model(self) -> Model:
        """Return the network of these settings."""
        alphabet = Alphabet(self.symbols)
        return Model(self.cell, self.hidden, self.layers, self.dropout, alphabet, self.embedding or 0)

    @property
    def before(self) -> str:
        """What a sample reads before its prompt: a line end, where the network knows one, so that a line begins."""
        return "\n" if "\n" in self.symbols else ""


@dataclass
class Progress:
    """Where a run stands: everything that the next window needs."""

    params: dict[str, Tensor]
    moments: Moments
    epoch: int = 0
    window: int = 0
    state: tuple[Array, ...] = ()
    total: float = 0.0
    norm: float = 0.0
    seconds: float = 0.0
    digest: str = ""
    log: list[dict[str, float]] = field(default_factory=list)

    def words(self) -> str:
        """Return where the run stands: `after 3 epochs: perplexity 8.13, on held-out text 9.02`."""
        if not self.log:
            one, several = template("{n:,} window into the first epoch"), template("{n:,} windows into the first epoch")
            return counts(self.window, one, several)
        row = self.log[-1]
        held_out = row.get("validation_perplexity")
        beside = "" if held_out is None else say(", on held-out text {value:.4g}", value=held_out)
        after = counts(self.epoch, template("after {n:,} epoch"), template("after {n:,} epochs"))
        return say("{after}: perplexity {value:.4g}{beside}", after=after, value=row["perplexity"], beside=beside)

    def __repr__(self) -> str:
        return f"<Progress of a training {self.words()}>"

    def _repr_html_(self) -> Markup:
        head = list(self.log[0]) if self.log else []
        rows = [[f"{value:,.0f}" if value >= 1000 else f"{value:.4g}" for value in row.values()] for row in self.log]
        told = [name.replace("_", " ") for name in head]
        before = faint(f"... {counted(len(rows) - LAST, 'epoch')} before") if len(rows) > LAST else ""
        return box(
            say("A training {words}", words=self.words()), before, table(told, rows[-LAST:], right=range(len(head)))
        )


def check(settings: Settings) -> None:
    """Raise ValueError for settings that no run can have."""
    for name in ("hidden", "layers", "window", "batch", "epochs", "seed", "characters", "least", "embedding"):
        value, least = getattr(settings, name), 0 if name in ("seed", "embedding") else 1
        absent = name in ("characters", "embedding") and value is None
        if not (isinstance(value, int) and value >= least) and not absent:
            raise ValueError(f"train: {name} {value!r}\nexpected an integer from {least} on")
    for name, known in (("cell", LAYERS), ("optimizer", OPTIMIZERS), ("alphabet", ("auto", *KINDS))):
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
    if len(set(settings.symbols)) != len(settings.symbols) or not settings.symbols:
        raise ValueError(f"train: symbols {settings.symbols[:20]!r}\nexpected characters, each of them once")
    require_encoding(settings.encoding)
    if settings.alphabet != "auto":
        Alphabet(settings.symbols).indices(settings.prompt)


def start(settings: Settings) -> Progress:
    """Return a run before its first window."""
    check(settings)
    params = settings.model().init(np.random.default_rng(settings.seed))
    return Progress(params, OPTIMIZERS[settings.optimizer](settings.rate).init(params))
