"""Files of parameters: every name and bit comes back, and nothing in a file is trusted before it is judged."""

import io
import json
import math
import re
import struct
import warnings
import zipfile

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.nn import parameter_files, weights

ENDINGS = [".npz", ".safetensors"]


@pytest.fixture(params=ENDINGS)
def path(request, tmp_path):
    if request.param == ".safetensors":
        pytest.importorskip("safetensors")
    return tmp_path / f"p{request.param}"


def refused(*words):
    return pytest.raises(ValueError, match="(?s)" + ".*".join(re.escape(word) for word in words))


# ---------------------------------------------------------------------------------------------- what is written


@pytest.mark.parametrize(
    "names",
    [
        ["allow_pickle", "file", "args", "kwds", "self"],
        ["a.npy", "a", "a.npy.npy", ".npy", ""],
        [
            "encoder/weight",
            "kernel:0",
            "rnn.weight_ih_l0",
            "W x",
            "a..b",
            "\N{GREEK SMALL LETTER ALPHA}",
            "\u00c9",
            "E\u0301",
        ],
        ["A", "a"],
        ["x" * 5000],
    ],
    ids=lambda names: names[0][:12],
)
def test_no_name_is_dropped_or_changed(path, names):
    params = {name: np.full((2, k + 1), float(k)) for k, name in enumerate(names)}
    weights.save(path, params)
    found = weights.load(path, like=params)
    assert set(found) == set(params)
    for name, value in params.items():
        np.testing.assert_array_equal(found[name], value)
    assert b"pickle" not in path.read_bytes() or "pickle" in str(names)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0, 2), (2, 3), (1, 1, 1, 1)], ids=str)
@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "<i2", ">i4", "<i8", "<u8", "<f2", "<f4", "<f8", ">f8", "<c8"])
def test_no_bit_is_changed(path, dtype, shape):
    rng = np.random.default_rng(0)
    value = np.frombuffer(rng.bytes(16 * math.prod(shape)), "u1")[: math.prod(shape)].reshape(shape).astype(dtype)
    for given in (value, value.T, np.asfortranarray(value), tg.Tensor(value) if value.dtype.kind in "f" else value):
        weights.save(path, {"w": given})
        found = weights.load(path)["w"]
        bare = given.data if isinstance(given, tg.Tensor) else given
        assert found.shape == bare.shape
        assert found.dtype == (bare.dtype if path.suffix == ".npz" else bare.dtype.newbyteorder("<"))
        np.testing.assert_array_equal(found, bare)
        found.flags.writeable and found.fill(0)
        assert found.flags.writeable


def test_special_values_come_back_and_are_told(path):
    values = np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324, np.nextafter(1, 2)])
    weights.save(path, {"fine": np.ones(2), "w": values, "n": np.arange(3)})
    with pytest.warns(RuntimeWarning, match=r"p\.\w+: w: NaN or infinity among the entries"):
        found = weights.load(path)
    assert found["w"].tobytes() == values.tobytes()
    assert weights.not_finite(found) == ["w"]
    assert weights.not_finite({"t": tg.Tensor(np.ones(2)), "k": np.array(True)}) == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        weights.save(path, {"w": np.ones(2)})
        weights.load(path)


def test_the_same_parameters_are_the_same_bytes(path):
    params = nn.init.lstm(np.random.default_rng(0), 3, 4)
    first = weights.save(path, params).read_bytes()
    assert weights.save(path, params).read_bytes() == first


