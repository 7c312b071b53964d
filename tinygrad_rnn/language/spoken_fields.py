"""Attributes of results that hold sentences and are read as words, in the language that is spoken then.

    @dataclass(frozen=True, kw_only=True)
    class Found:
        remarks: Spoken[tuple[str, ...]] = Spoken()

`found.remarks` is a tuple of str. So a result is a plain object for who reads it, and can be read in both languages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar, overload

from tinygrad_rnn.language.saying import Listed, Sentence

T = TypeVar("T")
Kind = TypeVar("Kind")
NONE: Any = object()


class Spoken(Generic[T]):
    """A field of a dataclass that is given sentences, within lists, tuples and dicts too, and is read as words."""

    def __init__(self, default: Any = NONE) -> None:
        self._default, self._name = default, ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, it: None, owner: type) -> Spoken[T]: ...

    @overload
    def __get__(self, it: object, owner: type) -> T: ...

    def __get__(self, it: object, owner: type) -> Any:
        if it is None:  # where dataclass asks for the default of the field
            if self._default is NONE:
                raise AttributeError(self._name)
            return self._default
        return spoken(vars(it)[self._name])

    def __set__(self, it: object, value: Any) -> None:
        vars(it)[self._name] = value


def spoken(value: Any) -> Any:
    """Return a value with words for its sentences, in the language that is spoken."""
    if isinstance(value, Sentence | Listed):
        return str(value)
    if isinstance(value, tuple | list):
        return type(value)(map(spoken, value))
    if isinstance(value, Mapping):
        return {spoken(key): spoken(held) for key, held in value.items()}
    return value


def stored(it: object, name: str) -> Any:
    """Return what an attribute was given: sentences, which are not said yet."""
    return vars(it)[name]


def changed(it: Kind, **values: Any) -> Kind:
    """Return a copy of a dataclass with other values of some attributes; its sentences stay sentences."""
    return type(it)(**{**vars(it), **values})
