"""The walk forward over a tape: tangents flow from inputs to results, in the order of recording.

The derivative rules are those of the walk back. For an elementwise operation the vector-Jacobian product is the
Jacobian-vector product; a linear one is its own tangent; for any other, the map g -> vjp(g) is recorded, and its
transpose, which one walk back over it gives, is the tangent.

>>> import numpy as np
>>> x = Tensor(2.0)
>>> with Tape() as tape:
...     y = x * x * x
>>> pushforward(tape, {x: 1.0}, [y])
[array(12.)]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tinygrad_rnn.core.backward import fitted, one_order_up, pull
from tinygrad_rnn.core.errors import refuse_dtype
from tinygrad_rnn.core.recording import current, recording_under
from tinygrad_rnn.core.sparse import Sparse
from tinygrad_rnn.core.tensor import Line, Tensor
from tinygrad_rnn.core.values import Value
from tinygrad_rnn.operations.basics import astype
from tinygrad_rnn.tape.full_tape import Tape

Tangents = dict[Tensor, Value]
"""Tensor -> its tangent, of its shape."""


def pushforward(tape: Tape, tangents: Mapping[Tensor, Value], outputs: Sequence[Tensor]) -> list[Value]:
    """Return the tangents of `outputs`, for these tangents of Tensors on the tape (each of its Tensor's shape).

    The tangent of y is the derivative of y along the given direction: the Jacobian times it. Arrays of the outputs'
    shapes and dtypes; Tensors, recorded under the scope `jvp=...`, where a tape is open.

    Raises ValueError for a tangent of another shape than its Tensor.
    """
    recording = bool(current()[0])
    known: Tangents = {x: _checked(x, v, recording) for x, v in tangents.items()}
    for line in tape.lines():
        _, args, _, out, labels = line
        if out in known or out.dtype.kind != "f":
            continue
        moved = [k for k, a in enumerate(args) if type(a) is Tensor and a in known]
        if not moved:
            continue
        if recording:
            with recording_under(one_order_up(labels, "jvp")):
                v = _tangent(line, out, args, moved, known)
        else:
            values = [a.data if type(a) is Tensor else a for a in args]
            v = _tangent(line, out.data, values, moved, known)
        if v is not None:
            known[out] = v
    found = [known.get(y) for y in outputs]
    if recording:
        return [Tensor(np.zeros(y.shape, y.dtype)) if v is None else v for y, v in zip(outputs, found, strict=True)]
    return [np.zeros(y.shape, y.dtype) if v is None else np.array(v) for y, v in zip(outputs, found, strict=True)]


def _checked(x: Tensor, v: Value, recording: bool) -> Value:
    if np.shape(v) != x.shape:
        raise ValueError(
            f"jvp: the tangent of {x.describe()} has shape {np.shape(v)}\n"
            "a tangent is a direction in which its input moves, one number for each entry"
        )
    if not isinstance(v, Tensor):
        refuse_dtype(np.asarray(v).dtype, "jvp: a tangent")
    if isinstance(v, Tensor):
        v = v if recording else v.data
    else:
        v = Tensor(np.asarray(v, x.dtype)) if recording else np.asarray(v, x.dtype)
    return v if v.dtype == x.dtype else astype(v, dtype=x.dtype)


def _tangent(line: Line, y: Value, values: Sequence[Value], moved: list[int], known: Tangents) -> Value:
    """Return the tangent of one entry's result; None where it does not move. y and `values`: Tensors, or all arrays."""
    op, args, kwargs, _, _ = line
    if not op.kind:
        return _transposed(line, y, values, moved, known)
    differentiable = [k for k in moved if op.variadic or (k < len(op.vjps) and op.vjps[k] is not None)]
    if not differentiable:
        return None
    call = op if isinstance(y, Tensor) else op.function
    if op.kind == "elementwise":
        terms = [op.vjps[k](known[args[k]], y, *values, **kwargs) for k in differentiable]
    elif op.kind == "product":
        terms = [call(*values[:k], known[args[k]], *values[k + 1 :], **kwargs) for k in differentiable]
    else:
        count = len(args) if op.variadic else len(op.vjps)
        replaced = [known[a] if k in differentiable else _still(a) for k, a in enumerate(args[:count])]
        terms = [call(*replaced, *values[count:], **kwargs)]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    if np.shape(total) != y.shape:
        total = np.broadcast_to(total, y.shape)
    return total if total.dtype == y.dtype else astype(total, dtype=y.dtype)


def _still(a: Value) -> Value:
    """Return the tangent of an argument that does not move: zero."""
    return np.zeros(a.shape, a.dtype) if isinstance(a, Tensor | np.ndarray) else 0.0


def _transposed(line: Line, y: Value, values: Sequence[Value], moved: list[int], known: Tangents) -> Value:
    """Return the tangent by the transpose of the vjp, which is linear in g, so that it may be recorded at any g."""
    _, args, _, _, _ = line
    g = Tensor(np.zeros(y.shape, y.dtype))
    with Tape() as tape:
        seeds = {}
        for x, product in pull(line, g, y, values, {id(args[k]) for k in moved}):
            product = fitted(product, x)
            product = product.dense() if type(product) is Sparse else np.positive(product)
            seeds[product] = known[x]
    return tape.gradient(seeds, g) if seeds else None
