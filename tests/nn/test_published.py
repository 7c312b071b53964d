"""The cells against code that others published: outputs, last states and all gradients, in float64.

The numbers of the published code are stored, so that they are compared everywhere; where a package is installed, its
code runs again. `tests/oracles/published_cells.py` says how our parameters are laid out for each package.
"""

from importlib import metadata
from pathlib import Path

import make_published
import numpy as np
import pytest
from make_published import ROWS

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.bptt.atlas.cell_facts import FACTS
from tinygrad_rnn.bptt.atlas.published import PUBLISHED
from tinygrad_rnn.nn.time_loop import as_tuple

STORED = np.load(make_published.PATH)


def by_tape(row, T, B, with_state):
    """What `by_published` returns, in pieces by name."""
    params, xs, states, to_output, to_last = make_published.drawn(row, T, B, with_state)
    leaves = {key: tg.Tensor(value) for key, value in [*params.items(), ("xs", xs)]}
    starts = {f"{key}0": tg.Tensor(value) for key, value in states.items()} if with_state else {}
    with tg.Tape() as tape:
        given = {key: leaf for key, leaf in leaves.items() if key != "xs"}
        outputs, last = nn.unroll(FACTS[ROWS[row][0]].cell, given, leaves["xs"], tuple(starts.values()))
        loss = (outputs * to_output).sum()
        for state, cotangent in zip(as_tuple(last), to_last.values(), strict=True):
            loss = loss + (state * cotangent).sum()
    found = {"outputs": outputs.data}
    if with_state:
        found |= {f"last {key}": s.data for key, s in zip(states, as_tuple(last), strict=True)}
    return found | {f"by {key}": g for key, g in tape.gradient(loss, leaves | starts).items()}


def require_agreement(row, published):
    """Each piece agrees to 1e-12 of its largest number."""
    for T, B, with_state in ROWS[row][1]:
        for key, value in by_tape(row, T, B, with_state).items():
            expected, published = np.split(published, [value.size])
            np.testing.assert_allclose(
                value.ravel(),
                expected,
                rtol=0,
                atol=1e-12 * abs(expected).max(),
                err_msg=f"{row}, T={T}, B={B}, {'drawn states' if with_state else 'from zeros'}: {key}",
            )
    assert not published.size


@pytest.mark.parametrize("row", ROWS)
def test_outputs_states_and_gradients_are_those_of_published_code(row):
    require_agreement(row, STORED[row])


@pytest.mark.needs_torch
@pytest.mark.parametrize("row", ROWS)
def test_the_published_code_gives_the_stored_numbers(row):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    published = PUBLISHED[ROWS[row][0]]
    try:
        version = metadata.version(published.package)
    except metadata.PackageNotFoundError:
        pytest.skip(f"{published.package} is not installed (tests/published.txt)")
    answers = make_published.answers(row)
    require_agreement(row, answers)
    if version.split("+")[0] == published.version:
        np.testing.assert_allclose(answers, STORED[row], rtol=0, atol=1e-12 * abs(answers).max())


def test_every_cell_of_the_atlas_is_compared_with_published_code():
    assert PUBLISHED.keys() == FACTS.keys()
    assert {name for name, _ in ROWS.values()} == FACTS.keys()
    assert set(STORED.files) == ROWS.keys()


@pytest.mark.parametrize("name", FACTS)
def test_the_page_of_a_cell_names_the_published_code(name):
    page = (Path(__file__).parents[2] / "docs" / "atlas" / f"{name}.md").read_text(encoding="utf-8")
    assert f"one and three sequences: {PUBLISHED[name]}\n" in page


def test_the_packages_are_installed_in_the_versions_that_the_atlas_names():
    lines = (Path(__file__).parents[1] / "published.txt").read_text(encoding="utf-8").splitlines()
    installed = dict(line.split("==") for line in lines if not line.startswith("#"))
    not_there = {"torch", "haste_pytorch_cpu"}  # the one is installed beside them, the other needs CUDA
    named = {published.package: published.version for published in PUBLISHED.values()}
    assert installed == {name: v for name, v in named.items() if name not in not_there} | {"einops": "0.8.2"}


def test_both_branches_of_the_denominator_of_the_mlstm_are_compared():
    larger = []
    for run in ROWS["mlstm"][1]:
        params, xs, states, *_ = make_published.drawn("mlstm", *run)
        for x in xs:
            states = dict(zip(states, nn.mlstm(params, x, *states.values()), strict=True))
            product = (states["n"] * (x @ params["weight_q"].T)).sum(axis=-1, keepdims=True)
            larger += (abs(product) > np.exp(-states["m"])).ravel().tolist()
    assert 0.1 < np.mean(larger) < 0.9
