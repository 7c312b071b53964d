"""The code that `derive` writes: the tape's numbers, and code that one would hand in."""

import ast
import functools
import inspect
import subprocess
import sys

import cells
import numpy as np
import own_cells
import pytest
from derived_cells import CELLS, derivation

from tinygrad_rnn import bptt, named, nn
from tinygrad_rnn.bptt.derivation.formatting import WIDTH
from tinygrad_rnn.bptt.diagnosis.precision import DOUBLE
from tinygrad_rnn.bptt.diagnosis.problems import Problems
from tinygrad_rnn.bptt.diagnosis.submission import Submission

RELU = functools.partial(nn.rnn, nonlinearity="relu")


def compared(name, T, B):
    """The code's gradients against the tape's."""
    cell, example, layout = CELLS[name]
    problem = Problems(cell, example, layout == "columns", with_dlast=True).problem(T, B, seed=3)
    submission = Submission(derivation(name).gradients, None, layout, cell_in_columns=layout == "columns")
    found, _ = submission(problem.case)
    assert set(found) == set(problem.true)
    assert not submission.changed
    for key, true in problem.true.items():
        assert found[key].shape == true.shape
        assert np.abs(found[key] - true).max() <= 1e-12 * np.abs(true).max() + DOUBLE.floor * problem.largest, (
            key,
            T,
            B,
        )


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 50])
@pytest.mark.parametrize(
    "name",
    ["rnn", "residual_rnn", "lstm", "gru", "gru_textbook", "peephole_lstm"]
    + ["three_states", "minimal_gates", "multiplicative"],
)
def test_the_code_is_the_tape(name, steps, batch):
    compared(name, steps, batch)


@pytest.mark.parametrize("name", CELLS)
def test_any_cell_gives_right_code(name):
    compared(name, 3, 2)


@pytest.mark.parametrize("cell", cells.WITH_HAND.values())
def test_compare_and_the_doctor_take_it(cell):
    gradients = bptt.derive(cell).gradients
    rng = np.random.default_rng(0)
    for dtype in (np.float64, np.float32):
        params = getattr(nn.init, cell.__name__)(rng, 3, 5, dtype)
        report = bptt.compare(
            cell, params, rng.standard_normal((4, 3, 3)).astype(dtype), by_hand=gradients, torch=False
        )
        assert report
    assert bptt.doctor(cell, gradients)


def test_it_agrees_with_our_own_derivation_by_hand():
    rng = np.random.default_rng(1)
    params = {name: p.data for name, p in nn.init.lstm(rng, 3, 5).items()}
    xs, dhs = rng.standard_normal((6, 2, 3)), rng.standard_normal((6, 2, 5))
    state, dlast = ((rng.standard_normal((2, 5)), rng.standard_normal((2, 5))) for _ in range(2))
    mine = bptt.by_hand.lstm(params, xs, state, dhs, dlast)
    for name, g in bptt.derive(nn.lstm).gradients(params, xs, state, dhs, dlast).items():
        np.testing.assert_allclose(g, mine[name], rtol=1e-12, atol=1e-14)


def test_without_biases_and_with_relu():
    assert "bias" not in bptt.derive(nn.lstm, bias=False).numpy()
    code = bptt.derive(RELU).numpy()
    assert "def relu(z):" in code
    assert bptt.doctor(RELU, bptt.derive(RELU).gradients)


# -------------------------------------------------------------------------------------------- would one hand it in?


