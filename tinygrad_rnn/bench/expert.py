"""A training step as an expert writes it in NumPy for speed: one class for each cell, made for one size and one dtype.

    step = LSTM((T, B, I, H), np.float32)
    loss, gradients = step(leaves, targets)

The same numbers as `naive`, by seven rules:

1. Every buffer is made once, every operation writes into one (`out=`), and the views of a step are made once as well.
2. W x_t for all t is one product before the loop. Only U h_{t-1} waits for the step before.
3. dW, dU, the biases and dx are one product each after the loop, over the stacked steps.
4. The gates of a step are one tanh: sigmoid(z) = tanh(z / 2) / 2 + 1/2, the inner 1/2 multiplied into W, U and b.
5. h_0, ..., h_T are one buffer: the states before and after each step are two views of it.
6. The factors of the walk back (g'(z), f, ...) depend on the forward pass alone: one call computes them for as many
   steps as stay in the cache.
7. W and U are transposed once a call, so each product of the loop reads rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from numpy import add, dot, multiply, subtract, tanh
from numpy.typing import DTypeLike

from tinygrad_rnn.bench.problem import Array, Leaves, Sizes

CACHE = 256 * 1024
"""The most bytes of a buffer of factors: it shares a core's second-level cache with the arrays that it is made from."""


def squared_error(outputs: Array, targets: Array, into: Array) -> float:
    """Return the mean squared error, and write its gradient by the outputs into a buffer of their shape."""
    difference = subtract(outputs, targets, out=into).reshape(-1)
    loss = float(dot(difference, difference)) / difference.size
    into *= np.asarray(2 / difference.size, into.dtype)
    return loss


