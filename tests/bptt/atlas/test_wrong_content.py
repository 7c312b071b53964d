"""A wrong number, formula, picture or backward stops the atlas: each kind of content is made wrong on purpose."""

import dataclasses
import re

import make_atlas
import numpy as np
import pytest

from tinygrad_rnn import bptt
from tinygrad_rnn.bptt.atlas import cell_entry, entry_pictures, linearity, memory_factor, starting, step_cost
from tinygrad_rnn.bptt.atlas.memory_factor import Factor
from tinygrad_rnn.bptt.atlas.symbolic_sizes import Size
from tinygrad_rnn.bptt.derivation import derive
from tinygrad_rnn.bptt.derivation.expressions import Num, product
from tinygrad_rnn.core.table import PRIMITIVES

CELL = "min_gru"


def made(monkeypatch, module, name, change):
    """Put what `change` makes of a function in its place."""
    monkeypatch.setattr(module, name, change(getattr(module, name)))


def with_wrong_formula(section, name):
    """The formulas of a derivation, with half of one of them."""

    def change(formulas_of):
        def wrong(*given):
            formulas = formulas_of(*given)
            found = [f for f in formulas.all if (f.section, f.name) == (section, name)]
            assert found, [(f.section, f.name) for f in formulas.all]
            half = [dataclasses.replace(f, right=(product(Num(0.5), f.right[0]), *f.right[1:])) for f in found]
            formulas.all = [half[found.index(f)] if f in found else f for f in formulas.all]
            return formulas

        return wrong

    return change


def with_wrong_code(code_of):
    class Wrong(code_of):
        def source(self):
            return re.sub(r"dW \+=", "dW -=", super().source())

    return Wrong


def scaled(of):
    return lambda *given, **more: 1.01 * of(*given, **more)


def with_scaled_outputs(scan):
    def wrong(*given, **more):
        hs, last = scan(*given, **more)
        return 1.01 * hs, last

    return wrong


def shifted(*places):
    """Norms that are wrong at some steps, or at all."""

    def change(norms_of):
        def wrong(*given):
            norms = np.array(norms_of(*given))
            norms[list(places) or slice(None)] += 0.01
            return norms

        return wrong

    return change


def with_another_shape(styled):
    def wrong(*given, **more):
        picture = styled(*given, **more)
        key = next(key for key, box in picture.boxes.items() if box.title == "hₜ")
        picture.boxes[key] = dataclasses.replace(picture.boxes[key], shape="2×5")
        return picture

    return wrong


def doubled(cost):
    return lambda lines: (2 * cost(lines)[0], cost(lines)[1])


WRONG = {
    "a formula of the forward pass": (derive, "Formulas", with_wrong_formula("forward", "h")),
    "a formula of an error term": (derive, "Formulas", with_wrong_formula("errors", "dn")),
    "a formula of a gradient": (derive, "Formulas", with_wrong_formula("gradients", "dW")),
    "a formula of the step Jacobian": (derive, "Formulas", with_wrong_formula("steps", "step_h")),
    "the backward in NumPy": (derive, "Code", with_wrong_code),
    "the numbers of the step Jacobian": (starting, "step_jacobians", scaled),
    "the curve far from the loss": (starting, "_step_by_step", shifted(50)),
    "the multiply-adds of a step": (step_cost, "_cost", doubled),
    "a shape in the picture": (entry_pictures, "styled", with_another_shape),
    "the outputs of the scan": (linearity, "scan", with_scaled_outputs),
}


@pytest.fixture(scope="module")
def entry():
    """The entry of a small cell, whose curve is computed once."""
    return bptt.look_up(CELL)


@pytest.mark.parametrize("what", WRONG)
def test_wrong_content_stops_the_atlas(monkeypatch, what):
    made(monkeypatch, *WRONG[what])
    with pytest.raises(ArithmeticError, match=r"atlas: |derive: "):
        make_atlas.cell_files(bptt.look_up(CELL))


def test_a_curve_that_is_wrong_in_both_walks_stops_the_atlas(monkeypatch):
    for name in ("_step_by_step", "_at_once"):
        made(monkeypatch, starting, name, shifted())
    with pytest.raises(ArithmeticError, match=r"\|dL/ds_k\| of min_gru is .* at 10 steps"):
        _ = bptt.look_up(CELL).curve


