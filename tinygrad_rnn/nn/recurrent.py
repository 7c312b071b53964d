"""Recurrent layers as in PyTorch: the same arguments, the same names and layout of parameters, the same numbers.

A layer is a description; parameters are a flat dict, so a PyTorch `state_dict` of arrays is one:

>>> layer = LSTM(3, 5, num_layers=2, bidirectional=True)
>>> params = layer.init(np.random.default_rng(0))
>>> list(params)[:5]
['weight_ih_l0', 'weight_hh_l0', 'bias_ih_l0', 'bias_hh_l0', 'weight_ih_l0_reverse']
>>> output, (h, c) = layer(params, np.zeros((7, 2, 3)))
>>> output.shape, h.shape
((7, 2, 10), (4, 2, 5))

A layer runs `unroll` of a cell under `scope(layer=..., direction=...)`: every pre-activation, gate and state
can be asked for, as `tape.find("z_f", layer=1, direction="reverse", t=3)`; with one direction there is no such label.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinygrad_rnn.core.counting import counted
from tinygrad_rnn.core.recording import scope
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.nn.cells import ACTIVATIONS, gru, lstm, rnn
from tinygrad_rnn.nn.parameters import (
    RECURRENT,
    Array,
    Cell,
    Params,
    Shapes,
    State,
    require_numbers,
    require_one_dtype,
    require_parameters,
    require_sizes,
)
from tinygrad_rnn.nn.time_loop import as_tuple, unroll
from tinygrad_rnn.nn.wrappers import dropout_mask


class _Recurrent:
    """Base of RNN, LSTM and GRU: a stack of layers, each a cell run over time in one direction or two."""

    gates: ClassVar[int]
    states: ClassVar[int]
    input_size: int
    hidden_size: int
    num_layers: int
    bias: bool
    batch_first: bool
    dropout: float
    bidirectional: bool

    def __post_init__(self) -> None:
        kind, projected = type(self).__name__, getattr(self, "proj_size", 0)
        require_sizes(self, self.input_size, self.hidden_size, self.num_layers)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"{kind}: dropout={self.dropout}\ngive the share that is dropped, 0 <= dropout < 1")
        if projected and not 0 < projected < self.hidden_size:
            raise ValueError(
                f"{kind}: proj_size={projected}\n"
                f"give a number less than hidden_size, {self.hidden_size}, or 0 for no projection"
            )
        _require_nonlinearity(self)

    def _cell(self) -> Cell:
        raise NotImplementedError

    @property
    def _output_size(self) -> int:
        return getattr(self, "proj_size", 0) or self.hidden_size

    @property
    def _directions(self) -> tuple[str, ...]:
        return ("forward", "reverse") if self.bidirectional else ("forward",)

    def shapes(self) -> Shapes:
        """Return the name and shape of every parameter, in PyTorch's order."""
        size, found = self._output_size, {}
        for layer in range(self.num_layers):
            columns = self.input_size if layer == 0 else size * len(self._directions)
            for direction in self._directions:
                own = _cell_shapes(self.gates, columns, self.hidden_size, size, self.bias)
                found.update({f"{name}{_suffix(layer, direction)}": shape for name, shape in own.items()})
        return found

    def init(self, rng: np.random.Generator, dtype: DTypeLike = np.float64) -> dict[str, Tensor]:
        """Draw parameters from U(-1/sqrt(H), 1/sqrt(H)), as torch does, in the order of `shapes`."""
        return _drawn(self.shapes(), self.hidden_size, rng, dtype)

    def __call__(
        self,
        params: Params,
        x: Array,
        state: State = None,
        lengths: ArrayLike | None = None,
        *,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, State]:
        """Run over x. Return (output, last state).

        x: (T, B, I), or (B, T, I) with `batch_first`, or (T, I) for one sequence without a batch. output: the same with
        D * H features in the last axis, D directions side by side (H is `proj_size` where there is one). state: h of
        shape (D * num_layers, B, H), for the LSTM (h, c), c of the hidden size; zeros by default; the last state is
        alike. `lengths` (B,): steps that count, see `unroll`.

        Dropout is applied between layers where `rng` is given: that is training; without it, evaluation. The masks are
        drawn from it and stand on the tape as constants, so that a rerun repeats them.

        Raises ValueError, naming the parameter, for a missing one or a wrong shape; for x, state or lengths that do not
        fit.
        """
        kind = type(self).__name__
        shapes = self.shapes()
        require_parameters(kind, shapes, params, RECURRENT)
        require_one_dtype(kind, shapes, params)
        require_numbers(kind, "x", x)
        batched = np.ndim(x) == 3
        if np.ndim(x) not in (2, 3) or np.shape(x)[-1] != self.input_size:
            axes = "(B, T, I)" if self.batch_first else "(T, B, I)"
            raise ValueError(
                f"{kind}: x has shape {np.shape(x)}\n"
                f"expected {axes}, or (T, I) without a batch, with I = {counted(self.input_size, 'feature')}"
            )
        if not batched:
            x = x[:, None]
        elif self.batch_first:
            x = np.swapaxes(x, 0, 1)
        states = self._given(state, batched, np.shape(x)[1])
        last: list[tuple[Array, ...]] = []
        for layer in range(self.num_layers):
            outputs = []
            for direction in self._directions:
                suffix = _suffix(layer, direction)
                own = {name.removesuffix(suffix): params[name] for name in shapes if name.endswith(suffix)}
                start = tuple(s[len(last)] for s in states)
                labels = {"direction": direction} if self.bidirectional else {}
                with scope(layer=layer, **labels):
                    hs, end = unroll(self._cell(), own, x, start, reverse=direction == "reverse", lengths=lengths)
                outputs.append(hs)
                last.append(as_tuple(end))
            x = np.concatenate(outputs, axis=-1) if self.bidirectional else outputs[0]
            if self.dropout and rng is not None and layer < self.num_layers - 1:
                x = x * dropout_mask(rng, self.dropout, np.shape(x), x.dtype)
        ends = [np.stack(parts) for parts in zip(*last, strict=True)]
        if not batched:
            x, ends = x[:, 0], [s[:, 0] for s in ends]
        elif self.batch_first:
            x = np.swapaxes(x, 0, 1)
        return x, tuple(ends) if self.states > 1 else ends[0]

    def _given(self, state: State, batched: bool, batch: int) -> list[Array]:
        """Return the initial states as (D * num_layers, B, H), checked; none where none was given."""
        states = list(as_tuple(state))
        if not states:
            return []
        sizes = [self._output_size, self.hidden_size][: self.states]
        count = self.num_layers * len(self._directions)
        expected = [(count, *((batch,) if batched else ()), size) for size in sizes]
        if [np.shape(s) for s in states] != expected:
            raise ValueError(
                f"{type(self).__name__}: the state has shapes {[np.shape(s) for s in states]}\n"
                f"expected {expected}: (directions * layers{', batch' if batched else ''}, size)"
            )
        return states if batched else [s[:, None] for s in states]


