"""Pictures in files: by Graphviz's `dot` where it is installed, else by the project's own grid."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any, NamedTuple

from tinygrad_rnn import files
from tinygrad_rnn.core.rich import FORMS
from tinygrad_rnn.draw.dot import digraph
from tinygrad_rnn.draw.dot_svg import with_own_text
from tinygrad_rnn.draw.slide import styled
from tinygrad_rnn.draw.style import dark_for_light
from tinygrad_rnn.draw.svg import svg
from tinygrad_rnn.draw.terminal import text
from tinygrad_rnn.draw.views.picture import Picture
from tinygrad_rnn.language.saying import say
from tinygrad_rnn.notebook.html_parts import Markup, box
from tinygrad_rnn.notebook.inline_svg import darkened, fitted, picture_file
from tinygrad_rnn.tape.full_tape import Tape

GET_GRAPHVIZ = (
    "to get Graphviz: apt install graphviz, brew install graphviz, winget install graphviz, or https://graphviz.org"
)
TIME_LIMIT, PATIENCE = 60.0, 10.0
"""The maximum number of seconds that `dot` may take; and where the grid can take its place."""
MOST_FOR_DOT = 2_000
"""The maximum number of boxes of an SVG for which "auto" takes `dot`: the grid draws more of them much faster."""
LONGEST_WORD = 300
"""The maximum number of characters of a failure message of `dot`."""

_log = logging.getLogger("tinygrad_rnn")
_said: set[str] = set()


class Rendered(NamedTuple):
    """A file that was written, and the engine that drew it: "dot", "grid", or "text" for DOT text."""

    path: Path
    engine: str

    def __repr__(self) -> str:
        return f"<Rendered: {self.path}, drawn by {self.engine}>"

    def _repr_html_(self) -> Markup:
        return box(str(self.path), picture_file(self.path))


class Shown:
    """A drawing that a notebook shows; `print` gives it as text. `svg` is the picture, and `engine` drew it.

    `adapts`: whether a dark page shows the light picture in dark colours.
    """

    def __init__(self, svg: str, text: str, engine: str, adapts: bool = False) -> None:
        self.svg, self.text, self.engine, self.adapts = svg, text, engine, adapts

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Shown: a graph drawn by {self.engine}; print it for the text>"

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_html_(self) -> Markup:
        return _for_page(self.svg, self.adapts)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/html": str(self._repr_html_()), "image/svg+xml": self.svg, "text/plain": repr(self)}


def show(
    tape: Tape,
    steps: Any = None,
    *,
    engine: str = "auto",
    theme: str = "auto",
    style: str = "page",
    **options: Any,
) -> Shown:
    """Return a tape's graph for a notebook. `steps` and options are those of `draw.picture`, the others of `render`.

    theme: "light" or "dark"; "auto" is light, and dark on the page of a dark notebook.
    """
    pic = styled(tape, steps, style, **options)
    drawn, used = _drawn(pic, "svg", engine, "light" if theme == "auto" else theme)
    words = text(tape, steps, ascii=False, **_for_text(options))
    return Shown(drawn.decode("utf-8"), words, used, theme == "auto")


def picture_form(pic: Picture) -> Markup:
    """Return a picture, drawn by the grid, for a notebook."""
    return _for_page(svg(pic), True)


def _for_page(drawn: str, adapts: bool) -> Markup:
    return fitted(drawn, say("the graph of a tape"), darkened(drawn, dark_for_light()) if adapts else None)


FORMS[Picture] = picture_form


def render(
    tape: Tape,
    path: str | os.PathLike[str],
    steps: Any = None,
    engine: str = "auto",
    *,
    theme: str = "light",
    style: str = "page",
    **options: Any,
) -> Rendered:
    """Draw the graph of a tape into a file, whose ending says how: .svg, .png, .pdf, or .dot for the text.

    engine: "dot" is Graphviz, "grid" the project's own drawing (SVG alone); "auto" takes `dot` for an SVG of up to
    2,000 boxes, and the grid for a larger one. Where `dot` is absent or fails, "auto" draws the SVG by the grid, and a
    log message says why, once. Both draw the same boxes, of the same ids, at the same places. theme: "light" or "dark".
    style: "page", as large as it gets, or "slide": a page of 1920 x 1080 with type of 18 points or more, on which
    scalars read `name | data | grad`; steps that do not fit are left out of the middle, and the drawing says so;
    if one step does not fit, what stands outside of the steps is left out as well.
    `steps` and the options are those of `draw.picture`: view, level, show, loss, grads, flow, cuts, budget.

    Raises ValueError for an unknown ending, engine or option, RuntimeError where `dot` is asked for and absent, or
    fails. Nothing is left half-written.
    """
    kind = require_drawable(path)
    pic = styled(tape, steps, style, **options)
    if kind in ("dot", "gv"):
        _require_engine(engine)
        return Rendered(files.write(path, str(digraph(pic, theme))), "text")
    content, used = _drawn(pic, kind, engine, theme)
    return Rendered(files.write(path, content), used)


def require_drawable(path: str | os.PathLike[str]) -> str:
    """Return the kind of drawing that a path asks for; ask before a long run.

    Raises ValueError for an unknown ending, and what `files.require_place` raises.
    """
    kind = files.require_ending("render", path, ".svg", ".png", ".pdf", ".dot", ".gv")
    files.require_place(path)
    return kind


def _drawn(pic: Picture, kind: str, engine: str, theme: str) -> tuple[bytes, str]:
    """Return a picture as the bytes of a file, and the engine that drew it."""
    _require_engine(engine)
    grid_will_do = engine == "auto" and kind == "svg"
    if engine != "grid" and not (grid_will_do and len(pic.boxes) > MOST_FOR_DOT):
        try:
            drawn = by_dot(str(digraph(pic, theme)), kind, PATIENCE if grid_will_do else TIME_LIMIT)
            return with_own_text(drawn, pic, theme) if kind == "svg" else drawn, "dot"
        except RuntimeError as error:
            if not grid_will_do:
                raise
            _say_once(str(error))
    elif kind != "svg":
        remedy = 'give a name that ends in .svg, or engine="dot"' if shutil.which("dot") else GET_GRAPHVIZ
        raise RuntimeError(f"render: a .{kind} needs the program `dot`: the grid draws .svg alone\n{remedy}")
    return svg(pic, theme=theme).encode("utf-8"), "grid"


def _say_once(why: str) -> None:
    """Log why the grid draws in the place of `dot`, the first time."""
    if why not in _said:
        _said.add(why)
        _log.warning("drawn by the project's own grid, since %s", why.removeprefix("render: ").replace("\n", "; "))


def _require_engine(engine: str) -> None:
    if engine not in ("auto", "dot", "grid"):
        raise ValueError(f'render: engine={engine!r}\nchoose "auto", "dot" or "grid"')


def _for_text(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a drawing that change its text. The colours of gradients do not."""
    kept = {key: value for key, value in options.items() if key not in ("flow", "cuts")}
    return kept if "level" in kept else {**kept, "level": "gates"}


