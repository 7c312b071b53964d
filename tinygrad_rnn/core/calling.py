"""A call of NumPy's function in the words of ours: the same arguments, wherever NumPy's signature has them.

NumPy's functions take more arguments than ours, some by place. One that has NumPy's default says nothing and is left
out. Any other that ours does not know is refused by its name, and never taken for another.
"""

from __future__ import annotations

import inspect
from functools import cache
from typing import NamedTuple

import numpy as np

from tinygrad_rnn.core import errors
from tinygrad_rnn.core.table import Args, Function, Kwargs, Primitive

UNSAID: Kwargs = {"out": None, "dtype": None, "casting": "same_kind", "order": "K", "where": True}
"""The defaults of NumPy's functions that do not tell their signature, and of ufuncs."""


class Signatures(NamedTuple):
    """The arguments of NumPy's function, and of ours."""

    names: tuple[str, ...] | None  # NumPy's arguments by place; None where nothing is known of them
    defaults: Kwargs
    agree: int  # how many places mean the same in both
    known: frozenset[str] | None  # ours by name; None where it takes any


@cache
def signatures(function: Function, ours: Function) -> Signatures:
    """Return the signatures of a function of NumPy and of ours for it."""
    own = parameters_of(ours.function if isinstance(ours, Primitive) else ours) or ()
    own_names = [p.name for p in own if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    open_ended = any(p.kind is p.VAR_KEYWORD for p in own)
    known = None if open_ended else frozenset(p.name for p in own)
    parameters = parameters_of(function)
    if parameters is None:
        return Signatures(None, UNSAID, 0, known)
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return Signatures(None, {**UNSAID, **defaults}, 0, known)
    names = tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))
    # Arguments that must be given, or that have a place alone, have the same places in both, under whatever names.
    placed = sum(p.default is p.empty or (p.kind is p.POSITIONAL_ONLY) for p in parameters if p.name in names)
    agree = next((k for k, name in enumerate(names) if k >= placed and own_names[k : k + 1] != [name]), len(names))
    if any(p.kind is p.VAR_POSITIONAL for p in own):
        agree = len(names)
    return Signatures(names, defaults, agree, known)


def parameters_of(function: Function) -> tuple[inspect.Parameter, ...] | None:
    """Return the parameters of a function; None where it does not tell them, as some functions written in C."""
    try:
        return tuple(inspect.signature(function).parameters.values())
    except ValueError:
        return None


def as_ours(function: Function, ours: Function, args: Args, kwargs: Kwargs) -> tuple[Args, Kwargs]:
    """Return the arguments of ours for a call of NumPy's function. Raises TypeError for those that ours lacks."""
    names, defaults, agree, known = signatures(function, ours)
    if not kwargs and (names is None or len(args) <= agree):
        return args, kwargs
    if names is not None:
        if names[0] in kwargs:  # np.sum(a=x): ours has another name for its first argument
            args, kwargs = (kwargs[names[0]], *args), {key: v for key, v in kwargs.items() if key != names[0]}
        if len(args) > agree:
            kwargs = {**dict(zip(names[agree:], args[agree:], strict=False)), **kwargs}
            args = args[:agree]
    return args, said(function.__name__, defaults, known, args, kwargs)


def said(name: str, defaults: Kwargs, known: frozenset[str] | None, args: Args, kwargs: Kwargs) -> Kwargs:
    """Return the keywords that say something. Raises TypeError for one that is not known."""
    found = {}
    for key, value in kwargs.items():
        if value is np._NoValue:
            continue
        if known is None or key in known:
            found[key] = value
        elif key not in defaults or not same(value, defaults[key]):
            raise errors.unknown_keyword(name, args, key, value)
    return found


def same(value: object, default: object) -> bool:
    """Is an argument the default?"""
    return value is default or (type(value) in (str, bool, int) and type(value) is type(default) and value == default)
