import numpy as np
import pytest

from tinygrad_rnn.lm import text


def test_clean_keeps_letters_and_makes_the_rest_single_spaces():
    assert text.clean("I.\n\nThe Time--Traveller, [1898]") == "i the time traveller "
    assert set(text.load()) == set(text.ALPHABET)


def test_windows_are_spread_over_the_text_and_targets_are_the_next_characters():
    source = "the quick brown fox jumps over the lazy dog"
    found = text.windows(source, steps=4, count=3)
    assert found.shape == (5, 3)
    words = ["".join(text.ALPHABET[k] for k in column) for column in found.T]
    assert words[0] == "the q"
    assert words[-1] == "y dog"
    assert words[1] in source


def test_one_hot():
    np.testing.assert_array_equal(text.one_hot(np.array([[0, 2]]), 3), [[[1, 0, 0], [0, 0, 1]]])
    assert text.one_hot(np.array([1]), dtype=np.float32).dtype == np.float32


def test_too_short_a_text_is_refused():
    with pytest.raises(ValueError, match="too few for 3 windows"):
        text.windows("abcd", 4, 3)
