"""The findings on code as people write it, in Chinese: no English word in them."""

import re

import pytest
from chinese_words import assert_chinese, shown
from people import PIECES, examined, few_fast
from test_wrong_pieces import SLIPS

from tinygrad_rnn.language.current import speaking

NAMED = ("gain", "with", "words")
"""Words of code: arrays and functions of a piece."""
REFUSED = "habits.adagrad_hidden"


def assert_said_in_chinese(found):
    with speaking("zh"):
        told = re.sub(
            "(?<=无法运行：).*", "", shown(found)
        )  # an error and the arguments of the call, as errors say them
        assert_chinese(told, *NAMED, *re.findall("[a-z]+", found.name.lower()))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize(("piece", "there", "slip"), [pytest.param(*row[:3], id=row[2][:40]) for row in SLIPS])
def test_findings_on_a_slip_are_said_in_chinese(piece, there, slip):
    assert_said_in_chinese(examined(piece, there, slip))


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("piece", few_fast([piece for piece in PIECES if piece != REFUSED], PIECES[:1]))
def test_findings_on_a_right_piece_are_said_in_chinese(piece):
    assert_said_in_chinese(examined(piece))
