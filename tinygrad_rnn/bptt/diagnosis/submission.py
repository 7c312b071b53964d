"""A derivation by hand as it was handed in: with names, a layout and intermediates of its own."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import (
    SIGNATURE,
    Array,
    ByHand,
    Case,
    Gradients,
    as_array,
    ask,
    name_of,
    takes,
    takes_dlast,
)
from tinygrad_rnn.bptt.diagnosis.conventions import Convention
from tinygrad_rnn.bptt.diagnosis.failures import advice, is_no_answer, line_of, source_of, told
from tinygrad_rnn.bptt.diagnosis.precision import DOUBLE, SINGLE, Precision, largest_entry
from tinygrad_rnn.nn.time_loop import as_tuple

Log = dict[tuple[int, str], Array]

LAYOUTS = ("rows", "columns")


class DoctorError(Exception):
    """Bad input that cannot be examined, which is no mistake in the derivation."""


class DoctorValueError(DoctorError, ValueError):
    """A value that cannot be examined."""


class DoctorTypeError(DoctorError, TypeError):
    """Something of a type that cannot be examined."""


class Submission:
    """`function(params, xs, state, dhs, dlast=None) -> gradients`, asked in its own terms and understood in the cell's.

    names: the function's names for the cell's parameters and inputs, {"Wax": "weight_ih", "a0": "h0"}: it finds its
    parameters under both, and may return a gradient under any of Wax, dWax, weight_ih, dweight_ih.

    layout "rows": xs (T, B, I), states (B, H), dhs (T, B, H), biases (H,). "columns": xs (I, B, T), states (H, B),
    dhs (H, B, T), biases (H, 1), of a cell in rows; `cell_in_columns`: the cell itself takes x (I, B), h (H, B), and
    only the axis of time changes its place.

    Intermediates by (t, name): returned as a second value, or put into the dict that it takes as `log`.
    """

    def __init__(
        self,
        function: ByHand,
        names: Mapping[str, str] | None = None,
        layout: str = "rows",
        cell_in_columns: bool = False,
    ) -> None:
        if layout not in LAYOUTS:
            raise DoctorValueError(f"doctor: layout {layout!r}\ngive one of {', '.join(LAYOUTS)}")
        if not callable(function):
            raise DoctorTypeError(f"doctor: the derivation is a {type(function).__name__}\n{SIGNATURE}")
        if not isinstance(names or {}, Mapping):
            raise DoctorTypeError(
                f'doctor: names is a {type(names).__name__}\ngive a dict, theirs to ours: {{"Wax": "weight_ih"}}'
            )
        self.function, self.names, self.layout = function, dict(names or {}), layout
        self.cell_in_columns = cell_in_columns
        self.name = name_of(function)
        self.file = source_of(function)
        self.precision: Precision = DOUBLE  # in which its gradients are judged
        self._errors = np.geterr()  # it runs under the error state of its surroundings, whatever the doctor's own is
        self.changed: set[str] = set()  # the arguments that it wrote into
        self.unsteady = False  # whether it ever gave two answers to one problem
        self.single = False  # whether it gave numbers in float32
        self.conventions: tuple[Convention, ...] = ()
        self.integers: dict[str, str] = {}  # the gradients that it gave as integers, with their dtype

    def judged_in(self, precision: Precision) -> Submission:
        """Return the same function, its gradients judged in another precision."""
        other = copy.copy(self)
        other.precision, other.changed, other.unsteady = precision, set(), False
        return other

    def under(self, convention: Convention) -> Submission:
        """Return the same function, its gradients understood by one more convention."""
        other = copy.copy(self)
        other.conventions = (*self.conventions, convention)
        return other

    def __call__(self, case: Case) -> tuple[Gradients, Log]:
        """Return the gradients by the cell's names and in the cell's layout, and the intermediates as given."""
        first, log = self._asked(case)
        again, _ = self._asked(case)
        self.unsteady = self.unsteady or not self.agree(first, again)
        return self.undone(first, case), log

    def undone(self, answer: Gradients, case: Case) -> Gradients:
        """Return gradients without the conventions."""
        for convention in self.conventions:
            answer = convention.undone(answer, case)
        return answer

    def agree(self, first: Gradients, again: Gradients) -> bool:
        """Return whether two answers are the same, to rounding: terms may be added up in another order."""
        precision = SINGLE if self.single else self.precision
        largest = largest_entry(first.values())
        return set(first) == set(again) and all(
            np.array_equal(g, again[name], equal_nan=True) or precision.same(again[name], g, largest)
            for name, g in first.items()
        )

    def _asked(self, case: Case) -> tuple[Gradients, Log]:
        params = {name: self._parameter(p) for name, p in case.params.items()}
        params |= {theirs: params[ours] for theirs, ours in self.names.items() if ours in params}
        arguments: dict[str, Any] = {
            "params": params,
            "xs": self._in_time(case.xs),
            "state": tuple(self._state(s) for s in case.state),
            "dhs": self._in_time(case.dhs),
        }
        options: dict[str, Any] = {}
        if takes_dlast(self.function):
            options["dlast"] = tuple(self._state(d) for d in case.dlast)
        log: Log = {}
        if takes(self.function, "log"):
            options["log"] = log
        given = {**arguments, **{name: a for name, a in options.items() if name != "log"}}
        before = {name: _copied(a) for name, a in given.items()}
        answer = self._called([*arguments.values()], options)
        self.changed |= {name for name, a in given.items() if not _equal(a, before[name])}
        if isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[1], Mapping):
            answer, log = answer[0], {**log, **answer[1]}
        if not isinstance(answer, Mapping) or not all(isinstance(name, str) for name in answer):
            raise DoctorTypeError(
                f"doctor: {self.name} returned a {type(answer).__name__}\n"
                'return a dict of gradients, {"weight_hh": dU, "x": dxs, ...}; intermediates, if any, as a second dict'
            )
        for key in log:
            pair = isinstance(key, tuple) and len(key) == 2 and isinstance(key[1], str)
            if not pair or key[0] not in range(len(case.xs)):
                raise DoctorValueError(
                    f"doctor: {self.name} logged {key!r}, for T = {len(case.xs)}\n"
                    'log by (t, name), with t from 0 to T - 1: log[t, "dh"] = dh'
                )
        gradients: Gradients = {}
        for name, g in answer.items():
            ours = self.ours(name, case.differentiable())
            if ours in gradients:
                raise DoctorValueError(
                    f"doctor: {self.name} returned d{ours} under two names, of {', '.join(map(repr, answer))}\n"
                    "return it once"
                )
            gradients[ours] = self._taken(name, g, case)
        return gradients, log

    def _called(self, arguments: list[Any], options: Mapping[str, Any]) -> Any:
        """Call the function. Raise DoctorValueError for an error that is no verdict on the derivation."""
        filters = warnings.filters[:]
        try:
            with np.errstate(**self._errors):
                return ask("doctor", self.function, arguments, options)
        except BaseException as error:
            if not is_no_answer(error):
                raise
            where = line_of(error, self.file)
            said = f"{told(error)} ({where})" if where else told(error)
            raise DoctorValueError(f"doctor: {self.name} gave no answer: {said}\n{advice(error, self.file)}") from error
        finally:
            warnings.filters[:] = filters  # type: ignore[index]  # a list, which the function may have changed

    def check_names(self, known: Mapping[str, object]) -> None:
        """Raise ValueError for names that map to nothing known, or hide a known name."""
        for theirs, ours in self.names.items():
            if not theirs.isidentifier() or list(self.names.values()).count(ours) > 1:
                raise DoctorValueError(f"doctor: names maps {theirs!r} to {ours!r}\ngive each of theirs one of ours")
            if ours not in known:
                raise DoctorValueError(
                    f"doctor: names maps {theirs!r} to {ours!r}, which the cell does not have\n"
                    f"it has {', '.join(known)}"
                )
            if theirs in known and theirs not in self.names.values():
                raise DoctorValueError(
                    f"doctor: names maps {theirs!r} to {ours!r}, but the cell has a {theirs!r} of its own\n"
                    "call it otherwise in the derivation"
                )

    def ours(self, theirs: str, known: Iterable[str]) -> str:
        """Return the cell's name for one of the function's names. Raise ValueError for an unknown name."""
        known = list(known)
        bare = theirs.removeprefix("d")
        for name in (self.names.get(theirs), theirs, self.names.get(bare), bare):
            if name in known:
                return str(name)
        raise DoctorValueError(
            f"doctor: {self.name} speaks of {theirs!r}, which is none of {', '.join(known)}\n"
            f'leave it out, or say which it is, as names={{"{bare}": "{known[0]}"}}'
        )

    def _parameter(self, value: Array) -> Array:
        """Return a copy of a parameter, in the function's layout."""
        columns = self.layout == "columns" and not self.cell_in_columns and value.ndim == 1
        return np.array(value[:, None] if columns else value)

    def _state(self, value: Array) -> Array:
        """Return a copy of a state or its gradient, in the function's layout."""
        return np.array(value.T if self.layout == "columns" and not self.cell_in_columns else value)

    def _in_time(self, value: Array) -> Array:
        """Return a copy of an array with a value for each step, in the function's layout."""
        if self.layout == "columns":
            value = np.moveaxis(value, 0, -1) if self.cell_in_columns else value.transpose(2, 1, 0)
        return np.array(value)

    def _taken(self, theirs: str, gradient: object, case: Case) -> Array:
        """Return a gradient in the cell's layout. One of another shape stays, so that messages give its shape."""
        gradient = as_array(gradient)
        if gradient.dtype.kind not in "fiu":
            raise DoctorTypeError(
                f"doctor: {self.name} returned {gradient.dtype} for {theirs!r}\nreturn real numbers of one shape"
            )
        self.single = self.single or gradient.dtype in (np.float32, np.float16)
        name = self.ours(theirs, case.differentiable())
        if gradient.dtype.kind != "f" and gradient.any():
            self.integers[name] = gradient.dtype.name
        if self.layout == "columns":
            if name == "x" and gradient.ndim == 3:
                gradient = np.moveaxis(gradient, -1, 0) if self.cell_in_columns else gradient.transpose(2, 1, 0)
            elif name in case.state_names and not self.cell_in_columns:
                gradient = gradient.T
            elif name in case.params and case.params[name].ndim == 1 and gradient.shape[1:] == (1,):
                gradient = gradient[:, 0]
        return np.array(gradient, np.float64)  # a copy: it may be written into at the next call

    def intermediate(self, value: object, of_parameter: bool) -> Array:
        """Return an intermediate in the cell's layout."""
        value = as_array(value)
        if self.layout == "columns" and not self.cell_in_columns:
            if of_parameter:
                value = value[:, 0] if value.ndim == 2 and value.shape[1] == 1 else value
            else:
                value = value.T
        return np.asarray(value)


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: a.copy() for name, a in value.items()}
    return tuple(a.copy() for a in value) if isinstance(value, tuple) else value.copy()


def _equal(value: Any, before: Any) -> bool:
    if isinstance(value, Mapping):
        return set(value) == set(before) and all(np.array_equal(value[k], before[k], equal_nan=True) for k in value)
    pairs = zip(as_tuple(value), as_tuple(before), strict=True)
    return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)
