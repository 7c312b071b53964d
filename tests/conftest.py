"""What all tests share: readable ids, the same in every process."""

from typing import Any


def pytest_make_parametrize_id(val: Any) -> str | None:
    """Name a function by its name: its repr holds an address, which differs from process to process."""
    return val.__name__ if callable(val) and hasattr(val, "__name__") else None
