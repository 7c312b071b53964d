"""Two ways to compute one recurrence: right ones agree in every style, and a wrong one is told by its terms."""

from functools import partial

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn

RNG = np.random.default_rng(0)
T, B, H = 8, 2, 3
PARAMS = {k: p.data for k, p in nn.init.min_gru(RNG, H, H).items()}
XS = RNG.standard_normal((T, B, H))
RESET = np.ones((T, 1, 1))
RESET[5] = 0


def gates(p, xs):
    z, n = np.split(xs @ p["weight_ih"].T + p["bias_ih"], 2, axis=-1)
    z = tg.sigmoid(z)
    return 1 - z, z * n


def loop(p, xs, keep=None):
    A, b = gates(p, xs)
    h, hs = np.zeros(b.shape[1:]), []
    for t in range(len(xs)):
        h = A[t] * (h if keep is None else h * keep[t]) + b[t]
        hs.append(h)
    return np.stack(hs)


def hillis_steele(p, xs, keep=None, operator=lambda A2, b2, A1, b1: (A2 * A1, A2 * b1 + b2), change=None):
    A, b = gates(p, xs)
    A = A if keep is None else A * keep
    A, b = change(A, b) if change else (A, b)
    d = 1
    while d < len(xs):
        later, step = operator(A[d:], b[d:], A[:-d], b[:-d])
        A, b = np.concatenate([A[:d], later]), np.concatenate([b[:d], step])
        d *= 2
    return b


def by_quotients(p, xs):
    """h_t = P_t * sum_k b_k / P_k with P the products of A: right, and poor where P is small."""
    A, b = gates(p, xs)
    P = np.exp(np.cumsum(np.log(A), axis=0))
    return P * np.cumsum(b / P, axis=0)


def powers(p, xs):
    """The whole sum, written out with a matrix of weights for each pair of steps."""
    A, b = gates(p, xs)
    logs = np.cumsum(np.log(A), axis=0)
    n = len(xs)
    weights = np.where(np.tri(n)[:, :, None, None] > 0, np.exp(np.minimum(logs[:, None] - logs[None], 0)), 0)
    return (weights * b[None]).sum(axis=1)


RIGHT = [hillis_steele, by_quotients, powers, partial(nn.scan, nn.min_gru), partial(nn.unroll, nn.min_gru)]
NAMES = ["Hillis and Steele", "quotients", "written out", "nn.scan", "nn.unroll"]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("steps", [1, 2, 3, 8])
@pytest.mark.parametrize("path", RIGHT, ids=NAMES)
def test_right_paths_of_any_style_agree(path, steps, dtype):
    params = {k: p.astype(dtype) for k, p in PARAMS.items()}
    found = bptt.compare_paths(loop, path, params, XS[:steps].astype(dtype))
    assert found, str(found)
    assert "agree at all" in str(found)


@pytest.mark.parametrize("name", ["min_lstm", "qrnn", "linear_attention", "lru", "selective_ssm"])
def test_the_cells_agree_with_their_scans(name):
    cell, params = getattr(nn, name), getattr(nn.init, name)(np.random.default_rng(1), 3, 4)
    state = nn.unroll(cell, params, XS[:2])[1]
    state = tuple(s.data for s in state) if isinstance(state, tuple) else state.data
    paths = partial(nn.unroll, cell), partial(nn.scan, cell)
    assert bptt.compare_paths(*paths, params, XS[:4])
    assert bptt.compare_paths(*paths, params, XS[:3], state)


def with_reset(p, xs):
    return loop(p, xs, RESET)