@pytest.mark.parametrize("name", CELLS)
def test_it_imports_numpy_alone_and_every_line_is_read(name):
    source = derivation(name).numpy()
    tree = ast.parse(source)
    imported = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    assert imported == ["numpy"]
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert all(len(line) <= WIDTH for line in source.splitlines())
    for function in [node for node in tree.body if isinstance(node, ast.FunctionDef)]:
        names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
        read = {node.id for node in names if isinstance(node.ctx, ast.Load)}
        written = {node.id for node in names if isinstance(node.ctx, ast.Store)}
        assert written - read <= {"_"} | {k for k in written if k.startswith("_")}, function.name


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    for name in CELLS:
        (folder / f"{name}.py").write_text(derivation(name).numpy(), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "command",
    [["check", "--select=E,F,W,I,B,UP,SIM,C4,RET", "--ignore=E741"], ["format", "--diff"]],
)
def test_ruff_has_nothing_to_say(files, command):
    pytest.importorskip("ruff")
    found = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "--isolated", "--line-length=120", str(files)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert found.returncode == 0, found.stdout + found.stderr


def code_lines(source):
    """Lines that are neither empty, nor comments, nor docstrings."""
    tree = ast.parse(source)
    docs = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef) and ast.get_docstring(node):
            docs |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    lines = enumerate(source.splitlines(), start=1)
    return [line for k, line in lines if line.strip() and not line.strip().startswith("#") and k not in docs]


@pytest.mark.parametrize("name", cells.WITH_HAND)
def test_it_is_not_much_longer_than_our_own(name):
    own = "import numpy as np\n" + inspect.getsource(getattr(bptt.by_hand, name))
    if "_sigmoid" in own:
        own += inspect.getsource(bptt.by_hand._sigmoid)
    same_width = derivation(name).numpy()
    assert len(code_lines(same_width)) <= 1.5 * len(code_lines(own))


def test_the_lstm_reads_as_a_person_writes_it():
    body = bptt.derive(nn.lstm).numpy().split("kept[t]\n")[1].split("    return")[0]
    formulas = [line.split("#")[0].strip() for line in body.splitlines()]
    assert formulas == [
        "dh = dhs[t] + dh_next",
        "dc = dc_next + dh * o * (1 - tanh_c**2)",
        "dz_o = dh * tanh_c * o * (1 - o)",
        "dz_g = dc * i * (1 - g**2)",
        "dz_f = dc * c_prev * f * (1 - f)",
        "dz_i = dc * g * i * (1 - i)",
        "dz = np.concatenate([dz_i, dz_f, dz_g, dz_o], axis=1)",
        "dW += dz.T @ xs[t]",
        "dU += dz.T @ h_prev",
        "db_ih += dz.sum(axis=0)",
        "dxs[t] = dz @ W",
        "dh_next = dz @ U",
        "dc_next = dc * f",
    ]


def test_names_are_the_authors():
    def cell(params, x, h):
        pre = x @ params["Wx"].T + h @ params["Wh"].T
        gate = named("squashed", np.tanh(pre))
        return gate * gate

    def example(rng, T, B):
        params = {"Wx": rng.standard_normal((4, 3)), "Wh": rng.standard_normal((4, 4))}
        return params, rng.standard_normal((T, B, 3)), rng.standard_normal((B, 4))

    code = bptt.derive(cell, example=example).numpy()
    assert "squashed = np.tanh(pre)" in code
    assert "dpre = 2 * dh * squashed * (1 - squashed**2)" in code
    assert "dV" in bptt.derive(cell, example=example, names={"V": "Wh"}).numpy()


def test_looking_at_local_names_leaves_no_trace():
    def look(frame, event, argument):
        pass

    sys.setprofile(look)
    try:
        bptt.derive(nn.rnn)
        with pytest.raises(ValueError, match="fails on its example"):
            bptt.derive(lambda params, x, h: params["none"], example=own_cells.of(own_cells.WU))
        assert sys.getprofile() is look
    finally:
        sys.setprofile(None)


def test_names_that_the_code_needs_for_itself_are_not_taken():
    def cell(params, x, h):
        h_prev = 0.5 * h
        kept = np.tanh(x @ params["W"] + h_prev @ params["targets"])
        L = loss = kept * kept
        return L + h_prev * loss

    example = example_of(W=(3, 4), targets=(4, 4))
    assert bptt.doctor(cell, bptt.derive(cell, example=example).gradients, example=example)


