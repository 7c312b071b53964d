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
            "in the associative operator, (A2 A1, A1 b1 + b2) stands in the place of (A2 A1, A2 b1 + b2)",
        ),
        (
            partial(hillis_steele, operator=lambda A2, b2, A1, b1: (A2 + A1, A2 * b1 + b2)),
            loop,
            2,
            "in the associative operator, (A2 + A1, A2 b1 + b2) stands in the place of",
        ),
        (
            partial(hillis_steele, operator=lambda A2, b2, A1, b1: (A2, A2 * b1 + b2)),
            loop,
            2,
            "in the associative operator, (A2, A2 b1 + b2) stands in the place of",
        ),
        (
            partial(hillis_steele, operator=lambda A2, b2, A1, b1: (A2 * A1, np.tanh(A2) * b1 + b2)),
            loop,
            1,
            "look at A, what a step keeps of the state before, and at the associative operator",
        ),
        (partial(hillis_steele, change=lambda A, b: (A, 1.1 * b)), loop, 0, "look at b, what a step adds"),
        (partial(hillis_steele, change=lambda A, b: (0.9 * A, b)), loop, 1, "look at A, what a step keeps"),
        (hillis_steele, with_reset, 5, "the second path carries the state past step 5"),
        (partial(hillis_steele, keep=RESET), loop, 5, "the first path carries the state past step 5"),
        (lambda p, xs: loop(p, xs) + 0.1 * loop(p, xs)[::-1], loop, 0, "it is not causal"),
        (lambda p, xs: loop(p, xs) + 0.01, loop, 0, "look at the initial state, or at a constant"),
    ],
    ids=[
        "order",
        "sum of A",
        "A dropped",
        "another A",
        "b",
        "A",
        "no reset",
        "one reset too many",
        "not causal",
        "constant",
    ],
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
    assert "begins anew" not in str(found)


def blelloch(A, b):
    """Up and down a tree, by pairs: the maps of all prefixes."""
    if len(A) == 1:
        return A, b
    pairs = len(A) // 2
    A2, b2 = A[1::2] * A[0 : 2 * pairs : 2], A[1::2] * b[0 : 2 * pairs : 2] + b[1::2]
    P, q = blelloch(A2, b2)
    maps = [(A[0], b[0])]
    for t in range(1, len(A)):
        before = P[(t - 1) // 2], q[(t - 1) // 2]
        maps.append((P[t // 2], q[t // 2]) if t % 2 else (A[t] * before[0], A[t] * before[1] + b[t]))
    return np.stack([m[0] for m in maps]), np.stack([m[1] for m in maps])


def prefixes(A, b, operator=lambda A1, b1, A2, b2: (A2 * A1, A2 * b1 + b2)):
    d = 1
    while d < len(b):
        later, moved = operator(A[:-d], b[:-d], A[d:], b[d:])
        A, b = np.concatenate([A[:d], later]), np.concatenate([b[:d], moved])
        d *= 2
    return A, b


def in_chunks(p, xs, h, size, begin=lambda last, h0: last):
    A, b = gates(p, xs)
    h0, out = h, []
    for start in range(0, len(xs), size):
        P, q = prefixes(A[start : start + size], b[start : start + size])
        out.append(P * h + q)
        h = begin(out[-1][-1], h0)
    return np.concatenate(out)


def of_maps(p, xs, h0, scan=prefixes, state=lambda P, q, h0: P * h0 + q, change=None):
    A, b = gates(p, xs)
    A, b = change(A, b) if change else (A, b)
    return state(*scan(A, b), h0)


def batch_first(p, xs, h0):
    A, b = (np.swapaxes(a, 0, 1) for a in gates(p, xs))
    h, out = h0, []
    for t in range(b.shape[1]):
        h = A[:, t] * h + b[:, t]
        out.append(h)
    return np.swapaxes(np.stack(out, axis=1), 0, 1)


def initial_state_in_front(p, xs, h0):
    A, b = gates(p, xs)
    A, b = np.concatenate([np.ones_like(h0)[None], A]), np.concatenate([h0[None], b])
    return prefixes(A, b)[1][1:]


H0 = RNG.standard_normal((B, H))
WITH_STATE = {
    "Hillis and Steele": of_maps,
    "Blelloch": partial(of_maps, scan=blelloch),
    "chunks of 2": partial(in_chunks, size=2),
    "chunks of 3, which do not divide T": partial(in_chunks, size=3),
    "one chunk": partial(in_chunks, size=20),
    "batch first": batch_first,
    "the initial state in front": initial_state_in_front,
}


@pytest.mark.slow
@pytest.mark.parametrize("path", WITH_STATE.values(), ids=WITH_STATE)
def test_right_scans_with_an_initial_state_agree(path):
    for steps, dtype in ((1, "float64"), (7, "float64"), (8, "float32")):
        params = {k: p.astype(dtype) for k, p in PARAMS.items()}
        found = bptt.compare_paths(
            partial(nn.unroll, nn.min_gru), path, params, XS[:steps].astype(dtype), H0.astype(dtype)
        )
        assert found, str(found)


def shifted(by):
    return lambda A, b: (np.concatenate([A[1:], A[-1:]] if by > 0 else [A[:1], A[:-1]]), b)


def operator(made):
    return partial(of_maps, scan=partial(prefixes, operator=made))


WRONG_SCANS = {
    "no initial state": (partial(of_maps, state=lambda P, q, h0: q), "the initial state is missing"),
    "no product for it": (
        partial(of_maps, state=lambda P, q, h0: q + h0),
        "the initial state is added to every output, without the product",
    ),
    "exclusive": (
        partial(of_maps, state=lambda P, q, h0: np.concatenate([h0[None], (P * h0 + q)[:-1]])),
        "an exclusive scan stands in the place",
    ),
    "decay of t+1": (partial(of_maps, change=shifted(1)), "at step t stands A of step t+1"),
    "decay of t-1": (partial(of_maps, change=shifted(-1)), "at step t stands A of step t-1"),
    "1 - A": (partial(of_maps, change=lambda A, b: (1 - A, b)), "1 - A stands in the place of A"),
    "A (h + b)": (partial(of_maps, change=lambda A, b: (A, A * b)), "b is added before the product with A"),
    "order of the pair": (
        operator(lambda A1, b1, A2, b2: (A2 * A1, A1 * b2 + b1)),
        "(A2 A1, A1 b2 + b1) stands in the place of",
    ),
    "A1 for A2": (
        operator(lambda A1, b1, A2, b2: (A2 * A1, A1 * b1 + b2)),
        "(A2 A1, A1 b1 + b2) stands in the place of",
    ),
    "A1 forgotten": (operator(lambda A1, b1, A2, b2: (A2, A2 * b1 + b2)), "(A2, A2 b1 + b2) stands in the place of"),
    "chunks from zeros": (
        partial(in_chunks, size=4, begin=lambda last, h0: 0 * h0),
        "past step 4, at which the second",
    ),
    "chunks from h0": (partial(in_chunks, size=4, begin=lambda last, h0: h0), "past step 4, at which the second"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("path", "words"), WRONG_SCANS.values(), ids=WRONG_SCANS)
def test_a_wrong_scan_is_named_by_the_outputs_that_it_gives(path, words):
    found = bptt.compare_paths(partial(nn.unroll, nn.min_gru), path, PARAMS, XS, H0)
    assert words in str(found.mistakes[0]), str(found)
    assert len(found.mistakes) == 1
    with tg.speak("zh"):
        assert "the" not in str(found)


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
