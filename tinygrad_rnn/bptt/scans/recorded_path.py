"""One way to compute a recurrence, on a tape of its own: its outputs, its terms, and how far rounding moves both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.core.trees import by_name, flattened
from tinygrad_rnn.core.values import not_recording
from tinygrad_rnn.nn.parameters import State
from tinygrad_rnn.nn.time_loop import as_tuple
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.transforms.rounding import Moved, rounding

Path = Callable[..., Any]
"""A function (params, xs) or (params, xs, state) that returns the outputs (T, B, ...), alone or with the last state."""


class RecordedPath:
    """One path on a tape of its own."""

    def __init__(self, path: Path, params: Any, xs: Any, state: State, dtype: Any = None) -> None:
        def leaf(name: str, value: Any) -> Tensor:
            found = Tensor(np.array(value.data if isinstance(value, Tensor) else value, dtype), name=name)
            if found.dtype.kind != "f":
                raise TypeError(
                    f"compare_paths: {name} is {found.dtype}, and the terms are derivatives\n"
                    "give floats; let the paths begin behind an embedding"
                )
            return found

        values, self.rebuild = flattened(params)
        names = [*by_name(params)] if isinstance(params, Mapping) else [name for name, _ in values]
        self.leaves = {name: leaf(name, value) for name, (_, value) in zip(names, values, strict=True)}
        self.x = leaf("x", xs)
        states = tuple(leaf(f"state {k}", s) for k, s in enumerate(as_tuple(state)))
        with np.errstate(all="ignore"), not_recording(), Tape() as self.tape:
            found = path(
                self.rebuild(self.leaves.values()),
                self.x,
                *([states if len(states) > 1 else states[0]] if states else []),
            )
            self.hs = found[0] if isinstance(found, tuple) else found
        if not isinstance(self.hs, Tensor):
            raise TypeError(
                f"compare_paths: the outputs are a {type(self.hs).__name__}\n"
                "compute them from params and xs by NumPy's functions, without .data"
            )
        self.moved = Moved(self.tape, [self.x, *self.leaves.values()])

    def spread(self) -> Array:
        """Return how far rounding moves each output."""
        return rounding(self.moved.spread({self.hs: np.ones(self.hs.shape, self.hs.dtype)}).results[0])

    def terms(self, seed: Array) -> tuple[list[Array], list[Array]]:
        """Return the gradients by x and by the parameters, and how far rounding moves them."""
        wrt = [self.x, *self.leaves.values()]
        spread = self.moved.spread({self.hs: seed}).gradients
        return self.tape.gradient(self.hs, wrt, seed), [rounding(s) for s in spread]
