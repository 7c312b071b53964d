"""Files are written whole or not at all, as UTF-8 with Unix line ends on every system."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write(path: str | os.PathLike[str], content: str | bytes) -> Path:
    """Write to a temporary file beside `path` and put it in its place; an error leaves what was there before."""
    path = require_place(path)
    data = content.encode("utf-8") if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        if path.exists():
            os.chmod(temporary, path.stat().st_mode & 0o777)
        else:
            os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return path


def require_place(path: str | os.PathLike[str]) -> Path:
    """The path, where a file may be written. Raises FileNotFoundError or IsADirectoryError where none may."""
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}\nmake it first, or write to another one")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder\ngive the name of a file")
    return path


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a UTF-8 file; an error names the file and the first byte that is not UTF-8."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: there is no such file\ngive the path of a text file") from error
    except IsADirectoryError as error:
        raise IsADirectoryError(f"{path} is a folder\ngive the path of a text file") from error
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: not UTF-8 text (byte {error.start} is 0x{error.object[error.start]:02x})\nsave it as UTF-8"
        ) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
