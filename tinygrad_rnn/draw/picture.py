"""What is drawn of a tape, before any layout: boxes and arrows. Both engines, Graphviz and the grid, draw the same.

One box for each entry, named `v<number>` after its place on the tape. What comes from outside (a parameter, x_t, a
constant) is drawn as a small copy at each use, `v<number>_<argument>`, so that a shared parameter does not tie all the
steps into a knot; a transposed parameter or one row of x is part of that copy's label. Time is the column.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tinygrad_rnn.engine.recording import Entry
from tinygrad_rnn.engine.steps import carried, steps, time_of
from tinygrad_rnn.engine.tape import Tape
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.engine.text import index_text

BUDGET = 300
"""How many entries are drawn before the middle of the tape is left out: about what can be read."""

ENDS = 3
"""How many steps are then shown at either end, if they fit."""

SYMBOLS = {"add": "+", "subtract": "−", "multiply": "×", "divide": "÷", "matmul": "@", "sigmoid": "σ", "negative": "−"}

GAP = "gap"


@dataclass(frozen=True)
class Box:
    """One node of the drawing."""

    id: str
    kind: str  # a key of `style.STYLES`
    title: str  # the value's name, or the operation's symbol
    detail: str  # the operation, where the title is a name
    shape: str
    column: Any  # the step, None outside of time

    @property
    def label(self) -> str:
        """`h₂ = tanh` for what has a name, else the operation's symbol."""
        return f"{self.title} = {self.detail}" if self.detail else self.title


@dataclass
class Picture:
    """Boxes and arrows; `columns` are the steps that are drawn, in order, with `GAP` where some are left out."""

    boxes: dict[str, Box] = field(default_factory=dict)
    arrows: dict[tuple[str, str], None] = field(default_factory=dict)
    columns: list[Any] = field(default_factory=list)
    left_out: str = ""

    def carried(self, source: str, target: str) -> bool:
        """Whether an arrow runs from one step to another."""
        a, b = self.boxes[source].column, self.boxes[target].column
        return a is not None and b is not None and a != b


def picture(tape: Tape, ends: int | None = None) -> Picture:
    """The boxes and arrows of a tape. Of a long one its first and last `ends` steps (by default as many as fit).

    Raises ValueError for a tape with no entries, and for `ends` below 1.
    """
    if not len(tape):
        raise ValueError("draw: the tape is empty\nrecord something: with Tape() as tape: ...")
    if ends is not None and ends < 1:
        raise ValueError(f"draw: ends={ends}\ngive the number of steps to show at either end, at least 1")
    return _Drawer(tape, ends).draw()


