"""Operations that are constant almost everywhere: recorded, so that a replay computes them anew, with no gradient."""

from typing import Any

import numpy as np

from tinygrad_rnn.engine.tensor import primitive

equal = primitive(np.equal, None, None, analytic=False)
not_equal = primitive(np.not_equal, None, None, analytic=False)
less = primitive(np.less, None, None, analytic=False)
less_equal = primitive(np.less_equal, None, None, analytic=False)
greater = primitive(np.greater, None, None, analytic=False)
greater_equal = primitive(np.greater_equal, None, None, analytic=False)
logical_and = primitive(np.logical_and, None, None, analytic=False)
logical_or = primitive(np.logical_or, None, None, analytic=False)
logical_xor = primitive(np.logical_xor, None, None, analytic=False)
logical_not = primitive(np.logical_not, None, analytic=False)
sign = primitive(np.sign, None, analytic=False)
floor = primitive(np.floor, None, analytic=False)
ceil = primitive(np.ceil, None, analytic=False)
rint = primitive(np.rint, None, analytic=False)
trunc = primitive(np.trunc, None, analytic=False)
round = primitive(lambda x, decimals=0: np.round(x, decimals), None, name="round", numpy=np.round, analytic=False)
isinf = primitive(np.isinf, None, analytic=False)
isfinite = primitive(np.isfinite, None, analytic=False)
isnan = primitive(np.isnan, None, analytic=False)
argmin = primitive(lambda x, axis=None: np.argmin(x, axis=axis), None, name="argmin", numpy=np.argmin, analytic=False)
argmax = primitive(lambda x, axis=None: np.argmax(x, axis=axis), None, name="argmax", numpy=np.argmax, analytic=False)
argsort = primitive(
    lambda x, axis=-1: np.argsort(x, axis=axis, kind="stable"),
    None,
    name="argsort",
    numpy=np.argsort,
    analytic=False,
)
detach = primitive(lambda x: x, None, name="detach", analytic=False)


def stop_gradient(x: Any) -> Any:
    """The same values, through which no gradient flows: `x.detach()`, which leaves an array as it is."""
    return detach(x)
