"""Compiled programs against eager ones: random cells, layers, directions, loops and losses, with every pass on and off.

TINYGRAD_RNN_EXAMPLES=1000 tries so many programs, other ones at each run; a failure prints the source of the program.
"""

import os
from contextlib import contextmanager

import numpy as np
import pytest
from agreement import require_agreement
from cells import EVERY
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from programs import programs
from shaped_programs import shaped_programs

import tinygrad_rnn as tg
from tinygrad_rnn import compiler, nn
from tinygrad_rnn.compiler import codegen, loop_placement
from tinygrad_rnn.graph import walk_back

MANY = int(os.environ.get("TINYGRAD_RNN_EXAMPLES", "0"))


def examples(count):
    """So many examples, the same ones at each run, or many more, others at each run."""
    return settings(
        max_examples=MANY or count,
        derandomize=not MANY,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


PASSES = compiler.PASSES
CHOICES = {
    "all": PASSES,
    "none": (),
    **{f"{name} alone": (name,) for name in PASSES},
    **{f"all but {name}": tuple(p for p in PASSES if p != name) for name in PASSES},
}
SOME_PASSES = st.sampled_from(list(CHOICES))
LENGTHS = st.sampled_from([3, 1, 2, 4, 5, 6, 7, 30])
SEEDS = st.integers(0, 10**6)


THRESHOLDS = [(loop_placement, "CHUNK", (256 * 1024, 1, 200)), (codegen, "MANY", (2048, 0, 2))]
THRESHOLDS += [(codegen, "TEXTS", (256, 1)), (walk_back, "LONGEST", (8, 1, 2))]


@contextmanager
def thresholds(values):
    """Small numbers in the place of those from which on the compiler goes another way."""
    with pytest.MonkeyPatch.context() as patch:
        for (module, name, _), value in zip(THRESHOLDS, values, strict=True):
            patch.setattr(module, name, value)
        yield


SMALL = st.tuples(*(st.sampled_from(choices) for _, _, choices in THRESHOLDS))


@pytest.mark.slow
@given(
    program=shaped_programs(),
    seed=SEEDS,
    passes=SOME_PASSES,
    precision=st.sampled_from(["double", "single", "mixed"]),
    argnums=st.sampled_from([0, (0, 1)]),
    small=SMALL,
)
@examples(60)
def test_a_program_of_any_shapes_compiled_is_the_same_program(program, seed, passes, precision, argnums, small):
    f, dtype = program.function, np.float32 if precision == "single" else np.float64
    eager = tg.value_and_grad(f, argnums, has_aux=True)
    compiled = [tg.compile(f, argnums, True, CHOICES[name]) for name in ("all", passes)]
    with thresholds(small), np.errstate(all="ignore"):
        for k in range(2):
            arguments = program.arguments(seed + k, dtype, precision == "mixed")
            expected = eager(*arguments)
            for fast in compiled:
                require_agreement(fast(*arguments), expected, given=arguments)


@pytest.mark.slow
@given(program=programs(), T=LENGTHS, seed=SEEDS, passes=SOME_PASSES, single=st.booleans(), small=SMALL)
@examples(40)
def test_a_program_compiled_is_the_same_program(program, T, seed, passes, single, small):
    f, dtype = program.function, np.float32 if single else np.float64
    eager = tg.value_and_grad(f, has_aux=True)
    compiled = [tg.compile(f, has_aux=True, passes=CHOICES[name]) for name in ("all", passes)]
    with thresholds(small):
        for k in range(2):  # compiled, and run again
            arguments = program.arguments(T, seed + k, dtype)
            expected = eager(*arguments)
            for fast in compiled:
                require_agreement(fast(*arguments), expected)


@pytest.mark.slow
@given(program=programs(), lengths=st.lists(LENGTHS, min_size=2, max_size=3), seed=SEEDS)
@examples(15)
def test_a_program_compiled_for_one_length_is_right_for_others(program, lengths, seed):
    eager, fast = tg.value_and_grad(program.function, has_aux=True), tg.compile(program.function, has_aux=True)
    for k, T in enumerate([*lengths, lengths[0]]):
        arguments = program.arguments(T, seed + k)
        require_agreement(fast(*arguments), eager(*arguments))


def own_cell(params, x, h, c):
    """Two states, gates with matrices of their own, a norm: nothing that a compiler could know by name."""
    z = tg.sigmoid(x @ params["Wz"] + h @ params["Uz"] + params["bz"])
    r = tg.sigmoid(x @ params["Wr"] + h @ params["Ur"])
    a = np.tanh(x @ params["Wa"] + (r * h) @ params["Ua"] + params["ba"])
    c = z * c + (1 - z) * a
    h = r * np.tanh((c - np.mean(c, axis=-1, keepdims=True)) * params["k"])
    return h, c


def of_own_cell(params, xs, y):
    hs, last = nn.unroll(own_cell, params, xs, (np.zeros((xs.shape[1], 4)), np.ones((xs.shape[1], 4))))
    return nn.mse(hs, y) + np.sum(last[1] ** 2), (hs, last)


def in_two_directions(params, xs, y):
    hs, last = nn.GRU(3, 4, num_layers=2, bidirectional=True)(params, xs)
    return nn.mse(hs[..., :4], y), last


def with_a_loss_in_each_step(params, xs, y):
    h, loss = np.zeros((len(xs[0]), 4)), 0.0
    for t in range(len(xs)):
        with tg.scope(t=t):
            h = nn.gru_textbook(params, xs[t], h)
            loss = loss + np.sum((h - y[t]) ** 2)
    return loss, h


def of_lstm(params, xs, y):
    hs, last = nn.unroll(nn.lstm, params, xs)
    return nn.mse(hs, y), last


RNG = np.random.default_rng(0)
OWN = {f"{kind}{gate}": RNG.standard_normal((n, 4)) / 2 for kind, n in (("W", 3), ("U", 4)) for gate in "zra"}
RICH = {
    of_own_cell: OWN | {"bz": np.ones(4), "ba": np.zeros(4), "k": np.array(1.3)},
    of_lstm: nn.init.lstm(RNG, 3, 4),
    in_two_directions: nn.GRU(3, 4, num_layers=2, bidirectional=True).init(RNG),
    with_a_loss_in_each_step: nn.init.gru(RNG, 3, 4),
}


@pytest.mark.parametrize("f", RICH)
@pytest.mark.parametrize("passes", CHOICES)
def test_every_choice_of_passes(passes, f):
    fast, eager = (
        tg.compile(f, (0, 1), has_aux=True, passes=CHOICES[passes]),
        tg.value_and_grad(f, (0, 1), has_aux=True),
    )
    rng = np.random.default_rng(1)
    for T in (5, 5, 1):
        arguments = RICH[f], rng.standard_normal((T, 2, 3)), rng.standard_normal((T, 2, 4))
        require_agreement(fast(*arguments), eager(*arguments))


LAYERS = st.builds(
    lambda kind, sizes, **options: kind(*sizes, **options),
    st.sampled_from([nn.RNN, nn.GRU, nn.LSTM]),
    st.sampled_from([(2, 3), (1, 1), (3, 2), (1, 5), (2, 1)]),
    num_layers=st.integers(1, 2),
    bias=st.booleans(),
    batch_first=st.booleans(),
    bidirectional=st.booleans(),
)


@given(
    layer=LAYERS
    | st.builds(nn.RNN, st.just(2), st.just(3), nonlinearity=st.just("relu"))
    | st.builds(nn.LSTM, st.just(2), st.just(3), proj_size=st.just(2), bidirectional=st.booleans()),
    T=LENGTHS,
    B=st.sampled_from([1, 2, 5]),
    padded=st.booleans(),
    embedded=st.booleans(),
    loss=st.sampled_from(["classes", "masked classes", "squares", "last state"]),
    seed=SEEDS,
    passes=SOME_PASSES,
    single=st.booleans(),
)
@examples(40)
def test_a_layer_compiled_is_the_same_layer(layer, T, B, padded, embedded, loss, seed, passes, single):
    rng, dtype = np.random.default_rng(seed), np.float32 if single else np.float64
    lengths = tuple(int(n) for n in rng.integers(1, T + 1, B)) if padded else None
    features = layer.input_size
    width = (getattr(layer, "proj_size", 0) or layer.hidden_size) * (1 + layer.bidirectional)
    leading = (B, T) if layer.batch_first else (T, B)
    params = {name: x.data for name, x in layer.init(rng, dtype).items()}
    tables = {"E": rng.standard_normal((4, features)).astype(dtype), "O": rng.standard_normal((width, 4)).astype(dtype)}

    def f(params, tables, x, targets, mask):
        hs, last = layer(
            params, nn.Embedding(4, features)({"weight": tables["E"]}, x) if embedded else x, lengths=lengths
        )
        if loss == "last state":
            return sum((s * s).sum() for s in (last if isinstance(last, tuple) else (last,))), last
        if loss == "squares":
            return nn.mse(hs @ tables["O"], np.zeros((*leading, 4), dtype)), last
        return nn.cross_entropy(hs @ tables["O"], targets, mask=mask if "masked" in loss else None), last

    eager = tg.value_and_grad(f, (0, 1), has_aux=True)
    compiled = [tg.compile(f, (0, 1), has_aux=True, passes=CHOICES[name]) for name in ("all", passes)]
    for _ in range(2):
        x = rng.integers(0, 4, leading) if embedded else rng.standard_normal((*leading, features)).astype(dtype)
        mask = rng.random(leading) < 0.5
        mask[0] = True
        arguments = params, tables, x, rng.integers(0, 4, leading), mask
        expected = eager(*arguments)
        for fast in compiled:
            require_agreement(fast(*arguments), expected)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_cell_of_ours(name, dtype):
    cell, rng = getattr(nn, name), np.random.default_rng(0)
    params = {key: x.data.astype(dtype) for key, x in getattr(nn.init, name)(rng, 3, 4).items()}

    def f(params, xs, targets):
        hs, last = nn.unroll(cell, params, xs)
        return nn.mse(hs, targets), (hs, last)

    eager = tg.value_and_grad(f, (0, 1), has_aux=True)
    compiled = [tg.compile(f, (0, 1), has_aux=True, passes=CHOICES[key]) for key in ("all", "none")]
    for T in (1, 2, 3, 7, 30):
        arguments = params, *(rng.standard_normal((T, 2, n)).astype(dtype) for n in (3, 4))
        expected = eager(*arguments)
        for fast in compiled:
            require_agreement(fast(*arguments), expected)
