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

from tinygrad_rnn.bptt.diagnosis.evidence import scales
from tinygrad_rnn.bptt.diagnosis.precision import Precision
from tinygrad_rnn.bptt.diagnosis.truncated_answers import truncation_text
from tinygrad_rnn.bptt.homework.array_places import Array
from tinygrad_rnn.bptt.homework.called import ExamineError, ExamineTypeError, ExamineValueError
from tinygrad_rnn.bptt.homework.examined import Examination
from tinygrad_rnn.bptt.homework.explained import (
    Explanation,
    Handed,
    explanation,
    first_numbers,
    handed_in,
    meant_truncation,
    single_steps,
    truncate,
)
from tinygrad_rnn.bptt.homework.gradient_names import is_data, is_parameter
from tinygrad_rnn.bptt.homework.judging import (
    Convention,
    Trial,
    clip_of,
    largest_as_bound,
    norm_of,
    own_norm_of,
    precision_of,
    rate_of,
    scale_of,
    scaled_by,
)
from tinygrad_rnn.bptt.homework.loss_kinds import made_of_squares, over_examples, over_steps
from tinygrad_rnn.bptt.homework.own_loss import OwnLoss
from tinygrad_rnn.bptt.homework.recognised import form_of
from tinygrad_rnn.bptt.homework.trying import QUIET, Trying
from tinygrad_rnn.bptt.homework.unrolled_steps import Recurrence
from tinygrad_rnn.bptt.homework.upstream import upstream_of
from tinygrad_rnn.bptt.homework.value_kinds import described
from tinygrad_rnn.bptt.homework.with_output import OutputRecurrence
from tinygrad_rnn.bptt.truncation.ways import AnyWay
from tinygrad_rnn.language.saying import Sentence, Words, listed, sentence


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
    return _Examined(tried(subject, arguments, params, names, step, loss), truncation).result()


def tried(
    subject: Any,
    arguments: Sequence[Any],
    params: Sequence[str] | None = None,
    names: Mapping[str, str] | None = None,
    step: bool = False,
    loss: Callable[..., Any] | None = None,
) -> Trying:
    """Return code that was run once, for the arguments of `examine`."""
    form, called = form_of(subject, loss, params)
    world = form.world(list(arguments), called)
    try:
        world = world.copy()
    except Exception as error:
        raise ExamineTypeError(
            f"examine: what {form.name} was given cannot be copied ({error})\ngive arrays, numbers, lists and dicts"
        ) from error
    return Trying(form, world, dict(names or {}), params, step)


