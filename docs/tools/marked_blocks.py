"""Blocks of a page that a tool writes, between marks that name the tool and the block."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping


def place(tool: str, name: str) -> re.Pattern[str]:
    """Match a block of a page: the mark, the block, and the mark of its end."""
    return re.compile(rf"(<!-- begin: python docs/tools/{tool}, {name} -->\n)(.*?)(<!-- end -->)", re.S)


def filled(page: str, tool: str, blocks: Mapping[str, Callable[[], str]]) -> str:
    """Return the page with each block between its marks. Raises AssertionError for a block without one place there."""
    for name, block in blocks.items():
        text = block()
        page, count = place(tool, name).subn(lambda found, text=text: found[1] + text + found[3], page)
        assert count == 1, f"the page has {count} places for {name}"
    return page
