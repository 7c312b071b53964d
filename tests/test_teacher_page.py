"""The page for teachers, carried out in an empty folder: each block of code and each command, in order."""

import itertools
import re
import shlex
import xml.etree.ElementTree as ElementTree

import make_course
import pytest

from tinygrad_rnn import bptt, cli, nn

PAGES = {language: folder / "teacher.md" for language, folder in make_course.FOLDERS.items()}
PIECE = re.compile(r"^```python\n(?P<code>(?:.*\n)*?)```$|^    tinygrad-rnn (?P<command>.*)$", re.M)
WRITTEN = re.compile(r"(?:-o|--answers|--csv|--html) (\S+)")


MISTAKES = {
    "`dU = ...`": ("dU += ", "dU = "),
    "`h` for `h_prev`": ("dz.T @ h_prev", "dz.T @ h"),
    "`dz @ U.T`": ("dh_next = dz @ U", "dh_next = dz @ U.T"),
    "`dz = dh`": ("dz = dh * (1 - h**2)", "dz = dh"),
    "`1 - np.tanh(h) ** 2`": ("1 - h**2", "1 - np.tanh(h) ** 2"),
    "without `reversed`": ("in reversed(range(len(xs)))", "in range(len(xs))"),
}
"""By how the page calls it: what a student writes into the answer, and in the place of what."""


def commands(page):
    return re.findall(r"^    (tinygrad-rnn .*)$", page.read_text(encoding="utf-8"), flags=re.M)


@pytest.mark.slow
def test_everything_on_the_page_can_be_done_in_order(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib", reason="the figure of flow needs the extra `plot`")
    monkeypatch.chdir(tmp_path)
    names, said = {}, {}
    for piece in PIECE.finditer(PAGES["en"].read_text(encoding="utf-8")):
        if piece["code"] is not None:
            exec(compile(piece["code"], "teacher.md", "exec"), names)
            continue
        assert cli.main(shlex.split(piece["command"])) == 0, piece["command"]
        said[piece["command"]] = capsys.readouterr().out
        for name in WRITTEN.findall(piece["command"]):
            assert (tmp_path / name).stat().st_size, name
    for slide in ("figure", "tape", "sum", "lstm", "gru"):
        width, height = map(float, ElementTree.parse(tmp_path / f"{slide}.svg").getroot().get("viewBox").split()[2:])
        assert abs(width / height - 16 / 9) < 0.01, slide
    for name in re.findall(r"`([\w-]+\.(?:svg|html|py|csv))`", PAGES["en"].read_text(encoding="utf-8")):
        assert (tmp_path / name).exists(), f"the page names {name}"
    first, second = (words for command, words in said.items() if command.startswith("mark"))
    assert re.search(r"ann\.py +5/5  right", first)
    assert re.search(r"ben\.py +3/5  wrong: dweight_hh", first)
    assert "h[t]" in second
    assert "h[t-1]" not in re.search(r"^ben.*$", second, flags=re.M)[0]


def test_the_chinese_page_has_the_same_commands():
    assert commands(PAGES["zh"]) == commands(PAGES["en"])


@pytest.mark.parametrize("language", PAGES)
def test_a_plan_fills_its_minutes_without_a_gap(language):
    plans = PAGES[language].read_text(encoding="utf-8").split("\n## ")
    rows = {}
    for plan in plans:
        for line in plan.splitlines():
            for column, cell in enumerate(line.split("|")):
                if found := re.fullmatch(r" (\d+)-(\d+) ", cell):
                    rows.setdefault((plan[:4], column), []).append((int(found[1]), int(found[2])))
    assert len(rows) == 3
    for times in rows.values():
        assert times[0][0] == 0
        assert all(before[1] == after[0] for before, after in itertools.pairwise(times))
    assert sorted(times[-1][1] for times in rows.values()) == [45, 45, 90]


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_doctor_says_of_a_mistake_what_the_page_says(mistake):
    row = next(line for line in PAGES["en"].read_text(encoding="utf-8").splitlines() if mistake in line)
    _, _, since, words, _, _ = (cell.strip() for cell in row.split("|"))
    right, wrong = MISTAKES[mistake]
    answers = bptt.derive(nn.rnn).worksheet("numpy", blanks=["dz", "dU"]).answers
    assert right in answers
    names = {}
    exec(answers.replace(right, wrong), names)
    said = str(bptt.doctor(nn.rnn, names["gradients"]))
    assert words.strip("`") in said or words in said, said
    first = re.search(r"wrong: .*dweight_hh.*?at T = (\d)", said)
    assert since.startswith(f"T = {first[1]}"), said
