"""The language of a terminal, as its locale says."""

from __future__ import annotations

from collections.abc import Mapping

VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")
"""The variables that say in which language programs speak: the first one that is set holds, as POSIX has it."""


def of_locale(environment: Mapping[str, str], encoding: str | None = None) -> str:
    """Return "zh" for a Chinese locale, such as zh_CN.UTF-8, and else "en".

    encoding: that of the stream that is written to; where it has no Chinese characters, the language is English.

    >>> of_locale({"LANG": "zh_CN.UTF-8"})
    'zh'
    >>> of_locale({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"})
    'en'
    """
    named = next((value for name in VARIABLES if (value := environment.get(name))), "")
    if not named.lower().startswith("zh"):
        return "en"
    try:
        "随时间反向传播".encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return "en"
    return "zh"
