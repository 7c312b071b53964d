"""Every wrong input: the type of the error, what it says is wrong and where, and, on the second line, what to do."""

import decimal
import fractions

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn

NUMPY_2_1 = np.lib.NumpyVersion(np.__version__) >= "2.1.0"


@pytest.fixture
def x():
    return tg.Tensor(np.ones((4, 3)), name="x")


@pytest.fixture
def weight():
    return tg.Tensor(np.ones((5, 8)), name="W")


def refused(error, *words):
    """Expect an error whose first line holds the words before the last, and whose second line holds the last."""

    class Expect:
        def __enter__(self):
            pass

        def __exit__(self, kind, value, trace):
            assert kind is error, f"{kind} in the place of {error}: {value}"
            wrong, remedy = str(value).split("\n")
            for word in words[:-1]:
                assert word in wrong
            assert words[-1] in remedy
            return True

    return Expect()


def test_shapes_that_do_not_fit(x, weight):
    with (
        refused(
            ValueError, "matmul: shapes (4, 3) @ (5, 8) do not fit (3 against 5)", "x, W", "in layer=0 t=3 gate=f", ".T"
        ),
        tg.Tape(),
        tg.scope(layer=0, t=3, gate="f"),
    ):
        x @ weight
    with refused(ValueError, "add: shapes (4, 3) and (5, 8) do not fit together", "x, W", "in t=3", "aligned"):
        with tg.Tape(), tg.scope(t=3):
            x + weight
    with refused(ValueError, "stack:", "same shape", "(4, 3), (5, 8)", "NumPy"):
        np.stack([x, weight])
    with refused(ValueError, "reshape: cannot reshape array of size 12", "(4, 3)", "x", "NumPy"):
        x.reshape(5, 5)
    with refused(IndexError, "getitem: index 7 is out of bounds", "(4, 3)", "NumPy"):
        x[7]
    with refused(
        ValueError, "split: 'x' (4, 3) has length 3 on axis 1, which is not 2 equal parts", "np.split(x, [3, 5], axis)"
    ):
        np.split(x, 2, axis=1)


def test_a_wrong_shape_in_a_cell_names_the_step():
    params = nn.init.lstm(np.random.default_rng(0), 3, 4)
    with refused(ValueError, "lstm: x has shape (2, 5)", "in t=0", "3 features in the last axis"), tg.Tape():
        nn.unroll(nn.lstm, params, np.ones((2, 2, 5)))


def test_a_numpy_function_without_a_rule(x):
    for function in (np.median, np.linalg.svd, np.spacing, np.cross):
        with (
            refused(TypeError, f"{function.__name__}: has no derivative rule", "in t=1", "primitive(function, *vjps)"),
            tg.Tape(),
            tg.scope(t=1),
        ):
            function(x, x) if function is np.cross else function(x)


def test_what_a_tape_cannot_record(x):
    with tg.Tape():
        with refused(TypeError, "np.add.reduce", "'x' (4, 3)", "no ufunc methods"):
            np.add.reduce(x)
        with refused(TypeError, "np.tanh with out=", "'x' (4, 3)", "no out="):
            np.tanh(x, out=np.empty((4, 3)))
        with refused(TypeError, "np.add with where=", "no out="):
            np.add(x, 1, where=np.ones((4, 3), bool))
        with refused(TypeError, "sum: where= cannot be recorded", "x", "leave that keyword out"):
            np.sum(x, where=np.ones((4, 3), bool))
        with refused(TypeError, "np.add with out=", "an array cannot take a Tensor in place"):
            array = np.ones((4, 3))
            array += x


def test_a_list_with_tensors_in_it_says_how_to_join_them(x):
    with refused(TypeError, "np.array(): would take the values of 'x' (4, 3) off the tape", "in t=3", "np.stack(xs)"):
        with tg.Tape(), tg.scope(t=3):
            x + [x, x]


def test_a_keyword_that_joining_does_not_know(x):
    with tg.Tape():
        with refused(TypeError, "stack: dtype= cannot be recorded", "x", "leave that keyword out"):
            np.stack([x, x], dtype=np.float32)
        with refused(TypeError, "concatenate: out= cannot be recorded", "x", "leave that keyword out"):
            np.concatenate([x, x], out=np.empty((8, 3)))