def test_numpy_reads_what_is_written(tmp_path):
    params = {"file": np.arange(3.0), "encoder/w": np.ones((2, 2), np.float32)}
    with np.load(weights.save(tmp_path / "p.npz", params)) as file:
        assert file.files == list(params)
        for name, value in params.items():
            np.testing.assert_array_equal(file[name], value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a\x00b", "has control characters"),
        ("a\nb", "has control characters"),
        ("\x1b[31mred", "has control characters"),
        ("a\x7f", "has control characters"),
        ("a\x85b", "has control characters"),
        ("\ud800", "has control characters"),
        ("/etc/passwd", "leads out of the folder"),
        ("../w", "leads out of the folder"),
        ("a/../../w", "leads out of the folder"),
        ("..", "leads out of the folder"),
        ("C:/w", "leads out of the folder"),
        ("C:\\w", "leads out of the folder"),
        ("a\\b", "leads out of the folder"),
        ("x" * 70000, "has 70000 characters"),
        (1, "is of type int"),
        (("a", "b"), "is of type tuple"),
        (None, "is of type NoneType"),
    ],
    ids=lambda v: repr(v)[:20],
)
def test_names_that_are_refused(path, name, words):
    before = weights.save(path, {"w": np.ones(2)}).read_bytes()
    with refused("the name ", words, "\ngive the parameter another name" if isinstance(name, str) else "\n") as error:
        weights.save(path, {"w": np.ones(2), name: np.ones(3)})
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", str(error.value))
    assert len(str(error.value)) < 500
    assert path.read_bytes() == before


def test_a_name_that_the_format_keeps_for_itself(tmp_path):
    pytest.importorskip("safetensors")
    with refused("'__metadata__' has another meaning"):
        weights.save(tmp_path / "p.safetensors", {"__metadata__": np.ones(2)})
    weights.save(tmp_path / "p.npz", {"__metadata__": np.ones(2)})
    assert list(weights.load(tmp_path / "p.npz")) == ["__metadata__"]


@pytest.mark.parametrize(
    "value",
    [None, "text", np.array(["a"]), np.array([b"a"]), np.array([None, 1.0]), np.array("2020-01-01", "M8[D]"), object()],
    ids=lambda v: type(v).__name__,
)
def test_what_is_no_array_of_numbers_is_not_written(path, value):
    before = weights.save(path, {"w": np.ones(2)}).read_bytes()
    with refused("p.", "'b'"):
        weights.save(path, {"w": np.ones(2), "b": value})
    assert path.read_bytes() == before


def test_dtypes_that_a_format_has_not(tmp_path):
    pytest.importorskip("safetensors")
    for dtype in ("complex128", "longdouble"):
        if np.dtype(dtype) == np.float64:
            continue
        with refused(f"'w' is {np.dtype(dtype)}, which .safetensors lacks\nconvert it, or use .npz"):
            weights.save(tmp_path / "p.safetensors", {"w": np.ones(2, dtype)})
        np.testing.assert_array_equal(
            weights.load(weights.save(tmp_path / "p.npz", {"w": np.full(2, 3, dtype)}))["w"], np.full(2, 3, dtype)
        )
    with refused("which is not a number type of NumPy"):
        weights.save(tmp_path / "p.npz", {"w": np.zeros(2, [("a", "f4"), ("b", "f4")])})


# ---------------------------------------------------------------------------------------------- what is read


def npy(value, **options):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, value, **options)
    return buffer.getvalue()


def header(text, version=1):
    body = text.encode() + b" " * (63 - len(text) % 64) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(body)) + body


def zipped(path, members, compression=zipfile.ZIP_STORED):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of names that occur twice
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name, content in members:
                archive.writestr(zipfile.ZipInfo(name), content, compression)
    return path


