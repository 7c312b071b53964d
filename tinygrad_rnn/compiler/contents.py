"""The contents of an object as a key: two objects with equal keys are the same to a function that reads them.

Neither identity nor `==` says that: an object can be changed in place, and 1 == True == 1.0, 0.0 == -0.0.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable
from types import BuiltinFunctionType, CellType, FunctionType, ModuleType
from typing import Any

from tinygrad_rnn.core.tensor import Tensor


class _Same:
    """A key that is equal only for the same object."""

    __slots__ = ("what",)

    def __init__(self, what: object) -> None:
        self.what = what

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.what is self.what

    def __hash__(self) -> int:
        return id(self.what)


def contents(a: Any, within: tuple[int, ...] = ()) -> Hashable:
    """Return the contents of an object as a key: its type and, all the way down, its parts.

    The parts of a function are its code and the values that it closes over. Classes, modules and objects that cannot be
    taken apart (a lock) are told apart by identity. An object that holds itself is read once: `within` has the ids of
    the objects that are being read.

    Raises TypeError for a Tensor whose values stay on a tape.
    """
    kind: Any = type(a)
    if a is None or kind in (bool, int, str, bytes):
        return kind, a
    if kind is float:
        return kind, a.hex()
    if isinstance(a, type | ModuleType):
        return _Same(a)
    if id(a) in within:
        return kind, within.index(id(a))
    within = (*within, id(a))

    def each(items: Iterable[object]) -> tuple[Hashable, ...]:
        return tuple([contents(item, within) for item in items])

    if kind is Tensor:
        a.require_unsealed("a constant")
        return kind, contents(a.data, within)
    if kind in (tuple, list, set, frozenset):
        return kind, each(a)
    if kind is dict:
        return kind, each(a.items())
    if kind is memoryview:
        return kind, a.format, a.shape, a.tobytes()
    if kind is FunctionType:
        cells = [_cell(cell) for cell in a.__closure__ or ()]
        return _Same(a.__code__), _Same(a.__globals__), each((cells, a.__defaults__, a.__kwdefaults__, a.__dict__))
    try:
        reduced: Any = a.__reduce_ex__(4)
    except Exception:  # an object that cannot be taken apart may raise anything
        reduced = ""
    if not isinstance(reduced, str):
        parts = [*reduced, None, None, None]
        made_by, arguments, state, items, pairs = parts[:5]
        by = _Same(made_by) if isinstance(made_by, BuiltinFunctionType) else contents(made_by, within)
        return kind, by, each((arguments, state)), each(items or ()), each(pairs or ())
    if isinstance(a, Collection):  # the values of a dict
        return kind, each(a)
    return _Same(a)


def _cell(cell: CellType) -> object:
    """Return the value that a function closes over, or the cell itself where it is empty."""
    try:
        return cell.cell_contents
    except ValueError:
        return cell
