"""Functions of functions: `grad(f)`, `value_and_grad(f)`, `vjp`, `jvp`, `jacobian`, `hessian`, `hvp`.

They take arrays, or tuples, lists and dicts of them, and give the same back; inside each other they give Tensors, so
they nest to any order. Each runs f on fresh Tensors, on a tape of its own: derivatives of different transforms never
mix (there is no perturbation confusion).

>>> import numpy as np
>>> grad(lambda x: (x**3).sum())(np.array([1.0, 2.0]))
array([ 3., 12.])
>>> grad(grad(np.tanh))(0.5)
array(-0.72686198)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from tinygrad_rnn.core.counting import counted
from tinygrad_rnn.core.errors import refuse_dtype
from tinygrad_rnn.core.recording import current, where_text
from tinygrad_rnn.core.table import PRIMITIVES, Args, Kwargs, Primitive
from tinygrad_rnn.core.table import Function as Function
from tinygrad_rnn.core.tensor import Array, Tensor, apply
from tinygrad_rnn.core.trees import Leaves, Tree, flattened, mapped
from tinygrad_rnn.core.values import Value
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.transforms.forward import pushforward

Argnums = int | Sequence[int]


def grad(f: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """Return the function that gives the gradient of f, which returns one number, by its argument `argnums`.

    The gradient is built like the argument: an array, or a tuple, list or dict of arrays, each of its shape and dtype;
    a tuple of these where `argnums` is a sequence. All other arguments may be anything. With `has_aux`, f returns
    (value, anything), and the answer is (gradient, anything).

    Raises TypeError where an argument holds no float, or f returns no Tensor; ValueError where it is no scalar.
    """

    def gradient(*args: Tree, **kwargs: Tree) -> Tree:
        found = value_and_grad(f, argnums, has_aux)(*args, **kwargs)
        return (found[1], found[0][1]) if has_aux else found[1]

    return gradient


def value_and_grad(f: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """Return the function that gives (value, gradient), as of `grad`; with `has_aux`, ((value, anything), gradient)."""

    def value_and_gradient(*args: Tree, **kwargs: Tree) -> Tree:
        run = Run("grad", f, args, kwargs, argnums, has_aux)
        gradients = run.inputs_like(run.tape.gradient(run.loss(), run.inputs))
        value = run.result()
        return ((value, run.aux), gradients) if has_aux else (value, gradients)

    return value_and_gradient


def vjp(f: Function, *args: Tree, argnums: Argnums | None = None, has_aux: bool = False) -> Tree:
    """Return f(*args), and the function that takes a cotangent of it to the cotangents of the arguments.

    The cotangent is built like the result; the answer is a tuple with one part, built like it, for each argument (or
    for those in `argnums`; bare where that is one number). Integers and booleans beside floats in the result have
    slope 0, whatever their cotangents. With `has_aux`, (result, pullback, anything).
    """
    run = Run("vjp", f, args, {}, range(len(args)) if argnums is None else argnums, has_aux)

    def pullback(cotangent: Tree) -> Tree:
        given = _alike("vjp", "the cotangent", cotangent, run.out_tree)
        by_result = dict(zip(run.outputs, given, strict=True))
        moving = {y: g for y, g in by_result.items() if y.dtype.kind == "f"}
        return run.inputs_like(run.tape.gradient(moving or by_result, run.inputs))

    return (run.result(), pullback, run.aux) if has_aux else (run.result(), pullback)


def jvp(f: Function, primals: Sequence[Tree], tangents: Sequence[Tree], has_aux: bool = False) -> Tree:
    """Return f(*primals), and its derivative along `tangents`: forward mode, at the cost of about two runs of f.

    Each tangent is built like its primal; None is for an argument that does not move, which may be anything. With
    `has_aux`, (result, derivative, anything).
    """
    if not (isinstance(primals, tuple | list) and isinstance(tangents, tuple | list)):
        raise TypeError(
            "jvp: arguments and tangents come as tuples\nwrite jvp(f, (x,), (v,)): one tangent for each argument"
        )
    if len(primals) != len(tangents):
        raise ValueError(
            f"jvp: {counted(len(primals), 'argument')} and {counted(len(tangents), 'tangent')}\n"
            "give one tangent for each argument, None for one that does not move"
        )
    moving = [k for k, v in enumerate(tangents) if v is not None]
    run = Run("jvp", f, tuple(primals), {}, moving, has_aux, constant=len(moving) < len(primals))
    given = [v for k in moving for v in _alike("jvp", f"tangent {k}", tangents[k], primals[k])]
    moved = pushforward(run.tape, dict(zip(run.inputs, given, strict=True)), run.outputs)
    derivative = run.outputs_like(moved)
    return (run.result(), derivative, run.aux) if has_aux else (run.result(), derivative)


def jacobian(f: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """Return the function that gives all derivatives of f's results by its argument: shape (*result, *argument).

    Where results or arguments are trees, a tree of the results, of trees of the arguments. One walk for each entry of
    the results, or, where these are more than the entries of the arguments, one walk forward for each of those.
    """

    def all_derivatives(*args: Tree, **kwargs: Tree) -> Tree:
        run = Run("jacobian", f, args, kwargs, argnums, has_aux)
        by_rows = sum(y.size for y in run.outputs) <= sum(x.size for x in run.inputs)
        blocks = (_by_rows if by_rows else _by_columns)(run)
        whole = run.outputs_like(run.inputs_like(row) for row in blocks)
        return (whole, run.aux) if has_aux else whole

    return all_derivatives


def hessian(f: Function, argnums: int = 0, has_aux: bool = False) -> Function:
    """Return the function that gives the second derivatives of f, which returns one number: (*argument, *argument)."""
    return jacobian(grad(f, argnums, has_aux), argnums, has_aux)


def hvp(f: Function, args: Sequence[Tree], v: Tree, argnums: int = 0) -> Tree:
    """Return the Hessian of f by its argument `argnums`, times v: the gradient's derivative along v, built like v.

    Forward over reverse: a few runs of f, whatever the size of v.
    """
    if not isinstance(args, tuple | list):
        raise TypeError("hvp: arguments come as a tuple\nwrite hvp(f, (x,), v)")
    if not isinstance(argnums, int | np.integer):
        raise TypeError(f"hvp: argnums={argnums!r}\nv belongs to one argument: give its number")
    tangents = [v if k in (argnums, argnums + len(args)) else None for k in range(len(args))]
    return jvp(grad(f, argnums), args, tangents)[1]


class Run:
    """A run of f, once, on fresh Tensors in the place of some arguments, on a tape of its own, which may be sealed.

    With `constant`, f may return plain numbers, made of other arguments alone: this is looked at by a second run.
    """

    def __init__(
        self,
        what: str,
        f: Function,
        args: Args,
        kwargs: Kwargs,
        argnums: Argnums,
        has_aux: bool,
        sealed: bool = False,
        constant: bool = False,
    ) -> None:
        self.what = what
        self._bare = isinstance(argnums, int | np.integer)
        chosen = list(argnums) if isinstance(argnums, Iterable) else [argnums]
        if not all(isinstance(k, int | np.integer) for k in chosen):
            raise TypeError(f"{what}: argnums={argnums!r}\nargnums is the number of an argument, or several")
        if not chosen and not constant:
            raise ValueError(f"{what}: argnums=() names no argument\nargnums is the number of an argument, or several")
        for k in chosen:
            if not -len(args) <= k < len(args):
                raise ValueError(
                    f"{what}: argnums={k}, and the function was called with "
                    f"{counted(len(args), 'positional argument')}\n"
                    "argnums counts positional arguments from 0"
                )
        chosen = [int(k) % len(args) for k in chosen]
        if len(set(chosen)) < len(chosen):
            raise ValueError(f"{what}: argnums={argnums} names an argument twice\nname each once")
        leaves, self._rebuild = flattened(tuple(args[k] for k in chosen))
        self.inputs = [_fresh(what, chosen, path, value) for path, value in leaves]
        new = list(args)
        for k, tree in zip(chosen, self._rebuild(self.inputs), strict=True):
            new[k] = tree
        self.tape = Tape(sealed=sealed)
        with self.tape:
            found = f(*new, **kwargs)
            if has_aux and not (isinstance(found, tuple) and len(found) == 2):
                raise TypeError(
                    f"{what}: with has_aux the function returns a pair, (value, anything); it returned "
                    f"{type(found).__name__}\nreturn value, (states, metrics)"
                )
            self.out_tree, aux = found if has_aux else (found, None)
            results, self.outputs_like = flattened(self.out_tree)
            # An identity, so that each result is made on this tape, whatever f returned.
            plain = constant and not any(isinstance(y, Tensor) for _, y in results)
            found = [Tensor(y) for _, y in results] if plain else _require_tensors(what, results)
            self.outputs = [apply(_identity(y), (y,)) for y in found]
        self.raw_aux = aux
        self.aux = mapped(_leaving, aux)
        if plain:
            self._require_unmoved(f, new, chosen, kwargs, has_aux, results)

    def _require_unmoved(
        self, f: Function, args: list[Tree], chosen: list[int], kwargs: Kwargs, has_aux: bool, results: Leaves
    ) -> None:
        """Raise TypeError where plain results change with the inputs: f took values off the tape to make them."""
        near = list(args)
        for k, tree in zip(chosen, self._rebuild(Tensor(x.data * 1.001 + 0.001) for x in self.inputs), strict=True):
            near[k] = tree
        found = f(*near, **kwargs)
        others = flattened(found[0] if has_aux else found)[0]
        same = [path for path, _ in results] == [path for path, _ in others] and all(
            not isinstance(b, Tensor) and np.array_equal(a, b, equal_nan=np.asarray(a).dtype.kind == "f")
            for (_, a), (_, b) in zip(results, others, strict=True)
        )
        if not same:
            _require_tensors(self.what, results)  # raises

    def loss(self) -> Tensor:
        """Return the one number that f returned. Raise ValueError where it returned another thing."""
        (loss,) = self.outputs if len(self.outputs) == 1 else (None,)
        if loss is None or loss.size != 1:
            shapes = ", ".join(str(y.shape) for y in self.outputs)
            raise ValueError(
                f"{self.what}: the function returned {counted(len(self.outputs), 'result')}, of shapes "
                f"{shapes or '(none)'}, not one number{where_text()}\n"
                "reduce it (y.sum(), y.mean()); jacobian(f) and vjp(f, ...) take any result"
            )
        return loss

    def inputs_like(self, values: Iterable[Value]) -> Tree:
        """Return values for all inputs, built like the arguments."""
        built = self._rebuild(values)
        return built[0] if self._bare else built

    def result(self) -> Tree:
        """Return the results of f, as they leave the transform."""
        return self.outputs_like(_leaving(y) for y in self.outputs)


def _identity(y: Tensor) -> Primitive:
    """Return the operation that leaves y as it is: for booleans, which have no sign, the one without gradient."""
    return PRIMITIVES["detach" if y.dtype == bool else "positive"]


def _fresh(what: str, chosen: list[int], path: str, value: Value) -> Tensor:
    """Return a new Tensor of that value. Where a tape is open, a recorded identity joins it to the caller's Tensor."""
    if not isinstance(value, Tensor):
        array = np.asarray(value)
        if isinstance(value, bool | int | str | bytes) or value is None or array.dtype.kind != "f":
            head, _, rest = path.partition("]")
            position = f"argument {chosen[int(head[1:])]}{rest}"
            raise TypeError(
                f"{what}: {position} is {_kind(value)}, and only floats have a derivative{where_text()}\n"
                "make it a float, or leave it out of what is differentiated (argnums=...)"
            )
        return Tensor(value)  # which refuses a masked array
    if value.dtype.kind != "f":
        raise TypeError(
            f"{what}: {value.describe()} is {value.dtype}, and only floats have a derivative{where_text()}\n"
            "make it a float, or leave it out of what is differentiated (argnums=...)"
        )
    fresh = apply(PRIMITIVES["positive"], (value,)) if current()[0] else Tensor(value.data)
    fresh.name = value.name
    return fresh


