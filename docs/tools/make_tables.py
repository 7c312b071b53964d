"""Write the tables of the docs: `errors.md` by making each error, `derivatives.md` from the registry of operations.

    python docs/tools/make_tables.py

The tests do the same, and fail if a page differs.
"""

from __future__ import annotations

import ast
import copy
import fractions
import re
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn
from tinygrad_rnn.core.table import PRIMITIVES, TABLE, Primitive
from tinygrad_rnn.transforms.forward import pushforward

DOCS = Path(__file__).parents[1]

# ---------------------------------------------------------------------------------------------- errors

PRELUDE = """
x = tg.Tensor(np.ones((4, 3)), name="x")
W = tg.Tensor(np.ones((5, 8)), name="W")
ids = tg.Tensor([0, 2], name="ids")
array = np.ones((4, 3))
with tg.Tape() as tape:
    y = tg.named("y", x * 2)
    loss = tg.named("L", y.sum())
params = nn.init.rnn(np.random.default_rng(0), 3, 4)
"""

RULES = {
    "bad_shape": (lambda x: x, lambda g, y, x: g[0, :2]),
    "no_array": (lambda x: x, lambda g, y, x: 1.0),
    "half": (lambda x: x * x, lambda g, y, x: g * x),
}

# What a person may write, by what it is about: each line runs after the prelude.
WRONG = {
    "Shapes": """
        x @ W
        x + W
        np.stack([x, W])
        x.reshape(5, 5)
        x[7]
        x[ids, ids, ids]
        np.split(x, 2, axis=1)
        np.split(x, 2, axis=-3)
        np.tensordot(x, W, axes=1)
        np.einsum("ij,jk->ik", x)
        np.einsum("ijk->i", x)
        np.einsum(x, [0, 1])
        np.einsum("...j->j", tg.Tensor(np.ones((2, 2, 2))))
        np.cumsum(x, axis=7)
        np.tril(loss)
        np.vsplit(x[0], 3)
        np.array_split(x, 0)
        np.diff(loss)
        np.average(x, weights=[1.0, 2.0, 3.0])
        np.average(x, axis=1, weights=[1.0, 2.0])
        np.diag(tg.Tensor(np.ones((2, 2, 2)), name="z"))
        nn.unroll(nn.rnn, params, np.ones((2, 1, 5)))
        """,
    "Values out of range, at every rerun too": """
        nn.cross_entropy(x, [0, 1, 3, 0])
        with tg.Tape() as t: c = tg.Tensor([0, 1, 2, 0]); nn.cross_entropy(x, c); t.rerun({c: [0, -1, 2, 0]})
        nn.binary_cross_entropy(x, array * 2)
        with tg.Tape(): nn.mse(x, array, mask=tg.Tensor(array > 1))
        nn.Embedding(5, 8)({"weight": W}, ids + 3)
        np.average(x, axis=1, weights=[1.0, -2.0, 1.0])
        """,
    "Values that a Tensor does not hold": """
        tg.Tensor(1j)
        tg.Tensor("a")
        tg.Tensor(None)
        tg.Tensor([[1.0], [1.0, 2.0]])
        x * np.array([1, 2, 3], object)
        x * np.ma.masked_less(array, 2)
        x * fractions.Fraction(1, 2)
        tg.Tensor(np.ma.masked_less(array, 2))
        tg.Tensor(x)
        with tg.Tape(): x * 1j
        with tg.Tape(): x * np.ones(3, complex)
        with tg.Tape(): x * np.array([None, 1, 2])
        """,
    "Values that would leave the tape, or change": """
        with tg.Tape(): np.array([x, x])
        with tg.Tape(): array[0] = x[0]
        with tg.Tape(): array[0, 0] = x[0, 0]
        with tg.Tape(): array[:, :2] = x[:, :2]
        with tg.Tape(): np.copyto(array, x)
        with tg.Tape(): array[ids]
        with tg.Tape(): float(loss)
        with tg.Tape(): int(loss)
        list(loss)
        len(loss)
        if x > 0: pass
        x.item()
        (x > 0) & x
        np.array([1, 2, 3]) & (x > 0)
        x[0] = 1
        x[0] += 1
        x.data = array
        tg.set_at(x, [0, 0], 1.0)
        """,
    "Values that stay on a sealed tape, while it is open": """
        with tg.Tape(sealed=True), tg.scope(t=3): h = tg.named("h", x * 2); int(h.sum() > 0)
        with tg.Tape(sealed=True): h = tg.named("h", x * 2); print("big" if h.sum() > 9 else "small")
        with tg.Tape(sealed=True): (x * 2).data
        with tg.Tape(sealed=True): np.asarray(x * 2)
        with tg.Tape(sealed=True): print(f"{x[0, 0]:.3f}")
        with tg.Tape(sealed=True): (x * x).sum().backward()
        with tg.Tape(sealed=True): h = tg.named("h", x * 2); h[h > 0]
        with tg.Tape(sealed=True): copy.deepcopy(x * 2)
        with tg.Tape(sealed=True): bptt.flow(nn.rnn, params, np.ones((2, 1, 3)))
        with tg.Tape(), tg.Tape(sealed=True): pass
        """,
    "Calls without a derivative rule, or not in that form": """
        with tg.Tape(): np.median(x)
        np.add.reduce(x)
        np.tanh(x, out=array)
        np.add(x, 1, where=array > 0)
        np.sum(x, where=array > 0)
        np.stack([x, x], dtype=np.float32)
        np.sum(x, 0, np.float32)
        x.reshape(3, 4, order="F")
        np.copy(x, order="F")
        np.max(x, axis=0, out=array[0])
        np.where(x > 0)
        with tg.Tape(): np.linalg.svd(x)
        x.tolist()
        array += x
        np.pad(x, 1, mode="edge")
        np.linalg.norm(x, ord="nuc")
        """,
    "Gradients": """
        tape.gradient(y, x)
        tape.gradient(y, x, seed=np.ones(3))
        tape.gradient(x.sum(), x)
        tape.gradient(1.0, x)
        tape.gradient(loss, None)
        tape.gradient({}, x)
        tape.gradient(loss, x, seed=1j)
        tape.gradient(loss, {"x": array})
        tape.gradient(loss, {"cell": [x, None]})
        tape.gradient(loss, ids)
        with tg.Tape() as t: n = (ids * 2).sum(); t.gradient(n, x)
        x.sum().backward()
        loss.backward(); loss.backward()
        tape.hook(lambda entry, g: g[0], "y"); tape.gradient(loss, x)
        with tg.Tape() as t: d = np.linalg.det(tg.Tensor(np.zeros((2, 2)))); t.gradient(d, t.leaves())
        """,
    "Tapes": """
        with tape, tape: pass
        tape.find("h")
        with tape: tg.named("y", x * 3); tape.find("y")
        tape.rerun({W: 1.0})
        tape.rerun({"x": 1.0})
        """,
    "Transforms": """
        tg.grad(np.tanh)(array)
        tg.grad(lambda x: (x, x))(1.0)
        tg.grad(np.tanh)(3)
        tg.grad(np.tanh)({"a": [1.0, 2]})
        tg.grad(lambda x: x.sum())(ids)
        tg.grad(lambda x: float(x.data))(1.0)
        tg.grad(np.tanh, argnums=2)(1.0)
        tg.grad(np.tanh, argnums=(0, 0))(1.0)
        tg.grad(np.tanh, argnums=())(1.0)
        tg.grad(np.tanh, argnums="x")(1.0)
        tg.grad(np.tanh, argnums=1.0)(1.0)
        tg.grad(np.sum)(np.ma.masked_array([1.0, 2.0], [0, 1]))
        tg.jvp(np.tanh, 1.0, 1.0)
        tg.hvp(np.tanh, array, array)
        tg.hvp(np.tanh, (array,), array, argnums=(0,))
        tg.grad(np.tanh, has_aux=True)(1.0)
        tg.jvp(np.tanh, (array,), (array, array))
        tg.jvp(np.tanh, (array,), (np.ones(3),))
        tg.jvp(lambda d: d["a"], ({"a": array},), ({"b": array},))
        tg.jvp(lambda a, b: a * b.item(), (1.0, 2.0), (None, 1.0))
        tg.vjp(np.tanh, array)[1](np.ones(3))
        pushforward(tape, {x: np.ones(3)}, [loss])
        """,
    "Trees of parameters": """
        nn.weights.arrays({"a": {"b": array}, "a.b": array})
        nn.weights.arrays({1: array})
        tree = [array]; tree.append(tree); tg.grad(lambda tree: tree[0].sum())(tree)
        s = nn.optim.SGD(rate=0.1); s.step({"a": [array]}, {"a": [array, array]}, s.init({"a": [array]}))
        s = nn.optim.SGD(rate=0.1); s.step({"a": {"w": array}}, {"a": {"v": array}}, s.init({"a": {"w": array}}))
        nn.optim.SGD(rate=0.1).init({"a": {"w": None}})
        s = nn.optim.Adam(); s.step({"w": array}, {"w": array}, nn.optim.SGD(rate=0.1).init({"w": array}))
        """,
    "Your own rules": """
        tg.primitive(np.tanh)
        tg.primitive(np.stack, variadic=True, name="doctest_stack")
        tg.primitive(np.sinc, kind="smooth", name="doctest_sinc")
        tg.grad(lambda x: bad_shape(x).sum())(array)
        tg.grad(lambda x: no_array(x).sum())(array)
        """,
    "The checker": """
        tg.check_grads(half, (2.0,))
        tg.check_grads(lambda x: x * np.random.default_rng().random(), (2.0,))
        tg.check_grads(np.tanh, (3,))
        tg.check_grads(np.tanh, (3.0,), modes=("reverse",))
        """,
    "Values that are not finite, under `Tape(check_finite=True)`": """
        with tg.Tape(check_finite=True), tg.scope(t=3, gate="f"): np.log(x - 1)
        with tg.Tape(check_finite=True) as t: r = np.sqrt(x[0, 0] - 1); t.gradient(r, x)
        """,
}


