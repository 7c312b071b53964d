"""A cell of one's own, in two layers: as ordinary forward code, and by hand for speed."""

from functools import partial

import numpy as np
from numpy import add, dot, multiply, subtract, tanh

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.bench import expert

DECAYS = (0.95, 0.8)
"""Of each layer."""


def cell(params, x, h, c, *, decay):
    """Step of a unit with a leak and peepholes: f forgets, the rest is written; o sees what was written.

    f = sigmoid(x W_f + h U_f + p_f c + b_f),  g = tanh(x W_g + h U_g + b_g),  c' = decay f c + (1 - f) g
    o = sigmoid(x W_o + h U_o + p_o c' + b_o),  h' = o tanh(c')
    """
    f = tg.sigmoid(x @ params["W_f"] + h @ params["U_f"] + params["p_f"] * c + params["b_f"])
    g = np.tanh(x @ params["W_g"] + h @ params["U_g"] + params["b_g"])
    c = decay * f * c + (1 - f) * g
    o = tg.sigmoid(x @ params["W_o"] + h @ params["U_o"] + params["p_o"] * c + params["b_o"])
    return o * np.tanh(c), c


def leaves(sizes, dtype, rng):
    """Draw the parameters of both layers, `0.W_f` to `1.b_o`, and x (T, B, I)."""
    T, B, I, H = sizes
    found = {"x": rng.standard_normal((T, B, I)).astype(dtype)}
    for layer in range(len(DECAYS)):
        for gate in "fgo":
            shapes = {"W": (I if layer == 0 else H, H), "U": (H, H), "p": (H,), "b": (H,)}
            for name, shape in shapes.items():
                if (name, gate) != ("p", "g"):
                    found[f"{layer}.{name}_{gate}"] = (rng.uniform(-1, 1, shape) / np.sqrt(H)).astype(dtype)
    return found


def outputs(sizes):
    """Return the shape of outputs and targets."""
    T, B, _, H = sizes
    return T, B, H


def loss(leaves, targets):
    """Compute the loss in ordinary forward code; targets (T, B, H)."""
    xs, zeros = leaves["x"], np.zeros(targets.shape[1:], targets.dtype)
    for layer, decay in enumerate(DECAYS):
        prefix = f"{layer}."
        params = {name.removeprefix(prefix): p for name, p in leaves.items() if name.startswith(prefix)}
        xs, _ = nn.unroll(partial(cell, decay=decay), params, xs, (zeros, zeros))
    return nn.mse(xs, targets)


class ByHand:
    """A `Layer` upon the other. Called with leaves and targets, like those in `bench`."""

    def __init__(self, sizes, dtype):
        T, B, I, H = sizes
        self.layers = [Layer((T, B, I if k == 0 else H, H), dtype, decay) for k, decay in enumerate(DECAYS)]

    def __call__(self, leaves, targets):
        """Compute the loss, and the gradient of every leaf."""
        xs, found = leaves["x"], {}
        inputs = []
        for k, layer in enumerate(self.layers):
            inputs.append(xs)
            xs = layer.forward(leaves, f"{k}.", xs)
        upstream = self.layers[-1].dhs
        loss = expert.squared_error(xs, targets, upstream)
        for k in reversed(range(len(DECAYS))):
            gradients, upstream = self.layers[k].backward(leaves, f"{k}.", inputs[k], upstream)
            found |= gradients
        return loss, {**found, "x": upstream}


