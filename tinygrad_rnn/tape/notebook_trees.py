"""Dicts, tuples and lists of arrays in a notebook: IPython is told to show them as tables.

Gradients, parameters, states and moments are plain dicts and tuples, which no class of ours can give a form. Only a
tree that holds a Tensor or another object of the package, or a dict of arrays, is shown so: all else is IPython's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.core.trees import flattened
from tinygrad_rnn.notebook.live_display import in_notebook, running
from tinygrad_rnn.tape.rich_values import tree_form

KINDS: tuple[type, ...] = (dict, tuple, list)
PACKAGE = __name__.partition(".")[0]
MOST_READ = 10_000
"""The maximum number of leaves of a tree that is read to find out what it holds."""

_before: dict[type, Any] = {}
"""What printed these types before, by type, so that it can be put back."""


def install(shell: Any = None) -> None:
    """Show trees of arrays as tables in this IPython; without one, in that of the notebook around, if there is one."""
    shell = shell or (running() if in_notebook() else None)
    if shell is None:
        return
    formatters = shell.display_formatter.formatters
    for kind in KINDS:
        formatters["text/html"].for_type(kind, form)
        before = formatters["text/plain"].for_type(kind, _printer(kind))
        _before.setdefault(kind, before)


def uninstall(shell: Any) -> None:
    """Show trees of arrays as IPython does."""
    formatters = shell.display_formatter.formatters
    for kind in KINDS:
        if kind in _before:
            formatters["text/html"].pop(kind, None)
            formatters["text/plain"].for_type(kind, _before.pop(kind))


def form(tree: Any) -> str | None:
    """Return a tree of arrays as HTML; None for a tree of other things. A class with a form of its own keeps it."""
    own = getattr(type(tree), "_repr_html_", None)
    if own is not None:
        found: str | None = own(tree)
        return found
    return tree_form(tree, summary(tree)) if holds_arrays(tree) else None


def summary(tree: Any) -> str:
    """Return a tree in a few words: `dict of 4: weight_ih, weight_hh, bias_ih, bias_hh`."""
    words = f"{type(tree).__name__} of {len(tree)}"
    return f"{words}: {_listed([*tree])}" if isinstance(tree, dict) and tree else words


def _listed(names: list[Any]) -> str:
    shown = [str(name) for name in names[:6]] + ["..."] * (len(names) > 6)
    return ", ".join(shown)


def holds_arrays(tree: Any) -> bool:
    """Say whether a tree holds a Tensor, an object of this package, or, as a dict, arrays of numbers alone."""
    try:
        leaves = [leaf for _, leaf in flattened(tree)[0]] if len(tree) <= MOST_READ else []
    except (ValueError, RecursionError):  # it holds itself
        return False
    if any(isinstance(leaf, Tensor) or _ours(leaf) for leaf in leaves):
        return True
    arrays = [leaf for leaf in leaves if isinstance(leaf, np.ndarray)]
    of_dicts = isinstance(tree, dict) or any(isinstance(branch, dict) for branch in tree)
    return of_dicts and bool(arrays) and all(a.dtype.kind in "fiub" for a in arrays)


def _ours(leaf: object) -> bool:
    return type(leaf).__module__.partition(".")[0] == PACKAGE


def _printer(kind: type) -> Callable[[Any, Any, bool], None]:
    """Return what prints this type as text: a tree of arrays in one line, all else as before."""

    def printed(tree: Any, printer: Any, cycle: bool) -> None:
        if type(tree) is kind and not cycle and holds_arrays(tree):
            printer.text(f"<{summary(tree)}>")
        else:
            _before[kind](tree, printer, cycle)

    return printed
