"""Chinese pages: their language, no gaps at the ends of lines, and a search that finds their words.

Chinese has no spaces between words, so the index keeps every pair of neighbouring characters, and single characters. A
search for a word asks for all of its pairs.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.search import languages
from sphinx.search.en import SearchEnglish
from sphinx.transforms import SphinxTransform

HAN = "\u3400-\u9fff"
PUNCTUATION = "\u3001-\u3011\u2014\u2018-\u201d\u2026\uff01-\uff5e"
RUN = re.compile(rf"[{HAN}]+|(?:(?![{HAN}])\w)+")
WIDE = re.compile(rf"[{HAN}{PUNCTUATION}]")
MARK = re.compile(rf"[{PUNCTUATION}]")


def is_chinese(document: str) -> bool:
    """Return whether a page, by its name, is Chinese."""
    return document.startswith("zh/")


def joined(before: str, after: str) -> bool:
    """Return whether no space stands between these characters where a line ends between them."""
    wide = [bool(WIDE.match(char)) for char in (before, after)]
    return all(wide) or bool(MARK.match(before) or MARK.match(after))


class NoGapsAtLineEnds(SphinxTransform):
    """Take away the line ends between Chinese characters, which a browser would show as spaces."""

    default_priority = 210

    def apply(self, **kwargs: Any) -> None:
        """Join the lines of every text of a Chinese page."""
        if not is_chinese(self.env.docname):
            return
        for paragraph in self.document.findall(nodes.TextElement):
            if isinstance(paragraph, nodes.FixedTextElement | nodes.literal | nodes.math):
                continue
            pieces = list(paragraph.children)
            for place, piece in enumerate(pieces):
                if isinstance(piece, nodes.Text) and "\n" in piece:
                    before = "".join(one.astext() for one in pieces[:place])[-1:]
                    after = "".join(one.astext() for one in pieces[place + 1 :])[:1]
                    paragraph.replace(piece, nodes.Text(without_gaps(str(piece), before, after)))


def without_gaps(text: str, before: str = "", after: str = "") -> str:
    """Return a text without the line ends between Chinese characters; `before` and `after` are its neighbours."""
    parts = text.split("\n")
    whole = parts[0]
    for k, part in enumerate(parts[1:], 1):
        left = whole[-1:] or before
        right = part[:1] or (after if k == len(parts) - 1 else "")
        whole += ("" if left and right and joined(left, right) else "\n") + part
    return whole


class SearchEnglishAndChinese(SearchEnglish):
    """English words by their stems, and Chinese by pairs of characters."""

    lang = "en-zh"
    language_name = "English"  # of the stemmer
    js_splitter_code = """
function splitQuery(query) {
  const terms = [];
  for (const run of query.match(/[\\u3400-\\u9fff]+|(?:(?![\\u3400-\\u9fff])[\\p{L}\\p{N}_])+/gu) || []) {
    if (!/[\\u3400-\\u9fff]/.test(run) || run.length === 1) terms.push(run);
    else for (let k = 0; k + 1 < run.length; k++) terms.push(run.slice(k, k + 2));
  }
  return terms;
}
"""

    def split(self, input: str) -> list[str]:
        """Return the words of a text: for a run of Chinese, its characters and its pairs of characters."""
        terms: list[str] = []
        for run in RUN.findall(input):
            if WIDE.match(run):
                terms += [*run, *(run[k : k + 2] for k in range(len(run) - 1))]
            else:
                terms.append(run)
        return terms


def set_language(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Give a Chinese page its language."""
    if is_chinese(page):
        context["language"] = "zh"


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the transform, the language of pages and the search."""
    languages[SearchEnglishAndChinese.lang] = SearchEnglishAndChinese
    app.add_transform(NoGapsAtLineEnds)
    app.connect("html-page-context", set_language)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
