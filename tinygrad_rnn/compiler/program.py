"""`Program`: calls on memory of its own, in order, that compute a value and its gradients as often as they run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from threading import Lock
from typing import Any

from tinygrad_rnn.compiler.codegen import LoopSource, written
from tinygrad_rnn.compiler.cost import Stats, cost_table, measured
from tinygrad_rnn.compiler.listing import Instruction, table, unrolled
from tinygrad_rnn.compiler.lowering import Bound, Function
from tinygrad_rnn.compiler.pipeline import PASSES
from tinygrad_rnn.compiler.placement import laid_out
from tinygrad_rnn.compiler.signature import native
from tinygrad_rnn.compiler.storage import LoopCalls
from tinygrad_rnn.core.counting import counted
from tinygrad_rnn.core.recording import current, where_text
from tinygrad_rnn.graph.graph import Argument, Array, Graph
from tinygrad_rnn.language.saying import say
from tinygrad_rnn.notebook.html_parts import box, code, folded

Build = Callable[[list[Array]], Any]
"""Makes the answer, a tree, of the results."""


class Program:
    """A graph with its memory. `run(values)` returns the results for new values of the inputs, as copies."""

    def __init__(
        self,
        graph: Graph,
        passes: Collection[str] = ("alias", "reuse"),
        build: Build = list,
        names: Sequence[Hashable] = (),
        fixed: Sequence[tuple[Hashable, Array]] = (),
        stage: Callable[[Collection[str]], Graph] | None = None,
    ) -> None:
        self.graph = graph
        self.layout = laid_out(graph, "alias" in passes, "reuse" in passes)
        self._build = build
        self._names = names
        self._fixed = fixed
        self._passes = passes
        self._stage = stage
        self.loops: list[LoopSource] = []
        self._runs: list[tuple[list[Bound], int, Function, tuple[Argument, ...]]] = []
        self._lock = Lock()
        calls: list[Bound] = []
        for k, item in enumerate(self.layout.calls):
            if isinstance(item, LoopCalls):
                calls += [call.bound() for call, _ in item.begin]
                loop = written(item, f"loop_{len(self.loops) + 1}")
                self.loops.append(loop)
                calls.append((loop.function, loop.arguments))
                calls += [call.bound() for call, _ in item.end]
            elif k in self.layout.allocating:
                made = item[0].allocating()
                assert made is not None
                self._runs.append((calls, self.layout.allocating[k], *made))
                calls = []
            else:
                calls.append(item[0].bound())
        self._rest = calls
        places = set(self.layout.allocating.values())
        self._copied = [(k, array) for k, array in enumerate(self.layout.results) if k not in places]

    def __repr__(self) -> str:
        cost = measured(self.layout)
        return f"<Program of {cost.calls:,} calls, {cost.nbytes:,} bytes in {counted(cost.buffers, 'buffer')}>"

    def _repr_html_(self) -> str:
        parts = [cost_table([(say("this program"), measured(self.layout))]), folded(say("its calls"), code(str(self)))]
        parts += [folded(say("its loops as NumPy code"), code(self.source))] if self.loops else []
        return box(say("Compiled program"), *parts)

    def __str__(self) -> str:
        return table(self.layout)

    @property
    def instructions(self) -> list[Instruction]:
        """All calls, one by one, those of a loop for each of its steps."""
        return unrolled(self.layout)

    @property
    def source(self) -> str:
        """The loops as NumPy code."""
        return "\n\n".join(loop.text for loop in self.loops)

    @property
    def stats(self) -> dict[str, Stats]:
        """The cost of the program after each pass and those before it, from "tape", without any, to this program.

        Each of these programs is made for it, so this takes as long as compiling some ten times.
        """
        found = {}
        done: list[str] = []
        for name in ("tape", *(p for p in PASSES if p in self._passes)):
            done += [name] if name != "tape" else []
            graph = self._stage(done) if self._stage is not None else self.graph
            found[name] = measured(laid_out(graph, "alias" in done, "reuse" in done))
        return found

    def __call__(self, values: Any) -> Any:
        """Return the answer for values of the inputs: a dict by their names, or a sequence in their order."""
        if current()[0]:
            raise RuntimeError(
                f"program: it was called while a tape is open, which would not see what it does{where_text()}\n"
                "call it outside of the tape"
            )
        given = dict(values) if isinstance(values, Mapping) else dict(enumerate(values))
        more = [name for name, _ in self._fixed if name is not None]
        if not set(self._names) <= set(given) <= {*self._names, *more}:
            raise ValueError(
                f"program: values for {', '.join(map(str, given)) or 'nothing'}\n"
                f"expected values for {', '.join(map(str, self._names)) or 'nothing'}"
                + (f", and for {', '.join(map(str, more))} where they change" if more else "")
            )
        arrays = [native(given[name]) for name in self._names]
        arrays += [native(given.get(name, value) if name is not None else value) for name, value in self._fixed]
        every = [*self._names, *(name for name, _ in self._fixed)]
        for name, array, held in zip(every, arrays, self.layout.inputs, strict=True):
            if array.shape != held.shape or array.dtype != held.dtype:
                raise ValueError(
                    f"program: input {name} has shape {array.shape} and dtype {array.dtype}, in the place of "
                    f"{held.shape} {held.dtype}\na program is made for given shapes: compile one for these"
                )
        return self.answer(arrays)

    def answer(self, values: Sequence[Array]) -> Any:
        """Return the answer for arrays that are known to fit."""
        return self._build(self.run(values))

    def run(self, values: Sequence[Array]) -> list[Array]:
        """Return the results for arrays of the inputs' shapes and dtypes: new arrays at each call.

        Raises RuntimeError while another thread runs it: both would write into the same memory.
        """
        if not self._lock.acquire(blocking=False):
            raise RuntimeError(
                "compile: this program is running already, in another thread\ncompile the function once for each thread"
            )
        try:
            for held, value in zip(self.layout.inputs, values, strict=True):
                held[...] = value
            results = list(self.layout.results)  # each is replaced below
            for calls, place, last, operands in self._runs:
                for function, arguments in calls:
                    function(*arguments)
                results[place] = last(*operands).reshape(self.layout.results[place].shape)
            for function, arguments in self._rest:
                function(*arguments)
            for place, array in self._copied:
                results[place] = array.copy()
            return results
        finally:
            self._lock.release()
