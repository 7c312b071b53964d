"""The operations: each one statement, with one line for each partial derivative. A file for each family.

Importing this package fills the table; nothing changes it afterwards but `primitive(...)` in a user's own code.
"""

from tinygrad_rnn.engine.primitives import (
    activations,
    arithmetic,
    checks,
    comparisons,
    einsum,
    indexing,
    linear_algebra,
    reductions,
    shapes,
)

__all__ = [
    "activations",
    "arithmetic",
    "checks",
    "comparisons",
    "einsum",
    "indexing",
    "linear_algebra",
    "reductions",
    "shapes",
]
