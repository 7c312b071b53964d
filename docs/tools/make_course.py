"""Write the notebooks of the course beside its pages, and the texts and the pictures that its cells output.

    python docs/tools/make_course.py

A page `docs/course/NN-name.md` is the one source of its notebook. The tests do the same, and fail if a file differs.

| on the page | in the notebook |
|---|---|
| prose | a cell of Markdown; links to other lessons lead to their notebooks |
| a paragraph that only links to the page's own notebook | nothing |
| ```` ```python ```` | a cell of code |
| ```` ```python exercise ```` | a cell of code that the reader changes: broken or with a blank, but it runs |
| `<details>` with ```` ```python solution ```` | the same, collapsed, in a cell of Markdown |
| ```` ```python check ```` | a cell of code that passes with the solution and fails with the exercise as it stands |
| ```` ```text ```` or an image, straight after code, or both in `<details>` | nothing: running the cell shows them |

What code outputs as text is what it prints, then `str` of its last expression. Its picture is the `_repr_svg_` of that.
A Chinese page has the same code, and `tg.speak("zh")` besides; so it shows texts and pictures of its own.
"""

from __future__ import annotations

import ast
import contextlib
import io
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tinygrad_rnn import speak

DOCS = Path(__file__).parents[1]
FOLDERS = {"en": DOCS / "course", "zh": DOCS / "zh" / "course"}
PICTURES = DOCS / "images" / "course"
CODE = ("python", "exercise", "solution", "check")
"""The kinds of pieces that are code."""

TOP = re.compile(
    r"^<details>.*?^</details>$|^```(?P<info>[^\n]*)\n(?P<code>.*?)^```$|^!\[[^\]]*\]\((?P<image>[^)]+)\)$", re.M | re.S
)
FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<code>.*?)^```$", re.M | re.S)
IMAGE = re.compile(r"^!\[[^\]]*\]\((?P<image>[^)]+)\)$", re.M)
LESSON = re.compile(r"\]\((\d\d-[a-z0-9-]+)\.md(#[^)]*)?\)")


class Piece(NamedTuple):
    """A piece of a page: prose, code of one of the kinds of `CODE`, or the text or the picture that code outputs."""

    kind: str
    """"prose", "python", "exercise", "solution", "check", "text" or "picture"."""
    text: str
    """As it stands on the page."""
    content: str
    """The code, the text that is output, or the path of the picture; of prose the same as `text`."""
    line: int
    """The number of lines of the page above the content."""


class Ran(NamedTuple):
    """What a piece of code did: the text that it outputs, and the value of its last expression."""

    text: str
    value: Any


def lessons(language: str = "en") -> list[Path]:
    """Return the pages that have notebooks, in order."""
    return sorted(FOLDERS[language].glob("[0-9][0-9]-*.md"))


def pieces(page: Path) -> list[Piece]:
    """Split a page. Raises ValueError for a block of code of an unknown kind, or one that stands where it cannot."""
    text, found, end = page.read_text(encoding="utf-8"), [], 0
    for match in TOP.finditer(text):
        if text[end : match.start()].strip():
            found.append(_prose(text, end, match.start()))
        found += _block(text, match, found, page)
        end = match.end()
    if text[end:].strip():
        found.append(_prose(text, end, len(text)))
    _require_exercises(found, page)
    return found


def _prose(text: str, start: int, end: int) -> Piece:
    words = text[start:end].strip("\n")
    return Piece("prose", words, words, text.count("\n", 0, start))


def _block(text: str, match: re.Match[str], before: list[Piece], page: Path) -> list[Piece]:
    """Return the pieces that stand at one match of `TOP`."""
    whole, start = match[0], match.start()
    follows_code = bool(before) and before[-1].kind in (*CODE, "text", "picture")
    if whole.startswith("<details>"):
        inside = [*FENCE.finditer(whole), *IMAGE.finditer(whole)]
        solutions = [m for m in inside if m.groupdict().get("info") == "python solution"]
        if len(solutions) == len(inside) == 1:
            return [_code(text, "solution", whole, start + solutions[0].start("code"), solutions[0]["code"])]
        if any((m.groupdict().get("info") or "").startswith("python") for m in inside):
            raise ValueError(f"{_place(page, text, start)}: <details> holds one solution, or no code in Python")
        if follows_code and inside and all(m.groupdict().get("info", "text") == "text" for m in inside):
            return [_output(text, start, m) for m in sorted(inside, key=lambda m: m.start())]
        return [_prose(text, start, match.end())]
    if match["image"]:
        return [_output(text, 0, match) if follows_code else _prose(text, start, match.end())]
    info = match["info"].split()
    if info[:1] == ["python"]:
        kind = info[1] if len(info) == 2 else "python"
        if len(info) > 2 or kind not in CODE or kind == "solution":
            raise ValueError(
                f"{_place(page, text, start)}: a block ```{match['info']}\n"
                "it is ```python, ```python exercise, ```python check, or within <details> ```python solution"
            )
        return [_code(text, kind, whole, match.start("code"), match["code"])]
    if info == ["text"] and follows_code:
        return [_output(text, 0, match)]
    return [_prose(text, start, match.end())]


