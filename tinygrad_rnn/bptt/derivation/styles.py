"""The three styles of a formula: LaTeX, plain text, and MathML for pages."""

from __future__ import annotations

import html

from tinygrad_rnn.bptt.derivation.formula_style import GREEK

SIGNS = {"odot": "⊙", "partial": "∂", "-": "−", ">=": "≥", "<=": "≤", "!=": "≠", "==": "=", "mapsto": "↦"}
TOP = r"\top"
TILDE = "\u0303"
"""The character that sets a tilde above the letter before it."""
CLOSING = {"(": ")", "[": "]", "|": "|"}
"""What closes each bracket."""
KNOWN = frozenset({"tanh", "exp", "log", "sin", "cos", "max", "min"})


class Latex:
    """LaTeX, for a document with amsmath."""

    def symbol(self, base: str, sub: str) -> str:
        """Return a letter or a word with its index."""
        if base == "1" and not sub:
            return r"\mathbf{1}"
        letter = base.removesuffix("~")
        word = letter.replace("_", r"\_")
        text = "\\" + letter if letter in GREEK else letter if len(letter) < 2 else rf"\mathrm{{{word}}}"
        text = rf"\tilde{{{text}}}" if letter != base else text
        index = ",".join(p if len(p) < 2 or not p.isalpha() else rf"\mathrm{{{p}}}" for p in sub.split(","))
        return f"{text}_{{{index}}}" if sub else text

    def indexed(self, text: str, sub: str) -> str:
        """Return a part of an array."""
        return f"[{text}]_{{{sub}}}"

    def number(self, text: str) -> str:
        """Return a number."""
        digits, e, power = text.partition("e")
        return f"{digits} \\cdot 10^{{{int(power)}}}".removeprefix(r"1 \cdot ") if e else text

    def sign(self, name: str) -> str:
        """Return a sign."""
        known = {
            "mapsto": r"\mapsto",
            "odot": r"\odot",
            "partial": r"\partial",
            "d": r"\mathrm{d}",
            ">=": r"\ge",
            "<=": r"\le",
            "!=": r"\ne",
        }
        return {"==": "=", "mapsto": r"\mapsto", **known}.get(name, name)

    def row(self, *parts: str) -> str:
        """Return the parts one after the other."""
        return " ".join(parts)

    def bracketed(self, inner: str, kind: str = "(") -> str:
        """Return `inner` in round or square brackets of the size that it needs, or between two lines."""
        close = CLOSING[kind]
        tall = any(word in inner for word in (r"\frac", r"\begin", r"\sum"))
        return rf"\left{kind}{inner}\right{close}" if tall else f"{kind}{inner}{close}"

    def root(self, inner: str) -> str:
        """Return a square root."""
        return rf"\sqrt{{{inner}}}"

    def fraction(self, above: str, below: str) -> str:
        """Return a quotient."""
        return rf"\frac{{{above}}}{{{below}}}"

    def raised(self, base: str, exponent: str) -> str:
        """Return a power; the exponent `T` means the transpose."""
        if exponent == "'":
            return f"{base}'"
        return f"{base}^{{{TOP if exponent == 'T' else exponent}}}"

    def function(self, name: str) -> str:
        """Return the name of a function."""
        if name == "d":
            return r"\mathrm{d}"
        name = name.replace("_", r"\_")
        return f"\\{name}" if name in KNOWN else rf"\operatorname{{{name}}}"

    def applied(self, function: str, inner: str) -> str:
        """Return a function applied to `inner`."""
        return f"{function}{self.bracketed(inner)}"

    def stacked(self, parts: list[str]) -> str:
        """Return a column of parts."""
        return r"\begin{bmatrix} " + r" \\ ".join(parts) + r" \end{bmatrix}"

    def summed(self, inner: str, over: tuple[str, str, str]) -> str:
        """Return a sum over a letter, from its first to its last value."""
        letter, first, last = over
        return rf"\sum_{{{letter}={first}}}^{{{last}}} {inner}"


