"""The docstrings of the code, which are plain text with `code` in backquotes, as the markup that autodoc reads.

Their paragraphs are filled. So a line that ends early was ended on purpose, as an equation is, and stays a line.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from types import FunctionType, ModuleType
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

PACKAGE = "tinygrad_rnn"
ROOMS = (
    "",
    "nn",
    "nn.init",
    "nn.optim",
    "nn.weights",
    "bptt",
    "bptt.comparison.by_hand",
    "bptt.homework.adapters",
    "draw",
    "draw.truncation_bars",
    "compiler",
)
"""The modules of the reference."""
FULL = 96
"""A line that the first word of the next one would leave shorter than this was ended on purpose."""
EQUATION = re.compile(r" *[\w{}`,-]+(?:, [\w{}`,-]+)* = ")
BEGINS = re.compile(r"(?:`?\w+`?(?:, `?\w+`?)*(?: \([^)]*\))?: )|Raises ")
"""A line on an argument, or on errors, begins anew."""
SPAN = re.compile(r"`([^`]+)`")
EMPHASIS = re.compile(r"(?<![\w*])\*(\w[\w ]*)\*(?![\w*])")
BULLET = re.compile(r"( *)- ")


def converted(lines: list[str], room: str = "") -> list[str]:
    """Return the lines of a docstring as reStructuredText; names are looked up in `room` first ("nn")."""
    found: list[str] = []
    for block in _blocks(lines):
        if block[0].startswith((">>>", "..")):
            found += block
        elif BULLET.match(block[0]):
            found += _bullets(block, room)
        elif block[0].startswith(("    ", "|")):
            found += ["::", "", *(f"    {line}" for line in block)]
        else:
            found += _paragraph(block, room)
        found.append("")
    return found


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    """Yield the blocks of lines between empty ones; bullets begin a block of their own."""
    block: list[str] = []
    for line in lines:
        bullet = bool(BULLET.match(line))
        inside = bool(block) and bool(BULLET.match(block[0]))
        code = bool(block) and block[0].startswith("    ")
        ends = (inside and not bullet and not line.startswith(" ")) or (bullet and not inside and not code)
        if block and (not line.strip() or ends):
            yield block
            block = []
        if line.strip():
            block.append(line.rstrip())
    if block:
        yield block


def _bullets(block: list[str], room: str) -> list[str]:
    """Return a list, however deep its first bullet stands; continued lines stand under their text."""
    depth = len(BULLET.match(block[0])[1])  # type: ignore[index]
    return [inline(line[depth:] if line[:depth].isspace() else line, room) for line in block]


def _paragraph(block: list[str], room: str) -> list[str]:
    """Return a paragraph, or a block of lines where one was ended on purpose."""
    equations = 2 * sum(bool(EQUATION.match(line)) for line in block) >= len(block)
    early = [
        equations or len(line) + 1 + len(after.split()[0]) <= FULL or bool(BEGINS.match(after))
        for line, after in pairwise(block)
    ]
    if not any(early):
        return [inline(line, room) for line in block]
    lines = [f"| {inline(block[0].strip(), room)}"]
    for ended, line in zip(early, block[1:], strict=True):
        if ended:
            lines.append(f"| {inline(line.strip(), room)}")
        else:
            lines[-1] += f" {inline(line.strip(), room)}"
    return lines


def inline(text: str, room: str = "") -> str:
    """Return a line with its code marked up, names of the package linked, and all other marks kept as they are."""
    parts = SPAN.split(text)
    out = ""
    for k, part in enumerate(parts):
        if k % 2 == 0:
            out += _escaped(part)
            continue
        target = _target(part, room)
        out += f":py:obj:`{part} <{target}>`" if target else f"``{part}``"
        if parts[k + 1][:1].isalnum():
            out += "\\ "
    return out


def _escaped(text: str) -> str:
    """Return plain text with what would be markup escaped; emphasis stays."""
    kept = EMPHASIS.split(text.replace("\\", "\\\\"))
    pieces = [piece if k % 2 else re.sub(r"([*_|])", r"\\\1", piece) for k, piece in enumerate(kept)]
    return "".join(f"*{piece}*" if k % 2 else piece for k, piece in enumerate(pieces))


def _target(code: str, room: str) -> str | None:
    """Return the full name that code stands for, where it is the bare name of a public object."""
    name = code.removesuffix("()").removeprefix("tg.")
    if not re.fullmatch(r"[A-Za-z]\w*(\.[A-Za-z]\w*)*", name):
        return None
    for full in (f"{PACKAGE}.{room}.{name}" if room else None, f"{PACKAGE}.{name}"):
        if full in public():
            return full
    return None


def names_of(module: ModuleType) -> list[str]:
    """Return the public names of a module that are no modules: those that it lists, else those that it defines."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return [name for name in listed if not isinstance(getattr(module, name), ModuleType)]
    own = {name: value for name, value in vars(module).items() if name[0] != "_" and callable(value)}
    return [n for n, value in own.items() if getattr(value, "__module__", None) == module.__name__ and value.__doc__]


@cache
def public() -> frozenset[str]:
    """Return the full name of each public function and class, and of the methods that the reference has."""
    names = set()
    for room in ROOMS:
        module = importlib.import_module(f"{PACKAGE}.{room}".rstrip("."))
        for name in names_of(module):
            found = getattr(module, name)
            names.add(f"{module.__name__}.{name}")
            if isinstance(found, type):
                own = (n for n, value in vars(found).items() if n[0] != "_" and getattr(value, "__doc__", None))
                names |= {f"{module.__name__}.{name}.{n}" for n in own if callable(getattr(found, n, None))}
    return frozenset(names)


def on_docstring(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Convert the docstring that autodoc has read, in place."""
    parts = name.split(".")[1:]
    room = max((r for r in ROOMS if r == ".".join(parts[: r.count(".") + 1])), key=len, default="")
    lines[:] = converted(lines, room)


class Room(SphinxDirective):
    """The reference of a module: its public names, one after the other, and then what each does.

    .. room:: tinygrad_rnn.nn
    """

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the nodes of the reference."""
        module = importlib.import_module(self.arguments[0])
        listed = hasattr(module, "__all__")
        names = sorted(names_of(module), key=str.lower)
        lines = [", ".join(f":py:obj:`{name} <{module.__name__}.{name}>`" for name in names), ""]
        lines += [f".. automodule:: {module.__name__}", "   :members:", *["   :imported-members:"] * listed, ""]
        lines += [f".. py:currentmodule:: {module.__name__}", ""]
        for name in names:
            found = getattr(module, name)
            if not isinstance(found, type | FunctionType):
                call = "(x)" if callable(found) else ""
                lines += [f".. py:{'function' if call else 'data'}:: {name}{call}", ""]
                lines += [f"   {line}" for line in converted(words_for(name, found))]
        return self.parse_text_to_nodes("\n".join(lines))


def words_for(name: str, found: object) -> list[str]:
    """Return the lines that stand under the assignment of a value, in the module that makes it."""
    for module in [m for n, m in sorted(sys.modules.items()) if n.startswith(PACKAGE)]:
        if vars(module).get(name) is found and module.__file__:
            words = ModuleAnalyzer.for_module(module.__name__).find_attr_docs().get(("", name))
            if words:
                return words
    raise LookupError(f"{name} has no words under its assignment")


def setup(app: Sphinx) -> dict[str, bool]:
    """Convert docstrings as they are read."""
    app.add_directive("room", Room)
    app.connect("autodoc-process-docstring", on_docstring)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
