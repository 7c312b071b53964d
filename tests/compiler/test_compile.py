"""`compile(f)` is `value_and_grad(f)`: what it takes and gives, what stays as it was, and what it refuses."""

import gc

import numpy as np
import pytest
from agreement import require_agreement

import tinygrad_rnn as tg
from tinygrad_rnn import compiler, nn

RNG = np.random.default_rng(0)
W, U, B = RNG.standard_normal((3, 4)), RNG.standard_normal((4, 4)) / 2, RNG.standard_normal(4)
LENGTHS = [1, 2, 3, 7, 35, 36]


def cell(p, x, h):
    return np.tanh(x @ p["W"] + h @ p["U"] + p["b"])


def network(p, xs, y):
    """The loss of a recurrent network at its last step, for xs (T, B, 3) and y (B, 4)."""
    h = np.zeros(y.shape)
    for t in range(len(xs)):
        with tg.scope(t=t):
            h = cell(p, xs[t], h)
    return np.mean((h - y) ** 2)


PARAMS = {"W": W, "U": U, "b": B}


def inputs(T=3, batch=2, seed=1, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((T, batch, 3)).astype(dtype), rng.standard_normal((batch, 4)).astype(dtype)


def agree(f, *calls, argnums=0, has_aux=False, tolerance=None, **kwargs):
    """Each of the calls, compiled and then run again, gives what `value_and_grad` gives."""
    fast, eager = tg.compile(f, argnums, has_aux), tg.value_and_grad(f, argnums, has_aux)
    for _ in range(2):
        for args in calls:
            require_agreement(fast(*args, **kwargs), eager(*args, **kwargs), tolerance)
    return fast


def test_the_comparison_fails_on_what_is_wrong():
    right = (np.array(2.0), {"W": W, "b": [B.astype(np.float32), np.array([np.nan, np.inf, 1.0])]})
    require_agreement(copies(right), right)
    require_agreement(copies(right), right, 0)
    for path, wrong in [
        ((1, "W"), W * (1 + 1e-11)),
        ((1, "W"), W.astype(np.float32)),
        ((1, "W"), W[None]),
        ((1, "W"), W.tolist()),
        ((1, "W"), np.full(W.shape, np.nan)),
        ((1, "b", 0), (B * (1 + 1e-4)).astype(np.float32)),
        ((1, "b", 1), np.array([np.nan, -np.inf, 1.0])),
        ((1, "b", 1), np.array([np.inf, np.nan, 1.0])),
        ((1, "b", 1), np.array([np.nan, np.inf, np.nan])),
    ]:
        value, tree = copies(right)
        place = tree
        for key in path[1:-1]:
            place = place[key]
        place[path[-1]] = wrong
        with pytest.raises(AssertionError):
            require_agreement((value, tree), right)
    with pytest.raises(AssertionError):
        require_agreement((right[0], {"W": W * (1 + 1e-15), "b": right[1]["b"]}), right, 0)
    with pytest.raises(AssertionError):
        require_agreement((right[0], {"W": W}), right)


# ---------------------------------------------------------------------------------------------- what it takes and gives


def test_a_network_by_the_formulas_of_bptt():
    xs, y = inputs(T=7)
    fast = tg.compile(network)
    for seed in (1, 2):
        xs, y = inputs(T=7, seed=seed)
        hs = [np.zeros((2, 4))]
        for x in xs:
            hs.append(np.tanh(x @ W + hs[-1] @ U + B))
        expected, dh = {"W": np.zeros_like(W), "U": np.zeros_like(U), "b": np.zeros_like(B)}, 2 * (hs[-1] - y) / y.size
        for t in reversed(range(7)):
            dz = dh * (1 - hs[t + 1] ** 2)
            expected["W"] += xs[t].T @ dz
            expected["U"] += hs[t].T @ dz
            expected["b"] += dz.sum(axis=0)
            dh = dz @ U.T
        value, gradients = fast(PARAMS, xs, y)
        require_agreement((value, gradients), (np.mean((hs[-1] - y) ** 2), expected))


TREES = {
    "an array": W,
    "a tuple": (W, U),
    "a list": [W, U, B],
    "a dict": {"a": W, "b": U},
    "nested": {"layers": [{"W": W}, {"W": U, "more": (B, {"k": B[0]})}], "s": (B,)},
    "0-d": np.array(0.7),
    "a float": 0.7,
    "a number of NumPy": np.float64(0.7),
    "one array twice": {"a": B, "b": B, "c": [B]},
    "an empty array": {"a": np.zeros((0, 3)), "b": B},
    "a Tensor": {"a": tg.Tensor(B, name="b"), "b": U},
}


@pytest.mark.parametrize("name", TREES)
def test_arguments_are_trees(name):
    def leaves(tree):
        branches = tree.values() if isinstance(tree, dict) else tree
        if not isinstance(tree, dict | list | tuple):
            return [tree]
        return [leaf for branch in branches for leaf in leaves(branch)]

    def f(tree, scale):
        return sum(np.sum(np.tanh(leaf * scale) * (k + 1.0)) for k, leaf in enumerate(leaves(tree)))

    agree(f, (TREES[name], np.array(0.5)), (TREES[name], np.array(0.25)))


def test_a_gradient_is_built_like_its_argument():
    from collections import namedtuple

    Pair = namedtuple("Pair", "a b")
    value, gradient = tg.compile(lambda pair: np.sum(pair.a * pair.b))(Pair(B, B + 1))
    assert type(gradient) is Pair
    assert np.array_equal(gradient.a, B + 1)
    assert value.shape == ()


@pytest.mark.parametrize("argnums", [0, 1, -1, np.int64(1), (0,), (1, 0), (2, 0, 1), [0, 2]])
def test_argnums(argnums):
    def f(a, b, c):
        return np.sum(np.tanh(a @ b) * c["c"])

    agree(f, (W, U, {"c": B}), (W + 1, U, {"c": B * 2}), argnums=argnums)


def test_extra_outputs():
    def f(p, xs, y):
        loss = network(p, xs, y)
        states = nn.unroll(cell, p, xs, np.zeros(y.shape))
        metrics = {"accuracy": np.mean(np.sign(states[1]) == np.sign(y)), "best": np.argmax(y, axis=-1)}
        return loss, (states, metrics, {"steps": len(xs), "name": "rnn", "nothing": None, "input": xs, "p": p["W"]})

    agree(f, (PARAMS, *inputs()), (PARAMS, *inputs(seed=2)), has_aux=True)


def test_keyword_arguments():
    def f(p, xs, *, y, mask=None, how="mean"):
        h = xs[0] @ p["W"]
        return nn.mse(h, y, mask=mask, reduction=how)

    xs, y = inputs()
    fast, eager = tg.compile(f), tg.value_and_grad(f)
    mask = np.array([[True, False, True, True], [False, True, True, False]])
    for options in ({}, {"mask": mask}, {"how": "sum"}, {"mask": ~mask}, {"how": "mean"}, {"mask": mask, "how": "sum"}):
        require_agreement(fast(PARAMS, xs, y=y, **options), eager(PARAMS, xs, y=y, **options))


def test_integers_and_booleans_are_arguments_too():
    rng = np.random.default_rng(2)

    def f(p, indices, targets, mask):
        rows = nn.Embedding(5, 3)({"weight": p["E"]}, indices)
        hs, _ = nn.unroll(cell, p, rows, np.zeros((2, 4)))
        return nn.cross_entropy(hs, targets, mask=mask)

    p = PARAMS | {"E": rng.standard_normal((5, 3))}
    masks = np.ones((2, 3, 2), bool)
    masks[1, 1:, 0] = False
    calls = [(p, rng.integers(0, 5, (3, 2)), rng.integers(0, 4, (3, 2)), mask) for mask in masks]
    fast = agree(f, *calls)
    for wrong in (-1, 5):
        bad = calls[0][1].copy()
        bad[2, 1] = wrong
        with pytest.raises(ValueError, match="Embedding: indices of dtype int64 from"):
            fast(p, bad, *calls[0][2:])
    bad = calls[0][2].copy()
    bad[0, 0] = -1
    with pytest.raises(ValueError, match=r"cross_entropy: targets from -1 to .*, for 4 classes"):
        fast(*calls[0][:2], bad, calls[0][3])
    with pytest.raises(ValueError, match="cross_entropy: the mean over no entries"):
        fast(*calls[0][:3], np.zeros((3, 2), bool))
    require_agreement(fast(*calls[1]), tg.value_and_grad(f)(*calls[1]))


def test_what_is_no_array_is_static():
    def f(x, kind, power, shift, flag, axes):
        y = {"tanh": np.tanh, "square": np.square}[kind](x) ** power
        y = y if shift is None else y + shift
        return np.sum(y if flag else -y, axis=axes).sum()

    fast, eager = tg.compile(f), tg.value_and_grad(f)
    calls = [
        ("tanh", 2, None, True, 0),
        ("square", 2, None, True, 0),
        ("tanh", 3, None, True, 0),
        ("tanh", 2, 0.5, True, 0),
        ("tanh", 2, 0.25, False, 0),
        ("tanh", 2, None, False, (0, 1)),
        ("tanh", 2.0, None, True, 0),
    ]
    for _ in range(2):
        for statics in calls:
            require_agreement(fast(W, *statics), eager(W, *statics))


def test_true_and_one_and_one_point_zero_are_three_static_values():
    def f(x, n):
        return np.sum(x * {bool: 1.0, int: 2.0, float: 3.0}[type(n)])

    fast = tg.compile(f)
    assert [fast(np.ones(1), n)[0].item() for n in (True, 1, 1.0, True, 1.0, 1)] == [1, 2, 3, 1, 3, 2]


@pytest.mark.parametrize("first", [np.float64, np.float32])
def test_new_shapes_and_dtypes(first):
    fast, eager = tg.compile(network), tg.value_and_grad(network)
    second = np.float32 if first is np.float64 else np.float64
    for dtype in (first, second, first):
        for T, batch in ((3, 2), (3, 1), (5, 2), (3, 4), (3, 2)):
            p = {k: v.astype(dtype) for k, v in PARAMS.items()}
            arguments = p, *inputs(T, batch, dtype=dtype)
            require_agreement(fast(*arguments), eager(*arguments), given=arguments)
    mixed = PARAMS | {"W": W.astype(np.float32)}
    require_agreement(fast(mixed, *inputs()), eager(mixed, *inputs()), given=mixed)


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "gru_textbook"])
@pytest.mark.parametrize("order", [LENGTHS, LENGTHS[::-1], [36, 35, 36, 1, 35, 2]], ids=str)
def test_lengths_in_turn(name, order):
    own, params = getattr(nn, name), getattr(nn.init, name.split("_")[0])(np.random.default_rng(0), 3, 4)

    def f(params, xs, y):
        hs, last = nn.unroll(own, params, xs)
        return nn.mse(hs, np.zeros(hs.shape)) + np.sum(hs[-1] * y), last

    agree(f, *((params, *inputs(T, seed=T)) for T in order), has_aux=True)


