"""A GRU of two layers in both directions: as ordinary forward code, and by hand for speed."""

import numpy as np

from tinygrad_rnn import nn
from tinygrad_rnn.bench import expert

LAYERS = 2


def leaves(sizes, dtype, rng):
    """Parameters as `nn.GRU` names them, x (T, B, I) and h0 (4, B, H)."""
    T, B, I, H = sizes
    found = nn.weights.arrays(nn.GRU(I, H, num_layers=LAYERS, bidirectional=True).init(rng, dtype))
    found["x"] = rng.standard_normal((T, B, I)).astype(dtype)
    found["h0"] = (0.1 * rng.standard_normal((2 * LAYERS, B, H))).astype(dtype)
    return found


def outputs(sizes):
    """Return the shape of outputs and targets: the hidden states of both directions side by side."""
    T, B, _, H = sizes
    return T, B, 2 * H


def loss(leaves, targets):
    """Compute the loss in ordinary forward code; targets (T, B, 2 H)."""
    layer = nn.GRU(leaves["x"].shape[-1], leaves["h0"].shape[-1], num_layers=LAYERS, bidirectional=True)
    return nn.mse(layer(leaves, leaves["x"], leaves["h0"])[0], targets)


class ByHand:
    """Four GRUs by hand; a reversed one reads x from its end. Called with leaves and targets, like those in `bench`."""

    def __init__(self, sizes, dtype):
        T, B, I, H = sizes
        self.cells = [
            [expert.GRU((T, B, I if layer == 0 else 2 * H, H), dtype) for _ in range(2)] for layer in range(LAYERS)
        ]
        self.outputs = [np.empty((T, B, 2 * H), dtype) for _ in range(LAYERS)]
        self.d_outputs = np.empty((T, B, 2 * H), dtype)
        self.reversed = [np.empty((T, B, I if layer == 0 else 2 * H), dtype) for layer in range(LAYERS)]

    def __call__(self, leaves, targets):
        """Compute the loss, and the gradient of every leaf."""
        H, x, given = leaves["h0"].shape[-1], leaves["x"], []
        for layer, (ahead, back) in enumerate(self.cells):
            self.reversed[layer][...] = x[::-1]
            own = [self._own(leaves, layer, way, xs) for way, xs in ((0, x), (1, self.reversed[layer]))]
            given.append(own)
            x = self.outputs[layer]
            x[:, :, :H] = ahead.forward(own[0])
            x[:, :, H:] = back.forward(own[1])[::-1]
        loss = expert.squared_error(x, targets, self.d_outputs)
        found, dh0, upstream = {}, np.empty_like(leaves["h0"]), self.d_outputs
        for layer in reversed(range(LAYERS)):
            ahead, back = self.cells[layer]
            ahead.dhs[...] = upstream[:, :, :H]
            back.dhs[...] = upstream[::-1, :, H:]
            both = [cell.backward(own) for cell, own in zip((ahead, back), given[layer], strict=True)]
            for way, gradients in enumerate(both):
                dh0[2 * layer + way] = gradients.pop("h0")
                found |= {f"{name}{_suffix(layer, way)}": g for name, g in gradients.items() if name != "x"}
            upstream = both[0]["x"]
            upstream += both[1]["x"][::-1]
        return loss, {**found, "x": upstream, "h0": dh0}

    @staticmethod
    def _own(leaves, layer, way, xs):
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        own = {name: leaves[f"{name}{_suffix(layer, way)}"] for name in names}
        return {**own, "x": xs, "h0": leaves["h0"][2 * layer + way]}


def _suffix(layer, way):
    return f"_l{layer}" + ("_reverse" if way else "")
