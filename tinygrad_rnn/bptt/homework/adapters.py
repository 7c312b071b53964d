"""Layers of PyTorch and functions of JAX as code that `examine` takes: their own backward pass is what is examined.

Neither package is needed to import this file. The backward pass runs in the layer's own precision; the loss runs in
float64, on the tape where `nn` has the same layer.
"""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from tinygrad_rnn import nn
from tinygrad_rnn.bptt.homework.array_places import Array
from tinygrad_rnn.core.tensor import Tensor


def torch(module: Any) -> TorchLayer:
    """Return a module of PyTorch for `bptt.examine(bptt.adapters.torch(module), x, h0)`.

    x and the initial states are arrays, in the module's layout; an LSTM gets its states as two, h0 and c0. The loss is
    sum(w * output), for fixed random w, over all outputs of the module. Examined are the gradients by the parameters,
    by x and by the states that are given. For RNN, LSTM, GRU and their cells the true ones come from the tape of the
    same layer of `nn`; for other modules from differences of the module in float64.

    Raises ImportError where PyTorch is not installed.
    """
    return TorchLayer(module)


def jax(f: Callable[..., Any], params: Any) -> JaxFunction:
    """Return a function of JAX, f(params, *inputs), for `bptt.examine(bptt.adapters.jax(f, params), x, h0)`.

    params: a dict of arrays. What f returns, an array or a tree of arrays, is summed with fixed random weights.
    Examined are the gradients that `jax.vjp` gives, which a `custom_vjp` makes, against differences in float64.

    Raises ImportError where JAX is not installed.
    """
    return JaxFunction(f, params)


class _Layer:
    """What both have in common: parameters, inputs by name, a loss."""

    def __init__(self, params: Mapping[str, Array]) -> None:
        self.params = dict(params)
        self._inputs: dict[str, Array] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} with the parameters {', '.join(self.params)}>"

    def forward(self, x: Any, h0: Any = None, c0: Any = None) -> Any:
        """Return the loss, in float64."""
        inputs = {"x": x, "h0": h0, "c0": c0}
        self._inputs = {name: value for name, value in inputs.items() if value is not None}
        return sum((weights(y) * y).sum() for y in self._outputs(self.params, self._inputs))

    def _outputs(self, params: Mapping[str, Any], inputs: Mapping[str, Any]) -> Iterable[Any]:
        raise NotImplementedError

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        made = copy.copy(self)
        made.params = copy.deepcopy(self.params, memo)
        return made