def test_any_number_of_entries_in_a_batch():
    def f(p, xs, y):
        return np.sum(np.tanh(xs[-1] @ p["W"] + xs[0] @ p["W"] + p["b"]) * y)

    agree(f, *((PARAMS, *inputs(2, batch)) for batch in (0, 1, 3, 0)))
    value, gradients = tg.compile(f)(PARAMS, *inputs(2, 0))
    assert value == 0
    assert not any(g.any() for g in gradients.values())


def test_what_the_loss_does_not_reach_has_gradient_zero():
    agree(lambda p: np.sum(p["W"] * 2), (PARAMS,))
    agree(lambda p: np.sum(tg.stop_gradient(p["W"]) * p["b"][0]), (PARAMS,))


def test_results_that_are_arguments():
    agree(lambda x: x, (0.5,), (np.array(1.5),))
    agree(lambda x: (x, {"again": x, "more": [x, x * 1]}), (np.array(0.5),), has_aux=True)
    agree(lambda x, c: np.sum(x * c), (W, W + 1), (W, W + 2))
    agree(lambda x: np.sum(x), (W,))


def test_one_entry_may_have_axes():
    agree(lambda x: np.sum(x, keepdims=True), (W,))


def test_a_list_may_be_filled_inside():
    def f(p, xs, y):
        hs = [np.zeros(y.shape)]
        for x in xs:
            hs.append(cell(p, x, hs[-1]))
        return nn.mse(np.stack(hs[1:]), np.stack([y] * len(xs))), hs

    agree(f, (PARAMS, *inputs()), (PARAMS, *inputs(seed=2)), has_aux=True)


