"""The cells of `nn` in published code: what it computes from our parameters, inputs and states.

A function takes params, xs (T, B, I) and the states, Tensors of PyTorch in our names and layout. It returns the outputs
(T, B, H) and the last states in our order; None for the states where the code does not give them. Our parameters are
laid out as the package has them by operations of PyTorch, so that gradients come back in our layout.
"""

from __future__ import annotations

import torch
from published_loading import called, code
from torch.nn import functional


def torch_rnn(p, xs, h):
    return layer(torch.nn.RNN, p, xs, h)


def torch_irnn(p, xs, h):
    return layer(torch.nn.RNN, p, xs, h, nonlinearity="relu")


def torch_lstm(p, xs, h, c):
    return layer(torch.nn.LSTM, p, xs, h, c)


def torch_gru(p, xs, h):
    return layer(torch.nn.GRU, p, xs, h)


def layer(kind, p, xs, *states, **options):
    start = tuple(s[None] for s in states)
    module = kind(xs.shape[-1], states[0].shape[-1], **options)
    values = {f"{name}_l0": value for name, value in p.items()}
    outputs, last = called(module, values, xs, start if len(start) > 1 else start[0])
    return outputs, [s[0] for s in (last if isinstance(last, tuple) else (last,))]


def torch_coupled_lstm(p, xs, h, c):
    """Its gates are f, g, o; sigmoid(-z_f) = 1 - f is the input gate."""
    tied = {}
    for name, value in p.items():
        f, g, o = value.chunk(3)
        tied[name] = torch.cat([-f, f, g, o])
    return torch_lstm(tied, xs, h, c)


def steps(step, xs, *states):
    """Run step(x, *states) -> states over time."""
    outputs = []
    for x in xs:
        states = step(x, *states)
        outputs.append(states[0])
    return torch.stack(outputs), list(states)


def recurrent(kind, values, xs, h, *more, **options):
    """A cell of torchrecurrent."""
    module = getattr(code(f"torchrecurrent.cells.{kind.lower()}_cell"), f"{kind}Cell")(
        xs.shape[-1], h.shape[-1], **options
    )
    if more:
        return steps(lambda x, *states: called(module, values, x, states), xs, h, *more)
    return steps(lambda x, h: (called(module, values, x, h),), xs, h)


def fast_rnn(p, xs, h, new, old):
    """sigmoid(alpha) * candidate + sigmoid(beta) * h, where the two are `new` and `old`."""
    factors = {"alpha": torch.logit(torch.tensor([new])), "beta": torch.logit(torch.tensor([old]))}
    return recurrent("FastRNN", p | factors, xs, h)


def residual_rnn(p, xs, h):
    return fast_rnn(p, xs, h, 1.0, 1.0)


def leaky_rnn(p, xs, h):
    return fast_rnn(p, xs, h, 0.2, 0.8)


def peephole_lstm(p, xs, h, c):
    values = {name: value for name, value in p.items() if not name.startswith("weight_c")}
    values["weight_ph"] = torch.cat([p["weight_ci"], p["weight_cf"], p["weight_co"]])
    return recurrent("PeepholeLSTM", values, xs, h, c)


def mgu(p, xs, h):
    return recurrent("MGU", p, xs, h)


def ind_rnn(p, xs, h):
    values = {"weight_ih": p["weight_ih"], "vector_u": p["weight_hh"], "bias_ih": p["bias_ih"]}
    return recurrent("IndRNN", values | {"bias_hh": torch.zeros_like(h[0])}, xs, h, nonlinearity="relu")


def layer_norm_lstm(p, xs, h, c):
    """Its gates are i, g, f, o, its matrices the transposes."""
    module = code("haste_pytorch.layer_norm_lstm").LayerNormLSTM(xs.shape[-1], h.shape[-1])

    def ordered(value):
        i, f, g, o = value.chunk(4)
        return torch.cat([i, g, f, o])

    values = {
        "kernel": ordered(p["weight_ih"]).T,
        "recurrent_kernel": ordered(p["weight_hh"]).T,
        "bias": ordered(p["bias_ih"] + p["bias_hh"]),
        "gamma": torch.stack([ordered(p["gain_ih"]), ordered(p["gain_hh"])]),
        "gamma_h": p["gain_c"],
        "beta_h": p["bias_c"],
    }
    outputs, (h, c) = called(module, values, xs, (h[None], c[None]))
    return outputs, [h[0], c[0]]