def _kind(value: Value) -> str:
    return f"an array of {value.dtype}" if isinstance(value, np.ndarray) else f"{value!r:.40} ({type(value).__name__})"


def _require_tensors(what: str, results: Leaves) -> list[Tensor]:
    """Return the results as Tensors; beside one that is, an array is a constant. Raise TypeError where none is."""
    if any(isinstance(y, Tensor) for _, y in results):
        return [y if isinstance(y, Tensor) else Tensor(y) for _, y in results]
    returned = ", ".join(_kind(y) for _, y in results) or "nothing"
    raise TypeError(
        f"{what}: the function returned {returned}, not a Tensor: what it was made of is not on the tape"
        f"{where_text()}\ncompute it from the arguments with NumPy and operators, not from x.data or float(x); a "
        "constant is tg.Tensor(1.0)"
    )


def _leaving(value: Value) -> Value:
    """Return a Tensor as it leaves a transform: as it is where a tape is open, else its values."""
    return np.array(value.data) if isinstance(value, Tensor) and not current()[0] else value


def _alike(what: str, name: str, given: Tree, like: Tree) -> list[Value]:
    """Return the leaves of a tree that must be built like another one."""
    leaves, wanted = dict(flattened(given)[0]), flattened(like)[0]
    if set(leaves) != {path for path, _ in wanted}:
        raise ValueError(
            f"{what}: {name} has the parts {list(leaves)}, in the place of {[p for p, _ in wanted]}\n"
            "build it like what it belongs to: the same tuples, lists and dicts"
        )
    for path, target in wanted:
        value = leaves[path]
        if not isinstance(value, Tensor):
            refuse_dtype(np.asarray(value).dtype, f"{what}: {name}{path}")
        if np.shape(value) != np.shape(target):
            raise ValueError(
                f"{what}: {name}{path} has shape {np.shape(value)}, in the place of {np.shape(target)}\n"
                "one number for each entry of what it belongs to"
            )
    return [leaves[path] for path, _ in wanted]


