"""Each command speaks the language that it is asked for, or that of the locale."""

import json

import make_commands
import pytest

from tinygrad_rnn import cli

COMPARE = ["compare", "--cell", "rnn", "--steps", "2"]


@pytest.mark.parametrize(
    ("arguments", "locale", "words"),
    [
        pytest.param([], "C.UTF-8", "all agree", id="English"),
        pytest.param([], "zh_CN.UTF-8", "全部一致", id="by the locale"),
        pytest.param(["--lang", "zh"], "C.UTF-8", "全部一致", id="as asked"),
        pytest.param(["--lang", "en"], "zh_CN.UTF-8", "all agree", id="English in a Chinese locale"),
    ],
)
def test_a_command_speaks_as_asked_or_as_the_locale_says(arguments, locale, words, monkeypatch, capsys):
    monkeypatch.setenv("LC_ALL", locale)
    assert cli.main([*COMPARE, *arguments]) == 0
    assert words in capsys.readouterr().out


@pytest.mark.parametrize("command", make_commands.commands())
def test_each_command_takes_a_language(command):
    assert "--lang {en,zh}" in make_commands.commands()[command].format_help()


def test_another_language_is_refused(capsys):
    with pytest.raises(SystemExit):
        cli.main([*COMPARE, "--lang", "de"])
    assert "'de': choose from en, zh" in capsys.readouterr().err


def test_json_is_the_same_in_each_language(tmp_path, capsys):
    found = {}
    for language in ("en", "zh"):
        command = ["truncate", "--steps", "6", "--hidden", "2", "--length", "2", "--draws", "2", "--lang", language]
        assert cli.main([*command, "--json", "-"]) == 0
        found[language] = [{k: v for k, v in way.items() if k in ("name", "walks")} for way in _ways(capsys)]
    assert found["en"] == found["zh"]
    assert found["en"][1]["name"] == "chunks of 2"


def _ways(capsys):
    return json.loads(capsys.readouterr().out)["ways"]
