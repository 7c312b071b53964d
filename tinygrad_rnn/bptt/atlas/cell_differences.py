"""How each cell of the atlas differs from its paper."""

from __future__ import annotations

from tinygrad_rnn.language.saying import Sentence, sentence

DIFFERS: dict[str, Sentence] = {
    "rnn": sentence(
        "The units of the paper lie between 0 and 1; tanh and two biases are PyTorch's. The paper trains one step "
        "back: BPTT is not part of it."
    ),
    "irnn": sentence(
        "The paper has one bias; both are zero at the start. W begins with a standard deviation of 0.001."
    ),
    "residual_rnn": sentence("g is any function in the book. Here it is the layer tanh(W x_t + U h_{{t-1}} + b)."),
    "leaky_rnn": sentence(
        "Step, time constant and leaking rate of the paper are one number here, `rate`, 0.2 if not given. An echo "
        "state network leaves W and U as they were drawn; here they have gradients."
    ),
    "lstm": sentence(
        "In the paper the candidate lies between -2 and 2, and the gradient is cut at the gates; tanh, two biases "
        "and the whole gradient are PyTorch's. There are no peepholes."
    ),
    "peephole_lstm": sentence(
        "The places of the peepholes are the paper's: i and f see c_{{t-1}}, o sees c_t. The paper cuts the "
        "gradient at the gates; here it is whole."
    ),
    "coupled_lstm": sentence(
        "The paper computes i and takes f = 1 - i; here f is computed, and i = 1 - f: the same cell with other "
        "signs of one block. The LSTM of the paper has peepholes; here there are none."
    ),
    "layer_norm_lstm": sentence(
        "The two offsets and b of the paper add up to two biases here. 1e-5 stands under each root. The blocks "
        "stand in the order i, f, g, o; in the paper it is f, i, o, g."
    ),
    "gru": sentence(
        "The paper has the reset gate before the matrix, as `gru_textbook`. PyTorch and cuDNN have it after, with "
        "the bias b_hn under the gate. The paper has no biases."
    ),
    "gru_textbook": sentence(
        "The paper has no biases. z keeps the old state, as in the paper; in many texts z and 1 - z change places."
    ),
    "mgu": sentence("The paper has one bias for each block; here there are two, whose sum counts."),
    "ind_rnn": sentence(
        "The paper also bounds u, so that u^T stays in a range; here u is free. u begins uniform in (0, 1), as in "
        "the code of the authors."
    ),
    "min_gru": sentence(
        "This is the loop of the paper. For its parallel form the paper passes n through a positive function and works "
        "with logarithms; here n is linear, and `nn.scan` works with the numbers themselves."
    ),
    "min_lstm": sentence(
        "This is the form whose f and i are divided by their sum. As for `min_gru`, n is linear here; in the parallel "
        "form of the paper it is positive."
    ),
    "qrnn": sentence(
        "The convolution has a width of 1; the paper uses 2 and more. f keeps the old state, as in the paper; in "
        "the code of the authors F is 1 - f."
    ),
    "sru": sentence(
        "The paper multiplies x in the highway by sqrt(1 + 2 exp(b)), with b the initial bias of r; here the "
        "factor is 1. The authors draw W and v from other ranges."
    ),
    "slstm": sentence(
        "There is one head, so U is full. f is a sigmoid, as in the code of the authors; the paper has exp too. "
        "Two biases take the place of one. At the first step the authors set m to the net input of i: c and n are "
        "scaled otherwise then, h is the same. Biases of f begin between 3 and 6."
    ),
    "mlstm": sentence(
        "There is one head, and no bias in q, k and v. The paper divides by max(|n^T q|, 1) before memory and "
        "normalizer are scaled by exp(-m), so here 1 becomes exp(-m). In the code of the authors the gates read q, "
        "k and v, the denominator has 1e-6 more, and the memory is transposed."
    ),
    "linear_attention": sentence(
        "The layer f_l and the residual path of equation 20 are left out. There is no 1/sqrt(d) in the paper "
        "either. The code of the authors adds 1e-6 to the denominator."
    ),
    "gated_delta_net": sentence(
        "There is one head with a square memory. Short convolutions and SiLU before q, k and v, and normalization "
        "and gate behind the output are left out. The code of the authors multiplies q by 1/sqrt(d) too, and "
        "begins with other decays: exp(log_decay) below 16, steps between 0.001 and 0.1."
    ),
    "lru": sentence(
        "The complex state is two real ones. gamma begins with sqrt(1 - |lambda|^2) and is trained, as in the "
        "paper. The ring of |lambda| goes from 0.4 to 1 here; in the paper its radii and the largest angle are "
        "chosen for each task."
    ),
    "selective_ssm": sentence(
        "A is discretized by a zero-order hold, exp(delta A), and B by Euler's rule, delta B, as in the code of "
        "the authors; equation 4 of the paper has a zero-order hold for B too. W_delta has full rank; in the paper "
        "it is a product of two thin matrices. Convolution, SiLU, gate and projections around it are left out."
    ),
}
"""What differs, by the name of the cell. `published` says how published code that agrees with the cell was set."""
