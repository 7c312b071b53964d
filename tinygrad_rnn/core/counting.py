"""A number with its noun, and a time, in the words of messages and drawings."""

from __future__ import annotations


def counted(number: int, one: str, several: str = "") -> str:
    """Return a number with its noun: `1 step`, `2,000 steps`; `several` is a plural that does not end in s alone."""
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"


def clock(seconds: float) -> str:
    """Write seconds as h:mm:ss."""
    return f"{int(seconds) // 3600}:{int(seconds) % 3600 // 60:02}:{int(seconds) % 60:02}"