def wrong_inputs() -> list[tuple[str, str]]:
    """Yield every row of the table: its section and its code."""
    return [(title, line.strip()) for title, lines in WRONG.items() for line in lines.strip().splitlines()]


def what_it_raises(code: str) -> Exception:
    """Return the error of one row."""
    names: dict[str, Any] = {
        "np": np,
        "tg": tg,
        "nn": nn,
        "bptt": bptt,
        "copy": copy,
        "fractions": fractions,
        "pushforward": pushforward,
    }
    for name, (function, vjp) in RULES.items():
        full = f"doctest_{name}"
        names[name] = PRIMITIVES.get(full) or tg.primitive(function, vjp, name=full)
    exec(PRELUDE, names)
    try:
        with np.errstate(all="ignore"):
            exec(compile(code, "your_code.py", "exec"), names)
    except Exception as error:
        return error
    raise AssertionError(f"no error for: {code}")


def errors_page() -> str:
    """Return the page of errors."""
    parts = [
        """# Wrong input and its error

*For anyone with an error on the screen. To look things up.*

Every error has a built-in type. The first line says what is wrong, with the operation, shapes, names and the scope
(layer, step, gate). The second line says what to do. The table is made by running each row, after these lines:
"""
    ]
    imports = "import copy\nimport fractions\nimport numpy as np\n"
    imports += "import tinygrad_rnn as tg\nfrom tinygrad_rnn import bptt, nn\n"
    parts.append(f"```text\n{imports}{PRELUDE}```\n")
    section = ""
    for title, code in wrong_inputs():
        if title != section:
            section = title
            parts.append(f"\n## {title}\n\n| you write | it says | what to do |\n|---|---|---|\n")
        error = what_it_raises(code)
        wrong, _, remedy = str(error).partition("\n")
        cells = [f"`{code}`", f"{type(error).__name__}: {plain(wrong)}", plain(remedy)]
        parts.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    return "".join(parts)


