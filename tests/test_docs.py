"""The README, the docs and the demos run: what they say holds."""

import ast
import functools
import re
import subprocess
import sys
from pathlib import Path

import make_course
import make_derivations
import make_exercises
import make_tables
import pytest
from floors import LAYERS

import tinygrad_rnn

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
CHINESE_PAGES = sorted((ROOT / "docs" / "zh").rglob("*.md"))
PAIRS = {
    "README.md" if page.name == "README.md" else f"docs/{page.relative_to(ROOT / 'docs' / 'zh').as_posix()}": page
    for page in CHINESE_PAGES
}
"""The English page of each Chinese one."""
LESSONS = {page for language in make_course.FOLDERS for page in make_course.lessons(language)}
"""The pages with exercises; tests/test_course.py runs their code."""
DEMOS = sorted(set((ROOT / "demos").glob("*.py")) - {ROOT / "demos" / "what_people_say.py"})
"""The scripts; tests/test_what_people_say.py runs the experiments of that one, one by one."""
SLOW = {
    "docs/course/teacher.md",
    "docs/doctor.md",
    "docs/flow.md",
    "exercise_08_when_lstm_when_gru.py",
    "docs/language-model.md",
    "exercise_09_three_ways_to_truncate.py",
    "exercise_11_clipping_and_weight_decay.py",
    "exercise_12_why_vanishing_matters.py",
    "exercise_14_character_language_model.py",
    "exercise_15_rtrl.py",
    "poems.py",
    "ablation.py",
    "compiled.py",
    "linear.py",
}
"""The pages, demos and benchmarks that take seconds."""


SHOWN = ("doctor.md", "derive.md", "examine.md", "worksheets.md", "scan.md", "online.md")
"""The pages that show what their code prints."""
SPEAKING = [page for page in CHINESE_PAGES if page not in LESSONS and 'tg.speak("zh")  #' in page.read_text("utf-8")]
"""The Chinese pages whose code begins with it, so that they show Chinese; they run as well as the English ones."""


def blocks(page):
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def numbered_blocks(page):
    """The code blocks, each moved down to its line on the page: a function there finds its own text."""
    text = page.read_text(encoding="utf-8")
    for found in re.finditer(r"^```python\n(.*?)^```", text, flags=re.M | re.S):
        yield "\n" * text.count("\n", 0, found.start(1)) + found[1]


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def each(names):
    """A parameter for each name, marked if it is slow, as all pages that speak Chinese are."""
    slow = {*SLOW, *map(name_of, SPEAKING)}
    return [pytest.param(name, marks=pytest.mark.slow if name in slow else ()) for name in names]


