"""JAX as a competitor: `scan` over time after the product with the input, differentiated and compiled by XLA."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_rnn.bench.competitor import Competitor
from tinygrad_rnn.bench.problem import Problem

Jax = Any
"""The module jax: it has no types where it is not installed."""

JaxArray = Any


def scan(problem: Problem, threads: int) -> Competitor[tuple[JaxArray, dict[str, JaxArray]]]:
    """Return jit(value_and_grad(...)) of a scan over time."""
    import jax

    jax.config.update("jax_enable_x64", True)  # else float64 would be float32, and wrong
    numpy, cell, targets = jax.numpy, _CELLS[problem.cell], jax.numpy.asarray(problem.targets)

    def loss(leaves: dict[str, JaxArray]) -> JaxArray:
        U, v = leaves["weight_hh"].T, leaves["bias_hh"]
        of_xs = leaves["x"] @ leaves["weight_ih"].T + leaves["bias_ih"]

        def one(state: tuple[JaxArray, ...], of_x: JaxArray) -> tuple[tuple[JaxArray, ...], JaxArray]:
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


def _rnn(jax: Jax, of_x: JaxArray, of_h: JaxArray, h: JaxArray) -> tuple[JaxArray, ...]:
    return (jax.numpy.tanh(of_x + of_h),)


def _lstm(jax: Jax, of_x: JaxArray, of_h: JaxArray, h: JaxArray, c: JaxArray) -> tuple[JaxArray, ...]:
    sigmoid, tanh = jax.nn.sigmoid, jax.numpy.tanh
    i, f, g, o = jax.numpy.split(of_x + of_h, 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


def _gru(jax: Jax, of_x: JaxArray, of_h: JaxArray, h: JaxArray) -> tuple[JaxArray, ...]:
    sigmoid, split = jax.nn.sigmoid, jax.numpy.split
    (x_r, x_z, x_n), (h_r, h_z, h_n) = split(of_x, 3, -1), split(of_h, 3, -1)
    r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
    n = jax.numpy.tanh(x_n + r * h_n)
    return ((1 - z) * n + z * h,)


_CELLS: dict[str, Callable[..., tuple[JaxArray, ...]]] = {"rnn": _rnn, "lstm": _lstm, "gru": _gru}
