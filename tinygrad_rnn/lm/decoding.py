"""The text of a file in any encoding; a wrong encoding is told in words."""

from __future__ import annotations

import codecs
import contextlib

from tinygrad_rnn import files

REMEDY = "save it as UTF-8, or say which encoding it has: --encoding gb18030"


def read(path: files.AnyPath, encoding: str = "utf-8") -> str:
    """Return the text of a file, as `files.read_text` does.

    Raises what that raises, with the encoding that would fit; and ValueError for an unknown encoding.
    """
    encoding = require_encoding(encoding)
    try:
        return files.read_text(path, encoding=encoding)
    except ValueError as error:
        if not isinstance(wrong := error.__cause__, UnicodeDecodeError):
            raise
        told = str(error).splitlines()[0]
        raise ValueError(f"{told}{_likelier(wrong.object, encoding)}\n{REMEDY}") from error


def require_encoding(name: str) -> str:
    """Return Python's name of an encoding of text. Raise ValueError for a name that Python does not know."""
    try:
        "".encode(name)  # which refuses what encodes no text, such as base64
        return codecs.lookup(name).name
    except (LookupError, ValueError) as error:
        raise ValueError(f"no encoding {name!r}\ngive a name such as utf-8, gb18030, big5 or utf-16") from error


def _likelier(data: bytes, tried: str) -> str:
    """Say in which encoding bytes are text, where they begin with its mark or are whole in it and hold Chinese.

    Nearly any Latin text with accents is whole in GB18030, too, but few of its characters are then among the common
    ones, those of GB2312.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "; it begins as UTF-16 does"
    for name in ("utf-8", "gb18030"):
        with contextlib.suppress(UnicodeDecodeError):
            others = [c for c in data.decode(name) if not c.isascii()]
            common = len("".join(others).encode("gb2312", "ignore")) / 2
            if name != tried and common > 0.9 * len(others):
                return f"; it can be read as {name.upper()}"
    return ""
