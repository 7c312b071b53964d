"""Two states that turn into each other, as one complex state: in every form in which a person may write it."""

import numpy as np
import pytest
from agreement import require_agreement
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinygrad_rnn as tg
from tinygrad_rnn import compiler, nn
from tinygrad_rnn.compiler import codegen, loop_placement
from tinygrad_rnn.operations.complex_pairs import complex_multiply

B, I, N = 3, 4, 5
CHOICES = [
    compiler.PASSES,
    ("pairs",),
    ("hoist", "defer", "pairs", "reuse"),
    *(tuple(p for p in compiler.PASSES if p != name) for name in ("hoist", "defer", "reuse", "alias", "dead_code")),
]


def parameters(rng, shape=(N,), dtype=np.float64):
    sizes = {"a": shape, "b": shape, "g": shape, "A": (I, N), "B": (I, N), "C": (N, I), "D": (N, I)}
    return {name: (rng.standard_normal(size) / 2).astype(dtype) for name, size in sizes.items()}


def u_and_v(p, x):
    return p["g"] * (x @ p["A"]), p["g"] * (x @ p["B"])


WAYS = {
    "as in the field": lambda p, h, k, u, v: (p["a"] * h - p["b"] * k + u, p["a"] * k + p["b"] * h + v),
    "the other way round": lambda p, h, k, u, v: (p["a"] * h + p["b"] * k + u, p["a"] * k - p["b"] * h + v),
    "the input first": lambda p, h, k, u, v: (u + (h * p["a"] - k * p["b"]), v + (p["b"] * h + k * p["a"])),
    "the second state first": lambda p, h, k, u, v: (u - k * p["b"] + p["a"] * h, v + k * p["a"] + h * p["b"]),
    "a rotation that the input chooses": lambda p, h, k, u, v: (
        np.cos(u) * h - np.sin(u) * k + v,
        np.cos(u) * k + np.sin(u) * h + v,
    ),
}
"""Two states that a complex number turns."""


def waiting(p, h, k, u, v):
    new = p["a"] * h - p["b"] * k + u
    return new, p["a"] * k + p["b"] * h + v + np.tanh(new)


def chosen(p, h, k, u, v):
    a = np.tanh(h)
    return a * h - p["b"] * k + u, a * k + p["b"] * h + v


OTHERS = {
    "one needs the new value of the other": waiting,
    "nothing is added": lambda p, h, k, u, v: (p["a"] * h - p["b"] * k, p["a"] * k + p["b"] * h),
    "the same sign twice": lambda p, h, k, u, v: (p["a"] * h + p["b"] * k + u, p["a"] * k + p["b"] * h + v),
    "minus twice": lambda p, h, k, u, v: (p["a"] * h - p["b"] * k + u, p["a"] * k - p["b"] * h + v),
    "a negative decay": lambda p, h, k, u, v: (u - p["a"] * h - p["b"] * k, v - p["a"] * k + p["b"] * h),
    "other factors": lambda p, h, k, u, v: (p["a"] * h - p["b"] * k + u, p["g"] * k + p["b"] * h + v),
    "one factor": lambda p, h, k, u, v: (p["a"] * h - p["a"] * k + u, p["a"] * k + p["a"] * h + v),
    "less the input": lambda p, h, k, u, v: (p["a"] * h - p["b"] * k - u + v, p["a"] * k + p["b"] * h - v + u),
    "the states themselves": lambda p, h, k, u, v: (p["a"] * h - p["b"] * k + h, p["a"] * k + p["b"] * h + v),
    "more terms": lambda p, h, k, u, v: (p["a"] * h - p["b"] * k + u + v, p["a"] * k + p["b"] * h + v + np.tanh(h)),
    "a rotation that a state chooses": chosen,
    "only subtracted": lambda p, h, k, u, v: (p["a"] * h - p["b"] * k - u, p["a"] * k + p["b"] * h - v),
}
"""Two states that stay two."""

READS = {
    "both": lambda p, h, k: h @ p["C"] - k @ p["D"],
    "both, the second first": lambda p, h, k: k @ p["D"] + h @ p["C"],
    "both by one matrix": lambda p, h, k: h @ p["C"] + k @ p["C"],
    "one": lambda p, h, k: h @ p["C"],
    "the other": lambda p, h, k: k @ p["D"],
    "the length": lambda p, h, k: (h * h + k * k) @ p["C"],
}