def _code(text: str, kind: str, whole: str, start: int, code: str) -> Piece:
    return Piece(kind, whole, code, text.count("\n", 0, start))


def _output(text: str, offset: int, match: re.Match[str]) -> Piece:
    kind, group = ("picture", "image") if match.groupdict().get("image") else ("text", "code")
    return Piece(kind, match[0], match[group], text.count("\n", 0, offset + match.start(group)))


def _place(page: Path, text: str, start: int) -> str:
    return f"{page.name}, line {text.count(chr(10), 0, start) + 1}"


def _require_exercises(found: list[Piece], page: Path) -> None:
    """Raise ValueError unless each exercise is followed by its solution and by a check, and none stands alone."""
    order = [piece for piece in found if piece.kind in ("exercise", "solution", "check")]
    kinds = [piece.kind for piece in order]
    if kinds != ["exercise", "solution", "check"] * (len(kinds) // 3):
        raise ValueError(f"{page.name} has {', '.join(kinds)}\neach exercise needs one solution, then one check")


# ------------------------------------------------------------------------------------------------ the notebook


def notebook(page: Path, solved: bool = False) -> dict[str, Any]:
    """Return the notebook of a page as JSON has it. `solved`: with the solutions in the place of the exercises."""
    found, cells, words = pieces(page), [], []

    def close() -> None:
        if words:
            cells.append(_cell("markdown", "\n\n".join(words), len(cells)))
            words.clear()

    for place, piece in enumerate(found):
        if piece.kind == "prose":
            words += [text for text in [_for_notebook(piece.text, page)] if text]
        elif piece.kind == "solution":
            close()
            words.append(piece.text.replace("```python solution", "```python"))
            close()
        elif piece.kind in CODE:
            close()
            solution = next((p for p in found[place:] if p.kind == "solution"), piece)
            chosen = solution if solved and piece.kind == "exercise" else piece
            cells.append(_cell("code", chosen.content.strip("\n"), len(cells), piece.kind))
    close()
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _cell(cell_type: str, source: str, number: int, kind: str = "python") -> dict[str, Any]:
    """Return a cell, with a tag if it is an exercise or a check."""
    tags = {} if kind == "python" else {"tags": [kind]}
    cell = {"cell_type": cell_type, "id": f"cell-{number}", "metadata": tags}
    if cell_type == "code":
        cell |= {"execution_count": None, "outputs": []}
    return {**cell, "source": source.splitlines(keepends=True)}


def _for_notebook(prose: str, page: Path) -> str:
    """Return prose without the link to the notebook itself, and with links to the notebooks of other lessons."""
    own = re.escape(page.with_suffix(".ipynb").name)
    paragraphs = [part for part in prose.split("\n\n") if not re.fullmatch(rf"\[[^\]]*\]\({own}\)[^\[]*", part.strip())]
    return LESSON.sub(lambda found: f"]({found[1]}.ipynb{found[2] or ''})", "\n\n".join(paragraphs))


def written(page: Path) -> str:
    """Return the text of the file of a page's notebook."""
    return json.dumps(notebook(page), ensure_ascii=False, indent=1) + "\n"


# ------------------------------------------------------------------------------------------------ running it


def execute(piece: Piece, page: Path, names: dict[str, Any]) -> Ran:
    """Run a piece of code as a cell of a notebook, with the names that earlier pieces left.

    Tracebacks and `inspect.getsource` find the lines of the page.
    """
    file = str(page)
    tree, last = ast.parse("\n" * piece.line + piece.content, file), None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body.pop().value)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, file, "exec"), names)
        value = None if last is None else eval(compile(last, file, "eval"), names)
    text = "" if value is None or hasattr(value, "_repr_svg_") else f"{value}\n"
    return Ran(printed.getvalue() + text, value)


