"""Pictures in files: by Graphviz's `dot` where it is installed, else by the project's own grid."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tinygrad_rnn import files
from tinygrad_rnn.draw.graph import digraph
from tinygrad_rnn.draw.grid import svg
from tinygrad_rnn.draw.picture import picture
from tinygrad_rnn.engine.tape import Tape

GET_GRAPHVIZ = (
    "to get Graphviz: apt install graphviz, brew install graphviz, winget install graphviz, or https://graphviz.org"
)
TIME_LIMIT = 60.0
"""Seconds that `dot` may take."""

_log = logging.getLogger("tinygrad_rnn")
_said: set[str] = set()


class Rendered(NamedTuple):
    """A file that was written, and what drew it: "dot", "grid", or "text" for DOT text."""

    path: Path
    engine: str


def render(tape: Tape, path: str | os.PathLike[str], ends: int | None = None, engine: str = "auto") -> Rendered:
    """Draw the unrolled graph of a tape into a file, whose ending says how: .svg, .png, .pdf, or .dot for the text.

    engine: "dot" is Graphviz, "grid" the project's own drawing (SVG alone); "auto" takes `dot` where it is installed
    and the grid otherwise, and says once, by a log message, how to get Graphviz. `ends` as for `graph`.

    Raises ValueError for an unknown ending or engine, RuntimeError where `dot` is asked for and absent, or fails.
    Nothing is left half-written.
    """
    path = Path(path)
    kind = path.suffix.lower().lstrip(".")
    if kind not in ("svg", "png", "pdf", "dot", "gv"):
        raise ValueError(f"render: {path.name!r} ends in none of .svg, .png, .pdf, .dot\ngive the file one of these")
    if engine not in ("auto", "dot", "grid"):
        raise ValueError(f'render: engine={engine!r}\nchoose "auto", "dot" or "grid"')
    pic = picture(tape, ends)
    if kind in ("dot", "gv"):
        return Rendered(files.write(path, str(digraph(pic))), "text")
    program = shutil.which("dot")
    if engine == "dot" or (engine == "auto" and program):
        if program is None:
            raise RuntimeError(f"render: the program `dot` is not installed\n{GET_GRAPHVIZ}")
        return Rendered(files.write(path, _by_dot(program, str(digraph(pic)), kind)), "dot")
    if kind != "svg":
        raise RuntimeError(
            f"render: a .{kind} needs the program `dot`, which the grid does without for .svg alone\n{GET_GRAPHVIZ}"
        )
    if engine == "auto" and not _said:
        _said.add("dot")
        _log.warning("drawn by the project's own grid, since `dot` is not installed; %s", GET_GRAPHVIZ)
    return Rendered(files.write(path, svg(pic)), "grid")


def _by_dot(program: str, text: str, kind: str) -> bytes:
    try:
        done = subprocess.run(
            [program, f"-T{kind}"], input=text.encode("utf-8"), capture_output=True, timeout=TIME_LIMIT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(
            f"render: `dot` took longer than {TIME_LIMIT:.0f} s and was stopped\n"
            'draw fewer steps (ends=2), or engine="grid"'
        ) from error
    start = {"svg": b"<", "png": b"\x89PNG", "pdf": b"%PDF"}[kind]
    if done.returncode or not done.stdout.lstrip().startswith(start):
        said = done.stderr.decode("utf-8", "replace").strip() or f"exit status {done.returncode}, no {kind}"
        raise RuntimeError(f'render: `dot` failed: {said}\nmend or update Graphviz, or use engine="grid"')
    return done.stdout