@pytest.mark.parametrize(
    "name", each(name_of(page) for page in PAGES if page in SPEAKING or page not in {*LESSONS, *CHINESE_PAGES})
)
def test_the_code_blocks_of_a_page_run_in_order(name, tmp_path, monkeypatch, capsys):
    page = ROOT / name
    monkeypatch.chdir(tmp_path)
    with make_course.page_names() as names:
        for block in numbered_blocks(page):
            exec(compile(block, str(page), "exec"), names)
    if page.name == "README.md":
        assert "t=4" in capsys.readouterr().out
        assert (tmp_path / "rnn.svg").exists()
    if page.name in SHOWN:
        said = capsys.readouterr().out
        for shown in re.findall(r"^```text\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.M | re.S):
            assert shown in said
    if page.name == "tape.md":
        shown = re.search(r"^```\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.M | re.S).group(1)
        assert shown in capsys.readouterr().out


@pytest.mark.parametrize("name", each(demo.name for demo in DEMOS))
def test_a_demo_runs_and_holds_what_it_asserts(name, tmp_path):
    demo = ROOT / "demos" / name
    output = make_exercises.run(demo, tmp_path)
    assert output
    if demo not in make_exercises.DEMOS:
        return
    said = "run: python docs/tools/make_exercises.py"
    for page in make_exercises.PAGES:
        blocks_shown = make_exercises.block(demo).findall(page.read_text(encoding="utf-8"))
        assert [text for _, text, _ in blocks_shown] == [make_exercises.shown(output)], said
    drawn = {path.name: path.read_bytes() for path in tmp_path.glob("out/*")}
    number = demo.name[: len("exercise_00")]
    kept = {path.name: path.read_bytes() for path in (ROOT / "docs" / "images").glob(f"{number}*")}
    assert drawn == kept, said


def test_a_page_does_not_show_what_differs_between_machines():
    assert make_exercises.shown("a\nPyTorch's too\nmeasured: 1 s\nb\n") == "a\nb\n"


@pytest.mark.slow
def test_the_exercise_on_truncation_takes_a_text_of_your_own(tmp_path):
    demo = ROOT / "demos" / "exercise_09_three_ways_to_truncate.py"
    (tmp_path / "mine.txt").write_text("Call me Ishmael. Some years ago, never mind how long precisely. " * 8, "utf-8")
    said = make_exercises.run(demo, tmp_path, "out", "mine.txt")
    assert "the text: mine.txt" in said
    assert "\ncall me ishmael some years ago never\n" in said
    assert "bias 0.000" in said
    (tmp_path / "short.txt").write_text("too short", "utf-8")
    with pytest.raises(AssertionError, match=r"short\.txt: 9 letters and spaces"):
        make_exercises.run(demo, tmp_path, "out", "short.txt")


def test_there_is_a_script_for_each_of_the_fifteen_exercises():
    assert [demo.name[: len("exercise_00")] for demo in make_exercises.DEMOS] == [
        f"exercise_{number:02}" for number in range(1, 16)
    ]


ENGLISH_ONLY = {
    "api/bptt": "the reference is made of docstrings, which are English",
    "api/draw": "as api/bptt",
    "api/nn": "as api/bptt",
    "api/tg": "as api/bptt",
    "benchmark": "a table of measurements",
    "commands": "made of the help texts of commands, which are English",
    "compiled": "for those who change the compiler, whose code speaks English",
    "contributing": "as compiled: for those who change the code",
    "debugging": "a reference of calls, for those who read docstrings",
    "derivatives": "a table of code",
    "design": "as contributing",
    "errors": "a table of error messages, which are English",
    "from-keras": "as debugging",
    "from-pytorch": "as debugging",
    "index": "both tables of contents stand on it",
    "transforms": "as debugging",
}
"""The pages that exist in English alone, each with the reason."""


def test_no_page_exists_in_one_language_only():
    english = {
        page.relative_to(ROOT / "docs").with_suffix("").as_posix() for page in PAGES[1:] if "zh" not in page.parts
    }
    chinese = {page.relative_to(ROOT / "docs" / "zh").with_suffix("").as_posix() for page in CHINESE_PAGES}
    assert english - chinese == set(ENGLISH_ONLY)
    assert chinese - english == {"README"}


def trees(page, without=()):
    """The code blocks of a page as trees, without some statements."""
    for block in blocks(page):
        tree = ast.parse(block)
        tree.body = [node for node in tree.body if ast.unparse(node) not in without]
        yield ast.dump(tree)


@pytest.mark.parametrize("page", [page for page in PAIRS if ROOT / page not in LESSONS])
def test_a_chinese_page_has_the_same_code(page):
    """Comments may be translated; the code may not differ, but that it may speak Chinese.

    What a page prints is the same as well, where it does not speak. So the code of one of both is run.
    """
    speaks = PAIRS[page] in SPEAKING
    without = ("import tinygrad_rnn as tg", "tg.speak('zh')") if speaks else ()
    assert list(trees(ROOT / page, without)) == list(trees(PAIRS[page], without))
    if (ROOT / page).name in SHOWN and not speaks:
        texts = [each.read_text(encoding="utf-8") for each in (ROOT / page, PAIRS[page])]
        printed = [re.findall(r"^```text\n.*?^```", text, flags=re.M | re.S) for text in texts]
        assert printed[0] == printed[1]


def test_a_chinese_page_has_a_paragraph_on_a_line():
    """A line end within a paragraph would be a gap between two characters."""
    broken = []
    for page in CHINESE_PAGES:
        text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
        found = re.search(r"^(?![-|#>$<:*\d ]).*\S\n(?![-|#>$<:*\d ]).*[一-鿿]", text, flags=re.M)
        broken += [(name_of(page), found[0])] if found else []
    assert broken == []


def test_chinese_pages_link_to_chinese_pages():
    """A page links to its own English original, and to English pages that have no Chinese one."""
    docs = ROOT / "docs"
    for page in CHINESE_PAGES:
        own = page.relative_to(docs / "zh")
        for target in re.findall(r"\]\((?!http)([^)#]+\.md)", page.read_text(encoding="utf-8")):
            there = (page.parent / target).resolve()
            if docs in there.parents and docs / "zh" not in there.parents and there.relative_to(docs) != own:
                better = docs / "zh" / there.relative_to(docs)
                assert not better.exists(), f"{name_of(page)} links to {target}, and there is {name_of(better)}"


@pytest.mark.parametrize(
    "name", each(["ablation.py", "compiled.py", "drawing.py", "engine.py", "language_model.py", "linear.py"])
)
def test_a_benchmark_runs_and_prints_ratios(name):
    command = [sys.executable, "-W", "error", str(ROOT / "demos" / "benchmark" / name), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "ours / it" in done.stdout


@pytest.mark.parametrize("page", ["README.md", "docs/zh/README.md"])
def test_the_first_page_gives_two_commands_for_each_system(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    commands = re.findall(r"^    (python3 -m venv .*)$", text, flags=re.M)
    assert len(commands) == 2
    for command in commands:
        windows = (
            command.replace("python3 -m venv", "py -m venv")
            .replace(".venv/bin/", r".venv\Scripts" + "\\")
            .replace('"', "")
        )
        assert windows in text


@functools.cache
def anchors(page):
    """Return the anchors of the headings of a page, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_lead_to_files_and_headings():
    for page in PAGES:
        text = re.sub(r"`[^`]*`", "", page.read_text(encoding="utf-8"))
        for target, anchor in re.findall(r"\]\((?!http)([^)#]*)(?:#([^)]*))?\)", text):
            there = page.parent / target if target else page
            assert there.exists(), f"{page.name} links to {target}"
            assert not anchor or anchor in anchors(there), f"{page.name} links to {target}#{anchor}"


def test_the_pages_on_the_code_name_files_that_exist():
    package = Path(tinygrad_rnn.__file__).parent
    for page in ("design.md", "contributing.md"):
        for name in re.findall(r"`([a-z_/]+/[a-z_]+\.py)`", (ROOT / "docs" / page).read_text(encoding="utf-8")):
            assert (package / name).exists() or (ROOT / name).exists(), f"{page} names {name}"


def test_the_page_on_the_design_has_the_floors_of_the_house():
    design, found, floor = (ROOT / "docs" / "design.md").read_text(encoding="utf-8"), {}, None
    for number, room in re.findall(r"^\| (\d?) ?\| `([a-z_]+)[/.]", design, flags=re.M):
        floor = int(number) if number else floor
        found.setdefault(floor, set()).add(room)
    assert found == {floor: rooms for floor, rooms in enumerate(LAYERS) if rooms != {"__main__"}}


@pytest.mark.parametrize("name", make_tables.PAGES)
def test_a_table_says_what_the_code_does(name):
    written = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert written == make_tables.PAGES[name](), "run: python docs/tools/make_tables.py"


@pytest.mark.parametrize("name", make_derivations.PAGES)
def test_a_derivation_is_as_the_tape_writes_it(name):
    written = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert written == make_derivations.PAGES[name](), "run: python docs/tools/make_derivations.py"


def test_every_error_of_the_engine_is_in_the_table():
    """Every `raise` of the engine is reached by a row: a new error without one fails here."""
    reached = set()
    for _, code in make_tables.wrong_inputs():
        error = make_tables.what_it_raises(code)
        assert len(str(error).splitlines()) == 2, f"{code}: what is wrong, then what to do"
        while error is not None:
            trace = error.__traceback__
            while trace is not None:
                reached.add((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
                trace = trace.tb_next
            error = error.__cause__
    package = Path(tinygrad_rnn.__file__).parent
    engine = [package / room for room in ("core", "operations", "tape", "transforms")]
    for path in sorted(path for room in engine for path in room.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and node.exc is not None:
                lines = {(str(path), line) for line in range(node.lineno, node.end_lineno + 1)}
                assert lines & reached, f"{path.name}:{node.lineno} has no row in docs/tools/make_tables.py"


@pytest.mark.parametrize("name", [name_of(page) for page in PAGES if page.name not in ("README.md", "index.md")])
def test_a_page_says_for_whom_it_is_and_how_long_it_takes(name):
    line = (ROOT / name).read_text(encoding="utf-8").split("\n", 3)[2]
    english, chinese = r"\*For .+\. (\d+ minutes|To look things up)\.\*", r"\*读者：.+。(需要 \d+ 分钟|供查阅)。\*"
    assert re.fullmatch(chinese if "/zh/" in name else english, line), "write this under its title"
