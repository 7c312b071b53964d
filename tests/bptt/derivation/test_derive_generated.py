"""Cells that nobody wrote: drawn from a seed, derived, and compared; dead lines and sums that cancel among them."""

import ast

import numpy as np
import pytest

from tinygrad_rnn import bptt
from tinygrad_rnn.operations.activations import softmax
from tinygrad_rnn.operations.basics import sigmoid

FUNCTIONS = [
    *(np.tanh, sigmoid, np.sin, np.exp, np.square, softmax, np.arctan),
    lambda a: 1 / (1 + a * a),
    lambda a: a - a.mean(axis=1, keepdims=True),
    lambda a: a / np.sqrt((a * a).sum(axis=1, keepdims=True) + 1),
]


def drawn(seed):
    """A cell of one to three states, and its problems."""

    def lines(params, x, states):
        rng = np.random.default_rng(seed)
        pool = [x @ params["W"] + params["b"], *states]
        for _ in range(rng.integers(3, 8)):
            a, b = (pool[k] for k in rng.integers(len(pool), size=2))
            kind = rng.integers(6)
            if kind == 0:
                value = FUNCTIONS[rng.integers(len(FUNCTIONS))](0.5 * a)
            elif kind == 1:
                value = a * b * 0.5
            elif kind == 2:
                value = a - b
            elif kind == 3:
                value = np.tanh(a @ params["U"] + b @ params["V"].T)
            elif kind == 4:
                p, q = np.split(np.concatenate([a, b], axis=1) @ params["M"], 2, axis=1)
                value = sigmoid(p) * np.tanh(q)
            else:
                value = (1 - sigmoid(a)) * b + sigmoid(a) * np.tanh(pool[0])
            pool.append(value)
        return tuple(np.tanh(pool[-1 - k]) for k in range(len(states)))

    def one(params, x, h):
        return lines(params, x, (h,))

    def two(params, x, h, c):
        return lines(params, x, (h, c))

    def three(params, x, h, c, m):
        return lines(params, x, (h, c, m))

    def example(rng, T, B):
        shapes = {"W": (3, 4), "b": (4,), "U": (4, 4), "V": (4, 4), "M": (8, 8)}
        params = {name: rng.normal(0, 0.4, shape) for name, shape in shapes.items()}
        return params, rng.standard_normal((T, B, 3)), tuple(rng.standard_normal((B, 4)) for _ in range(1 + seed % 3))

    return (one, two, three)[seed % 3], example


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 60, 10))
def test_drawn_cells_are_derived_and_every_line_is_read(start):
    for seed in range(start, start + 10):
        cell, example = drawn(seed)
        derivation = bptt.derive(cell, example=example)
        source = derivation.numpy()  # compared with the tape before it is handed out
        assert derivation.lines()  # and these evaluated
        for function in [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]:
            names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
            plain = {
                t.id
                for node in ast.walk(function)
                if isinstance(node, ast.Assign)
                for t in node.targets
                if isinstance(t, ast.Name)
            }
            assert plain <= {node.id for node in names if isinstance(node.ctx, ast.Load)}, seed


@pytest.mark.parametrize("seed", [169, 229], ids=["parts of an array made twice", "a gradient that is rounding alone"])
def test_drawn_cells_that_were_refused(seed):
    cell, example = drawn(seed)
    derivation = bptt.derive(cell, example=example)
    assert derivation.numpy()
    assert derivation.lines()


def test_what_stands_in_the_place_of_a_name_keeps_its_brackets():
    def cell(params, x, h):
        return np.tanh(h - (x @ params["W"] + params["b"]))

    def example(rng, T, B):
        params = {"W": rng.standard_normal((3, 4)), "b": rng.standard_normal(4)}
        return params, rng.standard_normal((T, B, 3)), rng.standard_normal((B, 4))

    assert "h = np.tanh(h_prev - x @ W - b)" in bptt.derive(cell, example=example).numpy()


def test_terms_that_cancel_give_no_gradient():
    def cell(params, x, h):
        z = x @ params["W"]
        return np.tanh(h @ params["U"] + (z - z))

    def example(rng, T, B):
        params = {"W": rng.standard_normal((3, 4)), "U": rng.standard_normal((4, 4))}
        return params, rng.standard_normal((T, B, 3)), rng.standard_normal((B, 4))

    assert '"W": np.zeros_like(params["W"])' in bptt.derive(cell, example=example).numpy()
