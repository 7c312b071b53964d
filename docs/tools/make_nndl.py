"""Write the formulas of NNDL's chapter 6 into their pages, from the script that computes both sides of each.

    python docs/tools/make_nndl.py

The tests do the same, and fail where a page differs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from marked_blocks import filled

DOCS = Path(__file__).parents[1]
SCRIPT = DOCS.parent / "demos" / "nndl_chapter_6.py"
HEADS = {"en": "| number | formula | both sides, on a tape |", "zh": "| 编号 | 公式 | 磁带上的等式两边 |"}
"""The head of a table in each language."""


def sections() -> dict[str, str]:
    """Return the parts of the script by name."""
    parts = re.split(r"^# ---- (.+)\n", SCRIPT.read_text(encoding="utf-8"), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def rows(section: str) -> list[tuple[str, str, str]]:
    """Return the number, the formula and the line of code of each formula of a section."""
    found = re.findall(r"^ *# (\(6\.\d+\)(?:-\(6\.\d+\))?) (.+\n(?: *#   .+\n)*) *assert (.+)\n", section, flags=re.M)
    return [(number.replace("-", "–"), " ".join(re.sub(r"\n *# +", " ", f).split()), code) for number, f, code in found]


def table(section: str, language: str) -> str:
    """Return the formulas of a section as a table."""
    lines = [HEADS[language], "|---|---|---|"]
    for number, formula, code in rows(section):
        assert "|" not in formula + code, f"{number}: a bar would end the cell of the table"
        lines.append(f"| {number} | ${formula}$ | `{code}` |")
    return "\n".join(lines) + "\n"


def network() -> str:
    """Return the code before the first formula as a block of a page."""
    return f"```python\n{sections()['the network'].strip()}\n```\n"


def page(path: Path, language: str) -> str:
    """Return a page with its tables."""
    blocks: dict[str, Callable[[], str]] = {"the network": network}
    for name, section in sections().items():
        if rows(section):
            blocks[name] = lambda section=section: table(section, language)  # type: ignore[misc]
    return filled(path.read_text(encoding="utf-8"), "make_nndl.py", blocks)


PAGES = {"nndl.md": "en", "zh/nndl.md": "zh"}

if __name__ == "__main__":
    for name, language in PAGES.items():
        (DOCS / name).write_text(page(DOCS / name, language), encoding="utf-8", newline="\n")
