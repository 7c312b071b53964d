"""A drawing written into a file whose name says that it is an SVG."""

from __future__ import annotations

import os
from pathlib import Path

from tinygrad_rnn import files


def written(svg: str, path: str | os.PathLike[str]) -> Path:
    """Write an SVG and return its path. Raises ValueError for a name that does not end in .svg."""
    if Path(path).suffix.lower() != ".svg":
        raise ValueError(f"draw: {os.fspath(path)} does not end in .svg\ngive the name of an SVG")
    return files.write(path, svg)
