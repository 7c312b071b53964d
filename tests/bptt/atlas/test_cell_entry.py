"""An entry of the atlas: its numbers against closed forms, other ways of counting, and published figures."""

import json

import numpy as np
import pytest

from tinygrad_rnn import bptt, nn
from tinygrad_rnn.bptt.atlas import entry_checks, linearity, starting
from tinygrad_rnn.bptt.atlas.cell_facts import FACTS, Facts
from tinygrad_rnn.bptt.atlas.linearity import Linear
from tinygrad_rnn.bptt.atlas.starting import MEDIUM, SMALL, Pattern
from tinygrad_rnn.bptt.atlas.symbolic_sizes import Size, fitted, fitted_shape, shape_text
from tinygrad_rnn.core.table import primitive
from tinygrad_rnn.language.current import speaking

PARAMETERS = {  # counted from the equations in the papers
    "rnn": lambda i, h: h * (i + h + 2),
    "irnn": lambda i, h: h * (i + h + 2),
    "residual_rnn": lambda i, h: h * (i + h + 2),
    "leaky_rnn": lambda i, h: h * (i + h + 2),
    "lstm": lambda i, h: 4 * h * (i + h + 2),
    "peephole_lstm": lambda i, h: 4 * h * (i + h + 2) + 3 * h,
    "coupled_lstm": lambda i, h: 3 * h * (i + h + 2),
    "layer_norm_lstm": lambda i, h: 4 * h * (i + h + 2) + 8 * h + 2 * h,
    "gru": lambda i, h: 3 * h * (i + h + 2),
    "gru_textbook": lambda i, h: 3 * h * (i + h + 2),
    "mgu": lambda i, h: 2 * h * (i + h + 2),
    "ind_rnn": lambda i, h: h * (i + 2),
    "min_gru": lambda i, h: 2 * h * (i + 1),
    "min_lstm": lambda i, h: 3 * h * (i + 1),
    "qrnn": lambda i, h: 3 * h * (i + 1),
    "sru": lambda i, h: 4 * h * i + 4 * h,
    "slstm": lambda i, h: 4 * h * (i + h + 2),
    "mlstm": lambda i, h: 4 * h * i + h + 2 * (i + 1),
    "linear_attention": lambda i, h: 3 * h * i,
    "gated_delta_net": lambda i, h: 3 * h * i + 2 * i + 2,
    "lru": lambda i, h: 3 * h + 4 * i * h + i,
    "selective_ssm": lambda i, n: 3 * i * n + i * i + 2 * i,
}
PRODUCTS = {  # multiply-adds of matrix products in a step, and of these from state to state
    "rnn": lambda i, h: (h * i + h * h, h * h),
    "lstm": lambda i, h: (4 * h * (i + h), 4 * h * h),
    "gru": lambda i, h: (3 * h * (i + h), 3 * h * h),
    "min_gru": lambda i, h: (2 * h * i, 0),
    "linear_attention": lambda i, h: (3 * h * i + h * h, 0),
    "gated_delta_net": lambda i, h: (3 * h * i + 2 * i + 2 * h * h, h * h),
    "lru": lambda i, h: (4 * h * i, 0),
}
SCANS = {"min_gru", "min_lstm", "qrnn", "linear_attention", "lru", "selective_ssm"}


@pytest.mark.parametrize("name", FACTS)
def test_the_parameters_are_those_of_the_equations(name):
    found = bptt.look_up(name).parameter_count
    for sizes in ((10, 32), (3, 7), (12, 5)):
        assert found(*sizes) == PARAMETERS[name](*sizes)


@pytest.mark.parametrize("name", ["lstm", "selective_ssm", "mlstm"])
def test_shapes_in_letters_are_the_shapes_of_the_parameters(name):
    entry, params = bptt.look_up(name), getattr(nn.init, name)(np.random.default_rng(0), 9, 4)
    assert {n: tuple(size(9, 4) for size in shape) for n, shape in entry.parameters.items()} == {
        n: p.shape for n, p in params.items()
    }


def test_a_shape_is_written_as_one_writes_it():
    entry = bptt.look_up("lstm")
    assert shape_text(entry.parameters["weight_ih"]) == "(4 H, I)"
    assert shape_text(entry.states["c"]) == "(H,)"
    assert shape_text(bptt.look_up("mlstm").states["C"]) == "(H, H)"
    assert shape_text(bptt.look_up("selective_ssm").states["h"]) == "(I, H)"


