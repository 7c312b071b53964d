"""The operations: each one statement, with one line for each partial derivative. A file for each family.

Importing this package fills the table; nothing changes it afterwards but `primitive(...)` in a user's own code.
"""

import tinygrad_rnn.operations.basics  # noqa: F401
from tinygrad_rnn.operations import (
    activations,
    arithmetic,
    comparisons,
    complex_pairs,
    einsum,
    indexing,
    linear_algebra,
    reductions,
    shapes,
)
from tinygrad_rnn.operations import assertions as checks

__all__ = [
    "activations",
    "arithmetic",
    "checks",
    "comparisons",
    "complex_pairs",
    "einsum",
    "indexing",
    "linear_algebra",
    "reductions",
    "shapes",
]
