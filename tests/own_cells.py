"""Cells as their authors might write them, each with the problems that `example` makes: for the doctor's kin to try."""

import numpy as np

from tinygrad_rnn.operations.activations import softmax
from tinygrad_rnn.operations.basics import relu, sigmoid

I, H = 3, 4


def of(shapes, states=1, columns=False, scale=0.5):
    """example(rng, T, B) for parameters of these shapes."""

    def example(rng, T, B):
        params = {name: rng.normal(0, scale, shape) for name, shape in shapes.items()}
        if columns:
            return params, rng.standard_normal((I, B, T)), tuple(rng.standard_normal((H, B)) for _ in range(states))
        return params, rng.standard_normal((T, B, I)), tuple(rng.standard_normal((B, H)) for _ in range(states))

    return example


def three_states(params, x, h, c, m):
    z = x @ params["W"] + h @ params["U"] + m @ params["V"] + params["b"]
    g = np.tanh(z)
    c_new = 0.9 * c + sigmoid(z) * g
    m_new = np.sin(m) * 0.5 + c_new * g
    return np.tanh(c_new) + 0.5 * m_new, c_new, m_new


def minimal_gates(params, x, h):
    """A state that decays by a rate that is learnt, and a gate that sees it squared."""
    alpha = sigmoid(params["tau"])
    gate = sigmoid(h * h * params["p"] + x @ params["Wg"])
    new = np.tanh(x @ params["W"] + (gate * h) @ params["U"].T)
    return (1 - alpha) * h + alpha * new


def multiplicative(params, x, h):
    m = (x @ params["Wm"]) * (h @ params["Um"])
    return np.tanh(x @ params["W"] + m @ params["U"])


def course(params, xt, a_prev):
    return np.tanh(params["Waa"] @ a_prev + params["Wax"] @ xt + params["ba"])


def course_lstm(params, xt, a_prev, c_prev):
    concat = np.concatenate([a_prev, xt], axis=0)
    ft = sigmoid(params["Wf"] @ concat + params["bf"])
    it = sigmoid(params["Wi"] @ concat + params["bi"])
    cct = np.tanh(params["Wc"] @ concat + params["bc"])
    ot = sigmoid(params["Wo"] @ concat + params["bo"])
    c_next = ft * c_prev + it * cct
    return ot * np.tanh(c_next), c_next


def stacked_rows(params, x, h):
    hx = np.concatenate([h, x], axis=1)
    return np.tanh(hx @ params["W"] + params["b"])


def second_order(params, x, h, h_before):
    return np.tanh(x @ params["W"] + h @ params["U"] + h_before @ params["V"]), h


def state_unread(params, x, h, c):
    c = 0.5 * c + x @ params["W"]
    return np.tanh(c), c


def input_unread(params, x, h):
    return np.tanh(h @ params["U"])


def deep(params, x, h):
    a = relu(x @ params["W1"] + params["b1"])
    for _ in range(2):
        a = relu(a @ params["W2"])
    return np.tanh(a + h @ params["U"])


def linear(params, x, h):
    return params["rate"] * h + x @ params["W"]


def attending(params, x, h):
    return softmax(h @ params["A"] + x @ params["W"]) * h


def clipped(params, x, h):
    return np.maximum(np.minimum(x @ params["W"] + h @ params["U"], 1), -1)


def leaking(params, x, h):
    return np.where(h > 0, h, 0.1 * h) @ params["U"] + np.exp(-np.abs(x @ params["W"]))


def normed(params, x, h):
    z = x @ params["W"] + h @ params["U"]
    return z / np.sqrt((z * z).sum(axis=1, keepdims=True) + 1)


def read_twice(params, x, h):
    return np.tanh(x @ params["W"] + h @ params["U"] + h @ params["U"].T)


def bad_names(params, x, h):
    xs = x @ params["lambda"]
    dh = np.tanh(xs + h @ params["np"])
    t = dh * dh
    return t + 0.1 * dh


def unit_by_unit(params, x, h):
    return np.tanh(x @ params["W"] + (h @ params["u"])[:, None] * params["v"])


def mean_of_units(params, x, h):
    return np.tanh(x @ params["W"] + h.mean(axis=1, keepdims=True))


def uneven_parts(params, x, h):
    z = x @ params["W"] + h @ params["U"]
    return np.concatenate([np.tanh(z[:, :1]), sigmoid(z[:, 1:])], axis=1)


def quotient(params, x, h):
    return 0.1 * h**3 / (1 + h**2) + (x @ params["W"]) ** 2 / (1 + h**2)


def learnt_rate(params, x, h):
    """Parameters that are one number each."""
    z = x @ params["W"] + h @ params["U"] + params["b"]
    return (1 - params["a"]) * h + params["a"] * np.tanh(params["b"] * z) / (1 + params["a"] ** 2)


def by_condition(params, x, h):
    """A condition with a name of its own, which two lines read."""
    z = x @ params["W"] + h @ params["U"]
    above = z > 0.1
    return np.where(above, 0.5 * z, np.tanh(z)) + np.where(above, h, 0)


def identity(params, x, h):
    return h


WU = {"W": (I, H), "U": (H, H)}
GATES = {f"W{k}": (H, H + I) for k in "fico"} | {f"b{k}": (H, 1) for k in "fico"}

CELLS = {
    three_states: (of({**WU, "V": (H, H), "b": (H,)}, states=3, scale=0.3), "rows"),
    minimal_gates: (of({"tau": (H,), "p": (H,), "Wg": (I, H), **WU}), "rows"),
    multiplicative: (of({"Wm": (I, H), "Um": (H, H), **WU}), "rows"),
    course: (of({"Wax": (H, I), "Waa": (H, H), "ba": (H, 1)}, columns=True), "columns"),
    course_lstm: (of(GATES, states=2, columns=True), "columns"),
    stacked_rows: (of({"W": (H + I, H), "b": (H,)}), "rows"),
    second_order: (of({**WU, "V": (H, H)}, states=2), "rows"),
    state_unread: (of({"W": (I, H)}, states=2), "rows"),
    input_unread: (of({"U": (H, H)}), "rows"),
    deep: (of({"W1": (I, H), "b1": (H,), "W2": (H, H), "U": (H, H)}), "rows"),
    linear: (of({"rate": (H,), "W": (I, H)}), "rows"),
    attending: (of({"A": (H, H), "W": (I, H)}), "rows"),
    clipped: (of(WU), "rows"),
    leaking: (of(WU), "rows"),
    normed: (of(WU), "rows"),
    read_twice: (of(WU), "rows"),
    bad_names: (of({"lambda": (I, H), "np": (H, H)}), "rows"),
    unit_by_unit: (of({"W": (I, H), "u": (H,), "v": (H,)}), "rows"),
    mean_of_units: (of({"W": (I, H)}), "rows"),
    uneven_parts: (of(WU), "rows"),
    quotient: (of({"W": (I, H)}), "rows"),
    learnt_rate: (of({"a": (), "b": (), **WU}), "rows"),
    by_condition: (of(WU), "rows"),
    identity: (of({"U": (H, H)}), "rows"),
}