@dataclass(frozen=True)
class RNN(_Recurrent):
    """torch.nn.RNN: the simple RNN (`nn.rnn`), `nonlinearity` "tanh" or "relu"."""

    input_size: int
    hidden_size: int
    num_layers: int = 1
    nonlinearity: str = "tanh"
    bias: bool = True
    batch_first: bool = False
    dropout: float = 0.0
    bidirectional: bool = False
    gates: ClassVar[int] = 1
    states: ClassVar[int] = 1

    def _cell(self) -> Cell:
        return _simple(self.nonlinearity)


@dataclass(frozen=True)
class LSTM(_Recurrent):
    """torch.nn.LSTM: `nn.lstm`, gates in the order i, f, g, o; with `proj_size` P, h = W_hr (o tanh(c)), of size P."""

    input_size: int
    hidden_size: int
    num_layers: int = 1
    bias: bool = True
    batch_first: bool = False
    dropout: float = 0.0
    bidirectional: bool = False
    proj_size: int = 0
    gates: ClassVar[int] = 4
    states: ClassVar[int] = 2

    def _cell(self) -> Cell:
        return lstm


@dataclass(frozen=True)
class GRU(_Recurrent):
    """torch.nn.GRU: `nn.gru`, gates in the order r, z, n, the reset gate after the matrix."""

    input_size: int
    hidden_size: int
    num_layers: int = 1
    bias: bool = True
    batch_first: bool = False
    dropout: float = 0.0
    bidirectional: bool = False
    gates: ClassVar[int] = 3
    states: ClassVar[int] = 1

    def _cell(self) -> Cell:
        return gru


