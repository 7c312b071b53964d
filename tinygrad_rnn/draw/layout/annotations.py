"""The surroundings of the boxes: grounds and titles of the steps, titles of layers, cuts, the legend, and notes.

Both engines draw them.
"""

from __future__ import annotations

import math
import re

from tinygrad_rnn.draw.layout.labels import ROOM, Labels
from tinygrad_rnn.draw.layout.page import CLOSE_MARGIN, MARGIN, NOTE, label_size, lowered, note_size, on_page
from tinygrad_rnn.draw.layout.shapes_around import Furniture, Line, Rect, Text
from tinygrad_rnn.draw.layout.side_by_side import Layout
from tinygrad_rnn.draw.layout.sizes import TITLE, short, text_width
from tinygrad_rnn.draw.layout.sum_rows import sum_rows
from tinygrad_rnn.draw.layout.weight_names import weight_names
from tinygrad_rnn.draw.style import Style, Theme, ink, level
from tinygrad_rnn.draw.views.boxes import Box, Folded, Gap, Picture, band_words, printable
from tinygrad_rnn.draw.views.drawn_tape import Time
from tinygrad_rnn.language.saying import say
from tinygrad_rnn.text_tables import width as columns

FOOT = 26.0
BESIDE = 12.0
"""The room between a step and the edge of its ground."""
EQUAL = 26
"""The height of the room below the steps for their titles."""
SWATCH = 34.0
LINE = 15.0
LETTER = 0.52
"""The approximate width of a letter of a note or title, in parts of its size."""
_PIECES = re.compile(r"[（《“]*[\u4e00-\u9fff][，。、；：？！）》”]*|[^\u4e00-\u9fff]+")
"""A Chinese character with the marks that may not be parted from it, or a run of other characters."""


def furniture(pic: Picture, places: Layout, theme: Theme) -> Furniture:
    """Return the surroundings of the boxes of a picture."""
    found = Furniture()
    low, high = places.band
    right, top = places.size
    left = min(0.0, _bands(found, places, theme))
    bottom = min(low - FOOT, 0.0) if places.columns else 0.0
    grounds = _grounds(places)
    for column, (a, b) in places.columns.items():
        title = column_title(column, pic)
        wide = max(b - a + 2 * BESIDE, text_width(title, TITLE, lowered(pic)) + BESIDE)
        for foot, head in grounds:
            found.rects.append(Rect((a + b) / 2, (foot + head) / 2, wide, head - foot, theme.band, 8.0))
        if title:
            found.texts.append(Text((a + b) / 2, low - 15, title, theme.faint))
        left, right = min(left, (a + b - wide) / 2), max(right, (a + b + wide) / 2)
    first = min((y for _, y in places.centre.values() if y > high), default=0.0)  # the row above the steps
    above = [
        (x - places.width[name] / 2, x + places.width[name] / 2) for name, (x, y) in places.centre.items() if y == first
    ]
    for t in pic.cuts:
        at = places.columns[t][0] - places.gutter / 2
        found.lines.append(Line(at, low - FOOT, high + 4, theme.cut))
        crowded = pic.flows is not None  # broad lines lead to what stands above
        if crowded or any(low_end < at + 10 and at - 10 < high_end for low_end, high_end in above):  # below the line
            found.texts.append(Text(at, low - FOOT - 7, say("cut"), theme.cut, label_size(pic)))
            bottom = min(bottom, low - FOOT - 12)
        else:
            found.texts.append(Text(at, high + 10, say("cut"), theme.cut, label_size(pic)))
            top = max(top, high + 16)
    labels = Labels(places, label_size(pic), lowered(pic))
    if pic.folded is not None:  # both sides are the same network
        ends = list(places.columns.values())
        x, y = (ends[0][1] + ends[1][0]) / 2, (low + high) / 2
        found.texts.append(Text(x, y, "=", theme.text, EQUAL))
        labels.keep_free(x, y, EQUAL)
    _carried(found, pic, places, labels, theme)
    weight_names(found, pic, places, labels, theme)
    for text in found.texts:
        half = labels.width(text.text) / 2
        left, right = min(left, text.x - half), max(right, text.x + half)
    left, right, bottom = sum_rows(found, pic, places, theme, left, right, bottom)
    if pic.flows is not None:
        bottom -= 2 * LINE + 10
        right = max(right, left + _legend(found, pic, theme, left, bottom + LINE + 8))
    letter = LETTER * note_size(pic)
    for note in pic.legend if pic.slide else [*pic.legend, *pic.notes]:
        bottom -= LINE
        for line in _wrapped(printable(note), max(int((right - left) / letter), 60)):
            found.texts.append(Text(left, bottom + 4, line, theme.faint, note_size(pic), start=True))
            right = max(right, left + columns(line) * letter)
            bottom -= LINE
        bottom += LINE
    margin = CLOSE_MARGIN if pic.slide else MARGIN
    reach = (left - margin, bottom - margin, right + margin, top + margin)
    found.reach = on_page(reach) if pic.slide else reach
    return found


def _grounds(places: Layout) -> list[tuple[float, float]]:
    """Return (bottom, top) of each ground of a step. Boxes outside of time between two bands stand on no ground."""
    spans = sorted(places.bands.values()) or [places.band]
    found = [(places.band[0] - FOOT, spans[0][1])]
    for low, high in spans[1:]:
        if low > found[-1][1]:
            found.append((low, high))
        else:
            found[-1] = (found[-1][0], high)
    return found


