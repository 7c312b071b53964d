"""`tinygrad-rnn examine`: code as people have it, from a file or a notebook."""

import json

import pytest
from test_notebooks import write

from tinygrad_rnn import bptt, cli

FILE = """
import numpy as np
print("training")
class Net:
    def __init__(self, n, m):
        draw = np.random.default_rng(0)
        self.W, self.U = draw.normal(0, 0.5, (m, n)), draw.normal(0, 0.5, (m, m))
    def forward(self, xs, targets):
        print("forward")
        h, loss, self.kept = np.zeros(len(self.U)), 0.0, []
        for x, target in zip(xs, targets):
            before, h = h, np.tanh(self.W @ x + self.U @ h)
            loss += np.sum((h - target) ** 2)
            self.kept.append((x, before, h, target))
        return loss
    def backward(self):
        dW, dU, carry = np.zeros_like(self.W), np.zeros_like(self.U), 0
        for x, before, h, target in reversed(self.kept):
            dz = (2 * (h - target) + carry) * (1 - h**2)
            dW += np.outer(dz, x)
            dU += np.outer(dz, before)
            carry = self.U.T @ dz
        return dW, dU
def both(params, xs, targets):
    net = Net(2, 3)
    net.W, net.U = params["W"], params["U"]
    loss = net.forward(xs, targets)
    dW, dU = net.backward()
    return loss, {"g1": dW, "g2": dU}
def forward(x, h, W, U):
    new = np.tanh(W @ x + U @ h)
    return new, (x, h, new, W, U)
def backward(dnew, cache):
    x, h, new, W, U = cache
    dz = dnew * (1 - new**2)
    dx, dh, dW, dU = W.T @ dz, U.T @ dz, np.outer(dz, x), np.outer(dz, h)
    return dx, dh, dW, dU
DATA = np.linspace(-1, 1, 8).reshape(4, 2), np.linspace(1, 0, 12).reshape(4, 3)
"""
EXAMPLE = """
def example():
    draw = np.random.default_rng(1)
    return {"W": draw.normal(0, 0.5, (3, 2)), "U": draw.normal(0, 0.5, (3, 3))}, *DATA
"""
NAMES = ("--names", "g1=W,g2=U")
WRONG = ("carry = self.U.T @ dz", "carry = self.U @ dz")


def run(capsys, *arguments):
    status = cli.main(["examine", *map(str, arguments)])
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return status, said.out, said.err


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "homework.py"
    file.write_text(FILE + EXAMPLE, encoding="utf-8")
    return file


def test_a_function_with_the_file_s_example(path, tmp_path, capsys):
    status, out, err = run(capsys, f"{path}:both", *NAMES, "--json", tmp_path / "found.json")
    assert (status, out.splitlines()[0]) == (0, "both: right")
    assert "training" in err
    assert "training" not in out
    assert "\nforward\n" not in out
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert (found["kind"], found["right"], set(found["gradients"])) == ("examination", True, {"W", "U"})
    first = (tmp_path / "found.json").read_bytes()
    run(capsys, f"{path}:both", *NAMES, "--json", tmp_path / "found.json")
    assert (tmp_path / "found.json").read_bytes() == first


def test_a_wrong_one_has_status_1(path, capsys):
    path.write_text((FILE + EXAMPLE).replace(*WRONG), encoding="utf-8")
    status, out, _ = run(capsys, f"{path}:both", *NAMES)
    assert (status, out.splitlines()[0]) == (1, "both: WRONG from T = 2 on (right at T = 1)")
    assert bptt.examine  # the command says what the function does


def test_an_object_is_made_by_a_call_and_arguments_are_expressions(path, capsys):
    status, out, _ = run(capsys, f"{path}:Net(2, 3)", "rng.normal(size=(4, 2))", "np.ones((4, 3))")
    assert (status, out.splitlines()[0]) == (0, "Net: right")
    assert run(capsys, f"{path}:Net(2, 3)", "*DATA")[0] == 2
    assert run(capsys, f"{path}:Net(2, 3)", "DATA[0]", "DATA[1]")[0] == 0


@pytest.mark.parametrize("place", [0, 1, 2])
def test_options_stand_before_among_or_after_the_arguments(place, path, capsys):
    words = [f"{path}:Net(2, 3)", "rng.normal(size=(4, 2))", "np.ones((4, 3))"]
    words[place:place] = ["--lang", "en"]
    status, out, _ = run(capsys, *words)
    assert (status, out.splitlines()[0]) == (0, "Net: right")


