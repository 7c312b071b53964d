"""A cell run a few steps at a time, with a loss at each step: the base of checkpointing, truncated runs and RTRL.

The loss of a sequence is the sum over t of `loss(t, h_t)`, h_t the cell's first state: a scalar Tensor, or a number
for a step that has no loss. It is computed from h_t alone, and from parameters of its own: they stand among `params`,
as the same Tensors.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.core.backward import dependent
from tinygrad_rnn.core.counting import counted
from tinygrad_rnn.core.errors import require_differentiable
from tinygrad_rnn.core.recording import current, scope
from tinygrad_rnn.core.tensor import Tensor, named
from tinygrad_rnn.core.values import not_recording
from tinygrad_rnn.nn.time_loop import as_tuple, cell_name, state_names
from tinygrad_rnn.tape.full_tape import Tape

Cell = Callable[..., Any]
Loss = Callable[[int, Any], Any]
State = tuple[Any, ...]


class Run:
    """A cell, its parameters, inputs and initial state, checked, to be run from any step to any other.

    xs: (T, B, I), or a sequence of T inputs. state: as for `unroll`; None starts as the cell itself does. Both are
    constants: a Tensor that is a parameter, or that was made from one, is refused, since no gradient comes back to it.
    """

    def __init__(self, what: str, cell: Cell, params: Mapping[str, Tensor], xs: Any, loss: Loss, state: Any) -> None:
        if not isinstance(params, Mapping):
            raise TypeError(f"{what}: params is a {type(params).__name__}\ngive a dict of Tensors by name")
        if not hasattr(xs, "__len__") or not hasattr(xs, "__getitem__"):
            raise TypeError(f"{what}: xs is a {type(xs).__name__}\ngive (T, B, I), or a list of T inputs: list(xs)")
        for given, which, form in ((cell, "cell", "cell(params, x, *state)"), (loss, "loss", "loss(t, h)")):
            if not callable(given):
                raise TypeError(f"{what}: {which} is a {type(given).__name__}\ngive a function {form}")
        self.what = what
        self.cell = cell
        self.params = params
        self.names = state_names(cell)
        self.T = len(xs)
        self.loss = loss
        for name, p in params.items():
            if not isinstance(p, Tensor):
                raise TypeError(
                    f"{what}: params[{name!r}] is a {type(p).__name__}, not a Tensor\n"
                    "give a dict of Tensors by name, of one level: the cell may read params['lower.W']"
                )
            require_differentiable(f"[{name!r}]", p)
        states = as_tuple(state)
        inputs = [xs] if isinstance(xs, Tensor | np.ndarray) else list(xs)
        self._unread = self._require_constants(
            [*((f"{n}0", s) for n, s in zip(self.names, states, strict=False)), *(("xs", x) for x in inputs)]
        )
        self.xs = xs.data if isinstance(xs, Tensor) else xs if isinstance(xs, np.ndarray) else [_values(x) for x in xs]
        self.state = tuple(_values(s) for s in states)
        if not self.T:
            raise ValueError(f"{what}: the sequence has no steps (T = 0)\ngive xs of shape (T, B, I) with T >= 1")
        if len(self.state) not in (0, len(self.names)):
            raise ValueError(
                f"{what}: {counted(len(self.state), 'state')} given, {cell_name(cell)} takes {', '.join(self.names)}\n"
                "give all of them, or none"
            )
        needs = [n for n in self.names if inspect.signature(cell).parameters[n].default is inspect.Parameter.empty]
        if needs and not self.state:
            raise ValueError(
                f"{what}: {cell_name(cell)} does not start by itself: {', '.join(needs)} has no default\n"
                f"give state=, a tuple ({', '.join(f'{n}0' for n in self.names)}) of arrays (B, H)"
            )
        self._values = {name: p.data for name, p in params.items()}

    def _require_constants(self, given: Sequence[tuple[str, object]]) -> set[Tensor]:
        """Raise ValueError for a Tensor that is or comes from a parameter. Return what the cell or the loss must read.

        A Tensor that was made while no tape was open does not say of what: where one is given, every parameter must be
        read by the cell or by the loss, or it may be what the Tensor was made of.
        """
        parameters = {id(p): name for name, p in self.params.items()}
        from_parameters: dict[Tape, set[int]] = {}
        tensors = [(name, x) for name, x in given if isinstance(x, Tensor)]
        for name, x in tensors:
            tape = x.tape
            if tape is not None and tape not in from_parameters:
                from_parameters[tape] = dependent(tape.lines(), set(self.params.values()))
            if id(x) in parameters or (tape is not None and id(x) in from_parameters[tape]):
                which = f"the parameter {parameters[id(x)]!r}" if id(x) in parameters else "made from parameters"
                raise ValueError(
                    f"{self.what}: {name} is {which}, and no gradient would come back to it\n{self._way(name)}"
                )
        self._tensor = tensors[0][0] if tensors else ""
        return set(self.params.values()) if tensors else set()

    def _way(self, name: str) -> str:
        own = "x" if name == "xs" else name
        return (
            f'give its .data, a constant; bptt.checkpointed(..., also=("{own}",)) has the gradient by it, to be taken '
            "further by what made it"
        )

    def seen(self, tape: Tape) -> None:
        """Note the parameters that were read."""
        if self._unread:
            self._unread -= set(tape.leaves())

    def forward(self, start: int, stop: int, state: State) -> State:
        """Return the state after steps start, ..., stop - 1, as arrays; nothing is recorded or kept."""
        with not_recording():
            for t in range(start, stop):
                state = self.step(self._values, t, self.xs[t], state)
        return tuple(_values(s) for s in state)

    def step(self, params: Mapping[str, Any], t: int, x: Any, state: State) -> State:
        """Return the states after step t, under `scope(t=t)`, named after the cell's own arguments."""
        with scope(t=t):
            after = as_tuple(self.cell(params, x, *state))
            if len(after) != len(self.names):
                raise ValueError(
                    f"{self.what}: {cell_name(self.cell)} takes the states ({', '.join(self.names)}) and returned "
                    f"{len(after)} at t={t}\na cell is a function cell(params, x, *state) that returns all of its "
                    "states, in order"
                )
            if current()[0]:  # a state that came out as a plain array is a constant: no gradient goes through it
                after = tuple(s if isinstance(s, Tensor) else Tensor(s) for s in after)
            return tuple(named(name, s) for name, s in zip(self.names, after, strict=True))

    def recorded(
        self,
        tape: Tape,
        start: int,
        stop: int,
        state: State,
        losses: int | None = None,
        xs: Sequence[Any] | None = None,
    ) -> tuple[list[State], dict[int, Tensor], float]:
        """Run steps start, ..., stop - 1 on Tensors, on the open `tape`: states, losses by step, the sum of all losses.

        With the losses of steps `losses`, ..., stop - 1 alone, and with other inputs `xs` for these steps, if given.
        """
        states, found, value = [], {}, 0.0
        for t in range(start, stop):
            state = self.step(self.params, t, self.xs[t] if xs is None else xs[t - start], state)
            states.append(state)
            if losses is None or t >= losses:
                one, number = self.step_loss(tape, t, state[0])
                value += number
                if one is not None:
                    found[t] = one
        self.seen(tape)
        return states, found, value

    def step_loss(self, tape: Tape, t: int, h: Any) -> tuple[Tensor | None, float]:
        """Return the loss of step t, None where it is a plain number, and its value; `tape` is the open one."""
        before = len(tape)
        with scope(t=t):
            one = self.loss(t, h)
            if isinstance(one, Tensor) and (one is h or one.tape is not tape):
                one = np.positive(one)  # h itself, or a parameter: its cotangent is not that of the loss alone
        self._require_own_inputs(tape, t, before)
        real = isinstance(one, np.ndarray | np.number | float | int)
        if not real and not (isinstance(one, Tensor) and one.dtype.kind == "f"):
            kind = f"Tensor of {one.dtype}" if isinstance(one, Tensor) else type(one).__name__
            raise TypeError(
                f"{self.what}: loss({t}, h) returned a {kind}\n"
                "return a scalar Tensor of floats, or the number 0.0 for a step without a loss"
            )
        if np.size(one) != 1:
            raise ValueError(
                f"{self.what}: loss({t}, h) has shape {np.shape(one)}\nreturn a scalar: loss.sum(), loss.mean()"
            )
        return one if isinstance(one, Tensor) else None, float(np.asarray(_values(one)).item())

    def _require_own_inputs(self, tape: Tape, t: int, start: int) -> None:
        """Raise ValueError where a loss reads what another tape made: no gradient would come back to it."""
        own = set(self.params.values())
        for entry in tape[start:]:
            for a in entry.args:
                if isinstance(a, Tensor) and not a.is_leaf and a.tape is not tape and a not in own:
                    raise ValueError(
                        f"{self.what}: loss({t}, h) reads {a.describe()}, made by an operation outside of this step's "
                        "tape: no gradient would come back to it\n"
                        "compute the loss of a step from its h and from params; of a constant take .data"
                    )

    def require_losses(self, count: int) -> None:
        """Raise ValueError where no step has a loss on a tape, or where a parameter that must be read was not."""
        if self._unread:
            unread = ", ".join(repr(name) for name, p in self.params.items() if p in self._unread)
            raise ValueError(
                f"{self.what}: neither the cell nor the loss reads {unread}, and {self._tensor} is a Tensor: if it was "
                f"made from that, no gradient would come back\n{self._way(self._tensor)}; or leave the parameter out"
            )
        if not count:
            raise ValueError(
                f"{self.what}: loss(t, h) returned no Tensor at any step\n"
                "compute it from h, a Tensor, by NumPy's functions, without .data or float()"
            )


def _values(value: Any) -> Any:
    return value.data if isinstance(value, Tensor) else value
