"""A program: calls on memory of its own, in order, that compute a value and its gradients again and again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.replay.graph import Graph
from tinygrad_rnn.replay.layout import LoopCalls, laid_out
from tinygrad_rnn.replay.source import LoopSource, written


class Program:
    """What a graph is when it has memory. `run(values)` gives the results for new values of the inputs, as copies."""

    def __init__(
        self,
        graph: Graph,
        passes: Collection[str] = ("alias", "reuse"),
        build: Callable[[list[Any]], Any] = list,
        names: list[str] | None = None,
        fixed: Sequence[Any] = (),
    ) -> None:
        self.graph = graph
        self.layout = laid_out(graph, "alias" in passes, "reuse" in passes)
        self._build = build
        self._names = names
        self._fixed = list(fixed)
        self.loops: list[LoopSource] = []
        self._calls: list[tuple[Any, tuple[Any, ...]]] = []
        for item in self.layout.calls:
            if isinstance(item, LoopCalls):
                self._calls += [call.bound() for call, _ in item.begin]
                loop = written(item, f"loop_{len(self.loops) + 1}")
                self.loops.append(loop)
                self._calls.append((loop.function, loop.arguments))
                self._calls += [call.bound() for call, _ in item.end]
            else:
                self._calls.append(item[0].bound())

    @property
    def source(self) -> str:
        """The loops as NumPy code."""
        return "\n\n".join(loop.text for loop in self.loops)

    def __call__(self, values: Any) -> Any:
        """The answer for values of the inputs, as they were named when the program was made."""
        if self._names is not None:
            if set(values) != set(self._names):
                raise ValueError(
                    f"replay: values for {', '.join(values) or 'nothing'}\nexpected values for {', '.join(self._names)}"
                )
            values = [values[name] for name in self._names]
        arrays = [*(np.asarray(v) for v in values), *self._fixed]
        for k, (given, held) in enumerate(zip(arrays, self.layout.inputs, strict=True)):
            if given.shape != held.shape or given.dtype != held.dtype:
                name = self._names[k] if self._names else k
                raise ValueError(
                    f"replay: input {name} has shape {given.shape} and dtype {given.dtype}, in the place of {held.shape} "
                    f"{held.dtype}\na program is made for given shapes: compile one for these"
                )
        return self.answer(arrays)

    def answer(self, values: Sequence[Any]) -> Any:
        """The answer for arrays that are known to fit."""
        return self._build(self.run(values))

    def run(self, values: Sequence[Any]) -> list[Any]:
        """The results for these values of the inputs, arrays of their shapes and dtypes."""
        for held, value in zip(self.layout.inputs, values, strict=True):
            held[...] = value
        for function, arguments in self._calls:
            function(*arguments)
        return [array.copy() for array in self.layout.results]