def test_states_may_be_called_anything():
    def cell(params, x, t, dt, kept_prev):
        z = np.tanh(x @ params["W"] + t @ params["U"])
        return z + dt, z * kept_prev, np.sin(dt)

    example = own_cells.of(own_cells.WU, states=3)
    assert bptt.doctor(cell, bptt.derive(cell, example=example).gradients, example=example)
    assert bptt.derive(cell, example=example).write("html")


def test_parameters_may_be_called_anything():
    def cell(params, x, h):
        return np.tanh(x @ params['rnn."l0".W'] + h @ params["\\U"] + params["b'"])

    example = own_cells.of({'rnn."l0".W': (3, 4), "\\U": (4, 4), "b'": (4,)})
    derivation = bptt.derive(cell, example=example)
    assert set(derivation.gradients(*example(np.random.default_rng(0), 2, 1), np.ones((2, 1, 4)))) > {"\\U", "b'"}
    assert bptt.derive(cell, example=example, names={"W": 'rnn."l0".W'}).lines()["dW"] == "∂L/∂W = Σ_t x_t δ_tᵀ"


def test_code_is_right_for_another_number_of_units():
    example = own_cells.of({**own_cells.GATES}, states=2, columns=True)
    gradients = bptt.derive(own_cells.course_lstm, example=example, layout="columns").gradients
    rng = np.random.default_rng(0)
    params = {f"W{k}": rng.standard_normal((6, 11)) for k in "fico"} | {
        f"b{k}": rng.standard_normal((6, 1)) for k in "fico"
    }
    state = (np.zeros((6, 2)), np.zeros((6, 2)))
    found = gradients(params, rng.standard_normal((5, 2, 3)), state, rng.standard_normal((6, 2, 3)))
    assert found["x"].shape == (5, 2, 3)
    assert found["a_prev0"].shape == (6, 2)


# ---------------------------------------------------------------------------------------------------- what is refused


def example_of(**shapes):
    return own_cells.of(shapes)


def test_a_cell_whose_steps_differ_is_refused_with_the_difference():
    draws = iter(range(1000))

    def cell(params, x, h):
        return np.tanh(x @ params["W"] * next(draws) + h @ params["U"])

    with pytest.raises(ValueError, match=r"not alike: step 1: entry 3, multiply, reads \d+, where step 2 reads \d+"):
        bptt.derive(cell, example=example_of(W=(3, 4), U=(4, 4)))


def test_a_constant_array_and_an_unknown_operation_are_refused():
    def constant(params, x, h):
        return np.tanh(x @ params["W"] + h + np.arange(4.0))

    with pytest.raises(ValueError, match="reads an array \\(4,\\) that is neither x, a state nor a parameter"):
        bptt.derive(constant, example=example_of(W=(3, 4)))

    def adding_up(params, x, h):
        return np.tanh(np.cumsum(x @ params["W"], axis=1) + h)

    with pytest.raises(ValueError, match="uses cumsum, for which there is no formula"):
        bptt.derive(adding_up, example=example_of(W=(3, 4)))


@pytest.mark.parametrize("rate", [0.5, 0.2, 1 / 3])
def test_a_factor_is_not_taken_for_one_over_the_number_of_examples(rate):
    """A factor times a sum over the examples is no mean over them, whatever the batch of the derivation."""

    def leaking(params, x, h):
        return h + rate * params["b"] * h + np.tanh(x @ params["W"])

    code = bptt.derive(leaking, example=example_of(W=(3, 4), b=(4,))).numpy()
    assert "mean(" not in code


def test_a_cell_that_joins_examples_is_refused():
    def normalized(params, x, h):
        z = x @ params["W"] + h @ params["U"]
        below = z - z.mean(axis=0)
        return np.tanh(below / np.sqrt((below * below).mean(axis=0, keepdims=True) + 0.1))

    with pytest.raises(ValueError, match=r"normalized joins the examples of a batch by mean.*\nreduce axes of units"):
        bptt.derive(normalized, example=example_of(**own_cells.WU))


