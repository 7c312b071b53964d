"""Write the README's pictures, and its links with the repository's address, which pyproject.toml has.

    python docs/tools/make_first_page.py            # images/first-page/, and the links
    python docs/tools/make_first_page.py --player   # images/*player.png too: needs Chromium and Playwright

The tests do the same without the player, and fail if a picture or a link differs.
"""

from __future__ import annotations

import contextlib
import html
import io
import re
import shutil
import sys
import tempfile
import textwrap
import tomllib
from pathlib import Path

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, cli, draw, nn

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
FOLDER = ROOT / "docs" / "images" / "first-page"
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]

LINK = re.compile(r"(!?)\[([^\]]*)\]\((?:https?://[^\s)]*/(?:blob|raw)/main/)?((?:docs|demos)/[^\s)]*)\)")
"""A link to a file of the repository or a picture of it: the mark, the text and the path."""

DOCTOR = "doctor demos/homework.py:my_bptt --cell cell"
COLUMNS = 104
LINE, TOP, LEFT = 19, 30, 20


def linked(page: str) -> str:
    """Return a page with every link to a file of the repository as an absolute one, so that PyPI shows it."""
    return LINK.sub(lambda m: f"{m[1]}[{m[2]}]({REPOSITORY}/{'raw' if m[1] else 'blob'}/main/{m[3]})", page)


def recorded(steps: int, inputs: int, units: int) -> tuple[tg.Tape, tg.Tensor]:
    """Record an LSTM and its loss, with the lines of code."""
    rng = np.random.default_rng(0)
    params = nn.init.lstm(rng, inputs, units)
    with tg.Tape(lines=True) as tape:
        hs, _ = nn.unroll(nn.lstm, params, rng.standard_normal((steps, 1, inputs)))
        loss = tg.named("L", nn.mse(hs, np.zeros((steps, 1, units))))
    return tape, loss


def lstm() -> str:
    """Draw an unrolled LSTM, one box for each gate and state."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lstm.svg"
        draw.render(recorded(3, 3, 4)[0], path, engine="grid", level="gates")
        return path.read_text(encoding="utf-8")


def doctor() -> str:
    """Draw what the doctor says, as lines of text on a ground of their own."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.chdir(ROOT):
        cli.main(DOCTOR.split())
    lines = [("$ tinygrad-rnn " + DOCTOR, "prompt")]
    for line in said.getvalue().splitlines():
        role = "wrong" if line.startswith(("wrong:", "first:")) or line.endswith("WRONG") else line.partition(":")[0]
        lines += [(part, role) for part in textwrap.wrap(line, COLUMNS, subsequent_indent="  ")]
    width, height = round(COLUMNS * 7.85) + 2 * LEFT, TOP + LINE * len(lines)
    text = "\n".join(
        f'<text x="{LEFT}" y="{TOP + LINE * k}" class="{role if role in ROLES else "said"}">{html.escape(line)}</text>'
        for k, (line, role) in enumerate(lines)
    )
    style = "".join(f".{role}{{{rule}}}" for role, rule in ROLES.items())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'role="img" aria-label="The doctor on a hand-written BPTT">\n'
        f"<style>text{{font:13px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;white-space:pre}}{style}"
        "</style>\n"
        f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8" fill="#f6f8fa" stroke="#8c959f"/>\n'
        f"{text}\n</svg>\n"
    )


ROLES = {
    "prompt": "fill:#57606a",
    "said": "fill:#1f2328",
    "wrong": "fill:#a40e26",
    "mistake": "fill:#0550ae;font-weight:bold",
}

PICTURES = {"lstm.svg": lstm, "doctor.svg": doctor}


def photograph_the_players() -> None:
    """Take pictures of the player halfway back through an LSTM, and of a scan in its second round."""
    tape, loss = recorded(3, 2, 2)
    photograph(draw.play(tape, loss, title="An LSTM of three steps"), len(tape) + 31, "player.png")
    rng = np.random.default_rng(0)
    params = nn.init.gru(rng, 3, 4)
    with tg.Tape() as tape:
        hs, _ = nn.unroll(nn.gru, params, rng.standard_normal((8, 1, 3)))
        loss = (hs**2).sum()
    photograph(bptt.scan_gradient(tape, loss, params).play(), 2, "scan-player.png")


def photograph(played: draw.Played, position: int, name: str) -> None:
    """Take a picture of a player at a position."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        page = played.save(Path(folder) / "played.html")
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1280, "height": 720})
        tab.goto(f"{page.as_uri()}#{position}")
        tab.screenshot(path=ROOT / "docs" / "images" / name)
        browser.close()


if __name__ == "__main__":
    README.write_text(linked(README.read_text(encoding="utf-8")), encoding="utf-8")
    FOLDER.mkdir(exist_ok=True)
    for name, picture in PICTURES.items():
        (FOLDER / name).write_text(picture(), encoding="utf-8")
    if "--player" in sys.argv:
        photograph_the_players()