@pytest.mark.parametrize(
    ("path", "reference", "first", "words"),
    [
        (
            partial(hillis_steele, operator=lambda A2, b2, A1, b1: (A2 * A1, A1 * b1 + b2)),
            loop,
            1,
            "look at A, what a step keeps of the state",
        ),
        (
            partial(hillis_steele, operator=lambda A2, b2, A1, b1: (A2 + A1, A2 * b1 + b2)),
            loop,
            2,
            "look at the associative operator",
        ),
        (
            partial(hillis_steele, operator=lambda A2, b2, A1, b1: (A2, A2 * b1 + b2)),
            loop,
            2,
            "look at the associative operator",
        ),
        (partial(hillis_steele, change=lambda A, b: (A, 1.1 * b)), loop, 0, "look at b, what a step adds"),
        (partial(hillis_steele, change=lambda A, b: (0.9 * A, b)), loop, 1, "look at A, what a step keeps"),
        (hillis_steele, with_reset, 5, "the second path carries the state past step 5"),
        (partial(hillis_steele, keep=RESET), loop, 5, "the first path carries the state past step 5"),
        (lambda p, xs: loop(p, xs) + 0.1 * loop(p, xs)[::-1], loop, 0, "it is not causal"),
        (lambda p, xs: loop(p, xs) + 0.01, loop, 0, "look at the initial state, or at a constant"),
    ],
    ids=["order", "sum of A", "A dropped", "b", "A", "no reset", "one reset too many", "not causal", "constant"],
)
def test_a_wrong_path_is_told_by_its_terms(path, reference, first, words):
    found = bptt.compare_paths(reference, path, PARAMS, XS)
    assert not found
    assert found.first == first
    assert words in str(found)
    with tg.speak("zh"):
        assert "the" not in str(found)
    assert found._repr_html_().count(f"part at step {first}") == 1


def test_a_path_without_a_gradient_is_told_by_its_terms():
    def cut(p, xs):
        return loop(p, xs) - loop(p, xs) + loop(p, xs).detach()

    found = bptt.compare_paths(loop, cut, PARAMS, XS)
    assert found.first is None
    assert str(found).startswith("the outputs of the two paths agree, and their gradients do not")


@pytest.mark.slow
def test_a_path_in_float32_that_overflows_is_called_rounding():
    """The quotients of products underflow in float32 after some hundred steps."""
    single = {k: p.astype("float32") for k, p in PARAMS.items()}
    xs = np.random.default_rng(3).standard_normal((300, 1, H)).astype("float32")
    found = bptt.compare_paths(loop, by_quotients, single, xs)
    assert not found
    assert 50 < found.first < 300
    assert not found.precise or "in float64 the two paths agree" in str(found)


def test_a_path_that_overflows_is_not_called_wrong():
    """The quotients of products are right until they overflow: no operator is wrong, and nothing reads ahead."""
    xs = np.random.default_rng(3).standard_normal((60, 1, H))
    strong = PARAMS | {"bias_ih": PARAMS["bias_ih"] + np.repeat([30, 0], H)}
    found = bptt.compare_paths(loop, by_quotients, strong, xs)
    t = found.finite[1]
    assert not found
    assert found.finite[0] == 60 > t > 10
    assert not found.wrong.any()
    assert f"the outputs of the second path are not finite from step {t} on" in str(found)
    assert "causal" not in str(found)
    assert "look at" not in str(found)
    with tg.speak("zh"):
        assert f"第二种算法的输出从时刻 {t} 起不是有限数" in str(found)


def test_a_path_with_a_derivative_that_is_not_finite_is_told():
    def rooted(p, xs):
        return loop(p, xs) + np.sqrt(xs * 0)

    found = bptt.compare_paths(loop, rooted, PARAMS, XS)
    assert not found
    assert found.sloped == (True, False)
    assert "the derivatives of the second path are not finite, though its outputs are" in str(found)
    assert "causal" not in str(found)


def test_parameters_of_any_depth():
    nested = {"lower": {"cell": PARAMS}, "scale": [np.array(2.0)]}

    def path(p, xs, by=1.0):
        return loop(p["lower"]["cell"], xs) * p["scale"][0] * by

    assert bptt.compare_paths(path, path, nested, XS)
    found = bptt.compare_paths(path, partial(path, by=1.1), nested, XS)
    assert set(found.parameters) == {"lower.cell.weight_ih", "lower.cell.bias_ih", "scale.0"}


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match=r"outputs of shapes \(8, 2, 3\) and \(2, 3\), for 8 steps"):
        bptt.compare_paths(loop, lambda p, xs: loop(p, xs)[-1], PARAMS, XS)
    with pytest.raises(TypeError, match="the outputs are a ndarray"):
        bptt.compare_paths(loop, lambda p, xs: loop(p, xs).data, PARAMS, XS)
    with pytest.raises(TypeError, match=r"compare_paths: scan is a int\ngive a function"):
        bptt.compare_paths(loop, 3, PARAMS, XS)
    with pytest.raises(TypeError, match=r"compare_paths: x is int64, and the terms are derivatives\ngive floats"):
        bptt.compare_paths(loop, loop, PARAMS, np.ones((T, B, H), int))
    with pytest.raises(ValueError, match="the outputs of both paths are not finite at step 0"):
        bptt.compare_paths(loop, loop, PARAMS, XS * np.nan)
