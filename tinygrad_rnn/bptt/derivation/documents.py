"""The formulas as a document: LaTeX, Markdown, a page, or plain text."""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Mapping, Sequence

from tinygrad_rnn.bptt.derivation.expressions import Ref
from tinygrad_rnn.bptt.derivation.formula_style import Style
from tinygrad_rnn.bptt.derivation.formulas import SECTIONS, Formula, Partial
from tinygrad_rnn.bptt.derivation.styles import Latex, MathML, Plain
from tinygrad_rnn.bptt.derivation.symbols import Writer

STYLES: Mapping[str, type[Style]] = {"latex": Latex, "markdown": Latex, "html": MathML, "text": Plain}
BLANK = {"latex": r"\underline{\hspace{8em}}", "html": "<mtext>______________</mtext>", "text": "______________"}
CONVENTION = (
    "Each quantity is a column vector, for one example. L is the sum of the losses L_t. The letter d before a quantity "
    "means the derivative of L with respect to it; for a net input this derivative is delta."
)


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
    ) -> None:
        self.title, self.formulas, self.writer, self.to = title, formulas, writer, to
        self.blank, self.entries = blank, entries

    def line(self, f: Formula) -> str:
        """Return one formula as text."""
        if f.name in self.blank:
            return self.writer.with_blank(f, BLANK["latex" if self.to == "markdown" else self.to])
        return self.writer.formula(f)

    def sections(self) -> list[tuple[str, str, list[Formula]]]:
        """Return the heading, the note, written out, and the formulas of each section that has formulas."""
        names = list(SECTIONS)
        whole = any(f.section == "forward" for f in self.formulas)
        found = []
        for name in names:
            inside = [f for f in self.formulas if f.section == name]
            note = "".join(self._words(part) for part in self.writer.notes.get(name, ()))
            if inside or (whole and note):
                found.append((self.writer.formulas.heading(name), note, inside))
        return found

    def _words(self, part: str | Ref | Partial) -> str:
        """Return a part of a note: words, or a quantity or a derivative in their line."""
        if isinstance(part, str):
            return html.escape(part) if self.to == "html" else _escaped(part) if self.to == "latex" else part
        text = self.writer.left(part)
        return {"text": text, "html": f"<math>{text}</math>"}.get(self.to, f"${text}$")

    def text(self) -> str:
        """Return the whole document."""
        return {"latex": self._latex, "markdown": self._markdown, "html": self._html, "text": self._plain}[self.to]()

    def _source(self, f: Formula) -> str:
        """Return the entries of the tape that a formula came from, in words."""
        if not self.entries or not f.entries:
            return ""
        return f"{'entry' if len(f.entries) == 1 else 'entries'} {', '.join(map(str, f.entries))}"

    def _latex(self) -> str:
        lines = [r"\documentclass{article}", r"\usepackage{amsmath}", r"\begin{document}"]
        lines += [rf"\section*{{BPTT of {_escaped(self.title)}}}", _escaped(CONVENTION)]
        for heading, note, formulas in self.sections():
            lines += [rf"\subsection*{{{_escaped(heading)}}}", *([note] if note else [])]
            lines.append(r"\begin{gather*}")
            rows = [self.line(f) + (rf" \tag*{{{self._source(f)}}}" if self._source(f) else "") for f in formulas]
            lines += [f"{row} \\\\" for row in rows[:-1]] + rows[-1:]
            lines.append(r"\end{gather*}")
        return "\n".join([*lines, r"\end{document}"]) + "\n"

    def _markdown(self) -> str:
        blocks = [f"# BPTT of {self.title}", CONVENTION]
        for heading, note, formulas in self.sections():
            blocks += [f"## {heading}", *([note] if note else [])]
            for f in formulas:
                blocks.append(f"$$\n{self.line(f)}\n$$" + (f"\n\n({self._source(f)})" if self._source(f) else ""))
        return "\n\n".join(blocks) + "\n"

    def for_notebook(self) -> str:
        """Return the Markdown of a notebook's output: as the document, with bold lines in the place of headings."""
        blocks = [f"**BPTT of {_in_markdown(self.title)}**", CONVENTION.replace("L_t", "$L_t$")]
        for heading, note, formulas in self.sections():
            blocks += [f"**{heading}**", *([note] if note else []), *(f"$$\n{self.line(f)}\n$$" for f in formulas)]
        return "\n\n".join(blocks) + "\n"

    def for_mathjax(self) -> str:
        """Return all formulas as one, of what MathJax and KaTeX know, with the headings as text."""
        rows = []
        for heading, _, formulas in self.sections():
            rows += [rf"\textbf{{{_escaped(heading)}}}", *map(self.line, formulas)]
        return "$$\n\\begin{gathered}\n" + " \\\\\n".join(rows) + "\n\\end{gathered}\n$$"

    def _html(self) -> str:
        title = f"BPTT of {html.escape(self.title)}"
        body = [f"<h1>{title}</h1>", f"<p>{html.escape(CONVENTION)}</p>"]
        for heading, note, formulas in self.sections():
            body += [f"<h2>{html.escape(heading)}</h2>", *([f"<p>{note}</p>"] if note else [])]
            for f in formulas:
                source = f"<small>{self._source(f)}</small>" if self._source(f) else ""
                body.append(f"<p id='{html.escape(f.name)}'><math display='block'>{self.line(f)}</math>{source}</p>")
        head = f"<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><title>{title}</title>"
        style = (
            "<style>body{font:16px/1.5 sans-serif;max-width:50em;margin:2em auto;padding:0 1em}</style></head><body>"
        )
        return "\n".join([head, style, *body, "</body></html>"]) + "\n"

    def _plain(self) -> str:
        lines = [f"BPTT of {self.title}", "", CONVENTION]
        for heading, note, formulas in self.sections():
            lines += ["", f"{heading}.{' ' * bool(note)}{note}"]
            for f in formulas:
                source = self._source(f)
                lines.append(f"    {self.line(f)}" + (f"    ({source})" if source else ""))
        return "\n".join(lines) + "\n"


def _in_markdown(text: str) -> str:
    """Return text for Markdown, with nothing in it that Markdown or MathJax would read as a sign."""
    return re.sub(r"([\\`*_\[\]<>$#&])", r"\\\1", text)


def _escaped(text: str) -> str:
    """Return text for LaTeX; its symbols are set as formulas."""
    symbols = {"delta": r"$\delta$", "T+1": "$T+1$", "L_t": "$L_t$"}
    parts = re.split(f"({'|'.join(map(re.escape, symbols))})", text)
    return "".join(symbols.get(part) or re.sub(r"([_#%&$])", r"\\\1", part) for part in parts)
