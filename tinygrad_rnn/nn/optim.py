"""Optimisers as pure functions: `step(params, grads, state) -> (new params, new state)`. Nothing is changed in place.

Parameters and gradients are trees: dicts, lists or tuples, of arrays or of trees. Parameters come back as they came,
Tensors or arrays. The rules and their defaults are torch.optim's, so that the same numbers come out, step by step.

>>> params = {"w": np.array([1.0, -2.0])}
>>> sgd = SGD(rate=0.1, momentum=0.9)
>>> state = sgd.init(params)
>>> params, state = sgd.step(params, {"w": np.array([1.0, 1.0])}, state)
>>> params["w"]
array([ 0.9, -2.1])

`rate` is a number, or a function of the number of steps done: a schedule. `l2` adds l2 * w to the gradient (torch's
weight_decay), `l1` adds l1 * sign(w).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.core.trees import branches, flattened, mapped
from tinygrad_rnn.nn.optimizer_state import State
from tinygrad_rnn.nn.parameters import Array, Tree

Values = NDArray[Any]
Moments = dict[str, Values]
Rate = float | Callable[[int], float]


@dataclass(frozen=True, kw_only=True)
class _Optimizer:
    rate: Rate
    l2: float = 0.0
    l1: float = 0.0

    def init(self, params: Tree) -> State:
        """Return the state before the first step."""
        leaves, rebuild = flattened(params)
        for path, p in leaves:
            self._require_floats("parameter", path, p)
        zeros = [np.zeros(p.shape, p.dtype) for _, p in leaves]
        return State(count=0, **{moment: rebuild(zeros) for moment in self._moments()})

    def step(self, params: Tree, grads: Tree, state: dict[str, Any]) -> tuple[Tree, State]:
        """Return new parameters and the new state, from gradients that are built like the parameters.

        In a dict, gradients may be missing, and anywhere they may be None: such a parameter stays as it is. Raises
        ValueError for a gradient without a parameter, or of another shape, and for the state of other parameters.
        """
        leaves, rebuild = flattened(params)
        new = dict(leaves)
        count = state["count"] + 1
        rate = self.rate(state["count"]) if callable(self.rate) else self.rate
        moments = {moment: self._moment(state, moment, new) for moment in self._moments()}
        for path, p, gradient in _pairs(type(self).__name__, params, grads):
            self._require_floats("parameter", path, p)
            w, g = _bare(p), _bare(gradient)
            self._require_floats("gradient", path, g)
            if g.shape != w.shape:
                raise ValueError(
                    f"{type(self).__name__}: the gradient of {_name(path)} has shape {g.shape}, the parameter "
                    f"{w.shape}\na gradient has the shape of its parameter"
                )
            if self.l2:
                g = g + self.l2 * w
            if self.l1:
                g = g + self.l1 * np.sign(w)
            own = {moment: values[path] for moment, values in moments.items()}
            updated = np.asarray(self._updated(w, g, own, rate, count), w.dtype)
            for moment, value in own.items():
                moments[moment][path] = value
            new[path] = Tensor(updated, name=p.name) if isinstance(p, Tensor) else updated
        after = {moment: rebuild(values.values()) for moment, values in moments.items()}
        return rebuild(new.values()), State(count=count, **after)

    def _moment(self, state: dict[str, Any], moment: str, params: Mapping[str, Array]) -> Moments:
        """Return one moment of each parameter, by path."""
        found = dict(flattened(state.get(moment))[0])
        if found.keys() != params.keys():
            raise ValueError(
                f"{type(self).__name__}: the state has no {moment!r} for these parameters\n"
                "begin with state = optimizer.init(params), and keep the state that each step returns"
            )
        return {path: found[path] for path in params}

    def _require_floats(self, what: str, path: str, value: object) -> None:
        if not isinstance(value, Tensor | np.ndarray | np.floating) or value.dtype.kind != "f":
            kind = getattr(value, "dtype", None)
            raise TypeError(
                f"{type(self).__name__}: the {what} {_name(path)} is a {type(value).__name__}"
                f"{'' if kind is None else f' of {kind}'}\n"
                "parameters and gradients are arrays or Tensors of floats, in dicts, lists and tuples"
            )

    def _moments(self) -> tuple[str, ...]:
        return ()

    def _updated(self, w: Values, g: Values, own: Moments, rate: float, count: int) -> Values:
        """Return the parameter after the step, and update `own`, the moments of this parameter."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class SGD(_Optimizer):
    """w <- w - rate * v, v <- momentum * v + g; `nesterov`: w <- w - rate * (g + momentum * v). torch.optim.SGD."""

    momentum: float = 0.0
    nesterov: bool = False

    def _moments(self) -> tuple[str, ...]:
        return ("velocity",) if self.momentum else ()

    def _updated(self, w: Values, g: Values, own: Moments, rate: float, count: int) -> Values:
        if self.momentum:
            own["velocity"] = self.momentum * own["velocity"] + g
            g = g + self.momentum * own["velocity"] if self.nesterov else own["velocity"]
        return w - rate * g


