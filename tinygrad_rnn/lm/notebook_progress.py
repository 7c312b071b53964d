"""A training in the cell of a notebook: a bar, a line of words and the curve of the perplexity, brought up to date."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from tinygrad_rnn.language.saying import say
from tinygrad_rnn.lm.language_model import perplexity
from tinygrad_rnn.lm.progress_parts import ProgressParts
from tinygrad_rnn.lm.run_state import Progress, Settings
from tinygrad_rnn.notebook.html_parts import Markup, box, sentences
from tinygrad_rnn.notebook.line_chart import chart
from tinygrad_rnn.notebook.live_display import LiveDisplay

EVERY = 0.5
"""The least number of seconds between two updates."""


class NotebookProgress:
    """Called after each window, it shows where the run is; `end` shows the whole curve."""

    def __init__(self) -> None:
        self._display, self._parts = LiveDisplay(), ProgressParts()
        self._shown = -math.inf

    def __call__(self, settings: Settings, progress: Progress, loss: float, windows: int) -> None:
        """Show where the run is, if the last update was long enough ago."""
        self._parts.begin(progress)
        now = time.perf_counter()
        if now - self._shown < EVERY:
            return
        self._shown = now
        words = "  ".join(self._parts.of(settings, progress, loss, windows).values())
        done = progress.epoch * windows + progress.window
        self._display.show(form(settings, progress, words, done / (settings.epochs * windows), loss), words)

    def end(self, settings: Settings, progress: Progress) -> None:
        """Show the run after its last epoch."""
        words = progress.words()
        self._display.show(form(settings, progress, words, 1.0), words)


def form(settings: Settings, progress: Progress, words: str, share: float, loss: float | None = None) -> Markup:
    """Return a run as HTML; `share`: of its windows, those that are done; `loss`: of the epoch that is under way."""
    curves = perplexities(progress.log)
    if loss is not None:
        curves[say("training")] = [*curves.get(say("training"), []), perplexity(loss)]
    logs = {name: [math.log10(v) if 0 < v < math.inf else math.nan for v in curve] for name, curve in curves.items()}
    told = say("progress")
    bar = Markup(f'<progress value="{share:.4f}" max="1" aria-label="{told}" style="width:100%;max-width:620px">')
    drawn = chart(logs, say("epoch"), say("perplexity"), first=1)
    title = say("A character {cell} of {hidden} hidden units", cell=settings.cell.upper(), hidden=settings.hidden)
    return box(title, Markup(f"<div>{bar}</progress></div>"), sentences([words]), drawn)


def perplexities(log: Sequence[dict[str, float]]) -> dict[str, list[float]]:
    """Return the perplexity after each epoch, of the training text and, where there is one, of the held-out text."""
    found = {say("training"): [row["perplexity"] for row in log]}
    if log and "validation_perplexity" in log[0]:
        found[say("held out")] = [row["validation_perplexity"] for row in log]
    return found
