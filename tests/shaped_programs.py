"""Random recurrent programs over arrays of any shape: states with heads, matrix states, padding, states two steps back.

A program is `f(p, d)`, as in `programs`: p, a dict of parameters, is differentiated; d holds inputs. Expressions are
built by the shape that they are to have, so that every product, sum and reshape meets sizes of 1, 2, 3 and 5, equal or
not. `shaped_programs()` is a Hypothesis strategy; `arguments` draws what the program takes.
"""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

import tinygrad_rnn as tg

SIZES = [3, 1, 2, 5]
UNARY = ["np.tanh({})", "tg.sigmoid({})", "-({})", "np.sin({})", "tg.relu({})", "tg.softplus({})", "0.5 * ({})"]
UNARY += ["np.abs({})", "np.clip({}, -0.5, 0.5)", "tg.stop_gradient({})", "np.sqrt(1 + ({}) ** 2)", "({}) ** 2"]
OVER_THE_LAST = ["tg.softmax({}, axis=-1)", "np.cumsum({}, axis=-1)", "({})[..., ::-1]", "tg.log_softmax({}, axis=-1)"]
OVER_THE_LAST += ["({0}) - np.mean({0}, axis=-1, keepdims=True)", "({0}) * np.max({0}, axis=-1, keepdims=True)"]
BINARY = ["({}) + ({})", "({}) * ({})", "({}) - ({})", "({}) / (1 + ({}) ** 2)", "np.maximum({}, {})"]
BINARY += ["np.where(({0}) > 0.1, {1}, {0})", "np.minimum({}, {})"]
OF_TIME = ["0.9 ** t * ({})", "(t + 1) * ({})", "({}) / (1.0 + t)", "({})"]


@dataclass
class ShapedProgram:
    """A program, and the shapes of what it takes: an input has a time axis in front."""

    source: str
    parameters: dict[str, tuple[int, ...]]
    inputs: dict[str, tuple[int, ...]]
    starts: dict[str, tuple[int, ...]]
    T: int
    read: int  # the loss reads steps before this one
    padding: float | None  # what stands in the inputs of the steps from there on

    def _repr_pretty_(self, printer, cycle):
        printer.text(f"a program of {self.T} steps, {self.read} of them read:\n\n{self.source}\n{vars(self)}\n")

    @property
    def function(self):
        """The program, ready to run."""
        names = {"np": np, "tg": tg}
        exec(compile(self.source, "generated.py", "exec"), names)
        return names["f"]

    def arguments(self, seed, dtype=np.float64, mixed=False):
        """Parameters and data; `mixed`: every second parameter in single precision."""
        rng = np.random.default_rng(seed)
        p = {name: np.asarray(0.6 * rng.standard_normal(shape), dtype) for name, shape in self.parameters.items()}
        if mixed:
            p = {name: a.astype(np.float32) if k % 2 else a for k, (name, a) in enumerate(p.items())}
        d = {name: np.asarray(rng.standard_normal((self.T, *s)), dtype) for name, s in self.inputs.items()}
        if self.padding is not None:
            for a in d.values():
                a[self.read :] = self.padding
        d |= {name: np.asarray(0.5 * rng.standard_normal(shape), dtype) for name, shape in self.starts.items()}
        return p, d


