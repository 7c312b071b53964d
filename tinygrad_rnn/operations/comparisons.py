"""Operations that are constant almost everywhere: recorded, so that `tape.rerun` repeats them, with no gradient."""

from typing import Any

import numpy as np

from tinygrad_rnn.core.table import PRIMITIVES, primitive
from tinygrad_rnn.operations.basics import detach

equal, greater, less, sign = (PRIMITIVES[name] for name in ("equal", "greater", "less", "sign"))
isinf, isnan = (primitive(ufunc, None, analytic=False) for ufunc in (np.isinf, np.isnan))
round = primitive(lambda x, decimals=0: np.round(x, decimals), None, name="round", numpy=np.round, analytic=False)
argmin = primitive(lambda x, axis=None: np.argmin(x, axis=axis), None, name="argmin", numpy=np.argmin, analytic=False)
argmax = primitive(lambda x, axis=None: np.argmax(x, axis=axis), None, name="argmax", numpy=np.argmax, analytic=False)
argsort = primitive(
    lambda x, axis=-1: np.argsort(x, axis=axis, kind="stable"),
    None,
    name="argsort",
    numpy=np.argsort,
    analytic=False,
)


def stop_gradient(x: Any) -> Any:
    """The same values, through which no gradient flows: `x.detach()`, which leaves an array as it is."""
    return detach(x)
