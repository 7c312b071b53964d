"""A well-known course exercise in column layout, written as ordinary forward code: the tape gives its printed values.

Columns are examples: x_t (n_x, m), a_t (n_a, m). Values printed in full are met to 1e-12, those of 8 digits to 5e-9.
"""

import numpy as np

import tinygrad_rnn as tg

FULL, EIGHT = 1e-12, 5e-9


def draw(**shapes):
    """Arrays drawn in this order after seed 1, as the exercise draws them; and the generator, to draw on."""
    rng = np.random.RandomState(1)
    return {name: rng.randn(*shape) for name, shape in shapes.items()}, rng


def tensors(values):
    return {name: tg.Tensor(value, name=name) for name, value in values.items()}


def rnn_cell(p, x, a):
    return np.tanh(p["Wax"] @ x + p["Waa"] @ a + p["ba"])


def lstm_cell(p, x, a, c):
    stacked = np.concatenate([a, x], axis=0)
    f, i, o = (tg.sigmoid(p[f"W{k}"] @ stacked + p[f"b{k}"]) for k in "fio")
    c = f * c + i * np.tanh(p["Wc"] @ stacked + p["bc"])
    return o * np.tanh(c), c


def readout(W, a, b):
    return tg.softmax(W @ a + b, axis=0)


def near(value, expected, tolerance=EIGHT):
    np.testing.assert_allclose(np.asarray(value), expected, rtol=0, atol=tolerance)


def digits(number):
    """A number printed with twelve digits carries an error of half a unit in the last of them."""
    return max(FULL, 0.6 * 10.0 ** -len(str(number).split(".")[1]))


def test_rnn_cell_forward():
    p, _ = draw(xt=(3, 10), a_prev=(5, 10), Waa=(5, 5), Wax=(5, 3), Wya=(2, 5), ba=(5, 1), by=(2, 1))
    p = tensors(p)
    with tg.Tape():
        a = rnn_cell(p, p["xt"], p["a_prev"])
        y = readout(p["Wya"], a, p["by"])
    near(
        a.data[4],
        [
            0.59584544,
            0.18141802,
            0.61311866,
            0.99808218,
            0.85016201,
            0.99980978,
            -0.18887155,
            0.99815551,
            0.6531151,
            0.82872037,
        ],
    )
    near(
        y.data[1],
        [
            0.9888161,
            0.01682021,
            0.21140899,
            0.36817467,
            0.98988387,
            0.88945212,
            0.36920224,
            0.9966312,
            0.9982559,
            0.17746526,
        ],
    )


def test_rnn_forward():
    p, _ = draw(x=(3, 10, 4), a0=(5, 10), Waa=(5, 5), Wax=(5, 3), Wya=(2, 5), ba=(5, 1), by=(2, 1))
    p = tensors(p)
    a, states, outputs = p["a0"], [], []
    with tg.Tape():
        for t in range(4):
            a = rnn_cell(p, p["x"][:, :, t], a)
            states.append(a)
            outputs.append(readout(p["Wya"], a, p["by"]))
        states, outputs = np.stack(states, axis=2), np.stack(outputs, axis=2)
    near(states.data[4][1], [-0.99999375, 0.77911235, -0.99861469, -0.99833267])
    near(outputs.data[1][3], [0.79560373, 0.86224861, 0.11118257, 0.81515947])
    near(p["x"].data[1][3], [-1.1425182, -0.34934272, -0.20889423, 0.58662319])


GATES = {f"{kind}{gate}": (5, 8) if kind == "W" else (5, 1) for gate in "fioc" for kind in "Wb"}
LSTM = {**GATES, "Wy": (2, 5), "by": (2, 1)}


def test_lstm_cell_forward():
    p, _ = draw(xt=(3, 10), a_prev=(5, 10), c_prev=(5, 10), **LSTM)
    p = tensors(p)
    with tg.Tape():
        a, c = lstm_cell(p, p["xt"], p["a_prev"], p["c_prev"])
        y = readout(p["Wy"], a, p["by"])
    near(
        a.data[4],
        [
            -0.66408471,
            0.0036921,
            0.02088357,
            0.22834167,
            -0.85575339,
            0.00138482,
            0.76566531,
            0.34631421,
            -0.00215674,
            0.43827275,
        ],
    )
    near(
        c.data[2],
        [
            0.63267805,
            1.00570849,
            0.35504474,
            0.20690913,
            -1.64566718,
            0.11832942,
            0.76449811,
            -0.0981561,
            -0.74348425,
            -0.26810932,
        ],
    )
    near(
        c.data[3],
        [
            -0.16263996,
            1.03729328,
            0.72938082,
            -0.54101719,
            0.02752074,
            -0.30821874,
            0.07651101,
            -1.03752894,
            1.41219977,
            -0.37647422,
        ],
    )
    near(
        y.data[1],
        [
            0.79913913,
            0.15986619,
            0.22412122,
            0.15606108,
            0.97057211,
            0.31146381,
            0.00943007,
            0.12666353,
            0.39380172,
            0.07828381,
        ],
    )


