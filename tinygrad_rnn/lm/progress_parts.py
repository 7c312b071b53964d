"""How far a training is, in words, for a line on a terminal and for the cell of a notebook."""

from __future__ import annotations

import time

from tinygrad_rnn.core.counting import clock
from tinygrad_rnn.language.saying import say
from tinygrad_rnn.lm.language_model import perplexity
from tinygrad_rnn.lm.run_state import Progress, Settings


class ProgressParts:
    """The parts of a line of progress, by name, with the speed since the first window that it was told of."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._first: tuple[int, int] | None = None

    def begin(self, progress: Progress) -> None:
        """Note where the run was when it was first told of."""
        self._first = self._first or (progress.epoch, progress.window - 1)

    def of(self, settings: Settings, progress: Progress, loss: float, windows: int) -> dict[str, str]:
        """Return the parts after a window, in the order in which they are written."""
        self.begin(progress)
        assert self._first is not None
        done = (progress.epoch - self._first[0]) * windows + progress.window - self._first[1]
        left = (settings.epochs - progress.epoch) * windows - progress.window
        seconds = (time.perf_counter() - self._started) / done
        rate = settings.batch * settings.window / seconds
        return {
            "epoch": say("epoch {n}/{all}", n=progress.epoch + 1, all=settings.epochs),
            "loss": say("loss {loss:.4g}", loss=loss),
            "perplexity": say("perplexity {value:.4g}", value=perplexity(loss)),
            "norm": f"|g| {progress.norm:.2f}",
            "rate": say("{rate:,.0f} characters/s", rate=rate),
            "left": say("{time} left", time=clock(left * seconds)),
        }