def recurrence(way, read="both", only_last=False):
    step = (WAYS | OTHERS)[way]

    def f(p, x, h, k):
        ys = []
        for t in range(len(x)):
            with tg.scope(t=t):
                u, v = u_and_v(p, x[t])
                h, k = step(p, h, k, u, v)
                ys.append(READS[read](p, h, k))
        return ((ys[-1] if only_last else np.stack(ys)) ** 3).sum(), (h, ys[0])

    return f


def arguments(T, dtype=np.float64, seed=0, shape=(N,), batch=(B,)):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((T, *batch, I)).astype(dtype)
    h, k = rng.standard_normal((2, *batch, N)).astype(dtype)
    return parameters(rng, shape, dtype), x, h, k


def agree(f, *given, choices=CHOICES):
    expected = tg.value_and_grad(f, (0, 1, 2, 3), has_aux=True)(*given)
    for passes in choices:
        fast = tg.compile(f, (0, 1, 2, 3), has_aux=True, passes=passes)
        for _ in range(2):
            require_agreement(fast(*given), expected)


def is_complex(program):
    """Do the steps of every loop work with complex numbers?"""
    in_steps = [k for k in program.instructions if isinstance(k.t, int)]
    return any(a.dtype.kind == "c" for k in in_steps for a in k.arguments if isinstance(a, np.ndarray))


@pytest.mark.parametrize("T", [1, 2, 7])
@pytest.mark.parametrize("way", [*WAYS, *OTHERS])
def test_every_way_to_write_it(way, T):
    agree(recurrence(way), *arguments(T), choices=CHOICES[:3])


@pytest.mark.slow
@pytest.mark.parametrize("way", [*WAYS, *OTHERS])
def test_every_way_to_write_it_without_other_passes(way):
    agree(recurrence(way), *arguments(4), choices=CHOICES[3:])


@pytest.mark.parametrize("way", [*WAYS, *OTHERS])
def test_what_is_a_turn_and_what_is_none(way):
    program = tg.compile(recurrence(way), (0, 1, 2, 3), has_aux=True).program(*arguments(5))
    assert is_complex(program) == (way in WAYS)


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("only_last", [False, True], ids=["all steps", "the last step"])
def test_every_way_to_read_it(read, only_last):
    for T in (1, 3):
        agree(recurrence("as in the field", read, only_last), *arguments(T), choices=CHOICES[:4])


@pytest.mark.parametrize("batch", [(), (1,), (2, 3)], ids=str)
@pytest.mark.parametrize("shape", [(N,), (1,), ()], ids=str)
def test_shapes(batch, shape):
    agree(recurrence("as in the field"), *arguments(4, batch=batch, shape=shape), choices=CHOICES[:3])


@pytest.mark.parametrize("values", [(0, 1), (2, 200)], ids=str)
def test_rows_that_are_taken_step_by_step_and_chunks(values, monkeypatch):
    for (module, name), value in zip([(codegen, "MANY"), (loop_placement, "CHUNK")], values, strict=True):
        monkeypatch.setattr(module, name, value)
    for way in ("as in the field", "a rotation that the input chooses"):
        agree(recurrence(way), *arguments(5), choices=CHOICES[:1])


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.longdouble], ids=lambda d: d.__name__)
def test_precisions(dtype):
    f, given = recurrence("as in the field"), arguments(4, dtype)
    fast = tg.compile(f, (0, 1, 2, 3), has_aux=True)
    expected = tg.value_and_grad(f, (0, 1, 2, 3), has_aux=True)(*given)
    require_agreement(fast(*given), expected, tolerance=0.03 if dtype == np.float16 else None)
    assert is_complex(fast.program(*given)) == (dtype == np.float32)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("place", ["a", "b", "D", "x", "h"])
def test_what_is_not_finite_comes_out_as_it_does_without_the_pass(bad, place):
    p, x, h, k = arguments(4)
    for array in (p.get(place, x), x[1] if place == "x" else h if place == "h" else p.get(place, h)):
        array.flat[1] = bad
    f = recurrence("as in the field")
    without = tuple(name for name in compiler.PASSES if name != "pairs")
    with np.errstate(all="ignore"):
        expected = tg.compile(f, (0, 1, 2, 3), has_aux=True, passes=without)(p, x, h, k)
        require_agreement(tg.compile(f, (0, 1, 2, 3), has_aux=True)(p, x, h, k), expected)


