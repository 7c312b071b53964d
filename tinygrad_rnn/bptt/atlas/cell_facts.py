"""The cells of the atlas: their names, what they are, and where they are from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from tinygrad_rnn import nn
from tinygrad_rnn.nn.parameters import Cell


@dataclass(frozen=True)
class Paper:
    """A publication: its authors, year, title, and the journal or the number at arXiv."""

    authors: str
    year: int
    title: str
    found: str

    def __str__(self) -> str:
        end = "" if self.title.endswith("?") else "."
        return f"{self.authors} ({self.year}). {self.title}{end} {self.found}."


@dataclass(frozen=True)
class Facts:
    """A cell: its name in `nn`, its title, the function, what it is in a sentence, the paper, and the place there.

    init(rng, input_size, hidden_size) draws its initial parameters. h_means: what the hidden size H is, where it is not
    the number of entries of h.
    """

    name: str
    title: str
    cell: Cell
    init: Callable[..., Any]
    says: str
    paper: Paper
    at: str
    h_means: str = ""


ELMAN = Paper("Elman", 1990, "Finding structure in time", "Cognitive Science 14")
LE = Paper(
    "Le, Jaitly, Hinton",
    2015,
    "A simple way to initialize recurrent networks of rectified linear units",
    "arXiv:1504.00941",
)
QIU = Paper("Qiu", 2020, "Neural networks and deep learning (NNDL)", "China Machine Press")
JAEGER = Paper(
    "Jaeger, Lukosevicius, Popovici, Siewert",
    2007,
    "Optimization and applications of echo state networks with leaky-integrator neurons",
    "Neural Networks 20",
)
GERS_2000 = Paper(
    "Gers, Schmidhuber, Cummins", 2000, "Learning to forget: continual prediction with LSTM", "Neural Computation 12"
)
GERS_2002 = Paper(
    "Gers, Schraudolph, Schmidhuber",
    2002,
    "Learning precise timing with LSTM recurrent networks",
    "Journal of Machine Learning Research 3",
)
GREFF = Paper(
    "Greff, Srivastava, Koutnik, Steunebrink, Schmidhuber", 2015, "LSTM: a search space odyssey", "arXiv:1503.04069"
)
BA = Paper("Ba, Kiros, Hinton", 2016, "Layer normalization", "arXiv:1607.06450")
CHO = Paper(
    "Cho, van Merrienboer, Gulcehre, Bahdanau, Bougares, Schwenk, Bengio",
    2014,
    "Learning phrase representations using RNN encoder-decoder for statistical machine translation",
    "arXiv:1406.1078",
)
ZHOU = Paper("Zhou, Wu, Zhang, Zhou", 2016, "Minimal gated unit for recurrent neural networks", "arXiv:1603.09420")
LI = Paper(
    "Li, Li, Cook, Zhu, Gao",
    2018,
    "Independently recurrent neural network (IndRNN): building a longer and deeper RNN",
    "arXiv:1803.04831",
)
FENG = Paper("Feng, Tung, Ahmed, Bengio, Hajimirsadeghi", 2024, "Were RNNs all we needed?", "arXiv:2410.01201")
BRADBURY = Paper("Bradbury, Merity, Xiong, Socher", 2017, "Quasi-recurrent neural networks", "arXiv:1611.01576")
LEI = Paper(
    "Lei, Zhang, Wang, Dai, Artzi",
    2018,
    "Simple recurrent units for highly parallelizable recurrence",
    "arXiv:1709.02755",
)
BECK = Paper("Beck and others", 2024, "xLSTM: extended long short-term memory", "arXiv:2405.04517")
KATHAROPOULOS = Paper(
    "Katharopoulos, Vyas, Pappas, Fleuret",
    2020,
    "Transformers are RNNs: fast autoregressive transformers with linear attention",
    "arXiv:2006.16236",
)
YANG = Paper(
    "Yang, Kautz, Hatamizadeh", 2024, "Gated delta networks: improving Mamba2 with delta rule", "arXiv:2412.06464"
)
ORVIETO = Paper(
    "Orvieto, Smith, Gu, Fernando, Gulcehre, Pascanu, De",
    2023,
    "Resurrecting recurrent neural networks for long sequences",
    "arXiv:2303.06349",
)
GU = Paper("Gu, Dao", 2023, "Mamba: linear-time sequence modeling with selective state spaces", "arXiv:2312.00752")

ROWS = (
    ("rnn", "Simple RNN", "One matrix on the state, and tanh.", ELMAN, "torch.nn.RNNCell; NNDL (6.5), (6.6)"),
    ("irnn", "IRNN", "The simple RNN with relu, which begins with U = I.", LE, "the initialization trick"),
    ("residual_rnn", "Residual RNN", "The simple RNN adds to its old state.", QIU, "(6.50)"),
    ("leaky_rnn", "Leaky RNN", "The state is a running mean of tanh units: an Euler step in time.", JAEGER, ""),
    (
        "lstm",
        "LSTM",
        "A cell state c behind an input, a forget and an output gate.",
        GERS_2000,
        "NNDL (6.51) to (6.56)",
    ),
    ("peephole_lstm", "LSTM with peepholes", "The gates of an LSTM read the cell state too.", GERS_2002, ""),
    ("coupled_lstm", "LSTM with coupled gates", "An LSTM whose input gate is 1 - f.", GREFF, "the variant CIFG"),
    (
        "layer_norm_lstm",
        "LSTM with layer normalization",
        "Net inputs and cell state of an LSTM are normalized over the units.",
        BA,
        "equations 20 to 22",
    ),
    ("gru", "GRU", "A reset gate after the matrix and an update gate, as in PyTorch.", CHO, "torch.nn.GRUCell"),
    (
        "gru_textbook",
        "GRU of textbooks",
        "A reset gate before the matrix and an update gate.",
        CHO,
        "equations 5 to 8; NNDL (6.65) to (6.69)",
    ),
    ("mgu", "Minimal gated unit", "A GRU whose two gates are one.", ZHOU, ""),
    ("ind_rnn", "IndRNN", "Each unit reads its own past alone, through relu.", LI, "equation 3"),
    ("min_gru", "minGRU", "A GRU whose gate reads the input alone.", FENG, "section 3.1"),
    ("min_lstm", "minLSTM", "An LSTM whose gates read the input alone, scaled to a sum of 1.", FENG, "section 3.2"),
    ("qrnn", "QRNN", "The pooling f, o of a convolution of width 1.", BRADBURY, "equation 4"),
    ("sru", "SRU", "Gates that read their own unit's past, and a highway to the output.", LEI, "equations 1 to 4"),
    ("slstm", "sLSTM", "An LSTM with exponential gates, a normalizer and a stabilizer.", BECK, "equations 8 to 17"),
    ("mlstm", "mLSTM", "A matrix as memory, with exponential gates.", BECK, "equations 19 to 27"),
    (
        "linear_attention",
        "Linear attention",
        "A matrix as memory that keeps all: the sum of k v^T.",
        KATHAROPOULOS,
        "equations 16 to 20",
    ),
    ("gated_delta_net", "Gated DeltaNet", "A matrix as memory that is corrected at a key.", YANG, "equation 10"),
    ("lru", "LRU", "A diagonal linear recurrence of complex numbers, as pairs of reals.", ORVIETO, ""),
    (
        "selective_ssm",
        "Selective SSM (S6)",
        "A diagonal linear recurrence whose step size, input and output depend on x.",
        GU,
        "algorithm 2",
    ),
)
H_MEANS = {
    "lru": "H is the number N of complex states. The output y has I entries.",
    "selective_ssm": "H is the number N of states of each channel. The output y has I entries.",
    "sru": "The parameters are those for I unlike H: with I = H there is no `weight_p`.",
}

FACTS: dict[str, Facts] = {
    name: Facts(
        name,
        title,
        partial(nn.rnn, nonlinearity="relu") if name == "irnn" else getattr(nn, name),
        getattr(nn.init, name),
        says,
        paper,
        at,
        H_MEANS.get(name, ""),
    )
    for name, title, says, paper, at in ROWS
}
"""The cells by name, in the order of the atlas."""
