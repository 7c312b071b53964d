"""Random recurrent programs as source text: cells, layers, directions, ways to loop, losses; and arguments for them.

A program is `f(p, d)`: p, a dict of dicts of parameters, is differentiated; d holds inputs, targets and masks.
`programs()` is a Hypothesis strategy. The simplest choice comes first, so that a failure shrinks to a short source.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

import tinygrad_rnn as tg
from tinygrad_rnn import nn


class Sizes(NamedTuple):
    """Features of an input, of a state, and classes. The batch is 1 or 5."""

    I: int
    H: int
    V: int


SIZES = [Sizes(2, 3, 4), Sizes(1, 1, 2), Sizes(3, 2, 1), Sizes(1, 5, 3), Sizes(2, 1, 5), Sizes(5, 5, 5)]
"""First those that are nothing else's, then some that are 1, or alike."""

UNARY = [
    "np.tanh({})",
    "tg.sigmoid({})",
    "-({})",
    "np.sin({})",
    "np.square({})",
    "np.exp(-({}) * ({}))",
    "tg.relu({})",
    "tg.softplus({})",
    "np.sqrt(1 + ({}) ** 2)",
    "np.abs({})",
    "np.clip({}, -0.5, 0.5)",
    "tg.softmax({}, axis=-1)",
    "tg.stop_gradient({})",
    "({})[..., ::-1]",
    "({0}) - np.mean({0}, axis=-1, keepdims=True)",
    "({0}) / np.sqrt(np.sum(({0}) ** 2, axis=-1, keepdims=True) + 1)",
    "(({0}) - np.mean({0}, axis=-1, keepdims=True)) / np.sqrt(np.var({0}, axis=-1, keepdims=True) + 0.5)",
    "({0}) * np.max({0}, axis=-1, keepdims=True)",
]
BINARY = [
    "({}) + ({})",
    "({}) * ({})",
    "({}) - ({})",
    "({}) / (1 + ({}) ** 2)",
    "np.maximum({}, {})",
    "np.where(({0}) > 0.1, {1}, {0})",
    "np.concatenate([({})[..., :1], ({})[..., 1:]], axis=-1)",
]


@dataclass
class Program:
    """A program, and what it takes."""

    source: str
    shapes: dict[str, dict[str, tuple[int, ...]]]
    batch: tuple[int, ...]
    inputs: str
    states: int
    width: int
    sizes: Sizes

    def _repr_pretty_(self, printer, cycle):
        """What Hypothesis prints of a failure: the source as it is written."""
        printer.text(f"a program for batches {self.batch}:\n\n{self.source}\n")

    @property
    def function(self):
        """The program, ready to run."""
        names = {"np": np, "tg": tg, "nn": nn}
        exec(compile(self.source, "generated.py", "exec"), names)
        return names["f"]

    def arguments(self, T, seed, dtype=np.float64):
        """Parameters that keep states bounded and gradients well conditioned, and data for T steps."""
        rng, (I, H, V) = np.random.default_rng(seed), self.sizes

        def floats(*shape, scale=1.0):
            return np.asarray(scale * rng.standard_normal(shape), dtype)

        p = {
            cell: {name: floats(*shape, scale=0.5 / np.sqrt(H)) for name, shape in shapes.items()}
            for cell, shapes in self.shapes.items()
        }
        p["out"] = {"E": floats(V, I), "s": floats(H), "O": floats(self.width, V, scale=0.5), "o": floats(V)}
        p["out"] = {name: value for name, value in p["out"].items() if f'"{name}"' in self.source}
        mask = rng.random((T, *self.batch, self.width)) < 0.6
        mask[0] = True
        d = {
            "x": floats(T, *self.batch, I),
            "ids": rng.integers(0, V, (T, *self.batch)),
            "start": [floats(*self.batch, H, scale=0.3) for _ in range(self.states)],
            "y": floats(T, *self.batch, self.width),
            "w": floats(T),
            "classes": rng.integers(0, V, (T, *self.batch)),
            "mask": mask,
            "counts": mask[..., 0],
        }
        if self.inputs == "time second":
            d["x"] = np.moveaxis(d["x"], 0, 1)
        if self.inputs == "listed":
            d["x"] = list(d["x"])
        return p, {name: value for name, value in d.items() if f'"{name}"' in self.source}


