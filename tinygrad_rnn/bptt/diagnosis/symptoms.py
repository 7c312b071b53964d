"""The first symptom of a wrong derivation, from the last step down: a quantity and a step.

It is found from outside, by answers alone. With the upstream gradient at step s only, and the sequence cut to the steps
from k on and started at the true state of step k, the derivation gives the contributions of these steps; less those of
k+1 and on, what remains is step k's own: the term (s, k) of every gradient. What is wrong in it is compared with what
each quantity of the step reaches: a wrong dz_f spoils the rows of gate f and what is carried on, a wrong dh everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array, Case, Gradients
from tinygrad_rnn.bptt.diagnosis.changed_walk import gradients, reach
from tinygrad_rnn.bptt.diagnosis.model import CellModel, Changes
from tinygrad_rnn.bptt.diagnosis.precision import DOUBLE, Mask, Precision, largest_entry
from tinygrad_rnn.bptt.diagnosis.rules import Ref
from tinygrad_rnn.bptt.diagnosis.sentences import is_view, quantity
from tinygrad_rnn.bptt.diagnosis.submission import Log, Submission
from tinygrad_rnn.language.saying import Sentence, Words, joined, listed, sentence
from tinygrad_rnn.language.spoken_fields import Spoken, stored

LAST = 10**6
RIGHT = 10**9
"""The penalty of a quantity that reaches a right gradient."""


@dataclass(frozen=True, kw_only=True)
class Symptom:
    """The first quantity that is wrong, at step k of T, for an upstream gradient at step s alone (T: dlast alone)."""

    quantity: Spoken[str] = Spoken()
    k: int
    s: int | None
    T: int
    detail: Spoken[str] = Spoken()
    wrong: tuple[str, ...]  # the gradients whose term of step k is wrong
    also: tuple[Words, ...] = ()  # other quantities that would spoil the same
    logged: bool = False  # whether the derivation gave the quantity itself
    seen: bool = True  # whether the quantity itself was seen to be wrong; else one that is made of it may be the first

    def __str__(self) -> str:
        return str(self.said)

    @property
    def place(self) -> Words:
        """The quantity, or those among which the first wrong one is."""
        quantity = stored(self, "quantity")
        return quantity if self.seen else sentence("{quantity}, or in what is made of it,", quantity=quantity)

    @property
    def said(self) -> Sentence:
        """The symptom as a sentence."""
        alone: Words = ""
        if self.s is not None and self.s < self.T:
            alone = sentence(", with an upstream gradient at step {s} alone", s=self.s)
        elif self.s is not None:
            alone = sentence(", with the last state's gradient alone")
        return sentence(
            "{place} at step {k}, of T = {T} steps{alone}: {detail}",
            place=self.place,
            k=self.k,
            T=self.T,
            alone=alone,
            detail=stored(self, "detail"),
        )


def first_wrong(case: Case, submission: Submission, reads_state: bool = True) -> Symptom | None:
    """Return the first wrong term, from the answers; None where each term by itself is right.

    None too for a derivation that reads no initial state, of more steps than one: it begins at no later step.
    """
    if not reads_state and len(case.xs) > 1:
        return None
    for s, k, rest, hand, true in _terms(case, submission):
        if symptom := _symptom(rest, hand, true, k, s, len(case.xs), submission.precision):
            return symptom
    return None


def terms_table(case: Case, submission: Submission, reads_state: bool = True, lines: int = 12) -> Iterator[Words]:
    """Yield for every wrong term (s, k) the largest error of each wrong gradient, over its largest true entry.

    A derivation that reads no initial state has no terms by themselves: then all steps k count together.
    """
    count = 0
    for s, k, _, hand, true in _terms(case, submission, reads_state):
        largest = largest_entry(true.values())
        cells: list[Words] = []
        for name, g in hand.items():
            if g.shape != true[name].shape:
                cells.append(sentence("{name} shape {shape}", name=f"d{name}", shape=g.shape))
            elif submission.precision.apart(g, true[name], largest).any():
                of = np.abs(true[name]).max() or largest or 1.0
                cells.append(f"d{name} {np.abs(g - true[name]).max() / of:.1e}")
        if cells:
            count += 1
            above = sentence("upstream at step {s}", s=s) if s < len(case.xs) else sentence("dlast alone")
            term = sentence("term of step {k}", k=k) if reads_state else sentence("all terms")
            if count <= lines:
                yield sentence("  {above}, {term}: {cells}", above=above, term=term, cells=listed(cells))
    if count > lines:
        yield sentence("  ... and {n} more", n=count - lines)
    if not count:
        yield sentence(
            "  each term by itself is right: only several together are wrong, as where gradients are clipped"
        )


def _terms(
    case: Case, submission: Submission, apart: bool = True
) -> Iterator[tuple[int, int, Case, Gradients, Gradients]]:
    """Yield the terms (s, k), as backward makes them: s, k, the cut problem, by hand, on the tape.

    apart: whether steps are told apart; else k = 0 stands for all.
    """
    T = len(case.xs)
    for s, alone in one_step_at_a_time(case):
        hand_after: Gradients = {}
        true_after: Gradients = {}
        for k in reversed(range(T if apart else 1)):
            rest = alone.part(k, T, alone.dhs[k:], alone.dlast)
            hand, true = submission(rest)[0], rest.tape_gradients()
            yield s, k, rest, _own(hand, hand_after, rest), _own(true, true_after, rest)
            hand_after, true_after = hand, true


def one_step_at_a_time(case: Case) -> Iterator[tuple[int, Case]]:
    """Yield the case with the upstream gradient of the last step alone, of the one before, ..., of dlast alone."""
    T = len(case.xs)
    for s in reversed(range(T)):
        dhs = np.zeros_like(case.dhs)
        dhs[s] = case.dhs[s] if case.dhs[s].any() else 1
        yield s, case.part(0, T, dhs, _zeros(case.dlast))
    if any(d.any() for d in case.dlast):
        yield T, case.part(0, T, np.zeros_like(case.dhs), case.dlast)


def first_logged(model: CellModel, submission: Submission, log: Log) -> Symptom | None:
    """Return the first wrong intermediate of those that the derivation gave, in the order in which it made them.

    Raises ValueError for a name that the cell does not have.
    """
    seen: dict[tuple[int, Ref], Array] = {}
    gradients(model, seen=seen)
    T = len(model.case.xs)
    refs = quantities(model)
    steps = sorted({t for t, _ in log}, reverse=True)
    for t in steps:
        for name, value in ((name, value) for (step, name), value in log.items() if step == t):
            ref = refs[submission.ours(name, refs)]
            hand = submission.intermediate(value, ref.kind == "param")
            true = seen.get((t % T, ref), np.zeros(model.likes[ref].shape))
            wrong = submission.precision.apart(hand, true, largest_entry(seen.values()))
            if hand.shape != true.shape:
                detail = sentence(
                    "its shape is {shape}, and should be that of {name}",
                    shape=np.shape(value),
                    name=name.removeprefix("d"),
                )
                return Symptom(quantity=name, k=t, s=None, T=T, detail=detail, wrong=(name,), logged=True)
            if wrong.any():
                detail = _numbers(name, hand, true, wrong)
                return Symptom(quantity=name, k=t, s=None, T=T, detail=detail, wrong=(name,), logged=True)
    return None


def first_changed(model: CellModel, changes: Changes) -> Symptom | None:
    """Return the first cotangent that a mistake makes wrong, in the order in which backward makes them.

    For a mistake that explains the answers this is where the derivation goes wrong, told from its model and not from
    shortened sequences, in which a step has another number. None where all cotangents are right, and only what is made
    of them is not.
    """
    for t, ref, hand, true, wrong in _changed(model, changes):
        what: Words = quantity(model, ref)
        if ref.kind == "state":
            what = _handed(what)
        detail = _numbers(quantity(model, ref), hand, true, wrong)
        return Symptom(quantity=what, k=t, s=None, T=len(model.case.xs), detail=detail, wrong=())
    return None


def _handed(what: Words) -> Sentence:
    return sentence("{quantity} as it is handed to step t-1", quantity=what)


def place_of(model: CellModel, changes: Changes) -> tuple[int, int]:
    """Return the place where a mistake first makes a cotangent wrong, as numbers that grow as backward goes."""
    for t, ref, *_ in _changed(model, changes):
        return -t, -ref.index if ref.kind == "line" else 1
    return 1, 0


def _changed(model: CellModel, changes: Changes) -> Iterator[tuple[int, Ref, Array, Array, Mask]]:
    """Yield the wrong cotangents, as backward makes them: step, reference, wrong, right, which entries."""
    seen: dict[tuple[int, Ref], Array] = {}
    changed: dict[tuple[int, Ref], Array] = {}
    gradients(model, seen=seen)
    gradients(model, changes, seen=changed)
    largest = largest_entry(seen.values())
    refs = [*(Ref("line", r) for r in reversed(range(len(model.roles))) if not is_view(model, r)), Ref("x")]
    refs += [Ref("state", k) for k in range(len(model.names))]
    refs += [Ref("param", name) for name in model.case.params]
    for t in reversed(range(len(model.case.xs))):
        for ref in refs:
            zero = np.zeros(model.likes[ref].shape)
            hand, true = changed.get((t, ref), zero), seen.get((t, ref), zero)
            wrong = DOUBLE.apart(hand, true, largest)
            if wrong.any():
                yield t, ref, hand, true, wrong


def quantities(model: CellModel) -> dict[str, Ref]:
    """Return the cotangents by name, without the d: of the cell's named values, its states, x and the parameters."""
    refs = {role.name: Ref("line", r) for r, role in enumerate(model.roles) if role.name}
    refs |= {name: model.after[k] for k, name in enumerate(model.names)}
    refs |= {f"{name}_prev": Ref("state", k) for k, name in enumerate(model.names)}
    return {**refs, "x": Ref("x"), **{name: Ref("param", name) for name in model.case.params}}


