"""Samples of PyTorch's own tests, through PyTorch and through our tape: values and gradients must be the same."""

import importlib
import random

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.core.trees import flattened

VERSION = "2.13."
"""The PyTorch whose samples the tests count; with another one they ask for at least one sample."""


class Left(Exception):  # noqa: N818 - no error: the sample is left out
    """A sample asks for what this project does not have; the text says for what."""


def torch_testing(module):
    """Return (torch, a module of its test tools), the generators seeded; skip where either is not installed."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    pytest.importorskip("expecttest", reason="PyTorch's test tools need expecttest")
    hypothesis = pytest.importorskip("hypothesis", reason="the tests need hypothesis")
    before = hypothesis.settings.get_current_profile_name()
    found = importlib.import_module(f"torch.testing._internal.{module}")
    hypothesis.settings.load_profile(before)  # the import loads a profile of ten examples for everybody
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    return torch, found


def require_count(torch, ran, expected):
    """Require that so many samples ran, so that no suite is empty without a word."""
    assert ran == expected if torch.__version__.startswith(VERSION) else ran > 0, f"{ran} samples ran"


def require_the_same(torch, theirs, ours, args, kwargs):
    """Require that two functions of the same arguments agree: results, and gradients for what asks for them.

    args, kwargs: trees with torch's tensors. `ours` gets Tensors for those that require a gradient and arrays for the
    others, one Tensor for one tensor however often it stands there.
    """
    leaves = {}

    def tensor(x):
        if not x.requires_grad:
            return x, x.numpy().copy()
        if id(x) not in leaves:
            own = x if x.is_leaf else x.detach().clone().requires_grad_()  # nothing in common with another argument
            leaves[id(x)] = own, tg.Tensor(x.detach().numpy().copy())
        return leaves[id(x)]

    def converted(x, side):
        if isinstance(x, torch.Tensor):
            return tensor(x)[side]
        if isinstance(x, torch.dtype) and side:
            return np.dtype(str(x).removeprefix("torch."))
        if isinstance(x, list | tuple):
            return type(x)(converted(item, side) for item in x)
        return {key: converted(item, side) for key, item in x.items()} if isinstance(x, dict) else x

    expected = listed(theirs(*converted(args, 0), **converted(kwargs, 0)))
    rng = np.random.default_rng(0)
    seeds = [rng.uniform(0.5, 1.5, b.shape).astype(str(b.dtype).removeprefix("torch.")) for b in expected]
    with np.errstate(all="ignore"):  # at poles PyTorch is silent
        with tg.Tape() as tape:
            found = listed(ours(*converted(args, 1), **converted(kwargs, 1)))
            assert len(found) == len(expected)
            for a, b in zip(found, expected, strict=True):
                require_close(a.data if isinstance(a, tg.Tensor) else a, b.detach().numpy())
            walked = [k for k, b in enumerate(expected) if b.requires_grad]
            # A product for each, so that it is a result of the tape even where the function gives back its argument.
            pending = {found[k] * np.ones((), seeds[k].dtype): seeds[k] for k in walked}
        if not pending:
            return
        tensors, of_ours = [t for t, _ in leaves.values()], [t for _, t in leaves.values()]
        gradients = tape.gradient(pending, of_ours)
    outputs, cotangents = [expected[k] for k in walked], [torch.from_numpy(seeds[k]) for k in walked]
    slopes = torch.autograd.grad(outputs, tensors, cotangents, allow_unused=True)
    # `force`: zeros of PyTorch's may have no memory of their own.
    pairs = zip(slopes, of_ours, strict=True)
    wanted = [np.zeros_like(x.data) if slope is None else slope.numpy(force=True) for slope, x in pairs]
    beside = max(map(largest, wanted))
    for gradient, slope in zip(gradients, wanted, strict=True):
        require_close(gradient, slope, beside)


def require_close(found, expected, beside=0.0):
    """Require shape, dtype and numbers; these to a thousand roundings of the largest that stands in the array.

    beside: the largest number of all gradients, of which sixteen roundings are allowed as well: where what a gradient
    is made of cancels, its own size says nothing of rounding.
    """
    found = np.asarray(found)
    assert found.shape == expected.shape
    if expected.dtype.kind != "f":
        np.testing.assert_array_equal(found, expected)
        return
    assert found.dtype == expected.dtype
    finite, eps = np.isfinite(expected), float(np.finfo(expected.dtype).eps)
    np.testing.assert_array_equal(found[~finite], expected[~finite])
    near = eps * (1000 * largest(expected) + 16 * beside)
    np.testing.assert_allclose(found[finite], expected[finite], rtol=1000 * eps, atol=near)


def largest(a):
    """The largest finite number of an array."""
    return float(np.max(np.abs(a), where=np.isfinite(a), initial=0))


def listed(results):
    """The results in a list, however they are nested."""
    return [leaf for _, leaf in flattened(results)[0]]
