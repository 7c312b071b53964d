"""Code that others published for the cells of the atlas, and that the cells agree with."""

from __future__ import annotations

from dataclasses import dataclass

from tinygrad_rnn.language.saying import Words, after_each_other, sentence


@dataclass(frozen=True)
class Published:
    """Code for a cell: the package with its version, what of it was run, and how it was set or differs.

    Where it differs in layout or signs, the parameters of the cell of `nn` are laid out as it has them.
    """

    package: str
    version: str
    code: str
    differs: Words = ""

    @property
    def name(self) -> str:
        """The package with its version, and what of it was run."""
        return f"{self.package} {self.version}, `{self.code}`"

    def words(self) -> Words:
        """Say the name, and how it was set or differs."""
        return after_each_other([sentence("{name}.", name=self.name), *[self.differs] * bool(self.differs)])

    def __str__(self) -> str:
        return str(self.words())


PYTORCH = ("torch", "2.13.0")
TORCHRECURRENT = ("torchrecurrent", "0.2.5")
MIN_GRU = ("minGRU-pytorch", "0.2.1")
XLSTM = ("xlstm", "2.0.6")
FLA = ("fla-core", "0.6.0")
ONE_BIAS = sentence("Its two biases are one.")
CANDIDATE = sentence(
    "Its candidate is g(W x), as in the paper's appendix B: W x + 1/2 for positive W x, compared there."
)

PUBLISHED: dict[str, Published] = {
    "rnn": Published(*PYTORCH, "torch.nn.RNN"),
    "irnn": Published(*PYTORCH, "torch.nn.RNN", sentence("With `nonlinearity='relu'`.")),
    "residual_rnn": Published(*TORCHRECURRENT, "FastRNNCell", sentence("Its two factors are set to 1.")),
    "leaky_rnn": Published(
        *TORCHRECURRENT, "FastRNNCell", sentence("Its two factors are set to `rate` and 1 - `rate`.")
    ),
    "lstm": Published(*PYTORCH, "torch.nn.LSTM"),
    "peephole_lstm": Published(*TORCHRECURRENT, "PeepholeLSTMCell"),
    "coupled_lstm": Published(
        *PYTORCH,
        "torch.nn.LSTM",
        sentence("Its input gate has the rows of the forget gate with the other sign, so i = 1 - f."),
    ),
    "layer_norm_lstm": Published(
        "haste_pytorch_cpu",
        "0.5.5",
        "LayerNormLSTM",
        after_each_other(
            [ONE_BIAS, sentence("Its build needs CUDA; the Python code of its source distribution was run.")]
        ),
    ),
    "gru": Published(*PYTORCH, "torch.nn.GRU"),
    "gru_textbook": Published(
        "tracetorch", "0.19.2", "rnn.GRU", after_each_other([sentence("Its update gate is 1 - z."), ONE_BIAS])
    ),
    "mgu": Published(*TORCHRECURRENT, "MGUCell"),
    "ind_rnn": Published(*TORCHRECURRENT, "IndRNNCell", sentence("Its second bias is set to 0.")),
    "min_gru": Published(
        *MIN_GRU,
        "minGRU",
        after_each_other([CANDIDATE, sentence("Step by step, and all steps at once in log space.")]),
    ),
    "min_lstm": Published(
        *MIN_GRU,
        "minLSTM",
        after_each_other([CANDIDATE, sentence("Step by step, and from zeros all steps at once in log space.")]),
    ),
    "qrnn": Published("speechbrain", "1.1.2", "nnet.RNN.QuasiRNNLayer", sentence("Its f is 1 - f.")),
    "sru": Published(
        "sru",
        "2.6.0",
        "SRUCell",
        sentence("The authors' code. With `rescale=False`: else x_t has a constant factor in h_t."),
    ),
    "slstm": Published(
        *XLSTM,
        "slstm_forward",
        sentence(
            "The authors' code. Its two biases are one. From n_0 = 0 its m_1 is another one; h does not depend on it."
        ),
    ),
    "mlstm": Published(
        *XLSTM,
        "recurrent_step_stabilized_simple",
        sentence(
            "The authors' code; from zeros also `parallel_stabilized_simple`. With `eps=0`: else 1e-6 is added to the "
            "denominator. Its C is the transpose. It takes q, k, v and the net inputs of the gates."
        ),
    ),
    "linear_attention": Published(
        *FLA,
        "naive_recurrent_linear_attn",
        sentence(
            "With `normalize=True`, and a large `scale`, which cancels: so the 1e-10 in the denominator does not "
            "count. It takes q, k and v."
        ),
    ),
    "gated_delta_net": Published(
        *FLA,
        "naive_recurrent_gated_delta_rule",
        sentence(
            "The first author's code; also `naive_chunk_gated_delta_rule`. With `scale=1`: else q is divided by "
            "sqrt(H). Its S is the transpose. It takes q, k, v and beta; alpha is from `naive_gdn_gate`."
        ),
    ),
    "lru": Published("LRU-pytorch", "0.1.3", "LRU", sentence("Its D is a whole matrix, here a diagonal one.")),
    "selective_ssm": Published(
        "mambapy",
        "1.2.0",
        "MambaBlock.ssm_step",
        sentence(
            "From zeros also `MambaBlock.ssm`, a parallel scan with a backward of its own. Its delta has full rank "
            "here."
        ),
    ),
}
"""The code by the name of the cell. In float64 outputs, last states and all gradients agree to 1e-12."""