def column_title(column: Time, pic: Picture) -> str:
    """Return the title under a column."""
    if isinstance(column, Gap):
        return ""
    if isinstance(column, Folded):
        return say("every step t")
    t = short(printable(str(pic.numbers.number(column))))
    return say("every step t") if pic.loops and pic.folded is None else f"t = {t}"


def _bands(found: Furniture, places: Layout, theme: Theme) -> float:
    """Add the titles of layers and directions at the left of their rows. Return the left edge of the titles."""
    titled = [(band, span) for band, span in places.bands.items() if band and band[0] != "joined"]
    if len(titled) < 2:
        return 0.0
    words = {band: " ".join(short(printable(band_words((label,)))) for label in band) for band, _ in titled}
    wide = max(map(columns, words.values())) * LETTER * NOTE + 10
    for band, (low, high) in titled:
        found.texts.append(Text(-12 - wide / 2, (low + high) / 2, words[band], theme.faint))
    return -12 - wide


def _carried(found: Furniture, pic: Picture, places: Layout, labels: Labels, theme: Theme) -> None:
    """Add the names of the values handed from step to step, in the gutter, once for all their readers there."""
    said: set[tuple[str, str, Time]] = set()
    for arrow, words in pic.arrows.items():
        what = (arrow[0], words, pic.boxes[arrow[1]].column)
        if not words or what in said:
            continue
        curve = places.curves[arrow]
        x, y = curve[len(curve) // 2]
        if arrow in places.detours:
            x, y = curve[0][0] + 12, curve[0][1] + 10
        elif arrow in pic.loops:
            x, y = x - 6, y + 10
        else:
            said.add(what)
            low, high = places.columns[pic.boxes[arrow[0]].column]
            away = max(14.0, labels.width(short(words)) / 2 + 2 * ROOM)
            x = high + away if curve[0][0] < curve[-1][0] else low - away  # beside the column that the arrow leaves
            y = curve[3][1] + 8
        if (place := labels.place(x, y, short(words))) is not None:
            found.texts.append(Text(*place, short(words), theme.carried, labels.size))


def _legend(found: Furniture, pic: Picture, theme: Theme, left: float, y: float) -> float:
    """Add the scale of gradients: a swatch for each colour, with log10 of the norm between them. Return its width."""
    low, high = scale_of(pic)
    title = say("gradient coming back, log10 of its norm:")
    found.texts.append(Text(left, y, title, theme.text, note_size(pic), start=True))
    x = left + columns(title) * LETTER * note_size(pic) + 14
    for k, colour in enumerate(theme.scale):
        found.rects.append(Rect(x + SWATCH * (k + 0.5), y, SWATCH, 14, colour))
    for k in range(len(theme.scale) + 1):
        value = low + (high - low) * k / len(theme.scale)
        found.texts.append(Text(x + SWATCH * k, y - 15, f"{value:.1f}".replace("-", "−"), theme.faint, label_size(pic)))
    x += SWATCH * len(theme.scale) + 14
    values = [*(box.flow for box in pic.boxes.values()), *(pic.flows or {}).values()]
    others = [(say("none"), theme.no_gradient, any(v == -math.inf for v in values if v is not None))]
    others += [(say("not finite"), theme.not_finite, any(v is not None and not v < math.inf for v in values))]
    for words, colour, there in others:
        if there:
            found.rects.append(Rect(x + SWATCH / 2, y, SWATCH, 14, colour, border=theme.faint))
            found.texts.append(Text(x + SWATCH / 2, y - 15, words, theme.faint, label_size(pic)))
            x += SWATCH + 14
    return x - left


def scale_of(pic: Picture) -> tuple[float, float]:
    """Return the lowest and the highest log10 of the legend: whole numbers, at least 1 apart."""
    values = [box.flow for box in pic.boxes.values()] + list((pic.flows or {}).values())
    finite = [v for v in values if v is not None and math.isfinite(v)]
    if not finite:
        return -1.0, 0.0
    low, high = math.floor(round(min(finite), 9)), math.ceil(round(max(finite), 9))
    return float(low), float(max(high, low + 1))


def looks(box: Box, pic: Picture, theme: Theme, scale: tuple[float, float]) -> tuple[Style, str, str]:
    """Return a box's style and the colours of its large and small text. The fill shows the gradient if it is drawn."""
    style = theme.styles[box.kind]
    if pic.flows is None or box.kind in ("gap", "constant"):
        return style, theme.text, theme.faint
    fill = flow_colour(theme, box.flow, scale)
    return style._replace(fill=fill), ink(theme, fill), ink(theme, fill)


def flow_colour(theme: Theme, flow: float | None, scale: tuple[float, float]) -> str:
    """Return the colour of a log10 on the scale, of no gradient, or of a gradient that is not finite."""
    if flow is None or flow == -math.inf:
        return theme.no_gradient
    place = level(theme, flow, *scale)
    return theme.not_finite if place is None else theme.scale[place]


def _wrapped(text: str, width: int) -> list[str]:
    """Break a text at spaces, and between Chinese characters, where no mark begins a line."""
    lines = [""]
    for word in text.split(" "):
        space = " " if lines[-1] else ""
        for piece in map(short, _PIECES.findall(word) if columns(word) > len(word) else [word]):
            if lines[-1] and columns(lines[-1] + piece) + len(space) > width:
                lines.append("")
                space = ""
            lines[-1] += space + piece
            space = ""
    return lines
