"""The page of a player: one file with its pictures, its data as JSON and one script, in the language that is spoken.

A content security policy allows nothing else. A browser without scripts shows the pictures.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from importlib import resources
from string import Template
from typing import Any

from tinygrad_rnn.draw.style import dark_for_light
from tinygrad_rnn.language.chinese.catalogues import CHINESE
from tinygrad_rnn.language.current import current
from tinygrad_rnn.language.saying import Sentence

FIRST, LAST = ("page.js", "words.js", "elements.js"), ("picture.js", "graph_keys.js", "moving.js")
"""The files of each page's one script: those that come first, and those that come before what plays."""
SCRIPTS = {
    "tape": (*FIRST, "tape.js", "sentences.js", "panels.js", *LAST, "player.js"),
    "scan": (*FIRST, "scan.js", *LAST, "scan_player.js"),
}
"""The files of each page's one script, in this order."""


def page(kind: str, title: str, summary: str, level: str, pictures: Mapping[str, str], data: Mapping[str, Any]) -> str:
    """Return the text of a page.

    kind: what it plays, of which `kind.html` has the parts. level: of the pictures, the one that it opens with.
    """
    script = "\n".join(read(name) for name in SCRIPTS[kind])
    words = {} if current() == "en" else {"words": {each: CHINESE.get(each, each) for each in templates(script)}}
    shown = "".join(f'<div data-level="{name}">\n{encodable(drawn)}\n</div>\n' for name, drawn in pictures.items())
    text = Template(_in_language(_whole(kind))).substitute(
        policy="$policy",
        lang=current(),
        title=html.escape(encodable(title)),
        summary=summary,
        level=level,
        style=read("player.css") + _dark_picture(),
        script=script,
        pictures=shown,
        data=json.dumps({**data, **words}, separators=(",", ":")).replace("<", "\\u003c"),
    )
    return text.replace("$policy", policy(text), 1)


def templates(script: str) -> list[str]:
    """Return the templates of the sentences that a script says."""
    return sorted(set(re.findall(r'\b(?:say|phrase)\(\s*"([^"]*)"', script)))


def policy(text: str) -> str:
    """Return a policy that allows nothing from outside, and inside the page only its own styles and scripts."""
    allowed = {}
    for kind, tag in (("script-src", "<script>"), ("style-src", "<style>")):
        inside = re.findall(rf"{tag}(.*?)</", text, flags=re.DOTALL)
        hashes = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in inside]
        allowed[kind] = " ".join(f"'sha256-{digest}'" for digest in hashes)
    sources = "; ".join(f"{kind} {hashes}" for kind, hashes in allowed.items())
    return f"default-src 'none'; {sources}; base-uri 'none'; form-action 'none'"


def encodable(text: str) -> str:
    """Return a text without halves of surrogate pairs, which UTF-8 cannot encode."""
    return text.encode("utf-8", "replace").decode("utf-8")


def read(name: str) -> str:
    """Return the text of a file of the page."""
    return resources.files("tinygrad_rnn.draw").joinpath("page", name).read_text(encoding="utf-8")


def _whole(kind: str) -> str:
    """Return the page with the parts of its kind in their places; a part stands below its name, `<!-- help -->`."""
    pieces = re.split(r"<!-- (\w+) -->\n", read(f"{kind}.html"))
    return Template(read("page.html")).safe_substitute(dict(zip(pieces[1::2], pieces[2::2], strict=True)))


def _in_language(text: str) -> str:
    """Return a page with its words, which stand in double braces, in the language that is spoken."""
    return re.sub(r"\{\{(.*?)\}\}", lambda found: html.escape(str(Sentence(found[1], {}))), text)


def _dark_picture() -> str:
    """Return rules that turn the light picture into the dark one. They are weak, so that a lit entry stays lit."""
    rules = [
        f':where(#play-graph){select}[{kind}="{light}"] {{ {kind}: {dark}; }}'
        for kind, colours in dark_for_light().items()
        for light, dark in colours.items()
        for select in ("", " ")
    ]
    return "@media screen and (prefers-color-scheme: dark) {\n" + "\n".join(rules) + "\n}\n"
