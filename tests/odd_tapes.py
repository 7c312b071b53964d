"""Tapes that are drawn unlike a plain network: layers that count alike, lags, masks, second orders, contexts."""

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import nn

RNG = np.random.default_rng(0)
W = tg.Tensor(RNG.normal(size=(2, 2)), name="W")


def first(name="h0"):
    return tg.Tensor(np.ones((1, 2)), name=name)


def encoder_and_decoder(cell, T, steps):
    """Both count their steps from 0."""
    step, init = getattr(nn, cell), getattr(nn.init, cell)
    encoder, decoder = init(RNG, 3, 4), init(RNG, 4, 4)
    with tg.scope(layer="encoder"):
        _, h = nn.unroll(step, encoder, RNG.normal(size=(T, 1, 3)))
    y = h[0] if isinstance(h, tuple) else h
    for t in range(steps):
        with tg.scope(layer="decoder", t=t):
            h = step(decoder, y, *(h if isinstance(h, tuple) else (h,)))
            y = tg.named("y", (h[0] if isinstance(h, tuple) else h) * 0.5)
    return (y**2).sum()


def layers(kind, count, lengths):
    net = kind(3, 4, count, bidirectional=True)
    hs, _ = net(net.init(RNG), RNG.normal(size=(max(lengths), 2, 3)), lengths=lengths)
    return (hs**2).mean()


def second_order(cell, T):
    params = getattr(nn.init, cell)(RNG, 2, 2)
    with tg.Tape() as inner:
        hs, _ = nn.unroll(getattr(nn, cell), params, RNG.normal(size=(T, 1, 2)))
        loss = (hs**2).sum()
    return (inner.gradient(loss, params["weight_hh"]) ** 2).sum()


def in_order(labels):
    h = first()
    for t in labels:
        with tg.scope(t=t):
            h = tg.named("h", h * 1.1)
    return h.sum()


def attention(T, steps):
    h, hs = first(), []
    for t in range(T):
        with tg.scope(layer="encoder", t=t):
            h = tg.named("h", np.tanh(h @ W))
            hs.append(h)
    for t in range(steps):
        with tg.scope(layer="decoder", t=t):
            scores = tg.named("a", np.exp(np.stack([(h * e).sum() for e in hs])))
            h = tg.named("d", np.tanh(h @ W + sum(scores[k] * e for k, e in enumerate(hs))))
    return (h * h).sum()


def lags(*behind):
    hs = [first(f"h{k}") for k in range(max(behind))]
    for t in range(8):
        with tg.scope(t=t):
            hs.append(tg.named("h", np.tanh(sum(hs[-k] @ W for k in behind))))
    return hs[-1].sum()


def context(read_by):
    z = tg.named("z", np.tanh(first() @ W))
    h = first()
    for t in range(4):
        with tg.scope(t=t):
            h = tg.named("h", np.tanh(h @ W + (z if t in read_by else 1.0)))
    return h.sum() + (z * z).sum()


def through_the_outside():
    h, m = first(), first("m0")
    for t in range(4):
        with tg.scope(t=t):
            h = tg.named("h", np.tanh(h @ W))
        m = tg.named("m", m + h)
        h = h * 0.5
    return m.sum()


def constants():
    with tg.scope(t=0):
        s = tg.named("s", first().sum())
    with tg.scope(t=1):
        w = tg.named("w", s * 3.0 + 1.0)
    return w * 1.0


def wide():
    h = first()
    for t in range(3):
        with tg.scope(t=t):
            parts = [tg.named(f"p{k}", np.tanh(h * float(k))) for k in range(8)]
            h = tg.named("h", sum(parts))
    return (h * parts[0] * parts[7]).sum()


def clockwork():
    h, s = first(), first("s0")
    for t in range(6):
        with tg.scope(t=t, layer="fast"):
            h = tg.named("h", np.tanh(h @ W + s))
        if t % 2:
            with tg.scope(t=t, layer="slow"):
                s = tg.named("s", np.tanh(s @ W + h))
    return (h * s).sum()


def feedback():
    a, b = first("a0"), first("b0")
    for t in range(4):
        with tg.scope(t=t, layer=0):
            a = tg.named("a", np.tanh(a @ W + b))
        with tg.scope(t=t, layer=1):
            b = tg.named("b", np.tanh(b @ W + a))
    return (b * b).sum()


ODD = {
    **{
        f"{cell} {T} and {n}": (encoder_and_decoder, cell, T, n) for cell in ("rnn", "gru") for T, n in ((3, 3), (4, 2))
    },
    "lstm 20 and 20": (encoder_and_decoder, "lstm", 20, 20),
    **{f"{kind.__name__} {n}": (layers, kind, n, [3, 2]) for kind in (nn.RNN, nn.LSTM) for n in (1, 2, 3)},
    "GRU 3, T = 20": (layers, nn.GRU, 3, [20, 7]),
    **{f"second order {cell} {T}": (second_order, cell, T) for cell in ("rnn", "gru") for T in (1, 2, 15)},
    **{f"order {labels}": (in_order, labels) for labels in ([5, 3, 8, 3, 0, 100], [3, 2, 1, 0], [0, 2, 1, 3])},
    "attention": (attention, 3, 3),
    "attention over more": (attention, 5, 2),
    **{f"lags {behind}": (lags, *behind) for behind in ((2,), (1, 2), (1, 3), (5,), (1, 2, 3, 4))},
    **{f"context {read_by}": (context, read_by) for read_by in ((0,), (3,), (0, 1, 2, 3))},
    "through the outside": (through_the_outside,),
    "constants": (constants,),
    "wide": (wide,),
    "clockwork": (clockwork,),
    "feedback": (feedback,),
}


def odd_tape(name):
    """The tape of an odd network, with its loss L."""
    make, *args = ODD[name]
    with tg.Tape() as tape:
        tg.named("L", make(*args))
    return tape
