"""The texts of all errors of the engine: what is wrong, with shapes, names and scope; on a second line, what to do.

Nothing here computes anything: to understand the engine, skip this file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np

from tinygrad_rnn.core.counting import counted
from tinygrad_rnn.core.recording import where_text
from tinygrad_rnn.core.table import Args, Function, Primitive


class Described(Protocol):
    """A Tensor, as the texts speak of it."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of its array."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of its array."""

    @property
    def size(self) -> int:
        """The number of entries."""

    def describe(self) -> str:
        """Return its name and shape."""


def explained(name: str, args: Args, error: Exception) -> Exception:
    """Return the error of an operation, with its inputs' names and shapes and the scope, of the same built-in type."""
    if "\n" in str(error):  # an error of ours, which says already what to do
        wrong, _, remedy = str(error).partition("\n")
        where = where_text()
        return type(error)(f"{name}: {wrong}{'' if where in wrong else where}\n{remedy}")
    args = flat(args)
    shapes = shapes_of(args)
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
    elif (missing := re.search(r"missing \d+ required positional arguments?: (.*)", str(error))) is not None:
        wrong = f"{missing[1]} missing, for shapes {', '.join(map(str, shapes))}"
        remedy = f"give all arguments of np.{name}; the places where a condition holds are np.nonzero(condition.data)"
    else:
        wrong = f"{error}, for shapes {', '.join(map(str, shapes))}"
        remedy = f"the arguments of {name} go to NumPy as they are: its documentation says what fits"
        if name.endswith(", backward"):
            remedy = "a derivative rule returns, for each argument, an array of its shape"
    kind = next((k for k in (TypeError, IndexError, ValueError) if isinstance(error, k)), RuntimeError)
    return kind(f"{name}: {wrong}{named_text(args)}{where_text()}\n{remedy}")


def flat(args: Args) -> Args:
    """Return the arguments, with the entries of each list or tuple of arrays in its place."""
    lists = [list(a) if isinstance(a, list | tuple) and any(hasattr(b, "_data") for b in a) else [a] for a in args]
    return tuple(a for part in lists for a in part)


def shapes_of(args: Args) -> list[tuple[int, ...]]:
    """Return the shapes of all arguments that have one."""
    values = [getattr(a, "_data", a) for a in args]  # a Tensor's array
    return [np.shape(value) for value in values if isinstance(value, np.ndarray | np.number | float)]


def named_text(args: Args) -> str:
    """Return ` (named x, W)`, or nothing where no argument has a name."""
    names = [a.name for a in args if getattr(a, "name", None)]
    return f" (named {', '.join(names)})" if names else ""


def unknown_keyword(name: str, args: Args, keyword: str, value: object) -> TypeError:
    """Refuse an argument that NumPy's function takes and ours does not."""
    args = flat(args)
    shown = f"{keyword}={value!r}" if isinstance(value, str) else f"{keyword}="
    remedy = "an operation on a tape takes only the keywords that its derivative knows"
    if keyword == "order":
        remedy = "entries are read row by row; column by column is x.T.ravel(), or x.T.reshape(shape[::-1]).T"
    if keyword == "dtype":
        remedy = "cast with x.astype(dtype), before or after"
    if keyword == "out":
        remedy = "an array cannot take a Tensor; use the result"
    return TypeError(
        f"{name}: {shown} cannot be recorded, for shapes {', '.join(map(str, shapes_of(args)))}"
        f"{named_text(args)}{where_text()}\nleave that keyword out: {remedy}"
    )


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
    """Return a copy of the values of a new Tensor: an array of numbers in the byte order of this machine."""
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


def no_data_setter(x: Described) -> AttributeError:
    """Refuse an assignment to `x.data`."""
    return AttributeError(
        f"Tensor: the values of {x.describe()} do not change, or a tape would record what never was\n"
        "make a new one: x = Tensor(values, name=...)"
    )


def no_attribute(name: str) -> AttributeError:
    """Refuse an attribute of an array that a Tensor lacks, with the way to it."""
    of_numpy = f"np.{name}(x), or " if callable(getattr(np, name, None)) else ""
    return AttributeError(
        f"x.{name}: a Tensor lacks this part of an array{where_text()}\n"
        f"write {of_numpy}x.data.{name} if nothing is to be differentiated through it"
    )


def assigned_to_array(x: Described, where: str) -> TypeError:
    """Refuse `array[index] = x`, which would write values without their history."""
    return TypeError(
        f"assignment of {x.describe()} into an array: its history would be lost{where_text()}, at {where}\n"
        "collect the values in a list and join them, np.stack(values) or np.concatenate(parts); or make a new array of "
        "each, array = tg.set_at(array, index, value), where np.s_[:n, :] is the index of a slice"
    )


def hidden_by_numpy(error: BaseException | None) -> TypeError | None:
    """Return the error of a Tensor that refused to be one entry of an array: NumPy puts one of its own before it."""
    words, ours = "setting an array element with a sequence", getattr(error, "__cause__", None)
    hidden = isinstance(error, ValueError) and str(error).startswith(words) and "\n" in str(ours)
    return ours if hidden and isinstance(ours, TypeError) else None


def no_assignment(x: Described) -> TypeError:
    """Refuse an assignment into a Tensor."""
    return TypeError(
        f"assignment into a Tensor ({x.describe()}): values on a tape do not change{where_text()}\n"
        "build the new value instead: set_at(x, index, value), add_at(x, index, value) or np.where(mask, new, x)"
    )


def no_axis(how: str) -> TypeError:
    """Refuse an operation that needs an axis, on a 0-d Tensor."""
    return TypeError(f"{how} a 0-d Tensor{where_text()}\nuse it as it is, or x.item()")