def test_derivatives_inside():
    rng = np.random.default_rng(2)

    def f(p, x, v):
        slope = tg.grad(lambda x: np.sum(np.tanh(x @ p["W"])))(x)
        return np.sum(slope * v) + np.sum(slope**2)

    x, v = rng.standard_normal((2, 2, 3))
    agree(f, (PARAMS, x, v), (PARAMS, v, x))


def test_lengths_of_sequences_are_a_tuple_which_is_static():
    def f(p, xs, lengths):
        hs, h = nn.unroll(cell, p, xs, np.zeros((2, 4)), lengths=lengths)
        return np.sum(h * h), hs

    xs, _ = inputs(T=5)
    fast = agree(f, (PARAMS, xs, (5, 2)), (PARAMS, xs, (1, 4)), (PARAMS, xs, None), has_aux=True)
    kind, wrong, remedy = refusal(fast, PARAMS, xs, np.array([5, 2]))
    assert kind is TypeError
    assert wrong.startswith("unroll: lengths are a Tensor")
    assert "tuple" in remedy


# ---------------------------------------------------------------------------------------------- layouts and values


def laid_out(a, how):
    """The same array with other strides or flags."""
    if how == "Fortran":
        return np.asfortranarray(a)
    if how == "strided":
        return np.repeat(a, 2, axis=-1)[..., ::2]
    if how == "reversed":
        return a[::-1].copy()[::-1]
    if how == "transposed":
        return a.T.copy().T
    if how == "broadcast":
        return np.broadcast_to(a[..., :1], a.shape)
    a = a.copy()
    a.setflags(write=False)
    return a


