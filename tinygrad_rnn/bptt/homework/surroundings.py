"""What functions read besides their arguments: globals, and variables of the functions that enclose them."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.homework.array_places import World
from tinygrad_rnn.bptt.homework.called import ExamineValueError


class Surroundings:
    """The globals and the enclosing variables that functions read, and those that are read by what they call.

    globals, closure: their values by name; what cannot be copied is left out.
    """

    def __init__(self, functions: Sequence[Any], params: Sequence[str] | None = None) -> None:
        self._modules: dict[str, dict[str, Any]] = {}
        self._cells: dict[str, CellType] = {}
        self._walk([plain(f) for f in functions])
        main = getattr(plain(functions[0]), "__globals__", {})
        for name in params or ():
            if name in main:
                self._modules.setdefault(name, main)
            elif name not in self._cells:
                raise ExamineValueError(
                    f"examine: params names {name!r}, which is no variable of the module or of an enclosing function\n"
                    "name variables that hold arrays, dicts or objects with arrays"
                )
        self.globals = {name: there[name] for name, there in self._modules.items() if _copied(there[name])}
        self.closure = {n: cell.cell_contents for n, cell in self._cells.items() if _copied(cell.cell_contents)}

    @contextmanager
    def exchanged(self, world: World) -> Iterator[None]:
        """Let the functions find the values of a world."""
        before = {name: self._modules[name][name] for name in world.globals}
        inside = {name: self._cells[name].cell_contents for name in world.closure}
        try:
            for name, value in world.globals.items():
                self._modules[name][name] = value
            for name, value in world.closure.items():
                self._cells[name].cell_contents = value
            yield
        finally:
            for name, value in before.items():
                self._modules[name][name] = value
            for name, value in inside.items():
                self._cells[name].cell_contents = value

    def _walk(self, functions: list[Any]) -> None:
        seen: set[int] = set()
        pending = [f for f in functions if isinstance(f, FunctionType)]
        homes = {id(f.__globals__) for f in pending}
        while pending:
            function = pending.pop(0)
            if id(function) in seen or id(function.__globals__) not in homes:
                continue  # another module, such as NumPy, is none of the person's
            seen.add(id(function))
            there = function.__globals__
            for name in names_in(function.__code__):
                if name in there and not name.startswith("__"):
                    pending += self._found(name, there[name], there)
            for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
                try:
                    value = cell.cell_contents
                except ValueError:  # a variable without a value yet
                    continue
                called = functions_of(value)
                pending += called
                if not called:
                    self._cells.setdefault(name, cell)

    def _found(self, name: str, value: Any, there: dict[str, Any]) -> list[FunctionType]:
        called = functions_of(value)
        if not called and not isinstance(value, ModuleType | type | np.ufunc | BuiltinFunctionType | partial):
            self._modules.setdefault(name, there)
        return called


def functions_of(value: Any) -> list[FunctionType]:
    """Return the functions that a value is or, if it is a class, has as methods."""
    if inspect.isclass(value):
        return [f for base in value.__mro__ for f in map(plain, vars(base).values()) if isinstance(f, FunctionType)]
    found = plain(value)
    return [found] if isinstance(found, FunctionType) else []


def plain(function: Any) -> Any:
    """Return the function within partials, bound methods, static methods and decorators."""
    while True:
        if isinstance(function, partial):
            function = function.func
        elif hasattr(function, "__func__"):
            function = function.__func__
        elif hasattr(function, "__wrapped__") and callable(function):
            function = function.__wrapped__
        else:
            return function


def names_in(code: CodeType) -> list[str]:
    """Return the names that code looks up outside of itself, that of functions within it too, in their order."""
    found: dict[str, None] = {}
    pending = [code]
    while pending:
        one = pending.pop(0)
        found |= dict.fromkeys(one.co_names)
        pending += [constant for constant in one.co_consts if isinstance(constant, CodeType)]
    return list(found)


def owner_of(function: Callable[..., Any]) -> Any:
    """Return the object whose method a function is; None where it is none."""
    while isinstance(function, partial):
        function = function.func
    owner = getattr(function, "__self__", None)
    return None if owner is None or inspect.isclass(owner) or inspect.ismodule(owner) else owner


def _copied(value: Any) -> bool:
    try:
        copy.deepcopy(value)
    except Exception:
        return False
    return True
