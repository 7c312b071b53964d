"""Parameters from elsewhere: other libraries, and the layouts of courses. `nn.weights` has these functions.

PyTorch's `state_dict` has our names and layout: `from_torch` only takes the arrays out. The other converters take the
arrays of one layer in the order and layout of their origin and give the parameters of one of our cells, with the gates
where ours are: LSTM i, f, g, o; GRU r, z, n. `for_layer` gives them the names that `nn.LSTM` and its like have,
and `from_layer` takes these away.

| origin | gates | matrices | biases | reset gate |
|---|---|---|---|---|
| PyTorch | i f g o; r z n | (G H, I), (G H, H), used as x Wᵀ | two | after the matrix |
| Keras | i f c o; z r h | (I, G H), (H, G H), used as x W | one; GRU with `reset_after`: (2, 3 H) | after, or before |
| ONNX | i o f c; z r h | (D, G H, I), (D, G H, H), used as x Wᵀ | (D, 2 G H), both in a row | before, or after |
| CS231n | i f o g | (I, 4 H), (H, 4 H), used as x W | one | - |
| columns | by name: f, i, c, o | (H, H + I), used as W [a; x] | (H, 1) | - |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.core.counting import counted
from tinygrad_rnn.core.tensor import Tensor

Values = NDArray[Any]
Arrays = dict[str, Values]

Key = TypeVar("Key", str, int)

Given = Any
"""An array of numbers, a Tensor, or a tensor of PyTorch."""


def from_torch(state_dict: Mapping[str, Given], prefix: str = "") -> Arrays:
    """Return the arrays of a PyTorch state_dict by name; with a `prefix` ("rnn."), those under it, without it.

    A float that NumPy does not have, such as bfloat16, comes as float32, which holds each of its values exactly. The
    way back: `module.load_state_dict({name: torch.from_numpy(a) for name, a in arrays(params).items()})`.

    Raises ValueError for a module instead of its state_dict, for dicts in the dict, and for what is no array of
    numbers.
    """
    if not isinstance(state_dict, Mapping):
        raise ValueError(
            f"from_torch: state_dict is of type {type(state_dict).__name__}, not a dict of parameters\n"
            "give module.state_dict(), a dict of tensors or arrays by name"
        )
    names = [name for name in state_dict if str(name).startswith(prefix)]
    if not names:
        raise ValueError(
            f"from_torch: no name begins with {prefix!r}\n"
            f"the names are {', '.join(map(str, list(state_dict)[:8])) or '(none)'}"
        )
    return {str(name).removeprefix(prefix): _numbers("from_torch", name, state_dict[name]).copy("C") for name in names}


def _numbers(who: str, name: object, value: Given) -> Values:
    """Return an array of numbers from an array, a Tensor or a tensor of PyTorch. Raise ValueError otherwise."""
    if hasattr(value, "detach") and not isinstance(value, Tensor):
        value = value.detach().cpu()
        try:
            np.asarray(value)
        except TypeError:  # a float that NumPy has not
            value = value.float()
    remedy = "give an array of numbers or a Tensor for each name"
    if isinstance(value, Mapping):
        remedy = f"it is a dict of its own: give what stands under {name!r}"
    try:
        array = value.data if isinstance(value, Tensor) else np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{who}: {name} is of type {type(value).__name__}, not an array\n{remedy}") from error
    if not isinstance(name, str) or array.dtype.kind not in "biufc":
        raise ValueError(f"{who}: {name} is of type {type(value).__name__}, not an array of numbers\n{remedy}")
    return array


def _first(array: Values) -> int:
    """Return the length of the first axis; 0 where there is none."""
    return int((array.shape or (0,))[0])


def from_keras(kind: str, weights: Sequence[Given], *, reset_after: bool = True) -> Arrays:
    """Return the parameters of `nn.rnn`, `nn.lstm`, `nn.gru` or `nn.gru_textbook` from `layer.get_weights()` of Keras.

    kind: "SimpleRNN", "LSTM" or "GRU". weights: kernel (I, G H), recurrent kernel (H, G H), and the bias, if there is
    one. A GRU with `reset_after` (the default of Keras) is `nn.gru`, one without it `nn.gru_textbook`.

    Raises ValueError for another number of arrays, such as the six of a Bidirectional layer, and for shapes that do not
    fit.
    """
    order = _order(kind, {"SimpleRNN": [0], "LSTM": [0, 1, 2, 3], "GRU": [1, 0, 2]}, kind)
    if not isinstance(weights, Sequence) or len(weights) not in (2, 3):
        count = len(weights) if isinstance(weights, Sequence) else f"a {type(weights).__name__}"
        raise ValueError(
            f"{kind}: {count} instead of the two or three arrays of one layer\n"
            "give [kernel, recurrent kernel, bias], or without the bias; a Bidirectional layer has two such lists"
        )
    names = ["kernel", "recurrent kernel", "bias"][: len(weights)]
    kernel, recurrent, *bias = (_numbers(kind, name, w) for name, w in zip(names, weights, strict=True))
    hidden = _hidden_size(kind, "recurrent kernel", recurrent.T, len(order))
    _require(kind, "kernel", kernel, (_first(kernel), len(order) * hidden))
    double = kind == "GRU" and reset_after
    if bias:
        _require(kind, "bias", bias[0], (2, len(order) * hidden) if double else (len(order) * hidden,))
    to_x, to_h = (bias[0][0], bias[0][1]) if bias and double else (bias[0] if bias else None, None)
    return _cell_parameters(kernel.T, recurrent.T, to_x, to_h, order)


def from_onnx(
    kind: str, W: Given, R: Given, B: Given = None, P: Given = None, *, direction: int | None = None, clip: float = 0.0
) -> Arrays:
    """Return the parameters of one direction of an ONNX RNN, LSTM or GRU node, from its inputs W, R, B and P.

    W: (D, G H, I), R: (D, G H, H), B: (D, 2 G H), P: (D, 3 H), the peepholes i, o, f of an LSTM, which then is
    `nn.peephole_lstm`. A GRU with `linear_before_reset` 1 is `nn.gru`, with 0 `nn.gru_textbook`. `direction` says which
    of the D, 0 or 1; it may be left out where there is one. `layout` concerns x and the states alone: 1 is
    `batch_first`.

    Raises ValueError for shapes that do not fit, for two directions without a choice, for P of another kind than LSTM,
    and for `clip`, which our cells do not do.
    """
    if clip:
        raise ValueError(
            f"from_onnx: clip={clip}\nour cells do not clip: write a cell that calls np.clip before its activations"
        )
    order = _order(kind, {"RNN": [0], "LSTM": [0, 2, 3, 1], "GRU": [1, 0, 2]}, kind)
    W, R = _numbers(kind, "W", W), _numbers(kind, "R", R)
    if R.ndim != 3 or (len(R) != 1 if direction is None else direction not in range(len(R))):
        raise ValueError(
            f"{kind}: R has shape {R.shape}, direction={direction}\n"
            "expected (directions, gates * H, H), and direction=0 or 1 where there are two: each is a cell of its own"
        )
    direction = direction or 0
    hidden = _hidden_size(kind, "R", R[direction], len(order))
    _require(kind, "W", W, (len(R), len(order) * hidden, (W.shape or (0,))[-1]))
    to_x = to_h = None
    if B is not None:
        B = _numbers(kind, "B", B)
        _require(kind, "B", B, (len(R), 2 * len(order) * hidden))
        to_x, to_h = np.split(B[direction], 2)
    found = _cell_parameters(W[direction], R[direction], to_x, to_h, order)
    if P is not None:
        P = _numbers(kind, "P", P)
        if kind != "LSTM":
            raise ValueError(f"{kind}: P has shape {P.shape}\nonly an LSTM has peepholes: leave P out")
        _require(kind, "P", P, (len(R), 3 * hidden))
        i, o, f = np.split(P[direction], 3)
        found |= {"weight_ci": i.copy(), "weight_cf": f.copy(), "weight_co": o.copy()}
    return found


def from_cs231n(Wx: Given, Wh: Given, b: Given) -> Arrays:
    """Return the parameters of `nn.lstm` or `nn.rnn` from CS231n's Wx (I, G H), Wh (H, G H), b (G H,).

    Four gates, in the order i, f, o, g, are an LSTM; one is an RNN. Raises ValueError for shapes that do not fit.
    """
    Wx, Wh, b = _numbers("CS231n", "Wx", Wx), _numbers("CS231n", "Wh", Wh), _numbers("CS231n", "b", b)
    if Wh.ndim != 2 or Wh.size == 0 or Wh.shape[1] % Wh.shape[0]:
        raise ValueError(
            f"CS231n: Wh has shape {Wh.shape}\n"
            "expected (H, 4 * H) for an LSTM, (H, H) for an RNN: the arguments are Wx, Wh, b in this order"
        )
    order = _order("CS231n", {1: [0], 4: [0, 1, 3, 2]}, Wh.shape[1] // Wh.shape[0])
    hidden = _hidden_size("CS231n", "Wh", Wh.T, len(order))
    _require("CS231n", "Wx", Wx, (_first(Wx), len(order) * hidden))
    _require("CS231n", "b", b, (len(order) * hidden,))
    return _cell_parameters(Wx.T, Wh.T, b, None, order)


COLUMNS = {"LSTM": [f"{letter}{gate}" for letter in "Wb" for gate in "ifco"], "RNN": ["Waa", "Wax", "ba"]}
"""What a cell has in the column layout."""

READOUT = {"Wy", "Wya", "by"}
"""What stands beside it there, of the layer that reads the state."""


def from_columns(parameters: Mapping[str, Given]) -> Arrays:
    """Return the parameters of `nn.lstm` or `nn.rnn` from the column layout of many courses, by the usual names there.

    LSTM: Wi, Wf, Wc, Wo of shape (H, H + I), applied to [a; x] with the state on top, and bi, bf, bc, bo (H, 1).
    RNN: Wax (H, I), Waa (H, H), ba (H, 1). A readout (Wy, Wya, by) is left out.

    Raises ValueError for names that are missing or unknown, and for shapes that do not fit.
    """
    kind = "RNN" if {"Waa", "Wax", "ba"} & parameters.keys() else "LSTM"
    missing = [name for name in COLUMNS[kind] if name not in parameters]
    unknown = [str(name) for name in parameters if name not in COLUMNS[kind] and name not in READOUT]
    if missing or unknown:
        wrong = f"the parameters lack {', '.join(missing)}" if missing else f"{', '.join(unknown)} would not be used"
        raise ValueError(
            f"from_columns: {wrong}; given: {', '.join(map(str, parameters)) or 'none'}\n"
            "an LSTM has Wi, Wf, Wc, Wo and bi, bf, bc, bo; an RNN has Wax, Waa and ba; Wy, Wya and by may be there too"
        )
    given = {name: _numbers("from_columns", name, parameters[name]) for name in COLUMNS[kind]}
    matrices = {name: value for name, value in given.items() if name.startswith("W")}
    hidden = _first(next(iter(matrices.values())))
    if kind == "RNN":
        _require("from_columns", "Waa", given["Waa"], (hidden, hidden))
        _require("from_columns", "Wax", given["Wax"], (hidden, (given["Wax"].shape or (0,))[-1]))
        blocks = [np.hstack([given["Waa"], given["Wax"]])]
    else:
        columns = (next(iter(matrices.values())).shape or (0,))[-1]
        for name, matrix in matrices.items():
            if matrix.ndim != 2 or columns <= hidden:
                raise ValueError(
                    f"from_columns: {name} has shape {matrix.shape}\n"
                    "expected (H, H + I), with a column for each unit and each input"
                )
            _require("from_columns", name, matrix, (hidden, columns))
        blocks = list(matrices.values())
    biases = [name for name in given if name.startswith("b")]
    for name in biases:
        _require("from_columns", name, given[name], (hidden, 1))
    both, bias = np.vstack(blocks), np.vstack([given[name] for name in biases])[:, 0]
    return _cell_parameters(both[:, hidden:], both[:, :hidden], bias, None, list(range(len(blocks))))


def for_layer(params: Mapping[str, Given], layer: int = 0, *, reverse: bool = False) -> Arrays:
    """Return the parameters of a cell by the names that they have in a layer: `weight_ih` -> `weight_ih_l0`."""
    return {f"{name}_l{layer}{'_reverse' if reverse else ''}": value for name, value in params.items()}


def from_layer(params: Mapping[str, Given], layer: int = 0, *, reverse: bool = False) -> Arrays:
    """Return the parameters of one layer by the names that they have in a cell: `weight_ih_l0` -> `weight_ih`.

    So `nn.unroll(nn.lstm, from_layer(from_torch(state_dict, "rnn.")), xs)` runs the first layer of a PyTorch model.
    `for_layer` is the way back. Names of another form are left out.

    Raises ValueError where there is no such layer.
    """
    ending = f"_l{layer}{'_reverse' if reverse else ''}"
    found = {name.removesuffix(ending): value for name, value in params.items() if name.endswith(ending)}
    if not {"weight_ih", "weight_hh"} <= found.keys():
        raise ValueError(
            f"from_layer: no weight_ih{ending} and weight_hh{ending} among {', '.join(list(params)[:8]) or '(none)'}\n"
            "give the parameters of one recurrent layer; of a model, take one module out: from_torch(..., 'rnn.')"
        )
    return found


def _cell_parameters(W: Given, U: Given, to_x: Given, to_h: Given, order: list[int]) -> Arrays:
    """Return our names, the gates (blocks of rows) in our order, a second bias of zeros where the origin has one."""
    rows = np.concatenate([np.arange(len(U)).reshape(len(order), -1)[k] for k in order])
    found = {"weight_ih": np.ascontiguousarray(W[rows]), "weight_hh": np.ascontiguousarray(U[rows])}
    if to_x is not None:
        found["bias_ih"] = np.ascontiguousarray(to_x[rows])
        found["bias_hh"] = np.zeros_like(found["bias_ih"]) if to_h is None else np.ascontiguousarray(to_h[rows])
    return found


def _order(kind: str, known: Mapping[Key, list[int]], key: Key) -> list[int]:
    """Return the order of the gates, from those of the known kinds."""
    if key not in known:
        raise ValueError(f"{kind}: {key!r} is not one of {', '.join(map(str, known))}\ngive the kind of the layer")
    return known[key]


def _hidden_size(kind: str, name: str, U: Given, gates: int) -> int:
    """Return H, from U with its gates as rows."""
    if U.ndim != 2:
        raise ValueError(
            f"{kind}: {name} has {counted(U.ndim, 'axis', 'axes')}\n"
            f"expected a matrix: {counted(gates, 'gate')} of the hidden size"
        )
    if U.shape[0] != gates * U.shape[1]:
        raise ValueError(
            f"{kind}: {name} has {U.shape[0]} rows or columns of gates for {U.shape[-1]} hidden units\n"
            f"expected {gates} * {U.shape[-1]} = {gates * U.shape[-1]}: {counted(gates, 'gate')} of the hidden size"
        )
    return int(U.shape[1])


def _require(kind: str, name: str, value: Given, expected: tuple[int, ...]) -> None:
    if value.shape != expected:
        raise ValueError(f"{kind}: {name} has shape {value.shape}\nexpected {expected}")
