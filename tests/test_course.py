"""The course: its notebooks are those of its pages, its code runs, and its checks mark what they say."""

import ast
import itertools
import json
import re
from pathlib import Path

import make_course
import pytest
from executed_notebooks import executed, needs_jupyter

from tinygrad_rnn.language.current import current

ROOT = Path(__file__).parents[1]
SAID = "run: python docs/tools/make_course.py"
HAN = re.compile(r"[\u3400-\u9fff]")
LESSONS = {language: {page.stem: page for page in make_course.lessons(language)} for language in make_course.FOLDERS}
FAST = {"01-a-tape-in-twenty-lines", "03-by-hand"}
"""The lessons that run in tenths of a second; a Chinese page has nearly the same code, so it can wait."""


def each(slow):
    """Return a parameter for each lesson in each language; `slow(language, name)`: whether it waits for .ci/run."""
    return [
        pytest.param(page, id=f"{language}-{name}", marks=pytest.mark.slow if slow(language, name) else ())
        for language, pages in LESSONS.items()
        for name, page in pages.items()
    ]


BOTH = each(lambda language, name: False)
RUN = each(lambda language, name: language != "en" or name not in FAST)
PAIRS = [
    pytest.param(page.relative_to(make_course.FOLDERS["en"]), id=page.stem)
    for page in sorted(make_course.FOLDERS["en"].glob("*.md"))
]


def code_of(page):
    """Return kinds and trees of the code of a page, without docstrings, messages of asserts, and the language.

    The names in a message stay.
    """
    found = []
    for piece in make_course.pieces(page):
        if piece.kind in make_course.CODE:
            tree = ast.parse(piece.content)
            for node in ast.walk(tree):
                if isinstance(node, ast.Assert) and node.msg is not None:
                    names = sorted({n.id for n in ast.walk(node.msg) if isinstance(n, ast.Name)})
                    node.msg = ast.Constant(" ".join(names))
                if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
                    node.body[0] = ast.Pass()
            tree.body = [node for node in tree.body if ast.unparse(node) != "tg.speak('zh')"]
            found.append((piece.kind, tree))
    return found


def compared(english, chinese):
    """Return the dumps of two trees. A string in which the second has Chinese characters is the same in both."""
    for ours, theirs in zip(ast.walk(english), ast.walk(chinese), strict=False):
        texts = [getattr(node, "value", None) for node in (ours, theirs) if isinstance(node, ast.Constant)]
        if [type(text) for text in texts] == [str, str] and re.search("[一-鿿]", texts[1]):
            ours.value = theirs.value
    return ast.dump(english), ast.dump(chinese)


# ------------------------------------------------------------------------------------------------ the pages


def test_the_lessons_are_numbered_from_one():
    numbers = [int(name[:2]) for name in LESSONS["en"]]
    assert numbers == list(range(1, len(numbers) + 1))


def test_no_page_of_the_course_exists_in_one_language_only():
    names = {language: {path.name for path in folder.glob("*.md")} for language, folder in make_course.FOLDERS.items()}
    assert names["en"] == names["zh"]


@pytest.mark.parametrize("name", PAIRS)
def test_a_chinese_page_has_the_code_of_the_english_one(name):
    """Comments, docstrings, the messages of asserts and printed words may be translated; and it speaks Chinese."""
    english, chinese = (folder / name for folder in make_course.FOLDERS.values())
    assert [kind for kind, _ in code_of(english)] == [kind for kind, _ in code_of(chinese)]
    for (_, ours), (_, theirs) in zip(code_of(english), code_of(chinese), strict=True):
        first, second = compared(ours, theirs)
        assert first == second
    shown = [
        [(p.kind, Path(p.content).name if p.kind == "picture" else "") for p in make_course.pieces(page)]
        for page in (english, chinese)
    ]
    assert [p for p in shown[0] if p[0] != "prose"] == [p for p in shown[1] if p[0] != "prose"]