@pytest.mark.parametrize("how", ["Fortran", "strided", "reversed", "transposed", "broadcast", "read-only"])
def test_layouts(how):
    fast, eager = tg.compile(network), tg.value_and_grad(network)
    xs, y = inputs()
    p = {name: laid_out(value, how) for name, value in PARAMS.items()}
    for call in ((PARAMS, xs, y), (p, laid_out(xs, how), laid_out(y, how)), (PARAMS, xs, y)):
        require_agreement(fast(*call), eager(*call))
    first = tg.compile(network)  # recorded with such arrays, and run again with plain ones
    for call in ((p, laid_out(xs, how), laid_out(y, how)), (PARAMS, xs, y)):
        require_agreement(first(*call), eager(*call))


def test_another_byte_order():
    x = B.astype(B.dtype.newbyteorder(">"))
    value, gradient = tg.compile(lambda x: np.sum(x * x))(x)
    np.testing.assert_allclose(value, np.sum(B * B), rtol=1e-14)
    np.testing.assert_allclose(gradient.astype(float), 2 * B, rtol=1e-14)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", ["first step", "last step", "parameter", "target"])
def test_what_is_not_finite_comes_out_as_it_does_eagerly(bad, place):
    xs, y = inputs(T=4)
    p = {name: value.copy() for name, value in PARAMS.items()}
    target = {"first step": xs[0], "last step": xs[-1], "parameter": p["U"], "target": y}[place]
    target[1, 1] = bad
    fast, eager = tg.compile(network), tg.value_and_grad(network)
    with np.errstate(all="ignore"):
        for call in ((PARAMS, *inputs(T=4)), (p, xs, y), (PARAMS, *inputs(T=4))):
            (value, gradients), (expected, expected_gradients) = fast(*call), eager(*call)
            np.testing.assert_allclose(value, expected, rtol=1e-12)
            for name in p:
                found, wanted = gradients[name], expected_gradients[name]
                assert np.array_equal(np.isfinite(found), np.isfinite(wanted)), name
                finite = np.isfinite(wanted)
                np.testing.assert_allclose(found[finite], wanted[finite], rtol=1e-11, atol=1e-14)


