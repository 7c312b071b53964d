"""Operations that are constant almost everywhere: recorded, so that a replay computes them anew, with no gradient."""

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
logical_not = primitive(np.logical_not, None, analytic=False)
sign = primitive(np.sign, None, analytic=False)
floor = primitive(np.floor, None, analytic=False)
ceil = primitive(np.ceil, None, analytic=False)
rint = primitive(np.rint, None, analytic=False)
isfinite = primitive(np.isfinite, None, analytic=False)
isnan = primitive(np.isnan, None, analytic=False)
argmin = primitive(lambda x, axis=None: np.argmin(x, axis=axis), None, name="argmin", numpy=np.argmin, analytic=False)
argmax = primitive(lambda x, axis=None: np.argmax(x, axis=axis), None, name="argmax", numpy=np.argmax, analytic=False)
detach = primitive(lambda x: x, None, name="detach", analytic=False)