def test_lstm_forward():
    p, _ = draw(x=(3, 10, 7), a0=(5, 10), **LSTM)
    p = tensors(p)
    a, c = p["a0"], np.zeros((5, 10))
    states, cells, outputs = [], [], []
    with tg.Tape():
        for t in range(7):
            a, c = lstm_cell(p, p["x"][:, :, t], a, c)
            states.append(a)
            cells.append(c)
            outputs.append(readout(p["Wy"], a, p["by"]))
        states, cells, outputs = (np.stack(s, axis=2) for s in (states, cells, outputs))
    near(states.data[4][3][6], 0.172117767533, digits(0.172117767533))
    near(outputs.data[1][4][3], 0.95087346185, digits(0.95087346185))
    near(cells.data[1][2][1], -0.855544916718, digits(-0.855544916718))
    near(p["x"].data[1][1], [0.82797464, 0.23009474, 0.76201118, -0.22232814, -0.20075807, 0.18656139, 0.41005165])


def backward(p, da, state, x):
    with tg.Tape() as tape:
        a = rnn_cell(p, p[x], p[state])
    return tape.gradient(a, p, seed=da)


def test_rnn_cell_backward_with_the_stale_bias_of_the_published_run():
    p, rng = draw(xt=(3, 10), a_prev=(5, 10), Wax=(5, 3), Waa=(5, 5), Wya=(2, 5), b=(5, 1), by=(2, 1))
    da = rng.randn(5, 10)
    stale, _ = draw(x=(3, 10, 4), a0=(5, 10), Waa=(5, 5), Wax=(5, 3), Wya=(2, 5), ba=(5, 1), by=(2, 1))
    g = backward(tensors({**p, "ba": stale["ba"]}), da, "a_prev", "xt")
    near(g["xt"][1][2], -0.4605641030588796, FULL)
    near(g["a_prev"][2][3], 0.08429686538067724, FULL)
    near(g["Wax"][3][1], 0.39308187392193034, FULL)
    near(g["Waa"][1][2], -0.28483955786960663, FULL)
    near(g["ba"][4], [0.80517166])
    g = backward(tensors({**p, "ba": p["b"]}), da, "a_prev", "xt")
    near(g["xt"][1][2], -1.3872130506, digits(-1.3872130506))


def test_rnn_cell_backward():
    p, rng = draw(xt=(3, 10), a_prev=(5, 10), Wax=(5, 3), Waa=(5, 5), Wya=(2, 5), ba=(5, 1), by=(2, 1))
    g = backward(tensors(p), rng.randn(5, 10), "a_prev", "xt")
    near(g["xt"][1][2], -1.3872130506, digits(-1.3872130506))
    near(g["a_prev"][2][3], -0.152399493774, digits(-0.152399493774))
    near(g["Wax"][3][1], 0.410772824935, digits(0.410772824935))
    near(g["Waa"][1][2], 1.15034506685, digits(1.15034506685))
    near(g["ba"][4], [0.20023491])


def test_rnn_backward_through_time():
    p, rng = draw(x=(3, 10, 4), a0=(5, 10), Wax=(5, 3), Waa=(5, 5), Wya=(2, 5), ba=(5, 1), by=(2, 1))
    da, p = rng.randn(5, 10, 4), tensors(p)
    a, states = p["a0"], []
    with tg.Tape() as tape:
        for t in range(4):
            with tg.scope(t=t):
                a = rnn_cell(p, p["x"][:, :, t], a)
            states.append(a)
        states = np.stack(states, axis=2)
    g = tape.gradient(states, p, seed=da)
    near(g["x"][1][2], [-2.07101689, -0.59255627, 0.02466855, 0.01483317])
    near(g["a0"][2][3], -0.314942375127, digits(-0.314942375127))
    near(g["Wax"][3][1], 11.2641044965, digits(11.2641044965))
    near(g["Waa"][1][2], 2.30333312658, digits(2.30333312658))
    near(g["ba"][4], [-0.74747722])
    assert not g["Wya"].any()
