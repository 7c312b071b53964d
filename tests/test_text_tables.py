"""Tables by display width. The oracle is the terminal's rule, said for each character by hand."""

import re
from pathlib import Path

import pytest

import tinygrad_rnn
from tinygrad_rnn.text_tables import aligned, padded, shortened, width


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("", 0),
        ("abc", 3),
        ("权重", 4),
        ("ĥ", 1),
        ("h\u0302", 1),
        ("ｈ", 2),
        ("σ", 1),
        ("a权b", 4),
        ("\u200bx", 1),
        ("한", 2),
    ],
    ids=["empty", "ascii", "chinese", "composed", "combining", "fullwidth", "greek", "mixed", "no width", "korean"],
)
def test_the_width_of_a_text_is_what_a_terminal_gives_it(text, columns):
    assert width(text) == columns
    assert width(padded(text, 9)) == width(padded(text, 9, right=True)) == 9
    assert padded(text, 9).startswith(text)
    assert padded(text, 9, right=True).endswith(text)


def test_a_wider_text_is_not_cut_by_padding_and_never_too_wide_when_shortened():
    assert padded("权重", 3) == "权重"
    assert shortened("权重", 3) == "权"
    assert shortened("a权重", 4) == "a权"
    assert shortened("abc", 2) == "ab"
    assert shortened("e\u0301x", 1) == "e\u0301"
    assert shortened("权", 1) == ""


def test_columns_begin_or_end_at_one_place():
    lines = aligned([["gradient", "abs", ""], ["权重", "1", "ok"], ["h", "100", "WRONG: HAND"]], right=[1])
    assert lines == ["gradient  abs", "权重        1  ok", "h         100  WRONG: HAND"]
    assert aligned([["a heading that is long"], ["a", "b"], ["cc"], ["c", "d", "e"]]) == [
        "a heading that is long",
        "a  b",
        "cc",
        "c  d  e",
    ]
    assert aligned([]) == []


def test_no_other_file_pads_a_table():
    """One helper knows how wide a character is."""
    for path in Path(tinygrad_rnn.__file__).parent.rglob("*.py"):
        assert not re.search(r"\.[lr]just\(", path.read_text(encoding="utf-8")), path.name
