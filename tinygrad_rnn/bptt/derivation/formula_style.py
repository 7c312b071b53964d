"""What a style of formulas writes: letters, signs, fractions and sums. `styles` has LaTeX, plain text and MathML."""

from __future__ import annotations

from typing import Protocol

NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta kappa lambda mu nu xi rho sigma tau phi chi psi omega "
    "Gamma Delta Theta Lambda Sigma Phi Psi Omega"
)
GREEK = dict(zip(NAMES.split(), "αβγδεζηθκλμνξρστφχψωΓΔΘΛΣΦΨΩ", strict=True))


class Style(Protocol):
    """The style of a formula: LaTeX, MathML or plain text."""

    def symbol(self, base: str, sub: str) -> str:
        """Return a letter or a word with its index; `c~` is a c with a tilde above."""

    def indexed(self, text: str, sub: str) -> str:
        """Return a part of an array."""

    def number(self, text: str) -> str:
        """Return a number."""

    def sign(self, name: str) -> str:
        """Return a sign: +, -, =, odot, and so on."""

    def row(self, *parts: str) -> str:
        """Return the parts one after the other."""

    def bracketed(self, inner: str, kind: str = "(") -> str:
        """Return `inner` in round or square brackets, or between two lines."""

    def root(self, inner: str) -> str:
        """Return a square root."""

    def fraction(self, above: str, below: str) -> str:
        """Return a quotient."""

    def raised(self, base: str, exponent: str) -> str:
        """Return a power; the exponent `T` means the transpose."""

    def function(self, name: str) -> str:
        """Return the name of a function."""

    def applied(self, function: str, inner: str) -> str:
        """Return a function applied to `inner`."""

    def stacked(self, parts: list[str]) -> str:
        """Return a column of parts."""

    def summed(self, inner: str, over: tuple[str, str, str]) -> str:
        """Return a sum over a letter, from its first to its last value: ("t", "1", "T")."""
