"""An SVG within the HTML of a notebook: as wide as it is, but never wider than the cell, and with names of its own.

Two pictures in one notebook have the same ids, and an arrow would take the head of the other picture's. So each id
gets a prefix, which is made of the picture's bytes.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from tinygrad_rnn.notebook.html_parts import Markup, escaped

FITS = "max-width:100%;height:auto"
DARK_PAGES = ('[data-jp-theme-light="false"]', ".vscode-dark", ".vscode-high-contrast")
"""What JupyterLab, Notebook and VS Code say of a dark page. Others follow the system."""
LIGHT_PAGES = ('[data-jp-theme-light="true"]', ".vscode-light", ".vscode-high-contrast-light")

KINDS = {".svg": "image/svg+xml", ".png": "image/png"}
MOST_BYTES = 5_000_000
"""The maximum size of a file that is put into a notebook."""

Colours = Mapping[str, Mapping[str, str]]
"""By attribute, `fill` and `stroke`: the dark colour for each light one."""


def inline(svg: str, dark: Colours | None = None) -> Markup:
    """Return an SVG for the HTML of a notebook. With `dark`, a dark page shows it in these colours."""
    mark = "tg" + hashlib.sha256(svg.encode("utf-8", "replace")).hexdigest()[:10]
    text = svg[svg.index("<svg") :].rstrip()
    text = re.sub(r'\bid="([^"]*)"', rf'id="{mark}-\1"', text)
    text = re.sub(r"url\(#([^)]*)\)", rf"url(#{mark}-\1)", text)
    text = re.sub(r'href="#([^"]*)"', rf'href="#{mark}-\1"', text)
    text = text.replace("<svg ", f'<svg style="{FITS}" ', 1)
    rules = _rules(mark, dark) if dark else ""
    return Markup(f'<div id="{mark}" style="max-width:100%">{rules}{text}</div>')


def picture_file(path: Path) -> Markup:
    """Return the picture of a file as it lies there, in the HTML itself; "" for one that no page can show."""
    kind = KINDS.get(path.suffix.lower())
    if kind is None or not path.is_file() or path.stat().st_size > MOST_BYTES:
        return Markup("")
    content = base64.b64encode(path.read_bytes()).decode()
    return Markup(f'<img alt="{escaped(path.name)}" src="data:{kind};base64,{content}" style="{FITS}">')


def _rules(mark: str, dark: Colours) -> str:
    """Return a style sheet whose rules all begin with the picture's own id, so that they reach nothing else."""
    pairs = [(kind, light, other) for kind, colours in dark.items() for light, other in colours.items()]

    def under(page: str) -> str:
        return "".join(f'{page} #{mark} [{kind}="{light}"]{{{kind}:{other}}}' for kind, light, other in pairs)

    unsaid = "body" + "".join(f":not({page})" for page in (*LIGHT_PAGES, *DARK_PAGES))
    said = "".join(map(under, DARK_PAGES))
    return f"<style>{said}@media (prefers-color-scheme:dark){{{under(unsaid)}}}</style>"