def test_a_right_page_does_not(entry):
    assert len(make_atlas.cell_files(entry)) == 5


@pytest.mark.parametrize("name", ["sigmoid", "multiply"])
def test_a_wrong_derivative_rule_stops_the_atlas(monkeypatch, name):
    rules = PRIMITIVES[name].vjps
    monkeypatch.setattr(PRIMITIVES[name], "vjps", (lambda *given: 1.01 * rules[0](*given), *rules[1:]))
    with pytest.raises((AssertionError, ArithmeticError)):
        make_atlas.cell_files(bptt.look_up(CELL))


def test_a_wrong_number_of_parameters_stops_the_atlas(monkeypatch):
    wrong = property(lambda self: Size({(1, 1): 2, (0, 1): 3}))
    monkeypatch.setattr(cell_entry.CellEntry, "parameter_count", wrong)
    with pytest.raises(ArithmeticError, match="min_gru has 736 parameters, not 704"):
        make_atlas.cell_files(bptt.look_up(CELL))


def test_a_wrong_pattern_stops_the_atlas(monkeypatch):
    made(monkeypatch, starting, "_jacobians", lambda of: lambda *given, **more: np.swapaxes(of(*given, **more), 2, 3))
    with pytest.raises(ArithmeticError, match="pattern of the step Jacobian of qrnn"):
        _ = bptt.look_up("qrnn").pattern


@pytest.mark.parametrize(
    ("cell", "factor"),
    [
        ("min_gru", Factor("h", "z", lambda v: v("z"))),
        ("lstm", Factor("c", "i", lambda v: v("i"))),
        ("slstm", Factor("n", "1", lambda v: 1.0)),
        ("gated_delta_net", Factor("S", "beta", lambda v: v("beta")[..., None])),
        ("rnn", Factor("h", "1", lambda v: 1.0)),
    ],
    ids=lambda given: given if isinstance(given, str) else given.text,
)
def test_a_wrong_factor_is_no_direct_way(monkeypatch, cell, factor):
    monkeypatch.setattr(memory_factor, "FACTORS", {cell: factor})
    with pytest.raises(ArithmeticError, match=f"{cell} does not multiply its memory by {factor.text}"):
        memory_factor.require_direct_way(bptt.look_up(cell).facts)


def test_a_factor_that_leaves_less_than_the_gradient_has_is_not_the_only_way():
    curve = [0.0] * (starting.DISTANCE + 1)
    with pytest.raises(ArithmeticError, match="but the gradient"):
        memory_factor.kept(bptt.look_up(CELL).facts, curve, alone=True)


def test_the_gradient_of_a_diagonal_cell_is_the_product_of_its_factors(entry):
    """The whole curve of minGRU from its gates alone: |g_k|^2 is the sum of the squares of g_T times the factors."""
    tape, _ = starting.long_run(entry.facts)
    upstream = starting._long_problem(entry.facts)[3][-1]
    z = [out.data for _, _, _, out, _ in tape.lines() if out.name == "z"]
    norms, g = [np.linalg.norm(upstream)], upstream
    for t in range(starting.DISTANCE, 0, -1):
        g = g * (1 - z[t])
        norms.append(np.linalg.norm(g))
    np.testing.assert_allclose(np.log10(norms), entry.curve, atol=1e-9)


def test_the_picture_of_the_curve_has_its_values():
    curve = np.random.default_rng(0).standard_normal(201).cumsum()
    points = re.search(r'points="([^"]*)"', entry_pictures.curve_picture([*curve]))[1].split()
    heights = np.array([float(point.split(",")[1]) for point in points])
    low, high = curve.argmin(), curve.argmax()
    slope = (heights[high] - heights[low]) / (curve[high] - curve[low])
    np.testing.assert_allclose(heights, heights[low] + slope * (curve - curve[low]), atol=0.15)


def test_the_picture_of_the_jacobian_has_a_filled_square_for_each_entry():
    pattern = bptt.look_up("lstm").pattern
    drawn = re.findall(r'width="12" height="12" fill="(#\w+)"', entry_pictures.pattern_picture(pattern, "LSTM"))
    assert [fill == entry_pictures.FILLED for fill in drawn] == pattern.entries.ravel().tolist()
