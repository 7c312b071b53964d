"""The README: its pictures, its links, its commands, and the package that it comes with."""

import re
import shlex
import shutil
import tomllib
from pathlib import Path

import make_first_page
import numpy as np
import pytest

import tinygrad_rnn
from tinygrad_rnn import cli, nn

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PICTURES = re.findall(r"!\[([^\]]+)\]\(([^)]+)\)", TEXT)
COMMANDS = re.findall(r"(?:^    |`)(tinygrad-rnn \w+ [^`\n]+)", TEXT, flags=re.M)


def test_it_is_short_and_says_what_it_is_not():
    assert len(TEXT.splitlines()) < 100
    assert TEXT.count("not related to tinygrad") == 1


def test_there_are_three_doors_with_one_command_and_three_lines_each():
    for door in ("Student", "Teacher", "Engineer"):
        section = re.search(rf"^## {door}.*?\n(.*?)^## ", TEXT, flags=re.M | re.S).group(1)
        assert len(re.findall(r"^    tinygrad-rnn ", section, flags=re.M)) == 1
        assert len(re.findall(r"^- ", section, flags=re.M)) == 3


def test_bptt_is_seven_lines():
    code = re.search(r"^d = \{loss.*?(?=^\n)", TEXT, flags=re.M | re.S).group(0)
    assert len(code.splitlines()) == 7


def test_links_begin_with_the_address_of_the_repository_and_lead_to_a_file():
    assert make_first_page.linked(TEXT) == TEXT, "run: python docs/tools/make_first_page.py"
    targets = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert len(targets) > 20
    for target in targets:
        found = re.fullmatch(re.escape(PROJECT["urls"]["Repository"]) + r"/(blob|raw)/main/(.*)", target)
        assert found, f"README.md links to {target}"
        assert (ROOT / found[2]).exists(), f"README.md links to {target}"
    assert all(url.startswith(PROJECT["urls"]["Repository"]) for url in PROJECT["urls"].values())


@pytest.mark.parametrize(
    "before",
    ["docs/a.md", "https://host.example/x/y/blob/main/docs/a.md", "https://host.example/x/y/raw/main/docs/a.md"],
)
def test_another_address_of_the_repository_is_put_everywhere(before):
    base = PROJECT["urls"]["Repository"]
    assert make_first_page.linked(f"[a]({before}) and ![b]({before})") == (
        f"[a]({base}/blob/main/docs/a.md) and ![b]({base}/raw/main/docs/a.md)"
    )


def test_the_pictures_have_words_for_who_cannot_see_them_and_are_small():
    assert len(PICTURES) == 3
    for words, target in PICTURES:
        assert len(words) > 30
        assert (ROOT / target.partition("/main/")[2]).stat().st_size < 200_000


@pytest.mark.parametrize("name", ["lstm.svg", pytest.param("doctor.svg", marks=pytest.mark.slow)])
def test_a_picture_is_as_the_code_draws_it(name):
    kept = (make_first_page.FOLDER / name).read_text(encoding="utf-8")
    assert make_first_page.PICTURES.keys() == {"lstm.svg", "doctor.svg"}
    assert kept == make_first_page.PICTURES[name](), "run: python docs/tools/make_first_page.py"


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_runs_as_it_stands(command, tmp_path, monkeypatch, capsys):
    (tmp_path / "demos").mkdir()
    shutil.copy(ROOT / "demos" / "homework.py", tmp_path / "demos")
    layer = {f"rnn.{name}": p for name, p in nn.LSTM(3, 4).init(np.random.default_rng(0)).items()}
    np.savez(tmp_path / "model.npz", **nn.weights.arrays(layer))
    monkeypatch.chdir(tmp_path)
    assert cli.main(shlex.split(command)[1:]) == ("doctor" in command)
    said = capsys.readouterr().out
    if "doctor" in command:
        assert "mistake: in dU, h[t].T" in said
    if "flow" in command:
        assert re.search(r"VANISHES.* less than a thousandth of that from step \d+ back", said)
    for name in re.findall(r"-o (\S+)", command):
        assert (tmp_path / name).stat().st_size > 1000


def test_the_version_stands_in_one_place_and_has_an_entry_with_its_date():
    assert PROJECT["dynamic"] == ["version"]
    assert "version" not in PROJECT
    first = re.search(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.M).group(1)
    assert re.fullmatch(re.escape(tinygrad_rnn.__version__) + r" - \d{4}-\d\d-\d\d", first)
