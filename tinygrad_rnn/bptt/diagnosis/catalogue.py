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
from tinygrad_rnn.bptt.diagnosis.mistake import Mistake, parameter_groups
from tinygrad_rnn.bptt.diagnosis.model import At, CellModel, Changes, Result, Summed, Upstream
from tinygrad_rnn.bptt.diagnosis.rule_mistakes import mistakes_in_rules
from tinygrad_rnn.bptt.diagnosis.value_mistakes import forward, saved


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

SCALES: dict[str, Callable[[int, int], float]] = {
    "the wrong sign": lambda T, B: -1.0,
    "divided by the number of steps T": lambda T, B: 1 / T,
    "multiplied by the number of steps T": lambda T, B: T,
    "divided by the batch size B (a mean over the batch where there should be a sum)": lambda T, B: 1 / B,
    "multiplied by the batch size B": lambda T, B: B,
    "divided by T * B (a mean where there should be a sum)": lambda T, B: 1 / (T * B),
    "multiplied by T * B": lambda T, B: T * B,
    "a factor 2 too many": lambda T, B: 2.0,
    "a factor 1/2 too many": lambda T, B: 0.5,
    "never filled in (all zero)": lambda T, B: 0.0,
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
    for words, scale in SCALES.items():
        yield Mistake(f"every gradient: {words}", "every gradient", _scaled(lambda name: True, scale))
    for words, scale in SCALES.items():
        yield Mistake(f"every parameter's gradient: {words}", "dW", _scaled(parameters.__contains__, scale))


# ------------------------------------------------------------------------------------------------ upstream


def _from_above(model: CellModel) -> Iterator[Mistake]:
    """Yield mistakes in the upstream gradients dhs and dlast."""
    first = f"d{model.names[0]}"
    for words, change in (
        ("is used at the last step only: that of the other steps is not added", _only(-1)),
        ("is used at the first step only", _only(0)),
        ("of step t-1 is used at step t", lambda d: np.roll(d, 1, axis=0)),
        ("of step t+1 is used at step t", lambda d: np.roll(d, -1, axis=0)),
        ("is used in the wrong order: that of step T-1-t at step t", lambda d: d[::-1]),
        ("of the last step is used at every step", lambda d: np.broadcast_to(d[-1], d.shape)),
        ("of the first step is used at every step", lambda d: np.broadcast_to(d[0], d.shape)),
        ("is counted twice", lambda d: 2 * d),
        ("has the wrong sign", np.negative),
        ("is not used", np.zeros_like),
        ("is averaged over the steps", lambda d: np.broadcast_to(d.mean(axis=0), d.shape)),
        ("is added up over the steps, and used at every step", lambda d: np.broadcast_to(d.sum(axis=0), d.shape)),
        ("is added up over the steps, and used at the last step", lambda d: _last_of(d.sum(axis=0), d)),
    ):
        yield Mistake(f"the upstream gradient dhs {words}", first, Changes(upstream=_with_dhs(change)))
    for what, which in state_groups(model):
        for words, change in (
            ("is not used", np.zeros_like),
            ("is counted twice", lambda g: 2 * g),
            ("has the wrong sign", np.negative),
        ):
            yield Mistake(
                f"the last state's gradient dlast ({what}) {words}", what, Changes(upstream=_with_dlast(which, change))
            )


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

SUMS: dict[str, Callable[[list[Array]], Array]] = {
    # The terms come as backward makes them: the last step's first.
    "only the first step counts (`=` for `+=`)": lambda terms: terms[-1],
    "only the last step counts": lambda terms: terms[0],
    "the first step is left out": lambda terms: sum(terms[:-1], np.zeros_like(terms[0])),
    "the last step is left out": lambda terms: sum(terms[1:], np.zeros_like(terms[0])),
    "the last step counts twice": lambda terms: sum(terms, terms[0]),
    "subtracted step by step (`-=` for `+=`)": lambda terms: -sum(terms, np.zeros_like(terms[0])),
}


def _sums(model: CellModel) -> Iterator[Mistake]:
    """Yield mistakes in the sum of the terms over the steps: of every parameter, then of each."""
    params = list(model.case.params)
    for words, add_up in SUMS.items():
        if len(params) > 1:
            changes = Changes(summed=lambda name, terms, add_up=add_up: add_up(terms))  # type: ignore[misc]
            yield Mistake(f"the gradient of every parameter: {words}", "dW", changes)
    for words, add_up in SUMS.items():
        for names in parameter_groups(model):
            what = " and ".join(f"d{name}" for name in names)
            yield Mistake(f"{what}: {words}", what, Changes(summed=_summed(names, add_up)))


def _summed(names: tuple[str, ...], add_up: Callable[[list[Array]], Array]) -> Summed:
    return lambda name, terms: add_up(terms) if name in names else sum(terms[1:], terms[0])


# ------------------------------------------------------------------------------------------------ the answer


def _answers(model: CellModel) -> Iterator[Mistake]:
    """Yield the mistakes made with right gradients: one of them changed, or two of them exchanged."""
    case = model.case
    names = list(case.inputs())
    for group in [*parameter_groups(model), ("x",), *((name,) for name in case.state_names)]:
        what = " and ".join(f"d{name}" for name in group)
        for words, scale in SCALES.items():
            yield Mistake(f"{what}: {words}", what, _scaled(group.__contains__, scale))
    for one in names:
        shape = case.inputs()[one].shape
        if len(shape) == 2 and shape[0] == shape[1]:
            yield Mistake(f"d{one} is transposed", f"d{one}", _replaced(one, lambda g, answer: g.T))
    for a in names:
        for b in names:
            if a != b and case.inputs()[a].shape == case.inputs()[b].shape:
                if a < b:
                    yield Mistake(f"d{a} and d{b} are exchanged", f"d{a}", _exchanged(a, b))
                yield Mistake(f"d{a} is given as d{b} too", f"d{b}", _replaced(b, lambda g, answer, a=a: answer[a]))  # type: ignore[misc]
                yield Mistake(f"d{a} is added to d{b}", f"d{b}", _replaced(b, lambda g, answer, a=a: g + answer[a]))  # type: ignore[misc]
    for words, change in (
        ("of step t-1 stands at step t", lambda g: np.roll(g, 1, axis=0)),
        ("of step t+1 stands at step t", lambda g: np.roll(g, -1, axis=0)),
        ("is in the order of the backward loop: step T-1 comes first", lambda g: g[::-1]),
        ("is filled in at the last step only", _only(-1)),
        ("is filled in at the first step only", _only(0)),
        ("is the same at every step: that of the first", lambda g: np.broadcast_to(g[0], g.shape)),
        ("is added up over the steps", lambda g: np.cumsum(g[::-1], axis=0)[::-1]),
    ):
        yield Mistake(f"dx {words}", "dx", _replaced("x", lambda g, answer, change=change: change(g)))  # type: ignore[misc]
    for k, name in enumerate(model.names):
        yield Mistake(
            f"d{name}0 is the gradient of the state after step 0: the way back through step 0 is missing",
            f"d{name}0",
            Changes(result=_state_after(k, f"{name}0")),
        )
        yield Mistake(
            f"d{name}0 holds what comes from above at step 0 as well",
            f"d{name}0",
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
            "the gates' blocks of every parameter's gradient" if len(names) > 1 else f"the gates' blocks of d{names[0]}"
        )
        for order in list(permutations(range(n)))[1:]:
            told = ", ".join(str(k) for k in order)
            yield Mistake(
                f"{what} are in another order than the parameters': block {told} stands in the place of "
                f"{', '.join(map(str, range(n)))}",
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