# ---------------------------------------------------------------------------------------------- whose arrays they are


def copies(tree):
    if isinstance(tree, dict):
        return {key: copies(value) for key, value in tree.items()}
    return type(tree)(copies(value) for value in tree) if isinstance(tree, tuple | list) else np.array(tree)


def with_states(p, xs, y):
    hs, h = nn.unroll(cell, p, xs, np.zeros(y.shape))
    return np.mean((h - y) ** 2), {"hs": hs, "h": h, "part": hs[0], "input": xs, "parameter": p["b"], "row": y[0]}


def test_later_calls_do_not_change_what_earlier_ones_returned():
    fast, kept = tg.compile(with_states, has_aux=True), []
    for seed in range(5):
        for T, batch in ((3, 2), (7, 2), (3, 1)):
            found = fast({k: v + 0.1 * seed for k, v in PARAMS.items()}, *inputs(T, batch, seed))
            kept.append((found, copies(found)))
    for found, before in kept:
        require_agreement(found, before, 0)


def test_arguments_are_not_changed_and_may_be_changed_afterwards():
    fast = tg.compile(with_states, has_aux=True)
    for seed in range(3):
        p, (xs, y) = copies(PARAMS), inputs(seed=seed)
        before = copies((p, xs, y))
        found = fast(p, xs, y)
        require_agreement((p, xs, y), before, 0)
        expected = copies(found)
        for array in (*p.values(), xs, y):
            array[...] = 7
        require_agreement(found, expected, 0)
        require_agreement(found, tg.value_and_grad(with_states, has_aux=True)(*before))
        require_agreement(fast(p, xs, y), tg.value_and_grad(with_states, has_aux=True)(p, xs, y))


def test_a_gradient_that_is_an_argument_is_a_copy_of_it():
    fast = tg.compile(lambda x, c: np.sum(x * c))
    for _ in range(2):
        c = W.copy()
        _, gradient = fast(W + 1, c)
        c[...] = 0
        assert np.array_equal(gradient, W)


def test_what_is_written_into_a_result_changes_nothing_else():
    fast = tg.compile(with_states, has_aux=True)
    arguments = PARAMS, *inputs()
    expected = copies(fast(*arguments))
    for _ in range(3):
        (value, aux), gradients = fast(*arguments)
        for array in (value, *aux.values(), *gradients.values()):
            if array.flags.writeable:
                array[...] = 99
        require_agreement(fast(*arguments), expected, 0)
    require_agreement(PARAMS, {"W": W, "U": U, "b": B}, 0)


def test_the_same_numbers_to_the_last_bit_at_every_call():
    first, second = tg.compile(with_states, has_aux=True), tg.compile(with_states, has_aux=True)
    arguments = PARAMS, *inputs(T=7)
    expected = copies(first(*arguments))
    for fast in (first, second, first):
        require_agreement(fast(*arguments), expected, 0)


# ---------------------------------------------------------------------------------------------- what it refuses


def refusal(fast, *args, **kwargs):
    """The error of a call: two lines, of which the second says what to do."""
    with pytest.raises((TypeError, ValueError, RuntimeError)) as error:
        fast(*args, **kwargs)
    wrong, remedy = str(error.value).split("\n")
    return type(error.value), wrong, remedy


