"""Write programs, costs and refusals of the compiler into `compiled.md`, between its marks.

    python docs/tools/make_compiled.py

The tests do the same, and fail if the page differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from make_tables import plain, what_it_raises
from marked_blocks import filled

import tinygrad_rnn as tg
from tinygrad_rnn import compiler, files, nn
from tinygrad_rnn.bench.problem import SIZES, problem

PAGE = Path(__file__).parents[1] / "compiled.md"

EXAMPLE = """
import numpy as np
import tinygrad_rnn as tg
from tinygrad_rnn import nn

T, B, I, H = 3, 2, 5, 4
rng = np.random.default_rng(0)
params = nn.init.lstm(rng, I, H)
data = {"x": rng.standard_normal((T, B, I)), "targets": rng.standard_normal((T, B, H))}


def loss(params, data):
    hs, _ = nn.unroll(nn.lstm, params, data["x"])
    return nn.mse(hs, data["targets"])


step = tg.compile(loss)
value, grads = step(params, data)
program = step.program(params, data)
"""


def _program(passes: Iterable[str]) -> compiler.Program:
    """Return the program of the example."""
    names: dict[str, Any] = {}
    exec(EXAMPLE, names)
    return tg.compile(names["loss"], passes=passes).program(names["params"], names["data"])


def _code(language: str, text: str) -> str:
    return f"```{language}\n{text.strip(chr(10))}\n```\n"


def _by_gates(params: Any, x: Any, h: Any, c: Any) -> Any:
    """Return the next state of an LSTM that has separate matrices for each gate."""
    z = {k: x @ params[f"W_{k}"] + h @ params[f"U_{k}"] + params[f"b_{k}"] for k in "ifgo"}
    c = tg.sigmoid(z["f"]) * c + tg.sigmoid(z["i"]) * np.tanh(z["g"])
    return tg.sigmoid(z["o"]) * np.tanh(c), c


def _gate_by_gate() -> compiler.Program:
    """Return the program of that LSTM, at the small size."""
    given = problem("lstm", SIZES["small"], "float32")
    _, _, features, hidden = given.sizes
    shapes = {"W": (features, hidden), "U": (hidden, hidden), "b": (hidden,)}
    leaves = {f"{name}_{k}": np.zeros(shape, "float32") for k in "ifgo" for name, shape in shapes.items()}
    leaves |= {name: given.leaves[name] for name in ("x", "h0", "c0")}

    def loss(leaves: Any) -> Any:
        return nn.mse(nn.unroll(_by_gates, leaves, leaves["x"], (leaves["h0"], leaves["c0"]))[0], given.targets)

    return tg.compile(loss).program(leaves)


def _linear_unit() -> compiler.Program:
    """Return the program of an LRU, at the small size."""
    T, B, features, states = SIZES["small"]
    leaves = nn.weights.arrays(nn.init.lru(np.random.default_rng(0), features, states, "float32"))
    x, targets = np.zeros((2, T, B, features), "float32")
    return tg.compile(lambda p: nn.mse(nn.unroll(nn.lru, p, x)[0], targets)).program(leaves)


def _stats() -> str:
    """Return the cost of an LSTM after each pass, and the number of calls of other networks."""
    of_cell = {}
    for cell in ("lstm", "gru", "rnn"):
        given = problem(cell, SIZES["small"], "float32")
        of_cell[cell] = tg.compile(given.loss).program(given.leaves).stats
    others = [_gate_by_gate().stats, of_cell["gru"], of_cell["rnn"], _linear_unit().stats]
    text = (
        "| after | calls | flops | bytes | buffers | LSTM gate by gate: calls | GRU: calls | RNN: calls | LRU: calls |"
    )
    text += "\n|---|" + "---:|" * 8 + "\n"
    for name, found in of_cell["lstm"].items():
        numbers = [found.calls, found.flops, found.nbytes, found.buffers, *(other[name].calls for other in others)]
        text += f"| `{name}` | {' | '.join(f'{number:,}' for number in numbers)} |\n"
    return text


STEPS = [
    ("h = np.tanh(xs[t] + h @ U)", "steps that are alike"),
    ("h, g = np.tanh(xs[t] + h @ U + g), h", "g is from two steps back"),
    ("h, g = np.tanh(xs[t] + h @ U + g), np.positive(h)", "each step hands g on by a call"),
    ("h = 0.9**t * np.tanh(xs[t] + h @ U)", "a Python number that differs in each step is a row too"),
    ("h = np.array(0.9**t) * np.tanh(xs[t] + h @ U)", "an array for each step is a row of one array"),
    ("h = np.tanh(xs[t] + h @ U) if t < 4 else np.tanh(xs[t] + h)", "two runs of steps that are alike"),
    ("h = np.tanh(xs[t] + h @ U) if t % 2 else np.tanh(xs[t] + h)", "no two steps in a row are alike"),
]
UNROLLED = """
def f(U, xs, h):
    g = h
    for t in range(8):
        with {label}:
            {step}
    return h.sum()