def gru_textbook(p, xs, h):
    """Its update gate is 1 - z. One layer reads h beside x, and has one bias."""
    module = code("tracetorch.rnn._gru").GRU(xs.shape[-1], h.shape[-1])
    weight = torch.cat([p["weight_hh"], p["weight_ih"]], dim=1)
    bias = p["bias_ih"] + p["bias_hh"]
    (r, z, n), (b_r, b_z, b_n) = weight.chunk(3), bias.chunk(3)
    values = {
        "gate_layers.weight": torch.cat([r, -z]),
        "gate_layers.bias": torch.cat([b_r, -b_z]),
        "candidate_layer.weight": n,
        "candidate_layer.bias": b_n,
    }

    def step(x, h):
        module.H = h
        return (called(module, values, x),)

    return steps(step, xs, h)


def min_gru(p, xs, h):
    """One step at a time."""
    z, n = with_bias(p, 2)
    return steps(minimal("minGRU", "to_hidden_and_gate", torch.cat([n, z])), ones_beside(xs), h)


def min_gru_scan(p, xs, h):
    """All steps at once, in log space, where h0 is positive."""
    z, n = with_bias(p, 2)
    outputs, last = minimal("minGRU", "to_hidden_and_gate", torch.cat([n, z]))(ones_beside(xs), h, at_once=True)
    return outputs, [last]


def min_lstm(p, xs, h):
    """One step at a time."""
    f, i, n = with_bias(p, 3)
    return steps(minimal("minLSTM", "to_hidden_and_f_i_gate", torch.cat([n, f, i])), ones_beside(xs), h)


def min_lstm_scan(p, xs, h):
    """All steps at once, in log space, from zeros: the code takes g(h0) for h0."""
    f, i, n = with_bias(p, 3)
    weight = torch.cat([n, f, i])
    outputs, last = minimal("minLSTM", "to_hidden_and_f_i_gate", weight)(ones_beside(xs), None, at_once=True)
    return outputs, [last]


def with_bias(p, gates):
    """Matrices with the biases as their last column. That of the candidate is less by 1/2: it becomes g(W x + b).

    g(a) is a + 1/2 for positive a; the parameters are drawn so.
    """
    *gates, n = torch.cat([p["weight_ih"], p["bias_ih"][:, None]], dim=1).chunk(gates)
    return *gates, n - 0.5 * functional.one_hot(torch.tensor(n.shape[1] - 1), n.shape[1])


def ones_beside(xs):
    return torch.cat([xs, torch.ones_like(xs[..., :1])], dim=-1)


def minimal(kind, name, weight):
    """A step of a layer of minGRU_pytorch, or all steps at once; the candidates must be positive."""
    hidden, size = weight.shape[0] // (2 if kind == "minGRU" else 3), weight.shape[1]
    module = getattr(code(f"minGRU_pytorch.{kind}"), kind)(size, expansion_factor=hidden / size, proj_out=False)

    def run(x, h, at_once=False):
        assert (x @ weight[:hidden].T > 0).all()
        x = x.transpose(0, 1) if at_once else x[:, None]
        outputs, last = called(module, {f"{name}.weight": weight}, x, h if h is None else h[:, None], True)
        return (outputs.transpose(0, 1), last[:, 0]) if at_once else (last[:, 0],)

    return run


