"""`examine` on loops of the cells of today: an output of several states, gates made before the loop, a memory S."""

import numpy as np
import pytest

from tinygrad_rnn import bptt

RNG = np.random.default_rng(3)


def draw(*shape):
    return RNG.normal(0, 0.6, shape)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def delta_rule(wrong=""):
    def loss_and_gradients(Wq, Wk, Wv, wb, xs, ys):
        S, kept, loss, eye = np.zeros((3, 3)), [], 0, np.eye(3)
        for x, y in zip(xs, ys, strict=True):
            q, k, v, beta = Wq @ x, Wk @ x, Wv @ x, sigmoid(wb @ x)
            before, S = S, S @ (eye - beta * np.outer(k, k)) + beta * np.outer(v, k)
            o = S @ q
            kept.append((x, q, k, v, beta, before, S, o - y))
            loss += 0.5 * np.sum((o - y) ** 2)
        dWq, dWk, dWv, dwb, dS = 0, 0, 0, 0, np.zeros((3, 3))
        for x, q, k, v, beta, before, S, do in reversed(kept):
            dq = S @ do if wrong == "S do" else S.T @ do
            dS = dS + np.outer(do, q)
            M = -beta * (before.T @ dS)
            dk = beta * dS.T @ v + M.T @ k + (0 if wrong == "half" else M @ k)
            dbeta = k @ (dS.T @ v) - np.sum(dS * (before @ np.outer(k, k)))
            dWq, dWk, dWv = dWq + np.outer(dq, x), dWk + np.outer(dk, x), dWv + np.outer(beta * dS @ k, x)
            dwb = dwb + dbeta * beta * (1 - beta) * x
            dS = dS if wrong == "no erasing" else dS @ (eye - beta * np.outer(k, k))
        return loss, dWq, dWk, dWv, dwb

    return loss_and_gradients, (draw(3, 2), draw(3, 2), draw(3, 2), draw(2), draw(4, 2), draw(4, 3))


class MinGRU:
    """The gates of all times at once, (B, T, D)."""

    def __init__(self, wrong=""):
        self.wrong, self.Wz, self.Wn = wrong, draw(2, 3), draw(2, 3)

    def forward(self, x):
        self.x, self.z, self.n = x, sigmoid(x @ self.Wz), x @ self.Wn
        self.h = [np.zeros((len(x), 3))]
        for t in range(x.shape[1]):
            self.h.append((1 - self.z[:, t]) * self.h[-1] + self.z[:, t] * self.n[:, t])
        return np.stack(self.h[1:], axis=1)

    def backward(self, dh):
        dz, dn, g = np.zeros_like(dh), np.zeros_like(dh), 0
        for t in reversed(range(dh.shape[1])):
            g = dh[:, t] + g
            z, n = self.z[:, t], self.n[:, t]
            dz[:, t] = g * (n - (self.h[t + 1] if self.wrong == "h[t]" else self.h[t]))
            dn[:, t] = g if self.wrong == "no z" else g * z
            g = g * (z if self.wrong == "z" else 1 - z)
        dz = dz * self.z * (1 - self.z)
        self.dWz, self.dWn = np.einsum("bti,bth->ih", self.x, dz), np.einsum("bti,bth->ih", self.x, dn)
        return dz @ self.Wz.T + dn @ self.Wn.T


def min_gru(wrong=""):
    return MinGRU(wrong), (draw(2, 4, 2),)


def stabilised(wrong=""):
    """Exponential gates over a normaliser n; the stabiliser m scales both, and backward holds it constant."""

    def loss_and_gradients(wi, wf, Wz, xs, ys):
        c, n, m, kept, loss = np.zeros(3), np.zeros(3), np.zeros(3), [], 0
        for x, y in zip(xs, ys, strict=True):
            a_i, a_f, z = wi @ x, wf @ x, Wz @ x
            new = np.maximum(a_f + m, a_i)
            i, f = np.exp(a_i - new), np.exp(a_f + m - new)
            before, c, n, m = (c, n), f * c + i * z, f * n + i, new
            h = c / n
            kept.append((x, i, f, z, c, n, before, h - y))
            loss += 0.5 * np.sum((h - y) ** 2)
        dwi, dwf, dWz, dc, dn = 0, 0, 0, 0, 0
        for x, i, f, z, c, n, before, dh in reversed(kept):
            dc, dn = dc + dh / n, dn - (0 if wrong == "no normaliser" else dh * c / n**2)
            di, df = dc * z + dn, dc * before[0] + dn * before[1]
            dwi, dwf, dWz = dwi + np.outer(di * i, x), dwf + np.outer(df * f, x), dWz + np.outer(dc * i, x)
            dc, dn = dc * f, dn * f
        return loss, dwi, dwf, dWz

    return loss_and_gradients, (draw(3, 2), draw(3, 2), draw(3, 2), draw(4, 2), draw(4, 3))