def test_complex_numbers_have_no_place_on_a_tape(x):
    with refused(TypeError, "complex128", "real and the imaginary part"):
        tg.Tensor(1j)
    with tg.Tape():
        for constant in (1j, np.ones(3) * 1j, np.complex128(1j)):
            with refused(TypeError, "a constant of dtype complex128", "real and the imaginary part"):
                x * constant


def test_what_is_no_array_of_numbers(x):
    for value, dtype in (("a", "<U1"), (None, "object"), ({}, "object")):
        with refused(TypeError, f"a value of dtype {dtype}", "rectangular array of numbers"):
            tg.Tensor(value)
    with pytest.raises(ValueError, match="inhomogeneous"):
        tg.Tensor([[1], [1, 2]])
    with refused(TypeError, "is a Tensor already ('x' (4, 3))", "x.detach()"):
        tg.Tensor(x)


def test_values_do_not_change(x):
    with refused(TypeError, "assignment into a Tensor ('x' (4, 3))", "in t=2", "np.where(mask, new, x)"), tg.scope(t=2):
        x[0] = 1
    with refused(TypeError, "assignment into a Tensor", "set_at(x, index, value)"):
        x[0] += 1
    with refused(AttributeError, "the values of 'x' (4, 3) do not change", "make a new one"):
        x.data = np.zeros(3)
    with pytest.raises(ValueError, match="read-only"):
        x.data[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        x.data -= 0.1


def test_values_do_not_leave_an_open_tape_in_silence(x):
    with tg.Tape(), tg.scope(t=3):
        with refused(
            TypeError, "np.array(): would take the values of 'x' (4, 3) off the tape", "in t=3", "np.stack(xs)"
        ):
            np.array([x, x])
        with refused(TypeError, "np.array()", "x.data"):
            np.asarray(x)
        with refused(TypeError, "float(): would take the values of unnamed () off", "in t=3", "x.item()"):
            float(x.sum())
        with refused(TypeError, "int()", "x.item()"):
            int(x.sum())


def test_iteration_over_a_number():
    with refused(TypeError, "iteration over a 0-d Tensor", "x.item()"):
        list(tg.Tensor(1.0))


def test_a_loss_that_is_no_scalar_and_a_seed_that_does_not_fit(x):
    with tg.Tape() as tape:
        y = tg.named("y", x * 2)
    with refused(ValueError, "the loss 'y' (4, 3), made by multiply, is not a scalar", "seed="):
        tape.gradient(y, x)
    with refused(ValueError, "the seed has shape (3,), the loss 'y' (4, 3)", "one number for each"):
        tape.gradient(y, x, seed=np.ones(3))
    with refused(ValueError, "is not a scalar", "loss.sum()"):
        tape.rewind(y)
    with refused(ValueError, "is not a scalar", "loss.sum()"):
        y.backward()


def test_a_loss_that_is_not_on_the_tape(x):
    with tg.Tape() as tape:
        x.sum()
    for loss in (x.sum(), x):
        with refused(ValueError, "was not made on this tape (1 entry)", "with Tape() as tape:"):
            tape.gradient(loss, x)
    with refused(TypeError, "the loss is a float, not a Tensor", "inside"):
        tape.gradient(1.0, x)


def test_a_backward_whose_tape_is_gone(x):
    with tg.Tape():
        loss = tg.named("L", x.sum())
    with refused(RuntimeError, "no tape holds the history of 'L' ()", "with Tape() as tape"):
        loss.backward()
    with refused(RuntimeError, "no tape holds the history of 'x'", "with Tape() as tape"):
        x.backward()


def test_a_second_backward(x):
    with tg.Tape() as tape:
        loss = x.sum()
    loss.backward()
    with refused(RuntimeError, "was called for unnamed () before", "tape.gradient(loss, wrt)"):
        loss.backward()
    assert (x.grad == 1).all()
    assert len(tape) == 1


def test_gradients_with_respect_to_what_has_none(x):
    ids = tg.Tensor([1, 2], name="ids")
    with tg.Tape() as tape:
        loss = x[ids].sum()
        count = (ids * 2).sum()
    with refused(TypeError, "'ids' (2,) is int64, and only floats have a gradient", "values.astype(float)"):
        tape.gradient(loss, {"ids": ids})
    with refused(TypeError, "wrt['x'] is a ndarray, not a Tensor", "x = Tensor(values)"):
        tape.gradient(loss, {"x": x.data})
    with refused(TypeError, "wrt[0] is a float", "x = Tensor(values)"):
        tape.gradient(loss, [1.0])
    with refused(TypeError, "the loss unnamed () is int64", "only floats"):
        tape.gradient(count, x)
    loss.backward()
    assert ids.grad is None


def test_tapes_that_are_open_or_foreign(x):
    with tg.Tape() as tape:
        with refused(RuntimeError, "this tape is open already", "with Tape() as inner:"), tape:
            pass
        x * 2
    with refused(LookupError, "rerun: unnamed () is not on this tape", "tape.find(name)"):
        tape.rerun({tg.Tensor(1.0): 2.0})


def test_losses_refuse_what_broadcasting_would_hide(x):
    with refused(ValueError, "mse: targets of shape (3,) for outputs (4, 3)", "expected targets of shape (4, 3)"):
        nn.mse(x, np.ones(3))
    with refused(
        ValueError, "cross_entropy: targets of shape (3,) for outputs (4, 3)", "expected targets of shape (4,)"
    ):
        nn.cross_entropy(x, np.array([0, 1, 2]))
    with refused(TypeError, "cross_entropy: targets are float64", "an integer"):
        nn.cross_entropy(x, np.ones(4))
    for wrong in ([0, 1, 2, 3], [0, -1, 2, 0]):
        with refused(ValueError, "cross_entropy: targets from", "for 3 classes", "0 to 2"):
            nn.cross_entropy(x, np.array(wrong))


def test_unroll_refuses_what_is_no_cell_and_no_sequence():
    params = nn.init.rnn(np.random.default_rng(0), 3, 4)
    with refused(ValueError, "the sequence has no steps (T = 0)", "T >= 1"):
        nn.unroll(nn.rnn, params, np.ones((0, 2, 3)))
    with refused(ValueError, "two takes the states (h, c) and returned 1 at t=0", "all of its states"):
        nn.unroll(two, params, np.ones((2, 2, 3)), (np.ones((2, 4)),) * 2)
    with refused(ValueError, "<lambda>: a cell takes (params, x, *state)", "def cell(params, x, h)"):
        nn.unroll(lambda params, x: x, params, np.ones((2, 2, 3)))


def two(params, x, h, c):
    return h


def test_a_cell_that_returns_too_many_states_is_named_with_the_step():
    params = nn.init.rnn(np.random.default_rng(0), 3, 4)

    def generous(params, x, h):
        return h, h, h

    with refused(ValueError, "generous takes the states (h) and returned 3 at t=0", "returns all of its states"):
        with tg.Tape():
            nn.unroll(generous, params, np.ones((2, 2, 3)), np.zeros((2, 4)))


def test_a_first_line_speaks_of_the_place_in_time_and_layer(x, weight):
    with refused(ValueError, "add: shapes (4, 3) and (5, 8) do not fit together", "in layer=0 t=3", "last axes"):
        with tg.Tape(), tg.scope(layer=0), tg.scope(t=3):
            x + weight


def test_numpy_by_its_own_keywords_and_where_it_has_no_second_argument(x):
    assert np.sum(a=x).item() == 12
    assert np.shape(a=x) == (4, 3)
    assert np.zeros_like(a=x).shape == (4, 3)
    if NUMPY_2_1:  # before it the keyword had another name
        assert np.reshape(x, shape=(3, 4)).shape == (3, 4)
    with refused(TypeError, "where:", "'a' and 'b'", "np.nonzero(condition.data)"):
        np.where(x > 0)
    with refused(ValueError, "split: 'x' (4, 3) has no axis -3", "-2 to 1"):
        np.split(x, 2, axis=-3)


def test_a_shape_given_as_an_array_is_the_shape_it_was(x):
    shape = np.array([3, 4])
    with tg.Tape() as tape:
        y = np.reshape(x, shape)
        shape[:] = 1
    assert tape.rerun({x: x.data})[1][y].shape == (3, 4)


def test_arguments_that_our_form_of_a_function_does_not_take(x):
    for call in (
        lambda: np.ravel(x, order="F"),
        lambda: x.ravel("F"),
        lambda: x.reshape(3, 4, order="F"),
        lambda: np.reshape(x, (3, 4), order="F"),
        lambda: np.reshape(x, (3, 4), "F"),
        lambda: x.copy(order="F"),
    ):
        with refused(TypeError, "order='F' cannot be recorded", "(named x)", "x.T.reshape(shape[::-1]).T"):
            call()
    with refused(TypeError, "var: mean= cannot be recorded", "leave that keyword out"):
        np.var(x, mean=1.0)
    with refused(TypeError, "sum: dtype= cannot be recorded", "(named x)", "x.astype(dtype)"):
        x.sum(axis=0, dtype=np.float32)
    with refused(TypeError, "max: out= cannot be recorded", "use the result"):
        np.max(x, 0, np.empty(3))


def test_an_argument_has_the_place_that_numpy_gives_it(x):
    with refused(TypeError, "sum: dtype= cannot be recorded", "x.astype(dtype)"):
        np.sum(x, 0, np.float32)
    assert np.sum(x, 0, None, None, True).shape == (1, 3)
    assert np.mean(x, 1, None, None, True).shape == (4, 1)
    assert np.max(x, 0, None, True).shape == (1, 3)
    assert np.var(x, 0, None, None, 1, True).data.tolist() == [[0, 0, 0]]
    assert np.cumsum(x, 0, None)[-1].data.tolist() == [4, 4, 4]


def test_an_argument_that_numpy_has_by_default_may_be_written(x):
    with tg.Tape() as tape:
        np.sum(x, axis=0, dtype=None, out=None)
        np.stack([x, x], dtype=None, casting="same_kind")
        np.reshape(x, (3, 4), order="C")
        np.add(x, 1, where=True)
    assert [entry.op.name for entry in tape] == ["sum", "stack", "reshape", "add"]


def test_functions_of_linalg_have_their_own_names_in_messages(x):
    with tg.Tape():
        with refused(TypeError, "np.linalg.svd: has no derivative rule", "primitive"):
            np.linalg.svd(x)
        with refused(TypeError, "np.fft.fft: has no derivative rule", "primitive"):
            np.fft.fft(x)
        with refused(TypeError, "np.median: has no derivative rule", "primitive"):
            np.median(x)


def test_what_a_tensor_lacks_of_an_array(x):
    with refused(AttributeError, "x.tolist: a Tensor lacks this part of an array", "x.data.tolist"):
        x.tolist()
    with refused(AttributeError, "x.sort: a Tensor lacks this part", "np.sort(x), or x.data.sort"):
        x.sort()
    with pytest.raises(AttributeError, match="'Tensor' object has no attribute 'numpy'"):
        x.numpy()
    assert not hasattr(x, "fill")
    assert not hasattr(tg.Tensor, "__getattr__")  # with it Python reads every attribute several times slower


@pytest.mark.parametrize("operate", [np.multiply, np.add, np.maximum, lambda a, b: np.where(True, a, b)])
@pytest.mark.parametrize("constant", [fractions.Fraction(1, 2), decimal.Decimal(1), "a", np.datetime64("2020-01-01")])
def test_a_constant_is_a_number(x, operate, constant):
    with refused(TypeError, "a constant of dtype", "rectangular array of numbers"):
        operate(x, constant)


def test_bits_of_numbers_are_refused_and_booleans_taken(x):
    mask = np.array([True, False, True])
    with tg.Tape():
        assert (mask & (x > 0)).data.tolist() == [mask.tolist()] * 4
        assert (np.array([[True]]) ^ (x > 0)).data.any() == False  # noqa: E712
        assert np.bitwise_or(mask, x > 0).data.all()
        with refused(TypeError, "np.bitwise_and: an argument is int64", "compare first"):
            np.array([1, 2, 3]) & (x > 0)
        with refused(TypeError, "'x' (4, 3) is float64", "compare first"):
            (x > 0) & x
