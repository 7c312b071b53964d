"""The door: any hand-written forward and backward pass, examined as it is.

>>> import numpy as np
>>> from tinygrad_rnn import bptt
>>> def loss_and_gradients(params, inputs, targets):
...     W, U = params["W"], params["U"]
...     hs, loss, dW, dU, carry = {-1: np.zeros(len(U))}, 0.0, np.zeros_like(W), np.zeros_like(U), 0
...     for t, x in enumerate(inputs):
...         hs[t] = np.tanh(W @ x + U @ hs[t - 1])
...         loss += np.sum((hs[t] - targets[t]) ** 2)
...     for t in reversed(range(len(inputs))):
...         dz = (2 * (hs[t] - targets[t]) + carry) * (1 - hs[t] ** 2)
...         dW += np.outer(dz, inputs[t])
...         dU += np.outer(dz, hs[t - 1])
...         carry = U @ dz
...     return loss, dW, dU
>>> rng = np.random.default_rng(0)
>>> params = {"W": rng.normal(0, 0.5, (3, 2)), "U": rng.normal(0, 0.5, (3, 3))}
>>> print(bptt.examine(loss_and_gradients, params, rng.normal(size=(4, 2)), rng.normal(size=(4, 3))).verdict)
WRONG from T = 2 on (right at T = 1)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.diagnosis.precision import Precision
from tinygrad_rnn.bptt.diagnosis.truncated_answers import truncation_text
from tinygrad_rnn.bptt.homework.called import ExamineError, ExamineTypeError, ExamineValueError, FailedError
from tinygrad_rnn.bptt.homework.examined import Examination
from tinygrad_rnn.bptt.homework.explained import explanation, handed_in, meant_truncation, truncate
from tinygrad_rnn.bptt.homework.forms import Form
from tinygrad_rnn.bptt.homework.given import Given
from tinygrad_rnn.bptt.homework.gradient_names import is_gradient, leaf_names, matched
from tinygrad_rnn.bptt.homework.judging import (
    USUAL,
    Convention,
    Trial,
    clip_of,
    norm_of,
    precision_of,
    rate_of,
    scale_of,
)
from tinygrad_rnn.bptt.homework.own_loss import OwnLoss, Truth, doubled
from tinygrad_rnn.bptt.homework.places import Array, Path, World, arrays_in
from tinygrad_rnn.bptt.homework.prefixes import Axes, axes_of
from tinygrad_rnn.bptt.homework.recognised import form_of
from tinygrad_rnn.bptt.homework.upstream import upstream_of
from tinygrad_rnn.bptt.homework.value_kinds import described
from tinygrad_rnn.bptt.truncation.ways import AnyWay

SEEDS = 2
"""The parameters as given, and others near them."""
QUIET = 2
"""The parameters as given, but small: where gradients are clipped, so small ones are not."""
SMALL = 0.05


def examine(
    subject: Any,
    *arguments: Any,
    params: Sequence[str] | None = None,
    names: Mapping[str, str] | None = None,
    step: bool = False,
    loss: Callable[..., Any] | None = None,
    truncation: AnyWay | None = None,
) -> Examination:
    """Examine a hand-written forward and backward pass as it is, against the derivative of its own loss.

    subject, with the arguments of one ordinary call:
      - an object: `forward(...)` gives the loss, `backward(...)` returns gradients, or leaves them in attributes, a
        dict, or in the parameters that it trains (old - new);
      - a function that returns (loss, gradients): a dict, a tuple or list, or one gradient after the other;
      - a pair (forward, backward): `h, cache = forward(x, h0, params)`, `grads = backward(dh, cache)`. Outputs without
        a loss get sum(w * output), for random w, which backward is given as the gradient of the output;
      - with step=True, such a pair for one step of time.
    Parameters are found in dicts, attributes and arguments, and among the globals that a function reads; `params`
    names these, where others are meant. Gradients are matched by name (dW, W_grad, grads["W"], gW, dLdW), by shape
    where that is unambiguous, or by `names`, the code's names to the arrays'. `loss(result, *rest)` makes the loss of
    what forward returns and of the arguments that it does not take. `truncation`, a way of `truncated_gradient`, says
    that the gradient is meant to be cut.

    Tried are prefixes of the data (T = 1, 2, 3, 7 and all), one example of the batch and all, the values given and
    others near them. The data may lie in lists, dicts of steps, or arrays with time and batch on any axis. All arrays
    are copied: nothing of the person's is changed.

    Raises TypeError or ValueError for code that does not run with these arguments, or shows no loss or no gradients.
    """
    form, called = form_of(subject, loss, params)
    world = form.world(list(arguments), called)
    try:
        world = world.copy()
    except Exception as error:
        raise ExamineTypeError(
            f"examine: what {form.name} was given cannot be copied ({error})\ngive arrays, numbers, lists and dicts"
        ) from error
    return _Examined(form, world, dict(names or {}), params, step, truncation).result()


class _Examined:
    def __init__(
        self,
        form: Form,
        world: World,
        names: Mapping[str, str],
        params: Sequence[str] | None,
        step: bool,
        truncation: AnyWay | None,
    ) -> None:
        self.form, self.world, self.names, self.truncation = form, world, names, truncation
        self._settled()
        world = self.world
        arrays = self._among_params(world.arrays(), params)
        self.paths = {name: path for path, name in leaf_names(arrays, form.parameters, form.unpacked).items()}
        self.leaves = {name: arrays[path] for name, path in self.paths.items()}
        self._check_names()
        first = form.run(world.copy())
        self.first, self.unmatched = self._matched(first.given)
        if not self.first:
            raise ExamineValueError(
                f"examine: no gradient of {form.name} was recognised{_among(self.unmatched)}\n"
                f"the arrays are {', '.join(self.leaves) or 'none'}: return {{'W': dW}}, or say which is which, as "
                'names={"dW": "W"}'
            )
        form.reads_left = any(g.path for g in self.first.values())
        self._check_repeats(first.loss)
        self.axes = Axes() if step else self._axes()

    def _axes(self) -> Axes:
        """Return where time and batch lie, found in double precision."""
        parameters = {self.paths[name] for name in self.first}
        precision, _ = precision_of([Trial(None, None, 0, given={n: g.array for n, g in self.first.items()})])
        return axes_of(self.form, doubled(self.world), parameters, mixed=1e-7 if precision is USUAL else 1e-4)

    def _settled(self) -> None:
        try:
            self.world = self.form.settled(self.world)
            self.form.run(self.world.copy())
        except FailedError as error:
            called = ", ".join(described(a) for a in self.world.arguments)
            raise ExamineValueError(
                f"examine: {self.form.name} could not be run: {error.words}\nit was called with {called or 'nothing'}"
            ) from error

    def _among_params(self, arrays: Mapping[Path, Array], params: Sequence[str] | None) -> dict[Path, Array]:
        """Return the arrays that are no gradients; of the globals those alone that `params` names, if it is given."""
        around = {**self.world.closure, **self.world.globals}
        meant = {id(a) for _, a in arrays_in([around[name] for name in params if name in around])} if params else None
        return {
            path: array
            for path, array in arrays.items()
            if not is_gradient(path, self.form.parameters)
            and (meant is None or path[0] not in ("globals", "closure") or id(array) in meant)
        }

    def _check_names(self) -> None:
        for theirs, ours in self.names.items():
            if ours not in self.leaves:
                raise ExamineValueError(
                    f"examine: names maps {theirs!r} to {ours!r}, which is no array of floats here\n"
                    f"the arrays are {', '.join(self.leaves) or 'none'}"
                )

    def _check_repeats(self, loss: Any) -> None:
        again = self.form.run(self.world.copy()).loss
        if not np.array_equal(np.asarray(loss), np.asarray(again), equal_nan=True):
            raise ExamineValueError(
                f"examine: {self.form.name} gives another loss each time it is called\n"
                "draw from np.random, which is seeded for each call, or give a generator as an argument"
            )

    def _matched(self, given: list[Given]) -> tuple[dict[str, Given], list[str]]:
        return matched(given, self.leaves, self.paths, self.names, self.form.parameters)

    def result(self) -> Examination:
        """Try all problems, and put the findings together."""
        trials = [self._trial(T, B, seed) for T, B, seed in self._sizes()]
        ran = [t for t in trials if not t.failure]
        if not any(t.whole for t in ran):
            raise ExamineValueError(
                f"examine: {self.form.name} ran once, and then no more: {trials[-1].failure}\n"
                "let it start afresh at each call: without what an earlier call left behind"
            )
        names = [name for name in self.first if all(name in t.given for t in ran)]
        precision, narrow = precision_of(ran)
        conventions = [f"it computes in {narrow}, and is judged at that"] if narrow else []
        scale = rate_of(ran, names, precision) or scale_of(ran, names, precision)
        clip = clip_of(ran, names, scale)
        allowed = [c for c in (scale, clip) if c]
        bad = self._wrong(ran, names, precision, allowed)
        if any(bad.values()) and (whole := norm_of(ran, [n for n in names if bad[n]])):
            allowed, bad = [whole], dict.fromkeys(names, ())
        conventions += [c.words for c in allowed]
        handed = handed_in(ran, self.paths, allowed) if any(bad.values()) or self.truncation else {}
        if self.truncation and not handed:
            raise ExamineValueError(
                f"examine: truncation={self.truncation!r}, but no steps of {self.form.name} were found\n"
                "leave it out, or write the forward pass as one loop over time"
            )
        if way := self.truncation or meant_truncation(handed.values(), precision):
            truncate(ran, handed, way)
            conventions.append(truncation_text(way))
            bad = self._wrong(ran, names, precision, allowed)
        if clip and any(bad.values()):
            quiet = [self._trial(T, B, QUIET) for T, B, seed in self._sizes() if not seed]
            handed |= handed_in(quiet, self.paths, allowed)
        doubtful = self._doubtful(ran, bad)
        judged = [t for t in ran if t.key not in doubtful]
        bad = {name: tuple(key for key in where if key not in doubtful) for name, where in bad.items()}
        why = explanation([*handed.values()], self.form.name) if any(bad.values()) else None
        return Examination(
            name=self.form.name,
            gradients=bad,
            trials=tuple(t.key for t in judged),
            silent=tuple(t.key for t in trials if t.failure),
            doubtful=doubtful,
            method=ran[-1].own.method if ran[-1].own else "",
            conventions=tuple(conventions),
            mistakes=why.mistakes if why else (),
            first=why.first if why else "",
            details=self._details(judged, bad),
            missing=self._missing(),
            remarks=tuple(self._remarks(trials)),
        )

    def _doubtful(self, trials: list[Trial], bad: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the problems that say nothing: cut ones with wrong gradients, where the data as given have right ones.

        What was cut may not belong together, as a number of steps that stands elsewhere.
        """
        wrong = {key for where in bad.values() for key in where}
        if any(t.whole and t.key in wrong for t in trials):
            return ()
        return tuple(t.key for t in trials if t.key in wrong)

    def _sizes(self) -> Iterable[tuple[int | None, int | None, int]]:
        lengths: list[int | None] = [*self.axes.lengths()] or [None]
        batches: list[int | None] = [1, self.axes.examples] if self.axes.examples else [None]
        return [(T, B, seed) for T in lengths for B in batches for seed in range(SEEDS)]

    def _trial(self, T: int | None, B: int | None, seed: int) -> Trial:
        """Return the gradients as given and the true ones of one problem, or its failure."""
        world = self.axes.cut(self.world, T, B)
        if seed:
            self._moved(world, seed)
        trial = Trial(T, B, seed, whole=T in (None, self.axes.steps) and B in (None, self.axes.examples))
        try:
            answer = self.form.run(world.copy())
            found = self._again(answer.given)
            own = OwnLoss(self.form, world, [self.paths[name] for name in found])
            trial.given = {name: g.array for name, g in found.items()}
            trial.true = self._true(own, trial.given)
        except ExamineError as error:
            trial.failure = getattr(error, "words", str(error).splitlines()[0])
            return trial
        trial.moved = any(g.moved for g in found.values())
        trial.own = own
        trial.entries = lambda name: own.entries(self.paths[name])
        return trial

    def _again(self, given: list[Given]) -> dict[str, Given]:
        """Return the gradients of the arrays that the first call had: a parameter that did not move has a zero one."""
        found, _ = self._matched(given)
        still = {g.path: g for g in given if g.moved}
        for name, g in self.first.items():
            if g.moved and name not in found and g.path in still:
                found[name] = still[g.path]
        return {name: g for name, g in found.items() if name in self.first}

    def _true(self, own: OwnLoss, given: Mapping[str, Array]) -> dict[str, Truth]:
        if own.recording is None and own.confirms({self.paths[name]: g for name, g in given.items()}, USUAL.relative):
            return {name: Truth(g.shape, np.asarray(g, np.float64).reshape(-1)) for name, g in given.items()}
        found = own.gradients()
        return {name: found[self.paths[name]] for name in given}

    def _moved(self, world: World, seed: int) -> None:
        """Move the parameters: by a third of their size; those that are all equal by 0.1."""
        rng = np.random.default_rng(seed)
        for name in self.first:
            path = self.paths[name]
            if path[0] == "arguments" and len(path) == 2 and _data(name):
                continue
            value = np.asarray(world.get(path))
            if seed == QUIET:
                world.put(path, SMALL * value)
                continue
            size = float(np.std(value)) / 3 or 0.1
            world.put(path, (value + size * rng.standard_normal(value.shape)).astype(value.dtype))

    def _wrong(
        self, trials: list[Trial], names: list[str], precision: Precision, allowed: list[Convention]
    ) -> dict[str, Any]:
        """Return, by gradient, the trials on which it is wrong."""
        return {name: tuple(t.key for t in trials if not t.same(name, precision, allowed)) for name in names}

    def _details(self, trials: list[Trial], bad: Mapping[str, Any]) -> dict[str, str]:
        """Return what is seen at once in a wrong gradient: its shape, NaN, zeros, another sign, a factor."""
        found = {}
        for name, where in bad.items():
            words = {_seen(t.given[name], t.true[name]) for t in trials if (t.T, t.B, t.seed) in where}
            if len(words) == 1 and (word := words.pop()):
                found[name] = word
        return found

    def _missing(self) -> tuple[str, ...]:
        """Return parameters without a gradient, on which the loss depends: those beside others in a dict or object."""
        homes = {path[:-1] for name, path in self.paths.items() if name in self.first and isinstance(path[-1], str)}
        others = {name: path for name, path in self.paths.items() if name not in self.first and path[:-1] in homes}
        missing = []
        for name, path in others.items():
            try:
                truth = OwnLoss(self.form, self.world, [path]).gradients()[path]
            except ExamineError:
                continue
            if truth.largest > 10 * truth.error:
                missing.append(name)
        return tuple(missing)

    def _remarks(self, trials: list[Trial]) -> Iterable[str]:
        named = [name for name in self.unmatched if upstream_of(name)]
        if named:
            yield f"note: not compared, since no array has that name: {', '.join(named)}"
        if not self.axes.steps and not self.axes.examples:
            yield "note: one length alone was tried: no axis of time was found that can be cut"
        for t in trials:
            if t.failure:
                yield f"note: no answer at {_sizes_text(t)}: {t.failure}"
                return


def _data(name: str) -> bool:
    return name.lower().startswith(("x", "h", "c0", "a0", "s0", "inputs", "prev", "state", "y", "target"))


def _seen(hand: Array, truth: Any) -> str:
    if hand.shape != truth.shape:
        return f"it has shape {hand.shape}, the array {truth.shape}"
    if not np.isfinite(hand).all():
        return "it has NaN or infinity"
    if not hand.any():
        return "it is zero"
    seen, values = truth.seen(hand), truth.values
    size = float(np.sum(values * values))
    factor = float(np.sum(seen * values)) / size if size else 0.0
    if factor and np.allclose(seen, factor * values, rtol=1e-6, atol=1e-9 * truth.largest):
        return f"it is {factor:.4g} times the true one"
    return ""


def _among(unmatched: list[str]) -> str:
    return f" among {', '.join(unmatched)}" if unmatched else ""


def _sizes_text(t: Trial) -> str:
    return ", ".join(f"{what} = {n}" for what, n in (("T", t.T), ("batch", t.B)) if n is not None) or "all values"
