"""PyTorch as a competitor: its own layers, and its elementary operations one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_rnn.bench.competitor import Competitor
from tinygrad_rnn.bench.problem import Leaves, Problem

Torch = Any
"""The module torch: it has no types where it is not installed."""

TorchTensor = Any
Step = tuple[TorchTensor, tuple[TorchTensor, ...]]
"""The loss and the gradients of one training step."""

WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def layers(problem: Problem, threads: int) -> Competitor[Step]:
    """Return PyTorch's nn.RNN, nn.LSTM or nn.GRU."""
    torch, leaves = _leaves(problem, threads)
    _, _, I, H = problem.sizes
    kinds = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}
    layer = kinds[problem.cell](I, H)
    layer.to(leaves["x"].dtype)
    for name in WEIGHTS:
        parameter = getattr(layer, f"{name}_l0")
        parameter.data.copy_(leaves[name].data)
        leaves[name] = parameter

    def outputs() -> TorchTensor:
        state = tuple(leaves[name][None] for name in ("h0", "c0") if name in leaves)
        return layer(leaves["x"], state if len(state) > 1 else state[0])[0]

    return _competitor(torch, problem, leaves, outputs)


def operations(problem: Problem, threads: int) -> Competitor[Step]:
    """Return a loop over time of products, sums and nonlinearities, in ordinary forward code."""
    torch, leaves = _leaves(problem, threads)
    cell = _CELLS[problem.cell]

    def outputs() -> TorchTensor:
        state = tuple(leaves[name] for name in ("h0", "c0") if name in leaves)
        W, U, b, v = (leaves[name] for name in WEIGHTS)
        hs = []
        for x in leaves["x"].unbind(0):
            state = cell(torch, x @ W.T + b, state[0] @ U.T + v, *state)
            hs.append(state[0])
        return torch.stack(hs)

    return _competitor(torch, problem, leaves, outputs)


def _rnn(torch: Torch, of_x: TorchTensor, of_h: TorchTensor, h: TorchTensor) -> tuple[TorchTensor, ...]:
    return (torch.tanh(of_x + of_h),)


def _lstm(
    torch: Torch, of_x: TorchTensor, of_h: TorchTensor, h: TorchTensor, c: TorchTensor
) -> tuple[TorchTensor, ...]:
    i, f, g, o = (of_x + of_h).chunk(4, -1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def _gru(torch: Torch, of_x: TorchTensor, of_h: TorchTensor, h: TorchTensor) -> tuple[TorchTensor, ...]:
    (x_r, x_z, x_n), (h_r, h_z, h_n) = of_x.chunk(3, -1), of_h.chunk(3, -1)
    r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
    n = torch.tanh(x_n + r * h_n)
    return ((1 - z) * n + z * h,)


_CELLS: dict[str, Callable[..., tuple[TorchTensor, ...]]] = {"rnn": _rnn, "lstm": _lstm, "gru": _gru}


def _leaves(problem: Problem, threads: int) -> tuple[Torch, dict[str, TorchTensor]]:
    import torch

    torch.set_num_threads(threads)
    return torch, {name: torch.tensor(value, requires_grad=True) for name, value in problem.leaves.items()}


def _competitor(
    torch: Torch, problem: Problem, leaves: dict[str, TorchTensor], outputs: Callable[[], TorchTensor]
) -> Competitor[Step]:
    """Return the step that runs `outputs`, then the loss, then backward."""
    targets, wanted = torch.tensor(problem.targets), [leaves[name] for name in problem.leaves]

    def step() -> Step:
        loss = torch.nn.functional.mse_loss(outputs(), targets)
        return loss, torch.autograd.grad(loss, wanted)

    def read(made: Step) -> tuple[float, Leaves]:
        loss, gradients = made
        return loss.item(), {name: g.numpy() for name, g in zip(problem.leaves, gradients, strict=True)}

    return Competitor(step, read)
