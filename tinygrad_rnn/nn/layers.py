"""Layers without time, as in PyTorch: Linear, Embedding, LayerNorm.

A layer is a description; its parameters are a flat dict by PyTorch's names.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.nn.cells import normalized
from tinygrad_rnn.nn.parameters import (
    PLAIN,
    Array,
    Params,
    Shapes,
    require_features,
    require_one_dtype,
    require_parameters,
    require_sizes,
)
from tinygrad_rnn.operations.assertions import in_range
from tinygrad_rnn.operations.basics import getitem


@dataclass(frozen=True)
class Linear:
    """torch.nn.Linear: y = x Wᵀ + b, for x of shape (..., in_features)."""

    in_features: int
    out_features: int
    bias: bool = True

    def __post_init__(self) -> None:
        require_sizes(self, self.in_features, self.out_features)

    def shapes(self) -> Shapes:
        """Return the name and shape of every parameter."""
        weight: Shapes = {"weight": (self.out_features, self.in_features)}
        return weight | {"bias": (self.out_features,)} if self.bias else weight

    def init(self, rng: np.random.Generator, dtype: DTypeLike = np.float64) -> dict[str, Tensor]:
        """Draw parameters from U(-1/sqrt(in_features), 1/sqrt(in_features)), as torch does."""
        bound = 1 / np.sqrt(self.in_features)
        return {k: Tensor(rng.uniform(-bound, bound, s).astype(dtype), name=k) for k, s in self.shapes().items()}

    def __call__(self, params: Params, x: Array) -> Array:
        """Map (..., in_features) to (..., out_features). Raise ValueError where x or a parameter does not fit."""
        _require("Linear", self.shapes(), params)
        require_features("Linear", x, self.in_features)
        y = x @ params["weight"].T
        return y + params["bias"] if self.bias else y


@dataclass(frozen=True)
class Embedding:
    """torch.nn.Embedding: a row of the weight for each index."""

    num_embeddings: int
    embedding_dim: int

    def __post_init__(self) -> None:
        require_sizes(self, self.num_embeddings, self.embedding_dim)

    def shapes(self) -> Shapes:
        """Return the name and shape of every parameter."""
        return {"weight": (self.num_embeddings, self.embedding_dim)}

    def init(self, rng: np.random.Generator, dtype: DTypeLike = np.float64) -> dict[str, Tensor]:
        """Draw rows from the standard normal distribution, as torch does."""
        return {k: Tensor(rng.standard_normal(s).astype(dtype), name=k) for k, s in self.shapes().items()}

    def __call__(self, params: Params, indices: Array) -> Array:
        """Map (...) integers, an array or a Tensor, to (..., embedding_dim).

        Raises ValueError for an index outside of 0 to num_embeddings - 1, at every rerun too, where it is a Tensor.
        """
        _require("Embedding", self.shapes(), params)
        values = indices if isinstance(indices, Tensor) else np.asarray(indices)
        last = self.num_embeddings - 1
        if values.dtype.kind not in "iu":
            raise ValueError(f"Embedding: indices of dtype {values.dtype}\ngive integers from 0 to {last}")
        refusal = f"Embedding: indices of dtype {values.dtype} from {{}} to {{}}\ngive integers from 0 to {last}"
        return getitem(params["weight"], in_range(values, low=0, high=last, refusal=refusal))


@dataclass(frozen=True)
class LayerNorm:
    """torch.nn.LayerNorm over the last axis: (x - mean) / sqrt(var + eps) * weight + bias, var the biased variance."""

    normalized_shape: int
    eps: float = 1e-5

    def __post_init__(self) -> None:
        require_sizes(self, self.normalized_shape)

    def shapes(self) -> Shapes:
        """Return the name and shape of every parameter."""
        return {"weight": (self.normalized_shape,), "bias": (self.normalized_shape,)}

    def init(self, rng: np.random.Generator | None = None, dtype: DTypeLike = np.float64) -> dict[str, Tensor]:
        """Return ones and zeros, as torch does; nothing is drawn."""
        size = self.normalized_shape
        return {"weight": Tensor(np.ones(size, dtype), "weight"), "bias": Tensor(np.zeros(size, dtype), "bias")}

    def __call__(self, params: Params, x: Array) -> Array:
        """Map (..., normalized_shape) to the same shape. Raise ValueError where x or a parameter does not fit."""
        _require("LayerNorm", self.shapes(), params)
        require_features("LayerNorm", x, self.normalized_shape)
        return normalized(x, self.eps) * params["weight"] + params["bias"]


def _require(kind: str, shapes: Shapes, params: Params) -> None:
    require_parameters(kind, shapes, params, PLAIN)
    require_one_dtype(kind, shapes, params)
