"""Converters: each origin's own formulas, with weights that differ for every gate, against our cells; and files."""

import re

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.nn import weights

RNG = np.random.default_rng(0)
T, B, I, H = 3, 2, 3, 4
XS = RNG.standard_normal((T, B, I))
H0, C0 = RNG.standard_normal((B, H)), RNG.standard_normal((B, H))


def s(z):
    return 1 / (1 + np.exp(-z))


def drawn(*shape):
    return RNG.uniform(-1, 1, shape)


def same(cell, params, states, expected):
    """Our cell on the converted parameters gives the hidden states that the origin's formulas gave."""
    hs, _ = nn.unroll(cell, params, XS, states)
    np.testing.assert_allclose(hs, np.array(expected), rtol=1e-13, atol=1e-14)


def states_of(step, *states):
    hs = []
    for x in XS:
        states = step(x, *states)
        states = states if isinstance(states, tuple) else (states,)
        hs.append(states[0])
    return hs


# ---------------------------------------------------------------------------------------------- Keras


@pytest.mark.parametrize("bias", [True, False])
def test_keras_lstm(bias):
    K, R, b = drawn(I, 4 * H), drawn(H, 4 * H), drawn(4 * H) * bias

    def step(x, h, c):
        i, f, g, o = np.split(x @ K + h @ R + b, 4, axis=1)  # i, f, c, o
        c = s(f) * c + s(i) * np.tanh(g)
        return s(o) * np.tanh(c), c

    params = weights.from_keras("LSTM", [K, R, b] if bias else [K, R])
    same(nn.lstm, params, (H0, C0), states_of(step, H0, C0))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("reset_after", [True, False])
def test_keras_gru(reset_after, bias):
    K, R = drawn(I, 3 * H), drawn(H, 3 * H)
    b = (drawn(2, 3 * H) if reset_after else drawn(3 * H)) * bias
    b_x, b_h = b if reset_after else (b, np.zeros(3 * H))

    def step(x, h):
        x_z, x_r, x_h = np.split(x @ K + b_x, 3, axis=1)
        R_z, R_r, R_h = np.split(R, 3, axis=1)
        b_z, b_r, b_n = np.split(b_h, 3)
        z, r = s(x_z + h @ R_z + b_z), s(x_r + h @ R_r + b_r)
        candidate = np.tanh(x_h + r * (h @ R_h + b_n)) if reset_after else np.tanh(x_h + (r * h) @ R_h)
        return z * h + (1 - z) * candidate

    params = weights.from_keras("GRU", [K, R, b] if bias else [K, R], reset_after=reset_after)
    same(nn.gru if reset_after else nn.gru_textbook, params, H0, states_of(step, H0))


def test_keras_simple_rnn():
    K, R, b = drawn(I, H), drawn(H, H), drawn(H)
    params = weights.from_keras("SimpleRNN", [K, R, b])
    same(nn.rnn, params, H0, states_of(lambda x, h: np.tanh(x @ K + h @ R + b), H0))


# ---------------------------------------------------------------------------------------------- ONNX


@pytest.mark.parametrize("direction", [0, 1])
@pytest.mark.parametrize("peepholes", [True, False])
def test_onnx_lstm(peepholes, direction):
    W, R, Bs, P = drawn(2, 4 * H, I), drawn(2, 4 * H, H), drawn(2, 8 * H), drawn(2, 3 * H) * peepholes

    def step(x, h, c):
        (W_i, W_o, W_f, W_c), (R_i, R_o, R_f, R_c) = np.split(W[direction], 4), np.split(R[direction], 4)
        Wb_i, Wb_o, Wb_f, Wb_c, Rb_i, Rb_o, Rb_f, Rb_c = np.split(Bs[direction], 8)
        P_i, P_o, P_f = np.split(P[direction], 3)
        i = s(x @ W_i.T + h @ R_i.T + P_i * c + Wb_i + Rb_i)
        f = s(x @ W_f.T + h @ R_f.T + P_f * c + Wb_f + Rb_f)
        new = f * c + i * np.tanh(x @ W_c.T + h @ R_c.T + Wb_c + Rb_c)
        o = s(x @ W_o.T + h @ R_o.T + P_o * new + Wb_o + Rb_o)
        return o * np.tanh(new), new

    params = weights.from_onnx("LSTM", W, R, Bs, P if peepholes else None, direction=direction)
    same(nn.peephole_lstm if peepholes else nn.lstm, params, (H0, C0), states_of(step, H0, C0))


