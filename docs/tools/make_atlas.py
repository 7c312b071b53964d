"""Write the atlas of cells: a page for each cell and an index, in both languages, and the pictures.

    python docs/tools/make_atlas.py

The tests do the same, and fail where a page or a picture differs.
"""

from __future__ import annotations

from pathlib import Path

from tinygrad_rnn.bptt.atlas.cell_facts import FACTS
from tinygrad_rnn.bptt.atlas.comparison_table import comparison, explained, sources
from tinygrad_rnn.bptt.atlas.entry_page import page_of
from tinygrad_rnn.bptt.atlas.looked_up import AtlasEntry, look_up
from tinygrad_rnn.bptt.atlas.page_blocks import Block, Heading, Image, Words, as_markdown
from tinygrad_rnn.language.current import speaking

DOCS = Path(__file__).parents[1]
IMAGES = "images/atlas"
INDEX = {
    "en": (
        "Atlas of cells",
        "*For anyone who looks up or compares cells. To look things up.*",
        "All cells of `nn`, a page each: formulas, picture, step Jacobian, the backward in NumPy, a gradient over 200 "
        "steps, parameters, cost, and where the cell is from. The pages are generated, and what they say is checked "
        "when they are. Each cell agrees with code that others published, which its page names. On the site, the head "
        "of a column sorts the table. `tinygrad-rnn atlas` prints it, and `tinygrad-rnn atlas lstm` prints a page.",
        "Where the cells are from",
        "The third column names the published code with which a cell agrees to 1e-12, outputs and gradients; the "
        "fourth says how the cell differs from its paper. The page of a cell says both.",
        "中文：[循环单元图册](../zh/atlas/index.md)。",
    ),
    "zh": (
        "循环单元图册",
        "*读者：要查找或比较循环单元的人。供查阅。*",
        "`nn` 的所有循环单元，每个一页：公式、图、单步雅可比矩阵、用 NumPy 写出的反向传播、"
        "梯度往回 200 步的变化、参数、计算量和出处。这些页面是生成的，其中的公式和数字在生成时都经过检验。"
        "每个单元都与他人发布的代码一致，见各自的页面。"
        "在网站上点击表头可以排序。"
        "`tinygrad-rnn atlas` 打印这张表，`tinygrad-rnn atlas lstm` 打印一页。",
        "循环单元的出处",
        "第三列是他人发布的代码，循环单元的输出和梯度与它一致到 1e-12；第四列是与论文的不同之处。"
        "每个循环单元自己的页面上也有这些。",
        "English: [atlas of cells](../../atlas/index.md).",
    ),
}
"""Title, reader, introduction, title and introduction of the sources, and the way to the other language."""
ENDS = {
    "en": ("[All cells compared](index.md)", "中文：[本页](../zh/atlas/{name}.md)。"),
    "zh": ("[所有循环单元的比较](index.md)", "English: [this page](../../atlas/{name}.md)."),
}
"""The ways from the page of a cell to the index, and to the other language."""
LANGUAGES = {"": "en", "zh/": "zh"}
"""The language of each folder."""


def atlas(entries: dict[str, AtlasEntry]) -> dict[str, str]:
    """Return all files of the atlas by their paths in `docs/`, for entries by name."""
    found = {f"{folder}atlas/index.md": _index(entries, language) for folder, language in LANGUAGES.items()}
    for entry in entries.values():
        found |= cell_files(entry)
    return found


def cell_files(entry: AtlasEntry) -> dict[str, str]:
    """Return the pages of a cell and its pictures by their paths in `docs/`. The gradients are checked first."""
    entry.check()
    found = {}
    for folder, language in LANGUAGES.items():
        with speaking(language):
            blocks = page_of(entry, "markdown")
        ends = [Words(text.format(name=entry.name)) for text in ENDS[language]]
        up = "../" * (1 + folder.count("/"))
        page = as_markdown([*blocks, *ends], lambda image, up=up: f"{up}{_path(image)}")
        found[f"{folder}atlas/{entry.name}.md"] = page
        if language == "en":
            found |= {_path(block): block.svg for block in blocks if isinstance(block, Image)}
    return found


def _path(image: Image) -> str:
    return f"{IMAGES}/{image.name}.svg"


def _index(entries: dict[str, AtlasEntry], language: str) -> str:
    title, reader, introduction, origin, compared, other = INDEX[language]
    with speaking(language):
        table, origins = (of(entries.values(), pages=".md") for of in (comparison, sources))
        meaning = explained()
    blocks: list[Block] = [Heading(1, title), *(Words(text) for text in (reader, introduction, meaning)), table]
    blocks += [Heading(2, origin), Words(compared), origins, Words(other)]
    toctree = "\n```{toctree}\n:maxdepth: 1\n:hidden:\n\n" + "\n".join(entries) + "\n```\n"
    return as_markdown(blocks) + toctree


def main() -> None:
    """Write all files."""
    for name, text in atlas({name: look_up(name) for name in FACTS}).items():
        (DOCS / name).parent.mkdir(parents=True, exist_ok=True)
        (DOCS / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
