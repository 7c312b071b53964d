"""The benchmark measures what it says: competitors that are right, checked by a checker that sees the wrong ones."""

import math

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.bench import expert, measure, naive, ours, peers, results_table, run
from tinygrad_rnn.bench.competitor import Competitor, what_is_wrong
from tinygrad_rnn.bench.problem import CELLS, SIZES, problem
from tinygrad_rnn.commands import benchmarking

TIGHT = {"float64": 1e-12, "float32": 1e-5}


def largest_error(found, right):
    """Over loss and gradients, relative to the largest entry of each."""
    errors = [abs(float(found[0]) - right[0]) / abs(right[0])]
    assert set(found[1]) == set(right[1])
    for name, value in right[1].items():
        assert found[1][name].shape == value.shape
        errors.append(np.max(np.abs(found[1][name].astype(np.float64) - value)) / np.max(np.abs(value)))
    return max(errors)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("dtype", TIGHT)
@pytest.mark.parametrize("steps", [1, 2, 3, 7])
@pytest.mark.parametrize("batch", [1, 3])
def test_what_is_written_by_hand_equals_the_tape(cell, dtype, steps, batch, monkeypatch):
    given = problem(cell, (steps, batch, 4, 5), dtype, seed=steps)
    right = given.answer()
    assert largest_error(naive.CELLS[cell](given.leaves, given.targets), right) < TIGHT[dtype]
    for cache in (expert.CACHE, 1):  # all steps in one piece, and one step a piece
        monkeypatch.setattr(expert, "CACHE", cache)
        step = expert.CELLS[cell](given.sizes, dtype)
        for _ in range(2):  # buffers that were used before change nothing
            assert largest_error(step(given.leaves, given.targets), right) < TIGHT[dtype]
        other = problem(cell, given.sizes, dtype, seed=99)
        assert largest_error(step(other.leaves, other.targets), other.answer()) < TIGHT[dtype]


def test_pieces_of_unequal_length_are_joined(monkeypatch):
    for cell in CELLS:
        given = problem(cell, (8, 2, 3, 5))
        monkeypatch.setattr(expert, "CACHE", 3 * 2 * given.leaves["bias_ih"].nbytes)
        step = expert.CELLS[cell](given.sizes, "float64")
        assert step.chunk == 3
        assert largest_error(step(given.leaves, given.targets), given.answer()) < 1e-12


@pytest.mark.parametrize("cell", CELLS)
def test_the_answer_agrees_with_differences_of_a_loop_in_numpy(cell):
    given = problem(cell, (3, 2, 4, 5))
    loss, gradients = given.answer()
    forward = naive.CELLS[cell]
    assert forward(given.leaves, given.targets)[0] == pytest.approx(loss, rel=1e-13)
    rng = np.random.default_rng(1)
    direction = {name: rng.standard_normal(value.shape) for name, value in given.leaves.items()}
    along = sum(float(np.sum(direction[name] * g)) for name, g in gradients.items())
    eps = 1e-5
    ahead, behind = (
        forward({name: v + sign * eps * direction[name] for name, v in given.leaves.items()}, given.targets)[0]
        for sign in (1, -1)
    )
    assert (ahead - behind) / (2 * eps) == pytest.approx(along, rel=1e-7)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("dtype", TIGHT)
@pytest.mark.parametrize("name", peers.PEERS)
def test_every_competitor_that_is_installed_gives_the_answer(cell, dtype, name):
    if not peers.PEERS[name].installed:
        pytest.skip(f"{peers.PEERS[name].package} is not installed")
    given = problem(cell, (3, 2, 4, 5), dtype)
    competitor = peers.PEERS[name].make(given, 1)
    for _ in range(2):
        found = competitor.read(competitor.step())
        assert what_is_wrong(found, given.answer(), dtype) == ""
        assert largest_error(found, given.answer()) < TIGHT[dtype]


