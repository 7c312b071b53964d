"""A numerical derivative is asked twice before it says that another is wrong."""

import numpy as np
import pytest

from tinygrad_rnn.transforms.numerical import central_differences, has_corner
from tinygrad_rnn.transforms.witness import Witness, agree, same

X, V = np.array([0.3, -1.2, 2.0]), np.array([1.0, -0.7, 1.2])


def allowed(numeric):
    return {"complex step": 1e-9, "differences": 1e-6}[numeric.method] + 10 * numeric.error


def witness(by_lines, anew, x=X, continued=True, smooth=True):
    return Witness(by_lines, anew, x, continued, smooth)


def smooth(x):
    return np.sum(np.sin(x) * np.exp(x))


SLOPE = float(((np.sin(X) + np.cos(X)) * np.exp(X)) @ V)


def test_a_complex_step_where_there_is_one_else_differences():
    assert witness(smooth, smooth).derivative(V).method == "complex step"
    assert witness(smooth, smooth, continued=False).derivative(V).method == "differences"
    for continued in (True, False):
        numeric = witness(smooth, smooth, continued=continued).about(V, SLOPE, allowed)
        assert agree(SLOPE, numeric, allowed)
        assert not numeric.corner


@pytest.mark.parametrize("off", [1e-4, -0.5, 1.0, 7.0])
@pytest.mark.parametrize("continued", [True, False])
def test_a_wrong_slope_is_wrong_at_a_smooth_place(continued, off):
    for claims_to_be_smooth in (True, False):
        numeric = witness(smooth, smooth, X, continued, claims_to_be_smooth).about(V, SLOPE + off, allowed)
        assert not numeric.corner
        assert not agree(SLOPE + off, numeric, allowed)


def test_an_operation_that_is_called_analytic_and_is_not_is_found_out():
    def f(x):
        return np.sum(np.abs(x) ** 2)  # for complex numbers the squared modulus, which has no slope

    numeric = witness(f, f).about(V, float(2 * X @ V), allowed)
    assert (numeric.method, numeric.corner) == ("differences", False)
    assert agree(float(2 * X @ V), numeric, allowed)
    wrong = witness(f, f).about(V, float(2 * X @ V) + 0.01, allowed)
    assert not agree(float(2 * X @ V) + 0.01, wrong, allowed)


def test_functions_for_real_numbers_alone_and_what_overflows_fall_back_to_differences():
    assert witness(lambda x: np.sum(np.cbrt(x)), lambda x: np.sum(np.cbrt(x))).derivative(V).method == "differences"
    assert witness(lambda x: np.nan * x[0], smooth).derivative(V).method == "differences"


@pytest.mark.parametrize("distance", [0.0, 1e-8, 1e-5, 1e-3])
@pytest.mark.parametrize("continued", [True, False])
def test_a_corner_is_no_mistake(continued, distance):
    x, v = np.array([distance, -1.2, 2.0]), np.array([1.0, 0.5, 1.2])

    def f(x):
        return np.sum(np.maximum(x, 0)) + np.sum(np.sin(x))

    for slope in (0.0, 1.0) if distance == 0 else (1.0,):
        found = slope + 1.2 + float(np.cos(x) @ v)
        numeric = witness(f, f, x, continued, smooth=False).about(v, found, allowed)
        assert numeric.corner or agree(found, numeric, allowed)


def test_a_corner_far_away_excuses_nothing():
    x, v = np.array([0.2, -1.2, 2.0]), np.array([1.0, 0.5, 1.2])

    def f(x):
        return np.sum(np.maximum(x, 0))

    for continued in (True, False):
        numeric = witness(f, f, x, continued, smooth=False).about(v, 1.3 * 2.2, allowed)
        assert not numeric.corner
        assert not agree(1.3 * 2.2, numeric, allowed)


def test_corners_by_differences():
    one = np.ones(1)
    for at in (0.0, 1e-9, -1e-7):
        assert has_corner(lambda x: np.abs(x).sum(), np.array([at]), one, least=1e-3)
    for f in (np.sin, np.exp, lambda x: 1e4 * x**2, lambda x: np.tanh(50 * x)):
        assert not has_corner(lambda x, f=f: f(x).sum(), np.array([0.3]), one, least=1e-3)
    assert not has_corner(lambda x: (x + 1e8).sum() - 1e8, np.array([0.3]), one, least=1e-3, noise=1e-7)


def test_the_noise_of_a_function_is_part_of_the_error():
    def f(x):
        return (x.sum() + 1e6) - 1e6

    quiet, told = central_differences(f, X, V), central_differences(f, X, V, noise=1e-10)
    assert abs(told.value - V.sum()) <= 10 * told.error
    assert told.error > quiet.error


def test_the_same_function_up_to_rounding():
    assert same(1.0, 1.0 + 1e-14)
    assert not same(1.0, 1.0 + 1e-9)
    assert same(1.0, 1.0 + 1e-9, noise=1e-8)
    assert same(np.nan, np.nan)
