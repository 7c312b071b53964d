"""minGRU, LRU and the diagonal state space model by hand: all that needs no state for all steps at once.

Each class is made for one size and dtype. `step(leaves, targets)` returns the mean squared error of the outputs and the
gradients of all leaves, in buffers that the next call overwrites. The recurrence is two calls in each step, in place,
forward and backward: s_t = A_t * s_{t-1} + b_t and g_t = d_t + A_{t+1} * g_{t+1}.
"""

import numpy as np
from numpy import add, dot, exp, multiply, subtract, tanh

from tinygrad_rnn.bench import expert


class ByHand:
    """The common part: buffers, and the two loops."""

    def __init__(self, sizes, dtype):
        self.sizes, self.dtype = sizes, np.dtype(dtype)
        self.ones = np.ones(sizes[0] * sizes[1], self.dtype)
        self.half, self.one = np.full((), 0.5, self.dtype), np.ones((), self.dtype)

    def empty(self, *shape):
        """Return a buffer."""
        return np.empty(shape, self.dtype)

    def recur(self, states, A, b):
        """Prepare both loops: states (T + 1, ...), A (T, ...) or one for all steps, b (T, ...), taken up by d."""
        every = A if len(A) == len(b) else [A[0]] * len(b)
        self.part = np.empty(b.shape[1:], b.dtype)
        self.forth = list(zip(every, states[:-1], b, states[1:], strict=True))
        self.back = list(zip(b[:-1][::-1], b[1:][::-1], every[1:][::-1], strict=True))

    def forward_loop(self):
        """s_t = A_t * s_{t-1} + b_t."""
        part = self.part
        for a, before, b, after in self.forth:
            multiply(a, before, part)
            add(part, b, after)

    def backward_loop(self):
        """d_t += A_{t+1} * d_{t+1}: d, in the place of b, becomes the cotangent of the states."""
        part = self.part
        for d, after, a in self.back:
            multiply(a, after, part)
            add(d, part, d)

    def sigmoid(self, z, out):
        """Write tanh(z / 2) / 2 + 1 / 2 into `out`."""
        multiply(z, self.half, out)
        tanh(out, out)
        multiply(out, self.half, out)
        add(out, self.half, out)


class MinGRU(ByHand):
    """h_t = (1 - z) * h_{t-1} + z * n;  dn = dh z, dz = dh (n - h_{t-1}) z (1 - z)."""

    def __init__(self, sizes, dtype):
        super().__init__(sizes, dtype)
        T, B, I, H = sizes
        self.a, self.z, self.k = self.empty(T, B, 2 * H), self.empty(T, B, H), self.empty(T, B, H)
        self.b, self.hs = self.empty(T, B, H), np.zeros((T + 1, B, H), dtype)
        self.dW, self.dx = self.empty(2 * H, I), self.empty(T, B, I)
        self.recur(self.hs, self.k, self.b)

    def __call__(self, leaves, targets):
        """Return the loss and the gradients."""
        _, _, I, H = self.sizes
        W, x, a = leaves["weight_ih"], leaves["x"].reshape(-1, I), self.a
        flat, z, k, b = a.reshape(-1, 2 * H), self.z, self.k, self.b
        dot(x, W.T, flat)
        a += leaves["bias_ih"]
        n = a[:, :, H:]
        self.sigmoid(a[:, :, :H], z)
        subtract(self.one, z, k)
        multiply(z, n, b)
        self.forward_loop()
        loss = expert.squared_error(self.hs[1:], targets, b)
        self.backward_loop()
        subtract(n, self.hs[:-1], a[:, :, :H])
        k *= z
        k *= b
        a[:, :, :H] *= k
        multiply(b, z, n)
        dot(flat.T, x, self.dW)
        dot(flat, W, self.dx.reshape(-1, I))
        return loss, {"weight_ih": self.dW, "bias_ih": dot(self.ones, flat), "x": self.dx}