class Plain:
    """Plain text, one line for each formula."""

    def symbol(self, base: str, sub: str) -> str:
        """Return a letter or a word with its index."""
        letter = base.removesuffix("~")
        text = GREEK.get(letter, letter) + TILDE * (letter != base)
        return text + (f"_{{{sub}}}" if len(sub) > 1 else f"_{sub}" if sub else "")

    def indexed(self, text: str, sub: str) -> str:
        """Return a part of an array."""
        return f"({text})[{sub}]" if " " in text else f"{text}[{sub}]"

    def number(self, text: str) -> str:
        """Return a number."""
        return text

    def sign(self, name: str) -> str:
        """Return a sign."""
        return {"-": "-"}.get(name, SIGNS.get(name, name))

    def row(self, *parts: str) -> str:
        """Return the parts one after the other."""
        return "".join(parts) if parts[0] in ("∂", "∂⁺", "d") else " ".join(parts)

    def bracketed(self, inner: str, kind: str = "(") -> str:
        """Return `inner` in round or square brackets, or between two lines."""
        return f"{kind}{inner}{CLOSING[kind]}"

    def root(self, inner: str) -> str:
        """Return a square root."""
        return f"√({inner})" if " " in inner else f"√{inner}"

    def fraction(self, above: str, below: str) -> str:
        """Return a quotient."""
        below = below if " " not in below or below.startswith("∂") else f"({below})"
        return f"{above if ' ' not in above else f'({above})'}/{below}"

    def raised(self, base: str, exponent: str) -> str:
        """Return a power; the exponent `T` means the transpose."""
        return base + {"T": "ᵀ", "2": "²", "3": "³", "'": "'", "+": "⁺"}.get(exponent, f"^{exponent}")

    def function(self, name: str) -> str:
        """Return the name of a function."""
        return name

    def applied(self, function: str, inner: str) -> str:
        """Return a function applied to `inner`."""
        return f"{function}({inner})"

    def stacked(self, parts: list[str]) -> str:
        """Return a column of parts."""
        return f"[{'; '.join(parts)}]"

    def summed(self, inner: str, over: tuple[str, str, str]) -> str:
        """Return a sum over a letter, up to its last value where this is a letter of the line."""
        letter, _, last = over
        return f"Σ_{letter} {inner}" if last.startswith("T") else f"Σ_{{{letter}≤{last}}} {inner}"


class MathML:
    """MathML, for a page in a browser."""

    def symbol(self, base: str, sub: str) -> str:
        """Return a letter or a word with its index."""
        letter = base.removesuffix("~")
        text = f"<mi>{html.escape(GREEK.get(letter, letter))}</mi>"
        text = f"<mover accent='true'>{text}<mo>~</mo></mover>" if letter != base else text
        if not sub:
            return text
        return f"<msub>{text}<mrow><mtext>{html.escape(sub.replace('-', '−'))}</mtext></mrow></msub>"

    def indexed(self, text: str, sub: str) -> str:
        """Return a part of an array."""
        return f"<msub><mrow><mo>[</mo>{text}<mo>]</mo></mrow><mtext>{sub}</mtext></msub>"

    def number(self, text: str) -> str:
        """Return a number."""
        digits, e, power = text.partition("e")
        if not e:
            return f"<mn>{text}</mn>"
        ten = f"<msup><mn>10</mn><mn>{int(power)}</mn></msup>".replace("-", "−")
        return ten if digits == "1" else f"<mrow><mn>{digits}</mn><mo>·</mo>{ten}</mrow>"

    def sign(self, name: str) -> str:
        """Return a sign."""
        if name == "d":
            return "<mi mathvariant='normal'>d</mi>"
        return f"<mo>{html.escape(SIGNS.get(name, name))}</mo>"

    def row(self, *parts: str) -> str:
        """Return the parts one after the other."""
        return f"<mrow>{''.join(parts)}</mrow>"

    def bracketed(self, inner: str, kind: str = "(") -> str:
        """Return `inner` in round or square brackets, or between two lines."""
        return f"<mrow><mo>{kind}</mo>{inner}<mo>{CLOSING[kind]}</mo></mrow>"

    def root(self, inner: str) -> str:
        """Return a square root."""
        return f"<msqrt>{inner}</msqrt>"

    def fraction(self, above: str, below: str) -> str:
        """Return a quotient."""
        return f"<mfrac>{above}{below}</mfrac>"

    def raised(self, base: str, exponent: str) -> str:
        """Return a power; the exponent `T` means the transpose."""
        known = {"T": "<mo>⊤</mo>", "'": "<mo>′</mo>", "+": "<mo>+</mo>"}
        return f"<msup>{base}{known.get(exponent, exponent)}</msup>"

    def function(self, name: str) -> str:
        """Return the name of a function."""
        return f"<mi mathvariant='normal'>{html.escape(name)}</mi>"

    def applied(self, function: str, inner: str) -> str:
        """Return a function applied to `inner`."""
        return f"<mrow>{function}{self.bracketed(inner)}</mrow>"

    def stacked(self, parts: list[str]) -> str:
        """Return a column of parts."""
        rows = "".join(f"<mtr><mtd>{part}</mtd></mtr>" for part in parts)
        return f"<mrow><mo>[</mo><mtable>{rows}</mtable><mo>]</mo></mrow>"

    def summed(self, inner: str, over: tuple[str, str, str]) -> str:
        """Return a sum over a letter, from its first to its last value."""
        letter, first, last = over
        below = f"<mrow><mi>{letter}</mi><mo>=</mo><mn>{first}</mn></mrow>"
        return f"<mrow><munderover><mo>∑</mo>{below}<mi>{last}</mi></munderover>{inner}</mrow>"
