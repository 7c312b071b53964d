"""Notebooks in a kernel of this Python: what the tests of notebooks share."""

import importlib.util
import json
import sys

import pytest

MISSING = [name for name in ("nbclient", "ipykernel") if importlib.util.find_spec(name) is None]
MARKS = [
    pytest.mark.needs_jupyter,
    pytest.mark.skipif(
        bool(MISSING), reason=f"{' and '.join(MISSING)} not installed: pip install 'tinygrad_rnn[notebook]'"
    ),
    pytest.mark.filterwarnings("ignore"),  # those of nbclient; a cell's own warnings are outputs of the cell
]


def needs_jupyter(test):
    """Mark a test that executes notebooks."""
    for mark in MARKS:
        test = mark(test)
    return test


def executed(cells, folder, monkeypatch):
    """Execute cells in a kernel of this Python, and return them with their outputs."""
    import nbformat
    from nbclient import NotebookClient

    kernel = folder / "jupyter" / "kernels" / "this_python"
    kernel.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(json.dumps({"argv": command, "display_name": "-", "language": "python"}))
    for name in ("JUPYTER_PATH", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(folder / "jupyter"))
    book = nbformat.v4.new_notebook(cells=cells)
    (folder / "work").mkdir()
    NotebookClient(
        book, timeout=300, kernel_name="this_python", resources={"metadata": {"path": str(folder / "work")}}
    ).execute()
    nbformat.validate(book)
    return book.cells