class LRU(ByHand):
    """h_t = lambda h_{t-1} + gamma B x_t, y_t = Re(C h_t) + D x_t, with h complex: the parts are views of h.

    With g = dL/d(re) + i dL/d(im): g_t = d_t + conj(lambda) g_{t+1}, dlambda = sum g_t conj(h_{t-1}).
    """

    def __init__(self, sizes, dtype):
        super().__init__(sizes, dtype)
        T, B, I, N = sizes
        self.N = N
        whole = np.result_type(self.dtype, np.complex64)
        self.hs = np.zeros((T + 1, B, N), whole)
        self.u = np.empty((T, B, N), whole)
        self.lam, self.conj = np.empty((1, B, N), whole), np.empty((1, B, N), whole)
        self.recur(self.hs, self.lam, self.u)
        self.back = [(d, after, self.conj[0]) for d, after, _ in self.back]
        self.v, self.y, self.room = self.empty(T, B, 2 * N), self.empty(T, B, I), self.empty(T, B, I)
        self.W, self.C = self.empty(I, 2 * N), self.empty(2 * N, I)
        self.dx, self.dW, self.dC = self.empty(T, B, I), self.empty(2 * N, I), self.empty(I, 2 * N)
        self.product = np.empty((T, B, N), whole)

    def __call__(self, leaves, targets):
        """Return the loss and the gradients."""
        *_, I, N = self.sizes
        x, D = leaves["x"], leaves["D"]
        rows, y, v, u = x.reshape(-1, I), self.y, self.v, self.u
        nu, angle, gamma = exp(leaves["nu_log"]), exp(leaves["theta_log"]), exp(leaves["gamma_log"])
        size = exp(-nu)
        self.lam[0] = size * np.cos(angle) + 1j * (size * np.sin(angle))
        np.conjugate(self.lam, self.conj)
        # columns re, im, re, im, ...: the product is the complex array as it lies in memory
        self.W[:, 0::2], self.W[:, 1::2] = leaves["B_re"].T, leaves["B_im"].T
        self.C[0::2], self.C[1::2] = leaves["C_re"].T, leaves["C_im"].T
        np.negative(self.C[1::2], self.C[1::2])
        as_parts, states = u.view(self.dtype), self.hs[1:].view(self.dtype)
        flat = as_parts.reshape(-1, 2 * N)
        dot(rows, self.W, v.reshape(-1, 2 * N))
        twice = np.repeat(gamma, 2)
        multiply(v, twice, as_parts)
        self.forward_loop()
        dot(states.reshape(-1, 2 * N), self.C, y.reshape(-1, I))
        multiply(x, D, self.room)
        y += self.room
        loss = expert.squared_error(y, targets, y)
        dy = y.reshape(-1, I)
        dot(dy, self.C.T, flat)
        dot(dy.T, states.reshape(-1, 2 * N), self.dC)
        self.backward_loop()
        np.conjugate(self.hs[:-1], self.product)
        self.product *= u
        dlam = dot(self.ones, self.product.view(self.dtype).reshape(-1, 2 * N)).view(self.product.dtype)
        v *= as_parts
        dgamma = dot(self.ones, v.reshape(-1, 2 * N))
        as_parts *= twice
        dot(flat.T, rows, self.dW)
        dx = self.dx
        dot(flat, self.W.T, dx.reshape(-1, I))
        multiply(y, x, self.room)
        dD = dot(self.ones, self.room.reshape(-1, I))
        multiply(y, D, self.room)
        dx += self.room
        turned = self.lam[0, 0] * np.conjugate(dlam)
        return loss, {
            "nu_log": -turned.real * nu,
            "theta_log": -turned.imag * angle,
            "gamma_log": (dgamma[0::2] + dgamma[1::2]) * gamma,
            "B_re": self.dW[0::2],
            "B_im": self.dW[1::2],
            "C_re": self.dC[:, 0::2],
            "C_im": -self.dC[:, 1::2],
            "D": dD,
            "x": dx,
        }