def test_an_array_of_ones_is_refused_where_it_is_more_than_a_number():
    def with_ones(params, x, h):
        return np.tanh(np.concatenate([x, np.ones((len(x), 1))], axis=1) @ params["W"] + h)

    with pytest.raises(ValueError, match="fills an array with one number, and applies concatenate to it"):
        bptt.derive(with_ones, example=example_of(W=(4, 4)))


def test_numbers_that_are_not_finite_are_not_compared():
    def exploding(params, x, h):
        return 9 * h**3 + x @ params["W"]

    with pytest.raises(ArithmeticError, match="not finite on its example"), np.errstate(all="ignore"):
        bptt.derive(exploding, example=example_of(W=(3, 4))).numpy()


def test_a_cell_may_be_an_object():
    class Cell:
        def __call__(self, params, x, h):
            squashed = np.tanh(x @ params["W"] + h @ params["U"] + np.zeros_like(h))
            return squashed * 0.5

    derivation = bptt.derive(Cell(), example=example_of(W=(3, 4), U=(4, 4)))
    assert derivation.title == "Cell"
    assert "squashed = np.tanh(" in derivation.numpy()
    assert derivation.write("html")


def test_what_differs_from_step_to_step_but_is_not_x_is_refused():
    masks = iter(np.random.default_rng(0).random((1000, 4)) < 0.5)

    def dropping(params, x, h):
        return np.tanh(x @ params["W"] + h * next(masks))

    with pytest.raises(ValueError, match="differs from step to step"):
        bptt.derive(dropping, example=example_of(W=(3, 4)))


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="there are no problems for the cell"):
        bptt.derive(own_cells.linear)
    with pytest.raises(TypeError, match="the cell is a int"):
        bptt.derive(42)
    with pytest.raises(ValueError, match="give one of rows, columns"):
        bptt.derive(nn.rnn, layout="diagonal")
    with pytest.raises(ValueError, match="for a cell of your own"):
        bptt.derive(nn.rnn, layout="columns")
    with pytest.raises(ValueError, match="its parameters are weight_ih"):
        bptt.derive(nn.rnn, names={"U": "w"})
    with pytest.raises(ValueError, match="give one of latex"):
        bptt.derive(nn.rnn).write("pdf")


def test_wrong_code_is_not_handed_out(monkeypatch):
    from tinygrad_rnn.bptt.derivation import derive as module

    right = module.Code.source
    monkeypatch.setattr(module.Code, "source", lambda code: right(code).replace("(1 - h**2)", "(1 - h)"))
    with pytest.raises(ArithmeticError, match="gives another dweight_ih than the tape, at T=1, B=1"):
        bptt.derive(nn.rnn).numpy()


@pytest.mark.parametrize("cell", [nn.rnn, nn.lstm, nn.gru, nn.peephole_lstm])
def test_every_formula_says_which_entries_it_came_from(cell):
    derived = bptt.derive(cell)
    length = len(derived.recorded.tape)
    for f in derived.formulas.all:
        if f.section in ("forward", "errors", "gradients"):
            assert f.entries, f.name
            assert all(0 <= n < length for n in f.entries)


@pytest.mark.parametrize("shape", [(), (4, 1), (1, 4), (4, 4, 4)], ids=str)
def test_states_that_are_neither_vectors_nor_matrices_are_refused(shape):
    def example(rng, T, B):
        return {"u": rng.normal(size=())}, rng.normal(size=(T, B, 3)), rng.normal(size=(B, *shape))

    with pytest.raises(ValueError, match=r"the initial state h0 has shape \(2.*\n.*states of examples and units"):
        bptt.derive(lambda params, x, h: np.tanh(h * params["u"]), example=example)
