"""Layers of PyTorch and functions of JAX: their own backward pass, in their own precision, is what is examined."""

import numpy as np
import pytest

from tinygrad_rnn import bptt

RNG = np.random.default_rng(0)
X, H, C = RNG.normal(size=(5, 2, 3)), RNG.normal(size=(1, 2, 4)), RNG.normal(size=(1, 2, 4))
RECURRENT = {
    "RNN": (X, H),
    "GRU": (X,),
    "LSTM": (X, H, C),
    "LSTMCell": (X[0], H[0], C[0]),
}


@pytest.fixture
def torch():
    package = pytest.importorskip("torch")
    package.manual_seed(0)
    return package


@pytest.mark.needs_torch
@pytest.mark.parametrize("kind", RECURRENT)
@pytest.mark.parametrize("precision", [pytest.param("float32", marks=pytest.mark.slow), "float64"])
def test_layers_of_pytorch_are_right_against_the_tape(torch, kind, precision):
    module = getattr(torch.nn, kind)(3, 4).to(getattr(torch, precision))
    found = bptt.examine(bptt.adapters.torch(module), *RECURRENT[kind]).check()
    assert found.method == "tape"
    assert len(found.gradients) == 4 + len(RECURRENT[kind])
    assert any("float32" in words for words in found.conventions) == (precision == "float32")


@pytest.mark.slow
@pytest.mark.needs_torch
def test_layers_and_directions_of_an_lstm(torch):
    module = torch.nn.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True).double()
    assert bptt.examine(bptt.adapters.torch(module), X.transpose(1, 0, 2)).check().method == "tape"


@pytest.mark.slow
@pytest.mark.needs_torch
@pytest.mark.parametrize("right", [True, False])
def test_a_backward_of_one_s_own_in_pytorch(torch, right):
    class Tanh(torch.autograd.Function):
        @staticmethod
        def forward(ctx, z):
            ctx.save_for_backward(z, torch.tanh(z))
            return torch.tanh(z)

        @staticmethod
        def backward(ctx, g):
            z, y = ctx.saved_tensors
            return g * (1 - (y if right else z) ** 2)

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.W = torch.nn.Parameter(0.5 * torch.randn(4, 3))
            self.U = torch.nn.Parameter(0.5 * torch.randn(4, 4))

        def forward(self, x, h):
            hs = []
            for step in x:
                h = Tanh.apply(step @ self.W.T + h @ self.U.T)
                hs.append(h)
            return torch.stack(hs)

    found = bptt.examine(bptt.adapters.torch(Net()), X, H[0])
    assert bool(found) is right
    assert set(found.gradients) == {"W", "U", "x", "h0"}


@pytest.mark.slow
@pytest.mark.needs_torch
def test_bfloat16_is_judged_at_its_own_rounding(torch):
    pytest.importorskip("ml_dtypes")
    module = torch.nn.RNN(3, 4).bfloat16()
    assert bptt.examine(bptt.adapters.torch(module), X, H).check()


@pytest.mark.parametrize("right", [True, False])
def test_a_vjp_of_one_s_own_in_jax(right):
    jax = pytest.importorskip("jax")
    numpy = jax.numpy

    @jax.custom_vjp
    def tanh(z):
        return numpy.tanh(z)

    tanh.defvjp(lambda z: (numpy.tanh(z), (z, numpy.tanh(z))), lambda kept, g: (g * (1 - kept[right] ** 2),))

    def f(params, x, h):
        def step(h, x):
            h = tanh(x @ params["W"] + h @ params["U"])
            return h, h

        return jax.lax.scan(step, h, x)[1]

    rng = np.random.default_rng(1)
    params = {"W": np.float32(rng.normal(size=(3, 4))), "U": np.float32(0.5 * rng.normal(size=(4, 4)))}
    found = bptt.examine(bptt.adapters.jax(f, params), np.float32(X), np.float32(H[0]))
    assert bool(found) is right
    assert set(found.gradients) == {"W", "U", "x", "h0"}
