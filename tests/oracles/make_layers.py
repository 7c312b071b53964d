"""Writes layers.npz: PyTorch's outputs, last states and all gradients of its recurrent layers, float64.

    python tests/oracles/make_layers.py        (made with torch 2.13.0)

Inputs and parameters are drawn here from a seed, the same for the test; only PyTorch's answers stand in the file.
"""

from pathlib import Path

import numpy as np

PATH = Path(__file__).with_name("layers.npz")
BATCH, INPUT, HIDDEN = 3, 2, 4


def _configurations():
    """Every argument of the layers, alone and together."""
    for kind in ("RNN", "LSTM", "GRU"):
        for layers in (1, 2, 3):
            for bidirectional in (False, True):
                for T in (1, 2, 7):
                    yield kind, {"num_layers": layers, "bidirectional": bidirectional}, {"T": T}
        yield kind, {"bias": False}, {"T": 7}
        yield kind, {"bias": False, "num_layers": 2, "bidirectional": True}, {"T": 2}
        yield kind, {"batch_first": True}, {"T": 7}
        yield kind, {"batch_first": True, "num_layers": 2, "bidirectional": True}, {"T": 2}
        yield kind, {}, {"T": 7, "unbatched": True}
        yield kind, {"num_layers": 2, "bidirectional": True}, {"T": 2, "unbatched": True}
        yield kind, {}, {"T": 7, "no_state": True}
        yield kind, {}, {"T": 7, "lengths": [4, 7, 1]}
        yield kind, {"num_layers": 2, "bidirectional": True}, {"T": 7, "lengths": [7, 2, 5]}
        yield kind, {"bidirectional": True}, {"T": 7, "lengths": [3, 2, 5], "no_state": True}
        yield kind, {"batch_first": True, "bidirectional": True}, {"T": 7, "lengths": [1, 1, 6]}
    for extra in (
        {},
        {"num_layers": 2},
        {"bidirectional": True},
        {"num_layers": 3, "bidirectional": True, "bias": False},
    ):
        for T in (1, 2, 7):
            yield "LSTM", {"proj_size": 3, **extra}, {"T": T}
    yield "LSTM", {"proj_size": 3, "num_layers": 2, "bidirectional": True}, {"T": 7, "lengths": [7, 2, 5]}
    for T in (1, 2, 7):
        yield "RNN", {"nonlinearity": "relu", "num_layers": 2}, {"T": T}


CONFIGURATIONS = list(_configurations())


def name_of(kind, arguments, run):
    """A configuration in words: the key of its answers in the file."""
    return " ".join([kind, *(f"{key}={value}" for key, value in {**arguments, **run}.items())]).replace(", ", ",")


def drawn(shapes, kind, arguments, run):
    """Parameters of these shapes, x, the initial states (or none), and the cotangents of output and last states."""
    rng = np.random.default_rng(sum(map(ord, name_of(kind, arguments, run))))
    params = {name: rng.uniform(-0.7, 0.7, shape) for name, shape in shapes.items()}
    T, batched = run["T"], not run.get("unbatched")
    batch = (BATCH,) if batched else ()
    x = rng.standard_normal((*batch, T, INPUT) if arguments.get("batch_first") else (T, *batch, INPUT))
    directions = 1 + arguments.get("bidirectional", False)
    count, size = directions * arguments.get("num_layers", 1), arguments.get("proj_size") or HIDDEN
    sizes = [size, HIDDEN] if kind == "LSTM" else [size]
    states = [] if run.get("no_state") else [rng.standard_normal((count, *batch, n)) for n in sizes]
    to_output = rng.standard_normal((*x.shape[:-1], directions * size))
    to_last = [rng.standard_normal((count, *batch, n)) for n in sizes]
    return params, x, states, to_output, to_last


def by_torch(kind, arguments, run):
    """Output, last states, and the gradient by every parameter, x and initial state, by name."""
    import torch

    layer = getattr(torch.nn, kind)(INPUT, HIDDEN, dtype=torch.float64, **arguments)
    shapes = {name: tuple(p.shape) for name, p in layer.named_parameters()}
    params, x, states, to_output, to_last = drawn(shapes, kind, arguments, run)
    layer.load_state_dict({name: torch.tensor(p) for name, p in params.items()})
    leaf = torch.tensor(x, requires_grad=True)
    starts = [torch.tensor(s, requires_grad=True) for s in states]
    start = (tuple(starts) if kind == "LSTM" else starts[0]) if starts else None
    given, batch_first = leaf, arguments.get("batch_first", False)
    if "lengths" in run:
        lengths = torch.tensor(run["lengths"])
        given = torch.nn.utils.rnn.pack_padded_sequence(leaf, lengths, batch_first, enforce_sorted=False)
    output, last = layer(given, start)
    if "lengths" in run:
        output, _ = torch.nn.utils.rnn.pad_packed_sequence(output, batch_first, total_length=run["T"])
    ends = list(last) if kind == "LSTM" else [last]
    torch.autograd.backward([output, *ends], [torch.tensor(g) for g in (to_output, *to_last)])
    found = {"output": output, **{f"last{k}": s for k, s in enumerate(ends)}}
    leaves = {"x": leaf, **{f"state{k}": s for k, s in enumerate(starts)}, **dict(layer.named_parameters())}
    found |= {f"d {name}": p.grad for name, p in leaves.items()}
    return {name: value.detach().numpy() for name, value in found.items()}


if __name__ == "__main__":
    answers = {}
    for configuration in CONFIGURATIONS:
        for name, value in by_torch(*configuration).items():
            answers[f"{name_of(*configuration)}: {name}"] = value.ravel()
    # One array and its table of contents: thousands of small members would each cost more than their numbers.
    ends = np.cumsum([value.size for value in answers.values()])
    np.savez_compressed(PATH, names=np.array(list(answers)), ends=ends, values=np.concatenate(list(answers.values())))