@pytest.mark.parametrize("linear_before_reset", [0, 1])
def test_onnx_gru(linear_before_reset):
    W, R, Bs = drawn(1, 3 * H, I), drawn(1, 3 * H, H), drawn(1, 6 * H)

    def step(x, h):
        (W_z, W_r, W_h), (R_z, R_r, R_h) = np.split(W[0], 3), np.split(R[0], 3)
        Wb_z, Wb_r, Wb_h, Rb_z, Rb_r, Rb_h = np.split(Bs[0], 6)
        z, r = s(x @ W_z.T + h @ R_z.T + Wb_z + Rb_z), s(x @ W_r.T + h @ R_r.T + Wb_r + Rb_r)
        if linear_before_reset:
            n = np.tanh(x @ W_h.T + r * (h @ R_h.T + Rb_h) + Wb_h)
        else:
            n = np.tanh(x @ W_h.T + (r * h) @ R_h.T + Rb_h + Wb_h)
        return (1 - z) * n + z * h

    params = weights.from_onnx("GRU", W, R, Bs)
    same(nn.gru if linear_before_reset else nn.gru_textbook, params, H0, states_of(step, H0))


def test_onnx_rnn():
    W, R, Bs = drawn(1, H, I), drawn(1, H, H), drawn(1, 2 * H)
    expected = states_of(lambda x, h: np.tanh(x @ W[0].T + h @ R[0].T + Bs[0, :H] + Bs[0, H:]), H0)
    same(nn.rnn, weights.from_onnx("RNN", W, R, Bs), H0, expected)


# ---------------------------------------------------------------------------------------------- assignments


def test_cs231n():
    Wx, Wh, b = drawn(I, 4 * H), drawn(H, 4 * H), drawn(4 * H)

    def step(x, h, c):
        i, f, o, g = np.split(x @ Wx + h @ Wh + b, 4, axis=1)
        c = s(f) * c + s(i) * np.tanh(g)
        return s(o) * np.tanh(c), c

    same(nn.lstm, weights.from_cs231n(Wx, Wh, b), (H0, C0), states_of(step, H0, C0))
    Wx, Wh, b = drawn(I, H), drawn(H, H), drawn(H)
    expected = states_of(lambda x, h: np.tanh(x @ Wx + h @ Wh + b), H0)
    same(nn.rnn, weights.from_cs231n(Wx, Wh, b), H0, expected)


def test_columns():
    p = {f"W{gate}": drawn(H, H + I) for gate in "ifco"} | {f"b{gate}": drawn(H, 1) for gate in "ifco"}

    def step(x, h, c):
        stacked = np.vstack([h.T, x.T])
        i, f, o = (s(p[f"W{g}"] @ stacked + p[f"b{g}"]) for g in "ifo")
        c = f * c.T + i * np.tanh(p["Wc"] @ stacked + p["bc"])
        return (o * np.tanh(c)).T, c.T

    same(nn.lstm, weights.from_columns({**p, "Wy": drawn(2, H)}), (H0, C0), states_of(step, H0, C0))
    p = {"Wax": drawn(H, I), "Waa": drawn(H, H), "ba": drawn(H, 1)}
    expected = states_of(lambda x, a: np.tanh(p["Wax"] @ x.T + p["Waa"] @ a.T + p["ba"]).T, H0)
    same(nn.rnn, weights.from_columns(p), H0, expected)


def test_names_of_a_layer():
    params = weights.for_layer(
        weights.from_keras("LSTM", [drawn(I, 4 * H), drawn(H, 4 * H), drawn(4 * H)]), 1, reverse=True
    )
    assert list(params) == [f"{name}_l1_reverse" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]


@pytest.mark.parametrize(("layer", "reverse"), [(0, False), (1, False), (0, True), (1, True)])
def test_the_names_of_a_layer_are_taken_away(layer, reverse):
    whole = nn.LSTM(I, H, 2, bidirectional=True).init(np.random.default_rng(0))
    own = weights.from_layer(whole, layer, reverse=reverse)
    assert list(own) == ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
    again = weights.for_layer(own, layer, reverse=reverse)
    assert all(again[name] is whole[name] for name in again)


def test_one_layer_of_a_model_runs_as_a_cell():
    layer = nn.LSTM(I, H)
    model = {f"rnn.{name}": p for name, p in layer.init(np.random.default_rng(0)).items()} | {"head.weight": np.eye(3)}
    params = weights.from_torch(model, "rnn.")
    hs, _ = nn.unroll(nn.lstm, weights.from_layer(params), XS)
    expected, _ = layer(params, XS)
    np.testing.assert_array_equal(hs, expected)
    with pytest.raises(ValueError, match="no weight_ih_l1 and weight_hh_l1 among weight_ih_l0") as error:
        weights.from_layer(params, 1)
    assert "take one module out" in str(error.value)


