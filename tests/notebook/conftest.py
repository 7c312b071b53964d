"""Whether the programs that execute notebooks are installed."""

import importlib.util

import pytest

MISSING = [name for name in ("nbclient", "ipykernel") if importlib.util.find_spec(name) is None]


def pytest_collection_modifyitems(items):
    """Skip what executes notebooks where the extra is not installed."""
    if MISSING:
        why = f"{' and '.join(MISSING)}: not installed; pip install 'tinygrad_rnn[notebook]'"
        for item in items:
            if item.get_closest_marker("needs_jupyter"):
                item.add_marker(pytest.mark.skip(reason=why))
