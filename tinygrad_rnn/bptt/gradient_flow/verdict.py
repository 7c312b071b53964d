"""The flow back of the gradient of a loss at the last step: the table and the verdict in words."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.bptt.gradient_flow.magnitude import power_text
from tinygrad_rnn.language.current import current
from tinygrad_rnn.language.saying import Listed, Sentence, Words, listed, say, sentence
from tinygrad_rnn.notebook.html_parts import box, labelled, table
from tinygrad_rnn.notebook.line_chart import chart
from tinygrad_rnn.plain_values import plain
from tinygrad_rnn.text_tables import aligned

NORM = "|dL/dW|"
FAR = 3.0
"""Powers of ten by which a gradient has changed where it is said to vanish or explode: a factor of a thousand."""


@dataclass(frozen=True, eq=False)
class Flow:
    """The result of `flow` for a cell over T steps. `print(it)` is a table and a verdict. Norms are log10, float64.

    L_T is the loss at the last step; s_k is the whole state, (h_k, c_k, ...); axis k is the step.
    """

    cell: str
    dtype: str
    states: dict[str, Array]
    """by the state's name, (T,): log10 |dL_T/dh_k|, of any size"""
    norms: Array
    """(T,): the same for all states together, log10 |dL_T/ds_k|"""
    held: Array
    """(T,): log10 |dL_T/ds_k| as numbers of the dtype: -inf where it has underflowed, inf where it has overflowed"""
    terms: dict[str, Array]
    """by the parameter's name, (T,): log10 of the norm of what step k adds to dL_T/dU"""
    contributions: Array
    """(T,): the same for all parameters together"""
    gradient: float
    """log10 |dL_T/d(all parameters)|"""
    shares: dict[Hashable, Array]
    """by gate (None: through no gate), (T - 1,): the share of dL_T/ds_k that came to step k + 1 and went this way"""
    direct: Array
    """(T,): log10 of the norm of that part of dL_T/ds_k which passed no gate on its whole way"""
    losses: NDArray[np.int64]
    """(n,): the steps t of the losses in `deltas`"""
    deltas: Array
    """(n, T): log10 |dL_t/dh_k| as numbers of the dtype, h the first state"""
    broken: int | None
    """the first step whose state is not finite"""
    of: Words = ""
    """what has this gradient, of a tape: "the loss L"; "" is the loss at the last step"""
    read_by_loss: int = 1
    """the number of steps from which the loss reads directly"""

    @property
    def distances(self) -> NDArray[np.int64]:
        """(T,): T - 1 - k, how far step k lies from the loss."""
        return np.arange(len(self.norms))[::-1]

    def __repr__(self) -> str:
        words = str(self._of_the_state(short=True) if self.broken is None else self._of_what_is_broken())
        first = words.split("\n")[0]
        return say("<Flow of {cell}, T={T}: {words}>", cell=self.cell, T=len(self.norms), words=first)

    def _repr_html_(self) -> str:
        head, *rows = self._rows(12)
        curves = {
            say("the state's gradient {norm}", norm="|dL/ds_k|"): self.norms,
            say("step k's term in {gradient}", gradient="dL/dW"): self.contributions,
        }
        drawn = chart({name: a.tolist() for name, a in curves.items()}, say("step k"), say("norms"))
        numbers = table(head, rows, right=range(len(head)))
        return box(self._title(), labelled(self.verdict()), drawn, numbers, language=current())

    def __str__(self) -> str:
        return "\n".join([self.table(), *self.verdict()])

    def to_dict(self) -> dict[str, Any]:
        """Return the flow as plain values, for JSON. NaN and infinity are "NaN", "Infinity" and "-Infinity".

        Keys: kind, name, steps, verdict (sentences), and the attributes of the same names, lists in the place of
        arrays. Norms are log10: "-Infinity" is a gradient of zero. In shares, "no gate" stands for None.
        """
        numbers = {name: getattr(self, name) for name in ("norms", "held", "contributions", "direct", "deltas")}
        found: dict[str, Any] = plain(
            {
                "kind": "flow",
                "name": self.cell,
                "dtype": self.dtype,
                "steps": len(self.norms),
                "verdict": self.verdict(),
                "states": self.states,
                "terms": self.terms,
                "gradient": float(self.gradient),
                "shares": {"no gate" if gate is None else gate: share for gate, share in self.shares.items()},
                "losses": self.losses,
                "broken": self.broken,
                **numbers,
            }
        )
        return found

    def table(self, lines: int = 12) -> str:
        """Return a table by distance, from near to far: the state's gradient, and the step's term in dL/dW."""
        rows = self._rows(lines)
        return "\n".join([self._title(), *aligned(rows, right=range(len(rows[0])))])

    def _title(self) -> str:
        T = len(self.norms)
        of = self.of or sentence("the loss at step {t}", t=T - 1)
        return say("{cell}: T={T} {dtype}, {of}; W: all parameters", cell=self.cell, T=T, dtype=self.dtype, of=of)

    def _rows(self, lines: int) -> list[list[str]]:
        """Return the heads of the columns, and a row for each distance that is shown."""
        T = len(self.norms)
        many = len(self.states) > 1
        head = [say("distance"), say("step k"), *(f"|dL/d{name}_k|" for name in self.states)]
        head += ["|dL/ds_k|"] * many + [say("term in {gradient}", gradient="dL/dW")]
        columns = [*self.states.values(), *([self.norms] if many else []), self.contributions]
        rows = [head]
        for distance in spread(T, lines):
            k = T - 1 - distance
            rows.append([str(distance), str(k), *(power_text(float(column[k])) for column in columns)])
        return rows

    def verdict(self) -> list[str]:
        """Return sentences on the state's gradient, the parameters' gradient, the paths and the range of the dtype."""
        if self.broken is not None:
            return [str(self._of_what_is_broken())]
        said = [self._of_the_state(), self._of_the_loss(), self._of_the_parameters()]
        said += [self._of_the_paths(), self._of_the_dtype()]
        return [str(each) for each in said if each]

    def _of_what_is_broken(self) -> Sentence:
        return sentence(
            "Broken: the state is not finite (NaN or infinity) from step {t} on, and no gradient is.\n"
            "{call} finds the operation; smaller weights or steps, or a bounded activation, help.",
            t=self.broken,
            call="Tape(check_finite=True)",
        )

    def _of_the_state(self, short: bool = False) -> Sentence:
        """Say what becomes of the state's gradient; in short without the norms."""
        norms, T = self.norms, len(self.norms)
        if T == 1:
            return sentence("State: one step, so there is no distance over which its gradient could vanish.")
        if (wrong := np.isnan(norms) | np.isposinf(norms)).any():
            last = int(np.flatnonzero(wrong)[-1])
            return sentence(
                "State: its gradient is NaN or infinite from step {t} back: a derivative there is not finite.", t=last
            )
        if np.isneginf(norms[0]):
            last = int(np.flatnonzero(np.isneginf(norms))[-1])
            return sentence(
                "State: its gradient is exactly 0 from step {t} back, and not because far steps underflow: it "
                "became 0 within one step (a relu that is off, a gate or a tanh saturated until its derivative rounds "
                "to 0, a state not read, or a factor so small that it underflows there).",
                t=last,
            )
        change = float(norms[0] - norms[-1])
        fact = sentence(
            "{norm} goes from {near} at distance 0 to {far} at distance {distance}, a factor of {factor} a step.",
            norm="|dL/ds_k|",
            near=power_text(float(norms[-1])),
            far=power_text(float(norms[0])),
            distance=T - 1,
            factor=f"{10 ** (change / (T - 1)):.3g}",
        )
        if change < -FAR:
            gone = int(np.flatnonzero(norms >= norms[-1] - FAR)[0]) - 1
            more = sentence("It is less than a thousandth of that from step {t} back.", t=gone)
            said, fact = sentence("State: its gradient VANISHES"), sentence("{fact} {more}", fact=fact, more=more)
        elif change > FAR:
            said = sentence("State: its gradient EXPLODES")
        else:
            steps = sentence("{n:,} step", n=1) if T == 2 else sentence("{n:,} steps", n=T - 1)
            said = sentence("State: its gradient survives {steps}", steps=steps)
        return said if short else sentence("{said}: {fact}", said=said, fact=fact)

    def _of_the_loss(self) -> Sentence | None:
        if self.read_by_loss < 2:
            return None
        return sentence(
            "Loss: it reads {n} steps directly, so {norm} holds what each step adds itself. What "
            "comes from far shows where the loss is one step's own: {call}.",
            n=self.read_by_loss,
            norm="|dL/ds_k|",
            call="bptt.flow(tape, losses[-1])",
        )

    def _of_the_parameters(self) -> Sentence:
        terms, T = self.contributions, len(self.contributions)
        size = power_text(self.gradient)
        if math.isnan(self.gradient) or self.gradient == math.inf:
            return sentence("Parameters: {norm} = {size}.", norm=NORM, size=size)
        if not np.isfinite(terms).any():
            return sentence("Parameters: {norm} = {size}: no term arrives.", norm=NORM, size=size)
        with np.errstate(all="ignore"):
            weights = 10.0 ** (terms - np.max(terms[np.isfinite(terms)]))
        weights = np.where(np.isfinite(weights), weights, 0)[::-1]  # by distance
        near = int(np.searchsorted(np.cumsum(weights) / np.sum(weights), 0.99)) + 1
        largest = int(np.argmax(weights))
        far = power_text(float(terms[0] - terms[T - 1 - largest]))
        if T == 1:
            return sentence("Parameters: {norm} = {size}, of one term.", norm=NORM, size=size)
        vanished = self.norms[0] - self.norms[-1] < -FAR
        if vanished and near < T:
            return sentence(
                "Parameters: their gradient does NOT vanish, {norm} = {size}, since the near terms stay: the "
                "nearest {near} of {T} steps make 99 % of the sum of the terms' norms. But it says nothing of far "
                "steps: the term of step 0 is {far} of the largest.",
                norm=NORM,
                size=size,
                near=near,
                T=T,
                far=far,
            )
        if self.norms[0] - self.norms[-1] > FAR:
            return sentence(
                "Parameters: their gradient explodes with it, {norm} = {size}: the largest term is that of step {t}. "
                "Clip it by its norm ({module}).",
                norm=NORM,
                size=size,
                t=T - 1 - largest,
                module="nn.optim",
            )
        return sentence(
            "Parameters: {norm} = {size}; the nearest {near} of {T} steps make 99 % of the sum of the terms' norms, "
            "and the term of step 0 is {far} of the largest.",
            norm=NORM,
            size=size,
            near=near,
            T=T,
            far=far,
        )

    def _of_the_paths(self) -> Sentence | None:
        if set(self.shares) <= {None} or not np.isfinite(self.norms).all():
            return None
        middle = {gate: float(np.nanmedian(share)) for gate, share in self.shares.items()}
        ways = sorted(middle.items(), key=lambda pair: -abs(pair[1]))
        each = [
            sentence("no gate {share:.2g}", share=share) if gate is None else f"{gate} {share:.2g}"
            for gate, share in ways
        ]
        n = len(self.direct) - 1
        return sentence(
            "Paths: of what one step passes back, by the last gate on the way (median): {each}. Over all {steps}, "
            "the path that passes no gate brings {direct} of {all} in all.",
            each=listed(each),
            steps=sentence("{n:,} step", n=n) if n == 1 else sentence("{n:,} steps", n=n),
            direct=power_text(float(self.direct[0])),
            all=power_text(float(self.norms[0])),
        )

    def _of_the_dtype(self) -> Sentence | None:
        info = np.finfo(self.dtype)
        lost = np.isfinite(self.norms) & (self.held < np.log10(info.tiny))
        over = np.isfinite(self.norms) & ~np.isfinite(self.held) & ~np.isneginf(self.held)
        if over.any():
            last = int(np.flatnonzero(over)[-1])
            return sentence(
                "Range: {dtype} has overflowed: from step {t} back it holds infinity or NaN. "
                "The norms above are those of scaled products{offer}.",
                dtype=self.dtype,
                t=last,
                offer=self._offer(),
            )
        if not lost.any():
            return None
        zero = np.flatnonzero(lost & np.isneginf(self.held))
        subnormal = np.flatnonzero(lost & ~np.isneginf(self.held))
        said = []
        if subnormal.size:
            said.append(sentence("from step {t} back its numbers are subnormal, with digits lost", t=subnormal[-1]))
        if zero.size:
            said.append(sentence("from step {t} back it holds 0", t=zero[-1]))
        return sentence(
            "Range: {dtype} has underflowed: {said}. The norms above are those of scaled products{offer}.",
            dtype=self.dtype,
            said=Listed(said, sentence(", and ")),
            offer=self._offer(),
        )

    def _offer(self) -> Words:
        limits = np.log10(np.finfo(np.float64).tiny), np.log10(np.finfo(np.float64).max)
        held = np.all((self.norms > limits[0]) & (self.norms < limits[1]))
        if self.dtype == "float64" or not held:
            return ""
        return sentence("; {wider} would hold them: ask again with {wider}", wider="float64")


def spread(T: int, lines: int) -> list[int]:
    """Choose about `lines` distances from 0 to T - 1: 0, 1, 2, 5, 10, ... and the last one; all where they fit."""
    if lines >= T:
        return list(range(T))
    round_ones = [m * 10**e for e in range(len(str(T))) for m in (1, 2, 5)]
    return [0, *(d for d in round_ones if d < T - 1), T - 1]
