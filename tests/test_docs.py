"""The README, the docs and the demos run: what they say holds."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
DEMOS = sorted((ROOT / "demos").glob("*.py"))


def blocks(page):
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.M | re.S)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_code_blocks_of_a_page_run_in_order(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks(page):
        exec(compile(block, str(page), "exec"), names)
    if page.name == "README.md":
        said = " ".join(capsys.readouterr().out.split())
        promised = re.search(r"print\(report\)  # \.\.\. (.*)", page.read_text(encoding="utf-8")).group(1)
        assert promised in said
        assert (tmp_path / "lstm.svg").exists()
    if page.name == "tape.md":
        shown = re.search(r"^```\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.M | re.S).group(1)
        assert shown in capsys.readouterr().out


@pytest.mark.parametrize("demo", DEMOS, ids=lambda demo: demo.name)
def test_a_demo_runs_and_holds_what_it_asserts(demo, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", str(demo)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_readme_fits_a_screen_or_two_and_gives_two_commands_for_each_system():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 90
    commands = re.findall(r"^    (python3 -m venv .*)$", text, flags=re.M)
    assert len(commands) == 2
    for command in commands:
        windows = (
            command.replace("python3 -m venv", "py -m venv")
            .replace(".venv/bin/", r".venv\Scripts" + "\\")
            .replace('"', "")
        )
        assert windows in text


def test_links_to_files_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
