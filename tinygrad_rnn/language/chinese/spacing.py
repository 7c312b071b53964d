"""Spaces in Chinese sentences: one between Chinese characters and Latin letters, none between Chinese characters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from string import Formatter

WIDE = "，。、；：？！（）"
"""Full-width marks."""


def filled(template: str, parts: Mapping[str, object]) -> str:
    """Return a template with its parts, and the right spaces around these.

    >>> filled("{to}中用了{given}", {"to": "dU", "given": "h[t]"}), filled("在 {who} 上", {"who": "磁带"})
    ('dU 中用了 h[t]', '在磁带上')
    >>> filled("{who} 在 {step}", {"who": "h（各处）", "step": "t"})
    'h（各处）在 t'
    """
    pieces = []
    for text, name, spec, conversion in Formatter().parse(template):
        pieces.append(text)
        if name is not None:
            value = parts[name]
            pieces.append(format(repr(value) if conversion == "r" else value, spec or ""))
    return together(pieces)


def together(pieces: Iterable[str]) -> str:
    """Return pieces of a sentence as one text, with the right spaces where they meet."""
    whole = ""
    for piece in filter(None, pieces):
        left, right = whole.rstrip(" "), piece.lstrip(" ")
        if left and right and _meet(left[-1], right[0]):
            whole = left + right
        elif whole and _apart(whole[-1], piece[0]):
            whole = f"{whole} {piece}"
        else:
            whole += piece
    return whole


def _meet(left: str, right: str) -> bool:
    """Return whether no space stands between two characters: both are Chinese, or one is a full-width mark."""
    return (_is_chinese(left) and _is_chinese(right)) or left in WIDE or right in WIDE


def _apart(left: str, right: str) -> bool:
    """Return whether a space is needed between two characters: one is Chinese, the other a Latin letter or a sign."""
    if _is_chinese(left):
        return "!" <= right <= "~" and right not in ")]}>,.;:!?"
    return "!" <= left <= "~" and left not in "([{<" and _is_chinese(right)


def _is_chinese(character: str) -> bool:
    return "\u4e00" <= character <= "\u9fff"