@dataclass(frozen=True, kw_only=True)
class RMSProp(_Optimizer):
    """w <- w - rate * g / (sqrt(s) + eps), with s <- decay * s + (1 - decay) g^2. torch.optim.RMSprop."""

    rate: Rate = 0.01
    decay: float = 0.99
    eps: float = 1e-8
    momentum: float = 0.0

    def _moments(self) -> tuple[str, ...]:
        return ("square", "velocity") if self.momentum else ("square",)

    def _updated(self, w: Values, g: Values, own: Moments, rate: float, count: int) -> Values:
        own["square"] = self.decay * own["square"] + (1 - self.decay) * g * g
        step = g / (np.sqrt(own["square"]) + self.eps)
        if self.momentum:
            own["velocity"] = step = self.momentum * own["velocity"] + step
        return w - rate * step


@dataclass(frozen=True, kw_only=True)
class Adam(_Optimizer):
    """w <- w - rate * m / (sqrt(v) + eps), m and v corrected for their start (Kingma and Ba 2015). torch.optim.Adam.

    `amsgrad`: v is the largest so far, entry by entry, so that no step grows (Reddi, Kale and Kumar 2018).
    """

    rate: Rate = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    amsgrad: bool = False

    def _moments(self) -> tuple[str, ...]:
        return ("mean", "square", "largest") if self.amsgrad else ("mean", "square")

    def _updated(self, w: Values, g: Values, own: Moments, rate: float, count: int) -> Values:
        own["mean"] = self.beta1 * own["mean"] + (1 - self.beta1) * g
        own["square"] = self.beta2 * own["square"] + (1 - self.beta2) * g * g
        square = own["square"]
        if self.amsgrad:
            own["largest"] = square = np.maximum(own["largest"], square)
        root = np.sqrt(square) / math.sqrt(1 - self.beta2**count) + self.eps
        return w - rate / (1 - self.beta1**count) * own["mean"] / root


@dataclass(frozen=True, kw_only=True)
class AdamW(Adam):
    """Adam with decoupled decay (Loshchilov and Hutter 2019): first w <- (1 - rate * decay) w. torch.optim.AdamW."""

    decay: float = 0.01

    def _updated(self, w: Values, g: Values, own: Moments, rate: float, count: int) -> Values:
        return super()._updated(w * (1 - rate * self.decay), g, own, rate, count)


# ---------------------------------------------------------------------------------------------- schedules


