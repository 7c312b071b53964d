"""The pages on textbooks: tables are generated, both languages have the same formulas, and no formula is left out."""

import re
from pathlib import Path

import make_nndl
import make_vocabulary
import pytest

DOCS = Path(__file__).parents[1] / "docs"
IN_BOTH = ["derive.md", "nndl.md", "d2l.md", "cs224n.md", "vocabulary.md"]
IN_BOTH += [f"derivations/{page.name}" for page in sorted((DOCS / "derivations").glob("*.md"))]


@pytest.mark.parametrize("page", IN_BOTH)
def test_both_languages_have_the_same_sections_and_formulas(page):
    english, chinese = ((folder / page).read_text(encoding="utf-8") for folder in (DOCS, DOCS / "zh"))
    assert len(re.findall("^#+ ", english, flags=re.M)) == len(re.findall("^#+ ", chinese, flags=re.M))
    formulas = [re.findall(r"^\$\$\n(.+?)\n\$\$", text, flags=re.M | re.S) for text in (english, chinese)]
    assert formulas[0] == formulas[1]


@pytest.mark.parametrize("name", make_nndl.PAGES)
def test_the_formulas_of_the_book_are_those_of_the_script(name):
    page = make_nndl.page(DOCS / name, make_nndl.PAGES[name])
    assert (DOCS / name).read_text(encoding="utf-8") == page, "run: python docs/tools/make_nndl.py"


@pytest.mark.parametrize("name", make_vocabulary.PAGES)
def test_the_vocabulary_is_that_of_the_glossary(name):
    page = make_vocabulary.page(DOCS / name, make_vocabulary.PAGES[name])
    assert (DOCS / name).read_text(encoding="utf-8") == page, "run: python docs/tools/make_vocabulary.py"


def test_no_number_of_the_chapter_is_left_out_and_each_is_asserted_once():
    found = []
    for section in make_nndl.sections().values():
        for number, formula, line in make_nndl.rows(section):
            ends = [int(end) for end in re.findall(r"\(6\.(\d+)\)", number)]
            found += range(ends[0], ends[-1] + 1)
            assert formula
            assert line.startswith(("same(", "np.linalg.norm("))
    assert found == [5, 6, 7, *range(28, 70)]


def test_sides_that_differ_are_not_the_same():
    """The lines of the script are checks: with a factor of 1.001 on a right side each of them fails."""
    source = make_nndl.SCRIPT.read_text(encoding="utf-8")
    define = source.index("def same"), source.index("# ---- the simple")
    changed = (
        "def same(*sides):\n    seen.append(np.allclose(sides[0], 1.001 * np.asarray(sides[1]), rtol=0, atol=1e-12)"
    )
    changed += " and np.any(sides[0]))\n    return True\n\n\n"
    names = {"seen": []}
    exec(compile(source[: define[0]] + changed + source[define[1] :], "the script", "exec"), names)
    assert len(names["seen"]) > 100
    assert not any(names["seen"])