def no_length() -> TypeError:
    """Refuse `len()` of a 0-d Tensor."""
    return TypeError(f"len() of a 0-d Tensor{where_text()}\nit is one number: use it as it is, or x.item()")


def not_one_entry(x: Described, how: str) -> TypeError:
    """Refuse several entries where one is needed."""
    return TypeError(
        f"{how}: {x.describe()} has {x.size} entries, not one{where_text()}\n"
        "reduce it first, as with .sum(), .any() of its .data, or an index"
    )


def not_boolean(x: Any, name: str) -> TypeError:
    """Refuse `&`, `|`, `^` or `~` of numbers."""
    what = f"{x.describe()} is {x.dtype}" if hasattr(x, "_data") else f"an argument is {np.asarray(x).dtype}"
    return TypeError(f"{name}: {what}; & | ^ ~ are for booleans{where_text()}\ncompare first: (x > 0) & (y > 0)")


def sealed(x: Described, how: str) -> TypeError:
    """Refuse a value that would leave a sealed tape."""
    return TypeError(
        f"{how}: would take the values of {x.describe()} off a sealed tape{where_text()}\n"
        "a compiled function is recorded once, and what Python decides from a value is decided once: use "
        "np.where(...), return what you want to see, or pass what decides as an argument that is not "
        "differentiated, as a Python bool or number"
    )


def leaves_its_tape(x: Described, how: str) -> TypeError:
    """Refuse a value that would leave the tape that records it."""
    remedy = "join Tensors with np.stack(xs) or np.concatenate(xs); for the bare values use x.data or x.item()"
    if x.dtype.kind != "f" and how == "np.array()":
        remedy += "; to read an array at these places make it a Tensor, tg.Tensor(array)[x]"
    return TypeError(
        f"{how}: would take the values of {x.describe()} off the tape that is recording them{where_text()}\n{remedy}"
    )


def no_tape(x: Described) -> RuntimeError:
    """Refuse `x.backward()` without a tape."""
    return RuntimeError(
        f"backward: no tape holds the history of {x.describe()}{where_text()}\n"
        "keep the tape alive until then: with Tape() as tape: ...; then loss.backward()"
    )


def no_plain_call(x: Described, ufunc: np.ufunc, method: str, kwargs: Iterable[str]) -> TypeError:
    """Refuse a ufunc's method, or a keyword of it, that cannot be recorded."""
    what = f"np.{ufunc.__name__}.{method}" if method != "__call__" else f"np.{ufunc.__name__}"
    options = f" with {', '.join(f'{key}=' for key in kwargs)}" if kwargs else ""
    return TypeError(
        f"{what}{options}: cannot be recorded, for Tensor {x.describe()}{where_text()}\n"
        f"write the plain call, y = np.{ufunc.__name__}(...): no out=, where=, dtype= and no ufunc methods; "
        "an array cannot take a Tensor in place"
    )


WRITERS = frozenset({"copyto", "put", "place", "putmask", "put_along_axis", "fill_diagonal"})
"""NumPy's functions that write into an array."""


def no_rule(function: Function) -> TypeError:
    """Refuse a NumPy function without a derivative rule."""
    name = f"{getattr(function, '__module__', 'numpy').replace('numpy', 'np', 1)}.{function.__name__}"
    if function.__name__ in WRITERS:
        return TypeError(
            f"{name}: writes the values of a Tensor into an array, without their history{where_text()}\n"
            "build the new value instead: set_at(x, index, value), np.where(mask, new, x), or np.stack of a list"
        )
    return TypeError(
        f"{name}: has no derivative rule, so a tape cannot record it{where_text()}\n"
        "write it with operations that have one, add one with primitive(function, *vjps), or call it on x.data "
        "if nothing is to be differentiated through it"
    )


# ------------------------------------------------------------------------------------------ the walk back


def require_differentiable(path: str, x: Any) -> None:
    """Raise TypeError for a value without a gradient; `path` is its place in the tree `wrt`."""
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


def require_made_here(loss: Any, line: int | None, length: int) -> int:
    """Return the number of the line that made the loss. Raise where none did, or where the loss is no float Tensor."""
    if not hasattr(loss, "_data"):
        raise TypeError(
            f"gradient: the loss is a {type(loss).__name__}, not a Tensor\n"
            "compute it from Tensors, inside `with Tape() as tape:`"
        )
    if line is None:
        raise ValueError(
            f"gradient: {loss.describe()} was not made on this tape ({counted(length, 'entry', 'entries')})\n"
            "compute it inside `with Tape() as tape:`, and ask that tape"
        )
    if loss.dtype.kind != "f":
        raise TypeError(f"gradient: the loss {loss.describe()} is {loss.dtype}\nonly floats have a gradient")
    return line


def require_scalar(loss: Described, op: Primitive) -> None:
    """Raise ValueError for a loss of several entries, which needs a seed."""
    if loss.size != 1:
        raise ValueError(
            f"gradient: the loss {loss.describe()}, made by {op.name}, is not a scalar\n"
            "reduce it (loss.sum(), loss.mean()), or give its cotangent: seed=array of its shape"
        )


def require_fitting_seed(seed: np.ndarray[Any, Any] | Described, loss: Described) -> None:
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


def wrong_product(g: np.ndarray[Any, Any] | Described, x: Described) -> ValueError:
    """Refuse a derivative rule that returns another shape."""
    return ValueError(
        f"the derivative rule gave shape {g.shape} for {x.describe()}\n"
        "a vjp returns the shape of its argument, or the shape that this was broadcast to"
    )
