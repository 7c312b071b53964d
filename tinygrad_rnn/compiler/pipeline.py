"""The passes, in the order in which they run: each takes a graph to one that computes the same in fewer, larger calls.

`alias` and `reuse` decide about memory: `placement` reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tinygrad_rnn.compiler.passes.constant_folding import constants
from tinygrad_rnn.compiler.passes.contractions import products
from tinygrad_rnn.compiler.passes.dead_code import dead_code
from tinygrad_rnn.compiler.passes.defer import defer
from tinygrad_rnn.compiler.passes.factors import factors
from tinygrad_rnn.compiler.passes.gates import gates
from tinygrad_rnn.compiler.passes.hoist import hoist, invariants
from tinygrad_rnn.compiler.passes.join_matmuls import siblings
from tinygrad_rnn.compiler.passes.pairs import pairs
from tinygrad_rnn.compiler.passes.spread import spread
from tinygrad_rnn.graph.graph import Graph, Pass

BEFORE: Mapping[str, Pass] = {
    "dead_code": dead_code,
    "siblings": siblings,
    "hoist": hoist,
    "defer": defer,
    "pairs": pairs,
}
"""The passes over the forward pass, before it is differentiated."""

AFTER: Mapping[str, Pass] = {
    "hoist": invariants,
    "defer": defer,
    "products": products,
    "factors": factors,
    "gates": gates,
    "constants": constants,
    "spread": spread,
    "dead_code": dead_code,
}
"""The passes over forward and backward together."""

MEMORY = ("alias", "reuse")
PASSES = tuple(dict.fromkeys([*BEFORE, *AFTER, *MEMORY]))
"""The names of all passes, in the order in which they run."""


def checked(passes: Iterable[str]) -> frozenset[str]:
    """Return the names of passes as a set. Raises ValueError for a name that is none."""
    chosen = frozenset((passes,) if isinstance(passes, str) else passes)
    unknown = sorted(chosen - set(PASSES))
    if unknown:
        raise ValueError(f"compile: no pass {', '.join(map(repr, unknown))}\nthere are {', '.join(PASSES)}")
    return chosen


def improved(graph: Graph, table: Mapping[str, Pass], chosen: frozenset[str]) -> Graph:
    """Return the graph after the chosen passes of the table."""
    for name, run in table.items():
        if name in chosen:
            graph = run(graph)
    return graph
