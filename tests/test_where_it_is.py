"""Where it is: each exercise and each statement has a page, a script and a test, and all of them exist."""

import ast
import functools
import re
from pathlib import Path

import make_what_people_say as what_people_say
import pytest

ROOT = Path(__file__).parents[1]
PAGES = {"en": ROOT / "docs" / "where-it-is.md", "zh": ROOT / "docs" / "zh" / "where-it-is.md"}


def rows(language):
    """Return the cells of each row of the tables, without their heads."""
    lines = PAGES[language].read_text(encoding="utf-8").splitlines()
    found = [re.split(r" \| ", line[2:-2]) for line in lines if line.startswith("| ")]
    return [cells for cells in found if cells[0] not in ("statement", "题目或说法")]


def links(cell):
    return re.findall(r"\[([^\]]*)\]\(([^)]*)\)", cell)


@functools.cache
def functions_of(place):
    """Return the names of the functions of a file of tests; none where there is no such file."""
    tree = ast.parse(place.read_text(encoding="utf-8")) if place.exists() else ast.Module([], [])
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def missing(page, row):
    """Return what of a row does not exist: headings of pages, scripts, experiments and tests."""
    _, pages, demo, test = row
    lost = []
    for heading, target in links(pages):
        place = page.parent / target.partition("#")[0]
        if not place.exists():
            lost.append(target)
        elif heading not in re.findall(r"^#+ (.*)$", place.read_text(encoding="utf-8"), flags=re.M):
            lost.append(f"{target}: {heading}")
    lost += [target for _, target in links(demo) if not (page.parent / target).exists()]
    lost += [name for name in re.findall(r"`(\w+)`", demo) if name not in what_people_say.EXPERIMENTS]
    ((words, target),) = links(test)
    place, name = (page.parent / target).resolve(), f"test_{words.replace(' ', '_')}"
    if name not in functions_of(place):
        lost.append(f"{target}::{name}")
    return lost


@pytest.mark.parametrize(
    ("language", "row"),
    [
        pytest.param(language, row, id=f"{language}-{number}")
        for language in PAGES
        for number, row in enumerate(rows(language))
    ],
)
def test_each_place_exists(language, row):
    assert len(row) == 4
    assert links(row[1]), "no page"
    assert missing(PAGES[language], row) == []


@pytest.mark.parametrize(
    ("cell", "old", "new", "lost"),
    [
        pytest.param(1, "exercises.md", "exercise.md", "exercise.md", id="a page"),
        pytest.param(1, "1. BPTT", "1. RTRL", "exercises.md#1-bptt-of-the-simple-rnn: 1. RTRL", id="a heading"),
        pytest.param(2, "(../demos/exercise_01", "(../demos/exercise_1", "../demos/exercise_1", id="a script"),
        pytest.param(3, "[the chains", "[no chains", "::test_no_chains", id="a test"),
        pytest.param(3, "test_formulas.py", "test_words.py", "test_words.py", id="a file of tests"),
    ],
)
def test_a_place_that_does_not_exist_is_found(cell, old, new, lost):
    row = list(rows("en")[0])
    assert old in row[cell]
    row[cell] = row[cell].replace(old, new)
    (found,) = missing(PAGES["en"], row)
    assert lost in found


def test_an_experiment_that_does_not_exist_is_found():
    row = next(list(row) for row in rows("en") if "`one_walk`" in row[2])
    row[2] = row[2].replace("one_walk", "two_walks")
    assert missing(PAGES["en"], row) == ["two_walks"]


def test_both_languages_name_the_same_scripts_and_tests():
    def named(language):
        return [
            (
                [Path(target.partition("#")[0]).name for _, target in links(pages + demo + test)],
                re.findall(r"`(\w+)`", demo),
            )
            for _, pages, demo, test in rows(language)
        ]

    assert named("en") == named("zh")


def test_all_exercises_and_all_experiments_have_a_row():
    headings = (ROOT / "docs" / "exercises.md").read_text(encoding="utf-8")
    exercises = {int(number) for number in re.findall(r"^## (\d+)\. ", headings, flags=re.M)}
    assert {int(found[1]) for row in rows("en") if (found := re.match(r"(\d+)\. ", row[0]))} == exercises
    named = {name for row in rows("en") for name in re.findall(r"`(\w+)`", row[2])}
    assert named == set(what_people_say.EXPERIMENTS)
