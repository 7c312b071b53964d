"""ONNX's recurrent nodes: the equations of the specification, one number at a time, over all attributes."""

import itertools
import math

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn

T, B, I, H = 4, 3, 2, 3
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
SCALAR = {
    "Tanh": lambda v, a, b: math.tanh(v),
    "Sigmoid": lambda v, a, b: 1 / (1 + math.exp(-v)),
    "Relu": lambda v, a, b: max(v, 0.0),
    "LeakyRelu": lambda v, a, b: v if v >= 0 else (0.01 if a is None else a) * v,
    "HardSigmoid": lambda v, a, b: max(0.0, min(1.0, (0.2 if a is None else a) * v + (0.5 if b is None else b))),
    "Softsign": lambda v, a, b: v / (1 + abs(v)),
    "Softplus": lambda v, a, b: math.log(1 + math.exp(v)),
    "Affine": lambda v, a, b: (1.0 if a is None else a) * v + (0.0 if b is None else b),
    "ThresholdedRelu": lambda v, a, b: v if v > (1.0 if a is None else a) else 0.0,
    "ScaledTanh": lambda v, a, b: (1.0 if a is None else a) * math.tanh((1.0 if b is None else b) * v),
    "Elu": lambda v, a, b: v if v >= 0 else (1.0 if a is None else a) * (math.exp(v) - 1),
}
WITH_ALPHA = ("LeakyRelu", "HardSigmoid", "Affine", "ThresholdedRelu", "ScaledTanh", "Elu")
WITH_BETA = ("HardSigmoid", "Affine", "ScaledTanh")
DEFAULTS = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}


def drawn(kind, directions, seed=0, peepholes=True):
    rng = np.random.default_rng(seed)
    g = GATES[kind]
    shapes = {
        "X": (T, B, I),
        "W": (directions, g * H, I),
        "R": (directions, g * H, H),
        "B": (directions, 2 * g * H),
        "initial_h": (directions, B, H),
    }
    if kind == "LSTM":
        shapes |= {"initial_c": (directions, B, H)} | ({"P": (directions, 3 * H)} if peepholes else {})
    return {name: rng.uniform(-1, 1, shape) for name, shape in shapes.items()}


def one_direction(kind, n, d, x, h, c, f, lbr, clip):
    """The states after each step of one sequence x (length, I), as lists of numbers."""

    def act(k, v):
        return f[k](max(-clip, min(clip, v)) if clip and k < 2 else v)  # the cell of an LSTM, k = 2, is not bounded

    g, found = GATES[kind], []
    for step in x:

        def z(gate, unit, state, together=True, step=step):
            row = gate * H + unit
            total = sum(n["W"][d][row][j] * step[j] for j in range(I)) + n["B"][d][row]
            part = sum(n["R"][d][row][j] * state[j] for j in range(H)) + n["B"][d][g * H + row]
            return (total + part) if together else (total, part)

        if kind == "RNN":
            h = [act(0, z(0, u, h)) for u in range(H)]
        elif kind == "GRU":
            zt, rt = [act(0, z(0, u, h)) for u in range(H)], [act(0, z(1, u, h)) for u in range(H)]
            if lbr:
                parts = [z(2, u, h, False) for u in range(H)]
                n_t = [act(1, a + rt[u] * b) for u, (a, b) in enumerate(parts)]
            else:
                n_t = [act(1, z(2, u, [r * v for r, v in zip(rt, h, strict=True)])) for u in range(H)]
            h = [(1 - zt[u]) * n_t[u] + zt[u] * h[u] for u in range(H)]
        else:
            p = n["P"][d] if "P" in n else [0.0] * (3 * H)
            i = [act(0, z(0, u, h) + p[u] * c[u]) for u in range(H)]
            ft = [act(0, z(2, u, h) + p[2 * H + u] * c[u]) for u in range(H)]
            ct = [act(1, z(3, u, h)) for u in range(H)]
            new = [ft[u] * c[u] + i[u] * ct[u] for u in range(H)]
            o = [act(0, z(1, u, h) + p[H + u] * new[u]) for u in range(H)]
            h, c = [o[u] * act(2, new[u]) for u in range(H)], new
        found.append((h, c))
    return found


def by_specification(kind, n, direction="forward", lens=None, lbr=0, clip=0, names=None, alphas=(), betas=()):
    ways = {"forward": ["f"], "reverse": ["r"], "bidirectional": ["f", "r"]}[direction]
    names, alphas, betas = list(names or DEFAULTS[kind] * len(ways)), list(alphas), list(betas)
    functions = []
    for name in names:
        a = alphas.pop(0) if alphas and name in WITH_ALPHA else None
        b = betas.pop(0) if betas and name in WITH_BETA else None
        functions.append(lambda v, name=name, a=a, b=b: SCALAR[name](v, a, b))
    count = len(DEFAULTS[kind])
    Y = np.zeros((T, len(ways), B, H))
    Y_h, Y_c = np.zeros((len(ways), B, H)), np.zeros((len(ways), B, H))
    for (d, way), k in itertools.product(enumerate(ways), range(B)):
        length = T if lens is None else lens[k]
        x = n["X"][:length, k][:: -1 if way == "r" else 1]
        start_c = n["initial_c"][d][k] if kind == "LSTM" else None
        states = one_direction(
            kind, n, d, x, n["initial_h"][d][k], start_c, functions[d * count : (d + 1) * count], lbr, clip
        )
        for t, (h, _) in enumerate(states):
            Y[length - 1 - t if way == "r" else t, d, k] = h
        Y_h[d, k] = states[-1][0]
        if kind == "LSTM":
            Y_c[d, k] = states[-1][1]
    return (Y, Y_h, Y_c) if kind == "LSTM" else (Y, Y_h)