@pytest.mark.slow
def test_two_pairs_and_a_state_that_is_neither():
    def f(p, x, h, k):
        m, n, other = k, h, np.tanh(h)
        ys = []
        for t in range(len(x)):
            with tg.scope(t=t):
                u, v = u_and_v(p, x[t])
                before = h
                h, k = WAYS["as in the field"](p, h, k, u, v)
                other = np.tanh(other * h + before)
                m, n = WAYS["the other way round"](p, m, n, h + u, other)
                ys.append(m @ p["C"] + n @ p["D"] + other @ p["C"])
        return (np.stack(ys) ** 2).mean(), (h, k, m, n, ys[-1])

    agree(f, *arguments(5))
    program = tg.compile(f, (0, 1, 2, 3), has_aux=True).program(*arguments(5))
    assert program.loops[0].text.count("multiply") < 12


@pytest.mark.slow
def test_the_two_states_delayed():
    def f(p, x, h, k):
        g, ys = h, []
        for t in range(len(x)):
            with tg.scope(t=t):
                u, v = u_and_v(p, x[t])
                g, (h, k) = h, WAYS["as in the field"](p, h, k, u, v + g)
                ys.append(g @ p["C"] - k @ p["D"])
        return (np.stack(ys) ** 2).mean(), (g, h, k)

    agree(f, *arguments(5))


@pytest.mark.parametrize("T", [2, 50])
def test_the_program_of_the_lru_is_that_of_a_person(T):
    rng = np.random.default_rng(0)
    params, x = nn.weights.arrays(nn.init.lru(rng, I, N)), rng.standard_normal((T, B, I))
    program = tg.compile(lambda p, x: (nn.unroll(nn.lru, p, x)[0] ** 3).sum(), (0, 1)).program(params, x)
    lines = [[line.split("(")[0].strip() for line in loop.text.splitlines()[2:]] for loop in program.loops]
    assert lines == [["multiply", "add"], ["add", "multiply"]]
    products = [k.shape for k in program.instructions if k.t is None and " = dot(" in k.call and len(k.shape) == 2]
    assert "multiply(dre_im_complex, " in program.source
    forth = [(T * B, 2 * N), (T * B, I)]
    assert sorted(products) == sorted([*forth, *forth, (2 * N, I), (2 * N, I)])


@pytest.mark.parametrize("turned", [False, True], ids=["pairs side by side", "transposed"])
def test_the_operation_itself(turned):
    def f(z, w):
        z = np.swapaxes(z, 0, -1) if turned else z
        for t in range(4):
            with tg.scope(t=t):
                z = complex_multiply(z, w) + np.tanh(z)
        return (complex_multiply(z, z) ** 2).sum()

    rng = np.random.default_rng(0)
    z, w = rng.standard_normal((2, 3, 2)), rng.standard_normal((3, 2))
    expected = tg.value_and_grad(f, (0, 1))(z, w)
    for passes in CHOICES:
        require_agreement(tg.compile(f, (0, 1), passes=passes)(z, w), expected)


@pytest.mark.slow
@given(
    ways=st.lists(st.sampled_from([*WAYS, *OTHERS]), min_size=1, max_size=2),
    read=st.sampled_from(list(READS)),
    T=st.sampled_from([1, 2, 3, 7]),
    crossed=st.booleans(),
    reverse=st.booleans(),
    only_last=st.booleans(),
    passes=st.sets(st.sampled_from(compiler.PASSES)),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_layers_of_turning_states(ways, read, T, crossed, reverse, only_last, passes, dtype, seed):
    """One after the other in one loop, in both orders of time, with a nonlinearity between them or without."""

    def f(p, x, h, k):
        states, ys = [(h, k), (k, h)], []
        for t in range(T):
            with tg.scope(t=t):
                u, v = u_and_v(p, x[T - 1 - t if reverse else t])
                for j, way in enumerate(ways):
                    states[j] = (WAYS | OTHERS)[way](p, *states[j], u, v)
                    u, v = (np.tanh(states[j][1]), u) if crossed else (v, u)
                ys.append(READS[read](p, *states[len(ways) - 1]))
        return ((ys[-1] if only_last else np.stack(ys)) ** 2).mean(), states

    agree(f, *arguments(T, dtype, seed), choices=[compiler.PASSES, tuple(passes)])
