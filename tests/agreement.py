"""Whether two results, arrays in tuples, lists and dicts, are the same up to rounding."""

import numpy as np

from tinygrad_rnn.core.trees import flattened


def require_agreement(found, expected, tolerance=None, given=()):
    """Require the same tree, shapes and dtypes, and numbers that agree in the largest norm of each leaf.

    tolerance: relative, 0 for the last bit. By default 1e-12 for float64 and 1e-5 for float32, and besides 16 units in
    the last place of the largest number of all leaves: where what a leaf is made of cancels, its own norm says nothing
    of rounding. The precision is that of the leaf, or of the coarsest array in `given`, what it was computed from.
    NaN and infinities must stand at the same places.
    """
    found_leaves, expected_leaves = flattened(found)[0], flattened(expected)[0]
    assert [path for path, _ in found_leaves] == [path for path, _ in expected_leaves]
    arrays = [np.asarray(b) for _, b in expected_leaves if is_array(b)]
    sources = [a.dtype for _, a in flattened(given)[0] if is_array(a) and a.dtype.kind == "f"]
    largest = max((size(a) for a in arrays if a.dtype.kind == "f"), default=0.0)
    for (path, a), (_, b) in zip(found_leaves, expected_leaves, strict=True):
        if not is_array(b):
            assert a == b, path
            continue
        assert isinstance(a, np.ndarray | type(b)), f"{path} is a {type(a).__name__}"
        assert (a.shape, a.dtype) == (b.shape, b.dtype), path
        if b.dtype.kind != "f":
            assert np.array_equal(a, b), path
            continue
        finite = np.isfinite(b)
        assert np.array_equal(np.isfinite(a), finite), f"{path}: NaN and infinities"
        assert np.array_equal(a[~finite], b[~finite], equal_nan=True), f"{path}: NaN and infinities"
        difference = size(np.where(finite, a, 0) - np.where(finite, b, 0))
        if tolerance is None:
            eps = max(float(np.finfo(dtype).eps) for dtype in (b.dtype, *sources))
            allowed = (1e-12 if eps < 1e-15 else 1e-5) * size(b) + 16 * eps * largest
        else:
            allowed = tolerance * size(b)
        assert difference <= allowed, (
            f"{path}: differs by {difference:.3g}, of {size(b):.3g}; {allowed:.3g} is rounding"
        )


def is_array(value):
    return isinstance(value, np.ndarray | np.generic)


def size(a):
    """The largest finite number of an array."""
    return float(np.max(np.abs(a), where=np.isfinite(a), initial=0))