class Layer:
    """`cell` over time, by hand. The three gates side by side, f, g, o: one product a step each way.

    Backward, before the nonlinearities: dz_o = dh k_o, dc += dh q, dz_f = dc k_f, dz_g = dc k_g, dc_{t-1} = dc r, with
    k_o = tanh(c') o', q = o (1 - tanh(c')^2) + k_o p_o, k_f = (decay c - g) f', k_g = (1 - f) g' and
    r = decay f + k_f p_f: what goes through a peephole is in the factors q and r.
    """

    def __init__(self, sizes, dtype, decay):
        T, B, I, H = sizes
        dtype = np.dtype(dtype)

        def empty(*shape):
            return np.empty(shape, dtype)

        self.H, self.half, self.one = H, np.full((), 0.5, dtype), np.ones((), dtype)
        self.decay = np.full((), decay, dtype)
        self.W, self.U, self.b = empty(I, 3 * H), empty(H, 3 * H), empty(3 * H)
        self.plain_W, self.plain_U = empty(I, 3 * H), empty(H, 3 * H)
        self.scale = np.repeat(np.asarray((0.5, 1.0, 0.5), dtype), H)
        self.hs, self.cs, self.tanh_cs = np.zeros((T + 1, B, H), dtype), np.zeros((T + 1, B, H), dtype), empty(T, B, H)
        self.zs, self.a, self.dzs = empty(T, B, 3 * H), empty(T, B, 3, H), empty(T, B, 3, H)
        self.dhs, self.dx = empty(T, B, H), empty(T, B, I)
        self.z, self.part, self.dh, self.dc = empty(B, 3 * H), empty(B, H), empty(B, H), empty(B, H)
        self.dW, self.dU, self.ones = empty(I, 3 * H), empty(H, 3 * H), np.ones(T * B, dtype)
        self.chunk = max(1, min(T, expert.CACHE // (3 * B * H * dtype.itemsize)))
        self.k = empty(self.chunk, B, 3, H)
        self.q, self.r, self.room = (empty(self.chunk, B, H) for _ in range(3))
        f, g, o = (self.a[:, :, k] for k in range(3))
        fg = self.a.reshape(T, B, 3 * H)[:, :, : 2 * H]
        every = (self.hs[:-1], self.zs, fg, f, g, o, self.cs[:-1], self.cs[1:], self.tanh_cs, self.hs[1:])
        self.steps = list(zip(*every, strict=True))

    def forward(self, leaves, prefix, xs):
        """h_1, ..., h_T."""
        H, half, decay, z, part = self.H, self.half, self.decay, self.z, self.part
        for k, gate in enumerate("fgo"):
            columns = slice(k * H, (k + 1) * H)
            self.plain_W[:, columns] = leaves[f"{prefix}W_{gate}"]
            self.plain_U[:, columns] = leaves[f"{prefix}U_{gate}"]
            self.b[columns] = leaves[f"{prefix}b_{gate}"]
        multiply(self.plain_W, self.scale, self.W)
        multiply(self.plain_U, self.scale, self.U)
        self.b *= self.scale
        half_p_f, half_p_o = half * leaves[f"{prefix}p_f"], half * leaves[f"{prefix}p_o"]
        dot(xs.reshape(-1, xs.shape[-1]), self.W, self.zs.reshape(-1, 3 * H))
        self.zs += self.b
        z_f, z_o, z_fg = z[:, :H], z[:, 2 * H :], z[:, : 2 * H]
        for before, x, fg, f, g, o, c_before, c, tanh_c, h in self.steps:
            dot(before, self.U, z)
            add(z, x, z)
            multiply(c_before, half_p_f, part)
            add(z_f, part, z_f)
            tanh(z_fg, fg)
            multiply(f, half, f)
            add(f, half, f)
            multiply(c_before, decay, part)
            subtract(part, g, part)
            multiply(part, f, part)
            add(part, g, c)
            multiply(c, half_p_o, part)
            add(z_o, part, part)
            tanh(part, part)
            multiply(part, half, part)
            add(part, half, o)
            tanh(c, tanh_c)
            multiply(o, tanh_c, h)
        return self.hs[1:]

    def backward(self, leaves, prefix, xs, upstream):
        """Compute the gradient of every parameter, and of xs, from the upstream gradient of h_1, ..., h_T."""
        H, dh, dc, part, U = self.H, self.dh, self.dc, self.part, self.plain_U.T
        p_f, p_o = leaves[f"{prefix}p_f"], leaves[f"{prefix}p_o"]
        dh[...], dc[...], wide_dc = 0, 0, dc[:, None]
        flat = self.dzs.reshape(len(self.dzs), -1, 3 * H)
        for stop in range(len(xs), 0, -self.chunk):
            steps = slice(max(0, stop - self.chunk), stop)
            k, q, r = self._factors(steps, p_f, p_o)
            dzs = self.dzs[steps][::-1]
            walk = (upstream[steps], k[:, :, 2], q, k[:, :, :2], r, flat[steps])
            backward = (part_of_walk[::-1] for part_of_walk in walk)
            for up, k_o, q_t, k_fg, r_t, dz, dz_fg, dz_o in zip(*backward, dzs[:, :, :2], dzs[:, :, 2], strict=True):
                add(dh, up, dh)
                multiply(dh, k_o, dz_o)
                multiply(dh, q_t, part)
                add(dc, part, dc)
                multiply(wide_dc, k_fg, dz_fg)
                multiply(dc, r_t, dc)
                dot(dz, U, dh)
        dz = flat.reshape(-1, 3 * H)
        dot(xs.reshape(-1, xs.shape[-1]).T, dz, self.dW)
        dot(self.hs[:-1].reshape(-1, H).T, dz, self.dU)
        dot(dz, self.plain_W.T, self.dx.reshape(-1, xs.shape[-1]))
        db = dot(self.ones, dz)
        found = {}
        for j, gate in enumerate("fgo"):
            columns = slice(j * H, (j + 1) * H)
            found |= {
                f"{prefix}{name}_{gate}": d[..., columns] for name, d in (("W", self.dW), ("U", self.dU), ("b", db))
            }
        found[f"{prefix}p_f"] = np.einsum("tbh,tbh->h", self.dzs[:, :, 0], self.cs[:-1])
        found[f"{prefix}p_o"] = np.einsum("tbh,tbh->h", self.dzs[:, :, 2], self.cs[1:])
        return found, self.dx

    def _factors(self, steps, p_f, p_o):
        """k_f, k_g, k_o side by side, q and r of some steps."""
        a, tanh_c = self.a[steps], self.tanh_cs[steps]
        k, q, r, room = (buffer[: len(a)] for buffer in (self.k, self.q, self.r, self.room))
        f, g, o = (a[:, :, j] for j in range(3))
        k_f, k_g, k_o = (k[:, :, j] for j in range(3))
        multiply(tanh_c, tanh_c, q)
        subtract(self.one, q, q)
        q *= o
        subtract(self.one, o, k_o)
        k_o *= o
        k_o *= tanh_c
        multiply(k_o, p_o, r)
        q += r
        multiply(g, g, k_g)
        subtract(self.one, k_g, k_g)
        subtract(self.one, f, k_f)
        k_g *= k_f
        k_f *= f
        multiply(self.cs[:-1][steps], self.decay, r)
        r -= g
        k_f *= r
        multiply(k_f, p_f, r)
        multiply(f, self.decay, room)
        r += room
        return k, q, r
