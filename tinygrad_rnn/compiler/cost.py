"""The cost of a program: calls, floating-point operations, memory."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from tinygrad_rnn.compiler.lowering import Call
from tinygrad_rnn.compiler.storage import Layout, LoopCalls
from tinygrad_rnn.graph.graph import Node
from tinygrad_rnn.language.saying import say
from tinygrad_rnn.notebook.html_parts import Markup, box, table


@dataclass(frozen=True, slots=True)
class Stats:
    """The calls of a run, their floating-point operations, the bytes of memory, and the number of buffers.

    A product of (n, k) and (k, m) counts 2 n k m operations, one of complex numbers six, any other call one for each
    entry of its result, a sum one for each entry of its operand.
    """

    calls: int
    flops: int
    nbytes: int
    buffers: int

    def _repr_html_(self) -> str:
        return box(say("The cost of one run"), cost_table([("", self)]))


def cost_table(rows: Iterable[tuple[str, Stats]]) -> Markup:
    """Return a table of costs, each with its name."""
    head = ["", say("calls"), say("floating-point operations"), say("bytes"), say("buffers")]
    cells = [[name, *(f"{n:,}" for n in (s.calls, s.flops, s.nbytes, s.buffers))] for name, s in rows]
    return table(head, cells, right=range(1, 5))


def measured(layout: Layout) -> Stats:
    """Return the cost of a program that is laid out."""
    calls = flops = 0
    for item in layout.calls:
        if not isinstance(item, LoopCalls):
            calls, flops = calls + 1, flops + _flops(*item)
            continue
        chunks = sum(1 for _ in item.chunks())
        calls += len(item.begin) + len(item.end)
        calls += chunks * len(item.prelude) + item.loop.length * len(item.body)
        for step in item.prelude:
            flops += _flops(step.call, step.node) // item.chunk * item.loop.length
        flops += item.loop.length * sum(_flops(step.call, step.node) for step in item.body)
    return Stats(calls, flops, layout.memory.nbytes, layout.memory.buffers)


def _flops(call: Call, node: Node | None) -> int:
    if call.name.startswith("copyto"):
        return 0
    if call.name in ("dot", "matmul"):
        return 2 * call.out.size * int(call.operands[0].shape[-1])
    if call.out.dtype.kind == "c":
        return 6 * call.out.size
    read = [math.prod(v.shape) for v in node.reads()] if node is not None and call.name in ("sum", "mean") else []
    return max([call.out.size, *read])
