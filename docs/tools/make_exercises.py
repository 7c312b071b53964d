"""Write what the exercises print and draw into their pages: a block for each script in `demos/`, and `images/`.

    python docs/tools/make_exercises.py

The tests run the scripts too, and fail if a page or a drawing differs.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import tinygrad_rnn

DOCS = Path(__file__).parents[1]
PAGES = [DOCS / "exercises.md", DOCS / "zh" / "exercises.md"]
DEMOS = sorted((DOCS.parent / "demos").glob("exercise_*.py"))


def run(demo: Path, folder: Path, *arguments: str) -> str:
    """Run a script in a folder of its own, and return what it prints. It draws into `out`; warnings are errors."""
    package = str(Path(tinygrad_rnn.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(demo), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1", "PYTHONPATH": package},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def shown(output: str) -> str:
    """Return what a page shows of the output: all lines but those that differ between machines."""
    differ = ("PyTorch", "measured")
    return "".join(line for line in output.splitlines(keepends=True) if not line.startswith(differ))


def block(demo: Path) -> re.Pattern[str]:
    """Match the output of a script on a page: the first text block after the path of the script."""
    return re.compile(rf"(demos/{re.escape(demo.name)}.*?\n```text\n)(.*?)(^```$)", flags=re.M | re.S)


def main() -> None:
    """Run every script once, then write the pages and the drawings."""
    texts = {page: page.read_text(encoding="utf-8") for page in PAGES}
    drawings: dict[str, bytes] = {}
    for demo in DEMOS:
        with tempfile.TemporaryDirectory() as folder:
            output = shown(run(demo, Path(folder)))
            drawings |= {drawing.name: drawing.read_bytes() for drawing in Path(folder).glob("out/*.svg")}
        for page, text in texts.items():
            texts[page], count = block(demo).subn(lambda found, said=output: found[1] + said + found[3], text)
            assert count == 1, f"{page.name} has {count} blocks for {demo.name}"
    for old in (DOCS / "images").glob("exercise_*.svg"):
        old.unlink()
    for name, drawing in drawings.items():
        (DOCS / "images" / name).write_bytes(drawing)
    for page, text in texts.items():
        page.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