def check(kind, direction="forward", seed=0, peepholes=True, **attributes):
    directions = 2 if direction == "bidirectional" else 1
    n = drawn(kind, directions, seed, peepholes)
    renamed = {
        "lens": attributes.get("sequence_lens"),
        "lbr": attributes.get("linear_before_reset", 0),
        "clip": attributes.get("clip", 0),
        "names": attributes.get("activations"),
        "alphas": attributes.get("activation_alpha", ()),
        "betas": attributes.get("activation_beta", ()),
    }
    expected = by_specification(kind, n, direction, **renamed)
    found = nn.onnx_node(kind, **n, direction=direction, **attributes)
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    other = {k: np.swapaxes(v, 0, 1) if k in ("X", "initial_h", "initial_c") else v for k, v in n.items()}
    Y, *ends = nn.onnx_node(kind, **other, direction=direction, layout=1, **attributes)
    np.testing.assert_allclose(Y, np.transpose(expected[0], (2, 0, 1, 3)), rtol=1e-12, atol=1e-14)
    for a, b in zip(ends, expected[1:], strict=True):
        np.testing.assert_allclose(a, np.swapaxes(b, 0, 1), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("lens", [None, [4, 1, 3]])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("kind", GATES)
def test_directions_lengths_and_layouts(kind, direction, lens):
    check(kind, direction, sequence_lens=lens)


@pytest.mark.parametrize("kind", GATES)
def test_clip_and_reset(kind):
    check(kind, clip=0.4)
    check(kind, "bidirectional", linear_before_reset=1, clip=0.7)
    check(kind, peepholes=False)


def test_clip_leaves_the_cell_of_an_lstm_alone():
    ones = {"W": np.ones((1, 4, 1)), "R": np.zeros((1, 4, 1)), "B": np.zeros((1, 8))}
    _, h, c = nn.onnx_node("LSTM", np.full((1, 1, 1), 5.0), **ones, initial_c=np.full((1, 1, 1), 30.0), clip=1.0)
    s = 1 / (1 + math.exp(-1.0))
    cell = s * 30 + s * math.tanh(1.0)
    np.testing.assert_allclose([c.item(), h.item()], [cell, s * math.tanh(cell)], rtol=1e-15)


@pytest.mark.parametrize("name", SCALAR)
def test_every_activation_with_and_without_its_parameters(name):
    check("RNN", activations=[name])
    check("RNN", activations=[name], activation_alpha=[0.3], activation_beta=[0.6])


def test_activations_of_both_directions_take_their_parameters_in_order():
    names = ["HardSigmoid", "ScaledTanh", "Tanh", "Sigmoid", "LeakyRelu", "Affine"]
    check(
        "LSTM",
        "bidirectional",
        activations=names,
        activation_alpha=[0.25, 1.5, 0.2, 0.7],
        activation_beta=[0.4, 0.8, 0.1],
    )


@pytest.mark.parametrize("kind", GATES)
def test_a_tape_records_it_and_its_gradients_are_right(kind):
    n = drawn(kind, 2)
    arrays = dict(n)

    def f(arrays):
        return nn.onnx_node(kind, **arrays, direction="bidirectional", sequence_lens=[4, 2, 3], linear_before_reset=1)

    tg.check_grads(f, (arrays,), order=1)
    leaves = {k: tg.Tensor(v, name=k) for k, v in n.items()}
    with tg.Tape() as tape:
        f(leaves)
    assert tape.find("h", t=2, direction="reverse").shape == (B, H)


@pytest.mark.parametrize("kind", GATES)
def test_without_biases_and_states(kind):
    n = drawn(kind, 1)
    zeros = {k: np.zeros_like(v) if k in ("B", "initial_h", "initial_c") else v for k, v in n.items()}
    bare = {k: v for k, v in n.items() if k not in ("B", "initial_h", "initial_c")}
    for a, b in zip(nn.onnx_node(kind, **bare), nn.onnx_node(kind, **zeros), strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_a_node_cannot_be():
    n = drawn("LSTM", 1)
    for changes, words in (
        ({"direction": "both"}, "direction='both'"),
        ({"input_forget": 1}, "input_forget=1"),
        ({"W": n["W"][:, :-1]}, r"W of the LSTM has shape \(1, 11, 2\)\nexpected \(1, 12, 2\)"),
        ({"B": n["B"][:, :5]}, r"B of the LSTM has shape \(1, 5\)"),
        ({"activations": ["Tanh"]}, "activations Tanh\nexpected 3 for each of 1"),
        ({"activations": ["Tanh", "Tanh", "Swish"]}, "Swish"),
        ({"initial_h": n["initial_h"][:, :1]}, r"initial_h of the LSTM has shape \(1, 1, 3\)\nexpected \(1, 3, 3\)"),
        ({"initial_c": np.ones((2, 3, 3))}, r"initial_c of the LSTM has shape \(2, 3, 3\)"),
        ({"sequence_lens": [4, 4, 9]}, "lengths from 4 to 9"),
        ({"clip": -1.0}, r"clip=-1\.0\ngive a positive number"),
        ({"clip": math.nan}, "clip=nan"),
        ({"X": n["X"][:, 0]}, r"X of shape \(4, 2\).*\nexpected X \(T, B, I\)"),
    ):
        with pytest.raises(ValueError, match=words):
            nn.onnx_node("LSTM", **{**n, **changes})
    with pytest.raises(ValueError, match="onnx_node: Conv"):
        nn.onnx_node("Conv", n["X"], n["W"], n["R"])
    with pytest.raises(ValueError, match=r"the GRU has .* an initial_c\nexpected .* for an LSTM alone"):
        nn.onnx_node("GRU", **drawn("GRU", 1), initial_c=n["initial_c"])
