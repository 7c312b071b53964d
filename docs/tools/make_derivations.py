"""Write the derivations of the exercises, read off the tape: a page for each in `derivations/`.

    python docs/tools/make_derivations.py

The tests do the same, and fail where a page differs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_rnn import bptt
from tinygrad_rnn.bptt.derivation.chains import chains
from tinygrad_rnn.bptt.derivation.documents import Document
from tinygrad_rnn.bptt.derivation.styles import Latex
from tinygrad_rnn.bptt.derivation.symbols import Writer
from tinygrad_rnn.operations.basics import sigmoid

DERIVATIONS = Path(__file__).parents[1] / "derivations"

# Columns, as the textbook has them: x (I, B), h (H, B).


def simple_rnn(params: Any, x: Any, h: Any) -> Any:
    """z_t = U h_{t-1} + W x_t + b, h_t = tanh(z_t)."""
    z = params["U"] @ h + params["W"] @ x + params["b"]
    return np.tanh(z)


def residual(params: Any, x: Any, h: Any) -> Any:
    """h_t = h_{t-1} + g(z_t)."""
    z = params["U"] @ h + params["W"] @ x + params["b"]
    g = np.tanh(z)
    return h + g


def lstm(params: Any, x: Any, h: Any, c: Any) -> Any:
    """Three gates and a candidate g, each with a matrix of its own on [h_{t-1}; x_t]."""
    hx = np.concatenate([h, x])
    f = sigmoid(params["W_f"] @ hx + params["b_f"])
    i = sigmoid(params["W_i"] @ hx + params["b_i"])
    o = sigmoid(params["W_o"] @ hx + params["b_o"])
    g = np.tanh(params["W_g"] @ hx + params["b_g"])
    c = f * c + i * g
    return o * np.tanh(c), c


def gru(params: Any, x: Any, h: Any) -> Any:
    """Compute the next state, with the reset gate r before the matrix; z is the update gate, n the candidate."""
    z = sigmoid(params["W_z"] @ x + params["U_z"] @ h + params["b_z"])
    r = sigmoid(params["W_r"] @ x + params["U_r"] @ h + params["b_r"])
    s = r * h
    n = np.tanh(params["W_n"] @ x + params["U_n"] @ s + params["b_n"])
    return z * h + (1 - z) * n


def example(shapes: dict[str, tuple[int, int]], states: int) -> Callable[..., Any]:
    """Return the function that makes problems of three inputs and four units."""

    def make(rng: np.random.Generator, T: int, B: int) -> Any:
        params = {name: rng.normal(0, 0.5, shape) for name, shape in shapes.items()}
        return params, rng.standard_normal((3, B, T)), tuple(rng.standard_normal((4, B)) for _ in range(states))

    return make


SIMPLE = {"U": (4, 4), "W": (4, 3), "b": (4, 1)}
STACKED = {f"{kind}_{gate}": shape for gate in "fiog" for kind, shape in (("W", (4, 7)), ("b", (4, 1)))}
GATED = {f"{k}_{gate}": s for gate in "zrn" for k, s in (("W", (4, 3)), ("U", (4, 4)), ("b", (4, 1)))}

EXERCISES: dict[str, tuple[str, Callable[..., Any], dict[str, tuple[int, int]], int, str]] = {
    "exercise-01.md": (
        "Exercise 1: BPTT of the simple RNN",
        simple_rnn,
        SIMPLE,
        1,
        "*Exercise 6-1P.* The error term, the gradient of U, and for T = 1, 2, 3 every chain.",
    ),
    "exercise-02.md": (
        "Exercise 2: the gradients of W and b",
        simple_rnn,
        SIMPLE,
        1,
        "*Exercise 6-2.* (6.40) and (6.41): the error terms are those of exercise 1; W reads x_t, and U h_{t-1}.",
    ),
    "exercise-04.md": (
        "Exercise 4: the residual update",
        residual,
        SIMPLE,
        1,
        "*Exercise 6-3.* ∂h_t/∂h_{t-1} has the identity in it: the cotangent passes unchanged, and a term is added.",
    ),
    "exercise-06.md": (
        "Exercise 6: the gradients of the LSTM",
        lstm,
        STACKED,
        2,
        "*Exercises 6-4 and 6-2P.* On the direct way from c_t to c_{t-1} stands f_t alone: no matrix and no tanh'.",
    ),
    "exercise-07.md": (
        "Exercise 7: the gradients of the GRU",
        gru,
        GATED,
        1,
        "*Exercise 6-5.* The reset gate stands before the matrix: its gradient comes back through U_n.",
    ),
}
CHAINS = {"exercise-01.md": ("U",), "exercise-02.md": ("W", "b"), "exercise-04.md": ("U",)}


def page(name: str) -> str:
    """Return one page: the cell, its derivation, the chains where there are few, and the code."""
    title, cell, shapes, states, intro = EXERCISES[name]
    derivation = bptt.derive(cell, example=example(shapes, states), layout="columns")
    formulas = derivation.formulas
    writer = Writer(formulas, Latex())
    source = inspect.getsource(cell).replace(": Any", "").replace(" -> Any", "")
    blocks = [
        f"# {title}",
        "*For students who have tried it themselves. 10 minutes.*",
        intro,
        "The tape writes the derivation from this cell, whose examples are column vectors:",
        f"```python\n{_head(cell)}{source}```",
    ]
    for heading, note, inside in Document(title, formulas.all, writer, "markdown").sections():
        blocks += [f"## {heading}", *([note] if note else [])]
        blocks += [f"$$\n{writer.formula(f)}\n$$" for f in inside]
    if name in CHAINS:
        wanted = CHAINS[name]
        blocks += ["## The chains of the first three steps"]
        blocks += [f"$$\n{writer.formula(f)}\n$$" for f in chains(formulas, 3) if f.left[0].below.name in wanted]
    blocks += [
        "## The derivation as NumPy",
        "The code was run and compared with the tape.",
        f"```python\n{derivation.numpy()}```",
    ]
    return "\n\n".join(blocks) + "\n"


def _head(cell: Callable[..., Any]) -> str:
    uses_sigmoid = "sigmoid" in inspect.getsource(cell)
    return "import numpy as np\n" + ("from tinygrad_rnn import sigmoid\n" if uses_sigmoid else "") + "\n\n"


PAGES = {name: lambda name=name: page(name) for name in EXERCISES}

if __name__ == "__main__":
    for name in PAGES:
        (DERIVATIONS / name).write_text(page(name), encoding="utf-8")
