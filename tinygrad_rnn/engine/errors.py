"""What an error says: what is wrong, with operation, shapes, names and scope; then, on a second line, what to do."""

import re
from typing import Any

import numpy as np

from tinygrad_rnn.engine.recording import where_text


def refuse_dtype(dtype: np.dtype[Any], what: str) -> None:
    """Raise for anything but floats, integers and booleans."""
    if dtype.kind == "c":
        raise TypeError(
            f"{what} of dtype {dtype}: complex numbers have no place on a tape{where_text()}\n"
            "differentiate the real and the imaginary part as two real Tensors"
        )
    if dtype.kind not in "fiub":
        raise TypeError(
            f"{what} of dtype {dtype}: a Tensor holds floats, integers or booleans{where_text()}\n"
            "pass a rectangular array of numbers"
        )


def explained(name: str, args: tuple[Any, ...], error: Exception) -> Exception:
    """The error of an operation, with its inputs' names and shapes and the scope, of the same built-in type."""
    if "\n" in str(error):  # an error of ours, met on the way: it says already what to do
        wrong, _, remedy = str(error).partition("\n")
        where = where_text()
        return type(error)(f"{name}: {wrong}{'' if where in wrong else where}\n{remedy}")
    values = [getattr(a, "_data", a) for a in args]  # a Tensor's array
    shapes = [np.shape(value) for value in values if isinstance(value, np.ndarray | np.number | float)]
    names = [a.name for a in args if getattr(a, "name", None)]
    if name == "matmul" and len(shapes) == 2 and all(shapes):
        left, right = shapes
        inner = left[-1], right[-2 if len(right) > 1 else 0]
        wrong = f"shapes {left} @ {right} do not fit"
        wrong += f" ({inner[0]} against {inner[1]})" if inner[0] != inner[1] else ""
        remedy = "the last axis of the left one must equal the last but one of the right one; is a .T missing?"
    elif "broadcast" in str(error) and len(shapes) > 1:
        wrong = f"shapes {' and '.join(map(str, shapes))} do not fit together"
        remedy = "shapes are aligned at their last axes; each pair of lengths must be equal, or one of them 1"
    elif "Singular matrix" in str(error):
        wrong = f"the matrix is singular, for shapes {', '.join(map(str, shapes))}"
        remedy = "it has no inverse: look at its values, or add a small multiple of the identity"
    elif (keyword := re.search(r"unexpected keyword argument '(\w+)'", str(error))) is not None:
        wrong = f"{keyword[1]}= cannot be recorded, for shapes {', '.join(map(str, shapes))}"
        remedy = "leave that keyword out: an operation on a tape takes only the keywords that its derivative knows"
    else:
        wrong = f"{error}, for shapes {', '.join(map(str, shapes))}"
        remedy = f"the arguments of {name} go to NumPy as they are: its documentation says what fits"
        if name.endswith(", backward"):
            remedy = "a derivative rule returns, for each argument, an array of its shape"
    by_name = f" (named {', '.join(names)})" if names else ""
    kind = next((k for k in (TypeError, IndexError, ValueError) if isinstance(error, k)), RuntimeError)
    return kind(f"{name}: {wrong}{by_name}{where_text()}\n{remedy}")
