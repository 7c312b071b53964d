"""What the engine says of a mistake: what is wrong, with shapes, names and scope; on a second line, what to do.

Nothing here computes anything: to understand the engine, skip this file.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from tinygrad_rnn.core.recording import where_text


def explained(name: str, args: tuple[Any, ...], error: Exception) -> Exception:
    """Return the error of an operation, with its inputs' names and shapes and the scope, of the same built-in type."""
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


# ------------------------------------------------------------------------------------------ values


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


def as_array(data: Any) -> np.ndarray[Any, Any]:
    """A copy of what becomes a Tensor, as an array of numbers in the byte order of this machine."""
    if hasattr(data, "describe"):
        raise TypeError(
            f"Tensor: the value is a Tensor already ({data.describe()})\n"
            "use it as it is, or x.detach() to cut its history"
        )
    if isinstance(data, np.ma.MaskedArray):
        raise TypeError(f"Tensor: a masked array{where_text()}\nfill it, or keep the mask beside it")
    try:
        array = np.array(data)
    except ValueError as error:
        raise ValueError(f"Tensor: {error}{where_text()}\npass a rectangular array of numbers") from error
    refuse_dtype(array.dtype, "Tensor: a value")
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def masked_constant() -> TypeError:
    """Refuse a constant that is a masked array."""
    return TypeError(f"a masked array as a constant{where_text()}\nfill it, or use np.where(mask, ...)")


# ------------------------------------------------------------------------------------------ Tensors


def no_data_setter(x: Any) -> AttributeError:
    """Refuse an assignment to `x.data`."""
    return AttributeError(
        f"Tensor: the values of {x.describe()} do not change, or a tape would record what never was\n"
        "make a new one: x = Tensor(values, name=...)"
    )


def no_assignment(x: Any) -> TypeError:
    """Refuse an assignment into a Tensor."""
    return TypeError(
        f"assignment into a Tensor ({x.describe()}): values on a tape do not change{where_text()}\n"
        "build the new value instead: set_at(x, index, value), add_at(x, index, value) or np.where(mask, new, x)"
    )


def no_axis(how: str) -> TypeError:
    """Refuse what needs an axis, of a 0-d Tensor."""
    return TypeError(f"{how} a 0-d Tensor{where_text()}\nuse it as it is, or x.item()")


def no_length() -> TypeError:
    """Refuse `len()` of a 0-d Tensor."""
    return TypeError(f"len() of a 0-d Tensor{where_text()}\nit is one number: use it as it is, or x.item()")


def not_one_entry(x: Any, how: str) -> TypeError:
    """Refuse several entries where one is needed."""
    return TypeError(
        f"{how}: {x.describe()} has {x.size} entries, not one{where_text()}\n"
        "reduce it first, as with .sum(), .any() of its .data, or an index"
    )


def not_boolean(x: Any, name: str) -> TypeError:
    """Refuse `&`, `|`, `^` or `~` of numbers."""
    return TypeError(
        f"{name}: {x.describe()} is {x.dtype}; & | ^ ~ are for booleans{where_text()}\ncompare first: (x > 0) & (y > 0)"
    )


def sealed(x: Any, how: str) -> TypeError:
    """Refuse a value that would leave a sealed tape."""
    return TypeError(
        f"{how}: would take the values of {x.describe()} off a sealed tape{where_text()}\n"
        "a compiled function is recorded once, and what Python decides from a value is decided once: use "
        "np.where(...), return what you want to see, or pass what decides as an argument that is not "
        "differentiated, as a Python bool or number"
    )


def leaves_its_tape(x: Any, how: str) -> TypeError:
    """Refuse a value that would leave the tape that records it."""
    return TypeError(
        f"{how}: would take the values of {x.describe()} off the tape that is recording them"
        f"{where_text()}\njoin Tensors with np.stack(xs) or np.concatenate(xs); for the bare values use "
        "x.data or x.item()"
    )


