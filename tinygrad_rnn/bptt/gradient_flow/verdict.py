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
from tinygrad_rnn.core.counting import counted
from tinygrad_rnn.notebook.html_parts import box, labelled, table
from tinygrad_rnn.notebook.line_chart import chart
from tinygrad_rnn.plain_values import plain
from tinygrad_rnn.text_tables import aligned

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
    of: str = ""
    """what has this gradient, of a tape: "the loss L"; "" is the loss at the last step"""
    read_by_loss: int = 1
    """the number of steps from which the loss reads directly"""

    @property
    def distances(self) -> NDArray[np.int64]:
        """(T,): T - 1 - k, how far step k lies from the loss."""
        return np.arange(len(self.norms))[::-1]

    def __repr__(self) -> str:
        words = self.verdict()[0].split(": |")[0].split("\n")[0]
        return f"<Flow of {self.cell}, T={len(self.norms)}: {words}>"

    def _repr_html_(self) -> str:
        head, *rows = self._rows(12)
        curves = {"the state's gradient |dL/ds_k|": self.norms, "step k's term in dL/dW": self.contributions}
        drawn = chart({name: a.tolist() for name, a in curves.items()}, "step k", "norms")
        numbers = table(head, rows, right=range(len(head)))
        return box(self._title(), labelled(self.verdict()), drawn, numbers)

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
        return f"{self.cell}: T={T} {self.dtype}, {self.of or f'the loss at step {T - 1}'}; W: all parameters"

    def _rows(self, lines: int) -> list[list[str]]:
        """Return the heads of the columns, and a row for each distance that is shown."""
        T = len(self.norms)
        many = len(self.states) > 1
        head = ["distance", "step k", *(f"|dL/d{name}_k|" for name in self.states)]
        head += ["|dL/ds_k|"] * many + ["term in dL/dW"]
        columns = [*self.states.values(), *([self.norms] if many else []), self.contributions]
        rows = [head]
        for distance in spread(T, lines):
            k = T - 1 - distance
            rows.append([str(distance), str(k), *(power_text(float(column[k])) for column in columns)])
        return rows

    def verdict(self) -> list[str]:
        """Return sentences on the state's gradient, the parameters' gradient, the paths and the range of the dtype."""
        if self.broken is not None:
            return [
                f"Broken: the state is not finite (NaN or infinity) from step {self.broken} on, and no gradient is.\n"
                "Tape(check_finite=True) finds the operation; smaller weights or steps, or a bounded activation, help."
            ]
        said = [self._of_the_state(), self._of_the_loss(), self._of_the_parameters()]
        said += [self._of_the_paths(), self._of_the_dtype()]
        return [sentence for sentence in said if sentence]

    def _of_the_state(self) -> str:
        norms, T = self.norms, len(self.norms)
        if T == 1:
            return "State: one step, so there is no distance over which its gradient could vanish."
        if (wrong := np.isnan(norms) | np.isposinf(norms)).any():
            last = int(np.flatnonzero(wrong)[-1])
            return f"State: its gradient is NaN or infinite from step {last} back: a derivative there is not finite."
        if np.isneginf(norms[0]):
            last = int(np.flatnonzero(np.isneginf(norms))[-1])
            return (
                f"State: its gradient is exactly 0 from step {last} back, and not because far steps underflow: it "
                "became 0 within one step (a relu that is off, a gate or a tanh saturated until its derivative rounds "
                "to 0, a state not read, or a factor so small that it underflows there)."
            )
        change = float(norms[0] - norms[-1])
        fact = (
            f"|dL/ds_k| goes from {power_text(float(norms[-1]))} at distance 0 to {power_text(float(norms[0]))} "
            f"at distance {T - 1}, a factor of {10 ** (change / (T - 1)):.3g} a step."
        )
        if change < -FAR:
            gone = int(np.flatnonzero(norms >= norms[-1] - FAR)[0]) - 1
            return f"State: its gradient VANISHES: {fact} It is less than a thousandth of that from step {gone} back."
        if change > FAR:
            return f"State: its gradient EXPLODES: {fact}"
        return f"State: its gradient survives {counted(T - 1, 'step')}: {fact}"

    def _of_the_loss(self) -> str:
        if self.read_by_loss < 2:
            return ""
        return (
            f"Loss: it reads {self.read_by_loss} steps directly, so |dL/ds_k| holds what each step adds itself. What "
            "comes from far shows where the loss is one step's own: bptt.flow(tape, losses[-1])."
        )

    def _of_the_parameters(self) -> str:
        terms, T = self.contributions, len(self.contributions)
        size = power_text(self.gradient)
        if math.isnan(self.gradient) or self.gradient == math.inf:
            return f"Parameters: |dL/dW| = {size}."
        if not np.isfinite(terms).any():
            return f"Parameters: |dL/dW| = {size}: no term arrives."
        with np.errstate(all="ignore"):
            weights = 10.0 ** (terms - np.max(terms[np.isfinite(terms)]))
        weights = np.where(np.isfinite(weights), weights, 0)[::-1]  # by distance
        near = int(np.searchsorted(np.cumsum(weights) / np.sum(weights), 0.99)) + 1
        largest = int(np.argmax(weights))
        far = power_text(float(terms[0] - terms[T - 1 - largest]))
        if T == 1:
            return f"Parameters: |dL/dW| = {size}, of one term."
        vanished = self.norms[0] - self.norms[-1] < -FAR
        if vanished and near < T:
            return (
                f"Parameters: their gradient does NOT vanish, |dL/dW| = {size}, since the near terms stay: the "
                f"nearest {near} of {T} steps make 99 % of the sum of the terms' norms. But it says nothing of far "
                f"steps: the term of step 0 is {far} of the largest."
            )
        if self.norms[0] - self.norms[-1] > FAR:
            return (
                f"Parameters: their gradient explodes with it, |dL/dW| = {size}: the largest term is that of step "
                f"{T - 1 - largest}. Clip it by its norm (nn.optim)."
            )
        return (
            f"Parameters: |dL/dW| = {size}; the nearest {near} of {T} steps make 99 % of the sum of the terms' norms, "
            f"and the term of step 0 is {far} of the largest."
        )

    def _of_the_paths(self) -> str:
        if set(self.shares) <= {None} or not np.isfinite(self.norms).all():
            return ""
        middle = {gate: float(np.nanmedian(share)) for gate, share in self.shares.items()}
        ways = sorted(middle.items(), key=lambda pair: -abs(pair[1]))
        listed = ", ".join(f"{'no gate' if gate is None else gate} {share:.2g}" for gate, share in ways)
        return (
            f"Paths: of what one step passes back, by the last gate on the way (median): {listed}. Over all "
            f"{counted(len(self.direct) - 1, 'step')}, the path that passes no gate brings "
            f"{power_text(float(self.direct[0]))} of {power_text(float(self.norms[0]))} in all."
        )

    def _of_the_dtype(self) -> str:
        info = np.finfo(self.dtype)
        lost = np.isfinite(self.norms) & (self.held < np.log10(info.tiny))
        over = np.isfinite(self.norms) & ~np.isfinite(self.held) & ~np.isneginf(self.held)
        if over.any():
            last = int(np.flatnonzero(over)[-1])
            return (
                f"Range: {self.dtype} has overflowed: from step {last} back it holds infinity or NaN. "
                f"The norms above are those of scaled products{self._offer()}."
            )
        if not lost.any():
            return ""
        zero = np.flatnonzero(lost & np.isneginf(self.held))
        subnormal = np.flatnonzero(lost & ~np.isneginf(self.held))
        said = []
        if subnormal.size:
            said.append(f"from step {subnormal[-1]} back its numbers are subnormal, with digits lost")
        if zero.size:
            said.append(f"from step {zero[-1]} back it holds 0")
        return (
            f"Range: {self.dtype} has underflowed: {', and '.join(said)}. "
            f"The norms above are those of scaled products{self._offer()}."
        )

    def _offer(self) -> str:
        limits = np.log10(np.finfo(np.float64).tiny), np.log10(np.finfo(np.float64).max)
        held = np.all((self.norms > limits[0]) & (self.norms < limits[1]))
        return "; float64 would hold them: ask again with float64" if self.dtype != "float64" and held else ""


def spread(T: int, lines: int) -> list[int]:
    """Choose about `lines` distances from 0 to T - 1: 0, 1, 2, 5, 10, ... and the last one; all where they fit."""
    if lines >= T:
        return list(range(T))
    round_ones = [m * 10**e for e in range(len(str(T))) for m in (1, 2, 5)]
    return [0, *(d for d in round_ones if d < T - 1), T - 1]