def lru(wrong=""):
    """State space models call their input u."""

    def loss_and_gradients(nu, theta, B_re, B_im, C_re, C_im, u, y):
        a, b = np.exp(-np.exp(nu)) * np.cos(theta), np.exp(-np.exp(nu)) * np.sin(theta)
        re, im, loss = [np.zeros(3)], [np.zeros(3)], 0
        for t in range(len(u)):
            last = re[-1], im[-1]
            re.append(a * last[0] - b * last[1] + B_re @ u[t])
            im.append(b * last[0] + a * last[1] + B_im @ u[t])
            loss += np.sum((C_re @ re[-1] - C_im @ im[-1] - y[t]) ** 2)
        gr, gi, da, db, sign = 0, 0, 0, 0, -1 if wrong == "no conjugate" else 1
        grads = dict.fromkeys(("B_re", "B_im", "C_re", "C_im"), 0)
        for t in reversed(range(len(u))):
            e = 2 * (C_re @ re[t + 1] - C_im @ im[t + 1] - y[t])
            gr, gi = gr + C_re.T @ e, gi - C_im.T @ e
            da, db = da + gr * re[t] + gi * im[t], db + gi * re[t] - gr * im[t]
            grads["C_re"], grads["C_im"] = (
                grads["C_re"] + np.outer(e, re[t + 1]),
                grads["C_im"] - np.outer(e, im[t + 1]),
            )
            grads["B_re"], grads["B_im"] = grads["B_re"] + np.outer(gr, u[t]), grads["B_im"] + np.outer(gi, u[t])
            gr, gi = a * gr + sign * b * gi, a * gi - sign * b * gr
        return loss, {**grads, "nu": -np.exp(nu) * (da * a + db * b), "theta": -da * b + db * a}

    arrays = (0.3 * draw(3), draw(3), draw(3, 2), draw(3, 2), draw(2, 3), draw(2, 3), draw(4, 2), draw(4, 2))
    return loss_and_gradients, arrays


PIECES = (delta_rule, min_gru, stabilised, lru)


@pytest.mark.slow
@pytest.mark.parametrize("piece", PIECES, ids=lambda piece: piece.__name__)
def test_right_ones_are_right(piece):
    code, arguments = piece()
    found = bptt.examine(code, *arguments)
    assert found.verdict == "right", str(found)
    assert "T = 1, 2, 3, 4" in str(found)


WRONG = [
    (delta_rule, "S do", "in dq, S[t] @ do[t] stands in the place of S[t].T @ do[t]"),
    (delta_rule, "half", "in dk, the path d(k @ k.T)[t] @ k[t] is forgotten"),
    (delta_rule, "no erasing", "in dS, dS[t] stands in the place of dS[t] @ (I - beta[t] * k[t] @ k[t].T).T"),
    (min_gru, "h[t]", "h[t] stands in the place of dh[t] * h[t-1]"),
    (min_gru, "z", "stands in the place of dh[t] * (1 - "),
    (min_gru, "no z", "dh[t] stands in the place of dh[t] * "),
    (stabilised, "no normaliser", "in dn, the path -dh[t] * h[t] / n[t] is forgotten"),
    (lru, "no conjugate", "have the wrong sign"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("piece", "wrong", "words"), WRONG, ids=[f"{p.__name__} {w}" for p, w, _ in WRONG])
def test_wrong_ones_are_named_in_their_own_variables(piece, wrong, words):
    code, arguments = piece(wrong)
    found = bptt.examine(code, *arguments)
    assert words in " ".join(map(str, found.mistakes)), str(found)


def test_what_no_known_mistake_gives_is_told_where_it_parts():
    def loss_and_gradients(W, U, xs):
        h, kept = np.zeros(3), []
        for x in xs:
            before, h = h, np.tanh(W @ x + U * h)
            kept.append((x, before, h))
        dW, dU, dh = 0, 0, 2 * h
        for x, before, h in reversed(kept):
            dz = dh * (1 - h**2)
            dW, dU, dh = dW + np.outer(dz * 1.7, x), dU + dz * before, dz * U
        return np.sum(kept[-1][2] ** 2), dW, dU

    found = bptt.examine(loss_and_gradients, draw(3, 2), draw(3), draw(4, 2))
    assert not found.mistakes
    assert str(found.first).startswith("somewhere in dW"), str(found)
    assert "at step 0, of T = 1 steps" in str(found.first)


def test_a_wrong_readout_beside_a_loop_is_told_by_one_entry():
    def loss_and_gradients(W, V, xs, ys):
        hs, h = [], np.zeros(3)
        for x in xs:
            h = 0.5 * h + W @ x
            hs.append(h)
        H = np.stack(hs)
        errors, carry, dW = H @ V - ys, 0, 0
        for e, x in zip(errors[::-1], xs[::-1], strict=True):
            carry = V @ e + 0.5 * carry
            dW = dW + np.outer(carry, x)
        return 0.5 * np.sum(errors**2), dW, 1.7 * H.T @ errors

    found = bptt.examine(loss_and_gradients, draw(3, 2), draw(3, 2), draw(4, 2), draw(4, 2))
    assert "dV[" in str(found.first), str(found)
    assert "should be" in str(found.first)
