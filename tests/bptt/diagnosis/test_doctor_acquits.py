"""The doctor accuses no right derivation, however it is written: orders of a sum, precisions, kinds of callables."""

import functools
import math
import random
import threading
import types
import warnings
from collections import OrderedDict, UserDict

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn
from tinygrad_rnn.bptt import by_hand


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def rnn(
    params,
    xs,
    state,
    dhs,
    dlast=None,
    slope=lambda z, h: 1 - h**2,
    product=lambda dz, h: dz.T @ h,
    add_up=sum,
    dtype=np.float64,
):
    """The RNN's BPTT with parts that people write in different ways."""
    W, U = params["weight_ih"].astype(dtype), params["weight_hh"].astype(dtype)
    b = (params["bias_ih"] + params["bias_hh"]).astype(dtype)
    hs, zs = [state[0].astype(dtype)], []
    for x in xs.astype(dtype):
        zs.append(x @ W.T + hs[-1] @ U.T + b)
        hs.append(np.tanh(zs[-1]))
    dWs, dUs, dbs, dxs, dh = [], [], [], [], 0 if dlast is None else dlast[0]
    for t in reversed(range(len(xs))):
        dz = (dhs[t] + dh) * slope(zs[t], hs[t + 1])
        dWs.append(product(dz, xs[t]))
        dUs.append(product(dz, hs[t]))
        dbs.append(dz.sum(axis=0))
        dxs.insert(0, dz @ W)
        dh = dz @ U
    db = add_up(dbs)
    sums = {"weight_ih": add_up(dWs), "weight_hh": add_up(dUs), "bias_ih": db, "bias_hh": db}
    return {**sums, "x": np.array(dxs), "h0": dh}


# ------------------------------------------------------------------------------------------------ other ways to add


def shuffled(terms):
    """In another order at each call, as a set or threads would."""
    terms = list(terms)
    random.shuffle(terms)
    return sum(terms)