class SSM(ByHand):
    """h_t = exp(delta A) * h_{t-1} + (delta x_t) B_t^T, y_t = h_t C_t + D x_t.

    With g = dL/dh_t and S = g h_{t-1} exp(delta A): ddelta = S A + x (g B_t), dA = sum S delta, dB_t = (delta x)^T g.
    """

    def __init__(self, sizes, dtype):
        super().__init__(sizes, dtype)
        T, B, I, N = sizes
        W = I + 2 * N
        self.W, self.z, self.dz = self.empty(W, I), self.empty(T, B, W), self.empty(T, B, W)
        self.delta, self.delta_x, self.slope = (self.empty(T, B, I) for _ in range(3))
        self.B, self.C = self.empty(T, B, N), self.empty(T, B, N)
        self.A_bar, self.b = self.empty(T, B, I, N), self.empty(T, B, I, N)
        self.hs = np.zeros((T + 1, B, I, N), dtype)
        self.y, self.room, self.gB = (self.empty(T, B, I) for _ in range(3))
        self.dW, self.dx, self.dA = self.empty(W, I), self.empty(T, B, I), self.empty(I, N)
        self.recur(self.hs, self.A_bar, self.b)

    def __call__(self, leaves, targets):
        """Return the loss and the gradients."""
        *_, I, N = self.sizes
        x, D, W, z = leaves["x"], leaves["D"], self.W, self.z
        rows, y, delta = x.reshape(-1, I), self.y, self.delta
        W[:I], W[I : I + N], W[I + N :] = leaves["weight_delta"], leaves["weight_B"], leaves["weight_C"]
        dot(rows, W.T, z.reshape(-1, I + 2 * N))
        pre = z[:, :, :I]
        pre += leaves["bias_delta"]
        np.logaddexp(0, pre, delta)
        self.B[...], self.C[...] = z[:, :, I : I + N], z[:, :, I + N :]
        A = -exp(leaves["A_log"])
        multiply(delta[..., None], A, self.A_bar)
        exp(self.A_bar, self.A_bar)
        multiply(delta, x, self.delta_x)
        multiply(self.delta_x[..., None], self.B[:, :, None, :], self.b)
        self.forward_loop()
        np.matmul(self.hs[1:], self.C[..., None], y[..., None])
        multiply(x, D, self.room)
        y += self.room
        loss = expert.squared_error(y, targets, y)
        dz, g = self.dz, self.b
        np.matmul(y[:, :, None], self.hs[1:], dz[:, :, None, I + N :])
        multiply(y[..., None], self.C[:, :, None, :], g)
        self.backward_loop()
        np.matmul(self.delta_x[:, :, None], g, dz[:, :, None, I : I + N])
        np.matmul(g, self.B[..., None], self.gB[..., None])
        g *= self.hs[:-1]
        g *= self.A_bar
        S, dA = g.reshape(-1, I, N).transpose(1, 0, 2), self.dA
        np.matmul(delta.reshape(-1, I).T[:, None], S, dA[:, None])
        np.einsum("tbin,in->tbi", g, A, out=self.room)
        multiply(self.gB, x, self.slope)
        self.room += self.slope
        self.sigmoid(pre, self.slope)
        multiply(self.room, self.slope, dz[:, :, :I])
        flat, dx = dz.reshape(-1, I + 2 * N), self.dx
        dot(flat.T, rows, self.dW)
        dot(flat, W, dx.reshape(-1, I))
        self.gB *= delta
        dx += self.gB
        multiply(y, x, self.room)
        dD = dot(self.ones, self.room.reshape(-1, I))
        multiply(y, D, self.room)
        dx += self.room
        dA *= A
        return loss, {
            "A_log": dA,
            "weight_delta": self.dW[:I],
            "bias_delta": dot(self.ones, flat)[:I],
            "weight_B": self.dW[I : I + N],
            "weight_C": self.dW[I + N :],
            "D": dD,
            "x": dx,
        }


CELLS = {"min_gru": MinGRU, "lru": LRU, "selective_ssm": SSM}