class TorchLayer(_Layer):
    """A module of PyTorch as an object with forward and backward. Copies share the module, which nothing changes."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._in: dict[Any, Any] = {}  # the module in other precisions
        super().__init__({name: np.array(p.detach().to(_wide(p)).numpy()) for name, p in module.named_parameters()})

    def _outputs(self, params: Mapping[str, Any], inputs: Mapping[str, Any]) -> Iterable[Any]:
        if any(isinstance(value, Tensor) for value in (*params.values(), *inputs.values())):
            return self._on_the_tape(params, inputs)
        _refuse_complex(params, inputs)
        package = _torch()
        with package.no_grad():
            outputs, _ = self._run(params, inputs, package.float64)
        return [y.numpy() for y in outputs]

    def _on_the_tape(self, params: Mapping[str, Any], inputs: Mapping[str, Any]) -> list[Any]:
        """Run the same layer of `nn`. Raises TypeError for a module that it does not have."""
        kind = type(self._module).__name__
        same = getattr(nn, kind, None) if kind in KNOWN else None
        if same is None or type(self._module).__module__.partition(".")[0] != "torch":
            raise TypeError(f"nn has no {kind}")
        layer = same(**{name: getattr(self._module, name) for name in KNOWN[kind] if hasattr(self._module, name)})
        x, *states = inputs.values()
        return _leaves(
            layer(params, x, tuple(states) if len(states) > 1 else states[0]) if states else layer(params, x)
        )

    def _run(self, params: Mapping[str, Array], inputs: Mapping[str, Array], dtype: Any) -> tuple[list[Any], list[Any]]:
        """Return the outputs in PyTorch, and the parameters and inputs as its leaves."""
        package = _torch()
        if dtype not in self._in:
            self._in[dtype] = copy.deepcopy(self._module).to(dtype)
        module = self._in[dtype]

        def tensor(value: Array) -> Any:
            made = package.tensor(np.asarray(value, np.float64 if value.dtype.kind == "f" else None))
            return made.to(dtype).requires_grad_() if value.dtype.kind == "f" else made

        held = {name: tensor(p) for name, p in params.items()}
        given = {name: tensor(value) for name, value in inputs.items()}
        x, *states = given.values()
        paired = isinstance(module, package.nn.LSTM | package.nn.LSTMCell) and len(states) == 2
        arguments = (x, tuple(states)) if paired else (x, *states)
        outputs = package.func.functional_call(module, held, arguments)
        return _leaves(outputs), [*held.items(), *given.items()]

    def backward(self) -> dict[str, Array]:
        """Return PyTorch's gradients, in the module's own precision."""
        dtype = next(p.dtype for p in self._module.parameters())
        outputs, leaves = self._run(self.params, self._inputs, dtype)
        package = _torch()
        package.autograd.backward(outputs, [package.tensor(weights(y.detach())).to(dtype) for y in outputs])
        return {f"d{name}": _numpy(leaf.grad) for name, leaf in leaves if leaf.grad is not None}


class JaxFunction(_Layer):
    """A function of JAX as an object with forward and backward."""

    def __init__(self, f: Callable[..., Any], params: Mapping[str, Any]) -> None:
        self._f = _jax().jit(f)  # recorded once for each length, not at each of many calls
        super().__init__({name: np.asarray(p) for name, p in params.items()})

    def _outputs(self, params: Mapping[str, Any], inputs: Mapping[str, Any]) -> Iterable[Any]:
        if any(isinstance(value, Tensor) for value in (*params.values(), *inputs.values())):
            raise TypeError("JAX does not take Tensors")
        _refuse_complex(params, inputs)
        package = _jax()
        with package.enable_x64(True):
            wide = {name: np.asarray(p, np.float64) for name, p in params.items()}
            given = [np.asarray(v, np.float64) if v.dtype.kind == "f" else v for v in inputs.values()]
            return [np.asarray(y) for y in package.tree_util.tree_leaves(self._f(wide, *given))]

    def backward(self) -> dict[str, Array]:
        """Return JAX's gradients, in the precision of the parameters."""
        package = _jax()
        with package.enable_x64(any(p.dtype == np.float64 for p in self.params.values())):
            outputs, pull = package.vjp(self._f, self.params, *self._inputs.values())
            tree = package.tree_util
            seeds = [np.asarray(weights(y), y.dtype) for y in tree.tree_leaves(outputs)]
            of_params, *of_inputs = pull(tree.tree_unflatten(tree.tree_structure(outputs), seeds))
            found = {**of_params, **dict(zip(self._inputs, of_inputs, strict=True))}
            return {f"d{name}": np.asarray(g) for name, g in found.items()}


KNOWN = {
    "RNN": ("input_size", "hidden_size", "num_layers", "nonlinearity", "bias", "batch_first", "bidirectional"),
    "LSTM": ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "bidirectional", "proj_size"),
    "GRU": ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "bidirectional"),
    "RNNCell": ("input_size", "hidden_size", "bias", "nonlinearity"),
    "LSTMCell": ("input_size", "hidden_size", "bias"),
    "GRUCell": ("input_size", "hidden_size", "bias"),
}
"""The modules that `nn` has as well, and what they are made with."""


def _torch() -> Any:
    import torch as package

    return package


def _jax() -> Any:
    import jax as package

    return package


def _wide(tensor: Any) -> Any:
    """Return the dtype of a tensor, or float32 for one that is narrower."""
    return tensor.dtype if tensor.dtype.itemsize >= 4 else _torch().float32


def weights(output: Any) -> Array:
    """Return fixed random weights for an output, the same for each of its shape."""
    return np.random.default_rng(int(np.prod(output.shape))).standard_normal(tuple(output.shape))


def _refuse_complex(params: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
    """Raise TypeError for complex numbers: a layer is meant for real ones, and may be wrong for others."""
    if any(np.iscomplexobj(value) for value in (*params.values(), *inputs.values())):
        raise TypeError("a layer takes real numbers")


def _leaves(outputs: Any) -> list[Any]:
    """Return the arrays of nested tuples and lists."""
    if isinstance(outputs, tuple | list):
        return [leaf for part in outputs for leaf in _leaves(part)]
    return [outputs]


def _numpy(tensor: Any) -> Array:
    """Return the values of a tensor of PyTorch; of bfloat16, which NumPy has not, by the package ml_dtypes."""
    tensor = tensor.detach()
    if str(tensor.dtype) == "torch.bfloat16":
        return np.asarray(tensor.float().numpy()).astype(importlib.import_module("ml_dtypes").bfloat16)
    return np.array(tensor.numpy())
