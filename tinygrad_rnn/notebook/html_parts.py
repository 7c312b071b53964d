"""The HTML that objects show in a notebook: boxes, tables, sentences and verdicts, made of escaped text.

All style is on the elements themselves, so nothing of it reaches the notebook around them. Colours are those of the
text around (`currentColor`), on no ground of their own; only a verdict has a ground, with letters that are read on it.
The same object gives the same bytes.

>>> table(["gradient", "verdict"], [["dW < 0", badge("ok", True)]]).count("&lt;")
1
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

NO_FORMULAS = "mathjax_ignore tex2jax_ignore"
"""The classes by which MathJax leaves a text alone: a `$` in a name begins no formula."""
BOX = "max-width:100%;font-size:13px;line-height:1.5;text-align:left"
SCROLLS = "overflow-x:auto;max-width:100%"
FAINT = "opacity:.75"
RULE = "1px solid rgba(128,128,128,.45)"
MONO = "font-family:ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace"
NUMBERS = "font-variant-numeric:tabular-nums"
GROUNDS = {True: "#1b7a3d", False: "#b3261e", None: "#5f6570"}
"""The ground of a verdict: right, wrong, neither. White letters have a contrast above 5 on each."""


LONG = 40
"""The number of characters from which on a verdict may be broken into lines."""


class Markup(str):
    """A text that is HTML already, and is not escaped again."""

    __slots__ = ()


def escaped(text: object) -> str:
    """Return a text as HTML; a Markup as it is."""
    return text if isinstance(text, Markup) else html.escape("\n".join(map(printable, str(text).split("\n"))))


def printable(name: str) -> str:
    """Return a name without control characters and halves of surrogate pairs, which HTML, XML and DOT cannot hold."""
    if name.isprintable():
        return name
    return "".join("\ufffd" if c < " " or c == "\x7f" or "\ud800" <= c <= "\udfff" else c for c in name)


def box(title: object, *parts: str, language: str = "en") -> Markup:
    """Return the whole form of an object: its title in bold, and its parts below.

    language: of its words; another one than English is said to the browser.
    """
    lang = f' lang="{language}"' if language != "en" else ""
    return Markup(f'<div class="{NO_FORMULAS}" style="{BOX}"{lang}><div>{strong(title)}</div>{"".join(parts)}</div>')


def strong(text: object) -> Markup:
    """Return a text in bold."""
    return Markup(f"<b>{escaped(text)}</b>")


def faint(text: object) -> Markup:
    """Return a text that stands back."""
    return Markup(f'<span style="{FAINT}">{escaped(text)}</span>')


def badge(words: object, right: bool | None) -> Markup:
    """Return a verdict on a ground of its own. A sign says the same, for those who do not see the colour."""
    sign = {True: "✓ ", False: "✗ ", None: ""}[right]
    space = "nowrap" if len(str(words)) < LONG else "normal"
    style = f"background:{GROUNDS[right]};color:#fff;border-radius:3px;padding:1px 6px;white-space:{space}"
    return Markup(f'<span style="{style}">{sign}{escaped(words)}</span>')


def titled(title: object, words: object, right: bool | None) -> Markup:
    """Return a title with a verdict behind it."""
    return Markup(f"{escaped(title)} {badge(words, right)}")


def sentences(texts: Iterable[object]) -> Markup:
    """Return each text as a paragraph. Line breaks are kept."""
    style = "margin:3px 0;white-space:pre-wrap;overflow-wrap:anywhere"
    return Markup("".join(f'<div style="{style}">{escaped(text)}</div>' for text in texts))


def labelled(lines: Iterable[str]) -> Markup:
    """Return lines of text as rows: where a line begins with `label: `, of one or two words, the label stands apart.

    In Chinese the colon is a wide one, and the label has up to four characters.
    """
    rows = []
    for line in lines:
        label, colon, rest = line.partition(": ")
        wide, wide_colon, wide_rest = line.partition("：")
        if wide_colon and len(wide) <= 4:
            rows.append(_row(wide, wide_rest))
        elif colon and len(label.split()) <= 2 and not line.startswith(" "):
            rows.append(_row(label, rest))
        else:
            rows.append(_row("", line.strip()))
    body = "".join(rows)
    return Markup(f'<table style="{_table()}"><tbody>{body}</tbody></table>') if rows else Markup("")


def _row(label: str, words: str) -> str:
    first = f'<td style="{_cell("left", "nowrap")};{FAINT}">{escaped(label)}</td>'
    return f'<tr>{first}<td style="{_cell("left", "pre-wrap")};overflow-wrap:anywhere">{escaped(words)}</td></tr>'


def table(head: Sequence[object], rows: Iterable[Sequence[object]], right: Iterable[int] = ()) -> Markup:
    """Return a table, which scrolls within its box where it is wide; `right`: the columns that end on the right."""
    to_right = {*right}
    sides = ["right" if k in to_right else "left" for k in range(len(head))]
    top = "".join(
        f'<th scope="col" style="{_cell(side, "nowrap")};border-bottom:{RULE};font-weight:bold">{escaped(cell)}</th>'
        for side, cell in zip(sides, head, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="{_cell(side, "nowrap")}">{escaped(cell)}</td>' for side, cell in zip(sides, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    head_row = f"<thead><tr>{top}</tr></thead>" if any(head) else ""
    return Markup(f'<div style="{SCROLLS}"><table style="{_table()}">{head_row}<tbody>{body}</tbody></table></div>')


def _table() -> str:
    return f"margin:4px 0;border-collapse:collapse;table-layout:auto;font-size:13px;{NUMBERS}"


def _cell(side: str, space: str) -> str:
    return f"text-align:{side};vertical-align:top;padding:2px 14px 2px 0;white-space:{space};max-width:none"


def code(text: str) -> Markup:
    """Return text in which every column counts; it scrolls within its box."""
    style = f"margin:4px 0;{SCROLLS};max-height:32em;overflow-y:auto;font-size:12px;line-height:1.35;{MONO}"
    return Markup(f'<pre style="{style};white-space:pre;background:transparent;color:inherit">{escaped(text)}</pre>')


def folded(summary: object, *parts: str) -> Markup:
    """Return parts that are opened by a click on their summary."""
    head = f'<summary style="cursor:pointer">{escaped(summary)}</summary>'
    return Markup(f'<details style="margin:4px 0">{head}{"".join(parts)}</details>')
