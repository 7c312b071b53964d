"""Sentences of the program, each said in the language that is spoken.

    say("in {to}, the path {path} is forgotten", to="dh", path="dz[t] @ U.T")

The template is the English sentence. Its translation stands under it in one of the catalogues of `chinese/`, with the
same placeholders. A template is written out where it is said, so that a test finds all of them in the source.

`say` returns the words. `sentence` returns what becomes words later, in the language that is spoken then: so results
that are kept can be shown in both languages, and a sentence that nobody reads costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from tinygrad_rnn.language.current import current


class Sentence:
    """A sentence that is not said yet: `str` says it in the language that is spoken.

    template: the English sentence, with placeholders as `str.format` has them. parts: what stands in these: numbers,
    names, other sentences.
    """

    __slots__ = ("parts", "template")

    def __init__(self, template: str, parts: Mapping[str, object]) -> None:
        self.template, self.parts = template, parts

    def __str__(self) -> str:
        return translated(self.template).format_map(self.parts)

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __repr__(self) -> str:
        return f"<Sentence: {self}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sentence):
            return NotImplemented
        return self.template == other.template and self.parts == other.parts

    def __hash__(self) -> int:
        return hash(self.template)


Words: TypeAlias = str | Sentence
"""Words of the program: a sentence, or what is the same in each language, such as a name or a formula."""


class Listed:
    """Words one after another, with what stands between them: a comma, or as `between` says."""

    __slots__ = ("between", "parts")

    def __init__(self, parts: Iterable[object], between: Words) -> None:
        self.parts, self.between = tuple(parts), between

    def __str__(self) -> str:
        return str(self.between).join(map(str, self.parts))

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __repr__(self) -> str:
        return f"<Listed: {self}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Listed):
            return NotImplemented
        return self.parts == other.parts and self.between == other.between

    def __hash__(self) -> int:
        return hash(self.parts)


def sentence(template: str, /, **parts: object) -> Sentence:
    """Return a sentence that is said later, with these parts in the places of its placeholders."""
    return Sentence(template, parts)


def say(template: str, /, **parts: object) -> str:
    """Return a sentence in the language that is spoken, with these parts in the places of its placeholders."""
    return translated(template).format_map(parts)


def listed(parts: Iterable[object]) -> Listed:
    """Return words with commas between them: `dU, dW`, in Chinese `dU、dW`."""
    return Listed(parts, sentence(", "))


def joined(parts: Iterable[object]) -> Listed:
    """Return words with "and" between them: `dU and dW`, in Chinese `dU 和 dW`."""
    return Listed(parts, sentence(" and "))


def translated(template: str) -> str:
    """Return the template in the language that is spoken; the English one where there is no translation."""
    if current() == "en":
        return template
    from tinygrad_rnn.language.chinese.catalogues import CHINESE

    return CHINESE.get(template, template)
