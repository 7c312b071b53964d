"""The characters that a network knows, and which of them suit a text."""

import numpy as np
import pytest

from tinygrad_rnn.lm import corpus, text
from tinygrad_rnn.lm.alphabet import LETTERS, Alphabet, kind_of


def test_the_characters_of_a_text_stand_by_how_often_they_occur():
    found = Alphabet.of("明月几时有，\n明月。")
    assert found.characters == "".join(sorted("明月")) + "".join(sorted("几时有，\n。"))
    assert (found.size, found.unknown) == (9, 8)
    assert Alphabet.of("aabbbc", least=2).characters == "ba"


def test_an_index_is_the_place_of_a_character():
    rng = np.random.default_rng(0)
    characters = "".join(map(chr, rng.permutation(np.r_[32:127, 0x4E00:0x4E80, 0x1F600:0x1F610])))
    known = Alphabet(characters)
    written = "".join(rng.choice(list(characters), 500))
    np.testing.assert_array_equal(known.indices(written), [characters.index(c) for c in written])
    assert known.indices("").shape == (0,)


def test_a_character_outside_is_refused_or_unknown():
    known = Alphabet("月日")
    np.testing.assert_array_equal(known.indices("月山日\U0001f600", unknown=True), [0, 2, 1, 2])
    with pytest.raises(ValueError, match="does not know: '山'\nuse characters of the text it was trained on"):
        known.indices("月山日")
    with pytest.raises(ValueError, match="does not know: 'T'\nuse small letters a to z and spaces"):
        LETTERS.indices("the Time")


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("The Time Traveller, 1895", "letters"),
        ("Il était une fois une forêt où vivait un loup", "letters"),
        ("1234 !", "letters"),
        ("", "letters"),
        ("白日依山尽，", "all"),
        ("RNN 是循环神经网络", "all"),
        ("Я вас любил", "all"),
        ("LSTM and GRU: 门控", "all"),
        ("The long short-term memory, 门", "letters"),
        ("Příliš žluťoučký kůň", "all"),
    ],
)
def test_the_alphabet_suits_the_text(written, kind):
    assert kind_of(written) == kind


def test_a_text_of_any_alphabet_is_kept_as_it_is(tmp_path):
    poem = "白日依山尽，\n黄河入海流。\n\nABC\n"
    for name, data in (("a", poem.encode()), ("b", poem.replace("\n", "\r\n").encode("utf-8-sig"))):
        (tmp_path / name).write_bytes(data)
        assert corpus.load(tmp_path / name) == poem
        assert corpus.load(tmp_path / name, 6) == "白日依山尽，"
        assert corpus.load(tmp_path / name, alphabet="letters") == " abc "
    (tmp_path / "c").write_bytes(poem.encode("gb18030"))
    assert corpus.load(tmp_path / "c", encoding="gb18030") == poem
    with pytest.raises(ValueError, match=r"it can be read as GB18030\nsave it as UTF-8, or .*--encoding gb18030"):
        corpus.load(tmp_path / "c")
    (tmp_path / "d").write_text("1234 !", encoding="utf-8")
    with pytest.raises(ValueError, match=r"a text without letters\n.* --alphabet all"):
        corpus.load(tmp_path / "d")
    assert corpus.load(tmp_path / "d", alphabet="all") == "1234 !"
    (tmp_path / "e").write_text("\ufeff", encoding="utf-8")
    with pytest.raises(ValueError, match="an empty text"):
        corpus.load(tmp_path / "e", alphabet="all")


POEMS = "a\nbb\n\nccc\ndd\n\ne\n"


@pytest.mark.parametrize(
    ("written", "share", "alphabet", "rest"),
    [
        (POEMS, 0.3, "all", "e\n"),
        (POEMS, 0.5, "all", "ccc\ndd\n\ne\n"),
        ("one\ntwo\nthree\nfour\n", 0.4, "all", "four\n"),
        ("without a line", 0.5, "all", " a line"),
        ("the time traveller", 0.5, "letters", "traveller"),
        (POEMS, 0.0, "all", ""),
        (POEMS, 0.0, "letters", ""),
    ],
)
def test_a_held_out_part_tears_no_poem_and_no_line(written, share, alphabet, rest):
    assert written[corpus.held_out_from(written, share, alphabet) :] == rest


def test_streams_of_indices_are_those_of_the_text():
    letters = "the time traveller " * 9
    np.testing.assert_array_equal(text.streams(LETTERS.indices(letters), 3, 7, 2), text.streams(letters, 3, 7, 2))
