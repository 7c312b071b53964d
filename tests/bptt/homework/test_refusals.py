"""Code that cannot be examined, or not on every problem: the words say why and what to do, and nothing is wrong."""

import numpy as np
import pytest
from people import examined

from tinygrad_rnn import bptt

rng = np.random.default_rng(0)
W, U = rng.normal(0, 0.5, (3, 2)), rng.normal(0, 0.5, (3, 3))
XS, YS = rng.normal(size=(4, 2)), rng.normal(size=(4, 3))


def right(W, U, xs, ys):
    hs, loss = [np.zeros(3)], 0.0
    for x, y in zip(xs, ys, strict=True):
        hs.append(np.tanh(W @ x + U @ hs[-1]))
        loss += ((hs[-1] - y) ** 2).sum()
    dW, dU, carry = 0 * W, 0 * U, 0
    for t in reversed(range(len(xs))):
        dz = (2 * (hs[t + 1] - ys[t]) + carry) * (1 - hs[t + 1] ** 2)
        dW, dU, carry = dW + np.outer(dz, xs[t]), dU + np.outer(dz, hs[t]), U.T @ dz
    return loss, dW, dU


def forward(xs, W, U):
    hs = [np.zeros(3)]
    for x in xs:
        hs.append(np.tanh(W @ x + U @ hs[-1]))
    return np.array(hs[1:]), (xs, hs, W, U)


class Net:
    def train(self, xs):
        return 1.0


def nothing_upstream(cache):
    return {"W": 0 * cache[2]}


def random_each_time(W, U, xs, ys):
    loss, *grads = right(W, U, xs, ys)
    return loss + np.random.default_rng().normal(), *grads


REFUSED = {
    "a class": (lambda: bptt.examine(Net), "Net is a class.*give an object of it"),
    "an object without a pass": (lambda: bptt.examine(Net(), XS), "a pair of methods, of: train"),
    "no code": (lambda: bptt.examine(3, XS), "3 is no code.*give an object"),
    "an argument too few": (
        lambda: bptt.examine(right, W, U, XS),
        "could not be run: TypeError.*missing.*it was called",
    ),
    "a shape that does not fit": (
        lambda: bptt.examine(right, W, U[:2], XS, YS),
        r"could not be run: ValueError.*\(test_refusals.py, line \d+\).*an array \(3, 2\), an array \(2, 3\)",
    ),
    "no loss": (lambda: bptt.examine(lambda *a: right(*a)[1:], W, U, XS, YS), "without a loss.*return"),
    "no gradients": (lambda: bptt.examine(lambda *a: right(*a)[0], W, U, XS, YS), "no gradient.*names="),
    "a loss that is NaN": (lambda: bptt.examine(lambda *a: (np.nan, *right(*a)[1:]), W, U, XS, YS), "loss of.* is nan"),
    "a loss that is constant": (lambda: bptt.examine(lambda W, xs: (1.0, 0 * W), W, XS), "zero, which tests nothing"),
    "a name that is none": (lambda: bptt.examine(right, W, U, XS, YS, names={"dW": "V"}), "no array of floats here"),
    "a global that is none": (lambda: bptt.examine(right, W, U, XS, YS, params=["V"]), "names 'V'.*name variables"),
    "a generator": (lambda: bptt.examine(right, W, U, iter(XS), YS), "cannot be copied|could not be run"),
    "chance": (lambda: bptt.examine(random_each_time, W, U, XS, YS), "another loss each time.*np.random"),
    "no upstream gradient": (lambda: bptt.examine((forward, nothing_upstream), XS, W, U), "takes no gradient of it"),
    "exit": (lambda: bptt.examine(lambda W: exit(3), W), r"could not be run: exit\(3\)"),
    "an optimiser": (lambda: examined("habits.adagrad_hidden"), "changes its parameters.*leave the gradients"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_says_what_is_wrong_and_what_to_do(case):
    call, words = REFUSED[case]
    with pytest.raises((TypeError, ValueError), match=f"(?s){words}") as raised:
        call()
    assert len(str(raised.value).splitlines()) == 2


def test_a_length_that_cannot_be_run_is_neither_right_nor_wrong():
    def not_one(W, U, xs, ys):
        if len(xs) == 1:
            raise ValueError("too short")
        return right(W, U, xs, ys)

    found = bptt.examine(not_one, W, U, XS, YS)
    assert found
    assert found.verdict == "right at T = 2, 3, 4; could not be run at T = 1"
    assert "ValueError: too short (test_refusals.py, line " in str(found)
    assert "it was called with an array (3, 2), an array (3, 3), an array (1, 2), an array (1, 3)" in str(found)
    assert {t["T"] for t in found.to_dict()["could_not_be_run"]} == {1}


def test_one_length_alone_is_said():
    def only_four(W, U, xs, ys):
        assert len(xs) == 4
        return right(W, U, xs, ys)

    found = bptt.examine(only_four, W, U, XS, YS)
    assert found.verdict == "right"
    assert "one length alone was tried" in str(found)


def test_data_that_do_not_belong_together_when_cut_accuse_nobody():
    def weighted(W, U, xs, ys, count):
        loss, dW, dU = right(W, U, xs, ys)
        return loss / count["steps"], dW / len(xs), dU / len(xs)

    found = bptt.examine(weighted, W, U, XS, YS, {"steps": 4.0})
    assert found
    assert found.verdict == "right at T = 4; not judged at T = 1, 2, 3"
    assert bptt.examine(weighted, W, U, XS, YS, {"steps": 4}).verdict == "right"  # the number of steps is cut too
    assert "WRONG" not in str(found)


def test_a_gradient_that_is_not_given_is_missing_and_nothing_is_wrong():
    def partly(params, xs, ys):
        loss, dW, _ = right(params["W"], params["U"], xs, ys)
        return loss, {"W": dW}

    found = bptt.examine(partly, {"W": W, "U": U}, XS, YS)
    assert not found
    assert not found.wrong
    assert found.verdict == "INCOMPLETE: right so far, without dU"


def test_nothing_of_the_person_s_is_changed():
    before = [a.copy() for a in (W, U, XS, YS)]
    bptt.examine(right, W, U, XS, YS)
    assert all(np.array_equal(a, b) for a, b in zip((W, U, XS, YS), before, strict=True))
