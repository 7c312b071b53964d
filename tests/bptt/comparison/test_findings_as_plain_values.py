"""`to_dict` of a Diagnosis and a Report: plain values, which JSON takes and gives back."""

import json

import numpy as np
import pytest
from zoo import my_rnn

from tinygrad_rnn import bptt, nn


def plain(found):
    """The dict of findings, after a way through strict JSON."""
    values = found.to_dict()
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert values["right"] == bool(found)
    return values


def derivation(mistake="", names=("weight_ih", "weight_hh")):
    def my_bptt(params, xs, state, dhs):
        answer = my_rnn(params, xs, state, dhs, mistake=mistake)
        return {name: answer[name] for name in names}

    return my_bptt


def test_a_right_diagnosis():
    found = plain(bptt.doctor(nn.rnn, derivation()))
    assert found["kind"] == "diagnosis"
    assert (found["name"], found["verdict"]) == ("my_bptt, BPTT of rnn", "right")
    right = {"right": True, "wrong": ""}
    assert found["gradients"] == {"weight_ih": right, "weight_hh": right}
    assert (found["first"], found["quantity"], found["step"], found["mistakes"]) == ("", "", None, [])


def test_a_wrong_diagnosis_speaks_the_names_of_the_derivation():
    diagnosis = bptt.doctor(nn.rnn, derivation("h_t for h_{t-1}"), names={"Waa": "weight_hh"})
    found = plain(diagnosis)
    assert found["gradients"] == {
        "weight_ih": {"right": True, "wrong": ""},
        "Waa": {"right": False, "wrong": "at T = 1, 2, 3, 7, 20"},
    }
    assert found["mistakes"] == ["in dWaa, dz[t].T @ h[t] stands in the place of dz[t].T @ h[t-1]"]
    assert (found["quantity"], found["step"], found["explained"]) == ("dWaa", 0, True)
    assert found["first"] in str(diagnosis)


def test_a_diagnosis_without_an_answer():
    def fails(params, xs, state, dhs):
        raise ValueError("no")

    found = plain(bptt.doctor(nn.rnn, fails))
    assert not found["right"]
    assert found["gradients"] == {}
    assert found["no_answer"] == [1, 2, 3, 7, 20]
    assert "ValueError: no" in found["remarks"][0]


@pytest.mark.parametrize("T", [1, 3])
@pytest.mark.parametrize("mistake", ["", "h_t for h_{t-1}"])
def test_a_report(T, mistake):
    rng = np.random.default_rng(0)
    report = bptt.compare(nn.rnn, nn.init.rnn(rng, 2, 3), rng.standard_normal((T, 1, 2)), derivation(mistake))
    found = plain(report)
    assert found["kind"] == "comparison"
    assert {name: g["right"] for name, g in found["gradients"].items()} == {
        row.name: row.verdict(report.rtol) == "ok" for row in report.rows
    }
    assert set(found["gradients"]["weight_hh"]) == {
        "right",
        "verdict",
        "shape",
        "hand",
        "fault",
        "numeric",
        "torch",
        "rounding",
    }
    assert found["gradients"]["weight_hh"]["hand"]["at"] == list(report["weight_hh"].hand.at)
    assert found["gradients"]["weight_hh"]["verdict"] == ("WRONG: HAND" if mistake else "ok")
    assert found["findings"] == report.findings


def test_what_is_not_finite_is_null():
    report = bptt.compare_gradients("g", {"W": np.ones(2)}, {"W": np.array([1, np.nan])})
    assert plain(report)["gradients"]["W"]["hand"] == {"absolute": None, "relative": None, "ulps": None, "at": [1]}
    report = bptt.compare_gradients("g", {"W": np.ones(2)}, {"W": np.ones(3)})
    assert plain(report)["gradients"]["W"]["fault"] == "shape (3,)"
    assert plain(report)["gradients"]["W"]["hand"] is None