def wrong_numbers(loss, gradients):
    """Ways to be wrong, and the words for each."""
    W = gradients["weight_hh"]
    small = W.copy()
    small[0, 0] += 1e-7 * np.max(np.abs(W))
    yield (loss, {**gradients, "weight_hh": small}), "gradient of weight_hh is off by 1.0e-07"
    yield (loss, {**gradients, "weight_hh": -W}), "gradient of weight_hh is off by 2.0e+00"
    yield (loss, {**gradients, "weight_hh": np.full_like(W, np.nan)}), "gradient of weight_hh is off by inf"
    yield (loss, {**gradients, "weight_hh": W.T[:, :3]}), "is (5, 3) float64, and weight_hh is (5, 5) float64"
    yield (loss, {**gradients, "weight_hh": W.astype(np.float32)}), "is (5, 5) float32"
    yield (loss, {name: g for name, g in gradients.items() if name != "x"}), "there is no gradient of x"
    yield (loss * (1 + 1e-7), gradients), "the loss is off by 1.0e-07"
    yield (math.nan, gradients), "the loss is off by inf"


def test_the_checker_sees_what_is_wrong_and_passes_what_is_right():
    given = problem("rnn", (3, 2, 4, 5))
    loss, gradients = given.answer()
    assert what_is_wrong((loss, gradients), (loss, gradients), np.float64) == ""
    cases = list(wrong_numbers(loss, gradients))
    for found, words in cases:
        assert words in what_is_wrong(found, (loss, gradients), np.float64)
    zeros = {name: np.zeros_like(g) for name, g in gradients.items()}
    assert what_is_wrong((0.0, zeros), (0.0, zeros), np.float64) == ""
    assert "x" in what_is_wrong((0.0, {**zeros, "x": gradients["x"]}), (0.0, zeros), np.float64)


def settings(**changes):
    return run.Settings(**{"cells": ["rnn"], "sizes": [("", (2, 1, 2, 3))], "dtypes": ["float64"], **changes})


def test_a_wrong_competitor_is_reported_and_not_timed(monkeypatch):
    def off(given, threads):
        right = ours.eager(given, threads)
        return Competitor(right.step, lambda made: (right.read(made)[0], {**right.read(made)[1], "h0": 0 * made[0]}))

    def failing(given, threads):
        raise RuntimeError("no room\nfor this")

    monkeypatch.setitem(peers.PEERS, "naive", peers.Peer("wrong", off))
    monkeypatch.setitem(peers.PEERS, "torch", peers.Peer("failing", failing))
    chosen = settings(peers=["compiled", "expert", "naive", "torch"], rounds=2)
    (row,) = run.rows(chosen, "float64")
    assert set(row.times.rounds) == {"compiled", "expert"}
    assert row.wrong["torch"] == "RuntimeError: no room"
    assert "gradient of h0" in row.wrong["naive"]
    said = results_table.line(row, chosen).splitlines()
    assert said[0].split()[-2:] == ["wrong", "wrong"]
    assert [text.split(":")[0].strip() for text in said[1:]] == ["naive", "torch"]
    assert row.data()["wrong"] == row.wrong
    assert "-" not in results_table.medians([row], chosen).split()[0]


def test_nothing_is_timed_where_ours_is_wrong(monkeypatch):
    monkeypatch.setitem(
        peers.PEERS, "compiled", peers.Peer("wrong", lambda *_: Competitor(lambda: 0, lambda _: (0, {})))
    )
    chosen = settings(peers=["compiled", "expert"], rounds=2)
    (row,) = run.rows(chosen, "float64")
    assert row.times.rounds == {}
    assert row.data()["milliseconds"] == {}
    assert results_table.line(row, chosen).splitlines()[0].split()[-2:] == ["wrong", "-"]
    assert results_table.medians([row], chosen).split() == ["median", "-"]


def test_the_seconds_are_shared_by_all_problems(monkeypatch):
    shares = []
    monkeypatch.setattr(run, "measured", lambda steps, seconds, rounds, threads: shares.append(seconds))
    chosen = settings(peers=["compiled"], cells=["rnn", "gru"], dtypes=["float32", "float64"], seconds=8.0)
    for dtype in chosen.dtypes:
        assert len(list(run.rows(chosen, dtype))) == 2
    assert shares == [2.0] * 4