def plain(text: str) -> str:
    """Return the text with all Markdown markup escaped."""
    return re.sub(r"([*_<>\[\]`])", r"\\\1", " ".join(text.split()))


# ---------------------------------------------------------------------------------------------- derivatives


def _sources(function: Any) -> str:
    """Return the body of a lambda as it is written, or the name of a function."""
    if function is None:
        return "none"
    if function.__name__ != "<lambda>":
        return f"`{function.__name__}`"
    tree = ast.parse(Path(function.__code__.co_filename).read_text(encoding="utf-8"))
    places = {(line, column) for line, _, column, _ in function.__code__.co_positions() if line and column}
    found = [
        node.body
        for node in ast.walk(tree)
        if isinstance(node, ast.Lambda)
        and any((n.lineno, n.col_offset) in places for n in ast.walk(node.body) if isinstance(n, ast.expr))
    ]
    return f"`{ast.unparse(found[-1])}`"


OPERATIONS = sorted(
    (op for op in PRIMITIVES.values() if not op.name.startswith(("doctest_", "test_"))), key=lambda op: op.name
)


def derivatives_page() -> str:
    """Return the page of derivatives, and of the functions that are made of operations."""
    # The first name of several: np.max, and not np.amax.
    numpy_name = {id(ours): _numpy_name(f) for f, ours in reversed(TABLE.items()) if isinstance(ours, Primitive)}
    parts = [
        """# The derivative of every operation

*For those who write an operation, and for the curious. To look things up.*

The table has one row for each primitive, read from the code. `g` is the cotangent of the result `y`. Each formula is
the vector-Jacobian product for one argument, in the order of the arguments. The walk back undoes broadcasting and
promotion. The last column is the kind of the operation, and decides about forward mode. An *elementwise* operation
uses the same formula. A *view*, a *join*, a *reduction*, a *product* and a *linear* operation apply the operation
itself to the tangents. All *other* operations use the transpose of the formula. *Zero* means that there is no
derivative.

| operation | NumPy | cotangent of each argument | kind |
|---|---|---|---|
"""
    ]
    for op in OPERATIONS:
        rules = op.vjps if not op.variadic else [op.vjps]
        shown = "; ".join(_sources(rule) for rule in rules) if any(rules) else "zero everywhere"
        if op.variadic:
            shown += " (any number of arguments)"
        forward = "zero" if not any(rules) else op.kind or "other"
        cells = [f"`{op.name}`", numpy_name.get(id(op), ""), shown, forward]
        parts.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    parts.append(
        """
## Functions made of these operations

These functions of NumPy need no derivative of their own. The tape records the operations that they consist of.

| function | what it does |
|---|---|
"""
    )
    composite = [(f, ours) for f, ours in TABLE.items() if not isinstance(ours, Primitive) and ours.__doc__]
    for function, ours in sorted(composite, key=lambda pair: _numpy_name(pair[0])):
        parts.append(f"| {_numpy_name(function)} | {plain((ours.__doc__ or '').splitlines()[0])} |\n")
    return "".join(parts)


def _numpy_name(function: Any) -> str:
    module = "np.linalg" if getattr(np.linalg, function.__name__, None) is function else "np"
    return f"`{module}.{function.__name__}`"


PAGES = {"errors.md": errors_page, "derivatives.md": derivatives_page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")
