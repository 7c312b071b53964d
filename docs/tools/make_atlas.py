"""Write the atlas of cells: a page for each cell in `atlas/`, its pictures, and the index in both languages.

    python docs/tools/make_atlas.py

The tests do the same, and fail where a page or a picture differs.
"""

from __future__ import annotations

from pathlib import Path

from tinygrad_rnn.bptt.atlas.cell_facts import FACTS
from tinygrad_rnn.bptt.atlas.comparison_table import comparison, explained
from tinygrad_rnn.bptt.atlas.entry_page import READER, page_of
from tinygrad_rnn.bptt.atlas.looked_up import AtlasEntry, look_up
from tinygrad_rnn.bptt.atlas.page_blocks import Block, Heading, Image, Words, as_markdown
from tinygrad_rnn.language.current import speaking

DOCS = Path(__file__).parents[1]
IMAGES = "images/atlas"
INDEX = {
    "en": (
        "Atlas of cells",
        READER.replace("looks up a cell", "looks up or compares cells"),
        "All cells of `nn`, a page each: formulas, picture, step Jacobian, the backward in NumPy, a gradient over 200 "
        "steps, parameters, cost, and where the cell is from. The pages are generated, and what they say is checked "
        "when they are. Each cell agrees with code that others published, which its page names. On the site, the head "
        "of a column sorts the table. `tinygrad-rnn atlas` prints it, and `tinygrad-rnn atlas lstm` prints a page.",
        "中文：[循环单元图册](../zh/atlas/index.md)。",
    ),
    "zh": (
        "循环单元图册",
        "*读者：要查找或比较循环单元的人。供查阅。*",
        "`nn` 的所有循环单元，每个一页（英文）：公式、图、单步雅可比矩阵、用 NumPy 写出的反向传播、"
        "梯度往回 200 步的变化、参数、计算量和出处。这些页面是生成的，其中的公式和数字在生成时都经过检验。"
        "每个单元都与他人发布的代码一致，见各自的页面。"
        "在网站上点击表头可以排序。"
        "`tinygrad-rnn atlas` 打印这张表，`tinygrad-rnn atlas lstm` 打印一页。",
        "English: [atlas of cells](../../atlas/index.md).",
    ),
}
"""Title, reader, introduction and the way to the other language."""


def atlas(entries: dict[str, AtlasEntry]) -> dict[str, str]:
    """Return all files of the atlas by their paths in `docs/`, for entries by name."""
    found = {f"{language}atlas/index.md": _index(entries, language.strip("/") or "en") for language in ("", "zh/")}
    for entry in entries.values():
        found |= cell_files(entry)
    return found


def cell_files(entry: AtlasEntry) -> dict[str, str]:
    """Return the page of a cell and its pictures by their paths in `docs/`. The gradients are checked first."""
    entry.check()
    blocks = page_of(entry, "markdown")
    back: list[Block] = [Words("[All cells compared](index.md)", ready=True)]
    found = {f"atlas/{entry.name}.md": as_markdown([*blocks, *back], lambda image: f"../{_path(image)}")}
    return found | {_path(block): block.svg for block in blocks if isinstance(block, Image)}


def _path(image: Image) -> str:
    return f"{IMAGES}/{image.name}.svg"


def _index(entries: dict[str, AtlasEntry], language: str) -> str:
    title, *words, other = INDEX[language]
    with speaking(language):
        table = comparison(entries.values(), pages=".md", folder="" if language == "en" else "../../atlas/")
        meaning = explained()
    blocks: list[Block] = [Heading(1, title), *(Words(text) for text in (*words, meaning)), table, Words(other)]
    text = as_markdown(blocks)
    if language == "en":
        text += "\n```{toctree}\n:maxdepth: 1\n:hidden:\n\n" + "\n".join(entries) + "\n```\n"
    return text


def main() -> None:
    """Write all files."""
    for name, text in atlas({name: look_up(name) for name in FACTS}).items():
        (DOCS / name).parent.mkdir(parents=True, exist_ok=True)
        (DOCS / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