class _OneStep:
    """Base of RNNCell, LSTMCell and GRUCell: one step of a cell whose sizes are given."""

    gates: ClassVar[int]
    input_size: int
    hidden_size: int
    bias: bool

    def __post_init__(self) -> None:
        require_sizes(self, self.input_size, self.hidden_size)
        _require_nonlinearity(self)

    def shapes(self) -> Shapes:
        """Return the name and shape of every parameter, in PyTorch's order."""
        return _cell_shapes(self.gates, self.input_size, self.hidden_size, self.hidden_size, self.bias)

    def init(self, rng: np.random.Generator, dtype: DTypeLike = np.float64) -> dict[str, Tensor]:
        """Draw parameters from U(-1/sqrt(H), 1/sqrt(H)), as torch does, in the order of `shapes`."""
        return _drawn(self.shapes(), self.hidden_size, rng, dtype)

    def _checked(self, params: Params) -> Params:
        require_parameters(type(self).__name__, self.shapes(), params, RECURRENT)
        require_one_dtype(type(self).__name__, self.shapes(), params)
        return params


@dataclass(frozen=True)
class RNNCell(_OneStep):
    """torch.nn.RNNCell: one step of the simple RNN (`nn.rnn`), `nonlinearity` "tanh" or "relu"."""

    input_size: int
    hidden_size: int
    bias: bool = True
    nonlinearity: str = "tanh"
    gates: ClassVar[int] = 1

    def __call__(self, params: Params, x: Array, h: Array = None) -> Array:
        """Compute the new h from x (B, I) or (I,) and h (B, H) or (H,). An h that is None is zero.

        Raises ValueError for a parameter that is missing, not used or of a wrong shape; for x or h that do not fit.
        """
        return _simple(self.nonlinearity)(self._checked(params), x, h)


@dataclass(frozen=True)
class LSTMCell(_OneStep):
    """torch.nn.LSTMCell: one step of the LSTM (`nn.lstm`), gates in the order i, f, g, o."""

    input_size: int
    hidden_size: int
    bias: bool = True
    gates: ClassVar[int] = 4

    def __call__(self, params: Params, x: Array, h: Array = None, c: Array = None) -> tuple[Array, Array]:
        """Compute the new (h, c) from x (B, I) or (I,) and h and c (B, H) or (H,). A state that is None is zero.

        The states may be given as PyTorch takes them, as one tuple (h, c). Raises ValueError as `RNNCell` does.
        """
        states = (h, c)
        if isinstance(h, tuple | list):
            states = tuple(h) if c is None else ()
        if len(states) != 2:
            raise ValueError("LSTMCell: the state is not a pair\ngive (h, c), or h and c")
        return lstm(self._checked(params), x, *states)


@dataclass(frozen=True)
class GRUCell(_OneStep):
    """torch.nn.GRUCell: one step of the GRU (`nn.gru`), gates in the order r, z, n, the reset gate after the matrix."""

    input_size: int
    hidden_size: int
    bias: bool = True
    gates: ClassVar[int] = 3

    def __call__(self, params: Params, x: Array, h: Array = None) -> Array:
        """Compute the new h from x (B, I) or (I,) and h (B, H) or (H,). An h that is None is zero.

        Raises ValueError as `RNNCell` does.
        """
        return gru(self._checked(params), x, h)


def _simple(nonlinearity: str) -> Cell:
    return partial(rnn, nonlinearity=nonlinearity) if nonlinearity != "tanh" else rnn


def _require_nonlinearity(layer: object) -> None:
    chosen = getattr(layer, "nonlinearity", "tanh")
    if chosen not in ACTIVATIONS:
        raise ValueError(f"{type(layer).__name__}: nonlinearity={chosen!r}\nchoose 'tanh' or 'relu'")


def _cell_shapes(gates: int, columns: int, hidden: int, size: int, bias: bool) -> Shapes:
    """Return the shapes of one cell's parameters. `size` is that of its output: less than `hidden` if projected."""
    rows = gates * hidden
    found: Shapes = {"weight_ih": (rows, columns), "weight_hh": (rows, size)}
    if bias:
        found |= {"bias_ih": (rows,), "bias_hh": (rows,)}
    if size != hidden:
        found["weight_hr"] = (size, hidden)
    return found


def _drawn(shapes: Shapes, hidden: int, rng: np.random.Generator, dtype: DTypeLike) -> dict[str, Tensor]:
    bound = 1 / np.sqrt(hidden)
    return {name: Tensor(rng.uniform(-bound, bound, s).astype(dtype), name=name) for name, s in shapes.items()}


def _suffix(layer: int, direction: str) -> str:
    return f"_l{layer}" + ("_reverse" if direction == "reverse" else "")
