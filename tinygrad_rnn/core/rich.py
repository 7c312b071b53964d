"""How an object looks in a notebook: a table of functions by class, which the rooms above fill.

To understand the engine, skip this file: it says only that a notebook asks the table. Without the table an object is
shown by its `repr`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

FORMS: dict[type, Callable[[Any], str]] = {}
"""By class, the function that writes an object of it as HTML."""


class Rich:
    """An object whose class may be in the table `FORMS`. Its `repr` is its class and its `str`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"

    def _repr_html_(self) -> str | None:
        form = FORMS.get(type(self))
        return None if form is None else form(self)