def nothing_is_unpacked(monkeypatch):
    def unpacks(*args, **kwargs):
        raise AssertionError("data was read")

    monkeypatch.setattr(np.lib.format, "read_array", unpacks)
    monkeypatch.setattr(zipfile.ZipFile, "read", unpacks)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([("w.npy", npy(np.ones(2))), ("w.npy", npy(np.zeros(2)))], "'w' occurs 2 times"),
        ([("w.npy", npy(np.array([None]), allow_pickle=True))], "'w' holds Python objects, which are never loaded"),
        ([("w.npy", npy(np.array(["abc"])))], "'w' is <U3, which is not a number type of NumPy"),
        ([("w.npy", npy(np.zeros(2, [("a", "f4")])))], "which is not a number type of NumPy"),
        ([("../w.npy", npy(np.ones(2)))], "'../w' leads out of the folder"),
        ([("/w.npy", npy(np.ones(2)))], "'/w' leads out of the folder"),
        ([("a\x1b[2Jb.npy", npy(np.ones(2)))], "'a\\x1b[2Jb' has control characters"),
        ([("model/data.pkl", b"\x80\x02}q\x00.")], "'model/data.pkl' in it is not an array"),
        ([("folder/", b"")], "'folder/' in it is not an array"),
        ([("w.npy", npy(np.ones(2)) + b"more")], "'w' announces 16 bytes and has 20"),
        ([("w.npy", npy(np.ones(2))[:-1])], "'w' announces 16 bytes and has 15"),
        ([("w.npy", b"\x93NUMPY")], "not a whole file of parameters"),
        ([("w.npy", b"")], "not a whole file of parameters"),
        (
            [("w.npy", header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}"))],
            "announces 8000000",
        ),
        ([("w.npy", header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -2)}") + b"0" * 16)], "announces"),
        ([("w.npy", header("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}") + b"N.")], "Python objects"),
        ([("w.npy", header("{'descr': '<f8', 'fortran_order': False}"))], "not a whole file of parameters"),
        ([("w.npy", header("__import__('os').getcwd()"))], "not a whole file of parameters"),
        ([("w.npy", header("{'descr': '<f8', 'fortran_order': False, 'shape': (0,)}", 3))], "version (3, 0)"),
    ],
    ids=lambda v: v[:24] if isinstance(v, str) else "",
)
def test_an_npz_is_judged_before_it_is_unpacked(tmp_path, monkeypatch, members, words):
    path = zipped(tmp_path / "p.npz", members)
    nothing_is_unpacked(monkeypatch)
    with refused("p.npz: ", words, "\n"):
        weights.load(path)