def test_a_competitor_that_turns_wrong_at_its_second_step_is_caught(monkeypatch):
    def make(given, threads):
        right, calls = ours.eager(given, threads), []

        def read(made):
            calls.append(made)
            loss, gradients = right.read(made)
            return loss * len(calls), gradients

        return Competitor(right.step, read)

    monkeypatch.setitem(peers.PEERS, "naive", peers.Peer("wrong", make))
    (row,) = run.rows(settings(peers=["compiled", "naive"], rounds=1), "float64")
    assert row.wrong == {"naive": "the loss is off by 1.0e+00 of its largest entry (rounding: up to 1e-09)"}


def test_ratios_are_taken_within_a_round():
    times = measure.Times({"a": [1.0, 20.0, 3.0], "b": [2.0, 40.0, 1.0]})
    assert times.seconds("a") == 3.0
    assert times.ratio("a", "b") == 0.5
    assert times.ratio("a", "a") == 1.0


def test_each_round_has_every_competitor_once_and_short_steps_are_repeated(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(measure.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(measure.time, "process_time", lambda: now[0])
    calls = {"short": 0, "long": 0}

    def step(name, seconds):
        def call():
            calls[name] += 1
            now[0] += seconds

        return call

    steps = {"short": step("short", measure.SAMPLE / 4), "long": step("long", 3 * measure.SAMPLE)}
    times = measure.measured(steps, seconds=1, rounds=5)
    assert times.rounds["short"] == pytest.approx([measure.SAMPLE / 4] * 5)
    assert times.rounds["long"] == pytest.approx([3 * measure.SAMPLE] * 5)
    assert calls == {"short": 2 + 5 * (1 + 4), "long": 2 + 5}
    assert times.ratio("short", "long") == pytest.approx(1 / 12)
    assert len(measure.measured(steps, seconds=42 * measure.SAMPLE).rounds["long"]) == 10
    assert len(measure.measured(steps, seconds=1e-9).rounds["long"]) == measure.LEAST_ROUNDS
    assert len(measure.measured(steps, seconds=1e9).rounds["long"]) == measure.MOST_ROUNDS


def test_cpu_time_counts_with_one_thread_and_wall_time_with_more(monkeypatch):
    assert measure.clock(2)[0] == "wall time"
    coarse = measure.time.get_clock_info("process_time")
    coarse.resolution = 1 / 64
    monkeypatch.setattr(measure.time, "get_clock_info", lambda _: coarse)
    assert measure.clock(1)[0] == "wall time"
    coarse.resolution = 1e-9
    assert measure.clock(1)[0] == "CPU time"


def test_peers_that_are_absent_are_said_and_refused_where_they_were_asked_for(monkeypatch):
    monkeypatch.setitem(peers.PEERS, "jax", peers.Peer("JAX", None, "there_is_no_such_package"))
    names, absent = peers.chosen([])
    assert names[0] == "compiled"
    assert absent[-1] == "jax"
    assert "jax" not in names
    assert "Not installed here, and so not in the table: jax" in results_table.legend(settings(peers=names), ["jax"])
    assert peers.chosen(["naive"]) == (["compiled", "naive"], [])
    with pytest.raises(ValueError, match="is not installed here\ninstall it") as caught:
        peers.chosen(["naive", "jax"])
    assert len(str(caught.value).splitlines()) == 2


def test_status_1_where_a_competitor_is_wrong(monkeypatch, capsys):
    monkeypatch.setitem(
        peers.PEERS, "naive", peers.Peer("wrong", lambda *_: Competitor(lambda: 0, lambda _: (0.0, {})))
    )
    assert benchmarking._measure(settings(peers=["naive"], rounds=1), None, None) == 1
    assert "naive: there is no gradient of weight_ih" in capsys.readouterr().out


def test_the_sizes_are_a_matter_of_the_problem_alone():
    given = problem("gru", SIZES["tiny"], "float32", "tiny")
    assert (given.sizes, given.dtype) == (SIZES["tiny"], np.float32)
    assert {value.dtype for value in given.leaves.values()} == {np.dtype(np.float32)}
    again = problem("gru", SIZES["tiny"], "float32", "tiny")
    assert all((given.leaves[name] == again.leaves[name]).all() for name in given.leaves)
    assert float(given.loss(given.leaves)) == pytest.approx(float(tg.value_and_grad(given.loss)(given.leaves)[0]))
