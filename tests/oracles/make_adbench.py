"""Write adbench.json: ADBench's LSTM objective and its golden gradient, by complex steps in long double.

ADBench (Srajer, Kukelova and Fitzgibbon 2018) defines a network of l layers in which every unit reads itself alone, so
that all products are entry by entry. A layer has rows of weights w and biases b, one for each gate; with its input x,

    f = sigmoid(w1 x + b1),  i = sigmoid(w2 h + b2),  o = sigmoid(w3 x + b3),  g = tanh(w4 h + b4)
    c' = f c + i g,  h' = o tanh(c')

The input of the first layer is e1 x_t, the prediction is y = e2 h + e3 with h of the last layer, and the loss is

    -1/((c - 1) b) * sum over t and k of x_{t+1,k} (y_k - log(2 + sum of exp(y)))

The data are our own: `data` draws them from a generator that NumPy keeps as it is. No tape has a part in the numbers.
Run `python tests/oracles/make_adbench.py` to write them anew.
"""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np

PATH = Path(__file__).with_name("adbench.json")
SIZES = {"tiny": (1, 2, 1), "two layers": (2, 40, 14), "four layers": (4, 24, 14), "long": (2, 1024, 14)}
"""For each case the layers, the steps of the sequence and the units."""


def data(name):
    """Parameters (layers, 2, 4, units) and (3, units), states (layers, 2, units), and the sequence of bits."""
    layers, steps, units = SIZES[name]
    random = np.random.RandomState(list(SIZES).index(name))  # its numbers are the same with every NumPy
    return {
        "main": random.uniform(-1, 1, (layers, 2, 4, units)),
        "extra": random.uniform(-1, 1, (3, units)),
        "state": random.uniform(-1, 1, (layers, 2, units)),
        "sequence": random.randint(0, 2, (steps, units)).astype(float),
    }


def objective(main, extra, state, sequence):
    """The loss; parameters may have axes behind their own, on which they differ."""
    lead = (slice(None),) + (None,) * (main.ndim - 4)
    states = [[part[lead] + 0 * main[0, 0, 0] for part in layer] for layer in state]
    total = 0
    for now, then in pairwise(sequence):
        x = extra[0] * now[lead]
        for (w, b), layer in zip(main, states, strict=True):
            h, c = layer
            f, i = 1 / (1 + np.exp(-(w[0] * x + b[0]))), 1 / (1 + np.exp(-(w[1] * h + b[1])))
            o, g = 1 / (1 + np.exp(-(w[2] * x + b[2]))), np.tanh(w[3] * h + b[3])
            layer[1] = f * c + i * g
            layer[0] = x = o * np.tanh(layer[1])
        y = extra[1] * x + extra[2]
        total = total + (then[lead] * (y - np.log(2 + np.exp(y).sum(axis=0)))).sum(axis=0)
    return -total / (len(sequence) - 1) / sequence.shape[1]


def gradient(main, extra, state, sequence, dtype=np.clongdouble):
    """The loss, and its derivative by each parameter: the imaginary part after a step of 1e-30 i."""
    count, step = main.size + extra.size, np.asarray(1e-30j, dtype)
    moved = [a.astype(dtype)[..., None] + np.zeros(count, dtype) for a in (main, extra)]
    moved[0].reshape(-1, count)[np.arange(main.size), np.arange(main.size)] += step
    moved[1].reshape(-1, count)[np.arange(extra.size), np.arange(main.size, count)] += step
    loss = objective(*moved, *(a.astype(step.real.dtype) for a in (state, sequence)))
    slopes = (loss.imag / step.imag).astype(float)
    return float(loss.real[0]), slopes[: main.size].reshape(main.shape), slopes[main.size :].reshape(extra.shape)


if __name__ == "__main__":
    found = {name: gradient(**data(name)) for name in SIZES}
    stored = {
        name: {"loss": loss, "main": main.ravel().tolist(), "extra": extra.ravel().tolist()}
        for name, (loss, main, extra) in found.items()
    }
    PATH.write_text(json.dumps(stored, indent=0) + "\n", encoding="utf-8")