@pytest.mark.parametrize("name", PRODUCTS)
def test_multiply_adds_are_those_of_the_equations(name):
    cost = bptt.look_up(name).cost
    for sizes in ((10, 32), (3, 7)):
        assert (cost.products(*sizes), cost.waiting_products(*sizes)) == PRODUCTS[name](*sizes)


OTHERS = {  # sums, products and functions, one by one; and of these on the way from state to state
    "rnn": ("4 H", "3 H"),  # W x + b, U h + b, their sum, tanh; the last three
    "leaky_rnn": ("7 H", "6 H"),  # beside these 0.8 h, 0.2 tanh, and their sum
    "ind_rnn": ("4 H", "3 H"),  # W x + b, u h, their sum, relu
    "min_gru": ("7 H", "2 H"),  # W x + b of 2 H, sigmoid, 1 - z, two products, a sum; (1 - z) h, the sum
    "qrnn": ("11 H", "2 H"),  # W x + b of 3 H, three functions, 1 - f, three products, a sum; f c, the sum
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_operations_are_those_of_the_equations(name):
    cost = bptt.look_up(name).cost
    assert (str(cost.others), str(cost.waiting_others)) == OTHERS[name]


def test_other_operations_of_an_lstm_are_counted_one_by_one():
    """Three sums of 4 H, four gates, f * c + i * g, o * tanh(c); without the state W x + b_ih and its gates' sum."""
    cost = bptt.look_up("lstm").cost
    assert str(cost.others) == "21 H"
    assert str(cost.waiting_others) == "17 H"


def test_what_parameters_alone_make_is_no_cost_of_a_step():
    """The LRU makes lambda of nu and theta once for all steps: u, four products and two sums for each of re and im."""
    cost = bptt.look_up("lru").cost
    assert str(cost.others) == "10 H + 3 I"
    assert str(cost.waiting_others) == "8 H"


@pytest.mark.parametrize("name", FACTS)
def test_cells_that_scan_are_those_whose_gates_read_the_input_alone(name):
    entry = bptt.look_up(name)
    expected = Linear.SCAN if name in SCANS else Linear.MIXED if name == "gated_delta_net" else Linear.NO
    assert entry.linear is expected
    assert (entry.no_scan == "") == (name in SCANS)


def small(cell, init=nn.init.min_gru):
    fact = FACTS["min_gru"]
    return Facts("own", "own", cell, init, "", fact.paper, "", "")


def test_a_linear_cell_that_mixes_entries_is_linear_and_no_scan():
    found, why = linearity.linearity(small(lambda p, x, h=None: nn.min_gru(p, x, h)[..., ::-1] * 0.5 + 1))
    assert found is Linear.MIXED
    assert "mixes entries" in why or "getitem" in why


def test_a_wrong_derivative_is_found():
    wrong = primitive(lambda a: a * a * a, lambda g, y, a: g * 2 * a * a, name="cube", kind="elementwise")
    with pytest.raises(AssertionError, match=r"argument|derivative|differ"):
        entry_checks.require_right_gradients(small(lambda p, x, h=None: wrong(nn.min_gru(p, x, h))))


def test_right_gradients_pass_for_a_cell_with_a_corner():
    entry_checks.require_right_gradients(FACTS["ind_rnn"])


def test_a_size_that_is_no_polynomial_is_refused():
    assert str(fitted(lambda i, h: 3 * i * h - h + 7)) == "3 I H - H + 7"
    assert str(fitted(lambda i, h: 0)) == "0"
    assert str(Size({(2, 0): -1, (0, 0): 2})) == "-I² + 2"
    with pytest.raises(ArithmeticError, match="a size of 27 at I, H"):
        fitted(lambda i, h: h**3)
    assert [str(size) for size in fitted_shape(lambda i, h: (2 * h, i + 1))] == ["2 H", "I + 1"]


def test_the_gradient_of_a_linear_cell_shrinks_as_its_decay_says(monkeypatch):
    """h_t = a h_{t-1} + W x_t: after k steps the norm is a^k."""
    monkeypatch.setattr(starting, "DISTANCE", 20)
    curve = starting.gradient_curve(small(lambda p, x, h=0.0: 0.5 * h + nn.min_gru(p, x)))
    np.testing.assert_allclose(curve, np.log10(0.5) * np.arange(21), atol=1e-12)


def test_the_spectral_norm_of_the_simple_rnn_is_that_of_its_closed_form():
    """ds_t/ds_{t-1} = diag(1 - h_t^2) U."""
    rng = np.random.default_rng(0)
    params = {name: p.data for name, p in nn.init.rnn(rng, *MEDIUM).items()}
    h = nn.unroll(nn.rnn, params, rng.standard_normal((starting.WARM, 1, MEDIUM[0])))[1]
    xs = rng.standard_normal((2, 1, MEDIUM[0]))
    h = nn.unroll(nn.rnn, params, xs, h)[1][0]
    expected = np.linalg.norm((1 - h**2)[:, None] * params["weight_hh"], 2)
    np.testing.assert_allclose(starting.block_norms(FACTS["rnn"])["s", "s"], expected, rtol=1e-12)


def blocks(found: Pattern):
    """By (new, old) the block of a pattern, in one word."""
    edges = np.cumsum([0, *found.sizes.values()])
    words = {}
    for i, new in enumerate(found.sizes):
        for j, old in enumerate(found.sizes):
            block = found.entries[edges[i] : edges[i + 1], edges[j] : edges[j + 1]]
            square = block.shape[0] == block.shape[1]
            diagonal = square and (block == np.eye(len(block), dtype=bool)).all()
            words[new, old] = (
                "full" if block.all() else "none" if not block.any() else "diagonal" if diagonal else "part"
            )
    return words


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rnn", {("h", "h"): "full"}),
        ("irnn", {("h", "h"): "full"}),
        ("residual_rnn", {("h", "h"): "full"}),
        ("ind_rnn", {("h", "h"): "diagonal"}),
        ("min_gru", {("h", "h"): "diagonal"}),
        ("lstm", {("h", "h"): "full", ("h", "c"): "diagonal", ("c", "h"): "full", ("c", "c"): "diagonal"}),
        ("qrnn", {("h", "h"): "none", ("h", "c"): "diagonal", ("c", "h"): "none", ("c", "c"): "diagonal"}),
    ],
)
def test_the_pattern_of_a_jacobian(name, expected):
    assert blocks(starting.pattern(FACTS[name])) == expected


