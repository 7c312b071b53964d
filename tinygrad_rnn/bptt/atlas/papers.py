"""The papers that the cells of the atlas are from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Paper:
    """A publication: its authors, year, title, and the journal or the number at arXiv."""

    authors: str
    year: int
    title: str
    found: str

    @property
    def first_author(self) -> str:
        """The first author, and whether there are others."""
        first, *others = self.authors.split(", ")
        return f"{first} et al." if others else first

    def __str__(self) -> str:
        end = "" if self.title.endswith("?") else "."
        return f"{self.authors} ({self.year}). {self.title}{end} {self.found}."


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
    "Greff, Srivastava, Koutník, Steunebrink, Schmidhuber", 2015, "LSTM: a search space odyssey", "arXiv:1503.04069"
)
BA = Paper("Ba, Kiros, Hinton", 2016, "Layer normalization", "arXiv:1607.06450")
CHO = Paper(
    "Cho, van Merriënboer, Gulcehre, Bahdanau, Bougares, Schwenk, Bengio",
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
BECK = Paper(
    "Beck, Pöppel, Spanring, Auer, Prudnikova, Kopp, Klambauer, Brandstetter, Hochreiter",
    2024,
    "xLSTM: extended long short-term memory",
    "arXiv:2405.04517",
)
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
