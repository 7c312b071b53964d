"""What a memory keeps of itself at each step, measured at the initial parameters, and checked on the tape.

The memory of a cell is the state that carries the gradient far. Its direct way from one step to the next is
multiplication by a factor: a forget gate, 1 - z, |lambda|. All other ways run through gates and matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.bptt.atlas.cell_facts import Facts
from tinygrad_rnn.bptt.atlas.starting import long_run
from tinygrad_rnn.bptt.atlas.step_cost import recorded_step
from tinygrad_rnn.bptt.atlas.symbolic_sizes import USUAL
from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.core.backward import Products, pull_arrays, walk
from tinygrad_rnn.core.tensor import Line, Tensor
from tinygrad_rnn.core.values import not_recording
from tinygrad_rnn.language.saying import Listed, Sentence, Words, after_each_other, sentence
from tinygrad_rnn.nn.time_loop import state_names
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.steps import time_of

FROM, TO = 10, 200
"""The distances from the loss between which the factors are multiplied: the first steps are special."""
NEAR = 1.0
"""The number of powers of ten within which the factor alone explains the curve."""
LOST = -3.0
"""log10 of the change from which on a gradient is said to be lost."""

Values = Callable[[str], Array]
"""The value of a quantity of the cell, or of a parameter, by its name, at one step."""


class Factor(NamedTuple):
    """A memory, the factor by which a step multiplies it as people write it, and its values."""

    memory: str
    text: str
    of: Callable[[Values], Any]
    said: Words = ""

    @property
    def name(self) -> Words:
        """The memory as a sentence names it."""
        return self.said or self.memory


FACTORS: Mapping[str, Factor] = {
    "irnn": Factor("h", "[z > 0]", lambda v: 1.0 * (v("z") > 0)),
    "residual_rnn": Factor("h", "1", lambda v: 1.0),
    "leaky_rnn": Factor("h", "1 - rate", lambda v: 0.8),
    **dict.fromkeys(("lstm", "peephole_lstm", "coupled_lstm", "layer_norm_lstm"), Factor("c", "f", lambda v: v("f"))),
    **dict.fromkeys(("gru", "gru_textbook"), Factor("h", "z", lambda v: v("z"))),
    "mgu": Factor("h", "1 - f", lambda v: 1 - v("f")),
    "ind_rnn": Factor("h", "u [z > 0]", lambda v: v("weight_hh") * (v("z") > 0)),
    "min_gru": Factor("h", "1 - z", lambda v: 1 - v("z")),
    "min_lstm": Factor("h", "f / (f + i)", lambda v: v("f") / (v("f") + v("i"))),
    **dict.fromkeys(("qrnn", "sru", "slstm"), Factor("c", "f", lambda v: v("f"))),
    "mlstm": Factor("C", "f", lambda v: v("f")[..., None]),
    "linear_attention": Factor("S", "1", lambda v: 1.0),
    "gated_delta_net": Factor(
        "S", "alpha", lambda v: v("alpha")[..., None], sentence("{memory}, at a right angle to the key,", memory="S")
    ),
    "lru": Factor("re + i im", "|lambda|", lambda v: np.exp(-np.exp(v("nu_log")))),
    "selective_ssm": Factor("h", "exp(delta A)", lambda v: v("A_bar")),
}
"""The factor of each cell whose memory has a direct way to the next step. The simple RNN has none."""


class Kept(NamedTuple):
    """What a memory keeps of itself over the steps from 10 to 200 before the loss.

    mean: the mean of the factor. best: the geometric mean over time for the entry that keeps most. left: log10 of what
    that entry keeps in all. change: log10 of the factor by which the norm of the gradient changes over the same steps.
    into: log10 of its change over the first two steps, from the output into the memory.
    """

    output: str
    memory: Words
    factor: str
    mean: float
    best: float
    left: float
    change: float
    into: float

    def words(self) -> Listed:
        """Say what is kept, and whether that explains the curve."""
        into = sentence(
            "Before that, the first two steps back multiply it once by {into}, on the way from {output} into {memory}.",
            into=_power(self.into),
            output=self.output,
            memory=self.memory,
        )
        return after_each_other([self._kept(), self._verdict(), *[into] * (self.into < -1)])

    def _kept(self) -> Sentence:
        if not self.factor:
            return sentence(
                "{memory} keeps no part of itself: the old one comes to the new one through the matrix U and the "
                "nonlinearity alone.",
                memory=self.memory,
            )
        if self.factor == "1":
            return sentence("{memory} keeps all of itself at each step.", memory=self.memory)
        parts = {"memory": self.memory, "factor": f"`{self.factor}`", "left": _power(self.left), "steps": TO - FROM}
        if round(self.mean, 12) == round(self.best, 12):
            return sentence(
                "At each step {memory} is multiplied by {factor} = {value}. {steps} steps, those from 10 to 200 steps "
                "back, multiply it by {left}.",
                value=f"{self.mean:.2g}",
                **parts,
            )
        mean = f"{self.mean:.2f}"
        if self.best < self.mean:  # one number for all entries: its geometric mean is the smaller one
            return sentence(
                "At each step {memory} is multiplied by {factor}, one number for all entries: by {mean} on average "
                "here. {steps} steps, those from 10 to 200 steps back, multiply it by {left}.",
                mean=mean,
                **parts,
            )
        return sentence(
            "At each step {memory} is multiplied by {factor}: by {mean} on average here, and by {best} in the entry "
            "that keeps most. {steps} steps, those from 10 to 200 steps back, multiply that entry by {left}.",
            mean=mean,
            best=f"{self.best:.3f}",
            **parts,
        )

    def _verdict(self) -> Sentence:
        change = _power(self.change)
        if not self.factor:
            return sentence(
                "From 10 to 200 steps back the gradient is multiplied by {change}, which is {ratio} a step.",
                change=change,
                ratio=f"{10 ** (self.change / (TO - FROM)):.2f}",
            )
        if self.change > self.left + NEAR:
            return sentence(
                "From 10 to 200 steps back the gradient is multiplied by {change}, which is more: other ways from "
                "the old state to the new one carry the rest.",
                change=change,
            )
        if self.change > LOST:
            return sentence(
                "From 10 to 200 steps back the gradient is multiplied by {change}: this factor keeps it.",
                change=change,
            )
        return sentence(
            "From 10 to 200 steps back the gradient is multiplied by {change}: this factor loses it.", change=change
        )


def _power(log10: float) -> str:
    return "1" if abs(log10) < 0.05 else f"10^{log10:.1f}"


def kept(facts: Facts, curve: Sequence[float], alone: bool) -> Kept:
    """Measure what the memory of a cell keeps, along the run of its `curve` of log10 |dL/ds_k|.

    alone: the factor is the only way from step to step. Raises ArithmeticError where the factor is not the derivative
    along the direct way, and where it is the only way and more of the gradient is left than it leaves.
    """
    require_direct_way(facts)
    change, into, output = curve[TO] - curve[FROM], curve[2] - curve[0], state_names(facts.cell)[0]
    factor = FACTORS.get(facts.name)
    if factor is None:
        return Kept(output, output, "", 0.0, 0.0, -np.inf, change, into)
    tape, params = long_run(facts)
    steps = range(len(curve) - TO, len(curve) - FROM)
    named = {(out.name, time_of(labels)): out.data for _, _, _, out, labels in tape.lines() if out.name}
    values = [np.asarray(factor.of(partial(_of, params, named, t))) for t in steps]
    with np.errstate(divide="ignore"):
        left = float(np.sum(np.log10(np.abs(values)), axis=0).max())
    if alone and change > left + 1e-6:
        raise ArithmeticError(f"atlas: {factor.text} of {facts.name} leaves 10^{left}, but the gradient 10^{change}")
    mean, best = float(np.mean(values)), float(10 ** (left / len(steps)))
    return Kept(output, factor.name, factor.text, mean, best, left, change, into)


def _of(params: Mapping[str, Tensor], named: Mapping[Any, Array], t: float | None, name: str) -> Array:
    return params[name].data if name in params else named[name, t]


def require_direct_way(facts: Facts) -> None:
    """Compare the factor of a cell with the cotangent that comes back from its memory to the memory before.

    The walk stops at gates and at tanh. A cell without a factor must have no such way. Raises ArithmeticError.
    """
    tape, params, _, before, after = recorded_step(facts, *USUAL, warm=3)
    factor, names = FACTORS.get(facts.name), state_names(facts.cell)
    memories = ("re", "im") if facts.name == "lru" else (factor.memory if factor else names[0],)
    at = [names.index(name) for name in memories]
    arrives = np.ones(after[at[0]].shape)
    if facts.name == "gated_delta_net":  # across the key: along it, beta k k^T is taken off
        arrives[..., :] = _across(tape.find("k").data[0])
    back = _directly(tape, after[at[0]], arrives, [before[k] for k in at])
    found = np.hypot(*back) if len(back) > 1 else back[0]
    named = {(out.name, None): out.data for _, _, _, out, _ in tape.lines() if out.name}
    expected = 0.0 if factor is None else factor.of(partial(_of, params, named, None))
    if not np.allclose(found, expected * arrives, rtol=1e-9, atol=1e-12):
        raise ArithmeticError(f"atlas: {facts.name} does not multiply its memory by {factor and factor.text}")


def _across(key: Array) -> Array:
    """Return a vector at a right angle to a key."""
    ones = np.ones_like(key)
    return np.asarray(ones - (ones @ key) / (key @ key) * key)


def _directly(tape: Tape, new: Tensor, arrives: Array, old: list[Tensor]) -> list[Array]:
    """Return what comes back to old states, by ways that cross no gate and no tanh."""

    def send(line: Line, g: Any, needed: set[int] | None) -> Products:
        gated = any(label == "gate" for label, _ in line[4])
        return [] if gated or line[0].name == "tanh" else pull_arrays(line, g, needed)

    lines = tape.lines()
    with not_recording():
        pending: dict[Tensor, Any] = {new: arrives}
        for _ in walk(lines, len(lines) - 1, pending, wrt=old, send=send):
            pass
    return [np.asarray(pending.get(s, np.zeros(s.shape))) for s in old]
