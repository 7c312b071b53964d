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
        return _said(self.template, self.parts)

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def but(self, **parts: object) -> Sentence:
        """Return the sentence with other parts."""
        return Sentence(self.template, {**self.parts, **parts})

    def __repr__(self) -> str:
        return f"<Sentence: {self}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sentence):
            return NotImplemented
        return self.template == other.template and self.parts == other.parts

    def __hash__(self) -> int:
        return hash(self.template)


class Listed:
    """Words one after another, with what stands between them."""

    __slots__ = ("between", "parts")

    def __init__(self, parts: Iterable[object], between: str | Sentence) -> None:
        self.parts, self.between = tuple(parts), between

    def __str__(self) -> str:
        if current() == "en":
            return str(self.between).join(map(str, self.parts))
        between, pieces = str(self.between), list[str]()
        for part in self.parts:
            pieces += [between, str(part)] if pieces else [str(part)]
        from tinygrad_rnn.language.chinese.spacing import together

        return together(pieces)

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


Words: TypeAlias = str | Sentence | Listed
"""Words of the program: sentences, or what is the same in each language, such as a name or a formula."""


def template(text: str) -> str:
    """Return the template of a sentence that is made elsewhere, where its parts are known: in a table, for example."""
    return text


def sentence(template: str, /, **parts: object) -> Sentence:
    """Return a sentence that is said later, with these parts in the places of its placeholders."""
    return Sentence(template, parts)


def say(template: str, /, **parts: object) -> str:
    """Return a sentence in the language that is spoken, with these parts in the places of its placeholders."""
    return _said(template, parts)


def counts(number: int, one: str, several: str) -> str:
    """Return a number with its noun, `1 step` or `2,000 steps`, from two templates in which `n` is the number."""
    return _said(one if number == 1 else several, {"n": number})


def listed(parts: Iterable[object]) -> Words:
    """Return words with commas between them: `dU, dW`, in Chinese `dU、dW`. One alone stays as it is."""
    return _between(parts, sentence(", "))


def joined(parts: Iterable[object]) -> Words:
    """Return words with "and" between them: `dU and dW`, in Chinese `dU 和 dW`. One alone stays as it is."""
    return _between(parts, sentence(" and "))


def _between(parts: Iterable[object], between: Sentence) -> Words:
    every = tuple(parts)
    if len(every) == 1 and isinstance(every[0], str | Sentence | Listed):
        return every[0]
    return Listed(every, between)


def after_each_other(parts: Iterable[object]) -> Listed:
    """Return sentences that follow each other, with a space between English ones."""
    return Listed(parts, sentence(" "))


def _said(template: str, parts: Mapping[str, object]) -> str:
    """Fill the template of the language that is spoken; the English one where there is no translation."""
    if current() == "en":
        return template.format_map(parts)
    from tinygrad_rnn.language.chinese.catalogues import CHINESE
    from tinygrad_rnn.language.chinese.spacing import filled

    return filled(CHINESE.get(template, template), parts)
