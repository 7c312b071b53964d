"""The data that the player shows of a tape: the run forward, the walk back, the gradients as they grow.

Numbers are rounded to the four digits shown. A large array is shown as a corner, a range and a norm.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from tinygrad_rnn.core.backward import Products, fitted, walk
from tinygrad_rnn.core.recording import scope_text
from tinygrad_rnn.core.sparse import Cotangent, Sparse
from tinygrad_rnn.core.tape import Step
from tinygrad_rnn.core.tensor import Array, Line, Tensor
from tinygrad_rnn.core.values import not_recording
from tinygrad_rnn.draw.rule_text import Wording
from tinygrad_rnn.draw.shown_arrays import LARGE, ShownArrays, shown
from tinygrad_rnn.draw.views.grouping import boxes
from tinygrad_rnn.draw.views.step_numbers import StepNumbers, numbered_from
from tinygrad_rnn.tape.array_text import norm
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.printing import index_text
from tinygrad_rnn.tape.products import dense
from tinygrad_rnn.tape.steps import steps, time_of

ENTRIES_IN_FULL = 300
"""The maximum number of entries for which arrays have up to `LARGE` numbers; on a longer tape, up to `SMALL`."""
SMALL = 8
BUDGET = 500_000
"""The maximum number of products to compute for the contributions of the entries."""

Data = dict[str, Any]


def film(
    tape: Tape,
    loss: Any,
    seed: Any = None,
    lines: Mapping[str, str] | None = None,
    first_step: int | None = None,
) -> Data:
    """Return everything that the player shows, ready for JSON.

    "entries": the run forward, in order: op, where, t, gate, code; `box`, the last entry of its box at the level of
    gates; `args`, for each argument the number of the entry that made it, -1 - k for leaf k, None for a constant;
    `name`, or, of a term, `head`, the number of the entry whose statement it belongs to; `rule` and `numbers`, the
    expression; `value`; `adds`, [leaf, norm] pairs: the entry's part of the gradient of each leaf, by paths within its
    step.
    "back": the walk back, in order: entry; its cotangent, and what that is called; products: `to` (as in args), rule,
    numbers, value, `part`, the index of what it adds to, and for a leaf the `total` so far. "leaves": name and value.
    "arrays": what `value`, `cotangent` and `total` number.
    "broken": the first position with a NaN or an infinity, None where there is none. Position p of the player is
    after p entries forward, and then after p - len(entries) back.
    "paper": formulas of a derivation, from `lines`: by the name of a value, `h`, the line that computes it, by `dh` the
    one of its gradient. `line` of an entry or a product is its number. `first_step` as for `draw.picture`.
    """
    with not_recording():
        return _Camera(tape, loss, lines or {}, numbered_from(first_step, steps(tape))).film(loss, seed)


class _Camera:
    def __init__(self, tape: Tape, loss: Any, paper: Mapping[str, str], numbers: StepNumbers) -> None:
        self.tape = tape
        self.paper = dict(paper)
        self.place = {name: n for n, name in enumerate(self.paper)}
        self.boxes, self.numbers = boxes(tape), numbers
        self.lines = tape.lines()
        self.wording = Wording(tape, loss, numbers)
        self.leaves = tape.leaves()
        self.number = {id(x): -1 - k for k, x in enumerate(self.leaves)}
        self.number |= {id(out): k for k, (_, _, _, out, _) in enumerate(self.lines)}
        self.arrays = ShownArrays(LARGE if len(tape) <= ENTRIES_IN_FULL else SMALL)
        self.cotangents: dict[int, Cotangent] = {}
        self.called: dict[int, str] = {}  # the name of each cotangent, by its id; all cotangents are kept

    def film(self, loss: Any, seed: Any) -> Data:
        back = self._back(loss, seed)
        adds = self._contributions()
        entries = [self._entry(k) | ({"adds": adds[k]} if k in adds else {}) for k in range(len(self.tape))]
        leaves = [
            {"name": self.wording.names[x], "cotangent": self.wording.cotangent(x), "value": self.arrays.number(x.data)}
            | ({} if x.dtype.kind == "f" else {"fixed": True})
            for x in self.leaves
        ]
        return {
            "paper": list(self.paper.values()),
            "entries": entries,
            "back": back,
            "leaves": leaves,
            "arrays": self.arrays.data(),
            "broken": min(self.arrays.broken, default=None),
            "contributions": bool(adds) or not back,
        }

    def _entry(self, k: int) -> Data:
        entry = self.tape[k]
        rule, numbers = self.wording.call(self.lines[k])
        scope = tuple((key, self.numbers.number(v) if key == "t" else v) for key, v in entry.scope)
        labels = dict(scope)
        head = self.wording.heads[k]
        about: Data = {
            **({"name": self.wording.names[entry.out]} if head == k else {"head": head}),
            "op": entry.op.name,
            "box": self.boxes[k],
            "args": [self.number[id(a)] if type(a) is Tensor else None for a in entry.args],
            "rule": rule,
            "numbers": numbers,
            "value": self.arrays.number(entry.out.data, k + 1),
        }
        if entry.scope:
            about["where"] = scope_text(scope)[:100]
        about |= {key: str(labels[key])[:40] for key in ("t", "gate") if key in labels}
        if entry.line:
            about["code"] = Path(entry.line).name
        return about | self._line(self.wording.bare.get(k))

    def _line(self, name: str | None, before: str = "") -> Data:
        """Return the number of the derivation's line of a value, or, with a d before, of its gradient."""
        return {"line": self.place[f"{before}{name}"]} if name and f"{before}{name}" in self.place else {}

    def _back(self, loss: Any, seed: Any) -> list[Data]:
        """Return the walk back. It is recorded, so that the rules can be read off the record."""
        totals: dict[Tensor, Array] = {}
        back: list[Data] = []
        with Tape() as rules:
            read = 0
            for step in self.tape.rewind(loss, seed):
                self._name(step)
                products = [(x, fitted(part, x)) for x, part in step.parts if x.dtype.kind == "f"]
                for line in rules[read:]:
                    if line.out is not step.cotangent:
                        self.wording.learn((line.op, line.args, line.kwargs, line.out, line.scope))
                read = len(rules)
                back.append(self._step(step, products, totals, len(self.tape) + len(back) + 1))
        return back

    def _name(self, step: Step) -> None:
        """Name a cotangent after its value. That of a value without a name is written as the rule that made it."""
        out, g = step.entry.out, step.cotangent
        expression = "" if self.wording.heads[step.index] == step.index else self.wording.expression(g)
        self.called[id(g)] = expression or self.wording.cotangent(out)
        if not expression:
            self.wording.called(g, self.called[id(g)])

    def _step(self, step: Step, products: Products, totals: dict[Tensor, Array], position: int) -> Data:
        self.cotangents[step.index] = step.cotangent
        shown = []
        for (x, product), (_, whole) in zip(products, step.products, strict=True):
            place, given = product.parts[0] if type(product) is Sparse else ((), product)
            rule, numbers = self.wording.value(given)
            to = self.number[id(x)]
            about: Data = {
                "to": to,
                "name": self.wording.cotangent(x, place),
                "rule": rule,
                "numbers": numbers,
                "value": self.arrays.number(_plain(given), position),
            }
            if to < 0:
                totals[x] = totals[x] + _plain(whole) if x in totals else _plain(whole)
                about["total"] = self.arrays.number(totals[x], position)
            if place:
                about["part"] = index_text(place)
            shown.append(about | self._line(x.name if to < 0 else self.wording.bare.get(to), "d"))
        name, cotangent = self.called[id(step.cotangent)], self.arrays.number(_plain(step.cotangent), position)
        return {"entry": step.index, "name": name, "cotangent": cotangent, "products": shown}

    def _contributions(self) -> dict[int, list[tuple[int, float | str]]]:
        """Return, for each entry, (leaf, norm) of its contributions by the paths that stay in the entry's step.

        The result is empty where the steps are so long that the contributions would take more than `BUDGET` products.
        """
        lines = self.lines
        groups: dict[Hashable, list[int]] = {}
        for k, (_, _, _, _, labels) in enumerate(lines):
            groups.setdefault(time_of(labels), []).append(k)
        outside = groups.get(None, [])  # a value made before all steps, as a transposed matrix, belongs to each
        reads = [len(args) for _, args, _, _, _ in lines]
        products = {t: sum(reads[k] for k in group) for t, group in groups.items()}
        shared = products.get(None, 0)
        work = sum(len(group) * (products[t] + shared) // 2 for t, group in groups.items())
        if work > BUDGET:
            return {}
        found: dict[int, list[tuple[int, float | str]]] = {}
        for t, group in groups.items():
            members = sorted({*group, *outside}) if t is not None else group
            within = [lines[k] for k in members]
            place = {k: n for n, k in enumerate(members)}
            found |= {k: self._through(within, place[k], self.cotangents[k]) for k in group if k in self.cotangents}
        return found

    def _through(self, lines: list[Line], start: int, cotangent: Cotangent) -> list[tuple[int, float | str]]:
        """Return the (leaf, norm) that a walk over these lines alone leaves, of the leaves of the whole tape."""
        _, _, _, out, _ = lines[start]
        pending = {out: _plain(cotangent)}
        for _ in walk(lines, start, pending):
            pass
        norms = {-1 - to: norm(dense(g)) for x, g in pending.items() if (to := self.number[id(x)]) < 0}
        return [(leaf, shown(norm)) for leaf, norm in sorted(norms.items()) if norm]


def _plain(values: Cotangent) -> Array:
    return values.data if isinstance(values, Tensor) else values