def test_a_small_file_that_unpacks_to_a_large_one(tmp_path, monkeypatch):
    monkeypatch.setattr(parameter_files, "UNPACKED", 1 << 12)
    count = 100_000
    large = header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({count},)}}") + bytes(8 * count)
    path = zipped(tmp_path / "p.npz", [("w.npy", large)], zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 8000
    with monkeypatch.context() as patch:
        nothing_is_unpacked(patch)
        with refused(f"bytes would unpack to {8 * count}: nothing was loaded\nwhere that is meant, give `like`"):
            weights.load(path)
        with refused("w is float64 (100000,)\nexpected float64 (3,)"):
            weights.load(path, like={"w": np.ones(3)})
        with refused("lacks v, has also w"):
            weights.load(path, like={"v": np.ones(3)})
    sparse = np.zeros((1000, 1000))
    np.savez_compressed(tmp_path / "zeros.npz", w=sparse)
    np.testing.assert_array_equal(weights.load(tmp_path / "zeros.npz", like={"w": sparse})["w"], sparse)
    monkeypatch.undo()
    np.testing.assert_array_equal(weights.load(tmp_path / "zeros.npz")["w"], sparse)  # 8 MB are not much


def test_a_header_that_never_ends(tmp_path):
    bomb = b"\x93NUMPY\x02\x00" + struct.pack("<I", 2_000_000) + b" " * 2_000_000
    path = zipped(tmp_path / "p.npz", [("w.npy", bomb)], zipfile.ZIP_DEFLATED)
    with refused("not a whole file of parameters"):
        weights.load(path)


def test_data_that_were_changed(tmp_path):
    path = weights.save(tmp_path / "p.npz", {"w": np.arange(100.0)})
    content = bytearray(path.read_bytes())
    content[content.index(np.float64(50).tobytes())] ^= 1
    path.write_bytes(content)
    with refused("not a whole file of parameters (BadZipFile: Bad CRC-32"):
        weights.load(path)


def test_files_of_numpy_are_read(tmp_path):
    values = {"a": np.arange(6.0).reshape(2, 3), "f": np.asfortranarray(np.arange(6).reshape(2, 3)), "s": np.array(2.5)}
    for write in (np.savez, np.savez_compressed):
        write(tmp_path / "p.npz", **values)
        found = weights.load(tmp_path / "p.npz", like=values)
        for name, value in values.items():
            np.testing.assert_array_equal(found[name], value)


def safe(path, pairs, data):
    body = "{" + ",".join(f"{json.dumps(name)}:{json.dumps(spec)}" for name, spec in pairs) + "}"
    path.write_bytes(struct.pack("<Q", len(body.encode())) + body.encode() + data)
    return path


def test_bfloat16_comes_as_float32_exactly(tmp_path):
    pytest.importorskip("safetensors")
    upper = np.arange(0, 1 << 16, dtype="<u2")  # every bfloat16 there is
    path = safe(
        tmp_path / "p.safetensors",
        [
            ("__metadata__", {"format": "pt"}),
            ("w", {"dtype": "BF16", "shape": [256, 256], "data_offsets": [0, 1 << 17]}),
        ],
        upper.tobytes(),
    )
    with pytest.warns(RuntimeWarning, match="NaN or infinity"):
        found = weights.load(path)
    assert list(found) == ["w"]
    assert found["w"].dtype == np.float32
    for bits, value in zip(upper.tolist(), found["w"].ravel().tolist(), strict=True):
        sign, exponent, fraction = -1 if bits >> 15 else 1, bits >> 7 & 255, bits & 127
        if exponent == 255:
            assert math.isnan(value) if fraction else value == sign * math.inf
        else:
            whole = (128 * (exponent > 0) + fraction) * 2.0 ** (max(exponent, 1) - 127 - 7)
            assert value == sign * whole


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (
            [("w", {"dtype": "F8_E4M3", "shape": [8], "data_offsets": [0, 8]})],
            "'w' is F8_E4M3: NumPy has no such",
        ),
        ([("w", {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]})] * 2, "'w' occurs 2 times"),
        ([("../w", {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]})], "'../w' leads out of the folder"),
        ([("a\x1bb", {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]})], "'a\\x1bb' has control characters"),
        ([("w", {"dtype": "F64", "shape": [2], "data_offsets": [0, 8]})], "not a whole file of parameters"),
        ([("w", {"dtype": "F64", "shape": [1 << 62, 1 << 62], "data_offsets": [0, 8]})], "not a whole file"),
        ([("w", {"dtype": "F64", "shape": [1], "data_offsets": [8, 16]})], "not a whole file of parameters"),
        ([("w", 3)], "not a whole file of parameters"),
        ([], "not a whole file of parameters"),
    ],
    ids=lambda v: v[:24] if isinstance(v, str) else "",
)
def test_a_safetensors_file_is_judged_too(tmp_path, pairs, words):
    pytest.importorskip("safetensors")
    with refused("p.safetensors: ", words, "\n"):
        weights.load(safe(tmp_path / "p.safetensors", pairs, np.ones(1).tobytes()))


@pytest.mark.parametrize("start", [b"", b"\xff" * 8, struct.pack("<Q", 1 << 60), struct.pack("<Q", 5) + b"[[[[["])
def test_what_is_no_safetensors_file(tmp_path, start):
    pytest.importorskip("safetensors")
    (tmp_path / "p.safetensors").write_bytes(start)
    with refused("not a whole file of parameters"):
        weights.load(tmp_path / "p.safetensors")


def test_every_truncation_is_refused(path):
    whole = weights.save(path, nn.init.gru(np.random.default_rng(0), 1, 2)).read_bytes()
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        with refused("not a whole file of parameters"):
            weights.load(path)