# ---------------------------------------------------------------------------------------------- PyTorch


@pytest.mark.needs_torch
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_state_dict_makes_the_round_trip_bit_for_bit(dtype):
    torch = pytest.importorskip("torch")
    module = torch.nn.LSTM(I, H, 2, bidirectional=True, dtype=getattr(torch, dtype))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    params = weights.from_torch(module.state_dict())
    layer = nn.LSTM(I, H, 2, bidirectional=True)
    ours, _ = layer({name: tg.Tensor(p, name=name) for name, p in params.items()}, XS.astype(dtype))
    theirs, _ = module(torch.tensor(XS.astype(dtype)))
    np.testing.assert_allclose(
        ours.data, theirs.detach().numpy(), rtol=1e-5 if dtype == "float32" else 1e-12, atol=1e-7
    )
    for p in module.parameters():
        torch.nn.init.zeros_(p)
    tensors = {name: tg.Tensor(p) for name, p in params.items()}
    module.load_state_dict({name: torch.from_numpy(a) for name, a in weights.arrays(tensors).items()})
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name])
        assert value.dtype == before[name].dtype


def test_a_prefix_chooses_one_module_of_a_model():
    state = {"rnn.weight_ih_l0": np.ones((4, 3)), "head.weight": np.ones((2, 4))}
    assert list(weights.from_torch(state, "rnn.")) == ["weight_ih_l0"]
    with pytest.raises(ValueError, match=r"no name begins with 'lstm\.'\nthe names are rnn\.weight_ih_l0, head"):
        weights.from_torch(state, "lstm.")


# ---------------------------------------------------------------------------------------------- wrong input


def test_what_does_not_fit_is_named():
    def refused(words):
        return pytest.raises(ValueError, match=words)

    with refused(r"LSTM: recurrent kernel has 12 rows or columns of gates for 4 hidden units\nexpected 4 \* 4 = 16"):
        weights.from_keras("LSTM", [drawn(I, 12), drawn(H, 12)])
    with refused(r"GRU: bias has shape \(12,\)\nexpected \(2, 12\)"):
        weights.from_keras("GRU", [drawn(I, 12), drawn(H, 12), drawn(12)])
    with refused("LTSM: 'LTSM' is not one of SimpleRNN, LSTM, GRU"):
        weights.from_keras("LTSM", [drawn(I, 12), drawn(H, 12)])
    with refused(r"LSTM: B has shape \(1, 16\)\nexpected \(1, 32\)"):
        weights.from_onnx("LSTM", drawn(1, 16, I), drawn(1, 16, H), drawn(1, 16))
    with refused(r"from_onnx: clip=3\.0\nour cells do not clip"):
        weights.from_onnx("RNN", drawn(1, H, I), drawn(1, H, H), clip=3.0)
    with refused("CS231n: 3 is not one of 1, 4"):
        weights.from_cs231n(drawn(I, 12), drawn(H, 12), drawn(12))
    with refused("from_columns: the parameters lack Wc, bc; given: Wi, bi, Wf, bf, Wo, bo"):
        weights.from_columns({f"{a}{g}": drawn(H, H + I if a == "W" else 1) for g in "ifo" for a in "Wb"})
    with refused(r"columns: bf has shape \(4,\)\nexpected \(4, 1\)"):
        weights.from_columns(
            {f"W{g}": drawn(H, H + I) for g in "ifco"} | {f"b{g}": drawn(H, 1) for g in "ico"} | {"bf": drawn(H)}
        )


def refused(*words):
    return pytest.raises(ValueError, match="(?s)" + ".*".join(re.escape(word) for word in words))


