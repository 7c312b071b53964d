"""RNNCell, LSTMCell and GRUCell: one number at a time, PyTorch's numbers, and what they refuse."""

import functools
import math
import re

import numpy as np
import pytest
from cells import EVERY

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn

CELLS = [
    nn.RNNCell(3, 4),
    nn.RNNCell(3, 4, nonlinearity="relu"),
    nn.RNNCell(3, 4, bias=False),
    nn.RNNCell(1, 1),
    nn.LSTMCell(3, 4),
    nn.LSTMCell(3, 4, bias=False),
    nn.LSTMCell(1, 1),
    nn.GRUCell(3, 4),
    nn.GRUCell(3, 4, False),
    nn.GRUCell(1, 1),
]


def sigma(v):
    return 1 / (1 + math.exp(-v))


def by_numbers(cell, p, x, h, c):
    """One example: lists of numbers in, the new h and c out, from the equations in PyTorch's documentation."""
    H = cell.hidden_size

    def z(gate, unit, part):
        row = gate * H + unit
        weight, values = (p["weight_ih"], x) if part == "ih" else (p["weight_hh"], h)
        total = sum(weight[row][j] * values[j] for j in range(len(values)))
        return total + (p[f"bias_{part}"][row] if cell.bias else 0.0)

    def both(gate, unit):
        return z(gate, unit, "ih") + z(gate, unit, "hh")

    if isinstance(cell, nn.RNNCell):
        f = math.tanh if cell.nonlinearity == "tanh" else lambda v: max(v, 0.0)
        return [f(both(0, u)) for u in range(H)], c
    if isinstance(cell, nn.GRUCell):
        new = []
        for u in range(H):
            r, update = sigma(both(0, u)), sigma(both(1, u))
            n = math.tanh(z(2, u, "ih") + r * z(2, u, "hh"))
            new.append((1 - update) * n + update * h[u])
        return new, c
    cells = [sigma(both(1, u)) * c[u] + sigma(both(0, u)) * math.tanh(both(2, u)) for u in range(H)]
    return [sigma(both(3, u)) * math.tanh(cells[u]) for u in range(H)], cells


