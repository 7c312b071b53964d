"""Tensors: values that do not change, that NumPy and Python understand, and that keep no tape alive."""

import copy
import pickle

import numpy as np
import pytest

import tinygrad_rnn as tg


@pytest.fixture
def x():
    return tg.Tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], name="x")


def test_a_tensor_copies_what_it_is_given_and_cannot_be_written(x):
    array = np.ones(3)
    y = tg.Tensor(array)
    array[:] = 7
    assert y.data.tolist() == [1, 1, 1]
    for t in (y, y * 2, y.reshape(3, 1)):
        with pytest.raises(ValueError, match="read-only"):
            t.data[0] = 5


def test_python_and_numpy_understand_a_tensor(x):
    loss = x.sum()
    assert f"{loss:.3f}" == "21.000"
    assert f"{x}" == str(x) == repr(x)
    assert bool(loss) is True
    assert not tg.Tensor(0.0)
    assert float(loss) == 21.0
    assert int(loss) == 21
    assert len(x) == 2
    assert [row.data.tolist() for row in x] == [[1, 2, 3], [4, 5, 6]]
    _, b = x
    assert b.data.tolist() == [4, 5, 6]
    assert np.shape(x) == (2, 3)
    assert np.ndim(x) == 2
    assert np.size(x) == 6
    assert np.zeros_like(x).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert np.ones_like(x, dtype=np.float32).dtype == np.float32
    assert np.allclose(x, x.data)
    assert type(np.asarray(x)) is np.ndarray
    assert np.array([loss, loss]).tolist() == [21, 21]
    assert np.median(x) == 3.5
    assert repr(tg.Tensor(np.float32([1]), name="w")) == "Tensor([1.], dtype=float32, name='w')"


def test_these_work_while_a_tape_is_open_too(x):
    with tg.Tape() as tape:
        loss = x.sum()
        assert f"{loss:.3f}" == "21.000"
        assert bool(loss > 20)
        assert len(x) == 2
        assert len(list(x)) == 2
        assert np.shape(x) == (2, 3)
        assert np.zeros_like(x).shape == (2, 3)
        assert loss.item() == 21
    assert [entry.op.name for entry in tape] == ["sum", "greater", "getitem", "getitem"]


def test_equality_is_elementwise_and_the_hash_the_identity(x):
    y = tg.Tensor(x.data)
    assert (x == y).data.all()
    assert not (x != y).data.any()
    assert hash(x) != hash(y)
    assert {x: 1, y: 2}[x] == 1


@pytest.mark.parametrize("left", [np.ones(2), np.float64(1), 1, 1.0, np.array(1.0), [1.0, 1.0]])
def test_whatever_stands_on_the_left_the_result_is_a_tensor(left):
    y = tg.Tensor([2.0, 4.0])
    with tg.Tape() as tape:
        for result, expected in ((left + y, [3, 5]), (left - y, [-1, -3]), (left * y, [2, 4]), (left / y, [0.5, 0.25])):
            assert type(result) is tg.Tensor
            assert result.data.tolist() == expected
            assert result.dtype == np.float64
        assert type(np.ones((3, 2)) @ y) is tg.Tensor
        assert (2**y).data.tolist() == [4, 16]
    assert all(entry.out.dtype != object for entry in tape)


def test_python_numbers_do_not_promote():
    y = tg.Tensor(np.float32([0.5, 2]))
    with tg.Tape() as tape:
        z = (1 - y) * 2 / 3 + y**2 + np.where(y > 1, y, 0.0) + np.maximum(y, 0) + tg.sigmoid(y)
        loss = z.mean()
    assert all(entry.out.dtype in (np.float32, bool) for entry in tape)
    assert tape.gradient(loss, y).dtype == np.float32


def test_a_gradient_comes_back_in_the_dtype_of_its_tensor():
    single, double = tg.Tensor(np.float32([1, 2])), tg.Tensor([3.0, 4.0])
    with tg.Tape() as tape:
        y = (single * double).sum() + np.concatenate([single, double]).sum() + np.stack([single, double])[0].sum()
    a, b = tape.gradient(y, [single, double])
    assert (a.dtype, b.dtype) == (np.float32, np.float64)
    assert a.tolist() == [5, 6]
    assert b.tolist() == [2, 3]


def test_a_constant_that_is_refilled_does_not_spoil_a_gradient():
    buffer, w = np.array([1.0, 2.0]), tg.Tensor([1.0, 1.0])
    view = buffer[:]
    view.setflags(write=False)
    with tg.Tape() as tape:
        loss = (w * buffer + w * view).sum()
        buffer[:] = 100
    assert tape.gradient(loss, w).tolist() == [2, 4]
    frozen = tg.Tensor(buffer).data
    with tg.Tape() as tape:
        loss = (w * frozen).sum()
    assert tape[0].args[1] is frozen  # what nobody can write is not copied