def by_dot(text: str, kind: str, limit: float = TIME_LIMIT) -> bytes:
    """Draw DOT text by Graphviz. Raises RuntimeError where `dot` is absent, lacks the layout, fails, takes too long."""
    program = shutil.which("dot")
    if program is None:
        needs = "" if kind == "svg" else f"a .{kind} needs the program `dot`, and "
        raise RuntimeError(f"render: {needs}the program `dot` is not installed\n{GET_GRAPHVIZ}")
    instead = 'use engine="grid"' if kind == "svg" else "draw an .svg, which needs no Graphviz"
    # The layout nop2 of the text comes with the plugin neato. Without it `dot` fails here, with a message.
    command = [program, "-Kneato", "-n2", f"-T{kind}"]
    try:
        done = subprocess.run(command, input=text.encode("utf-8"), capture_output=True, timeout=limit, check=False)
    except OSError as error:
        raise RuntimeError(
            f"render: `dot`, {program}, cannot be run: {error}\nmend or update Graphviz, or {instead}"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(
            f"render: `dot` took longer than {limit:.0f} s and was stopped\ndraw fewer steps (steps=2), or {instead}"
        ) from error
    if done.returncode or not _is(kind, done.stdout):
        said = "; ".join(done.stderr.decode("utf-8", "replace").splitlines())[:LONGEST_WORD]
        if "layout" in said.lower() and ("neato" in said or "nop2" in said):
            raise RuntimeError(
                f"render: `dot` has no layout neato, a plugin of Graphviz: {said}\n"
                f"install the whole of Graphviz, with its plugins, or {instead}"
            )
        said = said or f"exit status {done.returncode}, no {kind}"
        raise RuntimeError(f"render: `dot` failed: {said}\nmend or update Graphviz, or {instead}")
    return done.stdout


def _is(kind: str, content: bytes) -> bool:
    """Say whether the bytes are a whole file of that kind."""
    if kind == "svg":
        try:
            return ElementTree.fromstring(content).tag.endswith("svg")
        except ElementTree.ParseError:
            return False
    start, end = {"png": (b"\x89PNG", b"IEND\xaeB`\x82"), "pdf": (b"%PDF", b"%%EOF")}[kind]
    return content.startswith(start) and content.rstrip(b"\r\n").endswith(end)