def qrnn(p, xs, h, c):
    """Its f is our 1 - f. The first axis is the batch. c is the output where o is 1: what is given as c is another."""
    attention, logger = "speechbrain.nnet.attention", "speechbrain.utils.logger"
    module = code("speechbrain.nnet.RNN", attention, logger).QuasiRNNLayer(xs.shape[-1], c.shape[-1], False)
    (z, f, o), (b_z, b_f, b_o) = p["weight_ih"].chunk(3), p["bias_ih"].chunk(3)

    def run(o, b_o):
        values = {"w.weight": torch.cat([z, -f, o]), "w.bias": torch.cat([b_z, -b_f, b_o])}
        return called(module, values, xs.transpose(0, 1), c)[0].transpose(0, 1)

    outputs, open_gate = run(o, b_o), torch.full_like(b_o, 100.0)
    return outputs, [outputs[-1], run(torch.zeros_like(o), open_gate)[-1]]


def sru(p, xs, h, c):
    """Its matrices stand side by side, entry by entry."""
    hidden = c.shape[-1]
    cell = code("sru.modules", "torch.utils.cpp_extension", "sru.cuda_functional").SRUCell
    module = cell(xs.shape[-1], hidden, rescale=False)
    stacked = torch.cat([p["weight_ih"], *([p["weight_p"]] if "weight_p" in p else [])])
    blocks = stacked.reshape(-1, hidden, xs.shape[-1])
    values = {"weight": blocks.permute(2, 1, 0).flatten(1), "weight_c": p["weight_c"], "bias": p["bias_ih"]}
    outputs, c = called(module, values, xs, c)
    return outputs, [outputs[-1], c]


def slstm(p, xs, h, c, n, m):
    vanilla = code("xlstm.blocks.slstm.src.vanilla")
    pointwise = code("xlstm.blocks.slstm.src.vanilla.slstm").slstm_forward_pointwise
    states = torch.stack([h, c, n, m])
    inputs, bias = xs @ p["weight_ih"].T, p["bias_ih"] + p["bias_hh"]
    through, last, _ = vanilla.slstm_forward(inputs, states, p["weight_hh"][None], bias, pointwise)
    return through[0, 1:], list(last)


def mlstm(p, xs, h, C, n, m):
    """One step at a time. Its C is k v^T. The output gate is ours."""
    step = code("xlstm.blocks.mlstm.backends").recurrent_step_stabilized_simple

    def one(x, h, C, n, m):
        q, k, v, i, f, o = (a[:, None, None] for a in of_mlstm(p, x))
        y, (C, n, m) = step(C.mT[:, None], n[:, None, :, None], m[:, None, None], q, k, v, i, f, eps=0.0)
        return o[:, 0, 0] * y[:, 0, 0], C[:, 0].mT, n[:, 0, :, 0], m[:, 0, 0]

    return steps(one, xs, h, C, n, m)


def mlstm_parallel(p, xs, h, C, n, m):
    """All steps at once, from zeros: the code has no initial state."""
    q, k, v, i, f, o = (a.transpose(0, 1)[:, None] for a in of_mlstm(p, xs))
    y = code("xlstm.blocks.mlstm.backends").parallel_stabilized_simple(q, k, v, i, f, eps=0.0)
    return (o * y)[:, 0].transpose(0, 1), None


def of_mlstm(p, x):
    """The query, key, value, both gates before their activation, and the output gate."""
    gates = (x @ p[f"weight_{name}"].T + p[f"bias_{name}"] for name in "ifo")
    i, f, o = gates
    return *(x @ p[f"weight_{name}"].T for name in "qkv"), i, f, torch.sigmoid(o)


def linear_attention(p, xs, y, S, z):
    """A factor on q leaves the output as it is; so large, it hides the 1e-10 that is added to the denominator."""
    q, k = (functional.elu(heads(xs @ p[name].T)) + 1 for name in ("weight_q", "weight_k"))
    run = code("fla.ops.linear_attn.naive").naive_recurrent_linear_attn
    start = (S[:, None], z[:, None, None])
    outputs, (S, z) = run(q, k, heads(xs @ p["weight_v"].T), 1e8, start, True, normalize=True)
    return outputs[:, :, 0].transpose(0, 1), [outputs[:, -1, 0], S[:, 0], z[:, 0, 0]]


