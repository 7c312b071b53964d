"""Writes row_layout.json: PyTorch's gradients of RNN, LSTM and GRU for T=3, batch 3, 4 inputs, 5 hidden, float64.

    python tests/oracles/make_row_layout.py        (made with torch 2.13.0)

Inputs and parameters stand in the file, so that the test needs no generator and no PyTorch.
"""

import json
from pathlib import Path

import numpy as np
import torch

found = {}
for kind in ("RNN", "LSTM", "GRU"):
    rng = np.random.default_rng(20)
    layer = getattr(torch.nn, kind)(4, 5, dtype=torch.float64)
    with torch.no_grad():
        for p in layer.parameters():
            p.copy_(torch.tensor(rng.standard_normal(p.shape) / np.sqrt(5)))
    x = torch.tensor(rng.standard_normal((3, 3, 4)), requires_grad=True)
    states = [torch.tensor(rng.standard_normal((1, 3, 5)), requires_grad=True) for _ in range(1 + (kind == "LSTM"))]
    dh = rng.standard_normal((3, 3, 5))
    output, _ = layer(x, tuple(states) if kind == "LSTM" else states[0])
    output.backward(torch.tensor(dh))
    inputs = {name.removesuffix("_l0"): p for name, p in layer.named_parameters()}
    inputs |= {"x": x, **dict(zip(("h0", "c0"), states, strict=False))}
    found[kind.lower()] = {
        "inputs": {name: p.detach().numpy().tolist() for name, p in inputs.items()},
        "dh": dh.tolist(),
        "output": output.detach().numpy().tolist(),
        "gradients": {name: p.grad.numpy().tolist() for name, p in inputs.items()},
    }
path = Path(__file__).with_name("row_layout.json")
path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