@dataclass
class Cell:
    """A cell as it is written: its parameters, its lines, and the names that an expression may use."""

    draw: st.DrawFn
    batched: bool
    states: list[str]
    inputs: int
    width: int
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)

    def choose(self, options):
        return self.draw(st.sampled_from(options))

    def parameter(self, kind, *shape):
        """A parameter that is there already, or a new one."""
        present = [name for name in self.shapes if name.rstrip("0123456789") == kind]
        name = self.choose([f"{kind}{len(present)}", *present])
        self.shapes[name] = shape
        return f'p["{name}"]'

    def product(self, of, columns, kind):
        """A matrix times an input or a state, written in one of the ways."""
        if self.draw(st.booleans()):
            matrix = self.parameter(f"{kind}t", self.width, columns)
            return f"{of} @ {matrix}.T" if self.batched else f"{matrix} @ {of}"
        return f"{of} @ {self.parameter(kind, columns, self.width)}"

    def linear(self):
        """X W + h U + b, or some of that."""
        parts = [self.product("x", self.inputs, "W")] if self.draw(st.booleans()) else []
        parts += [self.product(s, self.width, "U") for s in self.states if self.draw(st.integers(0, 2)) == 0]
        parts = parts or [self.product("x", self.inputs, "W")]
        if self.draw(st.booleans()):
            parts.append(self.parameter("b", self.width))
        return " + ".join(parts)

    def expression(self, depth):
        kinds = ["atom", "linear", "unary", "binary"] if depth else ["atom", "linear"]
        kind = self.choose(kinds)
        if kind == "linear":
            return self.linear()
        if kind == "unary":
            shape, inner = self.choose(UNARY), self.expression(depth - 1)
            return shape.replace("{0}", inner).replace("{}", inner)
        if kind == "binary":
            shape = self.choose(BINARY)
            a, b = self.expression(depth - 1), self.expression(depth - 1)
            return shape.format(a, b)
        first = self.states[0]
        of_parameters = [f"{self.parameter('b', self.width)} * {first}", f"{self.parameter('k')} * {first}"]
        return self.choose([*self.states, *self.values, *of_parameters, f"0.5 * {first}"])

    def stacked_gates(self):
        """Several gates by one matrix, split."""
        count = self.draw(st.integers(2, 3))
        total = f"x @ {self.parameter(f'G{count}x', self.inputs, count * self.width)}"
        total += f" + {self.states[0]} @ {self.parameter(f'G{count}h', self.width, count * self.width)}"
        if self.draw(st.booleans()):
            total += f" + {self.parameter(f'G{count}b', count * self.width)}"
        names = [f"z{k}" for k in range(count)]
        self.lines.append(f"{', '.join(names)} = np.split({total}, {count}, axis=-1)")
        self.values += [f"{self.choose(['tg.sigmoid', 'np.tanh'])}({name})" for name in names]

    def write(self):
        """The whole cell."""
        if self.draw(st.integers(0, 2)) == 2:
            self.stacked_gates()
        for k in range(self.draw(st.integers(0, 3))):
            gate = self.choose(["{}", "tg.sigmoid({})", "np.tanh({})"])
            self.lines.append(f"a{k} = {gate.format(self.expression(2))}")
            self.values.append(f"a{k}")
        new = []
        for s in self.states:
            inner = self.expression(2)
            if not new:  # so that every program depends on a parameter and on its inputs
                inner = f"{self.product('x', self.inputs, 'W')} + {inner}"
            update = self.choose(
                ["np.tanh({e})", "0.5 * {s} + 0.4 * np.tanh({e})", "{g} * {s} + (1 - {g}) * np.tanh({e})"]
            )
            gate = self.choose([f"tg.sigmoid({v})" for v in (*self.values, *self.states)])
            self.lines.append(f"new_{s} = {update.format(e=inner, s=s, g=gate)}")
            new.append(f"new_{s}")
            self.values.append(f"new_{s}")
        body = "".join(f"    {line}\n" for line in self.lines)
        returned = f"({new[0]},)" if len(new) == 1 else ", ".join(new)
        return f"(p, x, {', '.join(self.states)}):\n{body}    return {returned}\n"


