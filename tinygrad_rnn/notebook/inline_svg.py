"""Pictures within the HTML of a notebook: as wide as they are, but never wider than the cell.

They stand there as images. So two pictures in one notebook share no id, no style reaches the page, and a notebook that
is not trusted shows them too: its page takes drawings out of HTML, and leaves images in. On a dark page a second image
stands in the place of the first.
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


def fitted(svg: str, alt: str, dark: str | None = None) -> Markup:
    """Return an SVG for the HTML of a notebook; `dark` is the one that a dark page shows in its place."""
    light = _image(svg.encode("utf-8", "replace"), "image/svg+xml", alt)
    if dark is None:
        return Markup(f'<div style="max-width:100%">{light}</div>')
    mark = "tg" + hashlib.sha256(svg.encode("utf-8", "replace")).hexdigest()[:10]
    other = _image(dark.encode("utf-8", "replace"), "image/svg+xml", alt, ";display:none")
    return Markup(f'<div id="{mark}" style="max-width:100%">{_rules(mark)}{light}{other}</div>')


def darkened(svg: str, colours: Colours) -> str:
    """Return an SVG with each colour in the place of its light one."""
    return re.sub(
        r'\b(fill|stroke)="([^"]*)"', lambda found: f'{found[1]}="{colours[found[1]].get(found[2], found[2])}"', svg
    )


def picture_file(path: Path) -> Markup:
    """Return the picture of a file as it lies there, in the HTML itself; "" for one that no page can show."""
    kind = KINDS.get(path.suffix.lower())
    if kind is None or not path.is_file() or path.stat().st_size > MOST_BYTES:
        return Markup("")
    return _image(path.read_bytes(), kind, path.name)


def _image(content: bytes, kind: str, alt: str, more: str = "") -> Markup:
    source = f"data:{kind};base64,{base64.b64encode(content).decode()}"
    return Markup(f'<img alt="{escaped(alt)}" src="{source}" style="{FITS}{more}">')


def _rules(mark: str) -> str:
    """Return a style sheet whose rules all begin with the picture's own id, so that they reach nothing else."""

    def under(page: str) -> str:
        here = f"{page} #{mark} img"
        return f"{here}{{display:none!important}}{here}+img{{display:inline!important}}"

    unsaid = "body" + "".join(f":not({page})" for page in (*LIGHT_PAGES, *DARK_PAGES))
    said = "".join(map(under, DARK_PAGES))
    return f"<style>{said}@media (prefers-color-scheme:dark){{{under(unsaid)}}}</style>"