def test_what_a_converter_would_drop_is_refused():
    K, R, b = drawn(I, 3 * H), drawn(H, 3 * H), drawn(2, 3 * H)
    for several in ([K, R, b, K, R, b], [K, R, K, R], [K], [], {"kernel": K, "recurrent_kernel": R}, K):
        with refused("GRU: ", "instead of the two or three arrays of one layer\n", "Bidirectional"):
            weights.from_keras("GRU", several)
    with refused("GRU: bias is of type NoneType"):
        weights.from_keras("GRU", [K, R, None])
    for wrong in (np.ones(3), np.array(1.0), np.ones((2, 3, 4))):
        with refused("LSTM: recurrent kernel has ", "ax", "s\nexpected a matrix"):
            weights.from_keras("LSTM", [drawn(I, 4 * H), wrong])
        with refused("LSTM: kernel has shape "):
            weights.from_keras("LSTM", [wrong, drawn(H, 4 * H)])
    W, U = drawn(2, 4 * H, I), drawn(2, 4 * H, H)
    with refused("LSTM: R has shape (2, 16, 4), direction=None", "each is a cell of its own"):
        weights.from_onnx("LSTM", W, U)
    for direction in (2, -1, 0.5):
        with refused(f"direction={direction}"):
            weights.from_onnx("LSTM", W, U, direction=direction)
    with refused("LSTM: R has shape (16, 4)"):
        weights.from_onnx("LSTM", W[0], U[0])
    with refused("GRU: P has shape (1, 12)\nonly an LSTM has peepholes"):
        weights.from_onnx("GRU", drawn(1, 3 * H, I), drawn(1, 3 * H, H), P=drawn(1, 3 * H))


def test_columns_that_do_not_fit_are_refused():
    rnn = {"Waa": drawn(2, 2), "Wax": drawn(2, 3), "ba": drawn(2, 1)}
    for name, shape in (("Waa", (2, 5)), ("Waa", (2,)), ("Waa", ()), ("Wax", (3, 3)), ("Wax", (2,)), ("ba", (2,))):
        with refused("columns: ", " has shape ", "\nexpected"):
            weights.from_columns(rnn | {name: np.ones(shape)})
    for name in rnn:
        with refused(f"from_columns: the parameters lack {name}; given: "):
            weights.from_columns({k: v for k, v in rnn.items() if k != name})
    lstm = {f"W{g}": drawn(2, 1) for g in "fico"} | {f"b{g}": drawn(2, 1) for g in "fico"}
    for shape in ((2, 1), (2, 2), (2,), (), (2, 3, 4)):
        with refused("columns: Wi has shape ", "a column for each unit and each input"):
            weights.from_columns(lstm | {f"W{g}": np.ones(shape) for g in "fico"})
    with refused("from_columns: Wu, bu would not be used"):
        weights.from_columns(rnn | {"Wu": drawn(2, 3), "bu": drawn(2, 1)})
    with refused("from_columns: Wf, Wi, Wc, Wo, bf, bi, bc, bo would not be used"):
        weights.from_columns(rnn | lstm)


def test_cs231n_matrices_in_another_order_are_refused():
    for Wx, Wh in ((drawn(4, 16), drawn(3, 16)), (drawn(4, 4), drawn(3, 4)), (drawn(3, 16), drawn(16))):
        with refused("CS231n: Wh has shape ", "the arguments are Wx, Wh, b in this order"):
            weights.from_cs231n(Wx, Wh, drawn(16))


def test_a_state_dict_holds_arrays_by_name_and_nothing_else():
    for wrong, words in (
        (
            {"rnn": {"weight": np.ones(2)}},
            "rnn is of type dict, not an array of numbers\nit is a dict of its own",
        ),
        ({"a": None}, "a is of type NoneType"),
        ({"a": "x"}, "a is of type str"),
        ({"a": np.array([{}])}, "a is of type ndarray"),
        ({"a": [[1.0], [1.0, 2.0]]}, "a is of type list"),
        ({1: np.ones(2)}, "1 is of type ndarray, not an array of numbers"),
        (nn.LSTM(2, 3), "state_dict is of type LSTM, not a dict of parameters\ngive module.state_dict()"),
        ([np.ones(2)], "state_dict is of type list, not a dict of parameters"),
    ):
        with refused(words):
            weights.from_torch(wrong)
    both = {"rnn.weight": np.ones(2), "epoch": "three"}
    assert list(weights.from_torch(both, "rnn.")) == ["weight"]


@pytest.mark.needs_torch
def test_floats_that_numpy_has_not_come_as_float32():
    torch = pytest.importorskip("torch")
    module = torch.nn.LSTM(I, H).bfloat16()
    found = weights.from_torch(module.state_dict())
    for name, p in module.state_dict().items():
        assert found[name].dtype == np.float32
        assert torch.equal(torch.from_numpy(found[name]).bfloat16(), p)
    with refused("state_dict is of type LSTM, not a dict of parameters\ngive module.state_dict()"):
        weights.from_torch(module)


