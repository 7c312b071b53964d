"""A number with its noun, in the words of messages and drawings."""

from __future__ import annotations


def counted(number: int, one: str, several: str = "") -> str:
    """Return a number with its noun: `1 step`, `2,000 steps`; `several` is a plural that does not end in s alone."""
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"