DECISIONS = {
    "a condition": lambda h: h if h.sum() > 0 else -h,
    "float()": lambda h: h * float(h.sum()),
    "int()": lambda h: h[: int(h.sum())],
    "item()": lambda h: h * h.sum().item(),
    "data": lambda h: h * h.data,
    "np.asarray": lambda h: h * np.asarray(h),
    "a format": lambda h: h * len(f"{h.sum():.1f}"),
    "a mask": lambda h: h[h > 0],
    "max": lambda h: max(h[0], h[1]),
}


@pytest.mark.parametrize("name", DECISIONS)
def test_what_python_decides_from_a_value(name):
    def f(x):
        with tg.scope(t=3):
            return np.sum(DECISIONS[name](np.tanh(x)))

    kind, wrong, remedy = refusal(tg.compile(f), B)
    assert kind is TypeError
    assert "off a sealed tape, in t=3" in wrong
    assert "np.where(...)" in remedy
    assert "argument" in remedy


def test_an_argument_decides_nothing_either():
    for decide in (bool, float, lambda x: x.item(), lambda x: x.data):
        for f in (lambda x, c: x * decide(c), lambda x, c: x * decide(x)):  # noqa: B023
            kind, _, remedy = refusal(tg.compile(f), np.array(0.5), np.array(2.0))
            assert kind is TypeError
            assert "argument" in remedy


def test_random_numbers_that_are_drawn_inside():
    rng = np.random.default_rng(0)

    def dropout(x):
        return np.sum(x * (rng.random(4) < 0.5))

    def noise(x):
        return np.sum(x) * float(rng.standard_normal())

    def layer(params, x):
        hs, _ = nn.LSTM(3, 4, num_layers=2, dropout=0.5)(params, x, rng=rng)
        return np.sum(hs)

    def structure(x):
        for _ in range(int(rng.integers(1, 100))):
            x = x * 0.5
        return np.sum(x)

    for f, args in (
        (dropout, (B,)),
        (noise, (B,)),
        (layer, (nn.LSTM(3, 4, num_layers=2).init(rng), inputs()[0])),
        (structure, (B,)),
    ):
        _, wrong, remedy = refusal(tg.compile(f), *args)
        assert "argument" in wrong + remedy


def test_a_generator_that_is_seeded_inside_draws_the_same_numbers():
    def f(x):
        return np.sum(x * np.random.default_rng(0).standard_normal(4))

    agree(f, (B,), (B + 1,))


def test_what_changes_from_one_recording_to_the_next():
    calls = []

    def f(x):
        calls.append(1)
        for _ in calls:
            x = np.tanh(x)
        return np.sum(x)

    refusal(tg.compile(f), B)


def test_inside_an_open_tape():
    fast, x = tg.compile(lambda x: np.sum(x * x)), tg.Tensor(B)
    fast(B)
    for args in ((B,), (x,)):
        with tg.Tape():
            _, wrong, _ = refusal(fast, *args)
        assert "tape" in wrong
    refusal(tg.grad(lambda x: fast(x)[0]), B)
    refusal(tg.compile(lambda x: fast(x)[0]), B)
    assert fast(B)[0] == pytest.approx(np.sum(B * B), rel=1e-14)


