"""Write the code and the verdicts of `demos/what_people_say.py` into its page, in both languages.

    python docs/tools/make_what_people_say.py                  # all verdicts, in about a minute
    python docs/tools/make_what_people_say.py a_gate_of_zero   # these, as they are now, and all code

The tests run the experiments too, and fail if a page differs.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from chinese_verdicts import CHINESE, WORDS
from marked_blocks import filled, place

from tinygrad_rnn import files

DOCS = Path(__file__).parents[1]
DEMO = DOCS.parent / "demos" / "what_people_say.py"
PAGES = {"en": DOCS / "what-people-say.md", "zh": DOCS / "zh" / "what-people-say.md"}
TOOL = "make_what_people_say.py"
VARY = {
    "bounded_states",
    "an_lstm_cannot_explode",
    "clipping_and_the_cliff",
    "thousand_steps",
    "a_gate_is_0_or_1",
    "better_and_faster",
    "recency",
    "no_dependency_or_wrong_parameters",
    "truncation_regularises",
    "random_truncation",
}
"""The experiments whose numbers differ between machines: seconds, training, and orbits that rounding changes."""


def imported(path: Path) -> ModuleType:
    """Return a script as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


EXPERIMENTS: dict[str, Callable[[], str]] = imported(DEMO).EXPERIMENTS


@functools.cache
def code() -> dict[str, str]:
    """Return the code that the page shows: the imports as `setup`, and for each experiment its helpers and itself.

    A helper stands in the block of the first experiment, in the order of the page, that needs it.
    """
    source = files.read_text(DEMO)
    tree = ast.parse(source)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom) and _names(node) != {"sys"}]
    first, last = imports[0].lineno, imports[-1].end_lineno
    lines = source.splitlines()
    shown: set[str] = set()
    found = {"setup": "\n".join(line for line in lines[first - 1 : last] if line != "import sys") + "\n"}
    for name in order():
        needed = [other for other in functions if other in _reached(functions, name) - shown]
        shown.update(needed)
        found[name] = "\n\n\n".join(_text(lines, functions[other]) for other in needed) + "\n"
    return found


def order() -> list[str]:
    """Return the experiments in the order of the English page."""
    return re.findall(rf"<!-- begin: python docs/tools/{TOOL}, (?!setup)(\w+) -->", files.read_text(PAGES["en"]))


def block(name: str, language: str, verdict: str | None) -> str:
    """Return the block of an experiment: its code and its verdict; without a verdict, the one on the page."""
    text = f"```python\n{code()[name]}```\n"
    if name == "setup":
        return text
    if verdict is None:
        said = shown_verdict(name, language)
    else:
        said = verdict if language == "en" else in_chinese(name, verdict)
    first, _, rest = said.partition("\n")
    return text + f"\n> {first}\n" + (f"\n```text\n{rest}\n```\n" if rest else "")


def shown_verdict(name: str, language: str) -> str:
    """Return the verdict that stands on the page: a quotation, and under it what the program prints besides."""
    found = place(TOOL, name).search(files.read_text(PAGES[language]))
    assert found is not None, f"the page has no place for {name}"
    verdict = re.search(r"\n> (.*)\n(?:\n```text\n((?s:.*?))\n```\n)?", found[2])
    assert verdict is not None, f"the page has no verdict of {name}: run python docs/tools/{TOOL} {name}"
    return verdict[1] if verdict[2] is None else f"{verdict[1]}\n{verdict[2]}"


def in_chinese(name: str, verdict: str) -> str:
    """Return a verdict in Chinese, with the same numbers. Raises AssertionError where its words have changed."""
    english, chinese = CHINESE[name]
    pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+?)", re.escape(english))
    found = re.fullmatch(pattern, verdict, re.S)
    assert found is not None, f"chinese_verdicts.py has other words for {name}: {verdict}"
    parts = {part: _translated(value) for part, value in found.groupdict().items()}
    return chinese.format_map(parts)


def _translated(part: str) -> str:
    for english, chinese in WORDS.items():
        part = re.sub(rf"\b{re.escape(english)}\b", chinese, part)
    return part if "\n" in part else part.replace(", ", "、").replace(" (", "（").replace(")", "）")


def _names(node: ast.Import | ast.ImportFrom) -> set[str]:
    return {alias.name for alias in node.names}


def _reached(functions: dict[str, ast.FunctionDef], name: str) -> set[str]:
    found, waiting = {name}, [name]
    while waiting:
        for node in ast.walk(functions[waiting.pop()]):
            if isinstance(node, ast.Name) and node.id in functions and node.id not in found:
                found.add(node.id)
                waiting.append(node.id)
    return found


def _text(lines: list[str], node: ast.FunctionDef) -> str:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return "\n".join(lines[first - 1 : node.end_lineno])


def main(names: list[str]) -> None:
    """Run these experiments, or all, and write both pages."""
    verdicts = {name: EXPERIMENTS[name]() for name in names or EXPERIMENTS}
    for language, page in PAGES.items():
        blocks = {
            name: lambda name=name, language=language: block(name, language, verdicts.get(name))
            for name in ("setup", *order())
        }
        files.write(page, filled(files.read_text(page), TOOL, blocks))


if __name__ == "__main__":
    main(sys.argv[1:])