# ---------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("ending", [".npz", ".safetensors"])
def test_what_is_saved_comes_back_bit_for_bit(tmp_path, ending):
    if ending == ".safetensors":
        pytest.importorskip("safetensors")
    params = {"w": tg.Tensor(drawn(3, 4), name="w"), "t": drawn(4, 3).astype(np.float32).T, "n": np.array(2.5)}
    path = weights.save(tmp_path / f"p{ending}", params)
    found = weights.load(path, like=params)
    for name, value in weights.arrays(params).items():
        np.testing.assert_array_equal(found[name], value)
        assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape)


@pytest.mark.parametrize("ending", [".npz", ".safetensors"])
def test_a_truncated_or_foreign_file_is_an_error_and_changes_nothing(tmp_path, ending):
    if ending == ".safetensors":
        pytest.importorskip("safetensors")
    path = weights.save(tmp_path / f"p{ending}", {"w": drawn(30, 40)})
    whole = path.read_bytes()
    for wrong in (whole[:100], whole[: len(whole) // 2], whole[:-1], b"", b"hello, world", b"\x80\x04N."):
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match=r"not a whole file of parameters .*\n.*nothing was loaded"):
            weights.load(path)
    np.save(tmp_path / "a.npy", np.ones(3))
    (tmp_path / "a.npy").rename(path)
    with pytest.raises(ValueError, match="not a whole file"):
        weights.load(path)


def test_pickled_objects_are_not_loaded(tmp_path):
    path = tmp_path / "p.npz"
    np.savez(path, w=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="not a whole file of parameters"):
        weights.load(path)


def test_a_file_of_another_model_says_what_is_different(tmp_path):
    path = weights.save(tmp_path / "p.npz", {"w": np.ones(3), "b": np.ones(2)})
    with pytest.raises(ValueError, match=r"p\.npz: lacks u, has also b\nexpected w, u"):
        weights.load(path, like={"w": np.ones(3), "u": np.ones(2)})
    with pytest.raises(ValueError, match=r"w is float64 \(3,\)\nexpected float64 \(4,\)"):
        weights.load(path, like={"w": np.ones(4), "b": np.ones(2)})
    with pytest.raises(ValueError, match=r"w is float64 \(3,\)\nexpected float32 \(3,\)"):
        weights.load(path, like={"w": np.ones(3, np.float32), "b": np.ones(2)})
    with pytest.raises(ValueError, match=r"kept in \.npz or \.safetensors files"):
        weights.save(tmp_path / "p.pkl", {"w": np.ones(3)})
    with pytest.raises(FileNotFoundError):
        weights.load(tmp_path / "none.npz")


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = weights.save(tmp_path / "p.npz", {"w": np.ones(3)})
    before = path.read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space left"):
        weights.save(path, {"w": np.zeros(3)})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["p.npz"]


@pytest.mark.parametrize("ending", [".npz", ".safetensors"])
def test_a_tree_comes_back_by_names_and_as_it_was(tmp_path, ending):
    if ending == ".safetensors":
        pytest.importorskip("safetensors")
    params = {
        "encoder": {"W": drawn(3, 4), "b": tg.Tensor(drawn(4))},
        "heads": [(drawn(2), drawn(1)), {"W": drawn(2, 1)}],
    }
    path = weights.save(tmp_path / f"p{ending}", params)
    flat = weights.load(path)
    assert set(flat) == {"encoder.W", "encoder.b", "heads.0.0", "heads.0.1", "heads.1.W"}
    for name, value in weights.arrays(params).items():
        assert np.array_equal(flat[name], value)
    found = weights.load(path, like=params)
    assert type(found["heads"][0]) is tuple
    assert np.array_equal(found["heads"][0][1], params["heads"][0][1])
    assert np.array_equal(found["encoder"]["b"], params["encoder"]["b"].data)
    assert np.array_equal(found["heads"][1]["W"], params["heads"][1]["W"])
    with pytest.raises(ValueError, match=r"lacks encoder\.V, has also nothing"):
        weights.load(path, like=params | {"encoder": params["encoder"] | {"V": np.ones(2)}})
    with pytest.raises(ValueError, match=r"two parameters have the name 'a\.b'\nnames are joined by dots"):
        weights.save(path, {"a": {"b": np.ones(1)}, "a.b": np.ones(1)})
    assert np.array_equal(weights.load(path)["heads.0.0"], params["heads"][0][0])


def test_a_mask_is_not_dropped(tmp_path):
    params = {"layer": {"w": np.ma.masked_array([1.0, 2.0], [False, True])}}
    with pytest.raises(ValueError, match=r"layer\.w: a masked array.*\nfill it"):
        nn.weights.save(tmp_path / "w.npz", params)
    assert not list(tmp_path.iterdir())