def by_threads(terms):
    """In the order in which threads come."""
    total, lock = np.zeros_like(terms[0]), threading.Lock()

    def add(term):
        with lock:
            np.add(total, term, out=total)

    threads = [threading.Thread(target=add, args=(term,)) for term in random.sample(terms, len(terms))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return total


def exactly(terms):
    return np.vectorize(lambda *entries: math.fsum(entries))(*terms)


def as_a_tree(terms):
    while len(terms) > 1:
        terms = [sum(terms[k : k + 2]) for k in range(0, len(terms), 2)]
    return terms[0]


def from_the_first_step(terms):
    return functools.reduce(np.add, terms[::-1])


SUMS = [
    shuffled,
    by_threads,
    exactly,
    as_a_tree,
    from_the_first_step,
    lambda terms: np.sum(terms, axis=0),
    lambda terms: np.mean(terms, axis=0) * len(terms),
    lambda terms: np.cumsum(terms, axis=0)[-1],
    lambda terms: np.einsum("t...->...", np.array(terms)),
    lambda terms: sum(term.astype(np.longdouble) for term in terms),
    lambda terms: sum(np.asfortranarray(term) for term in terms),
    lambda terms: sum(terms).astype(">f8"),
    lambda terms: sum(terms).tolist(),
]

SLOPES = [
    lambda z, h: 1 - h * h,
    lambda z, h: (1 - h) * (1 + h),
    lambda z, h: 1 / np.cosh(z) ** 2,
    lambda z, h: 4 * sigmoid(2 * z) * sigmoid(-2 * z),
    lambda z, h: 1 - np.tanh(z) ** 2,
    lambda z, h: np.tanh(z + 1e-30j).imag / 1e-30,
]

PRODUCTS = [
    lambda dz, h: np.einsum("bi,bj->ij", dz, h),
    lambda dz, h: np.tensordot(dz, h, axes=(0, 0)),
    lambda dz, h: sum(np.outer(row, other) for row, other in zip(dz, h, strict=True)),
    lambda dz, h: (dz[:, :, None] * h[:, None, :]).sum(axis=0),
    lambda dz, h: np.array([[math.fsum(dz[:, i] * h[:, j]) for j in range(h.shape[1])] for i in range(dz.shape[1])]),
    lambda dz, h: (h.T @ dz).T,
]


@pytest.mark.parametrize(
    "parts",
    [
        *({"add_up": add_up} for add_up in SUMS),
        *({"slope": slope} for slope in SLOPES),
        *({"product": product} for product in PRODUCTS),
        {"dtype": np.longdouble},
    ],
    ids=lambda parts: "{}{}".format(*next(iter(parts)), getattr(next(iter(parts.values())), "__name__", "")),
)
def test_however_it_is_computed(parts):
    found = bptt.doctor(nn.rnn, functools.partial(rnn, **parts)).check()
    assert found.remarks == ()


def test_terms_in_another_order_are_no_second_answer_but_other_numbers_are():
    def drifting(params, xs, state, dhs, calls=[0]):  # noqa: B006  # kept between calls: that is the fault
        calls[0] += 1
        return {"weight_hh": rnn(params, xs, state, dhs)["weight_hh"] * (1 + 1e-6 * calls[0])}

    found = bptt.doctor(nn.rnn, drifting)
    assert not found
    assert "two answers to one problem" in str(found)


# ------------------------------------------------------------------------------------------------ kinds of callables


def plainly_decorated(function):
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


def four(params, xs, state, dhs):
    return rnn(params, xs, state, dhs)


class Model:
    """A derivation as a method, as an object, as a class's own function."""

    def backward(self, params, xs, state, dhs, dlast=None):
        return rnn(params, xs, state, dhs, dlast)

    __call__ = backward

    @staticmethod
    def apart(params, xs, state, dhs):
        return rnn(params, xs, state, dhs)

    @classmethod
    def of_class(cls, params, xs, state, dhs):
        return cls().backward(params, xs, state, dhs)


def with_options(params, xs, state, dhs, **options):
    assert not options
    return rnn(params, xs, state, dhs)


def with_more(params, xs, state, dhs, *more):
    assert not more
    return rnn(params, xs, state, dhs)


def by_a_generator(params, xs, state, dhs):
    def terms():
        yield from rnn(params, xs, state, dhs).items()

    return dict(terms())


def on_the_tape(params, xs, state, dhs):
    tensors = {name: tg.Tensor(p, name=name) for name, p in params.items()}
    with tg.Tape() as tape:
        hs, _ = nn.unroll(nn.rnn, tensors, xs, state[0])
        loss = (hs * dhs).sum()
    return {name: tg.Tensor(g) for name, g in tape.gradient(loss, tensors).items()}


def each_example_alone(params, xs, state, dhs):
    parts = [rnn(params, xs[:, k : k + 1], (state[0][k : k + 1],), dhs[:, k : k + 1]) for k in range(xs.shape[1])]
    return {name: sum(part[name] for part in parts) for name in params}


def step_by_step_from_the_end(params, xs, state, dhs):
    """By recursion: the gradients of the steps from t on, and what they hand back."""
    W, U, b = params["weight_ih"], params["weight_hh"], params["bias_ih"] + params["bias_hh"]

    def rest(t, h):
        if t == len(xs):
            return np.zeros_like(W), np.zeros_like(U), np.zeros_like(h)
        after = np.tanh(xs[t] @ W.T + h @ U.T + b)
        dW, dU, dh = rest(t + 1, after)
        dz = (dhs[t] + dh) * (1 - after**2)
        return dW + dz.T @ xs[t], dU + dz.T @ h, dz @ U

    return dict(zip(("weight_ih", "weight_hh", "h0"), rest(0, state[0]), strict=True))


def forward_in_time(params, xs, state, dhs):
    """By Jacobians that are carried forward (RTRL): no walk back at all."""
    U = params["weight_hh"]
    h, J, dU = state[0], np.zeros((*state[0].shape, *U.shape)), np.zeros_like(U)
    for x, dh in zip(xs, dhs, strict=True):
        J = np.einsum("ki,biuv->bkuv", U, J) + np.einsum("ku,bv->bkuv", np.eye(len(U)), h)
        h = np.tanh(x @ params["weight_ih"].T + h @ U.T + params["bias_ih"] + params["bias_hh"])
        J = (1 - h**2)[:, :, None, None] * J
        dU += np.einsum("bk,bkuv->uv", dh, J)
    return {"weight_hh": dU}


def all_steps_in_one_product(params, xs, state, dhs):
    answer = rnn(params, xs, state, dhs)
    hs = [state[0]]
    for x in xs:
        z = x @ params["weight_ih"].T + hs[-1] @ params["weight_hh"].T + params["bias_ih"] + params["bias_hh"]
        hs.append(np.tanh(z))
    dz = answer["x"] @ np.linalg.pinv(params["weight_ih"])  # W has more columns than rows: dz W tells dz
    return {"weight_hh": np.concatenate(dz).T @ np.concatenate(hs[:-1])}


def by_place(params, xs, state, dhs, dlast, /):
    return rnn(params, xs, state, dhs, dlast)


def by_place_behind_another(params, xs, state, dhs, scale=1.0, dlast=None, log=None, /):
    assert scale == 1.0
    assert log == {}
    return rnn(params, xs, state, dhs, dlast)


def with_all_the_rest(params, xs, state, dhs, *dlast, **log):
    assert not dlast
    assert not log
    return rnn(params, xs, state, dhs)


CALLABLES = [
    by_place,
    by_place_behind_another,
    with_all_the_rest,
    plainly_decorated(four),
    plainly_decorated(rnn),
    functools.wraps(rnn)(plainly_decorated(rnn)),
    plainly_decorated(plainly_decorated(four)),
    functools.partial(rnn),
    functools.partial(functools.partial(four)),
    lambda params, xs, state, dhs: rnn(params, xs, state, dhs),
    lambda *arguments: rnn(*arguments),
    Model().backward,
    Model(),
    Model.apart,
    Model.of_class,
    with_options,
    with_more,
    by_a_generator,
    on_the_tape,
    each_example_alone,
    step_by_step_from_the_end,
    forward_in_time,
    all_steps_in_one_product,
    lambda params, xs, state, dhs: OrderedDict(rnn(params, xs, state, dhs)),
    lambda params, xs, state, dhs: types.MappingProxyType(rnn(params, xs, state, dhs)),
    lambda params, xs, state, dhs: UserDict(rnn(params, xs, state, dhs)),
    lambda params, xs, state, dhs: {f"d{name}": g for name, g in rnn(params, xs, state, dhs).items()},
    lambda params, xs, state, dhs: (rnn(params, xs, state, dhs), {}),
    lambda params, xs, state, dhs: {name: g[::-1][::-1] for name, g in rnn(params, xs, state, dhs).items()},
    bptt.derive(nn.rnn).gradients,
    by_hand.rnn,
]


@pytest.mark.parametrize("function", CALLABLES)
def test_whatever_is_called(function):
    found = bptt.doctor(nn.rnn, function).check()
    assert found.remarks == ()


def test_a_function_that_must_be_given_dlast_behind_a_wrapper_that_hides_it_is_told_how_it_is_called():
    def five(params, xs, state, dhs, dlast):
        return rnn(params, xs, state, dhs, dlast)

    bptt.doctor(nn.rnn, five).check()
    bptt.doctor(nn.rnn, functools.wraps(five)(plainly_decorated(five))).check()
    found = bptt.doctor(nn.rnn, plainly_decorated(five))
    assert not found
    assert "missing 1 required positional argument: 'dlast'" in str(found)


# ------------------------------------------------------------------------------------------------ global state


def sets_numpy_errors(params, xs, state, dhs):
    np.seterr(all="raise")
    return rnn(params, xs, state, dhs)


def sets_warnings(params, xs, state, dhs):
    warnings.simplefilter("error")
    return rnn(params, xs, state, dhs)


def seeds(params, xs, state, dhs):
    np.random.seed(0)
    random.seed(0)
    return rnn(params, xs, state, dhs)


def sets_print_options(params, xs, state, dhs):
    with np.printoptions(precision=1):
        print(xs)
    return rnn(params, xs, state, dhs)


@pytest.mark.parametrize("function", [sets_numpy_errors, sets_warnings, seeds, sets_print_options])
def test_what_it_sets_for_all_spoils_nothing(function):
    before = np.geterr(), warnings.filters[:]
    found = bptt.doctor(nn.rnn, function).check()
    assert found.remarks == ()
    assert (np.geterr(), warnings.filters[:]) == before
    wrong = bptt.doctor(nn.rnn, lambda *given: {name: 2 * g for name, g in function(*given).items()})
    assert str(wrong.mistake) == "every gradient: a factor 2 too many"


def test_what_others_have_set_spoils_nothing():
    with np.errstate(all="raise"):
        bptt.doctor(nn.rnn, four).check()
        assert not bptt.doctor(nn.rnn, lambda *given: {"weight_hh": np.ones((5, 5))})


# ------------------------------------------------------------------------------------------------ hard problems


def stepped(name, size):
    """An example for a cell of nn, with parameters and inputs of a size."""

    def example(rng, T, B):
        params = {key: size * rng.standard_normal(p.shape) for key, p in getattr(nn.init, name)(rng, 3, 4).items()}
        states = tuple(rng.standard_normal((B, 4)) for _ in range(2 if "lstm" in name else 1))
        return params, size * rng.standard_normal((T, B, 3)), states

    return example


def lstm(params, xs, state, dhs):
    """Slopes from the negated arguments, gates by one call."""
    W, U, b = params["weight_ih"], params["weight_hh"], params["bias_ih"] + params["bias_hh"]
    (h, c), kept = state, []
    with np.errstate(over="ignore"):
        for x in xs:
            z = np.split(x @ W.T + h @ U.T + b, 4, axis=1)
            i, f, o = (0.5 * (1 + np.tanh(0.5 * z[k])) for k in (0, 1, 3))
            g, before = np.tanh(z[2]), (h, c)
            c = i * g + f * c
            h = np.tanh(c) * o
            kept.append((x, *before, c, z, i, f, g, o))
        dW, dU, dh, dc = 0, 0, 0, 0
        for t in reversed(range(len(xs))):
            x, h, c_before, c, z, i, f, g, o = kept[t]
            dh = dhs[t] + dh
            dc = dc + dh * o / np.cosh(c) ** 2
            slopes = [sigmoid(z[k]) * sigmoid(-z[k]) for k in (0, 1, 3)]
            dz = [dc * g * slopes[0], dc * c_before * slopes[1], dc * i / np.cosh(z[2]) ** 2]
            dz = np.concatenate([*dz, dh * np.tanh(c) * slopes[2]], axis=1)
            dW, dU, dh, dc = dW + dz.T @ x, dU + dz.T @ h, dz @ U, dc * f
    return {"weight_ih": dW, "weight_hh": dU}


def with_cosh(params, xs, state, dhs):
    with np.errstate(over="ignore"):
        return rnn(params, xs, state, dhs, slope=lambda z, h: 1 / np.cosh(z) ** 2)


@pytest.mark.parametrize("size", [1e-6, 0.1, 1.0, 3.0, 10.0, 30.0])
@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("rnn", rnn),
        ("rnn", with_cosh),
        ("lstm", lstm),
        *((name, getattr(by_hand, name)) for name in ("residual_rnn", "lstm", "gru", "gru_textbook")),
    ],
)
def test_saturated_tiny_and_chaotic_problems_accuse_nobody(name, function, size):
    cell, example = getattr(nn, name), stepped(name, size)
    bptt.doctor(cell, function, example=example).check()


def test_problems_that_tell_nothing_are_refused():
    """At z = 17.5 the slope 1 - h**2 has lost all digits but one: no right gradient can be told from a wrong one."""

    def example(rng, T, B):
        return {"w": np.array(17.5 + 0.2 * rng.random())}, np.ones((T, B, 1)), np.zeros((B, 1))

    def mine(params, xs, state, dhs):
        return {"w": np.array((dhs / np.cosh(params["w"] * xs) ** 2).sum())}

    with pytest.raises(ValueError, match=r"no problem tells a right gradient from a wrong one.*\ngive an example"):
        bptt.doctor(lambda p, x, h: np.tanh(p["w"] * x) + 0 * h, mine, example=example)


@pytest.mark.slow
@pytest.mark.parametrize("size", [1e-6, 0.1, 1.0, 3.0])
def test_where_rounding_is_allowed_for_a_small_mistake_is_still_seen(size):
    def wrong(params, xs, state, dhs):
        return {name: g + 1e-6 * np.abs(g).max() for name, g in rnn(params, xs, state, dhs).items()}

    assert not bptt.doctor(nn.rnn, wrong, example=stepped("rnn", size))
