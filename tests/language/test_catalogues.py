"""Each sentence of the program has its translation, with the same placeholders and the terms of the glossary."""

import ast
import importlib
import re
import string
from collections import Counter

import pytest
from said_sentences import CALLS, PACKAGE

from tinygrad_rnn.language.chinese.catalogues import CATALOGUES, CHINESE
from tinygrad_rnn.language.glossary import TERMS

FOLDER = PACKAGE / "language" / "chinese"


def placeholders(template):
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def test_each_sentence_is_written_out_where_it_is_said():
    assert [where for where, template, _, count in CALLS if not isinstance(template, str) or count != 1] == []


def test_each_sentence_has_the_parts_of_its_placeholders():
    assert [
        (where, template, names)
        for where, template, names, _ in CALLS
        if names is not None and names != placeholders(template)
    ] == []


def test_each_sentence_has_a_translation():
    assert [(where, template) for where, template, _, _ in CALLS if template not in CHINESE] == []


def test_each_translation_is_of_a_sentence_that_is_said():
    said = {template for _, template, _, _ in CALLS}
    assert [template for template in CHINESE if template not in said] == []


def test_each_translation_has_the_placeholders_of_its_sentence():
    assert [english for english, chinese in CHINESE.items() if placeholders(english) != placeholders(chinese)] == []


def test_no_sentence_has_two_translations():
    count = Counter(english for catalogue in CATALOGUES for english in catalogue)
    assert [english for english, times in count.items() if times > 1] == []
    for path in FOLDER.glob("*.py"):  # of a dict with a key twice, Python keeps the second
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Dict):
                keys = Counter(key.value for key in node.keys if isinstance(key, ast.Constant))
                assert [key for key, times in keys.items() if times > 1] == [], path.name


def test_each_file_of_translations_is_in_use():
    found = [
        value
        for path in sorted(FOLDER.glob("zh_*.py"))
        for value in vars(importlib.import_module(f"tinygrad_rnn.language.chinese.{path.stem}")).values()
        if isinstance(value, dict) and not {"__name__"} & value.keys()
    ]
    assert sorted(map(id, found)) == sorted(map(id, CATALOGUES))


# ------------------------------------------------------------------------------------------------ terms

MARKS = re.compile(r"[,;:!?()]")
CHINESE_CHARACTER = "[一-鿿]"


def spoken(template):
    """Return the words of a template without its placeholders and what stands in backquotes."""
    parts = (text for text, _, _, _ in string.Formatter().parse(template))
    return re.sub(r"`[^`]*`", " ", " ".join(parts))


def forms(term):
    """Return the words of a term as they stand in a sentence."""
    english = term.english
    plurals = (english, f"{english}s", f"{english}es", f"{english[:-1]}ies" if english.endswith("y") else english)
    return "|".join(re.escape(word) for word in sorted({*plurals, *term.other}, key=len, reverse=True))


OF_NOTEBOOKS = ("; it was at cell {cell}, line {line}",)
"""Sentences in which a cell is one of a notebook."""


def missing(english, chinese):
    """Yield the terms that stand in an English sentence and not in its translation, the longest terms first."""
    rest = spoken(english)
    for term in sorted(TERMS, key=lambda term: -len(term.english)):
        rest, count = re.subn(rf"\b(?:{forms(term)})\b", " ", rest, flags=re.IGNORECASE)
        if count and not any(word in chinese for word in (term.chinese, *term.also)):
            yield f"{term.english}: {term.chinese}"


def test_translations_use_the_terms_of_the_glossary():
    wrong = {english: terms for english, chinese in CHINESE.items() if (terms := [*missing(english, chinese)])}
    assert {english: terms for english, terms in wrong.items() if english not in OF_NOTEBOOKS} == {}


@pytest.mark.parametrize(
    ("english", "chinese", "terms"),
    [
        pytest.param("the error term is wrong", "误差有错", ["error term: 误差项"], id="another word"),
        pytest.param("the error terms of {t}", "{t} 的误差项", [], id="plural"),
        pytest.param("the biases and entries", "偏置和元素", [], id="odd plural"),
        pytest.param("the forget gate", "门", ["forget gate: 遗忘门"], id="the longer term alone"),
        pytest.param("`gradient(loss)` of {gate}", "{gate}", [], id="code is no term"),
    ],
)
def test_a_term_that_lacks_is_found(english, chinese, terms):
    assert [*missing(english, chinese)] == terms


def test_a_term_stands_once_in_the_glossary():
    assert [term for term, times in Counter(term.english.lower() for term in TERMS).items() if times > 1] == []
    assert all(re.search(CHINESE_CHARACTER, term.chinese) for term in TERMS)


def test_marks_of_chinese_sentences_are_chinese():
    """After Chinese characters stand full-width marks; a space stands between them and Latin letters."""
    for chinese in CHINESE.values():
        for text, *_ in string.Formatter().parse(chinese):
            assert not re.search(rf"{CHINESE_CHARACTER}{MARKS.pattern}", text), chinese
            assert not re.search(rf"{CHINESE_CHARACTER} +{CHINESE_CHARACTER}", text), chinese
            assert not re.search(rf"{CHINESE_CHARACTER}[A-Za-z0-9]|[A-Za-z0-9]{CHINESE_CHARACTER}", text), chinese