@dataclass
class Step:
    """One step as it is written: what it may read, by shape, and the parameters and inputs that it came to read."""

    draw: st.DrawFn
    batch: tuple[int, ...]
    sizes: list[int]
    values: list[tuple[str, tuple[int, ...]]]
    parameters: dict[str, tuple[int, ...]] = field(default_factory=dict)
    inputs: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def choose(self, options):
        return self.draw(st.sampled_from(options))

    def named(self, table, letter, shape, form):
        """One of those of that shape, or a new one."""
        there = [name for name, s in table.items() if s == shape]
        name = self.choose([f"{letter}{len(table)}", *there])
        table[name] = shape
        return form.format(name)

    def parameter(self, shape):
        return self.named(self.parameters, "w", shape, 'p["{}"]')

    def input(self, shape):
        return self.named(self.inputs, "x", shape, 'd["{}"][t]')

    def size(self):
        return self.choose(self.sizes)

    def atom(self, shape):
        there = [name for name, s in self.values if s == shape]
        return self.choose([*there, *there, None]) or self.choose([self.input, self.parameter])(shape)

    def broadcast(self, shape):
        """A shape that is broadcast to that one: fewer axes, or some of length 1."""
        kept = shape[self.draw(st.integers(0, len(shape))) :] if self.draw(st.booleans()) else shape
        return tuple(1 if self.draw(st.integers(0, 4)) == 4 else n for n in kept)

    def expression(self, shape, depth):
        kinds = ["atom", "unary", "binary", "of time"]
        if depth:
            kinds += ["part", "reduced", "joined"]
            if shape:
                kinds += ["product", "product", "last", "reshaped"]
            if len(shape) >= 2:
                kinds += ["outer", "turned", "batched product"]
        return getattr(self, "_" + self.choose(kinds if depth else ["atom"]).replace(" ", "_"))(shape, depth - 1)

    def _atom(self, shape, depth):
        return self.atom(shape)

    def _unary(self, shape, depth):
        inner = self.expression(shape, max(depth, 0))
        return self.choose(UNARY).replace("{0}", inner).replace("{}", inner)

    def _last(self, shape, depth):
        if not shape[-1]:  # NumPy has no maximum of nothing
            return self.atom(shape)
        inner = self.expression(shape, depth)
        return self.choose(OVER_THE_LAST).replace("{0}", inner).replace("{}", inner)

    def _of_time(self, shape, depth):
        return self.choose(OF_TIME).format(self.expression(shape, max(depth, 0)))

    def _binary(self, shape, depth):
        a, b = self.expression(shape, max(depth, 0)), self.expression(self.broadcast(shape), max(depth, 0))
        form = self.choose(BINARY)
        symmetric = "{0}" not in form and "/" not in form
        return form.format(b, a) if symmetric and self.draw(st.booleans()) else form.format(a, b)

    def _part(self, shape, depth):
        if not shape:
            n = self.size()
            return f"({self.expression((n,), depth)})[{self.draw(st.integers(0, n - 1))}]"
        more = self.size()
        wide = self.expression((*shape[:-1], shape[-1] + more), depth)
        return f"({wide})[..., {more}:]" if self.draw(st.booleans()) else f"({wide})[..., :{shape[-1]}]"

    def _reduced(self, shape, depth):
        axis = self.draw(st.integers(0, len(shape)))
        inner = self.expression((*shape[:axis], self.size(), *shape[axis:]), depth)
        return f"{self.choose(['np.sum', 'np.mean', 'np.max', 'tg.logsumexp'])}({inner}, axis={axis})"

    def _joined(self, shape, depth):
        axis = next((k for k in reversed(range(len(shape))) if shape[k] > 1), None)
        if axis is None:
            return self.expression(shape, depth)
        cut = self.draw(st.integers(1, shape[axis] - 1))
        parts = [self.expression((*shape[:axis], n, *shape[axis + 1 :]), depth) for n in (cut, shape[axis] - cut)]
        return f"np.concatenate([{parts[0]}, {parts[1]}], axis={axis - len(shape)})"

    def _product(self, shape, depth):
        n = self.size()
        matrix = self.parameter((n, shape[-1])) if self.draw(st.booleans()) else f"{self.parameter((shape[-1], n))}.T"
        return f"({self.expression((*shape[:-1], n), depth)}) @ {matrix}"

    def _batched_product(self, shape, depth):
        n = self.size()
        left, right = (*shape[:-1], n), (*shape[:-2], n, shape[-1])
        return f"({self.expression(left, depth)}) @ ({self.expression(right, depth)})"

    def _outer(self, shape, depth):
        a, b = self.expression(shape[:-1], depth), self.expression((*shape[:-2], shape[-1]), depth)
        return f"({a})[..., None] * ({b})[..., None, :]"

    def _turned(self, shape, depth):
        return f"np.swapaxes({self.expression((*shape[:-2], shape[-1], shape[-2]), depth)}, -1, -2)"

    def _reshaped(self, shape, depth):
        """Heads as one axis, or an axis as heads; with the heads ahead of what is not the batch, too."""
        if len(shape) >= 2 and self.draw(st.booleans()):
            return f"np.reshape({self.expression((*shape[:-2], shape[-2] * shape[-1]), depth)}, {shape})"
        n = self.choose([k for k in (1, 2, 3, 5) if shape[-1] % k == 0])
        split = (*shape[:-1], n, shape[-1] // n)
        if self.draw(st.booleans()):
            split = (*shape[:-1], shape[-1] // n, n)
            return f"np.reshape(np.swapaxes({self.expression(split, depth)}, -1, -2), {shape})"
        return f"np.reshape({self.expression(split, depth)}, {shape})"


LOOP = """
def f(p, d):
STARTS
    seen, loss = {seen}, 0.0
    for t in {order}:
        with tg.scope(t=t):
STEP
{collect}
    return loss + {loss} + 0.1 * np.sum(p["{parameter}"]), {aux}
"""


@st.composite
def shaped_programs(draw):
    """A whole program."""
    batch = draw(st.sampled_from([(2,), (1,), (), (3,), (0,)]))
    sizes = draw(st.lists(st.sampled_from(SIZES), min_size=1, max_size=2))
    H, n, k = (draw(st.sampled_from(sizes)) for _ in range(3))
    kinds = [(*batch, H), (*batch, n, k), (*batch, n, 1, k), (*batch, n, k, H), batch, (*batch, n * k)]
    shapes = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=3))
    T = draw(st.sampled_from([3, 1, 2, 4, 7]))
    reverse = draw(st.integers(0, 3)) == 3
    read = draw(st.integers(1, T)) if not reverse and draw(st.booleans()) else T
    states = [f"s{j}" for j in range(len(shapes))]
    values = list(zip(states, shapes, strict=True))
    back = draw(st.integers(0, 3)) == 3  # a state is read two steps back
    if back:
        values.append(("older", shapes[0]))
    step = Step(draw, batch, [*sizes, 1, 2], values)
    lines = []
    for j in range(draw(st.integers(0, 3))):
        shape = draw(st.sampled_from(kinds))
        lines.append(f"v{j} = {step.expression(shape, draw(st.integers(1, 3)))}")
        step.values.append((f"v{j}", shape))
    update = ["np.tanh({e})", "0.5 * {s} + 0.4 * np.tanh({e})", "tg.sigmoid({e}) * {s}", "np.tanh({e} + {s})"]
    for s, shape in zip(states, shapes, strict=True):
        form = draw(st.sampled_from([*update, "{v}"]))
        there = [name for name, own in step.values if own == shape]
        e = step.expression(shape, draw(st.integers(1, 3)))
        if s == states[0]:
            e = f"{e} + {step.input(shape)} * {step.parameter(shape[-1:])}"
        lines.append(f"new_{s} = " + form.format(e=e, s=s, v=draw(st.sampled_from(there))))
        step.values.append((f"new_{s}", shape))
    if back:
        lines.append(f"older = {states[0]}")
    lines.append(", ".join(states) + " = " + ", ".join(f"new_{s}" for s in states))
    shown = draw(st.sampled_from([name for name, _ in step.values if name != "older"]))
    inside = draw(st.booleans())
    gather = f"seen[t] = {shown}"
    within = draw(st.booleans()) and read == T
    if within:
        lines.append(f"loss = loss + np.sum({draw(st.sampled_from(['np.sin({})', '({}) ** 2', '{}'])).format(shown)})")
    lines.append(gather) if inside else None
    start = draw(st.sampled_from(["given", "zeros", "learned"]))
    first = {"given": 'd["{}"]', "zeros": "np.zeros({shape})", "learned": 'p["{}"] + 0.1'}[start]
    starts = {f"start_{s}": shape for s, shape in zip(states, shapes, strict=True)}
    begin = [f"{s} = " + first.format(f"start_{s}", shape=shape) for s, shape in zip(states, shapes, strict=True)]
    if back:
        begin.append(f"older = {states[0]}")
    losses = [f"np.sum(seen[{read - 1}] ** 2)", f"sum(np.sum(np.sin(seen[t])) for t in range({read}))"]
    losses.append(f"np.sum(np.stack([seen[t] for t in range({read})]) ** 2)")
    losses.append(f"np.sum(seen[0]) + np.sum(seen[{read - 1}] ** 2)")
    if read == T:
        losses += [" + ".join(f"np.sum({s} ** 2)" for s in states), f"np.sum({states[-1]} ** 2)"]
    aux = draw(st.sampled_from(["()", "[seen[t] for t in range(len(seen))]", f"({', '.join(states)},)"]))
    source = LOOP.format(
        seen="{}",
        order=f"range({T - 1}, -1, -1)" if reverse else f"range({T})",
        collect="" if inside else f"        {gather}",
        loss=draw(st.sampled_from(losses)),
        parameter=next(iter(step.parameters)),
        aux=aux,
    )
    source = source.replace("STARTS", "\n".join(f"    {line}" for line in begin))
    source = source.replace("STEP", "\n".join(f"            {line}" for line in lines))
    parameters = step.parameters | (starts if start == "learned" else {})
    padding = draw(st.sampled_from([None, np.nan, np.inf])) if read < T else None
    return ShapedProgram(source, parameters, step.inputs, starts if start == "given" else {}, T, read, padding)
