"""The comparison: a derivation of BPTT by hand, set against the tape, a numerical derivative, and PyTorch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tinygrad_rnn.bptt.comparison import torch_reference
from tinygrad_rnn.bptt.comparison.by_convention import Meant, as_it_begins, by_convention, under
from tinygrad_rnn.bptt.comparison.case import Array, ByHand, Case, Gradients, Numbers, States, as_array, takes_dlast
from tinygrad_rnn.bptt.comparison.locate import Locator
from tinygrad_rnn.bptt.comparison.numerical_gradients import Numerical
from tinygrad_rnn.bptt.comparison.report import Difference, Report, Row
from tinygrad_rnn.bptt.comparison.tolerance import Judge
from tinygrad_rnn.bptt.truncation.ways import AnyWay
from tinygrad_rnn.language.saying import Words, sentence
from tinygrad_rnn.language.spoken_fields import changed
from tinygrad_rnn.nn.parameters import Cell
from tinygrad_rnn.nn.time_loop import cell_name

RTOL = {"float64": 1e-12, "float32": 1e-5}


def compare(
    cell: Cell,
    params: Mapping[str, Numbers],
    xs: Numbers,
    by_hand: ByHand | None = None,
    state: States | None = None,
    dhs: Numbers | None = None,
    dlast: States | None = None,
    *,
    seed: int = 0,
    exhaustive: bool = False,
    rtol: float | None = None,
    torch: bool | None = None,
    truncation: AnyWay | None = None,
) -> Report:
    """Set the tape's gradients of an unrolled cell against a derivation by hand and a numerical derivative.

    cell: any `cell(params, x, *state)`. params: its parameters, arrays or Tensors. xs: (T, B, I).
    by_hand: `f(params, xs, state, dhs, dlast=None) -> dict` on arrays, as the functions in `bptt.by_hand`: its dict may
    hold any of the parameters' names, "x", and "h0", "c0", ... for the cell's initial states; a function without
    `dlast` is called without, and then no gradient comes from the last state. None: only the numerical derivative.
    state, dhs (T, B, H), dlast: the initial state and the upstream gradients; random, from `seed`, where not given.

    The numerical derivative is taken in double precision, by a complex step where every operation allows it, else by
    central differences; along one random direction for each gradient, or for every entry with `exhaustive=True`.
    `torch`: whether to add a column for PyTorch (default: where it is installed, and has this cell).
    `rtol`: largest error over largest entry that still agrees; default 1e-12 in float64, 1e-5 in float32. What rounding
    does to a gradient agrees too, where that is more (saturated gates, many steps): the tape is run a few times, each
    result moved by a last place, and the report says how far that carries. Where it is as large as the gradient itself,
    the report says that this gradient cannot be judged. A corner (of relu, max) at the values is told as a corner.

    Inputs of integers (numbers of embedded words, a state that counts) are read, and have no gradient.
    Where the derivation by hand is wrong, the report's findings name the step at which it first goes wrong. Conventions
    are no mistakes: a mean over T, the batch or both; initial states or a bias that are not read, and so are zero;
    float32; clipping; truncation, which `truncation` says, or which is recognised. The gradients are then compared as
    they are meant, and the findings say so.
    Raises ValueError for a derivation that returns an unknown name, TypeError for one that returns no dict.
    """
    case = Case(cell, params, xs, state, dhs, dlast, seed, with_dlast=by_hand is None or takes_dlast(by_hand))
    rtol = RTOL[case.dtype.name] if rtol is None else rtol
    hand = case.hand_gradients(by_hand) if by_hand else {}
    if by_hand and truncation:
        return _meant(under(case, hand, truncation, rtol), by_hand, exhaustive, torch)
    report = _compared(case, hand, by_hand, exhaustive, rtol, torch)
    wrong = [row for row in report.rows if "HAND" in row.verdict(rtol)]
    if not (by_hand and wrong):
        return report
    if meant := by_convention(case, by_hand, rtol, RTOL["float32"]):
        return _meant(meant, by_hand, exhaustive, torch)
    case, said = as_it_begins(case, by_hand)
    if said:
        report = _compared(case, case.hand_gradients(by_hand), by_hand, exhaustive, rtol, torch)
        wrong = [row for row in report.rows if "HAND" in row.verdict(rtol)]
    locator = Locator(case, by_hand, Judge(case), rtol)
    faults = [locator.first_fault(row) for row in wrong]
    return changed(
        report, findings=[*said, *faults, sentence("{call} names the mistake.", call="bptt.doctor(cell, by_hand)")]
    )


def _meant(meant: Meant, by_hand: ByHand, exhaustive: bool, torch: bool | None) -> Report:
    """Return the report under a convention."""
    report = _compared(meant.case, meant.hand, by_hand, exhaustive, meant.rtol, torch)
    return changed(report, findings=meant.said)


def _compared(
    case: Case, hand: Gradients, by_hand: ByHand | None, exhaustive: bool, rtol: float, torch: bool | None
) -> Report:
    """Return the table of one problem."""
    cell, judge = case.cell, Judge(case)
    tape = judge.gradients(case.dhs, case.dlast)
    tolerances, loss_rounding = judge.tolerances(case.dhs, case.dlast)
    reference = torch_reference.gradients(case) if torch is not False else None
    if torch and reference is None:
        raise ValueError(
            f"compare: no PyTorch column for {cell_name(cell)}\nPyTorch must be installed, and the cell one of nn's"
        )
    numeric = Numerical(case, exhaustive, loss_rounding)
    rows = []
    for name, gradient in tape.items():
        difference: Difference | None = None
        fault: Words = ""
        if name in hand:
            if hand[name].shape == gradient.shape:
                difference = Difference.between(hand[name], gradient)
            else:
                fault = sentence("shape {shape}", shape=hand[name].shape)
        finite = bool(np.isfinite(gradient).all())
        rows.append(
            Row(
                name,
                gradient.shape,
                difference,
                fault,
                numeric.against(name, gradient, tolerances[name]) if finite else None,
                torch=Difference.between(reference[name], gradient) if reference else None,
                time_axis=name == "x",
                tolerance=tolerances[name],
                finite=finite,
            )
        )
    T, B, *_ = case.xs.shape
    title = sentence(
        "{cell}: T={T} B={B} {dtype}, tape against {other}",
        cell=cell_name(cell),
        T=T,
        B=B,
        dtype=case.dtype.name,
        other=sentence("the derivation by hand") if by_hand else sentence("a numerical derivative"),
    )
    return Report(title, rows, rtol, [])


def compare_gradients(
    title: str, tape: Mapping[str, Numbers], by_hand: Mapping[str, Numbers], rtol: float | None = None
) -> Report:
    """Set two dicts of gradients against each other, name by name: for what stands around a cell, as a readout.

    `rtol`: as for `compare`; its default follows the coarser dtype of each pair. Integers count as float64.
    Raises ValueError where the names differ, TypeError for float16 and what is not real.
    """
    if set(tape) != set(by_hand):
        raise ValueError(f"compare_gradients: names {sorted(tape)} against {sorted(by_hand)}\ngive the same names")
    rows = []
    for name in tape:
        gradient, other = _real(name, tape[name]), _real(name, by_hand[name])
        asked = max(RTOL[g.dtype.name] for g in (gradient, other)) if rtol is None else 0.0
        if gradient.shape == other.shape:
            rows.append(Row(name, gradient.shape, Difference.between(other, gradient), asked=asked))
        else:
            rows.append(Row(name, gradient.shape, fault=sentence("shape {shape}", shape=other.shape)))
    finest = min((row.asked for row in rows if row.asked), default=RTOL["float64"])
    return Report(title, rows, finest if rtol is None else rtol, [])


def _real(name: str, gradient: Numbers) -> Array:
    """Return the values of a gradient, integers and long doubles in double precision."""
    values = as_array(gradient)
    if values.dtype.kind in "iub" or values.dtype == np.longdouble:
        return values.astype(np.float64)
    if values.dtype.name not in RTOL:
        raise TypeError(f"compare_gradients: {name!r} is {values.dtype}\ngive float64 or float32")
    return values