def _by_rows(run: Run) -> list[list[Value]]:
    """Return, for each result, the derivatives by each input: a walk back for each entry of the result."""
    blocks = []
    for y in run.outputs:
        rows = [run.tape.gradient({y: e}, run.inputs) for e in _units(y)]
        blocks.append([_stacked([row[k] for row in rows], y.shape + x.shape, x) for k, x in enumerate(run.inputs)])
    return blocks


def _by_columns(run: Run) -> list[list[Value]]:
    """Return the same, by a walk forward for each entry of the inputs."""
    columns = [[pushforward(run.tape, {x: e}, run.outputs) for e in _units(x)] for x in run.inputs]
    blocks = []
    for k, y in enumerate(run.outputs):
        row = []
        for x, found in zip(run.inputs, columns, strict=True):
            last = _stacked([column[k] for column in found], x.shape + y.shape, y)
            last = last if last.dtype == x.dtype else last.astype(x.dtype)
            row.append(np.moveaxis(last, range(x.ndim), range(-x.ndim, 0)) if x.ndim else last)
        blocks.append(row)
    return blocks


def _units(x: Tensor) -> Iterator[Array]:
    """Yield each direction of x: 1 at one entry."""
    for k in range(x.size):
        unit = np.zeros(x.size, x.dtype)
        unit[k] = 1
        yield unit.reshape(x.shape)


def _stacked(rows: list[Value], shape: tuple[int, ...], like: Tensor) -> Value:
    return np.reshape(np.stack(rows), shape) if rows else np.zeros(shape, like.dtype)