def test_an_index_or_a_mask_that_is_refilled_does_not_spoil_a_gradient():
    index, mask, w = np.array([0, 1]), np.array([True, False, True]), tg.Tensor([1.0, 2.0, 3.0])
    with tg.Tape() as tape:
        loss = w[index].sum() + (w[mask] * 5).sum() + np.where(mask, w * w, 0.0).sum()
        index[:] = 2
        mask[:] = False
    assert tape.gradient(loss, w).tolist() == [1 + 5 + 2, 1, 5 + 6]


@pytest.mark.parametrize(
    "write",
    [
        lambda y: np.asarray(y).__setitem__(0, 99),
        lambda y: np.copyto(y, 99),
        lambda y: np.put(y, [0], 99),
    ],
    ids=["asarray", "copyto", "put"],
)
def test_a_result_cannot_be_written_by_way_of_numpy_either(write):
    x = tg.Tensor([1.0, 2.0])
    with tg.Tape() as tape:
        y = x * 2
        loss = (y * y).sum()
    with pytest.raises(ValueError, match="read-only"):
        write(y)
    assert tape.gradient(loss, x).tolist() == [8, 16]


def test_detach_cuts_inside_one_tape_and_is_computed_anew_by_a_rerun():
    x = tg.Tensor(3.0)
    with tg.Tape() as tape:
        y = x * (x * x).detach()
    assert tape.gradient(y, x) == 9
    again, new = tape.rerun({x: 2.0})
    assert new[y].item() == 8
    assert again.gradient(new[y], new[x]) == 4


def test_named_names_what_has_no_name_and_does_nothing_to_an_array(x):
    array = np.ones(2)
    assert tg.named("z", array) is array
    assert tg.named("z", x).name == "x"
    assert tg.named("z", x * 2).name == "z"


def test_pickle_and_copies_keep_values_name_and_gradient(x):
    x.grad = np.ones((2, 3))
    with tg.Tape() as tape:
        y = x * 2
    for copied in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x), copy.copy(x)):
        np.testing.assert_array_equal(copied.data, x.data)
        np.testing.assert_array_equal(copied.grad, x.grad)
        assert copied.name == "x"
    del tape
    assert copy.deepcopy(y).data.tolist() == y.data.tolist()


def test_zero_dimensional_empty_and_length_one_tensors():
    for value in (np.array(2.0), np.ones((0, 3)), np.ones(1)):
        x = tg.Tensor(value)
        with tg.Tape() as tape:
            y = (np.tanh(x * x) + 1).sum()
        g = tape.gradient(y, x)
        assert type(g) is np.ndarray
        assert g.shape == value.shape
        np.testing.assert_allclose(g, (1 - np.tanh(value**2) ** 2) * 2 * value)
    assert type((tg.Tensor(2.0) * 3).data) is np.ndarray


def test_mixed_methods_are_those_of_arrays(x):
    array = x.data
    for ours, theirs in (
        (x.T, array.T),
        (x.transpose(1, 0), array.transpose(1, 0)),
        (x.reshape(3, 2), array.reshape(3, 2)),
        (x.reshape((6,)), array.reshape(6)),
        (x.sum(axis=0), array.sum(axis=0)),
        (x.mean(axis=1, keepdims=True), array.mean(axis=1, keepdims=True)),
        (x.max(), array.max()),
        (abs(-x), array),
        (+x, array),
        (x.astype(np.float32), array.astype(np.float32)),
        (x[:, ::-1], array[:, ::-1]),
        (x.T @ x, array.T @ array),
    ):
        np.testing.assert_array_equal(ours.data, theirs)
        assert ours.dtype == theirs.dtype


NO_NUMBERS = [1j, np.array([None]), "text", np.array(["a"]), tg.Tensor(1.0), [tg.Tensor(1.0)] * 2]


@pytest.mark.parametrize("values", NO_NUMBERS)
def test_a_tensor_holds_real_numbers_or_booleans_and_no_tensors(values):
    with tg.Tape(), pytest.raises(TypeError):
        tg.Tensor(values)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int64, np.uint8, bool])
def test_dtype_and_values_stay_as_they_were_given(dtype):
    values = np.array([0, 1, 1]).astype(dtype)
    x = tg.Tensor(values)
    assert x.dtype == dtype
    assert x.data.tolist() == values.tolist()
    assert tg.Tensor(True).dtype == bool
    assert tg.Tensor([1, 2]).dtype == np.array([1, 2]).dtype


def test_float64_from_numpy_on_the_left_of_a_number_is_recorded():
    x = tg.Tensor(3.0)
    with tg.Tape() as tape:
        y = np.float64(2) * x + np.array(5.0) * x - np.float64(1) / x
    assert type(y) is tg.Tensor
    g = tape.gradient(y, x)
    assert type(g) is np.ndarray
    assert g == pytest.approx(2 + 5 + 1 / 9, rel=1e-15)
