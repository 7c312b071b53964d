"""Code as people write it, in `pieces`: loaded as it stands, or with a slip."""

import linecache
import re
from pathlib import Path
from types import ModuleType

import pytest
from chinese_words import assert_chinese, shown

from tinygrad_rnn.language.current import speaking

FOLDER = Path(__file__).parent / "pieces"
PIECES = [
    f"{path.stem}.{name}"
    for path in sorted(FOLDER.glob("*.py"))
    for name in re.findall(r"^def examine_(\w+)", path.read_text(encoding="utf-8"), flags=re.M)
]
"""All of them, as file.name."""


def load(file, old="", new=""):
    """The module of a file, with one place of its text changed: `old` must stand there once."""
    text = (FOLDER / f"{file}.py").read_text(encoding="utf-8")
    if old:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}.py"
        text = text.replace(old, new)
    module = ModuleType(file)
    module.__file__ = f"{file}.py of the pieces{f', with {new!r}' if old else ''}"
    linecache.cache[module.__file__] = (len(text), None, text.splitlines(keepends=True), module.__file__)
    exec(compile(text, module.__file__, "exec"), module.__dict__)
    return module


def examined(piece, old="", new=""):
    """The examination of a piece."""
    file, name = piece.split(".")
    return getattr(load(file, old, new), f"examine_{name}")()


def few_fast(cases, fast):
    """The cases as parameters: those that are not among the fast run in .ci/run alone."""
    return [case if case in fast else pytest.param(case, marks=pytest.mark.slow) for case in cases]


NAMED = ("gain", "with", "words")
"""Words of code: arrays and functions of a piece."""


def assert_said_in_chinese(found):
    """The findings of an examination have no English word in Chinese. An error and its call stay as errors say them."""
    with speaking("zh"):
        told = re.sub("(?<=无法运行：).*", "", shown(found))
        assert_chinese(told, *NAMED, *re.findall("[a-z]+", found.name.lower()))