class _Examined:
    def __init__(self, code: Trying, truncation: AnyWay | None) -> None:
        self.code, self.truncation = code, truncation

    def result(self) -> Examination:
        """Try all problems, and put the findings together."""
        trials = [self.code.trial(T, B, seed) for T, B, seed in self.code.sizes()]
        ran = [t for t in trials if not t.failure]
        if not any(t.whole for t in ran):
            raise ExamineValueError(
                f"examine: {self.code.form.name} ran once, and then no more: {trials[-1].failure}\n"
                "let it start afresh at each call: without what an earlier call left behind"
            )
        if not any(t.largest for t in ran):
            raise ExamineValueError(
                f"examine: every gradient of {self.code.form.name} is zero, which tests nothing\n"
                "give other data or parameters, or a loss that depends on the parameters"
            )
        names = [name for name in self.code.first if all(name in t.given for t in ran)]
        precision, narrow = precision_of(ran)
        conventions: list[Words] = []
        if narrow:
            conventions.append(sentence("it computes in {dtype}, and is judged at that", dtype=narrow))
        loud = largest_as_bound(ran, names)
        scale = rate_of(ran, names, precision) or self._scale(ran, names, precision, loud)
        clip = clip_of(ran, names, precision, scale)
        allowed = [c for c in (scale, clip) if c]
        bad = self._wrong(ran, names, precision, allowed)
        uneven = [n for n in names if bad[n]]
        if uneven and (whole := norm_of(ran, uneven)):
            allowed, bad = [whole], dict.fromkeys(names, ())
        elif uneven and (c := own_norm_of(ran, uneven)):
            conventions.append(sentence("each gradient is scaled down to a norm of {norm:.6g} at most", norm=c))
            bad = dict.fromkeys(names, ())
        self._refuse_an_optimiser(ran, bad)
        conventions += [c.said for c in allowed]
        handed = handed_in(ran, self.code.paths, allowed) if any(bad.values()) or self.truncation else {}
        if self.truncation and not handed:
            raise ExamineValueError(
                f"examine: truncation={self.truncation!r}, but no steps of {self.code.form.name} were found\n"
                "leave it out, or write the forward pass as one loop over time"
            )
        if way := self.truncation or meant_truncation(handed.values(), precision):
            truncate(ran, handed, way)
            conventions.append(truncation_text(way))
            bad = self._wrong(ran, names, precision, allowed)
        if clip and any(bad.values()):
            quiet = [self.code.trial(T, B, QUIET) for T, B, seed in self.code.sizes() if not seed]
            handed |= handed_in(quiet, self.code.paths, allowed)
        doubtful = self._doubtful(ran, bad, precision, clip)
        judged = [t for t in ran if t.key not in doubtful]
        bad = {name: tuple(key for key in where if key not in doubtful) for name, where in bad.items()}
        why = None
        if any(bad.values()):
            why = self._why(ran, handed, allowed, {name for name, where in bad.items() if where})
            why = why or Explanation((), first_numbers(judged, bad))
        return Examination(
            name=self.code.form.name,
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
            remarks=tuple(self._remarks(trials, [t for t in ran if t.key in doubtful], precision, clip)),
        )

    def _why(
        self, trials: list[Trial], handed: dict[int, Handed], allowed: list[Convention], wrong: set[str]
    ) -> Explanation | None:
        """Return why these gradients are wrong: by the steps of the states alone, or of their output too."""
        found: Explanation | None = None
        for kind in (Recurrence, OutputRecurrence) if not self.truncation else (Recurrence,):
            if kind is OutputRecurrence:
                handed = handed_in(trials, self.code.paths, allowed, kind)
            elif not self.truncation and not any(wrong <= set(one.given) for one in handed.values()):
                continue  # what is wrong is not in these steps
            alone = [] if self.truncation else single_steps(trials, handed, self.code.paths, allowed)
            found = explanation([*alone, *handed.values()], self.code.form.name) or found
            if found and found.mistakes:
                break
        return found

    def _scale(
        self, trials: list[Trial], names: list[str], precision: Precision, clip: Convention | None
    ) -> Convention | None:
        """Return the scale under which most gradients are right, and for which the loss gives a reason."""
        every = scales("unknown", "unknown", squares=True)
        if scale_of(trials, names, precision, every, clip) is None:
            return None

        def upstream() -> Iterable[tuple[int, Array]]:
            same = [t for t in trials if t.seed == 0 and t.B in (None, self.code.axes.examples)]
            for t in same:
                if one := handed_in([t], self.code.paths, []).get(id(t)):
                    yield t.T or 1, one.steps.dhs

        steps, examples = over_steps(self.code, upstream), over_examples(self.code)
        allowed = scales(steps, examples, made_of_squares(self.code, trials))
        found = scale_of(trials, names, precision, allowed, clip)
        return scaled_by(found) if found else None

    def _refuse_an_optimiser(self, trials: list[Trial], bad: Mapping[str, Any]) -> None:
        """Raise ValueError where parameters move, and never along the gradient: an optimiser may be the reason."""
        moves = [(t, name) for t in trials if t.moved for name in bad if t.true[name].largest]
        if moves and all(t.key in bad[name] for t, name in moves):
            raise ExamineValueError(
                f"examine: {self.code.form.name} changes its parameters by other steps than multiples of a gradient\n"
                "as Adagrad and Adam do; leave the gradients in attributes, as self.dW, or return them"
            )

    def _doubtful(
        self, trials: list[Trial], bad: Mapping[str, Any], precision: Precision, clip: Convention | None
    ) -> tuple[Any, ...]:
        """Return the problems that say nothing: those whose truth is not known well, and cut ones that alone are wrong.

        What was cut may not belong together, as a number of steps that stands elsewhere.
        """
        unclear = {t.key for t in trials if any(t.unclear(name, precision, clip) for name in bad)}
        wrong = {key for where in bad.values() for key in where} - unclear
        cut = set() if any(t.whole and t.key in wrong for t in trials) else {t.key for t in trials if t.key in wrong}
        return tuple(t.key for t in trials if t.key in cut | unclear)

    def _wrong(
        self, trials: list[Trial], names: list[str], precision: Precision, allowed: list[Convention]
    ) -> dict[str, Any]:
        """Return, by gradient, the trials on which it is wrong."""
        return {name: tuple(t.key for t in trials if not t.same(name, precision, allowed)) for name in names}

    def _details(self, trials: list[Trial], bad: Mapping[str, Any]) -> dict[str, Words]:
        """Return what is seen at once in a wrong gradient: its shape, NaN, zeros, another sign, a factor."""
        found: dict[str, Words] = {}
        for name, where in bad.items():
            words = {_seen(t.given[name], t.true[name]) for t in trials if (t.T, t.B, t.seed) in where}
            if len(words) == 1 and (word := words.pop()):
                found[name] = word
        return found

    def _missing(self) -> tuple[str, ...]:
        """Return parameters without a gradient, on which the loss depends.

        These are arrays that have a parameter's name in an object or among globals, and those in dicts, lists and
        tuples that are no data.
        """
        code = self.code
        data = {k for k, _ in (*code.axes.time, *code.axes.batch)}
        others = [
            (name, path)
            for name, path in code.paths.items()
            if name not in code.first
            and (len(path) > 2 or path[0] != "arguments")
            and (is_parameter(name) or (path[0] == "arguments" and path[1] not in data and not is_data(name)))
        ]
        try:
            found = OwnLoss(code.form, code.world, [path for _, path in others]).gradients() if others else {}
        except ExamineError:
            return ()
        return tuple(name for name, path in others if found[path].largest > 10 * found[path].error)

    def _remarks(
        self, trials: list[Trial], doubtful: list[Trial], precision: Precision, clip: Convention | None
    ) -> Iterable[Words]:
        named = [name for name in self.code.unmatched if upstream_of(name)]
        if named:
            yield sentence("note: not compared, since no array of floats has that name: {names}", names=listed(named))
        if not self.code.step and not self.code.axes.steps:
            yield sentence("note: one length alone was tried: no axis of time was found that can be cut")
        for t in trials:
            if t.failure:
                called = ", ".join(map(described, self.code.axes.cut(self.code.world, t.T, t.B).arguments))
                yield sentence(
                    "could not be run at {sizes}: {error}; it was called with {arguments}",
                    sizes=_sizes_text(t),
                    error=t.failure,
                    arguments=called,
                )
                break
        unclear = [t for t in doubtful if any(t.unclear(name, precision, clip) for name in t.true)]
        if unclear:
            yield sentence(
                "note: not judged at {sizes}: the true gradient is not known well enough there, "
                "by rounding or by clipping; give smaller parameters or data",
                sizes=_sizes_text(unclear[0]),
            )
        if cut := [t for t in doubtful if t not in unclear]:
            yield sentence(
                "note: at {sizes}, cut from the data, a gradient is not that of the loss, though "
                "it is on the data as given: the parts may not belong together; give shorter data to judge them",
                sizes=_sizes_text(cut[0]),
            )


def _seen(hand: Array, truth: Any) -> Sentence | None:
    if hand.shape != truth.shape:
        return sentence("it has shape {given}, the array {right}", given=hand.shape, right=truth.shape)
    if not np.isfinite(hand).all():
        return sentence("it has NaN or infinity")
    if not hand.any():
        return sentence("it is zero")
    seen, values = truth.seen(hand), truth.values
    size = float(np.sum(values * values))
    factor = float(np.sum(seen * values)) / size if size else 0.0
    if factor and np.allclose(seen, factor * values, rtol=1e-6, atol=1e-9 * truth.largest):
        return sentence("it is {factor} times the true one", factor=f"{factor:.4g}")
    return None


def _sizes_text(t: Trial) -> Words:
    sizes = [f"T = {t.T}"] if t.T is not None else []
    more = [sentence("batch = {n}", n=t.B)] if t.B is not None else []
    return listed([*sizes, *more]) if sizes or more else sentence("all values")