def no_tape(x: Any) -> RuntimeError:
    """Refuse `x.backward()` without a tape."""
    return RuntimeError(
        f"backward: no tape holds the history of {x.describe()}{where_text()}\n"
        "keep the tape alive until then: with Tape() as tape: ...; then loss.backward()"
    )


def no_plain_call(x: Any, ufunc: Any, method: str, kwargs: dict[str, Any]) -> TypeError:
    """Refuse a ufunc's method, or a keyword of it, that cannot be recorded."""
    what = f"np.{ufunc.__name__}.{method}" if method != "__call__" else f"np.{ufunc.__name__}"
    options = f" with {', '.join(f'{key}=' for key in kwargs)}" if kwargs else ""
    return TypeError(
        f"{what}{options}: cannot be recorded, for Tensor {x.describe()}{where_text()}\n"
        f"write the plain call, y = np.{ufunc.__name__}(...): no out=, where=, dtype= and no ufunc methods; "
        "an array cannot take a Tensor in place"
    )


def no_rule(function: Any) -> TypeError:
    """Refuse a NumPy function without a derivative rule."""
    return TypeError(
        f"np.{function.__name__}: has no derivative rule, so a tape cannot record it{where_text()}\n"
        "write it with operations that have one, add one with primitive(function, *vjps), or call it on x.data "
        "if nothing is to be differentiated through it"
    )


# ------------------------------------------------------------------------------------------ the walk back


def require_differentiable(path: str, x: Any) -> None:
    """Raise TypeError for what has no gradient; `path` says where it stands in what was asked for."""
    if not hasattr(x, "_data"):
        raise TypeError(
            f"gradient: wrt{path} is a {type(x).__name__}, not a Tensor\n"
            "give a Tensor, or a tuple, list or dict of them: wrap each before it is used, x = Tensor(values)"
        )
    if x.dtype.kind != "f":
        raise TypeError(
            f"gradient: {x.describe()} is {x.dtype}, and only floats have a gradient\n"
            "make it a float Tensor before it is used: Tensor(values.astype(float))"
        )


def require_made_here(loss: Any, line: Any, length: int) -> None:
    """Raise for a loss that is no float Tensor, or that no line of the tape made."""
    if not hasattr(loss, "_data"):
        raise TypeError(
            f"gradient: the loss is a {type(loss).__name__}, not a Tensor\n"
            "compute it from Tensors, inside `with Tape() as tape:`"
        )
    if line is None:
        raise ValueError(
            f"gradient: {loss.describe()} was not made on this tape ({length} entries)\n"
            "compute it inside `with Tape() as tape:`, and ask that tape"
        )
    if loss.dtype.kind != "f":
        raise TypeError(f"gradient: the loss {loss.describe()} is {loss.dtype}\nonly floats have a gradient")


def require_scalar(loss: Any, line: Any) -> None:
    """Raise ValueError for a loss of several entries, which needs a seed."""
    if loss.size != 1:
        raise ValueError(
            f"gradient: the loss {loss.describe()}, made by {line[0].name}, is not a scalar\n"
            "reduce it (loss.sum(), loss.mean()), or give its cotangent: seed=array of its shape"
        )


def require_fitting_seed(seed: Any, loss: Any) -> None:
    """Raise for a seed of another shape, or of no numbers."""
    refuse_dtype(seed.dtype, "gradient: a seed")
    if seed.shape != loss.shape:
        raise ValueError(
            f"gradient: the seed has shape {seed.shape}, the loss {loss.describe()}\n"
            "the seed is the cotangent of the loss, one number for each of its entries"
        )


def no_results() -> ValueError:
    """Refuse an empty mapping of results."""
    return ValueError("gradient: no results\ngive a mapping from each result to its cotangent")


def wrong_product(g: Any, x: Any) -> ValueError:
    """Refuse a derivative rule that returns another shape."""
    return ValueError(
        f"the derivative rule gave shape {g.shape} for {x.describe()}\n"
        "a vjp returns the shape of its argument, or the shape that this was broadcast to"
    )
