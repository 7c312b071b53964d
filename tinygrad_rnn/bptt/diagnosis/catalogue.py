"""The mistakes that are made in BPTT by hand, for any cell. Each is a change to the cell's model, with its words.

`catalogue` lists them, the commonest first: mistakes in the answer as a whole, in time (the carry, the upstream
gradients, the sum over the steps), in one gradient; then in a single rule (`mistakes_in_rules`), and in the values that
are read (`value_mistakes`). A derivation by hand that gives the numbers of a changed walk, to rounding and on every
problem, has made that mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import permutations

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array, Case, Gradients
from tinygrad_rnn.bptt.diagnosis.carry_mistakes import carried, overwritten, state_groups
from tinygrad_rnn.bptt.diagnosis.mistake import NEVER_FILLED, Mistake, parameter_groups
from tinygrad_rnn.bptt.diagnosis.model import At, CellModel, Changes, Result, Summed, Upstream
from tinygrad_rnn.bptt.diagnosis.rule_mistakes import mistakes_in_rules
from tinygrad_rnn.bptt.diagnosis.value_mistakes import forward, saved
from tinygrad_rnn.language.saying import Sentence, joined, listed, sentence


def catalogue(model: CellModel) -> Iterator[Mistake]:
    """Yield all mistakes for one cell. Each holds for every length, batch and seed of that cell."""
    yield from _everything_scaled(model)
    yield from carried(model)
    yield from _from_above(model)
    yield from overwritten(model)
    yield from _sums(model)
    yield from _answers(model)
    yield from mistakes_in_rules(model)
    yield from saved(model)
    yield from forward(model)


# ------------------------------------------------------------------------------------------------ factors

SCALES: dict[Sentence, Callable[[int, int], float]] = {
    sentence("the wrong sign"): lambda T, B: -1.0,
    sentence("divided by the number of steps T"): lambda T, B: 1 / T,
    sentence("multiplied by the number of steps T"): lambda T, B: T,
    sentence("divided by the batch size B (a mean over the batch where there should be a sum)"): lambda T, B: 1 / B,
    sentence("multiplied by the batch size B"): lambda T, B: B,
    sentence("divided by T * B (a mean where there should be a sum)"): lambda T, B: 1 / (T * B),
    sentence("multiplied by T * B"): lambda T, B: T * B,
    sentence("a factor 2 too many"): lambda T, B: 2.0,
    sentence("a factor 1/2 too many"): lambda T, B: 0.5,
    NEVER_FILLED: lambda T, B: 0.0,
}


def _scaled(names: Callable[[str], bool], scale: Callable[[int, int], float]) -> Changes:
    def result(answer: Gradients, at: At) -> Gradients:
        T, B = _size(at.model.case)
        return {name: g * scale(T, B) if names(name) else g for name, g in answer.items()}

    return Changes(result=result)


def _size(case: Case) -> tuple[int, int]:
    return len(case.xs), case.batch


def _everything_scaled(model: CellModel) -> Iterator[Mistake]:
    parameters = set(model.case.params)
    every = sentence("every gradient")
    for how, scale in SCALES.items():
        yield Mistake(sentence("every gradient: {how}", how=how), every, _scaled(lambda name: True, scale))
    for how, scale in SCALES.items():
        said = sentence("every parameter's gradient: {how}", how=how)
        yield Mistake(said, "dW", _scaled(parameters.__contains__, scale))


# ------------------------------------------------------------------------------------------------ upstream


def _from_above(model: CellModel) -> Iterator[Mistake]:
    """Yield mistakes in the upstream gradients dhs and dlast."""
    first = f"d{model.names[0]}"
    unused, twice = sentence("is not used"), sentence("is counted twice")
    turned = sentence("has the wrong sign")
    changes: tuple[tuple[Sentence, Callable[[Array], Array]], ...] = (
        (sentence("is used at the last step only: that of the other steps is not added"), _only(-1)),
        (sentence("is used at the first step only"), _only(0)),
        (sentence("of step t-1 is used at step t"), lambda d: np.roll(d, 1, axis=0)),
        (sentence("of step t+1 is used at step t"), lambda d: np.roll(d, -1, axis=0)),
        (sentence("is used in the wrong order: that of step T-1-t at step t"), lambda d: d[::-1]),
        (sentence("of the last step is used at every step"), lambda d: np.broadcast_to(d[-1], d.shape)),
        (sentence("of the first step is used at every step"), lambda d: np.broadcast_to(d[0], d.shape)),
        (twice, lambda d: 2 * d),
        (turned, np.negative),
        (unused, np.zeros_like),
        (sentence("is averaged over the steps"), lambda d: np.broadcast_to(d.mean(axis=0), d.shape)),
        (
            sentence("is added up over the steps, and used at every step"),
            lambda d: np.broadcast_to(d.sum(axis=0), d.shape),
        ),
        (sentence("is added up over the steps, and used at the last step"), lambda d: _last_of(d.sum(axis=0), d)),
    )
    for how, change in changes:
        said = sentence("the upstream gradient dhs {how}", how=how)
        yield Mistake(said, first, Changes(upstream=_with_dhs(change)))
    of_last: tuple[tuple[Sentence, Callable[[Array], Array]], ...] = (
        (unused, np.zeros_like),
        (twice, lambda g: 2 * g),
        (turned, np.negative),
    )
    for what, which in state_groups(model):
        for how, change in of_last:
            said = sentence("the last state's gradient dlast ({what}) {how}", what=what, how=how)
            yield Mistake(said, what, Changes(upstream=_with_dlast(which, change)))


def _with_dhs(change: Callable[[Array], Array]) -> Upstream:
    return lambda dhs, dlast: (change(dhs), dlast)


def _with_dlast(which: Callable[[int], bool], change: Callable[[Array], Array]) -> Upstream:
    return lambda dhs, dlast: (dhs, [change(g) if which(k) else g for k, g in enumerate(dlast)])


def _only(t: int) -> Callable[[Array], Array]:
    def change(d: Array) -> Array:
        kept = np.zeros_like(d)
        kept[t] = d[t]
        return kept

    return change


def _last_of(value: Array, like: Array) -> Array:
    kept = np.zeros_like(like)
    kept[-1] = value
    return kept


# ------------------------------------------------------------------------------------------------ sums over the steps

SUMS: dict[Sentence, Callable[[list[Array]], Array]] = {
    # The terms come as backward makes them: the last step's first.
    sentence("only the first step counts (`=` for `+=`)"): lambda terms: terms[-1],
    sentence("only the last step counts"): lambda terms: terms[0],
    sentence("the first step is left out"): lambda terms: sum(terms[:-1], np.zeros_like(terms[0])),
    sentence("the last step is left out"): lambda terms: sum(terms[1:], np.zeros_like(terms[0])),
    sentence("the last step counts twice"): lambda terms: sum(terms, terms[0]),
    sentence("subtracted step by step (`-=` for `+=`)"): lambda terms: -sum(terms, np.zeros_like(terms[0])),
}


def _sums(model: CellModel) -> Iterator[Mistake]:
    """Yield mistakes in the sum of the terms over the steps: of every parameter, then of each."""
    params = list(model.case.params)
    for how, add_up in SUMS.items():
        if len(params) > 1:
            changes = Changes(summed=lambda name, terms, add_up=add_up: add_up(terms))  # type: ignore[misc]
            yield Mistake(sentence("the gradient of every parameter: {how}", how=how), "dW", changes)
    for how, add_up in SUMS.items():
        for names in parameter_groups(model):
            what = joined(f"d{name}" for name in names)
            said = sentence("{what}: {how}", what=what, how=how)
            yield Mistake(said, what, Changes(summed=_summed(names, add_up)))


def _summed(names: tuple[str, ...], add_up: Callable[[list[Array]], Array]) -> Summed:
    return lambda name, terms: add_up(terms) if name in names else sum(terms[1:], terms[0])


# ------------------------------------------------------------------------------------------------ the answer


def _answers(model: CellModel) -> Iterator[Mistake]:
    """Yield the mistakes made with right gradients: one of them changed, or two of them exchanged."""
    case = model.case
    names = list(case.inputs())
    for group in [*parameter_groups(model), ("x",), *((name,) for name in case.state_names)]:
        what = joined(f"d{name}" for name in group)
        for how, scale in SCALES.items():
            said = sentence("{what}: {how}", what=what, how=how)
            yield Mistake(said, what, _scaled(group.__contains__, scale))
    for one in names:
        shape = case.inputs()[one].shape
        if len(shape) == 2 and shape[0] == shape[1]:
            said = sentence("{what} is transposed", what=f"d{one}")
            yield Mistake(said, f"d{one}", _replaced(one, lambda g, answer: g.T))
    for a in names:
        for b in names:
            if a != b and case.inputs()[a].shape == case.inputs()[b].shape:
                of, to = f"d{a}", f"d{b}"
                if a < b:
                    yield Mistake(sentence("{of} and {to} are exchanged", of=of, to=to), of, _exchanged(a, b))
                copied = _replaced(b, lambda g, answer, a=a: answer[a])  # type: ignore[misc]
                yield Mistake(sentence("{of} is given as {to} too", of=of, to=to), to, copied)
                added = _replaced(b, lambda g, answer, a=a: g + answer[a])  # type: ignore[misc]
                yield Mistake(sentence("{of} is added to {to}", of=of, to=to), to, added)
    changes: tuple[tuple[Sentence, Callable[[Array], Array]], ...] = (
        (sentence("of step t-1 stands at step t"), lambda g: np.roll(g, 1, axis=0)),
        (sentence("of step t+1 stands at step t"), lambda g: np.roll(g, -1, axis=0)),
        (sentence("is in the order of the backward loop: step T-1 comes first"), lambda g: g[::-1]),
        (sentence("is filled in at the last step only"), _only(-1)),
        (sentence("is filled in at the first step only"), _only(0)),
        (sentence("is the same at every step: that of the first"), lambda g: np.broadcast_to(g[0], g.shape)),
        (sentence("is added up over the steps"), lambda g: np.cumsum(g[::-1], axis=0)[::-1]),
    )
    for how, change in changes:
        other = _replaced("x", lambda g, answer, change=change: change(g))  # type: ignore[misc]
        yield Mistake(sentence("dx {how}", how=how), "dx", other)
    for k, name in enumerate(model.names):
        begin = f"d{name}0"
        yield Mistake(
            sentence(
                "{what} is the gradient of the state after step 0: the way back through step 0 is missing", what=begin
            ),
            begin,
            Changes(result=_state_after(k, f"{name}0")),
        )
        yield Mistake(
            sentence("{what} holds what comes from above at step 0 as well", what=begin),
            begin,
            _replaced(f"{name}0", lambda g, answer: g, also=lambda at: at.dhs[0]),
        )
    yield from _gates(model)


def _gates(model: CellModel) -> Iterator[Mistake]:
    """Yield the orders of the gates' blocks that differ from the parameters': in all gradients, then in one."""
    case = model.case
    hidden = case.state[0].shape[-1]
    blocks = {name: p.shape[0] // hidden for name, p in case.params.items() if p.shape and p.shape[0] % hidden == 0}
    gated = {name: n for name, n in blocks.items() if 1 < n <= 4}
    for names in ([list(gated)] if len(gated) > 1 else []) + [[name] for name in gated]:
        n = gated[names[0]]
        if any(gated[name] != n for name in names):
            continue
        what = (
            sentence("the gates' blocks of every parameter's gradient")
            if len(names) > 1
            else sentence("the gates' blocks of {what}", what=f"d{names[0]}")
        )
        for order in list(permutations(range(n)))[1:]:
            yield Mistake(
                sentence(
                    "{what} are in another order than the parameters': block {given} stands in the place of {meant}",
                    what=what,
                    given=listed(order),
                    meant=listed(range(n)),
                ),
                f"d{names[0]}",
                Changes(result=_reordered(names, order)),
            )


def _reordered(names: list[str], order: tuple[int, ...]) -> Result:
    def result(answer: Gradients, at: At) -> Gradients:
        def reorder(g: Array) -> Array:
            blocks = np.split(g, len(order))
            return np.concatenate([blocks[k] for k in order])

        return {name: reorder(g) if name in names else g for name, g in answer.items()}

    return result


def _replaced(
    one: str, change: Callable[[Array, Gradients], Array], also: Callable[[At], Array] | None = None
) -> Changes:
    def result(answer: Gradients, at: At) -> Gradients:
        return {**answer, one: change(answer[one], answer) + (also(at) if also else 0)}

    return Changes(result=result)


def _exchanged(a: str, b: str) -> Changes:
    return Changes(result=lambda answer, at: {**answer, a: answer[b], b: answer[a]})


def _state_after(k: int, name: str) -> Result:
    return lambda answer, at: {**answer, name: at.pending[at.model.after[k]]}
