"""The text of a run before its first window: the alphabet that suits it, its numbers, and a part that is held out."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.language.saying import counts, say, template
from tinygrad_rnn.lm import corpus, text
from tinygrad_rnn.lm.alphabet import LETTERS, Alphabet, Indices
from tinygrad_rnn.lm.run_state import PROMPT, Settings, check

EMBEDDING = 64
"""The number of features of a character of an alphabet without bound."""
LONGEST = 12
"""The maximum number of characters of a prompt that is taken from the text."""
MOST_STREAMS = 8
"""The maximum number of streams in which a held-out part is read."""
WORTH = 6
"""The minimum number of characters of a line that is looked for in the training part: shorter ones repeat by chance."""


@dataclass(frozen=True)
class HeldOut:
    """What is to be known of a held-out part: its size, what of it is unknown, and what was seen in training."""

    characters: int
    unknown: int
    lines: int
    repeated: int

    def words(self) -> str:
        """Return `held out: 240 characters, 51 of them unknown; lines that the training part has too: 0 of 40`."""
        seen = ""
        if self.lines:
            seen = say("; lines that the training part has too: {same} of {all}", same=self.repeated, all=self.lines)
        size = counts(self.characters, template("{n:,} character"), template("{n:,} characters"))
        return say("held out: {size}, {unknown} of them unknown{seen}", size=size, unknown=self.unknown, seen=seen)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A text as a run reads it. `once`: the places of the training part whose character occurs nowhere else in it."""

    settings: Settings
    digest: str
    training: Indices
    once: NDArray[np.bool_] | None
    windows: Indices | None
    held_out: HeldOut | None

    def streams(self, epoch: int) -> Indices:
        """Return the windows of an epoch, as `text.streams` does, from an offset of its own.

        Where a held-out part is measured, and no character of the training part is unknown, a character that occurs
        once is read as unknown in half of the epochs: else the network would never learn what an unknown one is.
        """
        kept, values = self.settings, self.training
        if self.once is not None:
            hidden = np.random.default_rng([kept.seed, epoch, 2]).random(len(values)) < 0.5
            values = np.where(self.once & hidden, kept.model().alphabet.unknown, values)
        offset = int(np.random.default_rng([kept.seed, epoch]).integers(kept.window))
        return text.streams(values, kept.batch, kept.window, offset)

    def words(self) -> str:
        """Return what was decided, a line for each; nothing for letters alone."""
        if self.settings.alphabet == "letters":
            return ""
        size = counts(len(self.settings.symbols), template("{n:,} character"), template("{n:,} characters"))
        unknown = int((self.training == self.settings.model().alphabet.unknown).sum())
        rare = ""
        if unknown:
            rare = say("; {unknown} of {all} in the training part are unknown", unknown=unknown, all=len(self.training))
        first = say("alphabet: {size}, each as it is (--alphabet all){rare}", size=size, rare=rare)
        return "\n".join([first, *([self.held_out.words()] if self.held_out else [])])

    def facts(self) -> dict[str, object]:
        """Return the same as plain values."""
        return {
            "symbols": len(self.settings.symbols) + 1,
            "training_characters": len(self.training),
            "held_out": asdict(self.held_out) if self.held_out else None,
        }


def prepare(settings: Settings) -> Prepared:
    """Read the text of a run and decide what it decides. The alphabet is made of the training part alone.

    Raises ValueError for settings that no run can have and for too short a text; what `corpus.load` raises.
    """
    check(settings)
    whole = corpus.load(settings.text, settings.characters, settings.alphabet, settings.encoding)
    digest = hashlib.sha1(whole.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
    kind = settings.alphabet
    if kind == "auto":
        kind = "letters" if set(whole) <= set(LETTERS.characters) else "all"
    cut = corpus.held_out_from(whole, settings.validate, kind)
    seen, rest = whole[:cut], whole[cut:]
    alphabet = LETTERS if kind == "letters" else Alphabet.of(seen, settings.least)
    if not alphabet.characters:
        raise ValueError(f"train: least {settings.least}: no character occurs so often\ngive a smaller number")
    embedding = settings.embedding if settings.embedding is not None else EMBEDDING * (kind == "all")
    kept = replace(settings, alphabet=kind, embedding=embedding, symbols=alphabet.characters)
    if settings.prompt == PROMPT and not set(PROMPT) <= set(alphabet.characters):
        kept = replace(kept, prompt=_beginning(seen, alphabet))
    check(kept)
    training = alphabet.indices(seen, unknown=True)
    text.streams(training, kept.batch, kept.window, kept.window)  # long enough at every offset
    if not kept.validate:
        return Prepared(kept, digest, training, None, None, None)
    values = alphabet.indices(rest, unknown=True)
    return Prepared(
        kept, digest, training, _once(training, alphabet), _windows(kept, values), _told(seen, rest, values, alphabet)
    )


def _beginning(seen: str, alphabet: Alphabet) -> str:
    """Return the beginning of the first line, as far as the network knows its characters."""
    for line in seen.split("\n"):
        known = "".join(c for c in line.strip()[:LONGEST] if c in alphabet.characters)
        if known:
            return known
    return alphabet.characters[0]


def _once(training: Indices, alphabet: Alphabet) -> NDArray[np.bool_] | None:
    counts = np.bincount(training, minlength=alphabet.size)
    once = counts[training] == 1
    return None if alphabet == LETTERS or counts[alphabet.unknown] or not once.any() else once


def _windows(settings: Settings, values: Indices) -> Indices:
    count, window = min(settings.batch, MOST_STREAMS), settings.window
    if settings.alphabet != "letters":  # of a small collection of poems, few and short windows leave little unread
        window = max(1, min(window, len(values) - 1))
        count = max(1, min(count, len(values) // (4 * window)))
    try:
        return text.streams(values, count, window)
    except ValueError as error:
        first = str(error).splitlines()[0].removeprefix("streams: ")
        raise ValueError(
            f"train: validate {settings.validate:g}: of the text that is held out, {first}\n"
            "hold out a larger share, or give a longer text"
        ) from error


def _told(seen: str, rest: str, values: Indices, alphabet: Alphabet) -> HeldOut:
    lines = [line for line in rest.split("\n") if len(line) >= WORTH] if "\n" in rest else []
    known = {*seen.split("\n")} if lines else set()
    unknown = int((values == alphabet.unknown).sum())
    return HeldOut(len(rest), unknown, len(lines), sum(line in known for line in lines))
