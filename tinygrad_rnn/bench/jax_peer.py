"""JAX as a competitor: `scan`, with the input's product before it, differentiated and compiled by XLA."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.bench.competitor import Competitor
from tinygrad_rnn.bench.problem import Problem


def scan(problem: Problem, threads: int) -> Competitor:
    """jit(value_and_grad(...)) of a scan over time."""
    import jax

    jax.config.update("jax_enable_x64", True)  # else float64 would be float32, and wrong
    numpy, cell, targets = jax.numpy, _CELLS[problem.cell], jax.numpy.asarray(problem.targets)

    def loss(leaves: Any) -> Any:
        U, v = leaves["weight_hh"].T, leaves["bias_hh"]
        of_xs = leaves["x"] @ leaves["weight_ih"].T + leaves["bias_ih"]

        def one(state: Any, of_x: Any) -> Any:
            state = cell(jax, of_x, state[0] @ U + v, *state)
            return state, state[0]

        state = tuple(leaves[name] for name in ("h0", "c0") if name in leaves)
        difference = jax.lax.scan(one, state, of_xs)[1] - targets
        return (difference * difference).mean()

    leaves = {name: numpy.asarray(value) for name, value in problem.leaves.items()}
    compiled = jax.jit(jax.value_and_grad(loss))
    return Competitor(
        lambda: jax.block_until_ready(compiled(leaves)),
        lambda made: (float(made[0]), {name: np.asarray(value) for name, value in made[1].items()}),
    )


def _rnn(jax: Any, of_x: Any, of_h: Any, h: Any) -> tuple[Any, ...]:
    return (jax.numpy.tanh(of_x + of_h),)


def _lstm(jax: Any, of_x: Any, of_h: Any, h: Any, c: Any) -> tuple[Any, ...]:
    sigmoid, tanh = jax.nn.sigmoid, jax.numpy.tanh
    i, f, g, o = jax.numpy.split(of_x + of_h, 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


def _gru(jax: Any, of_x: Any, of_h: Any, h: Any) -> tuple[Any, ...]:
    sigmoid, split = jax.nn.sigmoid, jax.numpy.split
    (x_r, x_z, x_n), (h_r, h_z, h_n) = split(of_x, 3, -1), split(of_h, 3, -1)
    r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
    n = jax.numpy.tanh(x_n + r * h_n)
    return ((1 - z) * n + z * h,)


_CELLS: dict[str, Any] = {"rnn": _rnn, "lstm": _lstm, "gru": _gru}
