"""How the kinds of boxes look, in both engines. Fills are pale, so that text stays dark on light in greyscale too."""

from __future__ import annotations

from typing import NamedTuple


class Style(NamedTuple):
    """Fill, border, and whether the border is dashed and the corners are round."""

    fill: str
    border: str
    dashed: bool = False
    round: bool = True


STYLES = {
    "state": Style("#cfe3f7", "#0b5394"),
    "gate": Style("#fde3bf", "#b45f06"),
    "named": Style("#e6e0f2", "#674ea7"),
    "op": Style("#f3f3f3", "#666666"),
    "parameter": Style("#ffffff", "#7f7f7f", dashed=True, round=False),
    "input": Style("#d5f0dc", "#1b7a3d", round=False),
    "constant": Style("#ffffff", "#bdbdbd", round=False),
    "gap": Style("#ffffff", "#999999", dashed=True),
}
ARROW = "#555555"
CARRIED = "#0b5394"
TEXT = "#111111"
FAINT = "#5c5c5c"
FONT = "Helvetica"
BAND = "#f7f9fc"