def _zeros(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
    return tuple(np.zeros_like(a) for a in arrays)


def _own(answer: Gradients, after: Gradients, rest: Case) -> Gradients:
    """Return the first step's own part of a cut sequence: its answer, less that of the sequence without it."""
    own = {}
    for name, g in answer.items():
        if name == "x":
            own[name] = g[0] if g.ndim == 3 else g
        elif name in rest.state_names or name not in after or after[name].shape != g.shape:
            own[name] = g
        else:
            own[name] = g - after[name]
    return own


def _symptom(
    rest: Case, hand: Gradients, true: Gradients, k: int, s: int, T: int, precision: Precision
) -> Symptom | None:
    largest = largest_entry(true.values())
    wrong = {name: precision.apart(g, true[name], largest) for name, g in hand.items()}
    names = tuple(name for name, mask in wrong.items() if mask.any())
    if not names:
        return None
    misfit = [name for name in names if hand[name].shape != true[name].shape]
    if misfit:
        name = misfit[0]
        detail = sentence("its shape is {shape}, and should be {right}", shape=hand[name].shape, right=true[name].shape)
        return Symptom(quantity=f"d{name}", k=k, s=s, T=T, detail=detail, wrong=names)
    sources, seen = _sources(CellModel(rest.part(0, 1, rest.dhs[:1], _zeros(rest.dlast))), wrong, names)
    name = max(names, key=lambda name: wrong[name].mean())
    return Symptom(
        quantity=sources[0],
        k=k,
        s=s,
        T=T,
        detail=_numbers(f"d{name}", hand[name], true[name], wrong[name]),
        wrong=names,
        also=sources[1:],
        seen=seen,
    )


def place_and_numbers(
    model: CellModel, hand: Gradients, true: Gradients, wrong: dict[str, Mask]
) -> tuple[Words, Words]:
    """Return the quantities that reach all that is wrong, the nearest to it first, and one entry with both numbers."""
    names = tuple(name for name, mask in wrong.items() if mask.any())
    sources, _ = _sources(model, wrong, names, len(model.case.xs) - 1)
    name = max(names, key=lambda name: wrong[name].mean())
    return listed(sources[:2]), _numbers(f"d{name}", hand[name], true[name], wrong[name])


def _sources(
    model: CellModel, wrong: dict[str, Array], names: tuple[str, ...], t: int = 0
) -> tuple[tuple[Words, ...], bool]:
    """Return the quantities of step t that reach all wrong entries and fewest others, that nearest to the answer first.

    And whether the first of them is in the answer, so that it is seen.
    """
    candidates = [Ref("param", name) for name in model.case.params] + [Ref("x")]
    candidates += [Ref("state", k) for k in range(len(model.names))]
    candidates += [
        Ref("line", r) for r, role in enumerate(model.roles) if role.op.name != "transpose" and not is_view(model, r)
    ]
    all_entries = sum(wrong[name].size for name in names)
    found: list[tuple[int, int, Words, bool]] = [(all_entries, 2 * LAST, joined(f"d{name}" for name in names), True)]
    for number, ref in enumerate(candidates):
        reached = {name: g != 0 for name, g in reach(model, ref, t).items() if name in wrong}
        if all((reached[name] | ~wrong[name]).all() for name in wrong):
            what: Words = quantity(model, ref)
            if ref.kind == "state":
                what = _handed(what)
            unnamed = LAST if ref.kind == "line" and not model.roles[ref.index].name else 0
            accused = sum(mask.any() and not wrong[name].any() for name, mask in reached.items())
            size = RIGHT * int(accused) + sum(int(mask.sum()) for mask in reached.values())
            found.append((size, unnamed + number, what, ref.kind != "line"))
    least = min(size for size, *_ in found)
    nearest = [(text, seen) for size, _, text, seen in sorted(found, key=lambda each: each[:2]) if size == least]
    return tuple(dict.fromkeys(text for text, _ in nearest)), nearest[0][1]


def _numbers(name: str, hand: Array, true: Array, wrong: Mask) -> Sentence:
    """Write one entry with both numbers, and the ratio where all wrong entries share it."""
    at = np.unravel_index(int(np.argmax(np.where(wrong, np.abs(hand - true), -1))), hand.shape)
    where = f"{name}{[int(k) for k in at]}" if at else name
    digits = next((n for n in (6, 9, 12, 17) if f"{hand[at]:.{n}g}" != f"{true[at]:.{n}g}"), 17)
    text = sentence(
        "{where} is {hand} by hand and {true} on the tape",
        where=where,
        hand=f"{hand[at] + 0.0:.{digits}g}",
        true=f"{true[at] + 0.0:.{digits}g}",
    )
    ratios = hand[wrong & (true != 0)] / true[wrong & (true != 0)]
    if ratios.size > 1 and np.ptp(ratios) + abs(ratios[0]) > 0 and np.ptp(ratios) <= 1e-6 * abs(ratios[0] - 1):
        return sentence(
            "{text}; by hand it is {ratio:.6g} times the tape's wherever it is wrong", text=text, ratio=ratios[0]
        )
    return text