LOOP = """
def layer(cell, p, d, xs, states, steps):
    hs, loss = {}, 0.0
    for t in steps:
BODY
    return [hs[t] for t in range(len(hs))], states, loss
"""
UNROLLED = """
def layer(cell, p, d, xs, states, steps):
    hs, last = nn.unroll(cell, p, xs, tuple(states), reverse=steps[0] > steps[-1])
    return list(hs), last if isinstance(last, tuple) else (last,), 0.0
"""
INPUTS = {
    "time first": 'd["x"]',
    "embedded": 'p["out"]["E"][d["ids"]]',
    "embedded in the step": '[p["out"]["E"][d["ids"][t]] for t in range(len(d["ids"]))]',
    "listed": 'd["x"]',
    "time second": '[d["x"][:, t] for t in range(d["x"].shape[1])]',
}
STARTS = {
    "given": 'd["start"]',
    "zeros": '[np.zeros_like(s) for s in d["start"]]',
    "learned": '[s + p["out"]["s"] for s in d["start"]]',
}
LOSSES = {
    "last": "np.sum(states[0] ** 2)",
    "every state at the end": "sum(np.mean(np.sin(s)) for s in states)",
    "each": 'nn.mse(hs, d["y"])',
    "weighted": 'np.mean(d["w"].reshape((-1,) + (1,) * (hs.ndim - 1)) * hs * hs)',
    "masked": 'nn.mse(hs, d["y"], mask=d["mask"])',
    "classes": 'nn.cross_entropy(hs @ p["out"]["O"] + p["out"]["o"], d["classes"])',
    "masked classes": 'nn.cross_entropy(hs @ p["out"]["O"], d["classes"], mask=d["counts"])',
    "the last two": 'np.sum((hs[-2:] @ p["out"]["O"]) ** 2)',
}


def loop_over_time(labelled, in_steps):
    """The function `layer` of a program that loops over time by itself."""
    lines = ["states = cell(p, xs[t], *states)", "hs[t] = states[0]"]
    if in_steps:
        lines.append('loss = loss + d["w"][t] * np.mean(states[-1] * states[0])')
    if labelled:
        lines = ["with tg.scope(t=t):", *(f"    {line}" for line in lines)]
    return LOOP.replace("BODY", "\n".join(f"        {line}" for line in lines))


@st.composite
def programs(draw):
    """A whole program."""
    batch = draw(st.sampled_from([(5,), (1,), ()]))
    sizes = draw(st.sampled_from(SIZES))
    I, H = sizes[:2]
    count, layers, directions = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    states = ["h", "c", "m"][:count]
    inputs = draw(st.sampled_from([way for way in INPUTS if batch or way != "time second"]))
    loop = draw(st.sampled_from(["labelled", "unlabelled", "unroll"]))
    tied = draw(st.booleans())  # both directions with the same parameters
    cells = [Cell(draw, bool(batch), states, I if k == 0 else directions * H, H) for k in range(layers)]
    source = "\n\n".join(f"def cell{k}{cell.write()}" for k, cell in enumerate(cells)) + "\n"
    source += UNROLLED if loop == "unroll" else loop_over_time(loop == "labelled", draw(st.booleans()))
    lines = [f"xs, start = {INPUTS[inputs]}, {STARTS[draw(st.sampled_from(list(STARTS)))]}", "T, loss = len(xs), 0.0"]
    for k in range(layers):
        parameters = [f'p["cell{k}"]', f'p["cell{k}{"" if tied else "_back"}"]']
        lines += [f"hs, states, more = layer(cell{k}, {parameters[0]}, d, xs, start, range(T))", "loss = loss + more"]
        if directions == 2:
            lines += [
                f"back, ends, more = layer(cell{k}, {parameters[1]}, d, xs, start, range(T - 1, -1, -1))",
                "loss = loss + more",
                "hs, states = [np.concatenate(pair, axis=-1) for pair in zip(hs, back)], (*states, *ends)",
            ]
        if k and draw(st.booleans()):
            lines.append("hs = [x + h for x, h in zip(xs, hs)]")
        if k + 1 < layers:
            lines.append("xs = hs")
    lines.append("hs = np.stack(hs)")
    names = draw(st.lists(st.sampled_from(list(LOSSES)), min_size=1, max_size=2, unique=True))
    lines += [f"loss = loss + {LOSSES[name]}" for name in names]
    source += "\n\ndef f(p, d):\n" + "".join(f"    {line}\n" for line in [*lines, "return loss, (hs, states)"])
    shapes = {f"cell{k}": cell.shapes for k, cell in enumerate(cells)}
    if directions == 2 and not tied:
        shapes |= {f"{name}_back": own for name, own in shapes.items()}
    return Program(source, shapes, batch, inputs, count, directions * H, sizes)
