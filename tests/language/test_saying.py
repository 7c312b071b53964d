"""Sentences are said in the language that is spoken where they are shown."""

import contextvars
import threading

import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.language.chinese.catalogues import CHINESE
from tinygrad_rnn.language.current import current, speaking
from tinygrad_rnn.language.locale_language import of_locale
from tinygrad_rnn.language.saying import Sentence, joined, listed, say, sentence

PATH = "in {to}, the path {path} is forgotten"


@pytest.fixture(autouse=True)
def chinese(monkeypatch):
    """A catalogue of this test's own, so that no change of words changes it."""
    for english, words in ((PATH, "{to} 中漏掉了 {path}"), ("right", "正确"), ("{n:.1f} apart", "相差 {n:.1f}")):
        monkeypatch.setitem(CHINESE, english, words)


def test_english_is_the_template_itself():
    assert say(PATH, to="dh", path="dz @ U.T") == "in dh, the path dz @ U.T is forgotten"
    assert say("no {{brace}} but {x}", x=1) == "no {brace} but 1"


def test_chinese_is_the_translation_and_what_has_none_stays():
    with speaking("zh"):
        assert say(PATH, to="dh", path="dz @ U.T") == "dh 中漏掉了 dz @ U.T"
        assert say("{n:.1f} apart", n=0.25) == "相差 0.2"
        assert say("of nobody {x}", x=1) == "of nobody 1"


def test_a_sentence_speaks_when_it_is_shown_with_the_sentences_in_it():
    inside = sentence("right")
    whole = sentence(PATH, to=inside, path=listed(["dU", inside]))
    assert str(whole) == f"{whole}" == "in right, the path dU, right is forgotten"
    with speaking("zh"):
        assert str(whole) == f"{whole}" == "正确中漏掉了 dU、正确"
        assert f"{inside:>4}" == "  正确"
        assert str(joined(["dU", inside])) == "dU 和正确"


def test_sentences_are_equal_by_what_they_say():
    assert sentence("right") == Sentence("right", {}) != sentence("wrong")
    assert len({sentence(PATH, to="dh", path="a"), sentence(PATH, to="dh", path="a")}) == 1
    assert sentence("right") != "right"
    assert listed(["a", "b"]) == listed(["a", "b"]) != joined(["a", "b"])
    assert listed(["a"]) == joined(["a"]) == "a"


def test_speak_holds_for_the_process_and_in_a_block_for_the_block():
    assert current() == "en"
    try:
        tg.speak("zh")
        # as in a notebook, where each cell runs in a context of its own
        assert contextvars.Context().run(current) == "zh"
        with tg.speak("en"):
            assert current() == "en"
        assert current() == "zh"
    finally:
        tg.speak("en")
    with tg.speak("zh"):
        assert current() == "zh"
        with speaking("en"):
            assert current() == "en"
        assert current() == "zh"
    assert current() == "en"


def test_a_block_of_one_thread_is_not_heard_in_another():
    heard = []
    with tg.speak("zh"):  # a thread begins in a context of its own, or in a copy, as the Python is built
        thread = threading.Thread(target=contextvars.Context().run, args=(lambda: heard.append(current()),))
        thread.start()
        thread.join()
    assert heard == ["en"]


def test_a_block_that_fails_speaks_no_longer():
    with pytest.raises(KeyError), tg.speak("zh"):
        raise KeyError
    assert current() == "en"


@pytest.mark.parametrize("speaks", [tg.speak, lambda name: speaking(name).__enter__()], ids=["speak", "speaking"])
def test_a_language_that_is_not_there_is_refused_and_changes_nothing(speaks):
    with pytest.raises(ValueError, match="no language 'de'\ngive one of en, zh"):
        speaks("de")
    assert current() == "en"


@pytest.mark.parametrize(
    ("environment", "encoding", "language"),
    [
        pytest.param({}, "utf-8", "en", id="no locale"),
        pytest.param({"LANG": "zh_CN.UTF-8"}, "utf-8", "zh", id="mainland"),
        pytest.param({"LANG": "zh_TW"}, None, "zh", id="Taiwan"),
        pytest.param({"LANG": "ZH"}, "gb18030", "zh", id="capitals"),
        pytest.param({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_CN"}, "utf-8", "zh", id="messages before lang"),
        pytest.param({"LANG": "zh_CN", "LC_ALL": "C.UTF-8", "LC_MESSAGES": "zh_CN"}, "utf-8", "en", id="all first"),
        pytest.param({"LANG": "zh_CN", "LC_ALL": ""}, "utf-8", "zh", id="an empty one is not set"),
        pytest.param({"LANG": "zh_CN"}, "ascii", "en", id="a stream without Chinese characters"),
        pytest.param({"LANG": "zh_CN"}, "no encoding", "en", id="a stream of no known encoding"),
    ],
)
def test_the_language_of_a_locale(environment, encoding, language):
    assert of_locale(environment, encoding) == language
