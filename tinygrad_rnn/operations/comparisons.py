"""Operations that are constant almost everywhere: recorded, so that `tape.rerun` repeats them, with no gradient."""

import numpy as np

from tinygrad_rnn.core import errors
from tinygrad_rnn.core.table import PRIMITIVES, TABLE, Function, primitive
from tinygrad_rnn.core.values import Value, bare
from tinygrad_rnn.operations.basics import detach

equal, greater, less, sign = (PRIMITIVES[name] for name in ("equal", "greater", "less", "sign"))
floor_divide = primitive(np.floor_divide, None, None, analytic=False)
isinf, isnan = (primitive(ufunc, None, analytic=False) for ufunc in (np.isinf, np.isnan))
round = primitive(lambda x, decimals=0: np.round(x, decimals), None, name="round", numpy=np.round, analytic=False)
argmin = primitive(lambda x, axis=None: np.argmin(x, axis=axis), None, name="argmin", numpy=np.argmin, analytic=False)
argmax = primitive(lambda x, axis=None: np.argmax(x, axis=axis), None, name="argmax", numpy=np.argmax, analytic=False)
argsort = primitive(
    lambda x, axis=-1, kind=None, stable=None: np.argsort(x, axis=axis, kind="stable"),
    None,
    name="argsort",
    numpy=np.argsort,
    analytic=False,
)
TABLE[np.around] = round


def _of_booleans(ufunc: Function, name: str) -> None:
    """Let NumPy's bitwise function mean the logical one: the same for booleans; other dtypes are refused."""

    def bitwise(*xs: Value) -> Value:
        for x in xs:
            if np.asarray(bare(x)).dtype != bool:
                raise errors.not_boolean(x, f"np.{ufunc.__name__}")
        return PRIMITIVES[name](*xs)

    bitwise.__doc__ = f"Return np.{name} of booleans."
    TABLE[ufunc] = bitwise


_of_booleans(np.bitwise_and, "logical_and")
_of_booleans(np.bitwise_or, "logical_or")
_of_booleans(np.bitwise_xor, "logical_xor")
_of_booleans(np.invert, "logical_not")


def stop_gradient(x: Value) -> Value:
    """Return the same values, through which no gradient flows: `x.detach()`, which leaves an array as it is."""
    return detach(x)