class _Expert:
    """The common part of the cells: the product before the loop, the loss, the products after the loop."""

    gates: ClassVar[int]
    scales: ClassVar[tuple[float, ...]]
    """The factor of each gate's pre-activation: 1/2 for a sigmoid."""

    def __init__(self, sizes: Sizes, dtype: DTypeLike) -> None:
        self.sizes, self.dtype = sizes, np.dtype(dtype)
        T, B, I, H = sizes
        G = self.gates * H
        self.W, self.U, self.b = self.empty(I, G), self.empty(H, G), self.empty(G)
        self.scale = np.repeat(np.asarray(self.scales, self.dtype), H)
        self.one, self.half = np.ones((), self.dtype), np.full((), 0.5, self.dtype)
        self.ones = np.ones(T * B, self.dtype)
        self.hs, self.dhs = self.empty(T + 1, B, H), self.empty(T, B, H)
        self.zs, self.dzs = self.empty(T, B, G), self.empty(T, B, G)
        self.dW, self.dU, self.db, self.dx = self.empty(G, I), self.empty(G, H), self.empty(G), self.empty(T, B, I)
        self.z, self.dh, self.part = self.empty(B, G), self.empty(B, H), self.empty(B, H)
        self.chunk = max(1, min(T, CACHE // (B * G * self.dtype.itemsize)))

    def __call__(self, leaves: Leaves, targets: Array) -> tuple[float, Leaves]:
        """Return the loss and the gradient of every leaf: buffers of this object, which the next call overwrites."""
        self.forward(leaves)
        loss = squared_error(self.hs[1:], targets, self.dhs)
        return loss, self.backward(leaves)

    def forward(self, leaves: Leaves) -> Array:
        """Return h_1, ..., h_T."""
        raise NotImplementedError

    def backward(self, leaves: Leaves) -> Leaves:
        """Return the gradient of every leaf, from `self.dhs`, the upstream gradient of h_1, ..., h_T."""
        raise NotImplementedError

    def empty(self, *shape: int) -> Array:
        """Return a buffer."""
        return np.empty(shape, self.dtype)

    def begin(self, leaves: Leaves, bias: Array) -> None:
        """Scale W, U and b, and compute zs = x W + b for all steps."""
        I, G = self.W.shape
        multiply(leaves["weight_ih"].T, self.scale, self.W)
        multiply(leaves["weight_hh"].T, self.scale, self.U)
        multiply(bias, self.scale, self.b)
        dot(leaves["x"].reshape(-1, I), self.W, self.zs.reshape(-1, G))
        self.zs += self.b
        self.hs[0] = leaves["h0"]

    def chunks(self) -> Iterator[tuple[slice, int]]:
        """Yield the steps in pieces, the last piece first: the piece, and its number of steps."""
        for stop in range(self.sizes[0], 0, -self.chunk):
            start = max(0, stop - self.chunk)
            yield slice(start, stop), stop - start

    def end(self, leaves: Leaves, of_state: Array | None = None) -> Leaves:
        """Return the gradients from dzs = dL/d(W x + b_ih) of all steps; of_state: dL/d(U h + b_hh) if it differs."""
        _, _, I, H = self.sizes
        dz = self.dzs.reshape(-1, self.dzs.shape[-1])
        at_state = dz if of_state is None else of_state
        dot(dz.T, leaves["x"].reshape(-1, I), self.dW)
        dot(at_state.T, self.hs[:-1].reshape(-1, H), self.dU)
        dot(self.ones, dz, self.db)
        dot(dz, leaves["weight_ih"], self.dx.reshape(-1, I))
        return {
            "weight_ih": self.dW,
            "weight_hh": self.dU,
            "bias_ih": self.db,
            "bias_hh": self.db if of_state is None else dot(self.ones, of_state),
            "x": self.dx,
            "h0": self.dh,
        }


class RNN(_Expert):
    """h_t = tanh(z_t);  dz_t = dh_t (1 - h_t^2)."""

    gates, scales = 1, (1.0,)

    def __init__(self, sizes: Sizes, dtype: DTypeLike) -> None:
        super().__init__(sizes, dtype)
        _, B, _, H = sizes
        self.steps = list(zip(self.hs[:-1], self.zs, self.hs[1:], strict=True))
        self.slopes = self.empty(self.chunk, B, H)

    def forward(self, leaves: Leaves) -> Array:
        """Return h_1, ..., h_T."""
        self.begin(leaves, leaves["bias_ih"] + leaves["bias_hh"])
        U, z = self.U, self.z
        for before, x, h in self.steps:
            dot(before, U, z)
            add(z, x, z)
            tanh(z, h)
        return self.hs[1:]

    def backward(self, leaves: Leaves) -> Leaves:
        """Return the gradient of every leaf."""
        U, dh = leaves["weight_hh"], self.dh
        dh[...] = 0
        for steps, count in self.chunks():
            h, slopes = self.hs[1:][steps], self.slopes[:count]
            multiply(h, h, slopes)
            subtract(self.one, slopes, slopes)
            walk = zip(self.dhs[steps][::-1], slopes[::-1], self.dzs[steps][::-1], strict=True)
            for upstream, slope, dz in walk:
                add(dh, upstream, dh)
                multiply(dh, slope, dz)
                dot(dz, U, dh)
        return self.end(leaves)


class LSTM(_Expert):
    """c_t = f c_{t-1} + i g, h_t = o tanh(c_t), gates in the order i, f, g, o; a, tanh of the scaled z.

    dc_t += dh_t o (1 - tanh(c_t)^2);  dz = (dc g i', dc c_{t-1} f', dc i g', dh tanh(c_t) o');  dc_{t-1} = dc f
    """

    gates, scales = 4, (0.5, 0.5, 1.0, 0.5)

    def __init__(self, sizes: Sizes, dtype: DTypeLike) -> None:
        super().__init__(sizes, dtype)
        T, B, _, H = sizes
        self.shift = np.repeat(np.asarray((0.5, 0.5, 0.0, 0.5), self.dtype), H)
        self.all_gates = self.empty(T, B, 4, H)
        self.cs, self.tanh_cs, self.dc = self.empty(T + 1, B, H), self.empty(T, B, H), self.empty(B, H)
        a = self.all_gates
        gates = [a[:, :, k] for k in range(4)]
        flat = a.reshape(T, B, 4 * H)
        every = (self.hs[:-1], self.zs, flat, *gates, self.cs[:-1], self.cs[1:], self.tanh_cs, self.hs[1:])
        self.steps = list(zip(*every, strict=True))
        self.factors, self.to_c = self.empty(self.chunk, B, 4, H), self.empty(self.chunk, B, H)

    def forward(self, leaves: Leaves) -> Array:
        """Return h_1, ..., h_T."""
        self.begin(leaves, leaves["bias_ih"] + leaves["bias_hh"])
        self.cs[0] = leaves["c0"]
        U, z, part, scale, shift = self.U, self.z, self.part, self.scale, self.shift
        for before, x, a, i, f, g, o, c_before, c, tanh_c, h in self.steps:
            dot(before, U, z)
            add(z, x, z)
            tanh(z, z)
            multiply(z, scale, a)
            add(a, shift, a)
            multiply(f, c_before, c)
            multiply(i, g, part)
            add(c, part, c)
            tanh(c, tanh_c)
            multiply(o, tanh_c, h)
        return self.hs[1:]

    def backward(self, leaves: Leaves) -> Leaves:
        """Return the gradient of every leaf."""
        U, dh, dc, part = leaves["weight_hh"], self.dh, self.dc, self.part
        dh[...] = 0
        dc[...] = 0
        wide_dc = dc[:, None]
        dzs = self.dzs.reshape(self.all_gates.shape)
        for steps, count in self.chunks():
            factors, to_c = self._factors(steps, count)
            walk = zip(
                self.dhs[steps][::-1],
                to_c[::-1],
                factors[::-1, :, :3],
                factors[::-1, :, 3],
                self.all_gates[steps][::-1, :, 1],
                dzs[steps][::-1, :, :3],
                dzs[steps][::-1, :, 3],
                self.dzs[steps][::-1],
                strict=True,
            )
            for upstream, h_to_c, of_ifg, of_o, f, dz_ifg, dz_o, dz in walk:
                add(dh, upstream, dh)
                multiply(dh, h_to_c, part)
                add(dc, part, dc)
                multiply(wide_dc, of_ifg, dz_ifg)
                multiply(dh, of_o, dz_o)
                multiply(dc, f, dc)
                dot(dz, U, dh)
        return {**self.end(leaves), "c0": dc}

    def _factors(self, steps: slice, count: int) -> tuple[Array, Array]:
        """Return (g i', c_{t-1} f', i g', tanh(c_t) o') and o (1 - tanh(c_t)^2), of some steps."""
        a, tanh_c = self.all_gates[steps], self.tanh_cs[steps]
        found, to_c = self.factors[:count], self.to_c[:count]
        subtract(self.one, a, found)
        found *= a  # a (1 - a), the slope of a sigmoid
        found[:, :, 0] *= a[:, :, 2]
        found[:, :, 1] *= self.cs[:-1][steps]
        of_g = found[:, :, 2]
        multiply(a[:, :, 2], a[:, :, 2], of_g)
        subtract(self.one, of_g, of_g)
        of_g *= a[:, :, 0]
        found[:, :, 3] *= tanh_c
        multiply(tanh_c, tanh_c, to_c)
        subtract(self.one, to_c, to_c)
        to_c *= a[:, :, 3]
        return found, to_c


class GRU(_Expert):
    """n = tanh(a_n + r m), m = U_n h_{t-1} + b_hn;  h_t = n + z (h_{t-1} - n), gates in the order r, z, n.

    dn' = dh (1 - z) (1 - n^2), dz' = dh (h_{t-1} - n) z (1 - z), dr' = dn' m r (1 - r), before the nonlinearity.
    The input's part sees dn', the state's part dn' r.
    """

    gates, scales = 3, (0.5, 0.5, 1.0)

    def __init__(self, sizes: Sizes, dtype: DTypeLike) -> None:
        super().__init__(sizes, dtype)
        T, B, _, H = sizes
        self.rz, self.n, self.m = self.empty(T, B, 2 * H), self.empty(T, B, H), self.empty(T, B, H)
        self.of_state = self.empty(T, B, 3 * H)
        r, z = self.rz[:, :, :H], self.rz[:, :, H:]
        x_rz, x_n = self.zs[:, :, : 2 * H], self.zs[:, :, 2 * H :]
        every = (self.hs[:-1], x_rz, x_n, self.rz, r, z, self.m, self.n, self.hs[1:])
        self.steps = list(zip(*every, strict=True))
        self.slopes = self.empty(self.chunk, B, 2 * H)
        self.of_r, self.of_z, self.of_n = (self.empty(self.chunk, B, H) for _ in range(3))

    def forward(self, leaves: Leaves) -> Array:
        """Return h_1, ..., h_T."""
        H, bias = self.sizes[-1], leaves["bias_ih"].copy()
        bias[: 2 * H] += leaves["bias_hh"][: 2 * H]
        self.begin(leaves, bias)
        U, u, part, half, b_n = self.U, self.z, self.part, self.half, leaves["bias_hh"][2 * H :]
        u_rz, u_n = u[:, : 2 * H], u[:, 2 * H :]
        for before, x_rz, x_n, rz, r, z, m, n, h in self.steps:
            dot(before, U, u)
            add(u_rz, x_rz, rz)
            tanh(rz, rz)
            multiply(rz, half, rz)
            add(rz, half, rz)
            add(u_n, b_n, m)
            multiply(r, m, part)
            add(part, x_n, part)
            tanh(part, n)
            subtract(before, n, part)
            multiply(part, z, part)
            add(part, n, h)
        return self.hs[1:]

    def backward(self, leaves: Leaves) -> Leaves:
        """Return the gradient of every leaf."""
        H, U, dh, part = self.sizes[-1], leaves["weight_hh"], self.dh, self.part
        dh[...] = 0
        for steps, count in self.chunks():
            of_r, of_z, of_n = self._factors(steps, count)
            of_state, of_input = self.of_state[steps], self.dzs[steps]
            walk = zip(
                self.dhs[steps][::-1],
                of_r[::-1],
                of_z[::-1],
                of_n[::-1],
                self.rz[steps][::-1, :, :H],
                self.rz[steps][::-1, :, H:],
                of_state[::-1],
                of_state[::-1, :, :H],
                of_state[::-1, :, H : 2 * H],
                of_state[::-1, :, 2 * H :],
                of_input[::-1, :, 2 * H :],
                strict=True,
            )
            for upstream, to_r, to_z, to_n, r, z, d, d_r, d_z, d_m, d_n in walk:
                add(dh, upstream, dh)
                multiply(dh, to_n, d_n)
                multiply(dh, to_z, d_z)
                multiply(d_n, to_r, d_r)
                multiply(d_n, r, d_m)
                multiply(dh, z, part)
                dot(d, U, dh)
                add(dh, part, dh)
            of_input[:, :, : 2 * H] = of_state[:, :, : 2 * H]
        return self.end(leaves, self.of_state.reshape(-1, 3 * H))

    def _factors(self, steps: slice, count: int) -> tuple[Array, Array, Array]:
        """Return (m r', (h_{t-1} - n) z', (1 - z) n') of some steps."""
        H, rz, n = self.sizes[-1], self.rz[steps], self.n[steps]
        slopes, of_r, of_z, of_n = (buffer[:count] for buffer in (self.slopes, self.of_r, self.of_z, self.of_n))
        subtract(self.one, rz, slopes)
        multiply(n, n, of_n)
        subtract(self.one, of_n, of_n)
        of_n *= slopes[:, :, H:]
        slopes *= rz  # r (1 - r) and z (1 - z)
        subtract(self.hs[:-1][steps], n, of_z)
        of_z *= slopes[:, :, H:]
        multiply(self.m[steps], slopes[:, :, :H], of_r)
        return of_r, of_z, of_n


CELLS: dict[str, type[_Expert]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