def gated_delta_net(p, xs, y, S):
    """One step at a time. Its S is the transpose."""
    return delta_rule("naive_recurrent_gated_delta_rule", p, xs, S)


def gated_delta_net_chunk(p, xs, y, S):
    """Four steps at once."""
    return delta_rule("naive_chunk_gated_delta_rule", p, xs, S, chunk_size=4)


def delta_rule(name, p, xs, S, **options):
    q, k, v = (heads(xs @ p[f"weight_{letter}"].T) for letter in "qkv")
    q, k = (a / torch.sqrt((a * a).sum(-1, keepdim=True) + 1e-6) for a in (q, k))
    beta = torch.sigmoid(heads(xs @ p["weight_b"].T))[..., 0]
    gate = code("fla.ops.gated_delta_rule.gate", *KERNELS).naive_gdn_gate
    g = gate(heads(xs @ p["weight_a"].T), p["log_decay"], p["bias_a"], torch.float64)[..., 0]
    run = getattr(code("fla.ops.gated_delta_rule.naive"), name)
    options |= {"scale": 1.0, "initial_state": S.mT[:, None], "output_final_state": True}
    outputs, S = run(q=q, k=k, v=v, beta=beta, g=g, **options)
    return outputs[:, :, 0].transpose(0, 1), [outputs[:, -1, 0], S[:, 0].mT]


KERNELS = ["triton", "triton.language", "fla.backends", "fla.utils"]
KERNELS += [f"fla.ops.utils.{name}" for name in ("cache", "index", "op", "softplus")]
"""What code for GPUs imports that stands beside the references."""


def heads(a):
    """(T, B, H) -> (B, T, 1, H): one head."""
    return a.transpose(0, 1)[:, :, None]


def lru(p, xs, y, re, im):
    """One example at a time. The states are read off by C = 1 and C = -i; D is a whole matrix there."""
    kind, size = code("LRU_pytorch.LRU").LRU, re.shape[-1]
    shared = {name: p[name] for name in ("nu_log", "theta_log", "gamma_log")}
    shared["B"] = torch.complex(p["B_re"], p["B_im"])
    one, none = torch.eye(size), torch.zeros(size, size)

    def run(C, D):
        module = kind(xs.shape[-1], C.shape[0], size)
        examples = zip(xs.unbind(1), torch.complex(re, im), strict=True)
        return torch.stack([called(module, shared | {"C": C, "D": D}, x, h) for x, h in examples], dim=1)

    outputs = run(torch.complex(p["C_re"], p["C_im"]), torch.diag(p["D"]))
    nothing = torch.zeros(size, xs.shape[-1])
    parts = [run(C, nothing)[-1] for C in (torch.complex(one, none), torch.complex(none, -one))]
    return outputs, [outputs[-1], *parts]


def selective_ssm(p, xs, y, h):
    """One step at a time."""
    module, values = mamba(p, xs)

    def step(x, y, h):
        return called(module, values, x, h, method="ssm_step")

    return steps(step, xs, y, h)


def selective_ssm_scan(p, xs, y, h):
    """All steps at once, from zeros, by a parallel scan with a backward of its own."""
    module, values = mamba(p, xs)
    return called(module, values, xs.transpose(0, 1), None, method="ssm").transpose(0, 1), None


def mamba(p, xs):
    """A block whose delta has full rank: one matrix stacks delta, B and C, and a second one is the identity."""
    mamba = code("mambapy.mamba")
    inputs, states = p["A_log"].shape
    module = mamba.MambaBlock(mamba.MambaConfig(inputs, 1, dt_rank=inputs, d_state=states, expand_factor=1))
    values = {"A_log": p["A_log"], "D": p["D"], "dt_proj.bias": p["bias_delta"], "dt_proj.weight": torch.eye(inputs)}
    return module, values | {"x_proj.weight": torch.cat([p["weight_delta"], p["weight_B"], p["weight_C"]])}
