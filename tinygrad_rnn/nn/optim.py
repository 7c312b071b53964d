"""Optimisers as pure functions: `step(params, grads, state) -> (new params, new state)`. Nothing is changed in place.

Parameters and gradients are flat dicts by name; parameters come back as they came, Tensors or arrays. The rules and
their defaults are torch.optim's, so that the same numbers come out, step by step.

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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.core.tensor import Tensor

Values = dict[str, Any]
State = dict[str, Any]
"""`count`, the steps done, and for each moment a dict of arrays by parameter name: plain data, to be saved."""
Rate = float | Callable[[int], float]


@dataclass(frozen=True, kw_only=True)
class _Optimizer:
    rate: Rate
    l2: float = 0.0
    l1: float = 0.0

    def init(self, params: Mapping[str, Any]) -> State:
        """The state before the first step."""
        zeros = {name: np.zeros(np.shape(p), p.dtype) for name, p in params.items()}
        return {"count": 0, **{moment: dict(zeros) for moment in self._moments()}}

    def step(self, params: Mapping[str, Any], grads: Mapping[str, Any], state: State) -> tuple[Values, State]:
        """New parameters and the new state, from gradients by the same names.

        A parameter without a gradient stays as it is. Raises ValueError for a gradient without a parameter, or of
        another shape.
        """
        unknown = [name for name in grads if name not in params]
        if unknown:
            raise ValueError(
                f"{type(self).__name__}: gradients for {', '.join(unknown)}, which are no parameters\n"
                f"the parameters are {', '.join(params)}"
            )
        count = state["count"] + 1
        rate = self.rate(state["count"]) if callable(self.rate) else self.rate
        moments = {moment: dict(state[moment]) for moment in self._moments()}
        new: Values = dict(params)
        for name, gradient in grads.items():
            w, g = _bare(params[name]), _bare(gradient)
            if g.shape != w.shape:
                raise ValueError(
                    f"{type(self).__name__}: the gradient of {name} has shape {g.shape}, the parameter {w.shape}\n"
                    "a gradient has the shape of its parameter"
                )
            if self.l2:
                g = g + self.l2 * w
            if self.l1:
                g = g + self.l1 * np.sign(w)
            own = {moment: values[name] for moment, values in moments.items()}
            updated = np.asarray(self._updated(w, g, own, rate, count), w.dtype)
            for moment, value in own.items():
                moments[moment][name] = value
            new[name] = Tensor(updated, name=params[name].name) if isinstance(params[name], Tensor) else updated
        return new, {"count": count, **moments}

    def _moments(self) -> tuple[str, ...]:
        return ()

    def _updated(self, w: Any, g: Any, own: dict[str, Any], rate: float, count: int) -> Any:
        """The parameter after the step; `own`, the moments of this parameter, is brought up to date."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class SGD(_Optimizer):
    """w <- w - rate * v, v <- momentum * v + g; `nesterov`: w <- w - rate * (g + momentum * v). torch.optim.SGD."""

    momentum: float = 0.0
    nesterov: bool = False

    def _moments(self) -> tuple[str, ...]:
        return ("velocity",) if self.momentum else ()

    def _updated(self, w: Any, g: Any, own: dict[str, Any], rate: float, count: int) -> Any:
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

    def _updated(self, w: Any, g: Any, own: dict[str, Any], rate: float, count: int) -> Any:
        own["square"] = self.decay * own["square"] + (1 - self.decay) * g * g
        step = g / (np.sqrt(own["square"]) + self.eps)
        if self.momentum:
            own["velocity"] = step = self.momentum * own["velocity"] + step
        return w - rate * step


