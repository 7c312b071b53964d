"""The formulas as a document: LaTeX, Markdown, a page, or plain text."""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Mapping, Sequence

from tinygrad_rnn.bptt.derivation.expressions import Ref
from tinygrad_rnn.bptt.derivation.formula_line import Formula, Partial
from tinygrad_rnn.bptt.derivation.formula_style import Style
from tinygrad_rnn.bptt.derivation.formulas import SECTIONS
from tinygrad_rnn.bptt.derivation.notes import SpokenWords, convention, heading_of, notes
from tinygrad_rnn.bptt.derivation.reasons import reason
from tinygrad_rnn.bptt.derivation.styles import Latex, MathML, Plain
from tinygrad_rnn.bptt.derivation.symbols import Writer
from tinygrad_rnn.language.current import current
from tinygrad_rnn.language.saying import Listed, Sentence, say, sentence

STYLES: Mapping[str, type[Style]] = {"latex": Latex, "markdown": Latex, "html": MathML, "text": Plain}
PLACES = 0xE000
"""The first of the characters that hold the places of formulas in words. They are no letters of any language."""
BLANK = {"latex": r"\underline{\hspace{8em}}", "html": "<mtext>______________</mtext>", "text": "______________"}


class Document:
    """Formulas by section, written in a style. Each formula in `blank` has a blank in the place of its right side."""

    def __init__(
        self,
        title: str,
        formulas: Sequence[Formula],
        writer: Writer,
        to: str,
        blank: Collection[str] = (),
        entries: bool = False,
        reasons: bool = False,
    ) -> None:
        self.title, self.formulas, self.writer, self.to = title, formulas, writer, to
        self.blank, self.entries, self.reasons = blank, entries, reasons

    def line(self, f: Formula) -> str:
        """Return one formula as text."""
        if f.name in self.blank:
            return self.writer.with_blank(f, BLANK["latex" if self.to == "markdown" else self.to])
        return self.writer.formula(f)

    def sections(self) -> list[tuple[str, str, list[Formula]]]:
        """Return the heading, the note, written out, and the formulas of each section that has formulas."""
        whole = any(f.section == "forward" for f in self.formulas)
        all_notes = notes(self.writer.formulas)
        found = []
        for name in SECTIONS:
            inside = [f for f in self.formulas if f.section == name]
            note = self.words(all_notes.get(name, ""))
            if inside or (whole and note):
                found.append((self.words(heading_of(name, self.writer.formulas)), note, inside))
        return found

    def words(self, words: SpokenWords, f: Formula | None = None) -> str:
        """Return words in this style, in the language that is spoken; quantities and derivatives as on the line f."""
        quantities: list[str] = []

        def put(part: object) -> object:
            if isinstance(part, Ref | Partial):
                text = self.writer.left(part, f)
                quantities.append({"text": text, "html": f"<math>{text}</math>"}.get(self.to, f"${text}$"))
                return chr(PLACES + len(quantities) - 1)
            if isinstance(part, Sentence):
                return Sentence(part.template, {name: put(inner) for name, inner in part.parts.items()})
            return Listed(map(put, part.parts), part.between) if isinstance(part, Listed) else part

        text = str(put(words))
        text = html.escape(text) if self.to == "html" else _escaped(text) if self.to == "latex" else text
        return "".join(quantities[ord(c) - PLACES] if 0 <= ord(c) - PLACES < len(quantities) else c for c in text)

    def reason(self, f: Formula) -> str:
        """Return why a line holds, or "" where reasons are not asked for."""
        found = reason(self.writer.formulas, f) if self.reasons and f.name not in self.blank else None
        return self.words(found, f) if found is not None else ""

    def text(self) -> str:
        """Return the whole document."""
        return {"latex": self._latex, "markdown": self._markdown, "html": self._html, "text": self._plain}[self.to]()

    def _source(self, f: Formula) -> str:
        """Return the entries of the tape that a formula came from, in words."""
        if not self.entries or not f.entries:
            return ""
        numbers = ", ".join(map(str, f.entries))
        return say("entry {n}", n=numbers) if len(f.entries) == 1 else say("entries {numbers}", numbers=numbers)

    def _title(self) -> str:
        return self.words(sentence("BPTT of {title}", title=self.title))

    def _convention(self) -> str:
        return self.words(convention(self.writer.formulas))

    def _latex(self) -> str:
        lines = [r"\documentclass{article}", r"\usepackage{amsmath}", r"\begin{document}"]
        lines += [rf"\section*{{{self._title()}}}", self._convention()]
        for heading, note, formulas in self.sections():
            lines += [rf"\subsection*{{{heading}}}", *([note] if note else [])]
            rows = [self.line(f) + (rf" \tag*{{{self._source(f)}}}" if self._source(f) else "") for f in formulas]
            if self.reasons:
                for f, row in zip(formulas, rows, strict=True):
                    lines += [r"\begin{gather*}", row, r"\end{gather*}", *([self.reason(f)] if self.reason(f) else [])]
                continue
            lines.append(r"\begin{gather*}")
            lines += [f"{row} \\\\" for row in rows[:-1]] + rows[-1:]
            lines.append(r"\end{gather*}")
        return "\n".join([*lines, r"\end{document}"]) + "\n"

    def _markdown(self) -> str:
        blocks = [f"# {self._title()}", self._convention()]
        for heading, note, formulas in self.sections():
            blocks += [f"## {heading}", *([note] if note else [])]
            for f in formulas:
                blocks += self.lines_in_markdown(f)
        return "\n\n".join(blocks) + "\n"

    def lines_in_markdown(self, f: Formula) -> list[str]:
        """Return a formula, the entries that it came from, and the reason for it, where these are asked for."""
        below = [f"({self._source(f)})"] * bool(self._source(f)) + [self.reason(f)] * bool(self.reason(f))
        return [f"$$\n{self.line(f)}\n$$", *below]

    def for_notebook(self) -> str:
        """Return the Markdown of a notebook's output: as the document, with bold lines in the place of headings."""
        title = self.words(sentence("BPTT of {title}", title=_in_markdown(self.title)))
        blocks = [f"**{title}**", self._convention().replace("L_t", "$L_t$")]
        for heading, note, formulas in self.sections():
            blocks += [f"**{heading}**", *([note] if note else []), *(f"$$\n{self.line(f)}\n$$" for f in formulas)]
        return "\n\n".join(blocks) + "\n"

    def for_mathjax(self) -> str:
        """Return all formulas as one, of what MathJax and KaTeX know, with the headings as text."""
        rows = []
        for heading, _, formulas in self.sections():
            rows += [rf"\textbf{{{heading}}}", *map(self.line, formulas)]
        return "$$\n\\begin{gathered}\n" + " \\\\\n".join(rows) + "\n\\end{gathered}\n$$"

    def _html(self) -> str:
        title = self._title()
        body = [f"<h1>{title}</h1>", f"<p>{self._convention()}</p>"]
        for heading, note, formulas in self.sections():
            body += [f"<h2>{heading}</h2>", *([f"<p>{note}</p>"] if note else [])]
            for f in formulas:
                source = f"<small>{self._source(f)}</small>" if self._source(f) else ""
                line = f"<math display='block'>{self.line(f)}</math>{source}{self.reason(f)}"
                body.append(f"<p id='{html.escape(f.name)}'>{line}</p>")
        language = f"<html lang='{current()}'>"
        head = f"<!doctype html>\n{language}<head><meta charset='utf-8'><title>{title}</title>"
        style = (
            "<style>body{font:16px/1.5 sans-serif;max-width:50em;margin:2em auto;padding:0 1em}</style></head><body>"
        )
        return "\n".join([head, style, *body, "</body></html>"]) + "\n"

    def _plain(self) -> str:
        lines = [self._title(), "", self._convention()]
        for heading, note, formulas in self.sections():
            title = say("{heading}. {note}", heading=heading, note=note) if note else say("{heading}.", heading=heading)
            lines += ["", title]
            for f in formulas:
                source = self._source(f)
                lines.append(f"    {self.line(f)}" + (f"    ({source})" if source else ""))
                lines += [f"        {self.reason(f)}"] * bool(self.reason(f))
        return "\n".join(lines) + "\n"


def _in_markdown(text: str) -> str:
    """Return text for Markdown, with nothing in it that Markdown or MathJax would read as a sign."""
    return re.sub(r"([\\`*_\[\]<>$#&])", r"\\\1", text)


def _escaped(text: str) -> str:
    """Return text for LaTeX; its symbols are set as formulas."""
    symbols = {"delta": r"$\delta$", "T+1": "$T+1$", "L_t": "$L_t$"}
    parts = re.split(f"({'|'.join(map(re.escape, symbols))})", text)
    return "".join(symbols.get(part) or re.sub(r"([_#%&$])", r"\\\1", part) for part in parts)