def step_decay(rate: float, every: int, factor: float = 0.1) -> Callable[[int], float]:
    """Return the schedule `rate` times `factor` for each `every` steps done: torch's StepLR."""
    return lambda count: rate * factor ** (count // every)


def exponential_decay(rate: float, factor: float) -> Callable[[int], float]:
    """Return the schedule `rate` times factor^steps: torch's ExponentialLR."""
    return lambda count: rate * factor**count


def cosine(rate: float, steps: int, last: float = 0.0) -> Callable[[int], float]:
    """Return the schedule from `rate` to `last` along half a cosine in `steps`: torch's CosineAnnealingLR."""
    return lambda count: last + (rate - last) * (1 + math.cos(math.pi * min(count, steps) / steps)) / 2


def warmup(steps: int, after: Rate) -> Callable[[int], float]:
    """Return the schedule that rises linearly in `steps` to `after`, a rate or a schedule."""

    def rate(count: int) -> float:
        return min(1.0, (count + 1) / steps) * (after(count) if callable(after) else after)

    return rate


# ---------------------------------------------------------------------------------------------- clipping


def clip_by_norm(grads: Tree, limit: float) -> tuple[Tree, float]:
    """Scale all gradients, a tree, down together where their norm exceeds `limit`. Return them, and the norm before.

    torch.nn.utils.clip_grad_norm_: the factor is limit / (norm + 1e-6), at most 1. The norm is computed on a scale of
    its own, so that it neither over- nor underflows. Raises FloatingPointError where a gradient is not finite.
    """
    _require_limit(limit)
    norm = global_norm(grads)
    factor = min(1.0, limit / (norm + 1e-6))
    return mapped(lambda g: None if g is None else _bare(g) * np.asarray(factor, g.dtype), grads), norm


def clip_by_value(grads: Tree, limit: float) -> tuple[Tree, float]:
    """Clip each entry of the gradients, a tree, to -limit ... limit. Return them, and their norm before."""
    _require_limit(limit)
    norm = global_norm(grads)
    return mapped(lambda g: None if g is None else np.clip(_bare(g), -limit, limit), grads), norm


def _require_limit(limit: float) -> None:
    if not limit > 0:
        raise ValueError(f"clip: limit {limit}\ngive a positive number, or math.inf for no limit")


def global_norm(grads: Tree) -> float:
    """Compute the root of the sum of all squares in a tree; None adds nothing.

    Raises FloatingPointError, naming the gradient, where one is not finite.
    """
    leaves = [(path, g) for path, g in flattened(grads)[0] if g is not None]
    largest = 0.0
    for path, g in leaves:
        size = float(np.max(np.abs(_bare(g)), initial=0.0))
        if not math.isfinite(size):
            raise FloatingPointError(
                f"the gradient of {_name(path)} has entries that are not finite\n"
                "record with Tape(check_finite=True): it names the first operation that makes one"
            )
        largest = max(largest, size)
    if not largest:
        return 0.0
    return largest * math.sqrt(sum(float(np.sum(np.square(_bare(g) / largest))) for _, g in leaves))


def _pairs(what: str, params: Tree, grads: Tree, path: str = "") -> Iterator[tuple[str, Array, Array]]:
    """Yield the path, the parameter and the gradient of each parameter that has one."""
    if grads is None:
        return
    given, wanted = branches(grads), branches(params)
    if given is None and wanted is None:
        yield path, params, grads
        return
    names, known = [key for key, _ in given or ()], dict(wanted or ())
    sequence = isinstance(params, tuple | list)
    alike = given is not None and wanted is not None and sequence == isinstance(grads, tuple | list)
    if not alike or (sequence and len(names) != len(known)):
        raise ValueError(
            f"{what}: the gradient of {_name(path)} is {_kind(grads)}, the parameter {_kind(params)}\n"
            "gradients are built like the parameters, of dicts, lists and tuples; None where there is none"
        )
    unknown = [_name(f"{path}[{key!r}]") for key in names if key not in known]
    if unknown:
        raise ValueError(
            f"{what}: gradients for {', '.join(unknown)}, which are no parameters\n"
            f"the parameters are {', '.join(_name(f'{path}[{key!r}]') for key in known)}"
        )
    for key, gradient in given or ():
        yield from _pairs(what, known[key], gradient, f"{path}[{key!r}]")


def _name(path: str) -> str:
    """Return the name of a leaf in a message: `W` for `['W']`, else its path."""
    inner = path[2:-2]
    return inner if path == f"[{inner!r}]" and inner else path or "the whole"


def _kind(tree: Tree) -> str:
    within = branches(tree)
    return f"a {type(tree).__name__}" + ("" if within is None else f" of {len(within)}")


def _bare(value: Array) -> Values:
    return value.data if isinstance(value, Tensor) else np.asarray(value)