def test_a_word_that_is_no_option_is_told_among_arguments_too(path, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["examine", f"{path}:Net(2, 3)", "--nmaes", "g=W", "1"])
    assert "unrecognized arguments: --nmaes g=W 1; did you mean --names?" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        cli.main(["examine", "--step"])
    assert "the following arguments are required: subject\n" in capsys.readouterr().err


@pytest.mark.parametrize("owner", ["Net(2, 3)", "Small", "Small()"])
def test_two_methods_of_one_object(owner, path, capsys):
    path.write_text(f"{FILE}\nclass Small(Net):\n    def __init__(self):\n        super().__init__(2, 3)\n")
    data = ["rng.normal(size=(4, 2))", "rng.normal(size=(4, 3))"]
    assert cli.main(["examine", f"{path}:{owner}.forward,{owner}.backward", *data]) == 0
    assert "Small.backward: right" in capsys.readouterr().out.replace("Net.", "Small.")


def test_a_pair_is_two_names(path, capsys):
    shapes = ("rng.normal(size=2)", "rng.normal(size=3)", "rng.normal(size=(3, 2))", "rng.normal(size=(3, 3))")
    status, out, _ = run(capsys, f"{path}:forward,backward", *shapes, "--step")
    assert (status, out.splitlines()[0]) == (0, "backward: right")
    path.write_text(FILE.replace("dnew * (1 - new**2)", "dnew * (1 - new)"), encoding="utf-8")
    assert run(capsys, f"{path}:forward,backward", *shapes, "--step")[0] == 1


def test_a_notebook(tmp_path, capsys):
    cells = FILE.split("def both")[0], "def both" + FILE.split("def both")[1], "%time\n" + EXAMPLE
    path = write(tmp_path / "homework.ipynb", *cells)
    assert run(capsys, f"{path}:both", *NAMES)[0] == 0
    path = write(path, *cells[:2], EXAMPLE.replace("draw.normal(0, 0.5, (3, 2))", "draw.normal(0, 0.5, (3, 5))"))
    status, _, err = run(capsys, f"{path}:both", *NAMES)
    assert status == 2
    assert "cell 1, line " in err


@pytest.mark.parametrize(
    ("subject", "arguments", "words"),
    [
        ("nothing", (), "'nothing' names nothing in a file\ngive it as FILE.py:name; the name may be a call"),
        ("{path}:", (), "names nothing in a file"),
        ("{path}:nope", (), "has no function 'nope'\nit has Net, both, forward, backward, example"),
        ("{path}:Net", (), "Net is a class\ngive an object of it: Net(...)"),
        ("{path}:Net(2)", (), "'Net(2)' cannot be evaluated: TypeError: "),
        ("{path}:both", ("W",), "has no function 'W'"),
        ("{path}:both", ("W +",), "'W +' cannot be evaluated: SyntaxError: "),
        ("{path}:both", ("exit()",), "'exit()' cannot be evaluated: exit()"),
        ("{path}:both", ("3",), "could not be run: TypeError"),
        ("none.py:f", (), "none.py: there is no such file"),
        ("{path}:DATA", (), "is no code"),
    ],
)
def test_what_cannot_be_run_is_told_with_status_2(subject, arguments, words, path, capsys, monkeypatch, tmp_path):
    (tmp_path / "stdin").touch()
    with open(tmp_path / "stdin") as nothing:
        monkeypatch.setattr("sys.stdin", nothing)  # exit() closes it
        status, out, err = run(capsys, subject.format(path=path), *arguments)
    assert (status, out) == (2, "")
    assert words in err
    assert len(err[err.index("error:") :].splitlines()) == 2


@pytest.mark.parametrize(
    ("example", "words"),
    [
        ("", "it was given no arguments: give those of one ordinary call after the name, as Python"),
        ("\ndef example(rng, T, B):\n    return 1\n", "takes rng, T, B: that is the doctor's\ngive those of one"),
        ("\ndef example():\n    return 1 / 0\n", "failed: ZeroDivisionError: division by zero\nit returns"),
    ],
)
def test_arguments_that_are_not_there_are_asked_for(example, words, path, capsys):
    path.write_text(FILE + example, encoding="utf-8")
    status, _, err = run(capsys, f"{path}:both")
    assert status == 2
    assert words in err


def test_the_file_itself_is_not_written_over(path, capsys):
    assert run(capsys, f"{path}:both", "--json", path)[0] == 2
    assert path.read_text(encoding="utf-8") == FILE + EXAMPLE
