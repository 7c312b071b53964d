"""The recurrent layers in a file of weights, for `flow --weights model.safetensors`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tinygrad_rnn import nn
from tinygrad_rnn.core.tensor import Tensor

KINDS = {1: "rnn", 3: "gru", 4: "lstm"}
"""The cell of `nn`, by the number of blocks of H rows in its matrices."""
PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
MATRIX = re.compile(r"(?P<module>.*?)weight_hh(?P<layer>|_l\d+|_l\d+_reverse)")


def recurrent_layers(path: Path, dtype: str) -> dict[str, tuple[str, dict[str, Tensor]]]:
    """Read the recurrent layers of a PyTorch model: by their names in the file, the cell and its parameters.

    The shapes of `weight_hh` (G H, H) say which cell it is: G is 1, 3 or 4 for rnn (with tanh), gru, lstm.

    Raises ValueError for a file without such a layer, and for another number of blocks.
    """
    arrays = nn.weights.load(path)
    found = {}
    for name in arrays:
        if place := MATRIX.fullmatch(name):
            module, layer = place["module"], place["layer"]
            names = {part: f"{module}{part}{layer}" for part in PARTS}
            own = {part: arrays[whole] for part, whole in names.items() if whole in arrays}
            found[f"{module}{layer.removeprefix('_')}".strip(".") or path.name] = _cell(name, own, dtype)
    if not found:
        raise ValueError(
            f"{path}: no weight_hh among its names: {', '.join(list(arrays)[:8]) or '(none)'}\n"
            "save the state_dict of a model with a recurrent layer of PyTorch; docs/from-keras.md has other origins"
        )
    return found


def _cell(name: str, own: dict[str, NDArray[Any]], dtype: str) -> tuple[str, dict[str, Tensor]]:
    """Return the kind of a cell and its parameters."""
    rows, columns = own["weight_hh"].shape if own["weight_hh"].ndim == 2 else (0, 1)
    units = own["weight_hr"].shape[-1] if "weight_hr" in own else columns
    kind = KINDS.get(rows // units) if rows % units == 0 else None
    if kind is None or "weight_ih" not in own:
        raise ValueError(
            f"{name} has the shape {own['weight_hh'].shape}, beside {', '.join(own)}\n"
            "expected weight_hh of (H, H), (3 H, H) or (4 H, H): rnn, gru, lstm; and a weight_ih"
        )
    return kind, {n: Tensor(a.astype(dtype), name=n) for n, a in own.items()}
