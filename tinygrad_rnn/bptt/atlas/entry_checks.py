"""The gradients of a cell against derivatives by numbers alone, and its products counted without a tape."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.bptt.atlas.cell_facts import Facts
from tinygrad_rnn.bptt.atlas.starting import SMALL
from tinygrad_rnn.bptt.atlas.symbolic_sizes import USUAL
from tinygrad_rnn.nn.time_loop import as_tuple, unroll
from tinygrad_rnn.transforms.check_grads import check_grads

STEPS, BATCH = 5, 2


def require_right_gradients(facts: Facts) -> None:
    """Check the gradients by parameters, inputs and initial states, over 5 steps, against complex step or differences.

    Raises AssertionError at the first difference.
    """
    rng = np.random.default_rng(0)
    drawn = facts.init(rng, *SMALL)
    params = {name: p.data + 0.1 * rng.standard_normal(p.shape) for name, p in drawn.items()}
    xs = rng.standard_normal((STEPS, BATCH, SMALL[0]))
    state = as_tuple(unroll(facts.cell, params, xs[:2])[1])

    def run(params: Any, xs: Any, state: Any) -> Any:
        return unroll(facts.cell, params, xs, state)

    check_grads(run, (params, xs, state), order=1, modes=("rev",))


class _Counted(np.ndarray[Any, Any]):
    """An array whose products of matrices are counted; so are those of all that is made of it."""

    products = 0

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        plain = [np.asarray(a) for a in inputs]
        if "out" in kwargs:  # the mean divides in place
            kwargs["out"] = tuple(np.asarray(a) for a in kwargs["out"])
        found = getattr(ufunc, method)(*plain, **kwargs)
        if ufunc is np.matmul:
            _Counted.products += found.size * plain[0].shape[-1]
        return np.asarray(found).view(_Counted)


def require_counted_products(facts: Facts, expected: int) -> None:
    """Count the multiply-adds of a step of one example on arrays that count them, without a tape.

    Products of parameters alone are not counted. Raises ArithmeticError for another number than `expected`.
    """
    params = {name: p.data for name, p in facts.init(np.random.default_rng(0), *USUAL).items()}
    x = np.random.default_rng(1).standard_normal((1, USUAL[0])).view(_Counted)
    state = [np.asarray(s).view(_Counted) for s in as_tuple(facts.cell(params, np.asarray(x)))]
    _Counted.products = 0
    facts.cell(params, x, *state)
    if _Counted.products != expected:
        raise ArithmeticError(f"atlas: a step of {facts.name} takes {_Counted.products} multiply-adds, not {expected}")
