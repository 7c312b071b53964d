"""A test of Chinese words: whether an English one stands among them.

An English word is one that stands in the English sentence of some template, and in none of the Chinese ones. Names,
formulas and what Python itself says of an error are no words.
"""

import re
import string

from said_sentences import CALLS

from tinygrad_rnn.commands.classroom.told_mistakes import told
from tinygrad_rnn.language.chinese.catalogues import CHINESE
from tinygrad_rnn.language.current import speaking


def words_of(text):
    """The words of a text that may be English: of two letters or more, without names that hold a _ or a digit."""
    found = re.findall(r"(?<![\w.])[A-Za-z]{2,}(?![\w(\[.])", text, flags=re.ASCII)
    return {word.lower() for word in found}


def literals(templates):
    return " ".join(text for template in templates for text, *_ in string.Formatter().parse(template))


ENGLISH = (
    words_of(literals(said for _, said, _, _ in CALLS)) - words_of(literals(CHINESE.values())) - {"dlast", "dhs", "do"}
)


def assert_chinese(text, *names):
    """Fail for an English word, besides errors in Python's words and these names."""
    text = re.sub(r"[A-Z]\w*(?:Error|Warning): [^\n（；]*|bptt\.doctor\(cell, by_hand\)|\b\w+=\w+", "", text)
    assert words_of(text) & ENGLISH - {*names} == set(), text


def shown(found):
    """All that findings say: words, the notebook's form, JSON, what a class is told."""
    plain = found.to_dict()
    kept = {name: value for name, value in plain.items() if name not in ("kind", "method", "dtype", "gradients")}
    seen = [str(v) for g in plain["gradients"].values() for k, v in g.items() if isinstance(v, str)]
    values = [v for held in kept.values() for v in (held if isinstance(held, list) else [held]) if isinstance(v, str)]
    html = found._repr_html_()
    assert ' lang="zh">' in html.partition("<b>")[0]
    html = re.sub(r"<[^>]*>", " ", html)
    mistakes = told(found)
    return "\n".join([str(found), repr(found), html, *seen, *values, *mistakes["mistakes"], *mistakes["counted"]])


def assert_read_in_both_languages(found, *names):
    """Fail where one set of findings is not the same in English after it was said in Chinese, without English words."""
    english = str(found)
    with speaking("zh"):
        assert_chinese(shown(found), *names)
    assert str(found) == english