@contextlib.contextmanager
def page_names() -> Iterator[dict[str, Any]]:
    """Give the names with which a page begins; when it ends, the process speaks English again."""
    try:
        yield {"__name__": "__main__"}
    finally:
        speak("en")


def solved(page: Path) -> Iterator[tuple[Piece, Ran, list[Piece]]]:
    """Run the code of a page in order, each solution in the place of its exercise.

    Yield each piece of code, what it did, and the outputs that the page shows of it. An exercise whose output is shown
    runs as it stands first.
    """
    found = pieces(page)
    with page_names() as names:
        for place, piece in enumerate(found):
            if piece.kind not in CODE or piece.kind == "solution":
                continue
            shown = list(itertools.takewhile(lambda p: p.kind in ("text", "picture"), found[place + 1 :]))
            if piece.kind != "exercise" or shown:
                yield piece, execute(piece, page, names), shown
            if piece.kind == "exercise":
                solution = next(p for p in found[place:] if p.kind == "solution")
                yield solution, execute(solution, page, names), []


def walked(page: Path) -> Iterator[tuple[Piece, AssertionError | None]]:
    """Walk a page as a student does. Yield each check, with how it fails before its exercise is solved.

    The exercise runs as it stands, then what follows up to the check; then the solution, and the same once more.
    """
    since: list[Piece] = []
    with page_names() as names:
        for piece in pieces(page):
            if piece.kind == "exercise":
                since = []
                execute(piece, page, names)
            elif piece.kind == "python":
                since.append(piece)
                execute(piece, page, names)
            elif piece.kind == "solution":
                since.insert(0, piece)
            elif piece.kind == "check":
                failure = None
                try:
                    execute(piece, page, names)
                except AssertionError as error:
                    failure = error
                yield piece, failure
                for again in (*since, piece):
                    execute(again, page, names)


def outputs(page: Path) -> tuple[str, dict[Path, str]]:
    """Run a page. Return its text with the texts that its cells output, and its pictures by their paths.

    Raises ValueError for a picture after code that draws none.
    """
    lines, texts, pictures = page.read_text(encoding="utf-8").splitlines(keepends=True), [], {}
    for code, ran, shown in solved(page):
        texts += [(piece, ran.text) for piece in shown if piece.kind == "text"]
        for picture in (piece for piece in shown if piece.kind == "picture"):
            if not hasattr(ran.value, "_repr_svg_"):
                raise ValueError(f"{page.name}, line {code.line}: the last line must be a drawing, as draw.show(tape)")
            pictures[(page.parent / picture.content).resolve()] = ran.value._repr_svg_()
    for piece, text in reversed(texts):
        lines[piece.line : piece.line + piece.content.count("\n")] = [text]
    return "".join(lines), pictures


def main() -> None:
    """Write the outputs and the notebooks of both languages, and the pictures. Take away those without a page."""
    drawn: dict[Path, str] = {}
    for language, folder in FOLDERS.items():
        pages = lessons(language)
        for old in set(folder.glob("*.ipynb")) - {page.with_suffix(".ipynb") for page in pages}:
            old.unlink()
        for page in pages:
            text, pictures = outputs(page)
            page.write_text(text, encoding="utf-8", newline="\n")
            page.with_suffix(".ipynb").write_text(written(page), encoding="utf-8", newline="\n")
            drawn |= pictures
    for old in set(PICTURES.rglob("*.svg")) - set(drawn):
        old.unlink()
    for path, svg in drawn.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(svg, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