@pytest.mark.parametrize("name", LESSONS["en"])
def test_a_lesson_asks_has_something_to_predict_and_something_to_mend(name):
    text = LESSONS["en"][name].read_text(encoding="utf-8")
    assert re.search(r"^\*\*Question\.\*\* [^?]+\?", text, flags=re.M)
    found = make_course.pieces(LESSONS["en"][name])
    asked = [after.kind for before, after in itertools.pairwise(found) if "**Predict.**" in before.text]
    assert asked, "nothing to predict"
    assert set(asked) <= {"python", "exercise"}, "a cell shows the answer to a prediction"
    assert any(piece.kind == "check" for piece in found)
    minutes = re.search(r"^\*For .+\. (\d+) minutes\.\*$", text, flags=re.M)
    assert 10 <= int(minutes[1]) <= 15
    index = (make_course.FOLDERS["en"] / "index.md").read_text(encoding="utf-8")
    row = re.search(rf"^\| .*\]\({name}\.md\).*\|$", index, flags=re.M)
    assert row, f"docs/course/index.md has no row for {name}"
    assert f"| {minutes[1]} |" in row[0], "the minutes of the page"


@pytest.mark.parametrize("name", LESSONS["zh"])
def test_a_chinese_lesson_has_the_same_parts_and_one_paragraph_a_line(name):
    text = LESSONS["zh"][name].read_text(encoding="utf-8")
    english = LESSONS["en"][name].read_text(encoding="utf-8")
    assert re.search(r"^\*\*问题。\*\*.+？", text, flags=re.M)
    assert text.count("**先猜一猜。**") == english.count("**Predict.**")
    minutes = [re.search(rf"{words}", page)[1] for words, page in ((r"(\d+) minutes", english), (r"(\d+) 分钟", text))]
    assert minutes[0] == minutes[1]
    prose = [piece.text for piece in make_course.pieces(LESSONS["zh"][name]) if piece.kind == "prose"]
    for line, after in zip(lines := "\n\n".join(prose).split("\n"), lines[1:], strict=False):
        plain = line and after and not re.match(r"[|$#\-]|\d+\. | ", line) and not re.match(r"[|$#\-]|\d+\. ", after)
        assert not (plain and HAN.search(line) and HAN.search(after)), f"one paragraph a line: {after}"
    for piece in make_course.pieces(LESSONS["zh"][name]):
        if piece.kind == "check":
            for node in ast.walk(ast.parse(piece.content)):
                if isinstance(node, ast.Assert) and node.msg is not None:
                    assert HAN.search(ast.unparse(node.msg)), "the message of a check is in Chinese here"


# ------------------------------------------------------------------------------------------------ the code


