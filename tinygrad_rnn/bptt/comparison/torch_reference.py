"""PyTorch's answer to the same question, where PyTorch is installed: a column of the comparison, never needed."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array, Case
from tinygrad_rnn.nn import cells


def gradients(case: Case) -> dict[str, Array] | None:
    """Return PyTorch's gradients of a case; None without PyTorch, or for a cell that it does not have."""
    function = getattr(case.cell, "func", case.cell)
    options = getattr(case.cell, "keywords", {})
    if function not in (cells.rnn, cells.lstm, cells.gru, cells.residual_rnn, cells.gru_textbook):
        return None
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:  # a folder of that name beside a script is no package
        return None
    import torch

    leaves = {name: torch.tensor(value, requires_grad=True) for name, value in case.inputs().items()}
    states = [leaves[name] for name in case.state_names]
    hs = []
    for x in leaves["x"]:
        states = _step(torch, function, options, leaves, x, states)
        hs.append(states[0])
    loss = (torch.stack(hs) * torch.tensor(case.dhs)).sum()
    for state, d in zip(states, case.dlast, strict=True):
        loss = loss + (state * torch.tensor(d)).sum()
    loss.backward()
    return {
        name: np.zeros(leaf.shape) if leaf.grad is None else np.asarray(leaf.grad.numpy())
        for name, leaf in leaves.items()
    }


def _step(
    torch: Any, cell: object, options: Mapping[str, object], leaves: Mapping[str, Any], x: Any, states: list[Any]
) -> list[Any]:
    """Run one step of the same cell in PyTorch, by its own fused cell where it has one."""
    weights = [leaves[name] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    (W, U, b, v), h = weights, states[0]
    if cell is cells.lstm:
        return list(torch.lstm_cell(x, states, *weights))
    if cell is cells.gru:
        return [torch.gru_cell(x, h, *weights)]
    if cell is cells.rnn:
        relu = options.get("nonlinearity") == "relu"
        return [(torch.rnn_relu_cell if relu else torch.rnn_tanh_cell)(x, h, *weights)]
    if cell is cells.residual_rnn:
        return [h + torch.rnn_tanh_cell(x, h, *weights)]
    a, (U_r, U_z, U_n) = torch.nn.functional.linear(x, W, b + v).chunk(3, 1), U.chunk(3)
    r, z = torch.sigmoid(a[0] + h @ U_r.T), torch.sigmoid(a[1] + h @ U_z.T)
    return [torch.lerp(torch.tanh(a[2] + (r * h) @ U_n.T), h, z)]
