"""Write the tables of vocabulary.md in both languages, from the glossary.

    python docs/tools/make_vocabulary.py

The tests do the same, and fail where a page differs.
"""

from __future__ import annotations

from pathlib import Path

from marked_blocks import filled

from tinygrad_rnn.language.glossary import TERMS, Term

DOCS = Path(__file__).parents[1]
SOURCES = ("nndl", "d2l", "cs224n", "pytorch", "here")
HEADS = {
    "en": ("term", "中文", "NNDL", "D2L", "CS224n", "PyTorch", "here"),
    "zh": ("术语", "英文", "NNDL", "D2L", "CS224n", "PyTorch", "本项目"),
}


def _row(cells: tuple[str, ...]) -> str:
    assert not any("|" in cell for cell in cells), f"{cells}: a bar would end a cell"
    return f"| {' | '.join(cells)} |"


def _names(term: Term, language: str) -> tuple[str, str]:
    return (term.english, term.chinese) if language == "en" else (term.chinese, term.english)


def symbols(language: str) -> str:
    """Return the table of terms that have symbols."""
    head = HEADS[language]
    lines = [_row(head), "|" + "---|" * len(head)]
    for term in TERMS:
        found = [getattr(term, source) for source in SOURCES]
        if any(found):
            lines.append(_row((*_names(term, language), *(f"`{symbol}`" if symbol else "" for symbol in found))))
    return "\n".join(lines) + "\n"


def words(language: str) -> str:
    """Return the table of all other terms."""
    lines = [_row(HEADS[language][:2]), "|---|---|"]
    lines += [_row(_names(term, language)) for term in TERMS if not any(getattr(term, source) for source in SOURCES)]
    return "\n".join(lines) + "\n"


def page(path: Path, language: str) -> str:
    """Return a page with its tables."""
    blocks = {"symbols": lambda: symbols(language), "words": lambda: words(language)}
    return filled(path.read_text(encoding="utf-8"), "make_vocabulary.py", blocks)


PAGES = {"vocabulary.md": "en", "zh/vocabulary.md": "zh"}

if __name__ == "__main__":
    for name, language in PAGES.items():
        (DOCS / name).write_text(page(DOCS / name, language), encoding="utf-8", newline="\n")