@dataclass(frozen=True, kw_only=True)
class Adam(_Optimizer):
    """w <- w - rate * m / (sqrt(v) + eps), m and v corrected for their start (Kingma and Ba 2015). torch.optim.Adam."""

    rate: Rate = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    def _moments(self) -> tuple[str, ...]:
        return ("mean", "square")

    def _updated(self, w: Any, g: Any, own: dict[str, Any], rate: float, count: int) -> Any:
        own["mean"] = self.beta1 * own["mean"] + (1 - self.beta1) * g
        own["square"] = self.beta2 * own["square"] + (1 - self.beta2) * g * g
        root = np.sqrt(own["square"]) / math.sqrt(1 - self.beta2**count) + self.eps
        return w - rate / (1 - self.beta1**count) * own["mean"] / root


@dataclass(frozen=True, kw_only=True)
class AdamW(Adam):
    """Adam with decoupled decay (Loshchilov and Hutter 2019): first w <- (1 - rate * decay) w. torch.optim.AdamW."""

    decay: float = 0.01

    def _updated(self, w: Any, g: Any, own: dict[str, Any], rate: float, count: int) -> Any:
        return super()._updated(w * (1 - rate * self.decay), g, own, rate, count)


# ---------------------------------------------------------------------------------------------- schedules


def step_decay(rate: float, every: int, factor: float = 0.1) -> Callable[[int], float]:
    """`rate`, times `factor` after every so many steps: torch's StepLR."""
    return lambda count: rate * factor ** (count // every)


def exponential_decay(rate: float, factor: float) -> Callable[[int], float]:
    """`rate` times factor^steps: torch's ExponentialLR."""
    return lambda count: rate * factor**count


def cosine(rate: float, steps: int, last: float = 0.0) -> Callable[[int], float]:
    """From `rate` to `last` along half a cosine, over so many steps, then `last`: torch's CosineAnnealingLR."""
    return lambda count: last + (rate - last) * (1 + math.cos(math.pi * min(count, steps) / steps)) / 2


def warmup(steps: int, after: Rate) -> Callable[[int], float]:
    """Linearly up over so many steps to what `after`, a rate or a schedule, gives."""

    def rate(count: int) -> float:
        return min(1.0, (count + 1) / steps) * (after(count) if callable(after) else after)

    return rate


# ---------------------------------------------------------------------------------------------- clipping


def clip_by_norm(grads: Mapping[str, Any], limit: float) -> tuple[Values, float]:
    """The gradients, scaled down together where the norm of all of them exceeds `limit`; and that norm, before.

    torch.nn.utils.clip_grad_norm_: the factor is limit / (norm + 1e-6), at most 1. The norm is computed on a scale of
    its own, so that it neither over- nor underflows. Raises FloatingPointError where a gradient is not finite.
    """
    _require_limit(limit)
    norm = global_norm(grads)
    factor = min(1.0, limit / (norm + 1e-6))
    return {name: _bare(g) * np.asarray(factor, g.dtype) for name, g in grads.items()}, norm


def clip_by_value(grads: Mapping[str, Any], limit: float) -> tuple[Values, float]:
    """The gradients with every entry between -limit and limit; and the norm of all of them, before."""
    _require_limit(limit)
    norm = global_norm(grads)
    return {name: np.clip(_bare(g), -limit, limit) for name, g in grads.items()}, norm


def _require_limit(limit: float) -> None:
    if not limit > 0:
        raise ValueError(f"clip: limit {limit}\na limit is a positive number; math.inf for none")


def global_norm(grads: Mapping[str, Any]) -> float:
    """The root of the sum of all squares. Raises FloatingPointError, naming the gradient, where one is not finite."""
    largest = 0.0
    for name, g in grads.items():
        size = float(np.max(np.abs(_bare(g)), initial=0.0))
        if not math.isfinite(size):
            raise FloatingPointError(
                f"the gradient of {name} has entries that are not finite\n"
                "record with Tape(check_finite=True): it names the first operation that makes one"
            )
        largest = max(largest, size)
    if not largest:
        return 0.0
    return largest * math.sqrt(sum(float(np.sum(np.square(_bare(g) / largest))) for g in grads.values()))


def _bare(value: Any) -> Any:
    return value.data if isinstance(value, Tensor) else np.asarray(value)
