"""Parameters from elsewhere, and on disk.

PyTorch's `state_dict` has our names and layout: `from_torch` only takes the arrays out. The other converters take the
arrays of one layer in the order and layout of their origin and give the parameters of one of our cells, with the gates
where ours are: LSTM i, f, g, o; GRU r, z, n. `for_layer` gives them the names that `nn.LSTM` and its like have.

| origin | gates | matrices | biases | reset gate |
|---|---|---|---|---|
| PyTorch | i f g o; r z n | (G H, I), (G H, H), used as x Wᵀ | two | after the matrix |
| Keras | i f c o; z r h | (I, G H), (H, G H), used as x W | one; GRU with `reset_after`: (2, 3 H) | after, or before |
| ONNX | i o f c; z r h | (D, G H, I), (D, G H, H), used as x Wᵀ | (D, 2 G H), both in a row | before, or after |
| CS231n | i f o g | (I, 4 H), (H, 4 H), used as x W | one | - |
| columns | by name: f, i, c, o | (H, H + I), used as W [a; x] | (H, 1) | - |
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_rnn import files
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.core.trees import by_name, flattened

Arrays = dict[str, Any]


# ---------------------------------------------------------------------------------------------- other libraries


def from_torch(state_dict: Mapping[str, Any], prefix: str = "") -> Arrays:
    """The arrays of a PyTorch state_dict, by the same names; those under `prefix` ("rnn."), without it.

    The way back: `module.load_state_dict({name: torch.from_numpy(a) for name, a in arrays(params).items()})`.
    """
    found = {}
    for name, value in state_dict.items():
        if name.startswith(prefix):
            tensor = value.detach().cpu() if hasattr(value, "detach") and not isinstance(value, Tensor) else value
            found[name.removeprefix(prefix)] = np.array(_bare(tensor), order="C")
    if not found:
        raise ValueError(
            f"from_torch: no name begins with {prefix!r}\nthe names are {', '.join(list(state_dict)[:8]) or '(none)'}"
        )
    return found


def arrays(params: Any) -> Arrays:
    """The values of parameters, a tree of them, by name, as arrays of their own in C order.

    The names in nested dicts, lists and tuples are joined by dots: `encoder.weight_ih`, `layers.0.bias`.
    """
    return {name: np.array(_bare(p), order="C") for name, p in by_name(params).items()}


def from_keras(kind: str, weights: Sequence[Any], *, reset_after: bool = True) -> Arrays:
    """The parameters of `nn.rnn`, `nn.lstm`, `nn.gru` or `nn.gru_textbook` from `layer.get_weights()` of Keras.

    kind: "SimpleRNN", "LSTM" or "GRU". weights: kernel (I, G H), recurrent kernel (H, G H), and the bias, if there is
    one. A GRU with `reset_after` (the default of Keras) is `nn.gru`, one without it `nn.gru_textbook`.
    """
    order = _order(kind, {"SimpleRNN": [0], "LSTM": [0, 1, 2, 3], "GRU": [1, 0, 2]})
    kernel, recurrent, *bias = (np.asarray(w) for w in weights)
    hidden = _hidden_size(kind, "recurrent kernel", recurrent.T, len(order))
    _require(kind, "kernel", kernel, (kernel.shape[0], len(order) * hidden))
    double = kind == "GRU" and reset_after
    if bias:
        _require(kind, "bias", bias[0], (2, len(order) * hidden) if double else (len(order) * hidden,))
    to_x, to_h = (bias[0][0], bias[0][1]) if bias and double else (bias[0] if bias else None, None)
    return _cell_parameters(kernel.T, recurrent.T, to_x, to_h, order)


def from_onnx(
    kind: str, W: Any, R: Any, B: Any = None, P: Any = None, *, direction: int = 0, clip: float = 0.0
) -> Arrays:
    """The parameters of one direction of an ONNX RNN, LSTM or GRU node, from its inputs W, R, B and P.

    W: (D, G H, I), R: (D, G H, H), B: (D, 2 G H), P: (D, 3 H), the peepholes i, o, f of an LSTM, which then is
    `nn.peephole_lstm`. A GRU with `linear_before_reset` 1 is `nn.gru`, with 0 `nn.gru_textbook`. `direction` says which
    of the D. `layout` concerns x and the states alone: 1 is `batch_first`.

    Raises ValueError for `clip`, which our cells do not do.
    """
    if clip:
        raise ValueError(
            f"from_onnx: clip={clip}\nour cells do not clip; write a cell with np.clip before its activations"
        )
    order = _order(kind, {"RNN": [0], "LSTM": [0, 2, 3, 1], "GRU": [1, 0, 2]})
    W, R = np.asarray(W), np.asarray(R)
    hidden = _hidden_size(kind, "R", R[direction], len(order))
    _require(kind, "W", W, (R.shape[0], len(order) * hidden, W.shape[-1]))
    to_x = to_h = None
    if B is not None:
        _require(kind, "B", np.asarray(B), (R.shape[0], 2 * len(order) * hidden))
        to_x, to_h = np.split(np.asarray(B)[direction], 2)
    found = _cell_parameters(W[direction], R[direction], to_x, to_h, order)
    if P is not None:
        _require(kind, "P", np.asarray(P), (R.shape[0], 3 * hidden))
        i, o, f = np.split(np.asarray(P)[direction], 3)
        found |= {"weight_ci": i.copy(), "weight_cf": f.copy(), "weight_co": o.copy()}
    return found


def from_cs231n(Wx: Any, Wh: Any, b: Any) -> Arrays:
    """The parameters of `nn.lstm` or `nn.rnn` from CS231n's Wx (I, G H), Wh (H, G H), b (G H,).

    Four gates, in the order i, f, o, g, are an LSTM; one is an RNN.
    """
    Wx, Wh, b = np.asarray(Wx), np.asarray(Wh), np.asarray(b)
    gates = Wh.shape[1] // max(Wh.shape[0], 1) if Wh.ndim == 2 else 0
    order = _order("CS231n", {1: [0], 4: [0, 1, 3, 2]}, gates)
    hidden = _hidden_size("CS231n", "Wh", Wh.T, len(order))
    _require("CS231n", "Wx", Wx, (Wx.shape[0], len(order) * hidden))
    _require("CS231n", "b", b, (len(order) * hidden,))
    return _cell_parameters(Wx.T, Wh.T, b, None, order)


def from_columns(parameters: Mapping[str, Any]) -> Arrays:
    """The parameters of `nn.lstm` or `nn.rnn` in the column layout of many courses, by their usual names.

    LSTM: Wi, Wf, Wc, Wo of shape (H, H + I), applied to [a; x] with the state on top, and bi, bf, bc, bo (H, 1).
    RNN: Wax (H, I), Waa (H, H), ba (H, 1). Others (Wy, Wya, by) are left out.
    """
    given = {name: np.asarray(value) for name, value in parameters.items()}
    if "Waa" in given:
        stacked, names = {"": np.hstack([given["Waa"], given["Wax"]])}, ["ba"]
    else:
        missing = [f"{letter}{gate}" for gate in "ifco" for letter in "Wb" if f"{letter}{gate}" not in given]
        if missing:
            raise ValueError(
                f"from_columns: {', '.join(missing)} are missing; there are {', '.join(given) or 'none'}\n"
                "an LSTM has Wi, Wf, Wc, Wo and bi, bf, bc, bo; an RNN Wax, Waa and ba"
            )
        stacked, names = {gate: given[f"W{gate}"] for gate in "ifco"}, [f"b{gate}" for gate in "ifco"]
    hidden = next(iter(stacked.values())).shape[0]
    for gate, matrix in stacked.items():
        _require("columns", f"W{gate}", matrix, (hidden, next(iter(stacked.values())).shape[1]))
    for name in names:
        _require("columns", name, given[name], (hidden, 1))
    both = np.vstack(list(stacked.values()))
    bias = np.vstack([given[name] for name in names])[:, 0]
    return _cell_parameters(both[:, hidden:], both[:, :hidden], bias, None, list(range(len(stacked))))


def for_layer(params: Mapping[str, Any], layer: int = 0, *, reverse: bool = False) -> Arrays:
    """The parameters of a cell by the names that they have in a layer: `weight_ih` -> `weight_ih_l0`."""
    return {f"{name}_l{layer}{'_reverse' if reverse else ''}": value for name, value in params.items()}


def _cell_parameters(W: Any, U: Any, to_x: Any, to_h: Any, order: list[int]) -> Arrays:
    """Our names, with the gates (blocks of rows) in our order; a second bias of zeros where the origin has only one."""
    rows = np.concatenate([np.arange(len(U)).reshape(len(order), -1)[k] for k in order])
    found = {"weight_ih": np.ascontiguousarray(W[rows]), "weight_hh": np.ascontiguousarray(U[rows])}
    if to_x is not None:
        found["bias_ih"] = np.ascontiguousarray(to_x[rows])
        found["bias_hh"] = np.zeros_like(found["bias_ih"]) if to_h is None else np.ascontiguousarray(to_h[rows])
    return found


def _order(kind: str, known: Mapping[Any, list[int]], key: Any = None) -> list[int]:
    key = kind if key is None else key
    if key not in known:
        raise ValueError(f"{kind}: {key!r} is not one of {', '.join(map(str, known))}\ngive the kind of the layer")
    return known[key]


def _hidden_size(kind: str, name: str, U: Any, gates: int) -> int:
    """H, from U with its gates as rows."""
    if U.ndim != 2 or U.shape[0] != gates * U.shape[1]:
        raise ValueError(
            f"{kind}: {name} has {U.shape[0]} rows or columns of gates for {U.shape[-1]} hidden units\n"
            f"expected {gates} * {U.shape[-1]} = {gates * U.shape[-1]}: {gates} gates of the hidden size"
        )
    return int(U.shape[1])


def _require(kind: str, name: str, value: Any, expected: tuple[int, ...]) -> None:
    if value.shape != expected:
        raise ValueError(f"{kind}: {name} has shape {value.shape}\nexpected {expected}")


# ---------------------------------------------------------------------------------------------- files


def save(path: str | os.PathLike[str], params: Any) -> Path:
    """Write parameters into a .npz or .safetensors file, whole or not at all; the path.

    What is nested is written by the names that `arrays` gives it. A .npz holds plain arrays, never pickled objects. For
    .safetensors install `tinygrad_rnn[io]`.
    """
    values = arrays(params)
    if _ending(path) == ".safetensors":
        return files.write(path, _safetensors().save(values))
    buffer = io.BytesIO()
    np.savez(buffer, **values)
    return files.write(path, buffer.getvalue())


def load(path: str | os.PathLike[str], like: Any = None) -> Any:
    """The parameters in a file that `save` wrote, or that holds arrays by name otherwise: a dict of arrays by name.

    With `like`, such as the parameters in use, the answer is a tree built like it, and every name, shape and dtype must
    be as there: ValueError names the first that is not. A file that is truncated, or something else, is a ValueError
    that names it; nothing is changed then.
    """
    ending, content = _ending(path), Path(path).read_bytes()
    reader = _safetensors() if ending == ".safetensors" else None
    try:
        if reader is not None:
            found: Arrays = dict(reader.load(content))
        else:
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                found = {name: file[name] for name in file.files}
    except Exception as error:  # whatever a parser says of bytes that are not its own
        raise ValueError(
            f"{path}: not a whole file of parameters ({type(error).__name__}: {str(error).splitlines()[0]})\n"
            "it is truncated, or something else: nothing was loaded"
        ) from error
    if like is None:
        return found
    names = by_name(like)
    _require_like(path, found, names)
    return flattened(like)[1](found[name] for name in names)


def _require_like(path: Any, found: Mapping[str, Any], like: Mapping[str, Any]) -> None:
    missing, beyond = [n for n in like if n not in found], [n for n in found if n not in like]
    if missing or beyond:
        raise ValueError(
            f"{path}: lacks {', '.join(missing) or 'nothing'}, has beyond {', '.join(beyond) or 'nothing'}\n"
            f"expected {', '.join(like)}"
        )
    for name, p in like.items():
        if found[name].shape != p.shape or found[name].dtype != p.dtype:
            raise ValueError(f"{path}: {name} is {found[name].dtype} {found[name].shape}\nexpected {p.dtype} {p.shape}")


def _ending(path: str | os.PathLike[str]) -> str:
    ending = Path(path).suffix
    if ending not in (".npz", ".safetensors"):
        raise ValueError(f"{path}: parameters are kept in .npz or .safetensors files\nchoose one of these endings")
    return ending


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError("safetensors is not installed\npip install tinygrad_rnn[io], or use .npz") from error
    return safetensors.numpy


def _bare(value: Any) -> Any:
    return value.data if isinstance(value, Tensor) else np.asarray(value)