"""


def _not_found() -> str:
    """Return the table of steps that become loops and steps that do not: a row for each kind."""
    rng = np.random.default_rng(0)
    args = rng.standard_normal((3, 3)), rng.standard_normal((8, 2, 3)), rng.standard_normal((2, 3))
    rows = [("tg.scope(t=t)", *row) for row in STEPS]
    rows.append(("tg.scope(part=t)", STEPS[0][0], "no label `t`"))
    text = "| step | label | explanation | loops of the program, by their steps | calls |\n|---|---|---|---|---:|\n"
    for label, step, words in rows:
        names: dict[str, Any] = {"np": np, "tg": tg}
        exec(UNROLLED.format(label=label, step=step), names)
        program = tg.compile(names["f"]).program(*args)
        lengths = ", ".join(str(loop.length) for loop in program.graph.loops()) or "none"
        calls = len(program.instructions)
        text += f"| `{step}` | `{label}` | {words} | {lengths} | {calls} |\n"
    return text


WRONG = """
tg.compile(lambda x: x.sum() if x.sum() > 0 else -x.sum())(array)
tg.compile(lambda x: float(x.sum()) * x.sum())(array)
tg.compile(lambda x: x[x > 0].sum())(array)
tg.compile(lambda x: (x * np.random.random(x.shape)).sum())(array)
seen = []; tg.compile(lambda x: sum(x.sum() for _ in seen.append(0) or seen))(array)
with tg.Tape(): tg.compile(np.sum)(array)
tg.compile(lambda x: (x * tg.Tensor(np.random.random(x.shape))).sum())(array)
tg.compile(lambda x, masks: (x * next(masks)).sum())(array, iter([1.0, 2.0]))
tg.compile(lambda x: (x.sum(), {x * 2}), has_aux=True)(array)
tg.compile(lambda x: (x.sum(), np.random.random()), has_aux=True)(array)
tg.compile(np.multiply)(array, np.ma.masked_array([1.0, 2.0, 3.0], [0, 1, 0]))
tg.compile(np.multiply)(array, array.view(np.recarray))
tg.compile(np.tanh)(array)
tg.compile(np.sum)(np.arange(3))
tg.compile(np.sum, passes=["fuse"])
tg.compiler.compile_tape(tape, loss, x, {"x": x, "W": W})
tg.compiler.compile_tape(tape, loss, x, {"x": x, "again": x})
tg.compiler.compile_tape(tape, loss, x, {"L": loss})
tg.compiler.compile_tape(tape, loss, x, {"x": x})({"y": array})
tg.compiler.compile_tape(tape, loss, x, {"x": x})({"x": np.ones(3)})
"""


def _refusals() -> str:
    """Return the table of refusals. Each row is run after the lines before the table of errors."""
    text = "| you write | it says | what to do |\n|---|---|---|\n"
    for code in WRONG.strip().splitlines():
        error = what_it_raises(code)
        wrong, _, remedy = str(error).partition("\n")
        text += f"| `{code}` | {type(error).__name__}: {plain(wrong)} | {plain(remedy)} |\n"
    return text


BLOCKS: dict[str, Callable[[], str]] = {
    "example": lambda: _code("python", EXAMPLE),
    "before": lambda: _code("text", str(_program(()))),
    "source-before": lambda: _code("text", _program(()).source),
    "after": lambda: _code("text", str(_program(compiler.PASSES))),
    "source-after": lambda: _code("text", _program(compiler.PASSES).source),
    "pairs": lambda: _code("text", _linear_unit().source),
    "stats": _stats,
    "not-found": _not_found,
    "refusals": _refusals,
}


if __name__ == "__main__":
    files.write(PAGE, filled(files.read_text(PAGE), "make_compiled.py", BLOCKS))