class _Drawer:
    def __init__(self, tape: Tape, ends: int | None) -> None:
        self.entries, passed_on = _without_restacking(list(tape))
        self.number = {entry.out: k for k, entry in enumerate(self.entries)}
        self.views = self._views() | passed_on
        self.picture = Picture()
        self.hidden = self._hidden(ends)
        self.users = self._steps_that_use()
        self.states = {self.entries[maker].out.name for maker, _ in carried(tape)}

    def draw(self) -> Picture:
        for k, entry in enumerate(self.entries):
            if k in self.hidden:
                self._gap()
            elif k not in self.views:
                self._entry(k, entry)
        return self.picture

    def _entry(self, k: int, entry: Entry) -> None:
        symbol = SYMBOLS.get(entry.op.name, entry.op.name)
        name = entry.out.name
        t = time_of(entry.scope)
        if entry.op.name == "getitem":
            symbol = index_text(entry.args[1:])
        if name is None:
            kind, title, detail = "op", symbol, ""
        else:
            in_gate = any(key == "gate" for key, _ in entry.scope)
            kind = "gate" if in_gate else "state" if name in self.states else "named"
            title, detail = name + _subscript(t), symbol
        self._box(Box(f"v{k}", kind, title, detail, _shape(entry.out), t))
        for position, a in enumerate(entry.args):
            if isinstance(a, Tensor):
                maker = self.number.get(a)
                if maker is None or maker in self.views:
                    self._copy(k, position, a, t)
                else:
                    self._arrow(GAP if maker in self.hidden else f"v{maker}", f"v{k}")
            elif isinstance(a, np.ndarray) or (isinstance(a, float | int) and entry.op.name != "getitem"):
                self._copy(k, position, a, t)

    def _copy(self, k: int, position: int, a: Any, t: Any) -> None:
        """A small box for what comes from outside, beside the entry that reads it."""
        if isinstance(a, Tensor):
            leaf, title = self._leaf(a)
            shared = len(self.users.get((leaf, title), ())) > 1
            kind = "parameter" if shared else "input"
        elif isinstance(a, np.ndarray):
            title, kind = "array", "constant"
        else:
            title, kind = f"{a:.4g}", "constant"
        self._box(Box(f"v{k}_{position}", kind, title, "", _shape(a) if isinstance(a, Tensor | np.ndarray) else "", t))
        self._arrow(f"v{k}_{position}", f"v{k}")

    def _leaf(self, a: Tensor) -> tuple[Tensor, str]:
        """The leaf behind a view of it, and what to call the view: `weight_hhᵀ`, `x[2]`."""
        suffix = ""
        while (maker := self.number.get(a)) is not None:
            op, args = self.entries[maker].op.name, self.entries[maker].args
            suffix = ("ᵀ" if op == "transpose" else index_text(args[1:])) + suffix
            a = args[0]
        return a, (a.name or "leaf") + suffix

    def _views(self) -> set[int]:
        """The entries that only take a part or the transpose of a leaf, for others to read, and have no name."""
        views: set[int] = set()
        read = {a for entry in self.entries for a in entry.args if isinstance(a, Tensor)}
        for k, entry in enumerate(self.entries):
            if entry.op.name in ("getitem", "transpose") and entry.out.name is None and entry.out in read:
                maker = self.number.get(entry.args[0])
                plain = all(not isinstance(part, Tensor | np.ndarray) for part in entry.args[1:])
                if plain and (maker is None or maker in views):
                    views.add(k)
        return views

    def _steps_that_use(self) -> dict[tuple[Tensor, str], set[Any]]:
        """In which steps each leaf, or each view of it, is read: what several steps share is a parameter.

        A view counts by itself: x is read in all steps, but each of its rows in one.
        """
        users: dict[tuple[Tensor, str], set[Any]] = {}
        for k, entry in enumerate(self.entries):
            for a in entry.args:
                outside = isinstance(a, Tensor) and (a not in self.number or self.number[a] in self.views)
                if outside and k not in self.views:
                    users.setdefault(self._leaf(a), set()).add(time_of(entry.scope))
        return users

    def _hidden(self, ends: int | None) -> set[int]:
        """The entries left out of the middle, and the columns that remain."""
        by_time = steps(self.entries)
        if not by_time:
            keep = BUDGET // 2 if ends is None else ends
            hidden = set(range(keep, len(self.entries) - keep))
            self.picture.left_out = f"{len(hidden):,} entries" if hidden else ""
            return hidden
        times = list(by_time)
        if ends is None and len(self.entries) > BUDGET:
            in_a_step = max(len(numbers) for numbers in by_time.values())
            ends = min(ENDS, max(1, BUDGET // (2 * in_a_step)))
        if ends is None or len(times) <= 2 * ends + 1:
            self.picture.columns = times
            return set()
        left_out = times[ends:-ends]
        self.picture.columns = [*times[:ends], GAP, *times[-ends:]]
        self.picture.left_out = f"{len(left_out):,} steps"
        return {number for t in left_out for number in by_time[t]}

    def _gap(self) -> None:
        if GAP not in self.picture.boxes:
            column = GAP if GAP in self.picture.columns else None
            self._box(Box(GAP, "gap", f"… {self.picture.left_out} …", "", "", column))
            # What the hidden part reads of the visible one enters the gap.
            for k in sorted(self.hidden):
                for a in self.entries[k].args:
                    maker = self.number.get(a) if isinstance(a, Tensor) else None
                    if maker is not None and maker not in self.hidden and maker not in self.views:
                        self._arrow(f"v{maker}", GAP)

    def _box(self, box: Box) -> None:
        self.picture.boxes[box.id] = replace(box, title=_printable(box.title))

    def _arrow(self, source: str, target: str) -> None:
        self.picture.arrows[source, target] = None


def _without_restacking(entries: list[Entry]) -> tuple[list[Entry], set[int]]:
    """Between two layers the states are stacked, and each step of the next takes its own out again.

    The entries with such a part replaced by the state itself, and the numbers of those that then say nothing.
    """
    made = {entry.out: entry for entry in entries}
    itself: dict[Tensor, Tensor] = {}
    for entry in entries:
        if entry.op.name == "getitem" and len(entry.args) == 2 and isinstance(entry.args[1], int):
            stack = made.get(entry.args[0])
            if stack is not None and stack.op.name == "stack" and stack.kwargs["axis"] == 0:
                itself[entry.out] = stack.args[entry.args[1]]
    if not itself:
        return entries, set()
    same = {a: itself.get(a, a) for entry in entries for a in entry.args if isinstance(a, Tensor)}
    read = {a for entry in entries if entry.out not in itself for a in entry.args if isinstance(a, Tensor)}
    stacks = {entry.args[0] for entry in entries if entry.out in itself}
    silent = {k for k, e in enumerate(entries) if e.out in itself or (e.out in stacks and e.out not in read)}
    shown = [replace(e, args=tuple(same[a] if isinstance(a, Tensor) else a for a in e.args)) for e in entries]
    return shown, silent


def _printable(name: str) -> str:
    """A name without what neither XML nor DOT can hold: control characters and halves of surrogate pairs."""
    return "".join("\ufffd" if c < " " or c == "\x7f" or "\ud800" <= c <= "\udfff" else c for c in name)


def _subscript(t: Any) -> str:
    return str(t).translate(str.maketrans("0123456789-", "₀₁₂₃₄₅₆₇₈₉₋")) if isinstance(t, int) else ""


def _shape(value: Any) -> str:
    return "×".join(map(str, value.shape)) if value.shape else "scalar"
