"""A Tensor assigned into an array: said as such, with the line, by whatever way NumPy asks for its values."""

import linecache

import numpy as np
import pytest

import tinygrad_rnn as tg

BODIES = [
    "hs[0] = h",
    "hs[:1, :] = h",
    "hs[..., 0:2] = h",
    "hs[[1]] = h",
    "hs[hs == 0] = s",
    "hs[0, 0] = s",
    "v[1] = s",
    "v[:2] = h",
    "counts[0] = n",
    "flags[0] = b",
    "hs[0] = [s, s]",
    "hs[:2] = [h, h]",
    "hs.flat = h",
    "hs.T[0, 0] = s",
    "v[0] += s",
    "a, hs[0] = 1, h",
    "hs[0] = h if v[0] == 0 else 2 * h",
    "for hs[0] in [h]: pass",
    "(lambda: hs.__setitem__(0, h), [0 for hs[0] in [h]])",
]
OTHERS = ["hs[0] = np.asarray(h)", "np.array([h, h])", "v[0] = float(s)", "v.fill(s)", "np.full(2, s)", "v.put([0], s)"]


def run(body, **names):
    """Run a body as the second line of a function in a file of its own."""
    source = f"def f(hs, v, counts, flags, h, s, n, b):\n    {body}\n"
    linecache.cache["cell.py"] = (len(source), None, source.splitlines(True), "cell.py")
    made = {"np": np}
    exec(compile(source, "cell.py", "exec"), made)
    arrays = {"hs": np.zeros((3, 2)), "v": np.zeros(3), "counts": np.zeros(2, int), "flags": np.zeros(2, bool)}
    tensors = {"h": [1.0, 2.0], "s": 1.0, "n": 1, "b": True}
    made["f"](**arrays, **{name: tg.Tensor(value, name=name) for name, value in tensors.items()})
    return arrays


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("body", BODIES)
def test_an_assignment_is_named_with_its_line_and_what_to_write_instead(body, sealed):
    with pytest.raises(TypeError) as caught, tg.Tape(sealed=sealed), tg.scope(t=3):
        run(body)
    wrong, remedy = str(caught.value).split("\n")
    assert wrong.startswith("assignment of ")
    assert "into an array: its history would be lost, in t=3, at cell.py:2: " in wrong
    assert body.split("=")[0].strip(" +") in wrong
    for word in ("np.stack(values)", "np.concatenate(parts)", "tg.set_at(array, index, value)"):
        assert word in remedy


@pytest.mark.parametrize("body", OTHERS)
def test_what_is_no_assignment_of_a_tensor_is_not_called_one(body):
    with pytest.raises(TypeError) as caught, tg.Tape():
        run(body)
    assert "assignment" not in str(caught.value)
    assert "would take the values of" in str(caught.value)


def on_nested_tapes(f):
    with tg.Tape(), tg.scope(t=1), tg.Tape():
        f(tg.Tensor(1.0))


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "g", "c8", "c16", "i4", "i8", "u1", "?"])
@pytest.mark.parametrize("call", [on_nested_tapes, lambda f: tg.grad(f)(1.0), lambda f: tg.compile(f)(1.0)])
def test_one_entry_is_refused_in_our_words_in_every_dtype_and_transform(call, dtype):
    """NumPy says "setting an array element with a sequence", and has our error as its cause."""

    def f(s):
        kept = np.zeros(3, dtype)
        kept[1] = s * 1
        return s

    with pytest.raises(TypeError, match=r"^assignment of unnamed \(\) into an array: "):
        call(f)


def test_an_error_of_the_user_stays_as_it_is():
    cause = TypeError("of the user\nin two lines")
    for words in ("setting an array element with a sequence.", "other words"):
        error = ValueError(words)
        with pytest.raises(ValueError, match=words) as caught, tg.Tape():
            raise error from (cause if words == "other words" else None)
        assert caught.value is error
    with pytest.raises(ValueError, match="setting an array element with a sequence"), tg.Tape():
        np.zeros(3)[0] = [1.0, 2.0]


def test_a_refused_assignment_may_be_caught_where_it_happens():
    with tg.Tape() as tape:
        x = tg.Tensor(1.0) * 2
        with pytest.raises(ValueError, match="setting an array element"):
            np.zeros(3)[0] = x
        y = x * 3
    assert len(tape) == 2
    assert y.item() == 6


@pytest.mark.parametrize("body", [body for body in BODIES if "lambda" not in body])
def test_outside_a_tape_an_array_takes_the_values(body):
    run(body)


@pytest.mark.parametrize("body", ["hs[0] += h", "hs += h", "v *= s"])
def test_in_place_arithmetic_says_that_an_array_cannot_take_a_tensor(body):
    with tg.Tape(), pytest.raises(TypeError, match="an array cannot take a Tensor in place"):
        run(body)


@pytest.mark.parametrize("body", ["np.copyto(v, s)", "np.put(v, [0], s)", "np.place(v, v == 0, s)"])
def test_functions_that_write_into_an_array_say_so(body):
    with tg.Tape(), pytest.raises(TypeError, match="writes the values of a Tensor into an array"):
        run(body)


def test_the_values_in_a_condition_may_be_looked_at():
    with tg.Tape():
        x = tg.Tensor([1.0, 2.0])
        seen = {}
        seen["positive"] = bool(x.sum() > 0)
        assert seen == {"positive": True}
        kept = [None]
        kept[0] = x
        assert kept[0] is x
