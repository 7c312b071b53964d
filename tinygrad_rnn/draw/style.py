"""The looks of the kinds of boxes, in both engines and in both themes.

Kinds differ in lightness, border and corner as well as in hue, so that they are told apart in greyscale, on a projector
and by the colour-blind; the scale of a gradient's size runs evenly from pale to dark, on a dark ground the other way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from tinygrad_rnn.language.current import current


class Style(NamedTuple):
    """Fill, border, and whether the border is dashed and the corners are round."""

    fill: str
    border: str
    dashed: bool = False
    round: bool = True


@dataclass(frozen=True)
class Theme:
    """The colours of a drawing, of six digits each."""

    styles: dict[str, Style]
    arrow: str
    carried: str
    text: str
    faint: str
    ground: str
    band: str
    cut: str
    weight: str  # the names of parameters on arrows
    no_gradient: str
    not_finite: str
    scale: tuple[str, ...]  # of the size of a gradient, from small to large
    heat: tuple[str, str, str]  # of the entries of an array: lowest, zero, highest


LIGHT = Theme(
    styles={
        "cell": Style("#cfe3f7", "#0b5394"),
        "state": Style("#cfe3f7", "#0b5394"),
        "gate": Style("#fde3bf", "#b45f06"),
        "named": Style("#e6e0f2", "#674ea7"),
        "op": Style("#f3f3f3", "#666666"),
        "parameter": Style("#ffffff", "#7f7f7f", dashed=True, round=False),
        "input": Style("#d5f0dc", "#1b7a3d", round=False),
        "constant": Style("#ffffff", "#bdbdbd", round=False),
        "gap": Style("#ffffff", "#999999", dashed=True),
    },
    arrow="#555555",
    carried="#0b5394",
    text="#111111",
    faint="#5c5c5c",
    ground="#ffffff",
    band="#f7f9fc",
    cut="#a01040",
    weight="#7a4a1e",
    no_gradient="#ffffff",
    not_finite="#b000b0",
    scale=("#fee3b8", "#fdc880", "#fba75f", "#f48645", "#e05f33", "#bb2f1c", "#7f0000"),
    heat=("#b35806", "#f7f7f7", "#2166ac"),
)

DARK = Theme(
    styles={
        "cell": Style("#173a5c", "#7db8ee"),
        "state": Style("#173a5c", "#7db8ee"),
        "gate": Style("#55380c", "#f0b35a"),
        "named": Style("#3a2f5a", "#b8a3ea"),
        "op": Style("#2c2f36", "#9aa0a8"),
        "parameter": Style("#14171c", "#8d939c", dashed=True, round=False),
        "input": Style("#123f22", "#6ccf8c", round=False),
        "constant": Style("#14171c", "#5c626b", round=False),
        "gap": Style("#14171c", "#8d939c", dashed=True),
    },
    arrow="#a8aeb6",
    carried="#7db8ee",
    text="#f2f2f2",
    faint="#b4bac2",
    ground="#14171c",
    band="#1b1f26",
    cut="#ff7aa2",
    weight="#d9b48f",
    no_gradient="#14171c",
    not_finite="#ff5cff",
    scale=("#40221a", "#6b2f16", "#96420f", "#c25a13", "#e67e2e", "#f7ac66", "#fde0c5"),
    heat=("#f1a340", "#2c2f36", "#67a9cf"),
)

THEMES = {"light": LIGHT, "dark": DARK}

FONTS = "Helvetica,Arial,Liberation Sans,DejaVu Sans,sans-serif"
"""The fonts of macOS, of Windows, and of Debian with and without an office; a viewer takes the first that it has."""
CHINESE_FONTS = "PingFang SC,Microsoft YaHei,Noto Sans CJK SC,WenQuanYi Micro Hei,WenQuanYi Zen Hei"
"""The fonts of macOS, of Windows and of Debian that have Chinese characters."""


def fonts() -> str:
    """Return the fonts of a drawing in the language that is spoken: the letters of both languages are of `FONTS`."""
    return FONTS if current() == "en" else FONTS.replace("sans-serif", f"{CHINESE_FONTS},sans-serif")


def dark_for_light() -> dict[str, dict[str, str]]:
    """Return, for each fill and stroke of a light drawing, that of the dark one, for a page that has both."""
    fills = {light.fill: DARK.styles[kind].fill for kind, light in LIGHT.styles.items()}
    names = ("text", "faint", "ground", "band", "arrow", "carried", "cut", "no_gradient", "not_finite", "weight")
    plain = {getattr(LIGHT, name): getattr(DARK, name) for name in names}
    scale = dict(zip(LIGHT.scale, DARK.scale, strict=True))
    strokes = {light.border: DARK.styles[kind].border for kind, light in LIGHT.styles.items()}
    return {"fill": fills | plain | scale, "stroke": strokes | plain | scale}


def theme_named(name: str) -> Theme:
    """Return a theme by its name. Raises ValueError for names other than "light" and "dark"."""
    if name not in THEMES:
        raise ValueError(f'draw: theme={name!r}\nchoose "light" or "dark"')
    return THEMES[name]


def level(theme: Theme, value: float, low: float, high: float) -> int | None:
    """Return the place of a log10 on the scale from `low` to `high`; None where it is not finite."""
    if not math.isfinite(value):
        return None
    steps = len(theme.scale)
    place = round((value - low) / (high - low) * steps, 9)  # so that the last digit of a sum decides no colour
    return min(max(int(place), 0), steps - 1)


def thickness(place: int) -> float:
    """Return the thickness, in points, of an arrow at that place of the scale."""
    return 2.5 + 1.1 * place


def ink(theme: Theme, fill: str) -> str:
    """Return the theme's own colour of text or its opposite, whichever has more contrast with that fill."""
    own, opposite = theme.text, "#ffffff" if theme is LIGHT else "#000000"
    light = luminance(fill) + 0.05
    return max((own, opposite), key=lambda c: max(luminance(c) + 0.05, light) / min(luminance(c) + 0.05, light))


@cache
def luminance(colour: str) -> float:
    """Return the relative luminance of an sRGB colour, 0 to 1 (WCAG 2.1)."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def heat_colour(theme: Theme, value: float) -> str:
    """Return the colour of an entry between -1 and 1 of a heat map."""
    if math.isnan(value):
        return theme.not_finite
    low, zero, high = theme.heat
    end, share = (high, value) if value > 0 else (low, -value)
    mixed = (int(zero[k : k + 2], 16) * (1 - share) + int(end[k : k + 2], 16) * share for k in (1, 3, 5))
    return "#" + "".join(f"{round(part):02x}" for part in mixed)