def drawn(cell, batch, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    params = {name: rng.uniform(-1, 1, shape).astype(dtype) for name, shape in cell.shapes().items()}
    sizes = [cell.input_size, cell.hidden_size, cell.hidden_size]
    return params, *(rng.standard_normal((*batch, size)).astype(dtype) for size in sizes)


def run(cell, params, x, h, c):
    found = cell(params, x, (h, c)) if isinstance(cell, nn.LSTMCell) else (cell(params, x, h),)
    return [np.asarray(s.data if isinstance(s, tg.Tensor) else s) for s in found]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("batch", [(), (1,), (3,)])
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_one_step_is_the_equations(cell, batch, dtype):
    params, x, h, c = drawn(cell, batch, dtype)
    found = run(cell, params, x, h, c)
    for value in found:
        assert value.shape == h.shape
        assert value.dtype == dtype
    plain = {name: p.tolist() for name, p in params.items()}
    for k in range(max(batch, default=1)):
        own = [v.reshape(-1, v.shape[-1])[k].tolist() for v in (x, h, c)]
        expected = by_numbers(cell, plain, *own)[: len(found)]
        for value, numbers in zip(found, expected, strict=True):
            tolerance = 1e-13 if dtype == np.float64 else 2e-6
            np.testing.assert_allclose(value.reshape(-1, h.shape[-1])[k], numbers, rtol=tolerance, atol=tolerance)
    zeros = run(cell, params, x, np.zeros_like(h), np.zeros_like(c))
    bare = cell(params, x)
    for value, expected in zip(bare if isinstance(bare, tuple) else (bare,), zeros, strict=True):
        np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_unrolled_it_is_the_layer(cell):
    layer = getattr(nn, type(cell).__name__.removesuffix("Cell"))
    more = {"nonlinearity": cell.nonlinearity} if isinstance(cell, nn.RNNCell) else {}
    layer = layer(cell.input_size, cell.hidden_size, bias=cell.bias, **more)
    params, _, h, c = drawn(cell, (2,))
    x = np.random.default_rng(1).standard_normal((7, 2, cell.input_size))
    state = (h, c) if isinstance(cell, nn.LSTMCell) else h
    hs, last = nn.unroll(cell, params, x, state, lengths=[7, 4])
    start = (h[None], c[None]) if isinstance(cell, nn.LSTMCell) else h[None]
    expected, ends = layer(nn.weights.for_layer(params), x, start, lengths=[7, 4])
    np.testing.assert_array_equal(hs, expected)
    np.testing.assert_array_equal(np.array(last), np.array(ends).reshape(np.shape(last)))


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_gradients_and_names_of_the_gates(cell):
    params, x, h, c = drawn(cell, (2,), seed=3)
    if getattr(cell, "nonlinearity", "tanh") == "tanh":
        states = (h, c) if isinstance(cell, nn.LSTMCell) else (h,)
        tg.check_grads(lambda p, x, *s: cell(p, x, *s), (params, x, *states), order=1)
    with tg.Tape() as tape:
        cell(cell.init(np.random.default_rng(0)), x)
    assert tape.find("h").shape == (2, cell.hidden_size)


@pytest.mark.parametrize("cell", [nn.RNNCell(3, 4), nn.LSTMCell(3, 4), nn.GRUCell(3, 4)], ids=str)
def test_it_is_a_cell_like_the_functions(cell):
    """The comparison puts complex steps through it; a compiled loss with it gives the same numbers."""
    params, x = cell.init(np.random.default_rng(0)), np.random.default_rng(1).standard_normal((5, 2, 3))
    assert bptt.compare(cell, params, x)
    arrays, classes = nn.weights.arrays(params), np.random.default_rng(2).integers(0, 4, (5, 2))

    def loss(params, x, classes):
        hs, _ = nn.unroll(cell, params, x)
        return nn.cross_entropy(hs, classes, weight=np.array([1.0, 2.0, 0.5, 3.0]), label_smoothing=0.1)

    value, gradient = tg.value_and_grad(lambda p: loss(p, x, classes))(arrays)
    again, compiled = tg.compile(loss)(arrays, x, classes)
    np.testing.assert_allclose(again, value, rtol=1e-14)
    for name, g in gradient.items():
        np.testing.assert_allclose(compiled[name], g, rtol=1e-12, atol=1e-14)


@pytest.mark.needs_torch
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_the_same_as_pytorch(cell):
    torch = pytest.importorskip("torch")
    more = {"nonlinearity": cell.nonlinearity} if isinstance(cell, nn.RNNCell) else {}
    theirs = getattr(torch.nn, type(cell).__name__)(cell.input_size, cell.hidden_size, bias=cell.bias, **more).double()
    assert {name: tuple(p.shape) for name, p in theirs.state_dict().items()} == cell.shapes()
    params = nn.weights.from_torch(theirs.state_dict())
    for batch in ((), (1,), (3,)):
        _, x, h, c = drawn(cell, batch)
        x_t, h_t, c_t = (torch.tensor(v, requires_grad=True) for v in (x, h, c))
        given = (h_t, c_t) if isinstance(cell, nn.LSTMCell) else h_t
        expected = theirs(x_t, given)
        expected = expected if isinstance(expected, tuple) else (expected,)
        leaves = {name: tg.Tensor(p) for name, p in params.items()} | {"x": tg.Tensor(x), "h": tg.Tensor(h)}
        with tg.Tape() as tape:
            found = cell(leaves, leaves["x"], leaves["h"], *([tg.Tensor(c)] if isinstance(cell, nn.LSTMCell) else []))
            found = found if isinstance(found, tuple) else (found,)
            loss = sum((s**2).sum() for s in found)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a.data, b.detach().numpy(), rtol=1e-13, atol=1e-14)
        theirs.zero_grad()
        sum((s**2).sum() for s in expected).backward()
        gradients = tape.gradient(loss, leaves)
        for name, p in theirs.named_parameters():
            np.testing.assert_allclose(gradients[name], p.grad.numpy(), rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(gradients["x"], x_t.grad.numpy(), rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(gradients["h"], h_t.grad.numpy(), rtol=1e-12, atol=1e-13)


# ---------------------------------------------------------------------------------------------- wrong input


def refused(*words):
    return pytest.raises(ValueError, match="(?s)" + ".*".join(re.escape(word) for word in words))


@pytest.mark.parametrize("cell", [nn.RNNCell(3, 4), nn.LSTMCell(3, 4), nn.GRUCell(3, 4)], ids=str)
def test_what_does_not_fit_is_refused(cell):
    kind, plain = type(cell).__name__, type(cell).__name__.removesuffix("Cell").lower()
    params, x, h, _ = drawn(cell, (3,))
    with refused(kind, "lack bias_hh"):
        cell({name: p for name, p in params.items() if name != "bias_hh"}, x)
    with refused(kind, "bias_ih, bias_hh would not be used"):
        type(cell)(3, 4, bias=False)(params, x)
    with refused(kind, "weight_ih_l1 would not be used"):
        cell(params | {"weight_ih_l1": params["weight_ih"]}, x)
    with refused(kind, "bias_ih has shape (1,)"):
        cell(params | {"bias_ih": np.ones(1)}, x)
    with refused(f"{kind}: bias_ih is float16, weight_ih is float64"):
        cell(params | {"bias_ih": params["bias_ih"].astype(np.float16)}, x)
    with refused(f"{plain}: x has shape (3, 1)"):
        cell(params, x[:, :1])
    with refused(f"{plain}: the state h has shape (1, 4), x has shape (3, 3)\nexpected h of shape (3, 4)"):
        cell(params, x, h[:1])
    with refused(f"{plain}: the state h has shape (4,), x has shape (3, 3)"):
        cell(params, x, h[0])
    with refused(f"{plain}: the state h has shape (3, 4), x has shape (3,)\nexpected h of shape (4,)"):
        cell(params, x[0], h)
    with refused("integers, at least 1"):
        type(cell)(3, 0)
    with refused("integers, at least 1"):
        type(cell)(3.5, 4)


def test_the_state_of_an_lstm_cell_is_a_pair():
    cell = nn.LSTMCell(3, 4)
    params, x, h, c = drawn(cell, (3,))
    for wrong in ((h,), (h, c, c), []):
        with refused("LSTMCell: the state is not a pair"):
            cell(params, x, wrong)
    with refused("LSTMCell: the state is not a pair"):
        cell(params, x, (h, c), c)
    with refused("lstm: the state c has shape (1, 4)"):
        cell(params, x, h, c[:1])


# ------------------------------------------------------------------------- the plain functions


@pytest.mark.parametrize("name", EVERY)
def test_a_cell_broadcasts_nothing(name):
    cell, x, h = EVERY[name], np.ones((3, 2)), np.ones((3, 4))
    params = nn.weights.arrays(getattr(nn.init, name)(np.random.default_rng(0), 2, 4))
    cell(params, x, h)
    for key, value in params.items():
        for wrong in (np.ones(1), np.array(1.0), np.ones((1, *value.shape)), value[:1], value[..., :1]):
            with refused(f"{name}: "):
                cell({**params, key: wrong}, x, h)
        with pytest.raises(TypeError, match=rf"{name}: {key} is of type list\ngive an array or a Tensor"):
            cell({**params, key: [1.0]}, x, h)
    for wrong in (np.ones((1, 4)), np.ones(4), np.ones((3, 1)), np.array(0.0), np.ones((3, 3, 4)), np.ones((4, 3))):
        with refused(f"{name}: the state h has shape {wrong.shape}"), tg.scope(t=3):
            cell(params, x, wrong)
    for wrong in (np.ones((3, 1)), np.array(1.0), np.ones((2, 3))):
        with refused(f"{name}: x has shape {wrong.shape}, in t=3"), tg.scope(t=3):
            cell(params, wrong, h)
    for key in ("weight_ih", "weight_hh"):
        with refused(f"{name}: the parameters lack {key}; given: ", "\n", "weight_hh"):
            cell({k: v for k, v in params.items() if k != key}, x, h)
    with refused(f"{name}: the parameters lack weight_hh, weight_ih", "the names of a layer end in _l0"):
        cell(nn.weights.for_layer(params), x, h)


def test_another_number_of_gates_or_a_projection_is_refused():
    three, four = (nn.weights.arrays(f(np.random.default_rng(0), 2, 4)) for f in (nn.init.gru, nn.init.lstm))
    with refused("gru: weight_hh has shape (16, 4)\nexpected (12, 4)"):
        nn.gru(four, np.ones((3, 2)))
    with refused("lstm: weight_hh has shape (12, 4)\nexpected (16, 4)"):
        nn.lstm(three, np.ones((3, 2)))
    with refused("lstm: weight_hr has shape (4,)"):
        nn.lstm({**four, "weight_hr": np.ones(4)}, np.ones((3, 2)))
    with refused("coupled_lstm: weight_hh has shape (12, 2)\nexpected (6, 2)"):
        nn.coupled_lstm({**three, "weight_hh": np.ones((12, 2)), "weight_hr": np.ones((2, 4))}, np.ones((3, 2)))


@pytest.mark.parametrize("name", EVERY)
def test_a_cell_takes_its_states_by_name_too(name):
    cell, x, h = EVERY[name], np.ones((3, 2)), np.full((3, 4), 0.5)
    params = nn.weights.arrays(getattr(nn.init, name)(np.random.default_rng(0), 2, 4))
    for found in (cell(params, x, h=h), cell(params=params, x=x, h=h)):
        np.testing.assert_array_equal(np.array(found), np.array(cell(params, x, h)))
    with refused(f"{name}: the state h has shape (3, 1)"):
        cell(params, x, h=h[:, :1])
    with pytest.raises(TypeError, match="multiple values for argument 'h'"):
        cell(params, x, h, h=h)
    with pytest.raises(TypeError, match=f"{name}.. takes from 2 to . positional arguments"):
        cell(params, x, h, h, h)


@pytest.mark.parametrize("name", EVERY)
def test_unroll_refuses_what_does_not_fit_at_any_step(name):
    """An array of inputs has one shape; a list of inputs can change it, and a function around a cell its states."""
    cell, x, h = EVERY[name], np.ones((3, 2)), np.ones((3, 4))
    params = nn.weights.arrays(getattr(nn.init, name)(np.random.default_rng(0), 2, 4))
    with refused(f"{name}: the state h has shape (3, 4), x has shape (1, 2), in t=2"):
        nn.unroll(cell, params, [x, x, x[:1]])
    with refused(f"{name}: the parameters lack weight_ih"):
        nn.unroll(cell, {"weight_hh": params["weight_hh"]}, np.ones((4, 3, 2)))

    @functools.wraps(cell)
    def narrowed(params, x, h, *state):
        return cell(params, x, h if np.all(h == 1) else h[:1], *state)

    with refused(f"{name}: the state h has shape (1, 4), x has shape (3, 2), in t=1"):
        nn.unroll(narrowed, params, np.ones((4, 3, 2)), (h, h)[: len(nn.time_loop.state_names(cell))])


@pytest.mark.parametrize("kind", [np.asarray, tg.Tensor])
def test_unroll_computes_what_the_cell_computes_step_by_step(kind):
    params = nn.weights.arrays(nn.init.rnn(np.random.default_rng(0), 2, 4))
    xs = np.random.default_rng(1).standard_normal((5, 3, 2))

    def doubled(params, x, h=None):
        return nn.rnn(params, 2 * x, h)

    for cell in (nn.rnn, functools.partial(nn.rnn, nonlinearity="relu"), functools.wraps(nn.rnn)(doubled)):
        h, expected = np.zeros((3, 4)), []
        for x in xs:
            h = cell(params, x, h)
            expected.append(h)
        found, last = nn.unroll(cell, params, kind(xs))
        np.testing.assert_array_equal(np.asarray(getattr(found, "data", found)), np.array(expected))
        np.testing.assert_array_equal(np.asarray(getattr(last, "data", last)), h)
