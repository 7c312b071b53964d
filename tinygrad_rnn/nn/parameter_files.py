"""Files of arrays by name, as bytes: .npz and .safetensors, written exactly and read without trust.

Reading goes from the names to the headers to the data: what a header announces is judged before anything is unpacked.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

AnyPath = str | os.PathLike[str]

HEADER = 1 << 16
"""No header of an array of numbers is as long as this, in bytes."""

UNPACKED = 1 << 28
"""The number of bytes that any file may unpack to. A larger result may have a hundred times the size of its file."""

DTYPES = {
    "BOOL": "?",
    **{f"{kind}{8 * size}": f"<{kind.lower()}{size}" for kind in "UI" for size in (1, 2, 4, 8)},
    **{f"F{8 * size}": f"<f{size}" for size in (2, 4, 8)},
    "C64": "<c8",
    "BF16": "<f4",
}
"""The dtypes of .safetensors as NumPy has them. A bfloat16 is the upper half of a float32, which holds it exactly."""


@dataclass(frozen=True)
class Stored:
    """An array in a file: its header, and the way to its data."""

    name: str
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    read: Callable[[], NDArray[np.generic]]


def packed(path: AnyPath, ending: str, values: Mapping[str, NDArray[np.generic]]) -> bytes:
    """Return the file of these arrays. Raise ValueError first for an array that would come back changed."""
    for name, value in values.items():
        _require_name(path, name, ending)
        _require_numbers(path, name, value.dtype, ending)
    if ending == ".safetensors":
        return bytes(_safetensors().numpy.save(dict(values)))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, value in values.items():
            # A ZipInfo has a fixed date: the same parameters are the same bytes.
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, value, allow_pickle=False)
    return buffer.getvalue()


def stored(path: AnyPath, ending: str, content: bytes) -> list[Stored]:
    """Return the arrays of a file, their data not yet read.

    Raises ValueError for names that occur twice, have control characters or lead out of a folder, for anything but
    arrays of numbers, and for headers that do not fit the data. Errors of a parser pass through.
    """
    found = _in_safetensors(path, content) if ending == ".safetensors" else _in_npz(path, content)
    for name, times in Counter(one.name for one in found).items():
        _require_name(path, name, ending)
        if times > 1:
            raise ValueError(f"{path}: {name!r} occurs {times} times\nrename all but one: nothing was loaded")
    return found


def require_size(path: AnyPath, content: bytes, found: list[Stored]) -> None:
    """Raise ValueError for a small file that would unpack to a large one."""
    total = sum(one.dtype.itemsize * math.prod(one.shape) for one in found)
    if total > max(UNPACKED, 100 * len(content)):
        raise ValueError(
            f"{path}: {len(content)} bytes would unpack to {total}: nothing was loaded\n"
            "where that is meant, give `like`: parameters of these names, shapes and dtypes"
        )


# ---------------------------------------------------------------------------------------------- the two formats


def _in_npz(path: AnyPath, content: bytes) -> list[Stored]:
    archive = zipfile.ZipFile(io.BytesIO(content))
    found = []
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name == info.filename:
            raise ValueError(
                f"{path}: not a whole file of parameters: {name!r} in it is not an array\n"
                "nothing was loaded; read what another program wrote with that program, such as torch.load"
            )
        with archive.open(info) as member:
            start = io.BytesIO(member.read(HEADER))
        version = np.lib.format.read_magic(start)
        readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in readers:
            raise ValueError(f"the header of {name!r} is of version {version}")
        shape, _, dtype = readers[version](start)
        if dtype.hasobject:
            raise ValueError(
                f"{path}: not a whole file of parameters: {name!r} holds Python objects, which are never loaded\n"
                "nothing was loaded; write arrays of numbers, as nn.weights.save does"
            )
        _require_numbers(path, name, dtype, ".npz")
        announced = dtype.itemsize * math.prod(shape)
        if min(shape, default=0) < 0 or announced != info.file_size - start.tell():
            raise ValueError(f"{name!r} announces {announced} bytes and has {info.file_size - start.tell()}")
        found.append(Stored(name, dtype, shape, _member(archive, info)))
    return found


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], NDArray[np.generic]]:
    return lambda: np.lib.format.read_array(io.BytesIO(archive.read(info)), allow_pickle=False)


def _in_safetensors(path: AnyPath, content: bytes) -> list[Stored]:
    length = int.from_bytes(content[:8], "little")
    pairs = json.loads(content[8 : 8 + length], object_pairs_hook=lambda pairs: pairs)
    data = {name: spec["data"] for name, spec in _safetensors().deserialize(content)}  # checks every offset
    found = []
    for name, spec in pairs:
        if name == "__metadata__":
            continue
        header = dict(spec)
        if header["dtype"] not in DTYPES:
            raise ValueError(
                f"{path}: {name!r} is {header['dtype']}: NumPy has no such dtype\n"
                "convert it where it comes from, as with tensor.float() in PyTorch"
            )
        dtype, shape = np.dtype(DTYPES[header["dtype"]]), tuple(header["shape"])
        found.append(Stored(name, dtype, shape, _values(header["dtype"], shape, data[name])))
    return found


def _values(dtype: str, shape: tuple[int, ...], data: bytes) -> Callable[[], NDArray[np.generic]]:
    if dtype == "BF16":
        return lambda: (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4").reshape(shape)
    return lambda: np.array(np.frombuffer(data, DTYPES[dtype]).reshape(shape))


def _safetensors() -> ModuleType:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError("safetensors is not installed\npip install tinygrad_rnn[io], or use .npz") from error
    return safetensors


# ---------------------------------------------------------------------------------------------- what is refused


def _require_name(path: AnyPath, name: object, ending: str) -> None:
    if not isinstance(name, str):
        raise ValueError(f"{path}: the name {name!r} is of type {type(name).__name__}\nname each parameter by a string")
    wrong = ""
    if re.search(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", name):
        wrong = "has control characters"
    elif re.match(r"[A-Za-z]:[/\\]|/", name) or "\\" in name or ".." in name.split("/"):
        wrong = "leads out of the folder where the file is unpacked"
    elif len(name.encode()) > HEADER - 100:
        name, wrong = f"{name[:20]}...", f"has {len(name)} characters"
    elif name == "__metadata__" and ending == ".safetensors":
        wrong = "has another meaning in the format"
    if wrong:
        raise ValueError(f"{path}: the name {name!r} {wrong}\ngive the parameter another name")


def _require_numbers(path: AnyPath, name: str, dtype: np.dtype[np.generic], ending: str) -> None:
    """Raise ValueError for a dtype that is not one of NumPy's own for numbers, or that the format has not."""
    if dtype.hasobject:
        raise ValueError(
            f"{path}: {name!r} holds Python objects, not numbers: they are never pickled\n"
            "give an array of numbers or a Tensor for each name"
        )
    if dtype.kind not in "biufc" or np.dtype(dtype.str) != dtype:
        raise ValueError(
            f"{path}: {name!r} is {dtype}, which is not a number type of NumPy\nconvert it, as with .astype(np.float32)"
        )
    if ending == ".safetensors" and dtype.name not in {np.dtype(d).name for d in DTYPES.values()}:
        raise ValueError(f"{path}: {name!r} is {dtype}, which .safetensors lacks\nconvert it, or use .npz")