@pytest.mark.parametrize("page", RUN)
def test_the_code_of_a_lesson_runs_and_shows_what_the_page_shows(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _, ran, shown in make_course.solved(page):
        texts = [output.content for output in shown if output.kind == "text"]
        assert texts in ([], [ran.text]), SAID
        for output in shown:
            if output.kind == "picture":
                drawn = (page.parent / output.content).read_text(encoding="utf-8")
                assert ran.value._repr_svg_() == drawn, SAID


@pytest.mark.parametrize("page", [case for case in RUN if case.id.startswith("en-")])
def test_a_check_fails_in_words_before_the_exercise_is_solved_and_passes_after(page, tmp_path, monkeypatch):
    """A Chinese lesson has the same checks, whose words another test reads."""
    monkeypatch.chdir(tmp_path)
    marked = 0
    for piece, failure in make_course.walked(page):
        place = f"{page.name}, line {piece.line + 1}"
        assert failure is not None, f"{place}: the check passes with the exercise as it stands"
        assert len(str(failure)) >= 30, f"{place}: say what is missing: {failure}"
        marked += 1
    assert marked


def test_no_picture_of_the_course_is_left_over():
    shown = {
        (page.parent / piece.content).resolve()
        for pages in LESSONS.values()
        for page in pages.values()
        for piece in make_course.pieces(page)
        if piece.kind == "picture"
    }
    assert shown == set(make_course.PICTURES.rglob("*.svg")), SAID


# ------------------------------------------------------------------------------------------------ the notebooks


@pytest.mark.parametrize("page", BOTH)
def test_a_notebook_is_up_to_date(page):
    assert page.with_suffix(".ipynb").read_text(encoding="utf-8") == make_course.written(page), SAID


def test_no_notebook_is_without_a_page():
    for language, folder in make_course.FOLDERS.items():
        assert {path.stem for path in folder.glob("*.ipynb")} == set(LESSONS[language]), SAID


@pytest.mark.parametrize("page", BOTH)
def test_links_and_images_of_a_notebook_lead_somewhere(page):
    for cell in make_course.notebook(page)["cells"]:
        if cell["cell_type"] == "markdown":
            text = re.sub(r"`[^`]*`", "", "".join(cell["source"]))
            for target in re.findall(r"\]\((?!http)([^)#]+)", text):
                assert (page.parent / target).exists(), target
                assert not (re.match(r"\d\d-", target) and target.endswith(".md")), "a lesson's notebook is meant"


@pytest.mark.slow
@needs_jupyter
def test_the_notebooks_run_to_their_end_with_the_solutions(tmp_path, monkeypatch):
    """All in one kernel, which takes longer to start than a lesson to run."""
    import nbformat

    books = [make_course.notebook(page, solved=True) for page in LESSONS["en"].values()]
    read = [nbformat.reads(json.dumps(book), as_version=4) for book in books]
    cells = [cell for book in read for cell in (nbformat.v4.new_code_cell("%reset -f"), *book.cells)]
    for cell in executed(cells, tmp_path, monkeypatch):
        for output in cell.get("outputs", ()):
            assert output.get("name") != "stderr", output
            if output.output_type in ("display_data", "execute_result"):
                assert not re.search(r"object at 0x", output.data.get("text/plain", ""))


# ------------------------------------------------------------------------------------------------ the tool

PAGE = """# A lesson

*For nobody. 10 minutes.*

[As a notebook](01-x.ipynb)

See [the next one](02-y.md#part) and [another page](../tape.md).

![a picture of the words](../a.svg)

```python
x = 1
x + 1
```

<details><summary>What it shows</summary>

```text
2
```

</details>

```python exercise
y = 0
```

```text
```

It is two.

```python
z = y
```

<details><summary>Solution</summary>

Twice.

```python solution
y = 2 * x
```

</details>

```python check
assert z == 2, "z is not two: y must be twice x"
```
"""


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "01-x.md"
    path.write_text(PAGE, encoding="utf-8")
    return path


def test_a_page_is_split_into_its_pieces(page):
    found = make_course.pieces(page)
    kinds = ["prose", "prose", "python", "text", "exercise", "text", "prose", "python", "solution", "check"]
    assert [piece.kind for piece in found] == kinds
    lines = PAGE.splitlines()
    for piece in found:
        if piece.kind in make_course.CODE:
            assert lines[piece.line] == piece.content.splitlines()[0]
    assert "Twice." in found[8].text
    assert found[8].content == "y = 2 * x\n"


def test_a_notebook_has_the_words_and_the_code_and_no_outputs(page):
    cells = make_course.notebook(page)["cells"]
    assert [cell["id"] for cell in cells] == [f"cell-{n}" for n in range(7)]
    assert ["".join(cell["source"]) for cell in cells] == [
        "# A lesson\n\n*For nobody. 10 minutes.*\n\nSee [the next one](02-y.ipynb#part) and [another page](../tape.md)."
        "\n\n![a picture of the words](../a.svg)",
        "x = 1\nx + 1",
        "y = 0",
        "It is two.",
        "z = y",
        "<details><summary>Solution</summary>\n\nTwice.\n\n```python\ny = 2 * x\n```\n\n</details>",
        'assert z == 2, "z is not two: y must be twice x"',
    ]
    assert [cell["metadata"] for cell in cells if cell["cell_type"] == "code"] == [
        {},
        {"tags": ["exercise"]},
        {},
        {"tags": ["check"]},
    ]
    solved = make_course.notebook(page, solved=True)["cells"]
    assert "".join(solved[2]["source"]) == "y = 2 * x"
    assert solved[:2] == cells[:2]
    assert solved[3:] == cells[3:]


def test_a_page_runs_with_its_solutions_and_shows_its_outputs(page):
    ran = [(piece.kind, ran.text, [p.kind for p in shown]) for piece, ran, shown in make_course.solved(page)]
    assert ran == [
        ("python", "2\n", ["text"]),
        ("exercise", "", ["text"]),
        ("solution", "", []),
        ("python", "", []),
        ("check", "", []),
    ]


def test_the_tool_writes_what_a_page_shows(page):
    page.write_text(PAGE.replace("```text\n2\n```", "```text\nold\nlines\n```"), encoding="utf-8")
    assert make_course.outputs(page) == (PAGE, {})
    page.write_text(PAGE, encoding="utf-8")
    assert make_course.outputs(page) == (PAGE, {})


def test_a_walk_fails_at_the_check_and_then_passes(page):
    [(piece, failure)] = make_course.walked(page)
    assert piece.kind == "check"
    assert str(failure) == "z is not two: y must be twice x"
    page.write_text(PAGE.replace("y = 0", "y = 2"), encoding="utf-8")
    assert [failure for _, failure in make_course.walked(page)] == [None]
    page.write_text(PAGE.replace("2 * x", "3 * x"), encoding="utf-8")
    with pytest.raises(AssertionError, match="twice x"):
        list(make_course.walked(page))


def test_an_error_names_the_line_of_the_page(page):
    page.write_text(PAGE.replace("x + 1", "x / 0"), encoding="utf-8")
    with pytest.raises(ZeroDivisionError) as caught:
        list(make_course.solved(page))
    assert caught.traceback[-1].lineno + 1 == PAGE.splitlines().index("x + 1") + 1


def test_a_picture_is_that_of_the_code_above_it(page):
    drawn = "class D:\n    def _repr_svg_(self):\n        return '<svg/>'\n\n\nD()"
    page.write_text(f"{PAGE}\n```python\n{drawn}\n```\n\n![a drawing](images/b.svg)\n", encoding="utf-8")
    text, pictures = make_course.outputs(page)
    assert text == page.read_text(encoding="utf-8")
    assert pictures == {page.parent / "images" / "b.svg": "<svg/>"}


@pytest.mark.parametrize("run", [make_course.solved, make_course.walked], ids=["solved", "walked"])
def test_a_page_that_speaks_chinese_leaves_english_behind(run, page):
    page.write_text(PAGE.replace("x = 1", "import tinygrad_rnn as tg\ntg.speak('zh')\nx = 1"), encoding="utf-8")
    assert len(list(run(page))) > 0
    assert current() == "en"
    page.write_text(PAGE.replace("x = 1", "import tinygrad_rnn as tg\ntg.speak('zh')\nx = 1 / 0"), encoding="utf-8")
    with pytest.raises(ZeroDivisionError):
        list(run(page))
    assert current() == "en"


def test_a_picture_needs_a_drawing(page):
    page.write_text(f"{PAGE}\n![no output](b.svg)\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"01-x\.md, line \d+: the last line must be a drawing"):
        make_course.outputs(page)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        pytest.param("python exercise", "python exercises", "a block ```python exercises", id="unknown kind"),
        pytest.param("```python check", "```python", "each exercise needs one solution", id="no check"),
        pytest.param("```python solution", "```python", "holds one solution, or no code", id="no solution"),
        pytest.param("```python\nz", "```python solution\nz", "a block ```python solution", id="not within details"),
    ],
)
def test_a_page_that_is_no_lesson_is_refused(page, old, new, words):
    page.write_text(PAGE.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape(words)):
        make_course.pieces(page)
