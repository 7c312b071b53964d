"""The competitors of the table, and which of them are installed here."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tinygrad_rnn.bench import expert, jax_peer, naive, ours, torch_peers
from tinygrad_rnn.bench.competitor import Competitor
from tinygrad_rnn.bench.problem import Leaves, Problem


@dataclass(frozen=True)
class Peer:
    """One column of the table.

    words: its description. make(problem, threads): the competitor. package: the package that it needs, or "".
    """

    words: str
    make: Callable[[Problem, int], Competitor[Any]]
    package: str = ""

    @property
    def installed(self) -> bool:
        """Can it run here? Nothing is imported to find out."""
        return not self.package or importlib.util.find_spec(self.package) is not None


def _by_expert(problem: Problem, threads: int) -> Competitor[tuple[float, Leaves]]:
    step = expert.CELLS[problem.cell](problem.sizes, problem.dtype)
    return Competitor(lambda: step(problem.leaves, problem.targets), lambda made: made)


def _by_naive(problem: Problem, threads: int) -> Competitor[tuple[float, Leaves]]:
    step = naive.CELLS[problem.cell]
    return Competitor(lambda: step(problem.leaves, problem.targets), lambda made: made)


OURS = "compiled"
PEERS = {
    OURS: Peer("the tape, recorded once and compiled", ours.compiled),
    "eager": Peer("the tape, recorded at every step", ours.eager),
    "expert": Peer("NumPy by hand, for speed: bench/expert.py", _by_expert),
    "naive": Peer("NumPy by hand, as a first derivation: bench/naive.py", _by_naive),
    "torch": Peer("PyTorch's nn.RNN, nn.LSTM, nn.GRU", torch_peers.layers, "torch"),
    "torch-ops": Peer("PyTorch, operation by operation", torch_peers.operations, "torch"),
    "jax": Peer("JAX, a jitted scan", jax_peer.scan, "jax"),
}


def chosen(names: list[str]) -> tuple[list[str], list[str]]:
    """Return the names of the competitors to measure, ours first, and of those that are not installed.

    No names stand for all. Raises ValueError for one that is given by name and is not installed.
    """
    found = [name for name in PEERS if name == OURS or not names or name in names]
    absent = [name for name in found if not PEERS[name].installed]
    if absent and names:
        packages = ", ".join(dict.fromkeys(PEERS[name].package for name in absent))
        raise ValueError(
            f"bench: --peers {', '.join(absent)}: {packages} is not installed here\n"
            f"install it beside the project (python -m pip install {packages.replace(',', '')}), or leave it out"
        )
    return [name for name in found if name not in absent], absent