@pytest.mark.parametrize(
    ("f", "argnums", "has_aux", "args"),
    [
        (np.tanh, 0, False, (B,)),
        (lambda x: 1.0, 0, False, (B,)),
        (lambda x: None, 0, False, (B,)),
        (lambda x: (x, x), 0, False, (np.array(1.0),)),
        (lambda x: np.sum(x), 0, True, (B,)),
        (lambda x: np.sum(x), 1, False, (B,)),
        (lambda x: np.sum(x), (0, 0), False, (B,)),
        (lambda x: np.sum(x), 0, False, (np.arange(3),)),
        (lambda x: np.sum(x), 0, False, (3,)),
        (lambda x: np.sum(x["a"]), 0, False, ({"a": B, "b": "text"},)),
        (lambda x: np.sum(x > 0), 0, False, (B,)),
        (lambda x: np.sum(x), 0, False, (B * 1j,)),
    ],
)
def test_what_value_and_grad_refuses(f, argnums, has_aux, args):
    with pytest.raises((TypeError, ValueError)) as expected:
        tg.value_and_grad(f, argnums, has_aux)(*args)
    with pytest.raises((TypeError, ValueError)) as found:
        tg.compile(f, argnums, has_aux)(*args)
    assert found.type is expected.type
    assert len(str(found.value).split("\n")) == 2


def test_a_wrong_shape_is_explained_and_nothing_is_kept_of_it():
    fast = tg.compile(network)
    xs, y = inputs()
    with pytest.raises(ValueError, match=r"matmul: shapes \(2, 3\) @ \(5, 4\) do not fit .*in t=0"):
        fast(PARAMS | {"W": np.ones((5, 4))}, xs, y)
    require_agreement(fast(PARAMS, xs, y), tg.value_and_grad(network)(PARAMS, xs, y))
    with pytest.raises(ValueError, match="do not fit"):
        fast(PARAMS | {"W": np.ones((5, 4))}, xs, y)
    require_agreement(fast(PARAMS, xs, y), tg.value_and_grad(network)(PARAMS, xs, y))


def test_an_exception_in_the_function_leaves_nothing_half_made():
    fails = [True, False, False, False, False]

    def f(x):
        y = np.sum(np.tanh(x))
        if fails and fails.pop(0):
            raise KeyError("mine")
        return y

    fast = tg.compile(f)
    with pytest.raises(KeyError, match="mine"):
        fast(B)
    require_agreement(fast(B), tg.value_and_grad(lambda x: np.sum(np.tanh(x)))(B))
    with tg.Tape() as tape:  # no tape was left open, and none is sealed
        assert np.sum(tg.Tensor(B)).item() == pytest.approx(B.sum())
    assert len(tape) == 1


def test_a_rerun_that_fails_leaves_the_program_as_it_was():
    rng = np.random.default_rng(2)

    def f(E, indices):
        return np.sum(np.tanh(nn.Embedding(5, 3)({"weight": E}, indices)))

    fast, E = tg.compile(f), rng.standard_normal((5, 3))
    for _ in range(3):
        with pytest.raises(ValueError, match="indices of dtype int64 from 0 to 9"):
            fast(E, np.array([0, 9]))
        require_agreement(fast(E, np.array([0, 4])), tg.value_and_grad(f)(E, np.array([0, 4])))


def test_an_unknown_pass():
    for passes in (("hoist", "magic"), ("",)):
        with pytest.raises(ValueError, match=r"magic|''") as error:
            tg.compile(network, passes=passes)(PARAMS, *inputs())
        assert all(name in str(error.value) for name in compiler.PASSES)


# ---------------------------------------------------------------------------------------------- the cache, the program


def test_the_cache_is_bounded():
    def f(x):
        return np.sum(np.tanh(x) * x)

    fast = tg.compile(f)
    kind = type(fast.program(np.ones(1)))
    for n in range(1, 150):
        x = np.full(n, 0.5)
        value, gradient = fast(x)
        assert value == pytest.approx(n * np.tanh(0.5) * 0.5, rel=1e-12)
        assert gradient.shape == (n,)
    gc.collect()
    assert sum(type(o) is kind for o in gc.get_objects()) < 100
    require_agreement(fast(np.ones(1)), tg.value_and_grad(f)(np.ones(1)))


def test_a_function_is_not_called_again_where_a_program_is_there():
    calls = []

    def f(p, xs, y):
        calls.append(len(xs))
        return network(p, xs, y)

    fast = tg.compile(f)
    fast(PARAMS, *inputs())
    recorded = len(calls)
    for seed in range(5):
        fast({k: v * 2 for k, v in PARAMS.items()}, *inputs(seed=seed))
    assert len(calls) == recorded


