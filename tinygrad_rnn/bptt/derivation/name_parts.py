"""Names as symbols: a letter or a word, and its index."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tinygrad_rnn.bptt.derivation.formula_style import GREEK

FUNCTIONS = frozenset({"log", "exp", "max", "min", "abs", "sqrt", "tanh", "sin", "cos"})
"""Words that are no letters with an index."""


def split_name(name: str, timed: bool) -> tuple[str, str]:
    """Split a name into a letter or a word and its index: W_ih and Wih, h1, z_i. c_tilde is c with a tilde above.

    A quantity with a step (`timed`) keeps words whole: ft is not f_t.
    """
    if name.endswith("_tilde"):
        base, sub = split_name(name.removesuffix("_tilde"), timed)
        return f"{base}~", sub
    base, _, sub = name.partition("_")
    if sub and base in FUNCTIONS:  # log_decay is no logarithm to a base
        return name, ""
    found = re.fullmatch(r"([A-Za-z]+)(\d+)", name)
    if not sub and not timed and not found and name not in GREEK:
        found = re.fullmatch(r"([A-Z]|[bwh])([a-z]{1,3})", name)
    return (found[1], found[2]) if found else (base, sub.replace("_", ","))


def apart(symbols: Mapping[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Return symbols by name, with a prime on each index that would make two symbols equal."""
    found: dict[str, tuple[str, str]] = {}
    for name, (base, sub) in symbols.items():
        while (base, sub) in found.values():
            sub += "'"
        found[name] = base, sub
    return found
