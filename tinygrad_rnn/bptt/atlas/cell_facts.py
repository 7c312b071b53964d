"""The cells of the atlas: their names, what they are, and where they are from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from tinygrad_rnn import nn
from tinygrad_rnn.bptt.atlas import papers
from tinygrad_rnn.bptt.atlas.cell_differences import DIFFERS
from tinygrad_rnn.bptt.atlas.papers import Paper
from tinygrad_rnn.language.saying import Words, listed, sentence
from tinygrad_rnn.nn.parameters import Cell


@dataclass(frozen=True)
class Facts:
    """A cell: its name in `nn`, its title, the function, what it is in a sentence, the paper, and the places there.

    init(rng, input_size, hidden_size) draws its initial parameters. h_means: what the hidden size H is, where it is not
    the number of entries of h. differs: how the cell differs from the paper. nndl: its
    equations in NNDL.
    """

    name: str
    title: Words
    cell: Cell
    init: Callable[..., Any]
    says: Words
    paper: Paper
    at: Words
    differs: Words
    h_means: Words = ""
    nndl: str = ""


def _section(number: str) -> Words:
    return sentence("section {number}", number=number)


def _equations(first: int, last: int) -> Words:
    return sentence("equations {first} to {last}", first=first, last=last)


def _equation(number: int) -> Words:
    return sentence("equation {number}", number=number)


ROWS: tuple[tuple[str, Words, Words, Paper, Words], ...] = (
    ("rnn", sentence("Simple RNN"), sentence("One matrix on the state, and tanh."), papers.ELMAN, ""),
    (
        "irnn",
        "IRNN",
        sentence("The simple RNN with relu, which begins with U = I."),
        papers.LE,
        sentence("section 3, the initialization trick"),
    ),
    ("residual_rnn", sentence("Residual RNN"), sentence("The simple RNN adds to its old state."), papers.QIU, "(6.50)"),
    (
        "leaky_rnn",
        sentence("Leaky RNN"),
        sentence("The state is a running mean of tanh units: an Euler step in time."),
        papers.JAEGER,
        "",
    ),
    (
        "lstm",
        "LSTM",
        sentence("An internal state c behind an input, a forget and an output gate."),
        papers.GERS_2000,
        "",
    ),
    (
        "peephole_lstm",
        sentence("LSTM with peepholes"),
        sentence("The gates of an LSTM read the internal state too."),
        papers.GERS_2002,
        "",
    ),
    (
        "coupled_lstm",
        sentence("LSTM with coupled gates"),
        sentence("An LSTM whose input gate is 1 - f."),
        papers.GREFF,
        sentence("the variant CIFG"),
    ),
    (
        "layer_norm_lstm",
        sentence("LSTM with layer normalization"),
        sentence("Net inputs and internal state of an LSTM are normalized over the units."),
        papers.BA,
        listed([sentence("the supplementary material"), _equations(20, 22)]),
    ),
    (
        "gru",
        "GRU",
        sentence("A reset gate after the matrix and an update gate, as in PyTorch."),
        papers.CHO,
        _equations(5, 8),
    ),
    (
        "gru_textbook",
        sentence("GRU of textbooks"),
        sentence("A reset gate before the matrix and an update gate."),
        papers.CHO,
        _equations(5, 8),
    ),
    ("mgu", sentence("Minimal gated unit"), sentence("A GRU whose two gates are one."), papers.ZHOU, ""),
    (
        "ind_rnn",
        "IndRNN",
        sentence("Each unit reads its own past alone, through relu."),
        papers.LI,
        _section("3"),
    ),
    ("min_gru", "minGRU", sentence("A GRU whose gate reads the input alone."), papers.FENG, _section("3.1")),
    (
        "min_lstm",
        "minLSTM",
        sentence("An LSTM whose gates read the input alone, scaled to a sum of 1."),
        papers.FENG,
        _section("3.2"),
    ),
    ("qrnn", "QRNN", sentence("The pooling f, o of a convolution of width 1."), papers.BRADBURY, _equation(4)),
    (
        "sru",
        "SRU",
        sentence("Gates that read their own unit's past, and a highway to the output."),
        papers.LEI,
        _equations(1, 4),
    ),
    (
        "slstm",
        "sLSTM",
        sentence("An LSTM with exponential gates, a normalizer and a stabilizer."),
        papers.BECK,
        _equations(8, 17),
    ),
    ("mlstm", "mLSTM", sentence("A matrix as memory, with exponential gates."), papers.BECK, _equations(19, 27)),
    (
        "linear_attention",
        sentence("Linear attention"),
        sentence("A matrix as memory that keeps all: the sum of k v^T."),
        papers.KATHAROPOULOS,
        _equations(16, 20),
    ),
    (
        "gated_delta_net",
        "Gated DeltaNet",
        sentence("A matrix as memory that is corrected at a key."),
        papers.YANG,
        _equation(10),
    ),
    (
        "lru",
        "LRU",
        sentence("A diagonal linear recurrence of complex numbers, as pairs of reals."),
        papers.ORVIETO,
        sentence("appendix {letter}", letter="A"),
    ),
    (
        "selective_ssm",
        "Selective SSM (S6)",
        sentence("A diagonal linear recurrence whose step size, input and output depend on x."),
        papers.GU,
        sentence("algorithm {number}", number=2),
    ),
)
H_MEANS: dict[str, Words] = {
    "lru": sentence("H is the number N of complex states. The output y has I entries."),
    "selective_ssm": sentence("H is the number N of states of each channel. The output y has I entries."),
    "sru": sentence("The parameters are those for I unlike H: with I = H there is no `weight_p`."),
}

NNDL = {
    "rnn": "(6.5), (6.6)",
    "lstm": "(6.51) - (6.56)",
    "peephole_lstm": "(6.61) - (6.63)",
    "coupled_lstm": "(6.64)",
    "gru_textbook": "(6.65) - (6.69)",
}
"""The equations of NNDL that have the cell."""

FACTS: dict[str, Facts] = {
    name: Facts(
        name,
        title,
        partial(nn.rnn, nonlinearity="relu") if name == "irnn" else getattr(nn, name),
        getattr(nn.init, name),
        says,
        paper,
        at,
        DIFFERS[name],
        H_MEANS.get(name, ""),
        NNDL.get(name, ""),
    )
    for name, title, says, paper, at in ROWS
}
"""The cells by name, in the order of the atlas."""
