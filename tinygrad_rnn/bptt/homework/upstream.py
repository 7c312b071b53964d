"""The names of upstream gradients: dh, dout, grad_h, and of which output each is the gradient."""

from __future__ import annotations

import re

NOT_GRADIENTS = ("data", "dim", "dims", "depth", "dropout", "decay", "debug", "dtype", "dt", "dict", "d_model")


def upstream_of(name: str) -> str:
    """Return of what a parameter of backward is the gradient, by its name: h, for dh, dh_next; "" for another one."""
    found = re.fullmatch(r"(?:d|grad_?|g_|delta_?|dL_?d?)_?([a-zA-Z]\w*)|(d|dout|grad_output|upstream|delta)", name)
    if not found or name.lower() in NOT_GRADIENTS:
        return ""
    return found[1] or "out"


def alike(stem: str, name: str) -> bool:
    """Return whether a gradient's stem and an output's name are one: h and h_next, hs and h, a_next and a."""
    plain = [re.sub(r"_(next|t|new|out|prev)$|(?<=[a-z])s$|_", "", text.lower()) for text in (stem, name)]
    return plain[0] == plain[1]