def test_the_program_can_be_read():
    fast = tg.compile(network)
    arguments = PARAMS, *inputs(T=4)
    program = fast.program(*arguments)
    text = str(program)
    assert len(text.splitlines()) > 4
    assert "2, 4)" in text  # the shape of a state, or of all of them
    assert len(program.instructions) > 4
    assert program.stats
    assert isinstance(program.source, str)
    again = tg.compile(network).program(PARAMS, *inputs(T=4, seed=5))
    assert (str(again), again.source) == (text, program.source)  # nothing of an address or a value is in it
    require_agreement(fast(*arguments), tg.value_and_grad(network)(*arguments))


def test_the_source_of_a_long_loop_does_not_grow_with_its_length():
    fast = tg.compile(network)
    short, long = (fast.program(PARAMS, *inputs(T)).source for T in (150, 600))
    assert len(long) <= 1.1 * len(short) + 100


@pytest.mark.parametrize("passes", [compiler.PASSES, (), *((name,) for name in compiler.PASSES)], ids=str)
def test_the_program_of_a_tape_that_one_has(passes):
    p = {name: tg.Tensor(value, name=name) for name, value in PARAMS.items()}
    xs, y = (tg.Tensor(a, name=name) for a, name in zip(inputs(), ("xs", "y"), strict=True))
    with tg.Tape() as tape:
        loss = network(p, xs, y)
    length = len(tape)
    program = compiler.compile_tape(tape, loss, p, {"xs": xs, "y": y}, passes=passes)
    assert len(tape) == length
    eager = tg.value_and_grad(network)
    for seed in (1, 2, 3):
        values = {k: v * seed for k, v in PARAMS.items()}
        new_xs, new_y = inputs(seed=seed)
        found = program({**values, "xs": new_xs, "y": new_y})
        require_agreement(tuple(found), eager(values, new_xs, new_y))


def test_the_program_of_a_tape_keeps_what_is_not_an_input_as_it_was():
    p = {name: tg.Tensor(value, name=name) for name, value in PARAMS.items()}
    xs, y = inputs()
    given = tg.Tensor(xs)
    with tg.Tape() as tape:
        loss = network(p, given, y)
    program = compiler.compile_tape(tape, loss, {"U": p["U"]}, {"xs": given})
    new_xs, _ = inputs(seed=4)
    y[...] = 0
    value, gradients = program({"U": U * 2, "xs": new_xs})
    expected, expected_gradients = tg.value_and_grad(network)(PARAMS | {"U": U * 2}, new_xs, inputs()[1])
    require_agreement((value, gradients), (expected, {"U": expected_gradients["U"]}))


@pytest.mark.slow
def test_ten_thousand_runs_hold_flat_memory():
    import tracemalloc

    fast, arguments = tg.compile(with_states, has_aux=True), (PARAMS, *inputs(T=1, batch=1))

    def grown(calls):
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(calls):
            fast(*arguments)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before

    tracemalloc.start()
    try:
        grown(20)
        assert grown(10_000) < 20_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("turned", [False, True], ids=["in order", "in reverse"])
def test_a_recorded_walk_puts_parts_together_in_the_order_asked_for(turned):
    """The order of their addresses would differ from run to run, and `compile` would find two functions."""
    leaves = [tg.Tensor(np.arange(2.0 + k)) for k in range(12)][:: -1 if turned else 1]

    def gradient_norm(*xs):
        gs = tg.grad(lambda *xs: sum((x[:1] ** 3).sum() for x in xs), argnums=tuple(range(len(xs))))(*xs)
        return sum((g * g).sum() for g in gs)

    with tg.Tape() as tape:
        gradient_norm(*leaves)
    assert [line[3].shape for line in tape.lines() if line[0].name == "scatter"] == [x.shape for x in leaves]
    agree(gradient_norm, [x.data for x in leaves], argnums=tuple(range(12)))