def test_a_memory_that_is_a_matrix_is_read_column_by_column():
    """y = S^T q: an entry of y reads a column of S, and S keeps its entries."""
    found = starting.pattern(FACTS["linear_attention"])
    assert found.sizes == {"y": 4, "S": 16, "z": 4}
    assert blocks(found)["S", "S"] == "diagonal"
    np.testing.assert_array_equal(found.entries[:4, 4:20], np.tile(np.eye(4, dtype=bool), (1, 4)))


def test_an_unknown_cell_is_refused_with_the_nearest_name():
    with pytest.raises(LookupError, match=r"no cell 'ltsm'; did you mean lstm\?\ngive one of rnn, irnn"):
        bptt.look_up("ltsm")
    with pytest.raises(ValueError, match="to='pdf'\ngive one of text, markdown, html"):
        bptt.look_up("lstm").write("pdf")


def test_an_entry_in_each_format():
    entry = bptt.look_up("min_gru")
    text, markdown, html = (entry.write(to) for to in ("text", "markdown", "html"))
    assert str(entry) == text
    assert repr(entry) == "<AtlasEntry of min_gru: print it for the page, .to_dict() has the numbers>"
    for page in (text, markdown, html):
        assert "Feng, Tung, Ahmed, Bengio, Hajimirsadeghi (2024). Were RNNs all we needed? arXiv:2410.01201." in page
        assert "2 I H + 2 H" in page
        assert "dh_next = dh * (1 - z)" in page
    assert "h_t = (1 - z_t) ⊙ h_{t-1} + z_t ⊙ n_t" in text
    assert html.count("<math") > 5
    assert html.count("data:image/svg+xml;base64,") == markdown.count("data:image/svg+xml;base64,") == 3
    assert "http" not in html.replace("http://www.w3.org", "")
    assert "`" not in "".join(line for line in text.splitlines() if line.startswith("weight_ih"))
    values = json.loads(json.dumps(entry.to_dict()))
    assert values["sizes"]["parameters"] == {"formula": "2 I H + 2 H", "value": 704}
    assert len(values["log10_gradient"]) == 201
    assert np.array(values["jacobian"]).shape == (SMALL[1], SMALL[1])


def test_plain_values_are_in_english_in_each_language():
    entry = bptt.look_up("ind_rnn")
    with speaking("zh"):
        assert "每个单元只读自己的过去" in entry.write("text")
        found = entry.to_dict()
    assert found["says"] == "Each unit reads its own past alone, through relu."
    assert found["kept"]["words"].startswith("At each step h is multiplied by `u [z > 0]`: by 0.29 on average")
    assert found["formulas"]["h"] == "h_t = relu(z_t)"
